"""Data to be compressed, made and not taken: five kinds, the same for the same seed.

Each gives an endless sequence of messages of one size, cut out of data that goes on; with context takeover the next
message repeats what the last ones said.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache
from random import Random

from rawws.conformance.wire import noise, prose

LENGTH = 512 * 1024
"""Bytes of a corpus, and there it begins again."""


def records(random: Random, size: int) -> bytes:
    """JSON as an API gives it: the same keys again and again."""
    rows: list[str] = []
    length = 0
    while length < size:
        rows.append(json.dumps(_record(random, len(rows)), ensure_ascii=False))
        length += len(rows[-1]) + 1
    return "\n".join(rows).encode()[:size]


def _record(random: Random, number: int) -> dict[str, object]:
    return {
        "id": number,
        "name": random.choice(("Ana", "Björn", "Chloé", "Дмитрий", "英子")),
        "at": f"2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}T{random.randrange(24):02}:00:00Z",
        "position": [round(random.uniform(-180, 180), 5), round(random.uniform(-90, 90), 5)],
        "tags": random.sample(("new", "paid", "open", "late", "gift"), 2),
        "active": random.random() < 0.5,
    }


def text(random: Random, size: int) -> bytes:
    """Words."""
    return prose(random, size).encode()


def repeats(random: Random, size: int) -> bytes:
    """Runs of the same, of very different lengths."""
    data = bytearray()
    while len(data) < size:
        unit = random.randbytes(random.choice((1, 2, 3, 50, 300, 5000)))
        data += unit * random.randrange(1, 2 + 20_000 // len(unit))
    return bytes(data[:size])


def mixed(random: Random, size: int) -> bytes:
    """Records, noise and runs by turns, as in a file that holds several things."""
    data = bytearray()
    while len(data) < size:
        part = random.choice((records, noise, repeats, text))(random, random.choice((100, 1000, 10_000)))
        data += part
    return bytes(data[:size])


CORPORA: dict[str, tuple[Callable[[Random, int], bytes], bool]] = {
    "JSON": (records, True),
    "noise": (noise, False),
    "prose": (text, True),
    "repeats": (repeats, False),
    "a mixture": (mixed, False),
}
"""How they are made, and whether they are text."""


@cache
def corpus(name: str) -> bytes:
    """One of them, the same in each run: to make it takes longer than to send it."""
    return CORPORA[name][0](Random(name), LENGTH)


def messages(name: str, random: Random, size: int) -> Iterator[bytes]:
    """Messages of `size` bytes without end, from anywhere in the corpus on.

    Of text they have perhaps a few bytes fewer, so that no character is cut.
    """
    data, is_text = corpus(name), CORPORA[name][1]
    place = random.randrange(LENGTH - size)
    while True:
        part = data[place : place + size]
        if is_text:
            part = part.decode(errors="ignore").encode()
        yield part
        place = (place + size) % (LENGTH - size)
