"""Foresee what ``get_event_loop()`` would do under the policy in force, without doing it."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from dataclasses import replace
from types import MethodType
from typing import Any, Final, cast

from ctxpolicy._asyncio.capabilities import CREATES_IMPLICITLY, CREATION_WARNS
from ctxpolicy._asyncio.other_policies import decides_as_asyncio, is_asyncios_own, is_own_way, kept_loop, would_create
from ctxpolicy._explain.report import Answer, BoundLoop, View
from ctxpolicy._loops.creation import origin
from ctxpolicy._policy import override
from ctxpolicy._policy.passthrough import DispatchPolicy
from ctxpolicy._policy.policy import ContextPolicy
from ctxpolicy._threads import thread_name
from ctxpolicy.resolvers.base import ContextResolver
from ctxpolicy.resolvers.chain import ChainResolver
from ctxpolicy.resolvers.delegating import DelegatingResolver

__all__ = ["running", "view"]


def view(policy: Any) -> View:
    """Look at ``policy`` from the present thread and context."""
    if isinstance(policy, DispatchPolicy) and override.chosen() is None:
        former = view(policy.former)
        return replace(
            former,
            policy=f"{former.policy}, which the one of using() blocks passes on to",
            answer=_answer_of_ours(policy)[0] if is_own_way(policy.former) else former.answer,
        )
    if isinstance(policy, ContextPolicy):
        return _view_of_ours(policy)
    return _view_of_another(policy)


def running(loop: AbstractEventLoop) -> Answer:
    """Say what ``get_event_loop()`` returns where ``loop`` runs."""
    reason = f"this loop is running in thread {thread_name()}: asyncio answers with it and asks no policy"
    return Answer("running", (reason,), _text(loop))


def _view_of_another(policy: Any) -> View:
    """Look at asyncio's own policy (``None``: not made yet), or one that others have written."""
    loop = kept_loop(policy)
    own, threads = is_asyncios_own(policy), decides_as_asyncio(policy)
    return View(
        policy="asyncio's own" if own else _name(type(policy)),
        context=f"thread {thread_name()}" if threads else "what that policy takes for one",
        binding=None if loop is None else _bound(loop, handed_out=threads, thread=thread_name() if threads else None),
        loop_factory="asyncio's own" if own else f"{_name(type(policy))}.new_event_loop",
        answer=_answer_of_another(policy, loop),
    )


def _answer_of_another(policy: Any, loop: AbstractEventLoop | None) -> Answer:
    if not decides_as_asyncio(policy):
        return Answer("unknown", (_ASKED, f"{_name(type(policy))} has a get_event_loop() of its own"))
    here = f"thread {thread_name()}"
    if loop is not None:
        return Answer("bound", (_ASKED, f"this loop was set in {here}"), _text(loop))
    reasons = (_ASKED, f"no loop is set in {here}")
    if would_create(policy):
        return Answer("made", (*reasons, _LEGACY), warning=_LEGACY_WARNING)
    return Answer("error", (*reasons, _NO_LEGACY), error=f"RuntimeError: There is no current event loop in {here}.")


def _view_of_ours(policy: ContextPolicy) -> View:
    resolver, answer, loop = policy.resolver, *_answer_of_ours(policy)
    return View(
        policy="the one of using() blocks" if isinstance(policy, DispatchPolicy) else _name(type(policy)),
        resolver=_told(lambda: _path(resolver)) + ("" if resolver is policy.own_resolver else ", chosen by using()"),
        missing=policy.missing,
        context=_told(resolver.describe),
        binding=_binding(resolver, loop),
        loop_factory=_told(lambda: _name_of_callable(_factory(policy))),
        answer=answer,
    )


_NOTHING: Final = cast("AbstractEventLoop", object())


def _answer_of_ours(policy: ContextPolicy) -> tuple[Answer, AbstractEventLoop | None]:
    """Ask the resolver as the policy does; the second of what is returned is the loop that it hands out."""
    if type(policy).get_event_loop is not ContextPolicy.get_event_loop:
        return Answer("unknown", (_ASKED, f"{_name(type(policy))} has a get_event_loop() of its own")), None
    context = _told(policy.resolver.describe)
    try:
        loop = policy.resolver.getter(lambda: _NOTHING)()
        if loop is _NOTHING:
            return _answer_without(policy, context), None
    except Exception as error:  # whatever a resolver raises, this is what shows it  # noqa: BLE001
        return Answer("error", (_ASKED, "its resolver fails"), error=_error(error)), None
    return Answer("bound", (_ASKED, f"its resolver has this loop for {context}"), _text(loop)), loop


def _answer_without(policy: ContextPolicy, context: str) -> Answer:
    reasons: tuple[str, ...] = (_ASKED, f"its resolver has no loop for {context}", f"missing is {policy.missing!r}")
    remedy = policy.remedy()
    if remedy == "error":
        if policy.missing == "asyncio":
            reasons = (*reasons, _NO_LEGACY)
        return Answer("error", reasons, error=_error(policy.nothing_here()))
    if remedy == "lease":
        if _is_nowhere(policy.resolver):
            policy.resolver.bindings.lease(policy.new_event_loop)  # raises, before it would make one
        return Answer("made", (*reasons, "one is leased to this context, and closed at its end"))
    standing = policy.legacy_loop()
    if standing is None:
        return Answer("made", (*reasons, _LEGACY), warning=_LEGACY_WARNING)
    return Answer("made", (*reasons, _LEGACY, "it was made before"), _text(standing))


_ASKED: Final = "no loop runs in this thread: asyncio asks the policy in force"


_LEGACY: Final = "asyncio makes a loop in the main thread where none was ever set"


_LEGACY_WARNING: Final = "DeprecationWarning" if CREATION_WARNS else None


_NO_LEGACY: Final = (
    "asyncio makes a loop only in the main thread, and only where none was ever set"
    if CREATES_IMPLICITLY
    else "asyncio of this Python makes no loop unasked"
)


def _path(resolver: ContextResolver) -> str:
    """Name ``resolver`` and those that it passes calls on to in the present context."""
    if not isinstance(resolver, DelegatingResolver):
        return _name(type(resolver))
    if _is_nowhere(resolver):
        return f"{_name(type(resolver))}, none of whose resolvers applies here"
    return f"{_name(type(resolver))} -> {_path(resolver.present())}"


def _is_nowhere(resolver: ContextResolver) -> bool:
    """Tell whether this comes to a chain none of whose resolvers applies here: no loop can be bound then."""
    if isinstance(resolver, ChainResolver):
        return not resolver.applies() or _is_nowhere(resolver.present())
    return isinstance(resolver, DelegatingResolver) and _is_nowhere(resolver.present())


def _factory(policy: ContextPolicy) -> Callable[[], Any]:
    overridden = type(policy).new_event_loop is not ContextPolicy.new_event_loop
    return policy.new_event_loop if overridden else policy.factory_in_use()


def _binding(resolver: ContextResolver, loop: AbstractEventLoop | None) -> BoundLoop | None:
    try:
        binding = resolver.binding()
    except Exception:  # as get() did; the answer says so  # noqa: BLE001
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


def _bound(loop: AbstractEventLoop, **facts: Any) -> BoundLoop:
    return BoundLoop(_text(loop), made_at=origin(loop), **facts)


def _name(kind: type) -> str:
    ours = kind.__module__.partition(".")[0] == "ctxpolicy"
    return kind.__qualname__ if ours else f"{kind.__module__}.{kind.__qualname__}"


def _name_of_callable(function: Callable[..., Any]) -> str:
    if isinstance(function, MethodType):
        return f"{_name(type(function.__self__))}.{function.__name__}"
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    return f"{module}.{name}" if module and name else repr(function)


def _text(thing: object) -> str:
    return _told(lambda: repr(thing))


def _error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _told(tell: Callable[[], str]) -> str:
    """Return what ``tell()`` says, also where a plugin cannot say it."""
    try:
        return tell()
    except Exception as error:  # noqa: BLE001
        return f"(cannot be told: {error!r})"
