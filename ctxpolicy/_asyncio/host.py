"""The host: how a policy is put in force in the asyncio of this Python.

The host is chosen by what asyncio offers, not by the version of Python alone:

* asyncio has policies (Python 3.10 to 3.15): our policy becomes asyncio's policy, without the warnings of 3.14.
* asyncio has none (3.16): our policy stands behind ``asyncio.events._local`` and ``new_event_loop``.
* asyncio has neither: nothing can be installed, and the error says why.
"""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop, events
from typing import Final, Protocol

from ctxpolicy._asyncio.capabilities import HAS_POLICIES, PolicyBase
from ctxpolicy._asyncio.host_316 import Host316
from ctxpolicy.errors import InstallationError

__all__ = ["Host", "Policy", "host"]


class Policy(Protocol):
    """The methods of a policy that asyncio calls."""

    def get_event_loop(self) -> AbstractEventLoop: ...
    def set_event_loop(self, loop: AbstractEventLoop | None) -> None: ...
    def new_event_loop(self) -> AbstractEventLoop: ...


class Host(Protocol):
    """Puts a policy in force for the whole process.

    Attributes:
        name: the name of the mechanism, for ``explain``.
        default: the policy that ``force(None)`` puts in force; ``None``: asyncio's own default.
    """

    name: str
    default: Policy | None

    def in_force(self) -> Policy | None:
        """Return the policy in force; ``None``: asyncio's default policy, which may not exist yet."""

    def force(self, policy: Policy | None) -> None:
        """Put ``policy`` in force; ``None``: the default."""

    # Returns asyncio's default policy, and creates it if necessary.
    def asyncio_policy(self) -> Policy: ...

    def after_fork(self) -> None:
        """Put the policy in force again; called in a forked child."""


class _PolicyHost:
    """Python 3.10 to 3.15: the policy is asyncio's policy.

    asyncio's public functions are not used: from 3.14 on they warn, and the getter creates a default policy.
    """

    name = "asyncio's policy system"
    default: Policy | None = None

    def in_force(self) -> Policy | None:
        policy: Policy | None = events._event_loop_policy  # type: ignore[attr-defined]  # private
        return policy

    def force(self, policy: Policy | None) -> None:
        events._event_loop_policy = policy  # type: ignore[attr-defined]  # private

    def asyncio_policy(self) -> Policy:
        if events._event_loop_policy is None:  # type: ignore[attr-defined]  # private
            events._init_event_loop_policy()  # type: ignore[attr-defined]  # private
        policy: Policy = events._event_loop_policy  # type: ignore[attr-defined]  # private
        return policy

    def after_fork(self) -> None:
        pass


class _NoHost:
    """asyncio has neither policies nor ``events._local``. A program that only imports ctxpolicy keeps working."""

    name = "none"
    default: Policy | None = None

    def in_force(self) -> Policy | None:
        return None

    def force(self, policy: Policy | None) -> None:
        raise InstallationError(
            f"asyncio of Python {sys.version.split()[0]} has neither event loop policies nor asyncio.events._local: "
            "this version of ctxpolicy cannot be installed on it. Look for a newer ctxpolicy."
        )

    def asyncio_policy(self) -> Policy:
        return PolicyBase()

    def after_fork(self) -> None:
        pass


def _find_host() -> Host:
    if HAS_POLICIES:
        return _PolicyHost()
    if hasattr(events, "_local") and hasattr(events, "_get_event_loop"):
        return Host316()
    return _NoHost()


host: Final[Host] = _find_host()
