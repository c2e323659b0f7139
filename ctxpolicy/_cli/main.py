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
from ctxpolicy._cli.sys_path import ours_first, put_first
from ctxpolicy._version import __version__
from ctxpolicy.errors import CtxPolicyError

if TYPE_CHECKING:
    from ctxpolicy._cli.program import Program

__all__ = ["main", "start"]

_BAD_INPUT: Final = 2
_READER_LEFT: Final = 128 + 13  # what a shell says of a program that SIGPIPE has ended


class _BadInputError(Exception):
    """What was asked for cannot be done; the message says why."""


def main(argv: list[str] | None = None) -> int:
    """Do what the command line asks for.

    Args:
        argv: the arguments, without the program's name; ``None``: those of this process.

    Returns:
        the exit status; 2 for bad input. What a program raises that is run passes through.
    """
    name, *arguments = (sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        if name == "run":  # what reads or does not read its output is a matter of the program's
            return _call(name, arguments)
        with _reader_may_leave():
            return _answer(name, arguments)
    except _BadInputError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return _BAD_INPUT


def start() -> None:
    """Call :func:`main`, and exit with a status other than 0.

    Not with 0 too: ``python -i`` would show that as an error.
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


def _answer(name: str, arguments: list[str]) -> int:
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name in ("-V", "--version"):
        print(f"ctxpolicy {__version__}")
        return 0
    return _call(name, arguments)


@contextlib.contextmanager
def _reader_may_leave() -> Iterator[None]:
    """End without a word, as other programs do, when nobody reads on what is written: ``ctxpolicy list | head -1``."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:  # it was closed from the start
                sys.stdout.flush()
    except BrokenPipeError:
        assert sys.stdout is not None
        # Python flushes it once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_READER_LEFT)


def _call(name: str, arguments: list[str]) -> int:
    command = _COMMANDS.get(name)
    if command is None:
        raise _BadInputError(f"ctxpolicy: error: there is no command {name!r}, but {', '.join(_COMMANDS)}")
    with ours_first():
        parser = _Parser(prog=f"ctxpolicy {name}", description=command.summary, allow_abbrev=False)
        command.add_arguments(parser)
        namespace = parser.parse_args(_parted(parser, arguments) if name == "run" else arguments)
    return command.main(namespace)


def _parted(parser: ArgumentParser, arguments: list[str]) -> list[str]:
    """Part ``-mMODULE`` and ``-cCODE``: joined, argparse goes on to look for our options in what follows."""
    at = next((at for at, each in enumerate(arguments) if each[:2] in ("-m", "-c") and each[2:]), None)
    if at is None or "--" in arguments[:at]:
        return arguments
    before = parser.parse_args(arguments[:at])
    if before.program or before.module is not None or before.code is not None:
        return arguments  # it is the program's own
    return [*arguments[:at], arguments[at][:2], arguments[at][2:], *arguments[at + 1 :]]


@contextlib.contextmanager
def _bad_input(command: str, *kinds: type[CtxPolicyError]) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        raise _BadInputError(f"ctxpolicy {command}: error: {error}") from error


def _help() -> str:
    commands = "\n".join(f"  {name:9}{command.summary}" for name, command in _COMMANDS.items())
    return (
        "usage: ctxpolicy COMMAND ...\n\n"
        "An event loop policy for asyncio whose notion of a context is pluggable.\n\n"
        f"commands (each takes --help):\n{commands}\n\n"
        "options:\n  --version  show the version\n  --help     show this"
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
        help="a file, a folder or zip file with a __main__.py, or - for standard input, read to its end; what follows "
        "it are the program's own arguments",
    )


def _run(namespace: Namespace) -> int:
    with ours_first():
        from ctxpolicy._cli.child_processes import carry_over
        from ctxpolicy._cli.program import CannotRunError, run

    options = PolicyOptions.of(namespace, os.environ)
    with _bad_input("run", CtxPolicyError):
        program, arguments = _program(namespace)
        program.enter(arguments)
        options.install(program.even_if_safe)  # for the life of the process
        with ours_first(even_if_safe=program.even_if_safe):
            carry_over(PolicyOptions.install, options, program.even_if_safe)
    with _bad_input("run", CannotRunError):
        run(program)
    return 0


def _program(namespace: Namespace) -> tuple[Program, list[str]]:
    from ctxpolicy._cli.program import CannotRunError, Code, Module, script

    kind: Callable[[str], Program] = script
    given = namespace.program
    if namespace.module is not None:
        kind, given = Module, [*namespace.module, *given]
    elif namespace.code is not None:
        kind, given = Code, [*namespace.code, *given]
    elif given[:1] == ["--"]:
        given = given[1:]
    if not given:
        raise CannotRunError("what is to be run? give a SCRIPT, -m MODULE, -c CODE, or - for standard input")
    return kind(given[0]), given[1:]


def _explain(namespace: Namespace) -> int:
    put_first(os.getcwd())  # where the options' objects are looked for, as with python -m  # noqa: PTH109
    with _bad_input("explain", CtxPolicyError), PolicyOptions.of(namespace, os.environ).install(), ours_first():
        from ctxpolicy._explain.explain import explain

        explanation = explain()
    print(json.dumps(explanation.as_dict(), indent=2) if namespace.json else explanation)
    return 0


def _list(namespace: Namespace) -> int:
    with ours_first():
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


_CHECK: Final = "ctxpolicy._cli.check"  # imported only where it is called

_COMMANDS: Final = {
    "run": _Command("run an unmodified program under a resolver", _add_run_arguments, _run),
    "list": _Command("show every resolver and loop factory that there is to choose from", _add_json, _list),
    "explain": _Command("show what asyncio would do under a resolver, and why", _add_explain_arguments, _explain),
    "check": _Command(
        "find in Python sources what newer Pythons change in the use of asyncio",
        lambda parser: import_module(_CHECK).add_arguments(parser),
        lambda namespace: int(import_module(_CHECK).main(namespace)),
    ),
}
