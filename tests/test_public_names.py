"""The public face: what it names exists, is documented, and costs no optional import."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import ctxpolicy
from tests.support.programs import run_program

# Importing these needs an optional package, or runs the command line.
OPTIONAL = ("ctxpolicy.__main__", "ctxpolicy.integrations.", "ctxpolicy.pytest_plugin", "ctxpolicy.testing")


def modules() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(ctxpolicy.__path__, "ctxpolicy.")]
    return [name for name in found if not name.startswith(OPTIONAL)]


def test_the_package_defines_nothing_itself():
    own = {name for name, thing in vars(ctxpolicy).items() if getattr(thing, "__module__", None) == "ctxpolicy"}
    assert own == {"__getattr__", "__dir__"}  # which re-export what few programs need, when they need it


def test_the_public_names_are_sorted_and_each_is_there_once():
    assert ctxpolicy.__all__ == sorted(set(ctxpolicy.__all__))


def test_everything_that_the_package_takes_from_its_modules_is_public():
    imported = {
        alias.asname or alias.name
        for each in ast.walk(ast.parse(Path(ctxpolicy.__file__).read_text()))
        if isinstance(each, ast.ImportFrom) and (each.module or "").startswith("ctxpolicy.")
        for alias in each.names
    }
    assert imported == set(ctxpolicy.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ctxpolicy' has no attribute 'nothing'"):
        ctxpolicy.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_all_public_names_are_listed_whether_they_have_been_asked_for_or_not():
    assert set(ctxpolicy.__all__) <= set(dir(ctxpolicy))
    assert run_program("import ctxpolicy; print(set(ctxpolicy.__all__) - set(dir(ctxpolicy)))") == "set()"


def test_lifetimes_are_imported_when_they_are_asked_for():
    assert run_program(
        "import sys, ctxpolicy\n"
        "folders = 'ctxpolicy._lifetime.', 'ctxpolicy._bridge.'\n"
        "imported = lambda: [name for name in sys.modules if name.startswith(folders)]\n"
        "ctxpolicy.install(missing='create').uninstall()\n"
        "print(imported())\n"
        "from ctxpolicy import isolate\n"
        "print(isolate.__module__ in imported(), isolate is ctxpolicy.isolate)"
    ).splitlines() == ["[]", "True True"]


@pytest.mark.parametrize("name", sorted(set(ctxpolicy.__all__) - {"__version__"}))
def test_every_public_name_is_documented(name):
    thing = getattr(ctxpolicy, name)
    assert inspect.getdoc(thing)
    if not inspect.isclass(thing):
        return
    for attribute, member in vars(thing).items():
        if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            assert inspect.getdoc(member), f"{name}.{attribute}"


def test_public_classes_say_that_they_are_ours():
    for name in ctxpolicy.__all__:
        thing = getattr(ctxpolicy, name)
        assert name == "__version__" or thing.__module__.startswith("ctxpolicy.")


@pytest.mark.parametrize("name", modules())
def test_what_a_module_names_exists(name):
    module = importlib.import_module(name)
    assert module.__doc__, "a module says what it is"
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), public


def test_importing_ctxpolicy_imports_nothing_optional_and_nothing_dear():
    # What is there before is Python's, or is there to measure coverage.
    imported = run_program(
        "import sys; before = set(sys.modules); import ctxpolicy; print(*sys.modules.keys() - before)"
    ).split()
    tops = {name.partition(".")[0] for name in imported}
    assert "ctxpolicy" in tops
    assert tops.isdisjoint({"uvloop", "greenlet", "trio", "anyio", "sniffio", "pytest", "hypothesis", "argparse"})
    assert "importlib.metadata" not in imported


def test_importing_ctxpolicy_changes_nothing_in_asyncio():
    assert (
        run_program(
            "import asyncio, asyncio.events as events\n"
            "before = dict(vars(asyncio)), dict(vars(events))\n"
            "import ctxpolicy\n"
            "print(before == (vars(asyncio), vars(events)))"
        )
        == "True"
    )


def test_without_the_optional_packages_all_else_works_and_each_says_what_to_install():
    blocked = "uvloop", "greenlet", "trio", "tornado", "pytest", "hypothesis"
    assert run_program(
        f"import sys; sys.modules.update(dict.fromkeys({blocked}))\n"
        "import ctxpolicy\n"
        "print([name for name in ctxpolicy.registered_resolvers() if ctxpolicy.registered_resolvers()[name].error])\n"
        "with ctxpolicy.install(missing='create'): pass\n"
        "install = lambda: ctxpolicy.install(loop_factory='uvloop')\n"
        "resolver = lambda name: lambda: ctxpolicy.get_resolver(name)\n"
        "for attempt in (resolver('greenlet'), resolver('trio'), install):\n"
        "    try: attempt()\n"
        "    except ctxpolicy.CtxPolicyError as error: print(error)"
    ).splitlines() == [
        "['trio']",
        "the resolver 'greenlet' needs the package greenlet: pip install 'ctxpolicy[greenlet]'",
        "the resolver 'trio' needs the package trio: pip install 'ctxpolicy[trio]'",
        "the loop factory 'uvloop' needs a package: pip install 'ctxpolicy[uvloop]'",
    ]
