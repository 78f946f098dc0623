"""What is done for one connection of many: what goes wrong with it is no matter of the others."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol


class Droppable(Protocol):
    """A connection."""

    def abort(self) -> None:
        """Drop the TCP connection."""


def do_apart(what: Callable[[], object], ws: Droppable, failure: str, loop: asyncio.AbstractEventLoop) -> None:
    """Do it; if it raises, tell the exception handler of the loop with the words of `failure`, and drop `ws`."""
    try:
        what()
    except Exception as error:
        loop.call_exception_handler({"message": failure, "exception": error, "protocol": ws})
        with suppress(Exception):
            ws.abort()
