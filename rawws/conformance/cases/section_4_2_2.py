"""RFC 6455 section 4.2.2, with 4.4 and 11.3: sending the server's opening handshake.  Of a server."""

from rawws.conformance.asking import EXTENSIONS, Change, asks, next_one, opens, read_body, refusal, refused, works
from rawws.conformance.case import LIM, MAY, MUST, SHOULD, Opening
from rawws.conformance.heard import End, Nothing, Text, quoted
from rawws.conformance.http import Ask, Head
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Skip, Wrong
from rawws.core import rules
from rawws.core.headers import accept_for

# --- The answer that opens a connection -----------------------------------------------------------------------------


@asks("6455/4.2.2/1", MUST, rules.ACCEPT_WRONG)
async def switches(peer: Peer) -> None:
    """The answer is HTTP/1.1 101, with Upgrade, Connection, and the Sec-WebSocket-Accept for this very key."""
    for number in range(3):
        peer = await next_one(peer) if number else peer
        ask = peer.proper_ask()
        await peer.write(bytes(ask))
        answer = await peer.accepted(ask)
        if not answer.first.startswith(b"HTTP/1.1 101"):
            raise Wrong("HTTP/1.1 101", quoted(answer.first))
        for name in ("upgrade", "sec-websocket-accept"):
            if len(found := answer.all(name)) != 1:
                raise Wrong(f"{name} once", f"{len(found)} times")
        if answer.words("upgrade") != [b"websocket"]:
            raise Wrong("Upgrade: websocket", quoted(answer.get("upgrade")))
        if b"upgrade" not in answer.words("connection"):
            raise Wrong("Upgrade in Connection", quoted(answer.get("connection")))


@asks("6455/4.2.2/2", MUST)
async def no_body(peer: Peer) -> None:
    """A 101 has no body, and no field that speaks of one: the first frame follows at once."""
    answer = await opens(peer, peer.proper_ask())
    for name in ("content-length", "transfer-encoding"):
        if (value := answer.get(name)) is not None:
            raise Wrong("a 101 that speaks of no body", f"{name}: {value.decode('latin-1')}")


@asks(
    "6455/4.2.2/3",
    MUST,
    rules.EXTENSION_UNOFFERED,
    {"no extension": "sec-websocket-extensions", "no subprotocol": "sec-websocket-protocol"},
)
async def nothing_unasked(peer: Peer, name: str) -> None:
    """What was not offered is not chosen, nor is nothing said with an empty field."""
    await peer.write(bytes(ask := peer.proper_ask()))
    answer = await peer.head()
    if isinstance(answer, Head) and (value := answer.get(name)) is not None:
        raise Wrong(f"no {name}", f"{name}: {value.decode('latin-1')}")
    if not isinstance(answer, Head) or answer.get("sec-websocket-accept") != accept_for(ask.key):
        got = str(answer)
        if isinstance(answer, Head):
            got = f"{quoted(answer.first)} with {quoted(answer.get('sec-websocket-accept'))}"
        raise Wrong("a 101 with the right Sec-WebSocket-Accept", got)


@asks(
    "6455/4.2.2/4",
    MUST,
    rules.SUBPROTOCOL_UNOFFERED,
    {
        "between two unknown ones": ["x-a, KNOWN, x-b"],
        "in the second of two fields": ["x-a", "KNOWN, x-b"],
        "unknown ones only": ["x-a, x-b"],
        "in another case": ["OTHER"],
    },
    needs=["subprotocol"],
)
async def subprotocol(peer: Peer, offers: list[str]) -> None:
    """The subprotocol is one of those that were offered, letter by letter, or there is none."""
    known = peer.declared.subprotocol
    fields = [field.replace("KNOWN", known).replace("OTHER", known.swapcase()) for field in offers]
    answer = await _answer(peer, peer.proper_ask().put("Sec-WebSocket-Protocol", *fields))
    chosen = [value.decode("latin-1") for value in answer.all("sec-websocket-protocol")]
    if len(chosen) > 1 or not {*chosen} <= {*", ".join(fields).split(", ")}:
        raise Wrong(f"one of {', '.join(fields)}, or none", ", ".join(chosen) or "an empty one")
    if known in ", ".join(fields).split(", ") and not chosen:
        peer.note(f"chose none, though it was offered {known}")
    if answer.status != 101 and not 400 <= (answer.status or 0) < 500:
        raise Wrong("a 101, or a refusal", quoted(answer.first))
    if answer.status != 101:
        peer.note(f"refused with {answer.status}")


async def _answer(peer: Peer, ask: Ask) -> Head:
    await peer.write(bytes(ask))
    answer = await peer.head()
    if not isinstance(answer, Head):
        raise Wrong("an answer", str(answer))
    return answer


# --- The one that does not ------------------------------------------------------------------------------------------


@asks("6455/4.2.2/5", MUST, rules.VERSION, {"25": "25", "0": "0", "255": "255"})
async def other_version(peer: Peer, version: str) -> None:
    """Whoever asks for another version is refused, and told in Sec-WebSocket-Version that 13 is spoken here."""
    answer = await refused(peer, peer.proper_ask().put("Sec-WebSocket-Version", version))
    assert answer is not None
    if b"13" not in answer.words("sec-websocket-version"):
        spoken = quoted(answer.get("sec-websocket-version"))
        raise Wrong("Sec-WebSocket-Version: 13 in the refusal", f"{quoted(answer.first)} with {spoken}")
    # RFC 9110 15.5.22: "The server MUST send an Upgrade header field in a 426 response".
    if answer.status == 426 and b"websocket" not in answer.words("upgrade"):
        raise Wrong("Upgrade: websocket in a 426", f"{quoted(answer.first)} with {quoted(answer.get('upgrade'))}")


@asks("6455/4.2.2/6", MUST, needs=["bad_path"])
async def unknown_path(peer: Peer) -> None:
    """What is not there is not found: 404, or another refusal."""
    ask = peer.proper_ask()
    ask.line = b"GET " + peer.declared.bad_path.encode() + b" HTTP/1.1"
    answer = await refused(peer, ask)
    if answer is not None and answer.status != 404:
        peer.note(f"refused with {answer.status}")


@asks(
    "6455/4.2.2/7",
    SHOULD,
    rules.ORIGIN,
    {
        "a foreign one": "https://elsewhere.example",
        "null": "null",
        "two of them": ("https://elsewhere.example", "https://nowhere.example"),
    },
    needs=["origin_policy"],
)
async def origin(peer: Peer, *values: str) -> None:
    """A server that cares for Origin refuses the pages of others with 403; one that does not takes them."""
    ask = peer.proper_ask().put("Origin", *values)
    if peer.declared.origin_policy == "deny":
        answer = await refused(peer, ask)
        if answer is not None and answer.status != 403:
            peer.note(f"refused with {answer.status}")
    elif len(values) == 1:
        await opens(peer, ask)
    else:
        peer.note(f"answered with {(await _answer(peer, ask)).status}")


@asks(
    "6455/4.2.2/8",
    MUST,
    None,
    {
        "for want of a key": lambda ask: ask.without("Sec-WebSocket-Key"),
        "for another version": lambda ask: ask.put("Sec-WebSocket-Version", "25"),
    },
)
async def in_step(peer: Peer, change: Change) -> None:
    """A refusal is whole HTTP: behind it TCP ends, if it says so, or else the next request is answered."""
    ask = peer.proper_ask()
    change(ask)
    answer = await refused(peer, ask)
    assert answer is not None
    if await read_body(peer, answer):
        if stray := await peer.rest(peer.patience.close):
            raise Wrong("nothing after the answer", quoted(stray))
        _has_ended(peer)
        return
    again = peer.proper_ask()
    await peer.write(bytes(again))
    following = await peer.head()
    if isinstance(following, Nothing) or (isinstance(following, Head) and following.status is None):
        got = quoted(following.first) if isinstance(following, Head) else str(following)
        raise Wrong("an answer to the next request, since nothing said that TCP would end", got)
    stray = await peer.rest(0) if isinstance(following, End) else b""
    if stray:
        raise Wrong("an answer to the next request, or the end", quoted(stray))


def _has_ended(peer: Peer) -> None:
    """All that came was read, for as long as an end of TCP may take: this is it."""
    if not peer.has_ended:
        raise Wrong("the end of the TCP connection", f"it stays open for {peer.patience.close:g} s")


# --- More than one asks for -----------------------------------------------------------------------------------------


@asks(
    "6455/4.2.2/9",
    LIM,
    None,
    {
        "a refused request, and one behind it": lambda ask: ask.without("Sec-WebSocket-Key"),
        "one with another version, and one behind it": lambda ask: ask.put("Sec-WebSocket-Version", "25"),
    },
    alone=True,
)
async def behind_a_refusal(peer: Peer, change: Change) -> None:
    """What follows a request that is refused is one more request, or nothing: it is never taken for frames."""
    ask = peer.proper_ask()
    change(ask)
    ask.after = bytes(peer.proper_ask())
    await peer.write(bytes(ask))
    answer = await refusal(peer, or_drop=True)
    if answer is None:
        return
    await read_body(peer, answer)
    following = await peer.head(peer.patience.close)
    stray = await peer.rest(0)
    if stray or (isinstance(following, Head) and following.status is None):
        stray = following.first if isinstance(following, Head) else stray
        raise Wrong("one more answer of HTTP, or nothing", quoted(stray))
    what = f"answered with {following.status}" if isinstance(following, Head) else "not answered"
    peer.note(f"{answer.status}; the request behind it is {what}")


@asks("6455/4.2.2/10", MAY)
async def early_frame(peer: Peer) -> None:
    """A frame that comes with the request, before the answer, is heard, or refused, but not lost in silence."""
    ask = peer.proper_ask()
    ask.after = peer.text("early")
    await peer.write(bytes(ask))
    answer = await peer.head()
    if isinstance(answer, Nothing):
        raise Wrong("an answer, or the end", str(answer))
    if isinstance(answer, End) or answer.status != 101:
        peer.note("the connection is ended" if isinstance(answer, End) else f"refused with {answer.status}")
        return
    await peer.send(peer.text("late"))
    heard = await peer.hear()
    if heard == Text("late"):
        raise Wrong("the message that came early, or the end", "a 101, and the message is lost")
    if heard == Text("early"):
        await peer.echoes("late")
    peer.note("it is heard" if heard == Text("early") else f"a 101, and then {heard}")


_LONG: dict[str, Change] = {
    "a field of 8 KiB": lambda ask: ask.put("X-Filler", "x" * 8 * 1024),
    "a field of 64 KiB": lambda ask: ask.put("X-Filler", "x" * 64 * 1024),
    "a field of 1 MiB": lambda ask: ask.put("X-Filler", "x" * 1024 * 1024),
    "1,000 fields": lambda ask: ask.fields.extend((b"X-%d" % n, b"x") for n in range(1000)),
    "200 extensions": lambda ask: ask.put(EXTENSIONS, ", ".join(f"x-{n}; a={n}" for n in range(200))),
    "1,000 subprotocols": lambda ask: ask.put("Sec-WebSocket-Protocol", ", ".join(f"x-{n}" for n in range(1000))),
}


@asks("6455/4.2.2/11", LIM, rules.HEADERS_TOO_LARGE, _LONG, alone=True)
async def too_much(peer: Peer, change: Change) -> None:
    """However long a request is, the server answers in time or hangs up."""
    ask = peer.proper_ask()
    change(ask)
    await peer.write(bytes(ask))
    answer = await peer.head()
    if isinstance(answer, Nothing):
        raise Wrong("an answer, or the end", str(answer))
    if isinstance(answer, Head) and answer.status == 101:
        await works(peer)
    peer.note("hung up with no answer" if isinstance(answer, End) else f"answered with {answer.status}")


@asks("6455/4.2.2/11", LIM, rules.HEADERS_TOO_LARGE, dict.fromkeys(_LONG) | {"one octet now and then": ()}, waits=True)
async def too_slow(peer: Peer) -> None:
    """However long a request takes, the server answers in time or hangs up, and serves others meanwhile."""
    # An octet every fiftieth of our patience, where an attacker would take a second, for a fifth of it.
    interval = peer.patience.reply / 50
    for octet in bytes(peer.proper_ask())[:10]:
        await peer.write(bytes([octet]))
        await peer.pause(interval)
    other = await peer.another()
    await opens(other, other.proper_ask())
    answer = await peer.head(0)  # What is there already.
    what = quoted(answer.first) if isinstance(answer, Head) else str(answer)
    came = "still waiting" if isinstance(answer, Nothing) else what
    peer.note(f"after {interval * 10:g} s and 10 octets: {came}")


@asks("6455/4.2.2/12", LIM, None, None, alone=True)
async def half_open(peer: Peer) -> None:
    """Two hundred handshakes that are begun and not ended do not keep the next one from being served."""
    half = bytes(peer.proper_ask())[:-2]
    for one in [peer, *[await peer.another() for _ in range(199)]]:
        await one.write(half)
    other = await peer.another()
    await opens(other, other.proper_ask())


# --- TLS ------------------------------------------------------------------------------------------------------------


@asks("6455/4.2.2/13", MUST, None, {"over TLS": False, "with no TLS, on the port for it": True})
async def over_tls(peer: Peer, plain: bool) -> None:
    """On a port for wss:// everything runs over TLS, and what comes without is not answered with a 101."""
    if not peer.secure:
        raise Skip("the URL is not wss://")
    if not plain:
        await opens(peer, peer.proper_ask())
        return
    bare = await peer.another(opening=Opening.RAW, plain=True)
    await bare.write(bytes(bare.proper_ask()))
    answer = await bare.head()
    if isinstance(answer, Head) and answer.status == 101:
        raise Wrong("the end of the connection", "a 101: the server speaks without TLS on this port")
    await bare.rest(bare.patience.close)
    _has_ended(bare)
