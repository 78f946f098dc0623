"""What can be heard from a target, and how it is called in a sentence."""

import codecs
from dataclasses import dataclass

from rawws.records import printable

SHOWN = 40
"""How much of a payload stands in a sentence."""

LONGEST_LINE = 120
"""How much of a line of HTTP does, or of the reason in a Close: it is told in words what is wrong."""


def shown(data: str | bytes, most: int = SHOWN) -> str:
    r"""A payload as it may stand in a sentence: 'caf\xe9' where most of it is text, and in hex where it is not."""
    head = data[:most]
    if isinstance(head, str):
        text = f"'{printable(head.encode(errors='backslashreplace'))}'"
    elif _reads(head):
        # What is cut off in the midst of a character is not wrong.
        cut = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(head, final=len(data) <= most)
        text = f"'{printable(cut.encode())}'"
    else:
        text = head[: most // 2].hex(" ")
    return (
        text if len(data) <= most else f"{text}… ({len(data):,} {'characters' if isinstance(data, str) else 'bytes'})"
    )


def _reads(data: bytes) -> bool:
    """Whether three fifths of it at least are text: of random bytes hardly ever so many are."""
    characters = data.decode(errors="replace")
    readable = sum(character.isprintable() and character != "\ufffd" for character in characters)
    return 5 * readable >= 3 * len(characters)


def quoted(data: bytes | None) -> str:
    """A line of HTTP, or the value of a field, as it may stand in a sentence; None: the field is not there."""
    return "no such field" if data is None else shown(data, LONGEST_LINE)


@dataclass(frozen=True)
class Text:
    """A text message; `data` is bytes if it is not UTF-8."""

    data: str | bytes

    def __str__(self) -> str:
        return f"text {shown(self.data)}" + ("" if isinstance(self.data, str) else ", which is not UTF-8")


@dataclass(frozen=True)
class Binary:
    """A binary message."""

    data: bytes

    def __str__(self) -> str:
        return f"binary {shown(self.data)}"


@dataclass(frozen=True)
class Ping:
    """A Ping."""

    payload: bytes

    def __str__(self) -> str:
        return f"ping {shown(self.payload)}"


@dataclass(frozen=True)
class Pong:
    """A Pong."""

    payload: bytes

    def __str__(self) -> str:
        return f"pong {shown(self.payload)}"


@dataclass(frozen=True)
class Close:
    """A Close frame; no code: None."""

    code: int | None
    reason: bytes = b""

    def __str__(self) -> str:
        code = "with no code" if self.code is None else str(self.code)
        return f"Close {code}{' ' + shown(self.reason, LONGEST_LINE) if self.reason else ''}"


@dataclass(frozen=True)
class Garbage:
    """Something that is no legal sequence of frames."""

    what: str

    def __str__(self) -> str:
        return f"something illegal: {self.what}"


@dataclass(frozen=True)
class End:
    """The end of TCP."""

    how: str

    def __str__(self) -> str:
        return f"the end of the connection ({self.how})"


@dataclass(frozen=True)
class Nothing:
    """Nothing came in time."""

    seconds: float

    def __str__(self) -> str:
        return f"nothing within {self.seconds:g} s"


Heard = Text | Binary | Ping | Pong | Close | Garbage | End | Nothing
