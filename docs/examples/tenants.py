"""A service with several tenants: sync code in worker threads that asks asyncio for "the current event loop".

This program imports asyncio, but not ctxpolicy. Run it in both ways:

    python docs/examples/tenants.py
    python -m ctxpolicy run --resolver contextvar --missing create docs/examples/tenants.py

Two worker threads serve six requests of six tenants, two at a time. Each request is handled by sync code that knows
only its tenant, and that finds its loop in one of three common ways.
"""

import asyncio
import contextvars
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

WORKERS = 2


class Client:
    """A connection to the invoice service, logged in as one tenant."""

    def __init__(self, tenant):
        self.tenant = tenant

    async def invoices(self):
        await asyncio.sleep(0)
        return f"{self.tenant}'s invoices"


# A connection can be used only in the loop that it was made in. Libraries therefore keep one connection per loop.
clients = {}


class Job:
    """One request: a row of the table."""

    def __init__(self, code, tenant):
        self.code = code
        self.tenant = tenant
        self.gave = "(not asked)"
        self.whose = "-"
        self.result = ""

    def ask(self):
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            self.gave = "RuntimeError"
            raise
        self.gave = "an earlier job's loop" if loop in clients else "a loop of its own"
        return loop

    def query(self, loop):
        client = clients.setdefault(loop, Client(self.tenant))
        self.whose = client.tenant
        call = client.invoices()
        try:
            return loop.run_until_complete(call)
        finally:
            call.close()  # if the loop is closed, the coroutine was never started

    def run(self, together):
        together.wait()  # makes each worker run one job of the pair
        try:
            self.result = self.code(self)
        except RuntimeError as error:
            self.result = f"RuntimeError: {error}"
        return self

    @property
    def isolated(self):
        return self.result == f"{self.tenant}'s invoices"


def asks(job):
    """Expect a current loop."""
    return job.query(job.ask())


def asks_or_makes(job):
    """Make a loop if there is none, as a much-copied answer on the web says."""
    try:
        loop = job.ask()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return job.query(loop)


def brings_its_own(job):
    """Make a loop, set it, use it, close it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return job.query(loop)
    finally:
        loop.close()


def requests():
    jobs = [
        Job(asks, "acme"),
        Job(asks, "globex"),
        Job(asks_or_makes, "hooli"),
        Job(brings_its_own, "initech"),
        Job(asks, "stark"),
        Job(asks, "wayne"),
    ]
    return [jobs[i : i + WORKERS] for i in range(0, len(jobs), WORKERS)]


async def serve_with_to_thread():
    """Serve as an async web server does: the sync code of each request runs in a worker thread."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(WORKERS))
    together = threading.Barrier(WORKERS)
    done = []
    for pair in requests():
        done += await asyncio.gather(*(asyncio.to_thread(job.run, together) for job in pair))
    return done


def serve_with_submit(submit):
    """Serve as a sync job queue does."""
    together = threading.Barrier(WORKERS)
    done = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for pair in requests():
            done += [future.result() for future in [submit(pool, job.run, together) for job in pair]]
    return done


def print_jobs(jobs):
    line = "{:<4}{:<9}{:<16}{:<24}{:<12}{}"
    print(line.format("job", "tenant", "its code", "get_event_loop() gave", "whose loop", "isolated?"))
    for number, job in enumerate(jobs, 1):
        verdict = "yes" if job.isolated else "NO: " + job.result.partition(" in thread")[0]
        print(line.format(number, job.tenant, job.code.__name__, job.gave, job.whose, verdict))


def main():
    ways = {"asyncio.to_thread(job)": asyncio.run(serve_with_to_thread())}
    print("Each job by asyncio.to_thread():\n")
    print_jobs(ways["asyncio.to_thread(job)"])
    for _ in range(3):  # PyPy finalizes nothing before a collection
        gc.collect()
    print("\nloops left open by these jobs:", sum(not loop.is_closed() for loop in clients))

    ways["pool.submit(contextvars.copy_context().run, job)"] = serve_with_submit(
        lambda pool, *call: pool.submit(contextvars.copy_context().run, *call)
    )
    ways["pool.submit(job)"] = serve_with_submit(lambda pool, *call: pool.submit(*call))
    print("\nThe same six jobs, by the way they are sent to their worker:\n")
    for way, jobs in ways.items():
        print(f"{way:<50}{sum(job.isolated for job in jobs)} of {len(jobs)} isolated")
    print("\nThe first two give each job a contextvars context of its own. A bare pool.submit() does not: all jobs")
    print("of a worker share the worker's, and with it whatever is kept per contextvars context.")
    for loop in clients:
        loop.close()


if __name__ == "__main__":
    main()
