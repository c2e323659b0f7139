"""StandInLoop, a cheap loop for tests that only bind loops."""

from __future__ import annotations

import asyncio

from ctxpolicy.testing import StandInLoop
from ctxpolicy.testing._fake_loop import AlwaysEqualLoop


def test_it_is_a_loop_with_a_name_that_can_be_closed():
    loop = StandInLoop("its name")
    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert repr(loop) == "its name"
    assert not loop.is_closed()
    loop.close()
    assert loop.is_closed()
    assert not loop.is_running()
    assert not loop.get_debug()


def test_loops_of_one_kind_differ_by_identity_only():
    loop = AlwaysEqualLoop()
    assert loop == "anything"
    assert not loop
    assert len({AlwaysEqualLoop(), loop}) == 1
