"""A message that is sent to many: encoded once, and compressed once for all who may be sent the same bytes.

A server's frames are not masked (section 5.1), so they are the same for everyone.  What a client sends is masked with a
key of its own for each frame (section 5.3), and only the payload below the mask is shared.
"""

from typing import Any

from rawws.core import rules
from rawws.core.agreement import Compressor
from rawws.core.errors import LocalProtocolError
from rawws.core.frames import Opcode, encode_whole
from rawws.core.settings import OVERHEAD


class Prepared:
    """A whole message for `Connection.send_prepared`.  It is of no use to two threads at once.

    Args:
        message: text for a `str`, binary for bytes.
        compress: whether to compress it where that was agreed on; None leaves it to its length.

    Raises:
        TypeError: neither text nor bytes.
        LocalProtocolError: the text cannot be written in UTF-8.
    """

    __slots__ = ("_frames", "_memo", "compress", "opcode", "payload")

    def __init__(self, message: str | bytes | bytearray | memoryview, compress: bool | None = None) -> None:
        self.opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
        self.payload = encode_text(message) if isinstance(message, str) else bytes(memoryview(message))
        self.compress = compress
        self._memo: dict[Any, Any] = {}
        self._frames: dict[tuple[bytes, int], bytes] = {}

    @property
    def charge(self) -> int:
        """The memory that it takes while it waits, about."""
        return len(self.payload) + OVERHEAD

    def compressed(self, compressor: Compressor) -> bytes:
        """The payload as `compressor` may send it."""
        return compressor.share(self.payload, self._memo)

    def frame(self, payload: bytes, rsv: int) -> bytes:
        """The frame around `payload`, of a server."""
        frame = self._frames.get((payload, rsv))
        if frame is None:
            frame = self._frames[payload, rsv] = encode_whole(0x80 | rsv << 4 | self.opcode, payload, None)
        return frame


def encode_text(text: str) -> bytes:
    """The payload of a text message (section 5.6); raises `LocalProtocolError` for what UTF-8 cannot say."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(rules.TEXT_NOT_UTF8, str(error)) from None
