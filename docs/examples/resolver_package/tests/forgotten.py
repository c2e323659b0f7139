"""A description that is not true: it does not say that any thread may enter a session."""

from test_contract import TestNotebookResolver


class TestForgotten(TestNotebookResolver):
    any_thread = False


del TestNotebookResolver  # or pytest would run it here too
