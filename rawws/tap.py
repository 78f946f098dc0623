"""A listener on the wire: it decodes the bytes that pass by, legal or not, and belongs to neither end.

    tap = Tap(Role.CLIENT, print)       # what a client sends and receives
    connect(url, tap=tap)

    C>      0  GET /chat HTTP/1.1
    ...
    C>    164  81 85 37 fa 21 3d        TEXT         FIN        5  'Hello'
    S>    129  c1 07                    TEXT         FIN RSV1   7 → 5  'Hello'
               f2 48 cd c9 c9 07 00     compressed
    S>    138  88 05                    CLOSE        FIN        5  (1000, 'bye')

It reads with the codec of the core and shares no state with the connection, so it sees what is on the wire and not what
somebody believes about it.  Each record is told as soon as its bytes are there, however they are cut, and no more of a
payload is kept than is shown.  Compressed frames, if the server's answer agrees on permessage-deflate, are told in both
forms when all of their payload has passed.  But: a refusal's body is passed over, and the heads are not judged.
"""

from collections.abc import Callable
from copy import copy, deepcopy

from rawws.core import rules
from rawws.core.agreement import Terms
from rawws.core.deflate import NAME, Deflate
from rawws.core.errors import ProtocolError
from rawws.core.frames import RSV1, FrameHeader, Opcode, breaches, decode_close, decode_header, is_control
from rawws.core.headers import read_extensions
from rawws.core.masking import apply_mask, rotate
from rawws.core.messages import COMPRESSED_AT_ONCE, Reassembly
from rawws.core.settings import Limits, Role
from rawws.core.states import READY, Sender, advance, what_is_sent
from rawws.records import Frame, Line, Record, Remark, printable

__all__ = ["LONGEST_LINE", "Frame", "Judge", "Line", "Record", "Remark", "Tap", "agreed", "printable"]

LONGEST_LINE = 8192
"""How much of a line of HTTP is one record; a longer one comes in several."""


def agreed(field: bytes) -> Terms | None:
    """The compression that Sec-WebSocket-Extensions in an answer agrees on; None if it is none that is known here."""
    try:
        answers = [extension for extension in read_extensions(field) if extension.name == NAME]
        return Deflate().check(answers[0]) if answers else None
    except ValueError:
        return None


# --- Judging --------------------------------------------------------------------------------------------------------


class Judge:
    """Holds the frames of one sender against the rules, one after the other: each for itself, and their order.

    For each frame, `begin`, then `read` what there is of its payload, then `end`.  Never raises, whatever it is given.

    Args:
        sender: who sends them.
        terms: the compression that was agreed on; None for none.
        preview: how many bytes of a payload are kept, and as many of what it is decompressed to; None for all.
    """

    def __init__(self, sender: Role, terms: Terms | None = None, preview: int | None = None) -> None:
        self.sender = sender
        self._preview = preview
        self._state: Sender = READY
        self._message = Reassembly(Limits(message=None))
        self._text_unknown = False  # a part of the message was not seen, or is no text: the rest says nothing
        # The frame: whether it may come now, is compressed, can be decompressed, and still is.
        self._fits = self._compressed = self._known = self._inflating = False
        self._payload, self._decompressed = bytearray(), bytearray()
        self._done = self._size = 0  # how much of the payload was read, and how much that was decompressed to
        self.agree(terms)

    def agree(self, terms: Terms | None) -> None:
        """This was agreed on, for what follows."""
        self._agreed = terms is not None
        self._message.decompressor = None if terms is None else terms.decompressor(self.sender)

    def begin(self, header: FrameHeader, head: bytes, offset: int) -> bool:
        """The next frame.

        Args:
            header: its header.
            head: the bytes of it.
            offset: of the first of them, in the sender's stream.

        Returns:
            Whether all of its payload is to be read: it is compressed, and what follows may refer to it.  Otherwise
            its beginning will do.
        """
        self._header, self._head, self._offset = header, head, offset
        self._done = self._size = 0
        found = breaches(header, self.sender, self._agreed)
        self._remarks = [Remark(rule, detail, offset + byte) for rule, detail, byte in found]
        self._fits = header.opcode in set(Opcode) and self._follow(header)
        self._compressed = self._fits and not is_control(header.opcode) and self._message.compressed
        self._known = self._compressed and self._message.decompressor is not None
        self._inflating = self._known
        return self._inflating

    @property
    def held(self) -> int:
        """How many bytes of the frame are kept, in both forms."""
        return len(self._payload) + len(self._decompressed)

    def read(self, piece: bytes) -> None:
        """The next piece of the payload, unmasked."""
        self._payload += piece if self._preview is None else piece[: self._preview - len(self._payload)]
        if self._inflating:
            self._attempt(lambda: self._decompress_all(piece))
        self._done += len(piece)

    def end(self) -> Frame:
        """What is known of the frame, when no more of its payload is to be read."""
        header = self._header
        whole = self._done == header.length
        if self._compressed:
            if self._inflating and whole:
                self._attempt(self._finish)
        elif self._fits:
            self._attempt(lambda: self._check(bytes(self._payload), whole))
        text = header.opcode == Opcode.TEXT or (header.opcode == Opcode.CONTINUATION and self._message.text)
        payload, decompressed = bytes(self._payload), bytes(self._decompressed) if self._known else None
        self._payload, self._decompressed = bytearray(), bytearray()
        frame = Frame(self.sender, self._offset, self._head, header, payload, text, tuple(self._remarks))
        return frame._replace(compressed=self._compressed, decompressed=decompressed, decompressed_size=self._size)

    def _attempt(self, work: Callable[[], object]) -> bool:
        """Do it; what it finds wrong becomes a remark."""
        try:
            work()
        except ProtocolError as breach:
            offset = self._offset if breach.offset is None else breach.offset
            self._remarks.append(Remark(breach.rule, breach.detail, offset))
            return False
        return True

    def _follow(self, header: FrameHeader) -> bool:
        """Whether the frame may come now."""
        before = self._state
        if not self._attempt(lambda: self._advance(header)):
            return False
        if header.opcode in (Opcode.TEXT, Opcode.BINARY) and before is READY:
            compressed = self._agreed and bool(header.rsv & RSV1)
            self._message.begin(header.opcode == Opcode.TEXT, compressed)
            # A reserved bit that nobody agreed on may mean anything.
            self._text_unknown = bool(header.rsv) and not compressed
        return True

    def _advance(self, header: FrameHeader) -> None:
        self._state = advance(self._state, what_is_sent(header.opcode, header.fin))

    def _check(self, payload: bytes, whole: bool) -> None:
        """The payload of a frame that is not compressed, or its beginning."""
        header, begin = self._header, self._offset + self._header.size
        if header.opcode == Opcode.CLOSE and whole:
            try:
                decode_close(payload)
            except ProtocolError as breach:
                raise ProtocolError(breach.rule, breach.detail, begin + (breach.offset or 0)) from None
        elif not is_control(header.opcode) and not self._text_unknown:
            self._text_unknown = True
            self._message.add(payload, begin, last=header.fin and whole)
            self._text_unknown = not whole

    # --- Compressed frames ----------------------------------------------------------------------------------------
    # What is wrong with them is told as the core does, at the first byte of the payload, and beyond that at the byte
    # where it shows.

    def _decompress_all(self, piece: bytes) -> None:
        for at in range(0, len(piece), COMPRESSED_AT_ONCE):
            self._decompress(piece[at : at + COMPRESSED_AT_ONCE], self._done + at)

    def _decompress(self, piece: bytes, at: int) -> None:
        """Decompress a piece that begins `at` so many bytes into the payload.

        zlib tells of what is broken, but neither where nor what came before it; so the halves are tried, and theirs.
        """
        before = None if len(piece) == 1 else (copy(self._message), deepcopy(self._message.decompressor), self._size)
        kept = len(self._decompressed)
        try:
            self._decompress_whole(piece)
        except ProtocolError as breach:
            if before is None:
                detail = f"{breach.detail}, at byte {at} of the payload"
                raise self._broken(ProtocolError(breach.rule, detail)) from None
            self._message, self._message.decompressor, self._size = before
            del self._decompressed[kept:]
            half = len(piece) // 2
            self._decompress(piece[:half], at)
            self._decompress(piece[half:], at + half)

    def _decompress_whole(self, piece: bytes) -> None:
        while True:
            data, used, _ = self._message.decompress(piece, last=False)
            self._take(data, last=False)
            if used == len(piece):
                return
            piece = piece[used:]

    def _finish(self) -> None:
        """All of the payload was read."""
        try:
            if self._header.fin:
                self._take(self._message.decompress(b"", last=True)[0], last=True)
            elif not self._text_unknown:
                self._message.end_frame()
        except ProtocolError as breach:
            if breach.rule is rules.COMPRESSED_DATA:
                # Up to here it was right: whatever zlib says of what is put back behind it, this is what is wrong.
                breach = ProtocolError(breach.rule, "it does not end where the message does")
            raise self._broken(breach) from None

    def _take(self, data: bytes, last: bool) -> None:
        """What came out of the payload."""
        self._size += len(data)
        self._decompressed += data if self._preview is None else data[: self._preview - len(self._decompressed)]
        if not self._text_unknown:
            self._message.add(data, self._message.size - len(data), last)

    def _broken(self, breach: ProtocolError) -> ProtocolError:
        """What to raise.  Behind data that cannot be decompressed, nothing can; behind text that is none, no text."""
        self._text_unknown = True
        place = "" if breach.offset is None else f", at byte {breach.offset} of the message"
        if breach.rule is not rules.TEXT_NOT_UTF8:
            self._inflating = False
            self._message.decompressor = None
        return ProtocolError(breach.rule, breach.detail + place, self._offset + self._header.size)


# --- Listening ------------------------------------------------------------------------------------------------------


class Tap:
    """Both directions of one connection, from the first byte of HTTP on.

    Args:
        role: the side whose `sent` and `received` these are.
        report: is given each record, in the order in which they are complete; `print` shows them to people.
        preview: how many bytes of a payload are shown, and kept until they are there, and as many of what it is
            decompressed to; None shows all.
        handshake: the connection begins with HTTP; False for one that is open already.
        compression: what was agreed on for one that is open already, as in `ws.compression`; with a handshake, the
            server's answer tells.
    """

    def __init__(
        self,
        role: Role,
        report: Callable[[Record], object],
        *,
        preview: int | None = 125,
        handshake: bool = True,
        compression: Terms | None = None,
    ) -> None:
        def agree(terms: Terms | None) -> None:
            for judge in judges:
                judge.agree(terms)

        judges = [Judge(sender, None if handshake else compression, preview) for sender in (role, role.peer)]
        self._sent, self._received = (_Stream(judge, report, preview, handshake, agree) for judge in judges)

    def sent(self, data: bytes | bytearray | memoryview) -> None:
        """These bytes were sent by our side.  Never raises, unless `report` does."""
        self._sent.feed(bytes(data))

    def received(self, data: bytes | bytearray | memoryview) -> None:
        """These bytes came from the other side."""
        self._received.feed(bytes(data))

    @property
    def held(self) -> int:
        """How many bytes wait for more: of a line, or of a header and its previews."""
        return self._sent.held + self._received.held


class _Stream:
    """What one side sends."""

    def __init__(
        self,
        judge: Judge,
        report: Callable[[Record], object],
        preview: int | None,
        handshake: bool,
        agree: Callable[[Terms | None], None],
    ) -> None:
        self._sender = judge.sender
        self._report = report
        self._preview = preview
        self._judge = judge
        self._agree = agree
        self._first = b""  # the first line of this head
        self._upgrade = False  # it has such a field
        self._extensions = b""  # all such fields of this head
        self._take: Callable[[bytes, int], int] = self._take_line if handshake else self._take_header
        self._key: bytes | None = None  # of this frame
        self._done = self._wanted = self._rest = 0  # of its payload: read, to be read, and all behind that
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
        return len(self._held) + self._judge.held

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
        """Remember what of a head says what follows it."""
        if not line and self._first:
            self._take = self._what_follows()
            self._first, self._upgrade, self._extensions = b"", False, b""
        elif not self._first:
            self._first = line
        else:
            name, _, value = line.partition(b":")
            self._upgrade |= name.lower() == b"upgrade"
            if name.lower() == b"sec-websocket-extensions" and len(self._extensions) < LONGEST_LINE:
                self._extensions += b"," + value

    def _what_follows(self) -> Callable[[bytes, int], int]:
        """The end of a head: do frames come now, a body, or another head?"""
        if self._sender is Role.CLIENT:
            return self._take_header if self._upgrade else self._take_line
        status = self._first.split()[1:2]
        if status == [b"101"]:
            self._agree(agreed(self._extensions))
            return self._take_header
        return self._take_line if status and status[0].startswith(b"1") else self._take_body

    def _take_body(self, data: bytes, start: int) -> int:
        return len(data) - start

    def _take_header(self, data: bytes, start: int) -> int:
        """Begin with the frame at `start`; the number of bytes that were taken, 0 if its header is not all there."""
        header = decode_header(data, start)
        if header is None:
            return 0
        begin = start + header.size
        all_of_it = self._judge.begin(header, data[start:begin], self._offset + start) or self._preview is None
        self._key, self._done = header.key, 0
        self._wanted = header.length if all_of_it else min(header.length, self._preview or 0)
        self._rest = header.length - self._wanted
        self._take = self._take_payload
        return header.size + self._take_payload(data, begin)

    def _take_payload(self, data: bytes, start: int) -> int:
        """Go on with the frame, and report it if what is wanted is there; the number of bytes that were taken."""
        piece = data[start : start + self._wanted - self._done]
        if self._key is not None:
            piece = apply_mask(piece, rotate(self._key, self._done))
        self._judge.read(piece)
        self._done += len(piece)
        if self._done < self._wanted:
            return len(piece)
        self._report(self._judge.end())
        self._take = self._take_header
        return len(piece) + self._rest
