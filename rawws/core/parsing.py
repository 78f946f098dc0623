"""What h11 makes of a head of HTTP/1.1, of its parts or of all of it, and of a body.

`heads` has cut it out of the stream.  Whatever a peer sends, the only exception is `RemoteProtocolError`.

What most clients send alike, such as `Upgrade: websocket`, is judged once: the line is remembered with what it says.
It can be, since h11 looks at each field by itself.  The exceptions are Content-Length and Transfer-Encoding, which say
how long a body is, and Host, which has to be there once.

So the fields of a request are remembered together, too, if they are such lines and Host: from the next request of the
same client, or of one like it, they differ in Sec-WebSocket-Key alone, and if that is the base64 of 16 bytes, h11 has
nothing to say about it.  Nor has it about a first line such as `GET /chat HTTP/1.1`.

Nothing is remembered that may be a secret: no cookie, no key, and no target, which may hold a token.
"""

import re
from collections.abc import Callable
from itertools import repeat
from typing import NamedTuple, TypeAlias

import h11

from rawws.core import rules
from rawws.core.errors import RemoteProtocolError
from rawws.core.headers import Headers
from rawws.core.heads import split_field

Field: TypeAlias = tuple[bytes, bytes]
Message: TypeAlias = h11.Request | h11.Response | h11.InformationalResponse

BodyReader: TypeAlias = h11.Connection
"""What reads the body of an answer."""

FRAMING = frozenset((b"content-length", b"transfer-encoding"))
"""The fields that say how long a body is."""

# --- Fields ---------------------------------------------------------------------------------------------------------

_COMMON = (
    b"Upgrade",
    b"Connection",
    b"Sec-WebSocket-Version",
    b"Sec-WebSocket-Extensions",
    b"Origin",
    b"User-Agent",
    b"Server",
    b"Pragma",
    b"Cache-Control",
    b"Accept",
    b"Accept-Encoding",
    b"Accept-Language",
    b"Sec-Fetch-Dest",
    b"Sec-Fetch-Mode",
    b"Sec-Fetch-Site",
)
"""What browsers and servers send with most handshakes, and often with the same value."""
_NAMES = (*_COMMON, b"Host", b"Cookie", b"Sec-WebSocket-Key", b"Sec-WebSocket-Accept", b"Sec-WebSocket-Protocol")

_LOWER = {name: name.lower() for name in _NAMES}
"""Open connections share these names."""
_MAY_BE_REMEMBERED = frozenset(map(_LOWER.__getitem__, _COMMON))
_IN_ALIKE = _MAY_BE_REMEMBERED | {b"host"}
"""What requests may be made of that are remembered.  Host may: they have it in common, so it is there once."""

MOST_REMEMBERED, LONGEST_REMEMBERED = 256, 256
"""So many lines, of so many bytes."""
_remembered: dict[bytes, Field] = {}
_FRESH: Field = (b"", b"")
"""In the place of what is not remembered; no line says this."""


def _judged(lines: list[bytes], judge: Callable[[list[Field]], Message]) -> Headers:
    """The fields that these lines are, names in lower case; `judge` is shown those that are not remembered."""
    fields = list(map(_remembered.get, lines, repeat(_FRESH)))
    fresh = [at for at, field in enumerate(fields) if field is _FRESH]
    given = [split_field(lines[at]) for at in fresh]
    judge(given)
    for at, (name, value) in zip(fresh, given, strict=True):
        name = _LOWER.get(name) or name.lower()
        if name in FRAMING:
            # h11 writes these in one way, and puts equal ones together.
            return _fields_of(judge([split_field(line) for line in lines]))
        fields[at] = name, value
        if name in _MAY_BE_REMEMBERED and len(lines[at]) <= LONGEST_REMEMBERED:
            _remember_line(lines[at], fields[at])
    return tuple(fields)


def _remember_line(line: bytes, field: Field) -> None:
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    _remembered[line] = field


def _fields_of(message: Message) -> Headers:
    return tuple([(_LOWER.get(name) or name.lower(), value) for name, value in message.headers.raw_items()])


# --- Heads ----------------------------------------------------------------------------------------------------------

_WORDS = {word: word.decode("ascii") for word in (b"GET", b"1.1")}


def text_of(word: bytes) -> str:
    """A word of a request line; open connections share those that nearly all of them say."""
    return _WORDS.get(word) or word.decode("ascii")


class Parsed(NamedTuple):
    """A request that h11 has passed."""

    method: bytes
    target: bytes
    version: str
    fields: Headers


class Alike(NamedTuple):
    """The fields of requests that differ in their key alone."""

    fields: Headers
    """Without the key."""
    at: int
    """Where among them it belongs."""


MOST_ALIKE, LONGEST_ALIKE = 64, 2048
"""So many are remembered, of so many bytes."""
_alike: dict[bytes, Alike] = {}

_ASKS = re.compile(rb"GET (/[!-~]*) HTTP/1\.1(?=\r\n)")
_KEY = b"sec-websocket-key"
_KEY_LINE = re.compile(rb"\r\nsec-websocket-key: ?([a-z0-9+/]{22}==)(?=\r\n)", re.IGNORECASE)


def parse_request(head: bytes) -> Parsed:
    """The method, the target, the version and the fields of a request.

    Raises:
        RemoteProtocolError: it is no HTTP/1, or in HTTP/1.1 there is not one Host.
    """
    asks, key = _ASKS.match(head), _KEY_LINE.search(head)
    if asks is None or key is None:
        return _parsed_by_h11(head)
    rest = head[asks.end() : key.start(1)] + head[key.end(1) :]
    known = _alike.get(rest)
    if known is None:
        parsed = _parsed_by_h11(head)
        _remember_fields(rest, parsed.fields)
        return parsed
    fields, at = known
    return Parsed(b"GET", asks[1], "1.1", (*fields[:at], (_KEY, key[1]), *fields[at:]))


def _remember_fields(rest: bytes, fields: Headers) -> None:
    names = [name for name, _ in fields]
    at = names.index(_KEY)
    if len(rest) <= LONGEST_ALIKE and _IN_ALIKE.issuperset(names[:at] + names[at + 1 :]):
        if len(_alike) >= MOST_ALIKE:
            _alike.clear()
        _alike[rest] = Alike(fields[:at] + fields[at + 1 :], at)


def _parsed_by_h11(head: bytes) -> Parsed:
    first, *lines = head[:-4].split(b"\r\n")
    try:
        method, target, version = first.split(b" ")
        # It was cut into lines already, as it came; so h11 is given the parts, and judges each of them.
        fields = _judged(
            lines,
            lambda fields: h11.Request(method=method, target=target, headers=fields, http_version=version[5:]),
        )
    except (ValueError, h11.LocalProtocolError) as error:
        said = _said(error)
        rule = rules.HOST if said.startswith(_NOT_ONE_HOST) else rules.HTTP_MALFORMED
        raise RemoteProtocolError(rule, said) from None
    return Parsed(method, target, text_of(version[5:]), fields)


_NOT_ONE_HOST = ("Missing mandatory Host", "Found multiple Host")
"""How h11 says so."""
MOST_SAID = 120


def _said(error: Exception) -> str:
    """What h11 says, or Python; it may repeat all that the peer has sent."""
    return str(error)[:MOST_SAID]


_SWITCH = re.compile(rb"HTTP/([0-9]\.[0-9]) 101(?: .*)?")


def parse_switch(head: bytes) -> tuple[bytes, Headers] | None:
    """The version and the fields of an answer that is 101, which has no body; None if it is another.

    Raises:
        RemoteProtocolError: it is no HTTP.
    """
    first, *lines = head[:-4].split(b"\r\n")
    found = _SWITCH.fullmatch(first)
    if found is None:
        return None
    try:
        fields = _judged(lines, lambda fields: h11.InformationalResponse(status_code=101, headers=fields))
    except (ValueError, h11.LocalProtocolError) as error:
        raise RemoteProtocolError(rules.RESPONSE_MALFORMED, _said(error)) from None
    return found[1], fields


def parse_answer(head: bytes) -> tuple[BodyReader, int, str, Headers]:
    """The status, the reason and the fields of any other answer, behind what goes on to read its body.

    Raises:
        RemoteProtocolError: it is no HTTP.
    """
    http = h11.Connection(h11.CLIENT)
    asks = [("Host", "-"), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
    http.send(h11.Request(method="GET", target="/", headers=asks))
    http.send(h11.EndOfMessage())
    http.receive_data(head)
    try:
        answer = http.next_event()
    except h11.RemoteProtocolError as error:
        raise RemoteProtocolError(rules.RESPONSE_MALFORMED, _said(error)) from None
    assert isinstance(answer, (h11.Response, h11.InformationalResponse))
    return http, answer.status_code, bytes(answer.reason).decode("latin-1"), _fields_of(answer)


def take_body(http: BodyReader) -> tuple[bytes, bool]:
    """What of the body can be read now, and whether that was the last of it; also when the rest cannot be read."""
    body = b""
    try:
        while isinstance(event := http.next_event(), h11.Data):
            body += event.data
    except h11.RemoteProtocolError:
        return body, True
    return body, event is not h11.NEED_DATA
