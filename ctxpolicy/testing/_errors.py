"""The laws, and the errors that the tests of the contract raise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["ALL_LAWS", "LAWS", "BrokenLawError", "DescriptionError", "label", "numbered"]

LAWS: Final = (
    "each method behaves as its docstring says; for example, get() returns None if no loop is bound, and makes no loop",
    "after set(x), get() is x in the same context, until the next set there",
    "a set in one context never changes get() in another context that already exists",
    "a new context starts as the documentation (here: the description) says, and inherits a lease with its loop",
    "a loop is handed out only where it may be used: not in another thread, nor in a forked child",
    "set(None) removes the loop that was set, and a lease that has not ended is bound again",
    "no resolver keeps a loop, task or context alive after its last user is gone",
    "all laws hold under many threads at once, and with -X thread_inherit_context=1",
    "several threads may be in one context at once: none unbinds or closes the loop that another one uses there",
    "after random steps, each context has the loop that a plain model has for it",
)
ALL_LAWS: Final = len(LAWS) - 1


class BrokenLawError(AssertionError):
    """A resolver broke a law of the contract.

    Attributes:
        law: the number of the law; 0 for the rules about single methods; ``ALL_LAWS`` if the resolver differs from the
            model.
    """

    def __init__(self, law: int, message: str) -> None:
        super().__init__(message)
        self.law = law


class DescriptionError(BrokenLawError):
    """The description of a resolver's contexts is wrong, or cannot be used."""


def label(law: int) -> str:
    """Return the name of a law for messages."""
    if law == 0:
        return f"the contract of the methods ({LAWS[law]})"
    return f"the laws together ({LAWS[law]})" if law == ALL_LAWS else f"law {law} ({LAWS[law]})"


def numbered(steps: Sequence[str]) -> list[str]:
    """Return the steps as numbered lines of a message."""
    return [f"  {number}. {step}" for number, step in enumerate(steps, 1)]
