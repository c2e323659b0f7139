"""Compare the tables of names with the asyncio that the tests run on."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import warnings

import pytest

from ctxpolicy._check.asyncio_names import (
    ADDED,
    IN_ASYNCIO,
    IN_SUBMODULES,
    POLICY_INSTANCE,
    REFUSE_LOOP_ARGUMENT,
    SUBMODULES,
    asyncio_name,
    find_removed,
    find_star_removed,
)
from ctxpolicy._check.report import Version

# The test suite also runs on an asyncio that emulates that of 3.16.
here = Version(*sys.version_info[:2]) if hasattr(asyncio, "set_event_loop_policy") else Version(3, 16)

WINDOWS_ONLY = {name for name in IN_SUBMODULES if "Windows" in name}
FIRST_IN_3_14 = {
    "_AbstractEventLoopPolicy",
    "_BaseDefaultEventLoopPolicy",
    "_DefaultEventLoopPolicy",
    "_get_event_loop_policy",
    "_set_event_loop_policy",
}

if sys.platform == "win32":
    pytest.skip("the tables are compared with a Unix asyncio", allow_module_level=True)


def has(module: object, name: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hasattr(module, name)


@pytest.mark.parametrize("name", sorted(IN_ASYNCIO.keys() - WINDOWS_ONLY))
def test_asyncio_has_a_name_exactly_until_the_table_lists_it_as_gone(name):
    assert has(asyncio, name) == (here < IN_ASYNCIO[name].fails)


@pytest.mark.parametrize("name", sorted(IN_SUBMODULES.keys() - WINDOWS_ONLY))
def test_a_submodule_has_a_name_exactly_until_the_table_lists_it_as_gone(name):
    modules = [importlib.import_module(f"asyncio.{module}") for module in ("events", "unix_events")]
    lives = here < IN_SUBMODULES[name].fails and (name not in FIRST_IN_3_14 or here >= (3, 14))
    assert any(has(module, name) for module in modules) == lives


@pytest.mark.skipif(not (3, 14) <= here < (3, 16), reason="policies warn only in Python 3.14 and 3.15")
@pytest.mark.parametrize("name", ["AbstractEventLoopPolicy", "DefaultEventLoopPolicy"])
def test_taking_a_policy_class_warns_as_the_table_says(name):
    assert here >= IN_ASYNCIO[name].warns
    with pytest.warns(DeprecationWarning, match=name):
        getattr(asyncio, name)


@pytest.mark.skipif(not (3, 14) <= here < (3, 16), reason="policies warn only in Python 3.14 and 3.15")
def test_calling_a_policy_function_warns_as_the_table_says():
    assert here >= IN_ASYNCIO["get_event_loop_policy"].warns
    with pytest.warns(DeprecationWarning, match="get_event_loop_policy"):
        asyncio.get_event_loop_policy()


@pytest.mark.skipif(here >= (3, 14), reason="asyncio 3.14 has no child watchers")
@pytest.mark.parametrize("name", sorted(name for name in IN_ASYNCIO if name.endswith("ChildWatcher")))
def test_making_a_child_watcher_warns_as_the_table_says(name):
    said = here >= (IN_ASYNCIO[name].warns or IN_ASYNCIO[name].fails)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if name == "AbstractChildWatcher":
            type("Watcher", (asyncio.AbstractChildWatcher,), {"__module__": "elsewhere"})
        else:
            getattr(asyncio, name)()
    assert bool(caught) == said


@pytest.mark.parametrize("name", sorted(REFUSE_LOOP_ARGUMENT))
def test_every_listed_callable_refuses_a_loop_argument(name):
    thing = getattr(asyncio, name)
    if inspect.isclass(thing):
        with pytest.raises(TypeError, match="loop"):
            thing(loop=None)
    else:
        assert "loop" not in inspect.signature(thing).parameters


@pytest.mark.parametrize(
    "name", ["Future", "StreamReader", "StreamReaderProtocol", "Task", "ensure_future", "wrap_future"]
)
def test_a_callable_that_still_accepts_a_loop_argument_is_not_listed(name):
    assert name not in REFUSE_LOOP_ARGUMENT
    assert "loop" in inspect.signature(getattr(asyncio, name)).parameters


@pytest.mark.parametrize("name", sorted(ADDED))
def test_asyncio_has_a_name_exactly_from_the_version_that_the_table_lists(name):
    assert hasattr(asyncio, name) == (here >= ADDED[name])


def test_the_listed_submodules_are_those_of_asyncio():
    assert all(has(asyncio, module) for module in ("events", "locks", "queues", "streams", "tasks", "unix_events"))
    named = {name for name, value in vars(asyncio).items() if inspect.ismodule(value) and "asyncio" in value.__name__}
    assert {name for name in named if not name.startswith("_")} - SUBMODULES <= {"graph", "tools"}


def test_a_dotted_path_into_asyncio_is_distinguished_from_others():
    assert asyncio_name("asyncio.Queue") == "Queue"
    assert asyncio_name("asyncio.tasks.events.get_event_loop") == "get_event_loop"
    for path in ("asyncio", "Queue", "queue.Queue", "aio.asyncio.Queue", "asyncio.Queue.put", ".asyncio.Queue"):
        assert asyncio_name(path) is None


def test_a_policy_class_is_gone_from_the_submodules_earlier_than_from_the_package():
    assert find_removed("asyncio.DefaultEventLoopPolicy").fails == (3, 16)
    assert find_removed("asyncio.unix_events.DefaultEventLoopPolicy").fails == (3, 14)
    assert find_star_removed("DefaultEventLoopPolicy").fails == (3, 14)


def test_only_child_watcher_methods_of_a_policy_are_gone():
    assert find_removed(f"{POLICY_INSTANCE}.get_child_watcher").code == "CTX201"
    assert find_removed(f"{POLICY_INSTANCE}.get_event_loop") is None


def test_private_names_are_not_looked_up_in_the_package_or_its_star_import():
    assert find_removed("asyncio._UnixDefaultEventLoopPolicy") is None
    assert find_removed("asyncio.unix_events._UnixDefaultEventLoopPolicy").code == "CTX103"
    assert find_star_removed("BaseChildWatcher") is None
