"""Predicts what ``get_event_loop()`` would do under a policy, without calling it."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from dataclasses import replace
from typing import Any, Final, cast

from ctxpolicy._asyncio.capabilities import CREATES_IMPLICITLY, CREATION_WARNS
from ctxpolicy._asyncio.other_policies import (
    current_loop_of,
    decides_like_asyncio,
    handles_missing_like_asyncio,
    is_asyncio_default,
    would_create,
)
from ctxpolicy._explain.formatting import callable_name, class_name, formatted, formatted_error, formatted_repr
from ctxpolicy._explain.report import Answer, BoundLoop, View
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._policy import override
from ctxpolicy._policy.passthrough import PassThroughPolicy
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._threads import thread_name
from ctxpolicy.resolvers.base import ContextResolver
from ctxpolicy.resolvers.chain import ChainResolver
from ctxpolicy.resolvers.delegating import DelegatingResolver

__all__ = ["policy_view", "running_answer"]

_ASKED: Final = "no loop runs in this thread: asyncio asks the policy in force"
_IMPLICIT: Final = "asyncio makes a loop in the main thread if none was ever set"
_IMPLICIT_WARNING: Final = "DeprecationWarning" if CREATION_WARNS else None
_NOT_IMPLICIT: Final = (
    "asyncio makes a loop implicitly only in the main thread, and only if none was ever set"
    if CREATES_IMPLICITLY
    else "asyncio of this Python makes no loop implicitly"
)
# The getter of a resolver returns this object if the present context has no loop.
_NO_LOOP: Final = cast("AbstractEventLoop", object())


def running_answer(loop: AbstractEventLoop) -> Answer:
    """Return the answer for a thread in which ``loop`` runs."""
    reason = f"this loop is running in thread {thread_name()}: asyncio answers with it and asks no policy"
    return Answer("running", (reason,), formatted_repr(loop))


def policy_view(policy: Any) -> View:
    """Describe ``policy`` in the present thread and context, and predict the result of its ``get_event_loop()``.

    Args:
        policy: any policy; ``None``: asyncio's default policy, which does not exist yet.
    """
    if isinstance(policy, PassThroughPolicy) and override.overriding_resolver() is None:
        previous, like_asyncio = policy_view(policy.previous), handles_missing_like_asyncio(policy.previous)
        return replace(
            previous,
            policy=f"{previous.policy}, to which the policy of using() blocks passes on",
            answer=_context_policy_answer(policy)[0] if like_asyncio else previous.answer,
        )
    if isinstance(policy, ContextPolicy):
        return _context_policy_view(policy)
    return _other_policy_view(policy)


# --- asyncio's default policy, and other policies ---


def _other_policy_view(policy: Any) -> View:
    loop = current_loop_of(policy)
    default, per_thread = is_asyncio_default(policy), decides_like_asyncio(policy)
    return View(
        policy="asyncio's own" if default else class_name(type(policy)),
        context=f"thread {thread_name()}" if per_thread else "only that policy knows its contexts",
        binding=None if loop is None else _bound(loop, per_thread, thread=thread_name() if per_thread else None),
        loop_factory="asyncio's own" if default else f"{class_name(type(policy))}.new_event_loop",
        answer=_other_policy_answer(policy, loop),
    )


def _other_policy_answer(policy: Any, loop: AbstractEventLoop | None) -> Answer:
    if not decides_like_asyncio(policy):
        return _unknown_answer(policy)
    here = f"thread {thread_name()}"
    if loop is not None:
        return Answer("bound", (_ASKED, f"this loop was set in {here}"), formatted_repr(loop))
    reasons = (_ASKED, f"no loop is set in {here}")
    if would_create(policy):
        return Answer("made", (*reasons, _IMPLICIT), warning=_IMPLICIT_WARNING)
    return Answer("error", (*reasons, _NOT_IMPLICIT), error=f"RuntimeError: There is no current event loop in {here}.")


def _unknown_answer(policy: Any) -> Answer:
    return Answer("unknown", (_ASKED, f"{class_name(type(policy))} has a get_event_loop() of its own"))


# --- ContextPolicy and its subclasses ---


def _context_policy_view(policy: ContextPolicy) -> View:
    resolver, answer, loop = policy.resolver, *_context_policy_answer(policy)
    return View(
        policy="the policy of using() blocks" if isinstance(policy, PassThroughPolicy) else class_name(type(policy)),
        resolver=formatted(lambda: _path(resolver)) + ("" if resolver is policy.own_resolver else ", set by using()"),
        missing=policy.missing,
        context=formatted(resolver.describe),
        binding=_binding(resolver, loop),
        loop_factory=formatted(lambda: callable_name(policy.factory_in_use())),
        answer=answer,
    )


def _context_policy_answer(policy: ContextPolicy) -> tuple[Answer, AbstractEventLoop | None]:
    """Ask the resolver as the policy does. Return the answer, and the loop that the resolver hands out, or ``None``."""
    if type(policy).get_event_loop is not ContextPolicy.get_event_loop:
        return _unknown_answer(policy), None
    context = formatted(policy.resolver.describe)
    try:
        loop = policy.resolver.getter(lambda: _NO_LOOP)()
        if loop is _NO_LOOP:
            return _missing_answer(policy, context), None
    except Exception as error:  # noqa: BLE001 - whatever the resolver raises is the answer
        return Answer("error", (_ASKED, "its resolver fails"), error=formatted_error(error)), None
    return Answer("bound", (_ASKED, f"its resolver has this loop for {context}"), formatted_repr(loop)), loop


def _missing_answer(policy: ContextPolicy, context: str) -> Answer:
    reasons: tuple[str, ...] = (_ASKED, f"its resolver has no loop for {context}", f"missing is {policy.missing!r}")
    action = policy.missing_action()
    if action == "error":
        if policy.missing == "asyncio":
            reasons = (*reasons, _NOT_IMPLICIT)
        return Answer("error", reasons, error=formatted_error(policy.no_loop_error()))
    if action == "lease":
        if _applies_nowhere(policy.resolver):
            policy.resolver.bindings.lease(policy.new_event_loop)  # raises, and makes no loop
        return Answer("made", (*reasons, "a new loop is leased to this context, and closed at its end"))
    legacy = policy.legacy_loop()
    if legacy is None:
        return Answer("made", (*reasons, _IMPLICIT), warning=_IMPLICIT_WARNING)
    return Answer("made", (*reasons, _IMPLICIT, "asyncio has made this loop before"), formatted_repr(legacy))


def _path(resolver: ContextResolver) -> str:
    """Return the names of ``resolver`` and of the resolvers to which it passes calls on in the present context."""
    if not isinstance(resolver, DelegatingResolver):
        return class_name(type(resolver))
    if _applies_nowhere(resolver):
        return f"{class_name(type(resolver))}, none of whose resolvers applies here"
    return f"{class_name(type(resolver))} -> {_path(resolver.present())}"


def _applies_nowhere(resolver: ContextResolver) -> bool:
    """Return whether calls reach a chain of which no resolver applies here. No loop can be bound then."""
    if isinstance(resolver, ChainResolver):
        return not resolver.applies() or _applies_nowhere(resolver.present())
    return isinstance(resolver, DelegatingResolver) and _applies_nowhere(resolver.present())


# --- the binding ---


def _binding(resolver: ContextResolver, loop: AbstractEventLoop | None) -> BoundLoop | None:
    """Return the binding of the present context; only ``loop``, without its owner, if the resolver knows no owners."""
    try:
        binding = resolver.binding()
    except Exception:  # noqa: BLE001 - most likely get() has raised too, and the answer shows that error
        binding = None
    if binding is None or binding.loop is None:
        return None if loop is None else _bound(loop, handed_out=True)
    return _bound(
        binding.loop,
        handed_out=binding.loop is loop,
        thread=thread_name(binding.thread),
        process=binding.process,
        bound_at=binding.where,
        leased=binding.lease is not None and binding.lease.loop is binding.loop,
    )


def _bound(loop: AbstractEventLoop, handed_out: bool, **facts: Any) -> BoundLoop:
    return BoundLoop(formatted_repr(loop), handed_out, made_at=creation_site(loop), **facts)
