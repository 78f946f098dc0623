"""What every server that is measured does: say where it listens, and serve until its input ends."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

HOST = "127.0.0.1"
LARGEST = 16 * 1024 * 1024
"""Messages may be as long as this."""
CROWD = 12_000
"""So many connections may be open at once, where a server wants to know."""


def say(port: int, *more: str) -> None:
    """Tell who started this process where the server listens."""
    print(port, *more, flush=True)


async def until_input_ends() -> None:
    """Wait until whoever started this process closes the pipe, or is gone."""
    await asyncio.to_thread(sys.stdin.read)


def run(main: Callable[[], Coroutine[Any, Any, None] | None], loop: str = "asyncio") -> None:
    """Run it: a function that blocks, or a coroutine in an event loop of that kind."""
    started = main()
    if started is None:
        return
    if loop == "uvloop":
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(started)
    else:
        asyncio.run(started)
