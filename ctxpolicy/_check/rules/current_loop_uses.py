"""What a module does with current loops, by the function (or module level) that does it."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, final

from ctxpolicy._check.asyncio_names import DRIVES, asyncio_name
from ctxpolicy._check.syntax.scopes import Assigned, Catcher, Place, Scope

if TYPE_CHECKING:
    from ctxpolicy._check.checked_module import Reading

_Position = tuple[int, int]


@final
class Setting(NamedTuple):
    """A ``set_event_loop()``: where it ends, whether it sets none, and where it stands."""

    end: _Position
    unsets: bool
    place: Place

    def surely_precedes(self, place: Place) -> bool:
        """Tell whether this is on every way to a later place, as far as their conditions and handlers are the same."""
        condition, recovering = self.place.condition, self.place.recovering
        return condition in (None, place.condition) and recovering in (None, place.recovering)


@final
class Uses:
    """The calls that tell where a loop is current, looked up once: a module may have thousands of each."""

    def __init__(self, reading: Reading) -> None:
        self.get: list[tuple[ast.Call, Place]] = []
        self.set: list[tuple[ast.Call, Place]] = []
        self.factories: list[tuple[ast.expr, Place]] = []
        """Where ``get_event_loop`` is a ``default_factory``."""
        self._settings: defaultdict[Scope, list[Setting]] = defaultdict(list)
        self._setting: dict[bool, set[Scope]] = {True: set(), False: set()}
        self._tried: set[Catcher] = set()
        self._driven: defaultdict[ast.AST, list[set[Scope]]] = defaultdict(list)
        self._driven_names: defaultdict[tuple[Scope, str], set[Scope]] = defaultdict(set)
        for call, place in reading.sites.calls:
            self._note(asyncio_name(reading.names.path(call.func, place.scope)), call, place)
            self.factories.extend((factory, place) for factory in _factories(reading, call, place.scope))
        for settings in self._settings.values():
            settings.sort(key=_end_of)
        self._follow_driven_names()

    def last_setting(self, unit: Scope, before: ast.expr) -> Setting | None:
        """Give the last ``set_event_loop()`` of a module or function that stands before an expression."""
        settings = self._settings.get(unit, [])
        position = bisect_right(settings, (before.lineno, before.col_offset), key=_end_of)
        return settings[position - 1] if position else None

    def sets(self, unit: Scope, *, none: bool = False) -> bool:
        """Tell whether a module or function sets a loop, or sets none."""
        return unit in self._setting[none]

    def drives(self, unit: Scope, call: ast.Call) -> bool:
        """Tell whether a module or function runs the loop that a call gives."""
        return any(unit in units for units in self._driven.get(call, ()))

    def tries_running_loop(self, catcher: Catcher) -> bool:
        """Tell whether ``get_running_loop()`` is called in a statement's block."""
        return catcher in self._tried

    def _note(self, name: str | None, call: ast.Call, place: Place) -> None:
        if name == "get_event_loop":
            self.get.append((call, place))
        elif name == "set_event_loop":
            self.set.append((call, place))
            self._settings[place.scope.unit].append(Setting(_end(call), unsets(call), place))
            self._setting[unsets(call)].add(place.scope.unit)
        elif name in ("get_running_loop", "_get_running_loop"):
            self._tried.update(place.catchers)
        elif isinstance(call.func, ast.Attribute) and call.func.attr in DRIVES:
            self._drive(call.func.value, place.scope)

    def _drive(self, loop: ast.expr, scope: Scope) -> None:
        """Note what ``run_until_complete`` or ``run_forever`` is called on: a call, or a name."""
        self._driven[loop].append({scope.unit})
        home = scope.find(loop.id) if isinstance(loop, ast.Name) else None
        if isinstance(loop, ast.Name) and home is not None:
            self._driven_names[home, loop.id].add(scope.unit)

    def _follow_driven_names(self) -> None:
        for (home, name), units in self._driven_names.items():
            values = [binding.value for binding in home.bindings[name] if isinstance(binding, Assigned)]
            for node in (node for value in values for node in ast.walk(value) if isinstance(node, ast.Call)):
                self._driven[node].append(units)


def _factories(reading: Reading, call: ast.Call, scope: Scope) -> list[ast.expr]:
    values = [keyword.value for keyword in call.keywords if keyword.arg == "default_factory"]
    return [value for value in values if asyncio_name(reading.names.path(value, scope)) == "get_event_loop"]


def unsets(setting: ast.Call) -> bool:
    """Tell whether this is ``set_event_loop(None)``."""
    values = [*setting.args, *(keyword.value for keyword in setting.keywords)]
    return any(isinstance(value, ast.Constant) and value.value is None for value in values)


def _end(call: ast.Call) -> _Position:
    return call.end_lineno or 0, call.end_col_offset or 0


def _end_of(setting: Setting) -> _Position:
    return setting.end
