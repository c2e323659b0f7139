from __future__ import annotations

import sys

import pytest

# Programs with X where a name is used that warns since 3.14 and is gone in 3.16. What is expected: the first Python on
# which it still fails, None where it does not but still warns, "" where nothing is found.
X = "asyncio.set_event_loop_policy"

TESTS = {
    "sys.version_info < (3, 16)": None,
    "sys.version_info < (3, 16, 0)": None,
    "sys.version_info < (3, 15, 1)": None,
    "sys.version_info < (3, 16, 1)": "3.16",
    "sys.version_info < (3, 14)": "",
    "sys.version_info < (3, 13, 2)": "",
    "sys.version_info < (3, 17)": "3.16",
    "sys.version_info < (3,)": "",
    "sys.version_info < (4,)": "3.16",
    "sys.version_info <= (3, 15)": None,
    "sys.version_info <= (3, 16)": None,
    "sys.version_info <= (3, 16, 5)": "3.16",
    "sys.version_info[:2] <= (3, 15)": None,
    "sys.version_info[:2] <= (3, 16)": "3.16",
    "sys.version_info[:2] < (3, 14)": "",
    "sys.version_info[:2] == (3, 15)": None,
    "sys.version_info[:2] == (3, 13)": "",
    "sys.version_info[:2] != (3, 13)": "3.16",
    "sys.version_info[:1] == (2,)": "",
    "sys.version_info[0] == 2": "",
    "sys.version_info[0] < 3": "",
    "sys.version_info[0] == 3": "3.16",
    "sys.version_info[1] < 14": "",
    "sys.version_info[2] < 1": "3.16",
    "sys.version_info.major <= 2": "",
    "sys.version_info.minor < 16": None,
    "sys.version_info.minor <= 13": "",
    "sys.version_info.micro < 1": "3.16",
    "sys.version_info >= (3, 16)": "3.16",
    "not sys.version_info >= (3, 16)": None,
    "not sys.version_info > (3, 15)": None,
    "not sys.version_info[:2] > (3, 15)": None,
    "not sys.version_info[:2] > (3, 16)": "3.16",
    "not not sys.version_info < (3, 14)": "",
    "(3, 16) > sys.version_info": None,
    "(3, 13) >= sys.version_info[:2]": "",
    "(3, 10) <= sys.version_info < (3, 14)": "",
    "not (3, 10) <= sys.version_info < (3, 14)": "3.16",
    "(3, 14) < (3, 16)": "3.16",
    "sys.hexversion < 0x030E0000": "",
    "sys.hexversion < 0x031000F0": None,
    "sys.hexversion < 0x03100100": "3.16",
    "sys.version_info < MINIMUM": "3.16",
    "sys.version_info < (3, MINOR)": "3.16",
    "sys.version_info < (MAJOR, 14)": "3.16",
    "sys.version_info < (3, 14, 0, 'final')": "",
    "sys.version_info < ()": "3.16",
    "sys.version_info < 3": "3.16",
    "sys.version_info[0] < (3,)": "3.16",
    "sys.version_info[start:] < (3, 14)": "3.16",
    "sys.version_info in ((3, 13), (3, 14))": "3.16",
    "version_info < (3, 14)": "",
    "other.version_info < (3, 14)": "3.16",
    "platform and sys.version_info < (3, 14)": "",
    "not (platform and sys.version_info >= (3, 14))": "3.16",
    "not (sys.version_info >= (3, 14) or platform)": "",
    "platform or sys.version_info < (3, 14)": "3.16",
    "sys.version_info < (3, 16) or sys.version_info < (3, 14)": None,
    "OLD": "",
    "not NEW": "",
    "OLDER": "",
    "UNCLEAR": "3.16",
    "ROUND": "3.16",
    "TYPE_CHECKING": "",
    "typing.TYPE_CHECKING": "",
    "not TYPE_CHECKING": "3.16",
    "False": "",
    "0": "",
    "True": "3.16",
    "not True": "",
    "hasattr(asyncio, 'set_event_loop_policy')": None,
    "hasattr(asyncio, 'WindowsSelectorEventLoopPolicy')": None,
    "sys.platform == 'win32' and hasattr(asyncio, 'WindowsSelectorEventLoopPolicy')": None,
    "hasattr(asyncio.events, 'DefaultEventLoopPolicy')": "",
    "hasattr(asyncio, 'get_child_watcher')": "",
    "hasattr(asyncio, 'run')": "3.16",
    "not hasattr(asyncio, 'run')": "",
    "not hasattr(asyncio, 'Runner')": "",
    "not hasattr(asyncio, 'set_event_loop_policy')": "3.16",
    "hasattr(asyncio, name)": "3.16",
    "hasattr(asyncio)": "3.16",
    "hasattr(loop, 'get_child_watcher')": "3.16",
    "Policy": None,
    "Policy is not None": None,
    "None is not Policy": "3.16",
    "Policy is None": "3.16",
    "Policy is True": "3.16",
    "not Policy is None": None,
    "maybe": "3.16",
    "function()": "3.16",
}

SETUP = """\
import asyncio, sys, typing
from sys import version_info, platform
from typing import TYPE_CHECKING
from settings import maybe
Policy = getattr(asyncio, "WindowsProactorEventLoopPolicy", None)  # ctxpolicy: ignore[CTX102]
OLD = sys.version_info < (3, 14)
NEW = not OLD
OLDER = OLD and platform
UNCLEAR = sys.version_info < (3, 14)
UNCLEAR = True
ROUND = ROUND or OLD
"""


def outcome(findings, program: str) -> str | None:
    found = findings(SETUP + program.replace("X", X))
    assert len(found) <= 1
    if not found:
        return ""
    assert str(found[0].warns) == "3.14"
    return found[0].fails and str(found[0].fails)


@pytest.mark.parametrize(("test", "expected"), TESTS.items(), ids=TESTS)
def test_a_condition_says_on_which_pythons_its_block_is_reached(test, expected, findings):
    assert outcome(findings, f"if {test}:\n    X") == expected


SHAPES = {
    "an else": "if NEW:\n    pass\nelse:\n    X",
    "an elif": "if platform:\n    pass\nelif OLD:\n    X",
    "after an elif": "if NEW:\n    pass\nelif platform:\n    X",
    "a conditional expression": "X if OLD else None",
    "the other side of a conditional expression": "None if NEW else X",
    "an and": "platform and OLD and X",
    "an or": "NEW or X",
    "a while": "while OLD:\n    X",
    "after an assert": "def function():\n    assert OLD\n    X",
    "after a return": "def function():\n    if NEW:\n        return\n    X",
    "after a raise": "if NEW:\n    raise ImportError\nX",
    "after a continue": "for each in ():\n    if NEW:\n        continue\n    X",
    "after a break": "while True:\n    if NEW:\n        break\n    X",
    "after an exit": "if NEW:\n    sys.exit()\nX",
    "after a bare exit": "if NEW:\n    exit(1)\nX",
    "after a skip": "if NEW:\n    pytest.skip('old')\nX",
    "after the return of an else": "def function():\n    if OLD:\n        pass\n    else:\n        return\n    X",
    "after the return of an elif": (
        "def function():\n    if platform:\n        return\n    elif NEW:\n        return\n    X"
    ),
    "after the else of an elif": (
        "def function():\n  if platform:\n    return\n  elif OLD:\n    pass\n  else:\n    return\n  X"
    ),
    "a function under it": "if OLD:\n    def function():\n        def inner():\n            X",
    "a class under it": "if OLD:\n    class Class:\n        policy = X",
    "a lambda under it": "if OLD:\n    lambda: X",
    "a comprehension under it": "if OLD:\n    [X for each in ()]",
    "deep below it": "if OLD:\n  for each in ():\n    with each:\n      try:\n        X\n      finally: pass",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_condition_holds_for_all_that_it_guards(shape, findings):
    assert outcome(findings, SHAPES[shape]) == ""


UNGUARDED = {
    "the condition's own block": "if NEW:\n    X",
    "the other block": "if OLD:\n    pass\nelse:\n    X",
    "after the block": "if OLD:\n    pass\nX",
    "after a block that goes on": "def function():\n    if NEW:\n        print()\n    X",
    "after an if within another block": "def function():\n    if platform:\n        if NEW:\n            return\n    X",
    "after an if that leaves otherwise": "def function():\n  if platform:\n    return\n  else:\n    pass\n  X",
    "before it": "X\nassert OLD",
    "the condition itself": "X and OLD",
    "after the first of an or": "OLD or X",
    "a block that is left by another way": "def function():\n    if OLD:\n        return\n    X",
    "a function call": "if NEW:\n    (lambda: exit)()\nX",
}


@pytest.mark.parametrize("shape", UNGUARDED)
def test_a_condition_says_nothing_of_what_it_does_not_guard(shape, findings):
    assert outcome(findings, UNGUARDED[shape]) == "3.16"


CAUGHT = {
    "an attribute error": "try:\n    X\nexcept AttributeError:\n    pass",
    "several": "try:\n    X\nexcept (KeyError, AttributeError):\n    pass",
    "any exception": "try:\n    X\nexcept Exception:\n    print()",
    "anything": "try:\n    X\nexcept BaseException:\n    print()",
    "all": "try:\n    X\nexcept:\n    print()",
    "by the second": "try:\n    X\nexcept KeyError:\n    raise\nexcept AttributeError:\n    pass",
    "further out": "try:\n    try:\n        X\n    finally:\n        pass\nexcept AttributeError:\n    pass",
    "in a class": "try:\n    class Class:\n        policy = X\nexcept AttributeError:\n    pass",
    "a suppression": "import contextlib\nwith contextlib.suppress(KeyError, AttributeError):\n    X",
    "a suppression, imported": "from contextlib import suppress as quiet\nwith open(), quiet(AttributeError):\n    X",
    "a module's own builtins": "import builtins\ntry:\n    X\nexcept builtins.AttributeError:\n    pass",
    "a default": "getattr(asyncio, 'set_event_loop_policy', None)",
    "an import": "try:\n    from asyncio import set_event_loop_policy\nexcept ImportError:\n    pass",
    "a star": "from asyncio import *\ntry:\n    set_event_loop_policy\nexcept NameError:\n    pass",
}


@pytest.mark.parametrize("way", CAUGHT)
def test_what_is_caught_does_not_fail_but_still_warns(way, findings):
    assert outcome(findings, CAUGHT[way]) is None


NOT_CAUGHT = {
    "another exception": "try:\n    X\nexcept KeyError:\n    pass",
    "a handler that raises": "try:\n    X\nexcept AttributeError as error:\n    raise RuntimeError from error",
    "the handler's block": "try:\n    pass\nexcept AttributeError:\n    X",
    "the else": "try:\n    pass\nexcept AttributeError:\n    pass\nelse:\n    X",
    "a function defined under it": "try:\n    def function():\n        X\nexcept AttributeError:\n    pass",
    "a missing module": "try:\n    from asyncio import set_event_loop_policy\nexcept ModuleNotFoundError:\n    pass",
    "an import by another": "try:\n    from asyncio import set_event_loop_policy\nexcept AttributeError:\n    pass",
    "a name of one's own": "class AttributeError(Exception): pass\ntry:\n    X\nexcept AttributeError:\n    pass",
    "a with": "with open():\n    X",
    "a with of a name": "with lock:\n    X",
    "a suppression of another": "import contextlib\nwith contextlib.suppress(KeyError):\n    X",
    "a suppression of nothing": "import contextlib\nwith contextlib.suppress():\n    X",
}


@pytest.mark.parametrize("way", NOT_CAUGHT)
def test_what_is_not_caught_fails(way, findings):
    assert outcome(findings, NOT_CAUGHT[way]) == "3.16"


def test_what_never_warns_and_is_caught_is_not_found(found):
    assert not found("import asyncio\ntry:\n    asyncio.PidfdChildWatcher\nexcept AttributeError:\n    pass")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="except* came with Python 3.11")
def test_exception_groups_are_caught_too(findings):
    assert outcome(findings, "try:\n    X\nexcept* AttributeError:\n    pass") is None


def test_thousands_of_asserts_before_a_name_are_no_burden(found):
    program = "import asyncio\n" + "assert 1\n" * 5000 + "asyncio.get_child_watcher\n" * 1000
    assert len(found(program)) == 1000
