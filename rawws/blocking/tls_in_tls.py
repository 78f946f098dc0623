"""TLS with the server inside of TLS with the proxy, which `ssl` can do for bytes in memory and not for a socket."""

import socket
import ssl as tls
from collections.abc import Callable
from contextlib import suppress
from typing import Any

CHUNK_SIZE = 16 * 1024
"""What a record of TLS holds at most.  Whatever comes of one `recv`, all that is in it is decrypted at once."""


class TLSInTLS(socket.socket):
    """For an `SSLSocket` what that is for a plain socket, as far as a `WebSocket` needs it.

    They share a descriptor.
    """

    def __init__(self, outer: tls.SSLSocket, context: tls.SSLContext, server_hostname: str) -> None:
        self._outer = outer
        self._came, self._goes = tls.MemoryBIO(), tls.MemoryBIO()
        # It may raise, and whoever has a descriptor by then would close it.
        self._inner = context.wrap_bio(self._came, self._goes, server_hostname=server_hostname)
        super().__init__(fileno=outer.fileno())
        self.getpeercert, self.cipher, self.version = self._inner.getpeercert, self._inner.cipher, self._inner.version
        self._encrypted = b""  # what the outer socket did not take yet,
        self._owed = 0  # and how much of the last `send` it stands for
        self._is_shut = False

    def do_handshake(self, left: Callable[[], float | None]) -> None:
        """Shake hands with the server; `left` gives the seconds that there are."""
        try:
            while not self._step():
                self.settimeout(left())
                self._outer.sendall(self._goes.read())
                self._take(self._outer.recv(CHUNK_SIZE))
        finally:
            with suppress(OSError):
                self._outer.sendall(self._goes.read())  # Our last word, or the alert that says what is wrong.

    def _step(self) -> bool:
        """Go on shaking hands; whether that is done."""
        try:
            self._inner.do_handshake()
        except tls.SSLWantReadError:
            return False
        return True

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What came, decrypted; b"" at the end."""
        data = self._outer.recv(CHUNK_SIZE)
        if self._is_shut:
            if data:
                raise tls.SSLWantReadError  # Nobody can decrypt it any more, and nobody wants it.
            return b""
        self._take(data)
        decrypted = b""
        try:
            while piece := self._inner.read(CHUNK_SIZE):
                decrypted += piece
        except tls.SSLWantReadError:
            if not decrypted:
                raise
            return decrypted
        except tls.SSLEOFError:
            pass  # TCP ended, and TLS did not.
        if decrypted:
            # The end was taken along, and nothing more may come: polling has to tell of it all the same.
            with suppress(OSError):
                super().shutdown(socket.SHUT_RD)
        return decrypted

    def send(self, data: Any, flags: int = 0) -> int:
        """Encrypt and send.  As with any TLS: who is told "not now" has to come again with the same data."""
        if not self._owed:
            self._owed = self._inner.write(data[:CHUNK_SIZE])
        self._flush()
        sent, self._owed = self._owed, 0
        return sent

    def shutdown(self, how: int) -> None:
        """End our half, in the server's TLS and in the proxy's, or both halves."""
        if not self._is_shut:
            self._is_shut = True
            for end in (self._inner.unwrap, self._flush, self._outer.unwrap):
                with suppress(OSError, ValueError):
                    end()
        self._outer.shutdown(how)

    def settimeout(self, value: float | None) -> None:
        super().settimeout(value)
        self._outer.settimeout(value)

    def setblocking(self, flag: bool) -> None:
        super().setblocking(flag)
        self._outer.setblocking(flag)

    def close(self) -> None:
        self.detach()
        self._outer.close()

    def _take(self, data: bytes) -> None:
        if data:
            self._came.write(data)
        else:
            self._came.write_eof()

    def _flush(self) -> None:
        self._encrypted += self._goes.read()
        while self._encrypted:
            self._encrypted = self._encrypted[self._outer.send(self._encrypted) :]


def encrypt_again(
    outer: tls.SSLSocket, context: tls.SSLContext, server_hostname: str, left: Callable[[], float | None]
) -> TLSInTLS:
    """A socket that speaks TLS with the server over one that speaks TLS already; `left` gives the seconds there are.

    Raises:
        OSError, TimeoutError: it does not come about; the socket is as it was, but of no use.
    """
    sock = TLSInTLS(outer, context, server_hostname)
    try:
        sock.do_handshake(left)
    except BaseException:
        sock.detach()
        raise
    return sock
