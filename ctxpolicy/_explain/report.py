"""What an explanation is made of, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Answer", "BoundLoop", "Explanation", "View"]


@dataclass(frozen=True)
class Answer:
    """What ``get_event_loop()`` would return or raise.

    Attributes:
        kind: ``"running"``, ``"bound"``: returns ``loop``. ``"made"``: makes a loop and returns it. ``"error"``: raises
            ``error``. ``"unknown"``: only calling it would tell.
        because: what leads there, in order.
        loop: the loop, as text; ``None`` where there is none yet.
        error: the exception's class and message.
        warning: the class of the warning that comes with it.
    """

    kind: Literal["running", "bound", "made", "error", "unknown"]
    because: tuple[str, ...]
    loop: str | None = None
    error: str | None = None
    warning: str | None = None

    def __str__(self) -> str:
        if self.kind == "error":
            return f"raises {self.error}"
        if self.kind == "unknown":
            return "does what only calling it would tell"
        if self.loop is not None:
            return f"returns {self.loop}"
        return "makes a loop and returns it" + (f", with a {self.warning}" if self.warning else "")


@dataclass(frozen=True)
class BoundLoop:
    """A loop that is bound to the present context, with its owner.

    Attributes:
        loop: the loop, as text.
        handed_out: whether it is handed out here: not, for most resolvers, in other threads than its owner.
        made_at: ``file:line in function`` of the call that made it; recorded for loops that a policy of ours made.
        thread: the thread that bound it; ``None`` where the resolver does not know.
        process: the id of the process that bound it; likewise.
        bound_at: as ``made_at``, of the call that bound it; recorded for leases, and in asyncio's debug mode
            (``PYTHONASYNCIODEBUG=1``).
        leased: whether ctxpolicy made it for this context, and closes it.
    """

    loop: str
    handed_out: bool
    made_at: str
    thread: str | None = None
    process: int | None = None
    bound_at: str | None = None
    leased: bool = False

    def __str__(self) -> str:
        owner = f"thread {self.thread}" if self.thread else "a thread that is not known"
        place = f" at {self.bound_at}" if self.bound_at else ""
        facts = [
            f"bound in {owner}" + (f" of process {self.process}" if self.process else "") + place,
            f"made at {self.made_at}",
            "leased to this context" if self.leased else "",
            "" if self.handed_out else "not handed out here",
        ]
        return "\n".join([self.loop, *(f"{'':14}{fact}" for fact in facts if fact)])


@dataclass(frozen=True)
class View:
    """What depends on the kind of the policy in force: fields of an ``Explanation``."""

    policy: str
    context: str
    binding: BoundLoop | None
    loop_factory: str
    answer: Answer
    resolver: str | None = None
    missing: str | None = None


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
