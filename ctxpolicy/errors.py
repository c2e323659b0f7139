"""What ctxpolicy raises: one root, and below it classes that are also what asyncio's callers expect.

    CtxPolicyError
     +-- NoCurrentLoopError     (RuntimeError)               no loop is bound here, and none may be made
     +-- NotALoopError          (TypeError, AssertionError)  set_event_loop() was given something else
     +-- LoopFactoryError       (RuntimeError)               a loop factory raised, or made no usable loop
     +-- NewLoopRefusedError    (RuntimeError)               no loop can be made here
     +-- ResolverError          (RuntimeError)               a resolver broke its contract
     +-- InstallationError      (RuntimeError)               install, using or their undo cannot be done as things are
     +-- ScopeError             (RuntimeError)               a scope is left where or when it cannot be
     +-- BlockingError          (RuntimeError)               waiting here for a loop could not end, or is not allowed
     +-- ForeignFutureError     (RuntimeError)               something of another loop was awaited
     +-- LoopLocalError         (RuntimeError)               a resource is asked for in a loop that was shut down
     +-- UnknownNameError       (LookupError)                no resolver or loop factory has this name
     +-- OptionError            (TypeError)                  an option is missing, unknown, or of the wrong kind
     +-- PluginError            (ImportError)                a registered resolver cannot be loaded

Each message names the context and the thread where they matter, and what to do.
"""

from __future__ import annotations

__all__ = [
    "BlockingError",
    "CtxPolicyError",
    "ForeignFutureError",
    "InstallationError",
    "LoopFactoryError",
    "LoopLocalError",
    "NewLoopRefusedError",
    "NoCurrentLoopError",
    "NotALoopError",
    "OptionError",
    "PluginError",
    "ResolverError",
    "ScopeError",
    "UnknownNameError",
]


class CtxPolicyError(Exception):
    """The root of all that ctxpolicy raises."""


class NoCurrentLoopError(CtxPolicyError, RuntimeError):
    """No loop is bound to the present context, and the policy may not make one."""


class NotALoopError(CtxPolicyError, TypeError, AssertionError):
    """Something that is neither an event loop nor ``None`` was to be bound.

    It is an ``AssertionError`` too, because that is what asyncio raises here on Python 3.10 (``TypeError`` from 3.11).
    """


class LoopFactoryError(CtxPolicyError, RuntimeError):
    """A loop factory raised, or what it made is not an open event loop."""


class NewLoopRefusedError(CtxPolicyError, RuntimeError):
    """No loop can be made here, because it could not run."""


class ResolverError(CtxPolicyError, RuntimeError):
    """A resolver broke its contract."""


class InstallationError(CtxPolicyError, RuntimeError):
    """A policy cannot be put in force, or taken out of it, as things are."""


class ScopeError(CtxPolicyError, RuntimeError):
    """A scope is left in another context than it was entered in, or before one that was entered in it."""


class BlockingError(CtxPolicyError, RuntimeError):
    """Waiting here for a loop is not allowed, or could never end."""


class ForeignFutureError(CtxPolicyError, RuntimeError):
    """A future or another resource of one loop was awaited in another one."""


class LoopLocalError(CtxPolicyError, RuntimeError):
    """A resource is asked for in a loop that has been shut down."""


class UnknownNameError(CtxPolicyError, LookupError):
    """No resolver or loop factory is known by this name."""


class OptionError(CtxPolicyError, TypeError):
    """An option is missing, unknown, or of the wrong kind."""


class PluginError(CtxPolicyError, ImportError):
    """A registered resolver cannot be loaded, or its name is claimed twice."""
