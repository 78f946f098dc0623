"""Sending to many with asyncio."""

import asyncio
from collections.abc import Iterable
from typing import TypeVar

from rawws.aio.carrier import Carrier, Data
from rawws.aio.loops import shared_by
from rawws.core.prepared import Prepared
from rawws.many import Slow, offer_to_all

Recipient = TypeVar("Recipient", bound=Carrier)


def broadcast(
    connections: Iterable[Recipient],
    message: Data,
    *,
    compress: bool | None = None,
    limit: int | None = None,
    slow: Slow = "close",
) -> set[Recipient]:
    """Send a message to many at once: encoded and compressed once, and nobody is waited for.

        members -= broadcast(members, "hello, everyone")

    A plain function, to be called in the loop of the connections.  What follows in the same turn of the loop goes out
    together at its end.  Where a message is being sent in fragments, this one follows behind it.

    Args:
        connections: as many as you like; a set that others change meanwhile is copied first.
        message: text for a `str`, binary for bytes.
        compress: whether to compress it where that was agreed on; None leaves it to its length.
        limit: how many bytes may wait to be sent on a connection already; None for its `write_limit` (64 KiB), and a
            quarter of that once there were more.
        slow: what becomes of a connection on which more waits: "close" closes it with 1008, so that nobody takes a
            stream with a hole for whole; "skip" leaves it out this time.

    Returns:
        Those that the message is not on its way to: too slow, or not open.

    Raises:
        TypeError: neither text nor bytes.  Nobody was sent anything, as with all errors but the last.
        LocalProtocolError: text that UTF-8 cannot say.
        ValueError: another word for `slow`.
        RuntimeError: called outside of the loop.
        ExceptionGroup: a connection failed in another way (a tap raised, say) and was dropped; all others were served.
    """
    loop = asyncio.get_running_loop()
    try:
        return offer_to_all(connections, Prepared(message, compress), limit, slow)
    finally:
        shared_by(loop).turn.begin(loop)
