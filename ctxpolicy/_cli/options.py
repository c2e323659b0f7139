"""The command-line options that describe a policy."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple, get_args

from ctxpolicy._cli.resolver_spec import SYNTAX, resolver_factory
from ctxpolicy._cli.sys_path import program_folder_last
from ctxpolicy._loops.factories import LoopFactory
from ctxpolicy._policy.install import install
from ctxpolicy._policy.policy import ContextPolicy, Missing
from ctxpolicy.errors import CtxPolicyError, OptionError
from ctxpolicy.resolvers._entry_points import import_object

__all__ = ["ENVIRONMENT_VARIABLE", "PolicyOptions", "add_policy_options"]

# The environment variable that holds the default of --resolver. Only the command line reads it.
ENVIRONMENT_VARIABLE = "CTXPOLICY"


def add_policy_options(parser: ArgumentParser) -> None:
    """Add the options that :meth:`PolicyOptions.from_arguments` reads to a parser."""
    parser.add_argument(
        "--resolver",
        metavar=SYNTAX,
        help="the resolver, which defines what a context is: a registered name, or the package.module:attribute of a "
        "factory; the value of an option may be the package.module:attribute of an object "
        f"(default: ${ENVIRONMENT_VARIABLE}, else contextvar)",
    )
    parser.add_argument(
        "--missing",
        choices=get_args(Missing),
        default="asyncio",
        help="what get_event_loop() does in a context without a loop (default: asyncio)",
    )
    parser.add_argument(
        "--loop", metavar="NAME", help="the loop factory: a name that `list` shows, or a package.module:attribute"
    )
    parser.add_argument(
        "--restore-policies",
        action="store_true",
        help="first restore asyncio's policy API on a Python without it (3.16)",
    )


class PolicyOptions(NamedTuple):
    """The policy that the command line describes. Instances can be pickled.

    Attributes:
        resolver: The resolver's name and options.
        from_environment: Whether ``resolver`` comes from the environment variable.
        missing: The value of ``--missing``.
        loop: The value of ``--loop``.
        restore_policies: Whether to restore asyncio's policy API.
    """

    resolver: str
    from_environment: bool
    missing: Missing
    loop: str | None
    restore_policies: bool

    @classmethod
    def from_arguments(cls, namespace: Namespace, environment: Mapping[str, str]) -> PolicyOptions:
        """Create options from the parsed arguments; if these name no resolver, read it from the environment."""
        variable = environment.get(ENVIRONMENT_VARIABLE) if namespace.resolver is None else None
        return cls(
            variable or namespace.resolver or "contextvar",
            bool(variable),
            namespace.missing,
            namespace.loop,
            namespace.restore_policies,
        )

    def install(self, despite_safe_path: bool = False) -> AbstractContextManager[object]:
        """Install the policy.

        Objects that the options name as ``package.module:attribute`` are looked up in the program's folder first; all
        other imports look there last.

        Args:
            despite_safe_path: Whether the program's folder comes first on ``sys.path`` with ``-P`` and ``-I`` too.

        Returns:
            A context manager that undoes the installation when its block ends.

        Raises:
            CtxPolicyError: If the policy cannot be made.
        """
        with ExitStack() as undo:
            if self.restore_policies:
                from ctxpolicy.compat import restore_policies

                undo.enter_context(restore_policies())
            with self._naming_the_variable():
                make = resolver_factory(self.resolver)
            factory = self._loop_factory()
            with program_folder_last(despite_safe_path=despite_safe_path):
                with self._naming_the_variable():
                    resolver = make()
                policy = ContextPolicy(resolver, missing=self.missing, loop_factory=factory)
                undo.enter_context(install(policy))
            return undo.pop_all()

    @contextmanager
    def _naming_the_variable(self) -> Iterator[None]:
        """Add the name of the environment variable to an error, if the resolver comes from that variable."""
        try:
            yield
        except CtxPolicyError as error:
            if not self.from_environment:
                raise
            raise OptionError(f"environment variable {ENVIRONMENT_VARIABLE}: {error}") from error

    def _loop_factory(self) -> LoopFactory | str | None:
        if self.loop is None or ":" not in self.loop:
            return self.loop
        factory: LoopFactory = import_object(self.loop, "the loop factory")
        return factory
