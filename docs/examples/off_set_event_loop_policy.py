"""Replace asyncio.set_event_loop_policy(), which warns from Python 3.14 on and is removed in 3.16.

Run it with ``python docs/examples/off_set_event_loop_policy.py``.

The docstring of each function shows the old code. The function does the same with ctxpolicy, on every Python.
"""

import asyncio
import importlib.util
import selectors

import ctxpolicy


async def kind_of_loop():
    return type(asyncio.get_running_loop()).__name__


async def slow_callback_duration():
    return asyncio.get_running_loop().slow_callback_duration


def another_kind_of_loop():
    """Make every loop of another kind.

    Before: ``asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())``, or the selector policy of Windows.
    """
    kind = "uvloop" if importlib.util.find_spec("uvloop") else "selector"  # or "proactor", or a callable
    with ctxpolicy.install("thread", loop_factory=kind):
        return asyncio.run(kind_of_loop())


def loops_made_by_own_code():
    """Make every loop by code of your own.

    Before: a subclass of ``asyncio.DefaultEventLoopPolicy`` that overrides ``new_event_loop``.
    """

    def make_loop():
        loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        loop.slow_callback_duration = 0.5
        return loop

    with ctxpolicy.install("thread", loop_factory=make_loop):
        return f"slow means {asyncio.run(slow_callback_duration())} seconds"


def a_loop_wherever_one_is_asked_for():
    """Let ``get_event_loop()`` make a loop in every thread.

    Before: a subclass that overrides ``get_event_loop`` (such as tornado's ``AnyThreadEventLoopPolicy``).
    """
    with ctxpolicy.install("thread", missing="create"):
        return asyncio.get_event_loop().run_until_complete(kind_of_loop())


def in_one_place_only():
    """Use a resolver for one call, and leave other threads and tasks as they are.

    Before: not possible, because a policy was in force for the whole process.
    """
    return ctxpolicy.run(kind_of_loop(), resolver="contextvar", loop_factory="asyncio")


def undone():
    """Restore the previous policy.

    Before: ``asyncio.set_event_loop_policy(None)``, which also removed a policy that other code had set.
    """
    installation = ctxpolicy.install("thread", loop_factory="selector")
    installation.uninstall()
    return asyncio.run(kind_of_loop())


def main():
    ways = another_kind_of_loop, loops_made_by_own_code, a_loop_wherever_one_is_asked_for, in_one_place_only, undone
    for what in ways:
        print(f"{what.__name__.replace('_', ' ') + ':':<36}{what()}")


if __name__ == "__main__":
    main()
