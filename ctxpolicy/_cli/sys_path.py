"""The program's folder on ``sys.path``: first while the program runs, last while ctxpolicy imports for itself.

This module imports nothing but ``sys``. ``python -m ctxpolicy`` imports it while the working directory is still first
on ``sys.path``, and a ``contextlib.py`` there must not be imported.
"""

import sys

__all__ = ["program_folder_last", "set_program_folder"]


def set_program_folder(folder: str, *, despite_safe_path: bool = False) -> None:
    """Put the folder of the program first on ``sys.path``, as python does.

    Args:
        folder: The folder of the program. It replaces the folder that python has put there for ctxpolicy itself. With
            ``-P`` or ``-I``, python has put no folder there, and ``sys.path`` stays unchanged.
        despite_safe_path: Whether to add the folder even with ``-P`` or ``-I``.
    """
    if _has_program_folder():
        sys.path[0] = folder
    elif despite_safe_path:
        sys.path.insert(0, folder)


class _ProgramFolderLast:
    """The context manager of :func:`program_folder_last`; a class, because ``contextlib`` must not be imported."""

    def __init__(self, *, has_folder: bool) -> None:
        self._has_folder = has_folder
        self._folder = ""

    def __enter__(self) -> None:
        if self._has_folder:
            self._folder = sys.path.pop(0)
            sys.path.append(self._folder)

    def __exit__(self, *exception: object) -> None:
        if self._has_folder:
            # Imports may have added entries after the folder.
            last_position = len(sys.path) - 1 - sys.path[::-1].index(self._folder)
            del sys.path[last_position]
            sys.path.insert(0, self._folder)


def program_folder_last(*, despite_safe_path: bool = False) -> _ProgramFolderLast:
    """Move the program's folder from the start to the end of ``sys.path`` during a ``with`` block.

    Therefore the imports of ctxpolicy, direct and indirect, find the standard library and the installed packages first,
    even if the folder of the program contains an ``email.py`` or a ``signal.py``. Modules that exist only in that
    folder are still found.

    Args:
        despite_safe_path: The value that was passed to :func:`set_program_folder`.
    """
    return _ProgramFolderLast(has_folder=_has_program_folder() or despite_safe_path)


def _has_program_folder() -> bool:
    return not getattr(sys.flags, "safe_path", sys.flags.isolated)  # Python 3.10 has no -P
