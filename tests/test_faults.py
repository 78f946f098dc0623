"""Every fault at every byte of a recorded conversation, in both transports and both roles, in memory.

The same conversation is cut by a FIN and by an RST in front of each of its bytes, is taken and given in small pieces,
cannot be written from some byte on, and is cancelled at each turn.  What was whole before the cut is received, the end
has the code that it must have, and nothing is left.
"""

import asyncio
import errno
import socket
from contextlib import suppress
from typing import Any

import pytest

from rawws import ClientConnection, ConnectionClosed, ServerConnection, aio, blocking
from rawws.core.connection import Connection
from rawws.core.http1 import Connected, Rejected, Request
from rawws.endpoint import Reception
from rawws.session import Patience
from tests.net import LIMIT, request, switching
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.wire import BINARY, CLOSE, CONTINUATION, KEY, PING, TEXT, close_body, frame

PATIENCE = Patience(ping_interval=None)

ROLES = ["client", "server"]

roles = pytest.mark.parametrize("role", ROLES)


def conversation(role: str) -> tuple[bytes, list[tuple[int, str | bytes]], int]:
    """What our side is told: the bytes, the messages with the places where they are whole, and where the Close is."""
    key = KEY if role == "server" else None
    data = request(80) if role == "server" else switching()
    messages: list[tuple[int, str | bytes]] = []
    for message, frames in (
        ("Hello", [(TEXT, "Hello", True)]),
        ("", [(TEXT, "", True)]),
        (b"x" * 130, [(BINARY, b"x" * 130, True)]),
        ("İstanbul", [(TEXT, b"\xc4", False), (PING, b"?", True), (CONTINUATION, b"\xb0stanbul", True)]),
    ):
        for opcode, payload, fin in frames:
            data += frame(opcode, payload, key=key, fin=fin)
        messages.append((len(data), message))
    data += frame(CLOSE, close_body(3000), key=key)
    return data, messages, len(data)


def connection_of(role: str) -> Connection:
    return ServerConnection() if role == "server" else ClientConnection("a.example", random=no_secret)


def no_secret(size: int) -> bytes:
    return b"the sample nonce" if size == 16 else KEY * (size // 4)


def expected(role: str, cut: int) -> tuple[list[str | bytes], int]:
    """The messages, and the code of the end, if only so many bytes come."""
    _, messages, closed_at = conversation(role)
    return [message for whole_at, message in messages if whole_at <= cut], 3000 if cut >= closed_at else 1006


# --- asyncio --------------------------------------------------------------------------------------------------------


class Line(asyncio.Transport):
    """A transport in memory, for one WebSocket."""

    def __init__(self, ws: aio.WebSocket) -> None:
        super().__init__()
        self.ws = ws
        self.written = b""
        self.closing = False
        self.reading = True
        ws.connection_made(self)

    def feed(self, data: bytes) -> None:
        """These bytes come."""
        if data and not self.closing:
            self.ws.get_buffer(-1)[: len(data)] = data
            self.ws.buffer_updated(len(data))

    def finish(self) -> None:
        """A FIN comes."""
        if not self.closing and not self.ws.eof_received():
            self.close()

    def lose(self, error: Exception | None = None) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.ws.connection_lost, error)

    def write(self, data: Any) -> None:
        assert not self.closing
        self.written += data

    def abort(self) -> None:
        self.lose()

    def close(self) -> None:
        self.lose()

    def write_eof(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def lined(role: str) -> Line:
    """One side of ours on a line; a server lets everybody in."""

    def on_opening(ws: aio.WebSocket, event: Request | Connected | Rejected | None) -> None:
        if isinstance(event, Request):
            ws.answer(event, Reception(), None)

    return Line(aio.WebSocket(connection_of(role), PATIENCE, on_opening))


async def converse(ws: aio.WebSocket, received: list[Any]) -> int:
    """Echo until the end; gives back its code."""
    try:
        while True:
            received.append(await ws.recv())
            with suppress(ConnectionClosed):
                await ws.send(received[-1])
    except ConnectionClosed as end:
        return end.code


@roles
@pytest.mark.parametrize("fault", ["fin", "rst"])
def test_asyncio_survives_a_cut_at_every_byte(role: str, fault: str) -> None:
    """Cut in front of any byte, the conversation gives what was whole, and ends as it must, with no timer left."""

    async def cut(at: int) -> tuple[list[Any], int]:
        line = lined(role)
        received: list[Any] = []
        conversing = asyncio.ensure_future(converse(line.ws, received))
        await asyncio.sleep(0)
        line.feed(data[:at])
        await asyncio.sleep(0)
        line.finish() if fault == "fin" else line.lose(ConnectionResetError())
        code = await conversing
        if fault == "fin":
            await line.ws.close()
        await line.ws.wait_closed()
        assert line.ws._alarm is None
        return received, code

    async def everywhere() -> None:
        async with asyncio.timeout(LIMIT):
            for at in range(len(data) + 1):
                assert expected(role, at) == await cut(at), at

    data = conversation(role)[0]
    asyncio.run(everywhere())


@roles
def test_asyncio_survives_a_cancellation_at_every_turn(role: str) -> None:
    """With a byte in each turn, a task that is cancelled at any of them leaves the rest to the next task."""

    async def cancelled(at: int) -> tuple[list[Any], int]:
        line = lined(role)
        received: list[Any] = []
        conversing = asyncio.ensure_future(converse(line.ws, received))
        for turn, byte in enumerate(data):
            if turn == at:
                conversing.cancel()
            line.feed(bytes([byte]))
            await asyncio.sleep(0)
        if conversing.cancelled():
            conversing = asyncio.ensure_future(converse(line.ws, received))
        code = await conversing
        line.lose()
        await line.ws.wait_closed()
        return received, code

    async def everywhere() -> None:
        async with asyncio.timeout(LIMIT):
            for at in range(len(request(80)) if role == "server" else len(switching()), len(data)):
                assert expected(role, len(data)) == await cancelled(at), at

    data = conversation(role)[0]
    asyncio.run(everywhere())


# --- Blocking -------------------------------------------------------------------------------------------------------


class Faulty(socket.socket):
    """A socket that gives and takes a few bytes at a time, so many in all, and then fails."""

    piece = 1 << 20
    to_give = 1 << 20
    to_take = 1 << 20
    error = errno.ECONNRESET

    def recv(self, size: int, *flags: int) -> bytes:
        if not self.to_give:
            raise OSError(self.error, "that was all")
        data = super().recv(min(size, self.piece, self.to_give), *flags)
        self.to_give -= len(data)
        return data

    def send(self, data: Any, *flags: int) -> int:
        if not self.to_take:
            raise OSError(self.error, "that was all")
        size = super().send(bytes(data[: min(self.piece, self.to_take)]), *flags)
        self.to_take -= size
        return size


def told(role: str, data: bytes, **faults: int) -> tuple[list[Any], int, bytes]:
    """What our side receives, the code that it ends with, and what it sends, when it is told this, and then a FIN."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**20)  # For many little pieces that wait.
    faulty = Faulty(fileno=ours.detach())
    for name, value in faults.items():
        setattr(faulty, name, value)
    with theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        ws = blocking.WebSocket(faulty, connection_of(role), PATIENCE)
        received, code = spoken(ws)
        ws.close()
        assert -1 == faulty.fileno()
        return received, code, rest(theirs)


def rest(sock: socket.socket) -> bytes:
    """All that can be read, until there is no more or it fails."""
    data = b""
    with suppress(OSError):
        sock.setblocking(False)
        while piece := sock.recv(65536):
            data += piece
    return data


def spoken(ws: blocking.WebSocket) -> tuple[list[Any], int]:
    """Echo until the end."""
    received: list[Any] = []
    event = ws.opening_event()
    if isinstance(event, Request):
        ws.answer(event, Reception(), None)
    while True:
        try:
            received.append(ws.recv(LIMIT))
        except ConnectionClosed as end:
            return received, end.code
        with suppress(ConnectionClosed):
            ws.send(received[-1])


@roles
def test_blocking_survives_a_fin_at_every_byte(role: str) -> None:
    """Cut in front of any byte, the conversation gives what was whole, and ends as it must."""
    data = conversation(role)[0]
    for at in range(len(data) + 1):
        assert expected(role, at) == told(role, data[:at])[:2], at


@roles
def test_blocking_survives_an_rst_at_every_byte(role: str) -> None:
    """The same when receiving fails from some byte on."""
    data = conversation(role)[0]
    for at in range(len(data) + 1):
        assert expected(role, at) == told(role, data, to_give=at)[:2], at


@roles
def test_blocking_survives_pieces_of_any_size(role: str) -> None:
    """However little is taken and given at a time, the conversation is the same, on both sides."""
    data = conversation(role)[0]
    *heard, sent = told(role, data)
    assert [*expected(role, len(data))] == heard
    for piece in (*range(1, 20), 50, 100):
        *heard_in_pieces, sent_after_pieces = told(role, data, piece=piece)
        # The Pong may come earlier or later.
        assert (heard, sorted(sent)) == (heard_in_pieces, sorted(sent_after_pieces))


@roles
@pytest.mark.parametrize("error", [errno.EPIPE, errno.ECONNRESET])
def test_blocking_survives_a_failure_to_send_at_every_byte(role: str, error: int) -> None:
    """When the peer takes no more from some byte on, what it said is received all the same, once it is open."""
    data = conversation(role)[0]
    sent = told(role, data)[2]
    for at in range(len(sent)):
        received, code, written = told(role, data, to_take=at, error=error)
        assert sent[:at] == written
        assert expected(role, len(data)) == (received, code), at
