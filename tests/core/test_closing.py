"""How a connection ends (section 7): Close frames, violations, giving up, and the end of TCP."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from rawws.core import rules
from rawws.core.connection import Connection, Wants
from rawws.core.errors import LocalProtocolError, NotOpen
from rawws.core.events import Closed, Event, Ping, Pong
from rawws.core.frames import CloseCode
from rawws.core.settings import Role
from rawws.core.states import State
from tests.wire import (
    BINARY,
    CLOSE,
    PING,
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
)

CODES = [*range(5001), 5002, 9999, 32767, 32768, 65534, 65535]
"""Every close code up to 5000, and some of the rest."""

ON_THE_WIRE = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
"""Section 7.4, and the IANA registry for 1012 to 1014."""

each_role = pytest.mark.parametrize("role", Role)


def quiet(role: Role, **options: Any) -> Connection:
    """A connection whose keys are no secret."""
    return Connection(role, random=Keys(), **options)


def sent_by(connection: Connection) -> bytes:
    """What it has queued, with every frame read and its mask taken off, as unmasked frames."""
    reader = Connection(connection.role.peer, auto_pong=False, auto_close=False)
    frames = b""
    for event in feed(reader, connection.data_to_send()):
        match event:
            case Closed(code, reason):
                frames += frame(CLOSE, b"" if code == 1005 else close_body(code, reason))
            case Ping(payload):
                frames += frame(PING, payload)
            case Pong(payload):
                frames += frame(10, payload)
            case str() | bytes():
                frames += frame(TEXT if isinstance(event, str) else BINARY, event)
    return frames


def where(connection: Connection) -> tuple[State, Wants]:
    """What an embedder looks at between reading and writing."""
    return connection.state, connection.wants


# --- Close codes ------------------------------------------------------------------------------------------------------


@each_role
def test_every_code_is_received_as_the_registry_says(role: Role) -> None:
    """A code for the wire ends the connection in peace and is echoed; any other breaks a rule, at its first byte."""
    for code in CODES:
        data = frame_from(role.peer, CLOSE, close_body(code))
        connection = quiet(role)

        events = feed(connection, data)

        if code in ON_THE_WIRE:
            echo = 1000 if code == 1010 else code
            assert [Closed(code, "", "peer")] == events
            assert (frame(CLOSE, close_body(echo)), (code, "")) == (sent_by(connection), connection.close_received)
        else:
            assert [broken(rules.CLOSE_CODE, len(data) - 2)] == events
            assert frame(CLOSE, close_body(1002, rules.CLOSE_CODE.text)) == sent_by(connection)


@each_role
def test_every_code_is_sent_as_the_registry_says(role: Role) -> None:
    """What is not for the wire is refused with nothing queued: 1005, 1006, 1015, and 1010 from a server."""
    for code in CODES:
        connection = quiet(role)
        if code in ON_THE_WIRE and not (code == 1010 and role is Role.SERVER):
            connection.close(code)

            assert frame(CLOSE, close_body(code)) == sent_by(connection)
            continue
        with pytest.raises(LocalProtocolError) as caught:
            connection.close(code)

        assert (rules.CLOSE_CODE_OF_CLIENTS if code == 1010 else rules.CLOSE_CODE) is caught.value.rule
        assert (b"", State.OPEN, None) == (connection.data_to_send(), connection.state, connection.close_sent)


@each_role
def test_a_close_without_a_code_is_answered_without_one(role: Role) -> None:
    """1005 says that there was none, and is never written."""
    connection = quiet(role)

    assert [Closed(1005, "", "peer")] == feed(connection, frame_from(role.peer, CLOSE))
    assert frame(CLOSE) == sent_by(connection)
    assert ((1005, ""), (1005, "")) == (connection.close_received, connection.close_sent)


@each_role
def test_a_lost_connection_gets_no_close_frame(role: Role) -> None:
    """1006 says that there was none, and is never written."""
    connection = quiet(role)

    assert [Closed(1006, "", "lost")] == feed(connection, b"", eof=True)
    assert (b"", None, None) == (connection.data_to_send(), connection.close_sent, connection.close_received)


@each_role
@pytest.mark.parametrize(
    "code, reason, rule",
    [
        (1000, "a" * 124, rules.CONTROL_TOO_LONG),
        (1000, "\udc80", rules.CLOSE_REASON_NOT_UTF8),
        (None, "bye", rules.CLOSE_REASON_ALONE),
    ],
)
def test_a_close_that_cannot_be_written_changes_nothing(
    role: Role, code: int | None, reason: str, rule: rules.Rule
) -> None:
    """The caller may try again with another reason."""
    connection = quiet(role)
    before = pickle.dumps(connection)

    with pytest.raises(LocalProtocolError) as caught:
        connection.close(code, reason)

    assert (rule, False) == (caught.value.rule, isinstance(caught.value, NotOpen))
    assert before == pickle.dumps(connection)


@each_role
@pytest.mark.parametrize("arguments", [("1000",), (1000.0,), (1000, b"bye"), (1000, None), (None, b"")])
def test_a_close_of_the_wrong_types_is_a_type_error(role: Role, arguments: tuple[Any, ...]) -> None:
    """That is Python's rule, and not the protocol's."""
    connection = quiet(role)
    before = pickle.dumps(connection)

    with pytest.raises(TypeError):
        connection.close(*arguments)

    assert before == pickle.dumps(connection)


# --- The closing handshake --------------------------------------------------------------------------------------------


@each_role
def test_whoever_closes_first_is_told_by_both(role: Role) -> None:
    """The one who began reads "local", the other "peer"; each sent one Close, and both know both codes."""
    pair = Pair()
    pair.of(role).close(4001, "done")

    at_client, at_server = pair.pump()

    assert [Closed(4001, "", "local")] == (at_client if role is Role.CLIENT else at_server)
    assert [Closed(4001, "done", "peer")] == (at_server if role is Role.CLIENT else at_client)
    assert ((4001, "done"), (4001, "")) == (pair.of(role).close_sent, pair.of(role).close_received)
    assert ((4001, ""), (4001, "done")) == (pair.of(role.peer).close_sent, pair.of(role.peer).close_received)


def test_both_may_close_at_the_same_time() -> None:
    """The Close of the other is the answer then, and neither sends a second one."""
    pair = Pair()
    pair.client.close(4001)
    pair.server.close(4002)

    assert ([Closed(4002, "", "local")], [Closed(4001, "", "local")]) == pair.pump()
    assert (b"", b"") == (pair.client.data_to_send(), pair.server.data_to_send())


@each_role
def test_messages_are_still_read_after_closing(role: Role) -> None:
    """Between our Close and the peer's its messages arrive; its Pings are not answered any more (5.5.2)."""
    connection = quiet(role)
    connection.close()
    connection.data_to_send()

    data = frame_from(role.peer, TEXT, "Hi") + frame_from(role.peer, PING, b"p")
    for pieces in chopped(data, frame_from(role.peer, CLOSE, close_body(1000))):
        copy = pickle.loads(pickle.dumps(connection))

        assert ["Hi", Ping(b"p"), Closed(1000, "", "local")] == feed(copy, pieces)
        assert b"" == copy.data_to_send()


@each_role
def test_a_violation_after_our_close_is_told_but_not_answered(role: Role) -> None:
    """One Close was sent, and that was the last frame."""
    connection = quiet(role)
    connection.close()
    connection.data_to_send()

    assert [broken(rules.OPCODE_RESERVED, 0)] == feed(connection, frame_from(role.peer, 3))
    assert (b"", (1000, "")) == (connection.data_to_send(), connection.close_sent)
    assert (State.CLOSED, Wants.LINGER) == where(connection)


@each_role
def test_a_violation_is_answered_with_its_rule(role: Role) -> None:
    """The code and the text of the row stand in our Close, once, and behind the answers that came before."""
    connection = quiet(role)

    feed(connection, frame_from(role.peer, PING, b"p") + frame_from(role.peer, TEXT, b"\xff"))

    expected = frame(10, b"p") + frame(CLOSE, close_body(1007, rules.TEXT_NOT_UTF8.text))
    assert expected == sent_by(connection)
    assert ((1007, rules.TEXT_NOT_UTF8.text), None) == (connection.close_sent, connection.close_received)


# --- The end of the stream --------------------------------------------------------------------------------------------

SCRIPT: list[tuple[int, str | bytes, bool, list[Event]]] = [
    (TEXT, "Hi", True, ["Hi"]),
    (BINARY, b"a", False, []),
    (PING, b"p", True, [Ping(b"p")]),
    (0, b"b" * 130, True, [b"a" + b"b" * 130]),
    (TEXT, "€", True, ["€"]),
]
"""Frames, and the events that each of them completes."""


@each_role
@pytest.mark.parametrize("late", [False, True])
def test_the_stream_may_end_at_every_byte(role: Role, late: bool) -> None:
    """What was whole by then arrives, and then the end: once, and with nothing behind it."""
    whole, ends = b"", []
    for opcode, payload, fin, events in SCRIPT:
        whole += frame_from(role.peer, opcode, payload, fin=fin)
        ends.append((len(whole), events))
    for size in range(len(whole) + 1):
        connection = quiet(role)
        connection.receive_data(whole[:size])
        found = Events() if late else Events(connection.events())
        connection.receive_eof()
        connection.receive_eof()
        connection.receive_data(whole[size:])
        found += connection.events()

        expected = [event for end, events in ends if end <= size for event in events]
        assert [*expected, Closed(1006, "", "lost")] == found
        assert (None, Wants.CLOSE, State.CLOSED) == (connection.next_event(), connection.wants, connection.state)


@each_role
def test_the_stream_may_end_behind_a_close(role: Role) -> None:
    """That is how it should be, and it is no second end; the answer is queued all the same."""
    for pieces in chopped(frame_from(role.peer, CLOSE, close_body(1001))):
        connection = quiet(role)

        assert [Closed(1001, "", "peer")] == feed(connection, pieces, eof=True)
        assert (frame(CLOSE, close_body(1001)), (State.CLOSED, Wants.CLOSE)) == (sent_by(connection), where(connection))


@each_role
def test_the_stream_may_end_before_it_was_read(role: Role) -> None:
    """The end is the last thing that is read, not the first: a violation in front of it is told as that."""
    connection = quiet(role)
    connection.receive_data(frame_from(role.peer, TEXT, "Hi") + frame_from(role.peer, 3))
    connection.receive_eof()

    assert (State.OPEN, Wants.DATA) == where(connection)
    assert ["Hi", broken(rules.OPCODE_RESERVED, len(frame_from(role.peer, TEXT, "Hi")))] == Events(connection.events())
    assert (State.CLOSED, Wants.CLOSE) == where(connection)


@each_role
def test_a_lost_connection_is_not_sent_on(role: Role) -> None:
    """Whoever tries has lost a race, and is told so."""
    connection = quiet(role)
    feed(connection, b"", eof=True)

    for call in (Connection.close, Connection.ping, lambda one: one.send_text("a")):
        with pytest.raises(NotOpen) as caught:
            call(connection)
        assert caught.value.rule is rules.FRAME_AFTER_EOF


# --- Giving up --------------------------------------------------------------------------------------------------------


@each_role
def test_giving_up_drops_what_was_not_taken(role: Role) -> None:
    """A Close is queued, `Closed` is the next event, and nothing that came or comes is told."""
    connection = quiet(role)
    connection.receive_data(frame_from(role.peer, TEXT, "a") * 3 + frame_from(role.peer, PING) + b"\x81")
    assert "a" == connection.next_event()

    connection.fail(1011, "too slow")

    assert [Closed(1011, "too slow", "local")] == feed(connection, frame_from(role.peer, TEXT, "b"))
    assert frame(CLOSE, close_body(1011, "too slow")) == sent_by(connection)
    assert (State.CLOSED, Wants.LINGER) == where(connection)


@each_role
def test_giving_up_twice_is_giving_up_once(role: Role) -> None:
    """There is one Close, and one last event with the first reason."""
    connection = quiet(role)
    connection.fail(1011, "first")
    connection.fail(1001, "second")

    assert [Closed(1011, "first", "local")] == Events(connection.events())
    assert frame(CLOSE, close_body(1011, "first")) == sent_by(connection)


@each_role
def test_giving_up_on_a_closing_handshake(role: Role) -> None:
    """Our Close is out already; the event says why nobody waits for the other one."""
    connection = quiet(role)
    connection.close(1000)
    connection.fail(1008, "no answer")

    assert [Closed(1008, "no answer", "local")] == feed(connection, frame_from(role.peer, CLOSE))
    assert (frame(CLOSE, close_body(1000)), Wants.LINGER) == (sent_by(connection), connection.wants)


@each_role
def test_giving_up_without_a_close_frame(role: Role) -> None:
    """1006 drops the TCP connection: nothing more is sent, nothing more is read, and there is nothing to wait for."""
    connection = quiet(role)
    connection.fail(1006, "gone")

    assert [Closed(1006, "gone", "local")] == feed(connection, frame_from(role.peer, TEXT, "a"))
    assert (b"", (State.CLOSED, Wants.CLOSE)) == (sent_by(connection), where(connection))


@each_role
@pytest.mark.parametrize("code", [1005, 1015, 999, 5000])
def test_giving_up_with_an_impossible_code_changes_nothing(role: Role, code: int) -> None:
    """The caller is told, and the connection goes on."""
    connection = quiet(role)
    connection.receive_data(frame_from(role.peer, TEXT, "a"))

    with pytest.raises(LocalProtocolError) as caught:
        connection.fail(code)

    assert (rules.CLOSE_CODE, ["a"], b"") == (caught.value.rule, Events(connection.events()), sent_by(connection))


# --- Without auto_close -----------------------------------------------------------------------------------------------


@each_role
def test_without_auto_close_the_answer_waits(role: Role) -> None:
    """This side may send on, what it likes, until it answers; then both have closed."""
    for pieces in chopped(frame_from(role.peer, CLOSE, close_body(1001, "bye"))):
        connection = quiet(role, auto_close=False)

        assert [Closed(1001, "bye", "peer")] == feed(connection, pieces)
        assert (State.CLOSING, Wants.DATA) == where(connection)
        connection.send_text("last words")
        connection.answer_close()
        connection.answer_close()

        assert frame(TEXT, "last words") + frame(CLOSE, close_body(1001)) == sent_by(connection)
        assert (State.CLOSED, Wants.CLOSE if role is Role.SERVER else Wants.DATA) == where(connection)


@each_role
def test_without_auto_close_a_violation_waits_too(role: Role) -> None:
    """It is told at once and answered when the caller wants; what comes meanwhile is not read."""
    connection = quiet(role, auto_close=False)

    assert [broken(rules.RESERVED_BITS, 0)] == feed(connection, frame_from(role.peer, TEXT, rsv=1))
    assert (b"", (State.CLOSING, Wants.DATA)) == (sent_by(connection), where(connection))
    assert [] == feed(connection, frame_from(role.peer, PING))
    connection.answer_close()

    assert frame(CLOSE, close_body(1002, rules.RESERVED_BITS.text)) == sent_by(connection)
    assert (State.CLOSED, Wants.LINGER) == where(connection)


@each_role
def test_without_auto_close_a_loss_is_taken_note_of(role: Role) -> None:
    """There is nobody to answer: the caller only says that it knows."""
    connection = quiet(role, auto_close=False)

    assert [Closed(1006, "", "lost")] == feed(connection, b"", eof=True)
    assert (State.CLOSING, Wants.DATA) == where(connection)
    connection.answer_close()

    assert (b"", (State.CLOSED, Wants.CLOSE)) == (sent_by(connection), where(connection))


@each_role
def test_a_close_may_be_answered_with_another_code(role: Role) -> None:
    """`close` and `fail` are answers too, and then there is nothing left for `answer_close` to do."""
    for answer in (Connection.close, Connection.fail):
        connection = quiet(role, auto_close=False)
        feed(connection, frame_from(role.peer, CLOSE, close_body(1000)))

        answer(connection, 4000, "why")
        connection.answer_close()

        assert frame(CLOSE, close_body(4000, "why")) == sent_by(connection)
        assert None is connection.next_event()


@each_role
def test_a_message_that_was_begun_may_be_finished_before_the_answer(role: Role) -> None:
    """The end of the other half does not cut ours."""
    connection = quiet(role, auto_close=False)
    connection.send_text("a", more=True)
    feed(connection, frame_from(role.peer, CLOSE))
    connection.send_text("b")
    connection.answer_close()

    assert frame(TEXT, "ab") + frame(CLOSE) == sent_by(connection)


@each_role
def test_an_answer_to_nothing_is_no_answer(role: Role) -> None:
    """Before `Closed` there is nothing to answer."""
    connection = quiet(role, auto_close=False)

    connection.answer_close()

    assert (b"", State.OPEN) == (sent_by(connection), connection.state)


# --- Where it stands --------------------------------------------------------------------------------------------------

Step = Callable[[Connection], object]


def comes(opcode: int, payload: bytes = b"", **fields: Any) -> Step:
    """The peer sends this frame."""
    return lambda one: feed(one, frame_from(one.role.peer, opcode, payload, **fields))


def ends(one: Connection) -> None:
    """The peer's half of TCP is over."""
    feed(one, b"", eof=True)


CLOSE_COMES, RUBBISH_COMES = comes(CLOSE, close_body(1000)), comes(TEXT, rsv=7)
BY_ROLE = {Role.CLIENT: Wants.DATA, Role.SERVER: Wants.CLOSE}
"""After both Close frames the server hangs up, and the client waits for that (7.1.1)."""

WALKS: list[tuple[list[Step], State, Wants | None]] = [
    ([], State.OPEN, Wants.DATA),
    ([comes(TEXT, b"a")], State.OPEN, Wants.DATA),
    ([comes(TEXT, b"a", fin=False)], State.OPEN, Wants.DATA),
    ([Connection.close], State.CLOSING, Wants.DATA),
    ([Connection.close, comes(TEXT, b"a")], State.CLOSING, Wants.DATA),
    ([Connection.close, CLOSE_COMES], State.CLOSED, None),
    ([CLOSE_COMES], State.CLOSED, None),
    ([Connection.close, CLOSE_COMES, ends], State.CLOSED, Wants.CLOSE),
    ([CLOSE_COMES, ends], State.CLOSED, Wants.CLOSE),
    ([RUBBISH_COMES], State.CLOSED, Wants.LINGER),
    ([RUBBISH_COMES, ends], State.CLOSED, Wants.CLOSE),
    ([Connection.close, RUBBISH_COMES], State.CLOSED, Wants.LINGER),
    ([Connection.close, ends], State.CLOSED, Wants.CLOSE),
    ([ends], State.CLOSED, Wants.CLOSE),
    ([lambda one: one.fail(1011)], State.CLOSED, Wants.LINGER),
    ([lambda one: one.fail(1011), ends], State.CLOSED, Wants.CLOSE),
    ([lambda one: one.fail(1006)], State.CLOSED, Wants.CLOSE),
    ([ends, lambda one: one.fail(1011)], State.CLOSED, Wants.CLOSE),
    ([Connection.receive_eof, lambda one: one.fail(1011)], State.CLOSED, Wants.CLOSE),
    ([CLOSE_COMES, lambda one: one.fail(1006)], State.CLOSED, Wants.CLOSE),
]
"""What happens, where the connection stands then, and what it wants; None where that depends on the role."""


@each_role
@pytest.mark.parametrize("steps, state, wants", WALKS)
def test_what_to_do_with_the_transport_at_every_stage(
    role: Role, steps: list[Step], state: State, wants: Wants | None
) -> None:
    """DATA while anything may come, LINGER after a failure until the peer has read why, and CLOSE when all is said."""
    connection = quiet(role)
    for step in steps:
        step(connection)

    assert (state, wants or BY_ROLE[role]) == where(connection)


MOMENTS: list[Step] = [
    lambda one: None,
    comes(TEXT, b"a", fin=False),
    lambda one: feed(one, frame_from(one.role.peer, TEXT, b"abc")[:-1]),
    lambda one: feed(one, frame_from(one.role.peer, PING, b"abc")[:-1]),
    lambda one: one.receive_data(frame_from(one.role.peer, BINARY, b"unread")),
    lambda one: one.send_text("a", more=True),
    lambda one: one.send_binary(b"unsent"),
    lambda one: one.ping(),
]


@each_role
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("call", [Connection.close, lambda one: one.fail(CloseCode.GOING_AWAY)])
def test_closing_is_possible_at_every_moment(role: Role, moment: Step, call: Step) -> None:
    """In the middle of anything the Close is the last frame that is queued, and nothing can follow it."""
    connection = quiet(role)
    moment(connection)

    call(connection)

    assert connection.chunks_to_send()[-1][0] == 0x88
    for late in (Connection.close, Connection.ping, Connection.pong, lambda one: one.send_text("a")):
        with pytest.raises(NotOpen) as caught:
            late(connection)
        assert caught.value.rule is rules.FRAME_AFTER_CLOSE
    assert b"" == connection.data_to_send()
