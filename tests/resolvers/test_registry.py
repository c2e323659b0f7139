"""Resolvers by name: the built-in resolvers, entry points of other distributions, and errors in either."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import ctxpolicy
from ctxpolicy import (
    ContextPolicy,
    ContextResolver,
    OptionError,
    PluginError,
    Registration,
    ThreadResolver,
    UnknownNameError,
    get_resolver,
    registered_resolvers,
)
from ctxpolicy.resolvers._entry_points import BUILT_IN as REGISTERED
from ctxpolicy.resolvers._entry_points import GROUP
from ctxpolicy.resolvers._registry import make_resolver, shared_resolver
from tests.support.programs import environment, run_program

OPTIONS: dict[str, dict[str, Any]] = {"keyed": {"key": lambda: None}, "chain": {"resolvers": "task+thread"}}
BUILT_IN = ["contextvar", "thread", "task", "greenlet", "process", "keyed", "chain"]
NEEDED_PACKAGES = {"greenlet": "greenlet", "trio": "trio"}


class Minimal(ContextResolver):
    """A resolver without options, for names of the form package.module:attribute."""

    def get(self):
        return None

    def set(self, loop):
        pass


class OfANewerContract(Minimal):
    contract = 2


class OfATextualContract(Minimal):
    contract = "1.0"  # type: ignore[assignment]


class Holder:
    Nested = Minimal
    number = 7


def makes_a_number() -> int:
    return 7


def takes_two(first: int, *, second: str = "b") -> ContextResolver:
    resolver = Minimal()
    resolver.given = (first, second)  # type: ignore[attr-defined]
    return resolver


def here(attribute: str) -> str:
    return f"{__name__}:{attribute}"


# --- built-in resolvers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGISTERED)
def test_every_built_in_resolver_can_be_made_by_name(name):
    if name in NEEDED_PACKAGES:
        pytest.importorskip(NEEDED_PACKAGES[name])
    resolver = get_resolver(name, **OPTIONS.get(name, {}))
    assert isinstance(resolver, ContextResolver)
    assert type(resolver).__name__.lower() == f"{name}resolver"


def test_each_call_makes_a_new_resolver():
    assert get_resolver("thread") is not get_resolver("thread")


def test_the_built_in_resolvers_are_listed_first_with_their_distribution():
    listed = registered_resolvers()
    assert list(listed)[: len(BUILT_IN)] == BUILT_IN
    for name in BUILT_IN:
        assert listed[name].name == name
        assert (listed[name].distribution, listed[name].version) == ("ctxpolicy", ctxpolicy.__version__)
        assert listed[name].error is None
        assert listed[name].summary.startswith("A context is ")
        value, version = listed[name].value, ctxpolicy.__version__
        assert repr(listed[name]) == f"<Registration {name} = {value} of ctxpolicy {version}>"


def test_a_factory_without_a_docstring_has_an_empty_summary():
    assert Registration("seven", here("makes_a_number"), "a-distribution", "1").summary == ""


def test_the_list_is_read_only():
    with pytest.raises(TypeError):
        registered_resolvers()["mine"] = registered_resolvers()["thread"]  # type: ignore[index]


def test_the_built_in_table_matches_the_entry_points_in_pyproject():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    section = text.partition(f'[project.entry-points."{GROUP}"]\n')[2].partition("\n[")[0]
    registered = {key: ast.literal_eval(value) for key, value in re.findall(r"^(\w+) = (.*)$", section, re.MULTILINE)}
    assert registered == REGISTERED


def test_a_chain_by_name_takes_names_joined_by_plus_or_resolvers():
    by_name = get_resolver("chain", resolvers="task+thread")
    thread = ThreadResolver()
    mixed = get_resolver("chain", resolvers=["task", thread])
    assert [type(each).__name__ for each in by_name.resolvers] == ["TaskResolver", "ThreadResolver"]
    assert mixed.resolvers[1] is thread
    with pytest.raises(UnknownNameError, match="no resolver is called 'tusk'"):
        get_resolver("chain", resolvers="tusk+thread")
    with pytest.raises(OptionError, match=r"resolvers must be resolvers or their names, as in 'task\+thread', not 5"):
        get_resolver("chain", resolvers=5)


# --- package.module:attribute -----------------------------------------------------------------------------------------


def test_a_module_and_attribute_may_be_given_in_place_of_a_name():
    assert type(get_resolver(here("Minimal"))) is Minimal
    assert type(get_resolver(here("Holder.Nested"))) is Minimal
    assert type(ContextPolicy(here("Minimal")).resolver) is Minimal


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("no_such_package_anywhere:x", "ModuleNotFoundError"),
        (here("absent"), "AttributeError"),
        (here(""), "AttributeError"),
        (":attribute", "ValueError"),
        (here("Holder.number"), "is 7, which is no callable"),
    ],
)
def test_the_error_for_a_place_that_cannot_be_loaded_has_the_reason(place, reason):
    with pytest.raises(PluginError) as caught:
        get_resolver(place)
    assert reason in str(caught.value)
    assert repr(place) in str(caught.value)
    assert isinstance(caught.value, ImportError)


# --- names and options that are wrong ---------------------------------------------------------------------------------


def test_the_error_for_an_unknown_name_lists_the_known_names():
    with pytest.raises(UnknownNameError, match="no resolver is called 'contextvars'; there are: contextvar, thread,"):
        get_resolver("contextvars")
    with pytest.raises(LookupError):
        ContextPolicy("nothing")


@pytest.mark.parametrize("wrong", [None, 5, b"thread", ThreadResolver])
def test_a_name_must_be_a_string(wrong):
    with pytest.raises(OptionError, match="a resolver's name must be a string, not "):
        get_resolver(wrong)


def test_the_error_for_a_missing_option_lists_all_options():
    with pytest.raises(OptionError) as caught:
        get_resolver("keyed")
    assert str(caught.value) == (
        "resolver 'keyed': missing a required argument: 'key'. "
        "It takes key, shared=False: get_resolver('keyed', option=value)"
    )


@pytest.mark.parametrize(
    ("name", "takes"),
    [("thread", "no options"), ("contextvar", "inherit='same-thread'"), (here("Minimal"), "no options")],
)
def test_the_error_for_an_unknown_option_lists_all_options(name, takes):
    with pytest.raises(OptionError) as caught:
        get_resolver(name, colour="blue")
    assert "colour" in str(caught.value)
    assert takes in str(caught.value)


def test_a_resolver_without_options_refuses_arguments_when_it_is_made_directly():
    for wrong in (lambda: Minimal(1), lambda: Minimal(colour="blue")):
        with pytest.raises(TypeError, match=r"Minimal\(\) takes no arguments"):
            wrong()


def test_the_options_of_a_factory_are_passed_on():
    assert get_resolver(here("takes_two"), first=1).given == (1, "b")
    assert get_resolver(here("takes_two"), first=1, second="c").given == (1, "c")


def test_a_callable_without_a_signature_is_called_too():
    with pytest.raises(OptionError, match="made {}, which is no ContextResolver"):
        get_resolver("builtins:dict")


def test_a_factory_that_makes_something_else_is_refused():
    with pytest.raises(OptionError, match="makes_a_number' made 7, which is no ContextResolver"):
        get_resolver(here("makes_a_number"))


@pytest.mark.parametrize("factory", [OfANewerContract, OfATextualContract])
def test_a_resolver_of_another_version_of_the_contract_is_refused(factory):
    for attempt in (lambda: get_resolver(here(factory.__name__)), lambda: ContextPolicy(factory())):
        with pytest.raises(OptionError) as caught:
            attempt()
        assert f"was written for version {factory.contract!r} of the resolver's contract" in str(caught.value)
        assert "this ctxpolicy has version 1: update" in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 5, asyncio.new_event_loop])
def test_an_object_that_is_not_a_resolver_is_refused(wrong):
    with pytest.raises(OptionError, match="a resolver must be an instance of ContextResolver, or the name of one"):
        make_resolver(wrong)


def test_the_error_for_a_class_in_place_of_a_resolver_suggests_calling_it():
    with pytest.raises(OptionError, match=r"did you mean ThreadResolver\(\)\?"):
        ContextPolicy(ThreadResolver)  # type: ignore[arg-type]


def test_a_shared_resolver_is_the_same_for_a_name_each_time():
    given = ThreadResolver()
    assert shared_resolver(given) is given
    assert shared_resolver("thread") is shared_resolver("thread")
    assert shared_resolver("thread") is not shared_resolver("task")


# --- entry points of other distributions ------------------------------------------------------------------------------

METADATA = b"Metadata-Version: 2.1\nName: NAME\nVersion: 1.2\n"

PLUGIN = """
from ctxpolicy import ContextResolver

class Resolver(ContextResolver):
    '''A context is whatever the plugin says.'''

    def __init__(self, size=1):
        self.size = size

    def get(self):
        return None

    def set(self, loop):
        pass
"""


@pytest.fixture
def distribute(tmp_path):
    """Put a distribution on the path of the programs: its entry points, and its module."""

    def make(name: str, entries: str, source: str | None = PLUGIN, *, metadata: bytes | None = METADATA) -> None:
        module = name.replace("-", "_")
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        if metadata is not None:
            (info / "METADATA").write_bytes(metadata.replace(b"NAME", name.encode()))
        (info / "entry_points.txt").write_text(f"[ctxpolicy.resolvers]\n{entries}\n")
        if source is not None:
            (tmp_path / f"{module}.py").write_text(source)

    return make


@pytest.fixture
def run(tmp_path):
    """Run a program with the distributions of this test on its path."""

    def run(source: str) -> str:
        return run_program("import ctxpolicy\n" + source, env=environment(tmp_path))

    return run


def test_a_registered_plugin_is_listed_and_made_by_name(distribute, run):
    distribute("good-plugin", "good = good_plugin:Resolver")
    assert run(
        "found = ctxpolicy.registered_resolvers()['good']\n"
        "print(found.distribution, found.version, found.value, found.error, found.summary, sep=' | ')\n"
        "with ctxpolicy.install('good') as installation: print(type(installation.policy.resolver).__name__)\n"
        "print(ctxpolicy.get_resolver('good', size=3).size)"
    ).splitlines() == [
        "good-plugin | 1.2 | good_plugin:Resolver | None | A context is whatever the plugin says.",
        "Resolver",
        "3",
    ]


def test_nothing_is_imported_by_listing(distribute, run):
    distribute("good-plugin", "good = good_plugin:Resolver")
    assert run("import sys; ctxpolicy.registered_resolvers(); print('good_plugin' in sys.modules)") == "False"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_package_anywhere", "ModuleNotFoundError: No module named 'no_such_package_anywhere'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("Resolver = 5", "is 5, which is no callable that makes one"),
        ("", "AttributeError: module 'broken_plugin' has no attribute 'Resolver'"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_error_and_raises_only_when_used_by_name(distribute, run, source, reason):
    distribute("broken-plugin", "broken = broken_plugin:Resolver", source)
    distribute("good-plugin", "good = good_plugin:Resolver")
    lines = run(
        "found = ctxpolicy.registered_resolvers()['broken']\n"
        "print(found.error, '|', repr(found.summary))\n"
        "try: ctxpolicy.install('broken')\n"
        "except ctxpolicy.PluginError as error: print(error)\n"
        "print(ctxpolicy.registered_resolvers()['good'].error)\n"
        "ctxpolicy.install('good').uninstall(); ctxpolicy.install().uninstall()"
    ).splitlines()
    assert lines[0] == f"{lines[1]} | ''"
    assert lines[1].startswith("the resolver 'broken' of distribution broken-plugin cannot be ")
    assert reason in lines[1]
    assert lines[2:] == ["None"]


def test_a_name_that_two_distributions_register_is_an_error_that_names_both(distribute, run):
    distribute("first-plugin", "same = first_plugin:Resolver")
    distribute("second-plugin", "same = second_plugin:Resolver")
    lines = run(
        "try: ctxpolicy.get_resolver('same')\n"
        "except ctxpolicy.PluginError as error: print(error)\n"
        "print(ctxpolicy.registered_resolvers()['same'].error)\n"
        "print(type(ctxpolicy.get_resolver('first_plugin:Resolver')).__module__)"
    ).splitlines()
    assert "the resolver name 'same' is registered by " in lines[0]
    assert "first-plugin (first_plugin:Resolver)" in lines[0]
    assert "second-plugin (second_plugin:Resolver)" in lines[0]
    assert lines[1:] == [lines[0], "first_plugin"]


def test_a_plugin_that_registers_a_built_in_name_makes_that_name_an_error(distribute, run):
    distribute("greedy-plugin", "thread = greedy_plugin:Resolver")
    lines = run(
        "try: ctxpolicy.install('thread')\n"
        "except ctxpolicy.PluginError as error: print(error)\n"
        "ctxpolicy.install('contextvar').uninstall()\n"
        "ctxpolicy.install(ctxpolicy.ThreadResolver()).uninstall()"
    ).splitlines()
    assert len(lines) == 1
    assert lines[0] == (
        "the resolver name 'thread' is registered by ctxpolicy (ctxpolicy.resolvers.thread:ThreadResolver) and "
        "greedy-plugin (greedy_plugin:Resolver): uninstall one of them, or give the factory itself in place of the "
        "name, such as 'ctxpolicy.resolvers.thread:ThreadResolver'"
    )


def test_an_entry_point_with_extras_is_loaded(distribute, run):
    distribute("good-plugin", "good = good_plugin:Resolver [extra]")
    assert run("print(type(ctxpolicy.get_resolver('good')).__module__)") == "good_plugin"


@pytest.mark.parametrize("metadata", [None, b"Name: \xff"], ids=["none", "damaged"])
def test_a_distribution_without_readable_metadata_does_not_break_the_list(distribute, run, metadata):
    distribute("nameless-plugin", "nameless = nameless_plugin:Resolver", metadata=metadata)
    assert (
        run(
            "found = ctxpolicy.registered_resolvers()['nameless']\n"
            "print(found.distribution, repr(found.version), type(ctxpolicy.get_resolver('nameless')).__module__)"
        )
        == "an unknown distribution '' nameless_plugin"
    )


def test_a_distribution_with_damaged_entry_points_does_not_break_the_others(distribute, run):
    distribute("damaged-plugin", "there is no equals sign in this line")
    distribute("good-plugin", "good = good_plugin:Resolver")
    program = (
        "print(*(name for name in ctxpolicy.registered_resolvers() if 'good' in name)); ctxpolicy.install().uninstall()"
    )
    assert run(program) == "good"


def test_a_second_copy_of_a_distribution_later_on_the_path_does_not_conflict(distribute, tmp_path):
    distribute("plain-package", "", None)  # it registers nothing
    again, last = tmp_path / "again", tmp_path / "last"
    for folder, name in (again, "good"), (last, "other"):
        folder.mkdir()
        distribute(f"{name}-plugin", f"{name} = good_plugin:Resolver")
        (tmp_path / f"{name}_plugin-1.2.dist-info").rename(folder / f"{name}_plugin-1.2.dist-info")
    distribute("good-plugin", "good = good_plugin:Resolver")
    program = "import ctxpolicy; print(*(ctxpolicy.registered_resolvers()[name].error for name in ('good', 'other')))"
    assert run_program(program, env=environment(tmp_path, again, last)) == "None None"


def test_an_installed_ctxpolicy_beside_the_source_does_not_conflict(distribute, run):
    distribute("ctxpolicy", "thread = ctxpolicy.resolvers.thread:ThreadResolver", None)
    assert run("print(ctxpolicy.registered_resolvers()['thread'].error)") == "None"
