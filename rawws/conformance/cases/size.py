"""RFC 6455 without a section: large messages, many fragments, many writes, many round trips.

Autobahn counts what comes back, and measures time; here what comes back has to be what was said.  A target that was
not declared to have a limit may have one all the same: if it says so (1008, 1009) or hangs up, the case is skipped.
Large cases run one at a time, so that each has the time that it needs.
"""

from collections.abc import Iterator

from rawws.conformance.case import MUST, Entry, Tier, family
from rawws.conformance.heard import Binary, Close, End, Heard, Text
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Skip, Wrong
from rawws.conformance.wire import BINARY, CONTINUATION, TEXT, cut, frame, noise, prose
from rawws.core import rules
from rawws.core.settings import Role

KIB, MIB = 1 << 10, 1 << 20

_KINDS = {"text": TEXT, "binary": BINARY}


def _size(size: int) -> str:
    return f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB" if size >= KIB else f"{size} bytes"


def _rows(form: str, sizes: list[int]) -> dict[str, Entry]:
    """A case for text and one for binary of each size."""
    return {form.format(kind, _size(size)): (opcode, size) for kind, opcode in _KINDS.items() for size in sizes}


def _names(titles: dict[str, Entry], group: int) -> dict[str, list[str]]:
    """The counterparts: the first half of the titles is Autobahn's 9.`group`, the second half the next one."""
    half = len(titles) // 2
    return {title: [f"9.{group + (place >= half)}.{place % half + 1}"] for place, title in enumerate(titles)}


def _content(peer: Peer, opcode: int, size: int) -> bytes:
    """So many bytes; as text, characters of one to four bytes, none of them in a place that is a multiple of much."""
    if opcode == BINARY:
        return noise(peer.random, size)
    words = "".join(peer.random.choices(("message ", "größer ", "размер ", "長さ ", "𝄞 "), k=997)).encode()
    whole = (words * (size // len(words) + 1))[:size]
    kept = whole.decode(errors="ignore").encode()  # A character at the end may be cut.
    return kept + b"." * (size - len(kept))


def _fragments(peer: Peer, opcode: int, data: bytes, size: int) -> Iterator[bytes]:
    """All with one key, for there may be tens of thousands."""
    key = peer.random.randbytes(4) if peer.role is Role.CLIENT else None
    parts = cut(data, size)
    for place, part in enumerate(parts, 1):
        yield frame(CONTINUATION if place > 1 else opcode, part, key=key, fin=place == len(parts))


async def _comes_back(peer: Peer, opcode: int, data: bytes, fragments: int = 1) -> None:
    """The message is echoed, or it is more than the target is known, or says, to take."""
    declared = peer.declared
    too_large = declared.max_size is not None and len(data) > declared.max_size
    too_many = declared.max_fragments is not None and fragments > declared.max_fragments
    if too_large or too_many:
        return await peer.fails(1009, 1008)
    heard = await peer.hear(peer.patience.large)
    if isinstance(heard, (Close, End)) and (
        declared.max_size is None or (fragments > 1 and not declared.max_fragments)
    ):
        await _limited(peer, heard, f"a message of {_size(len(data))}", fragments)
    wanted: Heard = Binary(data) if opcode == BINARY else Text(data.decode())
    if heard != wanted:
        raise Wrong(f"an echo of {len(data):,} bytes", _told(heard, data))
    return None


async def _limited(peer: Peer, heard: Close | End, what: str, fragments: int) -> None:
    """Skip the case if it was a limit that nobody declared: it says so, or hangs up and is still there."""
    if isinstance(heard, Close):
        if heard.code not in (1008, 1009):
            return
        await peer.part()
    else:
        # With unread data behind it a Close is often lost on its way: TCP is reset.
        other = await peer.another()
        await other.send(other.text("still there?"))
        await other.echoes("still there?")
    parts = f" in {fragments:,} fragments" if fragments > 1 else ""
    option = "--max-fragments" if fragments > 1 and peer.declared.max_size else "--max-size"
    raise Skip(f"it ended the connection over {what}{parts}, with {heard}: see {option}")


def _told(heard: Heard, data: bytes) -> str:
    """What came instead: with the place where it begins to differ."""
    if not isinstance(heard, (Text, Binary)):
        return str(heard)
    came = heard.data.encode() if isinstance(heard.data, str) else heard.data
    place = next((n for n, (one, other) in enumerate(zip(came, data)) if one != other), min(len(came), len(data)))
    return f"{type(heard).__name__.lower()} of {len(came):,} bytes, which differs from byte {place:,} on"


_MESSAGES = _rows("{0} of {1}", [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB])


@family(
    "6455/size/1", MUST, rules.MESSAGE_TOO_BIG, _MESSAGES, tier=Tier.SIZE, alone=True, autobahn=_names(_MESSAGES, 1)
)
async def large(peer: Peer, opcode: int, size: int) -> None:
    """A large message comes back as it was, or is over a limit that was declared."""
    data = _content(peer, opcode, size)
    await peer.write(peer.frame(opcode, data), peer.patience.large)
    await _comes_back(peer, opcode, data)


_FRAGMENTED = _rows("{0} of 4 MiB in fragments of {1}", [64 << 2 * power for power in range(9)])


@family(
    "6455/size/2",
    MUST,
    rules.TOO_MANY_FRAGMENTS,
    _FRAGMENTED,
    tier=Tier.SIZE,
    alone=True,
    autobahn=_names(_FRAGMENTED, 3),
)
async def in_fragments(peer: Peer, opcode: int, size: int) -> None:
    """A message in many fragments comes back as it was, or there are more than a limit that was declared."""
    data = _content(peer, opcode, 4 * MIB)
    for part in cut(b"".join(_fragments(peer, opcode, data, size)), MIB):
        await peer.write(part, peer.patience.large)
    await _comes_back(peer, opcode, data, -(-len(data) // size))


_WRITTEN = _rows("{0} of 1 MiB in writes of {1}", [64 << power for power in range(6)])


@family("6455/size/3", MUST, None, _WRITTEN, tier=Tier.SIZE, alone=True, autobahn=_names(_WRITTEN, 5))
async def in_writes(peer: Peer, opcode: int, size: int) -> None:
    """A frame comes back as it was, in how many pieces so ever it was written."""
    data = _content(peer, opcode, MIB)
    for piece in cut(peer.frame(opcode, data), size):
        if not await peer.write(piece, peer.patience.large):
            break
        await peer.pause(0)
    await _comes_back(peer, opcode, data)


ROUND_TRIPS = 1000
_TRIPS = _rows("1,000 round trips of {0} of {1}", [0, 16, 64, 256, KIB, 4 * KIB])


@family("6455/size/4", MUST, None, _TRIPS, tier=Tier.SIZE, alone=True, autobahn=_names(_TRIPS, 7))
async def round_trips(peer: Peer, opcode: int, size: int) -> None:
    """A thousand messages, each said when the one before it has come back, come back as they were."""
    content = prose(peer.random, size).encode() if opcode == TEXT else noise(peer.random, size)
    for number in range(ROUND_TRIPS):
        data = (f"{number:04}".encode() + content)[:size]
        await peer.send(peer.frame(opcode, data))
        heard = await peer.hear()
        if heard != (Binary(data) if opcode == BINARY else Text(data.decode())):
            raise Wrong(f"echo {number + 1} of {ROUND_TRIPS:,}", _told(heard, data))


@family("6455/size/5", MUST, None, tier=Tier.SIZE, alone=True, autobahn=["10.1.1"])
async def odd_fragments(peer: Peer) -> None:
    """A message in fragments of 1,300 bytes comes back as it was."""
    data = _content(peer, TEXT, 64 * KIB)
    await peer.send(*_fragments(peer, TEXT, data, 1300))
    await _comes_back(peer, TEXT, data, -(-len(data) // 1300))
