"""Serving with asyncio."""

import asyncio
import contextlib
import inspect
import logging
import socket
import ssl as tls
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar, Unpack

from rawws.aio.carrier import Carrier
from rawws.aio.websocket import WebSocket
from rawws.core.agreement import Compression
from rawws.core.deflate import Deflate
from rawws.core.errors import LocalProtocolError, NotOpen
from rawws.core.frames import CloseCode
from rawws.core.http1 import Connected, Rejected, Request, ServerConnection
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

Handler: TypeAlias = Callable[[WebSocket], Awaitable[object]]
Made = TypeVar("Made", bound=Carrier)
ProcessRequest: TypeAlias = Callable[[Request], Response | Awaitable[Response | None] | None]

_logger = logging.getLogger("rawws.server")


class Listener(Generic[Made]):
    """A server, whatever its connections are made of."""

    def __init__(
        self,
        reception: Reception,
        process_request: ProcessRequest | None,
        tap: Callable[[], Tap] | None,
        max_opening: int,
        options: Options,
        listen: dict[str, Any],
    ) -> None:
        check_options(options)
        self._reception = reception
        self._process_request = process_request
        self._tap = tap
        self._max_opening = max_opening
        self._limits = limits_of(options)
        self._patience = patience_of(options)
        self._listen = listen
        self._opening: set[Made] = set()
        self._open: set[Made] = set()
        self._tasks: dict[Made, asyncio.Task[None]] = {}  # until they end, which may be after the connection
        self._forgets = self._forget  # made once, for all connections
        self._closed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The sockets that it listens on."""
        return () if self._server is None else tuple(self._server.sockets)

    @property
    def port(self) -> int:
        """The port of the first of them, for who listens on port 0."""
        port: int = self.sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> frozenset[Made]:
        """The connections that are open now."""
        return frozenset(self._open)

    async def serve_forever(self) -> None:
        """Wait until the server is closed.  Cancelling it closes the server."""
        try:
            await self._closed.wait()
        finally:
            await self.close()

    async def close(self, code: int = CloseCode.GOING_AWAY, reason: str = "") -> None:
        """Stop listening, close every connection, and wait for the handlers.

        A handler that does not end within a second of the end of its connection is cancelled.
        """
        self._closed.set()
        if self._server is None:
            return
        self._server.close()
        for ws in list(self._opening):
            ws.abort()
        ends = await asyncio.gather(*(ws.close(code, reason) for ws in self._open), return_exceptions=True)
        tasks = {*self._tasks.values()} - {asyncio.current_task()}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=1)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        # What is left now is stuck in TLS.  From Python 3.12 on this waits for it; 3.13 can drop it.
        getattr(self._server, "abort_clients", lambda: None)()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._server.wait_closed()
        for error in ends:
            if error is not None:
                raise error

    async def _start(self) -> Self:
        """Begin to listen; nothing happens if it has begun, so that a server that was awaited can be a context too."""
        if self._server is not None:
            return self
        self._loop = loop = asyncio.get_running_loop()
        start = loop.create_unix_server if "path" in self._listen else loop.create_server
        self._server = await start(self._new, **self._listen)
        if len(self.sockets) > 1 and not self._listen.get("port"):
            # "localhost" has two addresses; with port 0 both get the port that the first one found.
            self._listen["port"] = self.port
            self._server.close()
            self._server = await start(self._new, **self._listen)
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self._start().__await__()

    async def __aenter__(self) -> Self:
        return await self._start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- One connection -------------------------------------------------------------------------------------------

    def _new(self) -> Made:
        tap = None if self._tap is None else self._tap()
        connection = ServerConnection(limits=self._limits)
        return self._make(connection, self._patience, self._on_opening, tap, self._on_made)

    def _make(self, *args: Any) -> Made:
        """A connection that begins with these arguments."""
        raise NotImplementedError

    def _on_made(self, ws: Made) -> None:
        """TCP is there, and TLS with it.  What fails in TLS is never heard of again, so it is not counted before."""
        if len(self._opening) >= self._max_opening or self._closed.is_set():
            ws.abort()
        else:
            self._opening.add(ws)
            ws.on_gone(self._forgets)

    def _forget(self, ws: Made) -> None:
        self._opening.discard(ws)
        self._open.discard(ws)
        if ws in self._tasks and self._tasks[ws].done():
            del self._tasks[ws]  # It was cancelled before it began.

    def _on_opening(self, ws: Made, event: Request | Connected | Rejected | None) -> None:
        if isinstance(event, Request):
            ws.request = event
            if self._process_request is not None:
                self._let_run(ws, self._receive(ws, event, self._process_request))
            elif self._is_let_in(ws, event, None):
                self._open_to(ws)
        # Otherwise it is refused, or gone; until TCP has ended it counts.

    def _let_run(self, ws: Made, work: Coroutine[Any, Any, None]) -> None:
        """Let a task do this for a connection, which takes itself out of `_tasks`: nobody else has to be called."""
        assert self._loop is not None
        self._tasks[ws] = self._loop.create_task(work, name="connection of rawws")

    def _open_to(self, ws: Made) -> None:
        """It is open."""
        raise NotImplementedError

    async def _receive(self, ws: Made, request: Request, process_request: ProcessRequest) -> None:
        """Answer the opening handshake when its hook has thought about it."""
        try:
            response = process_request(request)
            if inspect.isawaitable(response):
                response = await response
        except asyncio.CancelledError:
            ws.abort()
            raise
        except Exception:
            _logger.exception("a hook of the opening handshake raised")
            response = Response(500)
        finally:
            del self._tasks[ws]
        if self._is_let_in(ws, request, response):
            self._open_to(ws)

    def _is_let_in(self, ws: Made, request: Request, response: Response | None) -> bool:
        is_open = self._answer(ws, request, response)
        if is_open:
            self._open.add(ws)
            self._opening.discard(ws)
        return is_open

    def _answer(self, ws: Made, request: Request, response: Response | None) -> bool:
        try:
            return ws.answer(request, self._reception, response)
        except NotOpen:
            return False  # The client has left, or was told that it took too long.
        except Exception:
            _logger.exception("a hook of the opening handshake raised")
        with contextlib.suppress(LocalProtocolError):  # It may have been a tap that raised, at our answer.
            ws.answer(request, self._reception, Response(500))
        return False


class Server(Listener[WebSocket]):
    """A WebSocket server, as `serve` makes it."""

    def __init__(self, handler: Handler, *args: Any) -> None:
        super().__init__(*args)
        self._handler = handler

    def _make(self, *args: Any) -> WebSocket:
        return WebSocket(*args)

    def _open_to(self, ws: WebSocket) -> None:
        self._let_run(ws, self._converse(ws))

    async def _converse(self, ws: WebSocket) -> None:
        """All of an open connection.  One coroutine does it: each more would be there as long as the connection."""
        code = CloseCode.NORMAL
        try:
            await self._handler(ws)
        except ConnectionClosed:
            pass
        except asyncio.CancelledError:
            ws.abort()
            raise
        except Exception:
            code = CloseCode.INTERNAL_ERROR
            _logger.exception("the handler of a connection raised")
        finally:
            del self._tasks[ws]
            if ws.state is State.OPEN:
                ws.start_close(code)


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
    max_opening: int = 1000,
    backlog: int = 100,
    reuse_port: bool | None = None,
    **options: Unpack[Options],
) -> Server:
    """Serve WebSocket connections: `async with serve(…) as server`, or `server = await serve(…)`.

    Args:
        handler: called with each open `WebSocket`; when it returns the connection is closed with 1000, when it raises
            with 1011 and a line in the log "rawws.server".  It may let `ConnectionClosed` pass.
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
            upgrade: a health check, a page, a refusal.  May be a coroutine function.
        process_response: gives header fields to add to a 101.
        tap: called for each connection; gives who listens on its wire.  What that raises ends the connection.
        max_opening: opening handshakes at once; beyond it, connections are dropped.
        backlog, reuse_port: as for `asyncio.loop.create_server`.
        options: see `Options`.
    """
    listen = where_to_listen(host, port, unix, sock, ssl, options, backlog=backlog, reuse_port=reuse_port)
    check_compression(compression)
    reception = Reception(names(subprotocols), select_subprotocol, origins, compression, process_response)
    return Server(handler, reception, process_request, tap, max_opening, options, listen)


def where_to_listen(
    host: str | None,
    port: int | None,
    unix: str | None,
    sock: socket.socket | None,
    ssl: tls.SSLContext | None,
    options: Options,
    *,
    backlog: int,
    reuse_port: bool | None,
) -> dict[str, Any]:
    """The arguments for the loop."""
    listen: dict[str, Any] = {"backlog": backlog}
    if ssl is not None:
        patience = patience_of(options)
        listen |= {"ssl": ssl, "ssl_handshake_timeout": patience.opening, "ssl_shutdown_timeout": patience.closing}
    if unix is not None:
        return listen | {"path": unix}
    if sock is not None:
        return listen | {"sock": sock}
    return listen | {"host": host, "port": port, "reuse_port": reuse_port}
