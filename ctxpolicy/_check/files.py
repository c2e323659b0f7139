"""Find the Python files under the given paths."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, final

from ctxpolicy._check.report import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_Identity = tuple[int, int]

_SUFFIXES = (".py", ".pyw")


@final
class _Folder(NamedTuple):
    path: str
    ancestors: tuple[_Identity, ...]


def python_files(paths: Iterable[str]) -> Iterator[str | Problem]:
    """Walk the paths in a fixed order and return each file once.

    A path that names a file gives that file, whatever its suffix. A folder gives its ``.py`` and ``.pyw`` files, but no
    stubs (``.pyi``), which never run. Folders whose name starts with a dot, ``__pycache__`` and virtual environments
    are left out, unless the path names them. Links are followed.

    Returns:
        The paths of the files, and a problem for each path that cannot be walked.
    """
    return _FolderWalk().files(paths)


@final
class _FolderWalk:
    def __init__(self) -> None:
        self.files_seen: set[Path] = set()
        self.folders_seen: set[_Identity] = set()

    def files(self, paths: Iterable[str]) -> Iterator[str | Problem]:
        for path in paths:
            pending: list[str | Problem | _Folder] = [_start_item(path)]
            while pending:
                item = pending.pop()
                if isinstance(item, _Folder):
                    pending.extend(reversed(self.folder(item, named=item.path == path)))
                elif isinstance(item, Problem) or self.is_new(item):
                    yield item

    def is_new(self, file: str) -> bool:
        resolved = Path(file).resolve()
        new = resolved not in self.files_seen
        self.files_seen.add(resolved)
        return new

    def folder(self, folder: _Folder, *, named: bool) -> list[str | Problem | _Folder]:
        try:
            status = Path(folder.path).stat()
            identity = (status.st_dev, status.st_ino)
            if identity in folder.ancestors:
                return [Problem(folder.path, "is a symlink loop: it leads back to a folder that contains it")]
            if identity in self.folders_seen:
                return []
            with os.scandir(folder.path) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            return [_read_problem(folder.path, error)]
        self.folders_seen.add(identity)
        if not named and any(entry.name == "pyvenv.cfg" for entry in entries):
            return []
        return [item for entry in entries for item in _items_of_entry(entry, (*folder.ancestors, identity))]


def _start_item(path: str) -> str | Problem | _Folder:
    try:
        return _Folder(path, ()) if stat.S_ISDIR(Path(path).stat().st_mode) else path
    except (OSError, ValueError) as error:  # ValueError: the path contains a null character
        return _read_problem(path, error)


def _items_of_entry(entry: os.DirEntry[str], ancestors: tuple[_Identity, ...]) -> list[str | Problem | _Folder]:
    try:
        if entry.is_dir():
            skipped = entry.name.startswith(".") or entry.name == "__pycache__"
            return [] if skipped else [_Folder(entry.path, ancestors)]
        if not entry.name.endswith(_SUFFIXES):
            return []
        if entry.is_file():
            return [entry.path]
        return [Problem(entry.path, "is not a file, or is a link to nothing")]
    except OSError as error:
        return [_read_problem(entry.path, error)]


def _read_problem(path: str, error: OSError | ValueError) -> Problem:
    return Problem(path, f"cannot be read: {getattr(error, 'strerror', None) or error}")
