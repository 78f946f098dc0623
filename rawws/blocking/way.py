"""How to get to a server with a blocking socket: straight, with TLS, through a proxy, or over one that is there.

The deadlines here are on the clock of `monotonic`.
"""

import socket
import ssl as tls
from collections.abc import Callable
from time import monotonic
from typing import Any

from rawws.blocking.tls_in_tls import encrypt_again
from rawws.proxies import (
    Proxy,
    ProxyError,
    Tunnel,
    broken_off,
    speaking_socks,
    too_late,
    unreachable,
)
from rawws.route import Route
from rawws.uri import URI


class Way(Route):
    """How to get to a server."""

    def lead(self, uri: URI, deadline: float | None) -> socket.socket:
        """A socket whose other end is the server of `uri`.

        Raises:
            OSError, TimeoutError, ProxyError, ImportError, ValueError: see `connect`.
        """
        proxy = self.through(uri)
        sock = self._straight(uri, deadline) if proxy is None else self._through(proxy, uri, deadline)
        try:
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if uri.secure:
                sock.settimeout(_left(deadline))
                if isinstance(sock, tls.SSLSocket):
                    return encrypt_again(sock, self.context, uri.host, lambda: _left(deadline))
                return self.context.wrap_socket(sock, server_hostname=uri.host)
        except BaseException:
            sock.close()
            raise
        return sock

    def _straight(self, uri: URI, deadline: float | None) -> socket.socket:
        if self.sock is not None:
            return self.sock
        if self.unix is None:
            return connected_to(uri.host, uri.port, deadline)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(_left(deadline))
            sock.connect(self.unix)
        except BaseException:
            sock.close()
            raise
        return sock

    def _through(self, proxy: Proxy, uri: URI, deadline: float | None) -> socket.socket:
        if not proxy.is_http:
            return _through_socks(proxy, uri, deadline)
        sock = _reached(proxy, self.proxy_context if proxy.scheme == "https" else None, deadline)
        try:
            _open_tunnel(sock, proxy, uri, deadline)
        except BaseException:
            sock.close()
            raise
        return sock


def connected_to(
    host: str, port: int, deadline: float | None, prepare: Callable[[socket.socket], object] = lambda sock: None
) -> socket.socket:
    """A socket that is connected to one address of the host, or to the next; one deadline is for all of them.

    Args:
        prepare: is called with each socket before it is connected.

    Raises:
        OSError: to none of them; it is that of the last one.
        TimeoutError: not in time.
    """
    problem = OSError(f"there is no address for {host}")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        left = _left(deadline)
        sock = socket.socket(family, kind, protocol)
        try:
            prepare(sock)
            sock.settimeout(left)
            sock.connect(address)
        except OSError as error:
            sock.close()
            problem = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem


def _reached(proxy: Proxy, context: tls.SSLContext | None, deadline: float | None) -> socket.socket:
    """A socket whose other end is the proxy, with TLS if there is a context."""
    try:
        sock = connected_to(proxy.host, proxy.port, deadline)
        if context is None:
            return sock
        try:
            sock.settimeout(_left(deadline))
            return context.wrap_socket(sock, server_hostname=proxy.host)
        except BaseException:
            sock.close()
            raise
    except TimeoutError:
        raise too_late(proxy) from None
    except OSError as error:
        raise unreachable(proxy, error) from error


def _open_tunnel(sock: socket.socket, proxy: Proxy, uri: URI, deadline: float | None) -> None:
    tunnel = Tunnel(proxy, uri)
    try:
        sock.sendall(tunnel.request)
        is_open = False
        while not is_open:
            sock.settimeout(_left(deadline))
            is_open = tunnel.receive_data(sock.recv(4096))
    except TimeoutError:
        raise too_late(proxy) from None
    except ProxyError:
        raise
    except OSError as error:
        raise broken_off(proxy, error) from error


def _through_socks(proxy: Proxy, uri: URI, deadline: float | None) -> socket.socket:
    with speaking_socks(proxy, uri) as arguments:
        from python_socks.sync import Proxy as Socks

        class Straight(Socks):
            """The way to the proxy itself, which python-socks asks for as for a way through another one."""

            def connect(self, dest_host: str, dest_port: int, timeout: float | None = None, **_: Any) -> socket.socket:
                return _Hurried(_reached(proxy, None, deadline), deadline)

        sock = Socks(**arguments, forward=Straight(**arguments)).connect(uri.host, uri.port)
        return socket.socket(fileno=sock.detach())


class _Hurried(socket.socket):
    """A socket with one deadline for all that is said on it, and not one for each call."""

    def __init__(self, sock: socket.socket, deadline: float | None) -> None:
        super().__init__(fileno=sock.detach())
        self._deadline = deadline

    def recv(self, size: int, flags: int = 0) -> bytes:
        self.settimeout(_left(self._deadline))
        return super().recv(size, flags)


def _left(deadline: float | None) -> float | None:
    """Seconds until the deadline.

    Raises:
        TimeoutError: there are none.
    """
    if deadline is None:
        return None
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("open_timeout is over")
    return left
