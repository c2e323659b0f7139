"""Resolvers that break law 1, 2, 3 or 5."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading

from ctxpolicy import ContextResolver
from ctxpolicy.testing import task_context
from ctxpolicy.testing._errors import ALL_LAWS
from tests.contract.right import ContextVars, OfContextVars, OfSlots, OfTasks, OfThreads, Slots, Threads, present_task

# Law 1


class Forgets(OfThreads):
    """get() returns a loop once, and then forgets it"""

    breaks = 1
    also = (0, 2, 4, 5, 7, ALL_LAWS)

    class Resolver(Threads):
        def get(self):
            loop = super().get()
            self.set(None)
            return loop


class KeepsTheFirst(OfContextVars):
    """set() does nothing if a loop is bound already"""

    breaks = 1
    also = (0, 2, 5, 6, ALL_LAWS)

    class Resolver(ContextVars):
        def set(self, loop):
            if loop is None or self.get() is None:
                super().set(loop)


class ComparesByEquality(OfContextVars):
    """set() does nothing if the bound loop compares equal to the new one"""

    breaks = 1

    class Resolver(ContextVars):
        def set(self, loop):
            if loop != self.get():
                super().set(loop)


class TakesAFalseLoopForNone(OfThreads):
    """get() tests whether the loop is true, and not whether it is None"""

    breaks = 1

    class Resolver(Threads):
        def get(self):
            return super().get() or None


class HidesAClosedLoop(OfContextVars):
    """get() returns None if the bound loop is closed"""

    breaks = 1

    class Resolver(ContextVars):
        def get(self):
            loop = super().get()
            return None if loop is not None and loop.is_closed() else loop


class GetterRemembers(OfThreads):
    """getter() returns a closure that remembers the first loop it found"""

    breaks = 1
    also = (0, 2, 4, 5, 7, ALL_LAWS)

    class Resolver(Threads):
        def getter(self, miss):
            found = []

            def get_event_loop():
                if not found and (loop := self.get()) is not None:
                    found.append(loop)
                return found[0] if found else miss()

            return get_event_loop


# Law 2


class SharesBetweenContexts(OfThreads):
    """one attribute holds the loop of all threads"""

    breaks = 2
    also = (3, 4, 6, ALL_LAWS)
    sometimes = (7,)

    class Resolver(ContextResolver):
        bound: tuple = (None, 0)

        def get(self):
            loop, process = self.bound
            return loop if process == os.getpid() else None

        def set(self, loop):
            self.bound = (loop, os.getpid())


class InheritsTheBox(OfContextVars):
    """the variable holds a list that is changed in place, and a copied contextvars context has the same list"""

    breaks = 2
    sometimes = (ALL_LAWS,)

    class Resolver(ContextVars):
        def get(self):
            return self._box()[0] if self._box()[1:] == [threading.get_ident(), os.getpid()] else None

        def set(self, loop):
            if isinstance(self._bound.get(), list):
                self._box()[:] = [loop, threading.get_ident(), os.getpid()]
            else:
                self._bound.set([loop, threading.get_ident(), os.getpid()])

        def _box(self) -> list:
            return list(self._bound.get()) if isinstance(self._bound.get(), tuple) else self._bound.get()


class AsksTheParent(OfContextVars):
    """a child that has set nothing sees what its parent sets later"""

    breaks = 2
    also = (4, 6)
    sometimes = (ALL_LAWS,)

    class Resolver(ContextVars):
        def __init__(self):
            super().__init__()
            self._last = {}

        def get(self):
            loop, *owner = self._bound.get()
            return self._last.get(tuple(owner), loop) if owner == [threading.get_ident(), os.getpid()] else None

        def set(self, loop):
            super().set(loop)
            self._last[self._bound.get()[1:]] = loop


# Law 3


class InheritsUnsaid(OfContextVars):
    """the documentation says that new contexts start empty, but they inherit"""

    breaks = 3
    sometimes = (ALL_LAWS,)
    inherits = False
    Resolver = ContextVars


class SaysThatItInherits(OfThreads):
    """the documentation says that new contexts inherit, but they start empty"""

    breaks = 3
    sometimes = (ALL_LAWS,)
    inherits = True


class SaysThatThreadsInherit(OfContextVars):
    """the documentation says that new threads inherit, but they start empty"""

    breaks = 3
    sometimes = (ALL_LAWS,)
    thread_inherits = True


class InheritsWithoutTheLease(OfContextVars):
    """children inherit the leased loop, but the lease ends with the parent task"""

    breaks = 3
    also = (0, 5)
    sometimes = (ALL_LAWS,)

    class Resolver(Slots):
        def store(self, binding):
            if binding is not None and binding.lease is not None:
                asyncio.current_task().lease = binding.lease
                binding = binding._replace(lease=None)
            super().store(binding)

    def new_context(self):
        return task_context()


class InheritsWhatWasUnset(OfTasks):
    """a new task starts with the last loop that was set in its parent, even if that loop was unset since"""

    breaks = 3
    also = (6,)
    sometimes = (ALL_LAWS,)
    inherits = True

    class Resolver(Threads):
        def __init__(self):
            super().__init__()
            self._last = contextvars.ContextVar("last", default=(None, 0, 0))

        def get(self):
            if (task := present_task()) is None:
                return super().get()
            loop, *owner = getattr(task, "bound", None) or self._last.get()
            return loop if owner == [threading.get_ident(), os.getpid()] else None

        def set(self, loop):
            bound = (loop, threading.get_ident(), os.getpid())
            if loop is not None:
                self._last.set(bound)
            if task := present_task():
                task.bound = bound
            else:
                super().set(loop)


# Law 5


class ForgetsToUnbind(OfThreads):
    """set(None) does nothing"""

    breaks = 5
    also = (0, 2, 4, 6, 7, ALL_LAWS)

    class Resolver(Threads):
        def set(self, loop):
            if loop is not None:
                super().set(loop)


class UnbindsTheLease(OfSlots):
    """set(None) removes the lease as well"""

    breaks = 5
    also = (0, 3)
    sometimes = (ALL_LAWS,)

    class Resolver(Slots):
        def set(self, loop):
            if loop is None:
                self.store(None)
            else:
                super().set(loop)


class EndsTheLease(OfSlots):
    """set() of another loop ends the lease of the context"""

    breaks = 5
    also = (0, 3)
    sometimes = (ALL_LAWS,)

    class Resolver(Slots):
        def set(self, loop):
            if loop is not None:
                self.store(None)
            super().set(loop)
