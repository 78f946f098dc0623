"""RFC 7692 sections 6.2, 7.2.2, 7.2.3 and 8: what stands in compressed data, right, wrong, and far too much of it."""

import asyncio
import zlib
from functools import cache

from rawws.conformance.case import LIM, MUST, SHOULD, Entry, Opening, family
from rawws.conformance.deflating import TAIL, Blocks, Match, read_message
from rawws.conformance.heard import Binary, Heard, Nothing, Text
from rawws.conformance.peer import Peer
from rawws.conformance.speech import compressed, gave_up, room_for
from rawws.conformance.verdict import Skip, Wrong
from rawws.conformance.wire import BINARY, cut
from rawws.core import rules
from rawws.core.deflate import NAME

KIB, MIB = 1 << 10, 1 << 20

# --- Text (6.2) -----------------------------------------------------------------------------------------------------

SURROGATE = b"Hello-\xed\xa0\x80"
CLEF = "𝄞".encode()
"""Four octets."""


@family(
    "7692/6.2/1",
    MUST,
    rules.TEXT_NOT_UTF8,
    {
        "text that is not UTF-8": (Blocks().fixed(SURROGATE).payload(), None),
        "a character in three blocks": (Blocks().fixed(CLEF[:2]).stored(CLEF[2:3]).fixed(CLEF[3:]).payload(), "𝄞"),
        "a character of four octets": (Blocks().fixed(CLEF).payload(), "𝄞"),
    },
    offer=NAME,
)
async def utf8(peer: Peer, payload: bytes, text: str | None) -> None:
    """Text is UTF-8 once it is decompressed; what is compressed, and each of its blocks, does not have to be."""
    await peer.send(*compressed(peer, *cut(payload, 2)))
    if text is None:
        await peer.fails(1007, text=True)
    else:
        await peer.echoes(text)


# --- The examples of the RFC (7.2.3) --------------------------------------------------------------------------------

_HELLO = bytes.fromhex("f248cdc9c90700")
_SAME_AGAIN = bytes.fromhex("f200110000")
_FINAL = bytes.fromhex("f348cdc9c9070000")
_Message = list[bytes] | str
"""The payloads of the frames of a compressed message, or an uncompressed text."""

_EXAMPLES: dict[str, tuple[_Message, ...]] = {
    "7.2.3.1, one frame": ([_HELLO],),
    "7.2.3.1, two frames": ([_HELLO[:3], _HELLO[3:]],),
    "7.2.3.2, the window is shared": ([_HELLO], [_SAME_AGAIN]),
    "7.2.3.2, with a message between that is not compressed": ([_HELLO], "Hello", [_SAME_AGAIN]),
    "7.2.3.3, a stored block": ([bytes.fromhex("000500faff48656c6c6f00")],),
    "7.2.3.4, a final block": ([_FINAL],),
    "7.2.3.5, two blocks": ([bytes.fromhex("f248050000 00ffff cac9c90700")],),
    "7.2.3.6, an empty last fragment": ([_HELLO + TAIL, b"\x00"],),
}


@family("7692/7.2.3/1", MUST, rules.COMPRESSED_DATA, _EXAMPLES, offer=NAME)
async def example(peer: Peer, *messages: _Message) -> None:
    """Whatever blocks a sender chooses, the receiver reads them."""
    if len(messages) > 1:
        _window_is_shared(peer)
    for message in messages:
        await peer.send(*([peer.text(message)] if isinstance(message, str) else compressed(peer, *message)))
        await peer.echoes("Hello")


@family("7692/7.2.3/2", MUST, rules.COMPRESSED_DATA, {"with takeover": True, "without": False}, opening=Opening.RAW)
async def behind_final(peer: Peer, takeover: bool) -> None:
    """A final block ends neither the stream of messages nor the window."""
    await peer.open(NAME if takeover else f"{NAME}; {peer.role.value}_no_context_takeover")
    await peer.send(*compressed(peer, _FINAL))
    await peer.echoes("Hello")
    await peer.send(*compressed(peer, Blocks().fixed(b", hello").payload()))
    await peer.echoes(", hello")
    if takeover:
        _window_is_shared(peer)
        await peer.send(*compressed(peer, Blocks().fixed(Match(5, 12), b"!", final=True).payload()))
        await peer.echoes("Hello!")
        await peer.send(*compressed(peer, Blocks().fixed(Match(6, 6)).payload()))
        await peer.echoes("Hello!")


def _window_is_shared(peer: Peer) -> None:
    """Skip the case if the target insists that our window is forgotten."""
    if getattr(peer.terms, f"{peer.role.value}_no_context_takeover"):
        raise Skip("it agrees only if we forget our window after each message")


# --- What cannot be decompressed (7.2.2) ------------------------------------------------------------------------------


def _invalid() -> list[bytes]:
    """The single octets that are no compressed message, and neither a final block nor the mere beginning of another."""
    found = []
    for octet in range(0, 256, 2):
        try:
            read_message(bytes([octet]))
        except ValueError as error:
            if "cut off" not in str(error):
                found.append(bytes([octet]))
    return found


# That the connection fails is what 6.2 and 7.2.2 come to: what cannot be decompressed is no message, and there is no
# other way to say so.  The RFC names no code.  Data that is cut off, and what stands behind a final block, many do not
# see: zlib gives what there is and is content.  With the four bytes that are appended, the one that is cut off becomes
# "Hello,\0\0\xff\xff", which nobody said; the message is binary, so that it is not refused for what it is as text.
_CORRUPT: dict[str, Entry] = {
    "a block of the reserved type": [Blocks().fixed(b"Hello").bits("011").payload()],
    "a distance that reaches behind the beginning": [Blocks().fixed(b"Hello", Match(3, 6)).payload()],
    "a stored block that is cut off": None,
    "a stored block whose length is not its complement": [Blocks().stored(b"Hello", complement=5).payload()],
    "garbage behind a final block": None,
    "a random octet": _invalid(),
}
# 7.2.2 has the tail put behind a message and all of it decompressed, and does not ask to see that the tail came out
# again: whoever does no more than that takes the tail for the data that is missing, and passes over what is too much.
_NOT_WHOLE: dict[str, Entry] = dict.fromkeys(_CORRUPT) | {
    "a stored block that is cut off": [Blocks().stored(b"Hello, Hello").data()[:-6]],
    "garbage behind a final block": [Blocks().fixed(b"Hello", final=True).data() + b"\xff\xff"],
}


@family("7692/7.2.2/2", MUST, rules.COMPRESSED_DATA, _CORRUPT, offer=NAME)
async def corrupt(peer: Peer, payloads: list[bytes]) -> None:
    """Data that cannot be decompressed fails the connection."""
    await peer.send(*compressed(peer, peer.random.choice(payloads), opcode=BINARY))
    await peer.fails(1007, 1002, 1011, text=True)


@family("7692/7.2.2/2", SHOULD, rules.COMPRESSED_DATA, _NOT_WHOLE, offer=NAME)
async def not_whole(peer: Peer, payloads: list[bytes]) -> None:
    """Data that ends too early, or goes on behind its end, fails the connection."""
    await corrupt(peer, payloads)


# --- Too much of it (8) -----------------------------------------------------------------------------------------------


@cache
def zeros(size: int) -> bytes:
    """A message of so many zeros, in about a thousandth of their number of bytes."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    part = bytes(MIB)
    parts = [deflater.compress(part[: min(MIB, size - at)]) for at in range(0, size, MIB)]
    return b"".join(parts) + deflater.flush(zlib.Z_SYNC_FLUSH)[: -len(TAIL)]


BOMB = 64 * MIB
_BOMBS: dict[str, Entry] = {"64 MiB in 64 KiB": 1, "64 MiB in 100 fragments": 100}
_REST: dict[str, Entry] = {
    "2,000 messages of 64 KiB": None,
    "exactly --max-size": None,
    "one byte more than --max-size": None,
}


_NO_BOMB: dict[str, Entry] = dict.fromkeys(_BOMBS)


@family("7692/8/1", LIM, rules.MESSAGE_TOO_BIG, _BOMBS | _REST, offer=NAME, alone=True)
async def bomb(peer: Peer, fragments: int) -> None:
    """A limit for messages holds for what comes of decompressing them."""
    limit = peer.declared.max_size
    payload = zeros(BOMB)
    await peer.send(*compressed(peer, *cut(payload, -(-len(payload) // fragments)), opcode=BINARY))
    heard = await peer.hear(peer.patience.large)
    if heard == Binary(bytes(BOMB)):
        if limit is not None and limit < BOMB:
            raise Wrong(
                f"a limit of {limit:,} bytes, as declared", f"{BOMB:,} bytes were taken out of {len(payload):,}"
            )
        peer.note(f"it takes {BOMB // MIB} MiB out of {len(payload) // KIB} KiB")
    elif not await gave_up(peer, heard):
        raise Wrong("an end of the connection, or an echo", str(heard))


MANY = 2000
"""Messages; more than any limit for one would allow, if it were one for all."""
BLOCKS = 10_000


@family(
    "7692/8/1",
    LIM,
    rules.MESSAGE_TOO_BIG,
    dict.fromkeys(_BOMBS) | _REST | {"2,000 messages of 64 KiB": 64 * KIB},
    offer=NAME,
    alone=True,
)
async def many_messages(peer: Peer, size: int) -> None:
    """A limit for messages is one for each: any number of them may come, however well they are compressed."""
    room_for(peer, size)
    message = compressed(peer, zeros(size), opcode=BINARY)[0]

    async def pour() -> None:
        for _ in range(MANY // 100):
            await peer.write(message * 100, peer.patience.large)

    pouring = asyncio.create_task(pour())
    try:
        for number in range(MANY):
            heard = await peer.hear(peer.patience.large)
            if await gave_up(peer, heard):
                return peer.note(f"after {number:,} messages")
            if heard != Binary(bytes(size)):
                raise Wrong("an echo of each message", f"{heard}, after {number:,} echoes")
    finally:
        pouring.cancel()
        await asyncio.wait([pouring])


@family(
    "7692/8/1",
    LIM,
    rules.MESSAGE_TOO_BIG,
    dict.fromkeys(_BOMBS) | _REST | {"exactly --max-size": 0, "one byte more than --max-size": 1},
    needs=("max_size",),
    offer=NAME,
    alone=True,
)
async def limit(peer: Peer, more: int) -> None:
    """A message that is as long as its receiver takes is taken, and one that is a byte longer is not."""
    size = (peer.declared.max_size or 0) + more
    if size > BOMB:
        raise Skip(f"it takes more than {BOMB // MIB} MiB")
    await peer.send(*compressed(peer, zeros(size), opcode=BINARY))
    if more:
        await peer.fails(1009)
    else:
        await peer.expect(Binary(bytes(size)), seconds=peer.patience.large)


@family("7692/8/2", LIM, rules.COMPRESSED_DATA, offer=NAME, alone=True)
async def empty_blocks(peer: Peer) -> None:
    """A message of ten thousand blocks that say nothing is read, or refused, in bounded time."""
    payload = Blocks().stored().data() * BLOCKS + Blocks().fixed(b"Hello").payload()
    await peer.send(*compressed(peer, payload))
    heard: Heard = await peer.hear(peer.patience.large)
    if heard == Text("Hello"):
        return peer.note("it was taken")
    if isinstance(heard, Nothing) or not await gave_up(peer, heard):
        raise Wrong("an echo, or an end of the connection", str(heard))
    return None
