"""_contextvars, the only module that imports contextvars-extras: the behaviour on which ctxpolicy relies."""

from __future__ import annotations

import contextvars
from pathlib import Path

import ctxpolicy
from ctxpolicy import _contextvars
from ctxpolicy._contextvars import ContextVarExt, ContextVarsRegistry, bind_to_empty_context, bind_to_snapshot_context

PACKAGE = Path(ctxpolicy.__file__).parent


def test_no_other_module_imports_the_dependency():
    importers = [path.name for path in PACKAGE.rglob("*.py") if "contextvars_extras" in path.read_text()]
    assert importers == ["_contextvars.py"]


def test_every_exported_name_exists():
    assert all(hasattr(_contextvars, name) for name in _contextvars.__all__)


def test_a_variable_that_was_not_set_returns_the_default_object_itself():
    default = object()
    variable = ContextVarExt("variable", default=default)
    assert variable.get_raw() is default


def test_a_variable_is_set_in_one_contextvars_context_only():
    variable = ContextVarExt("variable", default=None)
    context = contextvars.copy_context()
    context.run(variable.set, "there")
    assert variable.get_raw() is None
    assert context.run(variable.get_raw) == "there"


def test_a_registry_sets_for_a_with_block():
    class Settings(ContextVarsRegistry):
        name: str = "before"

    settings = Settings()
    with settings(name="within"):
        assert Settings.name.get_raw() == "within"
    assert Settings.name.get_raw() == "before"


def test_functions_are_bound_to_contextvars_contexts():
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("some")
    assert bind_to_empty_context(variable.get)() == "none"
    bound = bind_to_snapshot_context(variable.get)
    variable.set("other")
    assert bound() == "some"
