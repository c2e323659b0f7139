"""The reference names every method of a resolver and of the policy."""

from pathlib import Path

import pytest

from ctxpolicy import ContextPolicy, ContextResolver, DelegatingResolver, SlotResolver

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def methods(kind):
    return [name for name, value in vars(kind).items() if callable(value) and not name.startswith("_")]


@pytest.mark.parametrize(
    "method",
    [
        *methods(ContextResolver),
        *(name for kind in (SlotResolver, DelegatingResolver) for name in sorted(kind.__abstractmethods__)),
    ],
)
def test_the_contract_names_every_method_of_a_resolver(method):
    assert f"`{method}(" in (REFERENCE / "contract.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("method", ["get_event_loop", "set_event_loop", "new_event_loop"])
def test_the_policy_api_names_every_method_that_asyncio_asks_for(method):
    assert method in methods(ContextPolicy)
    assert f"`{method}(" in (REFERENCE / "policy.md").read_text(encoding="utf-8")
