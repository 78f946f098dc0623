"""Helpers for whoever tests what stands on the wire: bytes from hex, frames from fields, input chopped in every way.

What is written here is written a second time on purpose: `frame` does not use the encoder of rawws, so that an error in
it cannot hide itself.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from rawws.core.connection import Connection
from rawws.core.errors import RemoteProtocolError
from rawws.core.events import Closed, Event
from rawws.core.rules import Rule
from rawws.core.settings import Role

KEY = bytes.fromhex("37fa213d")
"""The masking key in the examples of section 5.7."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
"""The opcodes, as numbers: a test of the wire does not lean on the enumeration that it tests."""

EVERY_PLACE = 300
"""Up to this many bytes `chopped` splits at every place; beyond, at a sample of them."""

Wire = str | bytes
"""Bytes, or hex digits with blanks wherever they help the reader."""


def octets(*parts: Wire) -> bytes:
    """The bytes that `parts` stand for, joined.

    >>> octets("81 02", b"Hi")
    b'\\x81\\x02Hi'
    """
    return b"".join(bytes.fromhex(part) if isinstance(part, str) else bytes(part) for part in parts)


def xor(data: bytes, key: bytes) -> bytes:
    """Mask or unmask, byte by byte as section 5.3 words it."""
    return bytes(byte ^ mask for byte, mask in zip(data, cycle(key)))


def frame(
    opcode: int,
    payload: str | bytes = b"",
    *,
    key: bytes | None = None,
    fin: bool = True,
    rsv: int = 0,
    length: int | None = None,
    form: int | None = None,
) -> bytes:
    """Write any frame, legal or not.

    Args:
        opcode: 0 to 15.
        payload: a `str` is written as UTF-8 (lone surrogates too, so that it may be wrong).
        key: mask with it; None for a frame without a mask.
        fin, rsv: the first four bits; `rsv` from 0 to 7, RSV1 is the 4.
        length: what the header says, if that is not the length of `payload`.
        form: how many bytes the extended length takes: 0, 2 or 8; None for the shortest.
    """
    data = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
    size = len(data) if length is None else length
    if form is None:
        form = 0 if size <= 125 else 2 if size <= 65535 else 8
    first = fin << 7 | rsv << 4 | opcode
    second = {0: size, 2: 126, 8: 127}[form] | (0 if key is None else 0x80)
    extended = size.to_bytes(form) if form else b""
    return bytes([first, second]) + extended + (data if key is None else key + xor(data, key))


def frame_from(sender: Role, opcode: int, payload: str | bytes = b"", **fields: Any) -> bytes:
    """A frame, masked as it should be when it comes from `sender`; `fields` as in `frame`."""
    return frame(opcode, payload, **{"key": KEY if sender is Role.CLIENT else None, **fields})


def close_body(code: int, reason: str | bytes = b"") -> bytes:
    """The body of a Close frame, legal or not."""
    return code.to_bytes(2) + (reason.encode() if isinstance(reason, str) else reason)


def chopped(*parts: Wire) -> Iterator[list[bytes]]:
    """The same bytes in every way that a transport may deliver them.

    Whole, byte by byte, and split once at every place (a sample of the places beyond `EVERY_PLACE` bytes).  What is
    expected must not depend on it:

        for pieces in chopped("81 02 4869"):
            assert ["Hi"] == receive(Role.CLIENT, pieces)
    """
    data = octets(*parts)
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    for at in split_places(len(data)):
        yield [data[:at], data[at:]]


def split_places(size: int) -> Iterable[int]:
    """Where `chopped` splits once: everywhere, or beyond `EVERY_PLACE` bytes near both ends and here and there."""
    if size <= EVERY_PLACE:
        return range(1, size)
    return sorted({*range(1, 40), *range(40, size, size // 40), *range(size - 20, size)})


class Events(list[Event]):
    """Events as they came.  They equal a list of the same events of the same types.

    Named tuples alone do not tell a Ping from a Pong with its payload; and errors, which have no equality, are compared
    by their rule and their offset.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and [told(event) for event in self] == [told(event) for event in other]


def told(event: Event) -> tuple[object, ...]:
    """What an event is and says, in a form that can be compared."""
    if isinstance(event, Closed) and event.error is not None:
        return (*event[:3], event.error.rule, event.error.offset)
    return (type(event), event)


def broken(rule: Rule, offset: int) -> Closed:
    """The last event when the peer breaks `rule`, `offset` bytes into its stream."""
    return Closed(rule.code, rule.text, "error", RemoteProtocolError(rule, "", offset))


def receive(role: Role, pieces: Wire | Iterable[Wire], *, eof: bool = False, **options: Any) -> Events:
    """Every event that a fresh connection gives when these pieces come, read after each piece.

    Args:
        role: which side receives.
        pieces: as from `chopped`; a single one may stand alone.
        eof: whether the stream ends behind them.
        options: for `Connection`.
    """
    return feed(Connection(role, **options), pieces, eof=eof)


def feed(connection: Connection, pieces: Wire | Iterable[Wire], *, eof: bool = False) -> Events:
    """The same for a connection that is there already."""
    found = Events()
    for piece in [pieces] if isinstance(pieces, str | bytes) else pieces:
        connection.receive_data(octets(piece))
        found += connection.events()
    if eof:
        connection.receive_eof()
        found += connection.events()
    return found


@dataclass
class Keys:
    """A source of masking keys that is no secret: 4 bytes that count up.  It can be copied and pickled."""

    last: int = 0

    def __call__(self, size: int) -> bytes:
        self.last += 1
        return self.last.to_bytes(4) * (size // 4)


@dataclass
class Pair:
    """A client and a server that face each other in memory.

    Nothing moves by itself: `pump` carries what one side has queued to the other and reads it.
    """

    client: Connection = field(default_factory=lambda: Connection(Role.CLIENT, random=Keys()))
    server: Connection = field(default_factory=lambda: Connection(Role.SERVER))

    def of(self, role: Role) -> Connection:
        """The side that plays `role`."""
        return self.client if role is Role.CLIENT else self.server

    def carry(self, sender: Role, chop: Callable[[bytes], Iterable[bytes]] = lambda data: [data]) -> Events:
        """Bring what `sender` has queued to its peer, in the pieces that `chop` makes; the events there."""
        return feed(self.of(sender.peer), chop(self.of(sender).data_to_send()))

    def pump(self) -> tuple[Events, Events]:
        """Carry both ways until no more events come; those of the client and those of the server."""
        at_client, at_server = Events(), Events()
        while True:
            there, back = self.carry(Role.CLIENT), self.carry(Role.SERVER)
            if not there and not back:
                return at_client, at_server
            at_server += there
            at_client += back
