"""Event loop policies for asyncio with a pluggable notion of context.

A module is imported when one of its names is first used (PEP 562): ``import ctxpolicy`` imports neither asyncio nor any
module of this package. This keeps a pytest run that does not use ctxpolicy fast. It also lets ``python -m ctxpolicy
run`` move the program's folder on ``sys.path`` before any module of the standard library is imported.
"""

TYPE_CHECKING = False  # not typing.TYPE_CHECKING, because importing typing takes longer than the rest of this module

if TYPE_CHECKING:
    from ctxpolicy._bridge.block_on import block_on
    from ctxpolicy._bridge.executor import ContextThreadPoolExecutor
    from ctxpolicy._bridge.isolate import close_isolate_pool, isolate
    from ctxpolicy._explain.explain import explain
    from ctxpolicy._explain.report import Explanation
    from ctxpolicy._lifetime.fresh_loop import fresh_loop
    from ctxpolicy._lifetime.loop_local import LoopLocal
    from ctxpolicy._loops.lease import Binding, Lease
    from ctxpolicy._policy.install import Installation, install
    from ctxpolicy._policy.policy import ContextPolicy
    from ctxpolicy._policy.runner import Runner, run
    from ctxpolicy._policy.using import using
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
    from ctxpolicy.resolvers._entry_points import Registration, registered_resolvers
    from ctxpolicy.resolvers._registry import get_resolver
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
    "registered_resolvers",
    "run",
    "using",
]

# The public names, each under the module that defines it. Type checkers cannot read this table, and therefore need the
# imports above and the literal `__all__`. A test compares the table with both, and with the reference in the docs.
_MODULES = {
    "_bridge.block_on": ["block_on"],
    "_bridge.executor": ["ContextThreadPoolExecutor"],
    "_bridge.isolate": ["close_isolate_pool", "isolate"],
    "_explain.explain": ["explain"],
    "_explain.report": ["Explanation"],
    "_lifetime.fresh_loop": ["fresh_loop"],
    "_lifetime.loop_local": ["LoopLocal"],
    "_loops.lease": ["Binding", "Lease"],
    "_policy.install": ["Installation", "install"],
    "_policy.policy": ["ContextPolicy"],
    "_policy.runner": ["Runner", "run"],
    "_policy.using": ["using"],
    "_version": ["__version__"],
    "errors": [name for name in __all__ if name.endswith("Error")],
    "resolvers._entry_points": ["Registration", "registered_resolvers"],
    "resolvers._registry": ["get_resolver"],
    "resolvers.base": ["ContextResolver"],
    "resolvers.chain": ["ChainResolver"],
    "resolvers.contextvar": ["ContextVarResolver"],
    "resolvers.delegating": ["DelegatingResolver"],
    "resolvers.greenlet": ["GreenletResolver"],
    "resolvers.keyed": ["KeyedResolver"],
    "resolvers.process": ["ProcessResolver"],
    "resolvers.slot": ["SlotResolver"],
    "resolvers.task": ["TaskResolver"],
    "resolvers.thread": ["ThreadResolver"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


# Hidden from type checkers, which would otherwise accept every misspelled name as an object.
if not TYPE_CHECKING:  # pragma: no branch - always true at run time

    def __getattr__(name: str) -> object:
        module = _MODULE_OF.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
