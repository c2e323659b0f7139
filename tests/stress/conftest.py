"""The time limit of the stress tests."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Allow these tests more time than others: a thousand jobs take PyPy more than a minute on a busy machine."""
    for item in items:
        if "stress" in item.path.parts:
            item.add_marker(pytest.mark.timeout(480))
