"""A current event loop for each notebook session, whichever thread its cells run in."""

from ctxpolicy_notebook._resolver import NotebookResolver
from ctxpolicy_notebook._session import Session

__all__ = ["NotebookResolver", "Session"]
