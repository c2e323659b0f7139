"""Find loop factories by name, and check the loops that a loop factory returns."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Callable
from typing import Final, NamedTuple

from ctxpolicy._asyncio.capabilities import platform_loop
from ctxpolicy._asyncio.host import host
from ctxpolicy._threads import thread_and_context
from ctxpolicy.errors import CtxPolicyError, LoopFactoryError, OptionError, UnknownNameError

__all__ = ["NAMED_FACTORIES", "LoopFactory", "NamedFactory", "loop_factory", "make_loop"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class NamedFactory(NamedTuple):
    """A loop factory that has a name.

    Attributes:
        name: the name, as ``loop_factory=`` takes it.
        summary: one line that describes the loops.
        load: a function that returns the factory.
        package: the distribution that the factory needs; ``None`` for the standard library.
        windows_only: whether the factory exists on Windows only.
    """

    name: str
    summary: str
    load: Callable[[], LoopFactory]
    package: str | None = None
    windows_only: bool = False

    def unavailable(self) -> str | None:
        """Return why this factory cannot be used here and how to change that, or ``None`` if it can be used."""
        if self.windows_only and sys.platform != "win32":
            return f"the loop factory {self.name!r} exists on Windows only"
        if self.package is not None and importlib.util.find_spec(self.package) is None:
            return f"the loop factory {self.name!r} needs a package: pip install 'ctxpolicy[{self.package}]'"
        return None


def _selector() -> LoopFactory:
    return asyncio.SelectorEventLoop


def _proactor() -> LoopFactory:
    found: LoopFactory = asyncio.ProactorEventLoop  # type: ignore[attr-defined, unused-ignore]  # Windows only
    return found


def _uvloop() -> LoopFactory:
    import uvloop

    return uvloop.new_event_loop


NAMED_FACTORIES: Final = {
    factory.name: factory
    for factory in (
        NamedFactory("asyncio", "asyncio's default loop of this platform", lambda: platform_loop),
        NamedFactory("selector", "asyncio.SelectorEventLoop", _selector),
        NamedFactory("proactor", "asyncio.ProactorEventLoop", _proactor, windows_only=True),
        NamedFactory("uvloop", "uvloop.Loop, on libuv", _uvloop, package="uvloop"),
    )
}


def loop_factory(what: LoopFactory | str) -> LoopFactory:
    """Return ``what`` if it is a callable, or the loop factory of that name.

    Raises:
        UnknownNameError: no factory has this name.
        OptionError: the factory cannot be used here (the message says what to install), or ``what`` is neither a
            name nor a callable.
    """
    if callable(what):
        return what
    if not isinstance(what, str):
        raise OptionError(f"loop_factory must be a callable or a name, not {what!r}")
    named = NAMED_FACTORIES.get(what)
    if named is None:
        raise UnknownNameError(f"no loop factory is called {what!r}; there are: {', '.join(NAMED_FACTORIES)}")
    trouble = named.unavailable()
    if trouble is not None:
        raise OptionError(trouble)
    try:
        return named.load()
    except ImportError as error:
        raise OptionError(
            f"the loop factory {what!r} cannot be imported: {type(error).__name__}: {error}; reinstall its package: "
            f"pip install --force-reinstall 'ctxpolicy[{named.package}]'"
        ) from error


def make_loop(factory: LoopFactory) -> asyncio.AbstractEventLoop:
    """Call ``factory``, and return the loop that it creates.

    Raises:
        LoopFactoryError: ``factory`` raised, or returned something that is not an open event loop.
    """
    try:
        loop = factory()
    except CtxPolicyError:
        raise
    except Exception as error:
        raise LoopFactoryError(_complaint(factory, f"raised {error!r}")) from error
    if not isinstance(loop, asyncio.AbstractEventLoop):
        raise LoopFactoryError(_complaint(factory, f"returned {loop!r}, which is no event loop"))
    if loop.is_closed() is True:  # A mock returns neither True nor False.
        raise LoopFactoryError(_complaint(factory, f"returned a closed loop: {loop!r}"))
    return loop


def _complaint(factory: LoopFactory, what: str) -> str:
    resolver = getattr(host.in_force(), "resolver", None)
    return (
        f"the loop factory {factory!r} {what}, {thread_and_context(resolver)}; nothing was bound. "
        "Give a callable without arguments that returns a new, open event loop."
    )
