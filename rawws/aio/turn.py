"""A turn of a loop in which something is sent to many: the first message goes out at once, what follows together.

Whoever broadcasts once in a turn is not kept waiting; whoever does it many times, since many messages came, pays for
one write to each connection in place of many.

To send to thousands takes longer than one task may have the loop for itself (`FAIR_TIME`), so a burst lasts for some
turns.  While something is sent to many in each of them, a few count as one.
"""

import asyncio
from typing import Protocol

from rawws.aio.apart import Droppable, do_apart

MOST_TURNS = 4
"""So many turns of the loop count as one, if it goes on for so long."""


class Late(Droppable, Protocol):
    """A connection that has gathered what follows."""

    def flush_if_due(self) -> None:
        """Send it, unless that was done."""


class Turn:
    """The turn that a loop is in."""

    def __init__(self) -> None:
        self.is_on = False
        """Something was sent to many in it: what comes now is gathered."""
        self.late: list[Late] = []
        self._goes_on = False  # more was sent since the turn of the loop began
        self._turns = 0  # of the loop, that it has lasted for

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Something was sent to many."""
        if self.is_on:
            self._goes_on = True
        else:
            self.is_on, self._turns = True, 0
            loop.call_soon(self._end, loop)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        self._turns += 1
        if self._goes_on and self._turns < MOST_TURNS:
            self._goes_on = False
            loop.call_soon(self._end, loop)
            return
        self.is_on = self._goes_on = False
        late, self.late = self.late, []
        for ws in late:
            # What it was sent has a hole, if this fails.
            do_apart(ws.flush_if_due, ws, "what was sent to many could not be written", loop)
