"""A wrong description: it does not say that threads share the loop of a session."""

from test_contract import TestNotebookResolver


class TestForgotten(TestNotebookResolver):
    any_thread = False


del TestNotebookResolver  # otherwise pytest would run it here too
