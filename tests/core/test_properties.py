"""What holds for any bytes: Hypothesis thinks them up."""

import copy
import pickle

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rawws.core.agreement import Agreement
from rawws.core.connection import Connection, Wants
from rawws.core.deflate import DeflateTerms
from rawws.core.events import Chunk, Closed, Event
from rawws.core.frames import may_appear
from rawws.core.settings import Limits, Role
from rawws.core.states import State
from tests.traffic import MESSAGES, PAYLOADS, PLACES, Traffic, cut, harmed, traffic
from tests.wire import CLOSE, Events, Keys, Pair, feed, frame_from, receive

LIMITS = st.sampled_from(
    [Limits(), Limits(message=10), Limits(frame=5), Limits(fragments=2), Limits(message=None), Limits(message=126)]
)

ANY_BYTES = st.tuples(st.sampled_from(Role), st.binary(max_size=200)) | harmed()
"""Who sends them, and bytes: random ones, or good traffic that was harmed."""

AGREEMENTS = st.sampled_from([Agreement(), Agreement(compression=DeflateTerms())])
"""With compression too, so that random bytes may be compressed data; test_compressed.py has what is nearly right."""

thrice = settings(max_examples=3 * settings().max_examples)


def in_full(events: list[Event]) -> list[str]:
    """Events in words, the text of their errors included."""
    return [f"{event!r} {event.error if isinstance(event, Closed) else ''}" for event in events]


# --- Good traffic -----------------------------------------------------------------------------------------------------


@given(traffic(), PLACES)
def test_good_traffic_arrives(sent: Traffic, places: list[int]) -> None:
    """Any messages, in any fragments, with any control frames between, cut anywhere: all of it, in order, unharmed."""
    assert sent.events == receive(sent.sender.peer, cut(sent.data, places))


@given(traffic())
def test_good_traffic_arrives_byte_by_byte(sent: Traffic) -> None:
    """That is the long way for every message that is not empty, so the short way is held against it here."""
    assert sent.events == receive(sent.sender.peer, [bytes([byte]) for byte in sent.data])


@given(traffic(), PLACES)
def test_reading_late_changes_nothing(sent: Traffic, places: list[int]) -> None:
    """All may be handed over before the first event is taken."""
    connection = Connection(sent.sender.peer)
    for piece in cut(sent.data, places):
        connection.receive_data(piece)

    assert sent.events == Events(connection.events())


@given(traffic(), PLACES)
def test_the_answers_do_not_depend_on_the_chopping(sent: Traffic, places: list[int]) -> None:
    """Neither what is sent, nor in which order."""
    whole, chopped = (Connection(sent.sender.peer, random=Keys()) for _ in range(2))
    feed(whole, sent.data)
    feed(chopped, cut(sent.data, places))

    assert whole.data_to_send() == chopped.data_to_send()


@given(traffic(), st.lists(st.integers(0, 2**16), max_size=4))
def test_a_copy_in_between_changes_nothing(sent: Traffic, places: list[int]) -> None:
    """The connection may be copied or pickled at any point, and the copy goes on."""
    plain, copied = (Connection(sent.sender.peer, random=Keys()) for _ in range(2))
    events = Events()
    for number, piece in enumerate(cut(sent.data, places)):
        events += feed(copied, piece)
        copied = copy.deepcopy(copied) if number % 2 else pickle.loads(pickle.dumps(copied))

    assert feed(plain, sent.data) == events
    assert plain.data_to_send() == copied.data_to_send()


SENDS = st.tuples(st.just("send"), MESSAGES, st.booleans())
CALLS = st.lists(SENDS | st.tuples(st.sampled_from(["ping", "pong"]), PAYLOADS))


@given(CALLS, st.sampled_from(Role), PLACES)
def test_what_is_sent_comes_back_from_an_echo(
    calls: list[tuple[str, str | bytes, bool]], role: Role, places: list[int]
) -> None:
    """There and back again through both roles, in fragments and cut anywhere: the same messages, in order."""
    here, echo = Connection(role, random=Keys()), Connection(role.peer, random=Keys())
    expected = [send(here, *call) for call in calls]
    for event in feed(echo, cut(here.data_to_send(), places)):
        if isinstance(event, str | bytes):
            send(echo, "send", event)
    back = feed(here, cut(echo.data_to_send(), places))

    assert [message for message in expected if message is not None] == [
        event for event in back if isinstance(event, str | bytes)
    ]


def send(connection: Connection, kind: str, data: str | bytes, halved: bool = False) -> str | bytes | None:
    """Do one of the calls; the message, if it is one."""
    if kind != "send":
        getattr(connection, kind)(data)
        return None
    for part, more in ((data[: len(data) // 2], True), (data[len(data) // 2 :], False)) if halved else ((data, False),):
        if isinstance(part, str):
            connection.send_text(part, more)
        else:
            connection.send_binary(part, more)
    return data


# --- Any bytes --------------------------------------------------------------------------------------------------------


@thrice
@given(ANY_BYTES, PLACES, LIMITS, AGREEMENTS, st.booleans(), st.booleans())
@example((Role.SERVER, b"\x81\x7f" + b"\xff" * 8), [], Limits(), Agreement(), False, True)
def test_any_bytes_are_told_without_raising(
    sent: tuple[Role, bytes], places: list[int], limits: Limits, agreement: Agreement, auto_close: bool, eof: bool
) -> None:
    """At most one `Closed`, it is the last event, and nothing comes behind it; the frames that answer are legal."""
    sender, data = sent
    connection = Connection(sender.peer, agreement, limits=limits, auto_close=auto_close, random=Keys())

    events = feed(connection, cut(data, places), eof=eof)

    assert not any(isinstance(event, Closed) for event in events[:-1])
    assert (connection.closed is not None) == bool(events and isinstance(events[-1], Closed))
    if eof:
        assert connection.closed is not None
    if connection.closed is not None:
        assert connection.closed is events[-1]
        assert [] == feed(connection, data, eof=True)
    answered = receive(sender, connection.data_to_send())
    assert not answered or not isinstance(answered[-1], Closed) or answered[-1].error is None


@thrice
@given(ANY_BYTES, PLACES, LIMITS, AGREEMENTS, st.booleans())
def test_any_bytes_are_told_the_same_however_they_are_cut(
    sent: tuple[Role, bytes], places: list[int], limits: Limits, agreement: Agreement, eof: bool
) -> None:
    """The same events, the same rule at the same offset with the same words, and the same answer."""
    sender, data = sent
    whole, cut_up, by_byte = (Connection(sender.peer, agreement, limits=limits, random=Keys()) for _ in range(3))

    expected = in_full(feed(whole, data, eof=eof))

    assert expected == in_full(feed(cut_up, cut(data, places), eof=eof))
    assert expected == in_full(feed(by_byte, [bytes([byte]) for byte in data], eof=eof))
    answers = [connection.data_to_send() for connection in (whole, cut_up, by_byte)]
    assert answers == [answers[0]] * 3
    assert 1 == len({(connection.state, connection.wants) for connection in (whole, cut_up, by_byte)})


@given(ANY_BYTES, PLACES, LIMITS)
def test_streaming_tells_the_same_violation(sent: tuple[Role, bytes], places: list[int], limits: Limits) -> None:
    """Chunks are another way to tell the same stream."""
    sender, data = sent

    whole = receive(sender.peer, data, limits=limits)
    stream = receive(sender.peer, cut(data, places), limits=limits, stream=True)

    others = Events(event for event in stream if not isinstance(event, Chunk))
    assert [event for event in whole if not isinstance(event, str | bytes)] == others


@given(ANY_BYTES, PLACES)
def test_a_violation_blames_a_byte_that_came(sent: tuple[Role, bytes], places: list[int]) -> None:
    """The offset lies inside the stream, or right behind it where something was cut off; the Close repeats the code."""
    sender, data = sent
    connection = Connection(sender.peer, random=Keys())
    feed(connection, cut(data, places))
    closed = connection.closed

    if closed is not None and closed.error is not None:
        assert closed.error.offset is not None
        assert 0 <= closed.error.offset <= len(data)
        assert closed.error.code == closed.code
        assert may_appear(closed.code)
        assert (closed.code, closed.reason) == connection.close_sent
        assert (State.CLOSED, Wants.LINGER) == (connection.state, connection.wants)


@given(harmed(), st.integers(0, 2**16))
def test_what_came_before_the_harm_arrives(sent: tuple[Role, bytes], place: int) -> None:
    """Each prefix of a stream tells a prefix of the events."""
    sender, data = sent
    at = place % (len(data) + 1)

    some, everything = in_full(receive(sender.peer, data[:at])), in_full(receive(sender.peer, data))

    assert some == everything[: len(some)]


@given(st.binary(max_size=130), st.sampled_from(Role))
def test_any_body_of_a_close_ends_the_connection(body: bytes, sender: Role) -> None:
    """In peace if sections 5.5.1 and 7.4 allow it, and with a violation otherwise."""
    events = receive(sender.peer, frame_from(sender, CLOSE, body))

    assert [Closed] == [type(event) for event in events]


@given(MESSAGES, MESSAGES)
def test_two_that_talk_both_ways_do_not_disturb_each_other(one: str | bytes, other: str | bytes) -> None:
    """The two directions have nothing in common but the end."""
    pair = Pair()
    send(pair.client, "send", one, halved=True)
    send(pair.server, "send", other, halved=True)

    assert ([other], [one]) == pair.pump()
