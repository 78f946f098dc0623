"""What can be heard from a target, and how it is called in a sentence."""

from dataclasses import dataclass

SHOWN = 40
"""How much of a payload stands in a sentence."""


def shown(data: str | bytes) -> str:
    """A payload as it may stand in a sentence."""
    text = repr(data[:SHOWN])
    return (
        text if len(data) <= SHOWN else f"{text}… ({len(data):,} {'characters' if isinstance(data, str) else 'bytes'})"
    )


@dataclass(frozen=True)
class Text:
    """A text message; `data` is bytes if it is not UTF-8."""

    data: str | bytes

    def __str__(self) -> str:
        return f"text {shown(self.data)}"


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
        return f"Close {code}{' ' + shown(self.reason) if self.reason else ''}"


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
