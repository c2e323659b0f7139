"""A plugin that puts asyncio's policy API back where there is none: pytest-asyncio 1.5 asks for it there too."""

from ctxpolicy.compat import restore_policies

restore_policies()
