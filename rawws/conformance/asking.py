"""Asking a server to open a connection, and judging what it answers: what the cases of section 4 are made of.

    await refused(peer, peer.proper_ask().without("Host"))
    await opens(peer, peer.proper_ask().put("Connection", "keep-alive, Upgrade"))

A refusal is any answer of HTTP that is not a 101.  A 5xx is none where the fault is ours: it says that a server broke,
and what breaks it is not what it has understood and refused.
"""

from collections.abc import Callable, Collection
from functools import partial

from rawws.conformance.case import SERVER, Opening, family
from rawws.conformance.heard import End, quoted, shown
from rawws.conformance.http import Ask, Head
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Skip, Wrong

asks = partial(family, roles=SERVER, opening=Opening.RAW)
"""A family of requests to a server."""

Change = Callable[[Ask], object]
"""What makes of the proper request the one that a case is about."""

DEFLATE = "permessage-deflate"
EXTENSIONS = "Sec-WebSocket-Extensions"


# --- Refused --------------------------------------------------------------------------------------------------------


async def refused(
    peer: Peer, ask: Ask, *, also: Collection[int] = (), or_drop: bool = False, instead: Collection[str] = ()
) -> Head | None:
    """Ask, and be refused; the answer, None if there was none.

    Args:
        also: which 5xx are right as well.
        or_drop: TCP may end with no answer at all.
        instead: protocols that the server may change to, as it was asked to.

    Raises:
        Wrong: the server opens the connection, or breaks, or does nothing.
    """
    await peer.write(bytes(ask))
    return await refusal(peer, also=also, or_drop=or_drop, instead=instead)


async def refusal(
    peer: Peer, *, also: Collection[int] = (), or_drop: bool = False, instead: Collection[str] = ()
) -> Head | None:
    """The same of a request that was written already."""
    expected = "an answer that refuses, such as 400" + (", or the end of the connection" if or_drop else "")
    answer = await peer.head()
    if isinstance(answer, End) and or_drop:
        peer.note("hung up with no answer")
        return None
    if not isinstance(answer, Head):
        raise Wrong(expected, await _ending(peer, str(answer)))
    if answer.status is None:
        raise Wrong(expected, f"no HTTP: {quoted(answer.first)}")
    if answer.status == 101 and (answer.get("upgrade") or b"").decode("latin-1") in instead:
        peer.note(f"it changes to {' or '.join(instead)}")
        return answer
    if answer.status < 200:
        raise Wrong(expected, f"{quoted(answer.first)}: it was accepted")
    if answer.status >= 500 and answer.status not in also:
        raise Wrong(expected, f"{quoted(answer.first)}: the fault is said to be the server's")
    return answer


async def _ending(peer: Peer, what: str) -> str:
    """What came, with the bytes before it that make no head of HTTP."""
    stray = await peer.rest(0)
    return f"{shown(stray)}, and then {what}" if stray else what


# --- Accepted -------------------------------------------------------------------------------------------------------


async def opens(peer: Peer, ask: Ask) -> Head:
    """Ask, be accepted, and see a message come back.

    Raises:
        Wrong: one of these does not happen.
    """
    await peer.write(bytes(ask))
    answer = await peer.accepted(ask)
    await works(peer)
    return answer


async def works(peer: Peer) -> None:
    """The connection carries messages both ways; compressed ones if that was agreed on, and twice the same."""
    await peer.send(peer.text("Hello"))
    await peer.echoes("Hello")
    if peer.terms is not None:
        long = "as was agreed on, " * 40
        compressor = peer.terms.compressor(peer.role)
        for _ in range(2):
            await peer.send(peer.text(compressor.compress(long.encode(), True), rsv=4))
            await peer.echoes(long)


# --- Extensions -----------------------------------------------------------------------------------------------------


async def offered(peer: Peer, *offers: str) -> str:
    """Ask with these values of Sec-WebSocket-Extensions, see that the connection works, and say what was chosen."""
    answer = await opens(peer, peer.proper_ask().put(EXTENSIONS, *offers))
    return (answer.get(EXTENSIONS.lower()) or b"").decode("latin-1")


async def needs_deflate(peer: Peer, offer: str = DEFLATE) -> Peer:
    """Skip the case if the target does not accept this offer when it comes alone; the next connection if it does."""
    unless_declared_without(peer)
    if not await offered(peer, offer):
        raise Skip(f"the server declines {offer}")
    return await next_one(peer)


async def next_one(peer: Peer) -> Peer:
    """End this connection and begin another: a target may well serve one at a time."""
    await peer.bye()
    return await peer.another()


def unless_declared_without(peer: Peer) -> None:
    """Skip the case if the target was said to know nothing of compression."""
    if peer.declared.deflate is False:
        raise Skip("declared as without permessage-deflate")


# --- The body of an answer that is not 101 --------------------------------------------------------------------------


async def read_body(peer: Peer, answer: Head) -> bool:
    """Read the body that goes with an answer (RFC 9112 6.3), and say whether TCP has to end behind it.

    Raises:
        Wrong: it is not where the answer says.
    """
    if answer.status in (204, 304):
        pass
    elif answer.words("transfer-encoding")[-1:] == [b"chunked"]:
        await _read_chunks(peer)
    elif (length := answer.get("content-length")) is not None:
        if not length.isdigit():
            raise Wrong("a Content-Length that is a number", shown(length))
        body = await peer.octets(int(length))
        if len(body) < int(length):
            raise Wrong(f"a body of {int(length)} bytes, as Content-Length says", f"{len(body)} bytes")
    else:
        await peer.rest(peer.patience.close)
        return True
    return b"close" in answer.words("connection") or answer.first.startswith(b"HTTP/1.0")


async def _read_chunks(peer: Peer) -> None:
    size = -1
    while size:
        line = await _line(peer)
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            raise Wrong("the size of a chunk", shown(line)) from None
        await peer.octets(size)
        if size and await _line(peer):
            raise Wrong("the end of a chunk", "more of it than its size says")
    while await _line(peer):
        pass  # Trailers.


async def _line(peer: Peer) -> bytes:
    line = b""
    while not line.endswith(b"\r\n") and (octet := await peer.octets(1)):
        line += octet
    return line.removesuffix(b"\r\n")
