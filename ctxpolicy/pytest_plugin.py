"""The pytest plugin: each test starts without a current loop, and what it leaves does not reach the next one.

It does nothing until it is asked: by the ini option or command-line option ``ctxpolicy`` for all tests, by the marker
``ctxpolicy`` or one of the ``ctxpolicy_...`` fixtures for one test. pytest finds it by its entry point, ``ctxpolicy``;
where a source tree is not installed, ``-p ctxpolicy.pytest_plugin`` names it.
"""

from __future__ import annotations

from typing import Final

from ctxpolicy._pytest.plugin import CtxPolicyLeakWarning

__all__ = ["CtxPolicyLeakWarning"]

pytest_plugins: Final = ["_ctxpolicy_pytest"]
