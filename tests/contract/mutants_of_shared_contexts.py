"""Resolvers that break law 8."""

from __future__ import annotations

import os
import threading

from ctxpolicy import Binding
from ctxpolicy._loops.lease import Lease
from ctxpolicy.resolvers.slot import SlotBindings
from ctxpolicy.testing._errors import ALL_LAWS
from tests.contract.right import OfSharedTenants, OfTenants, SharedTenants, Tenants, Threads, present_tenant


class HasOneBindingForAllThreads(OfTenants):
    """a tenant has one binding for all threads: a set in another thread replaces it"""

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
    """store() copies the binding without the bindings of other threads that it carries"""

    breaks = 8

    class Resolver(Tenants):
        def store(self, binding):
            super().store(binding and Binding(*binding))


class UnbindsForAllThreads(OfTenants):
    """set(None) empties the slot, which has the bindings of other threads too"""

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
    """threads share a loop, but is_thread_exclusive() tells isolate() that they do not"""

    breaks = 8

    class Resolver(SharedTenants):
        @property
        def bindings(self):
            return self._reporting(_Exclusive(self))


class _Exclusive(SlotBindings):
    def is_thread_exclusive(self):
        return True


class LeasesOnePerThread(OfSharedTenants):
    """lease() checks whether a loop is bound, and leases one, without a lock"""

    breaks = 8

    class Resolver(SharedTenants):
        @property
        def bindings(self):
            return self._reporting(_InTwoSteps(self))


class _InTwoSteps(SlotBindings):
    _leasing = threading.Condition()
    _threads = 0

    def lease(self, factory):
        loop = self._resolver.get()
        if loop is None:
            lease = Lease(self._resolver.describe())
            loop = lease.open(factory)
            self._wait_for_another_thread()
            self._resolver.store(lease.binding())
        return loop

    @classmethod
    def _wait_for_another_thread(cls):
        """Wait until another thread has found no loop either, if one comes: nothing else makes the race certain."""
        with cls._leasing:
            cls._threads += 1
            cls._leasing.notify_all()
            cls._leasing.wait_for(lambda: cls._threads > 1, timeout=0.05)
            cls._threads -= 1
