"""Run a test suite on the asyncio of Python 3.16: ``python -m pytest -p tests.emulated_316.plugin``.

pytest imports what ``-p`` names before the plugins of other packages, some of which take hold of the policies.
"""

from __future__ import annotations

import os
import platform

from . import activate, environment

activate()
os.environ.update(environment())


def pytest_report_header() -> str:
    """Say so in the header: the same tests mean something else here."""
    return f"asyncio: as of Python 3.16, without policies (emulated on {platform.python_version()})"
