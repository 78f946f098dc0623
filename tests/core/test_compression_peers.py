"""rawws and other libraries, each with its own permessage-deflate, in one process and without sockets.

The opening handshake is real, on whatever terms come of two wishes; then both speak, and each understands the other.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import pytest
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http_websocket import WebSocketReader, WebSocketWriter, WSMsgType, ws_ext_gen, ws_ext_parse
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.http11 import Request as WebsocketsRequest
from websockets.server import ServerProtocol
from websockets.uri import parse_uri
from wsproto import ConnectionType, WSConnection
from wsproto import events as wsproto
from wsproto.extensions import PerMessageDeflate

from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection
from rawws.core.deflate import Deflate, DeflateTerms
from rawws.core.events import Event, Ping, Pong
from rawws.core.headers import accept_for
from rawws.core.http1 import ClientConnection, Connected, Request, ServerConnection
from rawws.core.settings import Role
from tests.traffic import PLACES, SPEECHES, WISHES, Speech, cut, joined, say
from tests.wire import BINARY, CONTINUATION, PING, TEXT, Events, broken, chopped, feed, frame, receive


class Peer(Protocol):
    """One side of a connection, as another library plays it."""

    told: list[object]
    """Messages and control frames, as rawws would tell them."""
    fragments: bool
    """Whether it can be made to send them."""
    between: bool
    """Whether it takes a control frame between the fragments of a compressed message."""

    def receive(self, data: bytes) -> None:
        """What came."""

    def say(self, speech: Speech) -> list[Event]:
        """Say it; what must be told of it."""

    def out(self) -> bytes:
        """What it has to send."""


def possible(bits: int) -> int:
    """None of them writes, and so allows itself, a window of 8 bits."""
    return max(9, bits)


# --- websockets -------------------------------------------------------------------------------------------------------


class Websockets:
    """Its sans-IO core; the frames are put together here."""

    fragments = between = True

    def __init__(self, role: Role, wish: Deflate) -> None:
        self.told: list[object] = []
        self.parts: list[bytes] = []
        self.kind = TEXT
        takeover = wish.server_no_context_takeover, wish.client_no_context_takeover
        bits = wish.server_max_window_bits, wish.client_max_window_bits
        self.protocol: ServerProtocol | ClientProtocol
        if role is Role.SERVER:
            deflate = ServerPerMessageDeflateFactory(*takeover, possible(bits[0]), bits[1])
            self.protocol = ServerProtocol(extensions=[deflate], max_size=None)
        else:
            offer = ClientPerMessageDeflateFactory(*takeover, bits[0], possible(bits[1]))
            self.protocol = ClientProtocol(parse_uri("ws://example.com/"), extensions=[offer], max_size=None)
            self.protocol.send_request(self.protocol.connect())

    def receive(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, WebsocketsRequest):
                assert isinstance(self.protocol, ServerProtocol)
                self.protocol.send_response(self.protocol.accept(event))
            elif isinstance(event, Frame):
                self._note(event)
        assert self.protocol.handshake_exc is None
        assert self.protocol.parser_exc is None

    def _note(self, part: Frame) -> None:
        payload = bytes(part.data)
        if part.opcode >= 8:
            self.told.append(Ping(payload) if part.opcode == PING else Pong(payload))
            return
        self.kind = part.opcode or self.kind
        self.parts.append(payload)
        if part.fin:
            whole = b"".join(self.parts)
            self.told.append(whole.decode() if self.kind == TEXT else whole)
            self.parts = []

    def say(self, speech: Speech) -> list[Event]:
        events: list[Event] = []
        for number, part in enumerate(speech.parts):
            data, fin = part.encode() if isinstance(part, str) else part, number == len(speech.parts) - 1
            first = self.protocol.send_text if isinstance(part, str) else self.protocol.send_binary
            (self.protocol.send_continuation if number else first)(data, fin)
            for is_ping, payload in speech.between[number : number + 1] if not fin else ():
                (self.protocol.send_ping if is_ping else self.protocol.send_pong)(payload)
                events.append(Ping(payload) if is_ping else Pong(payload))
        return [*events, joined(speech.parts)]

    def out(self) -> bytes:
        return b"".join(self.protocol.data_to_send())


# --- wsproto ----------------------------------------------------------------------------------------------------------


class Wsproto:
    """With its HTTP; the pieces of messages are put together here."""

    fragments, between = True, False

    def __init__(self, role: Role, wish: Deflate) -> None:
        self.told: list[object] = []
        self.parts: list[str | bytes] = []
        self.deflate = PerMessageDeflate(
            wish.client_no_context_takeover,
            possible(wish.client_max_window_bits),
            wish.server_no_context_takeover,
            possible(wish.server_max_window_bits),
        )
        self.connection = WSConnection(ConnectionType.SERVER if role is Role.SERVER else ConnectionType.CLIENT)
        self.sent = b""
        if role is Role.CLIENT:
            self.sent = self.connection.send(wsproto.Request("example.com", "/", extensions=[self.deflate]))

    def receive(self, data: bytes) -> None:
        self.connection.receive_data(data)
        for event in self.connection.events():
            match event:
                case wsproto.Request():
                    self.sent += self.connection.send(wsproto.AcceptConnection(extensions=[self.deflate]))
                case wsproto.AcceptConnection():
                    pass
                case wsproto.Ping():
                    self.told.append(Ping(bytes(event.payload)))
                case wsproto.Pong():
                    self.told.append(Pong(bytes(event.payload)))
                case wsproto.Message():
                    self.parts.append(event.data if isinstance(event.data, str) else bytes(event.data))
                    if event.message_finished:
                        self.told.append(joined(self.parts))
                        self.parts = []
                case _:
                    raise AssertionError(event)

    def say(self, speech: Speech) -> list[Event]:
        events: list[Event] = []
        for number, part in enumerate(speech.parts):
            fin = number == len(speech.parts) - 1
            message = wsproto.TextMessage if isinstance(part, str) else wsproto.BytesMessage
            self.sent += self.connection.send(message(part, message_finished=fin))
            for is_ping, payload in speech.between[number : number + 1] if not fin else ():
                self.sent += self.connection.send(wsproto.Ping(payload) if is_ping else wsproto.Pong(payload))
                events.append(Ping(payload) if is_ping else Pong(payload))
        return [*events, joined(speech.parts)]

    def out(self) -> bytes:
        sent, self.sent = self.sent, b""
        return sent


# --- aiohttp ----------------------------------------------------------------------------------------------------------


class Wire:
    """What aiohttp asks of a protocol and a transport that never have to wait."""

    _paused = _reading_paused = False

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        self.data += data

    def is_closing(self) -> bool:
        return False


class Aiohttp:
    """Its reader and its writer, and what it negotiates; HTTP around it is done here."""

    fragments, between = False, True

    def __init__(self, role: Role, wish: Deflate) -> None:
        self.told: list[object] = []
        self.role = role
        self.wire = Wire()
        self.head = b""
        self.opened = False
        self.wish = wish
        if role is Role.CLIENT:
            offer = ws_ext_gen(possible(wish.server_max_window_bits), server_notakeover=wish.server_no_context_takeover)
            self.wire.write(_REQUEST % offer.encode())

    def receive(self, data: bytes) -> None:
        if not self.opened:
            self.head += data
            head, end, data = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            self._open(dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:]), head)
        assert (False, b"") == self.reader.feed_data(data), self.queue.exception()
        while self.queue._buffer:
            self._note(drive(self.queue.read()))

    def _open(self, fields: dict[str, str], head: bytes) -> None:
        is_server = self.role is Role.SERVER
        extensions = fields.get("sec-websocket-extensions", "")
        compress, no_takeover = ws_ext_parse(extensions, isserver=is_server)
        if is_server:
            key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
            answer = ws_ext_gen(compress, isserver=True, server_notakeover=no_takeover) if compress else ""
            self.wire.write(_ANSWER % (accept_for(key.split(b": ")[1]), answer.encode()))
        self.queue = WebSocketDataQueue(self.wire, 2**30, loop=None)  # type: ignore[arg-type]
        self.reader = WebSocketReader(self.queue, 0, compress=bool(compress), decode_text=True)
        self.writer = WebSocketWriter(
            self.wire,  # type: ignore[arg-type]
            self.wire,  # type: ignore[arg-type]
            use_mask=not is_server,
            compress=compress,
            notakeover=no_takeover,
        )
        self.opened = True

    def _note(self, message: Any) -> None:
        kinds: dict[Any, Callable[[Any], object]] = {WSMsgType.PING: Ping, WSMsgType.PONG: Pong}
        self.told.append(kinds.get(message.type, lambda data: data)(message.data))

    def say(self, speech: Speech) -> list[Event]:
        events: list[Event] = []
        for is_ping, payload in speech.between:
            drive(self.writer.send_frame(payload, WSMsgType.PING if is_ping else WSMsgType.PONG))
            events.append(Ping(payload) if is_ping else Pong(payload))
        whole = joined(speech.parts)
        kind = WSMsgType.TEXT if isinstance(whole, str) else WSMsgType.BINARY
        drive(self.writer.send_frame(whole.encode() if isinstance(whole, str) else whole, kind))
        return [*events, whole]

    def out(self) -> bytes:
        data = bytes(self.wire.data)
        self.wire.data.clear()
        return data


_REQUEST = (
    b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: %b\r\n\r\n"
)
_ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n"
    b"Sec-WebSocket-Extensions: %b\r\n\r\n"
)


def drive(coroutine: Coroutine[Any, Any, object]) -> object:
    """Run one that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


# --- Both of them -----------------------------------------------------------------------------------------------------

PEERS: dict[str, Callable[[Role, Deflate], Peer]] = {
    "websockets": Websockets,
    "wsproto": Wsproto,
    "aiohttp": Aiohttp,
}

PEER = pytest.mark.parametrize("peer", PEERS)
ROLE = pytest.mark.parametrize("role", Role)


def meet(kind: str, role: Role, theirs: Deflate, ours: Deflate) -> tuple[Connection, Peer]:
    """Open a connection between rawws, as `role`, and another."""
    peer = PEERS[kind](role.peer, theirs)
    connection: Connection
    if role is Role.CLIENT:
        connection = ClientConnection("example.com", compression=ours, auto_pong=False)
        peer.receive(connection.data_to_send())
        [event] = feed(connection, peer.out())
        assert isinstance(event, Connected)
    else:
        connection = ServerConnection(auto_pong=False)
        [event] = feed(connection, peer.out())
        assert isinstance(event, Request)
        connection.accept(compression=ours)
        peer.receive(connection.data_to_send())
    return connection, peer


def within_reach(kind: str, role: Role, ours: Deflate) -> Deflate:
    """Our wish, less what ends the handshake of a peer: as a client, no window of 8 bits for what it sends.

    wsproto does not take one for what it receives, either.
    """
    client = possible(ours.client_max_window_bits)
    server = possible(ours.server_max_window_bits) if kind == "wsproto" else ours.server_max_window_bits
    changed = Deflate(server, client, ours.server_no_context_takeover, ours.client_no_context_takeover)
    return changed if role is Role.SERVER else ours


@PEER
@ROLE
def test_each_understands_the_other(peer: str, role: Role) -> None:
    """Any messages in any fragments, both ways, on any terms, cut anywhere.

    wsproto mistakes a compressed message for another once a control frame stands between its fragments, and so is not
    sent one there; that we take one is `test_a_ping_between_compressed_fragments`.
    """

    @given(WISHES, WISHES, SPEECHES, SPEECHES, PLACES)
    def understands(theirs: Deflate, ours: Deflate, heard: list[Speech], said: list[Speech], places: list[int]) -> None:
        connection, other = meet(peer, role, theirs, within_reach(peer, role, ours))
        expected = [event for speech in heard for event in other.say(speech)]
        assert expected == feed(connection, cut(other.out(), places))

        listed = said if other.between else [speech._replace(between=[]) for speech in said]
        expected = [event for speech in listed for event in say(connection, speech)]
        for piece in cut(connection.data_to_send(), places):
            other.receive(piece)
        assert expected == Events(other.told)  # type: ignore[arg-type]

    understands()


@PEER
@ROLE
@given(theirs=WISHES, ours=WISHES)
def test_compression_is_agreed_on(peer: str, role: Role, theirs: Deflate, ours: Deflate) -> None:
    """With all of them, whatever both wish; wsproto declines a client whose own window has 8 bits."""
    connection, _ = meet(peer, role, theirs, within_reach(peer, role, ours))

    declined = peer == "wsproto" and role is Role.CLIENT and ours.client_max_window_bits == 8
    assert declined == (connection.compression is None)


@PEER
@ROLE
def test_what_was_said_before_is_remembered(peer: str, role: Role) -> None:
    """With context takeover a message that was sent before takes a few bytes, in both directions."""
    long = "".join(map(str, range(300)))
    connection, other = meet(peer, role, Deflate(), Deflate())
    sizes: list[list[int]] = [[], []]
    for _ in range(2):
        connection.send_text(long)
        data = connection.data_to_send()
        other.receive(data)
        other.say(Speech([long], None, []))
        back = other.out()
        feed(connection, back)
        sizes[0].append(len(data))
        sizes[1].append(len(back))

    assert all(second < first / 4 for first, second in sizes)


# --- What is left out above, and that we take it ----------------------------------------------------------------------

TERMS = Agreement(compression=DeflateTerms())
HELLO = "f2 48 cd c9 c9 07 00"
"""Section 7.2.3.1."""


def test_a_ping_between_compressed_fragments() -> None:
    """RFC 6455 5.4 lets control frames come there, and RFC 7692 6.1 gives RSV1 to the first fragment alone."""
    data = "41 03 f248cd", "89 01 70", "00 00", "8a 00", "80 04 c9c90700", "c1 05 f200110000"
    for pieces in chopped(*data):
        assert [Ping(b"p"), Pong(b""), "Hello", "Hello"] == receive(Role.CLIENT, pieces, agreement=TERMS)


def test_a_final_block_ends_no_more_than_itself() -> None:
    """7.2.3.4: what follows a block with BFINAL, in this message or the next, is read with the window as it stands."""
    data = "c1 08 f348cdc9c9070000", "c1 05 f200110000", "c1 0f f348cdc9c90700 f348cdc9c9070000", "c1 07", HELLO
    for pieces in chopped(*data):
        assert ["Hello", "Hello", "HelloHello", "Hello"] == receive(Role.CLIENT, pieces, agreement=TERMS)


@given(st.sampled_from([CONTINUATION, PING, 10, 8]))
def test_rsv1_is_refused_where_nobody_may_send_it(opcode: int) -> None:
    """On a continuation and on control frames."""
    before = frame(BINARY, b"\x00", fin=False, rsv=4)
    data = before + frame(opcode, rsv=4)

    assert [broken(rules.COMPRESSED_BIT, len(before))] == receive(Role.CLIENT, data, agreement=TERMS)
