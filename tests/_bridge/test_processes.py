"""Worker processes have loops of their own, however they are started, and the parent's loops keep working."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os

import pytest

from tests.support.programs import output_of

KINDS = [
    "asyncio",
    pytest.param(
        "uvloop",
        marks=pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"),
    ),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_processes_of_multiprocessing_have_their_own_leases_scopes_isolated_calls_and_clients(method, kind):
    assert output_of("-m", "tests._bridge.worker_processes", method, kind) == "done\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize("kind", KINDS)
def test_workers_that_are_forked_ahead_serve_and_are_replaced(kind):
    assert output_of("-m", "tests._bridge.prefork", kind) == "done\n"
