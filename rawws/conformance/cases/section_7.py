"""RFC 6455 section 7: how TCP ends, how a connection is failed, and what the codes of a Close mean."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

from rawws.conformance.case import LIM, MAY, MUST, SERVER, SHOULD, Opening, family
from rawws.conformance.closing import accepted, closes_in, code_of, frames_behind_close, refused, until_end
from rawws.conformance.heard import Binary, Close, End, Nothing, Pong
from rawws.conformance.http import Answer
from rawws.conformance.passive import passive
from rawws.conformance.peer import Peer
from rawws.conformance.transcript import Transcript
from rawws.conformance.verdict import Skip, Wrong
from rawws.conformance.wire import close_body
from rawws.core import rules
from rawws.core.frames import Opcode, decode_header, may_appear
from rawws.core.masking import apply_mask
from rawws.core.settings import Role

LETS_PASS = "needs a target that fails the connection at a reserved opcode (6455/5.2/30)"

# --- 7.1.1: Close the WebSocket Connection ------------------------------------------------------------------------

_BEFORE_THE_END: dict[str, Callable[[Peer], bytes] | None] = {
    "between messages": lambda peer: b"",
    "in a frame": lambda peer: peer.text("Hello")[:-2],
    "in a message": lambda peer: peer.text("Hello", fin=False),
    "in the opening handshake": None,
}


@family("6455/7.1.1/1", SHOULD, None, _BEFORE_THE_END)
async def end_without_close(peer: Peer, before: Callable[[Peer], bytes]) -> None:
    """When TCP ends with no Close, the connection is over, and TCP is ended on this side too."""
    await peer.write(before(peer))
    peer.finish()
    if isinstance((await until_end(peer, peer.patience.close))[-1], Nothing):
        raise Wrong("the end of TCP on the other side too", "its half of TCP stays open")


@family(
    "6455/7.1.1/1",
    SHOULD,
    None,
    dict.fromkeys(_BEFORE_THE_END) | {"in the opening handshake": ()},
    opening=Opening.RAW,
)
async def end_in_the_handshake(peer: Peer) -> None:
    """When TCP ends in the opening handshake, the connection is over, and TCP is ended on this side too."""
    whole = bytes(peer.proper_ask() if peer.role is Role.CLIENT else Answer.properly(await peer.asked()))
    await peer.write(whole[: len(whole) // 2])
    peer.finish()
    await peer.rest(peer.patience.close)
    if not peer.transcript.ended:
        raise Wrong("the end of TCP on the other side too", "its half of TCP stays open")


@family("6455/7.1.1/2", LIM, None, {"in a frame": "", "while the target sends": "much"}, alone=True)
async def reset(peer: Peer, while_it_sends: str) -> None:
    """A reset of TCP harms nobody but its own connection."""
    if while_it_sends:
        peer.stop_reading()
        size = min(peer.declared.max_size or 65536, 65536)
        # Whoever waits until we read what it sends reads no more of us at some point: then it is in the midst of it.
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                for _ in range(16 * 1024 * 1024 // size):
                    await peer.write(peer.binary(bytes(size)))
    else:
        await peer.write(peer.text("Hello")[:-2])
    peer.reset()


# Not passive: whether something is left unread when TCP is ended is chance, unless there is much of it.
@family("6455/7.1.1/3", SHOULD, roles=SERVER)
async def server_ends_with_fin(peer: Peer) -> None:
    """A server discards what it has not read and ends TCP cleanly: a reset can take away its Close."""
    await peer.send(peer.frame(3, "reserved"), *[peer.binary(bytes(65536))] * 16)
    heard = await peer.hear()
    if isinstance(heard, Binary):
        raise Skip(LETS_PASS)
    if isinstance(heard, Close):
        peer.transcript.violated = "1002"
        await peer.part()
    if peer.transcript.ended == "RST":
        raise Wrong(
            "the end of TCP by a FIN, and everything before it",
            "a reset" if isinstance(heard, End) else f"{heard}, and then a reset",
        )


# --- 7.1.7: Fail the WebSocket Connection -------------------------------------------------------------------------


@passive("6455/7.1.7/1", SHOULD)
def close_before_the_drop(transcript: Transcript, target: Role) -> Iterator[str]:
    """An endpoint that fails the connection first sends a Close, with a code that tells why."""
    if not transcript.violated or not transcript.ended:
        return
    codes = [code_of(close.payload) for close in closes_in(transcript)]
    if not codes:
        yield f"TCP was ended with no Close; {transcript.violated} would have told why"
    elif str(codes[0]) not in transcript.violated.split(", "):
        yield f"Close {codes[0] or 'with no code'}, where {transcript.violated} would have told why"


@family("6455/7.1.7/2", MUST)
async def nothing_behind_a_violation(peer: Peer) -> None:
    """Behind a violation an endpoint processes nothing, not even what came together with it, and ends TCP."""
    peer.transcript.violated = "1002"
    expected = "a Close, or the end of TCP, and nothing else"
    await peer.send(peer.frame(3, "reserved"), peer.text("behind"), peer.ping("behind"))
    heard = first = await peer.hear()
    while not isinstance(heard, (Close, End, Nothing)) and heard != Pong(b"behind"):
        heard = await peer.hear()
    if isinstance(heard, Pong):
        await _see_that_it_failed(peer)
    if heard is not first or isinstance(heard, (Nothing, Pong)):
        raise Wrong(expected, str(first))
    if isinstance(heard, Close):
        await peer.part()
        # A ping of its own keepalive would be no answer.
        if any(frame.header.opcode != Opcode.PING for frame in frames_behind_close(peer.transcript)):
            raise Wrong(expected, "something more after its Close")
    if peer.transcript.ended not in ("FIN", "RST"):
        raise Wrong("the end of TCP", f"TCP {peer.transcript.ended}")


async def _see_that_it_failed(peer: Peer) -> None:
    """One that let the violation pass is told so elsewhere; here it is about those that see it too late."""
    await peer.send(peer.ping("later"))
    heard = await peer.hear()
    if heard == Pong(b"later"):
        peer.transcript.violated = ""
        raise Skip(LETS_PASS)


# --- 7.4: Status Codes --------------------------------------------------------------------------------------------

DEFINED = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
"""Those of 7.4.1 that a Close may carry, and the ends of the ranges for libraries and for private use."""
REGISTERED = (1012, 1013, 1014)
"""Those that IANA added later."""
# What has no meaning, and what has none on the wire.  The first nine are also in Autobahn, the others beside them.
MEANINGLESS = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)
MEANINGLESS_TOO = (1, 1015, 1017, 1999, 2001, 2998)
BEYOND = (5000, 40000, 65535)
"""7.4.2 says nothing of them."""


def _entries(codes: tuple[int, ...]) -> dict[str, int]:
    return {str(code): code for code in codes}


def _autobahn(group: str, codes: tuple[int, ...]) -> dict[str, list[str]]:
    return {str(code): [f"{group}.{number}"] for number, code in enumerate(codes, 1)}


@family("6455/7.4/1", MUST, None, _entries(DEFINED), autobahn=_autobahn("7.7", DEFINED))
async def defined_code(peer: Peer, code: int) -> None:
    """A Close with a code that is defined, or in a range for others, is accepted."""
    await peer.send(peer.close(code))
    if code == 1010 and peer.target is Role.CLIENT:
        # "this status code is not used by the server": nobody says what a client does when one uses it all the same.
        await peer.closes(code, 1000, None, 1002)
    else:
        await accepted(peer, code)


@family("6455/7.4/2", SHOULD, None, _entries(REGISTERED))
async def registered_code(peer: Peer, code: int) -> None:
    """A Close with a code that was registered since is accepted."""
    await peer.send(peer.close(code))
    await accepted(peer, code)


@family("6455/7.4/3", MUST, rules.CLOSE_CODE, _entries(MEANINGLESS), autobahn=_autobahn("7.9", MEANINGLESS))
async def meaningless_code(peer: Peer, code: int) -> None:
    """A code that is not for the wire, or that nobody has defined, is not accepted."""
    await refused(peer, close_body(code), 1002)


family("6455/7.4/4", MUST, rules.CLOSE_CODE, _entries(MEANINGLESS_TOO))(meaningless_code)


@family("6455/7.4/5", MAY, None, _entries(BEYOND), autobahn={"5000": ["7.13.1"], "65535": ["7.13.2"]})
async def code_beyond_all_ranges(peer: Peer, code: int) -> None:
    """A code above 4999 may be accepted, or not."""
    await peer.send(peer.close(code))
    heard = await peer.hear()
    peer.note(f"answered with {heard}")
    if isinstance(heard, Close):
        await peer.part()


@passive("6455/7.4/6", MUST, rules.CLOSE_CODE)
def codes_for_the_wire(transcript: Transcript, target: Role) -> Iterator[str]:
    """A Close carries a code that is registered for the wire, or of those from 3000 to 4999; a server's is not 1010."""
    for code in (code_of(close.payload) for close in closes_in(transcript)):
        if code is None or (may_appear(code) and (code != 1010 or target is Role.CLIENT)):
            continue
        # An endpoint "typically echos the status code it received", and these it may accept.
        if (code == 1010 or code in BEYOND) and code in _codes_said(transcript, target.peer):
            continue
        yield f"Close {code} from a {target.name.lower()}"


def _codes_said(transcript: Transcript, sender: Role) -> set[int | None]:
    """The codes in the Close frames of our own, as far as they are among what was kept."""
    data = b"".join(chunk.data for chunk in transcript.chunks if chunk.sender is sender).partition(b"\r\n\r\n")[2]
    codes: set[int | None] = set()
    while (header := decode_header(data)) is not None and len(data) >= header.size + header.length:
        payload = data[header.size : header.size + header.length]
        if header.opcode == Opcode.CLOSE:
            body = payload if header.key is None else apply_mask(payload, header.key)
            codes.add(code_of(body))
        data = data[header.size + header.length :]
    return codes


@family("6455/7.4/7", SHOULD, rules.MESSAGE_TOO_BIG, needs=("max_size",))
async def too_big(peer: Peer) -> None:
    """A message above the limit of its receiver is answered with 1009."""
    # In two fragments: nearly all of it is read when the receiver finds out, and so no reset takes the Close away.
    size = peer.declared.max_size or 0
    await peer.send(peer.binary(bytes(size), fin=False), peer.more(b"!"))
    await peer.closes(1009)
