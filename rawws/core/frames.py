"""The frame, bit by bit (section 5.2), and what its header may and may not say.

     0               1               2               3
    +-+-+-+-+-------+-+-------------+-------------------------------+
    |F|R|R|R|opcode |M| length 0-125| 126: two more bytes of length |
    |I|S|S|S|       |A|  126 or 127 | 127: eight more               |
    |N|V|V|V|       |S|             |                               |
    | |1|2|3|       |K|             | then, if MASK: 4 bytes of key |
    +-+-+-+-+-------+-+-------------+-------------------------------+

Reading and judging are apart.  `decode_header` says what the bits are and never raises; `breaches` holds them against
sections 5.1, 5.2 and 5.5.  So the tap and the tests can look at illegal frames with the same eyes.
"""

from enum import IntEnum
from operator import index
from struct import Struct, unpack
from typing import NamedTuple

from rawws.core import rules
from rawws.core.errors import ProtocolError
from rawws.core.masking import apply_mask, mask_short
from rawws.core.rules import Rule
from rawws.core.settings import Role
from rawws.core.speedups import in_c_if_there


class Opcode(IntEnum):
    """What a frame is (section 5.2).  The bit of 8 is set in control frames."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """Why a connection ends (section 7.4.1, and the IANA registry for 1012 to 1014)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_CODE = 1005
    """Never on the wire: the Close frame carried no code."""
    ABNORMAL = 1006
    """Never on the wire: there was no Close frame."""
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    EXTENSION_NEEDED = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_FAILED = 1015
    """Never on the wire: the TLS handshake failed."""


class FrameHeader(NamedTuple):
    """The header of one frame, as it is written, legal or not."""

    fin: bool
    """It ends its message."""
    rsv: int
    """The reserved bits as a number from 0 to 7; `RSV1` is the 4."""
    opcode: int
    """From 0 to 15; an `Opcode`, or reserved."""
    length: int
    """The payload, in bytes."""
    key: bytes | None
    """The 4 bytes of the masking key; None if the frame is not masked."""
    size: int
    """The header itself, in bytes: 2 to 14."""


WHOLE_TEXT, WHOLE_BINARY = 0x80 | Opcode.TEXT, 0x80 | Opcode.BINARY
"""The first bytes of whole messages: FIN and the opcode."""

RSV1 = 4
"""The first reserved bit, in `FrameHeader.rsv`."""

MOST_IN_CONTROL = 125
"""5.5: "All control frames MUST have a payload length of 125 bytes or less"."""


def is_control(opcode: int) -> bool:
    """Whether frames of this opcode speak about the connection instead of carrying data (section 5.5)."""
    return opcode >= 8


def decode_header(data: bytes | bytearray, start: int = 0) -> FrameHeader | None:
    """Read the bits at `start`; None while they are not all there.  Never raises: see `breaches`."""
    if len(data) - start < 2:
        return None
    first, second = data[start], data[start + 1]
    masked, length = second >= 0x80, second & 0x7F
    extra = 0 if length < 126 else 2 if length == 126 else 8
    size = 2 + extra + 4 * masked
    if len(data) - start < size:
        return None
    if extra:
        length = int.from_bytes(data[start + 2 : start + 2 + extra], "big")
    key = bytes(data[start + size - 4 : start + size]) if masked else None
    return FrameHeader(first >= 0x80, first >> 4 & 0x7, first & 0xF, length, key, size)


def breaches(header: FrameHeader, sender: Role, compression: bool = False) -> list[tuple[Rule, str, int]]:
    """What is wrong with `header` when it comes from `sender`: the rule, the particular, and which byte of the frame.

    In the order of the bytes; an empty list for a legal header.  With `compression`, one was agreed on, and RSV1 may
    mark the first frame of a message (RFC 7692 section 6).
    """
    _, rsv, opcode, length, key, size = header
    control = is_control(opcode)
    wrong = []
    if compression and rsv & RSV1 and opcode not in (Opcode.TEXT, Opcode.BINARY):
        wrong.append((rules.COMPRESSED_BIT, f"opcode {opcode}", 0))
    if reserved := rsv & ~RSV1 if compression else rsv:
        wrong.append((rules.RESERVED_BITS, f"RSV is {reserved:03b}", 0))
    if opcode not in _OPCODES:
        wrong.append((rules.OPCODE_RESERVED, f"opcode {opcode}", 0))
    elif control and not header.fin:
        wrong.append((rules.CONTROL_FRAGMENTED, f"a {Opcode(opcode).name} without FIN", 0))
    if key is None and sender is Role.CLIENT:
        wrong.append((rules.MASK_MISSING, "", 1))
    if key is not None and sender is Role.SERVER:
        wrong.append((rules.MASK_UNEXPECTED, "", 1))
    if control and length > MOST_IN_CONTROL:
        wrong.append((rules.CONTROL_TOO_LONG, f"{length} bytes", 1))
    if length >> 63:
        wrong.append((rules.LENGTH_TOP_BIT, "", 2))
    elif size != _header_size(length, key):
        wrong.append((rules.LENGTH_NOT_SHORTEST, f"{length} in a header of {size} bytes", 1))
    return wrong


_OPCODES = frozenset(Opcode)


def check(header: FrameHeader, sender: Role, compression: bool = False) -> None:
    """Raise `ProtocolError` for the first of the `breaches`; its offset counts from the start of the frame."""
    for rule, detail, byte in breaches(header, sender, compression):
        raise ProtocolError(rule, detail, byte)


def _header_size(length: int, key: bytes | None) -> int:
    """5.2: "the minimal number of bytes MUST be used to encode the length"."""
    return (2 if length < 126 else 4 if length < 1 << 16 else 10) + (0 if key is None else 4)


def encode_header(opcode: int, length: int, key: bytes | None = None, *, fin: bool = True, rsv: int = 0) -> bytes:
    """Write a header, with the length in its shortest form (section 5.2)."""
    return _header((0x80 if fin else 0) | rsv << 4 | opcode, length, key)


def encode_frame(opcode: int, payload: bytes, key: bytes | None = None, *, fin: bool = True, rsv: int = 0) -> bytes:
    """Write a whole frame; with a `key` of 4 bytes the payload is masked (section 5.3).

    >>> encode_frame(Opcode.TEXT, b"Hello", bytes.fromhex("37fa213d")).hex(" ")
    '81 85 37 fa 21 3d 7f 9f 4d 51 58'
    """
    return encode_whole((0x80 if fin else 0) | rsv << 4 | opcode, payload, key)


@in_c_if_there
def encode_whole(first: int, payload: bytes, key: bytes | None) -> bytes:
    """Write a whole frame, of which the `first` byte is known: FIN, the reserved bits and the opcode.

    >>> encode_whole(0x81, b"Hello", None).hex(" ")
    '81 05 48 65 6c 6c 6f'
    """
    size = len(payload)
    if key is not None and len(key) == 4 and size < 126:
        return _two_bytes(first, 0x80 | size) + mask_short(payload, _number(key))
    head = _header(first, size, key)
    return head + payload if key is None else head + apply_mask(payload, key)


@in_c_if_there
def encode_run(messages: list[str | bytes], keys: bytes | None) -> bytes:
    """Write whole messages behind one another, each as one frame: text for a `str`, binary for `bytes`.

    Args:
        messages: nothing else is in there.
        keys: 4 bytes for each of them; None to mask none.

    Raises:
        UnicodeEncodeError: text that UTF-8 cannot say.
        ValueError: not as many keys as messages.

    >>> encode_run(["Hello", b""], None).hex(" ")
    '81 05 48 65 6c 6c 6f 82 00'
    """
    if keys is None:
        return b"".join([encode_whole(*_frame_of(message), None) for message in messages])
    if len(keys) != 4 * len(messages):
        raise ValueError(f"{len(keys)} bytes of keys for {len(messages)} messages")
    frames = []
    for message, key in zip(messages, unpack(f">{len(messages)}I", keys)):
        first, payload = _frame_of(message)
        size = len(payload)
        if size < 126:
            frames.append(_two_bytes(first, 0x80 | size) + mask_short(payload, key))
        else:
            frames.append(encode_whole(first, payload, key.to_bytes(4)))
    return b"".join(frames)


def _frame_of(message: str | bytes) -> tuple[int, bytes]:
    """The first byte of the frame that a whole message is, and the payload."""
    return (WHOLE_TEXT, message.encode()) if isinstance(message, str) else (WHOLE_BINARY, message)


def _header(first: int, length: int, key: bytes | None) -> bytes:
    mask = 0 if key is None else 0x80
    if length < 126:
        head = _two_bytes(first, mask | length)
    elif length < 1 << 16:
        head = _two_bytes(first, mask | 126) + length.to_bytes(2, "big")
    else:
        head = _two_bytes(first, mask | 127) + length.to_bytes(8, "big")
    return head if key is None else head + key


_two_bytes = Struct("BB").pack
_number = int.from_bytes


def may_appear(code: int) -> bool:
    """Whether a Close frame may carry this code (section 7.4): a registered one that has a meaning on the wire, or one
    of those for libraries (3000 to 3999) and for private use (4000 to 4999)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def encode_close(code: int | None, reason: str, sender: Role) -> bytes:
    """The body of a Close frame (section 5.5.1).

    Raises:
        ProtocolError: the code may not appear, or not from `sender`; a reason without a code; over 125 bytes.
        TypeError: the code is no integer, or the reason no `str`.
    """
    if not isinstance(reason, str):
        raise TypeError(f"a reason is a str, not {type(reason).__name__}")
    if code is None:
        if reason:
            raise ProtocolError(rules.CLOSE_REASON_ALONE, repr(reason))
        return b""
    if not may_appear(index(code)):
        raise ProtocolError(rules.CLOSE_CODE, str(code))
    if code == CloseCode.EXTENSION_NEEDED and sender is Role.SERVER:
        raise ProtocolError(rules.CLOSE_CODE_OF_CLIENTS)
    try:
        text = reason.encode()
    except UnicodeEncodeError as error:
        raise ProtocolError(rules.CLOSE_REASON_NOT_UTF8, str(error)) from None
    if 2 + len(text) > MOST_IN_CONTROL:
        raise ProtocolError(
            rules.CONTROL_TOO_LONG, f"a code and a reason of {len(text)} bytes; 123 are left for a reason"
        )
    return index(code).to_bytes(2, "big") + text


def decode_close(payload: bytes) -> tuple[int, str]:
    """The code and the reason in the body of a Close frame; 1005 and "" for an empty one (section 7.1.5).

    Raises:
        ProtocolError: the body is not what section 5.5.1 asks for; its offset counts from the start of `payload`.
    """
    if not payload:
        return CloseCode.NO_CODE, ""
    if len(payload) == 1:
        raise ProtocolError(rules.CLOSE_TOO_SHORT, "1 byte", 0)
    code = int.from_bytes(payload[:2], "big")
    if not may_appear(code):
        raise ProtocolError(rules.CLOSE_CODE, str(code), 0)
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(rules.CLOSE_REASON_NOT_UTF8, error.reason, 2 + error.start) from None
