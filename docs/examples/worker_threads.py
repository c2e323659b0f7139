"""Sync code in worker threads that calls asyncio: the error, and the one line that solves it.

Run it with ``python docs/examples/worker_threads.py``.
"""

import asyncio
import contextvars
import gc
from concurrent.futures import ThreadPoolExecutor

import ctxpolicy

used = []


async def resize(image):
    await asyncio.sleep(0)
    return f"{image}, resized"


def convert(image):
    """Sync code that cannot be edited, and that expects a current event loop."""
    loop = asyncio.get_event_loop()
    used.append(loop)
    return loop.run_until_complete(resize(image))


def without():
    with ThreadPoolExecutor() as pool:
        trouble = pool.submit(convert, "cat.png").exception()
    print(f"asyncio alone:     {type(trouble).__name__}: {trouble}")


def with_ctxpolicy():
    with ctxpolicy.install(missing="create"), ThreadPoolExecutor(max_workers=1) as pool:
        print(f"one line more:     {pool.submit(convert, 'cat.png').result()}")
        # The job ran in the contextvars context of the worker. The worker's next job therefore gets the same loop.
        print(f"                   {pool.submit(convert, 'dog.png').result()}")
        # A job in a contextvars context of its own gets a loop of its own, which is closed when the job has ended.
        job = pool.submit(contextvars.copy_context().run, convert, "owl.png")
        print(f"each job its own:  {job.result()}")


def main():
    without()
    with_ctxpolicy()
    for _ in range(3):  # PyPy finalizes nothing before a collection
        gc.collect()
    cat, dog, owl = used
    print(f"cat and dog shared a loop: {cat is dog}; owl had another: {owl is not dog}", end="; ")
    print(f"all closed: {all(loop.is_closed() for loop in used)}")


if __name__ == "__main__":
    main()
