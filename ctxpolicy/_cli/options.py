"""The policy that options of the command line ask for."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple, get_args

from ctxpolicy._cli.resolver_spec import SYNTAX, maker_of
from ctxpolicy._cli.sys_path import ours_first
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._policy.install import install
from ctxpolicy._policy.policy import ContextPolicy, Missing
from ctxpolicy.errors import CtxPolicyError, OptionError
from ctxpolicy.resolvers._entry_points import import_object

__all__ = ["VARIABLE", "PolicyOptions", "add_policy_options"]

# The environment variable that --resolver defaults to; nothing but the command line reads it.
VARIABLE = "CTXPOLICY"


def add_policy_options(parser: ArgumentParser) -> None:
    """Declare the options that :meth:`PolicyOptions.of` reads."""
    parser.add_argument(
        "--resolver",
        metavar=SYNTAX,
        help="what a context is: a registered name, or package.module:attribute of a factory; an option's value may be "
        f"package.module:attribute of an object (default: ${VARIABLE}, else contextvar)",
    )
    parser.add_argument(
        "--missing",
        choices=get_args(Missing),
        default="asyncio",
        help="what get_event_loop() does in a context without a loop (default: asyncio)",
    )
    parser.add_argument(
        "--loop", metavar="NAME", help="what makes loops: a name that `list` shows, or package.module:attribute"
    )
    parser.add_argument(
        "--restore-policies",
        action="store_true",
        help="put asyncio's policy API back first, on a Python that no longer has it (3.16)",
    )


class PolicyOptions(NamedTuple):
    """What was asked for; can be pickled.

    Attributes:
        resolver: name and options.
        from_environment: whether that is from the environment variable.
        missing: what ``--missing`` says.
        loop: what ``--loop`` says.
        restore_policies: whether asyncio's policy API is to be put back.
    """

    resolver: str
    from_environment: bool
    missing: Missing
    loop: str | None
    restore_policies: bool

    @classmethod
    def of(cls, namespace: Namespace, environment: Mapping[str, str]) -> PolicyOptions:
        """Read the command line, and the environment where that says nothing."""
        variable = environment.get(VARIABLE) if namespace.resolver is None else None
        return cls(
            variable or namespace.resolver or "contextvar",
            bool(variable),
            namespace.missing,
            namespace.loop,
            namespace.restore_policies,
        )

    def install(self, even_if_safe: bool = False) -> AbstractContextManager[object]:
        """Put the policy in force.

        What the options name by its place is looked for in the folder of the program first, all else there last.

        Args:
            even_if_safe: whether that folder stands first in ``sys.path`` under ``-P`` and ``-I`` too.

        Returns:
            what undoes it, at the end of a ``with`` block.

        Raises:
            CtxPolicyError: it cannot be made.
        """
        with ExitStack() as undo:
            if self.restore_policies:
                from ctxpolicy.compat import restore_policies

                undo.enter_context(restore_policies())
            with self._blamed():
                make = maker_of(self.resolver)
            factory = self._loop_factory()
            with ours_first(even_if_safe=even_if_safe):
                with self._blamed():
                    resolver = make()
                policy = ContextPolicy(resolver, missing=self.missing, loop_factory=factory)
                undo.enter_context(install(policy))
            return undo.pop_all()

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Say of what is wrong with the resolver where it was asked for, if that is out of sight."""
        try:
            yield
        except CtxPolicyError as error:
            if not self.from_environment:
                raise
            raise OptionError(f"environment variable {VARIABLE}: {error}") from error

    def _loop_factory(self) -> LoopFactory | str | None:
        if self.loop is None or ":" not in self.loop:
            return self.loop
        factory: LoopFactory = import_object(self.loop, "the loop factory")
        return factory
