"""What the tester sent, in a few words: the frames, or what was unusual about the head of HTTP."""

import re
from collections.abc import Iterator, Sequence

from rawws.conformance import Result
from rawws.conformance.report import words
from rawws.conformance.report.conversation import Said, conversation, frames_only, row
from rawws.core.settings import Role
from rawws.records import Line, printable

MOST = 4
"""Frames, or lines."""

LONGEST = 100
"""Characters of one."""

FIRST = ""
"""The line that has no name."""

USUAL = {
    Role.CLIENT: {
        FIRST: r"GET / HTTP/1\.1",
        "Host": r"Host: (127\.0\.0\.1|\[::1\]|localhost):\d+",
        "Upgrade": "Upgrade: websocket",
        "Connection": "Connection: Upgrade",
        "Sec-WebSocket-Key": r"Sec-WebSocket-Key: [A-Za-z0-9+/]{22}==",
        "Sec-WebSocket-Version": "Sec-WebSocket-Version: 13",
    },
    Role.SERVER: {
        FIRST: r"HTTP/1\.1 101 Switching Protocols",
        "Upgrade": "Upgrade: websocket",
        "Connection": "Connection: Upgrade",
        "Sec-WebSocket-Accept": r"Sec-WebSocket-Accept: [A-Za-z0-9+/]{27}=",
    },
}
"""The lines of a proper request and of a proper answer, by how they begin."""


def sent_for(result: Result, target: Role) -> str:
    """What was sent; "" if nothing is known of it.

    Args:
        result: of a case.
        target: the side that was under test.
    """
    said = [one for talk in result.transcripts[-1:] for one in conversation(talk) if one.sender is not target]
    raw = words.begins_raw(result.id)
    heads = list(_unusual([one for one in said if _is_line(one)], target.peer)) if raw else []
    told = heads + [_clipped(row(one).meaning) for one in frames_only(said) if one.data and not _is_line(one)]
    more = [f"and {len(told) - MOST} more"] if len(told) > MOST + 1 else []
    return "; ".join([*told[: MOST if more else MOST + 1], *more])


def _unusual(lines: Sequence[Said], sender: Role) -> Iterator[str]:
    """The lines that a proper head would not have, and those that it would."""
    missing = dict(USUAL[sender])
    for number, one in enumerate(lines):
        assert isinstance(one.record, Line)
        line = printable(one.record.text)
        name = next((name for name, usual in missing.items() if re.fullmatch(usual, line)), None)
        if name is not None:
            del missing[name]
        elif line:
            again = any(re.fullmatch(usual, line) for usual in USUAL[sender].values())
            yield f"once more {line}" if again else _clipped(line)
            missing.pop(line.partition(":")[0] if number else FIRST, None)
    if lines:
        yield from (f"no {name}" for name in missing)


def _is_line(said: Said) -> bool:
    return isinstance(said.record, Line)


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
