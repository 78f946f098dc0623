"""RFC 7692 sections 7.2.1 and 7.2.2: how far a sender may look back, and how far a receiver has to remember.

What the target compresses is read bit by bit (`inflating.Judge`), so here it only has to be tempted.
"""

from collections.abc import AsyncIterator

from rawws.conformance.case import MUST, Entry, Opening, family
from rawws.conformance.deflating import Blocks, Match, read_message
from rawws.conformance.heard import Close, End, Text
from rawws.conformance.inflating import window_of
from rawws.conformance.peer import Peer
from rawws.conformance.speech import agree_on, compressed, room_for
from rawws.conformance.verdict import Skip, Wrong
from rawws.conformance.wire import BINARY, noise, prose
from rawws.core import rules
from rawws.core.frames import RSV1
from rawws.core.settings import Role


def _did_compress(peer: Peer) -> None:
    """Skip the case if the target compressed none of its messages, as it may."""
    if not any(frame.header.rsv & RSV1 for frame in peer.transcript.frames):
        raise Skip("it compressed nothing")


# --- What the target sends (7.2.1) ------------------------------------------------------------------------------------

TEMPTING = 3000


@family(
    "7692/7.2.1/1",
    MUST,
    rules.COMPRESSED_DATA,
    {f"{role.value}_no_context_takeover": role for role in (Role.SERVER, Role.CLIENT)},
    opening=Opening.RAW,
)
async def no_takeover(peer: Peer, whose: Role) -> None:
    """With no context takeover each message is compressed with an empty window."""
    flag = f"{whose.value}_no_context_takeover"
    await agree_on(peer, f"; {flag}")
    text = prose(peer.random, TEMPTING)
    payload = Blocks().fixed(text.encode()).payload()
    for _ in range(3):
        # If it is ours that is forgotten, the target may forget it, or not.
        await peer.send(*compressed(peer, payload))
        await peer.echoes(text)
    if whose is peer.target:
        _did_compress(peer)


REPEATS, LEAST = 40 * 1024, 4 * 1024
"""Bytes.  Less than the window takes is said only to spare us the reading."""


@family(
    "7692/7.2.1/2",
    MUST,
    rules.COMPRESSED_DATA,
    {f"{bits} bits": bits for bits in range(8, 16)},
    opening=Opening.RAW,
)
async def window_bits(peer: Peer, bits: int) -> None:
    """No distance is longer than the window that was agreed on."""
    parameter = f"{peer.target.value}_max_window_bits"
    await agree_on(peer, f"; {parameter}={bits}")
    # The nearest repetition is just out of reach, and in the reach of any larger window.
    assert peer.terms is not None
    window, _ = window_of(peer.terms, peer.target)
    unit = noise(peer.random, window // 2 + 8).hex()
    size = min(REPEATS, max(LEAST, len(unit) * 5 // 2))
    room_for(peer, size)
    text = (unit * (size // len(unit) + 1))[:size]
    await peer.send(peer.text(text))
    heard = await peer.hear()
    if peer.target is Role.CLIENT and isinstance(heard, (Close, End)):
        # A client may fail a connection on terms that it cannot keep, such as 8 bits; 7.1.2/4 looks at how.
        raise Skip(f"it does not go on with {parameter}={bits}: {heard}")
    if heard != Text(text):
        raise Wrong(str(Text(text)), str(heard))
    _did_compress(peer)


# --- What the target receives (7.2.2) -------------------------------------------------------------------------------

ZLIBS_MARGIN = 262
"""zlib looks back no farther than its window less this; others do."""

_SMALL = {Role.CLIENT: "; client_max_window_bits", Role.SERVER: "; server_max_window_bits=9"}
_DISTANCES: dict[str, Entry] = {"the window less 262 bytes": ZLIBS_MARGIN, "the whole window": 0}


@family("7692/7.2.2/1", MUST, rules.COMPRESSED_DATA, _DISTANCES | {"3": None}, opening=Opening.RAW)
async def distance(peer: Peer, less: int) -> None:
    """A distance may be as long as the window that was agreed on."""
    async for one, size, _ in _small_and_large(peer):
        await _say(one, Blocks().stored(noise(peer.random, size)).fixed(Match(10, size - less)), b"")


@family("7692/7.2.2/1", MUST, rules.COMPRESSED_DATA, {"1": None, "2": None, "across three": 3}, opening=Opening.RAW)
async def distance_across(peer: Peer, messages: int) -> None:
    """A distance may reach into a message before the last one."""
    async for one, size, takeover in _small_and_large(peer):
        if not takeover:
            raise Skip("it agrees only if we forget our window after each message")
        window = b""
        for _ in range(messages):
            data = noise(peer.random, size // messages + 1)
            await _say(one, Blocks().stored(data), window)
            window = (window + data)[-size:]
        await _say(one, Blocks().fixed(Match(10, size)), window)


async def _small_and_large(peer: Peer) -> AsyncIterator[tuple[Peer, int, bool]]:
    """Connections with a small window of ours, of the target's choice if it has one, and with the largest.

    Yields:
        The connection, how many bytes the window has, and whether it is taken over.
    """
    await agree_on(peer, _SMALL[peer.role])
    assert peer.terms is not None
    yield peer, *window_of(peer.terms, peer.role)
    large = await peer.another()
    try:
        await agree_on(large, "")
    except Skip as skip:
        peer.note(f"with the largest window: {skip}")
        return
    assert large.terms is not None
    yield large, *window_of(large.terms, large.role)


async def _say(peer: Peer, blocks: Blocks, window: bytes) -> None:
    payload = blocks.payload()
    room_for(peer, len(payload))
    await peer.send(*compressed(peer, payload, opcode=BINARY))
    await peer.echoes(read_message(payload, window).output)
