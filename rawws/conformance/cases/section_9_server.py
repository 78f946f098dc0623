"""RFC 6455 section 9.1: negotiating extensions.  Of a server."""

from rawws.conformance.asking import DEFLATE, asks, needs_deflate, next_one, offered
from rawws.conformance.case import MUST
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Wrong

UNKNOWN = "x-nobody; a=1"


@asks(
    "6455/9.1/1",
    MUST,
    None,
    {
        "an unknown one": [[UNKNOWN]],
        "two unknown ones": [[f"{UNKNOWN}, x-nothing"]],
        "permessage-deflate in either of two fields": [[DEFLATE, UNKNOWN], [UNKNOWN, DEFLATE]],
        "permessage-deflate behind an unknown one": [[f"{UNKNOWN}, {DEFLATE}"]],
    },
)
async def offers(peer: Peer, lists: list[list[str]]) -> None:
    """An extension that is not known is passed over; it hides no other one, in the same field or in another."""
    is_known = DEFLATE in ", ".join(lists[0])
    if is_known:
        peer = await needs_deflate(peer)
    for number, fields in enumerate(lists):
        peer = await next_one(peer) if number else peer
        chosen = await offered(peer, *fields)
        if chosen.partition(";")[0].strip() != (DEFLATE if is_known else ""):
            expected = f"{DEFLATE}, as when it is offered alone" if is_known else "no extension in the answer"
            raise Wrong(expected, f"{chosen or 'none'}, in answer to {' and '.join(fields)}")
