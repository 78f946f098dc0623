"""Hypothesis strategies for what passes over a wire: messages in fragments, control frames between, cut anywhere.

Where compression was agreed on, `Press` compresses them.  It is not rawws's own: it writes what any peer may write, all
kinds of blocks with and without BFINAL, and keeps its window as plain bytes.
"""

import random
import zlib
from typing import NamedTuple

from hypothesis import strategies as st

from rawws.core.agreement import Agreement
from rawws.core.connection import Connection
from rawws.core.deflate import Deflate, DeflateTerms
from rawws.core.events import Closed, Event, Ping, Pong
from rawws.core.settings import Role
from rawws.core.upgrade import ClientUpgrade, UpgradeRequest
from tests.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_body, frame

RSV1 = 4

MESSAGES: st.SearchStrategy[str | bytes] = (
    st.text(st.sampled_from("a\0é€😀\U0010ffff"), max_size=8)
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.integers(120, 130).map(bytes)
    | st.integers(120, 130).map(lambda size: "x" * size)
)
"""Messages of both types, with characters of all lengths, and some around the first boundary of the length."""

KEYS = st.binary(min_size=4, max_size=4)

PAYLOADS = st.binary(max_size=10) | st.just(bytes(125))
"""Of control frames."""


class Part(NamedTuple):
    """A frame before it is masked."""

    opcode: int
    payload: bytes
    fin: bool
    rsv: int = 0


class Traffic(NamedTuple):
    """What one side sends, and what the other must tell."""

    sender: Role
    data: bytes
    events: list[Event]
    agreement: Agreement = Agreement()


@st.composite
def fragments(draw: st.DrawFn, message: str | bytes, most: int = 4) -> list[Part]:
    """The message as one frame or as some, cut anywhere, also inside a character; some may be empty."""
    payload = message.encode() if isinstance(message, str) else message
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=most - 1)))
    pieces = [payload[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(payload)])]
    first = TEXT if isinstance(message, str) else BINARY
    opcodes = [first, *[CONTINUATION] * len(cuts)]
    return [Part(opcode, piece, at == len(cuts)) for at, (opcode, piece) in enumerate(zip(opcodes, pieces))]


@st.composite
def controls(draw: st.DrawFn) -> tuple[Part, Event]:
    """A Ping or a Pong, and its event."""
    payload = draw(PAYLOADS)
    if draw(st.booleans()):
        return Part(PING, payload, True), Ping(payload)
    return Part(PONG, payload, True), Pong(payload)


@st.composite
def traffic(draw: st.DrawFn, most: int = 5) -> Traffic:
    """Messages in fragments, with control frames wherever they may stand, and sometimes a Close at the end."""
    parts: list[Part] = []
    events: list[Event] = []
    for message in draw(st.lists(MESSAGES, max_size=most)):
        for part in draw(fragments(message)):
            for control, event in draw(st.lists(controls(), max_size=2)):
                parts.append(control)
                events.append(event)
            parts.append(part)
        events.append(message)
    if draw(st.booleans()):
        parts.append(Part(CLOSE, close_body(1000, "bye"), True))
        events.append(Closed(1000, "bye", "peer"))
    side = draw(st.sampled_from(Role))
    return Traffic(side, b"".join(draw(written(part, side)) for part in parts), events)


@st.composite
def written(draw: st.DrawFn, part: Part, sender: Role) -> bytes:
    """The frame with a key of its own, if it is a client's."""
    key = draw(KEYS) if sender is Role.CLIENT else None
    return frame(part.opcode, part.payload, fin=part.fin, key=key, rsv=part.rsv)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The same bytes in pieces; a place beyond the end is taken from the beginning again."""
    inside = sorted({place % (len(data) + 1) for place in places})
    return [data[begin:end] for begin, end in zip([0, *inside], [*inside, len(data)])]


PLACES = st.lists(st.integers(0, 2**16), max_size=8)
"""Where to `cut`."""


@st.composite
def harmed(draw: st.DrawFn) -> tuple[Role, bytes]:
    """Good traffic in which some bytes were changed, lost, doubled or put in; and who sent it."""
    sent = draw(traffic())
    return sent.sender, draw(harm(sent.data))


@st.composite
def harm(draw: st.DrawFn, good: bytes) -> bytes:
    """The bytes, of which some were changed, lost, doubled or put in."""
    data = bytearray(good)
    for place, harm, byte in draw(st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 4), st.integers(0, 255)))):
        at = place % (len(data) + 1)
        match harm:
            case 0:
                data[at : at + 1] = bytes([byte])
            case 1:
                data[at : at + 1] = bytes([data[at] ^ 1 << byte % 8]) if at < len(data) else b""
            case 2:
                del data[at : at + byte % 8]
            case 3:
                data[at:at] = data[at : at + byte % 8]
            case 4:
                data[at:at] = bytes([byte])
    return bytes(data)


# --- Compressed -------------------------------------------------------------------------------------------------------

WINDOWS = st.integers(8, 15)
LEVELS = st.integers(1, 9)

WISHES = st.builds(
    Deflate,
    server_max_window_bits=WINDOWS,
    client_max_window_bits=WINDOWS,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    threshold=st.sampled_from([0, 1, 20, 126, 256]),
    level=LEVELS,
    memory_level=LEVELS,
)
"""What one endpoint would like, at random."""


def agreed(client: Deflate, server: Deflate) -> tuple[Agreement, Agreement]:
    """What comes of two wishes in a real opening handshake, as the client and as the server knows it."""
    upgrade = ClientUpgrade(compression=client, random=bytes)
    request = UpgradeRequest.parse([(b"host", b"example.com"), *upgrade.headers()])
    accepted = request.accept(compression=server)
    return upgrade.check(accepted.status, accepted.headers), accepted.agreement


AGREED = st.builds(agreed, WISHES, WISHES)


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that cannot be compressed."""
    return random.Random(seed).randbytes(size)


SIZES = st.sampled_from([19, 20, 21, 125, 126, 127, 255, 256, 257, 600, 3000])

LOADS: st.SearchStrategy[str | bytes] = (
    MESSAGES
    | st.builds(noise, SIZES, st.integers(0, 3))
    | st.builds(lambda unit, size: (unit * size)[:size], st.text(min_size=1, max_size=12), SIZES)
    | st.builds(lambda unit, size: (unit * size)[:size], st.binary(min_size=1, max_size=300), SIZES)
)
"""Messages as in `MESSAGES`, and longer ones: that can be compressed and cannot, also by what was in earlier ones."""


class Speech(NamedTuple):
    """A message in fragments, with control frames between, as one side says it."""

    parts: list[str | bytes]
    compress: bool | None
    between: list[tuple[bool, bytes]]
    """Behind each fragment but the last, a Ping or a Pong may follow."""


@st.composite
def speeches(draw: st.DrawFn) -> Speech:
    """Any message, cut anywhere between characters."""
    message = draw(LOADS)
    cuts = sorted(draw(st.lists(st.integers(0, len(message)), max_size=3)))
    parts = [message[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(message)])]
    compress = draw(st.sampled_from([None, None, True, True, False]))
    return Speech(parts, compress, draw(st.lists(st.tuples(st.booleans(), PAYLOADS), max_size=3)))


def joined(parts: list[str | bytes]) -> str | bytes:
    """The message that these make."""
    return type(parts[0])().join(parts)  # type: ignore[arg-type]


SPEECHES = st.lists(speeches(), max_size=4)


def say(connection: Connection, speech: Speech) -> list[Event]:
    """Say it; what the other side must tell."""
    events: list[Event] = []
    for number, part in enumerate(speech.parts, 1):
        more = number < len(speech.parts)
        if isinstance(part, str):
            connection.send_text(part, more, compress=speech.compress)
        else:
            connection.send_binary(part, more, compress=speech.compress)
        for is_ping, payload in speech.between[number - 1 : number] if more else ():
            (connection.ping if is_ping else connection.pong)(payload)
            events.append(Ping(payload) if is_ping else Pong(payload))
    return [*events, joined(speech.parts)]


STRATEGIES = st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE])

TAIL = bytes.fromhex("0000ffff")


class Way(NamedTuple):
    """How a part of a message is compressed."""

    level: int
    """0 for blocks with no compression."""
    strategy: int
    final: bool
    """With BFINAL in its last block."""


WAYS = st.builds(Way, st.sampled_from([0, 1, 6, 9]), STRATEGIES, st.sampled_from([False, False, False, True]))


class Press:
    """A peer that compresses, on any terms."""

    def __init__(self, bits: int, takeover: bool) -> None:
        self.bits = bits
        self.takeover = takeover
        self.window = b""

    def squeeze(self, parts: list[tuple[bytes, Way]], keep_tail: bool = False) -> bytes:
        """A message, compressed (section 7.2.1); `keep_tail` leaves the four bytes where they are."""
        written = b"".join(self._write(*part) for part in parts)
        if not self.takeover:
            self.window = b""
        # What ends with BFINAL needs an empty block behind it, of which all but one byte is cut off again.
        whole = written if written.endswith(TAIL) else written + b"\0" + TAIL
        return whole if keep_tail else whole.removesuffix(TAIL)

    def _write(self, data: bytes, way: Way) -> bytes:
        # The reach of zlib is 250 bytes if the window has 9 bits, which it writes for 8 too.
        bits = max(9, self.bits)
        stream = zlib.compressobj(way.level, zlib.DEFLATED, -bits, 8, way.strategy, zdict=self.window[-(1 << bits) :])
        self.window = (self.window + data)[-(1 << self.bits) :]
        return stream.compress(data) + stream.flush(zlib.Z_FINISH if way.final else zlib.Z_SYNC_FLUSH)


def press_of(sender: Role, terms: DeflateTerms) -> Press:
    """The compressor of `sender`, as the terms allow it."""
    bits = terms.server_max_window_bits if sender is Role.SERVER else terms.client_max_window_bits
    none = terms.server_no_context_takeover if sender is Role.SERVER else terms.client_no_context_takeover
    return Press(bits or 15, not none)


TERMS = st.builds(
    DeflateTerms,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.none() | WINDOWS,
    client_max_window_bits=st.none() | WINDOWS,
)


@st.composite
def squeezed(draw: st.DrawFn, payload: bytes, press: Press) -> bytes:
    """The payload of a message, compressed in one way or in several."""
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=2)))
    parts = [(payload[begin:end], draw(WAYS)) for begin, end in zip([0, *cuts], [*cuts, len(payload)])]
    return press.squeeze(parts, keep_tail=draw(st.sampled_from([False, False, True])))


@st.composite
def compressed_fragments(draw: st.DrawFn, message: str | bytes, press: Press) -> list[Part]:
    """The message compressed, in frames that are cut anywhere, also inside a block."""
    payload = message.encode() if isinstance(message, str) else message
    first, *others = draw(fragments(draw(squeezed(payload, press))))
    return [first._replace(opcode=TEXT if isinstance(message, str) else BINARY, rsv=RSV1), *others]


@st.composite
def compressed_traffic(draw: st.DrawFn, most: int = 4) -> Traffic:
    """Like `traffic`, on any terms: most messages are compressed, in any way that a peer may choose."""
    side, terms = draw(st.sampled_from(Role)), draw(TERMS)
    press = press_of(side, terms)
    parts: list[Part] = []
    events: list[Event] = []
    for message in draw(st.lists(LOADS, min_size=1, max_size=most)):
        plain = draw(st.sampled_from([False, False, False, True]))
        for part in draw(fragments(message) if plain else compressed_fragments(message, press)):
            for control, event in draw(st.lists(controls(), max_size=2)):
                parts.append(control)
                events.append(event)
            parts.append(part)
        events.append(message)
    data = b"".join(draw(written(part, side)) for part in parts)
    return Traffic(side, data, events, Agreement(compression=terms))


RAW = st.binary(max_size=12) | st.sampled_from([b"", b"\0", TAIL, b"\3\0" * 3, b"\x01\x09\x00\xf6\xff", b"\6"])
"""Payloads that nobody has compressed."""

BROKEN_TEXT = st.sampled_from([b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82\xac" * 40 + b"\x80"])


@st.composite
def hostile_traffic(draw: st.DrawFn, most: int = 4) -> Traffic:
    """Compressed messages that are cut off, corrupt, no UTF-8 inside, or marked where they may not be; no events."""
    side, terms = draw(st.sampled_from(Role)), draw(TERMS)
    press = press_of(side, terms)
    parts: list[Part] = []
    for message in draw(st.lists(LOADS | BROKEN_TEXT, min_size=1, max_size=most)):
        payload = message.encode() if isinstance(message, str) else message
        good = draw(squeezed(payload, press))
        at = draw(st.integers(0, len(good)))
        bad = draw(st.sampled_from([good, good, good, good[:at], good + good[:at], b"", None]))
        harmful = harm(good) if bad is None else st.just(bad) | RAW
        first, *others = draw(fragments(draw(harmful)))
        opcode = draw(st.sampled_from([TEXT, BINARY]))
        mark = draw(st.sampled_from([RSV1] * 12 + [0, 1, 2, 5]))
        for part in [first._replace(opcode=opcode, rsv=mark), *others]:
            parts += [control for control, _ in draw(st.lists(controls(), max_size=1))]
            parts.append(part)
    stray = draw(st.sampled_from([None] * 8 + list(range(len(parts)))))
    if stray is not None:
        parts[stray] = parts[stray]._replace(rsv=parts[stray].rsv ^ RSV1)
    data = b"".join(draw(written(part, side)) for part in parts)
    return Traffic(side, data if draw(st.integers(0, 3)) else draw(harm(data)), [], Agreement(compression=terms))
