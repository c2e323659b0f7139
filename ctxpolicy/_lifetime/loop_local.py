"""One resource per loop, closed when its loop is shut down."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final, Generic, TypeVar, cast, final

from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._loops.creation import creation_site
from ctxpolicy._threads import thread_name
from ctxpolicy.errors import LoopLocalError, NoCurrentLoopError

__all__ = ["LoopLocal"]

T = TypeVar("T")
_ATTRIBUTE: Final = "_ctxpolicy_loop_locals"
_UNMADE: Final = object()


@final
class LoopLocal(Generic[T]):
    """A resource of which each running loop has one: a client, a connection pool, a lock.

    ``await local.get()`` makes it once for the loop that runs here, however many tasks ask at the same time. When that
    loop is shut down (by ``asyncio.run``, ``Runner``, uvloop, anyio, uvicorn, pytest-asyncio, ...: all call
    ``shutdown_asyncgens()``), the resources of it are closed, the last one made first, after its tasks were cancelled
    and before it is closed itself. A loop that is only closed closes none: then a ``ResourceWarning`` names them. A
    process that a signal ends (``SIGTERM``, which uvicorn raises again after serving) shuts no loop down: there await
    :meth:`aclose` when the application shuts down.

    Args:
        factory: makes the resource; sync or async, called in the loop that it is for.
        close: is called with the resource at the end; sync or async. What it raises goes to the loop's exception
            handler, and the others are closed all the same, before ``SystemExit`` and ``KeyboardInterrupt`` come up.
    """

    def __init__(
        self,
        factory: Callable[[], Awaitable[T] | T],
        *,
        close: Callable[[T], Awaitable[object] | object] | None = None,
    ) -> None:
        for what, name in ((factory, "factory"), (close, "close")):
            if what is not None and not callable(what):
                raise TypeError(f"{name} must be callable, not {what!r}")
        self._factory: Final = factory
        self._close: Final = close

    async def get(self) -> T:
        """Return this loop's resource, made now if need be.

        Raises:
            LoopLocalError: the loop has been shut down, so nobody would close it.
        """
        loop = asyncio.get_running_loop()
        keeper = _find(loop) or _attach(loop)
        entry = keeper.entries.setdefault(self, _Entry())
        if entry.value is _UNMADE:
            async with entry.lock:  # if the task that makes it is cancelled, the next one in the queue does
                if entry.value is _UNMADE:
                    await self._make(keeper, entry)
        return cast("T", entry.value)

    def get_nowait(self) -> T:
        """Return this loop's resource.

        Raises:
            LookupError: it is not made yet.
            NoCurrentLoopError: no loop runs in this thread.
        """
        loop = running_loop()
        if loop is None:
            raise NoCurrentLoopError(
                f"no loop is running in thread {thread_name()}, and {self!r} has a value for each running loop: "
                "call this from a coroutine or a callback"
            )
        keeper = _find(loop)
        entry = keeper.entries.get(self) if keeper is not None else None
        if entry is None or entry.value is _UNMADE:
            raise LookupError(f"{self!r} has no value for {loop!r} yet: await its get() first")
        return cast("T", entry.value)

    async def aclose(self) -> None:
        """Close this loop's resource now, if there is one; from then on ``get()`` makes a new one.

        For where the loop may not be shut down: await it in the shutdown of an ASGI application's lifespan. What
        ``close`` raises is raised here.
        """
        keeper = _find(asyncio.get_running_loop())
        entry = None if keeper is None else keeper.made.pop(self, None)  # not there while the shutdown closes it
        if entry is not None:
            value, entry.value = entry.value, _UNMADE
            await _close(self._close, value)

    async def _make(self, keeper: _Keeper, entry: _Entry) -> None:
        keeper.check_open(self)
        value: Any = self._factory()
        if inspect.isawaitable(value):
            value = await value
        if keeper.closed:
            await _close(self._close, value)
            keeper.check_open(self)
        entry.value = value
        keeper.made[self] = entry

    def __repr__(self) -> str:
        return f"<LoopLocal of {getattr(self._factory, '__qualname__', self._factory)}>"


class _Entry:
    __slots__ = ("lock", "value")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.value: Any = _UNMADE


class _Keeper:
    """What one loop has; held by the loop alone, as an attribute.

    Not by a weak dictionary: a value may refer to the loop, and the generator's hooks do; neither would ever go.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        # Not its repr, which says that it is running.
        self.name = f"the {type(loop).__qualname__} at {id(loop):#x}, made at {creation_site(loop)},"
        self.entries: dict[LoopLocal[Any], _Entry] = {}
        self.made: dict[LoopLocal[Any], _Entry] = {}  # in that order
        self.closed = False
        # One generator for all: shutdown_asyncgens() closes generators concurrently, in any order.
        self.generator: AsyncGenerator[None, None] = self._keep()
        self._start()

    def check_open(self, local: LoopLocal[Any]) -> None:
        if self.closed:
            raise LoopLocalError(
                f"{self.name} has been shut down, and nothing of {local!r} can live in it any more: what is made now "
                "would never be closed. Use a new loop."
            )

    def _start(self) -> None:
        try:
            self.generator.asend(None).send(None)  # to its yield: nothing is awaited before
        except StopIteration:
            pass

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self._close_all()
            _without_attributes.pop(asyncio.get_running_loop(), None)

    async def _close_all(self) -> None:
        self.closed = True
        passed_on: BaseException | None = None
        while self.made:
            local, entry = self.made.popitem()
            try:
                await _close(local._close, entry.value)
            except GeneratorExit:  # whoever closes them does not wait any more
                raise
            except BaseException as error:  # noqa: BLE001 - whatever it is, the others are to be closed
                context = {"message": f"{local!r} could not be closed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
                if _ends_more(error):
                    passed_on = error
            entry.value = _UNMADE
        try:
            if passed_on is not None:
                raise passed_on
        finally:
            del passed_on  # its traceback refers to this frame

    def __del__(self) -> None:
        if self.made:
            names = ", ".join(f"{entry.value!r} of {local!r}" for local, entry in self.made.items())
            warnings.warn(
                f"{self.name} was closed without being shut down, and with it was never closed: {names}. Run it with "
                "asyncio.run(), or await loop.shutdown_asyncgens() before loop.close().",
                ResourceWarning,
                stacklevel=2,
            )


# Loops that can take no attribute, until they are shut down.
_without_attributes: Final[dict[AbstractEventLoop, _Keeper]] = {}


def _find(loop: AbstractEventLoop) -> _Keeper | None:
    keeper = getattr(loop, _ATTRIBUTE, None)
    return keeper if isinstance(keeper, _Keeper) else _without_attributes.get(loop)


def _attach(loop: AbstractEventLoop) -> _Keeper:
    keeper = _Keeper(loop)
    try:
        setattr(loop, _ATTRIBUTE, keeper)
    except AttributeError:
        _without_attributes[loop] = keeper
    return keeper


async def _close(close: Callable[[Any], Any] | None, value: Any) -> None:
    if close is not None:
        result = close(value)
        if inspect.isawaitable(result):
            await result


def _ends_more(error: BaseException) -> bool:
    """Tell whether ``error`` is meant for more than the ``close`` that it comes from.

    A cancellation is where it is this task that was cancelled, not one that ``close`` awaits. That cannot be told on
    3.10, where nothing is lost: ``gather()``, by which ``shutdown_asyncgens()`` comes here, is cancelled all the same.
    """
    if isinstance(error, asyncio.CancelledError):
        cancelling = getattr(asyncio.current_task(), "cancelling", None)  # from 3.11 on
        return cancelling is not None and cancelling() > 0
    return isinstance(error, (SystemExit, KeyboardInterrupt))
