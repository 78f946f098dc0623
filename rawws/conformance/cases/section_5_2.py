"""RFC 6455 section 5.2: the frame.  Its length in three forms, its reserved bits and opcodes, and where it is cut."""

from collections.abc import Iterator

from rawws.conformance.case import MUST, Opening, family
from rawws.conformance.closing import refused
from rawws.conformance.heard import Pong, Text
from rawws.conformance.http import Answer
from rawws.conformance.passive import passive
from rawws.conformance.peer import Peer
from rawws.conformance.speech import in_any_order, in_two, room_for
from rawws.conformance.transcript import Transcript
from rawws.conformance.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Chop,
    close_body,
    cut,
    noise,
    pieces,
    prose,
)
from rawws.core import rules
from rawws.core.settings import Role

# --- Lengths ------------------------------------------------------------------------------------------------------

_LENGTHS = (0, 125, 126, 127, 128, 65535, 65536)
_SIZES: dict[str, tuple[int, int]] = {f"{length:,} bytes": (length, 0) for length in _LENGTHS} | {
    "65,536 bytes in writes of 997": (65536, 997)
}


def _autobahn(group: str, titles: dict[str, tuple[int, int]]) -> dict[str, list[str]]:
    return {title: [f"{group}.{number}"] for number, title in enumerate(titles, 1)}


@family("6455/5.2/1", MUST, None, _SIZES, autobahn=_autobahn("1.1", _SIZES) | {"0 bytes": ["1.1.1", "6.1.1"]})
async def text_of(peer: Peer, length: int, write: int) -> None:
    """A text message of any length arrives as it is."""
    room_for(peer, length)
    text = prose(peer.random, length)
    for part in cut(peer.text(text), write or 1 << 20):
        await peer.write(part)
    await peer.echoes(text)


@family("6455/5.2/2", MUST, None, _SIZES, autobahn=_autobahn("1.2", _SIZES))
async def binary_of(peer: Peer, length: int, write: int) -> None:
    """A binary message of any length arrives as it is."""
    room_for(peer, length)
    data = noise(peer.random, length)
    for part in cut(peer.binary(data), write or 1 << 20):
        await peer.write(part)
    await peer.echoes(data)


@passive("6455/5.2/3", MUST, rules.LENGTH_NOT_SHORTEST)
def shortest_form(transcript: Transcript, target: Role) -> Iterator[str]:
    """A length is sent in the shortest of its three forms."""
    for header in (frame.header for frame in transcript.frames):
        form = header.size - 2 - (0 if header.key is None else 4)
        shortest = 0 if header.length < 126 else 2 if header.length < 1 << 16 else 8
        if form != shortest:
            yield f"a length of {header.length:,} in {form} more octets, where {shortest} do"


_TOO_LONG = {f"{length:,} in the 16-bit form": (TEXT, length, 2) for length in (0, 5, 125)}
_TOO_LONG |= {f"{length:,} in the 64-bit form": (TEXT, length, 8) for length in (0, 5, 125, 126, 65535)}
_TOO_LONG |= {"a ping with 5 in the 16-bit form": (PING, 5, 2)}


# 5.2: "the minimal number of bytes MUST be used to encode the length" binds the sender, and 10.7 has the receiver
# validate.  Many receivers do not care, and `--lenient non-minimal-length` says that one does so on purpose.
@family("6455/5.2/10", MUST, rules.LENGTH_NOT_SHORTEST, _TOO_LONG)
async def longer_form(peer: Peer, opcode: int, length: int, form: int) -> None:
    """A length that is not in the shortest form fails the connection."""
    await peer.send(peer.frame(opcode, prose(peer.random, length), form=form))
    await peer.fails(1002)


@family("6455/5.2/11", MUST, rules.LENGTH_TOP_BIT, {"2^63": 1 << 63, "2^64 - 1": (1 << 64) - 1})
async def top_bit(peer: Peer, length: int) -> None:
    """The top bit of a 64-bit length is 0."""
    await peer.send(peer.binary(length=length))
    await peer.fails(1002, 1009)


# --- Reserved bits ------------------------------------------------------------------------------------------------

_KINDS = {
    "text": (TEXT, b"Hello"),
    "binary": (BINARY, b"\x00\xff"),
    "a continuation": (CONTINUATION, b"two"),
    "a ping": (PING, b"ping"),
    "a pong": (PONG, b"pong"),
    "a Close": (CLOSE, close_body(1000)),
}
_BITS = {"RSV1": 4, "RSV2": 2, "RSV3": 1}


@family(
    "6455/5.2/20",
    MUST,
    rules.RESERVED_BITS,
    {f"{name} on {kind}": (bit, *frame) for name, bit in _BITS.items() for kind, frame in _KINDS.items()},
)
async def reserved_bit(peer: Peer, bit: int, opcode: int, payload: bytes) -> None:
    """A reserved bit that no extension gives a meaning is 0, in frames of all kinds."""
    if opcode == CLOSE:
        return await refused(peer, payload, 1002, rsv=bit)
    before = peer.text("one", fin=False) if opcode == CONTINUATION else b""
    await peer.send(before, peer.frame(opcode, payload, rsv=bit))
    return await peer.fails(1002)


_CHOPS = (Chop.WHOLE, Chop.WHOLE, Chop.FRAMES, Chop.OCTETS, Chop.WHOLE, Chop.FRAMES, Chop.OCTETS)


@family(
    "6455/5.2/21",
    MUST,
    rules.RESERVED_BITS,
    {f"RSV is {rsv:03b}, {chop.value}": (rsv, chop) for rsv, chop in enumerate(_CHOPS, 1)},
    autobahn={f"RSV is {rsv:03b}, {chop.value}": [f"3.{rsv}"] for rsv, chop in enumerate(_CHOPS, 1)},
)
async def reserved_bits_behind(peer: Peer, rsv: int, chop: Chop) -> None:
    """Reserved bits fail the connection also behind a message that was right, however they come."""
    await peer.send(peer.text("before"), peer.text("wrong", rsv=rsv), chop=chop)
    await peer.fails(1002, allowed=(Text("before"),))


# --- Reserved opcodes ---------------------------------------------------------------------------------------------

_OPCODES = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
_WITH_PAYLOAD = (4, 6, 7, 12, 14, 15)
"""As in Autobahn; inside a message it is the others."""
_NAMES = {f"opcode {opcode}": opcode for opcode in _OPCODES}


@family(
    "6455/5.2/30",
    MUST,
    rules.OPCODE_RESERVED,
    _NAMES,
    autobahn={name: [f"4.{1 + (opcode > 7)}.{opcode - 2 - 8 * (opcode > 7)}"] for name, opcode in _NAMES.items()},
)
async def reserved_opcode(peer: Peer, opcode: int) -> None:
    """The opcodes 3 to 7 and 11 to 15 mean nothing yet, and fail the connection."""
    payload = "reserved" if opcode in _WITH_PAYLOAD else ""
    chop = Chop.OCTETS if opcode in (7, 15) else Chop.WHOLE
    await peer.send(peer.text("before"), peer.frame(opcode, payload), chop=chop)
    await peer.fails(1002, allowed=(Text("before"),))


@family("6455/5.2/31", MUST, rules.OPCODE_RESERVED, _NAMES)
async def reserved_opcode_within(peer: Peer, opcode: int) -> None:
    """A reserved opcode fails the connection also between the fragments of a message."""
    payload = "" if opcode in _WITH_PAYLOAD else "reserved"
    await peer.send(peer.text("one", fin=False), peer.frame(opcode, payload))
    await peer.fails(1002)


@family("6455/5.2/32", MUST, rules.OPCODE_RESERVED, {"opcode 3": 3, "opcode 11": 11})
async def reserved_opcode_fragmented(peer: Peer, opcode: int) -> None:
    """A reserved opcode begins no fragmented message."""
    await peer.send(peer.frame(opcode, "reserved", fin=False))
    await peer.fails(1002)


# --- Where it is cut ----------------------------------------------------------------------------------------------

LARGE = 70_000
"""Its header takes 14 octets from a client, and 10 from a server: there the last places are within the payload."""


@family("6455/5.2/40", MUST, None, {f"behind octet {place}": place for place in range(1, 15)})
async def cut_header(peer: Peer, place: int) -> None:
    """TCP may deliver a frame in parts, cut anywhere."""
    room_for(peer, LARGE)
    data = noise(peer.random, LARGE)
    await in_two(peer, peer.binary(data), place)
    await peer.echoes(data)


@family("6455/5.2/41", MUST, None, {"1,000 frames at once": False, "three frames and a half": True})
async def many_at_once(peer: Peer, half: bool) -> None:
    """What TCP delivers at once may be many frames, and the beginning of one more."""
    if half:
        texts = ["one", "two", "three"]
        last = peer.text("and the fourth")
        await peer.write(b"".join(map(peer.text, texts)) + last[: len(last) // 2])
        await peer.echoes(*texts)
        await peer.write(last[len(last) // 2 :])
        await peer.echoes("and the fourth")
    else:
        texts = [chr(ord("a") + number % 26) for number in range(1000)]
        await peer.send(*map(peer.text, texts))
        await peer.echoes(*texts)


@family("6455/5.2/42", MUST, opening=Opening.RAW, autobahn=["2.6", "2.11", "5.5", "5.8"])
async def octet_by_octet(peer: Peer) -> None:
    """A connection is the same if each octet comes alone, from the opening handshake to the Close."""
    if peer.role is Role.CLIENT:
        ask = peer.proper_ask()
        await _slowly(peer, bytes(ask))
        await peer.accepted(ask)
    else:
        await _slowly(peer, bytes(Answer.properly(await peer.asked())))
        await peer.settle()
    await peer.send(peer.text("one", fin=False), peer.ping("ping"), peer.more("two"), chop=Chop.OCTETS)
    await in_any_order(peer, Pong(b"ping"), Text("onetwo"))
    await peer.send(peer.close(1000), chop=Chop.OCTETS)
    await peer.closes(1000, None)


async def _slowly(peer: Peer, data: bytes) -> None:
    for piece in pieces((data,), Chop.OCTETS):
        await peer.write(piece)
        await peer.pause(0)
