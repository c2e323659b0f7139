"""dask.distributed: a scheduler, a worker and a client in one process, each with tornado's loop."""

from __future__ import annotations

import asyncio

import pytest

from ctxpolicy import Installation

distributed = pytest.importorskip("distributed", reason="needs the package distributed, which is not installed")

# A cluster that ends drops a wait of its own for messages.
pytestmark = pytest.mark.logs_asyncio_errors(reason="distributed retrieves no exception of a wait that timed out")

CLUSTER = {
    "n_workers": 1,
    "threads_per_worker": 1,
    "processes": False,
    "dashboard_address": ":0",
    "protocol": "inproc://",
}


def add(left: int, right: int) -> int:
    return left + right


def test_sync_code_computes_on_a_cluster_that_runs_in_a_thread(installed: Installation) -> None:
    with distributed.LocalCluster(**CLUSTER) as cluster, distributed.Client(cluster) as client:
        partial = client.submit(add, 1, 2)
        assert client.submit(add, partial, 4).result() == 7


def test_async_code_computes_on_a_cluster_in_its_own_loop(installed: Installation) -> None:
    async def main() -> int:
        async with (
            distributed.LocalCluster(**CLUSTER, asynchronous=True) as cluster,
            distributed.Client(cluster, asynchronous=True) as client,
        ):
            return await client.submit(add, 1, 2)

    assert asyncio.run(main()) == 3
