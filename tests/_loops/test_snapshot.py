"""Snapshots of loops, if references are counted. The tests of leases and of isolate() show how snapshots are used."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ctxpolicy._loops import snapshot
from tests.support.reuse import provable


class Holds:
    """An object with an attribute ``loop``, as a ``PooledLoop`` has."""

    def __init__(self) -> None:
        self.loop: Any = asyncio.SelectorEventLoop()
        self.loop.last = object()


@pytest.fixture
def holder() -> Iterator[Holds]:
    holder = Holds()
    yield holder
    holder.loop.close()


def rename(loop: Any) -> None:
    vars(loop)["other"] = vars(loop).pop("_exception_handler")


def rename_back(loop: Any) -> None:
    vars(loop)["_exception_handler"] = vars(loop).pop("_exception_handler")


CHANGES: dict[str, Callable[[Any], object]] = {
    "an attribute": lambda loop: setattr(loop, "other", None),
    "none": lambda loop: delattr(loop, "_exception_handler"),
    "a value": lambda loop: setattr(loop, "_exception_handler", repr),
    "an equal value": lambda loop: setattr(loop, "last", EqualToAll()),
    "a name": rename,
    "the order": rename_back,
    "a callback": lambda loop: loop.call_soon(int),
    "a timer": lambda loop: loop.call_later(3600, int),
    "a watched descriptor": lambda loop: loop.add_reader(loop._csock, int),
    "an executor": lambda loop: loop.run_in_executor(None, int),
}


class EqualToAll:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


@provable
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_loop_with_another_state_is_changed(change, holder):
    taken = snapshot.Snapshot(holder)
    assert taken.unchanged(holder)
    change(holder.loop)
    assert not taken.unchanged(holder)
    holder.loop.run_until_complete(holder.loop.shutdown_default_executor())


@provable
def test_a_reference_and_a_weak_reference_count_as_changes(holder):
    taken = snapshot.Snapshot(holder)
    for reference in (lambda: holder.loop, lambda: weakref.ref(holder.loop)):
        kept = reference()
        assert not taken.unchanged(holder)
        del kept
        assert taken.unchanged(holder)


@provable
def test_the_last_attribute_may_be_set(holder):
    taken = snapshot.Snapshot(holder)
    taken.set_last_attribute(holder, value := object())
    assert holder.loop.last is value
    assert taken.unchanged(holder)


@pytest.mark.parametrize("counts", [True, False])
def test_free_threaded_builds_count_no_references(counts, monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: counts, raising=False)
    monkeypatch.setattr(sys, "getrefcount", len, raising=False)
    assert (snapshot._reference_counter() is len) is counts
