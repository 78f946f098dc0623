"""RFC 6455 section 4.1: how a client judges the answer.  Of a client."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from hashlib import sha1

from rawws.conformance.answering import (
    PROTOCOL,
    Change,
    answers,
    changed,
    extensions,
    goes_without,
    needs_subprotocols,
    refuses,
    subprotocols,
)
from rawws.conformance.asking import DEFLATE, EXTENSIONS
from rawws.conformance.case import MUST, SHOULD
from rawws.conformance.http import Answer
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Skip, Wrong
from rawws.core import rules
from rawws.core.headers import accept_for

ACCEPT = "Sec-WebSocket-Accept"

# --- Another status -------------------------------------------------------------------------------------------------


@answers("6455/4.1/20", MUST, rules.RESPONSE_STATUS)
async def ok(peer: Peer) -> None:
    """Only a 101 opens a connection, whatever else stands in the answer."""
    accept = accept_for((await peer.asked()).key).decode()
    fields = ("Upgrade", "websocket"), ("Connection", "Upgrade, close"), (ACCEPT, accept)
    await goes_without(peer, "200 OK", *fields)


@answers(
    "6455/4.1/21",
    SHOULD,
    rules.RESPONSE_STATUS,
    {
        "301": ("301 Moved Permanently", ("Location", "/again")),
        "401": ("401 Unauthorized", ("WWW-Authenticate", 'Basic realm="nobody"')),
        "403": ("403 Forbidden",),
        "404": ("404 Not Found",),
        "426": ("426 Upgrade Required", ("Sec-WebSocket-Version", "25"), ("Upgrade", "websocket")),
        "503": ("503 Service Unavailable", ("Retry-After", "1")),
    },
)
async def other_status(peer: Peer, status: str, *fields: tuple[str, str]) -> None:
    """Another status is what it is in HTTP: nothing is open, and a redirection is followed for a while at most."""
    await peer.asked()
    fields = ("Connection", "close"), *fields
    await goes_without(peer, status, *fields)
    if status.startswith("301"):
        await _is_not_led_in_circles(peer, status, *fields)


MANY = 100
"""Redirections in a row; where clients follow them, 10 to 50 are usual at most."""


async def _is_not_led_in_circles(peer: Peer, status: str, *fields: tuple[str, str]) -> None:
    for followed in range(MANY):
        try:
            one = await peer.another(start=False, seconds=peer.patience.close)
            await one.asked()
        except (Skip, Wrong):
            peer.note(f"followed {followed} times" if followed else "not followed")
            return
        await goes_without(one, status, *fields)
    raise Wrong("an end to following redirections", f"followed {MANY} times")


# --- Answers that open nothing --------------------------------------------------------------------------------------


# 4.1 has a client look at the status, and says nothing of the version in front of it; that HTTP/1.0 knows no 101 is
# said to servers (RFC 9110 15.2).
@answers("6455/4.1/22", SHOULD, rules.RESPONSE_VERSION)
async def http_1_0(peer: Peer) -> None:
    """An answer in HTTP/1.0 fails the connection."""
    answer = Answer.properly(await peer.asked())
    answer.line = b"HTTP/1.0 101 Switching Protocols"
    await refuses(peer, answer)


@answers(
    "6455/4.1/23",
    MUST,
    rules.RESPONSE_UPGRADE,
    {
        "none": lambda answer: answer.without("Upgrade"),
        "h2c": lambda answer: answer.put("Upgrade", "h2c"),
        "an empty one": lambda answer: answer.put("Upgrade", ""),
    },
)
async def upgrade(peer: Peer, change: Change) -> None:
    """An answer without Upgrade, or to something else than websocket, fails the connection."""
    await refuses(peer, await changed(peer, change))


@answers(
    "6455/4.1/24",
    MUST,
    rules.RESPONSE_CONNECTION,
    {
        "none": lambda answer: answer.without("Connection"),
        "keep-alive": lambda answer: answer.put("Connection", "keep-alive"),
        "upgraded": lambda answer: answer.put("Connection", "upgraded"),
    },
)
async def connection(peer: Peer, change: Change) -> None:
    """An answer without the token Upgrade in Connection fails the connection."""
    await refuses(peer, await changed(peer, change))


def _digest(text: bytes) -> bytes:
    return b64encode(sha1(text, usedforsecurity=False).digest())


_OTHER = b"the key of somebody else"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def _decoded(key: bytes) -> bytes:
    try:
        return b64decode(key)
    except ValueError:
        return b""


@answers(
    "6455/4.1/25",
    MUST,
    rules.ACCEPT_WRONG,
    {
        "missing": lambda key: (),
        "empty": lambda key: (b"",),
        "of another key": lambda key: (accept_for(_OTHER),),
        "in the other case": lambda key: (accept_for(key).swapcase(),),
        "of the key with nothing behind it": lambda key: (_digest(key),),
        "of the key decoded": lambda key: (_digest(_decoded(key) + _GUID),),
        "twice, the second time wrong": lambda key: (accept_for(key), accept_for(_OTHER)),
        "with something behind it": lambda key: (accept_for(key) + b"AAAA",),
    },
)
async def accept(peer: Peer, values: Callable[[bytes], Sequence[bytes]]) -> None:
    """A Sec-WebSocket-Accept that is missing, or not the one for this key, letter by letter, fails the connection."""
    request = await peer.asked()
    await refuses(peer, Answer.properly(request).put(ACCEPT, *values(request.key)))


# --- Subprotocols ---------------------------------------------------------------------------------------------------

STRANGE = "x-nobody"


@answers(
    "6455/4.1/26",
    MUST,
    rules.SUBPROTOCOL_UNOFFERED,
    {
        "one, and none was offered": (False, lambda offered: [STRANGE]),
        "one that is not among those offered": (True, lambda offered: [STRANGE]),
        "one of them in the other case": (True, lambda offered: [_other_case(offered)]),
        "two of them in one field": (None, lambda offered: [", ".join(_two(offered))]),
        "two of them in two fields": (None, lambda offered: _two(offered)),
        "an empty one": (None, lambda offered: [""]),
    },
)
async def subprotocol(peer: Peer, some_offered: bool | None, values: Callable[[list[str]], list[str]]) -> None:
    """A subprotocol that was not offered, more than one, or an empty one, fails the connection."""
    request = await peer.asked()
    offered = await needs_subprotocols(peer) if some_offered else subprotocols(request)
    if some_offered is False and offered:
        raise Skip("the client offers subprotocols")
    await refuses(peer, Answer.properly(request).put(PROTOCOL, *values(offered)))


def _other_case(offered: list[str]) -> str:
    name = next((name for name in offered if name.swapcase() not in offered), None)
    if name is None:
        raise Skip("no subprotocol that the client offers has letters")
    return name.swapcase()


def _two(offered: list[str]) -> list[str]:
    return [*offered, STRANGE, f"{STRANGE}-2"][:2]


# --- Extensions -----------------------------------------------------------------------------------------------------

# 4.2.2 would have the server list extensions in several fields; 11.3.2 says that the field "MUST NOT appear more than
# once in an HTTP response".  One that was not offered, in the second field, is wrong by either.
# Of what is malformed the catalogue names a trailing comma, too: in the grammar of RFC 2616 (2.1), which section 9.1
# is written in, and in that of RFC 9110 (5.6.1), an empty element of a list is passed over.  A list of nothing else is
# none, for both want one element at least.


@answers(
    "6455/4.1/27",
    MUST,
    rules.EXTENSION_UNOFFERED,
    {
        "one that was not offered": (STRANGE,),
        "one that was not offered, in a second field": (None, STRANGE),
        "no list of extensions": (),
        "permessage-deflate, and it was not offered": (DEFLATE,),
        "x-webkit-deflate-frame": ("x-webkit-deflate-frame",),
    },
)
async def extension(peer: Peer, *fields: str | None) -> None:
    """An extension that was not offered, or a list that does not follow its grammar, fails the connection."""
    offered = [each.name for each in extensions(await peer.asked())]
    known = next((name for name in offered if name == DEFLATE), STRANGE)
    if not fields:
        await _malformed(peer, known)
        return
    if fields[-1] in offered:
        raise Skip(f"the client offers {fields[-1]}")
    await refuses(peer, Answer.properly(await peer.asked()).put(EXTENSIONS, *(field or known for field in fields)))


async def _malformed(peer: Peer, known: str) -> None:
    await refuses(peer, Answer.properly(await peer.asked()).put(EXTENSIONS, f"{known};;"))
    for field in (f"{known}; =x", f'{known}; a="b', ","):
        try:
            one = await peer.another()
        except Skip:
            peer.note("of one connection only one such answer can be judged")
            return
        try:
            await refuses(one, Answer.properly(await one.asked()).put(EXTENSIONS, field))
        except Wrong as wrong:
            raise Wrong(wrong.expected, f"{EXTENSIONS}: {field}: {wrong.got}") from None
