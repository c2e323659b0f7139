"""End a forked child in the thread that forked it, which was a worker thread in the parent."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from typing import NoReturn

__all__ = ["end_child"]


def end_child(error: BaseException | None) -> NoReturn:
    """End this process as the interpreter does at the end of the main thread.

    If the thread only returned, the child would live on as long as it has other threads, and the exit status of
    ``sys.exit()`` would be lost.

    Args:
        error: the exception that ended the child's work, if any.
    """
    status = 1
    try:
        status = _status(error)
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        atexit._run_exitfuncs()
    finally:  # pragma: no cover - the exit functions end the measurement of coverage
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(status)


def _status(error: BaseException | None) -> int:
    if error is None:
        return 0
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        return (error.code or 0) & 0xFF
    try:
        if isinstance(error, SystemExit):
            print(error.code, file=sys.stderr)  # noqa: T201 - this is what sys.exit("words") does
        else:
            sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as failure:  # sys.excepthook or sys.stderr is broken  # noqa: BLE001
        for each in (failure, error):
            sys.__excepthook__(type(each), each, each.__traceback__)
    return 1
