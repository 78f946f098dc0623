"""A listener on the wire: it decodes the bytes that pass by, legal or not, and belongs to neither end.

    tap = Tap(Role.CLIENT, print)       # what a client sends and receives
    connect(url, tap=tap)

    C>      0  GET /chat HTTP/1.1
    ...
    C>    164  81 85 37 fa 21 3d        TEXT         FIN        5  'Hello'
    S>    129  88 05                    CLOSE        FIN        5  (1000, 'bye')

It reads with the codec of the core and shares no state with the connection, so it sees what is on the wire and not what
somebody believes about it.  Each record is told as soon as its bytes are there, however they are cut, and no more of a
payload is kept than is shown.  But: a refusal's body is passed over, and extensions are not undone.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from rawws.core.errors import ProtocolError
from rawws.core.frames import FrameHeader, Opcode, breaches, decode_close, decode_header
from rawws.core.masking import apply_mask
from rawws.core.messages import Reassembly
from rawws.core.rules import Rule
from rawws.core.settings import Limits, Role
from rawws.core.states import READY, Sender, advance, what_is_sent

LONGEST_LINE = 8192
"""How much of a line of HTTP is one record; a longer one comes in several."""


LONGEST_SHOWN = 48
"""How many characters of a payload stand in a line; `Frame.payload` has more."""


class Remark(NamedTuple):
    """A rule that a frame breaks."""

    rule: Rule
    detail: str
    """The particular case, for people; may be empty."""
    offset: int
    """Of the byte that breaks it, in the sender's stream."""

    def __str__(self) -> str:
        particular = f": {self.detail}" if self.detail else ""
        return f"{self.rule.name}: {self.rule.text}{particular} (section {self.rule.section}, byte {self.offset})"


class Line(NamedTuple):
    """One line of an HTTP head, without its line end; the empty one ends the head."""

    sender: Role
    offset: int
    """Of its first byte, in the sender's stream."""
    text: bytes

    def __str__(self) -> str:
        return f"{_arrow(self.sender, self.offset)}  {printable(self.text)}".rstrip()


class Frame(NamedTuple):
    """One frame; its header is complete, of the payload there is at least what is shown."""

    sender: Role
    offset: int
    """Of its first byte, in the sender's stream."""
    head: bytes
    """The header as it travelled."""
    header: FrameHeader
    payload: bytes
    """Unmasked, at most the tap's preview."""
    text: bool
    """It belongs to a text message."""
    remarks: tuple[Remark, ...]
    """What is wrong with it, as far as the preview shows it."""

    @property
    def whole(self) -> bool:
        """`payload` is all of it."""
        return len(self.payload) == self.header.length

    def __str__(self) -> str:
        fin = "FIN" if self.header.fin else "-"
        bits = f"{name_of(self.header.opcode):12} {fin:3} {self.header.length:8}  {show(self)}"
        line = f"{_arrow(self.sender, self.offset)}  {self.head.hex(' '):23}  {bits}".rstrip()
        return "\n".join([line, *(f"           ! {remark}" for remark in self.remarks)])


Record: TypeAlias = Line | Frame


def _arrow(sender: Role, offset: int) -> str:
    return f"{'C>' if sender is Role.CLIENT else 'S>'} {offset:6}"


def name_of(opcode: int) -> str:
    """The RFC's name of an opcode, in capitals; "RESERVED 3" if it has none."""
    return Opcode(opcode).name if opcode in set(Opcode) else f"RESERVED {opcode}"


def printable(data: bytes) -> str:
    r"""`data` as text for a terminal: what is not UTF-8, and whatever a terminal would act on, is written like \x1b."""
    text = data.decode(errors="backslashreplace")
    # The two joiners are no printable characters, but many scripts and emoji need them and they do no harm.
    return "".join(c if c.isprintable() or c in "\u200c\u200d" else c.encode("unicode_escape").decode() for c in text)


def show(frame: Frame) -> str:
    """The payload for people, in printable characters: text quoted, a Close as (code, reason), all else in hex.

    As much of it as fits into a line.
    """
    more = "" if frame.whole else "…"
    if frame.header.opcode == Opcode.CLOSE and len(frame.payload) > 1:
        return f"({int.from_bytes(frame.payload[:2], 'big')}, '{printable(frame.payload[2:])}'){more}"
    text = printable(frame.payload)
    # What a Ping carries is up to its sender: words, or a number.
    words = frame.header.opcode in (Opcode.PING, Opcode.PONG) and text.encode() == frame.payload
    if frame.text or words:
        return f"'{text[:LONGEST_SHOWN]}'{'…' if len(text) > LONGEST_SHOWN else more}"
    octets = frame.payload[: LONGEST_SHOWN // 3]
    return octets.hex(" ") + ("…" if len(octets) < len(frame.payload) else more)


class Judge:
    """Holds the frames of one sender against the rules, one after the other: each for itself, and their order."""

    def __init__(self, sender: Role) -> None:
        self.sender = sender
        self._state: Sender = READY
        self._message = Reassembly(Limits(message=None))
        self._text_unknown = False  # a part of the message was not seen, or is no text: the rest says nothing

    def is_text(self, header: FrameHeader) -> bool:
        """Whether a frame that was just judged belongs to a text message."""
        continued = header.opcode == Opcode.CONTINUATION and self._message.text
        return header.opcode == Opcode.TEXT or continued

    def judge(self, header: FrameHeader, payload: bytes, offset: int) -> tuple[Remark, ...]:
        """What is wrong with the next frame.

        Args:
            header: its header.
            payload: unmasked; perhaps only its beginning.
            offset: of its first byte, in the sender's stream.
        """
        remarks = [Remark(rule, detail, offset + byte) for rule, detail, byte in breaches(header, self.sender)]
        if header.opcode in set(Opcode):
            try:
                self._follow(header)
                self._read(header, payload, offset + header.size)
            except ProtocolError as breach:
                remarks.append(Remark(breach.rule, breach.detail, offset if breach.offset is None else breach.offset))
        return tuple(remarks)

    def _follow(self, header: FrameHeader) -> None:
        self._state, before = advance(self._state, what_is_sent(header.opcode, header.fin)), self._state
        if header.opcode in (Opcode.TEXT, Opcode.BINARY) and before is READY:
            self._message.begin(text=header.opcode == Opcode.TEXT)
            self._text_unknown = False

    def _read(self, header: FrameHeader, payload: bytes, offset: int) -> None:
        whole = len(payload) == header.length
        if header.opcode == Opcode.CLOSE and whole:
            try:
                decode_close(payload)
            except ProtocolError as breach:
                raise ProtocolError(breach.rule, breach.detail, offset + (breach.offset or 0)) from None
        elif header.opcode in (Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY) and not self._text_unknown:
            self._text_unknown = True
            self._message.add(payload, offset, last=header.fin and whole)
            self._text_unknown = not whole


class Tap:
    """Both directions of one connection, from the first byte of HTTP on.

    Args:
        role: the side whose `sent` and `received` these are.
        report: is given each record, in the order in which they are complete; `print` shows them to people.
        preview: how many bytes of a payload are shown, and kept until they are there; None shows all.
        handshake: the connection begins with HTTP; False for one that is open already.
    """

    def __init__(
        self,
        role: Role,
        report: Callable[[Record], object],
        *,
        preview: int | None = 125,
        handshake: bool = True,
    ) -> None:
        self._sent = _Stream(role, report, preview, handshake)
        self._received = _Stream(role.peer, report, preview, handshake)

    def sent(self, data: bytes | bytearray | memoryview) -> None:
        """These bytes were sent by our side.  Never raises, unless `report` does."""
        self._sent.feed(bytes(data))

    def received(self, data: bytes | bytearray | memoryview) -> None:
        """These bytes came from the other side."""
        self._received.feed(bytes(data))

    @property
    def held(self) -> int:
        """How many bytes wait for more: of a line, or of a header and its preview."""
        return self._sent.held + self._received.held


class _Stream:
    """What one side sends."""

    def __init__(self, sender: Role, report: Callable[[Record], object], preview: int | None, handshake: bool) -> None:
        self._sender = sender
        self._report = report
        self._preview = preview
        self._judge = Judge(sender)
        self._head: list[bytes] = []  # the lines of this head that say what follows it
        self._take: Callable[[bytes, int], int] = self._take_line if handshake else self._take_frame
        self._held = b""
        self._skip = 0  # bytes of a payload that are still to come and are not shown
        self._offset = 0  # of what is held

    def feed(self, data: bytes) -> None:
        data = self._held + data
        start = self._skip
        while start < len(data) and (used := self._take(data, start)):
            start += used
        self._skip = max(0, start - len(data))
        self._held = data[start:]
        self._offset += len(data) - len(self._held)

    @property
    def held(self) -> int:
        return len(self._held)

    def _take_line(self, data: bytes, start: int) -> int:
        """Report the line at `start`; the number of its bytes, 0 if they are not all there."""
        size = data.find(b"\n", start, start + LONGEST_LINE) + 1 - start
        if size <= 0:
            size = LONGEST_LINE
            if len(data) - start < size:
                return 0
        line = data[start : start + size].rstrip(b"\r\n")
        self._report(Line(self._sender, self._offset + start, line))
        self._note(line)
        return size

    def _note(self, line: bytes) -> None:
        if not line and self._head:
            self._take = self._what_follows()
            self._head.clear()
        elif line and (not self._head or line.lower().startswith(b"upgrade:")):
            self._head.append(line)

    def _what_follows(self) -> Callable[[bytes, int], int]:
        """The end of a head: do frames come now, a body, or another head?"""
        if self._sender is Role.CLIENT:
            return self._take_frame if len(self._head) > 1 else self._take_line
        status = self._head[0].split()[1:2]
        if status == [b"101"]:
            return self._take_frame
        return self._take_line if status and status[0].startswith(b"1") else self._take_body

    def _take_body(self, data: bytes, start: int) -> int:
        return len(data) - start

    def _take_frame(self, data: bytes, start: int) -> int:
        """Report the frame at `start`; the number of its bytes, 0 if what is to be shown is not all there."""
        header = decode_header(data, start)
        if header is None:
            return 0
        begin = start + header.size
        shown = header.length if self._preview is None else min(header.length, self._preview)
        payload = data[begin : begin + shown]
        if len(payload) < shown:
            return 0
        if header.key is not None:
            payload = apply_mask(payload, header.key)
        offset = self._offset + start
        remarks = self._judge.judge(header, payload, offset)
        text = self._judge.is_text(header)
        self._report(Frame(self._sender, offset, data[start:begin], header, payload, text, remarks))
        return header.size + header.length
