"""When connections are to be woken: many of them by one timer of the loop.

Each connection has a time at which something is due, and nearly always it is over before, or the time is put off.  A
timer of its own would have to be made, ordered among all others, and cancelled, again and again.  So its time is put
off by a thirty-second of how far it is, at most, to one that many share; whoever goes only leaves the group.
"""

import asyncio
from math import ceil, frexp
from typing import Protocol, TypeAlias
from weakref import WeakValueDictionary

from rawws.aio.apart import Droppable, do_apart

FAIR_SHARE = 32
"""So many are woken in one turn of the loop; then others have theirs."""
SOONEST = 0.001
"""What is due in less, in seconds, is not earlier for it."""


class Sleeper(Droppable, Protocol):
    """A connection."""

    def wake(self) -> None:
        """The time has come."""


Group: TypeAlias = set[Sleeper]
"""Those who are woken together."""


class Alarms:
    """All of one loop."""

    def __init__(self) -> None:
        # Connections hold the loop, and this is held for as long as there is a loop.
        self._groups: WeakValueDictionary[float, Group] = WeakValueDictionary()

    def join(self, sleeper: Sleeper, when: float, now: float, loop: asyncio.AbstractEventLoop) -> Group:
        """Have it woken at `when` or soon after, never before; gives back the group, which it may leave."""
        _, exponent = frexp(max(when - now, SOONEST))
        step = 2.0 ** (exponent - 6)
        at = ceil(when / step) * step
        group = self._groups.get(at)
        if group is None:
            group = self._groups[at] = set()
            loop.call_at(at, self._ring, at, group, loop)
        group.add(sleeper)
        return group

    def _ring(self, at: float, group: Group, loop: asyncio.AbstractEventLoop) -> None:
        try:
            for _ in range(FAIR_SHARE):
                if not group:
                    break
                sleeper = group.pop()
                do_apart(sleeper.wake, sleeper, "what was due could not be done", loop)
        finally:  # Ctrl-C must not leave the others asleep for ever.
            if group:
                loop.call_soon(self._ring, at, group, loop)
            else:
                self._groups.pop(at, None)
