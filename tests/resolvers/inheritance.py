"""The loop that a child of a context starts with, for each way to make a child and each built-in resolver.

``python -m tests.resolvers.inheritance`` prints the table (docs/reference/inheritance.md).
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib.util
import json
import sys
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ctxpolicy.testing import StandInLoop, in_new_thread
from tests.resolvers import processes
from tests.support.resolver_cases import CASES, ResolverCase, tenant

# What a child starts with. SAME: a loop that the child sets is bound in its parent too.
SAME, INHERITS, EMPTY = "the same context", "inherits", "empty"

Look = Callable[[], bool]


class Way(NamedTuple):
    """A way of making a child.

    Attributes:
        make: calls ``look`` in the child, and returns its result.
        since: the first Python that has this way.
        needs: the package that this way needs.
        elsewhere: command-line options for the interpreter; this way is then tried in a new process.
    """

    make: Callable[[Look, ResolverCase], Awaitable[bool]]
    since: tuple[int, int] = (3, 10)
    needs: str | None = None
    elsewhere: tuple[str, ...] | None = None

    @property
    def missing(self) -> str | None:
        """The reason why this way cannot be tried here, ``None`` if it can."""
        if sys.version_info < self.since:
            return "needs Python {}.{}".format(*self.since)
        if self.needs is not None and importlib.util.find_spec(self.needs) is None:
            return f"needs the package {self.needs}"
        return None


async def _plain_call(look, case):
    return look()


async def _child_task(look, case):
    return await asyncio.create_task(_plain_call(look, case))


async def _task_group(look, case):
    async with asyncio.TaskGroup() as group:
        child = group.create_task(_plain_call(look, case))
    return child.result()


async def _eager_task(look, case):
    child = asyncio.eager_task_factory(asyncio.get_running_loop(), _plain_call(look, case))
    assert child.done(), "it ran within this call"
    return child.result()


async def _to_thread(look, case):
    return await asyncio.to_thread(look)


async def _executor(look, case):
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, look)


async def _thread(look, case):
    return in_new_thread(look)


async def _copied_context(look, case):
    return contextvars.copy_context().run(look)


async def _empty_context(look, case):
    return contextvars.Context().run(look)


async def _greenlet(look, case):
    import greenlet

    return greenlet.greenlet(look).switch()


async def _fork(look, case):
    return processes.fork(look)


async def _spawn(look, case):
    return processes.start("spawn", case.name)


async def _fork_server(look, case):
    return processes.start("forkserver", case.name)


_NOT_INHERITING = ("-Xthread_inherit_context=0",) if sys.version_info >= (3, 14) else ()

WAYS = {
    "a plain call": Way(_plain_call),
    "a child task": Way(_child_task),
    "a task of a `TaskGroup`": Way(_task_group, since=(3, 11)),
    "an eager task": Way(_eager_task, since=(3, 12)),
    "`asyncio.to_thread()`": Way(_to_thread),
    "`run_in_executor()`": Way(_executor, elsewhere=_NOT_INHERITING),
    "a new thread": Way(_thread, elsewhere=_NOT_INHERITING),
    "a new thread, `-X thread_inherit_context=1`": Way(
        _thread, since=(3, 14), elsewhere=("-Xthread_inherit_context=1",)
    ),
    "`copy_context().run()`": Way(_copied_context),
    "`Context().run()`, an empty one": Way(_empty_context),
    "a greenlet": Way(_greenlet, needs="greenlet"),
    "`os.fork()`": Way(_fork, elsewhere=()),
    "`multiprocessing`, spawn": Way(_spawn, elsewhere=()),
    "`multiprocessing`, forkserver": Way(_fork_server, elsewhere=()),
}

_PROCESSES = {
    "`os.fork()`": EMPTY,
    "`multiprocessing`, spawn": EMPTY,
    "`multiprocessing`, forkserver": EMPTY,
}
_THREADS = {
    "`asyncio.to_thread()`": EMPTY,
    "`run_in_executor()`": EMPTY,
    "a new thread": EMPTY,
    "a new thread, `-X thread_inherit_context=1`": EMPTY,
    **_PROCESSES,
}
_TASKS = {"a child task": EMPTY, "a task of a `TaskGroup`": EMPTY, "an eager task": EMPTY, **_THREADS}
_COPIES = {
    "a child task": INHERITS,
    "a task of a `TaskGroup`": INHERITS,
    "an eager task": INHERITS,
    "`copy_context().run()`": INHERITS,
    "`Context().run()`, an empty one": EMPTY,
    "a greenlet": EMPTY,
    **_THREADS,
}
_KEYS = {"`Context().run()`, an empty one": EMPTY, "a greenlet": EMPTY, **_THREADS}

# A way that is not listed here: the child has the same context.
EXPECTED = {
    "contextvar": _COPIES,
    "contextvar-any-thread": {
        **_COPIES,
        "`asyncio.to_thread()`": INHERITS,
        "a new thread, `-X thread_inherit_context=1`": INHERITS,
    },
    "thread": _THREADS,
    "task": _TASKS,
    "greenlet": {"a greenlet": EMPTY, **_THREADS},
    "process": _PROCESSES,
    "keyed": _KEYS,
    "keyed-shared": {
        **_KEYS,
        "`asyncio.to_thread()`": SAME,
        "a new thread, `-X thread_inherit_context=1`": SAME,
    },
    "chain": _TASKS,
}


def expected(case: str, way: str) -> str:
    """Return what the child starts with according to the documentation."""
    return EXPECTED[case].get(way, SAME)


def found(case: ResolverCase, way: str) -> str:
    """Make a child in a task that has bound a loop; return what the child starts with."""
    resolver, loop, other = case.make(), StandInLoop("the parent's"), StandInLoop("the child's")

    def look() -> bool:
        has_loop = resolver.get()
        assert has_loop in (None, loop)
        resolver.set(other)
        return has_loop is loop

    async def parent() -> tuple[bool, AbstractEventLoop | None]:
        tenant.set("the tenant")
        resolver.set(loop)
        return await WAYS[way].make(look, case), resolver.get()

    started_with_loop, has_now = asyncio.run(parent())
    verdicts = {(True, other): SAME, (True, loop): INHERITS, (False, loop): EMPTY}
    return verdicts[started_with_loop, has_now]


def main(ways: list[str]) -> None:
    """Print the results for ``ways`` as JSON. Without ``ways``, print the page of the docs."""
    if not ways:
        sys.stdout.write(page())
        return
    cases = [case for case in CASES.values() if not case.missing]
    json.dump({way: {case.name: found(case, way) for case in cases} for way in ways}, sys.stdout)


def page() -> str:
    """Return the table of the docs."""
    heads = [f"`{name}`" if name in _NAMES else _NAMES_OF_CASES.get(name, name) for name in EXPECTED]
    lines = [f"| made by | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for way, how in WAYS.items():
        since = "" if how.since == (3, 10) else " ({}.{}+)".format(*how.since)
        lines.append(f"| {way}{since} | {' | '.join(expected(case, way) for case in EXPECTED)} |")
    return _PAGE + "\n".join(lines) + "\n"


_NAMES = {"contextvar", "thread", "task", "greenlet", "process", "keyed"}
_NAMES_OF_CASES = {
    "contextvar-any-thread": '`contextvar`, `inherit="any-thread"`',
    "keyed-shared": "`keyed`, `shared=True`",
    "chain": "`chain` of `task`, `thread`",
}
_PAGE = """\
# What a child of a context starts with

<!-- Made by `python -m tests.resolvers.inheritance`; the tests compare it with what is found. -->

In each row, a task that has bound a loop by the resolver of the column makes a child. *The same context*: the child
has that loop, and a loop that the child sets is bound in its parent too. *Inherits*: the child has that loop, and a
loop that it sets is bound in the child only. *Empty*: the child has no loop. The key of the `keyed` columns is the
value of a context variable, and is inherited as context variables are.

"""

if __name__ == "__main__":
    main(sys.argv[1:])
