"""Byte sequences at the edges of UTF-8, made from its definition: 63 that are valid, and 69 that are not.

    bytes   the first    the others     the values that have no shorter form
      1     0xxxxxxx                    0 to 7f
      2     110xxxxx     10xxxxxx       80 to 7ff
      3     1110xxxx     10xxxxxx       800 to ffff, without d800 to dfff
      4     11110xxx     10xxxxxx       10000 to 10ffff
      5     111110xx     10xxxxxx       200000 to 3ffffff: RFC 2279 had it, RFC 3629 has not
      6     1111110x     10xxxxxx       4000000 to 7fffffff: likewise

RFC 3629, section 3: "It is important to note that the rows of the table are mutually exclusive, i.e., there is only one
valid way to encode a given character", no surrogate has one, and nothing lies beyond 10ffff.  So a decoder can err at
every end of every row, and that is where the sequences lie; one that errs elsewhere would have to err there too.

The sections are those of Autobahn's groups 6.5 to 6.23, in the same order; the bytes are our own.
"""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

FIRST = {1: 0, 2: 0x80, 3: 0x800, 4: 0x1_0000, 5: 0x20_0000, 6: 0x400_0000}
"""The smallest value that needs so many bytes."""
LAST = {1: 0x7F, 2: 0x7FF, 3: 0xFFFF, 4: 0x1F_FFFF, 5: 0x3FF_FFFF, 6: 0x7FFF_FFFF}
"""The largest value that they have room for."""
TOP = 0x10_FFFF
"""The last character there is."""
HIGH, PRIVATE, LOW, ABOVE = 0xD800, 0xDB80, 0xDC00, 0xE000
"""Where the high surrogates begin, those of them for private planes, the low ones, and what lies above all of them."""

WORD = "aß字𝄞z"
"""A character of each size, and one more of the first, so that what is large has an end too: 11 bytes."""


class Sequence(NamedTuple):
    """One sequence of bytes.

    Attributes:
        title: what it is.
        data: the bytes.
        autobahn: the case of Autobahn's that is about the same.
    """

    title: str
    data: bytes
    autobahn: str


def spelled(value: int, size: int) -> bytes:
    """`value` in so many bytes, by the pattern above, whether or not UTF-8 permits it.

    >>> spelled(0x20AC, 3).hex(" "), spelled(0x2F, 2).hex(" ")
    ('e2 82 ac', 'c0 af')
    """
    if size == 1:
        return bytes([value])
    lead = 0xFF00 >> size & 0xFF
    others = [0x80 | value >> 6 * place & 0x3F for place in reversed(range(size - 1))]
    return bytes([lead | value >> 6 * (size - 1), *others])


def bytes_of(number: int) -> str:
    """One byte, or several, in words."""
    return f"{number} byte{'s' * (number != 1)}"


Named = tuple[str, bytes]


def _numbered(group: str, *named: Named, start: int = 1) -> Iterator[Sequence]:
    """The sequences of one group, with the numbers that they have there."""
    for number, (title, data) in zip(count(start), named):
        yield Sequence(title, data, f"{group}.{number}")


def _prefixes() -> Iterator[Sequence]:
    """The word, cut off behind each of its bytes: five times between two characters, six times within one.

    In Autobahn's word these places are others; our first cut within a character stands for its first, and so on.
    """
    data = WORD.encode()
    numbers = {True: iter((2, 5, 7, 9, 11)), False: iter((1, 3, 4, 6, 8, 10))}
    for end in range(1, len(data) + 1):
        part = data[:end]
        yield Sequence(f"the first {bytes_of(end)} of {WORD}", part, f"6.6.{next(numbers[is_valid(part)])}")


def is_valid(data: bytes) -> bool:
    """Whether it is UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- What is valid ------------------------------------------------------------------------------------------------


def valid() -> list[Sequence]:
    """All 63."""
    return [
        *_numbered("6.5", *_texts()),
        *(found for found in _prefixes() if is_valid(found.data)),
        *_numbered("6.7", *(_character("the first", FIRST[size], size) for size in (1, 2, 3, 4))),
        *_numbered("6.9", *(_character("the last", min(LAST[size], TOP), size) for size in (1, 2, 3, 4))),
        *_numbered("6.11", *_beside_the_gaps()),
        *_numbered("6.22", *_noncharacters()),
        *_numbered("6.23", *(_within_text(f"U+{value:X}, a special,", value) for value in range(0xFFF9, 0x1_0000))),
    ]


def _texts() -> Iterator[Named]:
    """Text around a character of each size, and with all sizes together: five."""
    for size, character in enumerate(WORD[:4], 1):
        yield f"ASCII around a character of {bytes_of(size)}", f"left {character} right".encode()
    yield "characters of all sizes, in words", f"{WORD} {WORD[::-1]} {WORD * 2}".encode()


def _character(which: str, value: int, size: int) -> Named:
    return f"U+{value:04X}, {which} of {bytes_of(size)}", spelled(value, size)


def _within_text(title: str, value: int) -> Named:
    """Some of these are in other groups too: there alone, here with something around them."""
    return f"{title} between two others", f"ß{chr(value)}字".encode()


def _beside_the_gaps() -> Iterator[Named]:
    """What lies next to what is no character, and what stands for the unknown."""
    yield _within_text("U+D7FF, the last below the surrogates,", HIGH - 1)
    yield _within_text("U+E000, the first above the surrogates,", ABOVE)
    yield "U+FFFD, what decoders put for what is wrong", "\N{REPLACEMENT CHARACTER}".encode()
    yield _within_text("U+10FFFF, the last of all,", TOP)


def _noncharacters() -> Iterator[Named]:
    """The last two of each of the 17 planes.  They stand for nothing, but UTF-8 spells them like all others."""
    for plane in range(17):
        for value in (plane << 16 | 0xFFFE, plane << 16 | 0xFFFF):
            yield f"U+{value:04X}, a noncharacter, at the end", f"z{chr(value)}".encode()


# --- What is not --------------------------------------------------------------------------------------------------

TOO_LONG = (2, 3, 4, 5, 6)
"""The sizes in which something shorter could be spelled."""


def invalid() -> list[Sequence]:
    """All 69."""
    return [
        *(found for found in _prefixes() if not is_valid(found.data)),
        *_numbered("6.8", *(_beyond("first", FIRST, size) for size in (5, 6))),
        *_numbered("6.10", *(_beyond("last", LAST, size) for size in (4, 5, 6))),
        *_numbered("6.11", (f"{TOP + 1:x}, the first beyond the last character", spelled(TOP + 1, 4)), start=5),
        *_numbered("6.12", *_stray_continuations()),
        *_numbered("6.13", *_lonely_starts()),
        *_numbered("6.14", *_cut_off()),
        *_numbered("6.15", ("all of those that lack a byte, in a row", b"".join(data for _, data in _cut_off()))),
        *_numbered("6.16", *_impossible()),
        *_numbered("6.17", *(_overlong("a dot", ord("."), size) for size in TOO_LONG)),
        *_numbered("6.18", *(_overlong(f"{LAST[size - 1]:x}", LAST[size - 1], size) for size in TOO_LONG)),
        *_numbered("6.19", *(_overlong("NUL", 0, size) for size in TOO_LONG)),
        *_numbered("6.20", *_surrogates()),
        *_numbered("6.21", *_pairs()),
    ]


def _beyond(which: str, values: dict[int, int], size: int) -> Named:
    return f"{values[size]:x}, the {which} value in {bytes_of(size)}", spelled(values[size], size)


def _stray_continuations() -> Iterator[Named]:
    """Continuation bytes that continue nothing: the ends of their range, several in a row, all of them: eight."""
    yield "the continuation byte 80 alone", b"\x80"
    yield "the continuation byte bf alone", b"\xbf"
    for several in (2, 3, 4, 5, 6):
        yield f"{several} continuation bytes alone", bytes([0x80, 0xBF] * 3)[:several]
    yield "all continuation bytes alone", bytes(range(0x80, 0xC0))


def _lonely_starts() -> Iterator[Named]:
    """The bytes that begin a sequence, each with a blank behind it: those for 2 bytes, for 3, 4, 5 and 6: five."""
    for size in TOO_LONG:
        first = 0xFF00 >> size & 0xFF
        starts = range(first, first + (1 << 7 - size))
        yield f"the first bytes of {bytes_of(size)}, and blanks", b"".join(bytes([start]) + b" " for start in starts)


def _cut_off() -> list[Named]:
    """The first and the last value of each size, without their last byte: ten."""
    ends = [("first", FIRST, size) for size in TOO_LONG] + [("last", LAST | {4: TOP}, size) for size in TOO_LONG]
    return [
        (f"the {which} of {bytes_of(size)}, the last byte missing", spelled(values[size], size)[:-1])
        for which, values, size in ends
    ]


def _impossible() -> Iterator[Named]:
    """The two bytes that are in no pattern."""
    yield "the byte fe", b"\xfe"
    yield "the byte ff", b"\xff"
    yield "the bytes fe and ff, twice each", b"\xfe\xfe\xff\xff"


def _overlong(name: str, value: int, size: int) -> Named:
    return f"{name} in {bytes_of(size)}", spelled(value, size)


def _surrogates() -> Iterator[Named]:
    """One alone: the ends of the three ranges, and one as text that was cut in two leaves it behind: seven."""
    for value in (HIGH, PRIVATE - 1, PRIVATE, LOW - 1, LOW):
        yield f"the surrogate {value:x} alone", spelled(value, 3)
    yield "the surrogate de00 alone, half of an emoji", spelled(0xDE00, 3)
    yield f"the surrogate {ABOVE - 1:x} alone", spelled(ABOVE - 1, 3)


def _pairs() -> Iterator[Named]:
    """A high one and a low one, as UTF-16 has them, each in three bytes: the ends of the ranges: eight."""
    for high in (HIGH, PRIVATE - 1, PRIVATE, LOW - 1):
        for low in (LOW, ABOVE - 1):
            yield f"the surrogates {high:x} and {low:x}", spelled(high, 3) + spelled(low, 3)
