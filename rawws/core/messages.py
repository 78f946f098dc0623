"""From payloads to messages: decompress and put together, keep within limits, and see that text is UTF-8.

`Reassembly` is the path that every message can take, in pieces of any size.  `take_plain` is the shortcut for the
messages that most connections consist of: one short frame that is there as a whole.  What it does not take goes the
long way.
"""

import sys
from codecs import utf_8_decode
from contextlib import suppress
from typing import Any

from rawws.core import rules
from rawws.core.agreement import Decompressor
from rawws.core.errors import ProtocolError
from rawws.core.events import Event
from rawws.core.frames import RSV1, FrameHeader, Opcode, breaches, decode_header
from rawws.core.masking import apply_mask, unmask_short
from rawws.core.settings import OVERHEAD, Limits, Role
from rawws.core.speedups import in_c_if_there

AT_ONCE = 64 * 1024
"""So many bytes are decompressed before somebody has to ask for more, and a few KiB at most."""
COMPRESSED_AT_ONCE = 16 * 1024
"""So many are given to be decompressed; what is not used is given again."""
WHOLE_AT_ONCE = 256 * 1024
"""Whole messages of so many bytes are decompressed in one go."""
SHORT = 4096
"""Pieces under this are put together as they come."""
PIECE = 64 * 1024
"""Of a long message, pieces are no larger than this: for more, the C library would ask the kernel for memory."""
LONG = 16 * 1024
"""Messages of so many bytes and more are better read as a whole,"""
MOST_WAITING = 64 * 1024
"""if no more of them than this has to wait for the rest, and to be copied."""
COMPRESSED_TEXT, COMPRESSED_BINARY = 0xC1, 0xC2
"""The first byte of a compressed message that is one frame: FIN, RSV1 and the opcode."""


class Reassembly:
    """The message that is arriving.

    Long pieces are kept as they come, and put together once: a long message costs one large allocation, and no buffer
    grows.  Short ones are put together meanwhile, so that a message in a million pieces takes about as much memory as
    the same message in one; an empty one costs nothing.
    """

    __slots__ = (
        "_announced",
        "_fragments",
        "_late",
        "_limits",
        "_most_at_once",
        "_most_fragments",
        "_pieces",
        "_size",
        "_tail",
        "_tail_offset",
        "compressed",
        "decompressor",
        "held",
        "text",
    )

    held: int
    """How many bytes of the unfinished message are kept here."""

    def __init__(self, limits: Limits, decompressor: Decompressor | None = None) -> None:
        self._limits = limits
        self._most_fragments = limits.most_fragments
        self._most_at_once = WHOLE_AT_ONCE if limits.message is None else min(WHOLE_AT_ONCE, limits.message)
        self.decompressor = decompressor
        self.begin(text=False)

    def begin(self, text: bool, compressed: bool = False) -> None:
        """A new message begins; what was held of the one before is dropped."""
        self.text = text
        self.compressed = compressed
        self._size = 0  # of what was decompressed
        self.held = 0
        self._pieces: list[Any] | None = None  # of `str` in text, of `bytes` otherwise
        self._announced = 0
        self._fragments = 0
        self._late: ProtocolError | None = None
        self._tail = b""
        self._tail_offset = 0

    @property
    def size(self) -> int:
        """How many bytes of it were decompressed."""
        return self._size

    def admit(self, header: FrameHeader) -> None:
        """Take note of the data frame that `header` announces, before any of its payload is there.

        Raises:
            ProtocolError: the frame, the message with it, or the number of fragments is over its limit (section 10.4).
        """
        limits = self._limits
        if header.opcode != Opcode.CONTINUATION:
            self.begin(header.opcode == Opcode.TEXT, bool(header.rsv & RSV1))
        self._fragments += 1
        if self._fragments > self._most_fragments:
            raise ProtocolError(rules.TOO_MANY_FRAGMENTS, f"more than {self._most_fragments}", 0)
        if limits.frame is not None and header.length > limits.frame:
            raise ProtocolError(rules.FRAME_TOO_BIG, f"{header.length} bytes, {limits.frame} are allowed", 1)
        self._announced += header.length
        if limits.message is not None and self._announced > (most := self._most_announced(limits.message)):
            raise ProtocolError(rules.MESSAGE_TOO_BIG, f"{self._announced} bytes, {most} are allowed", 1)

    def _most_announced(self, limit: int) -> int:
        """With what compressing may add to a message that cannot be compressed, and to fragments that are flushed."""
        return limit + limit // 8 + 1024 + 16 * self._fragments if self.compressed else limit

    def decompress(self, piece: bytes, last: bool) -> tuple[bytes, int, bool]:
        """Decompress some of the next piece of the message, unmasked.

        Args:
            piece: some of the payload; may be empty.
            last: whether it ends the message.

        Returns:
            What came out, how much of the piece that used up, and whether it was the end of the message.

        Raises:
            ProtocolError: it cannot be decompressed, or is over the limit.  Only a few KiB more than the limit were
                decompressed then.
        """
        assert self.decompressor is not None
        most = min(self._left + 1, AT_ONCE)
        data, used = self.decompressor.decompress(piece, most)
        self._count(data)
        if used < len(piece):
            return data, used, False
        if len(data) == most:
            # It stopped at `most`, and a little may be held back; it belongs to this piece.
            data += self._count(self.decompressor.decompress(b"", AT_ONCE)[0])
        if last:
            data += self._count(self.decompressor.finish())
        return data, used, last

    def take_compressed(
        self, data: bytes, start: int, masked: bool, limit: int, offset: int, room: int, out: list[Event]
    ) -> int:
        """Append to `out` the whole messages from `start` on that are one compressed frame each, and simple.

        All else is left to the long way, which knows what to say about it.  So is what lies behind as many as there is
        `room` for, and one more: nobody knows how much will come of it.

        Args:
            data, start, masked, limit: as in `compressed_at`.
            offset: where in the peer's stream the data begins.
            room: in bytes, of which each message takes `OVERHEAD` besides its own.
            out: nothing is in it yet.

        Returns:
            The position behind the last message taken.

        Raises:
            ProtocolError: the first one is not UTF-8.
        """
        assert self.decompressor is not None
        if self._late is not None:
            raise self._late
        decompress, most = self.decompressor.decompress_whole, self._most_at_once
        while room > 0 and (found := compressed_at(data, start, masked, limit)) is not None:
            text, payload, end = found
            message = decompress(payload, most + 1)
            if message is None or len(message) > most:
                break
            try:
                out.append(message.decode() if text else message)
            except UnicodeDecodeError as error:
                detail = f"{error.reason}, at byte {error.start} of the message"
                self._late = ProtocolError(rules.TEXT_NOT_UTF8, detail, offset + end - len(payload))
                if not out:
                    raise self._late from None
                break
            start = end
            room -= len(message) + OVERHEAD
        return start

    @property
    def _left(self) -> int:
        """How many bytes more may come out of decompressing."""
        return sys.maxsize if self._limits.message is None else self._limits.message - self._size

    def _count(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._left < 0:
            raise ProtocolError(rules.MESSAGE_TOO_BIG, f"decompressed over {self._limits.message} bytes")
        return data

    def end_frame(self) -> None:
        """A frame has been read: raise what was found in it."""
        if self._late is not None:
            raise self._late

    def add(self, piece: bytes, offset: int, last: bool) -> str | bytes:
        """Check the next piece of the message, unmasked, and give it back: in text, a `str` of whole characters.

        Args:
            piece: some of the payload; may be empty.
            offset: where in the peer's stream it stood, or where in the message, if that was decompressed.
            last: whether it ends the message.

        Raises:
            ProtocolError: it is not UTF-8, or at the end of the message not whole (section 8.1).
        """
        if not self.text:
            return piece
        if self._late is not None:
            return self._blame(self._late, last, "")
        held = len(self._tail)
        data = self._tail + piece
        try:
            text, used = utf_8_decode(data, "strict", last)
        except UnicodeDecodeError as error:
            # A character that began in an earlier piece is blamed where it began, so that splitting changes nothing.
            start = self._tail_offset if error.start < held else offset + error.start - held
            good = data[: error.start].decode()
            return self._blame(ProtocolError(rules.TEXT_NOT_UTF8, error.reason, start), last, good)
        if used:
            self._tail_offset = offset + used - held
        elif not held:
            self._tail_offset = offset
        self._tail = data[used:]
        # Python waits for the third byte of a surrogate, but no third byte can make it right.
        if b"\xed\xa0" <= self._tail < b"\xee":
            breach = ProtocolError(rules.TEXT_NOT_UTF8, "invalid continuation byte", self._tail_offset)
            return self._blame(breach, last, text)
        return text

    def _blame(self, breach: ProtocolError, last: bool, good: str) -> str:
        """Raise it.  In a compressed message, only when the frame is over; what is `good` before it can be given out.

        zlib tells of corrupt data but not of what came before it; so corrupt data goes first, however it was cut.
        """
        if last or not self.compressed:
            raise breach from None
        self._late = breach
        return good

    def keep(self, checked: str | bytes, size: int) -> None:
        """Hold on to a checked piece of so many bytes until the message is whole; if it was found wrong, to no more."""
        if self._late is None:
            self.held += size
            pieces = self._pieces
            if pieces is None:
                self._pieces = [checked]
            elif len(checked) < SHORT and len(pieces[-1]) < SHORT:
                pieces[-1] += checked
            else:
                pieces.append(checked)

    def take(self) -> str | bytes:
        """What was kept, as a `str` or `bytes`; nothing is kept any more.

        In the middle of a message the start of a character may have come already: it is told with the rest of it.
        """
        if self.held > _kept_for and not self.compressed:
            _keep_pages_for(self.held)
        pieces, self._pieces, self.held = self._pieces or (), None, 0
        return "".join(pieces) if self.text else b"".join(pieces)


_kept_for = 128 * 1024  # At first glibc maps blocks from this size on.
MOST_LEARNED = 24 * 1024 * 1024
"""From 32 MiB on, glibc learns nothing; `_speedups.c` has the same bound."""


def _keep_pages_for(size: int) -> None:
    """Have the C library keep the memory that messages of this size come and go in.

    glibc maps what is larger than anything it was given back so far, and gives the end of its heap back to the kernel
    when it is more than twice that: every page of every message is made anew then, and that takes longer than all that
    is done with it.  It learns by being given back something larger; of this nothing is ever touched.
    """
    global _kept_for
    _kept_for = 2 * size
    with suppress(MemoryError):  # There may be a limit for what is mapped.
        bytes(min(4 * size, MOST_LEARNED))


@in_c_if_there
def compressed_at(data: bytes, start: int, masked: bool, limit: int) -> tuple[bool, bytes, int] | None:
    """The compressed message that is the frame at `start`, if all of it is there and all is simple.

    Simple is as in `take_plain`, but with RSV1, and with a payload of 1 byte to 64 KiB less one.

    Returns:
        Whether it is text, the payload, unmasked, and where the frame ends.
    """
    begin = start + (6 if masked else 2)
    if begin > len(data) or data[start] not in (COMPRESSED_TEXT, COMPRESSED_BINARY):
        return None
    length = data[start + 1] - 0x80 * masked
    if length == 126 and begin + 2 <= len(data):
        begin += 2
        length = data[start + 2] << 8 | data[start + 3]
        if length < 126:
            return None
    elif not 0 < length < 126:
        return None
    end = begin + length
    if length > limit or end > len(data):
        return None
    payload = data[begin:end]
    return data[start] == COMPRESSED_TEXT, apply_mask(payload, data[begin - 4 : begin]) if masked else payload, end


def begins_long(data: bytes, sender: Role, limit: int) -> bool:
    """Whether this is the beginning of a long message that `take_plain` would take, from `sender`, and no more."""
    header = decode_header(data) if len(data) <= MOST_WAITING else None
    return (
        header is not None
        and data[0] in (0x81, 0x82)
        and LONG <= header.length <= limit
        and len(data) < header.size + header.length
        and not breaches(header, sender)
    )


@in_c_if_there
def take_plain(data: bytes | memoryview, start: int, masked: bool, limit: int, out: list[Event]) -> int:
    """Append to `out` every whole, plain message from `start` on, and stop in front of the first thing that is not.

    Plain is: one frame, not fragmented, no reserved bit, masked as it should be, in the shortest form, and not over
    `limit`; valid UTF-8 if it is text.  All else is left to the long way, which knows what to say about it.

    A memoryview has to be a contiguous one of bytes.

    Returns:
        The position behind the last message taken.
    """
    data, end = bytes(data), len(data)
    overhead, bit = (6, 0x80) if masked else (2, 0)
    while end - start >= overhead:
        first, length = data[start], data[start + 1] - bit
        begin = start + overhead
        if not 0 <= length < 126:
            more = {126: 2, 127: 8}.get(length, 0)
            length = int.from_bytes(data[start + 2 : start + 2 + more], "big")
            begin += more
            if begin > end or length < (126 if more == 2 else 1 << 16):
                break
        stop = begin + length
        if first not in (0x81, 0x82) or length > limit or stop > end:
            break
        if not masked:
            payload = data[begin:stop]
        elif length < 126:
            payload = unmask_short(data[begin - 4 : stop])
        else:
            payload = apply_mask(data[begin:stop], data[begin - 4 : begin])
        try:
            out.append(payload.decode() if first == 0x81 else payload)
        except UnicodeDecodeError:
            break
        start = stop
    return start
