"""RFC 6455 section 5.4: fragmentation."""

from rawws.conformance.case import MUST, family
from rawws.conformance.closing import refused
from rawws.conformance.heard import Close, Pong, Text
from rawws.conformance.peer import Peer
from rawws.conformance.speech import in_any_order, with_pongs
from rawws.conformance.verdict import Wrong
from rawws.conformance.wire import BINARY, CLOSE, PING, PONG, TEXT, Chop, close_body, pattern
from rawws.core import rules

_CHOPS = {chop.value: chop for chop in Chop}


@family(
    "6455/5.4/1",
    MUST,
    None,
    {f"two fragments, {name}": (chop, False) for name, chop in _CHOPS.items()}
    | {f"two fragments and a ping between, {name}": (chop, True) for name, chop in _CHOPS.items()},
    autobahn={f"two fragments, {name}": [f"5.{number}"] for number, name in enumerate(_CHOPS, 3)}
    | {f"two fragments and a ping between, {name}": [f"5.{number}"] for number, name in enumerate(_CHOPS, 6)},
)
async def two_fragments(peer: Peer, chop: Chop, ping: bool) -> None:
    """The fragments of a message are put together, and a ping between them is answered."""
    between = peer.ping("between") if ping else b""
    await peer.send(peer.text("one", fin=False), between, peer.more("two"), chop=chop)
    if not ping:
        return await peer.echoes("onetwo")
    # The Pong comes "as soon as is practical" (5.5.2), which is no order.  That it does not wait for the message to
    # end is the next family's.
    if (await in_any_order(peer, Pong(b"between"), Text("onetwo")))[0] == Text("onetwo"):
        peer.note("the echo came before the pong")
    return None


@family(
    "6455/5.4/2",
    MUST,
    None,
    {f"five fragments and two pings, {chop.value}": chop for chop in (Chop.WHOLE, Chop.FRAMES)},
    autobahn={
        f"five fragments and two pings, {Chop.WHOLE.value}": ["5.19"],
        f"five fragments and two pings, {Chop.FRAMES.value}": ["5.20"],
    },
)
async def pings_while_it_is_open(peer: Peer, chop: Chop) -> None:
    """A ping within a message is answered before the message has ended."""
    # Each answer is waited for before the message goes on; that takes the place of Autobahn's pause of a second.
    await peer.send(peer.text("1", fin=False), peer.more("2", fin=False), peer.ping("a"), chop=chop)
    await peer.expect(Pong(b"a"))
    await peer.send(peer.more("3", fin=False), peer.more("4", fin=False), peer.ping("b"), chop=chop)
    await peer.expect(Pong(b"b"))
    await peer.send(peer.more("5"), chop=chop)
    await peer.echoes("12345")


_NOTHING = {f"FIN={int(fin)}, {name}": (fin, chop, "") for fin in (True, False) for name, chop in _CHOPS.items()}
_NOTHING |= {
    "FIN=0, behind a finished message": (False, Chop.WHOLE, "behind"),
    "FIN=0, twice": (False, Chop.WHOLE, "twice"),
    "FIN=1, twice": (True, Chop.WHOLE, "twice"),
}


@family(
    "6455/5.4/3",
    MUST,
    rules.NOTHING_TO_CONTINUE,
    _NOTHING,
    autobahn={title: [f"5.{number}"] for number, title in enumerate(_NOTHING, 9)},
)
async def nothing_to_continue(peer: Peer, fin: bool, chop: Chop, where: str) -> None:
    """A continuation frame needs a message that it continues."""
    message = [peer.text("one", fin=False), peer.more("two")]
    wrong = peer.more("nothing", fin=fin)
    if where == "behind":
        await peer.send(*message, wrong, peer.text("Hello"), chop=chop)
    elif where == "twice":
        await peer.send(wrong, *message, wrong, *message, chop=chop)
    else:
        await peer.send(wrong, peer.text("Hello"), chop=chop)
    await peer.fails(1002, allowed=(Text("onetwo"),) if where == "behind" else ())


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


@family(
    "6455/5.4/5",
    MUST,
    rules.CONTROL_FRAGMENTED,
    {"a ping": PING, "a pong": PONG, "a Close": CLOSE},
    autobahn={"a ping": ["5.1"], "a pong": ["5.2"]},
)
async def control_in_fragments(peer: Peer, opcode: int) -> None:
    """A control frame is never fragmented."""
    if opcode == CLOSE:
        return await refused(peer, close_body(1000), 1002, fin=False)
    await peer.send(peer.frame(opcode, "one", fin=False))
    return await peer.fails(1002)


@family(
    "6455/5.4/6",
    MUST,
    None,
    {
        "three empty fragments": ("", "", ""),
        "the first and the last are empty": ("", "data", ""),
        "the last is empty": ("data", ""),
    },
    autobahn={"three empty fragments": ["6.1.2"], "the first and the last are empty": ["6.1.3"]},
)
async def empty_fragments(peer: Peer, *parts: str) -> None:
    """A fragment may be empty."""
    await peer.send(*_fragments(peer, TEXT, [part.encode() for part in parts]))
    await peer.echoes("".join(parts))


def _fragments(peer: Peer, opcode: int, parts: list[bytes]) -> list[bytes]:
    last = len(parts) - 1
    return [peer.frame(0 if place else opcode, part, fin=place == last) for place, part in enumerate(parts)]


@family("6455/5.4/7", MUST, None, {"a pong between fragments": 0, "ten pings between fragments": 10})
async def control_between(peer: Peer, pings: int) -> None:
    """Control frames between the fragments of a message do not disturb it."""
    between = [peer.ping(str(n)) for n in range(pings)] or [peer.pong("nobody asked")]
    await peer.send(peer.text("one", fin=False), *between, peer.more("two"), chop=Chop.FRAMES)
    await with_pongs(peer, pings, Text("onetwo"))


@family("6455/5.4/8", MUST, None, {"two fragments": 128, "fragments of 1 byte": 1})
async def binary_fragments(peer: Peer, size: int) -> None:
    """The first fragment says the type of the message."""
    data = pattern(256)
    parts = [data[begin : begin + size] for begin in range(0, len(data), size)]
    await peer.send(*_fragments(peer, BINARY, parts))
    await peer.echoes(data)


# Autobahn demands 1000 (7.1.5), but nothing forbids to complain of a message that will not end.  Its code is told; that
# there is none is wrong: to be closed within a message is no violation (5.4), and a Close is answered (5.5.1).
@family("6455/5.4/9", MUST, autobahn=["7.1.5"])
async def close_in_message(peer: Peer) -> None:
    """A Close in the middle of a message is answered with a Close."""
    await peer.send(peer.text("one", fin=False), peer.close(1000))
    heard = await peer.hear()
    if not isinstance(heard, Close):
        raise Wrong("a Close", str(heard))
    peer.note(f"answered with {heard}")
