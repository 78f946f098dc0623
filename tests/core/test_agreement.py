"""The extension interface: what was agreed on is a value, and another compression than DEFLATE can be put in.

`permessage-foo` is the one in the examples of RFC 7692, section 5.2.  Here it writes each run of a byte as a count and
the byte, with a longest run that the two sides agree on, and forgets everything behind each message.
"""

import copy
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pytest

from rawws.core import rules
from rawws.core.agreement import Agreement, Compression, Compressor, Decompressor, Extension, Terms
from rawws.core.connection import Connection
from rawws.core.deflate import Deflate, DeflateTerms
from rawws.core.errors import ProtocolError, RemoteProtocolError
from rawws.core.events import Chunk, Event
from rawws.core.headers import Headers, read_extensions
from rawws.core.http1 import ClientConnection, ServerConnection
from rawws.core.settings import Limits, Role
from rawws.core.upgrade import Accepted, ClientUpgrade, UpgradeRequest
from tests.wire import (
    BINARY,
    CONTINUATION,
    PING,
    TEXT,
    Keys,
    Pair,
    broken,
    chopped,
    feed,
    frame_from,
    receive,
)


@dataclass(frozen=True)
class Foo:
    """permessage-foo as one endpoint would like it: `x` is the longest run, from 1 to 255."""

    x: int = 255
    name: str = "permessage-foo"

    def offers(self) -> tuple[Extension, ...]:
        """As in section 5.2: a first choice, and a fallback plan."""
        return Extension(self.name, (("x", str(self.x)),)), Extension(self.name)

    def accept(self, offer: Extension) -> "FooTerms | None":
        """The shorter of the two longest runs."""
        try:
            return FooTerms(min(self.x, self.check(offer).x))
        except ValueError:
            return None

    def check(self, answer: Extension) -> "FooTerms":
        """One parameter is known."""
        match answer.parameters:
            case ():
                return FooTerms(255)
            case (("x", str(number)),) if 1 <= int(number) <= 255:
                return FooTerms(int(number))
        raise ValueError(f"not one x from 1 to 255, but {answer.parameters}")


@dataclass(frozen=True)
class FooTerms:
    """What was agreed on."""

    x: int

    @property
    def extension(self) -> Extension:
        """As the answer says it."""
        return Extension("permessage-foo", (("x", str(self.x)),))

    def compressor(self, sender: Role) -> "Runs":
        """Both senders do the same."""
        return Runs(self.x)

    def decompressor(self, sender: Role) -> "Unrun":
        """And so do both receivers."""
        return Unrun()


class Runs:
    """From bytes to counts and bytes."""

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def wants(self, size: int | None) -> bool:
        """Everything but empty messages."""
        return size != 0

    def compress(self, data: bytes, last: bool) -> bytes:
        """Every part stands alone."""
        return b"".join(bytes(pair) for pair in self.pairs(data))

    def share(self, data: bytes, memo: dict[Any, Any]) -> bytes:
        """What one of many has written, those with the same bound can send too."""
        if self.longest not in memo:
            memo[self.longest] = self.compress(data, last=True)
        found: bytes = memo[self.longest]
        return found

    def rest(self) -> None:
        """It holds nothing."""

    def pairs(self, data: bytes) -> Iterator[tuple[int, int]]:
        """A count and a byte for each run."""
        for byte, run in groupby(data):
            size = len(list(run))
            while size:
                part = min(size, self.longest)
                yield part, byte
                size -= part


class Unrun:
    """And back."""

    def __init__(self) -> None:
        self.begun = b""

    def decompress_whole(self, data: bytes, most: int) -> bytes | None:
        """There is no shortcut."""
        return None

    def decompress(self, data: bytes, most: int) -> tuple[bytes, int]:
        """A run at a time, and never more than was asked for."""
        held = len(self.begun)
        pair = (self.begun + data)[:2]
        used = len(pair) - held
        if len(pair) < 2:
            self.begun = pair
            return b"", used
        count, byte = pair
        if count == 0:
            raise ProtocolError(rules.COMPRESSED_DATA, "a run of nothing")
        rest = count - min(count, most)
        self.begun = bytes([rest, byte]) if rest else b""
        return bytes([byte]) * (count - rest), used

    def finish(self) -> bytes:
        """A count wants its byte."""
        if self.begun:
            raise ProtocolError(rules.COMPRESSED_DATA, "a count and no byte")
        return b""


KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def negotiated(client: Compression | None, server: Compression | None) -> tuple[ClientUpgrade, Accepted]:
    """A client's request and the answer of a server."""
    upgrade = ClientUpgrade(compression=client)
    request = UpgradeRequest.parse([(b"host", b"a"), *upgrade.headers()])
    return upgrade, request.accept(compression=server)


def connected(client: Compression | None, server: Compression | None) -> Pair:
    """Both sides, open."""
    upgrade, accepted = negotiated(client, server)
    return Pair(upgrade.complete(accepted.status, accepted.headers, random=Keys()), accepted.connection())


def field_of(headers: Headers) -> bytes | None:
    """What a head says about extensions."""
    return dict(headers).get(b"sec-websocket-extensions")


# --- The values -------------------------------------------------------------------------------------------------------


AGREEMENTS = [
    Agreement(),
    Agreement("chat"),
    Agreement(compression=DeflateTerms()),
    Agreement(compression=DeflateTerms(client_max_window_bits=9)),
    Agreement("chat", FooTerms(3)),
]


@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_an_agreement_is_a_value(agreement: Agreement) -> None:
    """It equals its copies and its pickles, hashes like them, and no other agreement."""
    for same in (copy.copy(agreement), copy.deepcopy(agreement), pickle.loads(pickle.dumps(agreement))):
        assert agreement == same
        assert hash(agreement) == hash(same)
    assert 1 == AGREEMENTS.count(agreement)


def test_an_agreement_cannot_be_changed() -> None:
    """What was settled is settled."""
    with pytest.raises(AttributeError):
        Agreement().subprotocol = "chat"  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    ["permessage-foo", "permessage-foo; x=10", "permessage-foo; use_y", "a; b; b=1; b=2; c"],
)
def test_an_extension_is_written_as_it_was_read(text: str) -> None:
    """Its parameters in their order, repeated ones too."""
    (extension,) = read_extensions(text.encode())

    assert text == str(extension)


def test_what_has_the_methods_is_a_compression() -> None:
    """Nothing has to be inherited; and what has them not is told apart, "deflate" for example."""
    assert isinstance(Foo(), Compression)
    assert isinstance(Deflate(), Compression)
    assert not isinstance("deflate", Compression)
    terms: Terms = FooTerms(1)
    compressor: Compressor = terms.compressor(Role.CLIENT)
    decompressor: Decompressor = terms.decompressor(Role.CLIENT)
    assert (b"a", 2) == decompressor.decompress(compressor.compress(b"aa", True), 9)


# --- Another compression ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "client, server, offer, answer",
    [
        (Foo(10), Foo(20), b"permessage-foo; x=10, permessage-foo", b"permessage-foo; x=10"),
        (Foo(20), Foo(10), b"permessage-foo; x=20, permessage-foo", b"permessage-foo; x=10"),
        (Foo(1000), Foo(10), b"permessage-foo; x=1000, permessage-foo", b"permessage-foo; x=10"),
        (Foo(), None, b"permessage-foo; x=255, permessage-foo", None),
        (Foo(), Deflate(), b"permessage-foo; x=255, permessage-foo", None),
        (Foo(), Foo(name="permessage-bar"), b"permessage-foo; x=255, permessage-foo", None),
        (None, Foo(), None, None),
    ],
)
def test_it_is_negotiated_as_any_other(
    client: Compression | None, server: Compression | None, offer: bytes | None, answer: bytes | None
) -> None:
    """RFC 7692 section 5: the best offer that can be accepted, or none, and then both go on without."""
    upgrade, accepted = negotiated(client, server)

    assert offer == field_of(upgrade.headers())
    assert answer == field_of(accepted.headers)
    assert accepted.agreement == upgrade.check(accepted.status, accepted.headers)
    pair = connected(client, server)
    assert accepted.agreement.compression == pair.client.compression == pair.server.compression


def test_an_answer_that_it_does_not_believe_fails_the_connection() -> None:
    """Section 5: whatever the compression calls a `ValueError`."""
    upgrade, accepted = negotiated(Foo(10), Foo(20))
    fields = [(name, value.replace(b"x=10", b"x=0")) for name, value in accepted.headers]

    with pytest.raises(RemoteProtocolError) as caught:
        upgrade.check(accepted.status, fields)

    assert rules.COMPRESSION_TERMS is caught.value.rule


MESSAGES: list[str | bytes] = ["", b"", "aaa", b"\0" * 1000, "€" * 5, "abc", b"ab" * 300]


@pytest.mark.parametrize("role", Role)
def test_messages_pass_through_it_both_ways(role: Role) -> None:
    """Whole or in fragments, text or binary, with a Ping between, however the bytes are cut."""
    for parts in (1, 2, 3):
        pair = connected(Foo(), Foo())
        sender = pair.of(role)
        for message in MESSAGES:
            step = -(-len(message) // parts) or 1
            pieces = [message[at : at + step] for at in range(0, len(message), step)] or [message]
            for number, piece in enumerate(pieces):
                more = number < len(pieces) - 1
                if isinstance(piece, str):
                    sender.send_text(piece, more)
                else:
                    sender.send_binary(piece, more)
                sender.ping()
        data = sender.data_to_send()

        for pieces_on_wire in chopped(data):
            events = feed(copy.deepcopy(pair.of(role.peer)), pieces_on_wire)
            assert MESSAGES == [event for event in events if isinstance(event, str | bytes)]


def test_what_is_sent_is_what_the_compressor_gave() -> None:
    """Byte for byte, with RSV1 in the first frame of a message and nowhere else."""
    server = Connection(Role.SERVER, Agreement(compression=FooTerms(2)))
    server.send_text("aaab")
    server.send_text("aa", more=True)
    server.send_text("a")
    server.send_text("")
    server.send_text("b", compress=False)

    expected = frame_from(Role.SERVER, TEXT, b"\x02a\x01a\x01b", rsv=4)
    expected += frame_from(Role.SERVER, TEXT, b"\x02a", rsv=4, fin=False) + frame_from(
        Role.SERVER, CONTINUATION, b"\x01a"
    )
    expected += frame_from(Role.SERVER, TEXT) + frame_from(Role.SERVER, TEXT, b"b")
    assert expected == server.data_to_send()


FOO = Agreement(compression=FooTerms(255))


@pytest.mark.parametrize(
    "payload, rule",
    [
        (b"\x01a\x00b", rules.COMPRESSED_DATA),
        (b"\x01a\x01", rules.COMPRESSED_DATA),
        (b"\x01a\x03\xff", rules.TEXT_NOT_UTF8),
        (b"\x01\xe2\x01\x82", rules.TEXT_NOT_UTF8),
        (b"\xffa", rules.MESSAGE_TOO_BIG),
        (b"\x63a\x02a", rules.MESSAGE_TOO_BIG),
    ],
)
@pytest.mark.parametrize("role", Role)
def test_what_is_wrong_with_it_ends_the_connection(role: Role, payload: bytes, rule: rules.Rule) -> None:
    """The rules, the limits and UTF-8 are the connection's, whatever decompresses."""
    data = frame_from(role.peer, TEXT, payload, rsv=4)
    for pieces in chopped(data):
        events = receive(role, pieces, agreement=FOO, limits=Limits(message=100))
        assert [broken(rule, len(data) - len(payload))] == events


def test_its_messages_can_be_taken_as_they_come() -> None:
    """In chunks, of which none is larger than what was asked of the decompressor."""
    data = frame_from(Role.SERVER, BINARY, b"\x03a\x02b", rsv=4, fin=False) + frame_from(Role.SERVER, PING)
    data += frame_from(Role.SERVER, CONTINUATION, b"\x01c")
    for pieces in chopped(data):
        events: list[Event] = list(receive(Role.CLIENT, pieces, agreement=FOO, stream=True))
        chunks = [event for event in events if isinstance(event, Chunk)]
        assert b"aaabbc" == b"".join(bytes(chunk.data) for chunk in chunks if isinstance(chunk.data, bytes))
        assert [True] + [False] * (len(chunks) - 1) == [chunk.first for chunk in chunks]


def test_it_can_be_used_over_http_1() -> None:
    """From the first byte of the handshake to the last frame."""
    client, server = ClientConnection("a", compression=Foo(7)), ServerConnection()
    feed(server, client.data_to_send())
    assert Agreement(compression=FooTerms(5)) == server.accept(compression=Foo(5))
    feed(client, server.data_to_send())

    assert FooTerms(5) == client.compression
    client.send_text("Hello")
    assert ["Hello"] == feed(server, client.data_to_send())
