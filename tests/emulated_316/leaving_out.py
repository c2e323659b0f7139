"""Leave out a part of the 3.16 host for a test run, to see that it is missed.

CTXPOLICY_LEAVE_OUT="new loops" python -m pytest -p tests.emulated_316.plugin -p tests.emulated_316.leaving_out
"""

from __future__ import annotations

import os
from typing import Any, Final

ASKED: Final = "CTXPOLICY_LEAVE_OUT"


def pytest_configure() -> None:
    """Do it before the first test module is imported, and after the plugins that must find asyncio as it is."""
    leave_out(os.environ[ASKED])


def leave_out(part: str) -> None:
    """Leave out ``part``, one of ``PARTS``."""
    PARTS[part]()


def _all_of_it() -> None:
    from ctxpolicy import _seam

    _seam._put = lambda parts: None


def _the_current_loop() -> None:
    from ctxpolicy import _seam

    put = _seam._put
    _seam._put = lambda parts: put(parts._replace(local=_seam._parts().local))


def _new_loops() -> None:
    from ctxpolicy import _seam

    put = _seam._put
    _seam._put = lambda parts: put(parts._replace(new_event_loop=_seam._parts().new_event_loop))


def _the_undoing() -> None:
    from ctxpolicy import _seam

    put: Any = _seam._put
    _seam._put = lambda parts: put(parts) if isinstance(parts.local, _seam.CurrentLoop) else None


def _the_forked_child() -> None:
    from ctxpolicy import _seam

    _seam.SeamHost.after_fork = lambda host: None  # type: ignore[method-assign]


PARTS: Final = {
    "nothing": lambda: None,
    "all of it": _all_of_it,
    "the current loop": _the_current_loop,
    "new loops": _new_loops,
    "the undoing": _the_undoing,
    "the forked child": _the_forked_child,
}
