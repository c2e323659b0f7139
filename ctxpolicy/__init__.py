"""Event loop policies for asyncio whose notion of a context is pluggable."""

from ctxpolicy._binding import Binding, Lease
from ctxpolicy._explain import Explanation, explain
from ctxpolicy._install import Installation, install, using
from ctxpolicy._policy import ContextPolicy
from ctxpolicy._registry import Registration, get_resolver, resolvers
from ctxpolicy._runner import Runner, run
from ctxpolicy._version import __version__
from ctxpolicy.errors import (
    CtxPolicyError,
    InstallationError,
    LoopFactoryError,
    NoCurrentLoopError,
    NotALoopError,
    OptionError,
    PluginError,
    ResolverError,
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

__all__ = [
    "Binding",
    "ChainResolver",
    "ContextPolicy",
    "ContextResolver",
    "ContextVarResolver",
    "CtxPolicyError",
    "DelegatingResolver",
    "Explanation",
    "GreenletResolver",
    "Installation",
    "InstallationError",
    "KeyedResolver",
    "Lease",
    "LoopFactoryError",
    "NoCurrentLoopError",
    "NotALoopError",
    "OptionError",
    "PluginError",
    "ProcessResolver",
    "Registration",
    "ResolverError",
    "Runner",
    "SlotResolver",
    "TaskResolver",
    "ThreadResolver",
    "UnknownNameError",
    "__version__",
    "explain",
    "get_resolver",
    "install",
    "resolvers",
    "run",
    "using",
]
