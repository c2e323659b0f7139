"""The public names: each exists and is documented, and importing them imports no optional package."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import pkgutil
import re
from pathlib import Path

import pytest

import ctxpolicy
from ctxpolicy import errors
from tests.support.programs import ROOT, output_of, run_program

# Importing these needs an optional package, or runs the command line.
OPTIONAL = ("ctxpolicy.__main__", "ctxpolicy.integrations.", "ctxpolicy.pytest_plugin", "ctxpolicy.testing")


def modules() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(ctxpolicy.__path__, "ctxpolicy.")]
    return [name for name in found if not name.startswith(OPTIONAL)]


def test_the_package_defines_nothing_itself():
    own = {name for name, thing in vars(ctxpolicy).items() if getattr(thing, "__module__", None) == "ctxpolicy"}
    assert own == {"__getattr__", "__dir__"}  # they import a public name when it is first used


def test_the_public_names_are_sorted_and_unique():
    assert ctxpolicy.__all__ == sorted(set(ctxpolicy.__all__))


def imported_for_type_checkers() -> dict[str, str]:
    """Return the names that the package imports under ``if TYPE_CHECKING``, with the modules they come from."""
    return {
        alias.asname or alias.name: (each.module or "").removeprefix("ctxpolicy.")
        for each in ast.walk(ast.parse(Path(ctxpolicy.__file__).read_text(encoding="utf-8")))
        if isinstance(each, ast.ImportFrom) and (each.module or "").startswith("ctxpolicy.")
        for alias in each.names
    }


def in_the_reference() -> list[str]:
    """Return the names that the reference pages document as names of the package."""
    pages = (ROOT / "docs" / "reference").glob("*.md")
    directive = re.compile(r"^\.\. auto\w+:: ctxpolicy\.([A-Za-z]\w*)$", re.MULTILINE)
    documented = [name for page in pages for name in directive.findall(page.read_text(encoding="utf-8"))]
    return [name for name in documented if name not in ("compat", "errors")]  # modules


def test_type_checkers_see_the_same_public_names():
    assert imported_for_type_checkers() == ctxpolicy._MODULE_OF


def test_a_star_import_gives_the_public_names_and_no_others():
    assert sorted(ctxpolicy._MODULE_OF) == ctxpolicy.__all__
    assert (
        run_program(
            "from ctxpolicy import *\n"
            "names = set(globals())\n"
            "import ctxpolicy\n"
            "more = [name for name in names - set(ctxpolicy.__all__) if not name.startswith('__')]\n"
            "print(set(ctxpolicy.__all__) - names, more)"
        )
        == "set() []"
    )


def test_the_reference_documents_every_public_name_once():
    assert sorted(in_the_reference()) == sorted(set(ctxpolicy.__all__) - {"__version__"})


def test_options_of_functions_are_given_by_name():
    by_position = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    functions = [
        thing for thing in (getattr(ctxpolicy, name) for name in ctxpolicy.__all__) if inspect.isfunction(thing)
    ]
    assert ctxpolicy.block_on in functions
    for function in functions:
        parameters = inspect.signature(function).parameters.values()
        assert sum(each.kind in by_position for each in parameters) <= 1, function


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ctxpolicy' has no attribute 'nothing'"):
        ctxpolicy.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_dir_lists_all_public_names_before_and_after_their_first_use():
    assert set(ctxpolicy.__all__) <= set(dir(ctxpolicy))
    assert run_program("import ctxpolicy; print(set(ctxpolicy.__all__) - set(dir(ctxpolicy)))") == "set()"


def test_lifetimes_are_imported_on_first_use():
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


def test_public_names_are_defined_in_modules_of_ctxpolicy():
    for name in ctxpolicy.__all__:
        thing = getattr(ctxpolicy, name)
        assert name == "__version__" or thing.__module__.startswith("ctxpolicy.")


@pytest.mark.parametrize("name", modules())
def test_every_name_in_a_modules_all_exists(name):
    module = importlib.import_module(name)
    assert module.__doc__, "every module has a docstring"
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), public


def test_importing_ctxpolicy_imports_no_other_module():
    # -S: without the site module, which imports modules itself if coverage is measured.
    assert (
        run_program(
            f"import sys; sys.path.insert(0, {str(Path(ctxpolicy.__file__).parents[1])!r})\n"
            "before = set(sys.modules); import ctxpolicy; print(*sys.modules.keys() - before)",
            flags=("-S", "-W", "error"),
        )
        == "ctxpolicy"
    )


def test_the_common_names_import_no_optional_package_and_no_slow_module():
    imported = run_program(
        "import sys; before = set(sys.modules)\n"
        "from ctxpolicy import install, run, ContextPolicy\n"
        "print(*sys.modules.keys() - before)"
    ).split()
    tops = {name.partition(".")[0] for name in imported}
    assert "ctxpolicy" in tops
    assert tops.isdisjoint({"uvloop", "greenlet", "trio", "anyio", "sniffio", "pytest", "hypothesis", "argparse"})
    assert "importlib.metadata" not in imported


# --- lazy names behave like other names -------------------------------------------------------------------------------


def test_help_shows_every_public_name():
    text = run_program("import ctxpolicy, pydoc; print(pydoc.plain(pydoc.render_doc(ctxpolicy)))")
    shown = set(ctxpolicy.__all__) - {"__version__"}  # help() has a section for the version, without its name
    assert [name for name in sorted(shown) if not re.search(rf"\b{name}\b", text)] == []
    assert ctxpolicy.__version__ in text
    assert "Put a policy in force for the whole process." in text


@pytest.mark.parametrize("name", sorted(set(ctxpolicy.__all__) - {"__version__"}))
def test_every_public_class_and_function_can_be_pickled(name):
    thing = getattr(ctxpolicy, name)
    assert pickle.loads(pickle.dumps(thing)) is thing


@pytest.mark.parametrize("name", errors.__all__)
def test_every_exception_can_be_pickled(name):
    error = getattr(ctxpolicy, name)("what went wrong")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert copy.args == error.args


def test_a_pickle_can_be_read_by_a_program_that_has_not_imported_ctxpolicy():
    things = [ctxpolicy.install, ctxpolicy.ContextPolicy, ctxpolicy.explain(), ctxpolicy.OptionError("wrong")]
    program = "import pickle, sys; print(*(type(each).__name__ for each in pickle.loads(bytes.fromhex(sys.argv[1]))))"
    assert run_program(program, pickle.dumps(things).hex()) == "function type Explanation OptionError"


@pytest.mark.parametrize("name", ["signal", "selectors", "asyncio", "typing"])
@pytest.mark.parametrize("folder", ["", "folder/"])
def test_a_module_beside_a_program_does_not_replace_a_standard_one_for_the_command_line(tmp_path, name, folder):
    """Even if the program is in the working directory, which ``python -m`` puts first on ``sys.path``."""
    (tmp_path / "folder").mkdir()
    (tmp_path / f"{folder}{name}.py").write_text("raise SystemExit('imported in place of the standard library')")
    (tmp_path / f"{folder}program.py").write_text("print('it ran')")
    assert output_of("-m", "ctxpolicy", "run", f"{folder}program.py", cwd=tmp_path) == "it ran\n"


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


def test_without_the_optional_packages_the_rest_works_and_errors_say_what_to_install():
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
