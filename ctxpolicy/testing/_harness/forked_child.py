"""Ask a resolver in a forked child, and report to the parent what is wrong there."""

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
        others: the contexts to check beside the present one; those that do not exist in the child are left out.
        loop: the loop to bind in the child.

    Returns:
        what is wrong in the child, as text; empty if nothing is.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads are idle
        child = os.fork()  # type: ignore[attr-defined, unused-ignore]  # absent on Windows; callers ask first
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
        return ""  # not every context can be entered in a child: the loop that runs a task may exist in the parent only
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
