"""Have the processes that ``multiprocessing`` starts anew (spawn, forkserver) come under the program's policy too.

A forked one is under it anyway. A new one imports the program's main module before this takes effect.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import PathFinder
from typing import Any, final

from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import is_asyncio_default

__all__ = ["carry_over"]


def carry_over(install: Callable[..., Any], *args: Any) -> None:
    """Have ``install(*args)`` called in every process that is started anew, and in those that they start.

    Args:
        install: a function that can be pickled; not called where the program's main module has set a policy.
        args: likewise.
    """
    import multiprocessing.process

    if PathFinder.find_spec("ctxpolicy") is not None:  # else a new process, which has sys.path from here, would fail
        # The one thing that every process inherits from the one that starts it, once its sys.path is set.
        this: Any = multiprocessing.process.current_process()
        this._config["ctxpolicy"] = _Luggage(install, args)


@final
class _Luggage:
    """What is pickled with a process object, and acts where that is unpickled."""

    def __init__(self, install: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._contents = install, args

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrive, self._contents


def _arrive(install: Callable[..., Any], args: tuple[Any, ...]) -> _Luggage:
    if is_asyncio_default(host.in_force()):
        install(*args)
    return _Luggage(install, args)
