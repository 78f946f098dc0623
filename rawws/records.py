"""What a tap tells: the lines and frames of a conversation, what is wrong with them, and how people are shown them."""

from typing import NamedTuple, TypeAlias

from rawws.core.frames import RSV1, FrameHeader, Opcode
from rawws.core.rules import Rule
from rawws.core.settings import Role

LONGEST_SHOWN = 48
"""How many characters of a payload stand in a line; a record has more."""


class Remark(NamedTuple):
    """A rule that a frame breaks."""

    rule: Rule
    detail: str
    """The particular case, for people; may be empty."""
    offset: int
    """Of the byte that breaks it, in the sender's stream; for compressed data, of the first of the payload."""

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
    """Unmasked, at most the tap's preview; of a compressed message, as it is compressed."""
    text: bool
    """It belongs to a text message."""
    remarks: tuple[Remark, ...]
    """What is wrong with it, as far as the preview shows it, or all of it if it is compressed."""
    compressed: bool = False
    """It belongs to a compressed message (RFC 7692 section 6)."""
    decompressed: bytes | None = None
    """What a compressed payload says, at most the preview: up to where it is broken, if it is.  None if that cannot be
    known any more, because something was broken before, and in frames that are not compressed."""
    decompressed_size: int = 0
    """How many bytes it says."""

    @property
    def whole(self) -> bool:
        """`payload` is all of it."""
        return len(self.payload) == self.header.length

    @property
    def content(self) -> bytes:
        """What it says, compressed or not, as far as that is known."""
        return (self.decompressed or b"") if self.compressed else self.payload

    @property
    def content_whole(self) -> bool:
        """`content` is all of it."""
        return len(self.content) == self.decompressed_size if self.compressed else self.whole

    def __str__(self) -> str:
        fin = "FIN" if self.header.fin else "-"
        marks = f"{fin:3} RSV1" if self.compressed and self.header.rsv & RSV1 else f"{fin:3}"
        bits = f"{name_of(self.header.opcode):12} {marks} {self.header.length:{11 - len(marks)}}{_says(self)}"
        lines = [f"{_arrow(self.sender, self.offset)}  {self.head.hex(' '):23}  {bits}  {show(self)}".rstrip()]
        if self.compressed and self.header.length:
            lines.append(f"           {_hex(self.payload, self.whole):23}  compressed")
        return "\n".join([*lines, *(f"           ! {remark}" for remark in self.remarks)])


Record: TypeAlias = Line | Frame


def _arrow(sender: Role, offset: int) -> str:
    return f"{'C>' if sender is Role.CLIENT else 'S>'} {offset:6}"


def _says(frame: Frame) -> str:
    """To how many bytes a payload is decompressed."""
    if not frame.compressed:
        return ""
    return " → ?" if frame.decompressed is None else f" → {frame.decompressed_size}"


def name_of(opcode: int) -> str:
    """The RFC's name of an opcode, in capitals; "RESERVED 3" if it has none."""
    return Opcode(opcode).name if opcode in set(Opcode) else f"RESERVED {opcode}"


def printable(data: bytes) -> str:
    r"""`data` as text for a terminal: what is not UTF-8, and whatever a terminal would act on, is written like \x1b."""
    text = data.decode(errors="backslashreplace")
    # The two joiners are no printable characters, but many scripts and emoji need them and they do no harm.
    return "".join(c if c.isprintable() or c in "\u200c\u200d" else c.encode("unicode_escape").decode() for c in text)


def show(frame: Frame) -> str:
    """What a frame says, for people, in printable characters: text quoted, a Close as (code, reason), all else in hex.

    As much of it as fits into a line.
    """
    if frame.compressed and frame.decompressed is None:
        return ""
    content, more = frame.content, "" if frame.content_whole else "…"
    if frame.header.opcode == Opcode.CLOSE and len(content) > 1:
        return f"({int.from_bytes(content[:2], 'big')}, '{printable(content[2:])}'){more}"
    text = printable(content)
    # What a Ping carries is up to its sender: words, or a number.
    words = frame.header.opcode in (Opcode.PING, Opcode.PONG) and text.encode() == content
    if frame.text or words:
        return f"'{text[:LONGEST_SHOWN]}'{'…' if len(text) > LONGEST_SHOWN else more}"
    return _hex(content, frame.content_whole)


def _hex(data: bytes, whole: bool) -> str:
    octets = data[: LONGEST_SHOWN // 3]
    return octets.hex(" ") + ("" if whole and octets == data else "…")
