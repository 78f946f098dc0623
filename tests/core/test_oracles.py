"""The same bytes through rawws, wsproto and websockets: whatever is not in the table of differences must agree.

wsproto's `Connection` tells pieces of frames, and a violation as a Close that nobody sent; websockets' `Protocol` tells
frames, and keeps a violation in an attribute.  The adapters below turn both into what rawws tells: messages, control
frames, and one ending.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close, Frame
from websockets.protocol import Protocol, Side
from wsproto import connection as wsproto
from wsproto import events as told_by_wsproto

from rawws.core import rules
from rawws.core.events import Closed, Ping, Pong
from rawws.core.rules import Rule
from rawws.core.settings import Limits, Role
from tests.traffic import KEYS, PLACES, cut, harmed
from tests.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Wire,
    close_body,
    frame,
    frame_from,
    octets,
    receive,
)

Told = tuple[object, ...]
"""("text", …), ("binary", …), ("ping", …), ("pong", …), and at the end ("closed", code, reason) or ("failed", code)."""


class Difference(NamedTuple):
    """One thing that an oracle does otherwise."""

    oracle: str
    rule: Rule | None
    """What rawws finds fault with; None if it finds none."""
    theirs: str
    """What the oracle does at this point, in the words of `difference`."""
    because: str
    example: Wire
    """Bytes of a server that show it."""


DIFFERENCES = [
    Difference(
        "wsproto", None, "fails sooner",
        "a fault in the first two bytes is told before the rest of the header has come", "03 7e",
    ),
    Difference(
        "wsproto", None, "refuses the Close",
        "1014 was registered after its list of codes was written", "88 02 03f6",
    ),
    Difference(
        "wsproto", rules.TEXT_NOT_UTF8, "waits",
        "the decoder of Python holds two bytes of a surrogate back until the third has come", "01 02 eda0",
    ),
    Difference("wsproto", rules.TEXT_NOT_UTF8, "goes on", "and so tells what comes between", "01 02 eda0 89 00"),
    Difference("wsproto", rules.TEXT_NOT_UTF8, "fails with 1002", "or fails for that", "01 02 eda0 81 00"),
    Difference(
        "wsproto", rules.NOTHING_TO_CONTINUE, "waits",
        "which frame may follow which is judged when the first byte of the payload has come", "80 01",
    ),
    Difference("wsproto", rules.MESSAGE_UNFINISHED, "waits", "the same", "01 01 61 81 01"),
    Difference(
        "websockets", None, "fails sooner",
        "a fault in the opcode or the mask is told before the rest of the header has come", "03 7e",
    ),
    Difference(
        "websockets", None, "refuses the Close",
        "one in the middle of a message; 5.4 lets control frames interrupt it, and Close is one", "01 01 61 88 00",
    ),
    Difference(
        "websockets", rules.CLOSE_CODE, "fails with 1007",
        "of two faults in one Close it tells the one in the reason, which stands behind the code", "88 03 0000 ff",
    ),
    Difference(
        "websockets", rules.TEXT_NOT_UTF8, "does anything",
        "UTF-8 is left to the layer above; the adapter judges it when the message is whole", "01 01 ff",
    ),
    Difference(
        "websockets", rules.LENGTH_NOT_SHORTEST, "does anything",
        "it is let pass, since 5.2 binds the sender; what comes of the frame is another matter", "81 7e 0001 61",
    ),
    Difference(
        "websockets", rules.RESERVED_BITS, "waits",
        "most of a header is judged when the payload has come", "c1 02 61",
    ),
    Difference("websockets", rules.CONTROL_FRAGMENTED, "waits", "the same", "09 02 61"),
    Difference("websockets", rules.CONTROL_TOO_LONG, "waits", "the same", "89 7e 0080 61"),
    Difference("websockets", rules.NOTHING_TO_CONTINUE, "waits", "the same", "80 02 61"),
    Difference("websockets", rules.MESSAGE_UNFINISHED, "waits", "the same", "01 01 61 81 02 61"),
    Difference(
        "websockets", rules.LENGTH_TOP_BIT, "waits",
        "2^63 bytes are waited for if there is no limit", "82 7f 8000000000000000",
    ),
]  # fmt: skip
"""All of them.  Each is shown by its example, so that one that is no more fails a test."""


# --- Three that read --------------------------------------------------------------------------------------------------


def by_rawws(sender: Role, pieces: list[bytes]) -> tuple[list[Told], Rule | None]:
    """What rawws tells, and which rule it finds broken."""
    told: list[Told] = []
    for event in receive(sender.peer, pieces, limits=Limits(message=None)):
        match event:
            case str():
                told.append(("text", event))
            case bytes():
                told.append(("binary", event))
            case Ping(payload):
                told.append(("ping", payload))
            case Pong(payload):
                told.append(("pong", payload))
            case Closed(code, reason, _, error):
                told.append(("closed", code, reason) if error is None else ("failed", code))
                return told, None if error is None else error.rule
    return told, None


def by_wsproto(sender: Role, pieces: list[bytes]) -> list[Told]:
    """The same of wsproto."""
    role = wsproto.ConnectionType.SERVER if sender is Role.CLIENT else wsproto.ConnectionType.CLIENT
    connection = wsproto.Connection(role)
    told: list[Told] = []
    parts: list[str | bytes] = []
    for piece in pieces:
        connection.receive_data(piece)
        for event in connection.events():
            match event:
                case told_by_wsproto.TextMessage() | told_by_wsproto.BytesMessage():
                    parts.append(event.data if isinstance(event.data, str) else bytes(event.data))
                    if event.message_finished:
                        told.append(whole(parts))
                        parts = []
                case told_by_wsproto.Ping():
                    told.append(("ping", bytes(event.payload)))
                case told_by_wsproto.Pong():
                    told.append(("pong", bytes(event.payload)))
                case told_by_wsproto.CloseConnection() if connection.state is wsproto.ConnectionState.OPEN:
                    return [*told, ("failed", int(event.code))]
                case told_by_wsproto.CloseConnection():
                    return [*told, ("closed", int(event.code), event.reason)]
    return told


def whole(parts: list[str | bytes]) -> Told:
    """The message that these parts make."""
    if isinstance(parts[0], str):
        return "text", "".join(map(str, parts))
    return "binary", b"".join(part for part in parts if isinstance(part, bytes))


def by_websockets(sender: Role, pieces: list[bytes]) -> list[Told]:
    """The same of websockets, whose frames are put together here."""
    protocol = Protocol(Side.SERVER if sender is Role.CLIENT else Side.CLIENT, max_size=None)
    told: list[Told] = []
    parts: list[Frame] = []
    for piece in pieces:
        protocol.receive_data(piece)
        for event in protocol.events_received():
            assert isinstance(event, Frame)
            data = bytes(event.data)
            match int(event.opcode):
                case 8:
                    close = Close.parse(data)
                    return [*told, ("closed", close.code, close.reason)]
                case 9 | 10 as opcode:
                    told.append(("ping" if opcode == PING else "pong", data))
                case _:
                    parts.append(event)
                    if event.fin:
                        told.append(decoded(parts))
                        parts = []
                        if told[-1][0] == "failed":
                            return told
    if protocol.parser_exc is not None:
        assert protocol.close_sent is not None
        told.append(("failed", int(protocol.close_sent.code)))
    return told


def decoded(frames: list[Frame]) -> Told:
    """The message in these frames; a failure if it is text and not UTF-8."""
    data = b"".join(bytes(frame.data) for frame in frames)
    if frames[0].opcode != TEXT:
        return "binary", data
    try:
        return "text", data.decode()
    except UnicodeDecodeError:
        return "failed", 1007


ORACLES: dict[str, Callable[[Role, list[bytes]], list[Told]]] = {"wsproto": by_wsproto, "websockets": by_websockets}


# --- How they differ --------------------------------------------------------------------------------------------------


def difference(oracle: str, sender: Role, pieces: list[bytes]) -> tuple[str, Rule | None, str] | None:
    """None if the two agree; otherwise the key of what must stand in the table.  Up to there they do agree."""
    ours, rule = by_rawws(sender, pieces)
    theirs = ORACLES[oracle](sender, pieces)
    if ours == theirs:
        return None
    ended = bool(ours) and ours[-1][0] in ("closed", "failed")
    agreed = len(ours) - ended
    assert ours[:agreed] == theirs[:agreed]
    rest = theirs[agreed:]
    if (oracle, rule, "does anything") in LISTED:
        return oracle, rule, "does anything"
    if not rest:
        return oracle, rule, "waits"
    if rest[0][0] != "failed":
        return oracle, rule, "goes on"
    if rule is None and ended:
        return oracle, rule, "refuses the Close"
    if rule is None and by_rawws(sender, [*pieces, bytes(12)])[0][agreed:] == rest:
        return oracle, rule, "fails sooner"
    return oracle, rule, f"fails with {rest[0][1]}"


LISTED = {(row.oracle, row.rule, row.theirs) for row in DIFFERENCES}

ORACLE = pytest.mark.parametrize("oracle", ORACLES)


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.oracle}: {row.example!r}") for row in DIFFERENCES])
def test_a_difference_is_there(row: Difference) -> None:
    """The table holds nothing that is no more."""
    assert (row.oracle, row.rule, row.theirs) == difference(row.oracle, Role.SERVER, [octets(row.example)])


HALVES = st.sampled_from([b"\xe2\x82", b"\xac", b"\xed\xa0", b"\xf4\x90", bytes(126)])
CODES = st.integers(990, 1020) | st.integers(2990, 5010) | st.integers(0, 65535)
PAYLOADS = st.text(max_size=5) | st.binary(max_size=5) | HALVES | st.builds(close_body, CODES, st.text(max_size=3))


@st.composite
def frames(draw: st.DrawFn, sender: Role) -> bytes:
    """One frame, good in most ways."""
    opcode = draw(st.sampled_from([TEXT, BINARY, CONTINUATION, PING, PONG] * 4 + [CLOSE, CLOSE, 3, 7, 11, 15]))
    payload = draw(PAYLOADS)
    masked = (sender is Role.CLIENT) == draw(st.sampled_from([True] * 20 + [False]))
    return frame(
        opcode,
        payload,
        key=draw(KEYS) if masked else None,
        fin=draw(st.sampled_from([True] * 3 + [False])),
        rsv=draw(st.sampled_from([0] * 20 + [1, 2, 4])),
        form=draw(st.sampled_from([None] * 20 + [8])),
    )


STREAMS = st.sampled_from(Role).flatmap(
    lambda sender: st.tuples(st.just(sender), st.lists(frames(sender), max_size=8).map(b"".join))
)


@ORACLE
@settings(max_examples=2 * settings().max_examples)
@given(STREAMS | harmed() | st.tuples(st.sampled_from(Role), st.binary(max_size=60)), PLACES)
def test_what_is_not_listed_agrees(oracle: str, sent: tuple[Role, bytes], places: list[int]) -> None:
    """Streams of frames good and bad, good traffic that was harmed, and random bytes, cut anywhere."""
    sender, data = sent
    found = difference(oracle, sender, cut(data, places))

    assert found is None or found in LISTED


@ORACLE
@pytest.mark.parametrize("sender", Role)
def test_all_agree_on_close_codes(oracle: str, sender: Role) -> None:
    """Which of them may come, from 0 to 5000; one is news to wsproto."""
    frames = {code: frame_from(sender, CLOSE, close_body(code)) for code in range(5001)}

    found = {code for code, data in frames.items() if difference(oracle, sender, [data])}

    assert ({1014} if oracle == "wsproto" else set()) == found
