"""Answering a client that asks to open a connection, and judging what it makes of the answer.

    await refuses(peer, Answer.properly(await peer.asked()).without("Upgrade"))
    await takes(peer, Answer.properly(await peer.asked()).put("Connection", "keep-alive, Upgrade"))

A client that refuses an answer fails the connection: it sends no frame, and ends TCP (7.1.7).  Behind a wrong answer
comes a message; its echo proves at once that the answer was taken.
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic

from rawws.conformance.asking import DEFLATE, EXTENSIONS, works
from rawws.conformance.case import CLIENT, Opening, family
from rawws.conformance.heard import Close, End, Nothing, Text, shown
from rawws.conformance.http import Answer, Head
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Skip, Wrong
from rawws.core.agreement import Extension
from rawws.core.headers import read_extensions

answers = partial(family, roles=CLIENT, opening=Opening.RAW)
"""A family of answers to a client."""

Change = Callable[[Answer], object]
"""What makes of the proper answer the one that a case is about."""

PROTOCOL = "Sec-WebSocket-Protocol"

FAULTS = (1002, 1003, 1007, 1008, 1010, 1011)
"""Codes that tell of an error."""


async def changed(peer: Peer, change: Change) -> Answer:
    """The proper answer to what the client asks, with a change."""
    answer = Answer.properly(await peer.asked())
    change(answer)
    return answer


# --- Refused --------------------------------------------------------------------------------------------------------


async def refuses(peer: Peer, answer: Answer) -> None:
    """The client fails the connection that this answer would open.

    Raises:
        Wrong: it takes the answer, or does nothing.
    """
    expected = "a failed connection: no frame, and the end of TCP"
    word = peer.random.randbytes(4).hex()
    await peer.write(bytes(answer))
    await peer.settle()
    await peer.send(peer.text(word))
    heard = await peer.hear()
    # 7.1.7 asks for a Close only of a connection that was established.  One that tells of an error comes from a client
    # that has seen the fault all the same.
    if isinstance(heard, Close) and heard.code in FAULTS:
        peer.note(f"it says so with a {heard}, though nothing is open yet")
        await peer.part()
    elif heard == Text(word):
        raise Wrong(expected, "the answer was taken: a message behind it came back")
    elif isinstance(heard, Nothing):
        raise Wrong(expected, f"neither within {peer.patience.reply:g} s")
    elif not isinstance(heard, End) or peer.transcript.frames:
        raise Wrong(expected, f"the answer was taken: {heard}")


async def goes_without(peer: Peer, status: str, *fields: tuple[str, str]) -> None:
    """The client takes an answer with another status for what it is: no frame is sent, and TCP ends.

    The body is a message; its echo proves that the answer was taken for a 101.
    """
    body = peer.text(peer.random.randbytes(4).hex())
    answer = Answer(f"HTTP/1.1 {status}".encode(), [(name.encode(), value.encode()) for name, value in fields])
    answer.put("Content-Length", str(len(body))).after = body
    await peer.write(bytes(answer))
    said = await peer.rest(peer.patience.close)
    if not peer.has_ended:
        # It waits for us to end what the answer says will end.
        peer.finish()
        said += await peer.rest(peer.patience.close)
    if said:
        raise Wrong("nothing more on this connection", f"after {status}: {shown(said)}")
    if not peer.has_ended:
        raise Wrong("the end of TCP, after Connection: close and the end of our half", "it is kept open")


async def gives_up(peer: Peer, seconds: float) -> None:
    """The client says nothing, and ends TCP, at the latest when we have ended our half after so many seconds."""
    began = monotonic()
    said = await peer.rest(seconds)
    if said:
        raise Wrong("nothing before there is a valid answer", shown(said))
    if peer.has_ended:
        peer.note(f"gave up after {monotonic() - began:.1f} s")
        return
    peer.note(f"still waited after {seconds:g} s")
    peer.finish()
    await peer.ends(peer.patience.reply)


# --- Accepted -------------------------------------------------------------------------------------------------------


async def takes(peer: Peer, answer: Answer, *pieces: bytes) -> None:
    """The client takes this answer, written in these pieces, and a message comes back."""
    for piece in pieces or (bytes(answer),):
        await peer.write(piece)
        if pieces:
            # Without a moment between them they would be read as one.
            await peer.pause(0.001)
    await peer.settle()
    peer.established()
    await works(peer)


async def either(peer: Peer, answer: Answer) -> None:
    """The client takes this answer, and then the connection works, or it fails the connection; which, is noted."""
    await peer.write(bytes(answer))
    await peer.settle()
    await peer.send(peer.text("Hello"))
    heard = await peer.hear()
    if heard == Text("Hello"):
        peer.established()
        peer.note("taken")
    elif isinstance(heard, End):
        peer.note("refused")
    else:
        raise Wrong("an echo, or the end of TCP", str(heard))


# --- What the client offers -----------------------------------------------------------------------------------------


def subprotocols(request: Head) -> list[str]:
    """Those that the client offers."""
    names = (request.get(PROTOCOL.lower()) or b"").decode("latin-1").split(",")
    return [name.strip() for name in names if name.strip()]


def extensions(request: Head) -> tuple[Extension, ...]:
    """Those that the client offers; of what cannot be read, which is another case, the names."""
    field = request.get(EXTENSIONS.lower()) or b""
    try:
        return read_extensions(field)
    except ValueError:
        return tuple(Extension(name.decode(), ()) for name in re.findall(rb"(?:^|,)[ \t]*([\w.-]+)", field))


async def needs_subprotocols(peer: Peer) -> list[str]:
    """Those that the client offers; skips the case if there is none."""
    if not (found := subprotocols(await peer.asked())):
        raise Skip("the client offers no subprotocol")
    return found


async def deflate_offers(peer: Peer) -> list[Extension]:
    """The client's offers of permessage-deflate; skips the case if there is none."""
    if peer.declared.deflate is False:
        raise Skip("declared as without permessage-deflate")
    found = [offer for offer in extensions(await peer.asked()) if offer.name == DEFLATE]
    if not found:
        raise Skip(f"the client does not offer {DEFLATE}")
    return found


async def grants(peer: Peer, name: str, value: int | None = None) -> None:
    """Accept an offer of the client with this parameter, and with what the offer asks for besides.

    Raises:
        Skip: no offer allows for it.
    """
    offers = [dict(offer.parameters) for offer in await deflate_offers(peer)]
    fitting = [offer for offer in offers if _allows(offer, name, value)]
    if not fitting:
        asked = "; ".join(map(str, await deflate_offers(peer)))
        raise Skip(f"{name}{'' if value is None else f'={value}'} is no answer to what the client offers: {asked}")
    said = {"server_no_context_takeover": None, "server_max_window_bits": fitting[0].get("server_max_window_bits")}
    parameters = {key: given for key, given in said.items() if key in fitting[0]}
    parameters[name] = None if value is None else str(value)
    await peer.open(str(Extension(DEFLATE, tuple(parameters.items()))))


def _allows(offer: dict[str, str | None], name: str, value: int | None) -> bool:
    # 7.1.2.2: "If a received extension negotiation offer doesn't have the 'client_max_window_bits' extension parameter,
    # the corresponding extension negotiation response to the offer MUST NOT include" it.
    if value is None:
        return True
    if name == "client_max_window_bits" and name not in offer:
        return False
    most = offer.get(name)
    return most is None or (most.isdigit() and value <= int(most))


def lines(answer: Answer) -> Iterable[bytes]:
    """The answer, line by line."""
    return bytes(answer).splitlines(keepends=True)
