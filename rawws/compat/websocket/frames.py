"""`ABNF`, a frame as the callback client knows it, and the names of the close codes."""

import os
from typing import Any, ClassVar, TypeAlias

from rawws.core.events import Chunk, Closed, Ping, Pong
from rawws.core.frames import CloseCode, Opcode, encode_close, encode_frame
from rawws.core.masking import apply_mask
from rawws.core.settings import Role

STATUS_NORMAL = 1000
STATUS_GOING_AWAY = 1001
STATUS_PROTOCOL_ERROR = 1002
STATUS_UNSUPPORTED_DATA_TYPE = 1003
STATUS_STATUS_NOT_AVAILABLE = 1005
STATUS_ABNORMAL_CLOSED = 1006
STATUS_INVALID_PAYLOAD = 1007
STATUS_POLICY_VIOLATION = 1008
STATUS_MESSAGE_TOO_BIG = 1009
STATUS_INVALID_EXTENSION = 1010
STATUS_UNEXPECTED_CONDITION = 1011
STATUS_SERVICE_RESTART = 1012
STATUS_TRY_AGAIN_LATER = 1013
STATUS_BAD_GATEWAY = 1014
STATUS_TLS_HANDSHAKE_ERROR = 1015

Item: TypeAlias = str | bytes | Chunk | Ping | Pong | Closed
"""Whatever a connection can tell of."""

assert set(CloseCode) == {value for name, value in globals().items() if name.startswith("STATUS_")}


class ABNF:
    """One frame: what it is (`opcode`), whether it ends its message (`fin`), and what it carries (`data`)."""

    OPCODE_CONT = int(Opcode.CONTINUATION)
    OPCODE_TEXT = int(Opcode.TEXT)
    OPCODE_BINARY = int(Opcode.BINARY)
    OPCODE_CLOSE = int(Opcode.CLOSE)
    OPCODE_PING = int(Opcode.PING)
    OPCODE_PONG = int(Opcode.PONG)
    OPCODES = tuple(int(opcode) for opcode in Opcode)
    OPCODE_MAP: ClassVar[dict[int, str]] = {
        OPCODE_CONT: "cont",
        OPCODE_TEXT: "text",
        OPCODE_BINARY: "binary",
        OPCODE_CLOSE: "close",
        OPCODE_PING: "ping",
        OPCODE_PONG: "pong",
    }

    def __init__(
        self,
        fin: int = 0,
        rsv1: int = 0,
        rsv2: int = 0,
        rsv3: int = 0,
        opcode: int = OPCODE_TEXT,
        mask_value: int = 1,
        data: str | bytes | None = "",
    ) -> None:
        self.fin = fin
        self.rsv1, self.rsv2, self.rsv3 = rsv1, rsv2, rsv3
        self.opcode = opcode
        self.mask_value = mask_value
        self.data: Any = b"" if data is None else data
        self.get_mask_key = os.urandom

    @staticmethod
    def create_frame(data: str | bytes, opcode: int, fin: int = 1) -> "ABNF":
        """A frame to be given to `WebSocket.send_frame`; text is encoded.

        Raises:
            ValueError: there is no such opcode.
        """
        return ABNF(fin, opcode=int(known_opcode(opcode)), data=data.encode() if isinstance(data, str) else data)

    def format(self) -> bytes:
        """The frame as it travels, with a fresh masking key."""
        data = self.data.encode() if isinstance(self.data, str) else bytes(self.data)
        key = self.get_mask_key(4) if self.mask_value else None
        rsv = self.rsv1 << 2 | self.rsv2 << 1 | self.rsv3
        return encode_frame(known_opcode(self.opcode), data, key, fin=bool(self.fin), rsv=rsv)

    @staticmethod
    def mask(mask_key: str | bytes, data: str | bytes) -> bytes:
        """`data` masked with a key of 4 bytes, or unmasked with the same."""
        key, payload = (part.encode("latin-1") if isinstance(part, str) else part for part in (mask_key, data))
        return apply_mask(payload, key)

    def __str__(self) -> str:
        return f"fin={int(self.fin)} opcode={self.opcode} data={self.data!r}"


def known_opcode(opcode: int) -> Opcode:
    """The opcode of that number."""
    if opcode not in ABNF.OPCODES:
        raise ValueError(f"no opcode is {opcode!r}; there are {ABNF.OPCODE_MAP}")
    return Opcode(opcode)


def frame_of(item: Item) -> ABNF:
    """What a connection has told of, as a frame."""
    match item:
        case Ping(payload):
            return ABNF.create_frame(payload, Opcode.PING)
        case Pong(payload):
            return ABNF.create_frame(payload, Opcode.PONG)
        case Closed(code, reason):
            body = encode_close(None if code == CloseCode.NO_CODE else code, reason, Role.CLIENT)
            return ABNF.create_frame(body, Opcode.CLOSE)
        case Chunk(data, first, last):
            opcode = Opcode.TEXT if isinstance(data, str) else Opcode.BINARY
            return ABNF.create_frame(data, opcode if first else Opcode.CONTINUATION, int(last))
        case str() | bytes():
            return ABNF.create_frame(item, Opcode.TEXT if isinstance(item, str) else Opcode.BINARY)
