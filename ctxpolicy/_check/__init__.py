"""A static check for what newer Pythons change in asyncio: it reads sources and never runs them."""

from __future__ import annotations

from ctxpolicy._check.catalog import RULES, Rule
from ctxpolicy._check.check import check_paths
from ctxpolicy._check.report import Certainty, Finding, Problem, Report, Version

__all__ = ["RULES", "Certainty", "Finding", "Problem", "Report", "Rule", "Version", "check_paths"]
