"""How to get to a server with asyncio: straight, with TLS, through a proxy, or over a socket that is there already."""

import asyncio
import socket
import ssl as tls
from collections.abc import Callable
from typing import Any, TypeVar

from rawws.aio.carrier import Carrier
from rawws.patience import Patience
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
from rawws.uri import URI, is_address

Made = TypeVar("Made", bound=Carrier)

_FOR_EVER = 1e9
"""python-socks takes None for a minute.  The time is measured by who calls."""


class _Asking(asyncio.Protocol):
    """Speaks with the proxy until the tunnel is open."""

    def __init__(self, proxy: Proxy, uri: URI) -> None:
        self._proxy = proxy
        self._tunnel = Tunnel(proxy, uri)
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:  # Like an `asyncio.Transport`; uvloop has its own.
        self._transport = transport
        transport.write(self._tunnel.request)

    def data_received(self, data: bytes) -> None:
        try:
            is_open = self._tunnel.receive_data(data)
        except ProxyError as error:
            self._fail(error)
        else:
            if is_open and not self.opened.done():
                assert self._transport is not None
                self._transport.pause_reading()  # Whatever comes now is for who takes over.
                self.opened.set_result(None)

    def eof_received(self) -> None:
        self.data_received(b"")

    def connection_lost(self, error: Exception | None) -> None:
        if isinstance(error, OSError):
            self._fail(broken_off(self._proxy, error))
        else:
            self.data_received(b"")

    async def opened_transport(self) -> asyncio.Transport:
        """The transport, once the tunnel is open.

        Raises:
            ProxyError: it will not be.
        """
        assert self._transport is not None
        try:
            await self.opened
        except BaseException:
            self._transport.abort()
            raise
        return self._transport

    def _fail(self, error: ProxyError) -> None:
        if not self.opened.done():
            self.opened.set_exception(error)
            self.opened.exception()  # Who was cancelled before he waited for it is not to be told.


class Way(Route):
    """How to get to a server."""

    async def lead(self, uri: URI, new: Callable[[], Made], patience: Patience, deadline: float | None) -> Made:
        """A connection, made by `new`, whose other end is the server of `uri`.

        Args:
            deadline: on the clock of the loop.

        Raises:
            OSError, TimeoutError, ProxyError, ImportError, ValueError: see `connect`.
        """
        proxy = self.through(uri)
        if proxy is None:
            async with asyncio.timeout_at(deadline):
                return await self._straight(uri, new, self._secured(uri, patience))
        try:
            async with asyncio.timeout_at(deadline):
                reached = await (self._tunnel(proxy, uri) if proxy.is_http else _through_socks(proxy, uri))
        except TimeoutError:
            raise too_late(proxy) from None
        async with asyncio.timeout_at(deadline):
            if isinstance(reached, socket.socket):
                return await _connected(new, sock=reached, **self._secured(uri, patience))
            return await _take_over(reached, new(), self._secured(uri, patience))

    def _secured(self, uri: URI, patience: Patience) -> dict[str, Any]:
        """What the loop has to know about TLS."""
        if not uri.secure:
            return {}
        return {"ssl": self.context, "server_hostname": uri.host, "ssl_shutdown_timeout": patience.closing}

    async def _straight(self, uri: URI, new: Callable[[], Made], secured: dict[str, Any]) -> Made:
        if self.unix is not None:
            _, ws = await asyncio.get_running_loop().create_unix_connection(new, self.unix, **secured)
            return ws
        place = await _place(uri.host, uri.port) if self.sock is None else {"sock": self.sock}
        return await _connected(new, **place, **secured)

    async def _tunnel(self, proxy: Proxy, uri: URI) -> asyncio.Transport:
        """A transport whose other end is the server of `uri`, through an HTTP proxy.  Reading it is paused."""
        secured: dict[str, Any] = {}
        if proxy.scheme == "https":
            secured = {"ssl": self.proxy_context, "server_hostname": proxy.host}
        try:
            place = await _place(proxy.host, proxy.port)
            asking = await _connected(lambda: _Asking(proxy, uri), **place, **secured)
        except OSError as error:
            raise unreachable(proxy, error) from error
        return await asking.opened_transport()


_Made = TypeVar("_Made", bound=asyncio.BaseProtocol)


async def _connected(new: Callable[[], _Made], **place: Any) -> _Made:
    _, made = await asyncio.get_running_loop().create_connection(new, **place)
    return made


async def _place(host: str, port: int) -> dict[str, Any]:
    """Where to connect: if the name has addresses of both families, they race (RFC 8305 recommends 250 ms).

    Otherwise not: asyncio's race loses a socket when it is cancelled at the wrong moment.
    """
    place: dict[str, Any] = {"host": host, "port": port}
    if is_address(host):
        return place
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if len(found) == 1:
        address, _, *more = found[0][4]
        scope = f"%{more[1]}" if more and more[1] else ""  # An address of one link (RFC 4007) is none without it.
        return place | {"host": f"{address}{scope}"}  # It need not be looked up again.
    return place | ({"happy_eyeballs_delay": 0.25} if len({family for family, *_ in found}) > 1 else {})


async def _take_over(transport: asyncio.Transport, ws: Made, secured: dict[str, Any]) -> Made:
    """Let `ws` have a transport that somebody else has used before; over it goes TLS, if that is `secured`."""
    try:
        if secured:
            context = secured.pop("ssl")
            encrypted = await asyncio.get_running_loop().start_tls(transport, ws, context, **secured)
            assert encrypted is not None
            transport = encrypted
        else:
            transport.set_protocol(ws)
        ws.connection_made(transport)
    except BaseException as error:
        transport.abort()
        if isinstance(error, TypeError) and isinstance(error.__context__, tls.SSLError):
            # TLS in TLS hides what is wrong up to Python 3.12.1: https://github.com/python/cpython/issues/113214
            raise error.__context__ from None
        raise
    transport.resume_reading()
    return ws


async def _through_socks(proxy: Proxy, uri: URI) -> socket.socket:
    """A socket whose other end is the server of `uri`, through a SOCKS proxy."""
    with speaking_socks(proxy, uri) as arguments:
        from python_socks.async_.asyncio import Proxy as Socks

        sock: socket.socket = await Socks(**arguments).connect(uri.host, uri.port, timeout=_FOR_EVER)
        return sock
