"""Run a test suite on the asyncio of Python 3.16: ``python -m pytest -p tests.emulated_316.plugin``.

pytest imports the modules given with ``-p`` before the plugins of other packages, some of which import the policies.
"""

from __future__ import annotations

import os
import platform

from . import activate, environment

activate()
os.environ.update(environment())


def pytest_report_header() -> str:
    """Show the emulation in the header, because it changes what the tests prove."""
    return f"asyncio: as of Python 3.16, without policies (emulated on {platform.python_version()})"
