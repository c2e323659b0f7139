"""Make ContextPolicy asyncio's default policy in every process that has this folder on its PYTHONPATH.

The default, and not only the policy set at the start: CPython's tests end with `asyncio.set_event_loop_policy(None)`,
make `asyncio.DefaultEventLoopPolicy()` and subclass it, and all of these must meet ours. Before asyncio's own policy is
asked for the first time, it is enough to replace the names that asyncio looks it up by (`asyncio.events`,
`_init_event_loop_policy`).
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
    DefaultEventLoopPolicy()  # a resolver that cannot be made must be heard of here


if RESOLVER:
    try:
        make_default(RESOLVER)
    except BaseException as error:
        # `site` prints any other exception and goes on: the tests would pass without what they are to test.
        raise SystemExit(f"sitecustomize: no default policy with resolver {RESOLVER!r}: {error!r}") from error
