"""Make ContextPolicy asyncio's default policy in every process that has this folder on its PYTHONPATH.

It is not enough to set the policy at the start: CPython's tests call `asyncio.set_event_loop_policy(None)` at their
end, instantiate `asyncio.DefaultEventLoopPolicy` and subclass it. All of these must lead to ContextPolicy. asyncio
looks its default policy class up by name (`asyncio.events._init_event_loop_policy`) when it is asked for the first
time. Replacing the names before that moment is therefore enough.
"""

from __future__ import annotations

import os
import sys

RESOLVER = os.environ.get("CTXPOLICY_DEFAULT_RESOLVER")


def make_default(resolver: str) -> None:
    """Replace asyncio's default policy class by a ContextPolicy with this resolver."""
    import asyncio

    from ctxpolicy import ContextPolicy

    class DefaultEventLoopPolicy(ContextPolicy):
        def __init__(self) -> None:
            super().__init__(resolver)

    platform = asyncio.windows_events if sys.platform == "win32" else asyncio.unix_events
    if sys.version_info >= (3, 14):
        platform._DefaultEventLoopPolicy = DefaultEventLoopPolicy
    else:
        platform.DefaultEventLoopPolicy = asyncio.DefaultEventLoopPolicy = DefaultEventLoopPolicy
    DefaultEventLoopPolicy()  # if the resolver cannot be made, fail here


if RESOLVER:
    try:
        make_default(RESOLVER)
    except BaseException as error:
        # `site` only prints any other exception. The tests would then pass without ContextPolicy.
        raise SystemExit(f"sitecustomize: no default policy with resolver {RESOLVER!r}: {error!r}") from error
