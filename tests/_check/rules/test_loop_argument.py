from __future__ import annotations

import pytest

from ctxpolicy._check.asyncio_names import REFUSE_LOOP_ARGUMENT


@pytest.mark.parametrize(
    "program",
    [
        "import asyncio\nasyncio.NAME(1, loop=loop)",
        "import asyncio as aio\naio.NAME(loop=None)",
        "from asyncio import NAME as other\nother(loop=loop, *a, **k)",
        "from asyncio import *\nNAME(loop=loop)",
        "import asyncio\nasync def function(loop): await asyncio.NAME(loop=loop)",
        "import asyncio, functools\nfunctools.partial(asyncio.NAME, loop=loop)",
    ],
)
def test_every_removed_loop_argument_is_found(program, findings):
    for name in REFUSE_LOOP_ARGUMENT:
        (finding,) = findings(program.replace("NAME", name))
        assert (finding.code, finding.line, finding.certainty) == ("CTX401", program.count("\n") + 1, "certain")
        assert (finding.warns, finding.fails) == ((3, 8), (3, 10))
        assert finding.message == f"asyncio.{name}() accepts no loop= since Python 3.10"


@pytest.mark.parametrize(
    "program",
    [
        "import asyncio.queues\nasyncio.queues.Queue(loop=loop)",
        "import asyncio\nasyncio.Queue[int](loop=loop)",
        "import asyncio\nasyncio.Queue.__init__(queue, loop=loop)",
        "import asyncio\nclass Q(asyncio.Queue):\n    def __init__(self): super().__init__(loop=loop)",
        "import asyncio\nclass Q(asyncio.Queue[int]):\n    def __init__(self): super(Q, self).__init__(loop=loop)",
    ],
)
def test_a_loop_argument_of_a_class_is_found_however_it_is_called(program, findings):
    (finding,) = findings(program)
    assert finding.code == "CTX401"
    assert "asyncio.Queue()" in finding.message


def test_the_finding_points_at_the_argument(findings):
    (finding,) = findings("import asyncio\nasyncio.sleep(\n    1,\n    loop=loop)")
    assert (finding.line, finding.column) == (4, 5)


@pytest.mark.parametrize(
    "program",
    [
        "asyncio.ensure_future(it, loop=loop)",
        "asyncio.Future(loop=loop)",
        "asyncio.run_coroutine_threadsafe(it, loop=loop)",
        "asyncio.StreamReader(loop=loop)",
        "asyncio.set_event_loop(loop=loop)",
        "asyncio.sleep(1)",
        "asyncio.sleep(1, result=loop)",
        "asyncio.sleep(1, **{'loop': loop})",
        "sleep(1, loop=loop)",
        "time.sleep(1, loop=loop)",
        "self.asyncio.Queue(loop=loop)",
        "class Queue: pass\nQueue(loop=loop)",
        "get_queue_class()(loop=loop)",
        "from asyncio import *\nfrom queue import *\nQueue(loop=loop)",
        "import functools\nfunctools.partial(function, loop=loop)",
        "import functools\nfunctools.partial(loop=loop)",
        "class Q(Base):\n    def __init__(self): super().__init__(loop=loop)",
        "class Q(Mixin, asyncio.Queue):\n    def __init__(self): super().__init__(loop=loop)",
        "class Q:\n    def __init__(self): super().__init__(loop=loop)",
        "super().__init__(loop=loop)",
        "other().__init__(loop=loop)",
        "def sleep(*, loop): pass\nsleep(loop=loop)",
        "def function(asyncio): asyncio.sleep(1, loop=loop)",
        "import sys\nif sys.version_info < (3, 8): asyncio.sleep(1, loop=loop)",
    ],
)
def test_a_loop_argument_of_a_function_that_may_accept_it_is_not_found(program, found):
    assert not found(f"import asyncio\n{program}")


def test_a_guard_for_the_pythons_that_accepted_loop_leaves_the_warning(findings):
    guards = ["if sys.version_info < (3, 10): X", "try: X\nexcept TypeError: pass"]
    for guard in guards:
        (finding,) = findings("import asyncio, sys\n" + guard.replace("X", "asyncio.sleep(1, loop=loop)"))
        assert (finding.warns, finding.fails) == ((3, 8), None)
