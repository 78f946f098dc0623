"""What a connection tells: a message is a plain `str` or `bytes`, and everything else is one of the values below.

    for event in connection.events():
        match event:
            case str() as text: ...
            case bytes() as data: ...
            case Ping(payload): ...          # already answered
            case Closed(code, reason): ...   # exactly once, and last

What the opening handshake tells besides, `http1` says.
"""

from typing import Literal, NamedTuple, TypeAlias

from rawws.core.errors import RemoteProtocolError


class Chunk(NamedTuple):
    """A piece of a message, as it came: part of a frame, a frame, or the rest of one (`stream=True`)."""

    data: str | bytes
    """`str` in a text message, never cut inside a character; `bytes` in a binary one.  May be empty."""
    first: bool
    """It begins a message."""
    last: bool
    """It ends the message."""


class Ping(NamedTuple):
    """The peer asks for a Pong (section 5.5.2).  It is answered already, unless `auto_pong` is off."""

    payload: bytes


class Pong(NamedTuple):
    """An answer to a Ping of ours, or a sign of life that nobody asked for (section 5.5.3)."""

    payload: bytes


class Closed(NamedTuple):
    """The end: exactly once, and the last event (section 7.1.5)."""

    code: int
    """The code in the peer's Close frame; 1005 if it carried none; 1006 if none came.  After an `error`, or when this
    side gave up with `fail`, the code of that."""
    reason: str
    """The text beside it, for people."""
    by: Literal["peer", "local", "error", "lost"]
    """Who ended it: the peer's Close came first, or ours; the peer broke a rule; TCP ended with no Close."""
    error: RemoteProtocolError | None = None
    """The rule that the peer broke, and where, if `by` is "error"."""


class Opening:
    """Something that the opening handshake tells; what, `http1` says."""

    __slots__ = ()


Event: TypeAlias = str | bytes | Chunk | Ping | Pong | Opening | Closed
