"""Loop factories: by name, as callables, missing, and wrong."""

from __future__ import annotations

import asyncio
import sys
from unittest import mock

import pytest

from ctxpolicy import (
    ContextPolicy,
    CtxPolicyError,
    LoopFactoryError,
    OptionError,
    TaskResolver,
    ThreadResolver,
    UnknownNameError,
    install,
)
from ctxpolicy._asyncio.capabilities import platform_loop
from ctxpolicy._loops.factories import NAMED_FACTORIES, loop_factory, make_loop
from tests.support.policies import in_thread
from tests.support.programs import environment, run_program


def returns_none():
    return None


def raises():
    raise OSError("out of descriptors")


def refuses():
    raise OptionError("ours already")


def returns_closed():
    loop = asyncio.SelectorEventLoop()
    loop.close()
    return loop


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["asyncio", "selector"])
def test_a_name_gives_loops_of_its_kind(name):
    kind = {"asyncio": type(asyncios := platform_loop()), "selector": asyncio.SelectorEventLoop}[name]
    asyncios.close()
    loop = ContextPolicy(loop_factory=name).new_event_loop()
    assert type(loop) is kind
    loop.close()


def test_the_name_uvloop_gives_loops_of_uvloop():
    uvloop = pytest.importorskip("uvloop")
    loop = ContextPolicy(loop_factory="uvloop").new_event_loop()
    assert type(loop) is uvloop.Loop
    loop.close()


def test_the_error_for_an_unknown_name_lists_the_known_names():
    with pytest.raises(UnknownNameError) as caught:
        ContextPolicy(loop_factory="libuv")
    assert str(caught.value) == "no loop factory is called 'libuv'; there are: asyncio, selector, proactor, uvloop"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has it")
def test_the_proactor_is_refused_if_it_does_not_exist():
    with pytest.raises(OptionError, match="the loop factory 'proactor' exists on Windows only"):
        loop_factory("proactor")


def test_on_windows_the_proactor_is_available(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(asyncio, "ProactorEventLoop", returns_none, raising=False)
    assert loop_factory("proactor") is returns_none


def test_a_name_whose_package_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(OptionError, match=r"needs a package: pip install 'ctxpolicy\[uvloop\]'"):
        ContextPolicy(loop_factory="uvloop")
    assert "uvloop" in (NAMED_FACTORIES["uvloop"].unavailable() or "")


def test_the_error_for_a_broken_package_gives_its_name_and_the_reason(tmp_path):
    (tmp_path / "uvloop.py").write_text("raise ImportError('libuv is of the wrong version')")
    program = (
        "import sys, ctxpolicy\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "try: ctxpolicy.install(loop_factory='uvloop')\n"
        "except ctxpolicy.OptionError as error: print(error)"
    )
    assert run_program(program, str(tmp_path), env=environment(tmp_path)) == (
        "the loop factory 'uvloop' cannot be imported: ImportError: libuv is of the wrong version; "
        "reinstall its package: pip install --force-reinstall 'ctxpolicy[uvloop]'"
    )


@pytest.mark.parametrize("wrong", [5, b"uvloop", ["uvloop"]])
def test_a_value_that_is_neither_a_name_nor_a_callable_is_refused(wrong):
    with pytest.raises(OptionError, match="loop_factory must be a callable or a name, not "):
        ContextPolicy(loop_factory=wrong)


# --- callables --------------------------------------------------------------------------------------------------------


def test_a_callable_is_used_as_it_is():
    made = asyncio.SelectorEventLoop()
    policy = ContextPolicy(loop_factory=lambda: made)
    assert policy.new_event_loop() is made
    made.close()


def test_a_class_of_loops_is_a_factory():
    class Own(asyncio.SelectorEventLoop):
        pass

    loop = ContextPolicy(loop_factory=Own).new_event_loop()
    assert type(loop) is Own
    loop.close()


def test_a_factory_that_is_false_as_a_boolean_is_still_used():
    class EmptyPool(list):
        made = 0

        def __call__(self):
            self.made += 1
            return asyncio.SelectorEventLoop()

    pool = EmptyPool()
    ContextPolicy(loop_factory=pool).new_event_loop().close()
    assert pool.made == 1


def test_a_mock_of_a_loop_is_accepted():
    loop = mock.Mock(spec=asyncio.AbstractEventLoop)
    assert ContextPolicy(loop_factory=lambda: loop).new_event_loop() is loop


@pytest.mark.parametrize(
    ("factory", "complaint"),
    [
        (returns_none, "returned None, which is no event loop"),
        (raises, "raised OSError('out of descriptors')"),
        (returns_closed, "returned a closed loop: "),
        (lambda: asyncio.SelectorEventLoop, "returned <class "),
    ],
)
@pytest.mark.parametrize("missing", ["error", "create"])
def test_a_factory_that_makes_no_open_loop_is_named_and_nothing_is_bound(factory, complaint, missing):
    resolver = ThreadResolver()
    policy = ContextPolicy(resolver, missing=missing, loop_factory=factory)

    def worker():
        ask = policy.get_event_loop if missing == "create" else policy.new_event_loop
        with pytest.raises(LoopFactoryError) as caught:
            ask()
        assert resolver.get() is None
        return caught.value

    error = in_thread(worker, name="tenant-7")
    assert isinstance(error, RuntimeError)
    assert complaint in str(error)
    assert repr(factory) in str(error)
    assert "thread 'tenant-7'" in str(error)
    assert "Give a callable without arguments that returns a new, open event loop." in str(error)


def test_the_error_names_the_context_as_the_policy_in_force_describes_it():
    with install(TaskResolver(), loop_factory=returns_none), pytest.raises(LoopFactoryError) as caught:
        in_thread(asyncio.new_event_loop, name="tenant-7")
    where = "in thread 'tenant-7', for thread 'tenant-7', outside any task; nothing was bound."
    assert f"returned None, which is no event loop, {where}" in str(caught.value)


def test_the_exception_of_the_factory_is_chained():
    with pytest.raises(LoopFactoryError) as caught:
        make_loop(raises)
    assert isinstance(caught.value.__cause__, OSError)


def test_an_error_of_ctxpolicy_is_not_wrapped_again():
    with pytest.raises(CtxPolicyError) as caught:
        make_loop(refuses)
    assert type(caught.value) is OptionError


def test_every_named_factory_has_a_summary():
    assert list(NAMED_FACTORIES) == ["asyncio", "selector", "proactor", "uvloop"]
    assert all(factory.summary for factory in NAMED_FACTORIES.values())
