"""RFC 6455 section 4.2.1: reading the client's opening handshake.  Of a server.

"The server MUST stop processing the client's handshake and return an HTTP response with an appropriate error code":
where the fault is in HTTP itself, so that the server cannot tell what it was sent, hanging up is put up with too (RFC
9112 2.2 says SHOULD).
"""

from base64 import b64encode
from collections.abc import Callable
from random import Random

from rawws.conformance.asking import EXTENSIONS, Change, asks, next_one, opens, refused, works
from rawws.conformance.case import MUST, SHOULD
from rawws.conformance.heard import Close, End, Nothing, Pong, quoted
from rawws.conformance.http import Ask, Head, new_key
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Wrong
from rawws.conformance.wire import Chop
from rawws.core import rules

# --- What has to be there, and is not -------------------------------------------------------------------------------


@asks("6455/4.2.1/1", MUST, rules.METHOD, {"POST": "POST", "HEAD": "HEAD", "get in lower case": "get"})
async def method(peer: Peer, method: str) -> None:
    """An opening handshake is a GET, and the names of methods are told apart by case."""
    ask = peer.proper_ask()
    ask.line = ask.line.replace(b"GET", method.encode(), 1)
    await refused(peer, ask, also=[501])


@asks("6455/4.2.1/2", MUST, rules.HTTP_VERSION, {"HTTP/1.0": " HTTP/1.0", "HTTP/0.9": "", "HTTP/1.1x": " HTTP/1.1x"})
async def version_of_http(peer: Peer, version: str) -> None:
    """An opening handshake is HTTP/1.1 or higher."""
    ask = peer.proper_ask()
    ask.line = ask.line.replace(b" HTTP/1.1", version.encode())
    # HTTP/0.9 has no status that could be answered, and 1.1x is no HTTP.
    await refused(peer, ask, also=[501, 505], or_drop=version != " HTTP/1.0")


@asks(
    "6455/4.2.1/3",
    MUST,
    rules.HOST,
    {"no Host": (), "two of them": ("HOST", "HOST"), "a blank in it": "a HOST", "a user in it": "user@HOST"},
)
async def host(peer: Peer, *values: str) -> None:
    """A request has one Host field, that names the server and nothing else."""
    await refused(peer, peer.proper_ask().put("Host", *(value.replace("HOST", peer.host) for value in values)))


@asks("6455/4.2.1/4", MUST, rules.UPGRADE_MISSING, {"no Upgrade": (), "h2c": "h2c", "websocket2": "websocket2"})
async def upgrade(peer: Peer, *values: str) -> None:
    """Without the word websocket in Upgrade a request is an ordinary one."""
    # A server may well go over to h2c, if it is asked to.
    await refused(peer, peer.proper_ask().put("Upgrade", *values), also=[501], instead={"h2c"}.intersection(values))


@asks(
    "6455/4.2.1/5",
    MUST,
    rules.CONNECTION_MISSING,
    {"no Connection": (), "keep-alive alone": "keep-alive", "upgraded": "upgraded"},
)
async def connection(peer: Peer, *values: str) -> None:
    """Connection has the word Upgrade in it; without it a request is an ordinary one."""
    await refused(peer, peer.proper_ask().put("Connection", *values), also=[501])


@asks("6455/4.2.1/6", MUST, rules.KEY_MISSING, {"no key": (), "an empty one": "", "two of them": ("KEY", "KEY")})
async def key(peer: Peer, *values: str) -> None:
    """A request has one Sec-WebSocket-Key."""
    keys = (new_key(peer.random) if value else b"" for value in values)
    await refused(peer, peer.proper_ask().put("Sec-WebSocket-Key", *keys))


@asks(
    "6455/4.2.1/7",
    SHOULD,  # 4.2.1 wants 16 bytes, and 4.2.2 says that the server need not look.
    rules.KEY_INVALID,
    {
        "no base64": lambda random: b"*" * 22 + b"==",
        "15 bytes": lambda random: b64encode(random.randbytes(15)),
        "17 bytes": lambda random: b64encode(random.randbytes(17)),
        "16 bytes with no padding": lambda random: b64encode(random.randbytes(16)).rstrip(b"="),
    },
)
async def key_of_16_bytes(peer: Peer, make: Callable[[Random], bytes]) -> None:
    """Sec-WebSocket-Key is the base64 of 16 bytes."""
    await refused(peer, peer.proper_ask().put("Sec-WebSocket-Key", make(peer.random)))


@asks(
    "6455/4.2.1/8",
    MUST,
    rules.VERSION,
    {"no version": (), "12": "12", "013": "013", "13, 8": "13, 8", "13 twice": ("13", "13")},
)
async def version(peer: Peer, *values: str) -> None:
    """Sec-WebSocket-Version is there once, and is 13."""
    await refused(peer, peer.proper_ask().put("Sec-WebSocket-Version", *values))


@asks("6455/4.2.1/9", SHOULD, rules.TARGET, {"a fragment": "PATH#f", "an asterisk": "*", "no slash in front": "chat"})
async def target(peer: Peer, target: str) -> None:
    """A request asks for a path and perhaps a query, and for no fragment."""
    ask = peer.proper_ask()
    ask.line = f"GET {target.replace('PATH', peer.resource)} HTTP/1.1".encode()
    await refused(peer, ask)


# --- What need not be there, and is wrong ---------------------------------------------------------------------------


_LISTS = {"a blank in a name": "chat room", "a name twice": None, "commas alone": ",,", "the byte 7f": "chat\x7f"}


@asks("6455/4.2.1/10", MUST, rules.SUBPROTOCOLS_INVALID, _LISTS)
async def subprotocols(peer: Peer, value: str) -> None:
    """Sec-WebSocket-Protocol is a list of tokens, with one at least."""
    await refused(peer, peer.proper_ask().put("Sec-WebSocket-Protocol", value), or_drop="\x7f" in value)


# That each of them is there once is asked of clients (4.1), and not said again where servers are told what to look for.
@asks("6455/4.2.1/10", SHOULD, rules.SUBPROTOCOLS_INVALID, dict.fromkeys(_LISTS) | {"a name twice": "a,a"})
async def subprotocol_twice(peer: Peer, value: str) -> None:
    """No subprotocol is asked for twice."""
    await subprotocols(peer, value)


@asks(
    "6455/4.2.1/11",
    MUST,
    rules.EXTENSIONS_INVALID,
    {
        "two semicolons": "x-nobody;;a",
        "a value with no name": "x-nobody; =x",
        "a quotation with no end": 'x-nobody; a="b',
        "a quotation that is no token": 'x-nobody; a="b c"',
    },
)
async def extensions(peer: Peer, value: str) -> None:
    """Sec-WebSocket-Extensions follows its grammar, whether the extension is known or not."""
    # 9.1: "the recipient of such malformed data MUST immediately _Fail the WebSocket Connection_".
    await refused(peer, peer.proper_ask().put(EXTENSIONS, value), or_drop=True)


# Whoever puts a blank in the place of a NUL, a bare CR or a fold is right too (RFC 9110 5.5, RFC 9112 2.2 and 5.2), and
# then accepts what has one in a field that nobody reads.  So these three stand where a request is right for those alone
# who read them as an end: of a value, or of a line.
@asks(
    "6455/4.2.1/12",
    MUST,
    rules.HTTP_MALFORMED,
    {
        "a blank before the colon": lambda ask: ask.put("X-Note ", "one"),
        "13, NUL, 8 as the version": lambda ask: ask.put("Sec-WebSocket-Version", "13\x008"),
        "the version behind a bare CR": lambda ask: _hide(ask, "\r"),
        "a control character in a name": lambda ask: ask.put("X-\x01Note", "one"),
        "a name that is not ASCII": lambda ask: ask.put("X-Nöte", "one"),
        "the version in a folded line": lambda ask: _hide(ask, "\r\n "),
    },
)
async def well_formed(peer: Peer, change: Change) -> None:
    """What is no well-formed HTTP is refused, and above all read no other way than everybody reads it."""
    ask = peer.proper_ask()
    change(ask)
    await refused(peer, ask, or_drop=True)


def _hide(ask: Ask, end: str) -> None:
    ask.without("Sec-WebSocket-Version").put("X-Note", f"one{end}Sec-WebSocket-Version: 13")


# --- What has to be accepted ----------------------------------------------------------------------------------------


@asks(
    "6455/4.2.1/13",
    MUST,
    None,
    {
        "names and words in another case": lambda ask: _in_another_case(ask),
        "Connection: keep-alive, Upgrade": lambda ask: ask.put("Connection", "keep-alive, Upgrade"),
        "two Connection fields": lambda ask: ask.put("Connection", "keep-alive", "Upgrade"),
        "the fields in another order": lambda ask: ask.fields.reverse(),
        "blanks around the key": lambda ask: ask.put("Sec-WebSocket-Key", b" \t" + ask.key + b"\t "),
        "an unknown extension": lambda ask: ask.put(EXTENSIONS, 'x-nobody; a=1; b; c="d"'),
        "an unknown subprotocol": lambda ask: ask.put("Sec-WebSocket-Protocol", "x-nobody"),
    },
)
async def accepts(peer: Peer, change: Change) -> None:
    """Names and words have no case, lists may have more elements, fields no order, and what is unknown is ignored."""
    ask = peer.proper_ask()
    change(ask)
    await opens(peer, ask)


def _in_another_case(ask: Ask) -> None:
    ask.fields = [(name.lower(), value) for name, value in ask.fields]
    ask.put("upgrade", "WebSocket").put("connection", "upgrade")


@asks(
    "6455/4.2.1/14",
    SHOULD,
    None,
    {
        "an absolute URI": "absolute",
        "Upgrade: h2c, websocket": "list",
        "lines that end with a bare LF": "LF",
    },
)
async def should_accept(peer: Peer, what: str) -> None:
    """The target may be an absolute URI, and websocket one word of several in Upgrade; on bare LFs tastes differ."""
    ask = peer.proper_ask()
    if what == "LF":
        await _bare_line_feeds(peer, ask)
        return
    if what == "absolute":
        scheme = "https" if peer.secure else "http"
        ask.line = f"GET {scheme}://{peer.host}{peer.resource} HTTP/1.1".encode()
    else:
        ask.put("Upgrade", "h2c, websocket")
    await opens(peer, ask)


async def _bare_line_feeds(peer: Peer, ask: Ask) -> None:
    """RFC 9112 2.2: a recipient MAY recognise a single LF; so it may as well refuse it, or wait for the CR."""
    await peer.write(bytes(ask).replace(b"\r\n", b"\n"))
    answer = await peer.head(peer.patience.close)
    if isinstance(answer, Head) and answer.status is None:
        raise Wrong("an answer of HTTP", quoted(answer.first))
    peer.note(f"answered with {answer.status}" if isinstance(answer, Head) else str(answer))


# --- A body ---------------------------------------------------------------------------------------------------------


# A server may take a GET with a body.  But then the body is what HTTP says it is, and the frames begin behind it: if it
# is read as frames, whoever can choose a body, through a proxy for instance, speaks WebSocket.
@asks(
    "6455/4.2.1/15",
    SHOULD,
    rules.BODY_IN_REQUEST,
    {
        "Content-Length and a body": "length",
        "Content-Length, and the body later": "later",
        "chunks": "chunks",
        "Content-Length and chunks": "both",
        "two different Content-Lengths": "two",
    },
)
async def body(peer: Peer, kind: str) -> None:
    """What is the body of a request is never read as frames; best is to refuse it."""
    inside = peer.ping("inside")
    ask = peer.proper_ask()
    if kind in ("length", "later", "two"):
        sizes = (str(len(inside)), str(len(inside) + 1))
        ask.put("Content-Length", *sizes[: 2 if kind == "two" else 1])
    else:
        ask.put("Transfer-Encoding", "chunked")
        ask.put("Content-Length", *([str(len(inside))] if kind == "both" else []))
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inside), inside)
    ask.after = {"length": inside, "two": inside, "later": b""}.get(kind, chunks)
    await peer.write(bytes(ask))
    answer = await peer.head(0.5 if kind == "later" else None)
    if kind == "later":
        await peer.write(inside)
        answer = await peer.head() if isinstance(answer, Nothing) else answer
    if isinstance(answer, Head) and answer.status == 101:
        if kind == "two":  # RFC 9112 6.3: "the server MUST respond with a 400"
            raise Wrong("a refusal", f"{quoted(answer.first)}, with two lengths that contradict each other")
        await _body_is_no_frame(peer)
    elif not isinstance(answer, (Head, End)) or (isinstance(answer, Head) and answer.status is None):
        raise Wrong("a refusal, or a 101 and the body passed over", str(answer))


async def _body_is_no_frame(peer: Peer) -> None:
    """Behind a 101: our ping is answered, and the one that was inside the body is not."""
    probe = peer.random.randbytes(4).hex().encode()
    await peer.send(peer.ping(probe))
    heard = await peer.hear()
    if heard == Pong(b"inside"):
        raise Wrong("a refusal, or the body passed over", "a ping that was inside the body was answered")
    if isinstance(heard, (Close, End)):
        raise Wrong("a refusal, or the body passed over", f"a 101, and then {heard}: the body was taken for frames")
    if heard != Pong(probe):
        raise Wrong("a pong", str(heard))
    peer.note("accepted with a 101, and the body passed over")


# --- In pieces ------------------------------------------------------------------------------------------------------


@asks("6455/4.2.1/16", MUST, None, {"one octet a write": 1, "cut in two, at many places": 2})
async def in_pieces(peer: Peer, pieces: int) -> None:
    """It does not matter how TCP cuts a request."""
    ask = peer.proper_ask()
    if pieces == 1:
        await peer.send(bytes(ask), chop=Chop.OCTETS)
        await peer.accepted(ask)
        await works(peer)
        return
    end = len(bytes(ask))
    for place in sorted({1, end - 3, end - 2, end - 1, *(peer.random.randrange(2, end - 3) for _ in range(6))}):
        peer = await next_one(peer) if place > 1 else peer
        ask = peer.proper_ask()
        await peer.write(bytes(ask)[:place])
        await peer.pause(0.005)  # Or both halves would be read at once.
        await peer.write(bytes(ask)[place:])
        await peer.accepted(ask)
        await works(peer)
