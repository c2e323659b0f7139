"""A resolver of your own: a context is the web request that is being served.

Run it with ``python docs/examples/own_resolver.py``.

A sync web framework (WSGI) serves one request after the other in the same worker thread, and keeps the present request
in a ContextVar. Each request gets an event loop of its own, which is closed when the request is gone.
"""

import asyncio
import gc
import threading
from contextvars import ContextVar
from wsgiref.util import setup_testing_defaults

import ctxpolicy


class Request:
    """What a framework keeps for a request."""

    def __init__(self, environ):
        self.path = environ["PATH_INFO"]


current_request = ContextVar("current_request", default=None)


class RequestResolver(ctxpolicy.SlotResolver):
    """A context is the request that is being served, or the thread where none is; each starts without a loop."""

    def __init__(self):
        self._thread = threading.local()

    def load(self):
        return getattr(current_request.get() or self._thread, "bound_loop", None)

    def store(self, binding):
        # Kept with the request: a leased loop is closed when the framework drops the request.
        (current_request.get() or self._thread).bound_loop = binding

    def applies(self):
        return current_request.get() is not None

    def describe(self):
        request = current_request.get()
        return f"request {request.path}" if request else f"thread {threading.current_thread().name}"


# The rest is a program that uses the resolver. If a distribution registers it by an entry point of the group
# "ctxpolicy.resolvers", `python -m ctxpolicy run --resolver request --missing create server.py` needs no line of code.

loops = []


async def answer(path):
    await asyncio.sleep(0)
    return f"this is {path}".encode()


def application(environ, start_response):
    """Serve a request: sync code that calls async code."""
    token = current_request.set(Request(environ))
    try:
        loop = asyncio.get_event_loop()
        loops.append(loop)
        body = loop.run_until_complete(answer(environ["PATH_INFO"]))
        assert asyncio.get_event_loop() is loop
    finally:
        current_request.reset(token)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body]


def request(path):
    environ = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    (body,) = application(environ, lambda status, _: print(status, end=": "))
    print(body.decode())


def main():
    with ctxpolicy.install(RequestResolver(), missing="create"):
        for path in ("/one", "/two", "/three"):
            request(path)
    for _ in range(3):  # PyPy frees nothing before
        gc.collect()
    closed = sum(loop.is_closed() for loop in loops)
    print(f"{len(set(loops))} loops for {len(loops)} requests, {closed} of them closed")


if __name__ == "__main__":
    main()
