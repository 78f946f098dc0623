"""Connecting with a blocking socket."""

import os
import socket
import ssl as tls
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Unpack

from rawws.blocking.websocket import WebSocket
from rawws.core.agreement import Compression
from rawws.core.http1 import Connected, Rejected
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
from rawws.uri import URI, parse


def connect(
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
) -> WebSocket:
    """Connect to a WebSocket server: `with connect("ws://localhost:8765") as ws`.

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
    check_options(options)
    check_compression(compression)
    where = parse(uri)
    if ssl is not None and not where.secure:
        raise ValueError("an ssl context needs a wss:// URI")
    connection = client_connection(
        where, headers, origin, names(subprotocols), compression, user_agent, limits_of(options), random
    )
    patience = patience_of(options)
    began = monotonic()
    deadline = None if patience.opening is None else began + patience.opening
    sock = _open_socket(where, ssl, unix, sock, deadline)
    ws = WebSocket(sock, connection, patience, tap, began)
    try:
        _shake_hands(ws)
    except BaseException:
        ws.abort()
        raise
    return ws


def _open_socket(
    uri: URI, ssl: tls.SSLContext | None, unix: str | None, sock: socket.socket | None, deadline: float | None
) -> socket.socket:
    """A connected socket, with TLS if the URI asks for it."""
    if sock is None:
        sock = _connected(uri, unix, deadline)
    try:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if uri.secure:
            sock.settimeout(_left(deadline))
            context = tls.create_default_context() if ssl is None else ssl
            return context.wrap_socket(sock, server_hostname=uri.host)
    except BaseException:
        sock.close()
        raise
    return sock


def _connected(uri: URI, unix: str | None, deadline: float | None) -> socket.socket:
    if unix is None:
        return socket.create_connection((uri.host, uri.port), _left(deadline))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(_left(deadline))
        sock.connect(unix)
    except BaseException:
        sock.close()
        raise
    return sock


def _left(deadline: float | None) -> float | None:
    """Seconds until the deadline; a moment at least, for 0 would mean not to wait at all."""
    return None if deadline is None else max(0.001, deadline - monotonic())


def _shake_hands(ws: WebSocket) -> None:
    event = ws.opening_event()
    if isinstance(event, Connected):
        ws.response = event
    elif isinstance(event, Rejected):
        raise HandshakeRejected(event)
    else:
        raise opening_failed(ws.closed)
