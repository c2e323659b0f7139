"""What a resolver answers in a forked child, told to the parent."""

from __future__ import annotations

import os
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Sequence

from ctxpolicy.testing._harness.scenario import Context, Scenario

__all__ = ["look_around_in_child"]


def look_around_in_child(play: Scenario, others: Sequence[Context], loop: AbstractEventLoop) -> str:
    """Fork, see in the child that nothing is bound, and that ``loop`` can be bound and unbound.

    Args:
        play: has the resolver.
        others: the contexts to look into, beside the present one; those that the child has not are left out.
        loop: the loop to bind there.

    Returns:
        what is wrong there, or nothing.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the only other threads are those of contexts, and idle
        child = os.fork()  # type: ignore[attr-defined, unused-ignore]  # Windows has none; callers ask first
    if child == 0:
        told = "nothing could be asked"
        try:
            told = _look_around(play, others, loop)
        except BaseException as error:  # noqa: BLE001 - told to the parent
            told = f"there was {error!r}"
        finally:
            os.write(write, told.encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


def _look_around(play: Scenario, others: Sequence[Context], loop: AbstractEventLoop) -> str:
    play.renew()
    return _complaint(play, loop) or next(filter(None, (_complaint_of(each, play, loop) for each in others)), "")


def _complaint_of(context: Context, play: Scenario, loop: AbstractEventLoop) -> str:
    entered: list[bool] = []

    def look() -> str:
        entered.append(True)
        return _complaint(play, loop)

    try:
        told = context.run(look)
    except Exception:
        if entered:
            raise
        return ""  # not every context can be entered in a child: a loop that runs a task may be the parent's alone
    return told and f"in {context.name} {told}"


def _complaint(play: Scenario, loop: AbstractEventLoop) -> str:
    found = play.ask()
    if found is not None:
        return f"get() returned {found!r}"
    for each in (loop, None):
        play.resolver.set(each)
        found = play.ask()
        if found is not each:
            return f"get() returned {found!r} after set({each!r})"
    return ""
