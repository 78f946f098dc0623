"""The blocks of DEFLATE data (RFC 1951 section 3.2): where each begins, and how much it says, but not what.

zlib decompresses and does not tell of blocks, so they are walked through here, bit by bit.  For looking at, not for
traffic: it is slow, and looks at no more than the first `MOST_READ` bytes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

MOST_READ = 4096

KINDS = ("stored", "fixed Huffman codes", "dynamic Huffman codes", "reserved")
"""BTYPE in words, by its number."""


class Block(NamedTuple):
    """One block."""

    final: bool
    """BFINAL: behind it the data begins anew."""
    kind: int
    """BTYPE, from 0 to 3."""
    size: int
    """How many bytes it says, as far as it is there."""
    repeated: int
    """How many of them it does not spell out: they are the same as so many bytes ago."""
    begin: int
    """Of its first bit; a byte counts eight of them, from the lowest."""
    end: int | None
    """Behind its last bit; None if that is not here, or if it is broken."""


def blocks(data: bytes) -> Iterator[Block]:
    """The blocks of one message, to the first that is not whole."""
    bits = _Bits(data[:MOST_READ])
    while bits.at + 3 <= bits.size:
        begin = bits.at
        final, kind = bool(bits.take(1)), bits.take(2)
        walk = _Walk(bits)
        end = None
        try:
            walk.through(kind)
            end = bits.at
        except (EOFError, ValueError, IndexError):  # IndexError: there are more symbols than there are lengths.
            pass
        yield Block(final, kind, walk.size, walk.repeated, begin, end)
        if end is None:
            return
        if final:
            bits.align()


class _Bits:
    """A place in data, in bits."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "little")
        self.size = 8 * len(data)
        self.at = 0

    def take(self, count: int) -> int:
        if self.at + count > self.size:
            raise EOFError
        self.at += count
        return self._number >> (self.at - count) & ((1 << count) - 1)

    def align(self) -> None:
        self.at += -self.at % 8


class _Code:
    """A Huffman code, from the length of the code of each symbol (3.2.2)."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._counts = [lengths.count(length) if length else 0 for length in range(16)]
        coded = [symbol for symbol, length in enumerate(lengths) if length]
        self._symbols = sorted(coded, key=lambda symbol: lengths[symbol])

    def read(self, bits: _Bits) -> int:
        code = first = index = 0
        for count in self._counts[1:]:
            code |= bits.take(1)
            if code - first < count:
                return self._symbols[index + code - first]
            index += count
            first = first + count << 1
            code <<= 1
        raise ValueError("no symbol has this code")


_FIXED = _Code([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8), _Code([5] * 30)

# 3.2.5: the shortest match and the number of extra bits for each length symbol from 257 on, and the latter for each
# distance symbol.
_LENGTHS = [
    *((3 + at, 0) for at in range(8)),
    *((3 + (4 + at % 4 << at // 4 - 1), at // 4 - 1) for at in range(8, 28)),
    (258, 0),
]
_DISTANCE_BITS = [0, 0, *(at // 2 for at in range(28))]

_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


class _Walk:
    """Through one block, counting."""

    def __init__(self, bits: _Bits) -> None:
        self._bits = bits
        self.size = self.repeated = 0

    def through(self, kind: int) -> None:
        if kind == 0:
            self._stored()
        elif kind == 1:
            self._symbols(*_FIXED)
        elif kind == 2:
            self._symbols(*self._dynamic())
        else:
            raise ValueError("a reserved type")

    def _stored(self) -> None:
        bits = self._bits
        bits.align()
        length, check = bits.take(16), bits.take(16)
        if length ^ check != 0xFFFF:
            raise ValueError("the two lengths disagree")
        here = min(length, (bits.size - bits.at) // 8)
        self.size += here
        bits.at += 8 * here
        if here < length:
            raise EOFError

    def _symbols(self, lengths: _Code, distances: _Code) -> None:
        bits = self._bits
        while (symbol := lengths.read(bits)) != 256:
            if symbol < 256:
                self.size += 1
                continue
            if symbol > 285:
                raise ValueError("no length has this symbol")
            shortest, extra = _LENGTHS[symbol - 257]
            length = shortest + bits.take(extra)
            bits.take(_DISTANCE_BITS[distances.read(bits)])
            self.size += length
            self.repeated += length

    def _dynamic(self) -> tuple[_Code, _Code]:
        """The codes that a block brings along (3.2.7)."""
        bits = self._bits
        literals, distances, count = bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4
        of_lengths = [0] * 19
        for place in _ORDER[:count]:
            of_lengths[place] = bits.take(3)
        code = _Code(of_lengths)
        lengths: list[int] = []
        while len(lengths) < literals + distances:
            lengths += self._run(code.read(bits), lengths)
        return _Code(lengths[:literals]), _Code(lengths[literals : literals + distances])

    def _run(self, symbol: int, before: list[int]) -> list[int]:
        """The lengths that a symbol stands for."""
        if symbol < 16:
            return [symbol]
        if symbol == 16:
            return before[-1:] * (3 + self._bits.take(2))
        return [0] * (3 + self._bits.take(3) if symbol == 17 else 11 + self._bits.take(7))
