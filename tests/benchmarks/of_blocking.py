"""The cost of running a coroutine from sync code, compared with other ways."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ctxpolicy import ContextVarResolver, block_on
from tests.benchmarks.measure import Effort, Measured, TimeFunction, compare
from tests.benchmarks.rows import Reach, Row
from tests.benchmarks.sides import asyncios_policy, jobs, our_policy, under

__all__ = ["ROWS"]


async def _noop() -> None:
    pass


# --- inside a loop that runs in this thread ---


def _nested() -> None:
    block_on(_noop(), nested="isolated")


def _by_hand() -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_noop())
    loop.close()


def _in(loop: asyncio.AbstractEventLoop, function: Callable[[], Any]) -> TimeFunction:
    """Return calls of ``function`` by a coroutine that ``loop`` runs."""
    time = jobs(function)

    async def main(loops: int) -> float:
        return time(loops)

    return lambda loops: loop.run_until_complete(main(loops))


def _isolated(effort: Effort) -> Measured:
    hand = under(asyncios_policy(), jobs(_by_hand))
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        return compare(under(our_policy(), _in(loop, _nested)), hand, effort)


def _against_nest_asyncio(effort: Effort) -> Measured:
    # Two processes, because nest_asyncio2 patches asyncio, which would affect the subject too.
    with _process("nested") as ours, _process("nest_asyncio2") as theirs:
        return compare(ours, theirs, effort, slice_seconds=0.005)


@contextlib.contextmanager
def _process(side: str) -> Iterator[TimeFunction]:
    """Return a time function whose calls are made in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.of_blocking", side]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ask, answer = process.stdin, process.stdout

        def time(loops: int) -> float:
            print(loops, file=ask, flush=True)
            return float(answer.readline())

        yield time
        ask.close()


def _answer(side: str) -> None:
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        if side == "nested":
            time = under(our_policy(), _in(loop, _nested))
        else:
            import nest_asyncio2

            nest_asyncio2.apply(loop)
            # nest_asyncio2 runs the coroutine on the running loop itself.
            time = _in(loop, lambda: loop.run_until_complete(_noop()))
        for line in sys.stdin:
            print(time(int(line)), flush=True)


# --- no loop runs ---


def _sync(peer: Callable[[], Any]) -> Callable[[Effort], Measured]:
    def measure(effort: Effort) -> Measured:
        return compare(
            under(our_policy(missing="create"), jobs(lambda: contextvars.Context().run(_block_on))),
            under(asyncios_policy(), jobs(peer)),
            effort,
        )

    return measure


def _block_on() -> None:
    block_on(_noop())


def _asyncio_run() -> None:
    asyncio.run(_noop())


def _asgiref() -> None:
    from asgiref.sync import async_to_sync

    async_to_sync(_noop)()


# --- the context's loop runs in another thread ---


def _elsewhere(
    peer: Callable[[asyncio.AbstractEventLoop], contextlib.AbstractContextManager[Callable[[], Any]]],
) -> Any:
    def measure(effort: Effort) -> Measured:
        policy = our_policy()
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            # The other thread binds the loop in this context, therefore this thread sees that the loop runs there.
            context = contextvars.copy_context()
            assert isinstance(policy.resolver, ContextVarResolver)
            _bound_by(loop, context, policy)
            with peer(loop) as call:
                ours = under(policy, lambda loops: context.run(jobs(_block_on), loops))
                return compare(ours, under(policy, jobs(call)), effort, slice_seconds=0.003)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    return measure


def _bound_by(loop: asyncio.AbstractEventLoop, context: contextvars.Context, policy: Any) -> None:
    bound = threading.Event()

    def bind() -> None:
        context.run(policy.set_event_loop, loop)
        bound.set()

    loop.call_soon_threadsafe(bind)
    bound.wait()


@contextlib.contextmanager
def _threadsafe(loop: asyncio.AbstractEventLoop) -> Iterator[Callable[[], Any]]:
    yield lambda: asyncio.run_coroutine_threadsafe(_noop(), loop).result()


@contextlib.contextmanager
def _portal(_: asyncio.AbstractEventLoop) -> Iterator[Callable[[], Any]]:
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal:
        yield lambda: portal.call(_noop)


NESTED = '`block_on(noop(), nested="isolated")` under a running loop'
SYNC = "`block_on(noop())` in a context without a loop"
ELSEWHERE = "`block_on(noop())`, the context's loop runs in another thread"

ROWS = [
    Row(
        "block-on", NESTED, "`new_event_loop()`, `run_until_complete()` and `close()`, no loop running", _isolated,
        reach=Reach(1.2),
    ),
    Row(
        "block-on-nest-asyncio", NESTED, "nest-asyncio2, on the running loop itself", _against_nest_asyncio,
        needs=("nest_asyncio2",),
    ),
    Row("block-on-run", SYNC, "`asyncio.run(noop())`", _sync(_asyncio_run)),
    Row("block-on-asgiref", SYNC, "asgiref's `async_to_sync(noop)()`", _sync(_asgiref), needs=("asgiref",)),
    Row(
        "block-on-thread", ELSEWHERE, "`run_coroutine_threadsafe(noop(), loop).result()`", _elsewhere(_threadsafe),
        pypy=False,
    ),
    Row(
        "block-on-portal", ELSEWHERE, "anyio's blocking portal, `portal.call(noop)`", _elsewhere(_portal),
        needs=("anyio",), pypy=False,
    ),
]  # fmt: skip


if __name__ == "__main__":
    _answer(sys.argv[1])
