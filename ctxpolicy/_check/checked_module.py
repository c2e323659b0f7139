"""One module under check: its nodes, the meaning of its names, its guards, and the findings made from rule matches."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from ctxpolicy._check.catalog import RULES
from ctxpolicy._check.guards.conditions import Conditions
from ctxpolicy._check.guards.exception_handlers import ExceptionHandlers
from ctxpolicy._check.guards.import_attempts import ImportAttempts
from ctxpolicy._check.guards.version_limits import NEVER
from ctxpolicy._check.report import Certainty, Finding, Version
from ctxpolicy._check.syntax.collector import collect
from ctxpolicy._check.syntax.name_resolution import NameResolver

if TYPE_CHECKING:
    from ctxpolicy._check.source import Source
    from ctxpolicy._check.syntax.scopes import NodeContext

Node = ast.expr | ast.alias | ast.keyword


@final
@dataclass(frozen=True)
class RuleMatch:
    """The match of a rule at a node, before the guards around the node are taken into account."""

    code: str
    message: str
    certainty: Certainty
    warns: Version | None = None
    fails: Version | None = None
    replacement: str = ""
    """Empty to use the replacement of the rule."""

    def limited_to(self, limit: Version | None) -> RuleMatch:
        """Return the match without the versions that do not reach the node.

        Args:
            limit: The first Python version that does not reach the node; ``None`` if every version reaches it.
        """
        return replace(self, warns=_if_reached(self.warns, limit), fails=_if_reached(self.fails, limit))


def _if_reached(version: Version | None, limit: Version | None) -> Version | None:
    return None if version is not None and limit is not None and version >= limit else version


@final
class CheckedModule:
    """A parsed module and the analyses of it that the rules use."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.nodes = collect(source.tree)
        self.names = NameResolver()
        self.handlers = ExceptionHandlers(self.names)
        self.conditions = Conditions(self.names, ImportAttempts(self.names, self.handlers))

    def finding(self, node: Node, context: NodeContext, match: RuleMatch, *, handled: bool = False) -> Finding | None:
        """Turn a match into a finding, or return ``None`` if the guards around the node leave nothing to report.

        Args:
            node: The node that the finding points at.
            context: The context of the node.
            match: The match of the rule.
            handled: Whether the program handles the failure.
        """
        limit = self.conditions.limit(context)
        remaining = match.limited_to(limit)
        if handled:
            remaining = replace(remaining, fails=None)
        nothing_remains = (match.warns or match.fails) and not (remaining.warns or remaining.fails)
        if limit == NEVER or nothing_remains:
            return None
        return Finding(
            self.source.file,
            node.lineno,
            self.source.column(node.lineno, node.col_offset),
            remaining.code,
            remaining.message,
            remaining.warns,
            remaining.fails,
            remaining.replacement or RULES[remaining.code].replacement,
            remaining.certainty,
        )
