"""Connecting with asyncio."""

import asyncio
import os
import socket
import ssl as tls
from collections.abc import Callable, Generator, Iterable
from time import time
from types import TracebackType
from typing import Any, Self, Unpack

from rawws.aio.way import Way
from rawws.aio.websocket import WebSocket
from rawws.backoff import Attempts, Backoff, Retry
from rawws.core.agreement import Compression
from rawws.core.http1 import Connected, Rejected, Request
from rawws.endpoint import USER_AGENT, HeadersGiven, Options, Tap, opening_failed
from rawws.plan import Plan, check_way, plan
from rawws.proxies import ProxyLike
from rawws.route import ConnectOptions


class connect:
    """Connect to a WebSocket server.

        async with connect("wss://example.com/feed") as ws: ...
        ws = await connect("ws://localhost:8765")
        async for ws in connect("wss://example.com/feed"): ...      # connects again: see `reconnect`

    Args:
        uri: `ws://` or `wss://`; with a user and a password in it they are sent as Basic credentials.
        headers: fields to add to the request, or what gives them for each attempt.
        origin: the page that we claim to be (section 10.2).
        subprotocols: offered in this order of preference.
        compression: what to offer, such as `rawws.Deflate()` (RFC 7692); None offers nothing.
        user_agent: the header of that name; None for none.
        ssl: a context for wss://; the default one verifies the server, also behind a proxy.
        unix: the path of a Unix socket to connect to, in place of the host in `uri`.
        sock: a connected socket, in place of it.
        proxy: through which to connect: "http://user:password@host:port", or https, socks5, socks5h, socks4, socks4a;
            True for the one that the environment names (`https_proxy`, `all_proxy`, …, `no_proxy`), if it names one,
            and None for none.
        proxy_ssl: a context for a proxy at https://; the default one verifies it.
        redirects: how many are followed, never from wss to ws.  `headers` and the user of the URI do not go to another
            origin.  `ws.redirects` tells where they led.
        tap: who listens on the wire: to what is said with the server, and with the next one after a redirect.
        random: gives that many bytes nobody can predict.
        options: see `Options`.

    Raises:
        ValueError: `uri` is none, or the address of the proxy is none.
        OSError: the network, the name, or TLS.
        ProxyError: the proxy is not there or refuses; it is an OSError too.
        ImportError: for a SOCKS proxy, `rawws[proxy]` is not installed.
        TimeoutError: `open_timeout` is over.
        HandshakeRejected: the server answered with another status, or with a redirect that is not followed.
        RemoteProtocolError: the server's answer breaks a rule of the opening handshake.
    """

    def __init__(
        self,
        uri: str,
        *,
        headers: HeadersGiven = (),
        origin: str | None = None,
        subprotocols: Iterable[str] = (),
        compression: Compression | None = None,
        user_agent: str | None = USER_AGENT,
        ssl: tls.SSLContext | None = None,
        unix: str | None = None,
        sock: socket.socket | None = None,
        proxy: ProxyLike = True,
        proxy_ssl: tls.SSLContext | None = None,
        redirects: int = 0,
        tap: Tap | None = None,
        random: Callable[[int], bytes] = os.urandom,
        **options: Unpack[Options],
    ) -> None:
        self._plan = plan(uri, headers, origin, subprotocols, compression, user_agent, redirects, random, options)
        check_way(self._plan, ssl is not None, unix is not None or sock is not None)
        if ssl is None and self._plan.uri.secure:
            ssl = tls.create_default_context()  # Once, for there may be many attempts.
        self._way = Way(ssl, unix, sock, proxy, proxy_ssl)
        self._tap = tap
        self._random = random

    _make: Callable[..., Any] = WebSocket
    """Makes what a connection is."""

    async def _connect(self) -> WebSocket:
        plan, opening = self._plan.begin(), self._plan.patience.opening
        deadline = None if opening is None else asyncio.get_running_loop().time() + opening
        while True:
            ws, event = await self._ask(plan, deadline)
            if isinstance(event, Connected):
                ws.response, ws.redirects = event, plan.redirects
                return ws
            ending = ws.closed
            ws.abort()
            if event is None:
                raise opening_failed(ending)
            plan = plan.after(event)

    async def _ask(self, plan: Plan, deadline: float | None) -> tuple[WebSocket, Connected | Rejected | None]:
        """Connect where the plan says, and ask for what it says; None for no answer."""
        connection = plan.connection()
        opened: asyncio.Future[Connected | Rejected | None] = asyncio.get_running_loop().create_future()

        def on_opening(ws: WebSocket, event: Request | Connected | Rejected | None) -> None:
            assert not isinstance(event, Request)
            if not opened.done():
                opened.set_result(event)

        def new() -> Any:
            return self._make(connection, plan.patience, on_opening, self._tap)

        ws = await self._way.lead(plan.uri, new, plan.patience, deadline)
        try:
            async with asyncio.timeout_at(deadline):
                return ws, await opened
        except BaseException:
            ws.abort()
            raise

    def __aiter__(self) -> "Reconnecting":
        """Connect again whenever the connection has ended: `reconnect` with what it does by default."""
        return Reconnecting(self, Backoff(), None, self._random)

    def __await__(self) -> Generator[Any, None, WebSocket]:
        return self._connect().__await__()

    async def __aenter__(self) -> WebSocket:
        self._ws = await self._connect()
        return self._ws

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._ws.__aexit__(kind, error, trace)


def reconnect(
    uri: str, *, backoff: Backoff = Backoff(), retry: Retry | None = None, **options: Unpack[ConnectOptions]
) -> "Reconnecting":
    """Connect, and connect again whenever the connection has ended.

        async for ws in reconnect("wss://example.com/feed"):
            async with ws:
                ...

    When the body is done with a connection, or goes on with `continue`, that is closed if it still is open, and the
    next one is awaited: after a delay as `backoff` says, and another one after each failure.  What the body raises ends
    the loop, `ConnectionClosed` too.  To end it from outside, cancel the task; behind the loop nothing goes on.

    Args:
        uri: as for `connect`.
        backoff: how long to wait.
        retry: called with each failure of `connect`: True to try again, False to raise it, None for what is done
            without it: the network, `open_timeout`, 408, 425, 429 and most of 5xx are tried again (Retry-After is
            heeded), all else is raised.
        options: those of `connect`.  `headers` may be called for new ones each time.
    """
    return Reconnecting(connect(uri, **options), backoff, retry, options.get("random", os.urandom))


class Reconnecting:
    """Iterates over connections; `reconnect` makes it."""

    def __init__(
        self, connecting: connect, backoff: Backoff, retry: Retry | None, random: Callable[[int], bytes]
    ) -> None:
        if connecting._way.sock is not None:
            raise ValueError("a socket that is given can be connected once, and not again")
        self._connecting = connecting
        self._attempts = Attempts(backoff, retry, random)
        self._ws: WebSocket | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WebSocket:
        loop = asyncio.get_running_loop()
        if self._ws is not None:
            await self._ws.close()
        while True:
            await asyncio.sleep(self._attempts.next_delay(loop.time()))
            try:
                self._ws = await self._connecting
            except Exception as error:
                if not self._attempts.failed(error, time()):
                    raise
            else:
                self._attempts.opened(loop.time())
                return self._ws
