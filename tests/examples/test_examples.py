"""Every example program runs as its docstring says, and prints what the documentation shows."""

from __future__ import annotations

import re
import sys

import pytest

from tests.support.programs import ROOT, output_of

EXAMPLES = ROOT / "docs" / "examples"
# Whether a new thread starts with a copy of its starter's contextvars context.
INHERITING = [("-X", f"thread_inherit_context={yes}") for yes in (0, 1)]
THREADS = INHERITING if sys.version_info >= (3, 14) else [()]


def output(name: str, *options: str) -> str:
    return output_of(*options, EXAMPLES / f"{name}.py")


def table(text: str) -> list[list[str]]:
    """Return the rows of the tables in ``text``, in which two or more spaces separate the cells."""
    rows = [re.split(r" {2,}", line.strip()) for line in text.splitlines()]
    return [row for row in rows if len(row) > 1]


def test_every_example_is_tested_here() -> None:
    tested = {"off_set_event_loop_policy", "own_resolver", "shared_client", "tasks", "tenants", "worker_threads"}
    tested |= {"wrap_a_policy"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


class TestTenants:
    def run(self, *options: str) -> tuple[dict[str, list[str]], list[list[str]], str]:
        """Return the rows of the jobs by tenant, the rows of the ways to send jobs, and the count of open loops."""
        printed = output("tenants", *options)
        head, *rows = table(printed)
        assert head == ["job tenant", "its code", "get_event_loop() gave", "whose loop", "isolated?"]
        (open_loops,) = re.findall("loops left open by these jobs: (.*)", printed)
        return {row[1]: row[2:] for row in rows[:6]}, rows[6:], open_loops

    def test_under_plain_asyncio_jobs_fail_or_get_the_loop_of_another_job(self) -> None:
        jobs, ways, open_loops = self.run()
        no_loop = ["asks", "RuntimeError", "-", "NO: RuntimeError: There is no current event loop"]
        assert jobs["acme"] == jobs["globex"] == no_loop
        assert jobs["hooli"] == ["asks_or_makes", "RuntimeError", "hooli", "yes"]
        assert jobs["initech"] == ["brings_its_own", "(not asked)", "initech", "yes"]
        # Which worker is free first differs from run to run, and with it the job that gets each loop.
        assert sorted([jobs["stark"], jobs["wayne"]]) == [
            ["asks", "an earlier job's loop", "hooli", "NO: hooli's invoices"],
            ["asks", "an earlier job's loop", "initech", "NO: RuntimeError: Event loop is closed"],
        ]
        assert [row[1] for row in ways] == ["2 of 6 isolated"] * 3
        assert open_loops == "1"

    @pytest.mark.parametrize("threads", THREADS, ids=" ".join)
    def test_under_ctxpolicy_each_job_is_isolated(self, threads: tuple[str, ...]) -> None:
        under = ["-m", "ctxpolicy", "run", "--resolver", "contextvar", "--missing", "create"]
        jobs, ways, open_loops = self.run(*threads, *under)
        assert {tenant: (whose, isolated) for tenant, (_, _, whose, isolated) in jobs.items()} == {
            tenant: (tenant, "yes") for tenant in ("acme", "globex", "hooli", "initech", "stark", "wayne")
        }
        assert {row[1] for row in jobs.values()} == {"a loop of its own", "(not asked)"}
        assert ways == [
            ["asyncio.to_thread(job)", "6 of 6 isolated"],
            ["pool.submit(contextvars.copy_context().run, job)", "6 of 6 isolated"],
            ["pool.submit(job)", "3 of 6 isolated"],
        ]
        assert open_loops == "0"


def test_tasks_shows_where_each_tasks_loop_is_seen() -> None:
    own = "A's, B's"
    assert table(output("tasks")) == [
        ["where", "thread", "contextvar", "any-thread", "task", "A contextvar, B task"],
        ["in its coroutine: asyncio.get_event_loop()", *["runner's"] * 5],
        ["in its coroutine: policy.get_event_loop()", "B's", own, own, own, own],
        ["in a child task: policy.get_event_loop()", "B's", own, own, "none", "A's, none"],
        ["in a worker thread of to_thread()", "none", "none", own, "none", "none"],
        ["between runs, in its contextvars context", "B's", own, own, "runner's", "A's, none"],
        ["between runs, in the main program", "B's", *["runner's"] * 4],
    ]


def test_own_resolver_gives_each_request_a_loop_and_closes_it() -> None:
    assert output("own_resolver").splitlines() == [
        "200 OK: this is /one",
        "200 OK: this is /two",
        "200 OK: this is /three",
        "3 loops for 3 requests, 3 of them closed",
    ]


def test_own_resolver_has_a_resolver_of_under_30_lines() -> None:
    source = (EXAMPLES / "own_resolver.py").read_text()
    (resolver,) = re.findall(r"^class RequestResolver.*?(?=^\S)", source, re.MULTILINE | re.DOTALL)
    assert len(resolver.strip().splitlines()) < 30


def test_worker_threads_shows_the_error_and_its_remedies() -> None:
    assert output("worker_threads").splitlines() == [
        "asyncio alone:     RuntimeError: There is no current event loop in thread 'ThreadPoolExecutor-0_0'.",
        "one line more:     cat.png, resized",
        "                   dog.png, resized",
        "each job its own:  owl.png, resized",
        "cat and dog shared a loop: True; owl had another: True; all closed: True",
    ]


def test_shared_client_shows_the_error_and_a_client_for_each_run_closed_with_it() -> None:
    pytest.importorskip("aiohttp", reason="needs the package aiohttp, which is not installed")
    assert output("shared_client").splitlines() == [
        "a global, 1st run:  ada",
        "a global, 2nd run:  RuntimeError: Event loop is closed",
        "LoopLocal:          ada",
        "LoopLocal:          bob",
        "LoopLocal:          cleo",
        "many in one run:    dan, eve, fay",
        "from sync code:     gus",
        "5 clients for 7 requests, 5 of them closed",
    ]


def test_off_set_event_loop_policy_covers_the_uses_of_policies() -> None:
    shown = dict(table(output("off_set_event_loop_policy")))
    default = "_UnixSelectorEventLoop" if sys.platform != "win32" else "ProactorEventLoop"
    assert shown.pop("another kind of loop:") in ("Loop", "_UnixSelectorEventLoop", "_WindowsSelectorEventLoop")
    assert shown == {
        "loops made by own code:": "slow means 0.5 seconds",
        "a loop wherever one is asked for:": default,
        "in one place only:": default,
        "undone:": default,
    }


def test_wrap_a_policy_keeps_the_policys_contexts_and_adds_to_them() -> None:
    shown = [re.sub(r"\w*SelectorEventLoop", "a loop", line) for line in output("wrap_a_policy").splitlines()]
    assert shown == [
        "tenant acme: a loop is bound",
        "tenant acme: nothing is bound",
        "tenant globex: a loop is bound",
        "tenant globex: nothing is bound",
        "acme has a loop: hello",
        "acme's loop is closed: True",
        "globex has a loop: hello",
        "globex's loop is closed: True",
    ]
