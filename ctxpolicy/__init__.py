"""Event loop policies for asyncio whose notion of a context is pluggable."""

from typing import TYPE_CHECKING

from ctxpolicy._binding import Binding, Lease
from ctxpolicy._install import Installation, install, using
from ctxpolicy._policy import ContextPolicy
from ctxpolicy._registry import Registration, get_resolver, resolvers
from ctxpolicy._runner import Runner, run
from ctxpolicy._version import __version__
from ctxpolicy.errors import (
    BlockingError,
    CtxPolicyError,
    ForeignFutureError,
    InstallationError,
    LoopFactoryError,
    LoopLocalError,
    NewLoopRefusedError,
    NoCurrentLoopError,
    NotALoopError,
    OptionError,
    PluginError,
    ResolverError,
    ScopeError,
    UnknownNameError,
)
from ctxpolicy.resolvers.base import ContextResolver
from ctxpolicy.resolvers.chain import ChainResolver
from ctxpolicy.resolvers.contextvar import ContextVarResolver
from ctxpolicy.resolvers.delegating import DelegatingResolver
from ctxpolicy.resolvers.greenlet import GreenletResolver
from ctxpolicy.resolvers.keyed import KeyedResolver
from ctxpolicy.resolvers.process import ProcessResolver
from ctxpolicy.resolvers.slot import SlotResolver
from ctxpolicy.resolvers.task import TaskResolver
from ctxpolicy.resolvers.thread import ThreadResolver

# What many programs never need is imported when it is asked for: a fifth of the time that the import takes.
if TYPE_CHECKING:
    from ctxpolicy._explain import Explanation, explain
    from ctxpolicy._lifetime.blocking import block_on
    from ctxpolicy._lifetime.executor import ContextThreadPoolExecutor
    from ctxpolicy._lifetime.isolate import close_isolate_pool, isolate
    from ctxpolicy._lifetime.loop_local import LoopLocal
    from ctxpolicy._lifetime.scope import fresh_loop
else:
    _LATER = {
        "ContextThreadPoolExecutor": "_lifetime.executor",
        "Explanation": "_explain",
        "LoopLocal": "_lifetime.loop_local",
        "block_on": "_lifetime.blocking",
        "close_isolate_pool": "_lifetime.isolate",
        "explain": "_explain",
        "fresh_loop": "_lifetime.scope",
        "isolate": "_lifetime.isolate",
    }

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATER})


__all__ = [
    "Binding",
    "BlockingError",
    "ChainResolver",
    "ContextPolicy",
    "ContextResolver",
    "ContextThreadPoolExecutor",
    "ContextVarResolver",
    "CtxPolicyError",
    "DelegatingResolver",
    "Explanation",
    "ForeignFutureError",
    "GreenletResolver",
    "Installation",
    "InstallationError",
    "KeyedResolver",
    "Lease",
    "LoopFactoryError",
    "LoopLocal",
    "LoopLocalError",
    "NewLoopRefusedError",
    "NoCurrentLoopError",
    "NotALoopError",
    "OptionError",
    "PluginError",
    "ProcessResolver",
    "Registration",
    "ResolverError",
    "Runner",
    "ScopeError",
    "SlotResolver",
    "TaskResolver",
    "ThreadResolver",
    "UnknownNameError",
    "__version__",
    "block_on",
    "close_isolate_pool",
    "explain",
    "fresh_loop",
    "get_resolver",
    "install",
    "isolate",
    "resolvers",
    "run",
    "using",
]
