"""A server that forks its workers ahead of requests, as gunicorn does: ``python -m tests._bridge.prefork KIND``.

The master loads the application, which runs a loop and keeps a client and a lease, and then forks the workers. It sends
requests, ends each worker and replaces it, sends more requests, and ends all workers.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import warnings
from typing import TextIO

import ctxpolicy
from ctxpolicy import LoopLocal, fresh_loop, isolate

WORKERS = 3

reading, writing = os.pipe()


def report(line: str) -> None:
    os.write(writing, f"{line} {os.getpid()}\n".encode())


class Client:
    def __init__(self) -> None:
        self.process = os.getpid()

    async def aclose(self) -> None:
        assert self.process == os.getpid(), "another process's client"
        report("closed")


clients = LoopLocal(Client, close=Client.aclose)


# The application.


async def shout(word: bytes) -> bytes:
    assert (await clients.get()).process == os.getpid()
    return word.upper()


def sync_view(word: bytes) -> bytes:
    return asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, word.upper()))


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    word = await reader.readline()
    assert (await clients.get()).process == os.getpid()
    answers = {await isolate(shout, word), await asyncio.to_thread(sync_view, word)}
    (answer,) = answers
    writer.write(b"%d %s" % (os.getpid(), answer))
    await writer.drain()
    writer.close()


# The workers.


async def serve(listening: socket.socket) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await asyncio.start_server(handle, sock=listening)
    report("ready")
    await stop.wait()
    server.close()
    await server.wait_closed()


def start_worker(listening: socket.socket) -> int:
    child = os.fork()
    if child == 0:
        asyncio.run(serve(listening))
        ctxpolicy.close_isolate_pool()
        sys.exit(3)
    return child


# The master.


def wait_until(reports: list[str], count: int, pipe: TextIO) -> None:
    while len(reports) < count:
        reports.append(pipe.readline().strip())


def ask(address: tuple[str, int], word: bytes) -> tuple[int, bytes]:
    with socket.create_connection(address) as connection:
        connection.sendall(word + b"\n")
        told = b"".join(iter(lambda: connection.recv(1000), b""))
    process, answer = told.split()
    return int(process), answer


def end(worker: int) -> None:
    os.kill(worker, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 3


def main(kind: str, pipe: TextIO) -> None:
    # From Python 3.12 on, fork() warns about the threads that isolate() has in the master.
    warnings.filterwarnings("ignore", r".*multi-threaded, use of fork\(\)", DeprecationWarning)
    ctxpolicy.install(missing="create", loop_factory=kind)
    leased = asyncio.get_event_loop()
    assert asyncio.run(isolate(shout, b"preload")) == b"PRELOAD"
    reports: list[str] = []
    wait_until(reports, 1, pipe)
    with socket.create_server(("127.0.0.1", 0)) as listening, fresh_loop() as scope:
        address = listening.getsockname()
        workers = {start_worker(listening) for _ in range(WORKERS)}
        wait_until(reports, 1 + WORKERS, pipe)
        answers = [ask(address, b"word") for _ in range(4 * WORKERS)]
        for worker in list(workers):
            workers.remove(worker)
            end(worker)
            workers.add(start_worker(listening))
        answers += [ask(address, b"word") for _ in range(4 * WORKERS)]
        for worker in workers:
            end(worker)
        scope.run_until_complete(asyncio.sleep(0))
    leased.run_until_complete(asyncio.sleep(0))
    assert {answer for _, answer in answers} == {b"WORD"}
    os.close(writing)
    reports += [line.strip() for line in pipe]
    closed = {line for line in reports if line.startswith("closed")}
    assert {f"closed {process}" for process, _ in answers} <= closed
    print("done")


if __name__ == "__main__":
    with os.fdopen(reading) as reports:
        main(sys.argv[1], reports)
