"""A long message of which only the beginning is there: it may wait for its rest, and be read in one piece with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.connection import Connection
from rawws.core.events import Chunk, Closed, Event
from rawws.core.messages import LONG, MOST_WAITING
from rawws.core.settings import Limits, Role
from tests.traffic import PLACES, Traffic, compressed_traffic, cut, hostile_traffic, traffic
from tests.wire import BINARY, PING, TEXT, Events, broken, frame_from

each_role = pytest.mark.parametrize("role", Role)

LARGE = bytes(range(256)) * (LONG // 256)
LIMITS = Limits(message=2 * MOST_WAITING)


def large(role: Role, opcode: int = BINARY) -> bytes:
    """A frame with the least that is long, for a connection of this role."""
    return frame_from(role.peer, opcode, LARGE if opcode == BINARY else "y" * LONG)


def taken(connection: Connection, pieces: list[bytes], takes_back: list[bool]) -> Events:
    """All that comes of `pieces`; before some of them what waits is taken back, before others it is read."""
    events = Events()
    for number, piece in enumerate(pieces):
        if takes_back[number % len(takes_back)]:
            piece = connection.unread() + piece
        else:
            events += connection.all_events()
        messages: list[Event] = [*connection.receive_messages(memoryview(piece), True)]
        events += messages
        if not connection.waits_for_rest:
            events += connection.all_events()
    return Events(events + connection.all_events())


class TestWaiting:
    """What waits."""

    @each_role
    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_the_beginning_of_a_long_message_waits(self, role: Role, opcode: int) -> None:
        """It can be taken back, to the byte, and handed over again with what follows."""
        connection, wire = Connection(role), large(role, opcode)
        messages = connection.receive_messages(wire + wire[:100], True)
        beginning = connection.unread()

        assert [1, wire[:100]] == [len(messages), beginning]
        assert messages == connection.receive_messages(beginning + wire[100:], True)
        assert not connection.waits_for_rest

    @each_role
    def test_nothing_waits_of_whom_nothing_more_is_promised(self, role: Role) -> None:
        """It is read as far as it came: a text that is wrong is found out at once."""
        connection = Connection(role)
        wire = frame_from(role.peer, TEXT, b"\xff" * LONG)
        connection.receive_messages(wire[:100])

        assert not connection.waits_for_rest
        assert Events(connection.all_events()) == [broken(rules.TEXT_NOT_UTF8, len(wire) - LONG)]

    @each_role
    @pytest.mark.parametrize("size", [LONG - 1, MOST_WAITING * 2 + 1])
    def test_what_is_short_or_over_the_limit_does_not_wait(self, role: Role, size: int) -> None:
        """Reading it in pieces costs little, or it is to be refused before it has come."""
        connection = Connection(role, limits=LIMITS)
        connection.receive_messages(frame_from(role.peer, BINARY, bytes(size))[:100], True)

        assert not connection.waits_for_rest

    @each_role
    @pytest.mark.parametrize("size, waits", [(MOST_WAITING, True), (MOST_WAITING + 1, False)])
    def test_no_more_than_a_little_waits(self, role: Role, size: int, waits: bool) -> None:
        """To take it back and hand it over again, it is copied."""
        connection = Connection(role, limits=LIMITS)
        connection.receive_messages(frame_from(role.peer, BINARY, bytes(2 * MOST_WAITING))[:size], True)

        assert waits is connection.waits_for_rest

    @each_role
    @pytest.mark.parametrize("fields", [{"fin": False}, {"rsv": 4}, {"form": 8}, {"key": "other"}])
    def test_what_is_not_plain_does_not_wait(self, role: Role, fields: dict[str, object]) -> None:
        """A fragment, a compressed message, and what breaks a rule."""
        if "key" in fields:
            fields = {"key": bytes(4) if role is Role.CLIENT else None}
        connection = Connection(role)
        connection.receive_messages(frame_from(role.peer, BINARY, LARGE, **fields)[:100], True)

        assert not connection.waits_for_rest

    @each_role
    def test_a_message_that_is_not_text_does_not_wait_once_it_is_whole(self, role: Role) -> None:
        """There is no rest to wait for."""
        connection = Connection(role)
        connection.receive_messages(frame_from(role.peer, TEXT, b"\xff" * LONG), True)

        assert not connection.waits_for_rest

    @each_role
    def test_who_is_amid_a_long_message_is_told(self, role: Role) -> None:
        """While it waits, while it is read in pieces, and until little of it is left."""
        connection, wire = Connection(role, limits=LIMITS), large(role)
        assert not connection.is_amid_long
        connection.receive_messages(wire[:-1], True)

        assert connection.waits_for_rest
        assert connection.is_amid_long
        connection.receive_messages(connection.unread() + wire[-1:] + wire[: len(wire) - LONG], True)
        assert [] == connection.all_events()
        assert b"" == connection.unread()
        assert connection.is_amid_long
        connection.receive_messages(wire[len(wire) - LONG :][:1])
        assert not connection.is_amid_long

    @each_role
    def test_the_beginning_of_a_header_does_not_wait(self, role: Role) -> None:
        """Nobody knows what it will be."""
        connection = Connection(role)
        connection.receive_messages(large(role)[:3], True)

        assert not connection.waits_for_rest

    @each_role
    def test_nothing_waits_in_the_midst_of_a_message(self, role: Role) -> None:
        """What looks like a header there is payload."""
        connection, wire = Connection(role), large(role)
        connection.receive_data(wire[:100])
        connection.next_events()
        connection.receive_messages(large(role)[:100], True)

        assert not connection.waits_for_rest

    @each_role
    def test_nothing_waits_of_who_wants_messages_as_they_come(self, role: Role) -> None:
        """A long message is told piece by piece."""
        connection = Connection(role, stream=True)
        connection.receive_messages(large(role)[:100], True)

        assert not connection.waits_for_rest


class TestWithoutTakingBack:
    """It need not be taken back: nothing is lost, and nothing is read twice."""

    @each_role
    def test_what_was_read_meanwhile_is_not_given_back(self, role: Role) -> None:
        """The message goes on where its reading stopped."""
        connection, wire = Connection(role), large(role)
        connection.receive_messages(wire[:100], True)

        assert [] == connection.next_events()
        assert b"" == connection.unread()
        connection.receive_data(wire[100:])
        assert [LARGE] == connection.next_events()

    @each_role
    def test_nothing_is_taken_back_that_does_not_wait(self, role: Role) -> None:
        """What came but was not asked for stays where it is."""
        connection = Connection(role)
        connection.receive_data(frame_from(role.peer, PING, b"Hi"))

        assert b"" == connection.unread()
        assert 1 == len(connection.next_events())

    @each_role
    @pytest.mark.parametrize("size", [50, 150])
    def test_more_can_be_handed_over_behind_it(self, role: Role, size: int) -> None:
        """As behind anything else that came; then it is taken back with that, or not at all."""
        connection, wire = Connection(role), large(role)
        connection.receive_messages(wire[:100], True)
        connection.receive_data(wire[100 : 100 + size])
        back = connection.unread()
        connection.receive_data(back + wire[100 + size :])

        assert back in (b"", wire[: 100 + size])
        assert [LARGE] == connection.all_events()

    @each_role
    def test_the_end_of_the_stream_ends_the_waiting(self, role: Role) -> None:
        """The message will never be whole."""
        connection = Connection(role)
        connection.receive_messages(large(role)[:100], True)
        connection.receive_eof()

        assert [Closed(1006, "", "lost")] == connection.all_events()


class TestInTheMidst:
    """A message that is longer than what is handed over at once."""

    @each_role
    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_is_given_with_what_lies_behind_it(self, role: Role, opcode: int) -> None:
        """When its last byte has come, and not before."""
        payload = b"y" * 5 * MOST_WAITING
        wire = frame_from(role.peer, opcode, payload) + frame_from(role.peer, TEXT, "next")
        connection = Connection(role)
        given: list[list[Event]] = []
        for begin in range(0, len(wire), MOST_WAITING):
            messages = connection.receive_messages(memoryview(wire)[begin : begin + MOST_WAITING])
            given.append([*messages, *connection.next_events()])

        assert [[]] * 5 + [[payload.decode() if opcode == TEXT else payload, "next"]] == given

    @each_role
    def test_is_found_wrong_where_it_is(self, role: Role) -> None:
        """What is handed over behind that is ignored."""
        wrong = frame_from(role.peer, TEXT, b"y" * LONG + b"\xff" + b"y" * LONG)
        wire, place = wrong + large(role), len(wrong) - LONG - 1
        connection = Connection(role)
        connection.receive_data(wire[:100])
        events = Events(connection.all_events())
        events += [*connection.receive_messages(wire[100:]), *connection.receive_messages(large(role))]

        assert Events(events + connection.all_events()) == [broken(rules.TEXT_NOT_UTF8, place)]
        assert [] == connection.receive_messages(large(role)) + connection.all_events()

    @each_role
    def test_goes_on_in_chunks_if_it_began_so(self, role: Role) -> None:
        """A message is given out in one way or in the other."""
        connection, wire = Connection(role, stream=True), large(role)
        connection.receive_data(wire[:100])
        begun = connection.all_events()
        connection.stream = False
        messages = connection.receive_messages(wire[100:])
        chunks = begun + connection.all_events()

        assert [] == messages
        assert LARGE == b"".join(chunk.data for chunk in chunks if isinstance(chunk, Chunk))


class TestWhereItIsWrong:
    """Places in the peer's stream."""

    @each_role
    def test_a_byte_at_fault_is_told_by_its_place_in_the_stream(self, role: Role) -> None:
        """Whether what was in front of it was handed over twice or not."""
        connection, wire = Connection(role), large(role)
        for piece in (wire + wire[:100], wire[100:] + frame_from(role.peer, PING, rsv=1)):
            connection.receive_messages(connection.unread() + piece, True)

        assert Events(connection.all_events()) == [broken(rules.RESERVED_BITS, 2 * len(wire))]


TAKES = st.lists(st.booleans(), min_size=1, max_size=5)


@given(traffic() | compressed_traffic() | hostile_traffic(), PLACES, TAKES)
def test_any_stream_says_the_same_with_waiting_and_without(sent: Traffic, places: list[int], takes: list[bool]) -> None:
    """However it was cut, and whether or not what waited was taken back."""
    expected = Connection(sent.sender.peer, sent.agreement)
    expected.receive_data(sent.data)

    assert Events(expected.all_events()) == taken(
        Connection(sent.sender.peer, sent.agreement), cut(sent.data, places), takes
    )


@each_role
@given(st.lists(st.sampled_from([TEXT, BINARY, PING]), min_size=1, max_size=8), PLACES, TAKES)
def test_long_messages_are_the_same_with_waiting_and_without(
    role: Role, opcodes: list[int], places: list[int], takes: list[bool]
) -> None:
    """The traffic above has few that are long."""
    wire = b"".join(frame_from(role.peer, PING, b"Hi") if each == PING else large(role, each) for each in opcodes)
    expected = Connection(role)
    expected.receive_data(wire)

    assert Events(expected.all_events()) == taken(Connection(role), cut(wire, places), takes)
