"""`rawws serve`: an echo server, and a page that makes a browser its client."""

import argparse
import asyncio
import errno
import logging
import os
import signal
import socket
import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from itertools import count
from typing import Any

from rawws.aio import Server, WebSocket, serve
from rawws.cli.options import Address, add_compression, address, agreed_json, compression_of, size
from rawws.cli.terminal import Exit, Terminal, Trouble
from rawws.cli.watch import Watch
from rawws.core.errors import RemoteProtocolError
from rawws.core.http1 import Request
from rawws.core.rules import METHOD, UPGRADE_MISSING
from rawws.core.settings import Role
from rawws.core.upgrade import SAME_ORIGIN, UpgradeRequest, refusal
from rawws.endpoint import Response

USAGE = "[options] [HOST:PORT]"

SUMMARY = "An echo server: what a client sends comes back. For a browser there is a page."

EPILOG = """\
It ends with Ctrl-C, and tells every client 1001, going away.

examples:
  rawws serve
  rawws serve -v :9000               who connects, each handshake, each frame
  rawws serve --tls cert.pem key.pem
  rawws serve --json -v | jq 'select(.event == "frame")'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `rawws serve` takes."""
    parser.add_argument(
        "address",
        nargs="?",
        type=address,
        default="localhost:8765",
        metavar="HOST:PORT",
        help="localhost:8765; :8765 is on all addresses, port 0 any that is free",
    )
    parser.add_argument("--unix", metavar="PATH", help="listen on a Unix socket instead")
    parser.add_argument(
        "--tls", nargs=2, metavar=("CERT", "KEY"), help="serve wss:// with this certificate and key (PEM)"
    )
    parser.add_argument("--subprotocol", action="append", default=[], metavar="NAME", help="a subprotocol to speak")
    parser.add_argument(
        "--allow-origin", action="append", metavar="ORIGIN", help="a page that may connect besides our own; * for any"
    )
    add_compression(parser)
    parser.add_argument("--max-size", type=size, default=2**20, metavar="SIZE", help="the longest message: 16MiB, none")
    parser.add_argument("-v", "--verbose", action="store_true", help="show every handshake and every frame")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not tell who connects")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Serve until a signal ends it."""
    with _one_line_logs(terminal):
        return asyncio.run(_Echo(arguments, terminal).run())


class _Echo:
    """One run of the server."""

    def __init__(self, arguments: argparse.Namespace, terminal: Terminal) -> None:
        self.arguments = arguments
        self.terminal = terminal
        self._numbers = count(1)
        self._watches: deque[tuple[int, Watch]] = deque(maxlen=1000)  # of connections that are not open yet
        self._open = 0
        self._page = files("rawws.cli").joinpath("page.html").read_bytes()

    async def run(self) -> int:
        stopped: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.terminal.on_broken_pipe = lambda: _settle(stopped, Exit.BROKEN_PIPE)
        server = await self._start()
        try:
            self._tell_where(server)
            self._on_signals(stopped)
            return await stopped
        finally:
            if not self.arguments.json:
                self.terminal.err((f"Closing {self._open} with 1001." if self._open else "Closed.", "quiet"))
            await server.close()
            if self.arguments.unix:
                with suppress(OSError):
                    os.unlink(self.arguments.unix)

    async def _start(self) -> Server:
        where = self.arguments.address
        place: dict[str, Any] = {"host": where.host, "port": where.port}
        if self.arguments.unix:
            place = {"unix": self.arguments.unix}
        try:
            return await serve(
                self._handle,
                **place,
                ssl=self._context(),
                subprotocols=self.arguments.subprotocol,
                compression=compression_of(self.arguments),
                origins=SAME_ORIGIN if self.arguments.allow_origin is None else None,
                process_request=self._answer_http,
                tap=self._new_watch if self.arguments.verbose else None,
                max_size=self.arguments.max_size,
            )
        except OSError as error:
            raise Trouble(_cannot_listen(error, where, self.arguments.unix), Exit.NETWORK) from None

    def _context(self) -> ssl.SSLContext | None:
        if self.arguments.tls is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate, key = self.arguments.tls
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror if type(error) in (FileNotFoundError, PermissionError) else "is not what it should be"
            line = f"rawws serve: --tls {certificate} {key}: {why}; it takes two PEM files, a certificate and its key"
            raise Trouble(line, Exit.USAGE) from None
        return context

    def _on_signals(self, stopped: "asyncio.Future[Exit]") -> None:
        loop = asyncio.get_running_loop()

        def stop(code: Exit) -> None:
            if stopped.done():
                raise KeyboardInterrupt  # The second time it is meant.
            _settle(stopped, code)

        with suppress(NotImplementedError):  # Windows has no such handlers; KeyboardInterrupt ends it there.
            loop.add_signal_handler(signal.SIGINT, stop, Exit.INTERRUPTED)
            loop.add_signal_handler(signal.SIGTERM, stop, Exit.OK)

    # --- What it tells --------------------------------------------------------------------------------------------

    def _tell_where(self, server: Server) -> None:
        scheme = "wss" if self.arguments.tls else "ws"
        if self.arguments.unix:
            urls = [f"{scheme}://localhost/"]
            ways = [f"rawws --unix {self.arguments.unix} {urls[0]}"]
        else:
            urls = [f"{scheme}://{_reachable(sock)}/" for sock in server.sockets]
            urls = list(dict.fromkeys(urls))
            insecure = "-k " if self.arguments.tls else ""
            ways = [
                f"rawws {insecure}{urls[0]}",
                f"{scheme.replace('ws', 'http')}{urls[0].removeprefix(scheme)} in a browser",
            ]
        if self.arguments.json:
            self.terminal.json({"event": "listening", "urls": urls, "unix": self.arguments.unix})
            return
        place = self.arguments.unix or " and ".join(urls)
        self.terminal.err(("Echo on ", "title"), (place, "title"))
        for index, way in enumerate(ways):
            self.terminal.err("Try it:  " if index == 0 else "         ", (way, "good"))
        self.terminal.err(("Ctrl-C ends it.", "quiet"))

    def _new_watch(self) -> Watch:
        number = next(self._numbers)
        watch = Watch(Role.SERVER, self.terminal, json=self.arguments.json, label=f"#{number:<3} ", meanings=False)
        self._watches.append((number, watch))
        return watch

    def _number_of(self, ws: WebSocket) -> int:
        """The number of a connection, the same in front of its frames: its watch saw the same key."""
        key = None if ws.request is None or ws.request.upgrade is None else ws.request.upgrade.key
        for entry in self._watches:
            if entry[1].key == key:
                self._watches.remove(entry)
                return entry[0]
        return next(self._numbers)

    def _say(self, number: int, event: str, words: str, **facts: Any) -> None:
        if self.arguments.json:
            self.terminal.json({"event": event, "connection": number, **facts})
        elif not self.arguments.quiet:
            self.terminal.err(f"#{number:<3} ", words)

    # --- What it does ---------------------------------------------------------------------------------------------

    async def _handle(self, ws: WebSocket) -> None:
        number = self._number_of(ws)
        peer = _peer(ws)
        self._open += 1
        compression = agreed_json(ws.compression)
        words = f"{peer} connected, permessage-deflate {'off' if compression is None else 'on'}; {self._open} open"
        self._say(number, "open", words, peer=peer, subprotocol=ws.subprotocol, compression=compression)
        messages = 0
        try:
            async for message in ws:
                messages += 1
                await ws.send(message)
        finally:
            self._open -= 1
            closed = ws.closed
            code, reason = (closed.code, closed.reason) if closed is not None else (1006, "")
            words = f"{peer} closed: {code}{f' {reason!a}' if reason else ''}, {messages} echoed; {self._open} open"
            by = None if closed is None else closed.by
            self._say(number, "closed", words, code=code, reason=reason, by=by, messages=messages)

    def _answer_http(self, request: Request) -> Response | None:
        """The page, for a request that asks for no WebSocket; None leaves it to the opening handshake."""
        if request.upgrade is not None and self.arguments.allow_origin is not None:
            return _refuse_others(request.upgrade, self.arguments.allow_origin)
        plain = request.method in ("GET", "HEAD") and not any(name == b"upgrade" for name, _ in request.headers)
        if not plain or request.error is None or request.error.rule not in (UPGRADE_MISSING, METHOD):
            return None
        path = request.target.partition("?")[0]
        if path == "/":
            return Response(200, _PAGE_HEADERS, self._page)
        if path == "/health":
            return Response(200, _TEXT_HEADERS, "ok\n")
        return Response(404, _TEXT_HEADERS, "There is a page at / and a WebSocket at every path.\n")


def _refuse_others(upgrade: UpgradeRequest, allowed: list[str]) -> Response | None:
    """A refusal for a page that is neither our own nor one of those."""
    try:
        upgrade.check_origin(SAME_ORIGIN)
    except RemoteProtocolError:
        try:
            upgrade.check_origin(None if "*" in allowed else allowed)
        except RemoteProtocolError as error:
            return Response(*refusal(error))
    return None


def _settle(stopped: "asyncio.Future[Exit]", code: Exit) -> None:
    if not stopped.done():
        stopped.set_result(code)


_TEXT_HEADERS = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))
_PAGE_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
        "connect-src ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


def _peer(ws: WebSocket) -> str:
    address = ws.remote_address
    if isinstance(address, tuple):
        return str(Address(address[0], address[1]))
    return address or "a local client"


def _reachable(sock: socket.socket) -> str:
    """A name under which a client on this machine finds the socket."""
    host, port = sock.getsockname()[:2]
    if host in ("127.0.0.1", "::1", "0.0.0.0", "::"):
        host = "localhost"
    return str(Address(host, port))


def _cannot_listen(error: OSError, where: Address, unix: str | None) -> str:
    place = unix or str(where)
    if error.errno == errno.EADDRINUSE:
        advice = "remove it if no server uses it" if unix else f"try rawws serve {Address(where.host, where.port + 1)}"
        return f"rawws serve: {place} is in use; {advice}"
    if error.errno == errno.EACCES:
        return f"rawws serve: {place} is not permitted; ports below 1024 need privileges, take one above"
    if isinstance(error, socket.gaierror):
        return f"rawws serve: {where.host} is no name of this machine; try localhost"
    return f"rawws serve: cannot listen on {place}: {error.strerror or error}"


class _OneLine(logging.Handler):
    """What the libraries log, as one line each: no traceback reaches the terminal."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(logging.ERROR)
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._terminal.err((f"{record.getMessage()}{f': {error!r}' if error else ''}", "bad"))


@contextmanager
def _one_line_logs(terminal: Terminal) -> Iterator[None]:
    """Meanwhile, the libraries log through `_OneLine` and nothing else."""
    loggers = [logging.getLogger(name) for name in ("rawws", "asyncio")]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [_OneLine(terminal)], False
    try:
        yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, before):
            logger.handlers, logger.propagate = handlers, propagate
