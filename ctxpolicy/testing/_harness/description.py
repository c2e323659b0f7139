"""The description of a resolver by its author: how to make it and its contexts, and how a new context starts."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, ClassVar, TypeVar

from ctxpolicy.resolvers.base import ContextResolver

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctxpolicy.testing._harness.contexts import Run

__all__ = ["Description"]

T = TypeVar("T")


class Description:
    """The description of a resolver, which its tests use.

    Attributes:
        inherits: whether a context that is made inside another context starts with the loop of that context. ``False``:
            it starts without a loop.
        thread_inherits: whether a plain new thread starts with the loop of the context that started it.
        any_thread: whether the loop of a context is handed out in every thread. ``False``: it is handed out only in the
            thread that bound it.
        one_context: whether there is only one context. If so, the other three attributes have no effect, and
            :meth:`new_context` need not be defined.
        model_examples: the number of random sequences of steps that are compared with a model.
        resolver: the resolver under test; set while a test runs.
    """

    inherits: ClassVar[bool] = False
    thread_inherits: ClassVar[bool] = False
    any_thread: ClassVar[bool] = False
    one_context: ClassVar[bool] = False
    model_examples: ClassVar[int] = 25
    resolver: ContextResolver

    def make_resolver(self) -> ContextResolver:
        """Return a new resolver.

        The tests of forks and of ``-X thread_inherit_context`` call this method in new processes, without fixtures.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how to make its resolver: def make_resolver(self)")

    def new_context(self) -> AbstractContextManager[Run]:
        """Return a context manager that makes a context inside the present context, and ends it.

        The context manager yields a callable that runs a function in the new context and returns its result. The tests
        call the callable any number of times. They call this method in any thread, and in any context that it has made.
        The functions :func:`~ctxpolicy.testing.contextvars_context`, :func:`~ctxpolicy.testing.thread_context`,
        :func:`~ctxpolicy.testing.task_context` and :func:`~ctxpolicy.testing.greenlet_context` return such context
        managers.
        """
        if self.one_context:
            return nullcontext(_here)
        raise NotImplementedError(
            f"{type(self).__name__} must say how to make a context: def new_context(self), a context manager that "
            "yields what runs a function in it; or one_context = True, if there is only one"
        )


def _here(function: Callable[[], T], /) -> T:
    return function()
