"""Proxies to connect through, small and real: HTTP with CONNECT, and SOCKS 4, 4a and 5.

They run in the loop of the test, keep what they were asked for, and can be made to answer in pieces, or wrong.
"""

import asyncio
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from ipaddress import ip_address

import pytest

from tests.net import small


@pytest.fixture
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names no proxy, wherever the tests are run."""
    for name in ("wss", "ws", "socks", "https", "http", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


USER, PASSWORD = "ann", "s3 cr:et/"
LOGIN = "ann:s3%20cr%3Aet%2F"
"""Both, as they stand in a URL."""


class Proxy:
    """A proxy that listens on loopback.

    Args:
        kind: the scheme of its URL.
        wants_user: it lets only `USER` pass.
        pieces: it sends what it says in pieces of so many bytes, and what it passes on in pieces of a hundred times as
            many; 0 for whole.
        context: it is reached with TLS.
        host: its own name, for TLS.
        to: where it connects, whatever it was asked for.
        is_small: its sockets have the smallest buffers.
    """

    def __init__(
        self,
        kind: str = "http",
        *,
        wants_user: bool = False,
        pieces: int = 0,
        context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        to: tuple[str, int] | None = None,
        is_small: bool = False,
    ) -> None:
        self.kind = kind
        self.wants_user = wants_user
        self.pieces = pieces
        self.context = context
        self.host = host
        self.to = to
        self.is_small = is_small
        self.asked: list[str] = []
        """The places that clients asked for, "host:port"."""
        self.heads: list[str] = []
        """With HTTP, what they said."""
        self._tasks: set[asyncio.Future[None]] = set()
        self._is_closing = False

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.kind}://{self.host}:{self.port}"

    @property
    def url_with_user(self) -> str:
        """Its address, with the user and the password that it wants."""
        return self.url.replace("://", f"://{LOGIN}@")

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Proxy"]:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            sock.setblocking(False)
            if self.is_small:
                small(sock)
            self.port = sock.getsockname()[1]
            accepting = asyncio.ensure_future(self._accept(sock))
            try:
                yield self
            finally:
                # No server of asyncio's: when it is closed while it lets somebody in, it forgets the socket.
                self._is_closing = True
                with socket.create_connection(("127.0.0.1", self.port)):
                    await accepting
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextmanager
    def in_background(self) -> Iterator["Proxy"]:
        """Listen in a thread with a loop of its own, for tests that have none."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        listening = self.listening()
        try:
            yield asyncio.run_coroutine_threadsafe(listening.__aenter__(), loop).result(5)
        finally:
            asyncio.run_coroutine_threadsafe(listening.__aexit__(None, None, None), loop).result(5)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(listening)
            if self._is_closing:
                sock.close()
                return
            task = asyncio.ensure_future(self._serve(sock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(0)  # It has to begin, to end.

    async def _serve(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        with suppress(OSError, EOFError, asyncio.CancelledError):
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=self.context)
            try:
                writer = asyncio.StreamWriter(transport, protocol, reader, loop)
                place = await (self._http if self.kind.startswith("http") else self._socks)(reader, writer)
                if place is not None:
                    await self._pass_on(reader, writer, place)
            finally:
                transport.abort()

    async def _say(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        for at in range(0, len(data), self.pieces or len(data)):
            writer.write(data[at : at + (self.pieces or len(data))])
            await writer.drain()
            await asyncio.sleep(0)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: tuple[str, int]
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection(*(self.to or place))
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            far_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(self.pieces * 100 or 65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()

    # --- HTTP -----------------------------------------------------------------------------------------------------

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        method, place, _ = head.split("\r\n")[0].split(" ")
        self.asked.append(place)
        assert "CONNECT" == method
        login = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.wants_user and f"Proxy-Authorization: Basic {login}" not in head.split("\r\n"):
            body = b"Who are you?"
            await self._say(
                writer,
                b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
            )
            return None
        await self._say(writer, b"HTTP/1.1 200 Connection established\r\nVia: 1.1 here\r\n\r\n")
        host, _, port = place.rpartition(":")
        return host.strip("[]"), int(port)

    # --- SOCKS ----------------------------------------------------------------------------------------------------

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        version = (await reader.readexactly(1))[0]
        place = await (self._socks5 if version == 5 else self._socks4)(reader, writer)
        if place is not None:
            self.asked.append(f"{place[0]}:{place[1]}")
        return place

    async def _socks4(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        _, *numbers = await reader.readexactly(7)
        port, address = numbers[0] * 256 + numbers[1], bytes(numbers[2:])
        user = (await reader.readuntil(b"\0"))[:-1].decode()
        host = str(ip_address(address))
        if address[:3] == bytes(3) and address[3]:
            host = (await reader.readuntil(b"\0"))[:-1].decode()
        allowed = not self.wants_user or user == USER
        await self._say(writer, bytes([0, 0x5A if allowed else 0x5D]) + bytes(6))
        return (host, port) if allowed else None

    async def _socks5(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        wanted = 2 if self.wants_user else 0
        await self._say(writer, bytes([5, wanted if wanted in methods else 0xFF]))
        if wanted not in methods:
            return None
        if self.wants_user:
            await reader.readexactly(1)
            given = [await reader.readexactly((await reader.readexactly(1))[0]) for _ in range(2)]
            right = [USER.encode(), PASSWORD.encode()] == given
            await self._say(writer, bytes([1, 0 if right else 1]))
            if not right:
                return None
        *_, kind = await reader.readexactly(4)
        size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        address = await reader.readexactly(size)
        host = address.decode() if kind == 3 else str(ip_address(address))
        port = int.from_bytes(await reader.readexactly(2))
        await self._say(writer, bytes([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]))
        return host, port
