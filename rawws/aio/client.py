"""Connecting with asyncio."""

import asyncio
import os
import socket
import ssl as tls
from collections.abc import Callable, Generator, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Unpack

from rawws.aio.websocket import WebSocket
from rawws.core.agreement import Compression
from rawws.core.http1 import Connected, Rejected, Request
from rawws.endpoint import (
    USER_AGENT,
    HandshakeRejected,
    HeadersLike,
    Options,
    Tap,
    check_compression,
    check_options,
    client_connection,
    limits_of,
    names,
    opening_failed,
    patience_of,
)
from rawws.uri import is_address, parse


class connect:
    """Connect to a WebSocket server.

        async with connect("wss://example.com/feed") as ws: ...
        ws = await connect("ws://localhost:8765")

    Args:
        uri: `ws://` or `wss://`; with a user and a password in it they are sent as Basic credentials.
        headers: fields to add to the request.
        origin: the page that we claim to be (section 10.2).
        subprotocols: offered in this order of preference.
        compression: what to offer, such as `rawws.Deflate()` (RFC 7692); None offers nothing.
        user_agent: the header of that name; None for none.
        ssl: a context for wss://; the default one verifies the server.
        unix: the path of a Unix socket to connect to, in place of the host in `uri`.
        sock: a connected socket, in place of it.
        tap: who listens on the wire.
        random: gives that many bytes nobody can predict.
        options: see `Options`.

    Raises:
        ValueError: `uri` is none.
        OSError: the network, the name, or TLS.
        TimeoutError: `open_timeout` is over.
        HandshakeRejected: the server answered with another status.
        RemoteProtocolError: the server's answer breaks a rule of the opening handshake.
    """

    def __init__(
        self,
        uri: str,
        *,
        headers: HeadersLike = (),
        origin: str | None = None,
        subprotocols: Iterable[str] = (),
        compression: Compression | None = None,
        user_agent: str | None = USER_AGENT,
        ssl: tls.SSLContext | None = None,
        unix: str | None = None,
        sock: socket.socket | None = None,
        tap: Tap | None = None,
        random: Callable[[int], bytes] = os.urandom,
        **options: Unpack[Options],
    ) -> None:
        check_options(options)
        check_compression(compression)
        self._uri = parse(uri)
        self._patience = patience_of(options)
        self._new_connection = partial(
            client_connection,
            self._uri,
            headers,
            origin,
            names(subprotocols),
            compression,
            user_agent,
            limits_of(options),
            random,
        )
        self._place = self._where(ssl, unix, sock)
        self._unix = unix
        self._tap = tap

    def _where(self, ssl: tls.SSLContext | None, unix: str | None, sock: socket.socket | None) -> dict[str, Any]:
        place: dict[str, Any] = {}
        if self._uri.secure:
            place["ssl"] = tls.create_default_context() if ssl is None else ssl
            place["server_hostname"] = self._uri.host
            place["ssl_shutdown_timeout"] = self._patience.closing
        elif ssl is not None:
            raise ValueError("an ssl context needs a wss:// URI")
        if sock is not None:
            return place | {"sock": sock}
        if unix is not None:
            return place | {"path": unix}
        return place | {"host": self._uri.host, "port": self._uri.port}

    async def _way(self, loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
        """How to get there: if the name has addresses of both families, they race (RFC 8305 recommends 250 ms).

        Otherwise not: asyncio's race loses a socket when it is cancelled at the wrong moment.
        """
        host = self._place.get("host")
        if host is None or is_address(host):
            return {}
        found = await loop.getaddrinfo(host, self._uri.port, type=socket.SOCK_STREAM)
        if len(found) == 1:
            return {"host": found[0][4][0]}  # It need not be looked up again.
        return {"happy_eyeballs_delay": 0.25} if len({family for family, *_ in found}) > 1 else {}

    async def _connect(self) -> WebSocket:
        loop = asyncio.get_running_loop()
        connection = self._new_connection()
        opened: asyncio.Future[Request | Connected | Rejected | None] = loop.create_future()

        def on_opening(ws: WebSocket, event: Request | Connected | Rejected | None) -> None:
            if not opened.done():
                opened.set_result(event)

        def new() -> WebSocket:
            return WebSocket(connection, self._patience, on_opening, self._tap)

        ws: WebSocket | None = None
        try:
            async with asyncio.timeout(self._patience.opening):
                if self._unix is None:
                    _, ws = await loop.create_connection(new, **self._place | await self._way(loop))
                else:
                    _, ws = await loop.create_unix_connection(new, **self._place)
                event = await opened
        except BaseException:
            if ws is not None:
                ws.abort()
            raise
        if isinstance(event, Connected):
            ws.response = event
            return ws
        ending = ws.closed
        ws.abort()
        if isinstance(event, Rejected):
            raise HandshakeRejected(event)
        raise opening_failed(ending)

    def __await__(self) -> Generator[Any, None, WebSocket]:
        return self._connect().__await__()

    async def __aenter__(self) -> WebSocket:
        self._ws = await self._connect()
        return self._ws

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._ws.__aexit__(kind, error, trace)
