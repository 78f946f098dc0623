"""How much a turn of the loop reads from one connection, and where it goes.

In 64 KiB there may be one message, or ten thousand Pings, and others on the loop wait for all that is made of them.  So
a full read that was dealt with quickly is followed by a longer one, and one that took long by a shorter one.

The longest reads are for those who are in the midst of long messages: of the last one, a read brings the beginning.
That is put in front of what is read next, where room is left for it, and the message is read as if it had come at once.
"""

from rawws.core.messages import MOST_WAITING

SIZES = (4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024)
FIRST = 1
"""Which of the sizes a connection begins with."""
MOST = 2
"""Which one is the largest for most connections; beyond it are those in the midst of long messages."""
ROOM = MOST_WAITING
"""In front of what is read."""
QUICK, LONG = 0.002, 0.01
"""Seconds that a read took, at most and at least."""


def new_buffers() -> tuple[memoryview, ...]:
    """Where reads of each size go: one buffer, and its beginnings.

    All connections of a loop share it: what is read into it is taken out before anything else can happen there.  The
    last one is the buffer itself, with the room in front.
    """
    whole = memoryview(bytearray(ROOM + SIZES[-1]))
    return (*(whole[ROOM : ROOM + size] for size in SIZES), whole)


def after(read: int, took: float, amid: bool) -> int:
    """Which size is next after one of this size was full, and took so many seconds.

    Args:
        read: which of the sizes it was.
        took: how long it took to deal with it.
        amid: it ended in the midst of a long message.
    """
    if took < QUICK:
        return min(read + 1, len(SIZES) - 1 if amid else MOST)
    return max(read - 1, 0) if took > LONG else read
