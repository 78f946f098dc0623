"""Sending to many: what `broadcast` does, whatever moves the bytes.

Nobody is waited for.  A connection that is too far behind to be given another message is left out or closed, and what
fails for one is no matter to the others.
"""

import contextlib
from collections.abc import Iterable
from typing import Literal, Protocol, TypeAlias, TypeVar

from rawws.core.frames import CloseCode
from rawws.core.prepared import Prepared
from rawws.core.states import State

Slow: TypeAlias = Literal["close", "skip"]
"""What becomes of who is too slow."""


class Recipient(Protocol):
    """A `WebSocket`."""

    @property
    def state(self) -> State:
        """Where the connection stands."""

    def offer(self, message: Prepared, limit: int | None = None) -> bool:
        """Send it, unless the connection is not open or more than `limit` waits already; whether it is on its way."""

    def start_close(self, code: int, reason: str) -> None:
        """Begin to close, and do not wait for it."""

    def abort(self) -> None:
        """Drop the TCP connection."""


Recipients = TypeVar("Recipients", bound=Recipient)


def offer_to_all(
    connections: Iterable[Recipients], message: Prepared, limit: int | None, slow: Slow
) -> set[Recipients]:
    """Offer a message to each; those that it is not on its way to.

    Args:
        connections: those of one transport.
        message: the same for all.
        limit: how many bytes may wait for one already; None for its own `write_limit`.
        slow: whether who has more is closed with 1008, or only left out.

    Raises:
        ExceptionGroup: something else went wrong (in a tap, say), when all others were served; whose it was is dropped.
    """
    if slow not in ("close", "skip"):
        raise ValueError(f"who is slow can be closed or skipped ('close', 'skip'), not {slow!r}")
    missed: set[Recipients] = set()
    errors: list[Exception] = []
    for ws in list(connections):
        try:
            if not ws.offer(message, limit):
                missed.add(ws)
                if slow == "close" and ws.state is State.OPEN:
                    ws.start_close(CloseCode.POLICY_VIOLATION, "too slow")
        except Exception as error:
            errors.append(error)
            # What it was sent may have a hole by now.
            with contextlib.suppress(Exception):
                ws.abort()
    if errors:
        raise ExceptionGroup("not everybody could be sent to", errors)
    return missed
