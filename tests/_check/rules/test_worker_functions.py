from __future__ import annotations

import pytest

GET = "asyncio.get_event_loop()"
SET = "asyncio.set_event_loop(asyncio.new_event_loop())"

# Calls that pass the function `work` to a worker. The tests supply the body of `work`.
SURELY_THREADS = {
    "a thread": "threading.Thread(target=work).start()",
    "a thread, by position": "threading.Thread(None, work)",
    "a thread, imported": "from threading import Thread as T\nT(daemon=True, target=work)",
    "a timer": "threading.Timer(1, work)",
    "a timer, by keyword": "threading.Timer(1, function=work)",
    "a bare thread": "import _thread\n_thread.start_new_thread(work, ())",
    "the default executor": "loop.run_in_executor(None, work)",
    "to_thread": "asyncio.to_thread(work)",
    "to_thread, imported": "from asyncio import to_thread\nto_thread(work)",
    "anyio": "import anyio.to_thread\nanyio.to_thread.run_sync(work)",
    "trio": "import trio\ntrio.to_thread.run_sync(work)",
    "a partial": "import functools\nasyncio.to_thread(functools.partial(work, 1))",
    "a contextvars context": "asyncio.to_thread(context.run, work)",
    "a contextvars context of an executor": "loop.run_in_executor(None, context.run, work, 1)",
}
EXECUTORS = {
    "an executor": "executor.submit(work, 1)",
    "an executor, by keyword": "executor.submit(fn=work)",
    "an executor's map": "with executor() as pool: pool.map(work, jobs)",
    "a loop's executor": "loop.run_in_executor(pool, work)",
}
NOT_WORKERS = {
    "a call": "work()",
    "a callback": "loop.call_soon(work)",
    "a thread for another": "threading.Thread(target=other)",
    "a thread that is given arguments only": "threading.Thread(args=(work,))",
    "a thread of another module": "other.Thread(target=work)",
    "an executor of nothing": "executor.submit()",
    "an executor of nothing, for good": "loop.run_in_executor(None)",
    "an executor by stars": "loop.run_in_executor(*arguments)",
    "a partial of nothing": "import functools\nasyncio.to_thread(functools.partial())",
    "another's run": "asyncio.to_thread(context.run)",
    "another's run, by keyword": "threading.Thread(target=context.run)",
    "a result": "asyncio.to_thread(work())",
}


def in_worker(passing: str, body: str) -> str:
    return f"import asyncio, threading\ndef work(*_):\n    {body}\n{passing}\n"


@pytest.mark.parametrize("way", [*SURELY_THREADS, *EXECUTORS])
def test_setting_a_loop_in_a_function_that_a_worker_runs_is_found(way, findings):
    (finding,) = findings(in_worker({**SURELY_THREADS, **EXECUTORS}[way], SET))
    assert (finding.code, finding.line, finding.warns, finding.fails) == ("CTX302", 3, None, None)


@pytest.mark.parametrize("way", NOT_WORKERS)
def test_setting_a_loop_elsewhere_is_not_found(way, found):
    assert not found(in_worker(NOT_WORKERS[way], SET))


@pytest.mark.parametrize(
    ("way", "certainty", "message"),
    [
        ("a thread", "possible", "asyncio.run() does this itself"),
        ("to_thread", "likely", "stays set for the next function"),
    ],
)
def test_setting_a_loop_is_more_likely_wrong_in_a_thread_that_is_reused(way, certainty, message, findings):
    (finding,) = findings(in_worker(SURELY_THREADS[way], SET))
    assert finding.certainty == certainty
    assert message in finding.message


def test_setting_a_loop_and_unsetting_it_is_only_possibly_wrong(findings):
    (finding,) = findings(in_worker("pool.submit(work)", f"{SET}\n    asyncio.set_event_loop(None)"))
    assert (finding.line, finding.certainty) == (3, "possible")


def test_setting_a_loop_in_code_that_never_runs_is_not_found(found):
    assert not found(in_worker("pool.submit(work)", f"if False: {SET}"))


@pytest.mark.parametrize("way", SURELY_THREADS)
def test_asking_for_a_loop_in_a_thread_fails_on_every_python(way, findings):
    (finding,) = findings(in_worker(SURELY_THREADS[way], GET))
    assert (finding.code, finding.certainty, finding.warns, finding.fails) == ("CTX301", "certain", None, (3, 4))
    assert "which never has a loop" in finding.message


@pytest.mark.parametrize("way", EXECUTORS)
def test_asking_for_a_loop_in_an_executor_that_may_be_of_processes_likely_fails(way, findings):
    (finding,) = findings(in_worker(EXECUTORS[way], GET))
    assert (finding.code, finding.certainty, finding.warns, finding.fails) == ("CTX301", "likely", (3, 12), (3, 14))


def test_asking_for_a_loop_that_the_worker_has_set_is_not_found(found):
    assert found(in_worker("pool.submit(work)", f"{SET}; 1\n    {GET}")) == [("CTX302", 3)]


def test_a_lambda_that_is_passed_to_a_worker_is_checked(found):
    assert found(f"import asyncio\nasync def main(pool):\n    pool.submit(lambda: {GET})") == [("CTX301", 3)]


def test_a_function_in_a_coroutine_that_is_passed_to_a_worker_is_found(found):
    program = f"import asyncio\nasync def main():\n    def work(): {GET}\n    await asyncio.to_thread(work)"
    assert found(program) == [("CTX301", 3)]


def test_a_coroutine_function_that_is_passed_to_a_worker_does_not_run_there(found):
    assert not found(f"import asyncio\nasync def work(): {SET}; {GET}\npool.submit(work)")


METHODS = """\
import asyncio, threading
class Class:
    def work(self, *_):
        asyncio.set_event_loop(make())
    def start(self, pool):
        PASSING
    async def other(): pass
"""


@pytest.mark.parametrize(
    "passing",
    [
        "pool.submit(self.work)",
        "threading.Thread(target=self.work)",
        "lambda: pool.submit(self.work)",
        "[pool.submit(self.work) for each in ()]",
        "pool.submit(Class.work, self)",
    ],
)
def test_a_method_that_is_passed_to_a_worker_is_found(passing, found):
    assert found(METHODS.replace("PASSING", passing)) == [("CTX302", 4)]


@pytest.mark.parametrize(
    "passing",
    [
        "pool.submit(self.missing)",
        "pool.submit(self.other)",
        "pool.submit(pool.work)",
        "pool.submit(missing.work)",
        "pool.submit(self.inner.work)",
        "pool.submit((lambda: self).work)",
    ],
)
def test_a_method_that_is_not_passed_to_a_worker_is_not_found(passing, found):
    assert not found(METHODS.replace("PASSING", passing))


def test_an_attribute_that_only_looks_like_a_method_is_not_followed(found):
    assert not found(
        f"import asyncio\ndef work(): {SET}\nclass A:\n  def f(): pool.submit(work.x)\n  class B: x=1; f(x.y)"
    )
    assert not found(f"import asyncio\nclass A:\n  def work(self): {SET}\n  def f(*self): pool.submit(self.work)")


@pytest.mark.parametrize("base", ["threading.Thread", "T", "object, threading.Thread"])
def test_the_run_method_of_a_thread_class_runs_in_a_thread(base, found):
    program = f"import asyncio, threading\nT = threading.Thread\nclass W({base}):\n    def run(self): {SET}"
    assert found(program) == [("CTX302", 4)]


@pytest.mark.parametrize("body", ["async def run(self): SET", "def other(self): SET", "run = 1", "SET"])
def test_other_methods_of_a_thread_class_do_not(body, found):
    assert not found("import asyncio, threading\nclass W(threading.Thread):\n    " + body.replace("SET", SET))


def test_unsetting_a_loop_in_a_worker_is_not_found(found):
    assert not found(in_worker("pool.submit(work)", "asyncio.set_event_loop(None)"))
