"""A second reader of DEFLATE (RFC 1951), which goes bit by bit, and a writer of the blocks that zlib never writes.

It is slow and knows nothing of zlib, so it can judge what zlib wrote: of which blocks the data consist, how far back
they reach, and what comes out.  As RFC 7692 allows, more blocks may follow behind a final one, at the next byte.
"""

from itertools import accumulate
from typing import NamedTuple

STORED, FIXED, DYNAMIC = 0, 1, 2
"""The types of blocks (3.2.3), as they stand in the bits."""

TAIL = bytes.fromhex("0000ffff")
"""What a sender cuts off and a receiver appends (RFC 7692, 7.2.1 and 7.2.2)."""


class Block(NamedTuple):
    """One block: its type, and whether its BFINAL is set."""

    kind: int
    final: bool


class Decoded(NamedTuple):
    """What stands in the data."""

    output: bytes
    blocks: list[Block]
    reach: int
    """The greatest distance of all matches; 0 if there is none."""


def read_deflate(data: bytes, window: bytes = b"") -> Decoded:
    """Read whole blocks to the end of `data`; `window` is what was decompressed before.

    Raises:
        ValueError: they are not DEFLATE, or the last one is cut off.
    """
    reader = _Reader(data, window)
    while reader.at < 8 * len(data):
        reader.read_block()
    return Decoded(bytes(reader.output[len(window) :]), reader.blocks, reader.reach)


def read_message(payload: bytes, window: bytes = b"") -> Decoded:
    """Read the payload of a message as RFC 7692 words it in 7.2.2: append four bytes, and decompress."""
    return read_deflate(payload + TAIL, window)


Codes = dict[tuple[int, int], int]
"""By their length and their bits: what they stand for."""


def codes_of(lengths: list[int], may_be_one: bool = False) -> Codes:
    """Huffman codes from their lengths (3.2.2); with `may_be_one`, one code of one bit, or none, will do (3.2.7)."""
    codes: Codes = {}
    code = 0
    for length in range(1, 16):
        code <<= 1
        for symbol, its_length in enumerate(lengths):
            if its_length == length:
                codes[length, code] = symbol
                code += 1
        if code > 1 << length:
            raise ValueError("there are more codes than bits for them")
    if code < 1 << 15 and not (may_be_one and max(lengths) <= 1):
        raise ValueError("there are bits that are no code")
    return codes


def _with_bases(extra_bits: list[int], first: int) -> list[tuple[int, int]]:
    """What each code of a table begins with, and how many bits say how much more it is."""
    return list(zip(accumulate((1 << bits for bits in extra_bits), initial=first), extra_bits))


# 3.2.5; the last length stands outside of the row, and with 31 extra bits set, the code before it says the same.
LENGTHS = [*_with_bases([0] * 4 + [bits for bits in range(6) for _ in range(4)], 3), (258, 0)]
DISTANCES = _with_bases([0] * 2 + [bits for bits in range(14) for _ in range(2)], 1)
FIXED_LITERALS = codes_of([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8)
FIXED_DISTANCES = codes_of([5] * 32)
ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
"""In which the lengths of the codes for lengths of codes come (3.2.7)."""


class _Reader:
    """A place in the data, in bits, and what came of those before it."""

    def __init__(self, data: bytes, window: bytes) -> None:
        self.data = data
        self.at = 0
        self.output = bytearray(window)
        self.blocks: list[Block] = []
        self.reach = 0

    def bits(self, count: int) -> int:
        """A number, its lowest bit first (3.1.1)."""
        if self.at + count > 8 * len(self.data):
            raise ValueError("the data are cut off")
        places = range(self.at, self.at + count)
        self.at += count
        return sum((self.data[place // 8] >> place % 8 & 1) << number for number, place in enumerate(places))

    def to_byte(self) -> None:
        """Step over what is left of this byte."""
        self.at += -self.at % 8

    def symbol(self, codes: Codes) -> int:
        """A Huffman code, its highest bit first."""
        code = 0
        for length in range(1, 16):
            code = code << 1 | self.bits(1)
            if (length, code) in codes:
                return codes[length, code]
        raise ValueError("there is no such code")

    def read_block(self) -> None:
        """One block, of any type (3.2.3)."""
        final, kind = bool(self.bits(1)), self.bits(2)
        if kind == STORED:
            self.read_stored()
        elif kind == FIXED:
            self.read_compressed(FIXED_LITERALS, FIXED_DISTANCES)
        elif kind == DYNAMIC:
            self.read_compressed(*self.read_codes())
        else:
            raise ValueError("type 3 is reserved")
        self.blocks.append(Block(kind, final))
        if final:
            self.to_byte()

    def read_stored(self) -> None:
        """3.2.4: a length, its complement, and so many bytes as they are."""
        self.to_byte()
        length, complement = self.bits(16), self.bits(16)
        if length != complement ^ 0xFFFF:
            raise ValueError("a length and its complement do not fit")
        self.output += bytes(self.bits(8) for _ in range(length))

    def read_codes(self) -> tuple[Codes, Codes]:
        """3.2.7: the codes of this block, written as their lengths, which are written in codes themselves."""
        literals, distances, count = self.bits(5) + 257, self.bits(5) + 1, self.bits(4) + 4
        if literals > 286 or distances > 30:
            raise ValueError("there are more codes than are known")
        short = {place: self.bits(3) for place in ORDER[:count]}
        codes = codes_of([short.get(place, 0) for place in range(19)])
        lengths: list[int] = []
        while len(lengths) < literals + distances:
            lengths += self.read_lengths(self.symbol(codes), lengths)
        if len(lengths) > literals + distances or lengths[256] == 0:
            raise ValueError("there are too many lengths, or none for the end of the block")
        return codes_of(lengths[:literals], may_be_one=True), codes_of(lengths[literals:], may_be_one=True)

    def read_lengths(self, symbol: int, before: list[int]) -> list[int]:
        """One length, or the same several times."""
        if symbol < 16:
            return [symbol]
        if symbol == 16:
            if not before:
                raise ValueError("there is no length to repeat")
            return before[-1:] * (self.bits(2) + 3)
        return [0] * (self.bits(3) + 3 if symbol == 17 else self.bits(7) + 11)

    def read_compressed(self, literals: Codes, distances: Codes) -> None:
        """3.2.5: bytes and matches, until the block says that it ends."""
        while (symbol := self.symbol(literals)) != 256:
            if symbol < 256:
                self.output.append(symbol)
            else:
                length = self.number(LENGTHS, symbol - 257)
                self.copy(length, self.number(DISTANCES, self.symbol(distances)))

    def number(self, table: list[tuple[int, int]], code: int) -> int:
        """A length or a distance: what the code begins with, and the bits behind it."""
        if code >= len(table):
            raise ValueError("there is no such length or distance")
        base, extra = table[code]
        return base + self.bits(extra)

    def copy(self, length: int, distance: int) -> None:
        """The same as so many bytes ago, where what comes of it may be used again at once."""
        if distance > len(self.output):
            raise ValueError("a distance reaches behind the beginning")
        self.reach = max(self.reach, distance)
        for _ in range(length):
            self.output.append(self.output[-distance])


# --- Writing ----------------------------------------------------------------------------------------------------------


def stored(data: bytes, final: bool = False) -> bytes:
    """A block with no compression, of less than 64 KiB."""
    return bytes([final]) + len(data).to_bytes(2, "little") + (len(data) ^ 0xFFFF).to_bytes(2, "little") + data


def match(distance: int, final: bool = False) -> bytes:
    """A block that says "the three bytes from `distance` ago", and then the first bits of an empty stored block."""
    code = max(code for code, (base, _) in enumerate(DISTANCES) if base <= distance)
    base, extra = DISTANCES[code]
    far = f"{distance - base:0{extra}b}"[::-1] if extra else ""
    block = f"{final:b}10" + "0000001" + f"{code:05b}" + far + "0000000"
    block += "0" * (-len(block) % 8 if final else 0) + "000"
    block += "0" * (-len(block) % 8)
    return bytes(int(block[at : at + 8][::-1], 2) for at in range(0, len(block), 8))
