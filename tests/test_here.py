"""Where something went wrong, as messages say it."""

from __future__ import annotations

import pytest

from ctxpolicy import TaskResolver
from ctxpolicy._threads import thread_and_context
from tests.support.policies import in_thread


class Lost(TaskResolver):
    def describe(self):
        raise LookupError("nowhere")


def test_thread_and_context_are_named():
    said = "in thread 'tenant-7', for thread 'tenant-7', outside any task"
    assert in_thread(lambda: thread_and_context(TaskResolver()), name="tenant-7") == said


@pytest.mark.parametrize("resolver", [Lost(), None])
def test_the_thread_alone_where_there_is_no_telling_the_context(resolver):
    assert in_thread(lambda: thread_and_context(resolver), name="tenant-7") == "in thread 'tenant-7'"
