"""How an author describes a resolver: how to make it and its contexts, and what a new context starts with."""

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
    """What the tests need to know about a resolver.

    Attributes:
        inherits: a context made inside another starts with that one's loop. ``False``: it starts empty.
        thread_inherits: a plain new thread starts with the loop of the context that started it.
        any_thread: in another thread than the one that bound the loop of a context, that loop is handed out
            there too. ``False``: no loop is handed out there.
        one_context: there is only one context, for everything. The other three are then true, and :meth:`new_context`
            need not be written.
        model_examples: how many random sequences of steps are compared with a model.
        resolver: the resolver that is being tested; set while a test runs.
    """

    inherits: ClassVar[bool] = False
    thread_inherits: ClassVar[bool] = False
    any_thread: ClassVar[bool] = False
    one_context: ClassVar[bool] = False
    model_examples: ClassVar[int] = 25
    resolver: ContextResolver

    def make_resolver(self) -> ContextResolver:
        """Return a new resolver.

        Tests of forks and of ``-X thread_inherit_context`` call this method in new processes, without any fixtures.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how to make its resolver: def make_resolver(self)")

    def new_context(self) -> AbstractContextManager[Run]:
        """Return a context manager that makes a context inside the present one, and ends it.

        The context manager yields a callable that runs a function in that context, any number of times, and returns
        what the function returns. This method may be called in any thread, and in any of the contexts that it makes.
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
