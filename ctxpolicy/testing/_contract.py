"""The contract of a resolver as tests."""

from __future__ import annotations

from ctxpolicy.testing._binding_laws import BindingLaws
from ctxpolicy.testing._crowd_laws import CrowdLaws
from ctxpolicy.testing._errors import ALL_LAWS
from ctxpolicy.testing._garbage_laws import GarbageLaws
from ctxpolicy.testing._law import law
from ctxpolicy.testing._lease_laws import LeaseLaws
from ctxpolicy.testing._method_laws import MethodLaws
from ctxpolicy.testing._owner_laws import OwnerLaws
from ctxpolicy.testing._scenario import Scenario
from ctxpolicy.testing._scope_laws import ScopeLaws

__all__ = ["ResolverContract"]


class ResolverContract(MethodLaws, BindingLaws, LeaseLaws, ScopeLaws, OwnerLaws, GarbageLaws, CrowdLaws):
    """The seven laws that every resolver keeps, as tests; subclass it in a module that pytest or unittest collects.

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

    That describes contexts that start empty; say ``inherits = True`` where they do not. With
    :class:`unittest.TestCase` as a second base class it is a test case of unittest. Each test needs nothing but the
    class: no fixtures, no order, and it leaves nothing behind. A failure names the law and shows what was done, step by
    step. The class must be at the top level of its module, as some tests import it in a process of their own.

    Some laws cannot be broken by every kind of resolver; where there is nothing to test (a lease ends with its context:
    but there is only one context), the test passes.
    """

    @law(ALL_LAWS)
    def test_model_random_steps_do_what_a_plain_model_does(self, play: Scenario) -> None:
        """Contexts are made, ended, bound, unbound, leased, run in and visited in random order (needs hypothesis)."""
        try:
            from ctxpolicy.testing._model import compare_with_model
        except ImportError as error:
            raise ImportError("this test needs hypothesis: pip install 'ctxpolicy[testing]'") from error
        compare_with_model(self)
