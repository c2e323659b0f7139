"""A static check for what newer Pythons change in asyncio: it reads sources and never runs them."""

from __future__ import annotations

from ctxpolicy._check.checking import check_paths
from ctxpolicy._check.model import Certainty, Finding, Problem, Report, Version
from ctxpolicy._check.rules import RULES, Rule

__all__ = ["RULES", "Certainty", "Finding", "Problem", "Report", "Rule", "Version", "check_paths"]
