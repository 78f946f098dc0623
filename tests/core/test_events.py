"""Events are plain values."""

import pytest

from rawws.core.events import Chunk, Closed, Event, Ping, Pong


def kind_of(event: Event) -> str:
    """What the documentation tells an application to write."""
    match event:
        case str() as text:
            return f"text {text}"
        case bytes() as data:
            return f"binary {len(data)}"
        case Chunk(data, first, last):
            return f"chunk {data!r} {first} {last}"
        case Ping(payload):
            return f"ping {payload!r}"
        case Pong(payload):
            return f"pong {payload!r}"
        case Closed(code, reason):
            return f"closed {code} {reason}"
    raise AssertionError(event)


@pytest.mark.parametrize(
    "event, kind",
    [
        ("Hi", "text Hi"),
        (b"Hi", "binary 2"),
        (Chunk("a", True, False), "chunk 'a' True False"),
        (Ping(b"x"), "ping b'x'"),
        (Pong(b"x"), "pong b'x'"),
        (Closed(1000, "bye", "peer"), "closed 1000 bye"),
    ],
)
def test_events_are_told_apart_by_match(event: Event, kind: str) -> None:
    """A message is a `str` or `bytes`; everything else has a class of its own."""
    assert kind == kind_of(event)


def test_an_end_without_a_violation_has_no_error() -> None:
    """`error` is there only if the peer broke a rule."""
    assert Closed(1006, "", "lost").error is None
