from __future__ import annotations

import pytest

# With X where a name is used: see the fixture `outcome`.
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
    "sys.version_info[:2] in ((3, 12), (3, 13))": "",
    "sys.version_info[:2] in [(3, 13), (3, 15)]": None,
    "sys.version_info[:2] in {(3, 13), (3, 16)}": "3.16",
    "sys.version_info[:2] in ((3, 13), NEWEST)": "3.16",
    "sys.version_info[:2] in ((3, 13), *others)": "3.16",
    "sys.version_info[:2] in SUPPORTED": "3.16",
    "sys.version_info[:2] not in ((3, 12), (3, 13))": "3.16",
    "not sys.version_info[:2] not in ((3, 12), (3, 13))": "",
    "sys.version_info.minor in (12, 13)": "",
    "sys.version_info[0] in (2,)": "",
    "sys.platform in ('linux', 'win32')": "3.16",
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


@pytest.mark.parametrize(("test", "expected"), TESTS.items(), ids=TESTS)
def test_a_condition_says_on_which_pythons_its_block_is_reached(test, expected, outcome):
    assert outcome(f"if {test}:\n    X") == expected


SHAPES = {
    "an else": "if NEW:\n    pass\nelse:\n    X",
    "an elif": "if platform:\n    pass\nelif OLD:\n    X",
    "after an elif": "if NEW:\n    pass\nelif platform:\n    X",
    "a conditional expression": "X if OLD else None",
    "the other side of a conditional expression": "None if NEW else X",
    "an and": "platform and OLD and X",
    "an or": "NEW or X",
    "a while": "while OLD:\n    X",
    "a match": "match sys.version_info:\n    case (3, 12, *_):\n        X",
    "a match of the major version": "match sys.version_info:\n    case [2]:\n        X",
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
    "a function that is skipped": "@unittest.skipIf(NEW, 'old')\ndef test():\n    X",
    "a function that pytest skips": "@other\n@pytest.mark.skipif(NEW, reason='old')\ndef test():\n    X",
    "a coroutine that is skipped unless": "@unittest.skipUnless(OLD, 'old')\nasync def test():\n    X",
    "a function that is skipped, imported": "from unittest import skipIf\n@skipIf(NEW, 'old')\ndef test():\n    X",
    "a method of a class that is skipped": "@pytest.mark.skipif(NEW, reason='')\nclass C:\n  def test(self): X",
    "deep below it": "if OLD:\n  for each in ():\n    with each:\n      try:\n        X\n      finally: pass",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_condition_holds_for_all_that_it_guards(shape, outcome):
    assert outcome(SHAPES[shape]) == ""


UNGUARDED = {
    "the condition's own block": "if NEW:\n    X",
    "the other block": "if OLD:\n    pass\nelse:\n    X",
    "after the block": "if OLD:\n    pass\nX",
    "after a block that goes on": "def function():\n    if NEW:\n        print()\n    X",
    "after an if within another block": "def function():\n    if platform:\n        if NEW:\n            return\n    X",
    "after an if that leaves otherwise": "def function():\n  if platform:\n    return\n  else:\n    pass\n  X",
    "before it": "X\nassert OLD",
    "the condition itself": "X and OLD",
    "another match": "match platform:\n    case (3, 12, *_):\n        X",
    "a match of some versions": "match sys.version_info:\n    case (3, minor, *_):\n        X",
    "a match of all": "match sys.version_info:\n    case _:\n        X",
    "after the first of an or": "OLD or X",
    "a block that is left by another way": "def function():\n    if OLD:\n        return\n    X",
    "a function that is skipped otherwise": "@unittest.skipIf(OLD, 'new')\ndef test():\n    X",
    "a function that is skipped by name": "@skip_if_new\n@pytest.mark.skipif()\ndef test():\n    X",
    "a decorator of its own": "@other(NEW)\ndef test():\n    X",
    "the body of a class that is skipped, which runs": "@unittest.skipIf(NEW, '')\nclass Test:\n    X",
    "a function call": "if NEW:\n    (lambda: exit)()\nX",
}


@pytest.mark.parametrize("shape", UNGUARDED)
def test_a_condition_says_nothing_of_what_it_does_not_guard(shape, outcome):
    assert outcome(UNGUARDED[shape]) == "3.16"


FLAGS = {
    "set under a condition": "HAS = False\nif OLD: HAS = True\nif HAS: X",
    "set on both sides": "if NEW: HAS = False\nelse: HAS = True\nif HAS: X",
    "not set": "if NEW: LACKS = True\nelse: LACKS = False\nif not LACKS: X",
    "that stand for flags": "if OLD: A = True\nif A: B = True\nif B: X",
}


@pytest.mark.parametrize("way", FLAGS)
def test_a_flag_says_where_it_was_set(way, outcome):
    assert outcome(FLAGS[way]) == ""


def test_a_flag_that_is_set_only_where_it_holds_says_nothing(outcome):
    assert outcome("while platform:\n    if HAS:\n        X\n        HAS = OLD\n    HAS = True") == "3.16"


def test_thousands_of_asserts_before_a_name_are_no_burden(found):
    program = "import asyncio\n" + "assert 1\n" * 5000 + "asyncio.get_child_watcher\n" * 1000
    assert len(found(program)) == 1000
