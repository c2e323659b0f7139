"""Static check for the uses of asyncio that newer Python versions change; it reads source files and never runs them."""

from __future__ import annotations

from ctxpolicy._check.catalog import RULES, Rule
from ctxpolicy._check.check import check_paths
from ctxpolicy._check.report import Certainty, Finding, Problem, Report, Version

__all__ = ["RULES", "Certainty", "Finding", "Problem", "Report", "Rule", "Version", "check_paths"]
