"""`rawws URL`: talk to a server from the keyboard, from a pipe, or with one message on the command line."""

import argparse
import asyncio
import signal
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from rawws import ConnectionClosed, LocalProtocolError
from rawws.aio import WebSocket, connect
from rawws.cli import keyboard, meant_url
from rawws.cli.certificates import trusting
from rawws.cli.failures import ending, explain_failure
from rawws.cli.options import add_compression, agreed_json, compression_of, count, seconds, size
from rawws.cli.terminal import Exit, Terminal, Trouble, for_terminal
from rawws.cli.watch import Watch
from rawws.core.settings import Role
from rawws.uri import parse

USAGE = "[options] URL"

SUMMARY = "Talk to a WebSocket server: each line is a message, answers are printed."

EPILOG = """\
In a terminal lines are sent as you type them; /help shows what else there is.
From a pipe each line is a message. At its end rawws waits for as many answers
as it sent, through at most --wait seconds of silence, and says goodbye.

Messages go to stdout, all else to stderr. On a pipe text comes as it is, with
a line end behind it; binary messages come in hex, or with --binary as they
are with nothing between them.

examples:
  rawws wss://example.com/chat
  rawws -v ws://localhost:8765         every header and frame, with its meaning
  rawws -v --compress-from 0 ws://localhost:8765   and every message compressed
  echo hi | rawws ws://localhost:8765
  rawws -1 wss://example.com/feed      the first message, and no more
  rawws -x '{"subscribe": "ticks"}' --wait inf wss://example.com/feed
  rawws -H 'Cookie: a=b' --origin https://example.com wss://example.com/
  rawws --proxy socks5h://localhost:9050 wss://example.com/

exit codes: 0 a clean end, 1 an abnormal one, 2 no 101 from the server,
3 network or TLS, 4 the server broke a rule, 64 a wrong command line
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `rawws connect` takes."""
    parser.add_argument("url", metavar="URL", help="ws:// or wss://")
    sending = parser.add_argument_group("what to send")
    sending.add_argument(
        "-x", "--execute", action="append", metavar="MESSAGE", help="send this and do not read stdin; may be repeated"
    )
    sending.add_argument(
        "-b", "--binary", action="store_true", help="binary messages; all that comes from a pipe is a single one"
    )
    parts = parser.add_argument_group("when to end")
    parts.add_argument("-1", "--one", action="store_true", help="after the first message that comes")
    parts.add_argument(
        "--wait",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="this long without an answer at the end (5); inf: until the server ends it",
    )
    asking = parser.add_argument_group("how to ask")
    asking.add_argument(
        "-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="a field of the request"
    )
    asking.add_argument("--origin", metavar="URL", help="the page that we claim to be")
    asking.add_argument("--subprotocol", action="append", default=[], metavar="NAME", help="offered; may be repeated")
    add_compression(asking)
    asking.add_argument("--user", metavar="NAME:PASSWORD", help="sent as Basic credentials")
    wire = parser.add_argument_group("the connection")
    wire.add_argument("-k", "--insecure", action="store_true", help="do not ask whose certificate it is")
    wire.add_argument("--ca", metavar="FILE", help="trust the certificates in this file (PEM) only")
    wire.add_argument("--unix", metavar="PATH", help="connect to a Unix socket; the URL still says what to ask for")
    wire.add_argument(
        "--proxy", metavar="URL", help="http(s)://, socks5(h):// or socks4(a)://, or none (else the environment's)"
    )
    wire.add_argument(
        "--redirects", type=count, default=0, metavar="N", help="follow so many (0), never from wss:// to ws://"
    )
    wire.add_argument("--timeout", type=seconds, default=10.0, metavar="SECONDS", help="for the opening handshake (10)")
    wire.add_argument(
        "--ping-interval", type=seconds, default=20.0, metavar="SECONDS", help="between pings (20, or inf)"
    )
    wire.add_argument(
        "--max-size", type=size, default=2**24, metavar="SIZE", help="the longest message (16MiB, or none)"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show the handshake and every frame")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Talk; the exit code tells how it ended."""
    options = _options(arguments)
    try:
        with keyboard.terminal_restored():
            return asyncio.run(_Talk(arguments, options, terminal).run())
    except asyncio.CancelledError:
        return Exit.BROKEN_PIPE


# --- The command line -----------------------------------------------------------------------------------------------


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `connect` is given."""
    headers = [_header(text) for text in arguments.header]
    if arguments.user is not None:
        name, _, password = arguments.user.partition(":")
        headers.append(("Authorization", "Basic " + b64encode(f"{name}:{password}".encode()).decode()))
    try:
        secure = parse(arguments.url).secure
    except ValueError as error:
        meant = meant_url(arguments.url)
        advice = f"; try {meant}" if meant else ""
        raise Trouble(f"rawws connect: {error}{advice}", Exit.USAGE) from None
    return {
        "headers": headers,
        "origin": arguments.origin,
        "subprotocols": arguments.subprotocol,
        # Like a browser, and not like a server with thousands of connections.
        "compression": compression_of(
            arguments, server_max_window_bits=15, client_max_window_bits=15, level=6, memory_level=8
        ),
        "ssl": _context(arguments.insecure, arguments.ca) if secure or arguments.redirects else None,
        "unix": arguments.unix,
        "proxy": {None: True, "none": None}.get(arguments.proxy, arguments.proxy),
        "proxy_ssl": _context(arguments.insecure, arguments.ca) if arguments.insecure or arguments.ca else None,
        "redirects": arguments.redirects,
        "open_timeout": _or_none(arguments.timeout),
        "ping_interval": _or_none(arguments.ping_interval),
        "max_size": arguments.max_size,
    }


def _or_none(time: float) -> float | None:
    return None if time == float("inf") else time


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise Trouble(f"rawws connect: -H {text!a} is no header; write -H 'Name: value'", Exit.USAGE)
    return name.strip(), value.strip()


def _context(insecure: bool, ca: str | None) -> ssl.SSLContext:
    try:
        return trusting(ca, insecure)
    except ValueError as error:
        raise Trouble(f"rawws connect: {error}", Exit.USAGE) from None


# --- The conversation -----------------------------------------------------------------------------------------------


class _Talk:
    """One run: a connection, what is sent over it, and what is printed."""

    def __init__(self, arguments: argparse.Namespace, options: dict[str, Any], terminal: Terminal) -> None:
        self.arguments = arguments
        self.terminal = terminal
        self._options = options
        self._typing = terminal.interactive and not arguments.execute
        self._compress = False if arguments.compress_from is None else None  # also what is sent in pieces
        self._goodbye = 1000
        self._sent = 0
        self._received = 0
        self._news = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        this = asyncio.current_task()
        assert this is not None
        self.terminal.on_broken_pipe = this.cancel
        stopped: list[Exit] = []

        def stop() -> None:
            stopped.append(Exit.OK)
            this.cancel()

        with suppress(NotImplementedError):  # On Windows.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        ws = await self._connect()
        try:
            await self._converse(ws)
            await _hang_up(ws)
        except BaseException as error:
            await _leave(ws)
            if stopped and isinstance(error, asyncio.CancelledError):
                return stopped[0]
            raise
        finally:
            self.terminal.end_prompt()
        return self._end(ws)

    async def _connect(self) -> WebSocket:
        loop = asyncio.get_running_loop()
        watch = Watch(Role.CLIENT, self.terminal, json=self.arguments.json) if self.arguments.verbose else None
        begun = loop.time()
        try:
            ws = await connect(self.arguments.url, tap=watch, **self._options)
        except Exception as error:
            raise explain_failure(error, self.arguments) from None
        self._tell_open(ws, (loop.time() - begun) * 1000)
        return ws

    async def _converse(self, ws: WebSocket) -> None:
        receiver = asyncio.ensure_future(self._receive(ws))
        sender = asyncio.ensure_future(self._send(ws))
        try:
            await asyncio.wait([receiver, sender], return_when=asyncio.FIRST_COMPLETED)
            if sender.done():
                sender.result()
            await receiver
        finally:
            for task in (receiver, sender, *self._background):
                task.cancel()
            await asyncio.gather(receiver, sender, return_exceptions=True)

    async def _receive(self, ws: WebSocket) -> None:
        """Print what comes, until the end."""
        with suppress(ConnectionClosed):
            while True:
                self._show(await ws.recv())
                self._received += 1
                self._news.set()
                if self.arguments.one:
                    await ws.close()
                    return

    async def _send(self, ws: WebSocket) -> None:
        """Send what there is to send, wait for what may be answered, and say goodbye."""
        with suppress(ConnectionClosed):
            if self._typing:
                await self._send_typed(ws)
            elif self.arguments.execute:
                for text in self.arguments.execute:
                    await self._send_message(ws, text.encode() if self.arguments.binary else text)
            elif self.arguments.binary:
                await self._send_message(ws, keyboard.piped())
            else:
                await self._send_lines(ws)
            if not self._typing:
                await self._wait_for_answers()
            await ws.close()

    async def _send_message(self, ws: WebSocket, message: str | bytes | AsyncIterator[bytes]) -> None:
        await ws.send(message, compress=self._compress)
        self._sent += 1

    async def _send_lines(self, ws: WebSocket) -> None:
        async for line in keyboard.lines(keyboard.piped()):
            try:
                text = line.decode()
            except UnicodeDecodeError:
                raise Trouble("a line of stdin is not UTF-8; --binary sends it all as one", Exit.USAGE) from None
            await self._send_message(ws, text)

    async def _wait_for_answers(self) -> None:
        """Until there are as many as there were messages, or nothing comes for a while; with no bound: to the end."""
        patience = None if self.arguments.one else _or_none(self.arguments.wait)
        while patience is None or not self._sent or self._received < self._sent:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), patience)
            except TimeoutError:
                return

    # --- The keyboard ---------------------------------------------------------------------------------------------

    async def _send_typed(self, ws: WebSocket) -> None:
        typing = keyboard.Typing("> ")
        self.terminal.prompt = typing
        async for line in typing.lines():
            try:
                if not await self._do(ws, line):
                    break
            except LocalProtocolError as error:
                self.terminal.err((f"not sent: {error}", "bad"))
        else:
            self.terminal.out()  # Ctrl-D leaves the cursor behind the prompt.

    async def _do(self, ws: WebSocket, line: str) -> bool:
        """Do what a line asks for; False if it was the last."""
        match keyboard.understand(line):
            case keyboard.Send(message):
                binary = self.arguments.binary and isinstance(message, str)
                message = message.encode() if binary and isinstance(message, str) else message
                await ws.send(message, compress=self._compress)
            case keyboard.Ping(payload):
                self._later(self._ping(ws, payload))
            case keyboard.Pong(payload):
                await ws.pong(payload)
            case keyboard.Close(code, reason):
                self._goodbye = code
                await ws.close(code, reason)
                return False
            case keyboard.Say(text, wrong):
                for part in text.splitlines():
                    self.terminal.err((part, "bad" if wrong else "quiet"))
        return True

    async def _ping(self, ws: WebSocket, payload: str | None) -> None:
        with suppress(ConnectionClosed):
            try:
                latency = await (await ws.ping(payload))
            except LocalProtocolError as error:
                self.terminal.err((f"not sent: {error}", "bad"))
                return
            if self.arguments.json:
                self.terminal.json({"event": "pong", "ms": round(latency * 1000, 3)})
            else:
                self.terminal.err((f"pong in {latency * 1000:.1f} ms", "quiet"))

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # --- Printing -------------------------------------------------------------------------------------------------

    def _tell_open(self, ws: WebSocket, ms: float) -> None:
        if self.arguments.json:
            headers = [] if ws.response is None else [[_text(part) for part in field] for field in ws.response.headers]
            opened = {"event": "open", "status": 101, "ms": round(ms, 3), "subprotocol": ws.subprotocol}
            redirects = [redirect._asdict() for redirect in ws.redirects]
            opened |= {"compression": agreed_json(ws.compression), "headers": headers, "redirects": redirects}
            self.terminal.json(opened)
            return
        for redirect in ws.redirects:
            self.terminal.err((f"{redirect.status} led to {redirect.uri}", "quiet"))
        compressed = f"permessage-deflate {'off' if ws.compression is None else 'on'}"
        self.terminal.err(("101", "good"), f" in {ms:.0f} ms, {compressed}, subprotocol {ws.subprotocol or 'none'}")
        if self._typing:
            self.terminal.err(("Type a line to send it; /help shows more, Ctrl-D closes.", "quiet"))

    def _show(self, message: str | bytes) -> None:
        if self.arguments.json:
            kind, data = ("text", message) if isinstance(message, str) else ("binary", message.hex())
            self.terminal.json({"event": "message", "type": kind, "data": data})
        elif self.terminal.stdout.isatty():
            text = for_terminal(message) if isinstance(message, str) else f"({len(message):,} bytes) {message.hex(' ')}"
            self.terminal.out(("< " if self._typing else "", "server"), text)
        elif isinstance(message, str):
            self.terminal.raw(message.encode() + b"\n")
        else:
            self.terminal.raw(message if self.arguments.binary else message.hex().encode() + b"\n")

    def _end(self, ws: WebSocket) -> int:
        closed = ws.closed
        assert closed is not None
        words, code = ending(closed, self._goodbye)
        if self.arguments.json:
            rule = None if closed.error is None else closed.error.rule.name
            end = {"event": "closed", "code": closed.code, "reason": closed.reason, "by": closed.by, "rule": rule}
            self.terminal.json(end)
        else:
            self.terminal.err((words, "quiet" if code == Exit.OK else "bad"))
        return code


def _text(data: bytes) -> str:
    return data.decode("latin-1")


async def _hang_up(ws: WebSocket) -> None:
    """All is said: give the server a second to end the TCP connection, as it should (section 7.1.1), and then do it."""
    with suppress(TimeoutError):
        await asyncio.wait_for(ws.wait_closed(), 1)
    ws.abort()
    await ws.wait_closed()


async def _leave(ws: WebSocket) -> None:
    """Say 1001, and do not insist on an answer."""
    with suppress(TimeoutError, asyncio.CancelledError):
        await asyncio.wait_for(ws.close(1001), 2)
    ws.abort()
    await ws.wait_closed()
