"""An open connection: what is sent, what is told, and what may be called when."""

import copy
import pickle
import sys
import zlib
from collections.abc import Callable
from itertools import combinations
from random import Random
from typing import Any

import pytest

from rawws.conformance.deflating import TAIL, read_message
from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection, Wants
from rawws.core.deflate import Deflate, DeflateTerms
from rawws.core.errors import LocalProtocolError, NotOpen
from rawws.core.events import Chunk, Closed, Event, Ping, Pong
from rawws.core.frames import FrameHeader, decode_header
from rawws.core.http1 import ServerConnection
from rawws.core.outgoing import APART
from rawws.core.settings import Limits, Role
from rawws.core.states import State
from tests.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    TEXT,
    Events,
    Keys,
    Pair,
    broken,
    chopped,
    close_body,
    feed,
    frame,
    frame_from,
    octets,
    receive,
    xor,
)

each_role = pytest.mark.parametrize("role", Role)

Step = Callable[[Connection], object]


def rfc_key(size: int) -> bytes:
    """As predictable as an example needs it."""
    return KEY[:size]


def with_key(role: Role, **options: Any) -> Connection:
    """A connection that masks everything with the key of the RFC's examples."""
    return Connection(role, random=rfc_key, **options)


# --- Sending ----------------------------------------------------------------------------------------------------------


def test_hello_is_sent_as_in_the_rfc() -> None:
    """The examples of section 5.7, from both sides."""
    client, server = with_key(Role.CLIENT), with_key(Role.SERVER)
    client.send_text("Hello")
    server.send_text("Hello")

    assert bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58") == client.data_to_send()
    assert bytes.fromhex("81 05 48 65 6c 6c 6f") == server.data_to_send()


def test_a_fragmented_message_is_sent_as_in_the_rfc() -> None:
    """Until a call without `more`, all calls continue the message; control frames may go between."""
    server = Connection(Role.SERVER)
    server.send_text("Hel", more=True)
    server.ping(b"p")
    server.send_text("lo")

    assert bytes.fromhex("01 03 48 65 6c 89 01 70 80 02 6c 6f") == server.data_to_send()


@each_role
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_a_frame_is_sent_in_its_shortest_form(role: Role, size: int) -> None:
    """Whatever its size, and masked if it is a client's."""
    connection = with_key(role)
    connection.send_binary(bytes(size))

    assert frame_from(role, BINARY, bytes(size)) == connection.data_to_send()


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("message", ["Hello", b"Hello", bytearray(b"Hello"), memoryview(b"Hello")])
def test_a_message_is_text_or_binary_by_its_type(role: Role, message: str | bytes | bytearray | memoryview) -> None:
    """Whole or in fragments, it is what `send_text` and `send_binary` would send."""
    one, other = (Connection(role, random=Keys()) for _ in range(2))
    send = other.send_text if isinstance(message, str) else other.send_binary
    for more in (False, True, False):
        one.send_message(message, more)
        send(message, more)  # type: ignore[arg-type]

    assert other.data_to_send() == one.data_to_send()
    with pytest.raises(TypeError):
        one.send_message(5)  # type: ignore[arg-type]


@each_role
def test_every_frame_is_masked_with_a_key_of_its_own(role: Role) -> None:
    """5.3: "The masking key needs to be unpredictable"; a server asks for none."""
    keys = Keys()
    connection = Connection(role, random=keys)
    connection.send_text("ab", more=True)
    connection.send_text("c")
    connection.ping()
    connection.close()

    assert (4 if role is Role.CLIENT else 0) == keys.last
    masked = [frame_from(Role.CLIENT, TEXT, "ab", fin=False, key=b"\0\0\0\1")]
    if role is Role.CLIENT:
        assert masked[0] == connection.chunks_to_send()[0]


def test_the_default_key_is_drawn_anew_for_every_frame() -> None:
    """With nothing given, no two frames of a client have the same key."""
    client = Connection(Role.CLIENT)
    for _ in range(50):
        client.ping()

    assert 50 == len({chunk[2:6] for chunk in client.chunks_to_send()})


@each_role
def test_everything_goes_out_in_the_order_of_the_calls(role: Role) -> None:
    """Automatic answers included; and what was taken is not given out again."""
    connection = with_key(role)
    connection.send_text("1")
    feed(connection, frame_from(role.peer, PING, b"2"))
    connection.send_binary(b"3")
    assert connection.has_data_to_send

    expected = [frame_from(role, opcode, payload) for opcode, payload in ((TEXT, "1"), (PONG, b"2"), (BINARY, b"3"))]
    assert b"".join(expected) == copy.deepcopy(connection).data_to_send()
    assert expected == connection.chunks_to_send()
    assert (b"", [], False) == (connection.data_to_send(), connection.chunks_to_send(), connection.has_data_to_send)


@each_role
@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("message", ["ü" * APART, b"x" * APART], ids=["text", "binary"])
def test_a_server_copies_no_long_payload(message: str | bytes, more: bool, role: Role) -> None:
    """It is queued behind its header.  What is to be masked has to be written anew, and what is short costs less so."""
    connection = with_key(role)
    connection.send_message(message, more)
    connection.send_message(message[:5])
    opcode = TEXT if isinstance(message, str) else BINARY
    long = frame_from(role, opcode, message, fin=not more)
    short = frame_from(role, CONTINUATION if more else opcode, message[:5])
    *head, last = copy.copy(connection).chunks_to_send()

    assert (short, 2 if role is Role.SERVER else 1) == (last, len(head))
    assert long == b"".join(head)
    assert isinstance(message, str) or role is Role.CLIENT or head[1] is message
    assert long + short == connection.data_to_send()


def test_a_long_payload_is_not_copied_behind_messages_sent_together() -> None:
    """The last of them may be long: the others are one piece in front of it."""
    connection = Connection(Role.SERVER)
    long = b"x" * APART
    connection.send_messages(["a", b"b", long])
    run, head, payload = connection.chunks_to_send()

    assert octets("81 01 61 82 01 62") == run
    assert frame(BINARY, long) == head + payload
    assert payload is long


def test_what_is_long_when_it_is_compressed_is_not_copied_again() -> None:
    """The same for what DEFLATE makes of a message."""
    connection = Connection(Role.SERVER, Agreement(compression=DeflateTerms()))
    long = Random(1).randbytes(2 * APART)
    connection.send_binary(long)
    head, payload = connection.chunks_to_send()

    assert 0xC2 == head[0]
    assert long == read_message(payload).output


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_is_sent_is_copied(kind: type) -> None:
    """The caller may reuse its buffer before the bytes are written."""
    buffer = bytearray(b"abc")
    server = Connection(Role.SERVER)
    data: Any = buffer if kind is bytearray else kind(buffer)
    server.send_binary(data)
    server.ping(data)
    server.pong(data)
    buffer[:] = b"xyz"

    assert frame(BINARY, b"abc") + frame(PING, b"abc") + frame(PONG, b"abc") == server.data_to_send()


class Text(str):
    """A `str` of somebody else."""

    __slots__ = ()


class Data(bytes):
    """And `bytes` of somebody else."""

    __slots__ = ()


def test_subclasses_may_be_sent() -> None:
    """They arrive as plain messages."""
    server = Connection(Role.SERVER)
    server.send_text(Text("a"))
    server.send_binary(Data(b"b"))
    server.send_binary(memoryview(b"-c-d-")[1::2])

    events = receive(Role.CLIENT, server.data_to_send())
    assert ["a", b"b", b"cd"] == events
    assert [str, bytes, bytes] == [type(event) for event in events]


WRONG_CALLS: list[tuple[str, tuple[Any, ...]]] = [
    *[("send_text", (data,)) for data in (b"a", bytearray(b"a"), None, 1, ["a"])],
    *[("send_binary", (data,)) for data in ("a", None, 1, [1, 2])],
    *[("ping", (data,)) for data in ("a", None, 1, [1])],
    *[("pong", (data,)) for data in ("a", None, 1, [1])],
    *[("receive_data", (data,)) for data in ("a", None, 1, [1])],
]


@each_role
@pytest.mark.parametrize("state", ["fresh", "in a message", "closed"])
@pytest.mark.parametrize("method, arguments", WRONG_CALLS)
def test_the_wrong_type_is_a_type_error(role: Role, method: str, arguments: tuple[Any, ...], state: str) -> None:
    """And changes nothing; it is an error however the connection stands."""
    connection = Connection(role)
    if state == "in a message":
        connection.send_text("a", more=True)
        feed(connection, frame_from(role.peer, TEXT, "abc")[:-1])
    elif state == "closed":
        feed(connection, frame_from(role.peer, CLOSE))
    before = pickle.dumps(connection)

    with pytest.raises(TypeError):
        getattr(connection, method)(*arguments)

    assert before == pickle.dumps(connection)


@each_role
@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\udc80b"])
def test_a_surrogate_cannot_be_sent(role: Role, more: bool, text: str) -> None:
    """A `str` may hold what UTF-8 has not; nothing is queued, and a message that was begun can go on."""
    connection = with_key(role)
    connection.send_text("a", more=True)
    before = pickle.dumps(connection)

    with pytest.raises(LocalProtocolError) as caught:
        connection.send_text(text, more)

    assert rules.TEXT_NOT_UTF8 is caught.value.rule
    assert before == pickle.dumps(connection)
    connection.send_text("b")
    expected = frame_from(role, TEXT, "a", fin=False) + frame_from(role, CONTINUATION, "b")
    assert expected == connection.data_to_send()


@each_role
@pytest.mark.parametrize("method", ["ping", "pong"])
def test_a_control_frame_holds_125_bytes(role: Role, method: str) -> None:
    """One more is refused, and nothing of it is sent."""
    connection = with_key(role)
    getattr(connection, method)(bytes(125))
    with pytest.raises(LocalProtocolError) as caught:
        getattr(connection, method)(bytes(126))

    assert rules.CONTROL_TOO_LONG is caught.value.rule
    assert frame_from(role, PING if method == "ping" else PONG, bytes(125)) == connection.data_to_send()


@each_role
def test_a_message_cannot_change_its_type(role: Role) -> None:
    """Text is not continued by binary, nor the other way round; the one that was begun can be ended."""
    for begin, change, opcode in (
        (Connection.send_text, Connection.send_binary, TEXT),
        (Connection.send_binary, Connection.send_text, BINARY),
    ):
        parts: dict[Any, Any] = {Connection.send_text: "a", Connection.send_binary: b"a"}
        connection = with_key(role)
        begin(connection, parts[begin], more=True)
        with pytest.raises(LocalProtocolError) as caught:
            change(connection, parts[change])
        begin(connection, parts[begin])

        assert rules.MESSAGE_UNFINISHED is caught.value.rule
        expected = frame_from(role, opcode, "a", fin=False) + frame_from(role, CONTINUATION, "a")
        assert expected == connection.data_to_send()


class Broken(Exception):
    """The source of keys has none."""


def no_key(size: int) -> bytes:
    """A source of keys that fails."""
    raise Broken


@pytest.mark.parametrize(
    "call", [lambda one: one.send_text("a", more=True), Connection.close, Connection.ping, lambda one: one.fail(1000)]
)
def test_a_frame_that_could_not_be_made_was_not_sent(call: Step) -> None:
    """If there is no key, or no memory, the state is as if nobody had called."""
    client = Connection(Role.CLIENT, random=no_key)
    before = pickle.dumps(client)

    with pytest.raises(Broken):
        call(client)

    assert before == pickle.dumps(client)


# --- Receiving --------------------------------------------------------------------------------------------------------


@each_role
def test_messages_are_exactly_str_and_bytes(role: Role) -> None:
    """Whatever they came in, whole or in pieces: nobody has to convert them, and nothing of ours is shared."""
    data = frame_from(role.peer, TEXT, "a") + frame_from(role.peer, BINARY, b"b")
    data += frame_from(role.peer, BINARY, b"c", fin=False) + frame_from(role.peer, CONTINUATION, b"d")
    data += frame_from(role.peer, PING, b"e")
    for kind in (bytes, bytearray, memoryview, Data):
        for pieces in chopped(data):
            connection = Connection(role)
            events = Events()
            for piece in pieces:
                connection.receive_data(kind(piece))
                events += connection.events()

            assert ["a", b"b", b"cd", Ping(b"e")] == events
            assert [str, bytes, bytes, Ping] == [type(event) for event in events]


@each_role
def test_what_came_is_copied(role: Role) -> None:
    """The caller may reuse its buffer at once, though nothing was read yet."""
    data = frame_from(role.peer, TEXT, "Hello")
    connection = Connection(role)
    buffer = bytearray(8)
    for at in range(0, len(data), 8):
        size = len(data[at : at + 8])
        buffer[:size] = data[at : at + 8]
        connection.receive_data(memoryview(buffer)[:size])
        buffer[:] = bytes(8)

    assert ["Hello"] == Events(connection.events())


@each_role
def test_a_view_with_a_stride_may_be_handed_over(role: Role) -> None:
    """Also while something is left unread."""
    data = frame_from(role.peer, TEXT, "Hello")
    connection = Connection(role)
    view = memoryview(bytes(byte for pair in zip(data, data) for byte in pair))[::2]
    connection.receive_data(view[:3])
    connection.receive_data(view[3:])

    assert ["Hello"] == Events(connection.events())


@each_role
def test_bytes_behind_the_opening_handshake_are_read_first(role: Role) -> None:
    """They came with the last bytes of HTTP, and belong to the stream."""
    data = frame_from(role.peer, TEXT, "Hello")
    for at in range(len(data) + 1):
        connection = Connection(role, initial_data=data[:at])

        assert ["Hello"] == feed(connection, [data[at:]])


@each_role
def test_nothing_is_read_before_it_is_asked_for(role: Role) -> None:
    """A Ping is answered, and a violation noticed, when its event is taken; what lies behind it changes nothing."""
    connection = with_key(role)
    connection.receive_data(frame_from(role.peer, PING, b"1") + frame_from(role.peer, PING, b"2"))
    connection.receive_data(frame_from(role.peer, 3))
    assert (b"", State.OPEN) == (connection.data_to_send(), connection.state)

    assert Ping(b"1") == connection.next_event()
    assert (frame_from(role, PONG, b"1"), State.OPEN) == (connection.data_to_send(), connection.state)
    assert [Ping(b"2"), broken(rules.OPCODE_RESERVED, 2 * len(frame_from(role.peer, PING, b"1")))] == Events(
        connection.events()
    )


@each_role
def test_offsets_count_from_the_first_byte_of_the_stream(role: Role) -> None:
    """However often the buffers were emptied in between."""
    data = frame_from(role.peer, TEXT, "a") + frame_from(role.peer, BINARY, bytes(300), fin=False)
    data += frame_from(role.peer, PONG, b"p") + frame_from(role.peer, CONTINUATION, b"b")
    for pieces in chopped(data, frame_from(role.peer, TEXT, rsv=2)):
        for late in (1, 2, 5):
            connection = Connection(role)
            events = Events()
            for number, piece in enumerate(pieces):
                connection.receive_data(piece)
                if number % late == 0:
                    events += connection.events()
            events += connection.events()

            assert ["a", Pong(b"p"), bytes(300) + b"b", broken(rules.RESERVED_BITS, len(data))] == events


def test_no_event_means_that_more_bytes_are_needed() -> None:
    """It may be asked for as often as one likes."""
    connection = Connection(Role.CLIENT)

    assert [None] * 3 == [connection.next_event() for _ in range(3)]
    connection.receive_data(b"")
    assert None is connection.next_event()


@each_role
def test_there_is_nothing_behind_the_last_event(role: Role) -> None:
    """Bytes, more bytes, the end of the stream: nothing raises and nothing comes."""
    for last in (frame_from(role.peer, CLOSE), frame_from(role.peer, 3), b""):
        connection = Connection(role)
        assert 1 == len(feed(connection, last, eof=True))
        connection.data_to_send()

        assert [] == feed(connection, frame_from(role.peer, TEXT, "a") + frame_from(role.peer, PING), eof=True)
        assert (None, b"") == (connection.next_event(), connection.data_to_send())


# --- Pings ------------------------------------------------------------------------------------------------------------


@each_role
@pytest.mark.parametrize("payload", [b"", b"Hello", bytes(125)])
def test_a_ping_is_answered_with_its_payload(role: Role, payload: bytes) -> None:
    """At once, also in the middle of a message of either side; the Pong in the answer is told there."""
    pair = Pair()
    pair.of(role).send_text("a", more=True)
    pair.of(role).ping(payload)
    pair.of(role.peer).send_text("b", more=True)

    at_client, at_server = pair.pump()

    assert [Pong(payload)] == (at_client if role is Role.CLIENT else at_server)
    assert [Ping(payload)] == (at_server if role is Role.CLIENT else at_client)


@each_role
def test_without_auto_pong_the_caller_answers(role: Role) -> None:
    """With what it likes, or not at all."""
    connection = with_key(role, auto_pong=False)

    assert [Ping(b"a"), Ping(b"b")] == feed(
        connection, frame_from(role.peer, PING, b"a") + frame_from(role.peer, PING, b"b")
    )
    assert b"" == connection.data_to_send()
    connection.pong(b"b")
    assert frame_from(role, PONG, b"b") == connection.data_to_send()


@each_role
def test_a_pong_that_nobody_asked_for_is_told_and_not_answered(role: Role) -> None:
    """5.5.3: "A response to an unsolicited Pong frame is not expected"."""
    connection = with_key(role)

    assert [Pong(b"p")] == feed(connection, frame_from(role.peer, PONG, b"p"))
    assert b"" == connection.data_to_send()


# --- In the loop ------------------------------------------------------------------------------------------------------


def inputs(role: Role) -> bytes:
    """A bit of everything, and a Close."""
    parts: list[tuple[int, str | bytes, bool]] = [
        (TEXT, "a", True), (PING, b"p", True), (BINARY, b"b", False), (PONG, b"q", True), (CONTINUATION, b"c", True),
        (TEXT, "d", True), (BINARY, b"e", True), (CLOSE, close_body(1000), True),
    ]  # fmt: skip
    return b"".join(frame_from(role.peer, opcode, payload, fin=fin) for opcode, payload, fin in parts)


EVERYTHING: list[Event] = ["a", Ping(b"p"), Pong(b"q"), b"bc", "d", b"e", Closed(1000, "", "peer")]

CALLS: dict[str, Step] = {
    "send_text": lambda one: one.send_text("x"),
    "send_binary": lambda one: one.send_binary(b"x"),
    "ping": lambda one: one.ping(b"x"),
    "pong": lambda one: one.pong(b"x"),
    "data_to_send": lambda one: one.data_to_send(),
    "chunks_to_send": lambda one: one.chunks_to_send(),
    "receive_data": lambda one: one.receive_data(b""),
    "receive_eof": lambda one: one.receive_eof(),
    "answer_close": lambda one: one.answer_close(),
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
    "state": lambda one: (one.state, one.wants, one.held, one.subprotocol, one.has_data_to_send),
}
"""What may be called in the loop and changes nothing in what is told."""


@each_role
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("moment", range(len(EVERYTHING)))
def test_any_method_may_be_called_inside_the_loop(role: Role, name: str, moment: int) -> None:
    """At every event; the events are what they would have been."""
    connection = Connection(role)
    connection.receive_data(inputs(role))
    found = Events()
    for number, event in enumerate(connection.events()):
        found.append(event)
        if number == moment:
            try:
                CALLS[name](connection)
            except NotOpen:
                assert isinstance(event, Closed)

    assert EVERYTHING == found


@each_role
@pytest.mark.parametrize("moment", range(len(EVERYTHING) - 1))
def test_closing_inside_the_loop(role: Role, moment: int) -> None:
    """What came before the peer's Close is still told; that Close is then the answer to ours."""
    connection = Connection(role)
    connection.receive_data(inputs(role))
    found = Events()
    for number, event in enumerate(connection.events()):
        found.append(event)
        if number == moment:
            connection.close(4000)

    assert [*EVERYTHING[:-1], Closed(1000, "", "local")] == found
    assert (4000, "") == connection.close_sent


@each_role
@pytest.mark.parametrize("moment", range(len(EVERYTHING) - 1))
def test_giving_up_inside_the_loop(role: Role, moment: int) -> None:
    """Nothing more is told but the end, though much of it had been read already."""
    connection = Connection(role)
    connection.receive_data(inputs(role))
    found = Events()
    for number, event in enumerate(connection.events()):
        found.append(event)
        if number == moment:
            connection.fail(1011, "enough")

    assert [*EVERYTHING[: moment + 1], Closed(1011, "enough", "local")] == found


@each_role
def test_bytes_may_be_handed_over_inside_the_loop(role: Role) -> None:
    """The loop goes on with them."""
    connection = Connection(role)
    data = inputs(role)
    connection.receive_data(data[:5])
    found, at = Events(), 5
    while connection.closed is None:
        for event in connection.events():
            found.append(event)
            connection.receive_data(data[at : at + 1])
            at += 1
        connection.receive_data(data[at : at + 1])
        at += 1

    assert EVERYTHING == found


@each_role
def test_two_loops_share_the_events(role: Role) -> None:
    """Each event is told once, whoever asks."""
    connection = Connection(role)
    connection.receive_data(inputs(role))
    one, other = connection.events(), connection.events()
    found = Events()
    for first, second in zip(one, other):
        found += [first, second]

    assert EVERYTHING[:6] == found[:6]


# --- Copies -----------------------------------------------------------------------------------------------------------


@each_role
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_goes_on_where_the_original_stands(role: Role, duplicate: Callable[[Connection], Connection]) -> None:
    """At every byte; and what happens to the copy does not happen to the original."""
    data = inputs(role)
    for at in range(len(data) + 1):
        connection = Connection(role, random=Keys())
        connection.send_text("begun", more=True)
        found = feed(connection, data[:at])

        twin = duplicate(connection)
        there = Events([*found, *feed(twin, data[at:])])
        here = Events([*found, *feed(connection, data[at:])])

        assert EVERYTHING == there == here
        assert connection.data_to_send() == twin.data_to_send()
        assert (connection.ours, connection.theirs) == (twin.ours, twin.theirs)


@each_role
def test_the_error_in_a_copy_names_the_same_rule(role: Role) -> None:
    """`error.rule is rules.X` holds though the connection was somewhere else in between."""
    connection = Connection(role)
    feed(connection, frame_from(role.peer, 3))

    for twin in (copy.deepcopy(connection), pickle.loads(pickle.dumps(connection))):
        error = twin.closed and twin.closed.error
        assert error is not None
        assert error.rule is rules.OPCODE_RESERVED


# --- Compression ------------------------------------------------------------------------------------------------------

DEFLATE = Agreement(compression=DeflateTerms(wish=Deflate(15, 15, threshold=5)))
FORGETFUL = Agreement(compression=DeflateTerms(True, True, wish=Deflate(15, 15, threshold=5)))
HELLO = bytes.fromhex("f2 48 cd c9 c9 07 00")
"""7.2.3.1: the payload of a compressed "Hello"."""


def frames_in(data: bytes) -> list[tuple[FrameHeader, bytes]]:
    """Headers and unmasked payloads of whole frames."""
    found = []
    while data:
        header = decode_header(data)
        assert header is not None
        payload = data[header.size : header.size + header.length]
        found.append((header, payload if header.key is None else xor(payload, header.key)))
        data = data[header.size + header.length :]
    return found


@each_role
def test_hello_is_compressed_as_in_the_rfc(role: Role) -> None:
    """RFC 7692 7.2.3.1 and 7.2.3.2: once without and once with the window, and an uncompressed one plays no part."""
    connection = with_key(role, agreement=DEFLATE)
    for compress in (None, False, True):
        connection.send_text("Hello", compress=compress)

    expected = frame_from(role, TEXT, HELLO, rsv=4) + frame_from(role, TEXT, "Hello")
    expected += frame_from(role, TEXT, bytes.fromhex("f2 00 11 00 00"), rsv=4)
    assert expected == connection.data_to_send()


@each_role
def test_rsv1_is_set_in_the_first_frame_of_a_compressed_message_only(role: Role) -> None:
    """RFC 7692 6.1: "MUST NOT set" it in control frames and other fragments; uncompressed ones have none either."""
    connection = with_key(role, agreement=DEFLATE)
    for compress in (True, False, None):
        connection.send_binary(b"a" * 9, more=True, compress=compress)
        connection.ping(b"p")
        connection.send_binary(b"b" * 9, more=True, compress=not compress)
        connection.pong(b"q")
        connection.send_binary(b"", compress=not compress)
    connection.send_text("abcd")
    connection.send_text("abcde")
    connection.close()

    message = [(BINARY, 4), (PING, 0), (CONTINUATION, 0), (PONG, 0), (CONTINUATION, 0)]
    expected = [*message, (BINARY, 0), *message[1:], *message, (TEXT, 0), (TEXT, 4), (CLOSE, 0)]
    assert expected == [(header.opcode, header.rsv) for header, _ in frames_in(connection.data_to_send())]


@each_role
def test_the_first_fragment_decides_whether_a_message_is_compressed(role: Role) -> None:
    """What the others say is not heard; and if nobody says, it is compressed, for nobody knows how long it will be."""
    for compress, expected in ((True, True), (False, False), (None, True)):
        connection = with_key(role, agreement=DEFLATE)
        connection.send_text("a", more=True, compress=compress)
        connection.send_text("b", more=True, compress=not compress)
        connection.send_text("", compress=not compress)
        payload = b"".join(payload for _, payload in frames_in(connection.data_to_send()))

        assert b"ab" == (read_message(payload).output if expected else payload)


@each_role
def test_without_an_agreement_nothing_is_compressed(role: Role) -> None:
    """Whoever asks for it asks for something that the peer could not read."""
    connection = with_key(role)
    connection.send_text("Hello", compress=True)

    assert frame_from(role, TEXT, "Hello") == connection.data_to_send()
    assert None is connection.compression


def test_the_terms_are_known() -> None:
    """An application can ask on what terms messages are compressed."""
    assert DEFLATE.compression is Connection(Role.CLIENT, DEFLATE).compression


@each_role
@pytest.mark.parametrize("agreement", [DEFLATE, FORGETFUL])
def test_compressed_and_uncompressed_messages_alternate(role: Role, agreement: Agreement) -> None:
    """In both directions at once, whole and in fragments, with a Ping anywhere."""
    pair = Pair(Connection(Role.CLIENT, agreement, random=Keys()), Connection(Role.SERVER, agreement))
    sent: list[Event] = []
    for number in range(12):
        text = f"number {number} " * number
        compress = [True, False, None][number % 3]
        if number % 2:
            pair.of(role).send_text(text[:5], more=True, compress=compress)
            pair.of(role).ping(b"p")
            sent.append(Ping(b"p"))
            pair.of(role).send_text(text[5:])
        else:
            pair.of(role).send_text(text, compress=compress)
        sent.append(text)
        pair.of(role.peer).send_text(text[::-1], compress=compress)

    at_client, at_server = pair.pump()
    here, there = (at_client, at_server) if role is Role.CLIENT else (at_server, at_client)
    assert sent == there
    assert [event for event in sent[::-1] if isinstance(event, str)] == [
        event[::-1] for event in here[::-1] if isinstance(event, str)
    ]


@each_role
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("control", [PING, PONG])
def test_a_control_frame_may_stand_anywhere_between_compressed_fragments(role: Role, opcode: int, control: int) -> None:
    """Wherever the message is cut in three, and wherever the bytes are: the message is whole (tornado, wsproto)."""
    hello: Event = "Hello" if opcode == TEXT else b"Hello"
    told: Event = Ping(b"p") if control == PING else Pong(b"p")
    between = frame_from(role.peer, control, b"p")
    for first, second in combinations(range(len(HELLO) + 1), 2):
        data = between + frame_from(role.peer, opcode, HELLO[:first], rsv=4, fin=False)
        data += between + frame_from(role.peer, CONTINUATION, HELLO[first:second], fin=False)
        data += between * 2 + frame_from(role.peer, CONTINUATION, HELLO[second:]) + between

        for pieces in chopped(data):
            assert [told] * 4 + [hello, told] == receive(role, pieces, agreement=DEFLATE)


@each_role
def test_a_message_is_inflated_as_it_comes(role: Role) -> None:
    """In chunks there is what can be known so far; a character is never cut."""
    data = frame_from(role.peer, TEXT, zlib.compress("aé€".encode() * 30, wbits=-15) + b"\0", rsv=4)
    for pieces in chopped(data):
        chunks = receive(role, pieces, agreement=DEFLATE, stream=True)
        assert "aé€" * 30 == "".join(str(event.data) for event in chunks if isinstance(event, Chunk))


@each_role
@pytest.mark.parametrize("fragments", [1, 100])
def test_a_bomb_is_inflated_no_further_than_the_limit(role: Role, fragments: int) -> None:
    """10 MB in 10 KB: just the limit passes, and a byte more does not."""
    squeezed = zlib.compressobj(9, wbits=-15)
    payload = squeezed.compress(bytes(10**7)) + squeezed.flush(zlib.Z_SYNC_FLUSH)
    step = -(-len(payload) // fragments)
    parts = [payload[at : at + step] for at in range(0, len(payload), step)]
    data = b"".join(
        frame_from(role.peer, CONTINUATION if at else BINARY, part, fin=at == len(parts) - 1, rsv=0 if at else 4)
        for at, part in enumerate(parts)
    )

    assert [bytes(10**7)] == receive(role, data, agreement=DEFLATE, limits=Limits(message=10**7))
    for limit in (0, 1, 10**4, 10**5, 10**7 - 1):
        (closed,) = receive(role, data, agreement=DEFLATE, limits=Limits(message=limit))
        assert isinstance(closed, Closed)
        assert (1009, "error") == (closed.code, closed.by)


@each_role
@pytest.mark.parametrize("limit", range(12))
def test_whether_a_message_is_too_big_or_corrupt_does_not_depend_on_how_it_comes(role: Role, limit: int) -> None:
    """What is found first in the stream is told: at the byte behind the limit, or at the first that is corrupt."""
    good = zlib.compressobj(wbits=-15, strategy=zlib.Z_FIXED)
    start = good.compress(b"a1b2c3d4") + good.flush(zlib.Z_SYNC_FLUSH)
    for corrupt in (b"\x06", b"\xff\xff\xff", b"\x05"):
        data = frame_from(role.peer, TEXT, start[:-5] + corrupt, rsv=4)
        told = {
            closed.code
            for pieces in chopped(data)
            for closed in receive(role, pieces, agreement=DEFLATE, limits=Limits(message=limit))
            if isinstance(closed, Closed)
        }
        assert 1 == len(told)
        assert told == {1009} or limit >= 8


@each_role
def test_a_compressed_message_that_may_not_be_sent_was_not_compressed(role: Role) -> None:
    """A window that knows more than the peer has seen would ruin everything that comes after."""
    connection, untouched = with_key(role, agreement=DEFLATE), with_key(role, agreement=DEFLATE)
    for one in (connection, untouched):
        one.send_text("Hello")
        one.send_text("Hello", more=True)
    with pytest.raises(LocalProtocolError):
        connection.send_binary(b"secret " * 9)
    with pytest.raises(LocalProtocolError):
        connection.send_text("secret " * 9 + "\ud800")

    for one in (connection, untouched):
        one.send_text("secret " * 9)
    assert untouched.data_to_send() == connection.data_to_send()


class KeysThatFail(Keys):
    """A source of keys that has none the second time."""

    def __call__(self, size: int) -> bytes:
        key = super().__call__(size)
        if self.last == 2:
            raise Broken
        return key


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("in_message", [False, True])
def test_a_compressed_frame_that_could_not_be_made_leaves_no_trace(in_message: bool, more: bool) -> None:
    """The peer never saw it, so what is sent afterwards does not lean on it, in the midst of a message either."""
    pair = Pair(Connection(Role.CLIENT, DEFLATE, random=KeysThatFail()), Connection(Role.SERVER, DEFLATE))
    pair.client.send_text("Hello, world", more=in_message)
    with pytest.raises(Broken):
        pair.client.send_text("secret " * 9, more)
    pair.client.send_text("secret " * 9 + "Hello, world")

    begun = ["Hello, world" + "secret " * 9 + "Hello, world"]
    alone = ["Hello, world", "secret " * 9 + "Hello, world"]
    assert (begun if in_message else alone) == pair.carry(Role.CLIENT)


@each_role
def test_a_compressing_connection_is_copied_with_its_windows(role: Role) -> None:
    """At every byte and in the midst of messages; what happens to the copy does not happen to the original."""
    squeezed = zlib.compressobj(9, wbits=-15)
    payloads = [squeezed.compress(b"Hello") + squeezed.flush(zlib.Z_SYNC_FLUSH) for _ in range(3)]
    data = b"".join(frame_from(role.peer, TEXT, payload[:-4], rsv=4) for payload in payloads)
    for at in range(len(data) + 1):
        connection = with_key(role, agreement=DEFLATE)
        connection.send_text("Hello")
        connection.send_text("Hel", more=True)
        found = feed(connection, data[:at])
        twin = copy.deepcopy(connection)

        assert ["Hello"] * 3 == [*found, *feed(twin, data[at:])] == [*found, *feed(connection, data[at:])]
        for one in (twin, connection):
            one.send_text("lo, Hello")
        assert twin.data_to_send() == connection.data_to_send()


@each_role
def test_a_compressor_may_rest_at_any_time(role: Role) -> None:
    """It lets go of its window between messages only, so that the peer reads all of it."""
    sender, receiver = Connection(role, DEFLATE, random=Keys()), Connection(role.peer, DEFLATE)
    for more in (False, True, False, False):
        sender.send_text("Hello " * 50, more, compress=True)
        sender.rest()
        sender.rest()
    Connection(role).rest()

    assert ["Hello " * 50, "Hello " * 100, "Hello " * 50] == feed(receiver, sender.data_to_send())


@each_role
def test_a_compressing_connection_is_pickled_between_messages(role: Role) -> None:
    """It can read on, and what it sends needs nothing that was said before."""
    pair = Pair(Connection(Role.CLIENT, DEFLATE, random=Keys()), Connection(Role.SERVER, DEFLATE))
    for sender in Role:
        pair.of(sender).send_text("Hello")
        pair.of(sender).send_text("Hello", more=True)
        pair.carry(sender)
        pair.of(sender).send_text("Hello")
        pair.carry(sender)
    there = pickle.loads(pickle.dumps(pair.of(role)))
    pair = Pair(there, pair.server) if role is Role.CLIENT else Pair(pair.client, there)

    for sender in Role:
        pair.of(sender).send_text("HelloHello")
        assert ["HelloHello"] == pair.carry(sender)


@each_role
def test_a_tail_that_others_leave_is_no_part_of_what_we_send(role: Role) -> None:
    """RFC 7692 7.2.1: the last four bytes are cut off a whole message, and not off a fragment before the last."""
    connection = with_key(role, agreement=DEFLATE)
    for more in (True, True, False, False):
        connection.send_text("Hello", more)

    payloads = [payload for _, payload in frames_in(connection.data_to_send())]
    assert [True, True, False, False] == [payload.endswith(TAIL) for payload in payloads]


# --- Before it is open ------------------------------------------------------------------------------------------------


def test_before_it_is_open_a_connection_reads_no_frames_and_sends_none() -> None:
    """What opens it reads something else first; a caller that is early made a mistake and lost no race."""
    server = ServerConnection()
    for call in (Connection.ping, Connection.pong, lambda one: one.send_text("a"), lambda one: one.send_binary(b"a")):
        with pytest.raises(LocalProtocolError) as caught:
            call(server)
        assert (rules.NOT_YET_OPEN, LocalProtocolError) == (caught.value.rule, caught.type)

    assert [] == feed(server, b"GET / HT")
    assert (State.CONNECTING, Wants.DATA, b"") == (server.state, server.wants, server.data_to_send())


# --- What is known ----------------------------------------------------------------------------------------------------


def test_the_agreement_is_known() -> None:
    """An application asks the connection which subprotocol it speaks."""
    assert "chat" == Connection(Role.CLIENT, Agreement("chat")).subprotocol
    assert None is Connection(Role.CLIENT).subprotocol


@each_role
def test_an_open_connection_waits_for_data(role: Role) -> None:
    """From the first moment on: it knows no HTTP."""
    connection = Connection(role)

    assert (State.OPEN, Wants.DATA, None, 0) == (
        connection.state,
        connection.wants,
        connection.closed,
        connection.held,
    )


@pytest.mark.parametrize("ask", [Connection.all_events, Connection.next_events, lambda one: list(one.events())])
@pytest.mark.parametrize("rest", [b"", b"\x82", b"\x82\xfe\x03", b"\x02\x83"])
def test_nothing_is_kept_of_what_was_read(ask: Callable[[Connection], object], rest: bytes) -> None:
    """An idle connection does not hold on to the last read, which may be long: there are many idle ones."""
    data = frame_from(Role.CLIENT, BINARY, b"x" * 1000) + frame_from(Role.CLIENT, PING) + rest
    connection, references = Connection(Role.SERVER), sys.getrefcount(data)

    connection.receive_data(data)
    while ask(connection):
        pass

    assert references == sys.getrefcount(data)
