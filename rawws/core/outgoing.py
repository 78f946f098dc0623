"""What one side of an open connection sends: calls in, bytes out, in the order of the calls.

Automatic answers stand in the same queue.  What the caller does wrong is raised, and then nothing is queued and nothing
has changed.  What comes in is the matter of `Incoming`, which is all of this and more.
"""

from collections.abc import Callable

from rawws.core import rules
from rawws.core.agreement import Agreement, Compressor
from rawws.core.errors import LocalProtocolError, NotOpen, ProtocolError
from rawws.core.frames import (
    MOST_IN_CONTROL,
    RSV1,
    WHOLE_BINARY,
    WHOLE_TEXT,
    CloseCode,
    Opcode,
    encode_close,
    encode_header,
    encode_run,
    encode_whole,
)
from rawws.core.keys import pooled
from rawws.core.prepared import Prepared, encode_text
from rawws.core.settings import Limits, Role
from rawws.core.states import CLOSE, CONTROL, FIRST, IN_MESSAGE, LAST, MIDDLE, READY, WHOLE, Sender, Sent, advance

SERVER = Role.SERVER

APART = 128 * 1024
"""Payloads of so many bytes are not copied into their frame, but queued behind its header, where there is no mask."""


class Unfinished:
    """A message that is being sent in fragments, and what waits behind it."""

    __slots__ = ("behind", "charge", "compressed", "opcode")

    def __init__(self, opcode: Opcode = Opcode.TEXT, compressed: bool = False) -> None:
        self.opcode = opcode
        self.compressed = compressed
        self.behind: list[Prepared] = []
        self.charge = 0
        """The memory of what waits."""


NOTHING = Unfinished()
"""While there is no such message."""


class Outgoing:
    """Our half of an open connection.

    Each method that sends raises `NotOpen` once this side has sent its Close or the connection is gone, and
    `LocalProtocolError` for what the protocol forbids; then nothing is queued and nothing has changed.
    """

    # What is seldom asked for is in slots: see `Incoming`.
    __slots__ = ("__dict__", "__weakref__", "_is_plain", "_random", "close_sent")

    _opening = False
    """The opening handshake is going on.  Only in the subclasses of `http1`."""

    def __init__(self, role: Role, limits: Limits, random: Callable[[int], bytes]) -> None:
        self.role = role
        self.limits = limits
        self.ours = READY
        self.close_sent: tuple[int, str] | None = None
        self._random = pooled(random)
        self._out: list[bytes] = []
        self._pongs = self._last_pong = 0  # automatic ones in `_out`, and where in there the newest is
        self._sending = NOTHING

    def _settle(self, agreement: Agreement) -> None:
        """Both sides agreed on this."""
        self.agreement = agreement
        self._compressor = self._new_compressor()
        self._is_plain = self._compressor is None and not self._opening  # A message is its frame and no more.

    def send_message(
        self, data: str | bytes | bytearray | memoryview, more: bool = False, compress: bool | None = None
    ) -> None:
        """Queue a message, text for a `str` and binary for bytes: `send_text` or `send_binary`, whichever it is."""
        # The short way, for what most applications send: READY and WHOLE is READY.
        if type(data) is bytes and self.ours is READY and self._is_plain and not more and len(data) < APART:
            self._out.append(encode_whole(WHOLE_BINARY, data, None if self.role is SERVER else self._random(4)))
        elif isinstance(data, str):
            self.send_text(data, more, compress)
        else:
            self.send_binary(data, more, compress)

    def send_messages(self, messages: list[str | bytes]) -> None:
        """Queue a run of whole messages, and take out of the list what is queued: faster than one by one.

        Behind a message that is being sent in fragments they wait for its end.
        """
        if messages and self.ours is READY and self._is_plain:
            count = len(messages)  # Another thread may put more behind them.
            if len(messages[count - 1]) >= APART:
                count -= 1  # By itself it is not copied.
            keys = None if self.role is SERVER else self._random(4 * count)
            frames = encode_run(messages[:count], keys)
            # Not even Ctrl-C comes between these two: no function is called.
            self._out += [frames]
            del messages[:count]
        while messages:
            if self.ours is IN_MESSAGE:
                self.send_prepared(Prepared(messages[0]))
            else:
                self.send_message(messages[0])
            del messages[0]

    def send_text(self, data: str, more: bool = False, compress: bool | None = None) -> None:
        """Queue a text message, or with `more` a fragment of one: until a call without it, all calls continue it.

        Args:
            data: of the message, or of the fragment.
            more: another fragment follows.
            compress: whether to compress the message, if that was agreed on; None leaves it to its length.  The first
                fragment decides for all.
        """
        if not isinstance(data, str):
            raise TypeError(f"a text message is a str, not {type(data).__name__}")
        payload = encode_text(data)
        if self.ours is READY and self._is_plain and not more and len(payload) < APART:
            self._out.append(encode_whole(WHOLE_TEXT, payload, None if self.role is SERVER else self._random(4)))
        else:
            self._send_data(Opcode.TEXT, payload, more, compress)

    def send_binary(
        self, data: bytes | bytearray | memoryview, more: bool = False, compress: bool | None = None
    ) -> None:
        """The same for a binary message."""
        payload = data if type(data) is bytes else bytes(memoryview(data))
        if self.ours is READY and self._is_plain and not more and len(payload) < APART:
            self._out.append(encode_whole(WHOLE_BINARY, payload, None if self.role is SERVER else self._random(4)))
        else:
            self._send_data(Opcode.BINARY, payload, more, compress)

    def send_prepared(self, message: Prepared) -> None:
        """Queue a message that many are sent; while another is being sent in fragments, it waits for its end.

        5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another message".
        """
        if self.ours is IN_MESSAGE:
            self._sending.behind.append(message)
            self._sending.charge += message.charge
            return
        following = self._allow(WHOLE)
        try:
            self._out.append(self._prepared_frame_of(message))
        except BaseException:
            self._compressor = self._new_compressor()  # As in `_compressed`.
            raise
        self.ours = following

    def ping(self, payload: bytes = b"") -> None:
        """Queue a Ping with 125 bytes at most (section 5.5.2)."""
        self._send_control(Opcode.PING, payload)

    def pong(self, payload: bytes = b"") -> None:
        """Queue a Pong that nobody asked for, or with `auto_pong` off an answer (section 5.5.3)."""
        self._send_control(Opcode.PONG, payload)

    def close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Queue a Close: begin the closing handshake, or answer the peer's with another code (section 7.1.2).

        Args:
            code: why (section 7.4); None for a Close frame with no body.
            reason: text for people, 123 bytes at most.
        """
        try:
            body = encode_close(code, reason, self.role)
        except ProtocolError as breach:
            raise LocalProtocolError(breach.rule, breach.detail) from None
        following = self._allow(CLOSE)
        self._out.append(self._frame_of(Opcode.CLOSE, body))
        self.ours = following
        self.close_sent = (CloseCode.NO_CODE if code is None else code, reason)

    def data_to_send(self) -> bytes:
        """Everything that was queued, in order; it is the caller's to write now."""
        out = self._out
        if not out:
            return b""
        self._out = []
        self._pongs = 0
        return b"".join(out)

    @property
    def has_data_to_send(self) -> bool:
        """Whether anything is queued."""
        return bool(self._out)

    def chunks_to_send(self) -> list[bytes]:
        """The same, not joined, for `writelines` and `sendmsg`."""
        chunks = self._out
        self._out = []
        self._pongs = 0
        return chunks

    def _send_data(self, opcode: Opcode, payload: bytes, more: bool, compress: bool | None) -> None:
        if self.ours is IN_MESSAGE:
            self._send_on(opcode, payload, more)
            return
        # READY and WHOLE is READY.
        quick = self.ours is READY and not (more or self._opening)
        following = READY if quick else self._allow(FIRST if more else WHOLE)
        compressed = self._is_to_compress(None if more else len(payload), compress)
        make = self._compressed if compressed else self._chunks_of
        self._out += make(opcode, payload, not more, RSV1 if compressed else 0)
        self.ours = following
        if more:
            self._sending = Unfinished(opcode, compressed)

    def _send_on(self, opcode: Opcode, payload: bytes, more: bool) -> None:
        """Another fragment; behind the last one, what waited for it."""
        sending = self._sending
        if opcode is not sending.opcode:
            raise LocalProtocolError(rules.MESSAGE_UNFINISHED, f"a {sending.opcode.name} message is being sent")
        following = self._allow(MIDDLE if more else LAST)
        make = self._compressed if sending.compressed else self._chunks_of
        self._out += make(Opcode.CONTINUATION, payload, not more, 0)
        self.ours = following
        if not more:
            self._sending = NOTHING
            for message in sending.behind:
                self.send_prepared(message)

    def _is_to_compress(self, size: int | None, compress: bool | None) -> bool:
        if self._compressor is None:
            return False
        return self._compressor.wants(size) if compress is None else compress

    def _send_control(self, opcode: Opcode, payload: bytes) -> None:
        payload = bytes(memoryview(payload))
        if len(payload) > MOST_IN_CONTROL:
            raise LocalProtocolError(rules.CONTROL_TOO_LONG, f"{len(payload)} bytes")
        self.ours = self._allow(CONTROL)
        self._out.append(self._frame_of(opcode, payload))

    def _answer_ping(self, payload: bytes) -> None:
        """Queue a Pong.  While nobody takes what is queued, the newest ones share one place (section 5.5.3)."""
        pong = self._frame_of(Opcode.PONG, payload)
        if self._pongs and self._pongs >= self.limits.pongs:
            self._out[self._last_pong] = pong
        else:
            self._pongs += 1
            self._last_pong = len(self._out)
            self._out.append(pong)

    def _frame_of(self, opcode: Opcode, payload: bytes, fin: bool = True, rsv: int = 0) -> bytes:
        # 5.3: "the masking key [...] MUST be derived from a strong source of entropy"
        key = self._random(4) if self.role is Role.CLIENT else None
        return encode_whole((0x80 if fin else 0) | rsv << 4 | opcode, payload, key)

    def _chunks_of(self, opcode: Opcode, payload: bytes, fin: bool, rsv: int) -> list[bytes]:
        """The frame in pieces, of which none is copied without need."""
        if len(payload) < APART or self.role is Role.CLIENT:
            return [self._frame_of(opcode, payload, fin, rsv)]
        return [encode_header(opcode, len(payload), fin=fin, rsv=rsv), payload]

    def _compressed(self, opcode: Opcode, payload: bytes, fin: bool, rsv: int) -> list[bytes]:
        assert self._compressor is not None
        try:
            return self._chunks_of(opcode, self._compressor.compress(payload, fin), fin, rsv)
        except BaseException:
            # The peer will not see what our window has by now (Ctrl-C, say): go on with an empty one.
            self._compressor = self._new_compressor()
            raise

    def _prepared_frame_of(self, message: Prepared) -> bytes:
        payload, rsv = message.payload, 0
        if self._compressor is not None and self._is_to_compress(len(payload), message.compress):
            payload, rsv = message.compressed(self._compressor), RSV1
        if self.role is Role.CLIENT:
            return self._frame_of(message.opcode, payload, rsv=rsv)
        return message.frame(payload, rsv)

    def _new_compressor(self) -> Compressor | None:
        terms = self.agreement.compression
        return None if terms is None else terms.compressor(self.role)

    def _allow(self, sent: Sent) -> Sender:
        """Where we stand after sending this; raises if we may not."""
        if self._opening:
            raise LocalProtocolError(rules.NOT_YET_OPEN)
        try:
            return advance(self.ours, sent)
        except ProtocolError as breach:
            late = breach.rule in (rules.FRAME_AFTER_CLOSE, rules.FRAME_AFTER_EOF)
            raise (NotOpen if late else LocalProtocolError)(breach.rule) from None

    def rest(self) -> None:
        """Let go of a compressor that was not used since the last call: call it from time to time, a minute say."""
        if self._compressor is not None and self.ours is not IN_MESSAGE:
            self._compressor.rest()

    @property
    def held_back(self) -> int:
        """The memory of what was prepared and waits behind a message that is being sent in fragments."""
        return self._sending.charge if self.ours is IN_MESSAGE else 0
