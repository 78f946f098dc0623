"""RFC 6455 sections 5.5, 5.5.2 and 5.5.3: control frames, Ping and Pong.  The Close has a page of its own."""

from time import monotonic

from rawws.conformance.case import LIM, MUST, SHOULD, family
from rawws.conformance.closing import refused
from rawws.conformance.heard import Close, Nothing, Pong, Text
from rawws.conformance.peer import Peer
from rawws.conformance.speech import gave_up, in_any_order
from rawws.conformance.verdict import Wrong
from rawws.conformance.wire import CLOSE, PING, PONG, Chop, close_body, noise
from rawws.core import rules

MOST = 125
"""5.5: "All control frames MUST have a payload length of 125 bytes or less"."""


@family(
    "6455/5.5/1",
    MUST,
    rules.CONTROL_TOO_LONG,
    {"a ping": PING, "a pong": PONG, "a Close": CLOSE},
    autobahn={"a ping": ["2.5"], "a Close": ["7.3.6"]},
)
async def one_too_many(peer: Peer, opcode: int) -> None:
    """The payload of a control frame is 125 bytes at most."""
    if opcode == CLOSE:
        return await refused(peer, close_body(1000, "r" * (MOST - 1)), 1002)
    await peer.send(peer.frame(opcode, "x" * (MOST + 1)))
    return await peer.fails(1002)


@family("6455/5.5/2", MUST, rules.CONTROL_TOO_LONG)
async def far_too_many(peer: Peer) -> None:
    """A control frame with a 64-bit length fails the connection, whatever the length is."""
    await peer.send(peer.ping(bytes(1 << 16)))
    await peer.fails(1002)


_PINGS: dict[str, tuple[bytes, Chop]] = {
    "no payload": (b"", Chop.WHOLE),
    "text": ("grüße".encode(), Chop.WHOLE),
    "binary data": (b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", Chop.WHOLE),
    "125 bytes": (b"\xfe" * MOST, Chop.WHOLE),
    "125 bytes, one octet a write": (b"\xfe" * MOST, Chop.OCTETS),
}


@family(
    "6455/5.5.2/1",
    MUST,
    None,
    _PINGS,
    autobahn={title: [name] for title, name in zip(_PINGS, ("2.1", "2.2", "2.3", "2.4", "2.6"))},
)
async def ping_is_answered(peer: Peer, payload: bytes, chop: Chop) -> None:
    """A Ping is answered with a Pong that carries the same payload."""
    await peer.send(peer.ping(payload), chop=chop)
    await peer.expect(Pong(payload))


# Autobahn demands ten Pongs; 5.5.3 does not.  How many came is told; the latest Ping is answered in any case.
@family(
    "6455/5.5.2/2",
    MUST,
    None,
    {f"ten pings {chop.value}": chop for chop in (Chop.WHOLE, Chop.OCTETS)},
    autobahn={f"ten pings {Chop.WHOLE.value}": ["2.10"], f"ten pings {Chop.OCTETS.value}": ["2.11"]},
)
async def ten_pings(peer: Peer, chop: Chop) -> None:
    """Of several Pings each is answered, or only the latest."""
    left = [Pong(f"ping {number}".encode()) for number in range(10)]
    await peer.send(*(peer.ping(pong.payload) for pong in left), chop=chop)
    count = 0
    while left:
        heard = await peer.hear()
        if not isinstance(heard, Pong) or heard not in left:
            raise Wrong(f"{left[-1]}, and perhaps those before it", str(heard))
        del left[: left.index(heard) + 1]
        count += 1
    peer.note(f"{count} of 10 answered")


LARGE = 1 << 20
PARTS = 16
SOON = 1.0
"""Seconds."""


@family("6455/5.5.2/3", SHOULD, alone=True)
async def ping_in_a_large_message(peer: Peer) -> None:
    """A Ping is answered as soon as is practical, also while a large message is coming in."""
    size = min(LARGE, peer.declared.max_size or LARGE) // PARTS
    data = noise(peer.random, size * PARTS)
    parts = [peer.frame(0 if n else 2, data[n * size : (n + 1) * size], fin=n == PARTS - 1) for n in range(PARTS)]
    await peer.send(*parts[:-1], peer.ping("in between"))
    began = monotonic()
    await peer.expect(Pong(b"in between"), seconds=SOON)
    peer.note(f"answered after {1000 * (monotonic() - began):.0f} ms")
    await peer.send(parts[-1])
    await peer.echoes(data)


@family("6455/5.5.2/4", MUST, autobahn=["7.1.3"])
async def ping_behind_close(peer: Peer) -> None:
    """A Ping behind a Close needs no answer, and is no error: the Close is answered as ever."""
    await peer.send(peer.close(1000), peer.ping("too late"))
    while (heard := await peer.hear()) == Pong(b"too late"):
        peer.note("it was answered all the same")
    if not isinstance(heard, Close) or heard.code not in (1000, None):
        raise Wrong("a Close with 1000 or no code", str(heard))
    await peer.part()


PAUSE = 1.0
"""Seconds in which a target that can take more would have taken it."""


@family("6455/5.5.2/5", LIM, None, {"1,000 pings": 1000, "100,000 pings": 100_000}, alone=True)
async def pings_unread(peer: Peer, number: int) -> None:
    """One that sends Pings and reads no answers costs little memory, and stops nothing when it reads again."""
    peer.stop_reading()
    said = 0
    while said < number and await peer.write(_pings(peer, said, min(said + 100, number)), PAUSE):
        said += 100
    if said < number:
        peer.note(f"it stopped reading after about {said:,} pings")
    peer.go_on_reading()
    await peer.send(peer.text("all of them"))
    pongs = 0
    while isinstance(heard := await peer.hear(), Pong):
        pongs += 1
    peer.note(f"{pongs:,} of them were answered")
    if not await gave_up(peer, heard) and heard != Text("all of them"):
        expected = "the echo of a message behind the pings, or an end"
        raise Wrong(expected, str(heard) if not isinstance(heard, Nothing) else "it answers no more")


def _pings(peer: Peer, begin: int, end: int) -> bytes:
    return b"".join(peer.ping(f"{number:06}".ljust(MOST, ".")) for number in range(begin, end))


@family(
    "6455/5.5.3/1",
    MUST,
    None,
    {"no payload": (b"", False), "a payload": (b"nobody asked", False), "a ping behind it": (b"nobody asked", True)},
    autobahn={"no payload": ["2.7"], "a payload": ["2.8"], "a ping behind it": ["2.9"]},
)
async def pong_unasked(peer: Peer, payload: bytes, ping: bool) -> None:
    """A Pong that nobody asked for is not answered, and does no harm."""
    await peer.send(peer.pong(payload), peer.ping("ping") if ping else b"", peer.text("Hello"))
    await in_any_order(peer, *[Pong(b"ping")] * ping, Text("Hello"))
