"""Which files there are to check under the paths given."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, final

from ctxpolicy._check.report import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Identity = tuple[int, int]

_SUFFIXES = (".py", ".pyw")


@final
class _Folder(NamedTuple):
    path: str
    ancestors: tuple[Identity, ...]


def python_files(paths: Iterable[str]) -> Iterator[str | Problem]:
    """Walk paths in a settled order, each file once.

    A file that is named is given whatever its suffix. In folders these are ``.py`` and ``.pyw`` files: stubs
    (``.pyi``) never run. Folders whose name begins with a dot, ``__pycache__`` and virtual environments are left out,
    unless they are named. Links are followed.

    Returns:
        The paths, and among them what cannot be walked.
    """
    return _Walk().files(paths)


@final
class _Walk:
    def __init__(self) -> None:
        self.files_seen: set[Path] = set()
        self.folders_seen: set[Identity] = set()

    def files(self, paths: Iterable[str]) -> Iterator[str | Problem]:
        for path in paths:
            todo: list[str | Problem | _Folder] = [_named(path)]
            while todo:
                item = todo.pop()
                if isinstance(item, _Folder):
                    todo.extend(reversed(self.folder(item, named=item.path == path)))
                elif isinstance(item, Problem) or self.is_new(item):
                    yield item

    def is_new(self, file: str) -> bool:
        place = Path(file).resolve()
        new = place not in self.files_seen
        self.files_seen.add(place)
        return new

    def folder(self, folder: _Folder, *, named: bool) -> list[str | Problem | _Folder]:
        try:
            status = Path(folder.path).stat()
            identity = (status.st_dev, status.st_ino)
            if identity in folder.ancestors:
                return [Problem(folder.path, "is a symlink loop: it leads back to a folder that it is in")]
            if identity in self.folders_seen:
                return []
            with os.scandir(folder.path) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            return [_unwalkable(folder.path, error)]
        self.folders_seen.add(identity)
        if not named and any(entry.name == "pyvenv.cfg" for entry in entries):
            return []
        return [item for entry in entries for item in _entry(entry, (*folder.ancestors, identity))]


def _named(path: str) -> str | Problem | _Folder:
    try:
        return _Folder(path, ()) if stat.S_ISDIR(Path(path).stat().st_mode) else path
    except (OSError, ValueError) as error:  # ValueError: a null character
        return _unwalkable(path, error)


def _entry(entry: os.DirEntry[str], ancestors: tuple[Identity, ...]) -> list[str | Problem | _Folder]:
    try:
        if entry.is_dir():
            left_out = entry.name.startswith(".") or entry.name == "__pycache__"
            return [] if left_out else [_Folder(entry.path, ancestors)]
        if not entry.name.endswith(_SUFFIXES):
            return []
        if entry.is_file():
            return [entry.path]
        return [Problem(entry.path, "is not a file, or is a link to nothing")]
    except OSError as error:
        return [_unwalkable(entry.path, error)]


def _unwalkable(path: str, error: OSError | ValueError) -> Problem:
    return Problem(path, f"cannot be read: {getattr(error, 'strerror', None) or error}")
