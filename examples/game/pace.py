"""When a tick is due, and how many messages are too many.  Times are in seconds, and whoever calls knows them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

GIVE_UP = 1.0
"""Seconds behind from which on ticks are left out: the machine slept, and nobody wants to see it all at once."""


class Beat:
    """Ticks that do not drift: each is due at a time that was clear from the start, however late the one before was."""

    def __init__(self, rate: float, now: float) -> None:
        self._step = 1 / rate
        self._start = now
        self._number = 1

    @property
    def due(self) -> float:
        """When the next tick is due."""
        return self._start + self._number * self._step

    def begin(self, now: float) -> float:
        """The next tick begins; how late it is."""
        late = max(0.0, now - self.due)
        if late > GIVE_UP:
            self._start, self._number = now, 0
        self._number += 1
        return late


async def ticks(rate: float) -> AsyncIterator[float]:
    """One turn of the loop for each tick, with how late it is."""
    now = asyncio.get_running_loop().time
    beat = Beat(rate, now())
    while True:
        await asyncio.sleep(beat.due - now())
        yield beat.begin(now())


@dataclass
class Allowance:
    """Who may do something `rate` times a second in the long run, and `left` times at once.  `at` is when it begins."""

    rate: float
    left: float
    at: float

    def __post_init__(self) -> None:
        self._most = self.left

    def spend(self, now: float) -> bool:
        """Do it once; whether one may."""
        self.left = min(self._most, self.left + (now - self.at) * self.rate) - 1
        self.at = now
        return self.left >= 0
