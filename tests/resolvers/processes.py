"""Child processes that report whether a resolver hands out a loop in them."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.connection import Connection

from tests.support.resolver_cases import CASES

PRELOADED = "tests.resolvers.preloaded"


def fork(look) -> bool:
    """Return the result of ``look()`` in a forked child."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(look()).encode())
        finally:
            os._exit(0)  # a child that fails must not go on with the tests
    os.close(write)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    assert told in ("True", "False"), told
    return told == "True"


def start(method: str, name: str) -> bool:
    """Start a process by ``method``, and return whether the resolver called ``name`` has a loop there."""
    multiprocessing.set_forkserver_preload([PRELOADED])
    processes = multiprocessing.get_context(method)
    ours, theirs = processes.Pipe()
    child = processes.Process(target=_look, args=(theirs, method, name))
    child.start()
    theirs.close()
    with ours:
        has_loop = ours.recv()
    child.join()
    return has_loop


def _look(pipe: Connection, method: str, name: str) -> None:
    forked = sys.modules[PRELOADED].RESOLVERS if method == "forkserver" else {}
    resolver = forked[name] if forked else CASES[name].make()
    pipe.send(resolver.get() is not None)
    pipe.close()
