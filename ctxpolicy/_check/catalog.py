"""The catalog of rules: the findings of each rule, the Python versions that warn and fail, and the replacement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from ctxpolicy._check.report import Version

GET_POLICY = (
    "asyncio.new_event_loop() for a new loop, asyncio.get_running_loop() for the running one, "
    "asyncio.Runner to keep one between calls"
)
LOOP_FACTORY = "asyncio.run(main(), loop_factory=...) or asyncio.Runner(loop_factory=...)"
LOOP_CLASS = "asyncio.run(main(), loop_factory=asyncio.{}) or asyncio.Runner(loop_factory=asyncio.{})"


@final
@dataclass(frozen=True)
class Rule:
    """One kind of finding.

    Attributes:
        code: The name of the rule in reports and in ``# ctxpolicy: ignore[...]``.
        title: One line that says what the rule finds.
        warns: The first Python version that warns in the usual case; ``None`` if no version warns.
        fails: The first Python version that fails in the usual case; ``None`` if no version fails.
        replacement: The code to write instead.
    """

    code: str
    title: str
    warns: Version | None
    fails: Version | None
    replacement: str


RULES = {
    rule.code: rule
    for rule in (
        Rule(
            "CTX101",
            "Event loop policy function",
            Version(3, 14),
            Version(3, 16),
            f"{LOOP_FACTORY}; ctxpolicy.install() if code that you do not control asks for a loop",
        ),
        Rule(
            "CTX102",
            "Event loop policy class",
            Version(3, 14),
            Version(3, 16),
            f"{LOOP_FACTORY}; a ctxpolicy.ContextResolver to define what a context is",
        ),
        Rule(
            "CTX103",
            "Private part of the event loop policy system",
            None,
            Version(3, 16),
            f"{LOOP_FACTORY}; ctxpolicy.install() if code that you do not control asks for a loop",
        ),
        Rule(
            "CTX201",
            "Child watcher function",
            Version(3, 12),
            Version(3, 14),
            "nothing: asyncio waits for subprocesses in any thread without a child watcher",
        ),
        Rule(
            "CTX202",
            "Child watcher class",
            Version(3, 12),
            Version(3, 14),
            "nothing: asyncio waits for subprocesses in any thread without a child watcher",
        ),
        Rule(
            "CTX301",
            "get_event_loop() where no loop may be running",
            Version(3, 12),
            Version(3, 14),
            "asyncio.get_running_loop() in code that coroutines call, asyncio.run(main()) or asyncio.Runner() "
            'elsewhere; ctxpolicy.install(missing="create") keeps such code working',
        ),
        Rule(
            "CTX302",
            "set_event_loop() in a worker's function",
            None,
            None,
            "asyncio.run(main()) or asyncio.Runner() in that function, or ctxpolicy.isolate()",
        ),
        Rule(
            "CTX401",
            "loop= argument that asyncio has removed",
            Version(3, 8),
            Version(3, 10),
            "the call without loop=, made while that loop runs",
        ),
    )
}
