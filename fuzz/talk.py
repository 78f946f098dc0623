"""A connection that is driven by an input, an application that reacts to it, and what must hold of both."""

import copy
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from fuzz.source import Source, cut
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection, Wants
from rawws.core.deflate import Deflate
from rawws.core.errors import LocalProtocolError, NotOpen
from rawws.core.events import Chunk, Closed, Event, Ping
from rawws.core.http1 import ClientConnection, Rejected, Request, ServerConnection
from rawws.core.settings import Limits, Role
from rawws.core.states import CLOSE_SENT, ENDED, State
from tests.wire import Keys, told

LIMITS = (
    Limits(),
    Limits(message=16, pongs=1000),
    Limits(message=64, frame=8, fragments=3, pongs=1, header_bytes=200, header_line=100, header_count=4),
    Limits(message=None, pongs=1000, response_body=10),
)

NO_LIMITS = Limits(message=None, header_bytes=2**20, header_line=2**20, header_count=1000, response_body=2**20)

WISHES = (
    Deflate(threshold=0),
    Deflate(8, 9, threshold=0, level=9, memory_level=1),
    Deflate(15, 15, threshold=4),
    Deflate(9, 8, server_no_context_takeover=True, client_no_context_takeover=True, threshold=0),
)


@dataclass
class Choices:
    """How the connection is set up and what the application does: the first four bytes of an input."""

    flags: int
    reaction: int
    size: int
    copy_at: int

    @classmethod
    def of(cls, source: Source) -> "Choices":
        return cls(source.byte(), source.byte(), source.byte(), source.byte())

    @property
    def options(self) -> dict[str, Any]:
        """For the connection."""
        return {
            "stream": bool(self.flags & 1),
            "auto_pong": not self.flags & 2,
            "auto_close": not self.flags & 4,
            "limits": LIMITS[self.flags >> 5 & 3],
            "random": Keys(),
        }

    @property
    def compression(self) -> Deflate | None:
        """What this side would like, if it would compress at all."""
        return WISHES[self.size & 3] if self.reaction & 0x80 else None

    @property
    def agreement(self) -> Agreement:
        """For a connection that is open already: that the other side would like the same."""
        wish = self.compression
        return Agreement() if wish is None else Agreement(compression=wish.accept(wish.offers()[0]))

    @property
    def eof(self) -> bool:
        return bool(self.flags & 8)

    @property
    def role(self) -> Role:
        return Role.SERVER if self.flags & 0x80 else Role.CLIENT

    @property
    def answer(self) -> int:
        """To the opening handshake: see `Application._answer`."""
        return self.reaction >> 2 & 7


@dataclass
class Application:
    """Whoever uses the connection, and keeps what it was told."""

    connection: Connection
    choices: Choices
    told: list[Any] = field(default_factory=list)
    partial: list[str | bytes] = field(default_factory=list)
    sent: list[str | bytes] = field(default_factory=list)
    out: bytes = b""
    request: Request | None = None

    def read(self) -> None:
        """Take every event there is."""
        for event in self.connection.events():
            assert not self.closed, "nothing follows Closed"
            self._note(event)
            self._react(event)

    @property
    def closed(self) -> bool:
        return bool(self.told) and self.told[-1][0] is Closed

    def _note(self, event: Event) -> None:
        """Keep an event in a form that does not depend on how the stream was cut."""
        if isinstance(event, Closed):
            self.told.append((Closed, told(event)))
        elif isinstance(event, Chunk):
            assert event.data or event.last or event.first, "an empty piece says nothing"
            assert event.first == (not self.partial), "first is said of the first piece"
            self.partial.append(event.data)
            if event.last:
                whole = joined(self.partial)
                self.told.append((type(whole), whole))
                self.partial.clear()
        elif isinstance(event, Request):
            self.told.append((Request, event.method, event.target, event.headers, str(event.error)))
        else:
            self.told.append((type(event), event))

    def _react(self, event: Event) -> None:
        connection, reaction = self.connection, self.choices.reaction
        match event:
            case Request():
                self.request = event
                self._answer()
            case str() if reaction & 1:
                self._send(connection.send_text, event)
            case bytes() if reaction & 1:
                self._send(connection.send_binary, event)
            case Chunk(last=True) if reaction & 1:
                self._send(connection.send_text, "ok")
            case Ping(payload) if not connection.auto_pong:
                self._attempt(lambda: connection.pong(payload))
            case Closed():
                self._end()

    def _end(self) -> None:
        connection = self.connection
        if not connection.auto_close:
            self._send(connection.send_text, "late")
        if self.choices.reaction & 0x40:
            self._attempt(lambda: connection.close(4000, "own"))
        connection.answer_close()

    def _send(self, send: Callable[..., None], message: Any) -> None:
        if not self.choices.reaction & 2:
            if self._attempt(lambda: send(message)):
                self.sent.append(message)
        elif self._attempt(lambda: send(message[:1], more=True)):
            self.connection.ping(b"between")
            send(message[1:])
            self.sent.append(message)

    def _attempt(self, act: Callable[[], object]) -> bool:
        """Do what may come too late; whether it did not."""
        open_before = self.connection.ours not in (CLOSE_SENT, ENDED)
        try:
            act()
        except NotOpen:
            assert not open_before, "NotOpen is for those who come too late"
            return False
        return True

    def _answer(self) -> None:
        """Answer the request, now or at the end of all that comes."""
        server, request = self.connection, self.request
        assert isinstance(server, ServerConnection)
        assert request is not None
        match self.choices.answer:
            case 0 | 4:
                server.accept(compression=self.choices.compression)
            case 1:
                offered = request.upgrade.subprotocols if request.upgrade else ()
                server.accept(offered[-1] if offered else None, [("X-Own", "1")], self.choices.compression)
            case 2:
                server.reject(404, [("x-why", "because")], b"nothing here")
            case 3:
                server.reject(503, [], b"wait", more_body=True)
                server.send_body(b"", more=True)
            case 5:
                server.close(1001, "going")
            case 6:
                server.fail(1006)

    def finish(self) -> None:
        """The last thing that the application does."""
        server = self.connection
        if self.choices.answer == 3 and self.request is not None and isinstance(server, ServerConnection):
            self._attempt(lambda: server.send_body(b" a minute"))
        self.read()

    def break_rules(self) -> None:
        """What the caller may not do changes nothing."""
        connection = self.connection
        if connection.state is State.CONNECTING:
            _refuses(lambda: connection.send_text("early"))
            return
        _refuses(lambda: connection.send_text("\ud800"))
        _refuses(lambda: connection.ping(bytes(126)))
        _refuses(lambda: connection.close(1005))
        _refuses(lambda: connection.close(1000, "ü" * 62))
        _refuses(lambda: connection.close(None, "why"))


def _refuses(act: Callable[[], object]) -> None:
    try:
        act()
    except LocalProtocolError:
        return
    raise AssertionError("this is not allowed")


def drive(make: Callable[[], Connection], choices: Choices, pieces: Iterable[bytes]) -> Application:
    """Let a fresh connection receive these pieces."""
    application = Application(make(), choices)
    every = 1 + (choices.copy_at >> 6)
    for number, piece in enumerate(pieces):
        if choices.copy_at & 0x20 and number == choices.copy_at & 0x1F:
            application = copy.deepcopy(application)
        application.connection.receive_data(piece)
        if number % every == 0:
            application.read()
            if number & 0xF == choices.copy_at & 0xF:
                check_held(application, len(piece) * every)
            if choices.reaction & 0x20:
                application.break_rules()
    application.read()
    if choices.eof:
        application.connection.receive_eof()
        application.read()
    application.finish()
    application.out += application.connection.data_to_send()
    return application


def check_held(application: Application, size: int) -> None:
    """What is kept is within the limits, whatever came."""
    connection = application.connection
    limits = connection.limits
    bound = 200 + size + (limits.message if limits.message is not None else 2**62)
    if connection.state is State.CONNECTING or application.request or isinstance(connection, ClientConnection):
        bound += 2 * limits.header_bytes + limits.response_body
    if connection.compression is not None:
        bound += 1 << 15
    held = retained(connection)
    assert held <= bound, f"{held} bytes are held, {bound} are allowed"


# What a connection was set up with, what it told already, and what it was asked to send.
_NOT_HELD = frozenset(
    (
        "_out",
        "request",
        "upgrade",
        "agreement",
        "closed",
        "close_sent",
        "close_received",
        "limits",
        "_rejected",
        "_http",
        "_ending",
    )
)


def retained(thing: object) -> int:
    """The bytes in all buffers within reach, whatever they are called."""
    if isinstance(thing, (bytes, bytearray, str)):
        return len(thing)
    if isinstance(thing, (list, tuple, deque)):
        return sum(map(retained, thing))
    if isinstance(thing, Enum) or not type(thing).__module__.startswith("rawws"):
        return 0
    names = {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())}
    names |= set(getattr(thing, "__dict__", ()))
    return sum(retained(getattr(thing, name, None)) for name in names - _NOT_HELD)


def check_cutting(make: Callable[[], Connection], choices: Choices, data: bytes) -> Application:
    """The same bytes tell the same and are answered the same, whole or in pieces, copied midway or not."""
    whole = drive(make, Choices(choices.flags, choices.reaction & ~0x20, 0, 0), [data])
    pieces = drive(make, choices, cut(data, choices.size))
    assert whole.told == pieces.told, f"{whole.told} whole, {pieces.told} in pieces"
    assert whole.sent == pieces.sent
    assert whole.out == pieces.out, f"{whole.out!r} whole, {pieces.out!r} in pieces"
    assert standing(whole.connection) == standing(pieces.connection)
    _check_partial(whole, pieces)
    check_end(pieces)
    return whole


def _check_partial(whole: Application, pieces: Application) -> None:
    """A message that is broken off: what was given of it in pieces begins as it does whole."""
    parts = [joined(one.partial) if one.partial else b"" for one in (whole, pieces)]
    if not whole.closed:
        assert parts[0] == parts[1]
    elif all(parts):
        size = min(map(len, parts))
        assert parts[0][:size] == parts[1][:size]


def joined(parts: list[str | bytes]) -> str | bytes:
    """The message that consists of these."""
    return type(parts[0])().join(parts)  # type: ignore[arg-type]


def standing(connection: Connection) -> tuple[object, ...]:
    """Where it stands, for whoever looks from outside."""
    return (
        connection.state,
        connection.ours,
        connection.theirs,
        connection.wants,
        connection.close_sent,
        connection.close_received,
        connection.agreement,
    )


def check_end(application: Application) -> None:
    """After `Closed` there is nothing more: no event, no byte, no change."""
    connection = application.connection
    ends = [event for event in application.told if event[0] is Closed]
    assert len(ends) == application.closed == (connection.closed is not None)
    if not ends:
        assert not application.choices.eof, "the end of the stream is an end"
        return
    _check_wants(application)
    before = (connection.wants, connection.ours)
    for data in (b"", b"\x81\x00", b"\x88\x80abcd" * 9):
        connection.receive_data(data)
        assert connection.next_event() is None
    assert not connection.has_data_to_send
    assert before == (connection.wants, connection.ours)
    assert retained(connection) < 1000
    connection.receive_eof()
    assert connection.next_event() is None
    assert connection.ours in (CLOSE_SENT, ENDED)
    assert connection.wants is Wants.CLOSE, "both ways have ended"


def _check_wants(application: Application) -> None:
    """What to do with TCP after the end, as section 7.1.1 has it, said a second time."""
    connection = application.connection
    assert connection.closed is not None
    dropped = application.request is not None and application.choices.answer == 6
    if application.choices.eof or connection.closed.by == "lost":
        expected = Wants.CLOSE
    elif connection.close_sent and connection.close_received:
        expected = Wants.CLOSE if connection.role is Role.SERVER else Wants.DATA
    elif connection.close_sent or (isinstance(connection, ServerConnection) and not dropped):
        expected = Wants.LINGER
    else:
        expected = Wants.CLOSE
    assert connection.wants is expected, f"{connection.wants}, not {expected}"


def check_sent(application: Application, reader: Connection, data: bytes) -> None:
    """What was sent is legal and says what was meant, when a peer reads it."""
    events = []
    reader.receive_data(data)
    events = list(reader.events())
    ends = [event for event in events if isinstance(event, Closed)]
    assert all(end.error is None for end in ends), f"we broke a rule: {ends}"
    assert application.sent == [event for event in events if isinstance(event, (str, bytes))]
    if application.connection.close_sent is not None:
        assert application.connection.close_sent == reader.close_received
    elif not any(isinstance(event, Rejected) for event in events):
        assert not ends
