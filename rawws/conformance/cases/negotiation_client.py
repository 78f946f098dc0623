"""RFC 7692 sections 7 and 7.1: what a client makes of the terms of permessage-deflate.  Of a client."""

from rawws.conformance.answering import answers, deflate_offers, grants, refuses
from rawws.conformance.asking import DEFLATE, EXTENSIONS, works
from rawws.conformance.case import MUST
from rawws.conformance.heard import End
from rawws.conformance.http import Answer
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Wrong
from rawws.core import rules
from rawws.core.deflate import LARGEST_WINDOW, SMALLEST_WINDOW

BITS = range(SMALLEST_WINDOW, LARGEST_WINDOW + 1)

_TWICE = "server_max_window_bits=10; server_max_window_bits=10"


@answers(
    "7692/7/3",
    MUST,
    rules.COMPRESSION_TERMS,
    {
        "an unknown parameter": "; x_nobody",
        "server_max_window_bits=7": "; server_max_window_bits=7",
        "server_max_window_bits=16": "; server_max_window_bits=16",
        "server_max_window_bits=010": "; server_max_window_bits=010",
        "server_max_window_bits with no value": "; server_max_window_bits",
        "client_max_window_bits=7": "; client_max_window_bits=7",
        "client_max_window_bits=16": "; client_max_window_bits=16",
        "client_max_window_bits with no value": "; client_max_window_bits",
        "server_no_context_takeover=1": "; server_no_context_takeover=1",
        "a parameter twice": f"; {_TWICE}",
        "permessage-deflate twice": f", {DEFLATE}",
    },
)
async def invalid(peer: Peer, rest: str) -> None:
    """Terms with a parameter that is unknown, not valid or there twice fail the connection."""
    await deflate_offers(peer)
    await refuses(peer, Answer.properly(await peer.asked()).put(EXTENSIONS, f"{DEFLATE}{rest}"))


@answers("7692/7.1.1/2", MUST)
async def client_no_context_takeover(peer: Peer) -> None:
    """A client supports client_no_context_takeover in the answer: it forgets what it sent before each message."""
    await grants(peer, "client_no_context_takeover")
    await works(peer)


@answers("7692/7.1.2/4", MUST, None, {f"client_max_window_bits={bits}": bits for bits in BITS})
async def client_max_window_bits(peer: Peer, bits: int) -> None:
    """A client that offers client_max_window_bits keeps to the window that the server chooses, or gives up."""
    await grants(peer, "client_max_window_bits", bits)
    await peer.send(peer.text("Hello"))
    heard = await peer.hear()
    if isinstance(heard, End):
        # 7: "The client does not support the configuration that the response represents."
        peer.note("gives up")
        return
    if str(heard) != "text 'Hello'":
        raise Wrong("an echo, or the end of TCP", str(heard))
    await works(peer)


@answers("7692/7.1.2/5", MUST, None, {f"server_max_window_bits={bits}": bits for bits in BITS})
async def server_max_window_bits(peer: Peer, bits: int) -> None:
    """A server may say how large its window is, also if the client has not asked for it."""
    await grants(peer, "server_max_window_bits", bits)
    await works(peer)
