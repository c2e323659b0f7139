"""Sessions, under the policy."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from ctxpolicy_notebook import NotebookResolver, Session

import ctxpolicy


def test_cells_of_a_session_share_a_loop_whichever_thread_they_run_in_and_it_is_closed_with_the_session():
    red, blue = Session("red"), Session("blue")
    with ctxpolicy.install(NotebookResolver(), missing="create"), ThreadPoolExecutor(2) as threads:
        for session in (red, blue, red, blue):
            cell = "import asyncio\nloops = [*globals().get('loops', ()), asyncio.get_event_loop()]"
            threads.submit(session.run_cell, cell).result()
        loops = {session.name: session.names["loops"] for session in (red, blue)}
        assert loops["red"][0] is loops["red"][1]
        assert loops["red"][0] is not loops["blue"][0]
        red.close()
        assert loops["red"][0].is_closed()
        assert not loops["blue"][0].is_closed()
        blue.close()


def test_a_cell_that_runs_async_code_leaves_the_sessions_loop_bound():
    session = Session("red")
    with ctxpolicy.install("ctxpolicy_notebook:NotebookResolver", missing="create"):
        session.run_cell("import asyncio\nbefore = asyncio.get_event_loop()")
        session.run_cell("asyncio.run(asyncio.sleep(0))")
        session.run_cell("after = asyncio.get_event_loop()")
        assert session.names["before"] is session.names["after"]
        assert isinstance(session.names["after"], asyncio.AbstractEventLoop)
        session.names.clear()
        session.close()
