"""For authors of resolvers: tests of the contract, contexts of the usual kinds, and a test double."""

from ctxpolicy.testing._contract import ResolverContract
from ctxpolicy.testing._errors import LAWS, BrokenLawError, DescriptionError
from ctxpolicy.testing._fake_loop import StandInLoop
from ctxpolicy.testing._harness.contexts import (
    Run,
    contextvars_context,
    greenlet_context,
    in_new_thread,
    task_context,
    thread_context,
)
from ctxpolicy.testing._laws.concurrency import THREADS_INHERIT_CONTEXT
from ctxpolicy.testing._recording import Call, RecordingResolver

__all__ = [
    "LAWS",
    "THREADS_INHERIT_CONTEXT",
    "BrokenLawError",
    "Call",
    "DescriptionError",
    "RecordingResolver",
    "ResolverContract",
    "Run",
    "StandInLoop",
    "contextvars_context",
    "greenlet_context",
    "in_new_thread",
    "task_context",
    "thread_context",
]
