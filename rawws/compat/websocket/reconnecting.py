"""How long to wait before connecting again."""

import os
from collections.abc import Iterable
from itertools import repeat
from time import monotonic
from typing import TypeAlias

from rawws.backoff import Attempts, Backoff

Reconnect: TypeAlias = float | Iterable[float] | Backoff | None
"""Seconds, the same each time, 0 for no reconnecting; or all of them, one after the other; or a `rawws.Backoff`."""

_default: list[float] = [0]


def set_reconnect(reconnectInterval: float) -> None:
    """How many seconds `run_forever` waits before it connects again, unless it is told; 0 for no reconnecting."""
    _default[0] = reconnectInterval


class Pauses:
    """The pauses of one `run_forever`, between its connections."""

    def __init__(self, reconnect: Reconnect) -> None:
        wanted = _default[0] if reconnect is None else reconnect
        self._attempts: Attempts | None = None
        if isinstance(wanted, Backoff):
            self._attempts = Attempts(wanted, None, os.urandom)
            self._attempts.next_delay(monotonic())  # That of the very first attempt is nothing.
        elif isinstance(wanted, Iterable):
            self._series: Iterable[float] = wanted
        else:
            self._series = repeat(wanted) if wanted else ()
        self.opened()

    def opened(self) -> None:
        """A connection is open.  What follows its end begins anew; with a `Backoff`, if it lives for a while."""
        if self._attempts is None:
            self._left = iter(self._series)
        else:
            self._attempts.opened(monotonic())

    def next(self) -> float | None:
        """How long to wait now; None if there is to be no other connection."""
        return next(self._left, None) if self._attempts is None else self._attempts.next_delay(monotonic())
