"""Sync code in worker threads that calls asyncio: the error, and the one line that mends it.

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
    """Sync code, not to be edited: it takes for granted that there is an event loop."""
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
        # The job ran in the worker's own contextvars context, so the loop stays for the worker's next job.
        print(f"                   {pool.submit(convert, 'dog.png').result()}")
        # In a contextvars context of its own a job gets a loop of its own, closed when the job is done.
        job = pool.submit(contextvars.copy_context().run, convert, "owl.png")
        print(f"each job its own:  {job.result()}")


def main():
    without()
    with_ctxpolicy()
    for _ in range(3):  # PyPy lets go of nothing before
        gc.collect()
    cat, dog, owl = used
    print(f"cat and dog shared a loop: {cat is dog}; owl had another: {owl is not dog}", end="; ")
    print(f"all closed: {all(loop.is_closed() for loop in used)}")


if __name__ == "__main__":
    main()
