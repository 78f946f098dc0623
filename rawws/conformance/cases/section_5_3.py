"""RFC 6455 section 5.3: how a client masks, and a server unmasks."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

from rawws.conformance.case import CLIENT, MUST, SERVER, family
from rawws.conformance.peer import Peer
from rawws.conformance.speech import in_two
from rawws.conformance.verdict import Wrong
from rawws.conformance.wire import pattern

ECHOES = 64
FEW = 16
"""Of 64 octets drawn at random about 57 are different."""


@family("6455/5.3/1", MUST, roles=CLIENT)
async def keys_of_a_client(peer: Peer) -> None:
    """The masking key of each frame is new, and cannot be told from the keys before it."""
    await peer.send(*(peer.text(str(number)) for number in range(ECHOES)))
    await peer.echoes(*map(str, range(ECHOES)))
    keys = [frame.header.key for frame in peer.transcript.frames if frame.header.key is not None]
    for what in _no_chance(keys):
        raise Wrong("masking keys drawn at random", what)


def _no_chance(keys: list[bytes]) -> Iterator[str]:
    """What is not random about keys.  Each of these happens by chance less than once in a million runs."""
    if len(keys) < ECHOES:
        yield f"{len(keys)} masked frames for {ECHOES} messages"
        return
    if bytes(4) in keys:
        yield "the key 00000000, with which nothing is masked"
    key, times = Counter(keys).most_common(1)[0]
    if times > 1:
        yield f"the key {key.hex()} {times} times in {len(keys)} frames"
    forwards = [int.from_bytes(key, "big") for key in keys]
    backwards = [int.from_bytes(key, "little") for key in keys]
    for numbers in (forwards, backwards):
        steps = Counter((after - before) % 2**32 for before, after in pairwise(numbers))
        step, times = steps.most_common(1)[0]
        if times > 2:
            yield f"keys that grow by {step:#x}, {times} times"
    if sum(len(set(key)) == 1 for key in keys) > 2:
        yield f"keys of one octet repeated, such as {next(key for key in keys if len(set(key)) == 1).hex()}"
    for place in range(4):
        values = {key[place] for key in keys}
        if len(values) <= FEW:
            yield f"keys in which octet {place} has {len(values)} values in {len(keys)} frames"


_LENGTHS = (*range(65), *range(1000, 1008))
"""Around the sizes of the blocks in which one may unmask."""


def _key(key: bytes | None) -> Callable[[Peer], bytes]:
    return lambda peer: peer.random.randbytes(4) if key is None else key


@family(
    "6455/5.3/2",
    MUST,
    None,
    {
        "random keys": (_key(None), False),
        "the key 00000000": (_key(bytes(4)), False),
        "the key ffffffff": (_key(b"\xff" * 4), False),
        "cut at each place of the key": (_key(None), True),
    },
    roles=SERVER,
)
async def unmasking(peer: Peer, key: Callable[[Peer], bytes], cut: bool) -> None:
    """Octet i of the payload is unmasked with octet i modulo 4 of the key, whatever its length and where it is cut."""
    if not cut:
        await peer.send(*(peer.binary(pattern(length), key=key(peer)) for length in _LENGTHS))
        await peer.echoes(*map(pattern, _LENGTHS))
        return
    for place in range(17):
        payload = pattern(64 + place)
        frame = peer.binary(payload, key=key(peer))
        await in_two(peer, frame, len(frame) - len(payload) + place)
        await peer.echoes(payload)
