from __future__ import annotations

import pytest

GET = "asyncio.get_event_loop()"

# Programs with GET on their last line, the certainty of the finding there, and a part of its message.
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


# Programs with GET on their last line, and the certainty that the last line fails on every Python.
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
def test_a_loop_that_was_unset_last_is_missing_on_every_python(way, findings):
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
def test_a_loop_that_was_perhaps_unset_is_possibly_missing(way, findings):
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
def test_a_with_statement_that_sets_no_loop_changes_nothing(program, findings):
    (finding,) = findings("import asyncio\n" + program.replace("GET", GET))
    assert finding.certainty == "certain"


FACTORY = "@dataclass\nclass Class:\n    loop: object = field(default_factory=asyncio.get_event_loop)"


def test_a_default_factory_is_called_for_each_object(findings):
    (finding,) = findings(f"import asyncio\n{FACTORY}")
    assert (finding.code, finding.line, finding.column, finding.certainty) == ("CTX301", 4, 42, "likely")
    assert "as a default_factory" in finding.message


def test_a_default_factory_in_a_module_that_sets_a_loop_only_possibly_fails(findings):
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
def test_the_certainty_depends_on_the_place_of_the_call(way, findings):
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
def test_a_call_that_finds_a_loop_or_handles_a_missing_loop_is_not_found(way, found):
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
def test_a_call_before_which_no_loop_is_set_is_found(program, found):
    assert [code for code, _ in found("import asyncio\n" + program.replace("GET", GET))] == ["CTX301"]


def test_a_guard_for_the_pythons_that_fail_leaves_the_warning(findings):
    (finding,) = findings(f"import asyncio, sys\nif sys.version_info < (3, 14): {GET}")
    assert (finding.warns, finding.fails) == ((3, 12), None)
