"""permessage-deflate: what is settled for any words about it, and what any bytes are when they are decompressed.

The reference is what RFC 7692 says, written down here a second time, and zlib, which gets one byte at a time.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fuzz.source import TAIL, Source, cut, press
from fuzz.talk import joined
from rawws.core import rules
from rawws.core.agreement import Agreement, Extension, Terms
from rawws.core.connection import Connection
from rawws.core.deflate import MOST_FINAL_BLOCKS, Deflate, Deflater, DeflateTerms
from rawws.core.errors import RemoteProtocolError
from rawws.core.events import Chunk, Closed
from rawws.core.headers import read_extensions
from rawws.core.rules import Rule
from rawws.core.settings import Limits, Role
from rawws.core.upgrade import Accepted, ClientUpgrade, UpgradeRequest
from tests.wire import BINARY, CONTINUATION, TEXT, Keys, frame

NAME = "permessage-deflate"

# --- What is settled --------------------------------------------------------------------------------------------------


def negotiation(data: bytes) -> None:
    """Any Sec-WebSocket-Extensions, as an offer and as an answer, beside any wish."""
    source = Source(data)
    wish = _wish(source)
    fields = [(b"sec-websocket-extensions", line) for line in source.rest().split(b"\n")]
    _check_offers(wish, fields)
    _check_answer(wish, fields)


def _wish(source: Source) -> Deflate:
    bits, flags = source.byte(), source.byte()
    return Deflate(8 + (bits & 7), 8 + (bits >> 4 & 7), bool(flags & 1), bool(flags & 2), threshold=flags >> 4)


def _check_offers(wish: Deflate, fields: list[tuple[bytes, bytes]]) -> None:
    client = ClientUpgrade(compression=wish, random=bytes)
    own = [field for field in client.headers() if field[0] != b"sec-websocket-extensions"]
    try:
        request = UpgradeRequest.parse([(b"host", b"a"), *own, *fields])
    except RemoteProtocolError as error:
        if error.rule is rules.EXTENSIONS_INVALID:
            return
        raise
    offers = [offer for offer in request.extensions if offer.name == NAME and _legal(offer, offered=True)]
    accepted = request.accept(compression=wish)
    terms = accepted.agreement.compression
    assert (terms is None) == (not offers), "the first offer that is legal is accepted, and no other"
    if isinstance(terms, DeflateTerms):
        _check_terms(dict(offers[0].parameters), dict(terms.extension.parameters), wish)
        assert _legal(terms.extension, offered=False)
        _check_talk(client, accepted)


def _legal(extension: Extension, offered: bool) -> bool:
    """Section 7.1: each parameter is known, there once, and has a value where it needs one and none where not."""
    written = [key if value is None else f"{key}={value}" for key, value in extension.parameters]
    bits = r"=([89]|1[0-5])"
    may_be_bare = "?" if offered else ""
    grammar = (
        rf"(server|client)_no_context_takeover|server_max_window_bits{bits}|client_max_window_bits({bits}){may_be_bare}"
    )
    names = [key for key, _ in extension.parameters]
    return all(re.fullmatch(grammar, each) for each in written) and len(names) == len(set(names))


def _check_terms(offer: dict[str, str | None], answer: dict[str, str | None], wish: Deflate) -> None:
    """Sections 7.1.1 and 7.1.2: what was asked for is granted, and what was not offered is not used."""
    if "server_no_context_takeover" in offer:
        assert "server_no_context_takeover" in answer
    server = int(answer.get("server_max_window_bits") or 15)
    assert server <= min(wish.server_max_window_bits, int(offer.get("server_max_window_bits") or 15))
    assert "server_max_window_bits" not in offer or "server_max_window_bits" in answer
    if "client_max_window_bits" in offer:
        client = int(answer.get("client_max_window_bits") or 15)
        assert client <= min(wish.client_max_window_bits, int(offer["client_max_window_bits"] or 15))
    else:
        assert "client_max_window_bits" not in answer


def _check_talk(client: ClientUpgrade, accepted: Accepted) -> None:
    """The client takes the answer, and each understands the other."""
    sides = client.complete(accepted.status, accepted.headers, random=Keys()), accepted.connection()
    compression = [side.compression for side in sides]
    assert all(compression)
    assert 1 == len({terms.extension for terms in compression if terms is not None})
    text = "".join(map(str, range(100)))
    for one, other in (sides, sides[::-1]):
        for message in (text, "", text):
            one.send_text(message, compress=True)
            other.receive_data(one.data_to_send())
            assert [message] == list(other.events())


def _check_answer(wish: Deflate, fields: list[tuple[bytes, bytes]]) -> None:
    client = ClientUpgrade(compression=wish, http_version="2", random=bytes)
    terms, rule = None, None
    try:
        terms = client.check(200, fields).compression
    except RemoteProtocolError as error:
        rule = error.rule
    assert rule is _rule_of(fields), f"{rule}, not {_rule_of(fields)}"
    assert terms is None or _legal(terms.extension, offered=False)


def _rule_of(fields: list[tuple[bytes, bytes]]) -> Rule | None:
    """What is wrong with an answer that should name this extension, once or not at all."""
    if len(fields) > 1:
        return rules.RESPONSE_EXTENSIONS
    try:
        named = read_extensions(fields[0][1])
    except ValueError:
        return rules.RESPONSE_EXTENSIONS
    for number, extension in enumerate(named):
        if number or extension.name != NAME:
            return rules.EXTENSION_UNOFFERED
        if not _legal(extension, offered=False):
            return rules.COMPRESSION_TERMS
    return None


# --- What is decompressed ---------------------------------------------------------------------------------------------

LIMITS = (None, 20, 1000, 70_000)
END = b"\x03\x00"
"""A last block with no data, compressed: after it zlib says that this was the end, if it may stand there."""


class Outcome(NamedTuple):
    """What has to become of a message."""

    data: bytes
    rules: tuple[Rule, ...] = ()
    """One of these is broken; none if it is whole."""


class Reference:
    """Decompresses the messages of one sender, one byte at a time, and keeps its window as bytes."""

    def __init__(self, bits: int, takeover: bool, limit: int | None) -> None:
        self.size = 1 << bits
        self.takeover = takeover
        self.limit = limit
        self.window = b""

    def read(self, payload: bytes) -> Outcome:
        """The next message (section 7.2.2)."""
        out, finals, stream = b"", 0, None
        for at in range(len(payload)):
            if stream is None:
                if finals > MOST_FINAL_BLOCKS:
                    return Outcome(out, (rules.TOO_MANY_FINAL_BLOCKS,))
                stream = zlib.decompressobj(-15, zdict=(self.window + out)[-self.size :])
            try:
                out += stream.decompress(payload[at : at + 1])
            except zlib.error:
                return Outcome(out, (rules.COMPRESSED_DATA,))
            if self._is_over(out):
                return Outcome(out, (rules.MESSAGE_TOO_BIG,))
            if stream.eof:
                stream, finals = None, finals + 1
        whole = self._end(payload, out, stream)
        self.window = (self.window + whole.data)[-self.size :] if self.takeover else b""
        return whole

    def _is_over(self, out: bytes) -> bool:
        return self.limit is not None and len(out) > self.limit

    def _end(self, payload: bytes, out: bytes, stream: "zlib._Decompress | None") -> Outcome:
        """With the four bytes behind it that were cut off, or without, if it ends with them."""
        if stream is None:
            return Outcome(out)
        try:
            rest = b"" if payload.endswith(TAIL) else stream.decompress(TAIL)
            whole = stream.eof and not stream.unused_data
            if not stream.eof:
                whole = not stream.decompress(END) and stream.eof
        except zlib.error:
            whole = False
        if not whole:
            return Outcome(out, (rules.COMPRESSED_DATA, rules.MESSAGE_TOO_BIG))
        out += rest
        return Outcome(out, (rules.MESSAGE_TOO_BIG,) if self._is_over(out) else ())


def inflate(data: bytes) -> None:
    """Any bytes as compressed messages, in any fragments and pieces; and what comes of them compressed again."""
    source = Source(data)
    flags, window, size, fragment = (source.byte() for _ in range(4))
    takeover, text, limit = bool(flags & 1), bool(flags & 2), LIMITS[flags >> 2 & 3]
    bits = 8 + (window & 7)
    terms = DeflateTerms(not takeover, server_max_window_bits=bits)
    payloads = list(_payloads(source))
    wire = b"".join(_frames(TEXT if text else BINARY, payload, fragment) for payload in payloads)
    reference = Reference(bits, takeover, limit)
    outcomes = [reference.read(payload) for payload in payloads]
    for stream, by in ((False, 0), (False, 1), (True, size)):
        _compare(outcomes, _told(terms, limit, stream, cut(wire, by)), text)
    _check_deflater([outcome.data for outcome in outcomes], bits, takeover, window >> 3)


def _payloads(source: Source) -> Iterator[bytes]:
    """As they are, or compressed here and repeated."""
    while source:
        how, size = source.byte(), source.byte()
        payload = source.take(size)
        yield press(payload * (1, 9, 200)[how >> 2 & 1 | how >> 3 & 1], how) if how & 0x80 else payload


def _frames(opcode: int, payload: bytes, size: int) -> bytes:
    pieces = list(cut(payload, size)) or [b""]
    last = len(pieces) - 1
    return b"".join(
        frame(CONTINUATION if at else opcode, piece, fin=at == last, rsv=0 if at else 4)
        for at, piece in enumerate(pieces)
    )


def _told(
    terms: Terms, limit: int | None, stream: bool, pieces: Iterable[bytes]
) -> tuple[list[str | bytes], Rule | None]:
    """The messages that rawws tells, and which rule was broken then."""
    connection = Connection(Role.CLIENT, Agreement(compression=terms), limits=Limits(message=limit), stream=stream)
    told: list[str | bytes] = []
    parts: list[str | bytes] = []
    for piece in pieces:
        connection.receive_data(piece)
        for event in connection.events():
            match event:
                case Chunk(part, _, last):
                    parts.append(part)
                    if last:
                        told.append(joined(parts))
                        parts = []
                case str() | bytes():
                    told.append(event)
                case Closed():
                    assert event.error is not None
                    return told, event.error.rule
    return told, None


def _compare(outcomes: list[Outcome], told: tuple[list[str | bytes], Rule | None], text: bool) -> None:
    messages, rule = told
    for number, (data, broken) in enumerate(outcomes):
        allowed: tuple[Rule | None, ...] = broken
        if text and not _is_text(data, whole=not broken):
            # Of two faults, which goes first depends on whether both are in one frame.
            allowed = (*broken, rules.TEXT_NOT_UTF8)
        if allowed:
            assert number == len(messages), f"{messages} of {outcomes}"
            assert rule in allowed, f"{rule}, not {allowed}"
            return
        assert messages[number] == (data.decode() if text else data)
    assert len(messages) == len(outcomes)
    assert rule is None


def _is_text(data: bytes, whole: bool) -> bool:
    """Whether it is UTF-8, or may become so."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return not whole and error.reason == "unexpected end of data"
    return True


def _check_deflater(messages: list[bytes], bits: int, takeover: bool, level: int) -> None:
    """What rawws compresses is what it was, for a reader that looks back no further than the window."""
    deflater = Deflater(bits, takeover, 0, level % 9 + 1, level % 7 + 1)
    reader = zlib.decompressobj(-bits)
    for message in messages[:4]:
        message = message[:2000]
        payload = deflater.compress(message[:50], last=False) + deflater.compress(message[50:], last=True) + TAIL
        assert message == b"".join(reader.decompress(payload[at : at + 1]) for at in range(len(payload)))
        reader = reader if takeover else zlib.decompressobj(-bits)
