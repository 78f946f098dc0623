"""DEFLATE (RFC 1951) read bit by bit, and written bit by bit: what zlib never writes, and what it does not tell.

    Blocks().fixed(b"Hello", Match(258, 5), final=True).stored(b"!").payload()
    read_message(payload, window).reach

It is slow and knows nothing of zlib, so it can judge what zlib wrote: of which blocks the data consist, how far back
they reach, and what comes out.  As RFC 7692 allows, more blocks may follow behind a final one, at the next byte.
"""

from itertools import accumulate
from typing import NamedTuple, Self

STORED, FIXED, DYNAMIC = 0, 1, 2
"""The types of blocks (3.2.3), as they stand in the bits."""

TAIL = bytes.fromhex("0000ffff")
"""What a sender cuts off and a receiver appends (RFC 7692, 7.2.1 and 7.2.2)."""

FARTHEST = 32768
"""No distance is longer (RFC 1951, 2)."""


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


def read_deflate(data: bytes, window: bytes = b"", farthest: int = FARTHEST, most: int | None = None) -> Decoded:
    """Read whole blocks to the end of `data`.

    Args:
        data: from the beginning of a block.
        window: what was decompressed before.
        farthest: the longest distance that is allowed.
        most: enough bytes; None for all.

    Raises:
        ValueError: they are not DEFLATE, or the last one is cut off.
    """
    reader = _Reader(data, window, farthest, most)
    while reader.at < 8 * len(data) and not reader.is_enough:
        reader.read_block()
    return Decoded(bytes(reader.output[len(window) :]), reader.blocks, reader.reach)


def read_message(payload: bytes, window: bytes = b"", farthest: int = FARTHEST, most: int | None = None) -> Decoded:
    """Read the payload of a message as RFC 7692 words it in 7.2.2: append four bytes, and decompress."""
    return read_deflate(payload + TAIL, window, farthest, most)


# --- Codes ----------------------------------------------------------------------------------------------------------

LONGEST_CODE = 15

Codes = list[tuple[int, int]]
"""By the next 15 bits, the first one lowest: what the code in them stands for, and its length; 0: it is none."""


def code_words(lengths: list[int], may_be_one: bool = False) -> dict[int, str]:
    """Huffman codes from their lengths (3.2.2), by symbol; with `may_be_one` one of one bit, or none, will do (3.2.7).

    Raises:
        ValueError: these are not the lengths of a code.
    """
    words: dict[int, str] = {}
    code = 0
    for length in range(1, LONGEST_CODE + 1):
        code <<= 1
        for symbol, its_length in enumerate(lengths):
            if its_length == length:
                words[symbol] = f"{code:0{length}b}"
                code += 1
        if code > 1 << length:
            raise ValueError("there are more codes than bits for them")
    if code < 1 << LONGEST_CODE and not (may_be_one and max(lengths) <= 1):
        raise ValueError("there are bits that are no code")
    return words


def codes_of(lengths: list[int], may_be_one: bool = False) -> Codes:
    """The same as a table to read with."""
    table: Codes = [(0, 0)] * (1 << LONGEST_CODE)
    for symbol, word in code_words(lengths, may_be_one).items():
        step = 1 << len(word)
        table[int(word[::-1], 2) :: step] = [(symbol, len(word))] * (len(table) // step)
    return table


def _with_bases(extra_bits: list[int], first: int) -> list[tuple[int, int]]:
    """What each code of a table begins with, and how many bits say how much more it is."""
    return list(zip(accumulate((1 << bits for bits in extra_bits), initial=first), extra_bits))


# 3.2.5; the last length stands outside of the row, and with 31 extra bits set, the code before it says the same.
LENGTHS = [*_with_bases([0] * 4 + [bits for bits in range(6) for _ in range(4)], 3), (258, 0)]
DISTANCES = _with_bases([0] * 2 + [bits for bits in range(14) for _ in range(2)], 1)
_FIXED_LENGTHS = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8
FIXED_WORDS = code_words(_FIXED_LENGTHS)
FIXED_LITERALS = codes_of(_FIXED_LENGTHS)
FIXED_DISTANCES = codes_of([5] * 32)
END_OF_BLOCK = 256
ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
"""In which the lengths of the codes for lengths of codes come (3.2.7)."""


# --- Reading --------------------------------------------------------------------------------------------------------


class _Reader:
    """A place in the data, in bits, and what came of those before it."""

    def __init__(self, data: bytes, window: bytes, farthest: int, most: int | None) -> None:
        self.data = data
        self.at = 0
        self.output = bytearray(window)
        self.blocks: list[Block] = []
        self.reach = 0
        self.farthest = farthest
        self.enough = None if most is None else len(window) + most

    @property
    def is_enough(self) -> bool:
        """Whether as much was read as was asked for."""
        return self.enough is not None and len(self.output) >= self.enough

    def ahead(self) -> int:
        """The next bits, 25 at least, with zeros behind the end."""
        place = self.at >> 3
        return int.from_bytes(self.data[place : place + 4], "little") >> (self.at & 7)

    def step(self, count: int) -> None:
        """Go on by so many bits."""
        self.at += count
        if self.at > 8 * len(self.data):
            raise ValueError("the data are cut off")

    def bits(self, count: int) -> int:
        """A number, its lowest bit first (3.1.1)."""
        number = self.ahead() & ((1 << count) - 1)
        self.step(count)
        return number

    def to_byte(self) -> None:
        """Step over what is left of this byte."""
        self.at += -self.at % 8

    def symbol(self, codes: Codes) -> int:
        """A Huffman code, its highest bit first."""
        symbol, length = codes[self.ahead() & 0x7FFF]
        if not length:
            raise ValueError("there is no such code")
        self.step(length)
        return symbol

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
        begin = self.at >> 3
        self.step(8 * length)
        self.output += self.data[begin : begin + length]

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
        if len(lengths) > literals + distances or lengths[END_OF_BLOCK] == 0:
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
        data, output = self.data, self.output
        while not self.is_enough:
            # As `symbol`, but most of the time is spent here.
            place = self.at >> 3
            symbol, length = literals[int.from_bytes(data[place : place + 4], "little") >> (self.at & 7) & 0x7FFF]
            self.step(length)
            if not length:
                raise ValueError("there is no such code")
            if symbol < END_OF_BLOCK:
                output.append(symbol)
            elif symbol == END_OF_BLOCK:
                return
            else:
                size = self.number(LENGTHS, symbol - END_OF_BLOCK - 1)
                self.copy(size, self.number(DISTANCES, self.symbol(distances)))

    def number(self, table: list[tuple[int, int]], code: int) -> int:
        """A length or a distance: what the code begins with, and the bits behind it."""
        if code >= len(table):
            raise ValueError("there is no such length or distance")
        base, extra = table[code]
        return base + self.bits(extra)

    def copy(self, length: int, distance: int) -> None:
        """The same as so many bytes ago, where what comes of it may be used again at once."""
        if distance > self.farthest:
            raise ValueError(f"a distance of {distance:,}, and the window has {self.farthest:,} bytes")
        if distance > len(self.output):
            raise ValueError(f"a distance of {distance:,}, and {len(self.output):,} bytes to look back on")
        self.reach = max(self.reach, distance)
        there = self.output[len(self.output) - distance :][:length]
        self.output += (there * -(-length // distance))[:length]


# --- Writing --------------------------------------------------------------------------------------------------------


class Match(NamedTuple):
    """ "The same `length` bytes as `distance` ago"."""

    length: int
    distance: int


class Blocks:
    """DEFLATE data, written block by block; nothing is checked."""

    def __init__(self) -> None:
        self._whole = bytearray()
        self._bits = ""

    def fixed(self, *parts: bytes | Match, final: bool = False) -> Self:
        """A block with the fixed codes (3.2.6); behind a final one the next begins at a byte (RFC 7692, 7.2.1)."""
        words = [f"{final:b}10"]
        for part in parts:
            words += [_match(part)] if isinstance(part, Match) else [FIXED_WORDS[octet] for octet in part]
        self.bits("".join([*words, FIXED_WORDS[END_OF_BLOCK]]))
        return self.to_byte() if final else self

    def stored(self, data: bytes = b"", final: bool = False, complement: int | None = None) -> Self:
        """A block with no compression, of less than 64 KiB (3.2.4); `complement` makes a wrong one."""
        self.bits(f"{final:b}00").to_byte()
        check = len(data) ^ 0xFFFF if complement is None else complement
        self._whole += len(data).to_bytes(2, "little") + check.to_bytes(2, "little") + data
        return self

    def bits(self, bits: str) -> Self:
        """These bits, the first one first."""
        self._bits += bits
        whole = len(self._bits) // 8 * 8
        self._whole += bytes(int(self._bits[at : at + 8][::-1], 2) for at in range(0, whole, 8))
        self._bits = self._bits[whole:]
        return self

    def to_byte(self) -> Self:
        """Zeros up to the next byte."""
        return self.bits("0" * (-len(self._bits) % 8))

    def data(self) -> bytes:
        """All that was written, to a byte."""
        return bytes(self.to_byte()._whole)

    def payload(self) -> bytes:
        """The payload of a message: an empty stored block is put behind it, and its last four bytes cut off (7.2.1)."""
        return self.stored().data()[: -len(TAIL)]


def _match(match: Match) -> str:
    # The last row of lengths is the shortest way to say 258.
    code = max(code for code, (base, _) in enumerate(LENGTHS) if base <= match.length)
    return FIXED_WORDS[END_OF_BLOCK + 1 + code] + _extra(LENGTHS[code], match.length) + _distance(match.distance)


def _distance(distance: int) -> str:
    code = max(code for code, (base, _) in enumerate(DISTANCES) if base <= distance)
    return f"{code:05b}" + _extra(DISTANCES[code], distance)


def _extra(row: tuple[int, int], number: int) -> str:
    base, extra = row
    return f"{number - base:0{extra}b}"[::-1] if extra else ""


def stored(data: bytes, final: bool = False) -> bytes:
    """A block with no compression, alone."""
    return Blocks().stored(data, final).data()


def match(distance: int, final: bool = False) -> bytes:
    """A message of a block that says "the three bytes from `distance` ago"."""
    return Blocks().fixed(Match(3, distance), final=final).payload()
