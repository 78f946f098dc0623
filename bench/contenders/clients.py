"""Clients of each library, which tell what a message cost them: `python -m bench.contenders.clients NAME LOOP`.

Each keeps so many messages under way with `bench.contenders.partner`: it sends so many, and one more for each that
comes back.  Every answer is compared with what was sent.
"""

import asyncio
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from bench.contenders.serving import HOST, LARGEST, run
from bench.harness import worker
from bench.traffic.lines import KEY, READ, payload_of
from rawws.core.events import Closed
from rawws.core.frames import Opcode, encode_frame


class Job:
    """How much is to be done, and what it took."""

    def __init__(self, port: int, size: int, window: int, seconds: float) -> None:
        self.port = port
        self.uri = f"ws://{HOST}:{port}/{size}"
        self.size = size
        self.message = payload_of(size)
        self.window = window
        self._seconds = seconds
        self._answered = 0
        self._step = 16 if size < 4096 else 1
        self._look = self._step
        self._warm = False
        self._until = time.perf_counter() + seconds / 5
        self.took: dict[str, float] = {}

    def go_on(self, answer: Any) -> bool:
        """Take note of an answer; whether there is to be another message."""
        if answer != self.message:
            raise AssertionError("the server answered something else than it was asked")
        return self.go_on_after(1)

    def go_on_after(self, count: int) -> bool:
        """The same for so many answers that were looked at already."""
        self._answered += count
        if self._answered >= self._look:
            self._look = self._answered + self._step
            if time.perf_counter() >= self._until:
                if self._warm:
                    return False
                self._warm = True
                self._start = self._answered, time.process_time(), time.perf_counter()
                self._until = time.perf_counter() + self._seconds
        return True

    def report(self) -> None:
        """It is over: note what it took."""
        answered, cpu, wall = self._start
        messages = self._answered - answered
        spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        self.took = {name: seconds / messages * 1e6 for name, seconds in spent.items()} | {"messages": messages}


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


# --- The floor: the same bytes, and no WebSocket ----------------------------------------------------------------------


class Bytes:
    """A conversation whose frames are made in advance: what is to be written, and whether what came is right."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.request = (
            f"GET /{job.size} HTTP/1.1\r\nHost: {HOST}:{job.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        self._frame = encode_frame(Opcode.BINARY, job.message, KEY)
        self._answer = encode_frame(Opcode.BINARY, job.message)
        self._expected = self._answer * (READ // len(self._answer) + 2)
        self._received = 0
        self.over = False

    def frames(self, count: int) -> bytes:
        """So many of them."""
        return self._frame * count

    def received(self, data: bytes) -> bytes:
        """What to write next; nothing once it is enough."""
        start, before = self._received % len(self._answer), self._received // len(self._answer)
        if data != self._expected[start : start + len(data)]:
            raise AssertionError("the server answered something else than it was asked")
        self._received += len(data)
        answered = self._received // len(self._answer) - before
        if self.over:
            return b""
        if self.job.go_on_after(answered):
            return self.frames(answered)
        self.over = True
        self.job.report()
        return b""


async def tcp_asyncio(job: Job) -> None:
    talk = Bytes(job)
    gone = asyncio.get_running_loop().create_future()

    class Client(asyncio.BufferedProtocol):
        opened = False
        buffer = memoryview(bytearray(READ))

        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            transport.write(talk.request)

        def get_buffer(self, sizehint: int) -> memoryview:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            data = bytes(self.buffer[:nbytes])
            if not self.opened:
                self.opened = data.endswith(b"\r\n\r\n")
                self.transport.write(talk.frames(job.window))
            elif more := talk.received(data):
                self.transport.write(more)
            elif talk.over:
                self.transport.abort()

        def connection_lost(self, error: Exception | None) -> None:
            gone.set_result(error)

    await asyncio.get_running_loop().create_connection(Client, HOST, job.port)
    if error := await gone:
        raise error


def tcp_blocking(job: Job) -> None:
    talk = Bytes(job)
    with socket.create_connection((HOST, job.port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(talk.request)
        assert sock.recv(READ).endswith(b"\r\n\r\n")
        sock.sendall(talk.frames(job.window))
        buffer = memoryview(bytearray(READ))
        while not talk.over:
            sock.sendall(talk.received(bytes(buffer[: sock.recv_into(buffer)])))


# --- WebSocket libraries ----------------------------------------------------------------------------------------------


async def rawws_aio(job: Job) -> None:
    from rawws import aio

    async with aio.connect(job.uri, max_size=LARGEST) as ws:
        await _drive(job, ws.send, ws.recv)


async def rawws_callbacks(job: Job) -> None:
    from rawws import aio

    over = asyncio.get_running_loop().create_future()

    class Client(aio.CallbackSocket):
        def on_open(self) -> None:
            for _ in range(job.window):
                self.send(job.message)

        def on_message(self, message: str | bytes) -> None:
            if over.done():
                return
            if job.go_on(message):
                self.send(job.message)
            else:
                job.report()
                over.set_result(None)

        def on_close(self, closed: Closed) -> None:
            if not over.done():
                over.set_exception(ConnectionError(f"the server ended the connection: {closed}"))

    ws = await aio.connect_callbacks(Client, job.uri, max_size=LARGEST)
    await over
    await ws.close()


def rawws_blocking(job: Job) -> None:
    from rawws import blocking

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


def wsproto(job: Job) -> None:
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import AcceptConnection, BytesMessage, Request

    with socket.create_connection((HOST, job.port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = WSConnection(ConnectionType.CLIENT)
        sock.sendall(connection.send(Request(f"{HOST}:{job.port}", f"/{job.size}")))
        connection.receive_data(sock.recv(READ))
        assert isinstance(next(connection.events()), AcceptConnection)
        messages: list[bytes] = []
        pieces: list[bytes] = []

        def receive() -> bytes:
            while not messages:
                connection.receive_data(sock.recv(READ))
                for event in connection.events():
                    assert isinstance(event, BytesMessage)
                    pieces.append(event.data)
                    if event.message_finished:
                        messages.insert(0, b"".join(pieces))
                        pieces.clear()
            return messages.pop()

        _drive_blocking(job, lambda message: sock.sendall(connection.send(BytesMessage(message))), receive)


async def aiohttp(job: Job) -> None:
    from aiohttp import ClientSession

    async with ClientSession() as session, session.ws_connect(job.uri, compress=0, max_msg_size=LARGEST) as ws:
        await _drive(job, ws.send_bytes, ws.receive_bytes)


async def tornado(job: Job) -> None:
    from tornado.websocket import websocket_connect

    ws = await websocket_connect(job.uri, max_message_size=LARGEST)

    async def send(message: bytes) -> None:
        await ws.write_message(message, binary=True)

    await _drive(job, send, ws.read_message)
    ws.close()


async def picows(job: Job) -> None:
    from picows import WSListener, WSMsgType, ws_connect

    binary = WSMsgType.BINARY

    class Listener(WSListener):
        over = False

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

    transport, _ = await ws_connect(Listener, job.uri, max_frame_size=LARGEST)
    await transport.wait_disconnected()


async def picows_await(job: Job) -> None:
    from picows.websockets import connect

    async with connect(job.uri, compression=None, max_size=LARGEST, proxy=None) as ws:
        await _drive(job, ws.send, ws.recv)


class Client(NamedTuple):
    """How to run one."""

    run: Callable[[Job], Awaitable[None] | None]
    needs: Sequence[str] = ()
    blocking: bool = False
    """It has a socket that blocks, and no event loop."""


CLIENTS = {
    "tcp": Client(tcp_asyncio),
    "tcp blocking": Client(tcp_blocking, blocking=True),
    "rawws": Client(rawws_aio),
    "rawws callbacks": Client(rawws_callbacks),
    "rawws blocking": Client(rawws_blocking, blocking=True),
    "picows": Client(picows, ["picows"]),
    "picows await": Client(picows_await, ["picows.websockets"]),
    "aiohttp": Client(aiohttp, ["aiohttp"]),
    "websockets": Client(websockets_asyncio, ["websockets"]),
    "tornado": Client(tornado, ["tornado"]),
    "websockets sync": Client(websockets_sync, ["websockets"], blocking=True),
    "websocket-client": Client(websocket_client, ["websocket"], blocking=True),
    "wsproto": Client(wsproto, ["wsproto"], blocking=True),
}


def main(name: str, loop: str) -> None:
    """The command."""

    def answer(port: int, size: int, window: int, seconds: float) -> dict[str, float]:
        start = time.perf_counter()
        job = Job(port, size, window, seconds)
        run(lambda: CLIENTS[name].run(job), loop)  # type: ignore[arg-type, return-value]
        return job.took | {"seconds": time.perf_counter() - start}

    worker.serve(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
