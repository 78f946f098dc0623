"""The connection underneath: a blocking `WebSocket` that also tells of Pings and Pongs, and how one is opened."""

import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from rawws.blocking.websocket import WebSocket
from rawws.compat.websocket.dialling import dial
from rawws.compat.websocket.frames import Item
from rawws.compat.websocket.options import Opening, implied_fields, request_fields
from rawws.compat.websocket.trace import tap
from rawws.core.events import Chunk, Closed, Event
from rawws.core.frames import Opcode
from rawws.core.headers import Headers
from rawws.core.http1 import ClientConnection, Connected, Rejected
from rawws.core.settings import Limits
from rawws.endpoint import header_pairs, opening_failed
from rawws.plan import Plan, same_origin
from rawws.session import ConnectionClosed, Patience
from rawws.uri import URI, parse

OPENING = 10.0
"""Seconds for the opening handshake, unless the program says otherwise."""
CLOSING = 3.0
"""Seconds for the closing handshake, unless the program says otherwise."""
HANGING_UP = 0.1
"""Seconds that the server has to hang up first, as section 7.1.1 would have it, once both have sent their Close."""


class Line(WebSocket):
    """What a callback client needs of a connection, beyond what everybody does."""

    def __init__(
        self, sock: socket.socket, connection: ClientConnection, opening: Opening, patience: Patience, began: float
    ) -> None:
        super().__init__(sock, connection, patience, tap(), began)
        self.socket = sock
        self._begun: Opcode | None = None  # what the message is that is being sent in fragments
        self._session.tells_controls = True
        self._session.ping_payload = opening.ping_payload

    def next_item(self, timeout: float | None) -> Item:
        """The next of whatever comes, in the order of the stream, and at the end `Closed`; raises `TimeoutError`."""
        item: Item = self._receive(self._take, timeout)
        if isinstance(item, Closed):
            self.finish(HANGING_UP)
        return item

    def _take(self, now: float) -> Item | None:
        try:
            return self._session.next_item(now)
        except ConnectionClosed as end:
            return end.closed

    def send_fragment(self, opcode: Opcode, data: bytes, more: bool) -> None:
        """Send a part of a message; without `more`, its last.

        Raises:
            ValueError: another message has not come to its end, or none has begun (section 5.4).
        """
        with self._fragments:
            if (opcode is Opcode.CONTINUATION) is (self._begun is None):
                raise ValueError(
                    "no message has begun" if self._begun is None else "a message has begun, and has no end"
                )
            kind = self._begun or opcode
            self._send(data.decode() if kind is Opcode.TEXT else data, more, None)
            self._begun = kind if more else None

    def leave(self, code: int, reason: str, timeout: float | None) -> None:
        """Begin to close the connection, and drop it if it is not gone after `timeout` seconds.  Waits for nothing."""
        self.start_close(code, reason)
        if timeout is not None and timeout < CLOSING:
            timer = threading.Timer(timeout, self.abort)
            timer.daemon = True
            timer.start()

    def finish(self, timeout: float | None) -> None:
        """Wait until the TCP connection is gone, and after `timeout` seconds drop it."""
        with self._lock:
            if not self._until(lambda: self._gone, timeout):
                self.abort()


class FrameByFrame(ClientConnection):
    """Gives messages in the pieces that their frames are: a `Chunk` for each, however its bytes came."""

    _held: list[Chunk] | None = None

    def next_events(self) -> list[Event]:
        while (events := super().next_events()) and isinstance(chunk := events[0], Chunk):
            self._held = self._held or []
            self._held.append(chunk)
            if self._frame is None:
                held, self._held = self._held, None
                return [_joined(held)]
        return events


def _joined(pieces: list[Any]) -> Chunk:
    """The pieces of one frame, all of them text or all of them bytes."""
    data = pieces[0].data[:0].join(piece.data for piece in pieces)
    return Chunk(data, pieces[0].first, pieces[-1].last)


def open_line(url: str, opening: Opening, started: Callable[[Line], object]) -> Line:
    """Connect to `url`.

    Args:
        started: is given each connection before it is open, so that another thread can drop it.

    Raises:
        ValueError, OSError, HandshakeRejected, RemoteProtocolError: as `rawws.blocking.connect`.
    """
    uri = parse(url)
    began = monotonic()
    plan = _planned(uri, opening)
    while True:
        connection = plan.connection()  # It may raise, so it is made before there is a socket.
        sock = dial(plan.uri, opening, began + (opening.timeout or OPENING))
        line = Line(sock, connection, opening, plan.patience, began)
        started(line)
        answer = _shake_hands(line)
        if answer is None:
            return line
        plan = plan.after(answer)


def _planned(uri: URI, opening: Opening) -> Plan:
    """The host that the program names, and its header fields, are for the server of `uri` only."""
    said, limits = request_fields(opening, uri), Limits(message=opening.max_size)

    def ask(where: URI, headers: Headers) -> ClientConnection:
        return (FrameByFrame if opening.pieces else ClientConnection)(
            said.host if same_origin(where, uri) else where.host_header,
            where.target,
            headers=[*headers, *header_pairs(implied_fields(opening, where, headers))],
            subprotocols=said.subprotocols,
            compression=opening.compression,
            limits=limits,
            stream=opening.pieces,
            random=opening.random,
        )

    most = 0 if opening.socket is not None else opening.redirect_limit
    own = tuple(header_pairs(said.fields))
    return Plan(uri, own, lambda: own, ask, _patience(opening), most)


def _patience(opening: Opening) -> Patience:
    return Patience(
        opening=opening.timeout or OPENING,
        ping_interval=opening.ping_interval,
        ping_timeout=opening.ping_timeout,
        closing=CLOSING,
    )


def _shake_hands(line: Line) -> Rejected | None:
    """Wait for the answer; gives it back if the connection is not open then."""
    event = None
    try:
        event = line.opening_event()
    finally:
        if not isinstance(event, Connected):
            line.abort()
    if isinstance(event, Connected):
        line.response = event
        return None
    if isinstance(event, Rejected):
        return event
    raise opening_failed(line.closed)
