"""How a policy looks overrides up: not at all before the first using block, then in one context variable."""

from __future__ import annotations

import contextvars
import sys
import weakref

import pytest

from ctxpolicy import ContextPolicy, InstallationError, ThreadResolver, using
from ctxpolicy._policy import override_switch
from ctxpolicy._policy.override import Override, overriding_getter, overriding_resolver, overriding_setter
from tests.support.programs import run_program


def test_nothing_is_wrapped_before_the_first_block_of_a_process():
    assert run_program(
        "import ctxpolicy, asyncio\n"
        "from ctxpolicy._policy import override_switch\n"
        "policy = ctxpolicy.ContextPolicy('contextvar')\n"
        "kind = lambda: policy.get_event_loop.__qualname__.split('.')[0]\n"
        "ways = lambda: (kind(), policy._core.overrides_enabled, override_switch.overrides_enabled())\n"
        "with ctxpolicy.install(policy):\n"
        "    print(*ways())\n"
        "    with ctxpolicy.using('task'): print(*ways())\n"
        "    print(*ways())\n"
    ).splitlines() == ["ContextVarResolver False False", "overriding_getter True True", "overriding_getter True True"]


def test_the_first_block_of_a_process_enables_overrides_in_the_policies_that_exist(monkeypatch):
    monkeypatch.setattr(override_switch._Switch, "enabled", False)
    policy = ContextPolicy(own := ThreadResolver())
    assert not policy._core.overrides_enabled
    with using(ThreadResolver()) as overriding:
        assert policy.resolver is overriding
        assert override_switch.overrides_enabled()
    assert policy.resolver is own


def test_a_policy_made_after_the_first_block_has_overrides_enabled_from_the_start():
    override_switch.enable_overrides()
    assert ContextPolicy()._core.overrides_enabled


def test_an_override_takes_effect_in_its_contextvars_context_and_its_copies():
    resolver = ThreadResolver()
    override = Override(resolver)
    assert overriding_resolver() is None
    override.enter()
    copy = contextvars.copy_context()
    assert overriding_resolver() is resolver
    assert contextvars.Context().run(overriding_resolver) is None
    override.leave()
    assert overriding_resolver() is None
    assert copy.run(overriding_resolver) is resolver


def test_overrides_that_are_left_in_any_order_all_end_with_the_last():
    overrides = [Override(ThreadResolver()) for _ in range(4)]
    for override in overrides:
        override.enter()
    for override in (overrides[2], overrides[1]):
        with pytest.raises(InstallationError):
            override.leave()
    overrides[3].leave()
    assert overriding_resolver() is overrides[0].resolver
    overrides[0].leave()
    assert overriding_resolver() is None


def test_an_override_left_in_a_copy_before_an_inner_one_raises_and_stays_in_effect():
    outer = Override(ThreadResolver())
    outer.enter()
    copies = [contextvars.copy_context() for _ in range(2)]
    inner = [Override(ThreadResolver()) for _ in copies]
    for copy, override in zip(copies, inner, strict=True):
        copy.run(override.enter)
    with pytest.raises(InstallationError, match="before a using block that was entered inside it"):
        copies[0].run(outer.leave)
    for copy, override in zip(copies, inner, strict=True):
        assert copy.run(overriding_resolver) is override.resolver
        copy.run(override.leave)
    assert [overriding_resolver(), *(copy.run(overriding_resolver) for copy in copies)] == [outer.resolver] * 3


def test_leaving_an_override_under_an_unrelated_one_raises_that_this_is_another_context():
    """This is not a wrong order, because the unrelated override was not entered inside the first one."""
    elsewhere = contextvars.copy_context()
    override, unrelated = Override(ThreadResolver()), Override(ThreadResolver())
    elsewhere.run(override.enter)
    unrelated.enter()
    with pytest.raises(InstallationError, match="in another contextvars context than it was entered in"):
        override.leave()
    assert overriding_resolver() is unrelated.resolver
    unrelated.leave()
    assert elsewhere.run(overriding_resolver) is override.resolver


@pytest.mark.skipif(sys.implementation.name == "pypy", reason="PyPy frees nothing at once")
def test_an_override_left_in_another_context_is_freed_at_once_with_the_context_that_it_was_entered_in():
    elsewhere, override = contextvars.Context(), Override(ThreadResolver())
    elsewhere.run(override.enter)
    with pytest.raises(InstallationError, match="in another contextvars context"):
        override.leave()
    freed = weakref.ref(override)
    del elsewhere, override
    assert freed() is None


def test_leaving_an_override_twice_raises():
    override = Override(ThreadResolver())
    override.enter()
    override.leave()
    with pytest.raises(InstallationError, match="in another contextvars context"):
        override.leave()


def test_without_an_override_getter_and_setter_of_the_policys_own_resolver_are_used():
    class Own(ThreadResolver):
        def getter(self, miss):
            return lambda: "got"

        def setter(self, other):
            return lambda loop: told.append(loop)

    told: list[object] = []
    assert overriding_getter(Own(), lambda: "missed")() == "got"  # type: ignore[arg-type, return-value, comparison-overlap]
    overriding_setter(Own(), lambda loop: None)("loop")
    assert told == ["loop"]


def test_with_an_override_missing_loops_and_other_objects_go_to_the_functions_of_the_policy():
    override = Override(ThreadResolver())
    override.enter()
    others: list[object] = []
    assert overriding_getter(ThreadResolver(), lambda: "missed")() == "missed"  # type: ignore[arg-type, return-value]
    overriding_setter(ThreadResolver(), others.append)("no loop")
    override.leave()
    assert others == ["no loop"]
