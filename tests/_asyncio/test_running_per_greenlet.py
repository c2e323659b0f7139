"""The running loop and the current task are kept per greenlet while there is a user, and per thread after that."""

from __future__ import annotations

import asyncio
import gc
import platform
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import GreenletResolver
from ctxpolicy._asyncio.running import restore_running_loop, running_loop, unset_running_loop
from tests.support.programs import run_program, run_python

greenlet = pytest.importorskip("greenlet", reason="needs the package greenlet, which is not installed")


@pytest.fixture(autouse=True)
def no_hook_left() -> Iterator[None]:
    """Fail a test that leaves a trace hook behind."""
    assert greenlet.gettrace() is None
    yield
    left = greenlet.settrace(None)
    assert left is None


class Fiber:
    """A greenlet that runs a loop and switches away from inside it, until it is switched to again."""

    def __init__(self) -> None:
        self._parent = greenlet.getcurrent()
        self.task: asyncio.Task[Any] | None = None
        self.seen: list[bool] = []
        self._greenlet = greenlet.greenlet(lambda: asyncio.run(self._main()))

    async def _main(self) -> str:
        self.task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        message = self._parent.switch("away")
        while message != "end":
            self.seen.append(asyncio.get_running_loop() is loop and asyncio.current_task() is self.task)
            await asyncio.sleep(0)
            message = self._parent.switch("away")
        self.seen.append(asyncio.get_running_loop() is loop and asyncio.current_task() is self.task)
        return "ended"

    def switch(self, message: str | None = None) -> Any:
        return self._greenlet.switch() if message is None else self._greenlet.switch(message)

    def throw(self, error: BaseException) -> Any:
        return self._greenlet.throw(error)


def test_without_the_option_a_loop_in_one_greenlet_seems_to_run_in_all() -> None:
    with ctxpolicy.install("greenlet"):
        fiber = Fiber()
        fiber.switch()
        assert running_loop() is not None
        assert fiber.switch("end") == "ended"
    assert running_loop() is None


def test_a_loop_in_one_greenlet_does_not_seem_to_run_in_another() -> None:
    with ctxpolicy.install(GreenletResolver(running=True)):
        fiber = Fiber()
        assert fiber.switch() == "away"
        assert running_loop() is None
        assert asyncio.run(asyncio.sleep(0, "not refused")) == "not refused"
        assert fiber.switch("on") == "away"
        assert fiber.switch("end") == "ended"
    assert fiber.seen == [True, True]


def test_several_loops_run_in_greenlets_that_take_turns() -> None:
    with ctxpolicy.install(GreenletResolver(running=True)):
        fibers = [Fiber() for _ in range(3)]
        for message in (None, "on", "end"):
            assert {fiber.switch(message) for fiber in fibers} <= {"away", "ended"}
    assert [fiber.seen for fiber in fibers] == [[True, True]] * 3


def test_loops_can_be_nested_in_greenlets() -> None:
    async def outer() -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        fiber = Fiber()
        assert fiber.switch() == "away"
        await asyncio.sleep(0)
        assert fiber.switch("end") == "ended"
        return fiber.seen, asyncio.get_running_loop() is loop, asyncio.current_task() is task

    with ctxpolicy.install(GreenletResolver(running=True)):
        fiber = Fiber()
        fiber.switch()
        assert asyncio.run(outer()) == ([True], True, True)
        fiber.switch("end")
    assert fiber.seen == [True]


def test_an_exception_thrown_into_a_greenlet_finds_its_loop_running() -> None:
    with ctxpolicy.install(GreenletResolver(running=True)):
        fiber = Fiber()
        fiber.switch()
        with pytest.raises(KeyError, match="thrown"):
            fiber.throw(KeyError("thrown"))
        assert running_loop() is None
        assert fiber.task is not None
        assert fiber.task.done()


@pytest.mark.skipif(platform.python_implementation() == "PyPy", reason="PyPy drops a greenlet without ending it")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_greenlet_that_is_dropped_inside_its_loop_ends_the_loop_and_leaves_no_running_loop(when: str) -> None:
    async def away() -> None:
        try:
            here.switch()
        finally:
            seen.append((asyncio.get_running_loop() is not None, asyncio.current_task() is not None))

    seen: list[tuple[bool, bool]] = []
    here = greenlet.getcurrent()
    with ctxpolicy.install(GreenletResolver(running=True)) as installation:
        # No object that the greenlet holds refers to it: up to Python 3.11 the garbage collector does not see the
        # references of a suspended greenlet.
        fiber = greenlet.greenlet(lambda: asyncio.run(away()))
        fiber.switch()
        if when == "after":
            installation.uninstall()
        del fiber
        gc.collect()
        assert running_loop() is None
        assert asyncio.run(asyncio.sleep(0, 5)) == 5
    assert seen == [(True, True)]


def test_the_previous_trace_hook_is_still_called_and_is_restored() -> None:
    events: list[str] = []

    def hook(event: str, args: Any) -> None:
        events.append(event)

    greenlet.settrace(hook)
    try:
        with ctxpolicy.install(GreenletResolver(running=True)):
            fiber = Fiber()
            fiber.switch()
            with pytest.raises(KeyError):
                fiber.throw(KeyError())
        assert events == ["switch", "switch", "throw", "throw"]
        assert greenlet.gettrace() is hook
    finally:
        greenlet.settrace(None)


def test_after_greenlet_has_removed_a_hook_that_raises_the_next_lookup_installs_the_hook_again() -> None:
    def hook(event: str, args: Any) -> None:
        raise ZeroDivisionError

    resolver = GreenletResolver(running=True)
    greenlet.settrace(hook)
    with ctxpolicy.install(resolver):
        with pytest.raises(ZeroDivisionError):
            greenlet.greenlet(lambda: None).switch()
        assert greenlet.gettrace() is None
        assert resolver.get() is None  # this call installs the hook again
        fiber = Fiber()
        fiber.switch()
        assert running_loop() is None
        fiber.switch("end")
    assert fiber.seen == [True]


def test_a_hook_installed_over_ours_stays_and_ours_is_removed_after_it() -> None:
    def on_top(event: str, args: Any) -> None:
        beneath(event, args)

    resolver = GreenletResolver(running=True)
    with ctxpolicy.install(resolver):
        beneath = greenlet.settrace(on_top)
        assert resolver.get() is None
        assert greenlet.gettrace() is on_top
    assert greenlet.gettrace() is on_top
    greenlet.greenlet(lambda: None).switch()
    assert greenlet.gettrace() is on_top
    greenlet.settrace(beneath)
    greenlet.greenlet(lambda: None).switch()
    assert greenlet.gettrace() is None


def test_after_the_uninstallation_a_greenlet_can_return_to_its_loop_and_then_the_hook_is_removed() -> None:
    with ctxpolicy.install(GreenletResolver(running=True)):
        fiber = Fiber()
        fiber.switch()
    assert greenlet.gettrace() is not None
    assert fiber.switch("end") == "ended"
    assert fiber.seen == [True]
    assert greenlet.gettrace() is None
    assert running_loop() is None


def test_a_greenlet_that_switched_away_before_the_installation_gets_its_running_loop_back() -> None:
    async def here() -> None:
        return None

    fiber = Fiber()
    fiber.switch()
    assert running_loop() is not None
    with ctxpolicy.install(GreenletResolver(running=True)):
        assert running_loop() is None
        asyncio.run(here())
        assert fiber.switch("on") == "away"
        assert fiber.switch("end") == "ended"
    assert fiber.seen == [True, True]


def test_a_loop_that_runs_in_this_greenlet_is_still_the_running_loop_after_the_installation() -> None:
    async def main() -> bool:
        loop, here = asyncio.get_running_loop(), greenlet.getcurrent()
        other = greenlet.greenlet(greenlet.getcurrent().switch)
        other.switch()
        away = greenlet.greenlet(lambda: here.switch())
        away.switch()  # this greenlet has frames, but runs no loop
        with ctxpolicy.install(GreenletResolver(running=True)):
            return asyncio.get_running_loop() is loop

    assert asyncio.run(main()) is True


def test_several_installations_share_one_hook() -> None:
    with ctxpolicy.install(GreenletResolver(running=True)):
        with ctxpolicy.install(GreenletResolver(running=True)):
            fiber = Fiber()
            fiber.switch()
            assert running_loop() is None
            fiber.switch("on")
        assert greenlet.gettrace() is not None
        fiber.switch("end")
        assert fiber.seen == [True, True]
    assert greenlet.gettrace() is None


def test_a_thread_has_the_hook_from_its_first_lookup_to_its_first_switch_after_the_uninstallation() -> None:
    found: dict[str, Any] = {}
    uninstalled, ready = threading.Event(), threading.Event()

    def work() -> None:
        found["at first"] = greenlet.gettrace()
        resolver.get()
        fiber = Fiber()
        fiber.switch()
        found["marker"] = running_loop()
        fiber.switch("end")
        found["seen"] = fiber.seen
        ready.set()
        uninstalled.wait()
        found["before the switch"] = greenlet.gettrace() is not None
        greenlet.greenlet(lambda: None).switch()
        found["after the switch"] = greenlet.gettrace()

    resolver = GreenletResolver(running=True)
    thread = threading.Thread(target=work)
    with ctxpolicy.install(resolver):
        thread.start()
        ready.wait()
    uninstalled.set()
    thread.join()
    assert found == {
        "at first": None,
        "marker": None,
        "seen": [True],
        "before the switch": True,
        "after the switch": None,
    }


def test_a_thread_whose_first_lookup_is_in_a_greenlet_gets_the_hook() -> None:
    def ask() -> None:
        greenlet.greenlet(resolver.get).switch()
        fiber = Fiber()
        fiber.switch()
        seen.append(running_loop())
        fiber.switch("end")
        seen.extend(fiber.seen)

    seen: list[Any] = []
    resolver = GreenletResolver(running=True)
    with ctxpolicy.install(resolver):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert seen == [None, True]


def test_a_lookup_after_the_uninstallation_installs_no_hook() -> None:
    resolver = GreenletResolver(running=True)
    with ctxpolicy.install(resolver):
        pass
    assert resolver.get() is None
    assert greenlet.gettrace() is None


def test_each_greenlet_has_a_current_loop_of_its_own_too() -> None:
    with ctxpolicy.install(GreenletResolver(running=True), missing="create"):
        other = greenlet.greenlet(lambda: asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, 5)))
        assert other.switch() == 5
        del other
        gc.collect()


def test_the_hook_unsets_and_restores_the_running_loop() -> None:
    """Call the hook directly: coverage tools do not see a hook that greenlet calls."""
    events: list[Any] = []
    here, other = greenlet.getcurrent(), greenlet.greenlet(lambda: None)
    greenlet.settrace(lambda *event: events.append(event))
    try:
        with ctxpolicy.install(GreenletResolver(running=True)) as installation:
            hook = greenlet.gettrace()
            loop = asyncio.new_event_loop()
            restore_running_loop((loop, None))
            hook("switch", (here, other))
            assert running_loop() is None
            installation.uninstall()
            assert greenlet.gettrace() is hook
            hook("something new", None)
            hook("throw", (other, here))
            assert unset_running_loop() == (loop, None)
            assert greenlet.gettrace() is not hook
            hook("switch", (here, other))  # a hook that was installed over ours may make this call
            loop.close()
        assert [event for event, _ in events] == ["switch", "something new", "throw"]
    finally:
        greenlet.settrace(None)


def test_without_the_package_greenlet_the_error_says_what_to_install() -> None:
    program = "import sys; sys.modules['greenlet'] = None; import ctxpolicy; ctxpolicy.GreenletResolver(running=True)"
    done = run_python("-c", program)
    assert (
        "OptionError: the resolver 'greenlet' needs the package greenlet: pip install 'ctxpolicy[greenlet]'"
        in done.stderr
    )


GEVENT = """
import asyncio
import gevent
import greenlet
import ctxpolicy

def job(number):
    async def main():
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        for _ in range(3):
            gevent.sleep(0)  # switch to another greenlet while this one runs its loop
            assert asyncio.get_running_loop() is loop and asyncio.current_task() is task
            await asyncio.sleep(0)
        return number
    return asyncio.run(main())

def sync_job(number):
    first = asyncio.get_event_loop()
    gevent.sleep(0)
    doubled = first.run_until_complete(asyncio.sleep(0, 2 * number))
    gevent.sleep(0)
    return doubled, asyncio.get_event_loop() is first, id(first)

with ctxpolicy.install(ctxpolicy.GreenletResolver(running=True), missing="create"):
    jobs = [gevent.spawn(job, number) for number in range(5)]
    gevent.joinall(jobs, raise_error=True)
    print([each.value for each in jobs])
    jobs = [gevent.spawn(sync_job, number) for number in range(3)]
    gevent.joinall(jobs, raise_error=True)
    print([each.value[:2] for each in jobs], len({each.value[2] for each in jobs}))
    print(asyncio.run(asyncio.sleep(0, "main")))
print(greenlet.gettrace())
"""


PATCHED = {
    "not at all": "",
    "before the import": "from gevent import monkey; monkey.patch_all()",
    "after the import": "import asyncio, ctxpolicy; from gevent import monkey; monkey.patch_all()",
    "after the first use": (
        "import ctxpolicy\nwith ctxpolicy.install(ctxpolicy.GreenletResolver(running=True)): pass\n"
        "from gevent import monkey; monkey.patch_all()"
    ),
}


@pytest.mark.parametrize("when", PATCHED)
def test_loops_run_side_by_side_in_greenlets_of_gevent_whenever_gevent_patches(when: str) -> None:
    pytest.importorskip("gevent", reason="needs the package gevent, which is not installed")
    assert run_program(PATCHED[when] + GEVENT, flags=()).splitlines() == [
        "[0, 1, 2, 3, 4]",
        "[(0, True), (2, True), (4, True)] 3",
        "main",
        "None",
    ]


def test_a_running_loop_without_a_current_task_is_kept_too() -> None:
    with ctxpolicy.install(GreenletResolver(running=True)):
        loop = asyncio.new_event_loop()
        restore_running_loop((loop, None))
        seen = greenlet.greenlet(running_loop).switch()
        assert (seen, unset_running_loop()) == (None, (loop, None))
        loop.close()
