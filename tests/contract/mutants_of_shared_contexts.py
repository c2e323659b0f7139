"""Resolvers that break law 8."""

from __future__ import annotations

import os
import threading
import time

from ctxpolicy import Binding
from ctxpolicy._loops.lease import Lease
from ctxpolicy.resolvers.slot import SlotBindings
from ctxpolicy.testing._errors import ALL_LAWS
from tests.contract.mutants_of_owners import WINDOW
from tests.contract.right import OfSharedTenants, OfTenants, SharedTenants, Tenants, Threads, present_tenant


class HasOneBindingForAllThreads(OfTenants):
    """a tenant has one binding, which names its thread: what another thread sets replaces it"""

    breaks = 8

    class Resolver(Threads):
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


class ForgetsOtherThreads(OfTenants):
    """store() makes the binding anew, and forgets the bindings of the other threads that are in it"""

    breaks = 8

    class Resolver(Tenants):
        def store(self, binding):
            super().store(binding and Binding(*binding))


class UnbindsForAllThreads(OfTenants):
    """set(None) empties the slot, in which other threads have bindings too"""

    breaks = 8
    also = (0, 5)
    sometimes = (ALL_LAWS,)

    class Resolver(Tenants):
        def set(self, loop):
            if loop is None:
                self.store(None)
            else:
                super().set(loop)


class SaysThatItIsExclusive(OfSharedTenants):
    """threads share a loop, and isolate() is told that no other thread is in the context"""

    breaks = 8

    class Resolver(SharedTenants):
        @property
        def bindings(self):
            return self._reporting(_Exclusive(self))


class _Exclusive(SlotBindings):
    def is_thread_exclusive(self):
        return True


class LeasesOneForEach(OfSharedTenants):
    """whether a loop is bound is asked, and a loop is leased, in two steps"""

    breaks = 8

    class Resolver(SharedTenants):
        @property
        def bindings(self):
            return self._reporting(_InTwoSteps(self))


class _InTwoSteps(SlotBindings):
    def lease(self, factory):
        loop = self._resolver.get()
        if loop is None:
            lease = Lease(self._resolver.describe())
            loop = lease.open(factory)
            time.sleep(WINDOW)
            self._resolver.store(lease.binding())
        return loop
