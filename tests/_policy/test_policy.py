"""ContextPolicy as an ordinary policy: set with asyncio's functions, subclassed, and its attributes read."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

import ctxpolicy
from ctxpolicy import (
    ContextPolicy,
    ContextResolver,
    ContextVarResolver,
    NotALoopError,
    OptionError,
    ResolverError,
    TaskResolver,
    ThreadResolver,
)
from ctxpolicy._asyncio.capabilities import PolicyBase, platform_loop
from ctxpolicy._asyncio.host import host
from ctxpolicy._policy import override_switch
from tests.support.policies import NOT_A_LOOP, default_policy, in_force, in_thread, set_policy


@pytest.fixture
def loops():
    """Two loops that no policy has made."""
    made = [asyncio.SelectorEventLoop() for _ in range(2)]
    yield made
    for loop in made:
        loop.close()


# --- an ordinary policy -----------------------------------------------------------------------------------------------


def test_it_is_an_asyncio_policy():
    assert isinstance(ContextPolicy(), PolicyBase)
    abstract = getattr(asyncio.events, "_AbstractEventLoopPolicy", None) or getattr(
        asyncio.events, "AbstractEventLoopPolicy", PolicyBase
    )
    assert isinstance(ContextPolicy(), abstract)


def test_it_can_be_set_with_asyncios_function_and_removed_with_none(loops):
    with in_force(None):
        set_policy(ContextPolicy())
        asyncio.set_event_loop(loops[0])
        assert asyncio.get_event_loop() is loops[0]
        assert contextvars.copy_context().run(asyncio.get_event_loop) is loops[0]
        set_policy(None)
        assert host.in_force() is None
        asyncio.set_event_loop(loops[1])
        assert asyncio.get_event_loop() is loops[1]
        asyncio.set_event_loop(None)


def test_a_loop_bound_under_one_policy_is_not_seen_under_another(loops):
    with in_force(ContextPolicy(missing="error")):
        asyncio.set_event_loop(loops[0])
        with in_force(ContextPolicy(missing="error")), pytest.raises(RuntimeError):
            asyncio.get_event_loop()
        assert asyncio.get_event_loop() is loops[0]


def test_two_policies_with_one_resolver_see_the_same_loop(loops):
    resolver = ContextVarResolver()
    with in_force(ContextPolicy(resolver)):
        asyncio.set_event_loop(loops[0])
        with in_force(ContextPolicy(resolver)):
            assert asyncio.get_event_loop() is loops[0]


def test_its_attributes_and_repr_show_its_arguments():
    resolver = ThreadResolver()
    policy = ContextPolicy(resolver=resolver, missing="create")
    assert policy.resolver is policy.own_resolver is resolver
    assert policy.missing == "create"
    assert repr(policy) == f"<ContextPolicy resolver={resolver!r} missing='create'>"
    assert isinstance(ContextPolicy().resolver, ContextVarResolver)
    assert ContextPolicy().missing == "asyncio"


def test_the_resolver_is_its_only_positional_argument():
    with pytest.raises(TypeError, match="positional argument"):
        ContextPolicy("thread", "error")


@pytest.mark.parametrize("wrong", ["", "raise", None, 5, ["error"]])
def test_missing_must_be_one_of_three_values(wrong):
    with pytest.raises(OptionError, match="missing must be one of 'asyncio', 'error', 'create', not "):
        ContextPolicy(missing=wrong)


def test_every_resolver_serves_a_whole_program(resolver):
    async def child() -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0)
        return asyncio.get_event_loop()

    async def main() -> bool:
        loops = await asyncio.gather(child(), child())
        await asyncio.to_thread(asyncio.new_event_loop().close)
        return {*loops, asyncio.get_event_loop()} == {asyncio.get_running_loop()}

    with in_force(ContextPolicy(resolver, missing="error")):
        assert asyncio.run(main())
        assert asyncio.run(main())


# --- bad loops --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [5, "loop", asyncio.SelectorEventLoop, object()])
def test_an_object_that_is_not_a_loop_is_refused_and_the_binding_stays(resolver, loops, wrong):
    with in_force(ContextPolicy(resolver, missing="error")) as policy:
        asyncio.set_event_loop(loops[0])
        with pytest.raises(NOT_A_LOOP, match="^loop must be an instance of AbstractEventLoop or None, not '"):
            asyncio.set_event_loop(wrong)
        assert asyncio.get_event_loop() is loops[0]
        with pytest.raises(NotALoopError) as caught:
            policy.set_event_loop(wrong)
        assert asyncio.get_event_loop() is loops[0]
        asyncio.set_event_loop(None)
    assert str(caught.value) == (
        f"loop must be an instance of AbstractEventLoop or None, not '{type(wrong).__name__}' "
        f"(set in thread 'MainThread' for {resolver.describe()}, whose binding is unchanged). Pass an event loop, as "
        "asyncio.new_event_loop() returns it."
    )


def test_a_closed_loop_is_bound_as_asyncio_binds_it(resolver, loops):
    with in_force(ContextPolicy(resolver, missing="error")):
        loops[0].close()
        asyncio.set_event_loop(loops[0])
        assert asyncio.get_event_loop() is loops[0]
        asyncio.set_event_loop(None)


# --- resolvers that break their contract ------------------------------------------------------------------------------


class Answering(ContextResolver):
    """Returns the object that it was given, or raises it."""

    def __init__(self, answer):
        self.answer = answer

    def get(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def set(self, loop):
        self.answer = loop


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (ZeroDivisionError("oh"), ("get() raised ZeroDivisionError('oh')", "None where no loop is bound.")),
        (5, ("get() returned 5", "an event loop, or None.")),
    ],
)
def test_a_resolver_whose_get_is_wrong_is_named_and_can_be_set_again(answer, complaint, loops):
    resolver = Answering(answer)
    policy = ContextPolicy(resolver, missing="error")
    with in_force(policy):
        with pytest.raises(ResolverError) as caught:
            in_thread(asyncio.get_event_loop, name="tenant-7")
        what, wanted = complaint
        assert str(caught.value) == (
            f"resolver Answering: {what}, in thread 'tenant-7', for the context that Answering finds in thread "
            f"'tenant-7'. Fix the resolver: it must return {wanted}"
        )
        assert caught.value.__cause__ is (answer if isinstance(answer, Exception) else None)
        asyncio.set_event_loop(loops[0])
        assert asyncio.get_event_loop() is loops[0]


def test_within_a_chain_the_resolver_that_is_wrong_is_named():
    chain = ctxpolicy.ChainResolver(TaskResolver(), Answering(5))

    class NeverHere(TaskResolver):
        pass

    with in_force(ContextPolicy(ctxpolicy.ChainResolver(NeverHere(), chain))):
        with pytest.raises(ResolverError, match="resolver (Answering|NeverHere): get"):
            asyncio.get_event_loop()


def test_a_chain_is_named_if_applies_raises_in_one_of_its_resolvers():
    class Lost(ThreadResolver):
        def applies(self):
            raise ZeroDivisionError

    with in_force(ContextPolicy(ctxpolicy.ChainResolver(Lost()))):
        with pytest.raises(ResolverError, match=r"resolver ChainResolver: get\(\) raised ZeroDivisionError"):
            asyncio.get_event_loop()


def test_overriding_get_in_a_resolvers_subclass_is_honoured(resolver, loops):
    class Override(type(resolver)):  # type: ignore[misc]
        def get(self):
            return loops[1]

    resolver.__class__ = Override
    with in_force(ContextPolicy(resolver, missing="error")):
        asyncio.set_event_loop(loops[0])
        assert asyncio.get_event_loop() is loops[1]
        asyncio.set_event_loop(None)


def test_overriding_set_in_a_resolvers_subclass_is_honoured(resolver, loops):
    sets = []

    class Override(type(resolver)):  # type: ignore[misc]
        def set(self, loop):
            sets.append(loop)
            super().set(loop)

    resolver.__class__ = Override
    with in_force(ContextPolicy(resolver, missing="error")):
        asyncio.set_event_loop(loops[0])
        assert asyncio.get_event_loop() is loops[0]
        asyncio.set_event_loop(None)
    assert sets == [loops[0], None]


# --- subclasses, as asyncio's documentation shows them ----------------------------------------------------------------


def test_a_subclass_may_override_get_event_loop_and_call_super(loops):
    class MyEventLoopPolicy(ContextPolicy):
        def get_event_loop(self):
            """Get the event loop: this may be None or an instance of EventLoop."""
            loop = super().get_event_loop()
            asked.append(loop)
            return loop

    asked: list[asyncio.AbstractEventLoop] = []
    with in_force(MyEventLoopPolicy("thread", missing="create")):
        made = asyncio.get_event_loop()
        asyncio.set_event_loop(loops[0])
        assert asyncio.get_event_loop() is loops[0]
        assert asked == [made, loops[0]]
        asyncio.set_event_loop(None)


def test_a_subclass_may_override_set_event_loop_and_everything_goes_through_it(loops):
    class MyEventLoopPolicy(ContextPolicy):
        def set_event_loop(self, loop):
            sets.append(loop)
            super().set_event_loop(loop)

    sets: list[asyncio.AbstractEventLoop | None] = []
    policy = MyEventLoopPolicy("thread")
    with in_force(policy):
        asyncio.run(asyncio.sleep(0))
        policy._local._loop = loops[0]
        assert asyncio.get_event_loop() is loops[0]
    assert [type(loop).__name__ for loop in sets] == [type(sets[0]).__name__, "NoneType", type(loops[0]).__name__]


def test_a_subclass_may_override_new_event_loop_and_leases_come_from_it(loops):
    class MyEventLoopPolicy(ContextPolicy):
        def new_event_loop(self):
            return loops[0]

    policy = MyEventLoopPolicy("thread", missing="create")
    with in_force(policy):
        assert asyncio.new_event_loop() is loops[0]
        assert asyncio.get_event_loop() is loops[0]
        asyncio.set_event_loop(None)


def test_a_subclass_of_a_subclass_may_override_them_too(loops):
    class First(ContextPolicy):
        def get_event_loop(self):
            return super().get_event_loop()

    class Second(First):
        def get_event_loop(self):
            calls.append("second")
            return super().get_event_loop()

    calls: list[str] = []
    with in_force(Second("thread")):
        asyncio.set_event_loop(loops[0])
        assert asyncio.get_event_loop() is loops[0]
    assert calls == ["second"]


def test_another_base_class_of_a_subclass_is_initialized_too():
    class AnotherPolicy(PolicyBase):
        def __init__(self):
            super().__init__()
            self.loops = []

    class Both(ContextPolicy, AnotherPolicy):
        pass

    assert Both("thread").loops == []


# --- a method that is not overridden costs no frame -------------------------------------------------------------------


def test_the_policys_get_event_loop_is_the_resolvers_own_closure():
    class Getter(ThreadResolver):
        def getter(self, miss):
            return closure

    def closure():
        return loop

    loop = platform_loop()
    policy = ContextPolicy(Getter())
    policy._core._override = None  # another test has used using()
    policy._bind_methods()
    assert policy.get_event_loop is closure
    with in_force(policy):
        assert asyncio.get_event_loop() is loop
    loop.close()


# --- private attributes of asyncio's policy, which libraries read -----------------------------------------------------


def test_the_private_local_reads_and_writes_the_binding_of_the_present_context(loops):
    policy = ContextPolicy("thread", missing="error")
    assert policy._local._loop is None
    policy._local._loop = loops[0]
    assert policy.get_event_loop() is loops[0] is policy._local._loop
    assert in_thread(lambda: policy._local._loop) is None
    policy._local._loop = None
    assert policy._local._loop is None


def test_an_assignment_to_local_as_asyncio_does_in_a_forked_child_changes_nothing(loops):
    policy = ContextPolicy("thread")
    policy.set_event_loop(loops[0])
    policy._local = default_policy()._local
    assert policy.get_event_loop() is loops[0]


# --- the kind of loops ------------------------------------------------------------------------------------------------


class Own(asyncio.SelectorEventLoop):
    pass


class Other(asyncio.SelectorEventLoop):
    pass


class WithFactory(ThreadResolver):
    loop_factory = Own


class WithNew(ThreadResolver):
    def new(self):
        return Other()


def kind(policy: ContextPolicy) -> type:
    loop = policy.new_event_loop()
    loop.close()
    return type(loop)


@pytest.mark.parametrize("overrides", [False, True])
def test_the_policys_factory_takes_precedence_over_the_resolvers_and_that_over_asyncios(overrides, monkeypatch):
    monkeypatch.setattr(override_switch._Switch, "enabled", overrides)  # whether the process has called using()
    native = platform_loop()
    native.close()
    assert kind(ContextPolicy("thread")) is type(native)
    assert kind(ContextPolicy(WithFactory())) is Own
    assert kind(ContextPolicy(WithNew())) is Other
    assert kind(ContextPolicy("thread", loop_factory=Other)) is Other
    assert kind(ContextPolicy(WithFactory(), loop_factory=Other)) is Other


def test_factory_in_use_returns_the_factory():
    resolver = WithNew()
    assert ContextPolicy("thread", loop_factory=Own).factory_in_use() is Own
    assert ContextPolicy(WithFactory()).factory_in_use() is Own
    assert ContextPolicy(resolver).factory_in_use() == resolver.new
    assert ContextPolicy("thread").factory_in_use() == PolicyBase._loop_factory


def test_a_policy_installed_over_one_with_a_factory_makes_the_same_kind_of_loops():
    with ctxpolicy.install("thread", loop_factory=Own), ctxpolicy.install("task") as inner:
        assert kind(inner.policy) is Own
        with ctxpolicy.install("thread", loop_factory=Other) as given, ctxpolicy.install("thread") as innermost:
            assert kind(given.policy) is Other
            assert kind(innermost.policy) is Other


def test_a_policy_installed_over_a_subclass_with_its_own_kind_of_loops_makes_that_kind():
    class Mine(ContextPolicy):
        def new_event_loop(self):
            return Own()

    with ctxpolicy.install(Mine("thread")), ctxpolicy.install("task") as inner:
        assert kind(inner.policy) is Own


def test_the_kind_of_loops_depends_on_the_policy_underneath_not_on_where_the_policy_was_made():
    native = platform_loop()
    native.close()
    with ctxpolicy.install("thread", loop_factory=Own):
        policy = ContextPolicy("task")
        assert kind(policy) is Own
    with in_force(default_policy()), ctxpolicy.install(policy):
        assert kind(policy) is type(native)


def test_two_policies_installed_over_each_other_do_not_call_each_other_for_ever():
    class Mine(ContextPolicy):
        def new_event_loop(self):
            return super().new_event_loop()

    mine = Mine("thread")
    with in_force(mine), ctxpolicy.install("task") as other:
        kind_of_mine = kind(mine)
        with ctxpolicy.install(mine):
            assert kind(mine) is kind(other.policy) is kind_of_mine
