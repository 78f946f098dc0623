"""The page that `explain` and `demo` print: an offset, the bytes, and what they mean.

    0  81            1... ....   FIN: the only frame of its message
                     .000 ....   RSV1 to RSV3: no extension is used
offset bytes              bits   meaning
"""

from collections.abc import Iterable, Iterator
from textwrap import TextWrapper
from typing import NamedTuple

from rawws.cli.terminal import Piece

BYTES_IN_ROW = 8
_OFFSET, _BYTES = 7, BYTES_IN_ROW * 3 - 1
_MARGIN = _OFFSET + 2 + _BYTES + 3


class Row(NamedTuple):
    """One row."""

    offset: int | None
    """None: it explains the bytes above."""
    data: str
    """Hex."""
    meaning: str
    style: str = ""
    """A name of `STYLES` for the meaning."""
    bits: str = ""


class Note(NamedTuple):
    """A sentence below a line or a frame."""

    text: str
    style: str = "quiet"
    mark: str = ""


class Title(NamedTuple):
    """What begins here."""

    pieces: tuple[Piece, ...]


class Heading(NamedTuple):
    """A new part of the page."""

    text: str


class Prose(NamedTuple):
    """A paragraph."""

    text: str


class Text(NamedTuple):
    """A line of HTTP, as it travels."""

    offset: int
    line: str
    style: str


Item = Row | Note | Title | Text | Heading | Prose


def lay(items: Iterable[Item], width: int) -> Iterator[list[Piece]]:
    """The lines of a page of that many columns."""
    for item in items:
        match item:
            case Row():
                yield from _row(item, width)
            case Note():
                yield from _note(item, width)
            case Title():
                yield list(item.pieces)
            case Heading(text):
                yield [(f"── {text} {'─' * (width - len(text) - 4)}", "title")]
            case Prose(text):
                for line in _wrapped(text, min(width, 90)):
                    yield [line]
            case Text():
                yield [(f"{item.offset:{_OFFSET}}{'  ' if item.line else ''}", "quiet"), (item.line, item.style)]


def _row(row: Row, width: int) -> Iterator[list[Piece]]:
    offset = "" if row.offset is None else str(row.offset)
    left = row.data if not row.bits else f"{row.data:{_BYTES - len(row.bits)}}{row.bits}"
    for index, line in enumerate(_wrapped(row.meaning, width - _MARGIN) or [""]):
        meaning: Piece = (line, row.style) if row.style else line
        if index:
            yield [" " * _MARGIN, meaning]
        else:
            yield [(f"{offset:>{_OFFSET}}  ", "quiet"), f"{left:{_BYTES}}   " if line else left, meaning]


def _note(note: Note, width: int) -> Iterator[list[Piece]]:
    margin = " " * (_OFFSET + 2)
    for index, line in enumerate(_wrapped(note.text, width - len(margin) - 4)):
        mark = f"{note.mark if index == 0 else '':4}" if note.mark else "    "
        yield [margin, (mark + line, note.style)]


def _wrapped(text: str, width: int) -> list[str]:
    return TextWrapper(width, break_on_hyphens=False).wrap(text)
