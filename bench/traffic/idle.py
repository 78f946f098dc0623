"""Connections that say little, and then nothing."""

import resource
import socket
import zlib

from bench.traffic.lines import CLOSE, KEY, REQUEST, payload_of
from rawws.core.frames import RSV1, Opcode, decode_header, encode_frame
from rawws.core.masking import apply_mask

OFFER = REQUEST.replace(
    b"Upgrade: websocket\r\n",
    b"Upgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
)
MESSAGE = payload_of(1024)
SPARE = 200


def enough_files(connections: int) -> None:
    """Raises `OSError` if so many connections cannot be open in this process."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if connections + SPARE > allowed:
        raise OSError(f"{allowed} files may be open here, not {connections + SPARE} (ulimit -n)")


def deflated(message: bytes) -> bytes:
    """The payload of the first compressed message (RFC 7692, section 7.2.1)."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, -15)
    return (compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


class Idle:
    """One of them.  With `plain` there is only TCP, and a server that sends back what comes."""

    compressed = False
    """Whether the server agreed on permessage-deflate."""

    def __init__(self, port: int, plain: bool, offer: bool = False) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), 10)
        self._plain = plain
        if not plain:
            self._sock.sendall(OFFER if offer else REQUEST)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += self._more(4096)
            assert head.startswith(b"HTTP/1.1 101 "), head
            self.compressed = b"permessage-deflate" in head

    def say_nothing(self) -> None:
        """It is all that is to be said."""

    def echo(self, message: bytes = MESSAGE) -> None:
        """Have it come back."""
        sent = encode_frame(Opcode.BINARY, message, KEY)
        self._sock.sendall(sent)
        if self._plain:
            assert sent == self._exactly(len(sent))
        else:
            assert message == self._message()

    def echo_compressed(self) -> None:
        """Have it come back compressed."""
        payload = deflated(MESSAGE)
        self._sock.sendall(encode_frame(Opcode.BINARY, payload, KEY, rsv=RSV1))
        assert MESSAGE == self._message()

    def hang_up(self) -> None:
        """Say goodbye, and do not wait for an answer."""
        if not self._plain:
            self._sock.sendall(CLOSE)
        self._sock.close()

    def _message(self) -> bytes:
        data = self._exactly(2)
        while (header := decode_header(data)) is None:
            data += self._exactly(1)
        payload = self._exactly(header.length)
        assert header.opcode == Opcode.BINARY
        assert header.fin
        if header.rsv & RSV1:
            return zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
        return payload if header.key is None else apply_mask(payload, header.key)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._more(size - len(data))
        return data

    def _more(self, size: int) -> bytes:
        data = self._sock.recv(size)
        if not data:
            raise ConnectionError("the server ended the connection")
        return data
