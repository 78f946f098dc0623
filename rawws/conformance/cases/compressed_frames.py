"""RFC 7692 section 6: which frames carry compressed data, and what may stand between them."""

from collections.abc import Iterator

from rawws.conformance.case import MUST, family
from rawws.conformance.closing import refused
from rawws.conformance.deflating import Blocks, Match
from rawws.conformance.heard import Text
from rawws.conformance.inflating import window_of
from rawws.conformance.passive import passive
from rawws.conformance.peer import Peer
from rawws.conformance.speech import compressed, with_pongs
from rawws.conformance.transcript import Transcript
from rawws.conformance.wire import BINARY, CLOSE, PING, PONG, TEXT, Chop, close_body, cut, prose
from rawws.core import rules
from rawws.core.deflate import NAME
from rawws.core.frames import RSV1, is_control
from rawws.core.settings import Role

RSV2, RSV3 = RSV1 >> 1, RSV1 >> 2

HELLO = Blocks().fixed(b"Hello").payload()


def halves(payload: bytes) -> tuple[bytes, bytes]:
    """Cut in two."""
    return payload[: len(payload) // 2], payload[len(payload) // 2 :]


# --- RSV1 where it means nothing ------------------------------------------------------------------------------------


@family("7692/6.1/1", MUST, rules.COMPRESSED_BIT, {"a ping": PING, "a pong": PONG, "a Close": CLOSE}, offer=NAME)
async def on_control(peer: Peer, opcode: int) -> None:
    """RSV1 on a control frame fails the connection, also when compression was agreed on."""
    payload = close_body(1000) if opcode == CLOSE else b"compressed?"
    if opcode == CLOSE:
        return await refused(peer, payload, 1002, rsv=RSV1)
    await peer.send(peer.frame(opcode, payload, rsv=RSV1))
    return await peer.fails(1002)


@family("7692/6.1/2", MUST, rules.COMPRESSED_BIT, {"of a compressed message": True, "of another": False}, offer=NAME)
async def on_continuation(peer: Peer, compressed: bool) -> None:
    """RSV1 on a continuation frame fails the connection."""
    first, second = halves(HELLO if compressed else b"Hello")
    await peer.send(peer.text(first, fin=False, rsv=RSV1 * compressed), peer.more(second, rsv=RSV1))
    await peer.fails(1002)


@family("7692/6.1/3", MUST, rules.RESERVED_BITS, {"RSV2": RSV2, "RSV3": RSV3}, offer=NAME)
async def other_bits(peer: Peer, rsv: int) -> None:
    """Compression gives a meaning to RSV1 alone: RSV2 and RSV3 fail the connection."""
    await peer.send(peer.text("Hello", rsv=rsv))
    await peer.fails(1002)


@passive("7692/6.1/4", MUST, rules.COMPRESSED_BIT)
def compressed_bit(transcript: Transcript, target: Role) -> Iterator[str]:
    """RSV1 stands on the first frame of a data message alone, and only when compression was agreed on."""
    for frame in transcript.frames:
        opcode = frame.header.opcode
        if frame.header.rsv & RSV1:
            if is_control(opcode):
                yield f"RSV1 on a control frame with opcode {opcode}"
            elif opcode not in (TEXT, BINARY):
                yield "RSV1 on a continuation frame"
            elif not transcript.agreed:
                yield "RSV1, though no compression was agreed on"


# --- What stands between ----------------------------------------------------------------------------------------


@family(
    "7692/6/1",
    MUST,
    rules.COMPRESSED_DATA,
    {
        "a ping between fragments": "ping",
        "a pong between fragments": "pong",
        "ten pings between fragments": "pings",
        "a pong as the very first frame": "first",
        "a ping between messages": "messages",
        "a ping between the fragments of an uncompressed message": "uncompressed",
    },
    offer=NAME,
)
async def control_between(peer: Peer, what: str) -> None:
    """Control frames do not touch what is compressed, wherever they stand."""
    first, second = compressed(peer, *halves(HELLO))
    pings = [peer.ping(str(number)) for number in range(10)]
    [again] = compressed(peer, Blocks().fixed(b" again").payload())
    said, wanted = {
        "ping": ([first, pings[0], second], ["Hello"]),
        "pong": ([first, peer.pong("nobody asked"), second], ["Hello"]),
        "pings": ([first, *pings, second], ["Hello"]),
        "first": ([peer.pong("nobody asked"), first, second], ["Hello"]),
        "messages": ([first, second, pings[0], again], ["Hello", " again"]),
        "uncompressed": ([peer.text("Hel", fin=False), pings[0], peer.more("lo"), again], ["Hello", " again"]),
    }[what]
    number = {"pings": 10, "pong": 0, "first": 0}.get(what, 1)
    await peer.send(*said, chop=Chop.FRAMES)
    await with_pongs(peer, number, *map(Text, wanted))


@family(
    "7692/6/2",
    MUST,
    None,
    {"one between compressed ones": "010", "no other": "1111", "in turn": "01010101"},
    offer=NAME,
)
async def uncompressed(peer: Peer, plain: str) -> None:
    """A message that is not compressed is taken as it is, and leaves the window of the others alone."""
    # Behind the first, each compressed message says that it is the same as the last: 7.2.3.2.
    text = prose(peer.random, 200)
    first = Blocks().fixed(text.encode()).payload()
    other = prose(peer.random, 200)
    said = []
    for place, is_plain in enumerate(plain):
        compressed = _again(peer, text) if place else first
        said.append(peer.text(other) if is_plain == "1" else peer.text(compressed, rsv=RSV1))
    await peer.send(*said)
    await peer.echoes(*(other if is_plain == "1" else text for is_plain in plain))


def _again(peer: Peer, text: str) -> bytes:
    """A message with the same text as the compressed one before it."""
    assert peer.terms is not None
    size, takeover = window_of(peer.terms, peer.role)
    if takeover and len(text) <= size:
        return Blocks().fixed(Match(len(text), len(text))).payload()
    return Blocks().fixed(text.encode()).payload()


@family(
    "7692/6/3",
    MUST,
    None,
    {
        "an empty message": [b"\x00"],
        "the first fragment is empty": [b"", HELLO],
        "the last fragment is empty": [HELLO, b""],
        "one octet a fragment": cut(HELLO, 1),
    },
    offer=NAME,
)
async def cut_anywhere(peer: Peer, parts: list[bytes]) -> None:
    """Compressed data is cut into fragments at any place, and a fragment, or a message, may be empty."""
    await peer.send(*compressed(peer, *parts), peer.text(HELLO, rsv=RSV1))
    await peer.echoes("" if len(parts) == 1 else "Hello", "Hello")
