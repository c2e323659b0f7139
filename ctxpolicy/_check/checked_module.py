"""One module, read: its sites, what its names mean, what guards its places, and the findings made of it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from ctxpolicy._check.catalog import RULES
from ctxpolicy._check.guards.conditions import Guards
from ctxpolicy._check.guards.exception_handlers import Handlers
from ctxpolicy._check.guards.import_attempts import Trials
from ctxpolicy._check.guards.version_limits import NEVER
from ctxpolicy._check.report import Certainty, Finding, Version
from ctxpolicy._check.syntax.collector import walk
from ctxpolicy._check.syntax.name_resolution import Names

if TYPE_CHECKING:
    from ctxpolicy._check.source import Source
    from ctxpolicy._check.syntax.scopes import Place

Node = ast.expr | ast.alias | ast.keyword


@final
@dataclass(frozen=True)
class Claim:
    """What a rule says of a node, before what guards the node's place is looked at."""

    code: str
    message: str
    certainty: Certainty
    warns: Version | None = None
    fails: Version | None = None
    replacement: str = ""
    """The rule's own where there is none in particular."""

    def before(self, limit: Version | None) -> Claim:
        """Give what is left of the claim where the node is only reached before some Python."""
        return replace(self, warns=_before(self.warns, limit), fails=_before(self.fails, limit))


def _before(since: Version | None, limit: Version | None) -> Version | None:
    return None if since is not None and limit is not None and since >= limit else since


@final
class Reading:
    """What the rules look at."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.sites = walk(source.tree)
        self.names = Names()
        self.handlers = Handlers(self.names)
        self.guards = Guards(self.names, Trials(self.names, self.handlers))

    def finding(self, node: Node, place: Place, claim: Claim, *, handled: bool = False) -> Finding | None:
        """Make a finding of a claim, unless what guards the place leaves nothing of it.

        Args:
            node: What the finding points at.
            place: Where that stands.
            claim: What there is to say.
            handled: Whether the program is ready for its failing.
        """
        limit = self.guards.limit(place)
        left = claim.before(limit)
        if handled:
            left = replace(left, fails=None)
        spent = (claim.warns or claim.fails) and not (left.warns or left.fails)
        if limit == NEVER or spent:
            return None
        return Finding(
            self.source.file,
            node.lineno,
            self.source.column(node.lineno, node.col_offset),
            left.code,
            left.message,
            left.warns,
            left.fails,
            left.replacement or RULES[left.code].replacement,
            left.certainty,
        )
