"""Runs a program in this process as ``python`` itself would: as ``__main__``, with only its own frames in tracebacks.

Each kind of program is found as CPython's ``Modules/main.c`` and ``runpy`` find it, and gets the same ``sys.argv[0]``,
``sys.path[0]`` and attributes of ``__main__``. The public functions of runpy are not used, because they remove
``__main__`` at the end, when threads and exit handlers of the program still need it.

Two differences remain. First, the frames of ctxpolicy are on the stack below the frames of the program: code that
inspects the stack sees them, and they count towards the recursion limit. Second, the modules that ctxpolicy has
imported are in ``sys.modules``.
"""

from __future__ import annotations

import builtins
import importlib.util
import io
import linecache
import os
import pkgutil
import re
import sys
import textwrap
import warnings
from abc import ABC, abstractmethod
from importlib.machinery import BuiltinImporter, ModuleSpec, SourceFileLoader, SourcelessFileLoader
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any, Final, cast

from ctxpolicy._cli.sys_path import set_program_folder
from ctxpolicy.errors import CtxPolicyError

if TYPE_CHECKING:  # not at run time: importlib.abc takes as long to import as the rest of this module
    from importlib.abc import InspectLoader, PathEntryFinder

__all__ = ["CannotRunError", "Code", "Module", "Program", "run", "script_program"]

# The Python versions whose __main__ starts with these attributes.
_HAS_ANNOTATIONS: Final = sys.version_info < (3, 14)
_HAS_CACHED: Final = sys.version_info < (3, 15)
# The Python versions whose -c shows the source in tracebacks, and those whose -c removes common indentation.
_SHOWS_SOURCE: Final = sys.version_info >= (3, 13)
_DEDENTS_SOURCE: Final = sys.version_info >= (3, 14)
# An encoding declaration in one of the first two lines (PEP 263).
_DECLARATION: Final = re.compile(rb"(?:[ \t\f]*(?:#.*)?\r?\n)?[ \t\f]*#.*?coding[:=][ \t]*[-\w.]")


class CannotRunError(CtxPolicyError):
    """The program does not exist or cannot be read."""


class Program(ABC):
    """A program that :func:`run` can run.

    Attributes:
        argv0: The program's ``sys.argv[0]``.
        despite_safe_path: Whether the program's folder is on ``sys.path`` even with ``-P`` and ``-I``.
    """

    argv0: str
    despite_safe_path = False

    @abstractmethod
    def folder(self) -> str:
        """Return the program's ``sys.path[0]``."""

    @abstractmethod
    def load(self) -> tuple[CodeType, dict[str, Any]]:
        """Return the program's code and the attributes of its ``__main__``.

        Raises:
            CannotRunError: If there is no code. Any other exception counts as raised by the program.
        """

    def enter(self, arguments: list[str]) -> None:
        """Set ``sys.argv`` and ``sys.path`` for the program."""
        sys.argv[:] = [self.argv0, *arguments]
        set_program_folder(self.folder(), despite_safe_path=self.despite_safe_path)


class _SourceFile(Program):
    def __init__(self, path: str, file: str) -> None:
        self.argv0 = path
        self._file = file
        try:
            with io.open_code(file) as stream:
                self._content = stream.read()
        except OSError as error:
            raise CannotRunError(f"can't open file {path!r}: {error.strerror}") from error

    def folder(self) -> str:
        return os.path.dirname(os.path.realpath(self._file))  # noqa: PTH120  # sys.path contains strings

    def load(self) -> tuple[CodeType, dict[str, Any]]:
        loader: SourceFileLoader | SourcelessFileLoader
        if self._content[:4] == importlib.util.MAGIC_NUMBER or self._file.endswith(".pyc"):
            loader = SourcelessFileLoader("__main__", self._file)
            code = cast("CodeType", loader.get_code("__main__"))
        else:
            loader = SourceFileLoader("__main__", self._file)
            _require_declared_encoding(self._content, self._file)
            code = _compiled(self._content, self._file)
        return code, {"__loader__": loader, **_file_attributes(self._file)}


class _FolderOrZip(Program):
    """A folder or zip file that contains a ``__main__.py``."""

    despite_safe_path = True

    def __init__(self, path: str, folder: str, finder: PathEntryFinder) -> None:
        self.argv0 = path
        self._folder = folder
        self._finder = finder

    def folder(self) -> str:
        return self._folder

    def load(self) -> tuple[CodeType, dict[str, Any]]:
        spec = self._finder.find_spec("__main__")
        if spec is None:
            raise CannotRunError(f"can't find '__main__' module in {self._folder!r}")
        return _code_of(spec), _spec_attributes(spec)


class _StandardInput(Program):
    argv0 = "-"

    def folder(self) -> str:
        return ""

    def load(self) -> tuple[CodeType, dict[str, Any]]:
        content = b"" if sys.stdin is None else sys.stdin.buffer.read()
        return _compiled(content, "<stdin>"), _file_attributes("<stdin>")


def script_program(path: str) -> Program:
    """Return the program at ``path``: a file, a folder, a zip file, or ``-`` for standard input.

    Raises:
        CannotRunError: If the file cannot be read.
    """
    if path == "-":
        return _StandardInput()
    # Not abspath() or pathlib, because python keeps "./" and "../" in __file__.
    file = os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118
    finder = pkgutil.get_importer(file)
    return _SourceFile(path, file) if finder is None else _FolderOrZip(path, file, cast("PathEntryFinder", finder))


class Code(Program):
    """Program text given with ``-c``."""

    argv0 = "-c"

    def __init__(self, source: str) -> None:
        self._source = textwrap.dedent(source) if _DEDENTS_SOURCE else source

    def folder(self) -> str:
        return ""

    def load(self) -> tuple[CodeType, dict[str, Any]]:
        if _SHOWS_SOURCE:
            lines = self._source.splitlines(keepends=True)
            linecache.cache["<string>"] = (len(self._source), None, lines, "<string>")
        return _compiled(self._source, "<string>"), {}


class Module(Program):
    """A module or package given by name with ``-m``."""

    argv0 = "-m"

    def __init__(self, name: str) -> None:
        self._name = name

    def folder(self) -> str:
        return os.getcwd()  # noqa: PTH109  # sys.path contains strings

    def load(self) -> tuple[CodeType, dict[str, Any]]:
        spec = _find(self._name)
        if spec.submodule_search_locations is not None:
            try:
                spec = _find(f"{self._name}.__main__")
            except CannotRunError as error:
                raise CannotRunError(f"{error}; {self._name!r} is a package and cannot be directly executed") from None
        code = _code_of(spec)
        sys.argv[0] = cast("str", spec.origin)
        return code, _spec_attributes(spec)


def run(program: Program) -> None:
    """Run an entered program as ``__main__`` until it ends.

    An exception of the program propagates. The traceback that python prints for it shows only the program's frames.

    Raises:
        CannotRunError: If there is no such program.
    """
    # Not a new module, because python -i continues in the existing __main__, and other code may refer to it.
    namespace = vars(sys.modules["__main__"])
    namespace.clear()
    namespace.update(_initial_namespace())
    try:
        code, attributes = program.load()
        namespace.update(attributes)
        exec(code, namespace)  # noqa: S102  # running the program is the purpose
    except (SystemExit, CannotRunError):
        raise
    except BaseException:
        _hide_our_frames_from_excepthook()
        raise


def _initial_namespace() -> dict[str, Any]:
    return {
        "__name__": "__main__",
        "__doc__": None,
        "__package__": None,
        "__loader__": BuiltinImporter,
        "__spec__": None,
        **({"__annotations__": {}} if _HAS_ANNOTATIONS else {}),
        "__builtins__": builtins,
    }


def _file_attributes(file: str) -> dict[str, Any]:
    return {"__file__": file, **({"__cached__": None} if _HAS_CACHED else {})}


def _spec_attributes(spec: ModuleSpec) -> dict[str, Any]:
    return {
        "__loader__": spec.loader,
        "__package__": spec.parent,
        "__spec__": spec,
        "__file__": spec.origin,
        **({"__cached__": spec.cached} if _HAS_CACHED else {}),
    }


def _compiled(source: bytes | str, file: str) -> CodeType:
    return compile(source, file, "exec", dont_inherit=True)


def _require_declared_encoding(source: bytes, file: str) -> None:
    """Raise the SyntaxError that python raises for a script with undeclared non-UTF-8 text.

    ``compile()`` alone does not raise it if the text is in a comment.
    """
    try:
        source.decode()
    except UnicodeDecodeError as error:
        if _DECLARATION.match(source) is None:
            line = source.count(b"\n", 0, error.start) + 1
            raise SyntaxError(
                f"Non-UTF-8 code starting with '\\x{source[error.start]:02x}' in file {file} on line {line}, but no "
                "encoding declared; see https://peps.python.org/pep-0263/ for details"
            ) from None


def _code_of(spec: ModuleSpec) -> CodeType:
    get_code = getattr(spec.loader, "get_code", None)
    code = None if get_code is None else cast("InspectLoader", spec.loader).get_code(spec.name)
    if code is None:
        raise CannotRunError(f"No code object available for {spec.name}")
    return code


def _find(name: str) -> ModuleSpec:
    if not name or name.startswith("."):
        raise CannotRunError(f"{name!r} is not an absolute module name")
    loaded = name in sys.modules
    try:
        spec = getattr(sys.modules[name], "__spec__", None) if loaded else importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise  # a parent package exists, but imports a module that does not exist
        spec = None
    if spec is None:
        raise CannotRunError(f"No module named {name}")
    if name in sys.modules and not loaded and spec.submodule_search_locations is None:
        _warn_of_second_import(name)
    return spec


def _warn_of_second_import(name: str) -> None:
    # The text is runpy's.
    warnings.warn(
        f"{name!r} found in sys.modules after import of package {name.rpartition('.')[0]!r}, but prior to execution of "
        f"{name!r}; this may result in unpredictable behaviour",
        RuntimeWarning,
        stacklevel=2,
    )


def _hide_our_frames_from_excepthook() -> None:
    """Replace ``sys.excepthook`` for its next call, to remove ctxpolicy's frames from the traceback that it gets.

    The frames cannot be removed earlier, because python adds the outermost frames while the exception passes through
    them.
    """
    previous = getattr(sys, "excepthook", sys.__excepthook__)

    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.excepthook = previous
        trace = sys.last_traceback = _program_traceback(trace)
        error.with_traceback(trace)
        try:
            previous(kind, error, trace)
        except SystemExit:
            raise
        except BaseException as failure:  # noqa: BLE001  # reported as python reports it
            _report_failed_hook(failure, error)

    sys.excepthook = excepthook


def _program_traceback(trace: TracebackType | None) -> TracebackType | None:
    entry = trace
    while entry is not None and entry.tb_frame.f_code is not run.__code__:
        entry = entry.tb_next
    while entry is not None and _is_machinery(entry.tb_frame.f_globals.get("__name__")):
        entry = entry.tb_next
    return entry


def _is_machinery(module: object) -> bool:
    """Return whether a module is part of the machinery that runs a program: this module, or the import machinery."""
    return module == __name__ or (isinstance(module, str) and module.partition(".")[0] in ("importlib", "zipimport"))


def _report_failed_hook(failure: BaseException, error: BaseException) -> None:
    """Print the same text as python prints if a ``sys.excepthook`` raises an exception."""
    trace = failure.__traceback__.tb_next if failure.__traceback__ is not None else None
    sys.stderr.write("Error in sys.excepthook:\n")
    sys.__excepthook__(type(failure), failure.with_traceback(trace), trace)
    sys.stderr.write("\nOriginal exception was:\n")
    sys.__excepthook__(type(error), error, error.__traceback__)
