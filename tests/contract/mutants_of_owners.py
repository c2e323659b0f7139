"""Resolvers that break law 4, 6 or 7."""

from __future__ import annotations

import contextvars
import os
import threading
import time
import weakref
from asyncio import AbstractEventLoop
from typing import ClassVar

from ctxpolicy import Binding, ContextResolver
from ctxpolicy.testing._errors import ALL_LAWS
from tests.contract.right import (
    ContextVars,
    OfContextVars,
    OfSlots,
    OfTasks,
    OfThreads,
    Slots,
    Threads,
    present_task,
    present_tenant,
    tenant_context,
)

# Law 4


class LeaksAcrossThreads(OfContextVars):
    """get() does not check which thread has bound the loop"""

    breaks = 4
    sometimes = (3, 7, ALL_LAWS)

    class Resolver(ContextVars):
        def get(self):
            loop, _, process = self._bound.get()
            return loop if process == os.getpid() else None


class SurvivesAFork(OfThreads):
    """get() does not check which process has bound the loop"""

    breaks = 4

    class Resolver(Threads):
        def get(self):
            return getattr(self._local, "bound", (None, 0))[0]


class ForgetsOneContextInAFork(OfContextVars):
    """after_fork() unbinds the loop of the context that forked, and of no other context"""

    breaks = 4

    class Resolver(ContextResolver):
        def __init__(self):
            self._bound = contextvars.ContextVar("bound", default=(None, 0))

        def get(self):
            loop, thread = self._bound.get()
            return loop if thread == threading.get_ident() else None

        def set(self, loop):
            self._bound.set((loop, threading.get_ident()))

        def after_fork(self):
            self.set(None)


class KeysByIdOfTask(OfTasks):
    """loops are kept in a dictionary by the id() of their task"""

    breaks = 6
    sometimes = (4, ALL_LAWS)  # if Python reuses the address of an earlier task

    class Resolver(ContextResolver):
        def __init__(self):
            self._loops = {}

        def get(self):
            loop, process, thread = self._loops.get(self._key(), (None, 0, 0))
            return loop if (process, thread) == (os.getpid(), threading.get_ident()) else None

        def set(self, loop):
            self._loops[self._key()] = (loop, os.getpid(), threading.get_ident())

        def _key(self):
            task = present_task()
            return threading.get_ident() if task is None else id(task)


class KeepsOwnersByIdOfLoop(OfThreads):
    """the thread that a loop belongs to is kept in a dictionary by the loop's id()"""

    breaks = 4
    sometimes = (0, 1, 2, 3, 5, 7, ALL_LAWS)

    class Resolver(Threads):
        def __init__(self):
            super().__init__()
            self._owners = {}

        def get(self):
            loop = super().get()
            return loop if self._owners.get(id(loop)) == threading.get_ident() else None

        def set(self, loop):
            self._owners.setdefault(id(loop), threading.get_ident())
            super().set(loop)


# Law 6


class KeepsEveryLoop(OfThreads):
    """a list keeps every loop that was ever bound"""

    breaks = 6

    class Resolver(Threads):
        def __init__(self):
            super().__init__()
            self._history = []

        def set(self, loop):
            self._history.append(loop)
            super().set(loop)


class KeysByThreadIdent(OfThreads):
    """loops are kept in a dictionary by thread ident, from which nothing removes them when the thread ends"""

    breaks = 6
    also = (4,)
    sometimes = (ALL_LAWS,)

    class Resolver(ContextResolver):
        def __init__(self):
            self._loops = {}

        def get(self):
            return self._loops.get((os.getpid(), threading.get_ident()))

        def set(self, loop):
            self._loops[os.getpid(), threading.get_ident()] = loop


class KeepsEveryThread(OfThreads):
    """a set keeps every thread in which a loop was ever bound"""

    breaks = 6

    class Resolver(Threads):
        def __init__(self):
            super().__init__()
            self._seen = set()

        def set(self, loop):
            self._seen.add(threading.current_thread())
            super().set(loop)


class KeepsEveryTenant(OfThreads):
    """a dictionary keeps a tenant alive after set(None)"""

    breaks = 6
    also = (8,)

    class Resolver(Threads):
        def __init__(self):
            super().__init__()
            self._unset = {}

        def get(self):
            if (tenant := present_tenant.get()) is None:
                return super().get()
            loop, *owner = tenant.slot or (None, 0, 0)
            return loop if owner == [threading.get_ident(), os.getpid()] else None

        def set(self, loop):
            if (tenant := present_tenant.get()) is None:
                super().set(loop)
            else:
                tenant.slot = (loop, threading.get_ident(), os.getpid())
                if loop is None:
                    self._unset[tenant] = True

    def new_context(self):
        return tenant_context()


class PinsItsKeys(OfTasks):
    """a weak dictionary by task has values (loops) that refer to their keys"""

    breaks = 6
    also = (4,)
    sometimes = (ALL_LAWS,)

    class Resolver(Threads):
        def __init__(self):
            super().__init__()
            self._loops = weakref.WeakKeyDictionary()

        def get(self):
            return self._loops.get(task) if (task := present_task()) else super().get()

        def set(self, loop):
            if task := present_task():
                self._loops[task] = loop
            else:
                super().set(loop)

        def after_fork(self):
            self._loops.clear()


class KeepsEveryLease(OfSlots):
    """a list keeps every binding, and with it the lease"""

    breaks = 6

    class Resolver(Slots):
        def __init__(self):
            super().__init__()
            self._history = []

        def store(self, binding):
            self._history.append(binding)
            super().store(binding)


class RegistersItself(OfThreads):
    """a list keeps every resolver, for a hook after a fork"""

    breaks = 6

    class Resolver(Threads):
        made: ClassVar[list] = []

        def __init__(self):
            super().__init__()
            self.made.append(self)


class MakesAVariablePerSet(OfContextVars):
    """each set() makes a new context variable"""

    breaks = 6

    class Resolver(ContextVars):
        def set(self, loop):
            contextvars.ContextVar("bound before").set(None)
            super().set(loop)


# Law 7

# Seconds, enough for another thread to run first. After sleep(0) the same thread may continue, even to its end.
WINDOW = 0.0001


class Races(OfThreads):
    """set() passes the loop through an attribute that all threads share"""

    breaks = 7
    also = (6,)

    class Resolver(Threads):
        handed_on: AbstractEventLoop | None = None

        def set(self, loop):
            self.handed_on = loop
            time.sleep(WINDOW)
            super().set(self.handed_on)


class RacesInGet(OfSlots):
    """load() passes the binding through an attribute that all threads share"""

    breaks = 7
    also = (6,)

    class Resolver(Slots):
        found: Binding | None = None

        def load(self):
            self.found = super().load()
            time.sleep(WINDOW)
            return self.found


class LeaksIntoNewThreads(OfContextVars):
    """a new thread inherits the loop, but the description says only that a thread that enters a context is handed it"""

    breaks = 7
    needs = "thread_inherit_context"
    any_thread = True

    class Resolver(ContextVars):
        def get(self):
            loop, _, process = self._bound.get()
            return loop if process == os.getpid() else None
