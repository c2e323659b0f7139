"""Tests a resolver in a forked child, and reports to the parent what is wrong in the child."""

from __future__ import annotations

import os
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Sequence

from ctxpolicy.testing._harness.scenario import Context, Scenario

__all__ = ["look_around_in_child"]


def look_around_in_child(scenario: Scenario, others: Sequence[Context], loop: AbstractEventLoop) -> str:
    """Fork; check in the child that nothing is bound, and that ``loop`` can be bound and unbound.

    Args:
        scenario: the scenario of the resolver.
        others: the other contexts to check. A context that cannot be entered in the child is skipped.
        loop: the loop to bind in the child.

    Returns:
        a description of what is wrong in the child; empty if nothing is wrong.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about forks with threads; the other threads are idle
        child = os.fork()  # type: ignore[attr-defined, unused-ignore]  # absent on Windows; callers check for it
    if child == 0:
        complaint = "nothing could be asked"
        try:
            complaint = _look_around(scenario, others, loop)
        except BaseException as error:  # noqa: BLE001 - reported to the parent
            complaint = f"{error!r} was raised"
        finally:
            os.write(write, complaint.encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        complaint = pipe.read()
    os.waitpid(child, 0)
    return complaint


def _look_around(scenario: Scenario, others: Sequence[Context], loop: AbstractEventLoop) -> str:
    scenario.renew()
    return _complaint(scenario, loop) or next(
        filter(None, (_complaint_of(each, scenario, loop) for each in others)), ""
    )


def _complaint_of(context: Context, scenario: Scenario, loop: AbstractEventLoop) -> str:
    entered: list[bool] = []

    def look() -> str:
        entered.append(True)
        return _complaint(scenario, loop)

    try:
        complaint = context.run(look)
    except Exception:
        if entered:
            raise
        return ""  # the context cannot be entered in a child, for example because its loop exists only in the parent
    return complaint and f"in {context.name} {complaint}"


def _complaint(scenario: Scenario, loop: AbstractEventLoop) -> str:
    found = scenario.ask()
    if found is not None:
        return f"get() returned {found!r}"
    for each in (loop, None):
        scenario.resolver.set(each)
        found = scenario.ask()
        if found is not each:
            return f"get() returned {found!r} after set({each!r})"
    return ""
