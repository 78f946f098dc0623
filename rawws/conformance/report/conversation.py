"""What passed on a connection, decoded: heads line by line, and frames with their bits, masks and compression.

It is read with `rawws.tap`, which tells what is wrong with a frame as well, whoever sent it.
"""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from rawws.conformance.transcript import Transcript
from rawws.core.frames import FrameHeader, Opcode, decode_header
from rawws.core.masking import apply_mask
from rawws.core.settings import Role
from rawws.records import Frame, Line, Record, Remark, name_of, printable, show
from rawws.tap import Tap

IN_ROW = 12
"""Bytes of a frame that stand in a row."""

LONGEST = 36
"""Characters of a payload that do."""


class Said(NamedTuple):
    """One line of a head, one frame, or what was left of one."""

    at: float
    """Seconds since the connection began."""
    sender: Role
    record: Record | None
    """None: bytes that were neither."""
    data: bytes
    """As they travelled, as far as they were kept."""
    note: str = ""
    """What there is to say of them besides."""


def conversation(transcript: Transcript) -> list[Said]:
    """Everything that was said, in its order."""
    found: list[Said] = []
    told: dict[Role, int] = dict.fromkeys(Role, 0)  # bytes of a direction that are part of a record
    seen: dict[Role, bytearray] = {role: bytearray() for role in Role}
    cut: dict[Role, int] = dict.fromkeys(Role, 0)  # bytes of a direction that were not kept
    at = 0.0

    def report(record: Record) -> None:
        sender = record.sender
        size = _size(record, seen[sender])
        found.append(Said(at, sender, record, bytes(seen[sender][record.offset : record.offset + size])))
        told[sender] = record.offset + size

    tap = Tap(Role.CLIENT, report)
    last = dict.fromkeys(Role, 0.0)
    for chunk in transcript.chunks:
        at = last[chunk.sender] = chunk.at
        if not cut[chunk.sender]:
            seen[chunk.sender] += chunk.data
            (tap.sent if chunk.sender is Role.CLIENT else tap.received)(chunk.data)
        cut[chunk.sender] += chunk.size - len(chunk.data)
    for role in Role:
        rest = bytes(seen[role][told[role] :])
        if rest:
            found.append(Said(last[role], role, None, rest, _part(rest)))
        if cut[role]:
            found.append(Said(last[role], role, None, b"", f"{cut[role]:,} more bytes, which were not kept"))
    return found


def _size(record: Record, seen: bytearray) -> int:
    if isinstance(record, Frame):
        return record.header.size + record.header.length
    end = seen.find(b"\n", record.offset, record.offset + len(record.text) + 2)
    return len(record.text) if end < 0 else end + 1 - record.offset


def frames_only(said: list[Said]) -> list[Said]:
    """Without the opening handshake, if it led to anything that could be told in its place."""
    behind = [one for one in said if not isinstance(one.record, Line)]
    return behind or said


class Row(NamedTuple):
    """A line for people: bytes, and what they mean."""

    data: str
    meaning: str
    remarks: tuple[Remark, ...] = ()


def row(said: Said) -> Row:
    """What was said, on one line."""
    match said.record:
        case Line() as line:
            return Row("", printable(line.text) or "(the end of the head)")
        case Frame() as frame:
            return Row(_bytes(frame, said.data), _meaning(frame), frame.remarks)
    return Row(_cut(said.data, IN_ROW), said.note)


def _bytes(frame: Frame, data: bytes) -> str:
    """The frame as it travelled: its bits, its key, its payload."""
    header = frame.header
    size = header.size - (4 if header.key is not None else 0)
    body = apply_mask(frame.payload, header.key) if header.key is not None else frame.payload
    more = b"." * (header.length - len(body) > 0)  # So that it is seen to be cut.
    head = [frame.head[:1].hex(), frame.head[1:2].hex(), frame.head[2:size].hex(), (header.key or b"").hex()]
    return " ".join(part for part in [*head, _cut(body + more, max(4, IN_ROW - header.size), "")] if part)


def _cut(data: bytes, room: int, between: str = " ") -> str:
    octets = data[:room].hex(between) if between else data[:room].hex()
    return octets + ("…" if len(data) > room else "")


def _meaning(frame: Frame) -> str:
    header = frame.header
    sizes = f"{header.length:,}"
    if frame.compressed:
        sizes += f" → {frame.decompressed_size:,}" if frame.decompressed is not None else " → ?"
    return " ".join(part for part in (name_of(header.opcode), _bits(header), sizes, _says(frame)) if part)


def _says(frame: Frame) -> str:
    """What it carries: words, if it is words, and else its first bytes."""
    if frame.header.opcode == Opcode.CLOSE or not frame.content:
        return show(frame)
    text = printable(frame.content)
    if frame.text or text.encode() == frame.content:
        return f"'{text[:LONGEST]}'" + ("" if frame.content_whole and len(text) <= LONGEST else "…")
    more = "" if frame.content_whole else "…"
    return _cut(frame.content, IN_ROW - 4) + (more if len(frame.content) <= IN_ROW - 4 else "")


def _part(data: bytes) -> str:
    """What the beginning of a frame says, or of anything else."""
    header = decode_header(data)
    if header is None or header.opcode not in set(Opcode):
        return f"{len(data):,} {'byte' if len(data) == 1 else 'bytes'} that are no whole frame, nor a line"
    there = len(data) - header.size
    return f"{name_of(header.opcode)} {_bits(header)} {header.length:,}, and {there:,} of them are here"


def _bits(header: FrameHeader) -> str:
    reserved = [f"RSV{number}" for number, bit in ((1, 4), (2, 2), (3, 1)) if header.rsv & bit]
    return " ".join(chain(["FIN" if header.fin else "FIN=0"], reserved))


def lines(transcript: Transcript) -> Iterator[str]:
    """All of it for people, a line each, with times and arrows: as in files and in `rawws conform replay`."""
    for said in conversation(transcript):
        arrow = "C>" if said.sender is Role.CLIENT else "S>"
        data, meaning, remarks = row(said)
        yield f"{said.at:8.3f}  {arrow} {f'{data:40} ' if data else ''}{meaning}".rstrip()
        for remark in remarks:
            yield f"{'':8}     ! {remark}"
    if transcript.ended:
        yield f"{'':8}     TCP: {transcript.ended}"
