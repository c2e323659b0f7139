"""Say what asyncio would do here and now, and why."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ctxpolicy._asyncio import host, running_loop
from ctxpolicy._threads import thread_name

if TYPE_CHECKING:
    from ctxpolicy._foresee import Answer, BoundLoop

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """What asyncio would do in the present thread and context, and why; the result of :func:`explain`.

    ``str()`` is for people, :meth:`as_dict` for programs. Nothing in it keeps a loop alive.

    Attributes:
        python: implementation and version.
        host: how a policy is hooked into this Python's asyncio.
        process, thread: where this was asked.
        policy: the policy in force.
        resolver: its resolver, and those that this one delegates to here; ``None`` for policies that are not ours.
        missing: what it does in a context without a loop; likewise.
        context: the present context, in the resolver's words.
        binding: the loop that is bound to it, ``None`` where there is none.
        loop_factory: what makes new loops here.
        policy_answer: what the policy's own ``get_event_loop()`` would do.
        answer: what ``asyncio.get_event_loop()`` would do.
    """

    python: str
    host: str
    process: int
    thread: str
    policy: str
    resolver: str | None
    missing: str | None
    context: str
    binding: BoundLoop | None
    loop_factory: str
    policy_answer: Answer
    answer: Answer

    def as_dict(self) -> dict[str, Any]:
        """Return the same as dictionaries, strings, numbers and so on, as ``json.dumps`` takes them."""
        return asdict(self)

    def __str__(self) -> str:
        because = "\n  and ".join(self.answer.because)
        table = [f"{label:14}{value}" for label, value in self._table() if value is not None]
        return "\n".join([f"asyncio.get_event_loop() {self.answer}", f"  because {because}", "", *table])

    def _table(self) -> list[tuple[str, object]]:
        return [
            ("here", f"thread {self.thread} of process {self.process}"),
            ("Python", self.python),
            ("host", self.host),
            ("policy", self.policy),
            ("missing", self.missing),
            ("resolver", self.resolver),
            ("context", self.context),
            ("binding", self.binding or "none"),
            ("loop factory", self.loop_factory),
            ("policy alone", None if self.answer is self.policy_answer else str(self.policy_answer)),
        ]


def explain() -> Explanation:
    """Say what ``asyncio.get_event_loop()`` would do in the present thread and context, and why.

    It makes no loop, binds none, gives no warning, and leaves no trace.
    """
    # Here, because it is rare: a dataclass takes longer to make than most of our modules to import.
    import platform

    from ctxpolicy import _foresee

    view = _foresee.view(host.in_force())
    running = running_loop()
    return Explanation(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        host=host.name,
        process=os.getpid(),
        thread=thread_name(),
        answer=view.answer if running is None else _foresee.running(running),
        policy=view.policy,
        resolver=view.resolver,
        missing=view.missing,
        context=view.context,
        binding=view.binding,
        loop_factory=view.loop_factory,
        policy_answer=view.answer,
    )
