"""The tests of the contract of a resolver."""

from __future__ import annotations

from ctxpolicy.testing._errors import ALL_LAWS
from ctxpolicy.testing._harness.scenario import Scenario
from ctxpolicy.testing._laws.bindings import BindingLaws
from ctxpolicy.testing._laws.concurrency import CrowdLaws
from ctxpolicy.testing._laws.decorator import law
from ctxpolicy.testing._laws.garbage import GarbageLaws
from ctxpolicy.testing._laws.leases import LeaseLaws
from ctxpolicy.testing._laws.methods import MethodLaws
from ctxpolicy.testing._laws.owners import OwnerLaws
from ctxpolicy.testing._laws.scopes import ScopeLaws
from ctxpolicy.testing._laws.shared_contexts import SharedContextLaws

__all__ = ["ResolverContract"]


class ResolverContract(
    MethodLaws, BindingLaws, LeaseLaws, ScopeLaws, OwnerLaws, GarbageLaws, CrowdLaws, SharedContextLaws
):
    """The tests of the laws of the contract. Subclass this class in a module that pytest or unittest collects.

    .. code-block:: python

        class TestTenantResolver(ResolverContract):
            def make_resolver(self):
                return TenantResolver()

            @contextmanager
            def new_context(self):
                name = f"tenant {next(number)}"

                def run(function):
                    with tenant(name):
                        return function()

                yield run

    This example describes contexts that start without a loop. If a new context starts with the loop of its parent, set
    ``inherits = True``. With :class:`unittest.TestCase` as a second base class, the subclass is a test case of
    unittest. The tests need no fixtures, pass in any order, and leave nothing behind. A failure names the law and shows
    the steps that led to it. The class must be at the top level of its module, because some tests import it in a new
    process.

    Not every kind of resolver can break every law. If there is nothing to test, the test passes. For example, a lease
    ends with its context, but a resolver may have only one context, which never ends.
    """

    @law(ALL_LAWS)
    def test_model_random_steps_do_what_a_plain_model_does(self, scenario: Scenario) -> None:
        """Random steps make, end and visit contexts, and set, unset, lease and run loops in them. Needs hypothesis."""
        try:
            from ctxpolicy.testing._laws.random_model import compare_with_model
        except ImportError as error:
            raise ImportError("this test needs hypothesis: pip install 'ctxpolicy[testing]'") from error
        compare_with_model(self)
