"""Resolvers with options in the notation of the command line."""

from __future__ import annotations

import contextvars
from typing import Any

import pytest

from ctxpolicy import (
    ChainResolver,
    ContextResolver,
    ContextVarResolver,
    KeyedResolver,
    OptionError,
    PluginError,
    TaskResolver,
    ThreadResolver,
    UnknownNameError,
)
from ctxpolicy._cli.resolver_spec import resolver_factory

tenant: contextvars.ContextVar[str | None] = contextvars.ContextVar("tenant", default=None)


class Noted(ThreadResolver):
    """Keeps the options that it was made with."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options


def noted(**options: Any) -> Noted:
    if options.get("size") == "huge":
        raise ZeroDivisionError("no room")
    return Noted(**options)


class Shelf:
    noted = staticmethod(noted)


def resolver_from(spec: str) -> ContextResolver:
    return resolver_factory(spec)()


def options_of(text: str) -> dict[str, Any]:
    resolver = resolver_from(f"{__name__}:noted:{text}")
    assert isinstance(resolver, Noted)
    return resolver.options


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("thread", ThreadResolver),
        ("task", TaskResolver),
        (f"{__name__}:noted", Noted),
        (f"{__name__}:Shelf.noted", Noted),
    ],
)
def test_a_name_or_a_place_alone_is_a_resolver(spec, kind):
    assert type(resolver_from(spec)) is kind


def test_options_follow_a_colon():
    assert resolver_from("contextvar:inherit=any-thread").any_thread
    assert not resolver_from("contextvar:inherit=same-thread").any_thread
    assert type(resolver_from("contextvar")) is ContextVarResolver


def test_an_object_is_given_by_its_place():
    resolver = resolver_from(f"keyed:key={__name__}:tenant.get,shared=true")
    assert isinstance(resolver, KeyedResolver)
    assert resolver.any_thread
    assert not resolver.applies()
    token = tenant.set("acme")
    assert resolver.describe().startswith("key 'acme'")
    tenant.reset(token)


def test_a_chains_members_are_joined_by_plus():
    chain = resolver_from("chain:resolvers=task+thread")
    assert isinstance(chain, ChainResolver)
    assert [type(member) for member in chain.resolvers] == [TaskResolver, ThreadResolver]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("none", None),
        ("5", 5), ("-12", -12), ("+3", 3), ("0.25", 0.25), ("-1.", -1.0),
        ("text", "text"), ("", ""), ("a b", "a b"), ("http://x", "http://x"), ("5m", "5m"), ("1.2.3", "1.2.3"),
        ("'5'", "5"), ('"true"', "true"), ("'a,b=c:d'", "a,b=c:d"), ("''", ""),
        (f"{__name__}:Shelf.noted", noted),
    ],
)  # fmt: skip
def test_a_value_has_the_type_that_it_looks_like_and_quotes_make_it_text(text, value):
    found = options_of(f"size={text}")["size"]
    assert (type(found), found) == (type(value), value)


def test_several_options_are_separated_by_commas():
    assert options_of("first=1,second='a,b',third=") == {"first": 1, "second": "a,b", "third": ""}


@pytest.mark.parametrize(
    "spec",
    ["", ":", "thread:", ":x=1", "a b", "=1", "thread:=1", "thread:x=1,", "thread:,x=1", "thread:x=1,y",
     "thread:x='1", "thread:x='1'2", "thread:x=a\"b", "thread:1x=1", "a:b:c", "a:b:c:d=1", "thread: x=1"],
)  # fmt: skip
def test_the_error_for_a_malformed_resolver_shows_the_notation(spec):
    with pytest.raises(OptionError) as caught:
        resolver_from(spec)
    assert repr(spec) in str(caught.value)
    assert str(caught.value).endswith("write NAME[:option=value,...]")


def test_an_option_given_twice_is_refused():
    with pytest.raises(OptionError, match="gives the option 'shared' twice"):
        resolver_from("keyed:shared=true,shared=false")


def test_an_unknown_name_is_refused():
    with pytest.raises(UnknownNameError, match="no resolver is called 'nosuch'"):
        resolver_from("nosuch:x=1")


def test_the_error_for_an_option_without_a_value_shows_the_notation_of_options():
    with pytest.raises(OptionError) as caught:
        resolver_from("task:shared")
    said = str(caught.value)
    assert said.startswith("the resolver cannot be loaded from 'task:shared': ")
    assert said.endswith("If 'shared' is an option of the resolver 'task', write NAME[:option=value,...]")
    with pytest.raises(PluginError, match="cannot be loaded from 'nosuch:shared'"):
        resolver_from("nosuch:shared")


def test_a_wrong_option_is_refused():
    with pytest.raises(OptionError, match="got an unexpected keyword argument 'size'"):
        resolver_from("thread:size=1")


def test_the_error_for_a_missing_object_names_the_option():
    with pytest.raises(
        PluginError, match="the option 'key' of the resolver 'keyed' cannot be loaded from 'nosuch:attr'"
    ):
        resolver_from("keyed:key=nosuch:attr")


def test_an_exception_of_a_factory_is_reported():
    with pytest.raises(OptionError, match=r"noted' cannot be made: ZeroDivisionError: no room"):
        options_of("size=huge")
