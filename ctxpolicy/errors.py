"""The exceptions of ctxpolicy: one root class, and subclasses that also have the type that callers of asyncio expect.

    CtxPolicyError
     +-- NoCurrentLoopError     (RuntimeError)               the context has no loop, and none may be created
     +-- NotALoopError          (TypeError, AssertionError)  set_event_loop() was not given an event loop
     +-- LoopFactoryError       (RuntimeError)               a loop factory raised, or returned no usable loop
     +-- NewLoopRefusedError    (RuntimeError)               a new loop could not run here
     +-- ResolverError          (RuntimeError)               a resolver broke its contract
     +-- InstallationError      (RuntimeError)               a policy cannot be put in force or taken out of force now
     +-- ScopeError             (RuntimeError)               a scope is left in the wrong context or order
     +-- BlockingError          (RuntimeError)               blocking here is not allowed, or would never end
     +-- ForeignFutureError     (RuntimeError)               an object of another loop was awaited
     +-- LoopLocalError         (RuntimeError)               a resource was requested in a loop that was shut down
     +-- UnknownNameError       (LookupError)                no resolver or loop factory has this name
     +-- OptionError            (TypeError)                  an option is missing, unknown, or of the wrong type
     +-- PluginError            (ImportError)                a registered resolver cannot be loaded

Each message names the context and the thread where they matter, and says how to fix the problem.
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
    """The base class of all exceptions of ctxpolicy."""


class NoCurrentLoopError(CtxPolicyError, RuntimeError):
    """No loop is bound to the present context, and the policy may not create one."""


class NotALoopError(CtxPolicyError, TypeError, AssertionError):
    """``set_event_loop()`` was given an object that is neither an event loop nor ``None``.

    This is also an ``AssertionError``, because asyncio raises that on Python 3.10 (``TypeError`` from 3.11 on).
    """


class LoopFactoryError(CtxPolicyError, RuntimeError):
    """A loop factory raised, or returned an object that is not an open event loop."""


class NewLoopRefusedError(CtxPolicyError, RuntimeError):
    """A new loop is refused, because it could not run here."""


class ResolverError(CtxPolicyError, RuntimeError):
    """A resolver broke its contract."""


class InstallationError(CtxPolicyError, RuntimeError):
    """A policy cannot be put in force, or taken out of force, in the present state of the process."""


class ScopeError(CtxPolicyError, RuntimeError):
    """A scope is left in another context than it was entered in, or before a scope that was entered inside it."""


class BlockingError(CtxPolicyError, RuntimeError):
    """Blocking here until a loop is done is not allowed, or would never end."""


class ForeignFutureError(CtxPolicyError, RuntimeError):
    """A future or another object that belongs to one loop was awaited in another loop."""


class LoopLocalError(CtxPolicyError, RuntimeError):
    """A resource was requested in a loop that has been shut down."""


class UnknownNameError(CtxPolicyError, LookupError):
    """No resolver or loop factory has this name."""


class OptionError(CtxPolicyError, TypeError):
    """An option is missing, unknown, or of the wrong type."""


class PluginError(CtxPolicyError, ImportError):
    """A registered resolver cannot be loaded, or two distributions register the same name."""
