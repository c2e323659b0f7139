"""The simplest resolver with slots: it has one slot, for all contexts and threads."""

from __future__ import annotations

from ctxpolicy import Binding, SlotResolver

__all__ = ["OneSlot"]


class OneSlot(SlotResolver):
    """One slot, for all contexts and threads."""

    slot: Binding | None = None

    def load(self):
        return self.slot

    def store(self, binding):
        self.slot = binding
