"""Waking a task at once, in place of in the next turn of the loop.

A future that gets its result asks the loop to call the task that waits for it when it comes round: a turn that costs
more than all that a short message costs besides.  Here the task's own callback is taken from the future and called on
the spot, in the task's context; to the task it is the same.  It must not happen while another task is running, for
tasks do not run within each other, and it happens only where it is known to be right.
"""

import asyncio
import os
import sys
from collections.abc import Callable

Waiter = asyncio.Future[None]

_TASKS = (asyncio.Task, asyncio.tasks._PyTask)  # type: ignore[attr-defined]
_KNOWN = sys.implementation.name == "cpython" and sys.version_info[:2] in ((3, 11), (3, 12), (3, 13))
_WISHED = os.environ.get("RAWWS_EAGER", "1") != "0"

# In 3.11 `asyncio.current_task` is written in Python; this is what it looks into.
_current_task: Callable[[asyncio.AbstractEventLoop], object] = (
    asyncio.tasks._current_tasks.get if sys.version_info < (3, 12) else asyncio.current_task  # type: ignore[attr-defined]
)


def may_wake_at_once(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether tasks of this loop can be woken at once: asyncio's on sockets and uvloop, under a Python that is known.

    `RAWWS_EAGER=0` in the environment says no.
    """
    known_loop = isinstance(loop, asyncio.SelectorEventLoop) or type(loop).__module__.partition(".")[0] == "uvloop"
    return _KNOWN and _WISHED and known_loop


def wake_at_once(waiter: Waiter, loop: asyncio.AbstractEventLoop) -> bool:
    """Give `waiter` its result, and let the task that waits for it run until it waits again; whether it did.

    If it did not, it will run in the next turn: a task is running, or it is no task of asyncio that waits.
    """
    callbacks = waiter._callbacks
    if callbacks and len(callbacks) == 1 and _current_task(loop) is None:
        callback, context = callbacks[0]
        if isinstance(getattr(callback, "__self__", None), _TASKS):
            waiter.remove_done_callback(callback)
            waiter.set_result(None)
            try:
                context.run(callback, waiter)
            except RuntimeError:  # We are in that context ourselves, and nobody can be in there twice.
                loop.call_soon(callback, waiter, context=context)
                return False
            return True
    waiter.set_result(None)
    return False
