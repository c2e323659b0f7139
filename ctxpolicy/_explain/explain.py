"""The function ``explain()``."""

from __future__ import annotations

import os

from ctxpolicy._asyncio.host import host
from ctxpolicy._asyncio.running import running_loop
from ctxpolicy._explain.report import Explanation
from ctxpolicy._threads import thread_name

__all__ = ["explain"]


def explain() -> Explanation:
    """Explain what ``asyncio.get_event_loop()`` would do in the present thread and context, and why.

    The call makes no loop, binds no loop, gives no warning, and changes nothing.

    Returns:
        the explanation; ``print()`` shows it as text.
    """
    # Imported only in the call, because few programs call explain().
    import platform

    from ctxpolicy._explain.predict import policy_view, running_answer

    view = policy_view(host.in_force())
    running = running_loop()
    return Explanation(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        host=host.name,
        process=os.getpid(),
        thread=thread_name(),
        answer=view.answer if running is None else running_answer(running),
        policy=view.policy,
        resolver=view.resolver,
        missing=view.missing,
        context=view.context,
        binding=view.binding,
        loop_factory=view.loop_factory,
        policy_answer=view.answer,
    )
