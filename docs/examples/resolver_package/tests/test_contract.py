"""The contract of a resolver, for notebook sessions."""

from contextlib import contextmanager

from ctxpolicy_notebook import NotebookResolver, Session

from ctxpolicy.testing import ResolverContract


class TestNotebookResolver(ResolverContract):
    any_thread = True

    def make_resolver(self):
        return NotebookResolver()

    @contextmanager
    def new_context(self):
        session = Session("under test")

        def run(function):
            with session.present():
                return function()

        yield run
        session.close()
