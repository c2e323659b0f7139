from __future__ import annotations

import sys

import pytest

# Programs with X where a name is used: see the fixture `outcome`.
CAUGHT = {
    "an attribute error": "try:\n    X\nexcept AttributeError:\n    pass",
    "several": "try:\n    X\nexcept (KeyError, AttributeError):\n    pass",
    "any exception": "try:\n    X\nexcept Exception:\n    print()",
    "anything": "try:\n    X\nexcept BaseException:\n    print()",
    "all": "try:\n    X\nexcept:\n    print()",
    "by the second": "try:\n    X\nexcept KeyError:\n    raise\nexcept AttributeError:\n    pass",
    "further out": "try:\n    try:\n        X\n    finally:\n        pass\nexcept AttributeError:\n    pass",
    "in a class": "try:\n    class Class:\n        policy = X\nexcept AttributeError:\n    pass",
    "a suppression": "import contextlib\nwith contextlib.suppress(KeyError, AttributeError):\n    X",
    "a suppression, imported": "from contextlib import suppress as quiet\nwith open(), quiet(AttributeError):\n    X",
    "a module's own builtins": "import builtins\ntry:\n    X\nexcept builtins.AttributeError:\n    pass",
    "a default": "getattr(asyncio, 'set_event_loop_policy', None)",
    "an import": "try:\n    from asyncio import set_event_loop_policy\nexcept ImportError:\n    pass",
    "the first of two": "try:\n    X\nexcept AttributeError:\n    pass\nexcept Exception:\n    raise",
    "an exception that is raised on": (
        "try:\n    try:\n        X\n    except Exception:\n        raise\nexcept AttributeError:\n    pass"
    ),
    "a return": "def function():\n    try:\n        X\n    except AttributeError:\n        return 1",
    "a skip": "def test():\n    try:\n        X\n    except AttributeError:\n        pytest.skip()",
    "much code": "try:\n    X\n    main()\nexcept AttributeError:\n    pass",
    "much code, by the name among others": "try:\n    X\n    main()\nexcept (AttributeError, Exception):\n    pass",
    "one step of any exception": "import contextlib\nwith contextlib.suppress(Exception):\n    X",
    "a star": "from asyncio import *\ntry:\n    set_event_loop_policy\nexcept NameError:\n    pass",
}


@pytest.mark.parametrize("way", CAUGHT)
def test_a_use_whose_exception_is_caught_does_not_fail_but_still_warns(way, outcome):
    assert outcome(CAUGHT[way]) is None


NOT_CAUGHT = {
    "another exception": "try:\n    X\nexcept KeyError:\n    pass",
    "a handler that raises": "try:\n    X\nexcept AttributeError as error:\n    raise RuntimeError from error",
    "a handler that exits": "try:\n    X\nexcept AttributeError:\n    print()\n    sys.exit(1)",
    "a handler that exits at once": "import os\ntry:\n    X\nexcept AttributeError:\n    os._exit(1)",
    "a handler that exits by a bare name": "try:\n    X\nexcept Exception:\n    exit(1)",
    "a first handler that raises on": ("try:\n    X\nexcept AttributeError:\n    raise\nexcept Exception:\n    pass"),
    "a handler that raises, further in": (
        "try:\n  try: X\n  except AttributeError: raise KeyError\nexcept AttributeError: pass"
    ),
    "any exception of much code": "try:\n    X\n    main()\nexcept Exception:\n    print()",
    "anything of much code": "try:\n    X\n    main()\nexcept:\n    print()",
    "any exception of a block": "try:\n    with open():\n        X\nexcept Exception:\n    print()",
    "any exception of a loop that is run": "try:\n  X(loop.run_until_complete(main()))\nexcept Exception: pass",
    "any exception of what is awaited": "async def f():\n  try:\n    await main(X)\n  except Exception:\n    print()",
    "a suppression of much code": "import contextlib\nwith contextlib.suppress(Exception):\n    X\n    main()",
    "the handler's block": "try:\n    pass\nexcept AttributeError:\n    X",
    "the else": "try:\n    pass\nexcept AttributeError:\n    pass\nelse:\n    X",
    "a function defined under it": "try:\n    def function():\n        X\nexcept AttributeError:\n    pass",
    "a missing module": "try:\n    from asyncio import set_event_loop_policy\nexcept ModuleNotFoundError:\n    pass",
    "an import by another": "try:\n    from asyncio import set_event_loop_policy\nexcept AttributeError:\n    pass",
    "a name of one's own": "class AttributeError(Exception): pass\ntry:\n    X\nexcept AttributeError:\n    pass",
    "a with": "with open():\n    X",
    "a with of a name": "with lock:\n    X",
    "a suppression of another": "import contextlib\nwith contextlib.suppress(KeyError):\n    X",
    "a suppression of nothing": "import contextlib\nwith contextlib.suppress():\n    X",
}


@pytest.mark.parametrize("way", NOT_CAUGHT)
def test_a_use_whose_exception_is_not_caught_fails(way, outcome):
    assert outcome(NOT_CAUGHT[way]) == "3.16"


def test_a_use_that_never_warns_and_is_caught_is_not_found(found):
    assert not found("import asyncio\ntry:\n    asyncio.PidfdChildWatcher\nexcept AttributeError:\n    pass")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="except* came with Python 3.11")
def test_exception_groups_are_caught_too(outcome):
    assert outcome("try:\n    X\nexcept* AttributeError:\n    pass") is None


def test_a_program_under_a_handler_that_ends_it_fails(findings):
    found = findings("""
        import asyncio, sys, traceback
        try:
            asyncio.set_event_loop_policy(None)
            loop = asyncio.get_event_loop()
            loop.run_until_complete(main())
        except Exception:
            traceback.print_exc()
            sys.exit(1)
    """)
    assert [(finding.code, finding.fails) for finding in found] == [("CTX101", (3, 16)), ("CTX301", (3, 14))]
