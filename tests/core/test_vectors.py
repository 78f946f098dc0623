"""Frames and messages as data: the files in tests/vectors.

Each vector has the bytes that one side receives (hex, or `[hex, times]`) and the events that it tells.  A vector with a
`rule` ends with the `Closed` event of that rule, at that offset.  `reply` is what stands in the out-buffer then, with
every key the one of section 5.7; when there is a rule, its Close frame comes behind it.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from rawws.core.agreement import Agreement
from rawws.core.connection import Connection
from rawws.core.deflate import Deflate
from rawws.core.events import Closed, Event, Ping, Pong
from rawws.core.headers import read_extensions
from rawws.core.rules import RULES
from rawws.core.settings import Limits, Role
from tests.wire import CLOSE, KEY, broken, chopped, close_body, feed, frame_from, octets

VECTORS = Path(__file__).parent.parent / "vectors"


def vectors() -> list[Any]:
    """All of them, with the name of the file in front of theirs."""
    return [
        pytest.param(vector, id=f"{path.stem}: {vector['name']}")
        for path in sorted(VECTORS.glob("*.json"))
        for vector in json.loads(path.read_text())["vectors"]
    ]


def written(parts: list[Any] | str) -> bytes:
    """The bytes that a vector writes as hex, or as a list of hex and of `[hex, times]`."""
    if isinstance(parts, str):
        return octets(parts)
    return b"".join(octets(part) if isinstance(part, str) else octets(part[0]) * part[1] for part in parts)


def event_of(entry: dict[str, Any]) -> Event:
    """The event that an entry like `{"ping": "70"}` stands for."""
    match entry:
        case {"text": text}:
            return str(text)
        case {"binary": parts}:
            return written(parts)
        case {"ping": parts}:
            return Ping(written(parts))
        case {"pong": parts}:
            return Pong(written(parts))
    code, reason, by = entry["closed"]
    return Closed(code, reason if isinstance(reason, str) else reason[0] * reason[1], by)


def agreement_of(vector: dict[str, Any]) -> Agreement:
    """What was settled before the bytes of a vector came."""
    if "compression" not in vector:
        return Agreement()
    (answer,) = read_extensions(vector["compression"].encode())
    return Agreement(compression=Deflate().check(answer))


def always_the_key(size: int) -> bytes:
    """A source of keys as predictable as an example needs it."""
    return KEY[:size]


@pytest.mark.parametrize("vector", vectors())
def test_a_vector_gives_its_events_and_its_reply(vector: dict[str, Any]) -> None:
    """However the bytes are cut, the events are those of the vector, and so is what is sent back."""
    role = Role(vector["role"])
    events = [event_of(entry) for entry in vector.get("events", [])]
    reply = written(vector.get("reply", ""))
    if "rule" in vector:
        rule = RULES[vector["rule"]]
        events.append(broken(rule, vector["offset"]))
        reply += frame_from(role, CLOSE, close_body(rule.code, rule.text))
    elif "reply" not in vector:
        reply = b"".join(frame_from(role, 10, event.payload) for event in events if isinstance(event, Ping))

    limits, agreement = Limits(**vector.get("limits", {})), agreement_of(vector)
    for pieces in chopped(written(vector["bytes"])):
        connection = Connection(role, agreement, limits=limits, random=always_the_key)

        assert events == feed(connection, pieces)
        assert reply == connection.data_to_send()


def test_vectors_have_names_of_their_own() -> None:
    """A failure names one vector."""
    names = [param.id for param in vectors()]

    assert sorted(set(names)) == sorted(names)
