"""An explanation as data: frozen dataclasses, which also format themselves as text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Answer", "BoundLoop", "Explanation", "View"]


@dataclass(frozen=True)
class Answer:
    """The predicted result or exception of ``get_event_loop()``.

    Attributes:
        kind: ``"running"`` and ``"bound"``: it returns ``loop``. ``"made"``: it makes a loop and returns it.
            ``"error"``: it raises ``error``. ``"unknown"``: only a call can show what it does.
        because: the reasons, in order.
        loop: the loop as text, ``None`` if there is no loop yet.
        error: the class and the message of the exception.
        warning: the class of the warning that the call gives.
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
            return "does something that only a call can show"
        if self.loop is not None:
            return f"returns {self.loop}"
        return "makes a loop and returns it" + (f", with a {self.warning}" if self.warning else "")


@dataclass(frozen=True)
class BoundLoop:
    """A loop that is bound to the present context, with its owner.

    Attributes:
        loop: the loop as text.
        handed_out: whether the resolver hands the loop out here; most resolvers hand it out only in its owner thread.
        made_at: ``file:line in function`` of the call that made the loop. It is recorded for the loops that a
            ``ContextPolicy`` made.
        thread: the thread that bound the loop, ``None`` if the resolver does not know the thread.
        process: the id of the process that bound the loop, ``None`` if the resolver does not know the process.
        bound_at: ``file:line in function`` of the call that bound the loop. It is recorded for leases, and for other
            loops in asyncio's debug mode (``PYTHONASYNCIODEBUG=1``).
        leased: whether ctxpolicy made the loop for this context and closes it.
    """

    loop: str
    handed_out: bool
    made_at: str
    thread: str | None = None
    process: int | None = None
    bound_at: str | None = None
    leased: bool = False

    def __str__(self) -> str:
        owner = f"thread {self.thread}" if self.thread else "an unknown thread"
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
    """The fields of an :class:`Explanation` that depend on the policy. That class documents them."""

    policy: str
    context: str
    binding: BoundLoop | None
    loop_factory: str
    answer: Answer
    resolver: str | None = None
    missing: str | None = None


@dataclass(frozen=True)
class Explanation:
    """The result of :func:`explain`: what asyncio would do in the present thread and context, and why.

    ``str()`` returns text for people, and :meth:`as_dict` returns data for programs. An explanation keeps no loop
    alive.

    Attributes:
        python: the implementation and the version of Python.
        host: the name of the host, which puts a policy in force in the asyncio of this Python.
        process, thread: the process and the thread in which :func:`explain` was called.
        policy: the policy in force.
        resolver: the policy's resolver, and the resolvers to which it delegates here; ``None`` if the policy is not a
            ``ContextPolicy``.
        missing: the option ``missing`` of the policy; ``None`` if the policy is not a ``ContextPolicy``.
        context: the present context, as the resolver describes it.
        binding: the loop that is bound to the present context, or ``None``.
        loop_factory: the name of the factory of new loops here.
        policy_answer: the predicted result of the policy's own ``get_event_loop()``.
        answer: the predicted result of ``asyncio.get_event_loop()``.
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
        """Return the explanation as nested dictionaries that ``json.dumps`` accepts."""
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
