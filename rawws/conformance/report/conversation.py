"""What passed on a connection, decoded: heads line by line, and frames with their bits, masks and compression.

It is read with `rawws.tap`, which tells what is wrong with a frame as well, whoever sent it.
"""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from rawws.conformance.transcript import Transcript
from rawws.core.frames import FrameHeader
from rawws.core.masking import apply_mask
from rawws.core.settings import Role
from rawws.records import Frame, Line, Record, Remark, name_of, printable, show
from rawws.tap import Tap

IN_ROW = 12
"""Bytes of a frame that stand in a row."""


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
            note = "not a whole frame, nor a line" if not cut[role] else "the beginning of what follows"
            found.append(Said(last[role], role, None, rest, note))
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
    octets = said.data[:IN_ROW].hex(" ")
    size = f"{len(said.data):,} {'byte' if len(said.data) == 1 else 'bytes'}, " if said.data else ""
    return Row(octets + ("…" if len(said.data) > IN_ROW else ""), size + said.note)


def _bytes(frame: Frame, data: bytes) -> str:
    """The frame as it travelled: its bits, its key, its payload."""
    header = frame.header
    size = header.size - (4 if header.key is not None else 0)
    body = apply_mask(frame.payload, header.key) if header.key is not None else frame.payload
    room = max(4, IN_ROW - header.size)
    more = "…" if header.length > room else ""
    parts = [frame.head[:size].hex(" "), (header.key or b"").hex(), body[:room].hex() + more]
    return " ".join(part for part in parts if part)


def _meaning(frame: Frame) -> str:
    header = frame.header
    says = show(frame)
    sizes = f"{header.length:,}"
    if frame.compressed:
        sizes += f" → {frame.decompressed_size:,}" if frame.decompressed is not None else " → ?"
    return " ".join(part for part in (name_of(header.opcode), _bits(header), sizes, says) if part)


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
