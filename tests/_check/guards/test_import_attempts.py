from __future__ import annotations

import pytest


def filled(program: str) -> str:
    """Insert names that are gone in 3.16: for TRY, where a ``try`` looks one up, and for X."""
    program = program.replace("TRY", "asyncio.get_event_loop_policy")
    return "import asyncio\n" + program.replace("X", "asyncio.set_event_loop_policy")


TRIED = {
    "the else": "try:\n    TRY\nexcept AttributeError:\n    p = None\nelse:\n    X",
    "what follows a handler that returns": (
        "def f():\n    try:\n        p = TRY()\n    except AttributeError:\n        return None\n    X(p)"
    ),
    "what follows handlers that all leave": (
        "for each in ():\n  try:\n    TRY\n  except AttributeError:\n    continue\n  except OSError:\n    break\n  X"
    ),
    "a flag": "try:\n    TRY\n    HAS = True\nexcept AttributeError:\n    HAS = False\nif HAS:\n    X",
    "a flag that is only taken back": "HAS = True\ntry: TRY\nexcept AttributeError: HAS = False\nif HAS: X",
    "a flag that is only set": "HAS = False\ntry:\n  TRY\n  HAS = True\nexcept AttributeError: pass\nif HAS: X",
    "a flag of the else": "try: TRY\nexcept AttributeError: HAS = False\nelse: HAS = True\nif HAS: X",
    "a flag under a suppression": (
        "import contextlib\nHAS = False\nwith contextlib.suppress(AttributeError):\n    TRY\n    HAS = True\nif HAS: X"
    ),
    "a flag that is not set": "try: TRY\nexcept AttributeError: LACKS = True\nelse: LACKS = False\nif not LACKS: X",
    "a result": "try: policy = TRY()\nexcept AttributeError: policy = None\nif policy is not None: X(policy)",
    "a flag for a function": (
        "try:\n    TRY\n    HAS = True\nexcept AttributeError:\n    HAS = False\ndef f():\n    if HAS:\n        X"
    ),
    "a flag for a class": (
        "try:\n    TRY\n    HAS = True\nexcept AttributeError:\n    HAS = False\nif HAS:\n    class P(X): pass"
    ),
    "an import": "try: from asyncio import get_event_loop_policy\nexcept ImportError: pass\nelse: X",
    "getattr": "try: getattr(asyncio, 'get_event_loop_policy')\nexcept AttributeError: pass\nelse: X",
    "a class": "try:\n    class P(TRY): pass\nexcept AttributeError: pass\nelse: X",
    "any exception of one step": "try: p = TRY()\nexcept Exception: p = None\nelse: X",
}


@pytest.mark.parametrize("way", TRIED)
def test_a_try_proves_that_asyncio_has_a_name(way, findings):
    program = filled(TRIED[way])
    found = findings(program)
    assert found[-1].line == program.count("\n") + 1
    assert {(finding.warns, finding.fails) for finding in found} == {((3, 14), None)}


NOT_TRIED = {
    "nothing": "try:\n    pass\nexcept AttributeError:\n    HAS = False\nelse:\n    X",
    "another exception": "try:\n    TRY\nexcept KeyError:\n    HAS = False\nelse:\n    X",
    "an import by another": "try: from asyncio import get_event_loop_policy\nexcept AttributeError: pass\nelse: X",
    "an import of one's own": "try: from .asyncio import get_event_loop_policy\nexcept ImportError: pass\nelse: X",
    "a default": "try: getattr(asyncio, 'get_event_loop_policy', None)\nexcept AttributeError: pass\nelse: X",
    "another module's": "try: other.get_event_loop_policy\nexcept AttributeError: pass\nelse: X",
    "a handler that raises": "try: TRY\nexcept AttributeError: raise OSError\nelse: X",
    "what follows a handler that goes on": "try: TRY\nexcept AttributeError: pass\nX",
    "what follows one of two handlers that leave": (
        "def f():\n  try: TRY\n  except AttributeError: pass\n  except OSError: return\n  X"
    ),
    "the end": "try: TRY\nexcept AttributeError: pass\nfinally: X",
    "perhaps": "try: platform and TRY\nexcept AttributeError: pass\nelse: X",
    "for each": "try: [TRY for each in ()]\nexcept AttributeError: pass\nelse: X",
    "in a block": "try:\n  if platform: TRY\nexcept AttributeError: pass\nelse: X",
    "in a function": "try:\n  lambda: TRY\nexcept AttributeError: pass\nelse: X",
    "a flag that is set again": ("HAS = True\ntry: TRY\nexcept AttributeError: HAS = False\nHAS = True\nif HAS: X"),
    "a flag that is also a parameter": "def f(HAS):\n  try: TRY\n  except AttributeError: HAS = False\n  if HAS: X",
    "a flag that is given up": "HAS = True\nHAS = False\nif platform: HAS = True\nif HAS: X",
    "a flag that is deleted": "HAS = True\ndel HAS\nif HAS: X",
}


@pytest.mark.parametrize("way", NOT_TRIED)
def test_a_name_that_a_try_does_not_prove_fails(way, findings):
    program = filled(NOT_TRIED[way])
    found = findings(program)
    assert [finding.fails for finding in found if "asyncio.set_event" in finding.message] == [(3, 16)]
