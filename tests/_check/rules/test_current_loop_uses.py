from __future__ import annotations

import sys

import pytest

# The first line of a program, the part that is repeated, and the last line if there is one.
SHAPES = {
    "one function": (
        "def main():\n",
        "    loop = asyncio.get_event_loop()\n    loop.run_until_complete(work())\n",
    ),
    "the module": ("", "loop = asyncio.get_event_loop()\nloop.run_until_complete(work())\n"),
    "small functions": (
        "",
        "def f{0}(): asyncio.set_event_loop(None)\ndef g{0}():\n    asyncio.get_event_loop().run_forever()\n",
    ),
    "functions with a global name": (
        "",
        "def f{0}(work):\n    global loop\n    loop = asyncio.get_event_loop()\n    loop.run_forever()\n",
    ),
    "settings": ("", "asyncio.set_event_loop(None)\ndef f{0}():\n    asyncio.get_event_loop()\n"),
    "one function that sets": (
        "def f():\n",
        "    asyncio.set_event_loop(None)\n    asyncio.set_event_loop(loop{0})\n    asyncio.get_event_loop()\n",
    ),
    "a worker": (
        "import threading\ndef f():\n",
        "    asyncio.set_event_loop(loop{0})\n    asyncio.get_event_loop()\n    threading.Thread(target=f)\n",
    ),
    "one handler": (
        "def f():\n    try: asyncio.get_running_loop()\n    except RuntimeError:\n        pass\n",
        "        asyncio.get_event_loop()\n",
    ),
    "one try": (
        "try:\n    pass\n",
        "    asyncio.get_event_loop(); asyncio.get_child_watcher()\n",
        "except Exception:\n    pass\n",
    ),
    "flags": ("HAS = True\n", "HAS = False\nif HAS: asyncio.get_child_watcher()\n"),
    "tries": ("", "try: asyncio.get_child_watcher()\nexcept AttributeError: raise\n"),
    "runners": ("", "with asyncio.Runner(): asyncio.get_event_loop()\n"),
    "methods": (
        "class C:\n",
        "    def f{0}(self):\n        self.a = asyncio\n        self.a.get_child_watcher()\n",
    ),
}


def steps(findings, shape: str, number: int) -> int:
    """Count the calls that the check makes, including calls of C functions and resumptions of generators."""
    first, each, *last = SHAPES[shape]
    program = f"import asyncio\n{first}" + "".join(each.format(index) for index in range(number)) + "".join(last)
    count = 0

    def step(*_) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(step)
    try:
        findings(program)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_as_much_code_takes_at_most_about_twice_as_many_steps(shape, findings):
    assert steps(findings, shape, 200) < 2.2 * steps(findings, shape, 100)
