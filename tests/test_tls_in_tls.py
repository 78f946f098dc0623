"""TLS in TLS with a socket that does not block: what a `WebSocket` needs of it, and has seldom."""

import os
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import trustme

from rawws.blocking.tls_in_tls import TLSInTLS, encrypt_again
from tests.net import nothing_is_left as nothing_is_left
from tests.net import small
from tests.proxy import Proxy
from tests.test_opening import authority as authority
from tests.test_opening import serving, trusting


@contextmanager
def facing(authority: trustme.CA, trust: ssl.SSLContext | None = None) -> Iterator[tuple[TLSInTLS, ssl.SSLSocket]]:
    """Our end, with the smallest buffers, and the server's end; between them is a proxy that is reached with TLS."""
    context = trusting(authority)
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        Proxy("https", context=serving(authority), is_small=True).in_background() as proxy,
    ):
        small(listening)
        outer = context.wrap_socket(_connected(proxy.port), server_hostname="localhost")
        outer.sendall(f"CONNECT 127.0.0.1:{listening.getsockname()[1]} HTTP/1.1\r\n\r\n".encode())
        assert outer.recv(4096).endswith(b"\r\n\r\n")
        theirs: list[ssl.SSLSocket] = []

        def accept() -> None:
            sock = listening.accept()[0]
            try:
                theirs.append(serving(authority).wrap_socket(sock, server_side=True))
            except ssl.SSLError:
                sock.close()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            ours = encrypt_again(outer, trust or context, "localhost", lambda: 2.0)
        except ssl.SSLError:
            outer.close()
            raise
        finally:
            accepting.join()
        ours.setblocking(False)
        theirs[0].settimeout(2)
        try:
            yield ours, theirs[0]
        finally:
            ours.close()
            theirs[0].close()


def _connected(port: int) -> socket.socket:
    sock = small(socket.socket())
    sock.settimeout(2)
    sock.connect(("127.0.0.1", port))
    return sock


def wait_for(ours: TLSInTLS, to_write: bool = False) -> None:
    """Wait until it can be read, or written."""
    assert any(select.select([] if to_write else [ours], [ours] if to_write else [], [], 2))


def received(ours: TLSInTLS, size: int) -> bytes:
    """What comes, up to that many bytes or to the end."""
    data = b""
    while len(data) < size:
        wait_for(ours)
        with suppress(ssl.SSLWantReadError):
            piece = ours.recv(65536)
            if not piece:
                break
            data += piece
    return data


class TestSending:
    """`send`."""

    def test_goes_on_where_it_was_blocked(self, authority: trustme.CA) -> None:
        """What is encrypted once is sent once, though `send` has to be called again for it."""
        data = bytes(range(256)) * 2_000
        arrived = bytearray()

        def read() -> None:
            while len(arrived) < len(data):
                arrived.extend(theirs.recv(65536))

        with facing(authority) as (ours, theirs):
            reading = threading.Thread(target=read)
            sent = blocked = 0
            while sent < len(data):
                try:
                    sent += ours.send(data[sent:])
                except ssl.SSLWantWriteError:
                    blocked += 1
                    if blocked == 1:
                        reading.start()
                    wait_for(ours, to_write=True)
            reading.join()

        assert blocked
        assert data == arrived


class TestReceiving:
    """`recv`."""

    def test_takes_all_that_came(self, authority: trustme.CA) -> None:
        """Many small records in one of the proxy's are all there at once: polling would not tell of them again."""
        with facing(authority) as (ours, theirs):
            for _ in range(1000):
                theirs.send(b"x" * 10)

            assert b"x" * 10_000 == received(ours, 10_000)

    def test_tells_of_the_end(self, authority: trustme.CA) -> None:
        """When the server ends its TLS, or TCP without that, there is nothing more."""
        for end in (ssl.SSLSocket.close, ssl.SSLSocket.unwrap):
            with facing(authority) as (ours, theirs):
                theirs.sendall(b"bye")
                with suppress(TimeoutError):
                    theirs.settimeout(0.01)
                    end(theirs)

                assert b"bye" == received(ours, 4)

    def test_has_nothing_more_when_it_was_shut(self, authority: trustme.CA) -> None:
        """What still comes cannot be decrypted and is thrown away, until the end."""
        with facing(authority) as (ours, theirs):
            theirs.sendall(b"too late")
            ours.shutdown(socket.SHUT_WR)
            theirs.close()

            assert b"" == received(ours, 1)


class TestShakingHands:
    """`encrypt_again`."""

    def test_fails_with_the_wrong_certificate(self, authority: trustme.CA) -> None:
        """The error is that of TLS, and the socket below can be closed."""
        with pytest.raises(ssl.SSLCertVerificationError), facing(authority, trusting(None)):
            pass


def test_says_who_the_server_is(authority: trustme.CA) -> None:
    """As a socket with one TLS does: the certificate, the cipher and the version are the server's, not the proxy's."""
    with facing(authority) as (ours, theirs):
        names = [name for _, name in (ours.getpeercert() or {})["subjectAltName"]]
        assert (names, ours.cipher(), ours.version()) == (["localhost"], theirs.cipher(), theirs.version())


def test_that_cannot_begin_closes_nothing(authority: trustme.CA) -> None:
    """What is wrong before there is a handshake leaves the socket with the proxy to who opened it."""
    left, right = socket.socketpair()
    with left, right:
        server = serving(authority)
        theirs: list[ssl.SSLSocket] = []
        accepting = threading.Thread(target=lambda: theirs.append(server.wrap_socket(right, server_side=True)))
        accepting.start()
        with trusting(authority).wrap_socket(left, server_hostname="localhost") as outer:
            accepting.join()
            with pytest.raises(ValueError, match="hostname"):
                encrypt_again(outer, trusting(authority), "", lambda: 2.0)
            os.fstat(outer.fileno())  # It is there still.
            theirs[0].close()
