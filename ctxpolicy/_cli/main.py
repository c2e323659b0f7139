"""The command line: ``python -m ctxpolicy COMMAND``."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from ctxpolicy._cli.options import PolicyOptions, add_policy_options
from ctxpolicy._cli.sys_path import program_folder_last, set_program_folder
from ctxpolicy._version import __version__
from ctxpolicy.errors import CtxPolicyError

if TYPE_CHECKING:
    from ctxpolicy._cli.program import Program

__all__ = ["main", "start"]

_BAD_INPUT_STATUS: Final = 2
_SIGPIPE_STATUS: Final = 128 + 13  # the status that a shell reports for a program that SIGPIPE ended


class _BadInputError(Exception):
    """The command cannot be carried out; the message says why."""


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The arguments without the program's name; ``None`` stands for those of this process.

    Returns:
        The exit status, which is 2 for bad input. An exception of a program under ``run`` propagates.
    """
    name, *arguments = (sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        if name == "run":  # the program itself handles a closed output
            return _call(name, arguments)
        with _exit_if_output_is_closed():
            return _run_command(name, arguments)
    except _BadInputError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return _BAD_INPUT_STATUS


def start() -> None:
    """Call :func:`main` and exit if the status is not 0.

    A status of 0 calls no ``sys.exit()``, because ``python -i`` would print the ``SystemExit`` as an error.
    """
    status = main()
    if status:
        sys.exit(status)


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _BadInputError(f"{self.prog}: error: {message}")


class _Command(NamedTuple):
    summary: str
    add_arguments: Callable[[ArgumentParser], None]
    main: Callable[[Namespace], int]


def _run_command(name: str, arguments: list[str]) -> int:
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name in ("-V", "--version"):
        print(f"ctxpolicy {__version__}")
        return 0
    return _call(name, arguments)


@contextlib.contextmanager
def _exit_if_output_is_closed() -> Iterator[None]:
    """Exit without a message if the reader of the output has ended, as in ``ctxpolicy list | head -1``."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:  # it is None if it was closed before python started
                sys.stdout.flush()
    except BrokenPipeError:
        assert sys.stdout is not None
        # Python flushes stdout once more at exit, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_SIGPIPE_STATUS)


def _call(name: str, arguments: list[str]) -> int:
    command = _COMMANDS.get(name)
    if command is None:
        raise _BadInputError(f"ctxpolicy: error: unknown command {name!r}; the commands are {', '.join(_COMMANDS)}")
    with program_folder_last():
        parser = _Parser(prog=f"ctxpolicy {name}", description=command.summary, allow_abbrev=False)
        command.add_arguments(parser)
        namespace = parser.parse_args(_split_joined_option(parser, arguments) if name == "run" else arguments)
    return command.main(namespace)


def _split_joined_option(parser: ArgumentParser, arguments: list[str]) -> list[str]:
    """Split ``-mMODULE`` and ``-cCODE`` into two arguments.

    Otherwise argparse would treat the arguments after them, which belong to the program, as options of ctxpolicy.
    """
    at = next((at for at, each in enumerate(arguments) if each[:2] in ("-m", "-c") and each[2:]), None)
    if at is None or "--" in arguments[:at]:
        return arguments
    before = parser.parse_args(arguments[:at])
    if before.program or before.module is not None or before.code is not None:
        return arguments  # the joined option belongs to the program
    return [*arguments[:at], arguments[at][:2], arguments[at][2:], *arguments[at + 1 :]]


@contextlib.contextmanager
def _as_bad_input(command: str, *kinds: type[CtxPolicyError]) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        raise _BadInputError(f"ctxpolicy {command}: error: {error}") from error


def _help() -> str:
    commands = "\n".join(f"  {name:9}{command.summary}" for name, command in _COMMANDS.items())
    return (
        "usage: ctxpolicy COMMAND ...\n\n"
        "An asyncio event loop policy with pluggable contexts.\n\n"
        f"commands (each accepts --help):\n{commands}\n\n"
        "options:\n  --version  show the version\n  --help     show this message"
    )


def _add_run_arguments(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s [options] (SCRIPT | -m MODULE | -c CODE | -) [ARG ...]"
    add_policy_options(parser)
    parser.add_argument("-m", dest="module", nargs=REMAINDER, metavar="MODULE", help="a module or package")
    parser.add_argument("-c", dest="code", nargs=REMAINDER, metavar="CODE", help="program text")
    parser.add_argument(
        "program",
        nargs=REMAINDER,
        metavar="SCRIPT",
        help="a file, a folder or zip file with a __main__.py, or - for standard input, which is read to its end; all "
        "further arguments belong to the program",
    )


def _run(namespace: Namespace) -> int:
    with program_folder_last():
        from ctxpolicy._cli.child_processes import install_in_started_processes
        from ctxpolicy._cli.program import CannotRunError, run

    options = PolicyOptions.from_arguments(namespace, os.environ)
    with _as_bad_input("run", CtxPolicyError):
        program, arguments = _program(namespace)
        program.enter(arguments)
        options.install(program.despite_safe_path)  # stays installed until the process ends
        with program_folder_last(despite_safe_path=program.despite_safe_path):
            install_in_started_processes(PolicyOptions.install, options, program.despite_safe_path)
    with _as_bad_input("run", CannotRunError):
        run(program)
    return 0


def _program(namespace: Namespace) -> tuple[Program, list[str]]:
    from ctxpolicy._cli.program import CannotRunError, Code, Module, script_program

    kind: Callable[[str], Program] = script_program
    given = namespace.program
    if namespace.module is not None:
        kind, given = Module, [*namespace.module, *given]
    elif namespace.code is not None:
        kind, given = Code, [*namespace.code, *given]
    elif given[:1] == ["--"]:
        given = given[1:]
    if not given:
        raise CannotRunError("no program given: give a SCRIPT, -m MODULE, -c CODE, or - for standard input")
    return kind(given[0]), given[1:]


def _explain(namespace: Namespace) -> int:
    # Objects named by options are looked up in the working directory, as with python -m.
    set_program_folder(os.getcwd())  # noqa: PTH109  # sys.path contains strings
    with (
        _as_bad_input("explain", CtxPolicyError),
        PolicyOptions.from_arguments(namespace, os.environ).install(),
        program_folder_last(),
    ):
        from ctxpolicy._explain.explain import explain

        explanation = explain()
    print(json.dumps(explanation.as_dict(), indent=2) if namespace.json else explanation)
    return 0


def _list(namespace: Namespace) -> int:
    with program_folder_last():
        from ctxpolicy._cli.listing import as_text, listed_loop_factories, listed_resolvers

        found = {"resolvers": list(listed_resolvers()), "loop factories": list(listed_loop_factories())}
    if namespace.json:
        data = {kind.replace(" ", "_"): [each.as_dict() for each in listed] for kind, listed in found.items()}
        print(json.dumps(data, indent=2))
    else:
        print("\n\n".join(as_text(kind, listed) for kind, listed in found.items()))
    return 0


def _add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="write one JSON object instead of text")


def _add_explain_arguments(parser: ArgumentParser) -> None:
    add_policy_options(parser)
    _add_json(parser)


_CHECK: Final = "ctxpolicy._cli.check"  # imported only when `check` is called

_COMMANDS: Final = {
    "run": _Command("run an unmodified program under a resolver", _add_run_arguments, _run),
    "list": _Command("list all resolvers and loop factories", _add_json, _list),
    "explain": _Command("show what asyncio would do under a resolver, and why", _add_explain_arguments, _explain),
    "check": _Command(
        "find uses of asyncio in Python source files that newer Python versions change",
        lambda parser: import_module(_CHECK).add_arguments(parser),
        lambda namespace: int(import_module(_CHECK).main(namespace)),
    ),
}
