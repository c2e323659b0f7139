"""Give a running CPython 3.14 or 3.15 the asyncio of Python 3.16, which has no policy system.

Python 3.16 removed the policies (gh-127949). This package removes them from an older asyncio in the same way. Code that
must work without policies can thus be tested before a 3.16 interpreter is available:

    python -m pytest -p tests.emulated_316.plugin           a test run, its xdist workers and all Pythons it starts
    tests.emulated_316.activate()                           this process, before anything else has used asyncio
    CTXPOLICY_EMULATE_316=1 PYTHONPATH=tests/emulated_316/site python ...
                                                            any Python, from its start (``environment()`` says the same)

``facts`` lists what is emulated. It runs against the emulator on 3.14 and 3.15, and against Python itself from 3.16 on.
``sys.version_info`` is not emulated, because other features of 3.16, which this Python lacks, depend on it (trio, for
example, expects names in ``socket``). Code that must work on both sides should ask asyncio, not the version, what it
offers. A library that asks the version takes its branch for 3.15: uvloop 0.23 tries to define its ``EventLoopPolicy``,
and fails because ``asyncio.AbstractEventLoopPolicy`` is missing; on 3.16 it defines none.

The change cannot be undone in a process. Times measured under the emulation say nothing about 3.16, because the C
``get_event_loop`` calls one more Python function.
"""

from ._children import ASKED, activate_if_asked, environment
from ._reshape import EmulationError, activate, is_active

__all__ = ("ASKED", "EmulationError", "activate", "activate_if_asked", "environment", "is_active")
