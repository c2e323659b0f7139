"""The object that asyncio asks for event loops; it delegates to a resolver."""

from __future__ import annotations

import threading
import warnings
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable
from types import CodeType
from typing import Any, Literal, get_args

from ctxpolicy import _asyncio, _scope
from ctxpolicy._fork import POLICY, renew_after_fork
from ctxpolicy._frames import caller
from ctxpolicy._loops import loop_factory as named_loop_factory
from ctxpolicy._loops import make_loop
from ctxpolicy._origin import note_origin
from ctxpolicy._registry import make_resolver
from ctxpolicy._seam import CurrentLoop
from ctxpolicy._threads import thread_name
from ctxpolicy._watchers import WatchingPolicy
from ctxpolicy.errors import NoCurrentLoopError, NotALoopError, OptionError
from ctxpolicy.resolvers.base import ContextResolver, LoopFactory

__all__ = ["ContextPolicy", "Missing"]

Missing = Literal["asyncio", "error", "create"]


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
        self._own_resolver = make_resolver(resolver)
        self._given_factory = None if loop_factory is None else named_loop_factory(loop_factory)
        super().__init__()
        self._missing: Missing = missing
        self._inherited_factory: LoopFactory | None = None
        self._unasked_factory: LoopFactory = self._loop_factory
        self._legacy_loop: weakref.ref[AbstractEventLoop] | None = None
        self._keep_kind_of_loops(_asyncio.host.in_force())
        self._scoped = _scope.in_use()
        self._bind_methods()
        renew_after_fork(self, POLICY)

    @property
    def own_resolver(self) -> ContextResolver:
        """The resolver that the policy was made with."""
        return self._own_resolver

    @property
    def resolver(self) -> ContextResolver:
        """The resolver that says what a context is here: the policy's own, in a ``using`` block the chosen one."""
        chosen = _scope.chosen() if self._scoped else None
        return self._own_resolver if chosen is None else chosen

    @property
    def missing(self) -> Missing:
        """What is done in a context without a loop."""
        return self._missing

    def get_event_loop(self) -> AbstractEventLoop:
        """Return the loop of the present context.

        Called by ``asyncio.get_event_loop()`` where no loop is running. May be called in any thread.

        Raises:
            NoCurrentLoopError: there is none, and ``missing`` does not say to make one here.
        """
        return self._get()

    def set_event_loop(self, loop: AbstractEventLoop | None) -> None:
        """Bind ``loop`` to the present context; ``None`` unbinds what was bound by hand.

        On Python 3.10 to 3.13 this also attaches a child watcher that is in use to the loop, in the main thread.

        Raises:
            NotALoopError: ``loop`` is neither an event loop nor ``None``; the former binding stays.
        """
        self._set(loop)

    def new_event_loop(self) -> AbstractEventLoop:
        """Return a new loop, not bound to any context.

        Raises:
            LoopFactoryError: the loop factory raised, or made no open event loop.
        """
        asked_for = self._factory_asked_for() if self._may_be_asked else None
        # What asyncio's own factory raises is not ours to dress up.
        return note_origin(self._unasked_factory() if asked_for is None else make_loop(asked_for))

    def factory_in_use(self) -> LoopFactory:
        """Return what :meth:`new_event_loop` calls in the present context."""
        asked_for = self._factory_asked_for()
        return self._unasked_factory if asked_for is None else asked_for

    def kind_of_loops(self) -> LoopFactory | None:
        """Return what makes the loops of a policy that takes this one's place; ``None``: asyncio's own."""
        if type(self).new_event_loop is not ContextPolicy.new_event_loop:
            return self.new_event_loop
        return self._inherited_factory if self._given_factory is None else self._given_factory

    def take_over(self, former: Any) -> None:
        """Keep what must not change when this policy takes the place of ``former``.

        That is: the kind of loops, where ``former`` is not asyncio's own policy; on Python 3.10 to 3.13 the child
        watcher in use; and that ``using`` blocks are heeded.
        """
        self._keep_kind_of_loops(former)
        self.borrow_watcher(former)
        if _scope.in_use():
            self.scope()

    def _keep_kind_of_loops(self, former: Any) -> None:
        if former is self:
            return
        if _asyncio.is_asyncios_own(former):
            kind = None
        else:
            kind = former.kind_of_loops() if isinstance(former, ContextPolicy) else former.new_event_loop
        # Not this policy's own method: former may have taken it over, and each would ask the other.
        self._inherited_factory = None if getattr(kind, "__self__", None) is self else kind
        self._unasked_factory = self._loop_factory if self._inherited_factory is None else self._inherited_factory

    def _factory_asked_for(self) -> LoopFactory | None:
        return self.resolver.factory() if self._given_factory is None else self._given_factory

    def scope(self) -> None:
        """Heed ``using`` blocks from now on."""
        if not self._scoped:
            self._scoped = True
            self._bind_methods()

    def after_fork(self) -> None:
        """Bind anew what the resolver has renewed; called in a forked child."""
        self._legacy_loop = None
        self._bind_methods()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} resolver={self._own_resolver!r} missing={self._missing!r}>"

    # asyncio's own code and some libraries read and write policy._local._loop; on 3.12 and later asyncio assigns a
    # fresh thread-local to it in a forked child.
    @property
    def _local(self) -> CurrentLoop:
        return CurrentLoop(self.resolver.get, self.set_event_loop)

    @_local.setter
    def _local(self, _: object) -> None:
        pass

    def _bind_methods(self) -> None:
        # Closures as attributes: a hit costs one Python frame, and no attribute is looked up on the way.
        resolver = self._own_resolver
        if self._scoped:
            self._get = _scope.scoped_getter(resolver, self._make_up_for_missing)
            self._set = self._attaching(_scope.scoped_setter(resolver, self._set_other))
        else:
            self._get = resolver.getter(self._make_up_for_missing)
            self._set = self._attaching(resolver.setter(self._set_other))
        for name, closure in (("get_event_loop", self._get), ("set_event_loop", self._set)):
            if getattr(type(self), name) is getattr(ContextPolicy, name):
                setattr(self, name, closure)
        # Most resolvers have nothing to say about new loops, and to ask them for each takes 2 % of an asyncio.run().
        self._may_be_asked = self._scoped or self._given_factory is not None or _chooses_loops(resolver)

    def _set_other(self, loop: Any) -> None:
        if loop is None:
            self.resolver.bind(None)
            return
        self.resolver.mark()  # asyncio too counts this as a loop having been set
        raise NotALoopError(
            f"loop must be an instance of AbstractEventLoop or None, not {type(loop).__name__!r} "
            f"(set in thread {thread_name()} for {self.resolver.describe()}, which keeps what was bound. Give a loop, "
            "as asyncio.new_event_loop() returns it)"
        )

    def remedy(self) -> Literal["lease", "legacy", "error"]:
        """Say what ``get_event_loop`` does about a loop that is missing in the present context, without doing it.

        Returns:
            ``"lease"``: leases one; ``"legacy"``: binds the :meth:`legacy_loop`, made if need be, as asyncio does on
            Python 3.10 to 3.13; ``"error"``: raises :meth:`nothing_here`.
        """
        if self._missing == "create":
            return "lease"
        return "legacy" if self._missing == "asyncio" and self._may_make_legacy_loop() else "error"

    def _make_up_for_missing(self) -> AbstractEventLoop:
        remedy = self.remedy()
        if remedy == "lease":
            return self.resolver.lease(self.new_event_loop)
        if remedy == "legacy":
            self.set_event_loop(self._make_legacy_loop())
            loop = self.resolver.get()
            if loop is not None:
                return loop
        raise self.nothing_here()

    def _may_make_legacy_loop(self) -> bool:
        return (
            _asyncio.CREATES_IMPLICITLY
            and threading.get_ident() == threading.main_thread().ident  # current_thread() may make a dummy thread
            and not self.resolver.marked()
        )

    def legacy_loop(self) -> AbstractEventLoop | None:
        """Return the loop that was made unasked for: one, for all contexts of the main thread that have none."""
        loop = self._legacy_loop() if self._legacy_loop is not None else None
        return None if loop is None or loop.is_closed() else loop

    def _make_legacy_loop(self) -> AbstractEventLoop:
        loop = self.legacy_loop()
        if loop is None:
            if _asyncio.CREATION_WARNS:
                _, level = caller(beyond=_code_of(self._get))
                warnings.warn("There is no current event loop", DeprecationWarning, stacklevel=level)
            loop = self.new_event_loop()
            try:
                self._legacy_loop = weakref.ref(loop)
            except TypeError:  # then the next context gets another one
                self._legacy_loop = None
        return loop

    def nothing_here(self) -> NoCurrentLoopError:
        """Return what is raised where there is no loop, and none may be made."""
        return NoCurrentLoopError(
            f"There is no current event loop in thread {thread_name()}. ({self.resolver.describe()} has none"
            f"{self._loop_of_another_thread()}. Run async code with asyncio.run(); or bind a loop here with "
            "asyncio.set_event_loop(); or have one made wherever it is missing: "
            'ctxpolicy.install(missing="create").)'
        )

    def _loop_of_another_thread(self) -> str:
        binding = self.resolver.binding()
        if binding is None or binding.loop is None:
            return ""
        return f" of its own: {binding.loop!r} was bound in thread {thread_name(binding.thread)}"


def _chooses_loops(resolver: ContextResolver) -> bool:
    return type(resolver).factory is not ContextResolver.factory or resolver.factory() is not None


def _code_of(function: Callable[..., Any]) -> CodeType | None:
    found = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return found if isinstance(found, CodeType) else None
