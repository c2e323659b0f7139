"""A plugin that restores asyncio's policy API on a Python without it, because pytest-asyncio 1.5 needs this API."""

from ctxpolicy.compat import restore_policies

restore_policies()
