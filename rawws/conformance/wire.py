"""Bytes for the wire, legal or not: frames of any shape, and the ways to cut them.

Nothing here refuses anything, and `frame` does not use the encoder of the core: what tests an implementation must be
able to say what no implementation says.
"""

from collections.abc import Iterator
from enum import Enum
from itertools import cycle
from random import Random

from rawws.core.masking import apply_mask

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Chop(Enum):
    """How what is said is cut into writes; each write is handed to TCP on its own."""

    WHOLE = "in one write"
    FRAMES = "one frame a write"
    OCTETS = "one octet a write"


def frame(
    opcode: int,
    payload: str | bytes = b"",
    *,
    key: bytes | None = None,
    fin: bool = True,
    rsv: int = 0,
    length: int | None = None,
    form: int | None = None,
) -> bytes:
    """A frame of any shape.

    Args:
        opcode: 0 to 15.
        payload: a `str` is written as UTF-8, lone surrogates too, so that it may be wrong.
        key: the masking key; None for a frame without a mask.
        fin, rsv: the first four bits; RSV1 is the 4.
        length: what the header says, if that is not the length of the payload.
        form: how many bytes the extended length takes: 0, 2 or 8; None for the shortest.
    """
    data = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
    size = len(data) if length is None else length
    if form is None:
        form = 0 if size < 126 else 2 if size < 1 << 16 else 8
    first = fin << 7 | rsv << 4 | opcode
    second = {0: size, 2: 126, 8: 127}[form] | (0 if key is None else 0x80)
    head = bytes([first, second]) + (size.to_bytes(form, "big") if form else b"")
    return head + (data if key is None else key + apply_mask(data, key))


def close_body(code: int | None, reason: str | bytes = b"") -> bytes:
    """The payload of a Close frame, with any code and any bytes as its reason."""
    text = reason.encode() if isinstance(reason, str) else reason
    return text if code is None else code.to_bytes(2, "big") + text


def pieces(frames: tuple[bytes, ...], chop: Chop) -> Iterator[bytes]:
    """What to write, one write after the other."""
    if chop is Chop.FRAMES:
        yield from (part for part in frames if part)
    elif chop is Chop.OCTETS:
        yield from (bytes([octet]) for octet in b"".join(frames))
    else:
        yield b"".join(frames)


def cut(data: bytes, size: int) -> list[bytes]:
    """`data` in parts of `size` bytes, the last one perhaps shorter; one empty part if there is no data."""
    return [data[at : at + size] for at in range(0, len(data), size)] or [b""]


_WORDS = ("the", "frame", "carries", "what", "its", "sender", "meant,", "masked", "or", "not,", "until", "a", "Close")


def prose(random: Random, size: int) -> str:
    """`size` bytes of ASCII that read like text, and compress like it."""
    words = []
    length = 0
    while length <= size:
        word = random.choice(_WORDS) if random.random() < 0.8 else str(random.randrange(10_000))
        words.append(word)
        length += len(word) + 1
    return " ".join(words)[:size]


def noise(random: Random, size: int) -> bytes:
    """`size` bytes that nothing compresses."""
    return random.randbytes(size)


def pattern(size: int) -> bytes:
    """`size` bytes in which every place is told from its neighbours, for frames that are cut anywhere."""
    return bytes(octet for octet, _ in zip(cycle(range(251)), range(size)))
