"""`rawws explain`: bytes in, meanings out."""

import argparse
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from rawws.cli.anatomy import arrow, describe, dissect, frame_json, remark_json
from rawws.cli.bytes_in import FORMS, gather
from rawws.cli.heads import Head, explain_request, explain_response
from rawws.cli.rows import Item, Note, Text, Title, lay
from rawws.cli.terminal import Exit, Terminal
from rawws.core.frames import decode_header, is_control
from rawws.core.masking import apply_mask
from rawws.core.settings import Role
from rawws.core.upgrade import UpgradeRequest
from rawws.tap import Frame, Judge, Line, name_of, printable

USAGE = "[options] BYTES..."

SUMMARY = "Take bytes apart: frames, messages and HTTP heads, each group with its meaning."

EPILOG = """\
Bytes in any usual form: hex with or without blanks, colons, commas, 0x or \\x;
what xxd, hexdump -C, od -t x1 and Wireshark print; literals of C and Python;
base64; @FILE for a file and - for stdin, in one of these forms or binary.

examples:
  rawws explain 81 85 37 fa 21 3d 7f 9f 4d 51 58
  rawws explain 'gYU3+iE9f59NUVg='
  rawws explain --from server @answer.bin
  xxd capture.bin | rawws explain -

exit codes: 0 all is legal, 4 a rule is broken, 64 this is no form of bytes
"""

_HEAD = re.compile(rb"[A-Z]{3,20} \S+ HTTP/\d|HTTP/\d(?:\.\d)? \d")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `rawws explain` takes."""
    parser.add_argument(
        "bytes", nargs="*", metavar="BYTES", help="hex, a dump, a literal, base64, @FILE, or - for stdin"
    )
    parser.add_argument(
        "--from", dest="sender", choices=["client", "server"], help="who sent the frames; judges masking too"
    )
    parser.add_argument(
        "--as", dest="form", choices=FORMS, default="auto", help="the form of the bytes, instead of a guess"
    )
    parser.add_argument("--all", action="store_true", help="show every byte of long payloads")
    parser.add_argument(
        "--brief", action="store_true", help="one row for each header instead of one for each bit field"
    )


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Explain; 4 if a rule is broken."""
    words = arguments.bytes or ([] if sys.stdin.isatty() else ["-"])
    data = gather(words, arguments.form)
    sender = Role(arguments.sender) if arguments.sender else None
    reading = Reading(data, sender, bits=not arguments.brief, most=None if arguments.all else 64)
    broken = 0
    first = None
    for section in reading.sections():
        first = first or section
        broken += section.broken
        if arguments.json:
            terminal.json(section.json)
            continue
        if isinstance(section.items[0], Title) and section is not first:
            terminal.out()
        for line in lay(section.items, terminal.width):
            terminal.out(*line)
    if not arguments.json:
        terminal.out()
        terminal.out(reading.summary(broken))
    if reading.guessed:
        terminal.err(("Who sent each frame was guessed from its mask bit; --from judges the masking too.", "quiet"))
    return Exit.PROTOCOL if broken else Exit.OK


class Section(NamedTuple):
    """A head, a frame, a message, or what is left over."""

    items: list[Item]
    json: dict[str, Any]
    broken: int = 0
    """How many rules it breaks."""


class Reading:
    """Goes through bytes from front to back.

    Args:
        data: HTTP heads, if any, then frames.
        sender: of the frames; None to tell from the heads, or from the mask bit of each.
        bits, most: see `dissect`.
    """

    def __init__(self, data: bytes, sender: Role | None, *, bits: bool, most: int | None) -> None:
        self.data = data
        self.sender = sender
        self.guessed = False
        self._bits = bits
        self._most = most
        self._at = 0
        self._request: UpgradeRequest | None = None
        self._frames = 0
        self._messages = 0
        self._judges = {role: Judge(role) for role in Role}
        self._fragments: dict[Role, list[tuple[int, Frame]]] = {role: [] for role in Role}

    def sections(self) -> Iterator[Section]:
        """What is there, in its order."""
        frames_follow = True
        while _HEAD.match(self.data, self._at):
            head, lines = self._head()
            frames_follow = head.opens or lines[0].sender is Role.CLIENT
            yield _head_section(head, lines)
        if not frames_follow and self._at < len(self.data):
            yield self._rest("The body of the answer")
        while self._at < len(self.data):
            header = decode_header(self.data, self._at)
            if header is None:
                yield self._rest(f"Incomplete: the beginning of a header of {self._header_size()} bytes")
                return
            yield from self._frame_sections()

    def summary(self, broken: int) -> str:
        """The last line."""
        found = [_counted(self._frames, "frame"), _counted(self._messages, "whole message")] if self._frames else []
        rules = f"{_counted(broken, 'rule') if broken else 'No rule'} broken."
        return f"{', '.join(found)}. {rules}" if found else rules

    def _head(self) -> tuple[Head, list[Line]]:
        end = re.compile(rb"\r?\n\r?\n").search(self.data, self._at)
        stop = len(self.data) if end is None else end.end()
        response = self.data.startswith(b"HTTP/", self._at)
        sender = Role.SERVER if response else Role.CLIENT
        lines = []
        for line in self.data[self._at : stop].splitlines(keepends=True):
            lines.append(Line(sender, self._at, line.rstrip(b"\r\n")))
            self._at += len(line)
        head = explain_response(lines, self._request) if response else explain_request(lines)
        self._request = head.request or self._request
        self.sender = self.sender or (sender if head.opens else None)
        if response and head.opens:
            self.sender = Role.SERVER
        if end is None:
            head.items.append(Note("Incomplete: the empty line that ends the head is not here."))
        return head, lines

    def _frame_sections(self) -> Iterator[Section]:
        frame = self._next_frame()
        self._frames += 1
        title: Item = Title(
            (
                arrow(frame.sender),
                f" frame {self._frames}  ",
                (name_of(frame.header.opcode), "title"),
                f": {describe(frame)}",
            )
        )
        items = [title, *dissect(frame, bits=self._bits, most=self._most)]
        yield Section(items, {"type": "frame", "number": self._frames, **frame_json(frame)}, len(frame.remarks))
        yield from self._message(frame)

    def _next_frame(self) -> Frame:
        header = decode_header(self.data, self._at)
        assert header is not None
        begin = self._at + header.size
        payload = self.data[begin : begin + header.length]
        if header.key is not None:
            payload = apply_mask(payload, header.key)
        sender = self.sender
        if sender is None:
            self.guessed = True
            sender = Role.SERVER if header.key is None else Role.CLIENT
        judge = self._judges[sender]
        remarks = judge.judge(header, payload, self._at)
        frame = Frame(sender, self._at, self.data[self._at : begin], header, payload, judge.is_text(header), remarks)
        self._at = min(begin + header.length, len(self.data))
        return frame

    def _message(self, frame: Frame) -> Iterator[Section]:
        """The message that this frame ends, if it came in fragments."""
        header = frame.header
        if is_control(header.opcode) or not frame.whole:
            return
        fragments = self._fragments[frame.sender]
        if header.opcode:
            fragments.clear()
        elif not fragments:
            return
        fragments.append((self._frames, frame))
        if not header.fin:
            return
        self._messages += 1
        if len(fragments) > 1:
            yield _message_section(fragments)
        fragments.clear()

    def _header_size(self) -> str:
        """How long the header is that begins here, as far as its beginning says so."""
        if len(self.data) - self._at < 2:
            return "at least 2"
        second = self.data[self._at + 1]
        return str(2 + {126: 2, 127: 8}.get(second & 0x7F, 0) + (4 if second & 0x80 else 0))

    def _rest(self, what: str) -> Section:
        rest, at = self.data[self._at :], self._at
        self._at = len(self.data)
        shown = f"{_counted(len(rest), 'byte')} from byte {at} on: {rest[:16].hex(' ')}{'…' if len(rest) > 16 else ''}"
        value = {"type": "rest", "offset": at, "what": what, "bytes": rest.hex()}
        return Section([Title((f"   {what}",)), Note(shown)], value)


def _head_section(head: Head, lines: list[Line]) -> Section:
    request = lines[0].sender is Role.CLIENT
    title: Item = Title(
        (
            arrow(lines[0].sender),
            " ",
            ("request" if request else "answer", "title"),
            " to open a WebSocket" if request else "",
        )
    )
    told = [
        {"offset": item.offset, "line": item.line, "meaning": note.text}
        for item, note in zip(head.items, head.items[1:])
        if isinstance(item, Text) and isinstance(note, Note)
    ]
    value = {"type": "request" if request else "answer", "lines": told, "opens": head.opens}
    broken = {"broken": [remark_json(remark) for remark in head.remarks]}
    return Section([title, *head.items], value | broken, len(head.remarks))


def _message_section(fragments: list[tuple[int, Frame]]) -> Section:
    payload = b"".join(frame.payload for _, frame in fragments)
    numbers = [number for number, _ in fragments]
    text = fragments[0][1].text
    shown = f"'{printable(payload[:200])}'" if text else payload[:32].hex(" ")
    more = "…" if len(payload) > (200 if text else 32) else ""
    words = (
        f"The message, from the frames {', '.join(map(str, numbers))}: {shown}{more}, {_counted(len(payload), 'byte')}"
    )
    value: dict[str, Any] = {"type": "message", "frames": numbers, "length": len(payload), "payload": payload.hex()}
    if text:
        value["text"] = payload.decode(errors="replace")
    return Section([Note(words, "good", "=")], value)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
