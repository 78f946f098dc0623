"""An input taken apart: the first bytes choose, the rest is what a peer sends."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from rawws.core.settings import Role
from tests.wire import frame_from

_Choice = TypeVar("_Choice")


class Source:
    """Bytes that are taken from the front.  When they are used up, zeros and nothing come."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def byte(self) -> int:
        """The next byte as a number."""
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def pick(self, choices: Sequence[_Choice]) -> _Choice:
        """One of the choices."""
        return choices[self.byte() % len(choices)]

    def take(self, size: int) -> bytes:
        """The next bytes, `size` of them at most."""
        taken = self.data[self.at : self.at + size]
        self.at += size
        return taken

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self.data))

    def frames(self, sender: Role) -> Iterator[bytes]:
        """What is left as frames of `sender`, with less to get right than on the wire: mask and length are.

        Three bytes stand in front of a payload: the first of the header as it is, a length, and one that says whether
        something is `_WRONG`, or the payload is to be compressed (0xe0 to 0xef: see `press`).  The top bits of the
        length say how often the payload is repeated.
        """
        while self:
            first, size, how = self.byte(), self.byte(), self.byte()
            payload = self.take(size & 0x3F) * (1, 2, 9, 600)[size >> 6]
            if how & 0xF0 == 0xE0:
                # 7.2.1: "for non-final fragments, the removal of 0x00 0x00 0xff 0xff MUST NOT be done"
                payload = press(payload, how) + (b"" if first & 0x80 else TAIL)
            key = bytes([how, 0, how, 1]) if sender is Role.CLIENT else None
            fields = {"fin": bool(first & 0x80), "rsv": first >> 4 & 7, "key": key}
            yield frame_from(sender, first & 0xF, payload, **{**fields, **_WRONG.get(how, {})})


TAIL = bytes.fromhex("0000ffff")
"""Of a compressed message; it is cut off."""


def press(payload: bytes, how: int) -> bytes:
    """The payload as a compressed message; the last bits of `how` say how: two for the level, one for BFINAL."""
    stream = zlib.compressobj((0, 1, 6, 9)[how & 3], wbits=-15)
    data = stream.compress(payload) + stream.flush(zlib.Z_FINISH if how & 4 else zlib.Z_SYNC_FLUSH)
    return (data + b"\0" if how & 4 else data).removesuffix(TAIL)


_WRONG: dict[int, dict[str, Any]] = {
    0xF0: {"form": 8},
    0xF1: {"form": 2},
    0xF2: {"key": None},
    0xF3: {"key": b"mask"},
    0xF4: {"length": 1 << 63, "form": 8},
}


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """`data` in pieces, by turns of `size` bytes and of one; whole if `size` is 0.  There are at most 200 or so."""
    if not size:
        yield data
        return
    at, long = 0, max(size, len(data) // 100)
    turn = long
    while at < len(data):
        yield data[at : at + turn]
        at += turn
        turn = 1 if turn == long else long
