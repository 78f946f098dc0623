"""RFC 6455 section 5.1: a client masks every frame, and a server none.

Section 5.3, how it is done, has a page of its own.
"""

from collections.abc import Iterator

from rawws.conformance.case import CLIENT, MUST, SERVER, family
from rawws.conformance.closing import refused
from rawws.conformance.passive import passive
from rawws.conformance.peer import Peer
from rawws.conformance.transcript import Transcript
from rawws.conformance.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_body
from rawws.core import rules
from rawws.core.settings import Role

_FRAMES = {
    "text": (TEXT, b"Hello"),
    "empty text": (TEXT, b""),
    "binary": (BINARY, b"\x00\xff"),
    "a continuation": (CONTINUATION, b"two"),
    "a ping": (PING, b"ping"),
    "a pong": (PONG, b"pong"),
    "a Close": (CLOSE, close_body(1000)),
}


@family("6455/5.1/1", MUST, rules.MASK_MISSING, _FRAMES, roles=SERVER)
async def unmasked(peer: Peer, opcode: int, payload: bytes) -> None:
    """A server fails the connection at a frame that is not masked."""
    await _fails_at(peer, opcode, payload, None)


@family("6455/5.1/2", MUST, rules.MASK_UNEXPECTED, _FRAMES, roles=CLIENT)
async def masked(peer: Peer, opcode: int, payload: bytes) -> None:
    """A client fails the connection at a frame that is masked."""
    await _fails_at(peer, opcode, payload, peer.random.randbytes(4))


async def _fails_at(peer: Peer, opcode: int, payload: bytes, key: bytes | None) -> None:
    if opcode == CLOSE:
        return await refused(peer, payload, 1002, key=key)
    before = peer.text("one", fin=False) if opcode == CONTINUATION else b""
    await peer.send(before, peer.frame(opcode, payload, key=key))
    return await peer.fails(1002)


@passive("6455/5.1/3", MUST, rules.MASK_UNEXPECTED, roles=SERVER)
def server_masks_nothing(transcript: Transcript, target: Role) -> Iterator[str]:
    """A server masks no frame."""
    for frame in transcript.frames:
        if frame.header.key is not None:
            yield f"a masked frame with opcode {frame.header.opcode}"


@passive("6455/5.1/4", MUST, rules.MASK_MISSING, roles=CLIENT)
def client_masks_everything(transcript: Transcript, target: Role) -> Iterator[str]:
    """A client masks every frame, Pong and Close too."""
    for frame in transcript.frames:
        if frame.header.key is None:
            yield f"a frame with opcode {frame.header.opcode} that is not masked"
