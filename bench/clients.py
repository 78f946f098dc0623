"""Clients of each library: `python -m bench.clients NAME PORT SIZE WINDOW SECONDS` prints what a message cost it.

Each keeps `WINDOW` messages under way with an echo server: it sends so many, and one more for each that comes back.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from bench.servers import LARGEST
from rawws import aio, blocking


class Job:
    """How much is to be done, and what it took."""

    def __init__(self, port: int, size: int, window: int, seconds: float) -> None:
        self.uri = f"ws://127.0.0.1:{port}/"
        self.message = (bytes(range(32, 127)) * (size // 95 + 1))[:size]
        self.window = window
        self._seconds = seconds
        self._answered = 0
        self._warm = False
        self._until = time.perf_counter() + seconds / 10

    def go_on(self, answer: Any) -> bool:
        """Take note of an answer; whether there is to be another message."""
        if answer != self.message:
            raise AssertionError("the server answered something else than it was asked")
        self._answered += 1
        if self._answered & 15 == 0 and time.perf_counter() >= self._until:
            if self._warm:
                return False
            self._warm = True
            self._start = self._answered, time.process_time(), time.perf_counter()
            self._until = time.perf_counter() + self._seconds
        return True

    def report(self) -> None:
        """Print messages and microseconds a message."""
        answered, cpu, wall = self._start
        messages = self._answered - answered
        spent = time.process_time() - cpu, time.perf_counter() - wall
        print(json.dumps([*(seconds / messages * 1e6 for seconds in spent), messages]))


async def _drive(job: Job, send: Callable[[bytes], Awaitable[Any]], receive: Callable[[], Awaitable[Any]]) -> None:
    for _ in range(job.window):
        await send(job.message)
    while job.go_on(await receive()):
        await send(job.message)
    job.report()
    for _ in range(job.window - 1):  # Nobody has to close with messages unread.
        await receive()


def _drive_blocking(job: Job, send: Callable[[bytes], Any], receive: Callable[[], Any]) -> None:
    for _ in range(job.window):
        send(job.message)
    while job.go_on(receive()):
        send(job.message)
    job.report()
    for _ in range(job.window - 1):
        receive()


async def rawws_aio(job: Job) -> None:
    async with aio.connect(job.uri, max_size=LARGEST) as ws:
        await _drive(job, ws.send, ws.recv)


def rawws_blocking(job: Job) -> None:
    with blocking.connect(job.uri, max_size=LARGEST) as ws:
        _drive_blocking(job, ws.send, ws.recv)


async def websockets_asyncio(job: Job) -> None:
    from websockets.asyncio.client import connect

    async with connect(job.uri, compression=None, max_size=LARGEST, proxy=None) as ws:
        await _drive(job, ws.send, ws.recv)


def websockets_sync(job: Job) -> None:
    from websockets.sync.client import connect

    with connect(job.uri, compression=None, max_size=LARGEST, proxy=None) as ws:
        _drive_blocking(job, ws.send, ws.recv)


def websocket_client(job: Job) -> None:
    from websocket import create_connection

    ws = create_connection(job.uri)
    _drive_blocking(job, ws.send_binary, ws.recv)
    ws.close()


async def aiohttp(job: Job) -> None:
    from aiohttp import ClientSession

    async with ClientSession() as session, session.ws_connect(job.uri, compress=0, max_msg_size=LARGEST) as ws:
        await _drive(job, ws.send_bytes, ws.receive_bytes)


async def picows(job: Job) -> None:
    from picows import WSListener, WSMsgType, ws_connect

    binary = WSMsgType.BINARY

    class Listener(WSListener):
        def on_ws_connected(self, transport: Any) -> None:
            for _ in range(job.window):
                transport.send(binary, job.message)

        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type is not binary or self.over:
                return
            if job.go_on(frame.get_payload_as_bytes()):
                transport.send(binary, job.message)
            else:
                self.over = True
                job.report()
                transport.disconnect()

        over = False

    transport, _ = await ws_connect(Listener, job.uri, max_frame_size=LARGEST)
    await transport.wait_disconnected()


class Client(NamedTuple):
    """How to run one."""

    run: Callable[[Job], Awaitable[None] | None]
    needs: str | None = None
    """The package that has to be installed."""


CLIENTS = {
    "rawws aio": Client(rawws_aio),
    "rawws blocking": Client(rawws_blocking),
    "websockets": Client(websockets_asyncio, "websockets"),
    "websockets sync": Client(websockets_sync, "websockets"),
    "websocket-client": Client(websocket_client, "websocket"),
    "picows": Client(picows, "picows"),
    "aiohttp": Client(aiohttp, "aiohttp"),
}

if __name__ == "__main__":
    name, port, size, window, seconds = sys.argv[1:]
    started = CLIENTS[name].run(Job(int(port), int(size), int(window), float(seconds)))
    if started is not None:
        asyncio.run(started)  # type: ignore[arg-type]
