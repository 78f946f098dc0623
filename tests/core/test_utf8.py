"""Text is UTF-8 (section 8.1): it is judged as it comes, and every violation is blamed on the same byte."""

from itertools import product

import pytest

from rawws.core import rules
from rawws.core.errors import ProtocolError
from rawws.core.events import Chunk, Event, Pong
from rawws.core.messages import Reassembly
from rawws.core.settings import Limits, Role
from tests.wire import CONTINUATION, PONG, TEXT, Events, broken, chopped, frame, receive

CONTINUATIONS = range(0x80, 0xC0)
WELL_FORMED = {
    **{lead: [] for lead in range(0x80)},
    **{lead: [CONTINUATIONS] for lead in range(0xC2, 0xE0)},
    **{lead: [CONTINUATIONS] * 2 for lead in range(0xE1, 0xF0)},
    0xE0: [range(0xA0, 0xC0), CONTINUATIONS],
    0xED: [range(0x80, 0xA0), CONTINUATIONS],
    0xF0: [range(0x90, 0xC0), CONTINUATIONS, CONTINUATIONS],
    **{lead: [CONTINUATIONS] * 3 for lead in range(0xF1, 0xF4)},
    0xF4: [range(0x80, 0x90), CONTINUATIONS, CONTINUATIONS],
}
"""RFC 3629, section 4: which bytes may follow which first byte."""

BOUNDARIES = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE]
BOUNDARIES += [0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF]
"""The first and the last byte of every row above, and of what is in none."""

CHARACTERS = [0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFDD0, 0xFEFF, 0xFFFD, 0xFFFF, 0x10000, 0x1FFFF, 0x10FFFF]

WRONG = [
    "80", "bf", "c0 80", "c0 af", "c1 bf", "c2", "c2 41", "df c0", "e0 80 80", "e0 9f bf", "e0 a0", "e1 80 41", "e2 82",
    "e2 28 a1", "ed a0 80", "ed bf bf", "ed a0 80 ed b0 80", "ef bf", "ef bf c0", "f0 80 80 80", "f0 8f bf bf", "f0 90",
    "f0 9f 98", "f0 28 8c bc", "f0 90 28 bc", "f0 90 8c 28", "f4 90 80 80", "f5 80 80 80", "f8 88 80 80 80", "fc", "fe",
    "ff", "ff fe", "c3 28", "a0 a1", "61 80 62",
]  # fmt: skip
"""Ill-formed sequences at the boundaries of RFC 3629: stray and missing continuations, overlong forms, surrogates, and
what lies beyond U+10FFFF."""


def judge(data: bytes) -> tuple[int, int] | None:
    """Where the first ill-formed sequence begins, and which byte gives it away: the end, if it is cut off."""
    at = 0
    while at < len(data):
        if data[at] not in WELL_FORMED:
            return at, at
        for place, allowed in enumerate(WELL_FORMED[data[at]], at + 1):
            if place == len(data) or data[place] not in allowed:
                return at, place
        at += 1 + len(WELL_FORMED[data[at]])
    return None


def sequences() -> list[bytes]:
    """Up to three boundary bytes in a row, and four behind the first bytes that call for four."""
    three = [bytes(several) for size in (1, 2, 3) for several in product(BOUNDARIES, repeat=size)]
    return three + [bytes(several) for several in product([0xF0, 0xF1, 0xF4], *[BOUNDARIES] * 3)]


def text_message() -> Reassembly:
    """A text message of which nothing has come."""
    message = Reassembly(Limits())
    message.begin(text=True)
    return message


def test_every_boundary_sequence_is_judged_as_the_rfc_says() -> None:
    """About 57,000 of them: what is well formed passes as it is, the rest is blamed where it begins."""
    for data in sequences():
        verdict = judge(data)
        if verdict is None:
            assert data.decode() == text_message().add(data, 0, last=True)
            continue
        with pytest.raises(ProtocolError) as caught:
            text_message().add(data, 100, last=True)
        assert (rules.TEXT_NOT_UTF8, 100 + verdict[0]) == (caught.value.rule, caught.value.offset)


def byte_by_byte(data: bytes) -> tuple[str, tuple[int, int] | None]:
    """The text of a message that comes so, up to its end or to the violation; and what `judge` says of that."""
    message, found = text_message(), ""
    for place in range(len(data) + 1):
        try:
            found += str(message.add(data[place : place + 1], 100 + place, last=place == len(data)))
        except ProtocolError as breach:
            return found, ((breach.offset or 0) - 100, place)
    return found, None


def test_every_boundary_sequence_fails_at_the_byte_that_gives_it_away() -> None:
    """Neither a byte too late nor one too early, and blamed on the same place as if it came at once."""
    for data in sequences():
        verdict = judge(data)

        assert (data[: verdict[0] if verdict else None].decode(), verdict) == byte_by_byte(data)


@pytest.mark.parametrize("number", CHARACTERS)
def test_every_character_arrives_however_it_is_cut(number: int) -> None:
    """The first and the last of every length, the neighbours of the surrogates, and those that are no characters."""
    text = f"<{chr(number)}>"

    for pieces in chopped(frame(TEXT, text)):
        assert [text] == receive(Role.CLIENT, pieces)
        assert text == joined(receive(Role.CLIENT, pieces, stream=True))
    for pieces in chopped(in_fragments(text.encode())):
        assert [*[Pong(b"")] * (len(text.encode()) - 1), text] == receive(Role.CLIENT, pieces)


def in_fragments(payload: bytes) -> bytes:
    """A text message in fragments of one byte, with a Pong in front of each but the first."""
    frames = [
        frame(CONTINUATION if at else TEXT, payload[at : at + 1], fin=at + 1 == len(payload))
        for at in range(len(payload))
    ]
    return frame(PONG).join(frames)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_sequence_fails_in_the_middle_of_a_frame(wrong: str, stream: bool) -> None:
    """At the same offset for every chopping, though two thirds of the frame have not come."""
    prefix, sequence = "aé€😀".encode(), bytes.fromhex(wrong)
    verdict = judge(sequence + b"!")
    assert verdict is not None
    good = (prefix + sequence[: verdict[0]]).decode()
    expected = broken(rules.TEXT_NOT_UTF8, 2 + len(good.encode()))

    for pieces in chopped(frame(TEXT, prefix + sequence + b"!", length=100)):
        events = receive(Role.CLIENT, pieces, stream=stream)

        assert [expected] == Events(event for event in events if not isinstance(event, Chunk))
        assert good.startswith(joined(events))


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_sequence_fails_across_fragments(wrong: str) -> None:
    """Each byte in a frame of its own, with Pongs in between: blamed where the character began, frames ago maybe."""
    sequence = bytes.fromhex(wrong)
    start, gives_away = judge(sequence) or (0, 0)
    frames_before = 3 + 2  # a byte in its frame, and the Pong behind it

    for pieces in chopped(in_fragments(sequence)):
        events = receive(Role.CLIENT, pieces)

        # A character that is cut off is noticed with the last byte of the message.
        pongs: list[Event] = [Pong(b"")] * min(gives_away, len(sequence) - 1)
        assert [*pongs, broken(rules.TEXT_NOT_UTF8, 2 + start * frames_before)] == events


def joined(events: list[Event]) -> str:
    """The text of the chunks among these events."""
    return "".join(str(event.data) for event in events if isinstance(event, Chunk))
