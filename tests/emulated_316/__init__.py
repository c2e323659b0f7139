"""Give a running CPython 3.14 or 3.15 the asyncio of Python 3.16, which has no policy system.

Python 3.16 removed the policies (gh-127949). This package takes them out of an older asyncio in the same way, so that
what must work without them can be tried before a 3.16 interpreter is at hand:

    python -m pytest -p tests.emulated_316.plugin           a test run, its xdist workers and all Pythons it starts
    tests.emulated_316.activate()                           this process, before anything else has used asyncio
    CTXPOLICY_EMULATE_316=1 PYTHONPATH=tests/emulated_316/site python ...
                                                            any Python, from its start (``environment()`` says the same)

What is emulated is written down in ``facts``: run against the emulator on 3.14 and 3.15, and against Python itself from
3.16 on. What is not: ``sys.version_info`` stays what it is. Much else depends on it that 3.16 has and this Python has
not (trio, for one, takes it for names in ``socket``), and code that must work on both sides should ask asyncio, not the
version, what it offers. So a library that does ask the version takes its branch for 3.15: uvloop 0.23 still tries to
build its ``EventLoopPolicy``, and fails for want of ``asyncio.AbstractEventLoopPolicy``, where on 3.16 it says that it
has none.

There is no way back: a process once reshaped stays so. Times measured in it say nothing about 3.16, since the C
``get_event_loop`` takes a detour through one more Python frame.
"""

from ._children import ASKED, activate_if_asked, environment
from ._reshape import EmulationError, activate, is_active

__all__ = ("ASKED", "EmulationError", "activate", "activate_if_asked", "environment", "is_active")
