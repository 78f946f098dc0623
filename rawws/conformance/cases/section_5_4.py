"""RFC 6455 section 5.4: fragmentation."""

from rawws.conformance.case import MAY, MUST, family
from rawws.conformance.heard import Close, End, Pong
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Wrong
from rawws.conformance.wire import BINARY, TEXT, Chop
from rawws.core import rules


@family(
    "6455/5.4/4",
    MUST,
    rules.MESSAGE_UNFINISHED,
    {
        "text in text": (TEXT, TEXT),
        "binary in text": (TEXT, BINARY),
        "text in binary": (BINARY, TEXT),
        "binary in binary": (BINARY, BINARY),
    },
    autobahn={"text in text": ["5.18"]},
)
async def message_in_message(peer: Peer, outer: int, inner: int) -> None:
    """A message is finished before the next one begins."""
    await peer.send(peer.frame(outer, "a", fin=False), peer.frame(inner, "b"))
    await peer.fails(1002)


@family("6455/5.4/7", MUST, None, {"a pong between fragments": 1, "ten pings between fragments": 10})
async def control_between(peer: Peer, pings: int) -> None:
    """Control frames between the fragments of a message do not disturb it."""
    between = [peer.ping(str(n)) for n in range(pings)] if pings > 1 else [peer.pong("nobody asked")]
    await peer.send(peer.text("one", fin=False), *between, peer.more("two"), chop=Chop.FRAMES)
    if pings > 1:
        await peer.expect(*(Pong(str(n).encode()) for n in range(pings)))
    await peer.echoes("onetwo")


@family("6455/5.4/9", MAY)
async def close_in_message(peer: Peer) -> None:
    """A Close in the middle of a message is answered: with 1000, or as a violation."""
    await peer.send(peer.text("one", fin=False), peer.close(1000))
    heard = await peer.hear()
    if not isinstance(heard, (Close, End)):
        raise Wrong("a Close, or the end", str(heard))
    peer.note(f"answered with {heard}")
