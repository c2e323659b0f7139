"""An aiohttp server, with or without ctxpolicy's policy. It prints its port, and ends at the end of its input."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

import ctxpolicy


async def _hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _serve() -> None:
    app = web.Application()
    app.router.add_get("/", _hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    if "--installed" in sys.argv:
        ctxpolicy.install()
    asyncio.run(_serve())
