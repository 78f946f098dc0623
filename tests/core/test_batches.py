"""Events that are taken one by one, as they are known together, or all at once: it is the same stream."""

from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection
from rawws.core.deflate import DeflateTerms
from rawws.core.errors import NotOpen
from rawws.core.events import Chunk, Closed, Event, Ping
from rawws.core.settings import Limits, Role
from tests.traffic import PLACES, Traffic, compressed_traffic, cut, harmed, hostile_traffic, traffic
from tests.wire import BINARY, CLOSE, PING, TEXT, Events, Keys, broken, close_body, feed, frame_from, octets

each_role = pytest.mark.parametrize("role", Role)

Ask = Callable[[Connection], list[Event]]


def one(connection: Connection) -> list[Event]:
    """The next event, if there is one."""
    event = connection.next_event()
    return [] if event is None else [event]


WAYS: dict[str, Ask] = {"one": one, "together": Connection.next_events, "all": Connection.all_events}

ASKS = st.lists(st.sampled_from(sorted(WAYS)), max_size=20)


def told(connection: Connection, pieces: list[bytes], asks: list[str], eof: bool = False) -> Events:
    """All events, asked for in these ways, a way behind each piece; and when they are used up, in full."""
    events = Events()
    for number, piece in enumerate(pieces):
        connection.receive_data(piece)
        for ask in asks[number : number + 2]:
            events += WAYS[ask](connection)
    if eof:
        connection.receive_eof()
    for ask in asks:
        events += WAYS[ask](connection)
    return Events(events + connection.all_events())


def wire(role: Role, *messages: str | bytes) -> bytes:
    """The frames in which the peer of `role` sends these."""
    return b"".join(frame_from(role.peer, TEXT if isinstance(each, str) else BINARY, each) for each in messages)


# --- However it is asked for ------------------------------------------------------------------------------------------


@given(traffic() | compressed_traffic(), PLACES, ASKS)
def test_good_traffic_arrives_in_every_way(sent: Traffic, places: list[int], asks: list[str]) -> None:
    """The ways may take turns, also in the middle of what was known together."""
    connection = Connection(sent.sender.peer, sent.agreement)

    assert sent.events == told(connection, cut(sent.data, places), asks)


@given(harmed() | hostile_traffic(), PLACES, ASKS, st.booleans(), st.sampled_from([None, 5, 126]))
def test_any_bytes_are_told_the_same(
    sent: tuple[Role, bytes] | Traffic, places: list[int], asks: list[str], eof: bool, limit: int | None
) -> None:
    """Nothing of what stands in front of a violation is lost, and the answers are the same."""
    sender, data, *_ = sent
    lazy, mixed = (
        Connection(sender.peer, Agreement(compression=DeflateTerms()), limits=Limits(message=limit), random=Keys())
        for _ in range(2)
    )

    assert feed(lazy, data, eof=eof) == told(mixed, cut(data, places), asks, eof)
    assert lazy.data_to_send() == mixed.data_to_send()
    assert (lazy.state, lazy.wants) == (mixed.state, mixed.wants)


@given(harmed() | hostile_traffic(), PLACES, st.lists(st.booleans()), st.booleans())
def test_messages_may_be_taken_as_they_come(
    sent: tuple[Role, bytes] | Traffic, places: list[int], at_once: list[bool], asks: bool
) -> None:
    """Whoever takes those that a piece begins with, and asks for the rest at once or later, is told the same."""
    sender, data, *_ = sent
    lazy, quick = (Connection(sender.peer, Agreement(compression=DeflateTerms()), random=Keys()) for _ in range(2))
    events = Events()
    for number, piece in enumerate(cut(data, places)):
        if number < len(at_once) and at_once[number]:
            events += quick.receive_messages(memoryview(piece))
        else:
            quick.receive_data(piece)
        if asks:
            events += quick.all_events()
            assert not quick.has_data_to_read or not quick.next_events()

    assert feed(lazy, data) == Events(events + quick.all_events())
    assert lazy.data_to_send() == quick.data_to_send()
    assert (lazy.state, lazy.wants) == (quick.state, quick.wants)


@each_role
def test_nothing_is_taken_before_its_turn(role: Role) -> None:
    """Where something waits to be read, a message is behind it; where messages are told in chunks, it is a chunk."""
    connection = Connection(role)
    assert ["a"] == connection.receive_messages(wire(role, "a"))
    assert ["b"] == connection.receive_messages(wire(role, "b") + frame_from(role.peer, PING))
    assert [] == connection.receive_messages(wire(role, "c"))
    assert connection.has_data_to_read
    assert [Ping(b""), "c"] == Events(connection.all_events())
    assert not connection.has_data_to_read
    connection.stream = True

    assert [] == connection.receive_messages(wire(role, "d"))
    assert [Chunk("d", True, True)] == connection.all_events()


@given(harmed(), PLACES, st.booleans())
def test_what_is_known_together_are_messages(sent: tuple[Role, bytes], places: list[int], stream: bool) -> None:
    """Nobody has to look at each: the first one tells whether all are messages."""
    connection = Connection(sent[0].peer, stream=stream)
    for piece in cut(sent[1], places):
        connection.receive_data(piece)
        while together := connection.next_events():
            assert len({isinstance(event, str | bytes) for event in together}) == 1
            assert len(together) == 1 or isinstance(together[0], str | bytes)


# --- In the middle of a run -------------------------------------------------------------------------------------------


@each_role
def test_a_run_of_messages_is_told_together(role: Role) -> None:
    """Up to the first thing that is something else, which comes alone; none means that more bytes are needed."""
    connection = Connection(role)
    ping = frame_from(role.peer, PING, b"?")
    connection.receive_data(wire(role, "a", b"b", "") + ping + wire(role, "c", "d")[:-1])

    assert [["a", b"b", ""], [Ping(b"?")], ["c"], []] == [connection.next_events() for _ in range(4)]
    connection.receive_data(wire(role, "d")[-1:] + wire(role, "e"))
    assert ["d", "e"] == connection.all_events()


@each_role
def test_what_is_behind_a_run_is_not_read_before_it_is_asked_for(role: Role) -> None:
    """A Close takes no effect, a Ping is not answered."""
    connection = Connection(role)
    connection.receive_data(wire(role, "a", "b") + frame_from(role.peer, PING) + frame_from(role.peer, CLOSE))

    assert ["a", "b"] == connection.next_events()
    assert not connection.has_data_to_send
    assert connection.closed is None
    assert [Ping(b""), Closed(1005, "", "peer")] == Events(connection.all_events())


@each_role
@pytest.mark.parametrize("ways", [("one", "together"), ("one", "all"), ("one", "one", "together")])
def test_the_rest_of_a_run_is_not_lost(role: Role, ways: tuple[str, ...]) -> None:
    """Who has taken some of it one by one gets what is left, in order."""
    connection = Connection(role)
    connection.receive_data(wire(role, "a", "b", "c"))

    assert ["a", "b", "c"] == [event for way in ways for event in WAYS[way](connection)]
    assert connection.next_event() is None


@each_role
def test_bytes_that_come_in_the_middle_of_a_run_are_behind_it(role: Role) -> None:
    """What was read together goes first."""
    connection = Connection(role)
    connection.receive_data(wire(role, "a", "b"))
    assert "a" == connection.next_event()
    connection.receive_data(wire(role, "c") + frame_from(role.peer, PING))

    assert ["b", "c", Ping(b"")] == Events(connection.all_events())


@each_role
def test_chunks_begin_behind_the_run(role: Role) -> None:
    """Streaming that is switched on in the middle counts from what was not read yet."""
    connection = Connection(role)
    connection.receive_data(wire(role, "a", "b"))
    assert "a" == connection.next_event()
    connection.stream = True
    connection.receive_data(wire(role, "c"))

    assert ["b", Chunk("c", True, True)] == connection.all_events()
    connection.stream = False
    connection.receive_data(wire(role, "d", "e"))
    assert ["d", "e"] == connection.next_events()


@each_role
@pytest.mark.parametrize("bad, rule", [("far too long", rules.MESSAGE_TOO_BIG), ("\ud800", rules.TEXT_NOT_UTF8)])
def test_messages_in_front_of_a_violation_come_first(role: Role, bad: str, rule: rules.Rule) -> None:
    """A limit in the middle of a run, or text that is none: what stands in front arrives, what is behind does not."""
    connection = Connection(role, limits=Limits(message=5))
    good = wire(role, "a", "b")
    connection.receive_data(good + wire(role, bad) + wire(role, "c"))
    header = 1 if rule is rules.MESSAGE_TOO_BIG else 2 if role is Role.CLIENT else 6

    assert ["a", "b"] == connection.next_events()
    assert [broken(rule, len(good) + header)] == Events(connection.all_events())


@each_role
def test_a_close_in_a_run_ends_it(role: Role) -> None:
    """What lies behind the Close is not told."""
    connection = Connection(role)
    connection.receive_data(wire(role, "a") + frame_from(role.peer, CLOSE, close_body(1001)) + wire(role, "b"))

    assert ["a", Closed(1001, "", "peer")] == Events(connection.all_events())


@each_role
def test_giving_up_in_the_middle_of_a_run_drops_the_rest(role: Role) -> None:
    """`fail`: what came but was not taken is dropped."""
    connection = Connection(role)
    connection.receive_data(wire(role, "a", "b", "c"))
    assert "a" == connection.next_event()
    connection.fail(1011)

    assert [Closed(1011, "", "local")] == Events(connection.all_events())


@each_role
def test_a_list_of_events_is_the_callers(role: Role) -> None:
    """It does not change when more comes, and changing it changes nothing."""
    connection = Connection(role)
    nothing = connection.all_events()
    connection.receive_data(wire(role, "a"))
    first = connection.next_events()
    connection.receive_data(wire(role, "b"))
    second = connection.all_events()
    for events in (nothing, first, second):
        events.append("mine")

    assert [["mine"], ["a", "mine"], ["b", "mine"]] == [nothing, first, second]
    assert [] == connection.all_events()


def test_who_hands_over_much_and_asks_late_pays_no_more_for_it() -> None:
    """What is not asked for is put together once, not anew for every read: a million bytes, one at a time."""
    connection = Connection(Role.CLIENT)
    data = wire(Role.CLIENT, *["x" * 123] * 8000)
    for at in range(len(data)):
        connection.receive_data(data[at : at + 1])

    assert ["x" * 123] * 8000 == connection.all_events()


# --- Messages that are sent together ----------------------------------------------------------------------------------

RUNS = st.lists(st.text(max_size=9) | st.binary(max_size=200) | st.sampled_from([bytes(126), "é" * 70_000]), max_size=9)


@each_role
@given(RUNS)
def test_messages_sent_together_are_the_frames_of_each(role: Role, run: list[str | bytes]) -> None:
    """In their order, each with a key of its own if this is a client; and they are taken out of the list."""
    keys = bytes(number * 7 % 256 for number in range(36))
    together, alone = Connection(role, random=BytesIO(keys).read), Connection(role, random=BytesIO(keys).read)
    messages = list(run)
    together.send_messages(messages)
    for message in run:
        alone.send_message(message)

    assert [] == messages
    assert alone.data_to_send() == together.data_to_send()


def test_messages_sent_together_wait_for_the_end_of_one_in_fragments() -> None:
    """5.4: they must not be taken for fragments of it."""
    connection = Connection(Role.SERVER)
    connection.send_text("a", more=True)
    connection.send_messages(["b", b"c"])
    connection.send_text("d")

    assert octets("01 01 61 80 01 64 81 01 62 82 01 63") == connection.data_to_send()


def test_messages_sent_together_are_compressed_one_by_one() -> None:
    """As the agreement has it; what is short is not."""
    connection = Connection(Role.SERVER, Agreement(compression=DeflateTerms()))
    connection.send_messages(["a", "b" * 1000])
    short, long = connection.chunks_to_send()

    assert (octets("81 01 61"), 0xC1) == (short, long[0])


def test_messages_sent_together_may_be_too_late() -> None:
    """After the Close nothing is queued, and the caller has them still."""
    connection = Connection(Role.SERVER)
    connection.close()
    messages: list[str | bytes] = ["a", "b"]
    with pytest.raises(NotOpen):
        connection.send_messages(messages)

    assert ["a", "b"] == messages
    assert 1 == len(connection.chunks_to_send())
