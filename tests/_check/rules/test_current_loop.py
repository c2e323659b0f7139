from __future__ import annotations

import pytest

GET = "asyncio.get_event_loop()"

# Programs with GET on their last line, how certain they are, and what the message says of the place.
GRADES = {
    "the module": ("GET", "certain", "at module level"),
    "a class body": ("class Class:\n    loop = GET", "certain", "at module level"),
    "a default": ("async def function(loop=GET): pass", "certain", "at module level"),
    "a decorator": ("@register(GET)\nasync def function(): pass", "certain", "at module level"),
    "a comprehension": ("[GET for each in ()]", "certain", "at module level"),
    "the main block": ("if __name__ == '__main__':\n    GET.run_until_complete(main())", "certain", "at module level"),
    "a constructor": ("class Class:\n    def __init__(self): self.loop = GET", "likely", "in a constructor"),
    "after a dataclass's": ("class Class:\n    def __post_init__(self): GET", "likely", "in a constructor"),
    "a loop that is run": ("def main(): GET.run_until_complete(work())", "likely", "that this function then runs"),
    "a loop that is run for good": ("def main(): GET.run_forever()", "likely", "that this function then runs"),
    "a named loop that is run": (
        "def main(): loop = GET; loop.run_forever()",
        "likely",
        "that this function then runs",
    ),
    "one of two loops that is run": (
        "def main(loop=None):\n    this = loop or GET; [this.run_until_complete(each) for each in ()]",
        "likely",
        "that this function then runs",
    ),
    "after no running loop": (
        "def get():\n  try: return asyncio.get_running_loop()\n  except RuntimeError: return GET",
        "likely",
        "has found no loop",
    ),
    "a function": ("def function(): return GET", "possible", "in a function"),
    "a method": ("class Class:\n    def method(self): return GET", "possible", "in a function"),
    "a lambda": ("lambda: GET", "possible", "in a function"),
    "a function called like a constructor": ("def __init__(): GET", "possible", "in a function"),
    "a function in a constructor": ("class C:\n  def __init__(self):\n    def get(): GET", "possible", "in a function"),
    "a class in a function": ("def make():\n    class Class: loop = GET", "possible", "in a function"),
    "another loop that is run": ("def main(loop):\n  loop.run_forever()\n  GET", "possible", "in a function"),
    "a loop that another function runs": (
        "def run(loop): loop.run_forever()\ndef main(): loop = GET",
        "possible",
        "in a function",
    ),
    "an unknown loop that is run": ("def main():\n  missing.run_forever()\n  GET", "possible", "in a function"),
    "after another failure": (
        "def get():\n  try: return asyncio.get_running_loop()\n  except AttributeError: return GET",
        "possible",
        "in a function",
    ),
    "after a failure of another": (
        "def get():\n  try: return other.get_running_loop()\n  except RuntimeError: return GET",
        "possible",
        "in a function",
    ),
    "a handler that raises": (
        "def get():\n  try: GET\n  except RuntimeError: raise",
        "possible",
        "in a function",
    ),
    "where the module sets a loop": (
        "asyncio.set_event_loop(loop)\nclass Class:\n    def __init__(self): GET",
        "possible",
        "in a constructor",
    ),
}


# Programs with GET on their last line, and how certain it is that this fails on every Python.
UNSET = {
    "the module": ("asyncio.set_event_loop(None)\nGET", "certain"),
    "a function": ("def f():\n    asyncio.set_event_loop(loop)\n    asyncio.set_event_loop(None)\n    GET", "likely"),
    "a function, by keyword": ("def f():\n    asyncio.set_event_loop(loop=None)\n    GET", "likely"),
    "a loop that was run": (
        "def f(main):\n    asyncio.set_event_loop(loop); loop.run_forever(); asyncio.set_event_loop(None)\n    GET",
        "likely",
    ),
    "the same line": ("def f(): asyncio.set_event_loop(loop); asyncio.set_event_loop(None); GET", "likely"),
    "the same condition": ("def f(x):\n    if x:\n        asyncio.set_event_loop(None)\n        GET", "likely"),
    "the same handler": ("def f():\n  try: work()\n  except OSError: asyncio.set_event_loop(None); GET", "likely"),
    "the end of a try": ("def f():\n  try: pass\n  finally: asyncio.set_event_loop(None)\n  GET", "likely"),
}


@pytest.mark.parametrize("way", UNSET)
def test_a_loop_that_was_unset_last_is_not_there_on_any_python(way, findings):
    program, certainty = UNSET[way]
    (finding,) = findings("import asyncio\n" + program.replace("GET", GET))
    assert (finding.code, finding.certainty, finding.warns, finding.fails) == ("CTX301", certainty, None, (3, 4))
    assert "after set_event_loop(None)" in finding.message


PERHAPS_UNSET = {
    "another way": "def f(x):\n    if x:\n        asyncio.set_event_loop(None)\n        return\n    GET",
    "the other side": "def f(x):\n    if x:\n        asyncio.set_event_loop(None)\n    else:\n        GET",
    "a handler": "def f():\n  try: work()\n  except OSError: asyncio.set_event_loop(None)\n  GET",
    "a handler that raises": "def f():\n  try: work()\n  except OSError: asyncio.set_event_loop(None); raise\n  GET",
    "another case": "def f(x):\n  match x:\n    case 1: asyncio.set_event_loop(None)\n    case 2:\n      GET",
    "another function": "def other():\n    asyncio.set_event_loop(None)\ndef f():\n    GET",
}


@pytest.mark.parametrize("way", PERHAPS_UNSET)
def test_a_loop_that_was_perhaps_unset_is_possibly_not_there(way, findings):
    (finding,) = findings("import asyncio\n" + PERHAPS_UNSET[way].replace("GET", GET))
    assert (finding.certainty, finding.fails) == ("possible", (3, 14))


RUNNER = {
    "the module": "with asyncio.Runner() as r:\n    r.get_loop()\n    GET",
    "a function": "def f():\n    with asyncio.Runner(debug=True): GET",
    "a loop that is run": "def f():\n    with open(), asyncio.Runner(): GET.run_forever()",
    "a thread": "import threading\ndef f():\n    with asyncio.Runner(): GET\nthreading.Thread(target=f)",
    "further in": "with asyncio.Runner():\n    with open():\n        if x: GET",
}


@pytest.mark.parametrize("way", RUNNER)
def test_a_runner_sets_a_loop_when_it_is_first_used(way, findings):
    (finding,) = findings("import asyncio\n" + RUNNER[way].replace("GET", GET))
    assert (finding.code, finding.certainty, finding.fails) == ("CTX301", "possible", (3, 14))
    assert "under asyncio.Runner()" in finding.message


@pytest.mark.parametrize(
    "program",
    [
        "with asyncio.Runner(loop_factory=make): GET",
        "with other.Runner(): GET",
        "with runner: GET",
        "with asyncio.Runner(): pass\nGET",
    ],
)
def test_what_sets_no_loop_changes_nothing(program, findings):
    (finding,) = findings("import asyncio\n" + program.replace("GET", GET))
    assert finding.certainty == "certain"


FACTORY = "@dataclass\nclass Class:\n    loop: object = field(default_factory=asyncio.get_event_loop)"


def test_a_default_factory_is_called_for_each_object(findings):
    (finding,) = findings(f"import asyncio\n{FACTORY}")
    assert (finding.code, finding.line, finding.column, finding.certainty) == ("CTX301", 4, 42, "likely")
    assert "as a default_factory" in finding.message


def test_a_default_factory_where_the_module_sets_a_loop_only_possibly_fails(findings):
    (finding,) = findings(f"import asyncio\nasyncio.set_event_loop(loop)\n{FACTORY}")
    assert finding.certainty == "possible"


@pytest.mark.parametrize(
    "program",
    [
        "async def main(): field(default_factory=asyncio.get_event_loop)",
        "field(default_factory=asyncio.new_event_loop)",
        "field(default_factory=other.get_event_loop)",
        "field(default=asyncio.get_event_loop)",
    ],
)
def test_other_references_are_not_found(program, found):
    assert not found(f"import asyncio\n{program}")


@pytest.mark.parametrize("way", GRADES)
def test_a_loop_that_may_not_be_there_is_graded_by_where_it_is_asked_for(way, findings):
    program, certainty, message = GRADES[way]
    (finding,) = findings("import asyncio\n" + program.replace("GET", GET))
    assert (finding.code, finding.certainty) == ("CTX301", certainty)
    assert message in finding.message
    assert (str(finding.warns), str(finding.fails)) == ("3.12", "3.14")


@pytest.mark.parametrize(
    "program",
    [
        "from asyncio import get_event_loop\nget_event_loop()",
        "from asyncio import get_event_loop as get\nget()",
        "import asyncio as aio\naio.events.get_event_loop()",
        "import asyncio\nget = asyncio.get_event_loop\nget()",
        "from asyncio import *\nget_event_loop()",
        "import asyncio\ngetattr(asyncio, 'get_event_loop')()",
    ],
)
def test_the_getter_is_found_under_every_name(program, found):
    assert found(program) == [("CTX301", program.count("\n") + 1)]


NOT_FOUND = {
    "a coroutine": "async def main(): GET",
    "a coroutine's comprehension": "async def main(): [GET async for each in x]",
    "an asynchronous generator": "async def main(): yield GET",
    "a function in a coroutine": "async def main():\n    def callback(): GET\n    lambda: GET",
    "a class in a coroutine": "async def main():\n    class Class:\n        def __init__(self): GET",
    "a generator-based coroutine": "import types\n@types.coroutine\ndef main(): yield GET",
    "one by its bare name": "from tornado.gen import coroutine\n@coroutine\ndef main(): yield GET",
    "what is awaited": "class Class:\n    def __await__(self): GET",
    "after the module has set one": "asyncio.set_event_loop(asyncio.new_event_loop())\nGET",
    "on the same line": "def main(): asyncio.set_event_loop(make()); GET",
    "after it was unset and set again": "asyncio.set_event_loop(None)\nasyncio.set_event_loop(loop)\nGET",
    "what is unset in a coroutine": "async def main():\n    asyncio.set_event_loop(None)\n    GET",
    "after the function has set one": "def main():\n    asyncio.set_event_loop(loop=make())\n    GET",
    "a caught failure": "def get():\n  try: return GET\n  except RuntimeError: return asyncio.new_event_loop()",
    "a suppressed failure": "import contextlib\nwith contextlib.suppress(RuntimeError): GET.close()",
    "an older Python": "import sys\nif sys.version_info < (3, 12): GET",
    "a type checker": "import typing\nif typing.TYPE_CHECKING: GET",
    "a mere reference": "getter = asyncio.get_event_loop",
    "another's": "from other import get_event_loop\nget_event_loop()",
    "a policy's": "policy.get_event_loop()",
    "either of two getters": (
        "try: get = asyncio.get_running_loop\nexcept AttributeError: get = asyncio.get_event_loop\ndef f(): get()"
    ),
}


@pytest.mark.parametrize("way", NOT_FOUND)
def test_a_loop_that_is_there_or_expected_to_be_missing_is_not_found(way, found):
    assert not found("import asyncio\n" + NOT_FOUND[way].replace("GET", GET))


@pytest.mark.parametrize(
    "program",
    [
        "GET\nasyncio.set_event_loop(loop)",
        "asyncio.set_event_loop(\n    GET)",
        "asyncio.set_event_loop(None)\nGET",
        "def other(): asyncio.set_event_loop(loop)\nGET",
        "asyncio.new_event_loop()\nGET",
    ],
)
def test_a_loop_that_is_not_set_before_is_found(program, found):
    assert [code for code, _ in found("import asyncio\n" + program.replace("GET", GET))] == ["CTX301"]


def test_a_guard_for_the_pythons_that_fail_leaves_the_warning(findings):
    (finding,) = findings(f"import asyncio, sys\nif sys.version_info < (3, 14): {GET}")
    assert (finding.warns, finding.fails) == ((3, 12), None)


SET = "asyncio.set_event_loop(asyncio.new_event_loop())"

# How a worker gets the function `work`, whose body the tests fill in.
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


def in_worker(handing: str, body: str) -> str:
    return f"import asyncio, threading\ndef work(*_):\n    {body}\n{handing}\n"


@pytest.mark.parametrize("way", [*SURELY_THREADS, *EXECUTORS])
def test_setting_a_loop_in_what_a_worker_runs_is_found(way, findings):
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
def test_setting_a_loop_is_worse_in_a_thread_that_runs_other_functions_next(way, certainty, message, findings):
    (finding,) = findings(in_worker(SURELY_THREADS[way], SET))
    assert finding.certainty == certainty
    assert message in finding.message


def test_setting_a_loop_and_unsetting_it_is_only_possibly_wrong(findings):
    (finding,) = findings(in_worker("pool.submit(work)", f"{SET}\n    asyncio.set_event_loop(None)"))
    assert (finding.line, finding.certainty) == (3, "possible")


def test_setting_a_loop_where_it_is_never_run_is_not_found(found):
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


def test_asking_for_the_loop_that_a_worker_has_set_is_right(found):
    assert found(in_worker("pool.submit(work)", f"{SET}; 1\n    {GET}")) == [("CTX302", 3)]


def test_a_lambda_that_is_handed_to_a_worker_is_read(found):
    assert found(f"import asyncio\nasync def main(pool):\n    pool.submit(lambda: {GET})") == [("CTX301", 3)]


def test_a_function_in_a_coroutine_that_is_handed_to_a_worker_is_found(found):
    program = f"import asyncio\nasync def main():\n    def work(): {GET}\n    await asyncio.to_thread(work)"
    assert found(program) == [("CTX301", 3)]


def test_a_coroutine_function_that_is_handed_to_a_worker_does_not_run_there(found):
    assert not found(f"import asyncio\nasync def work(): {SET}; {GET}\npool.submit(work)")


METHODS = """\
import asyncio, threading
class Class:
    def work(self, *_):
        asyncio.set_event_loop(make())
    def start(self, pool):
        HANDING
    async def other(): pass
"""


@pytest.mark.parametrize(
    "handing",
    [
        "pool.submit(self.work)",
        "threading.Thread(target=self.work)",
        "lambda: pool.submit(self.work)",
        "[pool.submit(self.work) for each in ()]",
        "pool.submit(Class.work, self)",
    ],
)
def test_a_method_that_is_handed_to_a_worker_is_found(handing, found):
    assert found(METHODS.replace("HANDING", handing)) == [("CTX302", 4)]


@pytest.mark.parametrize(
    "handing",
    [
        "pool.submit(self.missing)",
        "pool.submit(self.other)",
        "pool.submit(pool.work)",
        "pool.submit(missing.work)",
        "pool.submit(self.inner.work)",
        "pool.submit((lambda: self).work)",
    ],
)
def test_a_method_that_is_not_is_not(handing, found):
    assert not found(METHODS.replace("HANDING", handing))


def test_what_only_looks_like_a_method_is_not_followed(found):
    assert not found(
        f"import asyncio\ndef work(): {SET}\nclass A:\n  def f(): pool.submit(work.x)\n  class B: x=1; f(x.y)"
    )
    assert not found(f"import asyncio\nclass A:\n  def work(self): {SET}\n  def f(*self): pool.submit(self.work)")


@pytest.mark.parametrize("base", ["threading.Thread", "T", "object, threading.Thread"])
def test_the_run_method_of_a_thread_is_a_thread(base, found):
    program = f"import asyncio, threading\nT = threading.Thread\nclass W({base}):\n    def run(self): {SET}"
    assert found(program) == [("CTX302", 4)]


@pytest.mark.parametrize("body", ["async def run(self): SET", "def other(self): SET", "run = 1", "SET"])
def test_other_methods_of_a_thread_are_not(body, found):
    assert not found("import asyncio, threading\nclass W(threading.Thread):\n    " + body.replace("SET", SET))


def test_unsetting_a_loop_in_a_worker_is_not_found(found):
    assert not found(in_worker("pool.submit(work)", "asyncio.set_event_loop(None)"))
