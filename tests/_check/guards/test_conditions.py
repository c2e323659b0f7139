from __future__ import annotations

import pytest

# Conditions on the use of a name, and the first Python version that fails there: see the fixture `outcome`.
TESTS = {
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
def test_a_condition_limits_the_python_versions_that_reach_its_block(test, expected, outcome):
    assert outcome(f"if {test}:\n    X") == expected


FLAGS = {
    "set under a condition": "HAS = False\nif OLD: HAS = True\nif HAS: X",
    "set on both sides": "if NEW: HAS = False\nelse: HAS = True\nif HAS: X",
    "not set": "if NEW: LACKS = True\nelse: LACKS = False\nif not LACKS: X",
    "that stand for flags": "if OLD: A = True\nif A: B = True\nif B: X",
}


@pytest.mark.parametrize("way", FLAGS)
def test_a_flag_is_traced_to_the_condition_under_which_it_was_set(way, outcome):
    assert outcome(FLAGS[way]) == ""


def test_a_flag_that_is_set_only_where_it_is_true_limits_nothing(outcome):
    assert outcome("while platform:\n    if HAS:\n        X\n        HAS = OLD\n    HAS = True") == "3.16"


def test_thousands_of_asserts_before_a_name_can_be_checked(found):
    program = "import asyncio\n" + "assert 1\n" * 5000 + "asyncio.get_child_watcher\n" * 1000
    assert len(found(program)) == 1000
