"""using: a resolver for one contextvars context and its copies, without effect on the rest of the process."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import sys
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Iterator

import pytest

from ctxpolicy import (
    ContextPolicy,
    ContextResolver,
    ContextVarResolver,
    InstallationError,
    KeyedResolver,
    NoCurrentLoopError,
    ResolverError,
    TaskResolver,
    ThreadResolver,
    UnknownNameError,
    install,
    run,
    using,
)
from ctxpolicy._asyncio.host import host
from ctxpolicy._policy import using as using_module
from ctxpolicy._policy.install import installations
from ctxpolicy._policy.passthrough import PassThroughPolicy
from tests.support.policies import (
    NOT_A_LOOP,
    asyncio_alone,
    collect_copies,
    collect_garbage,
    default_policy,
    in_force,
    in_thread,
    set_policy,
    settled,
    uvloop_policy,
)
from tests.support.programs import run_program


@contextlib.contextmanager
def nothing_installed() -> Iterator[None]:
    with asyncio_alone():
        yield


@contextlib.contextmanager
def something_installed() -> Iterator[None]:
    with install("thread", missing="error"):
        yield


@contextlib.contextmanager
def set_plainly() -> Iterator[None]:
    with in_force(ContextPolicy("thread", missing="error")):
        yield


@contextlib.contextmanager
def uvloops_policy() -> Iterator[None]:
    with in_force(uvloop_policy()):
        yield


@pytest.fixture(params=[nothing_installed, something_installed, set_plainly, uvloops_policy], autouse=True)
def surroundings(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run each test under each kind of policy. A block has the same effect under all, and leaves no trace."""
    with request.param():
        before = host.in_force()
        yield request.param.__name__
        collect_copies()
        assert host.in_force() is before


@pytest.fixture
def loops() -> Iterator[list[asyncio.AbstractEventLoop]]:
    """Three loops that no policy has made."""
    made: list[asyncio.AbstractEventLoop] = [asyncio.SelectorEventLoop() for _ in range(3)]
    yield made
    for loop in made:
        loop.close()


def seen() -> asyncio.AbstractEventLoop | None:
    """Return the loop of the policy in force, even if another loop is running."""
    try:
        return (host.in_force() or host.asyncio_policy()).get_event_loop()
    except RuntimeError:
        return None


# --- where a block takes effect ---------------------------------------------------------------------------------------


def test_the_resolver_is_used_in_the_block_and_the_previous_policy_outside(loops):
    asyncio.set_event_loop(loops[0])
    with using(ThreadResolver()) as resolver:
        asyncio.set_event_loop(loops[1])
        assert asyncio.get_event_loop() is loops[1]
        assert resolver.get() is loops[1]
    assert asyncio.get_event_loop() is loops[0]
    asyncio.set_event_loop(None)


def test_a_binding_made_in_a_block_is_seen_in_the_next_block_of_that_resolver(loops):
    resolver = ThreadResolver()
    with using(resolver):
        asyncio.set_event_loop(loops[0])
    with using(resolver):
        assert asyncio.get_event_loop() is loops[0]


def test_a_name_means_the_same_resolver_each_time():
    with using("task") as first, using("task") as second:
        assert first is second
        assert isinstance(first, TaskResolver)


def test_blocks_nest(loops):
    outer, inner = ThreadResolver(), ThreadResolver()
    with using(outer):
        asyncio.set_event_loop(loops[0])
        with using(inner):
            asyncio.set_event_loop(loops[1])
            with using(outer):
                assert asyncio.get_event_loop() is loops[0]
            assert asyncio.get_event_loop() is loops[1]
        assert asyncio.get_event_loop() is loops[0]


def test_the_policy_names_the_resolver_in_effect(surroundings):
    with using(ThreadResolver()) as overriding:
        policy = host.in_force()
        assert isinstance(policy, ContextPolicy)
        assert policy.resolver is overriding
        assert contextvars.Context().run(lambda: policy.resolver) is policy.own_resolver
        if surroundings in ("something_installed", "set_plainly"):
            assert isinstance(policy.own_resolver, ThreadResolver)
            assert repr(policy).startswith("<ContextPolicy resolver=")
        else:
            assert repr(policy).startswith("<the policy of using() over <")


def test_another_contextvars_context_is_not_in_the_block(loops):
    with using(ThreadResolver()):
        asyncio.set_event_loop(loops[0])
        contextvars.Context().run(asyncio.set_event_loop, loops[1])
        assert contextvars.Context().run(asyncio.get_event_loop) is loops[1]
        assert asyncio.get_event_loop() is loops[0]
    assert asyncio.get_event_loop() is loops[1]
    asyncio.set_event_loop(None)


def test_a_copy_made_in_the_block_keeps_the_resolver_after_it(loops, surroundings):
    with using(ThreadResolver()):
        asyncio.set_event_loop(loops[0])
        copy = contextvars.copy_context()
    assert copy.run(asyncio.get_event_loop) is loops[0]
    with using("task"):
        assert copy.run(asyncio.get_event_loop) is loops[0]
    assert copy.run(asyncio.get_event_loop) is loops[0]


def test_the_temporary_policy_is_removed_with_the_last_copy(surroundings):
    if surroundings in ("something_installed", "set_plainly"):
        pytest.skip("under this policy a block puts no other policy in force")
    before = host.in_force()
    with using(ThreadResolver()):
        copies = [contextvars.copy_context() for _ in range(2)]
    for _ in range(2):
        assert repr(host.in_force()).startswith("<the policy of using() over <")
        copies.pop()
        collect_garbage()
    assert settled() is before


def test_a_policy_installed_over_the_temporary_policy_is_not_disturbed_by_the_end_of_the_last_copy(surroundings, loops):
    if surroundings in ("something_installed", "set_plainly"):
        pytest.skip("under this policy a block puts no other policy in force")
    before = host.in_force()
    with using(ThreadResolver()):
        asyncio.set_event_loop(loops[0])
        copy = contextvars.copy_context()
    with install("task") as installation:
        assert copy.run(asyncio.get_event_loop) is loops[0]
        del copy
        collect_garbage()
        assert host.in_force() is installation.policy
    assert settled() is before


def test_the_last_copy_may_be_freed_while_another_block_begins(surroundings):
    before = host.in_force()
    copies = []

    class Dropping(ThreadResolver):
        def installed(self):
            copies.clear()
            collect_garbage()

    with using(ThreadResolver()):
        copies.append(contextvars.copy_context())
    with using(resolver := Dropping()):
        assert host.in_force().resolver is resolver
    assert settled() is before


def test_a_task_that_continues_after_the_block_keeps_its_resolver(loops):
    async def child(go_on: asyncio.Event) -> None:
        await go_on.wait()
        asyncio.set_event_loop(loops[1])
        assert seen() is loops[1]

    async def main() -> None:
        asyncio.set_event_loop(loops[0])
        go_on = asyncio.Event()
        with using("task"):
            task = asyncio.create_task(child(go_on))
            await asyncio.sleep(0)
        go_on.set()
        await task
        assert seen() is loops[0]

    asyncio.run(main())


def test_blocks_and_copies_that_end_in_many_threads_at_once_leave_nothing(surroundings):
    before = host.in_force()
    copies = collections.deque()

    def job() -> None:
        for _ in range(100):
            with using(ThreadResolver()):
                copies.append(contextvars.copy_context())
            copies.popleft()

    threads = [threading.Thread(target=job) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    collect_garbage()
    assert settled() is before


def test_to_thread_is_in_the_block_and_a_plain_thread_is_not(loops):
    async def main() -> None:
        asyncio.set_event_loop(loops[0])
        assert await asyncio.to_thread(seen) is loops[0]
        if not getattr(sys.flags, "thread_inherit_context", 0):
            assert in_thread(seen) is None

    with using(KeyedResolver(lambda: "tenant", shared=True)):
        asyncio.run(main())


def test_two_tasks_of_one_loop_are_each_under_a_resolver_of_their_own(loops):
    async def tenant(number: int, both: Barrier) -> None:
        with using(KeyedResolver(lambda: f"tenant {number}")) as resolver:
            asyncio.set_event_loop(loops[number])
            await both.wait()
            assert seen() is loops[number]
            assert host.in_force().resolver is resolver
            await asyncio.create_task(child(number))
            await both.wait()
            assert seen() is loops[number]

    async def child(number: int) -> None:
        assert seen() is loops[number]

    async def main() -> None:
        both = Barrier(2)
        await asyncio.gather(tenant(0, both), tenant(1, both))

    asyncio.run(main())


class Barrier:
    """A barrier for tasks, because Python 3.10 has no asyncio.Barrier."""

    def __init__(self, parties: int) -> None:
        self.parties, self.arrived, self.event = parties, 0, asyncio.Event()

    async def wait(self) -> None:
        self.arrived += 1
        if self.arrived == self.parties:
            self.arrived = 0
            self.event.set()
            self.event = asyncio.Event()
        else:
            await self.event.wait()


def test_two_threads_are_each_under_a_resolver_of_their_own(loops):
    resolvers, together, failures = [ThreadResolver(), ContextVarResolver()], threading.Barrier(2), []

    def job(number: int) -> None:
        try:
            with using(resolvers[number]):
                together.wait()
                asyncio.set_event_loop(loops[number])
                together.wait()
                assert asyncio.get_event_loop() is loops[number]
                assert host.in_force().resolver is resolvers[number]
                together.wait()
        except BaseException as error:  # noqa: BLE001 - shown by the test, in its own thread
            failures.append(error)
            together.abort()

    threads = [threading.Thread(target=job, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_block_in_one_thread_ends_while_a_block_in_another_thread_continues(loops):
    entered, finish, result = threading.Event(), threading.Event(), []

    def job() -> None:
        with using(ThreadResolver()):
            asyncio.set_event_loop(loops[0])
            entered.set()
            finish.wait()
            result.append(asyncio.get_event_loop())

    thread = threading.Thread(target=job)
    with using("task"):
        thread.start()
        entered.wait()
    finish.set()
    thread.join()
    assert result == [loops[0]]


def test_a_block_takes_effect_while_a_loop_runs(loops):
    async def main() -> None:
        running = asyncio.get_running_loop()
        with using(ThreadResolver()):
            asyncio.set_event_loop(loops[0])
            assert asyncio.get_event_loop() is running
            assert seen() is loops[0]
            await asyncio.sleep(0)
            assert seen() is loops[0]

    asyncio.run(main())


def test_asyncio_run_in_a_block_binds_its_loop_by_the_blocks_resolver(loops):
    async def main() -> tuple[bool, asyncio.AbstractEventLoop | None]:
        return resolver.get() is asyncio.get_running_loop(), asyncio.get_event_loop()

    resolver = ContextVarResolver()
    with using(resolver):
        bound, loop = asyncio.run(main())
        assert bound
        assert loop.is_closed()
        assert resolver.get() is None


# --- the policy in a block --------------------------------------------------------------------------------------------


def test_an_object_that_is_not_a_loop_is_refused_and_the_binding_stays(loops):
    with using(ThreadResolver()):
        asyncio.set_event_loop(loops[0])
        with pytest.raises(NOT_A_LOOP, match="^loop must be an instance of AbstractEventLoop or None, not 'int'"):
            asyncio.set_event_loop(5)  # type: ignore[arg-type]
        assert asyncio.get_event_loop() is loops[0]


def test_the_error_names_the_blocks_context(loops):
    with using(KeyedResolver(lambda: "tenant 7")):
        asyncio.set_event_loop(None)
        with pytest.raises(NoCurrentLoopError, match="key 'tenant 7' in thread 'MainThread' has none"):
            asyncio.get_event_loop()


def test_a_resolver_that_breaks_its_contract_is_named():
    class Broken(ContextResolver):
        def get(self):
            raise ZeroDivisionError

        def set(self, loop):
            pass

    with using(Broken()), pytest.raises(ResolverError, match=r"resolver Broken: get\(\) raised ZeroDivisionError"):
        asyncio.get_event_loop()


def test_a_resolvers_own_kind_of_loops_is_made_in_its_block_only():
    class Own(asyncio.SelectorEventLoop):
        pass

    class Resolver(ThreadResolver):
        loop_factory = Own

    kinds = []
    with using(Resolver()):
        kinds.append(asyncio.new_event_loop())
    kinds.append(asyncio.new_event_loop())
    for loop in kinds:
        loop.close()
    assert type(kinds[0]) is Own
    assert type(kinds[1]) is not Own


def test_a_resolver_without_its_own_kind_makes_loops_of_the_kind_that_is_made_outside():
    outside = asyncio.new_event_loop()
    with using(ThreadResolver()):
        inside = asyncio.new_event_loop()
    outside.close()
    inside.close()
    assert type(inside) is type(outside)


def test_a_missing_loop_is_made_in_the_block_if_the_policy_makes_missing_loops():
    with install("thread", missing="create"):
        with using("task"):

            async def main() -> asyncio.AbstractEventLoop | None:
                return seen()

            made = asyncio.run(main())
            assert made is not None
    collect_garbage()
    assert made.is_closed()  # the lease ended with the task


def test_a_resolver_whose_truth_value_is_false_is_used(loops):
    class Empty(ThreadResolver):
        def __len__(self):
            return 0

    with using(Empty()) as resolver:
        asyncio.set_event_loop(loops[0])
        assert resolver.get() is loops[0]
        assert host.in_force().resolver is resolver


# --- the end ----------------------------------------------------------------------------------------------------------


def test_a_block_is_entered_once_at_a_time_and_may_be_entered_again():
    block = using("task")
    with block:
        with pytest.raises(InstallationError, match="this using block is entered already: create one for each with"):
            block.__enter__()
        assert isinstance(host.in_force(), ContextPolicy)
    with block:
        pass
    with pytest.raises(InstallationError, match="this using block is not entered"):
        block.__exit__(None, None, None)


def test_a_block_left_out_of_order_raises_and_ends_with_the_inner_block(loops):
    resolvers = [ThreadResolver(), ThreadResolver(), ThreadResolver()]
    blocks = [using(resolver) for resolver in resolvers]
    asyncio.set_event_loop(loops[0])
    for block in blocks:
        block.__enter__()
    asyncio.set_event_loop(loops[1])
    for block in blocks[:2]:
        with pytest.raises(
            InstallationError, match="is left, in thread 'MainThread', before a using block that was entered"
        ):
            block.__exit__(None, None, None)
        assert asyncio.get_event_loop() is loops[1]
    blocks[2].__exit__(None, None, None)
    assert asyncio.get_event_loop() is loops[0]
    asyncio.set_event_loop(None)


def test_of_two_blocks_of_one_resolver_the_outer_one_cannot_be_left_first(loops):
    resolver = ThreadResolver()
    asyncio.set_event_loop(loops[0])
    outer, inner = using(resolver), using(resolver)
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(InstallationError, match="Leave the inner block first"):
        outer.__exit__(None, None, None)
    inner.__exit__(None, None, None)
    assert asyncio.get_event_loop() is loops[0]
    asyncio.set_event_loop(None)


def test_leaving_a_block_in_another_contextvars_context_raises_and_the_block_stays_entered(loops):
    elsewhere = contextvars.Context()
    block = using(ThreadResolver())
    elsewhere.run(block.__enter__)
    elsewhere.run(asyncio.set_event_loop, loops[0])
    with pytest.raises(InstallationError) as caught:
        block.__exit__(None, None, None)
    assert "in another contextvars context than it was entered in" in str(caught.value)
    assert "thread 'MainThread'" in str(caught.value)
    assert "Enter and leave the block in the same task" in str(caught.value)
    with using("task"):
        assert elsewhere.run(asyncio.get_event_loop) is loops[0]


def test_leaving_a_block_in_a_copy_of_its_context_raises_too():
    block = using(ThreadResolver())

    async def leaver() -> None:
        with pytest.raises(InstallationError, match="in another contextvars context than it was entered in"):
            block.__exit__(None, None, None)

    async def main() -> None:
        block.__enter__()
        await asyncio.create_task(leaver())

    asyncio.run(main())


def test_closing_an_asynchronous_generator_in_another_task_raises():
    @contextlib.asynccontextmanager
    async def fixture() -> AsyncIterator[None]:
        with using(ThreadResolver()):
            yield

    async def main() -> None:
        manager = fixture()
        await asyncio.create_task(manager.__aenter__())
        with pytest.raises(InstallationError, match="in another contextvars context than it was entered in"):
            await asyncio.create_task(manager.__aexit__(None, None, None))

    asyncio.run(main())


def test_a_block_in_a_copy_ends_correctly_although_the_outer_block_was_left_in_the_copy(loops):
    outer = using(ThreadResolver())

    async def child() -> None:
        with using(ThreadResolver()):
            with pytest.raises(InstallationError, match="before a using block that was entered inside it"):
                outer.__exit__(None, None, None)
            asyncio.set_event_loop(loops[0])
        assert host.in_force().resolver.get() is None

    async def main() -> None:
        outer.__enter__()
        await asyncio.create_task(child())

    asyncio.run(main())


def test_an_unknown_name_is_refused_before_anything_happens():
    before = host.in_force()
    with pytest.raises(UnknownNameError):
        using("nobody")
    assert settled() is before


def test_installed_and_uninstalled_are_called_for_each_block_and_if_installed_raises_nothing_changes():
    told: list[str] = []

    class Noting(ThreadResolver):
        fails = False

        def installed(self):
            told.append("installed")
            if self.fails:
                raise OSError("no")

        def uninstalled(self):
            told.append("uninstalled")

    resolver, before = Noting(), host.in_force()
    with using(resolver), using(resolver):
        pass
    assert told == ["installed", "installed", "uninstalled", "uninstalled"]
    resolver.fails = True
    with pytest.raises(OSError, match="no"):
        using(resolver).__enter__()
    assert told[4:] == ["installed"]
    assert settled() is before


def test_if_asyncio_refuses_the_policy_uninstalled_is_called(monkeypatch, surroundings):
    if surroundings in ("something_installed", "set_plainly"):
        pytest.skip("under this policy a block puts no other policy in force")
    told: list[str] = []

    class Noting(ThreadResolver):
        def installed(self):
            told.append("installed")

        def uninstalled(self):
            told.append("uninstalled")

    def refuse(self, policy):
        raise InstallationError("not here")

    block = using(Noting())
    with monkeypatch.context() as patch:
        patch.setattr(type(host), "force", refuse)
        with pytest.raises(InstallationError, match="not here"):
            block.__enter__()
    assert told == ["installed", "uninstalled"]
    with block:
        pass


# --- with install and set_event_loop_policy ---------------------------------------------------------------------------


def test_a_policy_installed_in_a_block_stays_in_force_after_it_until_it_is_uninstalled(loops):
    before = host.in_force()
    with using(ThreadResolver()) as overriding:
        installation = install("thread", missing="error")
        assert host.in_force().resolver is overriding
        asyncio.set_event_loop(loops[0])
    assert host.in_force() is installation.policy
    assert seen() is None
    with using(overriding):
        assert asyncio.get_event_loop() is loops[0]
    installation.uninstall()
    assert settled() is before


def test_installing_and_uninstalling_in_a_block_leaves_the_block_in_effect(loops):
    with using(ThreadResolver()):
        asyncio.set_event_loop(loops[0])
        with install("task"):
            assert asyncio.get_event_loop() is loops[0]
        assert asyncio.get_event_loop() is loops[0]


def test_a_policy_made_before_any_block_obeys_the_block_that_it_is_installed_in(loops):
    policy = ContextPolicy("thread")
    policy._core._override = None  # the state before the first block of the process
    policy._bind_methods()
    with using(ThreadResolver()):
        asyncio.set_event_loop(loops[0])
        with install(policy):
            assert asyncio.get_event_loop() is loops[0]


def test_a_block_continues_when_the_policy_under_it_is_uninstalled(loops):
    installation = install("thread")
    entered, finish, result = threading.Event(), threading.Event(), []

    def job() -> None:
        with using(ThreadResolver()):
            asyncio.set_event_loop(loops[0])
            entered.set()
            finish.wait()
            result.append(asyncio.get_event_loop())

    thread = threading.Thread(target=job)
    thread.start()
    entered.wait()
    installation.uninstall()
    finish.set()
    thread.join()
    assert result == [loops[0]]


def test_a_policy_set_in_a_block_stays_and_the_end_of_the_block_warns(surroundings):
    if surroundings in ("something_installed", "set_plainly"):
        pytest.skip("under this policy a block puts no other policy in force that could be replaced")
    before, intruder = host.in_force(), default_policy()
    with pytest.warns(RuntimeWarning) as caught, using("task"):
        set_policy(intruder)
    assert host.in_force() is intruder
    (warning,) = caught
    assert "asyncio's default policy was put in force by asyncio.set_event_loop_policy()" in str(warning.message)
    assert "thread 'MainThread'" in str(warning.message)
    assert "Set policies outside of using blocks, or call ctxpolicy.install()." in str(warning.message)
    assert warning.filename == __file__
    set_policy(before)
    with using("task"):  # the next block works normally
        pass


def test_a_block_takes_effect_again_when_another_block_is_entered(surroundings, loops):
    if surroundings in ("something_installed", "set_plainly"):
        pytest.skip("under this policy a block puts no other policy in force that could be replaced")
    before, intruder = host.in_force(), default_policy()
    with using(ThreadResolver()):
        asyncio.set_event_loop(loops[0])
        set_policy(intruder)
        with using("task"):
            pass
        assert asyncio.get_event_loop() is loops[0]
    assert settled() is intruder
    set_policy(before)


def test_run_returns_its_result_even_if_the_program_sets_a_policy():
    async def main() -> str:
        set_policy(default_policy())
        return "result"

    before = host.in_force()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        # Not by name, which would share a resolver: the loop that run() bound stays bound in it, because run() unbinds
        # its loop in the policy that is in force at its end.
        assert run(main(), resolver=ThreadResolver()) == "result"
    set_policy(before)


def test_a_policy_made_before_any_block_and_set_in_a_block_obeys_the_block():
    assert run_program(
        "import asyncio, warnings, ctxpolicy\n"
        "from ctxpolicy._asyncio.host import host\n"
        "policy = ctxpolicy.ContextPolicy('thread')\n"
        "with ctxpolicy.using('task'):\n"
        "    host.force(policy)\n"
        "    print(ctxpolicy.explain().resolver)\n"
    ).startswith("TaskResolver")


def test_a_context_policy_set_in_a_block_stays_and_obeys_the_block(loops):
    before = host.in_force()
    with using(ThreadResolver()):
        asyncio.set_event_loop(loops[0])
        policy = ContextPolicy("task")
        set_policy(policy)
        assert asyncio.get_event_loop() is loops[0]
    assert host.in_force() is policy
    set_policy(before)


# --- the end of the temporary policy ----------------------------------------------------------------------------------


def copy_in_a_block() -> tuple[contextvars.Context, weakref.ref[ContextResolver]]:
    with using(resolver := ThreadResolver()):
        return contextvars.copy_context(), weakref.ref(resolver)


def test_dropping_the_last_copy_does_not_wait_for_a_thread_that_is_in_a_change(surroundings):
    if surroundings in ("something_installed", "set_plainly"):
        pytest.skip("under this policy a block puts no other policy in force")
    before = host.in_force()
    copies = [copy_in_a_block()]
    inside, leave, dropped = threading.Event(), threading.Event(), threading.Event()

    def change() -> None:
        with installations.change():
            inside.set()
            leave.wait()

    def drop() -> None:
        copies.clear()
        collect_garbage()
        dropped.set()

    threads = [threading.Thread(target=change), threading.Thread(target=drop)]
    threads[0].start()
    inside.wait()
    threads[1].start()
    # If dropping the copy waited for the change, this wait would end only with its time limit.
    ended_meanwhile = dropped.wait(30)
    still_in_force = host.in_force()
    leave.set()
    for thread in threads:
        thread.join()
    assert ended_meanwhile
    assert isinstance(still_in_force, PassThroughPolicy)
    assert settled() is before  # the end of the change removed the temporary policy


def test_a_temporary_policy_that_cannot_be_installed_again_is_forgotten(surroundings, monkeypatch):
    if surroundings in ("something_installed", "set_plainly"):
        pytest.skip("under this policy a block puts no other policy in force")
    before, intruder = host.in_force(), default_policy()
    with using("task"):
        set_policy(intruder)
        with monkeypatch.context() as patch:
            patch.setattr(using_module, "PassThroughPolicy", lambda previous: 1 / 0)
            with pytest.raises(ZeroDivisionError), using("thread"):
                pass
        assert using_module.blocks.temporary is None
        assert installations.stack == []
    assert host.in_force() is intruder
    set_policy(before)


# --- the memory that blocks take --------------------------------------------------------------------------------------


def test_the_contextvars_context_does_not_grow_with_many_blocks():
    with using("contextvar"):
        pass
    size = len(contextvars.copy_context())
    for _ in range(2_000):
        with using("contextvar"), using(ThreadResolver()):
            pass
    assert len(contextvars.copy_context()) == size


def test_the_resolvers_of_blocks_that_ended_are_freed():
    class Watched(ThreadResolver):
        pass

    alive = weakref.WeakSet()
    for _ in range(10):
        resolver = Watched()
        alive.add(resolver)
        with using(resolver):
            pass
    del resolver
    collect_garbage()
    assert not alive
