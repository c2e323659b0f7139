"""Run a program in this process as ``python`` itself would: as ``__main__``, with tracebacks of its own frames only.

Each kind of program is found, and says what ``sys.argv[0]``, ``sys.path[0]`` and the attributes of ``__main__`` are, as
CPython's ``Modules/main.c`` and ``runpy`` do it (runpy's public functions take ``__main__`` away again at the end, when
the program's threads and exit handlers still need it). What stays different: the frames of ctxpolicy are on the
stack below the program's, for whoever looks at the stack (the recursion limit does), and what ctxpolicy has imported
is in ``sys.modules``.
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
from importlib.abc import InspectLoader, PathEntryFinder
from importlib.machinery import BuiltinImporter, ModuleSpec, SourceFileLoader, SourcelessFileLoader
from types import CodeType, TracebackType
from typing import Any, Final, cast

from ctxpolicy._cli.sys_path import put_first
from ctxpolicy.errors import CtxPolicyError

__all__ = ["CannotRunError", "Code", "Module", "Program", "run", "script"]

# What __main__ has from the start, by Python.
_HAS_ANNOTATIONS: Final = sys.version_info < (3, 14)
_HAS_CACHED: Final = sys.version_info < (3, 15)
# What python -c does: shows the source in tracebacks, takes away common indentation.
_SHOWS_COMMAND: Final = sys.version_info >= (3, 13)
_DEDENTS_COMMAND: Final = sys.version_info >= (3, 14)
# An encoding declared in one of the first two lines (PEP 263).
_DECLARATION: Final = re.compile(rb"(?:[ \t\f]*(?:#.*)?\r?\n)?[ \t\f]*#.*?coding[:=][ \t]*[-\w.]")


class CannotRunError(CtxPolicyError):
    """There is no such program."""


class Program(ABC):
    """A program that :func:`run` runs.

    Attributes:
        argv0: what it finds in ``sys.argv[0]``.
        even_if_safe: whether ``-P`` and ``-I`` too let it have its folder in ``sys.path``.
    """

    argv0: str
    even_if_safe = False

    @abstractmethod
    def folder(self) -> str:
        """Return where the program is: what it finds in ``sys.path[0]``."""

    @abstractmethod
    def load(self) -> tuple[CodeType, dict[str, Any]]:
        """Return the program's code, and the attributes that its ``__main__`` has.

        Raises:
            CannotRunError: there is none. Whatever else is raised, the program raises.
        """

    def enter(self, arguments: list[str]) -> None:
        """Give the program its ``sys.argv`` and ``sys.path``."""
        sys.argv[:] = [self.argv0, *arguments]
        put_first(self.folder(), even_if_safe=self.even_if_safe)


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
        return os.path.dirname(os.path.realpath(self._file))  # noqa: PTH120

    def load(self) -> tuple[CodeType, dict[str, Any]]:
        loader: SourceFileLoader | SourcelessFileLoader
        if self._content[:4] == importlib.util.MAGIC_NUMBER or self._file.endswith(".pyc"):
            loader = SourcelessFileLoader("__main__", self._file)
            code = cast("CodeType", loader.get_code("__main__"))
        else:
            loader = SourceFileLoader("__main__", self._file)
            _refuse_unless_decodable(self._content, self._file)
            code = _compiled(self._content, self._file)
        return code, {"__loader__": loader, **_of_file(self._file)}


class _Bundle(Program):
    """A folder or zip file with a ``__main__.py``."""

    even_if_safe = True

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
        return _code(spec), _of_spec(spec)


class _StandardInput(Program):
    argv0 = "-"

    def folder(self) -> str:
        return ""

    def load(self) -> tuple[CodeType, dict[str, Any]]:
        content = b"" if sys.stdin is None else sys.stdin.buffer.read()
        return _compiled(content, "<stdin>"), _of_file("<stdin>")


def script(path: str) -> Program:
    """Return the program in the file ``path``, in the folder or zip file of that name, or in standard input (``-``).

    Raises:
        CannotRunError: the file cannot be read.
    """
    if path == "-":
        return _StandardInput()
    file = os.path.join(os.getcwd(), path)  # not abspath(): python too keeps "./" and "../"  # noqa: PTH109, PTH118
    finder = pkgutil.get_importer(file)
    return _SourceFile(path, file) if finder is None else _Bundle(path, file, cast("PathEntryFinder", finder))


class Code(Program):
    """The program text of ``-c``."""

    argv0 = "-c"

    def __init__(self, source: str) -> None:
        self._source = textwrap.dedent(source) if _DEDENTS_COMMAND else source

    def folder(self) -> str:
        return ""

    def load(self) -> tuple[CodeType, dict[str, Any]]:
        if _SHOWS_COMMAND:
            lines = self._source.splitlines(keepends=True)
            linecache.cache["<string>"] = (len(self._source), None, lines, "<string>")
        return _compiled(self._source, "<string>"), {}


class Module(Program):
    """A module or package by name, for ``-m``."""

    argv0 = "-m"

    def __init__(self, name: str) -> None:
        self._name = name

    def folder(self) -> str:
        return os.getcwd()  # noqa: PTH109

    def load(self) -> tuple[CodeType, dict[str, Any]]:
        spec = _find(self._name)
        if spec.submodule_search_locations is not None:
            try:
                spec = _find(f"{self._name}.__main__")
            except CannotRunError as error:
                raise CannotRunError(f"{error}; {self._name!r} is a package and cannot be directly executed") from None
        code = _code(spec)
        sys.argv[0] = cast("str", spec.origin)
        return code, _of_spec(spec)


def run(program: Program) -> None:
    """Run ``program``, which was entered, as ``__main__``, to its end.

    Whatever it raises passes through, and the traceback that python prints of it then shows the program's frames only.

    Raises:
        CannotRunError: there is no such program.
    """
    # The very module that is there: python -i goes on in it, and others may have a hold of it.
    namespace = vars(sys.modules["__main__"])
    namespace.clear()
    namespace.update(_initial())
    try:
        code, attributes = program.load()
        namespace.update(attributes)
        exec(code, namespace)  # noqa: S102
    except (SystemExit, CannotRunError):
        raise
    except BaseException:
        _hide_our_frames()
        raise


def _initial() -> dict[str, Any]:
    return {
        "__name__": "__main__",
        "__doc__": None,
        "__package__": None,
        "__loader__": BuiltinImporter,
        "__spec__": None,
        **({"__annotations__": {}} if _HAS_ANNOTATIONS else {}),
        "__builtins__": builtins,
    }


def _of_file(file: str) -> dict[str, Any]:
    return {"__file__": file, **({"__cached__": None} if _HAS_CACHED else {})}


def _of_spec(spec: ModuleSpec) -> dict[str, Any]:
    return {
        "__loader__": spec.loader,
        "__package__": spec.parent,
        "__spec__": spec,
        "__file__": spec.origin,
        **({"__cached__": spec.cached} if _HAS_CACHED else {}),
    }


def _compiled(source: bytes | str, file: str) -> CodeType:
    return compile(source, file, "exec", dont_inherit=True)


def _refuse_unless_decodable(source: bytes, file: str) -> None:
    """Raise what python does of a script, and compile() does not, which passes over such bytes in comments."""
    try:
        source.decode()
    except UnicodeDecodeError as error:
        if _DECLARATION.match(source) is None:
            line = source.count(b"\n", 0, error.start) + 1
            raise SyntaxError(
                f"Non-UTF-8 code starting with '\\x{source[error.start]:02x}' in file {file} on line {line}, but no "
                "encoding declared; see https://peps.python.org/pep-0263/ for details"
            ) from None


def _code(spec: ModuleSpec) -> CodeType:
    get_code = getattr(spec.loader, "get_code", None)
    code = None if get_code is None else cast("InspectLoader", spec.loader).get_code(spec.name)
    if code is None:
        raise CannotRunError(f"No code object available for {spec.name}")
    return code


def _find(name: str) -> ModuleSpec:
    if not name or name.startswith("."):
        raise CannotRunError(f"{name!r} is no absolute module name")
    loaded = name in sys.modules
    try:
        spec = getattr(sys.modules[name], "__spec__", None) if loaded else importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise  # a package on the way imports what is not there
        spec = None
    if spec is None:
        raise CannotRunError(f"No module named {name}")
    if name in sys.modules and not loaded and spec.submodule_search_locations is None:
        _warn_of_second_import(name)
    return spec


def _warn_of_second_import(name: str) -> None:
    # What runpy says.
    warnings.warn(
        f"{name!r} found in sys.modules after import of package {name.rpartition('.')[0]!r}, but prior to execution of "
        f"{name!r}; this may result in unpredictable behaviour",
        RuntimeWarning,
        stacklevel=2,
    )


def _hide_our_frames() -> None:
    """Have the next call of ``sys.excepthook``, which is for the exception being handled, shown none of our frames.

    They can be taken away no earlier: python adds the outermost ones while the exception passes through them.
    """
    previous = getattr(sys, "excepthook", sys.__excepthook__)

    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.excepthook = previous
        trace = sys.last_traceback = _frames_of_program(trace)
        error.with_traceback(trace)
        try:
            previous(kind, error, trace)
        except SystemExit:
            raise
        except BaseException as failure:  # noqa: BLE001
            _report_failed_hook(failure, error)

    sys.excepthook = excepthook


def _frames_of_program(trace: TracebackType | None) -> TracebackType | None:
    entry = trace
    while entry is not None and entry.tb_frame.f_code is not run.__code__:
        entry = entry.tb_next
    while entry is not None and _is_machinery(entry.tb_frame.f_globals.get("__name__")):
        entry = entry.tb_next
    return entry


def _is_machinery(module: object) -> bool:
    """Tell whether frames of ``module`` come before those of the program: ours, and what imports it."""
    return module == __name__ or (isinstance(module, str) and module.partition(".")[0] in ("importlib", "zipimport"))


def _report_failed_hook(failure: BaseException, error: BaseException) -> None:
    """Print what python prints where a ``sys.excepthook`` raises."""
    trace = failure.__traceback__.tb_next if failure.__traceback__ is not None else None
    sys.stderr.write("Error in sys.excepthook:\n")
    sys.__excepthook__(type(failure), failure.with_traceback(trace), trace)
    sys.stderr.write("\nOriginal exception was:\n")
    sys.__excepthook__(type(error), error, error.__traceback__)
