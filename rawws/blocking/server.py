"""Serving with blocking sockets: one thread for each connection."""

import contextlib
import errno
import logging
import selectors
import socket
import ssl as tls
import threading
from collections.abc import Callable, Iterable
from time import monotonic
from types import TracebackType
from typing import Self, TypeAlias, Unpack

from rawws.blocking.websocket import WebSocket
from rawws.core.agreement import Compression
from rawws.core.deflate import Deflate
from rawws.core.errors import NotOpen
from rawws.core.frames import CloseCode
from rawws.core.http1 import Request, ServerConnection
from rawws.core.states import State
from rawws.core.upgrade import SAME_ORIGIN, Origins
from rawws.endpoint import (
    HeadersLike,
    Options,
    Reception,
    Response,
    SelectSubprotocol,
    Tap,
    check_compression,
    check_options,
    limits_of,
    names,
    patience_of,
)
from rawws.session import ConnectionClosed

Handler: TypeAlias = Callable[[WebSocket], object]
ProcessRequest: TypeAlias = Callable[[Request], Response | None]

_logger = logging.getLogger("rawws.server")

# Out of file descriptors, or of memory.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server:
    """A WebSocket server, as `serve` makes it."""

    def __init__(
        self,
        handler: Handler,
        sockets: list[socket.socket],
        ssl: tls.SSLContext | None,
        reception: Reception,
        process_request: ProcessRequest | None,
        tap: Callable[[], Tap] | None,
        max_connections: int,
        options: Options,
    ) -> None:
        self.sockets = tuple(sockets)
        """The sockets that it listens on."""
        self._handler = handler
        self._ssl = ssl
        self._reception = reception
        self._process_request = process_request
        self._tap = tap
        self._limits = limits_of(options)
        self._patience = patience_of(options)
        self._slots = threading.BoundedSemaphore(max_connections)
        self._lock = threading.RLock()  # a handler of signals may call `close` in the middle of anything
        self._all: set[WebSocket] = set()
        self._threads: set[threading.Thread] = set()
        self._in_tls: set[socket.socket] = set()
        self._is_closed = threading.Event()
        self._accepting = 0  # threads in `serve_forever`
        self._waker, self._wakee = socket.socketpair()
        for sock in sockets:
            # A client that has left again since `select` saw it must not hold up the others.
            sock.setblocking(False)

    @property
    def port(self) -> int:
        """The port of the first of its sockets, for who listens on port 0."""
        port: int = self.sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> frozenset[WebSocket]:
        """The connections that are open now."""
        with self._lock:
            return frozenset(ws for ws in self._all if ws.state is State.OPEN)

    def serve_forever(self) -> None:
        """Accept connections until the server is closed, from another thread or by an exception in this one."""
        with self._lock:
            self._accepting += 1
        try:
            self._accept_all()
        finally:
            with self._lock:
                self._accepting -= 1
            self._put_away_waker()

    def _accept_all(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in (*self.sockets, self._wakee):
                # One that `close` has closed by now, in another thread, is passed over.
                with contextlib.suppress(OSError, ValueError):
                    selector.register(sock, selectors.EVENT_READ)
            while not self._is_closed.is_set():
                for key, _ in selector.select():
                    if key.fileobj in self.sockets:
                        self._accept(key.fileobj)

    def _put_away_waker(self) -> None:
        """Close what wakes `serve_forever`, but not under a thread that still sleeps: then it would never wake."""
        with self._lock:
            if self._is_closed.is_set() and not self._accepting:
                self._waker.close()
                self._wakee.close()

    def close(self, code: int = CloseCode.GOING_AWAY, reason: str = "") -> None:
        """Stop listening, close every connection, and wait for the handlers, for a second at most.

        From any thread but a handler's.
        """
        self._is_closed.set()
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")
        for sock in self.sockets:
            sock.close()
        with self._lock:
            connections, threads = list(self._all), list(self._threads)
            for sock in self._in_tls:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # Under TLS, which goes on in another thread.
        for ws in connections:
            if ws.state is State.CONNECTING:
                ws.abort()
            else:
                ws.start_close(code, reason)
        for ws in connections:
            ws.wait_closed()
        deadline = monotonic() + 1
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))
        self._put_away_waker()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- One connection -------------------------------------------------------------------------------------------

    def _accept(self, listening: socket.socket) -> None:
        # With every slot taken, the next client waits in the kernel's queue.
        while not self._slots.acquire(timeout=0.1):
            if self._is_closed.is_set():
                return
        try:
            sock, _ = listening.accept()
        except OSError as error:
            self._slots.release()
            if error.errno in _EXHAUSTED:
                self._is_closed.wait(0.1)  # It would be the same again at once.
            return
        # A handler that never ends must not keep the program from ending; `close` waits for the others.
        thread = threading.Thread(target=self._serve, args=(sock,), name="rawws connection", daemon=True)
        with self._lock:
            try:
                thread.start()
            except RuntimeError:  # There can be no more threads.
                sock.close()
                self._slots.release()
            else:
                self._threads.add(thread)

    def _serve(self, sock: socket.socket) -> None:
        """All of one connection, in a thread of its own."""
        began = monotonic()
        try:
            with contextlib.suppress(OSError):
                self._converse(self._wrapped(sock), began)
        finally:
            sock.close()
            self._slots.release()
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _wrapped(self, sock: socket.socket) -> socket.socket:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._ssl is None:
            return sock
        sock.settimeout(self._patience.opening)
        wrapped = self._ssl.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._in_tls.add(wrapped)
            late = self._is_closed.is_set()
        try:
            if not late:
                wrapped.do_handshake()
        except BaseException:
            wrapped.close()
            raise
        finally:
            with self._lock:
                self._in_tls.discard(wrapped)
        return wrapped

    def _converse(self, sock: socket.socket, began: float) -> None:
        tap = None if self._tap is None else self._tap()
        ws = WebSocket(sock, ServerConnection(limits=self._limits), self._patience, tap, began)
        with self._lock:
            self._all.add(ws)
            late = self._is_closed.is_set()
        try:
            if late:
                ws.abort()
            request = ws.opening_event()
            if isinstance(request, Request) and self._receive(ws, request):
                self._handle(ws)
            ws.wait_closed()
        finally:
            ws.abort()
            with self._lock:
                self._all.discard(ws)

    def _receive(self, ws: WebSocket, request: Request) -> bool:
        """Answer the opening handshake; whether the connection is open now."""
        ws.request = request
        try:
            response = None if self._process_request is None else self._process_request(request)
            return ws.answer(request, self._reception, response)
        except NotOpen:
            return False  # The server was closed meanwhile.
        except Exception:
            _logger.exception("a hook of the opening handshake raised")
        with contextlib.suppress(NotOpen):
            ws.answer(request, self._reception, Response(500))
        return False

    def _handle(self, ws: WebSocket) -> None:
        code = CloseCode.NORMAL
        try:
            self._handler(ws)
        except ConnectionClosed:
            pass
        except Exception:
            _logger.exception("the handler of a connection raised")
            code = CloseCode.INTERNAL_ERROR
        if ws.state is State.OPEN:
            ws.close(code)


def serve(
    handler: Handler,
    host: str | None = None,
    port: int | None = None,
    *,
    unix: str | None = None,
    sock: socket.socket | None = None,
    ssl: tls.SSLContext | None = None,
    subprotocols: Iterable[str] = (),
    select_subprotocol: SelectSubprotocol | None = None,
    origins: Origins = SAME_ORIGIN,
    compression: Compression | None = Deflate(),
    process_request: ProcessRequest | None = None,
    process_response: Callable[[Request], HeadersLike] | None = None,
    tap: Callable[[], Tap] | None = None,
    max_connections: int = 1000,
    backlog: int = 100,
    reuse_port: bool = False,
    **options: Unpack[Options],
) -> Server:
    """Listen for WebSocket connections: `with serve(…) as server: server.serve_forever()`.

    Args:
        handler: called with each open `WebSocket`, in a thread of its own; when it returns the connection is closed
            with 1000, when it raises with 1011 and a line in the log "rawws.server".  It may let `ConnectionClosed`
            pass.
        host: the address or name to listen on; None for all.
        port: the port; 0 for any that is free.
        unix: the path of a Unix socket to listen on, in place of host and port.
        sock: a bound socket, in place of them.
        ssl: a context with a certificate, for wss://.
        subprotocols: the ones spoken here; the first that the client offers and that is among them is chosen.
        select_subprotocol: chooses among those offered, in place of that rule.
        origins: the pages that may connect (section 10.2): `SAME_ORIGIN`, None for any, or a sequence of origins, of
            compiled patterns, and of None for who is no page.
        compression: on what terms, such as `rawws.Deflate(level=6)`, messages are compressed for clients that offer it
            (RFC 7692); None turns it off.
        process_request: sees each HTTP request before it is judged, and may give a `Response` in place of the
            upgrade: a health check, a page, a refusal.
        process_response: gives header fields to add to a 101.
        tap: called for each connection; gives who listens on its wire.
        max_connections: connections, and so threads, at once; beyond it clients wait to be accepted.
        backlog: how many wait in the kernel's queue.
        reuse_port: let other processes listen on the port too.
        options: see `Options`.
    """
    check_options(options)
    check_compression(compression)
    reception = Reception(names(subprotocols), select_subprotocol, origins, compression, process_response)
    sockets = _listening(host, port, unix, sock, backlog, reuse_port)
    return Server(handler, sockets, ssl, reception, process_request, tap, max_connections, options)


def _listening(
    host: str | None, port: int | None, unix: str | None, sock: socket.socket | None, backlog: int, reuse_port: bool
) -> list[socket.socket]:
    if unix is not None:
        sock = _bound_to(unix)
    if sock is not None:
        sock.listen(backlog)
        return [sock]
    found = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            # "localhost" has two addresses; with port 0 both get the port that the first one found.
            at = (address[0], sockets[0].getsockname()[1] if sockets and not port else address[1])
            sockets.append(socket.create_server(at, family=family, backlog=backlog, reuse_port=reuse_port))
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bound_to(path: str) -> socket.socket:
    from pathlib import Path  # Few listen there, and it takes a while to import.

    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # As asyncio does: a server that has ended leaves its socket behind.  Nothing else is removed.
        if Path(path).is_socket():
            Path(path).unlink()
        sock.bind(path)
    except BaseException:
        sock.close()
        raise
    return sock
