"""Installs the program's policy in the processes that ``multiprocessing`` starts by spawn and forkserver.

A forked process inherits the policy. A process that is started anew first imports the program's main module, and then
installs the policy.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import PathFinder
from typing import Any, final

from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.other_policies import is_asyncio_default

__all__ = ["install_in_started_processes"]


def install_in_started_processes(install: Callable[..., Any], *args: Any) -> None:
    """Call ``install(*args)`` in each process that ``multiprocessing`` starts anew from here, directly or indirectly.

    Args:
        install: A function that can be pickled. It is not called if the program's main module has set a policy.
        args: The arguments of ``install``, which can also be pickled.
    """
    import multiprocessing.process

    # A started process gets this process's sys.path. If ctxpolicy cannot be imported from it, unpickling would fail.
    if PathFinder.find_spec("ctxpolicy") is not None:
        # Every process inherits `_config` from the process that starts it, and unpickles it after setting sys.path.
        current: Any = multiprocessing.process.current_process()
        current._config["ctxpolicy"] = _PolicyForChild(install, args)


@final
class _PolicyForChild:
    """An object that is pickled with a process object. Its unpickling in the started process installs the policy."""

    def __init__(self, install: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._install = install
        self._args = args

    def __reduce__(self) -> tuple[Any, ...]:
        return _install_in_child, (self._install, self._args)


def _install_in_child(install: Callable[..., Any], args: tuple[Any, ...]) -> _PolicyForChild:
    if is_asyncio_default(host.in_force()):
        install(*args)
    return _PolicyForChild(install, args)
