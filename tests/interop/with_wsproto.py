"""`wsproto`, embedded on a plain blocking socket."""

import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate

from rawws import Deflate
from tests.interop.talk import (
    FORBIDDEN,
    GREETING,
    HOST,
    REFUSAL,
    TIMEOUT,
    Ended,
    Ends,
    Message,
    Offer,
    Refused,
    Stage,
    Talker,
    at_once,
    choose_subprotocol,
    in_thread,
)


class Wire:
    """A socket with wsproto behind it."""

    def __init__(self, sock: socket.socket, role: ConnectionType) -> None:
        sock.settimeout(TIMEOUT)
        self.sock = sock
        self.ws = WSConnection(role)
        self._events: deque[Event] = deque()

    def send(self, event: Event) -> None:
        self.sock.sendall(self.ws.send(event))

    def next(self) -> Event:
        """The next event; raises `Ended` at the end of TCP."""
        while not self._events:
            try:
                data = self.sock.recv(2**16)
            except ConnectionError:
                data = b""
            if not data:
                raise Ended(1006, "")
            self.ws.receive_data(data)
            self._events.extend(self.ws.events())
        return self._events.popleft()

    def close(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class WsprotoTalker(Talker):
    """wsproto on a `Wire`."""

    def __init__(self, wire: Wire, path: str, subprotocol: str | None, headers: Any) -> None:
        self.wire = wire
        self.path = path
        self.subprotocol = subprotocol
        self.headers = {name.decode().lower(): value.decode() for name, value in headers}
        self._parts: list[Any] = []
        self._waiting: deque[Message] = deque()
        self._pongs: set[bytes] = set()

    async def send(self, message: Message, compress: bool | None = None) -> None:
        await self.send_fragments([message])

    async def send_fragments(self, parts: Sequence[Message], pings: bool = False) -> None:
        for number, part in enumerate(parts):
            if pings and number:
                self.wire.send(Ping(b"%d" % number))
            kind: Any = TextMessage if isinstance(part, str) else BytesMessage
            self.wire.send(kind(part, message_finished=number == len(parts) - 1))

    async def recv(self) -> Message:
        while not self._waiting:
            self._step()
        return self._waiting.popleft()

    def _step(self) -> None:
        """Take what comes next, whatever it is."""
        event = self.wire.next()
        match event:
            case TextMessage() | BytesMessage():
                self._parts.append(event.data)
                if event.message_finished:
                    parts, self._parts = self._parts, []
                    self._waiting.append(("" if isinstance(event, TextMessage) else b"").join(parts))
            case Ping():
                self.wire.send(event.response())
            case Pong():
                self._pongs.add(bytes(event.payload))
            case CloseConnection():
                with suppress(OSError):
                    self.wire.send(event.response())
                raise Ended(event.code, event.reason or "")

    async def ping(self, payload: bytes) -> None:
        self.wire.send(Ping(payload))
        while payload not in self._pongs:
            self._step()

    async def close(self, code: int, reason: str) -> Ended:
        self.wire.send(CloseConnection(code, reason))
        while True:
            event = self.wire.next()
            if isinstance(event, CloseConnection):
                self.wire.close()
                return Ended(event.code, event.reason or "")

    async def drop(self) -> None:
        self.wire.close()


async def _connect(offer: Offer) -> Talker:
    sock = socket.create_connection((HOST, offer.port), TIMEOUT)
    if offer.tls:
        sock = offer.tls.client.wrap_socket(sock, server_hostname=HOST)
    wire = Wire(sock, ConnectionType.CLIENT)
    wire.send(
        Request(
            f"{HOST}:{offer.port}",
            offer.path,
            extensions=[_extension(offer.compression)],
            extra_headers=_pairs(offer.headers),
            subprotocols=list(offer.subprotocols),
        )
    )
    answer = wire.next()
    if isinstance(answer, AcceptConnection):
        agreed = [(b"sec-websocket-extensions", str(extension).encode()) for extension in answer.extensions]
        return WsprotoTalker(wire, offer.path, answer.subprotocol, [*answer.extra_headers, *agreed])
    assert isinstance(answer, RejectConnection)
    refused = Refused(answer.status_code, _read_body(wire))
    wire.close()
    raise refused


def _extension(wish: Deflate | None) -> PerMessageDeflate:
    if wish is None:
        return PerMessageDeflate()
    return PerMessageDeflate(
        wish.client_no_context_takeover,
        wish.client_max_window_bits,
        wish.server_no_context_takeover,
        wish.server_max_window_bits,
    )


def _read_body(wire: Wire) -> bytes:
    body = b""
    while True:
        event = wire.next()
        assert isinstance(event, RejectData)
        body += event.data
        if event.body_finished:
            return body


def _pairs(headers: Any) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _converse(stage: Stage, sock: socket.socket) -> None:
    if stage.tls:
        sock = stage.tls.server.wrap_socket(sock, server_side=True)
    wire = Wire(sock, ConnectionType.SERVER)
    try:
        request = wire.next()
        assert isinstance(request, Request)
        if request.target == FORBIDDEN:
            wire.send(RejectConnection(403, [(b"content-length", b"%d" % len(REFUSAL))], has_body=True))
            wire.send(RejectData(REFUSAL.encode()))
            return
        subprotocol = choose_subprotocol(request.subprotocols)
        wire.send(AcceptConnection(subprotocol, [_extension(stage.compression)], _pairs(GREETING)))
        at_once(stage.host.converse(WsprotoTalker(wire, request.target, subprotocol, request.extra_headers)))
    finally:
        wire.close()


@contextmanager
def _serve(stage: Stage) -> Iterator[int]:
    listening = socket.create_server((HOST, 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                sock, _ = listening.accept()
                threading.Thread(target=_converse, args=(stage, sock), daemon=True).start()

    def stop() -> None:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()

    with in_thread(accept, stop):
        yield listening.getsockname()[1]


WSPROTO = Ends(_connect, _serve)
