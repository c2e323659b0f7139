from __future__ import annotations

import pytest

# Programs with X where a name is used: see the fixture `outcome`.
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
def test_a_condition_applies_to_all_code_that_it_guards(shape, outcome):
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
def test_a_condition_does_not_apply_to_code_that_it_does_not_guard(shape, outcome):
    assert outcome(UNGUARDED[shape]) == "3.16"
