"""Hypothesis strategies for what passes over a wire: messages in fragments, control frames between, cut anywhere."""

from typing import NamedTuple

from hypothesis import strategies as st

from rawws.core.events import Closed, Event, Ping, Pong
from rawws.core.settings import Role
from tests.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_body, frame

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


class Traffic(NamedTuple):
    """What one side sends, and what the other must tell."""

    sender: Role
    data: bytes
    events: list[Event]


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
    return frame(part.opcode, part.payload, fin=part.fin, key=key)


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
    data = bytearray(sent.data)
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
    return sent.sender, bytes(data)
