"""What the peer of an open connection sends: bytes in, events out, in the order of the bytes.

Reading is lazy: what nobody asks for stays as it came.  Two short ways take whole messages that lie behind one another,
plain ones and compressed ones; all else goes the long way, frame by frame and piece by piece.  What the peer does wrong
is raised nowhere: it becomes the last event, `Closed`, behind everything that was right.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any

from rawws.core.agreement import Agreement
from rawws.core.errors import ProtocolError, RemoteProtocolError
from rawws.core.events import Chunk, Closed, Event, Ping, Pong
from rawws.core.frames import (
    CloseCode,
    FrameHeader,
    Opcode,
    check,
    decode_close,
    decode_header,
    is_control,
)
from rawws.core.masking import apply_mask, rotate
from rawws.core.messages import (
    AT_ONCE,
    COMPRESSED_AT_ONCE,
    LONG,
    PIECE,
    Reassembly,
    begins_long,
    take_plain,
)
from rawws.core.outgoing import SERVER, Outgoing
from rawws.core.settings import Limits, Role
from rawws.core.states import EOF, IN_MESSAGE, READY, Sender, advance, what_is_sent


class Incoming(Outgoing):
    """The peer's half of an open connection, beside ours, which answers its Pings."""

    # What is seldom asked for is in slots, so that 25 attributes are left for the dict.  Of up to 29, CPython keeps the
    # names once for all instances; with one more, each has a table of 1.3 KiB, and every access takes longer.
    __slots__ = ("auto_pong", "close_received", "room", "waits_for_rest")

    room: int
    """How many bytes of compressed messages may be read together, and one message more."""

    _read_opening: Callable[[], bool]
    """Reads the opening handshake, while that goes on.  Only in the subclasses of `http1`."""

    def __init__(
        self, role: Role, limits: Limits, random: Callable[[int], bytes], stream: bool, auto_pong: bool
    ) -> None:
        super().__init__(role, limits, random)
        self.stream = stream
        self.auto_pong = auto_pong
        self.room = AT_ONCE
        self.theirs = READY
        self.closed: Closed | None = None
        self.close_received: tuple[int, str] | None = None
        self.waits_for_rest = False
        """What is unread is the beginning of a long message.  Whoever takes it back, and hands it over together with
        what follows, has the message in one piece; else it is read as any other."""
        # What came and has not been read: `_data` from `_position` on, then `_incoming`.
        self._data = b""
        self._position = 0
        self._offset = 0  # where in the peer's stream `_data` begins
        self._incoming: bytes | bytearray = b""
        self._eof = False
        self._ready: list[Event] = []  # what was read together and not given out yet, the next one last
        # The data frame that is being read, and the message that it belongs to.
        self._frame: FrameHeader | None = None
        self._done = 0  # bytes of its payload
        self._message = Reassembly(limits)
        self._in_chunks = False  # the message is given out as it comes, to its end
        self._begins = True  # none of it was given out
        self._plain_limit = min(sys.maxsize if bound is None else bound for bound in (limits.message, limits.frame))

    def _settle(self, agreement: Agreement) -> None:
        super()._settle(agreement)
        terms = agreement.compression
        self._message.decompressor = None if terms is None else terms.decompressor(self.role.peer)

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Hand over bytes that came from the peer.  They are copied.

        Never raises, whatever they are: ignored once `closed`, or behind the end of the stream.
        """
        if type(data) is not bytes:
            data = data.tobytes() if type(data) is memoryview else bytes(memoryview(data))
        if self.closed is not None or self._eof:
            return
        if not (self._data or self._incoming):
            self._data = data
        elif self._incoming:
            self._incoming += data
        elif len(self._data) - self._position > len(data):
            self._incoming = bytearray(data)
        else:
            # What is left is most often the beginning of a frame: put together at once, and copied once.
            self._data = self._data[self._position :] + data
            self._offset += self._position
            self._position = 0

    def receive_messages(self, data: bytes | memoryview, more: bool = False) -> list[str | bytes]:
        """The same, and take the whole messages that it begins with, as far as that needs no second look.

        For who wants them at once: `data` is read where it lies.  What is not given here is among the next events.

        Args:
            data: what came; a memoryview has to be a contiguous one of bytes.
            more: more of it is about to be handed over: see `waits_for_rest`.
        """
        messages: list[Any] = []
        is_over = self.closed is not None or self._eof
        if is_over or self._data or self._incoming or self._ready or self.stream or self._opening:
            self.receive_data(data)
            return messages
        if self._frame is not None:
            data = data[self._read_ahead(self._frame, memoryview(data)) :]
            if self.closed is None:
                messages, self._ready = self._ready, []
        is_between = self._frame is None and self.theirs is READY and self.closed is None
        if is_between and data:
            end = take_plain(data, 0, self.role is SERVER, self._plain_limit, messages)
            self._offset += end
            data = data[end:]
        if data:
            self.receive_data(data)
            self.waits_for_rest = more and is_between and begins_long(self._data, self.role.peer, self._plain_limit)
        return messages

    def _read_ahead(self, frame: FrameHeader, data: memoryview) -> int:
        """Read the payload that `data` begins with, where it lies; how many bytes that was.  Nothing else is unread."""
        size = 0
        try:
            while self._frame is not None and size < len(data) and not (self._message.compressed or self._in_chunks):
                piece = data[size : size + min(PIECE, frame.length - self._done)]
                self._read_piece(frame, piece, self._offset)
                size += len(piece)
                self._offset += len(piece)
        except ProtocolError as breach:
            self._is_violated(breach)
        return size

    def unread(self) -> bytes:
        """Take back what `waits_for_rest`, to hand it over again in front of what came behind it."""
        waits, self.waits_for_rest = self.waits_for_rest, False
        if not waits or self._position or self._incoming or self._ready:
            return b""  # It was read meanwhile.
        data, self._data = self._data, b""
        return data

    @property
    def is_amid_long(self) -> bool:
        """What comes next goes on with a long message: much of it can be read at once, and will be few events."""
        return self.waits_for_rest or (self._frame is not None and self._frame.length - self._done >= LONG)

    def receive_eof(self) -> None:
        """The transport can deliver no more.  Never raises; calling it again changes nothing."""
        self._eof = True
        if self.closed is not None:
            self.theirs = advance(self.theirs, EOF)

    def all_events(self) -> list[Event]:
        """Every event in what came, read at once.

        How many bytes messages decompress to is not bounded by what came; each of them is within `limits`.  With
        compression, `next_events` and `next_event` let their caller stop in between.
        """
        events = self.next_events()
        while self._data or self._incoming or self._eof:
            more = self.next_events()
            if not more:
                break
            events += more
        return events

    def next_events(self) -> list[Event]:
        """The next events that are known together; none if more bytes are needed, or `Closed` was given out.

        They are either whole messages, which lay behind one another, or what came alone.  Reading is lazy: what is not
        asked for stays undecoded.
        """
        ready = self._ready
        if ready:
            ready.reverse()
        elif self._data:
            # The short way, for what most connections consist of.
            if self.theirs is READY and self._frame is None and not (self.stream or self._opening):
                masked, limit = self.role is SERVER, self._plain_limit
                self._position = take_plain(self._data, self._position, masked, limit, ready)
            if not ready:
                self._read()
            if self._position == len(self._data):
                # Nothing of it is kept: who is idle may be so for long.
                self._offset += self._position
                self._data = b""
                self._position = 0
        elif self._incoming or self._eof:
            self._read()
        if not ready:
            return []
        self._ready = []
        return ready

    def next_event(self) -> Event | None:
        """The next event alone; None if more bytes are needed, or `Closed` was given out."""
        if not self._ready:
            self._ready = self.next_events()
            self._ready.reverse()
        return self._ready.pop() if self._ready else None

    def events(self) -> Iterator[Event]:
        """`next_event` until there is none.  Every method may be called inside the loop."""
        while (event := self.next_event()) is not None:
            yield event

    def _read(self) -> None:
        """Read on, the long way, until there is an event, or nothing more to read."""
        try:
            while not self._ready and self.closed is None:
                progress = False
                if self._position < len(self._data):
                    progress = self._read_frame() if self._frame is None else self._read_payload(self._frame)
                if not progress and not self._take_in():
                    if self._eof:
                        self._end(Closed(CloseCode.ABNORMAL, "", "lost"))
                    return
        except ProtocolError as breach:
            self._is_violated(breach)

    def _is_violated(self, breach: ProtocolError) -> None:
        error = RemoteProtocolError(breach.rule, breach.detail, breach.offset)
        self._end(Closed(breach.code, breach.rule.text, "error", error))

    def _take_in(self) -> bool:
        """Let go of what was read, and put what came meanwhile behind what is left; False if nothing came."""
        came = bool(self._incoming)
        if came or self._position:
            self._offset += self._position
            self._data = self._data[self._position :] + self._incoming
            self._position = 0
            self._incoming = b""
        return came

    def _read_frame(self) -> bool:
        """Read a control frame, or the header of a data frame; False if it is not all there."""
        if self._opening:
            return self._read_opening()
        start = self._position
        may_be_short = self._compressor is not None and self.theirs is READY and not self.stream
        if may_be_short and self._read_compressed():
            return True
        header = decode_header(self._data, start)
        if header is None:
            return False
        following = self._judge(header, self._offset + start)
        if is_control(header.opcode):
            return self._read_control(header, start + header.size, following)
        self.theirs = following
        self._position += header.size
        self._frame = header
        self._done = 0
        # An empty frame is whole by now, and what follows it need not have come.
        return header.length > 0 or self._read_payload(header)

    def _read_compressed(self) -> bool:
        """The short way for compressed messages that are one frame each; False if there is none for it."""
        masked, limit = self.role is SERVER, self._plain_limit
        start, message = self._position, self._message
        self._position = message.take_compressed(self._data, start, masked, limit, self._offset, self.room, self._ready)
        return self._position > start

    def _judge(self, header: FrameHeader, offset: int) -> Sender:
        """Whether this frame may come now; gives back where its sender stands after it."""
        try:
            check(header, self.role.peer, self._compressor is not None)
            following = advance(self.theirs, what_is_sent(header.opcode, header.fin))
            if not is_control(header.opcode):
                self._message.admit(header)
        except ProtocolError as breach:
            raise ProtocolError(breach.rule, breach.detail, offset + (breach.offset or 0)) from None
        return following

    def _read_control(self, header: FrameHeader, begin: int, following: Sender) -> bool:
        payload = self._data[begin : begin + header.length]
        if len(payload) < header.length:
            return False
        if header.key is not None:
            payload = apply_mask(payload, header.key)
        self._position = begin + header.length
        self.theirs = following
        if header.opcode == Opcode.PING:
            if self.auto_pong and self.ours in (READY, IN_MESSAGE):
                self._answer_ping(payload)
            self._ready.append(Ping(payload))
        elif header.opcode == Opcode.PONG:
            self._ready.append(Pong(payload))
        else:
            self._read_close(payload, self._offset + begin)
        return True

    def _read_close(self, payload: bytes, offset: int) -> None:
        try:
            code, reason = decode_close(payload)
        except ProtocolError as breach:
            raise ProtocolError(breach.rule, breach.detail, offset + (breach.offset or 0)) from None
        self.close_received = (code, reason)
        self._end(Closed(code, reason, "peer" if self.close_sent is None else "local"))

    def _read_payload(self, frame: FrameHeader) -> bool:
        """Read as much of a data frame as is there."""
        begin, most = self._position, frame.length - self._done
        if self._message.compressed:
            piece = self._data[begin : begin + min(most, COMPRESSED_AT_ONCE)]
            if frame.key is not None:
                piece = apply_mask(piece, rotate(frame.key, self._done))
            last = frame.fin and self._done + len(piece) == frame.length
            self._add_compressed(piece, self._offset + begin - self._done, last)
        else:
            data: bytes | memoryview = self._data if frame.key is None else memoryview(self._data)
            data = data[begin : begin + most]
            self._position += len(data)
            self._read_piece(frame, data, self._offset + begin)
        return True

    def _read_piece(self, frame: FrameHeader, data: bytes | memoryview, offset: int) -> None:
        """Read so much more of the payload, which is not compressed, and began at `offset` in the stream."""
        piece = bytes(data) if frame.key is None else apply_mask(data, rotate(frame.key, self._done))
        self._have_read(len(piece))
        self._add_to_message(piece, offset, frame.fin and self._frame is None)

    def _have_read(self, size: int) -> None:
        """So much more of the payload was read."""
        self._done += size
        if self._frame is not None and self._done == self._frame.length:
            self._frame = None

    def _add_compressed(self, piece: bytes, begin: int, last: bool) -> None:
        """Decompress some of `piece`, and take no more of it than that.  `begin` is where the payload began.

        What is wrong with it has no byte of its own in the stream: it is told as the first of the payload.
        """
        message = self._message
        try:
            data, used, last = message.decompress(piece, last)
            self._position += used
            self._have_read(used)
            self._add_to_message(data, message.size - len(data), last)
            if self._frame is None:
                message.end_frame()
        except ProtocolError as breach:
            place = "" if breach.offset is None else f", at byte {breach.offset} of the message"
            raise ProtocolError(breach.rule, breach.detail + place, begin) from None

    def _add_to_message(self, piece: bytes, offset: int, last: bool) -> None:
        message = self._message
        in_chunks = self.stream or self._in_chunks
        kept = message.take() if in_chunks and message.held else None
        checked = message.add(piece, offset, last)
        if in_chunks:
            if kept is not None:
                checked = kept + checked  # type: ignore[operator]
            if checked or last:
                self._ready.append(Chunk(checked, first=self._begins, last=last))
                self._begins = last
            self._in_chunks = not last
        elif last and not message.held:
            self._ready.append(checked)
        else:
            message.keep(checked, len(piece))
            if last:
                self._ready.append(message.take())

    def _end(self, closed: Closed) -> None:
        """The last event is known: nothing of what came after it is read."""
        self.closed = closed
        self._ready.append(closed)
        self._data, self._incoming, self._position = b"", b"", 0
        self._message.begin(text=False)
        self._message.decompressor = None
        if self._eof:
            self.theirs = advance(self.theirs, EOF)

    @property
    def has_data_to_read(self) -> bool:
        """Whether something came that was not read yet; it may be the beginning of a frame."""
        return bool(self._data or self._incoming or self._ready)

    @property
    def held(self) -> int:
        """How many bytes of an unfinished message are kept."""
        return self._message.held
