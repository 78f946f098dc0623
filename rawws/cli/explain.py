"""`rawws explain`: bytes in, meanings out."""

import argparse
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from rawws.cli.anatomy import arrow, deflate_rows, describe, dissect, frame_json, remark_json
from rawws.cli.bytes_in import FORMS, gather
from rawws.cli.heads import Head, explain_request, explain_response, offers_compression
from rawws.cli.options import extensions
from rawws.cli.rows import Item, Note, Text, Title, lay
from rawws.cli.terminal import Exit, Terminal
from rawws.core.agreement import Agreement, Terms
from rawws.core.deflate import DeflateTerms
from rawws.core.frames import RSV1, decode_header, is_control
from rawws.core.masking import apply_mask
from rawws.core.settings import Role
from rawws.core.upgrade import UpgradeRequest
from rawws.records import Frame, Line, name_of, printable
from rawws.tap import Judge

USAGE = "[options] BYTES..."

SUMMARY = "Take bytes apart: frames, messages and HTTP heads, each group with its meaning."

EPILOG = """\
Bytes in any usual form: hex with or without blanks, colons, commas, 0x or \\x;
what xxd, hexdump -C, od -t x1 and Wireshark print; literals of C and Python;
base64; @FILE for a file and - for stdin, in one of these forms or binary.
The server's answer in front of the frames says whether they may be compressed.

examples:
  rawws explain 81 85 37 fa 21 3d 7f 9f 4d 51 58
  rawws explain c1 07 f2 48 cd c9 c9 07 00
  rawws explain 'gYU3+iE9f59NUVg='
  rawws explain --from server @answer.bin
  xxd capture.bin | rawws explain -

exit codes: 0 all is legal, 4 a rule is broken, 64 this is no form of bytes
"""

MOST_KEPT = 2**20
"""Of what compressed data says, or as much as there are bytes to explain."""

_ASSUMED = (
    "RSV1 is legal only if permessage-deflate was agreed on in the opening handshake: this is what it says then. If "
    "not, it breaks reserved-bits (section 5.2), and a strict peer closes with 1002"
)

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
        "--extensions",
        type=extensions,
        metavar="ANSWER",
        help="what was agreed on, if no handshake is here: 'permessage-deflate; client_no_context_takeover', or none",
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
    most = None if arguments.all else 64
    reading = Reading(data, sender, arguments.extensions, bits=not arguments.brief, most=most)
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
    if reading.assumed:
        terminal.err(("That permessage-deflate was agreed on was guessed from RSV1; --extensions tells.", "quiet"))
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
        agreement: what was settled, if no answer is there; None to tell from RSV1.
        bits, most: see `dissect`.
    """

    def __init__(
        self, data: bytes, sender: Role | None, agreement: Agreement | None = None, *, bits: bool, most: int | None
    ) -> None:
        self.data = data
        self.sender = sender
        self.guessed = False
        """Who sent a frame was."""
        self.assumed = False
        """That compression was agreed on was."""
        self._agreement = agreement
        self._bits = bits
        self._most = most
        self._at = 0
        self._request: UpgradeRequest | None = None
        self._frames = 0
        self._messages = 0
        terms: Terms | None = DeflateTerms() if agreement is None else agreement.compression
        # What a frame says is not bounded by what is here: it may be a thousand times that.
        self._kept = max(MOST_KEPT, len(data))
        self._judges = {role: Judge(role, terms, self._kept) for role in Role}
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
        assumed = ", if permessage-deflate was agreed on" if self.assumed else ""
        rules = f"{_counted(broken, 'rule') if broken else 'No rule'} broken{assumed}."
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
            self._agree(head.terms)
        elif head.opens and self._agreement is None and not offers_compression(head.request):
            self._agree(None)
        if end is None:
            head.items.append(Note("Incomplete: the empty line that ends the head is not here."))
        return head, lines

    def _agree(self, terms: Terms | None) -> None:
        self._agreement = Agreement(compression=terms)
        for judge in self._judges.values():
            judge.agree(terms)

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
        value = {"type": "frame", "number": self._frames, **frame_json(frame)}
        if self._agreement is None and frame.compressed and frame.header.rsv & RSV1:
            items += [] if self.assumed else [Note(_ASSUMED, "bad", "?")]
            self.assumed = value["assumed"] = True
        yield Section(items, value, len(frame.remarks))
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
        judge.begin(header, self.data[self._at : begin], self._at)
        judge.read(payload)
        self._at = min(begin + header.length, len(self.data))
        return judge.end()

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
            yield _message_section(fragments, self._kept)
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
    told: list[dict[str, Any]] = []
    for item in head.items:
        if isinstance(item, Text):
            told.append({"offset": item.offset, "line": item.line, "meaning": ""})
        elif isinstance(item, Note) and not item.mark and told:
            told[-1]["meaning"] = f"{told[-1]['meaning']} {item.text}".strip()
    value = {"type": "request" if request else "answer", "lines": told, "opens": head.opens}
    broken = {"broken": [remark_json(remark) for remark in head.remarks]}
    return Section([title, *head.items], value | broken, len(head.remarks))


def _message_section(fragments: list[tuple[int, Frame]], most: int) -> Section:
    """A message from its fragments, or the first `most` bytes of it."""
    frames = [frame for _, frame in fragments]
    numbers = [number for number, _ in fragments]
    text, compressed = frames[0].text, frames[0].compressed
    message = bytearray()
    for frame in frames:
        message += frame.content[: most - len(message)]
    length = sum(frame.decompressed_size if compressed else frame.header.length for frame in frames)
    shown = f"'{printable(bytes(message[:200]))}'" if text else message[:32].hex(" ")
    more = "…" if length > (200 if text else 32) else ""
    words = f"The message, from the frames {', '.join(map(str, numbers))}: {shown}{more}, {_counted(length, 'byte')}"
    value: dict[str, Any] = {"type": "message", "frames": numbers, "length": length, "payload": message.hex()}
    if text:
        value["text"] = message.decode(errors="replace")
    blocks: list[Item] = []
    if compressed:
        words += f" from {_counted(sum(frame.header.length for frame in frames), 'byte')}"
        blocks = [*deflate_rows(b"".join(frame.payload for frame in frames), last=True)]
    return Section([Note(words, "good", "="), *blocks], value)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
