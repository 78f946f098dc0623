"""How much a turn of the loop reads from one connection, and where it goes.

In 64 KiB there may be one message, or ten thousand Pings, and others on the loop wait for all that is made of them.  So
a full read that was dealt with quickly is followed by a longer one, and one that took long by a shorter one.
"""

SIZES = (4 * 1024, 16 * 1024, 64 * 1024)
FIRST = 1
"""Which of the sizes a connection begins with."""
QUICK, LONG = 0.002, 0.01
"""Seconds that a read took, at most and at least."""


def new_buffers() -> tuple[memoryview, ...]:
    """Where reads of each size go: one buffer, and its beginnings.

    All connections of a loop share it: what is read into it is taken out before anything else can happen there.
    """
    whole = memoryview(bytearray(SIZES[-1]))
    return tuple(whole[:size] for size in SIZES)


def after(read: int, took: float) -> int:
    """Which size is next after one of this size was full, and took so many seconds."""
    if took < QUICK:
        return min(read + 1, len(SIZES) - 1)
    return max(read - 1, 0) if took > LONG else read
