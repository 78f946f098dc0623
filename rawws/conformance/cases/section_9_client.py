"""RFC 6455 section 9.1: negotiating extensions.  Of a client."""

from rawws.conformance.case import CLIENT, MUST, family
from rawws.conformance.peer import Peer
from rawws.conformance.wire import TEXT
from rawws.core import rules
from rawws.core.deflate import Deflate, DeflateTerms
from rawws.core.frames import RSV1
from rawws.core.settings import Role


@family(
    "6455/9.1/2",
    MUST,
    rules.RESERVED_BITS,
    {"RSV1 on a plain message": False, "a compressed message": True},
    roles=CLIENT,
)
async def unasked(peer: Peer, compressed: bool) -> None:
    """An extension that the server did not accept is not in use, whatever the client has offered."""
    payload = b"Hello"
    if compressed:
        payload = DeflateTerms(wish=Deflate()).compressor(Role.SERVER).compress(payload * 100, True)
    await peer.send(peer.frame(TEXT, payload, rsv=RSV1))
    await peer.fails(1002)
