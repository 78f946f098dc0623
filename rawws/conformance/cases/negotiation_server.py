"""RFC 7692 sections 5, 7 and 7.1: negotiating permessage-deflate.  Of a server.

A server may decline whatever it likes, so what is judged is its word: what it accepts it has to be able to accept, and
to confirm as section 7.1 wants it.  It declines with a 101 that says nothing of it, and not with an error.
"""

from rawws.conformance.asking import DEFLATE, asks, needs_deflate, offered, unless_declared_without
from rawws.conformance.case import MUST
from rawws.conformance.heard import shown
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Wrong
from rawws.core.agreement import Extension
from rawws.core.deflate import Deflate
from rawws.core.headers import read_extensions

BITS = range(8, 16)


# --- What is judged -------------------------------------------------------------------------------------------------


def misfit(answer: Extension, offer: Extension) -> str:
    """Why this is no answer to this offer (7.1); "" if it is one."""
    try:
        Deflate().check(answer)
    except ValueError as error:
        return str(error)
    said, asked = dict(answer.parameters), dict(offer.parameters)
    for name in ("server_no_context_takeover", "server_max_window_bits"):
        if name in asked and name not in said:
            return f"{name} was asked for and is not confirmed"
    if "client_max_window_bits" in said and "client_max_window_bits" not in asked:
        return "client_max_window_bits to a client that did not say that it knows it"
    for name in ("server_max_window_bits", "client_max_window_bits"):
        most = asked.get(name)
        if name in said and most is not None and int(said[name] or 0) > int(most):
            return f"{name} is more than the {most} that was offered"
    return ""


def fits(chosen: str, *offers: str) -> None:
    """What the server chose is nothing, or an answer to one of these offers."""
    if not chosen:
        return
    answer = read_extensions(chosen.encode())[0]
    problems = [misfit(answer, read_extensions(offer.encode())[0]) for offer in offers]
    if all(problems):
        raise Wrong(f"an answer to {' or '.join(offers)}, or none", f"{chosen}: {problems[0]}")


async def judged(peer: Peer, offer: str) -> str:
    """Make this offer, hold what is chosen against it, and see that the connection works on these terms."""
    unless_declared_without(peer)
    chosen = await _asked(peer, offer, f"a 101 that accepts {offer}, or declines it")
    fits(chosen, offer)
    peer.note(chosen or "declined")
    return chosen


async def _asked(peer: Peer, offer: str, expected: str) -> str:
    """What is chosen; `expected` is told if the server refuses the connection or has no valid answer."""
    try:
        return await offered(peer, offer)
    except Wrong as wrong:
        was_opened = peer.answer is not None and peer.answer.status == 101
        terms = "" if peer.answer is None else (peer.answer.get("sec-websocket-extensions") or b"").decode("latin-1")
        agreed = f"; what it agreed on is {terms}" if was_opened and terms not in wrong.got else ""
        raise Wrong(expected, wrong.got + agreed) from None


# --- Accepting and declining ----------------------------------------------------------------------------------------


@asks("7692/5/1", MUST, None, {"offered": DEFLATE, "not offered": ""})
async def by_name(peer: Peer, offer: str) -> None:
    """permessage-deflate is used if it was offered and accepted, and else there is neither a word of it nor a bit."""
    if offer:
        await judged(peer, offer)
        return
    ask = peer.proper_ask()
    await peer.write(bytes(ask))
    answer = await peer.accepted(ask)
    if (chosen := answer.get("sec-websocket-extensions")) is not None:
        raise Wrong("no extension, for none was offered", shown(chosen))
    # Long enough for any server that would compress, if it thought that it may.
    long = "not compressed, " * 1000
    await peer.send(peer.text(long))
    await peer.echoes(long)


@asks(
    "7692/7/1",
    MUST,
    None,
    {
        "an unknown parameter": "x_nobody",
        "server_max_window_bits=7": "server_max_window_bits=7",
        "server_max_window_bits=16": "server_max_window_bits=16",
        "server_max_window_bits=010": "server_max_window_bits=010",
        # Not `=""`: that breaks the grammar of RFC 6455 9.1 besides, and may be refused with a 400.
        "server_max_window_bits with no value": "server_max_window_bits",
        "server_max_window_bits=abc": "server_max_window_bits=abc",
        "client_max_window_bits=7": "client_max_window_bits=7",
        "client_max_window_bits=99": "client_max_window_bits=99",
        "server_no_context_takeover=1": "server_no_context_takeover=1",
        "a parameter twice": "server_max_window_bits=10; server_max_window_bits=10",
    },
)
async def invalid(peer: Peer, parameters: str) -> None:
    """An offer with a parameter that is unknown, not valid or there twice is declined, and the connection opened."""
    unless_declared_without(peer)
    expected = f"a 101 that declines {parameters}"
    if chosen := await _asked(peer, f"{DEFLATE}; {parameters}", expected):
        raise Wrong(expected, f"it is accepted: {chosen}")


@asks(
    "7692/7/2",
    MUST,
    None,
    {
        "an invalid one, and a valid one": [
            "server_max_window_bits=7",
            "server_no_context_takeover",
        ],
        "three of them": [
            "server_no_context_takeover; server_max_window_bits=10",
            "server_max_window_bits=12",
            "client_no_context_takeover",
        ],
    },
)
async def several(peer: Peer, parameters: list[str]) -> None:
    """Of several offers one that is valid is chosen; which one, is for the server to say."""
    offers = [f"{DEFLATE}; {each}" for each in parameters]
    peer = await needs_deflate(peer, offers[-1])
    chosen = await _asked(peer, ", ".join(offers), "a 101 that accepts a valid one of several offers")
    fits(chosen, *[offer for offer in offers if not offer.endswith("=7")])
    if not chosen:
        raise Wrong(f"{offers[-1]} accepted, as when it is offered alone", "all of them declined")
    peer.note(chosen)


# --- Parameters -----------------------------------------------------------------------------------------------------


@asks(
    "7692/7.1.1/1",
    MUST,
    None,
    {
        "alone": "server_no_context_takeover",
        "with client_no_context_takeover": "server_no_context_takeover; client_no_context_takeover",
    },
)
async def server_no_context_takeover(peer: Peer, parameters: str) -> None:
    """A server that accepts server_no_context_takeover confirms it, and keeps to it."""
    await judged(peer, f"{DEFLATE}; {parameters}")


@asks("7692/7.1.2/1", MUST, None, {f"server_max_window_bits={bits}": bits for bits in BITS})
async def server_max_window_bits(peer: Peer, bits: int) -> None:
    """A server that accepts server_max_window_bits confirms it, with this value or a smaller one."""
    await judged(peer, f"{DEFLATE}; server_max_window_bits={bits}")


@asks("7692/7.1.2/2", MUST, None, {"not offered": "", "offered": "; client_max_window_bits"})
async def client_limit(peer: Peer, parameter: str) -> None:
    """client_max_window_bits is in the answer only if it was in the offer."""
    await judged(peer, f"{DEFLATE}{parameter}")


@asks(
    "7692/7.1.2/3",
    MUST,
    None,
    {
        "client_max_window_bits": "client_max_window_bits",
        **{f"client_max_window_bits={bits}": f"client_max_window_bits={bits}" for bits in BITS},
    },
)
async def client_max_window_bits(peer: Peer, parameter: str) -> None:
    """client_max_window_bits needs no value in an offer; if it has one, the answer says no larger one."""
    await judged(peer, f"{DEFLATE}; {parameter}")


@asks("7692/7.1.2/6", MUST)
async def quoted(peer: Peer) -> None:
    """A value in quotation marks is what it is without them."""
    peer = await needs_deflate(peer, f"{DEFLATE}; server_max_window_bits=10")
    offer = f'{DEFLATE}; server_max_window_bits="10"'
    if not await judged(peer, offer):
        raise Wrong(f"{offer} accepted, as it is without the quotation marks", "declined")
