"""What was said on a connection, for the page of `html`: heads as blocks, frames by their parts, and what is too much
folded or left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rawws.conformance.report.conversation import Said, conversation, row
from rawws.conformance.transcript import Transcript
from rawws.core.masking import apply_mask
from rawws.core.settings import Role
from rawws.records import Frame, Line, printable

AT_ONCE = 14
"""So many rows stand there unfolded."""

FIRST, LAST = 8, 4
"""And of more than that, these."""

MOST_LINES = 30
"""Of a head."""

LONGEST_LINE = 240
"""Of a head, in characters."""

MOST_BYTES, FEWER_BYTES = 24, 12
"""Of a frame, or of what is none; the second where nothing is to be told of."""


@dataclass(frozen=True, slots=True)
class Row:
    """A head, or a frame.

    Attributes:
        way: "sent" by the tester, or what "came" from the target.
        at: when, for people.
        lines: of a head; none of a frame.
        head: the header of a frame, in hex, without its key.
        key: the masking key, in hex.
        body: of the payload, in hex.
        meaning: what it says.
        remarks: the rules that it breaks: name, text, and the particular case.
    """

    way: str
    at: str
    lines: tuple[str, ...] = ()
    head: str = ""
    key: str = ""
    body: str = ""
    meaning: str = ""
    remarks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Talk:
    """What was said on one connection.

    Attributes:
        first: what is shown at once.
        folded: what follows, to be unfolded.
        last: what is shown at once behind that.
        cut: rows that are left out before the last.
        agreed: the extension.
        ended: how TCP ended.
        handshake: the opening handshake is part of what the case is about.
    """

    first: tuple[Row, ...]
    folded: tuple[Row, ...]
    last: tuple[Row, ...]
    cut: int
    agreed: str
    ended: str
    handshake: bool


def talk_of(transcript: Transcript, role: Role, most: int, *, handshake: bool, brief: bool) -> Talk:
    """What was said.

    Args:
        transcript: of the connection.
        role: the side under test.
        most: rows that are wanted.
        handshake: the opening handshake is part of what the case is about.
        brief: nothing is to be told of: a handshake that the case is not about is two rows.
    """
    said = conversation(transcript)
    brief = brief and not handshake and any(not isinstance(one.record, Line) for one in said)
    units = list(_units(said))
    last = units[-LAST:] if len(units) > min(AT_ONCE, most) else []
    cut = max(0, len(units) - most)
    before = units[: len(units) - len(last) - cut]
    first = FIRST if len(before) + len(last) > AT_ONCE else len(before)

    def rows(part: list[list[Said]]) -> tuple[Row, ...]:
        return tuple(_row(unit, role, brief) for unit in part)

    return Talk(
        rows(before[:first]), rows(before[first:]), rows(last), cut, transcript.agreed, transcript.ended, handshake
    )


def _units(said: Sequence[Said]) -> Iterator[list[Said]]:
    """What stands in one row: all lines of a head, or a single frame."""
    for (_, is_line), group in groupby(said, lambda one: (one.sender, isinstance(one.record, Line))):
        if is_line:
            yield list(group)
        else:
            yield from ([one] for one in group)


def _row(said: list[Said], role: Role, brief: bool) -> Row:
    way = "came" if said[0].sender is role else "sent"
    return _head(said, way, brief) if isinstance(said[0].record, Line) else _frame(said[0], way, brief)


def _head(said: list[Said], way: str, brief: bool) -> Row:
    """The lines of a head; in brief, what its first says, and how many follow."""
    lines = [_line(one.record.text) for one in said if isinstance(one.record, Line)]
    if lines and not lines[-1]:
        lines.pop()
    if brief:
        return Row(way, clock(said[0].at), meaning=f"{lines[0]} …" if lines else "")
    more = len(lines) - MOST_LINES
    if more > 0:
        lines[MOST_LINES:] = [f"… and {more:,} more lines"]
    return Row(way, clock(said[0].at), tuple(lines) or ("(the end of the head)",))


def _line(data: bytes) -> str:
    text = printable(data[: 4 * LONGEST_LINE])
    if len(data) <= LONGEST_LINE:
        return text
    return f"{text[:LONGEST_LINE]}… ({len(data):,} bytes)"


def _frame(said: Said, way: str, brief: bool) -> Row:
    told = row(said)
    room = FEWER_BYTES if brief else MOST_BYTES
    if not isinstance(said.record, Frame):
        meaning = told.meaning + _as_text(said.data)
        return Row(way, clock(said.at), body=_hex(said.data, len(said.data), room), meaning=meaning)
    frame, header = said.record, said.record.header
    masked = header.key is not None
    body = frame.payload if header.key is None else apply_mask(frame.payload[:MOST_BYTES], header.key)
    remarks = tuple((one.rule.name, one.rule.text + (f": {one.detail}" if one.detail else "")) for one in told.remarks)
    return Row(
        way,
        clock(said.at),
        head=frame.head[: header.size - 4 * masked].hex(" "),
        key="" if header.key is None else header.key.hex(" "),
        body=_hex(body, header.length, room),
        meaning=told.meaning,
        remarks=() if brief and way == "sent" else remarks,
    )


def _as_text(data: bytes) -> str:
    """What is no frame may be words, such as the body of an answer."""
    text = printable(data.strip())
    if not text or text.encode() != data.strip():
        return ""
    return f": '{text[:LONGEST_LINE]}'" + ("…" if len(text) > LONGEST_LINE else "")


def _hex(data: bytes, size: int, room: int) -> str:
    shown = data[:room]
    return shown.hex(" ") + (" …" if size > len(shown) else "")


def clock(seconds: float) -> str:
    """A time for people."""
    if seconds >= 10:
        return f"{seconds:.1f} s"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.1f} ms"
