"""What a session is given and what it gives: how long to wait and how much to hold, what to do, and how it ended.

These are values only; what is done with them is in `session`.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from rawws.core.events import Closed
from rawws.core.frames import CloseCode

TIMES = ("opening", "ping_interval", "ping_timeout", "writing", "closing")
"""The times in `Patience`."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a session waits, in seconds, and how much it holds, in bytes.  None for a time means for ever.

    Attributes:
        opening: for the whole opening handshake, from its first byte to its last.
        ping_interval: between two keepalive Pings.
        ping_timeout: for a sign of life after a Ping; then the connection is failed with 1011.
        writing: for the kernel to take a byte of what waits to be sent; then the connection is dropped.
        closing: for the application to take what came before the end, a fifth of it if it has been given all that, then
            once more for the peer to answer our Close and hang up; then the connection is dropped.
        linger: how much of what comes after the end is thrown away before the connection is dropped.
        write_high: above this much waiting to be sent, an application should wait before it sends more; when as much
            again is queued nevertheless, by answers to Pings for instance, nothing is read.
        write_low: both last until no more than this waits.
        receive_high: with messages of this much waiting for the application, nothing is read.

    Raises:
        ValueError: a time is below 0, not finite, or a `ping_interval` of 0.
    """

    opening: float | None = 10.0
    ping_interval: float | None = 20.0
    ping_timeout: float | None = 20.0
    writing: float | None = 30.0
    closing: float | None = 5.0
    linger: int = 2**20
    write_high: int = 64 * 1024
    write_low: int = 16 * 1024
    receive_high: int = 64 * 1024

    def __post_init__(self) -> None:
        for name in TIMES:
            seconds = getattr(self, name)
            if seconds is not None and not 0 <= seconds < inf:
                raise ValueError(f"{name} is a number of seconds, or None for no such time, not {seconds}")
        if self.ping_interval == 0:
            raise ValueError("ping_interval is over 0, or None for no Pings")


OPEN_BY = 0
"""When the opening handshake is to be done.  This and what follows are places in a session's list of times."""
PING_AT = 1
"""When a Ping is to be sent."""
PONG_BY = 2
"""When a sign of life is to come."""
WRITE_BY = 3
"""When the kernel is to take something."""
CLOSE_BY = 4
"""When the closing handshake is to be done."""
GO_ON_AT = 5
"""When to read on, if there was too much to be read in one turn: at once, but others come first."""
DEADLINES = 6
"""So many places there are."""

NEVER = inf
"""The time of what is not waited for."""


class Todo(NamedTuple):
    """What a transport has to do now, in this order."""

    send: bytes
    """To the peer; may be empty."""
    hang_up: bool
    """End our half of the TCP connection once all is sent; what still comes is thrown away, and its end closes it."""
    drop: bool
    """It is over: end the TCP connection now, whatever waits to be sent."""
    read: bool
    """False while the application or the peer is behind: leave the bytes in the kernel, and TCP slows the peer down."""
    wake_at: float | None
    """Call `wake` at this time, if nothing happens before."""


_WHO = {
    "peer": "closed by the peer",
    "local": "closed here",
    "error": "the peer broke a rule",
    "lost": "TCP ended with no Close frame",
}


class ConnectionClosed(Exception):
    """The connection has ended; everything that came before its end was delivered.

    Attributes:
        closed: how it ended.
    """

    def __init__(self, closed: Closed) -> None:
        super().__init__(closed)
        self.closed = closed

    @property
    def code(self) -> int:
        """The close code (section 7.1.5)."""
        return self.closed.code

    @property
    def reason(self) -> str:
        """The text beside it."""
        return self.closed.reason

    @property
    def clean(self) -> bool:
        """Whether both sides meant it: 1000, 1001, or a Close with no code."""
        return self.code in (CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.NO_CODE)

    def __str__(self) -> str:
        if self.closed.error is not None:
            return f"{self.code}: {self.closed.error}"
        return f"{self.code}{self.reason and ': '}{self.reason} ({_WHO[self.closed.by]})"
