"""A task that a test leaves in a fixture's loop belongs to the test; a task that the fixture started does not."""

from __future__ import annotations

import pytest

from tests._pytest.conftest import PYTEST_ASYNCIO, Inner

ISOLATED = "ctxpolicy = contextvar\nctxpolicy_leaks = error\nctxpolicy_missing = error\n"

# A server with a task for each connection; the task lives as long as the client's socket.
SERVER = """
    import asyncio, socket, threading
    import pytest
    import PACKAGE

    handlers, stopped = [], []

    async def echo(reader, writer):
        handlers.append(asyncio.current_task())
        handlers.append(asyncio.create_task(asyncio.sleep(3600), name="beside"))
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    def start():
        return asyncio.start_server(echo, "127.0.0.1", 0)

    def names():
        return [task.get_name() for task in asyncio.all_tasks()]

    async def ask(client, server):
        loop = asyncio.get_running_loop()
        if not connected:
            client.setblocking(False)
            await loop.sock_connect(client, server.sockets[0].getsockname())
            connected.append(True)
        await loop.sock_sendall(client, b"hello\\n")
        return await loop.sock_recv(client, 100)

    connected = []

    @pytest.fixture(scope="session")
    def client():
        with socket.socket() as client:
            yield client

    async def stop(server):
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
"""

IN_THREAD = (
    SERVER
    + """
    from ctxpolicy._pytest import leaks

    leaks._THREAD_TIMEOUT = 0.1

    @pytest.fixture(scope="session")
    def loop():
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        yield loop
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def within(loop, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)

    @pytest.fixture(scope="session")
    def server(loop):
        server = within(loop, start())
        yield server
        within(loop, stop(server))

    @pytest.mark.parametrize("turn", range(2))
    def test_asks(loop, server, client, turn):
        assert within(loop, ask(client, server)) == b"hello\\n"
        assert not any(task.done() for task in handlers)

    async def leave(name):
        leave.task = asyncio.create_task(asyncio.sleep(3600), name=name)
        await asyncio.sleep(0)

    def test_leaves(loop):
        within(loop, leave("forgotten"))

    def test_cancels(loop):
        assert leave.task.cancelled()
        within(loop, leave("not forgotten"))
        loop.call_soon_threadsafe(leave.task.cancel)

    def test_after(loop, server, client):
        assert leave.task.cancelled()
        assert within(loop, ask(client, server)) == b"hello\\n"
"""
)


def test_a_task_left_in_a_fixtures_loop_in_a_thread_is_ended_and_tasks_of_the_server_are_not(inner: Inner) -> None:
    result = inner(IN_THREAD.replace("import PACKAGE", ""), ini=ISOLATED)
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(
        ["test_it.py::test_leaves left behind:", "*forgotten*was left in *test_it.py:* not the test's: await it*"]
    )


AT_REST = """
    import asyncio, threading
    import pytest
    from ctxpolicy import isolate
    from ctxpolicy._pytest import leaks

    leaks._SHUTDOWN_TIMEOUT = 0.1
    hold = threading.Event()

    class Own(asyncio.Future):
        def set_name(self, name):
            pass

    @pytest.fixture(scope="module")
    def loop():
        loop = asyncio.new_event_loop()
        loop.set_debug(True)
        served = loop.create_task(asyncio.sleep(3600))
        loop.run_until_complete(asyncio.sleep(0))
        yield loop
        assert not served.done()
        hold.set()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def test_leaves(loop):
        test_leaves.task = loop.create_task(asyncio.sleep(3600), name="forgotten")
        loop.run_until_complete(asyncio.sleep(0))

    def test_cancels(loop):
        assert test_leaves.task.cancelled()
        test_cancels.task = loop.create_task(asyncio.sleep(3600))
        loop.run_until_complete(asyncio.sleep(0))
        test_cancels.task.cancel()

    def test_leaves_what_does_not_end(loop):
        assert test_cancels.task.cancelled()

        async def stubborn():
            while not hold.is_set():
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    pass

        loop.create_task(stubborn(), name="stubborn")
        loop.run_until_complete(asyncio.sleep(0))

    def test_of_a_task_factory_that_makes_no_task(loop):
        loop.set_task_factory(lambda loop, coroutine, **options: coroutine.close() or Own(loop=loop))
        assert isinstance(loop.create_task(asyncio.sleep(0)), Own)
        loop.set_task_factory(None)

    def test_isolates():
        assert asyncio.run(isolate(asyncio.sleep, 0, 5)) == 5
"""


def test_a_task_left_in_a_fixtures_loop_that_does_not_run_is_ended_unless_it_ignores_cancellation(inner: Inner) -> None:
    result = inner(AT_REST, ini=ISOLATED)
    result.assert_outcomes(passed=5, errors=2)
    lines = [
        "test_it.py::test_leaves left behind:",
        "*forgotten*created at *test_it.py:*was left in *await it, or cancel it",
        "test_it.py::test_leaves_what_does_not_end left behind:",
        "*stubborn*was left in *cancel it, and has not ended since it was cancelled",
    ]
    result.stdout.fnmatch_lines(lines)


ASYNC = (
    SERVER
    + """
    pytestmark = pytest.mark.MARK

    @pytest.fixture(scope="session")
    def anyio_backend():
        return "asyncio"

    @FIXTURE(scope="session")
    async def server(BACKEND):
        beside = asyncio.create_task(asyncio.sleep(3600))
        server = await start()
        yield server
        await stop(server)
        beside.cancel()

    @FIXTURE
    async def passing(BACKEND):
        task = asyncio.create_task(asyncio.sleep(3600))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    @pytest.mark.parametrize("turn", range(2))
    async def test_asks(server, client, passing, turn):
        assert await ask(client, server) == b"hello\\n"
        assert not any(task.done() for task in handlers)

    async def test_leaves(server):
        async def nested():
            asyncio.create_task(asyncio.sleep(3600), name="forgotten")

        await asyncio.create_task(nested())

    async def test_after(server, client):
        assert "forgotten" not in names()
        assert await ask(client, server) == b"hello\\n"
"""
)


@pytest.mark.parametrize("plugin", ["pytest_asyncio", "anyio"])
def test_a_task_left_in_the_sessions_loop_is_ended_and_tasks_of_the_server_are_not(inner: Inner, plugin: str) -> None:
    pytest.importorskip(plugin, reason=f"needs the package {plugin}, which is not installed")
    theirs = plugin == "pytest_asyncio"
    source = ASYNC.replace("PACKAGE", plugin)
    source = source.replace("MARK", 'asyncio(loop_scope="session")' if theirs else "anyio")
    source = source.replace(
        "@FIXTURE(", '@pytest_asyncio.fixture(loop_scope="session", ' if theirs else "@pytest.fixture("
    )
    source = source.replace(
        "@FIXTURE", '@pytest_asyncio.fixture(loop_scope="session")' if theirs else "@pytest.fixture"
    )
    source = source.replace("BACKEND", "" if theirs else "anyio_backend")
    result = inner(source, ini=ISOLATED, plugins=(PYTEST_ASYNCIO if theirs else plugin,))
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(
        ["test_it.py::test_leaves left behind:", "*forgotten*was left in *await it, or cancel*"]
    )
