"""One frame taken apart: every group of bytes with its meaning, for people and as JSON."""

import codecs
from collections.abc import Iterator
from typing import Any

from rawws.cli.blocks import KINDS, MOST_READ, Block, blocks
from rawws.cli.rows import BYTES_IN_ROW, Item, Note, Row
from rawws.core.deflate import EMPTY_BLOCK
from rawws.core.frames import RSV1, CloseCode, Opcode, is_control
from rawws.core.masking import apply_mask
from rawws.core.settings import Role
from rawws.records import Frame, Remark, name_of, printable

CLOSE_CODES = {
    CloseCode.NORMAL: "normal closure: the purpose was fulfilled",
    CloseCode.GOING_AWAY: "going away: a server shuts down, a browser leaves the page",
    CloseCode.PROTOCOL_ERROR: "protocol error: the other side broke a rule",
    CloseCode.UNSUPPORTED_DATA: "unsupported data: a type of message that is not understood here",
    CloseCode.NO_CODE: "no code was given; 1005 itself never travels",
    CloseCode.ABNORMAL: "no Close frame came; 1006 itself never travels",
    CloseCode.INVALID_DATA: "invalid data: text that is not UTF-8, for example",
    CloseCode.POLICY_VIOLATION: "policy violation: the general refusal",
    CloseCode.MESSAGE_TOO_BIG: "message too big",
    CloseCode.EXTENSION_NEEDED: "the client misses an extension that it needs",
    CloseCode.INTERNAL_ERROR: "internal error of the server",
    CloseCode.SERVICE_RESTART: "service restart: come back in a moment",
    CloseCode.TRY_AGAIN_LATER: "try again later: overload",
    CloseCode.BAD_GATEWAY: "bad gateway",
    CloseCode.TLS_FAILED: "the TLS handshake failed; 1015 itself never travels",
}

_PARTS = {
    (Opcode.TEXT, True): "a whole text message",
    (Opcode.TEXT, False): "the first fragment of a text message",
    (Opcode.BINARY, True): "a whole binary message",
    (Opcode.BINARY, False): "the first fragment of a binary message",
    (Opcode.CONTINUATION, True): "the last fragment of the message",
    (Opcode.CONTINUATION, False): "a fragment in the middle of the message",
    (Opcode.PING, True): "asks whether the other side is there",
    (Opcode.PONG, True): "says that its sender is there",
    (Opcode.CLOSE, True): "the last frame of its sender",
}


def close_code_meaning(code: int) -> str:
    """A close code in words (section 7.4)."""
    if code in set(CloseCode):
        return CLOSE_CODES[CloseCode(code)]
    if 3000 <= code <= 3999:
        return "a code of a library or a framework (3000 to 3999)"
    if 4000 <= code <= 4999:
        return "a code of this application (4000 to 4999)"
    return "not a code that may travel"


def describe(frame: Frame) -> str:
    """What a frame is, in a few words."""
    header = frame.header
    part = _PARTS.get((Opcode(header.opcode), header.fin)) if header.opcode in set(Opcode) else None
    size = "1 byte" if header.length == 1 else f"{header.length:,} bytes"
    if frame.compressed:
        says = "?" if frame.decompressed is None else f"{frame.decompressed_size:,}"
        size = f"{'compressed, ' if header.opcode else ''}{header.length:,} → {says} bytes"
    return f"{part or 'not a legal frame'}, {size}"


def dissect(frame: Frame, *, bits: bool = True, most: int | None = 64) -> Iterator[Item]:
    """The rows of a frame.

    Args:
        frame: as the tap gives it; rows are made of as much of the payload as it has.
        bits: a row for each group of bits of the header; otherwise one row for all of it.
        most: bytes of the payload to show; None for all.
    """
    yield from _header_bits(frame) if bits else _header_in_short(frame)
    yield from _payload(frame, most)
    if not frame.whole:
        yield Note(f"Incomplete: {len(frame.payload):,} of {frame.header.length:,} bytes of payload are here.")
    for remark in frame.remarks:
        yield complaint(remark)


def complaint(remark: Remark) -> Note:
    """A broken rule, and what it costs."""
    rule = remark.rule
    particular = f": {remark.detail}" if remark.detail else ""
    cost = f"a strict peer closes with {rule.code}" if rule.code != CloseCode.ABNORMAL else "a strict peer hangs up"
    return Note(f"{rule.name} (section {rule.section}): {rule.text}{particular}; {cost}", "bad", "!")


# --- The header -----------------------------------------------------------------------------------------------------


def _header_bits(frame: Frame) -> Iterator[Row]:
    header, head, at = frame.header, frame.head, frame.offset
    yield Row(at, f"{head[0]:02x}", _fin(frame), bits=f"{header.fin:d}... ....")
    yield Row(None, "", _rsv(frame), bits=f".{header.rsv:03b} ....")
    yield Row(None, "", f"opcode {header.opcode}: {name_of(header.opcode)}", bits=f".... {header.opcode:04b}")
    masked = "MASK: masked, as is every frame of a client" if header.key else "no MASK: as is right for a server"
    yield Row(at + 1, f"{head[1]:02x}", masked, bits=f"{head[1] >> 7:d}... ....")
    seven = head[1] & 0x7F
    extra = {126: 2, 127: 8}.get(seven, 0)
    length = f"length {seven}" if not extra else f"{seven}: the length is in the next {extra} bytes"
    yield Row(None, "", length, bits=f".{seven >> 4:03b} {seven & 0xF:04b}")
    if extra:
        yield Row(at + 2, head[2 : 2 + extra].hex(" "), f"length {header.length:,}")
    if header.key is not None:
        yield Row(at + header.size - 4, header.key.hex(" "), "the masking key, new for every frame")


def _header_in_short(frame: Frame) -> Iterator[Row]:
    header, at = frame.header, frame.offset
    size = header.size if header.key is None else header.size - 4
    words = ["FIN" if header.fin else "no FIN", name_of(header.opcode)]
    words += ["RSV1" if header.rsv == RSV1 else f"RSV {header.rsv:03b}"] if header.rsv else []
    words += ["not masked" if header.key is None else "masked", f"length {header.length:,}"]
    yield Row(at, frame.head[:size].hex(" "), ", ".join(words))
    if header.key is not None:
        yield Row(at + size, header.key.hex(" "), "masking key")


def _fin(frame: Frame) -> str:
    if is_control(frame.header.opcode):
        return "FIN: always, in a control frame" if frame.header.fin else "no FIN, in a control frame"
    if not frame.header.fin:
        return "no FIN: the message goes on in another frame"
    last = frame.header.opcode == Opcode.CONTINUATION
    return "FIN: the last frame of its message" if last else "FIN: the only frame of its message"


def _rsv(frame: Frame) -> str:
    rsv = frame.header.rsv
    if not rsv and frame.compressed:
        return "RSV1 to RSV3: only the first frame says that the message is compressed"
    if not rsv:
        return "RSV1 to RSV3: no extension is used"
    if rsv == RSV1 and frame.compressed and frame.header.opcode != Opcode.CONTINUATION:
        return "RSV1: the message is compressed (permessage-deflate)"
    names = [f"RSV{number}" for number, bit in ((1, 4), (2, 2), (3, 1)) if rsv & bit]
    compressed = "; with permessage-deflate: a compressed message" if rsv == RSV1 else ""
    return f"{', '.join(names)}: some extension is used{compressed}"


# --- The payload ----------------------------------------------------------------------------------------------------


def _payload(frame: Frame, most: int | None) -> Iterator[Item]:
    payload, key = frame.payload, frame.header.key
    begin: int | None = frame.offset + frame.header.size
    if key is not None and payload:
        yield from _octets(apply_mask(payload, key), begin, "the payload as it travels", most)
        begin = None
    label = "unmasked: " if key is not None else ""
    if frame.compressed:
        yield from _octets(payload, begin, label.replace(":", ",") + "compressed", most)
        yield from _compressed(frame, most)
    elif frame.header.opcode == Opcode.CLOSE and len(payload) > 1:
        yield from _close_body(payload, begin, masked=key is not None)
    else:
        text = frame.text or is_control(frame.header.opcode)
        yield from _content(payload, len(payload), begin, label, text, most)


def _octets(data: bytes, begin: int | None, meaning: str, most: int | None) -> Iterator[Row]:
    """Bytes that say nothing yet."""
    short = data if most is None or len(data) <= 2 * BYTES_IN_ROW else data[:BYTES_IN_ROW]
    for at in range(0, len(short), BYTES_IN_ROW):
        where = None if begin is None else begin + at
        yield Row(where, short[at : at + BYTES_IN_ROW].hex(" "), meaning if at == 0 else "")
    if len(short) < len(data):
        yield Row(None, "…", f"{len(data) - len(short):,} more bytes of it")


def _content(data: bytes, size: int, begin: int | None, label: str, text: bool, most: int | None) -> Iterator[Row]:
    """Bytes, of which there are `size` in all, that are what they say."""
    shown = data if most is None else data[:most]
    yield from _dump(shown, begin, label, text=text)
    if len(shown) < size:
        advice = "; --all shows them" if len(data) == size else ""
        yield Row(None, "…", f"{size - len(shown):,} more bytes{advice}")


def _compressed(frame: Frame, most: int | None) -> Iterator[Item]:
    if frame.decompressed is None:
        yield Note("What it says cannot be known: it may refer to what was broken before it.")
        return
    if frame.header.opcode != Opcode.CONTINUATION:
        yield from deflate_rows(frame.payload, last=frame.header.fin and frame.whole)
    label = "decompressed: "
    yield from _content(frame.decompressed, frame.decompressed_size, None, label, frame.text, most)
    if not frame.decompressed_size and not frame.remarks:
        yield Row(None, "", "decompressed: nothing")


# --- DEFLATE --------------------------------------------------------------------------------------------------------

MOST_BLOCKS = 6


def deflate_rows(data: bytes, last: bool) -> Iterator[Row]:
    """The blocks of DEFLATE data (RFC 1951), and what was cut off behind it.

    Args:
        data: of a message, from its beginning.
        last: to its end.
    """
    found = [*blocks(data)]
    put_back = False
    if last and not _is_whole(found, data):
        whole = [*blocks(data + EMPTY_BLOCK)]
        put_back = _is_whole(whole, data + EMPTY_BLOCK)
        found = whole if put_back else found
    for number, block in enumerate(found[:MOST_BLOCKS], 1):
        yield _block_row(number, block, data)
    if len(found) > MOST_BLOCKS:
        yield Row(None, "…", f"{len(found) - MOST_BLOCKS:,} more blocks")
    if put_back or (last and len(data) > MOST_READ):
        meaning = "not sent: every message ends with them, so the receiver puts them back"
        yield Row(None, EMPTY_BLOCK.hex(" "), meaning)


def _is_whole(found: list[Block], data: bytes) -> bool:
    """Whether the data ends with the last block."""
    return bool(found) and found[-1].end is not None and -(-found[-1].end // 8) == len(data)


def _block_row(number: int, block: Block, data: bytes) -> Row:
    size = "empty" if not block.size else "1 byte" if block.size == 1 else f"{block.size:,} bytes"
    size += f", {block.repeated:,} of them repeated" if block.repeated else ""
    goes_on = " and more" if block.end is None and block.kind != 3 else ""
    meaning = f"DEFLATE block {number}: BFINAL {block.final:d}, BTYPE {block.kind:02b} ({KINDS[block.kind]})"
    place, bit = divmod(block.begin, 8)
    if bit > 5:
        return Row(None, "", f"{meaning}, {size}{goes_on}")
    shown = f"{data[place]:08b}"[5 - bit : 8 - bit].rjust(8 - bit, ".").ljust(8, ".")
    return Row(None, f"{data[place]:02x}", f"{meaning}, {size}{goes_on}", bits=f"{shown[:4]} {shown[4:]}")


# --- Bodies ---------------------------------------------------------------------------------------------------------


def _close_body(payload: bytes, begin: int | None, *, masked: bool) -> Iterator[Row]:
    code = int.from_bytes(payload[:2], "big")
    unmasked = "unmasked: " if masked else ""
    yield Row(begin, payload[:2].hex(" "), f"{unmasked}code {code}, {close_code_meaning(code)}")
    yield from _dump(payload[2:], None if begin is None else begin + 2, "reason ", text=True)


def _dump(data: bytes, begin: int | None, label: str, *, text: bool) -> Iterator[Row]:
    """Rows of bytes, each with its characters.  A character stands where its last byte is."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    for at in range(0, len(data), BYTES_IN_ROW):
        piece = data[at : at + BYTES_IN_ROW]
        last = at + BYTES_IN_ROW >= len(data)
        shown = f"'{printable(decoder.decode(piece, last).encode())}'" if text else _dots(piece)
        where = None if begin is None else begin + at
        yield Row(where, piece.hex(" "), (label if at == 0 else " " * len(label)) + shown, "payload")


def _dots(data: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)


# --- JSON -----------------------------------------------------------------------------------------------------------


def frame_json(frame: Frame) -> dict[str, Any]:
    """A frame as JSON: the bits, the bytes in hex, and the payload unmasked, in both forms, as far as it is known."""
    header = frame.header
    value: dict[str, Any] = {
        "from": frame.sender.value,
        "offset": frame.offset,
        "name": name_of(header.opcode),
        "fin": header.fin,
        "rsv": header.rsv,
        "opcode": header.opcode,
        "length": header.length,
        "key": None if header.key is None else header.key.hex(),
        "header": frame.head.hex(),
        "payload": frame.payload.hex(),
        "whole": frame.whole,
        "compressed": frame.compressed,
    }
    if frame.compressed:
        value["decompressed"] = None if frame.decompressed is None else frame.decompressed.hex()
        value["decompressed_length"] = None if frame.decompressed is None else frame.decompressed_size
    if frame.text and not (frame.compressed and frame.decompressed is None):
        value["text"] = frame.content.decode(errors="replace")
    if header.opcode == Opcode.CLOSE and len(frame.payload) > 1:
        value["code"] = int.from_bytes(frame.payload[:2], "big")
        value["reason"] = frame.payload[2:].decode(errors="replace")
    return value | {"broken": [remark_json(remark) for remark in frame.remarks]}


def remark_json(remark: Remark) -> dict[str, Any]:
    """A broken rule as JSON."""
    rule, detail, offset = remark
    found = {"rule": rule.name, "section": rule.section, "text": rule.text, "detail": detail}
    return found | {"code": rule.code, "offset": offset}


def arrow(sender: Role) -> tuple[str, str]:
    """Who speaks, as a piece of output."""
    return ("C>", "client") if sender is Role.CLIENT else ("S>", "server")
