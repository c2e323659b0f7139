"""Share one aiohttp client in a program that calls asyncio.run() many times: the error, and the solution.

Run it with ``python docs/examples/shared_client.py``; it needs aiohttp (``pip install aiohttp``).
"""

import asyncio
import contextlib
import threading
from concurrent.futures import Future

import aiohttp
from aiohttp import web

import ctxpolicy


async def greet_whom(request):
    return web.json_response({"hello": request.match_info["name"]})


async def serve(started):
    app = web.Application()
    app.add_routes([web.get("/{name}", greet_whom)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    stop = asyncio.Event()
    started.set_result((f"http://{host}:{port}", asyncio.get_running_loop(), stop))
    await stop.wait()
    await runner.cleanup()


@contextlib.contextmanager
def server():
    """Serve in a thread with a loop of its own, and yield the address."""
    started = Future()
    thread = threading.Thread(target=lambda: asyncio.run(serve(started)))
    thread.start()
    url, loop, stop = started.result()
    yield url
    loop.call_soon_threadsafe(stop.set)
    thread.join()


async def fetch(session, url):
    async with session.get(url) as response:
        return (await response.json())["hello"]


# The common way: the client is made when it is first needed, and kept in a global variable.
global_session = None


async def greet_by_global(url):
    global global_session  # noqa: PLW0603 - this is the problem that the example shows
    if global_session is None:
        global_session = aiohttp.ClientSession(headers={"Connection": "close"})
    return await fetch(global_session, url)


def without(url):
    print(f"a global, 1st run:  {asyncio.run(greet_by_global(f'{url}/ada'))}")
    try:
        print(f"a global, 2nd run:  {asyncio.run(greet_by_global(f'{url}/bob'))}")
    except RuntimeError as error:
        print(f"a global, 2nd run:  {type(error).__name__}: {error}")
    asyncio.run(global_session.close())


# With ctxpolicy: one client per loop, closed before the loop is closed.
used = []


async def open_session():
    used.append(aiohttp.ClientSession())
    return used[-1]


sessions = ctxpolicy.LoopLocal(open_session, close=aiohttp.ClientSession.close)


async def greet(url):
    return await fetch(await sessions.get(), url)


async def greet_all(url, names):
    return await asyncio.gather(*(greet(f"{url}/{name}") for name in names))


def with_ctxpolicy(url):
    for name in ("ada", "bob", "cleo"):
        print(f"LoopLocal:          {asyncio.run(greet(f'{url}/{name}'))}")
    print(f"many in one run:    {', '.join(asyncio.run(greet_all(url, ['dan', 'eve', 'fay'])))}")
    sync = ctxpolicy.block_on(greet(f"{url}/gus"))
    print(f"from sync code:     {sync}")
    print(f"{len(used)} clients for 7 requests, {sum(session.closed for session in used)} of them closed")


def main():
    with server() as url:
        without(url)
        with_ctxpolicy(url)


if __name__ == "__main__":
    main()
