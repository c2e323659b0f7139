"""asyncio's subprocesses: from the main thread, from loops in other threads, many at once."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from concurrent.futures import ThreadPoolExecutor

import ctxpolicy
from ctxpolicy import ContextResolver, Installation
from tests.support.policies import in_thread, subprocesses_in_threads

pytestmark = subprocesses_in_threads
SHOUT = "import sys; print(sys.stdin.read().upper(), end=''); sys.exit(7)"
WAIT = "import sys; print('ready', flush=True); sys.stdin.read()"


async def shout(word: str) -> tuple[bytes, int | None]:
    child = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", SHOUT, stdin=PIPE, stdout=PIPE)
    said, _ = await child.communicate(word.encode())
    return said, child.returncode


async def several() -> list[tuple[bytes, int | None]]:
    return await asyncio.gather(*(shout(word) for word in ("one", "two", "three")))


EXPECTED = [(b"ONE", 7), (b"TWO", 7), (b"THREE", 7)]


def test_subprocesses_run_at_once_in_the_main_thread(installed: Installation) -> None:
    assert asyncio.run(several()) == EXPECTED
    assert ctxpolicy.run(several()) == EXPECTED


def test_subprocesses_run_in_loops_of_several_threads_at_once(installed: Installation) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(asyncio.run, several()) for _ in range(2)]
        assert [result.result() for result in results] == [EXPECTED] * 2


def test_subprocesses_run_in_a_thread_while_the_main_thread_runs_a_loop(installed: Installation) -> None:
    async def both() -> list[tuple[bytes, int | None]]:
        return [await asyncio.to_thread(asyncio.run, shout("other")), await shout("main")]

    assert asyncio.run(both()) == [(b"OTHER", 7), (b"MAIN", 7)]


def test_a_shell_command_and_a_killed_child_report_how_they_ended(installed: Installation) -> None:
    async def main() -> tuple[int, int]:
        shell = await asyncio.create_subprocess_shell("exit 3", stdout=DEVNULL)
        child = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", WAIT, stdin=PIPE, stdout=PIPE)
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
        child.kill()
        await child.communicate()
        return await shell.wait(), await child.wait()

    assert asyncio.run(main()) == (3, -signal.SIGKILL)


def test_a_loop_leased_for_a_missing_one_runs_subprocesses(resolver: ContextResolver) -> None:
    def sync() -> tuple[bytes, int | None]:
        return asyncio.get_event_loop().run_until_complete(shout("leased"))

    with ctxpolicy.install(resolver, missing="create"):
        assert in_thread(sync) == (b"LEASED", 7)
