"""The clock that a loop goes by.  Most loops go by the system's, and asking that takes half the time of asking them.

uvloop looks at it once in a turn; here every look counts, so that what took long is known to have taken long.
"""

import asyncio
from collections.abc import Callable
from time import monotonic


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """What to call for the time, in seconds, that `loop.call_at` means."""
    kind = type(loop)
    is_the_system_s = getattr(kind, "time", None) is asyncio.BaseEventLoop.time
    return monotonic if is_the_system_s or kind.__module__.partition(".")[0] == "uvloop" else loop.time
