"""How the code that called asyncio or ctxpolicy is found and described."""

from __future__ import annotations

import asyncio
import sys
import warnings

import pytest

from ctxpolicy import Lease
from ctxpolicy._callsite import caller, describe_caller

HERE = sys._getframe().f_code.co_filename


def named(module: str, source: str, **names: object):
    """Return the function ``call`` that ``source`` defines in a new module called ``module``."""
    space = {"__name__": module, **names}
    exec(source, space)
    return space["call"]


def test_the_first_frame_outside_of_asyncio_and_ctxpolicy_is_the_caller():
    through = named("asyncio.events", "def call(f): return f()")
    through = named("ctxpolicy.anything", "def call(f): return through(f)", through=through)
    frame, level = through(caller)
    assert frame is sys._getframe()
    assert level == 3


def test_a_module_whose_name_only_starts_with_asyncio_is_a_caller():
    through = named("asyncio_extras", "def call(f): return f()")
    frame, level = through(caller)
    assert frame.f_globals["__name__"] == "asyncio_extras"
    assert level == 1


def test_a_module_without_a_name_is_a_caller():
    frame, _ = named(None, "def call(f): return f()")(caller)
    assert frame.f_globals["__name__"] is None


def test_the_frame_of_a_given_code_object_and_the_frames_it_called_are_skipped():
    inner = named("plugin", "def call(f): return f()")
    getter = named("plugin", "def call(f): return inner(f)", inner=inner)
    frame, level = getter(lambda: named("ctxpolicy", "def call(f): return f()")(lambda: caller(getter.__code__)))
    assert frame is sys._getframe()
    assert level == 6


def test_a_code_object_that_is_not_on_the_stack_changes_nothing():
    assert caller(test_a_module_without_a_name_is_a_caller.__code__)[0] is sys._getframe()


def test_warn_with_the_returned_stacklevel_blames_the_caller():
    warn = named(
        "ctxpolicy",
        "def call():\n    frame, level = caller()\n    warnings.warn('blame', stacklevel=level)",
        caller=caller,
        warnings=warnings,
    )
    through = named("asyncio", "def call(): warn()", warn=warn)
    with pytest.warns(UserWarning, match="blame") as caught:
        through()
    assert caught[0].filename == HERE


def test_the_caller_is_described_by_file_line_and_function():
    line = sys._getframe().f_lineno + 1
    assert describe_caller() == f"{HERE}:{line} in test_the_caller_is_described_by_file_line_and_function"


def test_the_place_is_unknown_if_no_frame_is_left(monkeypatch):
    monkeypatch.setattr("ctxpolicy._callsite._OURS", ("",))
    assert describe_caller() == "an unknown place"
    assert caller()[0] is None


def test_a_lease_names_the_code_that_called_asyncio():
    async def main():
        return Lease("a test").where

    assert asyncio.run(main()).endswith(" in main")
