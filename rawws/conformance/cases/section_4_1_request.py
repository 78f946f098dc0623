"""RFC 6455 section 4.1: what a client asks.  Of a client."""

import re
from base64 import b64decode
from collections.abc import Iterator
from functools import partial

from rawws.conformance.answering import needs_subprotocols, takes
from rawws.conformance.asking import EXTENSIONS
from rawws.conformance.case import CLIENT, MUST, SHOULD, Opening, family
from rawws.conformance.heard import Text, quoted, shown
from rawws.conformance.http import Answer, Head, read_head
from rawws.conformance.passive import across
from rawws.conformance.peer import Peer
from rawws.conformance.secure import Certificate, distrusts, issued, names, trusts
from rawws.conformance.transcript import Transcript
from rawws.conformance.verdict import Skip, Wrong
from rawws.core import rules
from rawws.core.headers import is_token, read_extensions
from rawws.core.settings import Role

asked = partial(family, roles=CLIENT)
"""A family about the request of a connection that was opened."""


def _request(peer: Peer) -> Head:
    assert peer.request is not None
    return peer.request


def _once(peer: Peer, name: str) -> bytes:
    """The value of a field that is there once."""
    found = _request(peer).all(name)
    if len(found) != 1:
        raise Wrong(f"{name} once", f"{len(found)} times")
    return found[0]


@asked("6455/4.1/1", MUST, rules.METHOD)
async def get(peer: Peer) -> None:
    """The request is a GET, of HTTP/1.1 or higher."""
    first = _request(peer).first
    if re.fullmatch(rb"GET [!-~]+ HTTP/1\.[1-9]", first) is None:
        raise Wrong("GET, a target, and HTTP/1.1", quoted(first))


@asked(
    "6455/4.1/2",
    MUST,
    rules.TARGET,
    {"no path": ("", "/"), "a query and no path": ("?q=1", "/?q=1"), "path and query": ("/a%20b?x", "/a%20b?x")},
)
async def target(peer: Peer, resource: str, expected: str) -> None:
    """The target is path and query of the URL as they stand there, "/" for no path, with no fragment."""
    one = await peer.another(resource=resource)
    # "or be an absolute http/https URI that, when parsed, has a /resource name/, /host/, and /port/ that match"
    found = re.sub(rb"^https?://" + re.escape(one.host.encode()), b"", _request(one).target)
    if found != expected.encode():
        raise Wrong(f"the target {expected}", quoted(_request(one).target))


# The usual port, which is left out, cannot be listened on by everybody: only that another one is there is looked at.
@asked(
    "6455/4.1/3", MUST, rules.HOST, {"a name": "localhost", "an IPv4 address": "127.0.0.1", "an IPv6 address": "[::1]"}
)
async def host(peer: Peer, name: str) -> None:
    """There is one Host, as the URL says it: an IPv6 address in brackets, and the port unless it is the usual one."""
    one = await peer.another(host=name)
    if (found := _once(one, "host")).lower() != one.host.encode():
        raise Wrong(f"Host: {one.host}", quoted(found))


# "each once", says the catalogue; but both are lists, and may be said in several fields (RFC 9110 5.3).
@asked("6455/4.1/4", MUST, None, {"Upgrade": ("upgrade", b"websocket"), "Connection": ("connection", b"upgrade")})
async def switches(peer: Peer, name: str, word: bytes) -> None:
    """Upgrade contains websocket, and Connection contains Upgrade."""
    if word not in _request(peer).words(name):
        raise Wrong(f"{word.decode()} in {name}", quoted(_request(peer).get(name)))


@asked("6455/4.1/5", MUST, rules.KEY_INVALID, {"Sec-WebSocket-Key": True, "Sec-WebSocket-Version": False})
async def key_and_version(peer: Peer, key: bool) -> None:
    """Sec-WebSocket-Key is the base64 of 16 octets, and Sec-WebSocket-Version is 13; each is there once."""
    if key:
        if (size := _size(found := _once(peer, "sec-websocket-key"))) != 16:
            raise Wrong("the base64 of 16 octets", f"{shown(found)}: {f'{size} octets' if size else 'no base64'}")
    elif (found := _once(peer, "sec-websocket-version")) != b"13":
        raise Wrong("Sec-WebSocket-Version: 13", shown(found))


def _size(key: bytes) -> int:
    """How many octets a key stands for; 0 if it is no base64."""
    try:
        return len(b64decode(key, validate=True))
    except ValueError:
        return 0


# The catalogue asks for 32 connections.  This compares the keys of all those that were made anyway.
FEW = 8
"""Of so many random keys, hardly ever one place is the same in all."""


@across("6455/4.1/6", MUST, roles=CLIENT)
def keys(transcripts: list[Transcript], target: Role) -> Iterator[str]:
    """The key is random for each connection: none comes twice, and no octet of it stays the same."""
    found = [key for transcript in transcripts if len(key := _key(transcript)) == 16]
    if len(found) < FEW:
        raise Skip(f"fewer than {FEW} connections were made")
    if len(set(found)) < len(found):
        yield f"of {len(found)} keys only {len(set(found))} are different"
    elif same := [place for place, octets in enumerate(zip(*found)) if len(set(octets)) == 1]:
        yield f"of {len(found)} keys octet {same[0]} is always {found[0][same[0]]:#04x}"


def _key(transcript: Transcript) -> bytes:
    data = b"".join(chunk.data for chunk in transcript.chunks[:8] if chunk.sender is Role.CLIENT)
    key = read_head(data.partition(b"\r\n\r\n")[0]).get("sec-websocket-key") or b""
    return b64decode(key) if _size(key) else b""


@asked(
    "6455/4.1/7",
    MUST,
    rules.SUBPROTOCOLS_INVALID,
    {"Sec-WebSocket-Protocol": True, "Sec-WebSocket-Extensions": False},
)
async def lists(peer: Peer, protocols: bool) -> None:
    """The subprotocols that are offered are unique tokens, and the extensions follow their grammar."""
    if protocols:
        found = await needs_subprotocols(peer)
        if len(set(found)) < len(found) or not all(is_token(name.encode("latin-1")) for name in found):
            raise Wrong("unique tokens", ", ".join(found))
    else:
        _check_extensions(_request(peer).get(EXTENSIONS.lower()))


def _check_extensions(field: bytes | None) -> None:
    if field is None:
        raise Skip("the client offers no extension")
    try:
        found = read_extensions(field)
    except ValueError as error:
        raise Wrong("extensions as in section 9.1", f"{quoted(field)}: {error}") from None
    if any(value == "" for extension in found for _, value in extension.parameters):
        raise Wrong("a token after each =", quoted(field))


@asked("6455/4.1/8", MUST, rules.EARLY_DATA, opening=Opening.RAW)
async def waits(peer: Peer) -> None:
    """Behind its request a client says nothing before it has the answer."""
    answer = Answer.properly(await peer.asked())
    if early := await peer.rest(0.3):
        raise Wrong("nothing before the answer, for 0.3 s", shown(early))
    await takes(peer, answer)


@asked("6455/4.1/9", SHOULD, rules.BODY_IN_REQUEST)
async def no_body(peer: Peer) -> None:
    """A GET has no body, and no field that speaks of one."""
    for name in ("content-length", "transfer-encoding"):
        if (value := _request(peer).get(name)) is not None:
            raise Wrong("a request that speaks of no body", f"{name}: {value.decode('latin-1')}")


# An echo makes one connection.  Only a client that can be told to make two at once shows what becomes of them.
@asked("6455/4.1/10", SHOULD, needs=("commands",))
async def one_at_a_time(peer: Peer) -> None:
    """Of two connections to one address a client opens the second when the first is open or has failed.

    It is told with the text "/connect", and makes two more connections to the same URL at once.
    """
    await peer.send(peer.text("/connect"))
    if await peer.hear(A_WHILE) == Text("/connect"):
        raise Skip("the client does not know the command /connect")
    first = await peer.another(opening=Opening.RAW, start=False)
    answer = Answer.properly(await first.asked())
    second = await _early(peer)
    await takes(first, answer)
    if second is not None:
        raise Wrong("one connection while the first is not answered", "two of them, and both ask")
    await (await peer.another(opening=Opening.RAW, start=False)).open()


A_WHILE = 0.3
"""Seconds that a client has for what it should not do."""


async def _early(peer: Peer) -> Peer | None:
    """A second connection that asks at once."""
    try:
        second = await peer.another(opening=Opening.RAW, start=False, seconds=A_WHILE)
        await second.asked()
    except Wrong:
        return None
    return second


# --- wss -------------------------------------------------------------------------------------------------------------

# Whom to trust the client is told as OpenSSL and others are told it, in the environment.  Why it does not connect to a
# server with a bad certificate can only be said of one that does connect where everything else is the same.

_GOOD = Certificate("localhost")


@asked(
    "6455/4.1/11",
    MUST,
    None,
    {
        "it says which server it means": _GOOD,
        "a certificate from nobody it knows": Certificate("localhost", trusted=False),
        "a certificate for another name": Certificate("elsewhere.example"),
        "a certificate of yesterday": Certificate("localhost", expired=True),
    },
    opening=Opening.RAW,
)
async def tls(peer: Peer, certificate: Certificate) -> None:
    """TLS comes first, with the name of the server; with a certificate that does not prove it the attempt ends."""
    with issued(certificate) as (context, env):
        one = await peer.another(host="localhost", bare=True, env=env)
        if certificate == _GOOD:
            await names(one, context)
            return
        await distrusts(one, context)
    with issued(_GOOD) as (context, env):
        if not await trusts(await peer.another(host="localhost", bare=True, env=env), context):
            raise Skip("the client trusts no certificate: it does not look at SSL_CERT_FILE, or knows nothing of TLS")
