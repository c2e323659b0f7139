"""Two concurrent tasks, A and B, each bind a loop. Which code gets that loop, and which code gets the running loop?

Run it with ``python docs/examples/tasks.py``.

Each cell of the table names the loop that A's code and B's code got: A's own, B's own, the runner's (in which both
tasks run), or none. A cell has one word if both got the same.
"""

import asyncio
import contextvars

import ctxpolicy

PLACES = (
    "in its coroutine: asyncio.get_event_loop()",
    "in its coroutine: policy.get_event_loop()",
    "in a child task: policy.get_event_loop()",
    "in a worker thread of to_thread()",
    "between runs, in its contextvars context",
    "between runs, in the main program",
)

# The resolver that is installed, and the resolvers that task A and task B use for themselves, if any.
SET_UPS = {
    "thread": ("thread", {}),
    "contextvar": ("contextvar", {}),
    "any-thread": (ctxpolicy.ContextVarResolver(inherit="any-thread"), {}),
    "task": ("task", {}),
    "A contextvar, B task": ("thread", {"A": "contextvar", "B": "task"}),
}


def ask(get_event_loop):
    """Return the current loop, None if there is none."""
    try:
        return get_event_loop()
    except RuntimeError:
        return None


async def child(policy):
    return ask(policy.get_event_loop)


async def look(policy, own):
    """Bind ``own`` in this task, and return the loops that the task's code gets in each place where it may run."""
    asyncio.set_event_loop(own)
    await asyncio.sleep(0)  # the other task has bound its own loop now
    seen = [
        ask(asyncio.get_event_loop),
        ask(policy.get_event_loop),
        await asyncio.create_task(child(policy)),
        await asyncio.to_thread(ask, asyncio.get_event_loop),
    ]
    return seen, contextvars.copy_context()


async def task(policy, own, resolver):
    if resolver is None:
        return await look(policy, own)
    with ctxpolicy.using(resolver):  # for this task and for what it starts
        return await look(policy, own)


def observe(installed, used):
    """Return the loops that A and B get, place by place."""
    own = {name: asyncio.new_event_loop() for name in "AB"}

    async def both(policy):
        return await asyncio.gather(*(task(policy, own[name], used.get(name)) for name in "AB"))

    with ctxpolicy.install(installed, missing="error") as installation, ctxpolicy.Runner() as runner:
        results = runner.run(both(installation.policy))
        for seen, context in results:
            seen.append(context.run(ask, asyncio.get_event_loop))
            seen.append(ask(asyncio.get_event_loop))
        names = {None: "none", runner.get_loop(): "runner's", own["A"]: "A's", own["B"]: "B's"}
    for loop in own.values():
        loop.close()
    return [[names[loop] for loop in place] for place in zip(*(seen for seen, _ in results), strict=True)]


def cell(pair):
    first, second = pair
    return first if first == second else f"{first}, {second}"


def main():
    columns = {title: observe(*set_up) for title, set_up in SET_UPS.items()}
    line = "{:<44}" + "{:<14}" * (len(columns) - 1) + "{}"
    print(line.format("where", *columns))
    for number, place in enumerate(PLACES):
        print(line.format(place, *(cell(column[number]) for column in columns.values())))
    print("\nIn a coroutine the running loop wins: there asyncio.get_event_loop() asks no policy, whatever was bound.")


if __name__ == "__main__":
    main()
