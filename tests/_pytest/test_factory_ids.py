"""A test runs once with each of its loop factories, even if several factories have the same name."""

from __future__ import annotations

import pytest

from tests._pytest.conftest import PYTEST_ASYNCIO, Inner

SOURCE = """
    import asyncio, functools
    import pytest

    seen = []

    def make(name):
        seen.append(name)
        return asyncio.SelectorEventLoop()

    class Maker:
        def __init__(self, name):
            self.name = name

        def __call__(self):
            return make(self.name)

    def factory(name):
        return lambda: make(name)

    several = pytest.mark.ctxpolicy(
        loop_factory=[
            factory(1), factory(2), functools.partial(make, 3), functools.partial(functools.partial(make), 4),
            Maker(5), Maker(6), "asyncio", "asyncio",
        ]
    )
"""
SYNC = """
    @several
    def test_each(ctxpolicy_loop):
        assert ctxpolicy_loop.run_until_complete(asyncio.sleep(0, 5)) == 5
"""
ASYNC = """
    @several
    @pytest.mark.asyncio
    async def test_each():
        await asyncio.sleep(0)
"""
SEEN = """
    def test_seen():
        assert seen == [1, 2, 3, 4, 5, 6]
"""
IDS = [f"*test_each[[]{name}[]]*" for name in ("make", "make-2", "Maker", "Maker-2", "asyncio", "asyncio-2")]


def test_factories_with_the_same_name_have_different_ids(inner: Inner) -> None:
    result = inner(SOURCE + SYNC + SEEN, "-v")
    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(["*test_each[[]factory.<locals>.<lambda>[]]*", "*<lambda>-2[]]*", *IDS])


def test_pytest_asyncio_receives_each_of_several_factories_with_the_same_name(inner: Inner) -> None:
    pytest.importorskip("pytest_asyncio", reason="needs the package pytest-asyncio, which is not installed")
    result = inner(SOURCE + ASYNC + SEEN, "-v", ini="ctxpolicy_pytest_asyncio = true", plugins=(PYTEST_ASYNCIO,))
    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines(IDS)


def test_the_ids_of_factories_without_a_name_are_the_same_in_all_workers_of_pytest_xdist(inner: Inner) -> None:
    pytest.importorskip("xdist", reason="needs the package pytest-xdist, which is not installed")
    inner(SOURCE + SYNC, "-n", "2", plugins=("xdist",)).assert_outcomes(passed=8)
