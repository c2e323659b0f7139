"""One resource per event loop, closed when the loop is shut down."""

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
_NOT_MADE: Final = object()


@final
class LoopLocal(Generic[T]):
    """A resource with a separate instance for each running loop: a client, a connection pool, a lock.

    The first ``await local.get()`` in a loop makes the resource. If several tasks ask at the same time, the resource is
    made only once. When the loop is shut down, its resources are closed in reverse order of creation: after the tasks
    of the loop were cancelled, and before the loop is closed. Every shutdown that calls ``shutdown_asyncgens()`` does
    this: the shutdown of ``asyncio.run``, ``Runner``, uvloop, anyio, uvicorn, pytest-asyncio and others.

    A loop that is closed without being shut down closes no resource. A ``ResourceWarning`` then names its resources. A
    process that ends by a signal does not shut its loop down; uvicorn, for example, ends itself by ``SIGTERM`` after
    serving. In such a program, await :meth:`aclose` when the application shuts down.

    Args:
        factory: a sync or async callable that makes the resource. It is called in the loop that the resource is for.
        close: a sync or async callable that closes the resource. An exception that it raises goes to the loop's
            exception handler, and the other resources are still closed. ``SystemExit`` and ``KeyboardInterrupt`` are
            raised after that.

    Raises:
        TypeError: ``factory`` or ``close`` is not callable.
    """

    def __init__(
        self,
        factory: Callable[[], Awaitable[T] | T],
        *,
        close: Callable[[T], Awaitable[object] | object] | None = None,
    ) -> None:
        for function, name in ((factory, "factory"), (close, "close")):
            if function is not None and not callable(function):
                raise TypeError(f"{name} must be callable, not {function!r}")
        self._factory: Final = factory
        self._close: Final = close

    async def get(self) -> T:
        """Return the resource of the running loop. Make it first if there is none.

        Raises:
            LoopLocalError: the loop has been shut down, and nothing would close the resource.
        """
        loop = asyncio.get_running_loop()
        resources = _find(loop) or _attach(loop)
        entry = resources.entries.setdefault(self, _Entry())
        if entry.value is _NOT_MADE:
            async with entry.lock:  # if the task that makes the resource is cancelled, the next waiting task makes it
                if entry.value is _NOT_MADE:
                    await self._make(resources, entry)
        return cast("T", entry.value)

    def get_nowait(self) -> T:
        """Return the resource of the running loop, which must have been made before.

        Raises:
            LookupError: the resource has not been made.
            NoCurrentLoopError: no loop runs in this thread.
        """
        loop = running_loop()
        if loop is None:
            raise NoCurrentLoopError(
                f"no loop is running in thread {thread_name()}, and {self!r} has a value for each running loop: "
                "call this from a coroutine or a callback"
            )
        resources = _find(loop)
        entry = resources.entries.get(self) if resources is not None else None
        if entry is None or entry.value is _NOT_MADE:
            raise LookupError(f"{self!r} has no value for {loop!r} yet: await its get() first")
        return cast("T", entry.value)

    async def aclose(self) -> None:
        """Close the resource of the running loop now, if there is one. After that, ``get()`` makes a new one.

        Use this where the loop may never be shut down: await it in the shutdown of an ASGI application's lifespan. An
        exception that ``close`` raises is raised here.
        """
        resources = _find(asyncio.get_running_loop())
        # While the shutdown closes the resource, the resource is no longer in `made`, and is not closed twice.
        entry = None if resources is None else resources.made.pop(self, None)
        if entry is not None:
            value, entry.value = entry.value, _NOT_MADE
            await _close(self._close, value)

    async def _make(self, resources: _Resources, entry: _Entry) -> None:
        resources.check_open(self)
        value: Any = self._factory()
        if inspect.isawaitable(value):
            value = await value
        if resources.closed:
            await _close(self._close, value)
            resources.check_open(self)
        entry.value = value
        resources.made[self] = entry

    def __repr__(self) -> str:
        return f"<LoopLocal of {getattr(self._factory, '__qualname__', self._factory)}>"


class _Entry:
    __slots__ = ("lock", "value")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.value: Any = _NOT_MADE


class _Resources:
    """The resources of one loop. Only the loop refers to this object, by an attribute.

    A weak dictionary from loops to resources would never lose an entry: a resource may refer to its loop, and the hooks
    of the asynchronous generator do.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        # Not the repr of the loop, which contains "running=True" at this point.
        self.name = f"the {type(loop).__qualname__} at {id(loop):#x}, made at {creation_site(loop)},"
        self.entries: dict[LoopLocal[Any], _Entry] = {}
        self.made: dict[LoopLocal[Any], _Entry] = {}  # in order of creation
        self.closed = False
        # One generator closes all resources, because shutdown_asyncgens() closes generators concurrently, in any order.
        self.generator: AsyncGenerator[None, None] = self._close_at_shutdown()
        self._start()

    def check_open(self, local: LoopLocal[Any]) -> None:
        """Raise ``LoopLocalError`` if the loop has been shut down."""
        if self.closed:
            raise LoopLocalError(
                f"{self.name} has been shut down, and {local!r} can have no value in it any more: nothing would close "
                "what is made now. Use a new loop."
            )

    def _start(self) -> None:
        """Run the generator to its ``yield``. It awaits nothing before that, and therefore needs no loop."""
        try:
            self.generator.asend(None).send(None)
        except StopIteration:
            pass

    async def _close_at_shutdown(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self._close_all()
            _without_attributes.pop(asyncio.get_running_loop(), None)

    async def _close_all(self) -> None:
        self.closed = True
        to_raise: BaseException | None = None
        while self.made:
            local, entry = self.made.popitem()
            try:
                await _close(local._close, entry.value)
            except GeneratorExit:  # the generator was dropped during the shutdown: no more awaiting is possible
                raise
            except BaseException as error:  # noqa: BLE001 - whatever the error is, the other resources must be closed
                context = {"message": f"{local!r} could not be closed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
                if _must_propagate(error):
                    to_raise = error
            entry.value = _NOT_MADE
        try:
            if to_raise is not None:
                raise to_raise
        finally:
            del to_raise  # the traceback of the error refers to this frame

    def __del__(self) -> None:
        if self.made:
            names = ", ".join(f"{entry.value!r} of {local!r}" for local, entry in self.made.items())
            warnings.warn(
                f"{self.name} was closed without being shut down, and its resources were never closed: {names}. Run "
                "the loop with asyncio.run(), or await loop.shutdown_asyncgens() before loop.close().",
                ResourceWarning,
                stacklevel=2,
            )


# The resources of loops to which no attribute can be added, until the loops are shut down.
_without_attributes: Final[dict[AbstractEventLoop, _Resources]] = {}


def _find(loop: AbstractEventLoop) -> _Resources | None:
    resources = getattr(loop, _ATTRIBUTE, None)
    # A mock of a loop has every attribute.
    return resources if isinstance(resources, _Resources) else _without_attributes.get(loop)


def _attach(loop: AbstractEventLoop) -> _Resources:
    resources = _Resources(loop)
    try:
        setattr(loop, _ATTRIBUTE, resources)
    except AttributeError:
        _without_attributes[loop] = resources
    return resources


async def _close(close: Callable[[Any], Any] | None, value: Any) -> None:
    if close is not None:
        result = close(value)
        if inspect.isawaitable(result):
            await result


def _must_propagate(error: BaseException) -> bool:
    """Return whether ``error``, raised while a resource was closed, must be raised after all resources are closed.

    ``SystemExit`` and ``KeyboardInterrupt`` must be raised. A cancellation must be raised if this task was cancelled,
    but not if it comes from a task that ``close`` awaits. Python 3.10 does not tell the two cases apart, and nothing is
    lost: ``shutdown_asyncgens()`` closes the generators in a ``gather()``, which is cancelled in either case.
    """
    if isinstance(error, asyncio.CancelledError):
        cancelling = getattr(asyncio.current_task(), "cancelling", None)  # from 3.11 on
        return cancelling is not None and cancelling() > 0
    return isinstance(error, (SystemExit, KeyboardInterrupt))
