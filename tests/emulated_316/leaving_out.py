"""Leaves out a part of the 3.16 host for a test run, to check that tests fail without it.

CTXPOLICY_LEAVE_OUT="new loops" python -m pytest -p tests.emulated_316.plugin -p tests.emulated_316.leaving_out
"""

from __future__ import annotations

import os
from typing import Any, Final

ASKED: Final = "CTXPOLICY_LEAVE_OUT"


def pytest_configure() -> None:
    """Leave the part out: before the first test module is imported, and after plugins that need asyncio unchanged."""
    leave_out(os.environ[ASKED])


def leave_out(part: str) -> None:
    """Leave out ``part``, one of ``PARTS``."""
    PARTS[part]()


def _all_of_it() -> None:
    from ctxpolicy._asyncio import host_316

    host_316._assign = lambda attributes: None


def _the_current_loop() -> None:
    from ctxpolicy._asyncio import host_316

    assign = host_316._assign
    host_316._assign = lambda attributes: assign(attributes._replace(local=host_316._present_attributes().local))


def _new_loops() -> None:
    from ctxpolicy._asyncio import host_316

    assign = host_316._assign
    host_316._assign = lambda attributes: assign(
        attributes._replace(new_event_loop=host_316._present_attributes().new_event_loop)
    )


def _the_undoing() -> None:
    from ctxpolicy._asyncio import host_316

    assign: Any = host_316._assign
    host_316._assign = lambda attributes: (
        assign(attributes) if isinstance(attributes.local, host_316.CurrentLoop) else None
    )


def _the_forked_child() -> None:
    from ctxpolicy._asyncio import host_316

    host_316.Host316.after_fork = lambda host: None  # type: ignore[method-assign]


PARTS: Final = {
    "nothing": lambda: None,
    "all of it": _all_of_it,
    "the current loop": _the_current_loop,
    "new loops": _new_loops,
    "the undoing": _the_undoing,
    "the forked child": _the_forked_child,
}
