"""A head of HTTP/1.1: cut out of a stream into lines, and written.  What its fields mean is not known here.

Whatever a peer sends, the only exception is `RemoteProtocolError`.
"""

import re
from collections.abc import Callable, Iterator

from rawws.core.errors import RemoteProtocolError
from rawws.core.headers import TOKEN, Headers, is_plain, is_token, quote
from rawws.core.rules import Rule
from rawws.core.settings import Limits

# Lines of what `is_plain` allows, none of which is folded, and the empty one.
_HEAD = re.compile(rb"(?:[!-~\x80-\xff][\t -~\x80-\xff]*+\r\n)++\r\n")


class HeadReader:
    """Cuts a head out of a stream, line by line, and counts bytes, lines and fields as they come.

    It judges each line as soon as it is there, and how the first one begins even before: a peer that speaks no HTTP may
    never end a line.  The outcome does not depend on how the stream was cut into pieces.

    Args:
        limits: the bounds.
        problem: what is wrong with a first line, which may not be whole yet; "" if nothing is.
        malformed: the rule that is broken by what is no HTTP.
        too_large: the rule that is broken by what is over a bound.
    """

    def __init__(self, limits: Limits, problem: Callable[[bytes], str], malformed: Rule, too_large: Rule) -> None:
        self._limits = limits
        self._problem = problem
        self._malformed = malformed
        self._too_large = too_large
        self._lines: list[bytes] = []
        self._size = 0  # of this head, and of those before it

    def read(self, data: bytes, start: int, offset: int) -> tuple[int, bytes | None]:
        """Read on in `data` from `start`; `offset` is where in the stream `data` begins.

        Returns:
            The position behind the last whole line, and the head with its empty line; None while it is not all there.

        Raises:
            RemoteProtocolError: it is too large, or no head of HTTP/1.1.
        """
        if not self._lines and (head := self._whole_head(data, start)) is not None:
            self._size += len(head)
            return start + len(head), head
        while (line := self._line_at(data, start, offset)) is not None:
            start += len(line)
            self._size += len(line)
            self._lines.append(line)
            if line == b"\r\n":
                head, self._lines = b"".join(self._lines), []
                return start, head
        return start, None

    def _whole_head(self, data: bytes, start: int) -> bytes | None:
        """What most heads are: all there, short, and with nothing to say against them.  The others go line by line."""
        found = _HEAD.match(data, start)
        if found is None:
            return None
        head = found[0]
        limits = self._limits
        size = len(head)
        if (
            size > limits.header_line
            or size > limits.header_bytes - self._size
            or head.count(b"\n") > limits.header_count + 2
            or self._problem(head[: head.index(b"\n") + 1])
        ):
            return None
        return head

    def _line_at(self, data: bytes, start: int, offset: int) -> bytes | None:
        """The line that begins at `start`, with its end; None while it is not all there."""
        line = data[start : data.find(b"\n", start) + 1 or None]
        for rule, detail in self._breaches(line):
            raise RemoteProtocolError(rule, detail, offset + start)
        return line if line.endswith(b"\n") else None

    def _breaches(self, line: bytes) -> Iterator[tuple[Rule, str]]:
        if not self._lines and (problem := self._problem(line[:5])):
            yield self._malformed, problem
        room = min(self._limits.header_line, self._limits.header_bytes - self._size)
        if len(line) > room:
            yield self._too_large, f"a line of more than {room} bytes"
        if line.endswith(b"\n"):
            # RFC 9112 2.2 and 5.2 let a recipient put up with bare LFs and folded lines; not all read them alike.
            if not line.endswith(b"\r\n") or not is_plain(line[:-2]) or line.startswith((b" ", b"\t")):
                yield self._malformed, quote(line)
            if not self._lines and (problem := self._problem(line)):
                yield self._malformed, problem
            if len(self._lines) > self._limits.header_count and line != b"\r\n":
                yield self._too_large, f"more than {self._limits.header_count} fields"


def split_field(line: bytes) -> tuple[bytes, bytes]:
    """A field as it was sent, without the blanks around its value.

    Nothing else is judged: that is for who knows HTTP.

    Raises:
        ValueError: it is no field.
    """
    name, colon, value = line.partition(b":")
    if not colon:
        raise ValueError(f"a field without a colon: {quote(line)}")
    return name, value.strip(b" \t")


_REQUEST_LINE = re.compile(rb"[%b][^ ]* [^ ]* HTTP/[0-9]\.[0-9]\r\n" % re.escape(TOKEN))


def request_line_problem(line: bytes) -> str:
    """Why this cannot be, or begin, the first line of a request; "" if it can."""
    if _REQUEST_LINE.fullmatch(line) is not None:
        return ""
    if line and not is_token(line[:1]):
        return f"it begins with {quote(line[:1])}"
    return quote(line) if line.endswith(b"\n") else ""


def status_line_problem(line: bytes) -> str:
    """Why this cannot be, or begin, the first line of an answer; "" if it can."""
    return "" if line[:5] == b"HTTP/"[: len(line)] else "it does not begin with HTTP/"


# How RFC 6455 spells them, for peers that look at the case.
_SPELLING = {
    name.lower(): name
    for name in (
        b"Upgrade",
        b"Connection",
        b"Sec-WebSocket-Key",
        b"Sec-WebSocket-Version",
        b"Sec-WebSocket-Accept",
        b"Sec-WebSocket-Protocol",
        b"Sec-WebSocket-Extensions",
    )
}


def write_head(first: str, headers: Headers) -> bytes:
    """A head, with its empty line, from its first line and fields that are known to be valid."""
    fields = [_SPELLING.get(name, name) + b": " + value for name, value in headers]
    return b"\r\n".join([first.encode("ascii"), *fields, b"", b""])
