"""Replaces the policy system of asyncio by the code with which 3.16 keeps the current loop."""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PYTHONS: Final = ((3, 14), (3, 15))
_MODULES: Final = ("asyncio", "asyncio.events", "asyncio.unix_events", "asyncio.windows_events")
_KEPT: Final = {
    "_py_get_event_loop": "get_event_loop",
    "set_event_loop": "set_event_loop",
    "new_event_loop": "new_event_loop",
    "on_fork": "on_fork",
}


class EmulationError(RuntimeError):
    """This process cannot emulate the asyncio of Python 3.16; the message says why and what to do."""


def is_active() -> bool:
    """Return whether this process runs on an emulated 3.16 asyncio."""
    # Nothing else adds or removes this name: a host replaces _local, and compat restores the public names.
    events = sys.modules.get("asyncio.events")
    return sys.version_info[:2] in _PYTHONS and hasattr(events, "_get_event_loop")


def activate() -> None:
    """Reshape asyncio to that of Python 3.16. Further calls change nothing.

    Raises:
        EmulationError: this Python is not 3.14 or 3.15, or the policy system is in use already. Nothing is changed
            then.
    """
    if sys.version_info[:2] not in _PYTHONS:
        version = ".".join(map(str, sys.version_info[:2]))
        raise EmulationError(f"only Python 3.14 and 3.15 can emulate the asyncio of 3.16; this is Python {version}")
    import asyncio.events  # not at the top: asyncio without its C code can be selected only before the first import

    if not is_active():
        _refuse_when_in_use(asyncio.events)
        _reshape(asyncio, asyncio.events)


def _reshape(asyncio: ModuleType, events: ModuleType) -> None:
    from . import _events_316

    namespace = vars(events)
    policy_getter = namespace["_get_event_loop_policy"]
    for module in _modules():
        _remove_policies(module)
    del asyncio.__getattr__  # it provides the policy classes only
    del namespace["_lock"]
    namespace["_Local"] = _events_316._Local
    namespace["_local"] = _events_316._Local()
    namespace["_get_event_loop"] = FunctionType(_events_316._get_event_loop.__code__, namespace)
    for name, source in _KEPT.items():
        _swap_code(namespace.get(name), getattr(_events_316, source))
    _steer(policy_getter, namespace["_get_event_loop"])


def _modules() -> list[ModuleType]:
    return [sys.modules[name] for name in _MODULES if name in sys.modules]


def _is_policy_name(name: str) -> bool:
    return "policy" in name.lower()


def _remove_policies(module: ModuleType) -> None:
    for name in list(filter(_is_policy_name, vars(module))):
        delattr(module, name)
    public: tuple[str, ...] = vars(module)["__all__"]
    vars(module)["__all__"] = tuple(name for name in public if not _is_policy_name(name))


def _swap_code(function: FunctionType | None, source: FunctionType) -> None:
    # The code is replaced, not the function: other modules have imported the function, and the fork handler cannot
    # be unregistered.
    if function is not None:  # on_fork is missing where there is no fork
        function.__code__ = source.__code__
        function.__doc__ = source.__doc__


def _steer(policy_getter: FunctionType, get_event_loop: FunctionType) -> None:
    # The C accelerator looks policy_getter up once, at import, and then always calls policy_getter().get_event_loop().
    # On 3.16 it looks _get_event_loop up at import likewise: no later assignment has an effect.
    def answer(policy: Any) -> Any:
        return policy

    policy_getter.__code__ = answer.__code__
    policy_getter.__defaults__ = (SimpleNamespace(get_event_loop=get_event_loop),)


def _refuse_when_in_use(events: ModuleType) -> None:
    uses = [*_holders(), *_subclasses(vars(events)["_AbstractEventLoopPolicy"])]
    if vars(events)["_event_loop_policy"] is not None:
        uses.append("a policy is in force, so a loop was made or set")
    if uses:
        raise EmulationError(
            f"asyncio's policy system is in use already and cannot be removed: {'; '.join(sorted(uses))}. "
            "Activate the emulation before these are imported: python -m pytest -p tests.emulated_316.plugin, or start "
            "Python with CTXPOLICY_EMULATE_316=1 and tests/emulated_316/site first on PYTHONPATH."
        )


def _holders() -> Iterator[str]:
    """Yield descriptions of the objects to be removed that modules outside asyncio refer to."""
    going = {id(value) for module in _modules() for name, value in vars(module).items() if _is_policy_name(name)}
    going.discard(id(None))
    others: dict[str, object] = {name: module for name, module in sys.modules.items() if name not in _MODULES}
    for name, module in others.items():
        held = list(vars(module).items()) if isinstance(module, ModuleType) else []
        yield from (f"{name}.{attribute} was imported" for attribute, value in held if id(value) in going)


def _subclasses(base: type[object]) -> Iterator[str]:
    """Yield descriptions of the policy classes, at any depth, that are not asyncio's own."""
    for cls in base.__subclasses__():
        if cls.__module__ not in _MODULES:
            yield f"{cls.__module__}.{cls.__qualname__} is a subclass of asyncio's policies"
        yield from _subclasses(cls)
