"""The exception classes: one root, and each class is also of the type that callers of asyncio expect."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

import ctxpolicy
from ctxpolicy import errors

EXPECTED = {
    "NoCurrentLoopError": (RuntimeError,),
    "NotALoopError": (TypeError, AssertionError),
    "LoopFactoryError": (RuntimeError,),
    "ResolverError": (RuntimeError,),
    "InstallationError": (RuntimeError,),
    "UnknownNameError": (LookupError,),
    "OptionError": (TypeError,),
    "PluginError": (ImportError,),
}


def test_every_error_is_public():
    assert set(errors.__all__) <= set(ctxpolicy.__all__)
    for name in errors.__all__:
        assert getattr(ctxpolicy, name) is getattr(errors, name)


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"CtxPolicyError"}))
def test_every_error_is_caught_by_the_root(name):
    with pytest.raises(errors.CtxPolicyError):
        raise getattr(errors, name)("message")


@pytest.mark.parametrize("name", EXPECTED)
def test_every_error_is_caught_as_the_type_that_asyncios_callers_expect(name):
    for expected in EXPECTED[name]:
        with pytest.raises(expected, match="message"):
            raise getattr(errors, name)("message")


def test_the_tree_in_the_docstring_matches_the_classes():
    drawn = dict(re.findall(r"\+-- (\w+) +\(([\w, ]+)\)", errors.__doc__ or ""))
    actual = {
        name: ", ".join(base.__name__ for base in found.__bases__ if base is not errors.CtxPolicyError)
        for name, found in inspect.getmembers(errors, inspect.isclass)
        if found.__module__ == errors.__name__ and found is not errors.CtxPolicyError
    }
    assert drawn == actual


def test_errors_cross_process_boundaries():
    for name in errors.__all__:
        error = getattr(errors, name)("message")
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), "message")
