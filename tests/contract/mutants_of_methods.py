"""Resolvers that break a rule of the contract about a single method."""

from __future__ import annotations

from ctxpolicy import Binding
from ctxpolicy.resolvers.slot import SlotBindings
from ctxpolicy.testing import StandInLoop
from ctxpolicy.testing._errors import ALL_LAWS
from tests.contract.right import ContextVars, OfContextVars, OfSlots, OfThreads, Slots, Threads


class RaisesIfNothingIsBound(OfThreads):
    """get() raises LookupError if nothing is bound"""

    breaks = 0
    also = (2, 3, 4, 5, 7, ALL_LAWS)

    class Resolver(Threads):
        def get(self):
            loop = super().get()
            if loop is None:
                raise LookupError("no loop")
            return loop


class MakesALoopInGet(OfThreads):
    """get() makes a loop if nothing is bound"""

    breaks = 0
    also = (2, 3, 4, 5, 7, ALL_LAWS)

    class Resolver(Threads):
        def get(self):
            if super().get() is None:
                self.set(StandInLoop("made in get()"))
            return super().get()


class NewBinds(OfThreads):
    """new() binds the loop that it makes"""

    breaks = 0

    class Resolver(Threads):
        def new(self):
            loop = super().new()
            self.set(loop)
            return loop


class SaysNothing(OfThreads):
    """describe() returns an empty string"""

    breaks = 0

    class Resolver(Threads):
        def describe(self):
            return ""


class UnbindsWhenUninstalled(OfContextVars):
    """uninstalled() unbinds the loop that was bound before the installation"""

    breaks = 0

    class Resolver(ContextVars):
        def uninstalled(self):
            self.set(None)


class IsMadeOnce(OfContextVars):
    """make_resolver() returns the same resolver each time"""

    breaks = 0
    also = (6,)
    made = ContextVars()

    def make_resolver(self):
        return self.made


class ClosesWhatItReplaces(OfContextVars):
    """set() closes the loop that was bound before"""

    breaks = 0

    class Resolver(ContextVars):
        def set(self, loop):
            before = self.get()
            if before is not None and before is not loop:
                before.close()
            super().set(loop)


class BindsAnything(OfContextVars):
    """setter() returns set() itself, which also binds objects that are not event loops"""

    breaks = 0

    class Resolver(ContextVars):
        def setter(self, other):
            return self.set


class IsNotCleared(OfSlots):
    """store(None) does nothing; therefore clear() leaves the loop bound"""

    breaks = 0

    class Resolver(Slots):
        def store(self, binding):
            if binding is not None:
                super().store(binding)


class DropsTheScope(OfSlots):
    """store() copies the binding without its scope"""

    breaks = 0

    class Resolver(Slots):
        def store(self, binding):
            super().store(binding and Binding(*binding[:3], lease=binding.lease, where=binding.where))


class ForgetsWhatWasBeforeTheScope(OfSlots):
    """leave_scope() leaves nothing bound"""

    breaks = 0

    class Resolver(Slots):
        @property
        def bindings(self):
            return self._reporting(_Forgetful(self))


class _Forgetful(SlotBindings):
    def leave_scope(self, token):
        self._resolver.store(None)


class ReportsNoLeases(OfSlots):
    """bindings has no report of changes; therefore binding_changed() is not called for leases and scopes"""

    breaks = 0

    class Resolver(Slots):
        @property
        def bindings(self):
            return SlotBindings(self)
