"""Two notebooks are open; the server runs their cells in a pool of threads."""

from concurrent.futures import ThreadPoolExecutor

from ctxpolicy_notebook import Session

CELL = """
import asyncio
loops = [*globals().get("loops", []), asyncio.get_event_loop()]
asyncio.run(asyncio.sleep(0))
"""

with Session("red") as red, Session("blue") as blue:
    with ThreadPoolExecutor(2) as threads:
        for session in (red, blue, red, blue):
            threads.submit(session.run_cell, CELL).result()
    loops = {session.name: session.names["loops"] for session in (red, blue)}
    for name, (first, second) in loops.items():
        print(f"{name}: one loop in both cells: {first is second}")
    print(f"a loop of its own each: {loops['red'] != loops['blue']}")
print(f"closed with the sessions: {all(loop.is_closed() for loop in loops['red'] + loops['blue'])}")
