"""Ways to say things that cases on several pages need: cut for certain, and without end."""

import asyncio
from collections.abc import Iterable

from rawws.conformance.heard import Close, End, Heard, Nothing, Pong
from rawws.conformance.inflating import grants
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Skip, Wrong
from rawws.conformance.wire import CONTINUATION, TEXT
from rawws.core.deflate import NAME
from rawws.core.frames import RSV1
from rawws.core.headers import read_extensions
from rawws.core.settings import Role


async def agree_on(peer: Peer, parameters: str, *others: str) -> None:
    """Open the connection with permessage-deflate on these terms, or on the next ones if they are declined.

    Raises:
        Skip: all are declined.
        Wrong: a server accepts, but does not grant what was asked for.
    """
    text = ", ".join(NAME + parameter for parameter in (parameters, *others))
    await peer.open(text)
    assert peer.terms is not None
    if peer.role is Role.CLIENT and not grants(peer.terms.extension, read_extensions(text.encode())):
        raise Wrong(f"an answer that grants {text}, or declines", peer.transcript.agreed)


FLOOD = 4
"""A flood may take so many times what one reply may; a target that is neither through then nor has said no, hangs."""


def room_for(peer: Peer, size: int) -> None:
    """Skip the case if messages of this size are more than the target takes."""
    if peer.declared.max_size is not None and size > peer.declared.max_size:
        raise Skip(f"it takes messages of {peer.declared.max_size:,} bytes, and these have {size:,}")


async def in_two(peer: Peer, frame: bytes, place: int) -> None:
    """Say the first `place` octets of a frame, and the rest when it is certain that they were read by themselves.

    A message stands in front of them: when its echo is there, what came with it has been read.
    """
    await peer.write(peer.text("cut here") + frame[:place])
    await peer.echoes("cut here")
    await peer.write(frame[place:])


async def in_any_order(peer: Peer, *wanted: Heard) -> list[Heard]:
    """These things come, in whatever order, and nothing between them; in the order in which they came."""
    left = list(wanted)
    came = []
    while left:
        heard = await peer.hear()
        if heard not in left:
            raise Wrong(" and ".join(map(str, left)), str(heard))
        left.remove(heard)
        came.append(heard)
    return came


async def with_pongs(peer: Peer, pings: int, *wanted: Heard) -> None:
    """These things come, in this order, and among them the answers to so many pings, "0", "1" and so on.

    5.5.3: of several pings only the latest has to be answered.
    """
    left: list[Heard] = [Pong(str(number).encode()) for number in range(pings)]
    things = list(wanted)
    while left or things:
        heard = await peer.hear()
        if things and heard == things[0]:
            del things[0]
        elif heard in left:
            del left[: left.index(heard) + 1]
        else:
            raise Wrong(", then ".join(map(str, [*left[-1:], *things])), str(heard))


def compressed(peer: Peer, *payloads: bytes, opcode: int = TEXT) -> list[bytes]:
    """The frames of one message whose compressed payload is cut like this."""
    last = len(payloads) - 1
    return [
        peer.frame(CONTINUATION if place else opcode, payload, fin=place == last, rsv=0 if place else RSV1)
        for place, payload in enumerate(payloads)
    ]


async def flood(peer: Peer, parts: Iterable[bytes]) -> Heard:
    """Say all these parts, whatever the target does meanwhile, and a ping with "over" behind them.

    Returns:
        What the target said first of: something other than a Pong, or the Pong that shows that all was read; Nothing
        if it said neither in time.
    """

    async def pour() -> None:
        for part in parts:
            await peer.write(part)
            await asyncio.sleep(0)
        await peer.write(peer.ping("over"))

    loop = asyncio.get_running_loop()
    seconds = FLOOD * peer.patience.reply
    deadline = loop.time() + seconds
    pouring = loop.create_task(pour())
    try:
        while isinstance(heard := await peer.hear(max(0.0, deadline - loop.time())), Pong):
            if heard == Pong(b"over"):
                break
        return Nothing(seconds) if isinstance(heard, Nothing) else heard
    finally:
        pouring.cancel()
        await asyncio.wait([pouring])


async def gave_up(peer: Peer, heard: Heard) -> bool:
    """Whether what was heard is an end of the connection; it is then brought to its end, and noted."""
    if not isinstance(heard, (Close, End)):
        return False
    peer.note(f"it ended with {Close(heard.code)}" if isinstance(heard, Close) else f"it hung up ({heard.how})")
    if isinstance(heard, Close):
        await peer.part()
    return True
