"""The table: which frame may follow which.  Real connections are driven through every cell of it, both ways."""

import pickle
from collections.abc import Callable
from itertools import product
from typing import TypeAlias

import pytest

from rawws.core import rules
from rawws.core.connection import Connection
from rawws.core.errors import LocalProtocolError, NotOpen, ProtocolError
from rawws.core.rules import Rule
from rawws.core.settings import Role
from rawws.core.states import (
    CLOSE_SENT,
    ENDED,
    IN_MESSAGE,
    READY,
    TRANSITIONS,
    Sender,
    Sent,
    State,
    advance,
    what_is_sent,
)
from tests.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Keys,
    broken,
    chopped,
    close_body,
    feed,
    frame_from,
)

LEGAL = {
    (READY, Sent.WHOLE): READY,
    (READY, Sent.FIRST): IN_MESSAGE,
    (READY, Sent.CONTROL): READY,
    (READY, Sent.CLOSE): CLOSE_SENT,
    (READY, Sent.EOF): ENDED,
    (IN_MESSAGE, Sent.MIDDLE): IN_MESSAGE,
    (IN_MESSAGE, Sent.LAST): READY,
    (IN_MESSAGE, Sent.CONTROL): IN_MESSAGE,
    (IN_MESSAGE, Sent.CLOSE): CLOSE_SENT,
    (IN_MESSAGE, Sent.EOF): ENDED,
    (CLOSE_SENT, Sent.EOF): ENDED,
    (ENDED, Sent.EOF): ENDED,
}
"""The whole of sections 5.4, 5.5.1 and 7.1, once more."""

FORBIDDEN_BY = {
    READY: rules.NOTHING_TO_CONTINUE,
    IN_MESSAGE: rules.MESSAGE_UNFINISHED,
    CLOSE_SENT: rules.FRAME_AFTER_CLOSE,
    ENDED: rules.FRAME_AFTER_EOF,
}
"""In each state there is one reason to refuse what is refused."""

CELLS = list(product(Sender, Sent))

FRAMES: dict[Sent, list[tuple[int, bool]]] = {
    Sent.WHOLE: [(TEXT, True), (BINARY, True)],
    Sent.FIRST: [(TEXT, False), (BINARY, False)],
    Sent.MIDDLE: [(CONTINUATION, False)],
    Sent.LAST: [(CONTINUATION, True)],
    Sent.CONTROL: [(PING, True), (PONG, True)],
    Sent.CLOSE: [(CLOSE, True)],
}
"""Opcode and FIN of what is sent."""

Call: TypeAlias = Callable[[Connection], None]

CALLS: dict[tuple[Sender, Sent], list[Call]] = {
    (READY, Sent.WHOLE): [lambda one: one.send_text("a"), lambda one: one.send_binary(b"a")],
    (READY, Sent.FIRST): [lambda one: one.send_text("a", more=True), lambda one: one.send_binary(b"a", more=True)],
    (IN_MESSAGE, Sent.WHOLE): [lambda one: one.send_binary(b"a")],
    (IN_MESSAGE, Sent.FIRST): [lambda one: one.send_binary(b"a", more=True)],
    (IN_MESSAGE, Sent.MIDDLE): [lambda one: one.send_text("a", more=True)],
    (IN_MESSAGE, Sent.LAST): [lambda one: one.send_text("a")],
}
"""How a caller asks for a data frame, where a text message is being sent in IN_MESSAGE.  A continuation of nothing
cannot be asked for at all."""

DATA: list[Call] = [*CALLS[READY, Sent.WHOLE], *CALLS[READY, Sent.FIRST]]
CONTROLS: list[Call] = [lambda one: one.ping(b"p"), lambda one: one.pong(b"p")]
CLOSES: list[Call] = [lambda one: one.close(), lambda one: one.close(None), lambda one: one.close(4000, "bye")]


def calls_for(state: Sender, sent: Sent) -> list[Call]:
    """Every way to ask a connection whose own side stands in `state` to send this."""
    if sent is Sent.CONTROL:
        return CONTROLS
    if sent is Sent.CLOSE:
        return CLOSES
    if sent is Sent.EOF:
        return []
    return CALLS.get((state, sent), DATA if state in (CLOSE_SENT, ENDED) else [])


def sender_in(state: Sender, role: Role) -> Connection:
    """A connection whose own side stands in `state`, with nothing queued."""
    connection = Connection(role, random=Keys())
    if state is IN_MESSAGE:
        connection.send_text("a", more=True)
    elif state is CLOSE_SENT:
        connection.close()
    elif state is ENDED:
        feed(connection, b"", eof=True)
    connection.data_to_send()
    assert state is connection.ours
    return connection


def receiver_in(state: Sender, role: Role) -> Connection:
    """A connection whose peer stands in `state`."""
    connection = Connection(role, random=Keys())
    if state is IN_MESSAGE:
        feed(connection, frame_from(role.peer, TEXT, "a", fin=False))
    elif state is CLOSE_SENT:
        feed(connection, frame_from(role.peer, CLOSE))
    elif state is ENDED:
        feed(connection, b"", eof=True)
    assert state is connection.theirs
    return connection


# --- The table by itself ----------------------------------------------------------------------------------------------


def test_the_table_has_28_cells_of_which_12_are_legal() -> None:
    """Four states and seven things to send, and an answer for each of them."""
    assert CELLS == [(state, sent) for state, row in TRANSITIONS.items() for sent in row]
    assert 28 == len(CELLS)
    assert 12 == sum(isinstance(TRANSITIONS[state][sent], Sender) for state, sent in CELLS)


@pytest.mark.parametrize("state, sent", CELLS)
def test_a_cell_leads_on_or_names_the_rule_it_breaks(state: Sender, sent: Sent) -> None:
    """`advance` follows the legal ones and raises the rule of the others."""
    if (state, sent) in LEGAL:
        assert LEGAL[state, sent] is advance(state, sent)
        return
    with pytest.raises(ProtocolError) as caught:
        advance(state, sent)

    assert FORBIDDEN_BY[state] is caught.value.rule


@pytest.mark.parametrize("sent", FRAMES)
def test_a_frame_is_one_of_six_things_to_send(sent: Sent) -> None:
    """Opcode and FIN decide which; a control frame is whole by itself."""
    assert {sent} == {what_is_sent(opcode, fin) for opcode, fin in FRAMES[sent]}


# --- Sending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state, sent", [cell for cell in CELLS if calls_for(*cell)])
def test_sending_obeys_the_table(state: Sender, sent: Sent, role: Role) -> None:
    """What is legal is queued as one frame and changes the state; the rest is raised, and changes nothing."""
    for call in calls_for(state, sent):
        connection = sender_in(state, role)
        before = pickle.dumps(connection)
        cell = TRANSITIONS[state][sent]
        if isinstance(cell, Rule):
            with pytest.raises(NotOpen if state in (CLOSE_SENT, ENDED) else LocalProtocolError) as caught:
                call(connection)

            assert (cell, None) == (caught.value.rule, caught.value.offset)
            assert (caught.type is NotOpen) == (state in (CLOSE_SENT, ENDED))
            assert before == pickle.dumps(connection)
        else:
            call(connection)

            assert (cell, 1) == (connection.ours, len(connection.chunks_to_send()))


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", Sender)
def test_every_state_of_a_sender_can_end(state: Sender, role: Role) -> None:
    """The TCP connection may be dropped at any time, and nothing is sent then."""
    connection = sender_in(state, role)

    connection.fail(1006)

    assert (ENDED, b"") == (connection.ours, connection.data_to_send())


# --- Receiving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "state, sent", [cell for cell in CELLS if cell[0] in (READY, IN_MESSAGE) and cell[1] in FRAMES]
)
def test_receiving_obeys_the_table(state: Sender, sent: Sent, role: Role) -> None:
    """What is legal changes where the peer stands; the rest is the end, blamed on the first byte of the frame."""
    cell = TRANSITIONS[state][sent]
    for opcode, fin in FRAMES[sent]:
        for pieces in chopped(frame_from(role.peer, opcode, b"" if opcode == CLOSE else b"p", fin=fin)):
            connection = receiver_in(state, role)
            came_before = 0 if state is READY else len(frame_from(role.peer, TEXT, "a", fin=False))

            events = feed(connection, pieces)

            if isinstance(cell, Rule):
                assert [broken(cell, came_before)] == events
            else:
                assert cell is connection.theirs


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("sent", FRAMES)
@pytest.mark.parametrize("state", [CLOSE_SENT, ENDED])
def test_nothing_is_read_behind_the_end(state: Sender, sent: Sent, role: Role) -> None:
    """5.5.1: "After receiving a control frame indicating the connection should be closed, a peer discards any further
    data received"; it is not even a violation."""
    for opcode, fin in FRAMES[sent]:
        connection = receiver_in(state, role)
        before = pickle.dumps(connection)

        assert [] == feed(connection, frame_from(role.peer, opcode, fin=fin))
        assert before == pickle.dumps(connection)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", Sender)
def test_every_state_of_a_peer_can_end(state: Sender, role: Role) -> None:
    """The end of the stream is never a violation; `Closed` tells whether a Close came before it, and comes once."""
    connection = receiver_in(state, role)

    events = feed(connection, b"", eof=True)

    assert ENDED is connection.theirs
    assert (state in (READY, IN_MESSAGE)) == bool(events)


# --- Both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state, sent", [cell for cell in LEGAL if calls_for(*cell)])
def test_both_sides_agree_on_where_the_sender_stands(state: Sender, sent: Sent, role: Role) -> None:
    """`ours` here is `theirs` there as soon as everything was read."""
    for call in calls_for(state, sent):
        here, there = sender_in(state, role), receiver_in(state, role.peer)

        call(here)
        feed(there, here.data_to_send())

        assert here.ours is there.theirs


@pytest.mark.parametrize("role", Role)
def test_the_words_of_the_rfc_follow_from_the_two_senders(role: Role) -> None:
    """OPEN until the first Close, CLOSING until the second, CLOSED behind it."""
    here, there = Connection(role, random=Keys()), Connection(role.peer, random=Keys(), auto_close=False)
    found = [(here.state, there.state)]
    here.close()
    found.append((here.state, there.state))
    feed(there, here.data_to_send())
    found.append((here.state, there.state))
    there.answer_close()
    found.append((here.state, there.state))
    feed(here, there.data_to_send())
    found.append((here.state, there.state))

    assert [
        (State.OPEN, State.OPEN),
        (State.CLOSING, State.OPEN),
        (State.CLOSING, State.CLOSING),
        (State.CLOSING, State.CLOSED),
        (State.CLOSED, State.CLOSED),
    ] == found


def test_a_close_with_a_body_is_a_close() -> None:
    """What it carries plays no part in the table."""
    connection = receiver_in(READY, Role.CLIENT)

    feed(connection, frame_from(Role.SERVER, CLOSE, close_body(1000, "bye")))

    assert CLOSE_SENT is connection.theirs
