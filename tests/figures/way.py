"""The way of one message: which functions of rawws run when a short masked text message comes, once all is warm."""

import asyncio
import socket
import sys
import threading
from inspect import CO_GENERATOR
from pathlib import Path
from types import CodeType, FrameType

from rawws import Connection, Role, aio, blocking
from rawws.core.frames import Opcode, encode_frame
from tests.figures.source import PACKAGE, floor, module_name


class Way:
    """Watches Python calls: which functions of rawws one message goes through, from the first one of a name on."""

    def __init__(self, begins_with: str) -> None:
        self._begins_with = begins_with
        self.calls: list[CodeType] = []
        self.upward: list[str] = []
        self.reentered = 0
        self._generators: set[int] = set()

    def watch(self, frame: FrameType, event: str, argument: object) -> None:
        """For `sys.setprofile`."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(str(PACKAGE)):
            return
        if not self.calls and code.co_name != self._begins_with:
            return
        self.calls.append(code)
        caller = frame.f_back
        if caller is not None and caller.f_code.co_filename.startswith(str(PACKAGE)):
            lower, upper = (floor(module_name(Path(each.f_code.co_filename))) for each in (caller, frame))
            if upper > lower:
                self.upward.append(f"{caller.f_code.co_qualname} -> {code.co_qualname}")
        if code.co_flags & CO_GENERATOR:
            self.reentered += id(frame) in self._generators
            self._generators.add(id(frame))

    @property
    def files(self) -> list[Path]:
        """The files that those functions stand in."""
        return sorted({Path(code.co_filename) for code in self.calls})


MESSAGE = encode_frame(Opcode.TEXT, b"Hello", bytes.fromhex("37fa213d"))
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def through_core() -> Way:
    """From `receive_data` to the message, and to the None behind it."""
    connection = Connection(Role.SERVER)
    connection.receive_data(MESSAGE)
    assert ["Hello"] == list(connection.events())
    way = Way("receive_data")
    sys.setprofile(way.watch)
    connection.receive_data(MESSAGE)
    while connection.next_event() is not None:
        pass
    sys.setprofile(None)
    return way


async def through_aio() -> Way:
    """From the read of the socket to what `recv` gives to a task that waits for it."""
    way = Way("buffer_updated")
    waiting = asyncio.Event()

    async def receive(ws: aio.WebSocket) -> None:
        await ws.recv()
        waiting.set()
        sys.setprofile(way.watch)
        await ws.recv()
        sys.setprofile(None)
        waiting.set()

    async def handler(ws: aio.WebSocket) -> None:
        await asyncio.create_task(receive(ws))  # In a task of its own: what serves it is not on the way.

    async with aio.serve(handler, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(2):
            waiting.clear()
            writer.write(MESSAGE)
            await waiting.wait()
        writer.close()
    return way


def through_blocking() -> Way:
    """The same in a thread that waits in `recv`."""
    way = Way("_read")
    waiting = threading.Semaphore(0)

    def handler(ws: blocking.WebSocket) -> None:
        ws.recv()
        waiting.release()
        sys.setprofile(way.watch)
        ws.recv()
        sys.setprofile(None)
        waiting.release()

    with blocking.serve(handler, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(HANDSHAKE)
            while not sock.recv(1 << 16).endswith(b"\r\n\r\n"):
                pass
            for _ in range(2):
                sock.sendall(MESSAGE)
                waiting.acquire(timeout=5)
    return way
