"""The object that asyncio asks for event loops; it delegates to a resolver."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Any, Literal, get_args

from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import is_asyncio_default
from ctxpolicy._asyncio.policy_classes import CurrentLoop
from ctxpolicy._fork import POLICY, renew_after_fork
from ctxpolicy._loops.creation import record_creation
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._loops.factories import loop_factory as named_loop_factory
from ctxpolicy._policy import override_switch
from ctxpolicy._policy.child_watcher import Watch, WatchingPolicy
from ctxpolicy._policy.core import Missing, PolicyCore
from ctxpolicy.errors import NoCurrentLoopError, OptionError
from ctxpolicy.resolvers._registry import make_resolver
from ctxpolicy.resolvers.base import ContextResolver

__all__ = ["ContextPolicy", "Missing"]


class ContextPolicy(WatchingPolicy):
    """An event loop policy that asks a resolver for the current loop of the present context.

    Args:
        resolver: a resolver, or the name of a registered one.
        missing: what :meth:`get_event_loop` does in a context without a loop. ``"asyncio"``: the same as this Python's
            own default policy. Up to 3.13 that policy creates a loop in the main thread if none was ever set (on 3.12
            and 3.13 with a ``DeprecationWarning``); otherwise it raises. ``"error"``: it raises, as on 3.14.
            ``"create"``: it leases a loop to the context, which is closed when the context ends.
        loop_factory: the factory of new loops: a callable, or one of the names ``"asyncio"``, ``"selector"``,
            ``"proactor"`` (Windows) and ``"uvloop"``. ``None``: the resolver's factory, else the factory of the policy
            that this one replaces (uvloop's, tornado's), else asyncio's.

    Raises:
        CtxPolicyError: an argument is invalid; its subclass says why.
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
        self._watch = Watch()
        self._core = PolicyCore(make_resolver(resolver), missing, given, self._loop_factory, self._watch)
        super().__init__()
        self._keep_kind_of_loops(host.in_force())
        self._bind_methods()
        renew_after_fork(self, POLICY)

    @property
    def own_resolver(self) -> ContextResolver:
        """The resolver that the policy was created with."""
        return self._core.own_resolver

    @property
    def resolver(self) -> ContextResolver:
        """The resolver in effect: the one of the innermost ``using`` block, else the policy's own."""
        return self._core.resolver

    @property
    def missing(self) -> Missing:
        """How a missing loop is handled."""
        return self._core.missing

    # Subclasses use the next two methods, and may override any of the three. An instance of ContextPolicy itself has
    # closures in place of the two: see _bind_methods().
    def get_event_loop(self) -> AbstractEventLoop:
        """Return the loop of the present context.

        ``asyncio.get_event_loop()`` calls this method if no loop is running in the thread. May be called in any thread.

        Raises:
            NoCurrentLoopError: the context has no loop, and ``missing`` does not allow the creation of a loop here.
        """
        loop: AbstractEventLoop | None = self._find()
        return self._core.handle_missing(self) if loop is None else loop

    def set_event_loop(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop`` to the present context.

        On Python 3.10 to 3.13, in the main thread, this also attaches the child watcher to the loop.

        Args:
            loop: an event loop; ``None`` unbinds the loop that was set.

        Raises:
            NotALoopError: ``loop`` is neither an event loop nor ``None``. The binding is unchanged then.
        """
        self._put(loop)
        self._attach_watcher(loop)

    def new_event_loop(self) -> AbstractEventLoop:
        """Return a new loop, not bound to any context.

        Raises:
            LoopFactoryError: the loop factory raised, or did not return an open event loop.
        """
        return record_creation(self._core.make())

    def leased_factory(self) -> LoopFactory:
        """Return a factory for loops that are leased in the present context."""
        return self.new_event_loop if self._makes_loops_itself() else self._core.leased_factory()

    def factory_in_use(self) -> LoopFactory:
        """Return the factory of new loops in the present context.

        The factory is :meth:`new_event_loop` itself if a subclass overrides that method, else the loop factory that the
        method calls.
        """
        return self.new_event_loop if self._makes_loops_itself() else self._core.factory_in_use()

    def kind_of_loops(self) -> LoopFactory | None:
        """Return the loop factory that a policy takes over if it replaces this one; ``None``: asyncio's own."""
        if self._makes_loops_itself():
            return self.new_event_loop
        given = self._core.given_factory
        return self._core.inherited_factory if given is None else given

    def _makes_loops_itself(self) -> bool:
        """Return whether a subclass, or the instance itself, overrides :meth:`new_event_loop`."""
        return getattr(self.new_event_loop, "__func__", None) is not ContextPolicy.new_event_loop

    def take_over(self, previous: Any) -> None:
        """Take over the settings of ``previous``, which this policy replaces.

        The settings are the loop factory, if ``previous`` is not asyncio's own policy; the child watcher (Python 3.10
        to 3.13); and the effect of ``using`` blocks.
        """
        self._keep_kind_of_loops(previous)
        self.borrow_watcher(previous)
        if override_switch.overrides_enabled():
            self.enable_overrides()

    def _keep_kind_of_loops(self, previous: Any) -> None:
        if is_asyncio_default(previous):
            kind = None
        else:
            kind = previous.kind_of_loops() if isinstance(previous, ContextPolicy) else previous.new_event_loop
        # This policy's own method must not become its factory, because the method would call itself without end. It can
        # be found here if `previous` is this policy, or a policy that took the method over from this policy.
        self._core.inherit(None if getattr(kind, "__self__", None) is self else kind)

    def enable_overrides(self) -> None:
        """Make ``using`` blocks have an effect from now on."""
        if not self._core.overrides_enabled:
            self._core.enable_overrides()
            self._bind_methods()

    def after_fork(self) -> None:
        """Bind the getter and setter that the resolver has renewed; called in a forked child."""
        self._core.legacy_loop.after_fork()
        self._bind_methods()

    def missing_action(self) -> Literal["lease", "legacy", "error"]:
        """Return the name of the action of ``get_event_loop`` if the present context has no loop.

        Returns:
            ``"lease"``: it leases a loop. ``"legacy"``: it binds the :meth:`legacy_loop`, which it creates if
            necessary, as asyncio does on Python 3.10 to 3.13. ``"error"``: it raises :meth:`no_loop_error`.
        """
        return self._core.missing_action()

    def legacy_loop(self) -> AbstractEventLoop | None:
        """Return the loop that was created implicitly for contexts of the main thread without a loop, or ``None``."""
        return self._core.legacy_loop.get()

    def no_loop_error(self) -> NoCurrentLoopError:
        """Return the error for a context that has no loop and for which none may be created."""
        return self._core.no_loop_error()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} resolver={self.own_resolver!r} missing={self.missing!r}>"

    # For code in asyncio and in some libraries, which reads and writes policy._local._loop. From 3.12 on, asyncio
    # assigns a new thread-local to policy._local in a forked child. Therefore there is a setter.
    @property
    def _local(self) -> CurrentLoop:
        return CurrentLoop(self.resolver.get, self.set_event_loop)

    @_local.setter
    def _local(self, _: object) -> None:
        pass

    def _bind_methods(self) -> None:
        core = self._core
        core.check_resolver()
        self._find = core.getter(_return_none)
        self._put = core.setter()
        if type(self) is ContextPolicy:
            # As attributes of the instance. A hit then costs one Python frame, and no attribute lookup.
            vars(self).update(get_event_loop=core.bound_getter(), set_event_loop=core.bound_setter())


def _return_none() -> Any:
    """Return ``None``, from which the caller of the getter sees that no loop is bound; used as ``miss``."""
    return None
