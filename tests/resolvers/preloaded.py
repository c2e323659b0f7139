"""Every resolver, with a loop bound. A fork server imports this module; no child may be handed these loops."""

from __future__ import annotations

from ctxpolicy.testing import StandInLoop
from tests.support.resolver_cases import CASES, tenant

tenant.set("the tenant")
RESOLVERS = {name: case.make() for name, case in CASES.items() if not case.missing}
for resolver in RESOLVERS.values():
    resolver.set(StandInLoop("the fork server's loop"))
