"""The place where a loop was created, as messages show it."""

from __future__ import annotations

import asyncio
import threading

import pytest

import ctxpolicy
from ctxpolicy._loops.creation import creation_site
from tests.support.programs import run_program


@pytest.fixture(params=["policy in force", "asyncio's own"])
def policy(request):
    if request.param == "asyncio's own":
        yield
    else:
        with ctxpolicy.install():
            yield


@pytest.mark.usefixtures("policy")
def test_a_running_loop_comes_from_the_call_of_asyncio_run():
    async def main():
        return creation_site(asyncio.get_running_loop())

    assert "test_creation.py:" in asyncio.run(main())
    assert asyncio.run(main()).endswith("in test_a_running_loop_comes_from_the_call_of_asyncio_run")


@pytest.mark.usefixtures("policy")
def test_a_loop_that_runs_in_another_thread_comes_from_the_code_that_runs_it():
    loop = asyncio.SelectorEventLoop()
    running = threading.Event()

    def run_it():
        loop.call_soon(running.set)
        loop.run_forever()

    thread = threading.Thread(target=run_it)
    thread.start()
    running.wait(60)
    found = creation_site(loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert found.endswith("in run_it")


@pytest.mark.usefixtures("policy")
def test_a_loop_of_asyncio_run_comes_from_an_unknown_place_after_the_run():
    async def main():
        return asyncio.get_running_loop()

    assert creation_site(asyncio.run(main())) == "an unknown place"


def test_a_loop_made_by_the_policy_keeps_its_creation_site_while_it_runs_elsewhere():
    async def main():
        return creation_site(asyncio.get_running_loop())

    def made_here():
        return asyncio.new_event_loop()

    with ctxpolicy.install():
        loop = made_here()
    assert loop.run_until_complete(main()).endswith("in made_here")
    loop.close()


def test_the_creation_site_is_found_from_a_shallow_stack_too():
    program = (
        "import ctxpolicy; loop = ctxpolicy.ContextPolicy().new_event_loop(); loop.close(); "
        "from ctxpolicy._loops.creation import creation_site; print(creation_site(loop))"
    )
    assert run_program(program).endswith("in <module>")
