"""Connecting with a blocking socket."""

import os
import socket
import ssl as tls
import threading
from collections.abc import Callable, Iterable
from functools import partial
from time import monotonic, time
from typing import Self, Unpack

from rawws.backoff import Attempts, Backoff, Retry
from rawws.blocking.way import Way
from rawws.blocking.websocket import WebSocket
from rawws.core.agreement import Compression
from rawws.core.http1 import Connected, Rejected
from rawws.endpoint import USER_AGENT, HeadersGiven, Options, Tap, opening_failed
from rawws.plan import Plan, check_way, plan
from rawws.proxies import ProxyLike
from rawws.route import ConnectOptions


def connect(
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
) -> WebSocket:
    """Connect to a WebSocket server: `with connect("ws://localhost:8765") as ws`.

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
    going = plan(uri, headers, origin, subprotocols, compression, user_agent, redirects, random, options).begin()
    check_way(going, ssl is not None, unix is not None or sock is not None)
    way = Way(ssl, unix, sock, proxy, proxy_ssl)
    began = monotonic()
    while True:
        ws = _open(going, way, tap, began)
        answer = _shake_hands(ws)
        if answer is None:
            ws.redirects = going.redirects
            return ws
        going = going.after(answer)


def _open(plan: Plan, way: Way, tap: Tap | None, began: float) -> WebSocket:
    """A WebSocket that is connected where the plan says, and is to shake hands."""
    connection, opening = plan.connection(), plan.patience.opening
    sock = way.lead(plan.uri, None if opening is None else began + opening)
    return WebSocket(sock, connection, plan.patience, tap, began)


def _shake_hands(ws: WebSocket) -> Rejected | None:
    """Wait for the answer; what it is if the connection is not open then."""
    try:
        event = ws.opening_event()
    except BaseException:
        ws.abort()
        raise
    if isinstance(event, Connected):
        ws.response = event
        return None
    ending = ws.closed
    ws.abort()
    if isinstance(event, Rejected):
        return event
    raise opening_failed(ending)


def reconnect(
    uri: str, *, backoff: Backoff = Backoff(), retry: Retry | None = None, **options: Unpack[ConnectOptions]
) -> "Reconnecting":
    """Connect, and connect again whenever the connection has ended.

        for ws in reconnect("wss://example.com/feed"):
            with ws:
                ...

    When the body is done with a connection, or goes on with `continue`, that is closed if it still is open, and the
    next one is waited for: after a delay as `backoff` says, and another one after each failure.  What the body raises
    ends the loop, `ConnectionClosed` too.  From another thread `stop` ends it; behind the loop nothing goes on.

    Args:
        uri: as for `connect`.
        backoff: how long to wait.
        retry: called with each failure of `connect`: True to try again, False to raise it, None for what is done
            without it: the network, `open_timeout`, 408, 425, 429 and most of 5xx are tried again (Retry-After is
            heeded), all else is raised.
        options: those of `connect`.  `headers` may be called for new ones each time.
    """
    if options.get("sock") is not None:
        raise ValueError("a socket that is given can be connected once, and not again")
    return Reconnecting(partial(connect, uri, **options), backoff, retry, options.get("random", os.urandom))


class Reconnecting:
    """Iterates over connections; `reconnect` makes it."""

    def __init__(
        self,
        connecting: Callable[[], WebSocket],
        backoff: Backoff,
        retry: Retry | None,
        random: Callable[[int], bytes],
    ) -> None:
        self._connecting = connecting
        self._attempts = Attempts(backoff, retry, random)
        self._ws: WebSocket | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End the loop, from any thread, and wait for nothing.

        A delay ends at once, the connection that is open is being closed, as by `start_close`, and an attempt to
        connect has the rest of `open_timeout`.
        """
        self._stopped.set()
        if self._ws is not None:
            self._ws.start_close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WebSocket:
        if self._ws is not None:
            self._ws.close()
        while not self._stopped.wait(self._attempts.next_delay(monotonic())):
            try:
                ws = self._connecting()
            except Exception as error:
                if not self._attempts.failed(error, time()):
                    raise
            else:
                self._attempts.opened(monotonic())
                self._ws = ws
                if not self._stopped.is_set():
                    return ws
                ws.close()
        raise StopIteration
