"""What cases about closing ask again and again: was a Close accepted, was it refused, what came behind the answer?"""

from collections.abc import Iterator
from itertools import dropwhile
from typing import Any

from rawws.conformance.heard import Close, End, Heard, Nothing, Pong
from rawws.conformance.peer import Peer
from rawws.conformance.transcript import Seen, Transcript
from rawws.conformance.verdict import Wrong
from rawws.core.frames import CloseCode, Opcode, is_control

NORMAL, GOING_AWAY = CloseCode.NORMAL, CloseCode.GOING_AWAY


async def accepted(peer: Peer, code: int | None = NORMAL) -> None:
    """Our Close is answered with its code, with 1000 or with none.

    5.5.1: "When sending a Close frame in response, the endpoint typically echos the status code it received."  It does
    not have to; but another code than these would tell of an error.
    """
    await peer.closes(*dict.fromkeys((code, int(NORMAL), None)))


async def refused(peer: Peer, payload: bytes, *codes: int, **shape: Any) -> None:
    """A Close with this payload is a violation: it is answered with an error, or with the end of TCP.

    Args:
        peer: says it.
        payload: of the Close.
        codes: those that tell what is wrong, for the report (7.1.7/1): the code is only a SHOULD.
        shape: of its frame, as for `wire.frame`.
    """
    expected = f"a failed connection: a Close with {' or '.join(map(str, codes))}, or the end of TCP"
    probe = peer.random.randbytes(4).hex().encode()
    await peer.send(peer.frame(Opcode.CLOSE, payload, **shape), peer.ping(probe))
    heard = await peer.hear()
    if heard == Pong(probe):
        raise Wrong(expected, "the Close was ignored: a ping behind it was answered")
    if isinstance(heard, Close):
        # One with no code tells neither that ours was taken nor that it was not: it passes.
        if heard.code in (NORMAL, GOING_AWAY, int.from_bytes(payload[:2], "big")):
            raise Wrong(expected, f"{heard}, as if nothing were wrong")
        await peer.part()
    elif not isinstance(heard, End):
        raise Wrong(expected, str(heard))
    peer.transcript.violated = ", ".join(map(str, codes))


async def until_end(peer: Peer, seconds: float | None = None) -> list[Heard]:
    """Everything that the target says: last the end of TCP, or `Nothing` if so many seconds pass in silence."""
    heard = [await peer.hear(seconds)]
    while not isinstance(heard[-1], (End, Nothing)):
        heard.append(await peer.hear(seconds))
    return heard


def code_of(payload: bytes) -> int | None:
    """The code in the payload of a Close; None if there is none."""
    return int.from_bytes(payload[:2], "big") if len(payload) > 1 else None


def closes_in(transcript: Transcript) -> list[Seen]:
    """The Close frames of the target."""
    return [frame for frame in transcript.frames if frame.header.opcode == Opcode.CLOSE]


def frames_behind_close(transcript: Transcript) -> list[Seen]:
    """What the target sent behind its first Close."""
    return list(dropwhile(lambda frame: frame.header.opcode != Opcode.CLOSE, transcript.frames))[1:]


def wrong_behind_close(transcript: Transcript) -> Iterator[str]:
    """What the target sent behind its Close and may not: data, or one more Close."""
    for frame in frames_behind_close(transcript):
        if frame.header.opcode == Opcode.CLOSE:
            yield "a second Close"
        elif not is_control(frame.header.opcode):
            yield f"data behind its Close: a frame with opcode {frame.header.opcode}"
