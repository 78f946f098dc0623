"""What all connections of one loop share."""

import asyncio
from typing import NamedTuple
from weakref import WeakKeyDictionary

from rawws.aio.alarms import Alarms
from rawws.aio.reads import new_buffers
from rawws.aio.turn import Turn


class Shared(NamedTuple):
    """It is looked up once for each connection."""

    buffers: tuple[memoryview, ...]
    turn: Turn
    alarms: Alarms


# None of them may hold the loop, nor a connection, which does: nothing would ever let go of it.
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, Shared] = WeakKeyDictionary()


def shared_by(loop: asyncio.AbstractEventLoop) -> Shared:
    """That of this loop."""
    shared = _shared.get(loop)
    if shared is None:
        shared = _shared[loop] = Shared(new_buffers(), Turn(), Alarms())
    return shared
