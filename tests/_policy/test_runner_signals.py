"""Ctrl-C in run and Runner: real signals in new processes, for every implementation of Runner."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.programs import run_program

PROGRAM = r"""
import asyncio, os, signal, sys, threading, ctxpolicy, ctxpolicy._asyncio.runner_310

make = {
    "asyncio": lambda: asyncio.Runner(),
    "ours": lambda: ctxpolicy.Runner(),
    "resolver": lambda: ctxpolicy.Runner(resolver="contextvar"),
    "3.10": lambda: ctxpolicy._asyncio.runner_310.Runner(),
}[sys.argv[1]]


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


async def waits_for_ever():
    asyncio.get_running_loop().call_soon(interrupt)
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        print("cleaned up,", end=" ")


async def is_woken_from_its_wait():
    # The signal arrives when the loop is idle and is about to wait for descriptors.
    selector = asyncio.get_running_loop()._selector
    real = selector.select

    def select(timeout=None):
        selector.select = real
        interrupt()
        return real(timeout)

    selector.select = select
    await asyncio.sleep(3600)


async def goes_on():
    asyncio.get_running_loop().call_soon(interrupt)
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        return "went on"


async def insists():
    asyncio.get_running_loop().call_soon(interrupt)
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        print("once,", end=" ")
        interrupt()
        await asyncio.sleep(0)
        print("never here", end=" ")


async def raises_another():
    asyncio.get_running_loop().call_soon(interrupt)
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        raise LookupError("mine")


async def is_done_when_it_comes():
    loop = asyncio.get_running_loop()
    asyncio.current_task().add_done_callback(lambda task: interrupt())
    return "done"


async def nothing():
    return "nothing"


def shown(name, call):
    try:
        print(name, call())
    except BaseException as error:
        print(name, type(error).__name__, error)
    print("  after:", signal.getsignal(signal.SIGINT) is signal.default_int_handler)


for main in (waits_for_ever, is_woken_from_its_wait, goes_on, insists, raises_another, is_done_when_it_comes):
    def call():
        with make() as runner:
            try:
                return runner.run(main())
            except KeyboardInterrupt:
                return "KeyboardInterrupt, then " + runner.run(nothing())
    shown(main.__name__, call)


def handled(signum, frame):
    print("handled,", end=" ")

async def leaves_it_to_the_handler():
    interrupt()
    return signal.getsignal(signal.SIGINT) is handled

signal.signal(signal.SIGINT, handled)
with make() as runner:
    print("own handler:", runner.run(leaves_it_to_the_handler()), signal.getsignal(signal.SIGINT) is handled)
signal.signal(signal.SIGINT, signal.default_int_handler)


async def sets_a_handler():
    signal.signal(signal.SIGINT, handled)

with make() as runner:
    runner.run(sets_a_handler())
    print("set inside:", signal.getsignal(signal.SIGINT) is handled)
signal.signal(signal.SIGINT, signal.default_int_handler)


async def in_a_thread():
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler

def job():
    with make() as runner:
        print("in a thread:", runner.run(in_a_thread()))

thread = threading.Thread(target=job)
thread.start()
thread.join()


async def in_the_main_thread():
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler

def refuse(*args):
    raise ValueError("signal only works in main thread of the main interpreter")

real, signal.signal = signal.signal, refuse
with make() as runner:
    print("embedded:", runner.run(in_the_main_thread()))
signal.signal = real
"""

OUTCOME = """\
cleaned up, waits_for_ever KeyboardInterrupt, then nothing
  after: True
is_woken_from_its_wait KeyboardInterrupt, then nothing
  after: True
goes_on went on
  after: True
once, insists KeyboardInterrupt, then nothing
  after: True
raises_another LookupError mine
  after: True
is_done_when_it_comes KeyboardInterrupt, then nothing
  after: True
handled, own handler: True True
set inside: True
in a thread: True
embedded: True"""

IMPLEMENTATIONS = ["ours", "resolver", "3.10", *(["asyncio"] if hasattr(asyncio, "Runner") else [])]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_ctrl_c_has_the_same_effect_as_in_asyncios_runner(implementation):
    assert run_program(PROGRAM, implementation) == OUTCOME


@pytest.mark.parametrize("options", ["", ", resolver='contextvar'"])
def test_ctrl_c_ends_run_after_the_main_task_has_cleaned_up(options):
    assert run_program(
        "import asyncio, os, signal, ctxpolicy\n"
        "async def main():\n"
        "    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)\n"
        "    try: await asyncio.get_running_loop().create_future()\n"
        "    finally: print('cleaned up')\n"
        f"try: ctxpolicy.run(main(){options})\n"
        "except KeyboardInterrupt: print('KeyboardInterrupt', asyncio.events._get_running_loop())"
    ).splitlines() == ["cleaned up", "KeyboardInterrupt None"]
