"""Messages as they come (`stream=True`): chunks that join to the message, and never cut a character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.connection import Connection
from rawws.core.events import Chunk, Closed, Event, Ping
from rawws.core.settings import Limits, Role
from tests.traffic import PLACES, Traffic, cut, traffic
from tests.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    Events,
    broken,
    chopped,
    feed,
    frame,
    frame_from,
    receive,
)


def joined(events: list[Event]) -> Events:
    """The same events, with the chunks of each message put together; they must say rightly where it begins and ends."""
    found, parts = Events(), list[str | bytes]()
    for event in events:
        if not isinstance(event, Chunk):
            found.append(event)
            continue
        assert event.first == (not parts)
        parts.append(event.data)
        if event.last:
            found.append(b"".join(parts) if isinstance(parts[0], bytes) else "".join(map(str, parts)))  # type: ignore[arg-type]
            parts.clear()
    return found


@pytest.mark.parametrize("message", ["", "Hi", "aé€😀", b"", b"\x00\xff\xfe", b"x" * 300])
def test_a_message_in_one_frame_comes_in_pieces(message: str | bytes) -> None:
    """As many as the transport made of it; together they are the message."""
    for pieces in chopped(frame(TEXT if isinstance(message, str) else BINARY, message)):
        assert [message] == joined(receive(Role.CLIENT, pieces, stream=True))


def test_chunks_come_inside_one_frame() -> None:
    """Nothing is held back until the frame is whole."""
    data = frame_from(Role.CLIENT, BINARY, b"abcdef")
    connection = Connection(Role.SERVER, stream=True)

    assert [] == feed(connection, data[:6])
    assert [Chunk(b"ab", True, False)] == feed(connection, data[6:8])
    assert [Chunk(b"cde", False, False)] == feed(connection, data[8:11])
    assert 0 == connection.held
    assert [Chunk(b"f", False, True)] == feed(connection, data[11:])


def test_a_fragment_that_is_there_as_a_whole_is_one_chunk() -> None:
    """And the last one ends the message, even if it is empty."""
    data = frame(TEXT, "ab", fin=False) + frame(CONTINUATION, "c", fin=False) + frame(CONTINUATION, "")

    expected = [Chunk("ab", True, False), Chunk("c", False, False), Chunk("", False, True)]
    assert expected == receive(Role.CLIENT, data, stream=True)


def test_a_fragment_with_nothing_to_tell_is_no_event() -> None:
    """Neither an empty one nor half a character; the first chunk is the first that says something."""
    frames = [frame(TEXT, "", fin=False), frame(CONTINUATION, b"\xe2", fin=False), frame(CONTINUATION, b"", fin=False)]
    frames += [frame(CONTINUATION, b"\x82", fin=False), frame(CONTINUATION, b"\xacb", fin=False), frame(CONTINUATION)]

    assert [Chunk("€b", True, False), Chunk("", False, True)] == receive(Role.CLIENT, frames, stream=True)


def test_an_empty_message_is_one_chunk() -> None:
    """It begins and ends the message."""
    for pieces in chopped("81 00", "02 00 80 00"):
        assert [Chunk("", True, True), Chunk(b"", True, True)] == receive(Role.CLIENT, pieces, stream=True)


def test_control_frames_come_between_the_chunks() -> None:
    """In the order of the wire, also a Close that cuts the message off."""
    data = [frame(BINARY, b"a", fin=False), frame(PING), frame(CONTINUATION, b"b", fin=False), frame(CLOSE)]

    expected = [Chunk(b"a", True, False), Ping(b""), Chunk(b"b", False, False), Closed(1005, "", "peer")]
    assert expected == receive(Role.CLIENT, data, stream=True)


def test_chunks_in_front_of_a_violation_arrive() -> None:
    """What was told cannot be taken back: the message has no last chunk, and the end says why."""
    data = [frame(TEXT, "ab", fin=False), frame(CONTINUATION, b"c\xff", fin=False)]

    expected = [Chunk("ab", True, False), broken(rules.TEXT_NOT_UTF8, 7)]
    assert expected == receive(Role.CLIENT, data, stream=True)


def test_a_message_without_a_limit_is_not_kept() -> None:
    """Whoever streams may lift the limit: nothing of what was told stays in memory."""
    connection = Connection(Role.CLIENT, stream=True, limits=Limits(message=None))
    feed(connection, frame(BINARY, length=2**40))
    for _ in range(100):
        assert [2**16] == [len(event.data) for event in feed(connection, bytes(2**16)) if isinstance(event, Chunk)]
        assert 0 == connection.held


def test_the_limits_hold_for_streams_too() -> None:
    """A length over the limit is refused when it is announced, before the first chunk."""
    limits = Limits(message=4)

    data = frame(BINARY, b"abc", fin=False) + frame(CONTINUATION, length=2)
    assert [Chunk(b"abc", True, False), broken(rules.MESSAGE_TOO_BIG, 6)] == receive(
        Role.CLIENT, data, stream=True, limits=limits
    )


# --- Switching ----------------------------------------------------------------------------------------------------


def test_streaming_may_begin_in_the_middle_of_a_message() -> None:
    """The next chunk brings what was kept so far, the middle of a character excepted."""
    connection = Connection(Role.CLIENT)
    assert [] == feed(connection, frame(TEXT, b"ab\xe2\x82", fin=False) + frame(CONTINUATION, b"\xac|cd")[:3])
    connection.stream = True

    assert [Chunk("ab€|", True, False)] == feed(connection, b"|")
    assert [Chunk("cd", False, True)] == feed(connection, b"cd")


def test_streaming_may_begin_with_nothing_but_half_a_character() -> None:
    """Then there is nothing to tell yet, and nothing is lost."""
    connection = Connection(Role.CLIENT)
    data = frame(TEXT, "😀", fin=False)
    assert [] == feed(connection, data[:4])
    connection.stream = True

    assert [] == feed(connection, data[4:5])
    assert [Chunk("😀", True, False)] == feed(connection, data[5:])
    assert [Chunk("", False, True)] == feed(connection, frame(CONTINUATION))


@pytest.mark.parametrize("told", range(1, 8))
def test_streaming_ends_with_the_message(told: int) -> None:
    """A message that was streamed is streamed to its end, though nothing of it may have been told yet."""
    data = frame(TEXT, "€é", fin=False) + frame(CONTINUATION, "a")
    connection = Connection(Role.CLIENT, stream=True)
    events = feed(connection, data[: 2 + told])
    connection.stream = False
    events += feed(connection, [data[2 + told :], frame(TEXT, "b")])

    assert ["€éa", "b"] == joined(events)
    assert [False, True] == [event.last for event in events if isinstance(event, Chunk)][-2:]
    assert "b" == events[-1]


def test_a_message_that_was_kept_is_told_whole_if_streaming_is_over_again() -> None:
    """Switching on and off between two pieces changes nothing."""
    connection = Connection(Role.CLIENT)
    assert [] == feed(connection, frame(BINARY, b"a", fin=False))
    connection.stream = True
    connection.stream = False

    assert [b"ab"] == feed(connection, frame(CONTINUATION, b"b"))


def test_streaming_begins_behind_the_messages_that_were_read_already() -> None:
    """Whole messages that lie in the buffer are read in one go, and told as they were read."""
    connection = Connection(Role.CLIENT)
    connection.receive_data(frame(TEXT, "a") + frame(TEXT, "b"))
    first = connection.next_event()
    connection.stream = True
    events = feed(connection, frame(TEXT, "c"))

    assert ("a", ["b", "c"]) == (first, joined(events))
    assert Chunk("c", True, True) == events[-1]


@given(traffic(), st.lists(st.tuples(st.integers(0, 12), st.booleans())))
def test_streaming_may_be_switched_at_any_time(sent: Traffic, steps: list[tuple[int, bool]]) -> None:
    """Whatever the switching and the chopping, every message arrives once, whole or in chunks."""
    connection, events, rest = Connection(sent.sender.peer), Events(), sent.data
    for size, switch in steps:
        connection.stream = switch
        events += feed(connection, rest[:size])
        rest = rest[size:]
    events += feed(connection, rest)

    assert sent.events == joined(events)


@given(traffic(), PLACES)
def test_chunks_join_to_the_messages(sent: Traffic, places: list[int]) -> None:
    """Whatever the messages, their fragments and the chopping."""
    events = receive(sent.sender.peer, cut(sent.data, places), stream=True)

    assert sent.events == joined(events)
    assert not any(isinstance(event, str | bytes) for event in events)
