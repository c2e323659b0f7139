from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "program",
    [
        "from .asyncio import set_event_loop_policy",
        "from . import set_event_loop_policy",
        "from uvloop import set_event_loop_policy",
        "import asyncio\nasyncio.set_event_loop_policy = print",
        "import asyncio\nself.asyncio.set_event_loop_policy()",
        "import asyncio\n# asyncio.set_event_loop_policy()",
        "import asyncio\n'asyncio.set_event_loop_policy()'",
        "import asyncio\nasyncio.Thing.set_event_loop_policy()",
        "import asyncio\nset_event_loop_policy()",
        "from asyncio import *\nset_event_loop_policy = print\nset_event_loop_policy()",
        "from asyncio import *\n_UnixDefaultEventLoopPolicy",
        "from asyncio import run\nset_event_loop_policy",
        "import asyncio\ngetattr(asyncio, name)\ngetattr(asyncio)\ngetattr(asyncio, 1)",
        "import asyncio\nobject.getattr(asyncio, 'set_event_loop_policy')",
        "import asyncio\ndef getattr(*_): pass\ngetattr(asyncio, 'set_event_loop_policy')",
        "import asyncio\ngetattr(trio(), 'set_event_loop_policy')",
        "import asyncio, importlib\nimportlib.import_module(name).set_event_loop_policy",
        "import asyncio\nglobal_name.set_event_loop_policy",
        "def function():\n    global asyncio\n    asyncio.set_event_loop_policy()",
        "def function():\n    nonlocal aio\n    import asyncio as aio\n    aio.set_event_loop_policy()",
        "import asyncio\ndef function(): return asyncio\nfunction().set_event_loop_policy()",
    ],
)
def test_a_name_that_is_not_from_asyncio_is_not_found(program, found):
    assert not found(program)


def test_a_name_that_may_come_from_another_module_is_only_likely(findings):
    (finding,) = findings(
        "try: import trollius as asyncio\nexcept ImportError: import asyncio\nasyncio.get_child_watcher"
    )
    assert finding.certainty == "likely"


def test_long_chains_of_calls_can_be_checked(found):
    chain = "query" + ".where()" * 900
    assert found(f"import asyncio\n{chain}\nasyncio.get_child_watcher()") == [("CTX201", 3)]
