"""The list shows all resolvers and loop factories, with the errors of those that cannot be used."""

from __future__ import annotations

import importlib.util
import json
import platform
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

import ctxpolicy
from ctxpolicy._cli.listing import ListEntry, as_text, listed_loop_factories, listed_resolvers
from ctxpolicy._loops import factories

PLUGIN = """
import ctxpolicy
class Acme(ctxpolicy.ThreadResolver):
    \"\"\"A context is a crate.

    This paragraph is not listed.
    \"\"\"
    def __init__(self, colour, *more, size=3, **rest): super().__init__()
def failing():
    raise OSError("the backend\\nis down")
def wrong():
    return 5
class Reticent:
    @property
    def __signature__(self): raise ValueError("no signature")
    def __call__(self): return ctxpolicy.ThreadResolver()
reticent = Reticent()
"""


def resolver(name: str) -> ListEntry:
    (found,) = [each for each in listed_resolvers() if each.name == name]
    return found


def factory(name: str) -> ListEntry:
    (found,) = [each for each in listed_loop_factories() if each.name == name]
    return found


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ListEntry]]:
    """A function that installs a distribution with one entry point, and returns its entry in the list."""
    (tmp_path / "listed_acme.py").write_text(PLUGIN)
    info = tmp_path / "listed_acme-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: listed-acme\nVersion: 1.2\n")

    def install(value: str) -> ListEntry:
        (info / "entry_points.txt").write_text(f"[ctxpolicy.resolvers]\nacme = {value}\n")
        monkeypatch.syspath_prepend(tmp_path)
        return resolver("acme")

    return install


@pytest.mark.parametrize("name", ["contextvar", "thread", "task", "process", "keyed", "chain"])
def test_every_built_in_resolver_is_available(name):
    found = resolver(name)
    assert (found.distribution, found.version) == ("ctxpolicy", ctxpolicy.__version__)
    assert (found.available, found.error) == (True, None)
    assert found.summary.startswith("A context is ")
    assert "`" not in found.summary


def test_all_registered_resolvers_are_listed_in_order():
    assert [each.name for each in listed_resolvers()] == list(ctxpolicy.registered_resolvers())


def test_options_are_shown_and_required_options_have_no_value():
    assert resolver("keyed").options == ("key", "shared=False")
    assert resolver("contextvar").options == ("inherit='same-thread'",)
    assert resolver("chain").options == ("resolvers",)
    assert resolver("thread").options == ()


def test_a_resolver_without_its_package_is_listed_with_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "greenlet", None)
    found = resolver("greenlet")
    assert not found.available
    assert found.error == "the resolver 'greenlet' needs the package greenlet: pip install 'ctxpolicy[greenlet]'"
    assert (found.summary, found.options) == ("", ())


def test_a_plugin_is_listed_with_its_distribution(plugin):
    assert plugin("listed_acme:Acme") == ListEntry(
        "acme", "listed-acme", "1.2", None, ("colour", "size=3"), "A context is a crate."
    )


def test_a_plugin_that_cannot_be_imported_is_listed_with_its_error(plugin):
    found = plugin("listed_acme:Nosuch")
    assert not found.available
    assert "cannot be loaded from 'listed_acme:Nosuch': AttributeError" in found.error
    assert found.distribution == "listed-acme"


def test_a_plugin_that_cannot_be_made_is_listed_with_its_error(plugin):
    assert plugin("listed_acme:failing").error == "OSError: the backend\nis down"


def test_a_plugin_that_makes_something_else_is_listed_with_its_error(plugin):
    assert "made 5, which is no ContextResolver" in plugin("listed_acme:wrong").error


def test_a_plugin_without_a_signature_is_made_without_options(plugin):
    found = plugin("listed_acme:reticent")
    assert (found.error, found.options) == (None, ())


def test_loop_factories_are_listed_with_their_distribution():
    assert [each.name for each in listed_loop_factories()] == list(factories.NAMED_FACTORIES)
    for name in ("asyncio", "selector"):
        found = factory(name)
        assert found.available
        assert (found.distribution, found.version) == (platform.python_implementation(), platform.python_version())
        assert found.summary


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_a_loop_factorys_package_is_shown_with_its_version():
    assert factory("uvloop")[:4] == ("uvloop", "uvloop", metadata.version("uvloop"), None)


def test_a_loop_factory_that_is_not_for_this_platform_is_listed_with_the_reason(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    assert factory("proactor").error == "the loop factory 'proactor' exists on Windows only"


def test_a_loop_factory_without_its_package_is_listed_with_what_to_install(monkeypatch):
    missing = factories.NamedFactory("missing", "loops", lambda: None, package="nosuch")
    monkeypatch.setitem(factories.NAMED_FACTORIES, "missing", missing)
    found = factory("missing")
    assert (found.distribution, found.version, found.available) == ("nosuch", "", False)
    assert "pip install 'ctxpolicy[nosuch]'" in found.error


def test_the_table_has_a_line_for_each_entry():
    listed = [
        ListEntry("a", "acme", "1.0", None, ("key", "size=3"), "A context is a crate."),
        ListEntry("longer", "other", "", "it is\n  broken", (), ""),
    ]
    assert as_text("resolvers", listed).splitlines() == [
        "resolvers",
        "  a       acme 1.0  available: A context is a crate. Options: key, size=3",
        "  longer  other     not available: it is broken",
    ]


def test_the_data_has_the_same_content():
    for each in [*listed_resolvers(), *listed_loop_factories()]:
        data = json.loads(json.dumps(each.as_dict()))
        assert data == {**each._asdict(), "options": list(each.options), "available": each.error is None}
