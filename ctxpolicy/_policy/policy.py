"""The object that asyncio asks for event loops; it delegates to a resolver."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Any, Literal, get_args

from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import is_asyncios_own
from ctxpolicy._asyncio.policy_classes import CurrentLoop
from ctxpolicy._fork import POLICY, renew_after_fork
from ctxpolicy._loops.creation import record_creation
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.factories import loop_factory as named_loop_factory
from ctxpolicy._policy import override
from ctxpolicy._policy.child_watcher import WatchingPolicy
from ctxpolicy._policy.core import Answers, Missing
from ctxpolicy.errors import NoCurrentLoopError, OptionError
from ctxpolicy.resolvers._registry import make_resolver
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["ContextPolicy", "Missing"]


class ContextPolicy(WatchingPolicy):
    """An event loop policy whose notion of a context is a resolver's.

    Args:
        resolver: a resolver, or the name of a registered one.
        missing: what :meth:`get_event_loop` does in a context without a loop. ``"asyncio"``: what this Python's own
            default policy does: up to 3.11 it makes a loop in the main thread if none was ever set, on 3.12 and 3.13
            with a ``DeprecationWarning``, and raises else. ``"error"``: it raises (as 3.14 does). ``"create"``: it
            leases a loop to the context, which is closed when the context is gone.
        loop_factory: makes new loops: a callable, or one of the names ``"asyncio"``, ``"selector"``, ``"proactor"``
            (Windows) and ``"uvloop"``. ``None``: the resolver's own kind, else the kind of the policy that this one
            takes the place of (uvloop's, tornado's), else asyncio's.

    Raises:
        CtxPolicyError: an argument cannot be used; its subclass says why.
    """

    def __init__(
        self,
        resolver: ContextResolver | str = "contextvar",
        *,
        missing: Missing = "asyncio",
        loop_factory: LoopFactory | str | None = None,
    ) -> None:
        if missing not in get_args(Missing):
            raise OptionError(f"missing must be one of {', '.join(map(repr, get_args(Missing)))}, not {missing!r}")
        given = None if loop_factory is None else named_loop_factory(loop_factory)
        self._answers = Answers(make_resolver(resolver), missing, given, self._loop_factory)
        super().__init__()
        self._keep_kind_of_loops(host.in_force())
        self._bind_methods()
        renew_after_fork(self, POLICY)

    @property
    def own_resolver(self) -> ContextResolver:
        """The resolver that the policy was made with."""
        return self._answers.own_resolver

    @property
    def resolver(self) -> ContextResolver:
        """The resolver that says what a context is here: the policy's own, in a ``using`` block the chosen one."""
        return self._answers.resolver

    @property
    def missing(self) -> Missing:
        """What is done in a context without a loop."""
        return self._answers.missing

    # What these two do for ContextPolicy itself, closures do, which each instance keeps in their place: see
    # _bind_methods(). They are for subclasses, which may override any of the three.
    def get_event_loop(self) -> AbstractEventLoop:
        """Return the loop of the present context.

        Called by ``asyncio.get_event_loop()`` where no loop is running. May be called in any thread.

        Raises:
            NoCurrentLoopError: there is none, and ``missing`` does not say to make one here.
        """
        loop: AbstractEventLoop | None = self._find()
        return self._answers.make_up_for_missing(self) if loop is None else loop

    def set_event_loop(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop`` to the present context; ``None`` unbinds what was bound by hand.

        On Python 3.10 to 3.13 this also attaches a child watcher that is in use to the loop, in the main thread.

        Raises:
            NotALoopError: ``loop`` is neither an event loop nor ``None``; the former binding stays.
        """
        self._put(loop)
        self._attach(loop)

    def new_event_loop(self) -> AbstractEventLoop:
        """Return a new loop, not bound to any context.

        Raises:
            LoopFactoryError: the loop factory raised, or made no open event loop.
        """
        return record_creation(self._answers.make())

    def leased_factory(self) -> LoopFactory:
        """Return what makes the loops that are leased in the present context."""
        makes_its_own = type(self) is not ContextPolicy or "new_event_loop" in vars(self)
        return self.new_event_loop if makes_its_own else self._answers.leased_factory()

    def factory_in_use(self) -> LoopFactory:
        """Return what :meth:`new_event_loop` calls in the present context."""
        return self._answers.factory_in_use()

    def kind_of_loops(self) -> LoopFactory | None:
        """Return what makes the loops of a policy that takes this one's place; ``None``: asyncio's own."""
        if type(self).new_event_loop is not ContextPolicy.new_event_loop:
            return self.new_event_loop
        given = self._answers.given_factory
        return self._answers.inherited_factory if given is None else given

    def take_over(self, former: Any) -> None:
        """Keep what must not change when this policy takes the place of ``former``.

        That is: the kind of loops, where ``former`` is not asyncio's own policy; on Python 3.10 to 3.13 the child
        watcher in use; and that ``using`` blocks are heeded.
        """
        self._keep_kind_of_loops(former)
        self.borrow_watcher(former)
        if override.in_use():
            self.scope()

    def _keep_kind_of_loops(self, former: Any) -> None:
        if is_asyncios_own(former):
            kind = None
        else:
            kind = former.kind_of_loops() if isinstance(former, ContextPolicy) else former.new_event_loop
        # Not this policy's own method, which it would call for ever: former may be this one, or have taken it over.
        self._answers.inherit(None if getattr(kind, "__self__", None) is self else kind)

    def scope(self) -> None:
        """Heed ``using`` blocks from now on."""
        if not self._answers.scoped:
            self._answers.scoped = True
            self._bind_methods()

    def after_fork(self) -> None:
        """Bind anew what the resolver has renewed; called in a forked child."""
        self._answers.leave_legacy_loop()
        self._bind_methods()

    def remedy(self) -> Literal["lease", "legacy", "error"]:
        """Say what ``get_event_loop`` does about a loop that is missing in the present context, without doing it.

        Returns:
            ``"lease"``: leases one; ``"legacy"``: binds the :meth:`legacy_loop`, made if need be, as asyncio does on
            Python 3.10 to 3.13; ``"error"``: raises :meth:`nothing_here`.
        """
        return self._answers.remedy()

    def legacy_loop(self) -> AbstractEventLoop | None:
        """Return the loop that was made unasked for: one, for all contexts of the main thread that have none."""
        return self._answers.legacy_loop()

    def nothing_here(self) -> NoCurrentLoopError:
        """Return what is raised where there is no loop, and none may be made."""
        return self._answers.nothing_here()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} resolver={self.own_resolver!r} missing={self.missing!r}>"

    # asyncio's own code and some libraries read and write policy._local._loop; on 3.12 and later asyncio assigns a
    # fresh thread-local to it in a forked child.
    @property
    def _local(self) -> CurrentLoop:
        return CurrentLoop(self.resolver.get, self.set_event_loop)

    @_local.setter
    def _local(self, _: object) -> None:
        pass

    def _bind_methods(self) -> None:
        answers = self._answers
        answers.ask_resolver()
        self._find = answers.getter(_nothing)
        self._put = answers.setter()
        if type(self) is ContextPolicy:
            # As attributes: a hit costs one Python frame, and no attribute is looked up on the way.
            vars(self).update(get_event_loop=answers.bound_getter(), set_event_loop=answers.bound_setter())


def _nothing() -> Any:
    """Stand for ``miss``: the policy's own method then sees that nothing is bound."""
    return None
