"""The same frames read by rawws, wsproto and websockets: what is told is the same, but for the written differences."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import wsproto.connection
import wsproto.events
from websockets.exceptions import PayloadTooBig
from websockets.exceptions import ProtocolError as WebsocketsError
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Protocol, Side

from fuzz.source import Source
from fuzz.talk import joined
from rawws.core.connection import Connection
from rawws.core.events import Chunk, Closed, Ping, Pong
from rawws.core.frames import decode_header, is_control
from rawws.core.settings import Limits, Role

Told = tuple[object, ...]

FILLER = b"\xff" * 70_000
"""Who waits for the rest of a header, or for a payload, before it judges, gets it; at a new frame it is an error."""


@dataclass
class Outcome:
    """What a library made of a stream."""

    told: list[Told] = field(default_factory=list)
    end: Told | None = None
    """("close", code, reason), ("error", code), or None while it goes on."""
    rule: str = field(default="", compare=False)
    """That rawws says was broken."""

    def tell(self, told: Told) -> None:
        if told[0] in ("close", "error"):
            self.end = told
        else:
            self.told.append(told)


@dataclass(frozen=True)
class Difference:
    """Something else that a library does, and why that is no fault of rawws."""

    rule: str
    """That rawws says was broken; "" if none was."""
    end: str | int | None
    """How the other ends: with an error of this code, not at all (None), or "any", also later."""
    reason: str


WSPROTO = (
    Difference("text-not-utf8", "any", "it judges what came of a frame, and tells what came before in another order"),
)
_LATE = "it judges a frame when all of it is there: never, if it is longer than what comes"
WEBSOCKETS = (
    Difference("text-not-utf8", "any", "its core leaves text to its transports, which decode whole messages"),
    Difference("length-not-shortest", "any", "it lets the long forms pass: section 5.2 binds the sender"),
    Difference("length-top-bit", None, "it takes the length as it is, and waits for so much"),
    Difference("reserved-bits", None, _LATE),
    Difference("control-fragmented", None, _LATE),
    Difference("control-too-long", None, _LATE),
    Difference("message-unfinished", None, _LATE),
    Difference("nothing-to-continue", None, _LATE),
    Difference("close-code", 1007, "of a Close with a wrong code and a wrong text, it looks at the text first"),
    Difference("", 1002, "it allows no Close in the middle of a fragmented message; section 5.4 does"),
)


def read_with_rawws(role: Role, wire: bytes) -> Outcome:
    """As an application that takes chunks and puts them together."""
    outcome = Outcome()
    connection = Connection(role, limits=Limits(message=None), stream=True)
    connection.receive_data(wire)
    parts: list[str | bytes] = []
    for event in connection.events():
        match event:
            case Closed(error=None):
                outcome.tell(("close", int(event.code), event.reason))
            case Closed():
                assert event.error is not None
                outcome.rule = event.error.rule.name
                outcome.tell(("error", int(event.code)))
            case Ping(payload):
                outcome.tell(("ping", payload))
            case Pong(payload):
                outcome.tell(("pong", payload))
            case Chunk(piece, _, last):
                parts.append(piece)
                if last:
                    outcome.tell(_joined(parts))
    return outcome


def _joined(parts: list[str | bytes]) -> Told:
    whole = joined(parts)
    parts.clear()
    return type(whole).__name__, whole


def read_with_wsproto(role: Role, wire: bytes) -> Outcome:
    """The same, with its pieces put together."""
    outcome = Outcome()
    kind = wsproto.connection.ConnectionType
    connection = wsproto.connection.Connection(kind.SERVER if role is Role.SERVER else kind.CLIENT)
    connection.receive_data(wire)
    parts: list[str | bytes] = []
    for event in connection.events():
        match event:
            case wsproto.events.CloseConnection():
                open_still = connection.state is wsproto.connection.ConnectionState.OPEN
                close = ("error", int(event.code)) if open_still else ("close", int(event.code), event.reason or "")
                outcome.tell(close)
            case wsproto.events.Ping():
                outcome.tell(("ping", bytes(event.payload)))
            case wsproto.events.Pong():
                outcome.tell(("pong", bytes(event.payload)))
            case wsproto.events.Message():
                parts.append(event.data if isinstance(event.data, str) else bytes(event.data))
                if event.message_finished:
                    outcome.tell(_joined(parts))
    return outcome


def read_with_websockets(role: Role, wire: bytes) -> Outcome:
    """The same, decoding whole messages as its transports do."""
    outcome = Outcome()
    protocol = Protocol(Side.SERVER if role is Role.SERVER else Side.CLIENT, max_size=None)
    protocol.receive_data(wire)
    for told in _messages(protocol):
        outcome.tell(told)
        if outcome.end is not None:
            return outcome
    if isinstance(protocol.parser_exc, (WebsocketsError, UnicodeDecodeError, PayloadTooBig)):
        assert protocol.close_sent is not None
        outcome.end = None
        outcome.tell(("error", int(protocol.close_sent.code)))
    else:
        assert protocol.parser_exc is None
    return outcome


def _messages(protocol: Protocol) -> Iterator[Told]:
    data, text = b"", False
    for frame in protocol.events_received():
        assert isinstance(frame, Frame)
        payload = bytes(frame.data)
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            yield frame.opcode.name.lower(), payload
        elif frame.opcode is Opcode.CLOSE:
            close = Close.parse(payload)
            yield "close", int(close.code), close.reason
        else:
            begins = frame.opcode is not Opcode.CONT
            text = frame.opcode is Opcode.TEXT or (text and not begins)
            data = payload if begins else data + payload
            if frame.fin:
                yield _decoded(data) if text else ("bytes", data)


def _decoded(data: bytes) -> Told:
    try:
        return "str", data.decode()
    except UnicodeDecodeError:
        return "error", 1007


def differential(data: bytes) -> None:
    """Both roles, frames as they are or from a script."""
    source = Source(data)
    flags = source.byte()
    role = Role.SERVER if flags & 1 else Role.CLIENT
    wire = b"".join(source.frames(role.peer)) if flags & 2 else source.rest()
    ours = read_with_rawws(role, wire)
    compare(ours, read_with_wsproto, WSPROTO, role, wire)
    compare(ours, read_with_websockets, WEBSOCKETS, role, wire)


def compare(
    ours: Outcome,
    read: Callable[[Role, bytes], Outcome],
    differences: tuple[Difference, ...],
    role: Role,
    wire: bytes,
) -> None:
    """See that a library makes the same of it, or something else that is written down."""
    theirs = read(role, wire)
    if ours.end != theirs.end and None in (ours.end, theirs.end):
        wire += FILLER
        ours, theirs = read_with_rawws(role, wire), read(role, wire)
    if ours == theirs:
        return
    for difference in differences:
        if difference.rule == ours.rule and _explains(difference, ours, theirs, wire):
            return
    raise AssertionError(f"{ours} != {theirs}")


def _explains(difference: Difference, ours: Outcome, theirs: Outcome, wire: bytes) -> bool:
    if difference.end == "any":
        return theirs.told[: len(ours.told)] == ours.told
    code = None if theirs.end is None else theirs.end[1]
    return (bool(difference.rule) or _closes_in_message(wire)) and theirs.told == ours.told and code == difference.end


def _closes_in_message(wire: bytes) -> bool:
    """Whether the first Close stands between the fragments of a message."""
    at, unfinished = 0, False
    while (header := decode_header(wire, at)) is not None and header.opcode != Opcode.CLOSE:
        unfinished = unfinished if is_control(header.opcode) else not header.fin
        at += header.size + header.length
    return header is not None and unfinished
