"""What a room remembers: its last messages, numbered 1, 2, 3, … without a gap.

It is pure: no sockets, no clock.  Everybody is given messages in the order of their numbers, so "I have seen all up to
17" says exactly what somebody who comes back has missed.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

KEEP = 500
"""Messages that a room remembers."""
NEWCOMER = 50
"""Messages that are shown to who comes for the first time."""


@dataclass(frozen=True, slots=True)
class Message:
    """One that is stored: from now on it has its place."""

    seq: int
    id: str
    name: str
    text: str
    time: float
    """Seconds since 1970, on the clock of the server."""


class History:
    """The last messages of a room, in order."""

    def __init__(self, messages: Iterable[Message] = (), keep: int = KEEP) -> None:
        self._messages: deque[Message] = deque(messages, maxlen=keep)

    @property
    def last(self) -> int:
        """The number of the last message; 0 if there was none yet."""
        return self._messages[-1].seq if self._messages else 0

    def take(self, message: Message) -> bool:
        """Remember the next message; False if that was done before.

        Raises:
            ValueError: there is a gap before it.
        """
        if message.seq <= self.last:
            return False
        if self._messages and message.seq != self.last + 1:
            raise ValueError(f"message {message.seq} came after {self.last}")
        self._messages.append(message)
        return True

    def begin(self, seen: int | None) -> tuple[int, int]:
        """Where to go on for who has seen so much (None: nothing), and how many it has missed for good."""
        forgotten = self._messages[0].seq - 1 if self._messages else 0
        if seen is None:
            return max(self.last - NEWCOMER, forgotten), 0
        # Who comes from another process may have seen more than this one has heard of yet.
        return max(seen, forgotten), max(forgotten - seen, 0)

    def since(self, seen: int, most: int) -> list[Message]:
        """The next messages after a number, so many at the most; empty if there are none yet.

        If the very next one is forgotten, they begin later.
        """
        new = self.last - seen
        return [] if new <= 0 else list(self._messages)[-new:][:most]
