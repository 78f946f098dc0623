"""RFC 6455 section 10.4: what one peer may cost.  Lengths, floods, slow readers and noise.

What the target's memory does cannot be seen from here; what it takes before it says no can, and is told.  Without a
limit that was declared, any limit is right, and so is any way to say no.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import accumulate
from random import Random

from rawws.conformance.case import LIM, SERVER, SHOULD, Opening, family
from rawws.conformance.heard import Binary, Close, End, Heard, Nothing, Pong, Text
from rawws.conformance.peer import Peer
from rawws.conformance.speech import flood, gave_up
from rawws.conformance.verdict import Skip, Wrong
from rawws.conformance.wire import BINARY, CONTINUATION, TEXT, frame
from rawws.core import rules
from rawws.core.settings import Role

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def _key(peer: Peer) -> bytes | None:
    """One key for a whole flood, so that its frames are made once."""
    return peer.random.randbytes(4) if peer.role is Role.CLIENT else None


# --- Lengths that are only announced ------------------------------------------------------------------------------


@family("6455/10.4/1", SHOULD, rules.FRAME_TOO_BIG, {f"2^{power} bytes": power for power in (31, 32, 53, 62)})
async def announced(peer: Peer, power: int) -> None:
    """A frame that is longer than its receiver will take is refused when its header is there."""
    await peer.send(peer.binary(length=1 << power))
    heard = await peer.hear(peer.patience.close)
    if not await gave_up(peer, heard):
        raise Wrong("a Close with 1009, or the end of TCP, before the payload comes", str(heard))


# --- A message that grows without end -----------------------------------------------------------------------------


_GROWING = {"1 GiB": GIB, "one byte more than --max-size": 0}


@family("6455/10.4/2", LIM, rules.MESSAGE_TOO_BIG, _GROWING | {"one byte more than --max-size": None}, alone=True)
async def growing(peer: Peer, most: int) -> None:
    """There is a size at which a message is refused, also if it comes in parts and never ends."""
    if peer.declared.max_size is not None and peer.declared.max_size >= most:
        raise Skip(f"it takes messages of {peer.declared.max_size:,} bytes")
    await _grows(peer, most)


@family(
    "6455/10.4/2",
    LIM,
    rules.MESSAGE_TOO_BIG,
    _GROWING | {"1 GiB": None},
    needs=("max_size",),
    alone=True,
)
async def growing_by_one(peer: Peer, _: int) -> None:
    """A message is refused when it has one byte more than its receiver takes, also if it never ends."""
    size = (peer.declared.max_size or 0) + 1
    if size > GIB:
        raise Skip("it takes more than 1 GiB")
    await _grows(peer, size)


async def _grows(peer: Peer, size: int) -> None:
    said = 0

    def parts(key: bytes | None) -> Iterator[bytes]:
        nonlocal said
        middle = frame(CONTINUATION, bytes(MIB), key=key, fin=False)
        while said < size:
            length = min(MIB, size - said)
            said += length
            yield (
                middle
                if length == MIB and said > length
                else frame(CONTINUATION if said > length else BINARY, bytes(length), key=key, fin=False)
            )

    heard = await flood(peer, parts(_key(peer)))
    if heard == Pong(b"over"):
        raise Wrong("an end of the connection, such as a Close with 1009", f"{said:,} bytes of one message were taken")
    if isinstance(heard, Nothing):
        raise Wrong("an end of the connection, such as a Close with 1009", f"{heard}, and {said:,} bytes sent")
    peer.note(f"after {said:,} bytes at the most")
    if not await gave_up(peer, heard):
        raise Wrong("an end of the connection, such as a Close with 1009", str(heard))


# --- Fragments ----------------------------------------------------------------------------------------------------

MANY = 131_073
ENDLESS = 262_144


@family(
    "6455/10.4/3",
    LIM,
    rules.TOO_MANY_FRAGMENTS,
    {
        "20,000 fragments of 1 byte": (20_000, "x", True),
        "20,000 empty fragments": (20_000, "", True),
        f"{MANY:,} fragments of 1 byte": (MANY, "x", True),
        "empty fragments of a message that never ends": (ENDLESS, "", False),
    },
    alone=True,
    autobahn={f"{MANY:,} fragments of 1 byte": ["9.3.1", "9.4.1"]},
)
async def fragments(peer: Peer, number: int, payload: str, ends: bool) -> None:
    """A message in very many fragments is taken, or refused, in bounded time."""
    heard = await flood(peer, _in_fragments(peer, number, payload, ends))
    if ends:
        await _taken_or_not(peer, heard, payload * number, number)
    elif heard == Pong(b"over"):
        peer.note(f"no limit up to {number:,} fragments")
        peer.reset()  # The message is never finished.
    elif not await gave_up(peer, heard):
        raise Wrong("an end of the connection, or a pong behind the fragments", str(heard))


def _in_fragments(peer: Peer, number: int, payload: str, ends: bool) -> Iterator[bytes]:
    """In writes of 1,000 frames."""
    key = _key(peer)
    middle = frame(CONTINUATION, payload, key=key, fin=False)
    yield frame(TEXT, payload, key=key, fin=False)
    for begin in range(1, number - 1, 1000):
        yield middle * min(1000, number - 1 - begin)
    yield frame(CONTINUATION, payload, key=key, fin=ends)


async def _taken_or_not(peer: Peer, heard: Heard, text: str, number: int) -> None:
    while isinstance(heard, Pong):
        heard = await peer.hear()
    if heard == Text(text):
        peer.note("it was taken")
        return
    allowed = peer.declared.max_fragments
    if allowed is not None and number <= allowed:
        raise Wrong(f"an echo: {allowed:,} fragments are allowed", str(heard))
    if not await gave_up(peer, heard):
        raise Wrong("an echo, or an end of the connection", str(heard))


# --- One that does not read ---------------------------------------------------------------------------------------

MESSAGE = 64 * KIB
UNREAD = 64 * MIB
SLOWLY = 16 * MIB
"""More than the buffers of two kernels on one machine, as they are by default."""
STALL = 1.0
"""Seconds: one that has taken nothing for so long waits for us to read."""
TURNS = 3
A_TURN = 0.5
"""Seconds between two gulps of one that reads slowly."""


@family("6455/10.4/4", LIM, rules.WRITE_TIMEOUT, {"nothing is read": UNREAD, "slowly": None}, alone=True)
async def unread(peer: Peer, size: int) -> None:
    """One that reads no echoes is not read any more, or dropped, when its echoes fill what there is room for."""
    peer.stop_reading()
    messages = await _until_it_waits(peer, size)
    if messages * MESSAGE >= size:
        peer.reset()
        raise Wrong("a target that waits, or hangs up, when nobody reads its echoes", f"it took {size:,} bytes")
    peer.note(f"it stopped after {messages * MESSAGE // MIB} MiB")
    peer.go_on_reading()
    await _all_come_back(peer, messages)


# Reading 1 KiB a second is, for minutes, the same as reading nothing, so large are the kernel's buffers: here it is as
# much as one read gives (up to 256 KiB) every now and then, and all the rest at the end.
@family("6455/10.4/4", LIM, rules.WRITE_TIMEOUT, {"nothing is read": None, "slowly": SLOWLY}, alone=True)
async def read_slowly(peer: Peer, size: int) -> None:
    """One that reads slowly gets all of its echoes, or is dropped."""
    peer.stop_reading()
    saying = asyncio.create_task(_until_it_waits(peer, size, peer.patience.reply))
    for _ in range(TURNS):
        await peer.pause(A_TURN)
        peer.go_on_reading()
        await peer.pause(0.01)
        peer.stop_reading()
    peer.go_on_reading()
    await _all_come_back(peer, await saying)


async def _until_it_waits(peer: Peer, size: int, seconds: float = STALL) -> int:
    """Say messages of this size in all, until one is not taken in time; how many were said."""
    said = 0
    while said * MESSAGE < size:
        said += 1
        if not await peer.write(peer.binary(_numbered(said - 1)), seconds):
            break
    return said


def _numbered(number: int) -> bytes:
    return number.to_bytes(4, "big") * (MESSAGE // 4)


async def _all_come_back(peer: Peer, messages: int) -> None:
    for number in range(messages):
        heard = await peer.hear()
        if await gave_up(peer, heard):
            return
        if heard != Binary(_numbered(number)):
            raise Wrong(f"the echo of message {number}, or an end of the connection", str(heard))


# --- Noise --------------------------------------------------------------------------------------------------------

SEEDS = {Role.SERVER: 100, Role.CLIENT: 10}
"""A client is started once for each, and that takes time."""
TOGETHER = 10


def _random_octets(peer: Peer, random: Random) -> bytes:
    """64 KiB of nothing, or, half the time, frames in which only the first two bytes and the payload are nothing."""
    if random.random() < 0.5:
        return random.randbytes(64 * KIB)
    octets = b""
    while len(octets) < 64 * KIB:
        octets += frame(
            random.choice((0, 1, 2, 9, 10, random.randrange(16))),
            random.randbytes(random.choice((0, 5, 125, 126, 2000))),
            key=random.randbytes(4) if peer.role is Role.CLIENT else None,
            fin=random.random() < 0.7,
            rsv=0 if random.random() < 0.9 else random.randrange(8),
        )
    return octets


def _flipped(peer: Peer, random: Random) -> bytes:
    """A session in which up to three bits are wrong."""
    frames = [peer.text("Hello"), peer.ping("ping"), peer.binary(bytes(200))]
    frames += [peer.text("one", fin=False), peer.pong(), peer.more("two", fin=False), peer.more("three")]
    frames += [peer.binary(bytes(70_000)), peer.text("grüße"), peer.close(1000, "that was all")]
    session = bytearray(b"".join(frames))
    # Half of the flips are in the first two bytes of a frame; in the large one a bit is seldom anything but data.
    begins = list(accumulate((len(frame) for frame in frames[:-1]), initial=0))
    heads = [begin + place for begin in begins for place in (0, 1)]
    places = [place for place in range(len(session)) if place < begins[-3] + 20 or place >= begins[-2]]
    for _ in range(random.randrange(1, 4)):
        session[random.choice(random.choice((heads, places)))] ^= 1 << random.randrange(8)
    return bytes(session)


@family(
    "6455/10.4/5",
    LIM,
    None,
    {"64 KiB of random octets": _random_octets, "a session with bits flipped": _flipped},
    alone=True,
)
async def noise(peer: Peer, make: Callable[[Peer, Random], bytes]) -> None:
    """Whatever octets come, the connection ends when they do, and nothing else happens."""
    endings: list[str] = []

    async def one(seed: int) -> None:
        random = Random(f"{seed}:{peer.random.random()}")
        other = peer if seed == 0 else await peer.another()
        await other.write(make(other, random))
        endings.append(await _end_behind_noise(other, seed))

    for begin in range(0, SEEDS[peer.target], TOGETHER):
        seeds = range(begin, min(begin + TOGETHER, SEEDS[peer.target]))
        # All of them come to their end, for each has a connection that has to be let go of.
        for outcome in await asyncio.gather(*map(one, seeds), return_exceptions=True):
            if outcome is not None:
                raise outcome
    peer.note(f"{endings.count('Close')} of {len(endings)} ended with a Close")


async def _end_behind_noise(peer: Peer, seed: int) -> str:
    """With our half ended the target has no reason to wait for more.  TLS has no halves."""
    if not peer.secure:
        peer.finish()
    while not isinstance(heard := await peer.hear(), (Close, End, Nothing)):
        pass
    if isinstance(heard, Nothing) and not peer.secure:
        raise Wrong("an end of the connection", f"{heard} (seed {seed})")
    peer.reset()
    return type(heard).__name__


# --- Connections --------------------------------------------------------------------------------------------------

CONNECTIONS = 1000


@family("6455/10.4/6", LIM, None, roles=SERVER, alone=True)
async def many_resets(peer: Peer) -> None:
    """A server goes on serving behind a thousand connections that are reset at once."""
    for _ in range(CONNECTIONS):
        (await peer.another(opening=Opening.RAW)).reset()
    last = await peer.another()
    await last.send(last.text("still there?"))
    await last.echoes("still there?")
