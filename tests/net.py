"""Helpers for whoever tests a transport: both behind one face, raw peers that say what they like, and a check that
nothing is left behind.

A behaviour is written once, as a coroutine that is given a `Net`; the calls of the blocking transport are then made in
threads.  Sockets are real, ports are ephemeral, and every behaviour has `LIMIT` seconds.
"""

import asyncio
import base64
import contextlib
import functools
import gc
import hashlib
import logging
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import pytest

from rawws import aio, blocking
from tests.wire import KEY, Wire, frame, octets, xor

LIMIT = 4.5
"""Seconds that one behaviour may take: less than the times that are on by default, so that none of them saves it."""

NONCE = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key in the RFC's example (section 1.3), and what proves that it was read."""
PROOF = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

Handler = Callable[[Any], Awaitable[object]]


def behaviour(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of a coroutine.  Those `Net`s among its arguments are cleaned up, and no task may be left."""

    @functools.wraps(test)
    def run(*args: Any, **fixtures: Any) -> None:
        nets = [given for given in fixtures.values() if isinstance(given, Net)]
        with asyncio.Runner(loop_factory=next((net.new_loop for net in nets), None)) as runner:
            loop = runner.get_loop()
            loop.slow_callback_duration = LIMIT
            loop.set_default_executor(ThreadPoolExecutor(64))
            runner.run(_guarded(test(*args, **fixtures), nets))

    return run


async def _guarded(test: Coroutine[Any, Any, None], nets: list["Net"]) -> None:
    try:
        async with asyncio.timeout(LIMIT):
            await test
        # asyncio goes on letting somebody in while its server is closed.
        letting_in = [task for task in asyncio.all_tasks() if "_accept_connection" in repr(task.get_coro())]
        if letting_in:
            await asyncio.wait(letting_in, timeout=1)
        assert {asyncio.current_task()} == asyncio.all_tasks()
    finally:
        for net in nets:
            await net.clean_up()


async def in_thread(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Make a call that blocks."""
    return await asyncio.get_running_loop().run_in_executor(None, functools.partial(call, *args, **options))


async def ended(awaitable: Awaitable[object]) -> BaseException | None:
    """The exception that ends `awaitable`, if one does."""
    try:
        await awaitable
    except Exception as error:
        return error
    return None


# --- Both transports behind one face ------------------------------------------------------------------------------


class Net:
    """A transport: `connect`, and `serve` with handlers that are coroutine functions."""

    name: str
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
    """Makes the loop in which a behaviour runs; None for the one of asyncio."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    async def connect(self, uri: str, **options: Any) -> Any:
        """A client's open WebSocket."""
        raise NotImplementedError

    def serve(self, handler: Handler | None = None, **options: Any) -> Any:
        """A context manager that serves; without a handler, echoes."""
        raise NotImplementedError

    async def broadcast(self, connections: Iterable[Any], message: Any, **options: Any) -> set[Any]:
        """Send to many; those that it is not on its way to."""
        raise NotImplementedError

    async def clean_up(self) -> None:
        """Drop whatever is left, so that a test that fails does not hold up the others."""
        for ws in self.made:
            await ws.abort()

    @contextlib.asynccontextmanager
    async def pair(self, handler: Handler | None = None, **options: Any) -> AsyncIterator[Any]:
        """A client that is connected to a server with this handler; `options` are for both."""
        async with self.serve(handler, **options) as server, await self.connect(server.uri, **options) as ws:
            yield ws

    @contextlib.asynccontextmanager
    async def facing_server(self, extra: str = "", **options: Any) -> AsyncIterator[tuple[Any, "Peer"]]:
        """A client of ours, and the raw server that it is connected to, with `extra` fields in its answer."""
        async with listening() as place:
            opening = asyncio.ensure_future(self.connect(place.uri, **options))
            async with await place.accept() as peer:
                await peer.answer(extra=extra)
                ws = await opening
                try:
                    yield ws, peer
                finally:
                    await ws.abort()

    @contextlib.asynccontextmanager
    async def facing_client(
        self, is_small: bool = False, extra: str = "", **options: Any
    ) -> AsyncIterator[tuple[Any, "Peer"]]:
        """The WebSocket that a handler of ours was given, and the raw client at its other end.

        Args:
            is_small: the client's socket has the smallest buffers.
            extra: fields in its request.
            options: for `serve`.
        """
        loop = asyncio.get_running_loop()
        given: asyncio.Future[Any] = loop.create_future()
        done = asyncio.Event()

        async def handler(ws: Any) -> None:
            given.set_result(ws)
            await done.wait()

        async with self.serve(handler, **options) as server, await called(server.port, is_small) as peer:
            await peer.ask(server.port, extra)
            ws = await given
            try:
                yield ws, peer
            finally:
                await ws.abort()
                done.set()

    def facing(self, role: str, **options: Any) -> Any:
        """One side of ours, playing `role`, and a raw peer."""
        return self.facing_client(**options) if role == "server" else self.facing_server(**options)


class Asyncio(Net):
    """`rawws.aio`."""

    name = "aio"

    async def connect(self, uri: str, **options: Any) -> Any:
        ws = AioSocket(await aio.connect(uri, **options))
        self.made.append(ws)
        return ws

    @contextlib.asynccontextmanager
    async def serve(self, handler: Handler | None = None, **options: Any) -> AsyncIterator[Any]:
        async def echo(ws: aio.WebSocket) -> None:
            async for message in ws:
                await ws.send(message)

        async def adapted(ws: aio.WebSocket) -> None:
            assert handler is not None
            await handler(AioSocket(ws))

        async with aio.serve(adapted if handler else echo, **place(options)) as server:
            yield Served(server, "wss" if "ssl" in options else "ws")

    async def broadcast(self, connections: Iterable[Any], message: Any, **options: Any) -> set[Any]:
        return aio.broadcast(connections, message, **options)


class AioSocket:
    """An asyncio `WebSocket`, with time limits where the blocking one has them."""

    def __init__(self, native: aio.WebSocket) -> None:
        self.native = native

    def __getattr__(self, name: str) -> Any:
        return getattr(self.native, name)

    async def recv(self, timeout: float | None = None) -> str | bytes:
        async with asyncio.timeout(timeout):
            return await self.native.recv()

    async def ping(self, payload: bytes | str | None = None) -> Callable[..., Awaitable[float]]:
        pong = await self.native.ping(payload)
        return functools.partial(asyncio.wait_for, pong)

    async def abort(self) -> None:
        self.native.abort()

    async def flush(self) -> None:
        pass

    async def recv_streaming(self) -> AsyncIterator[str | bytes]:
        async with contextlib.aclosing(self.native.recv_streaming()) as pieces:
            async for piece in pieces:
                yield piece

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        return aiter(self.native)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.native.__aexit__(*error)


class Blocking(Net):
    """`rawws.blocking`, each call in a thread."""

    name = "blocking"

    async def connect(self, uri: str, **options: Any) -> Any:
        ws = BlockingSocket(await in_thread(blocking.connect, uri, **options))
        self.made.append(ws)
        return ws

    @contextlib.asynccontextmanager
    async def serve(self, handler: Handler | None = None, **options: Any) -> AsyncIterator[Any]:
        loop = asyncio.get_running_loop()

        def echo(ws: blocking.WebSocket) -> None:
            for message in ws:
                ws.send(message)

        def adapted(ws: blocking.WebSocket) -> None:
            assert handler is not None
            asyncio.run_coroutine_threadsafe(_called(handler, BlockingSocket(ws)), loop).result()

        server = blocking.serve(adapted if handler else echo, **place(options))
        forever = asyncio.ensure_future(in_thread(server.serve_forever))
        served = BlockingServed(server, "wss" if "ssl" in options else "ws")
        try:
            yield served
        finally:
            await served.close()
            await forever

    async def broadcast(self, connections: Iterable[Any], message: Any, **options: Any) -> set[Any]:
        missed: set[Any] = await in_thread(blocking.broadcast, connections, message, **options)
        return missed


async def _called(handler: Handler, ws: "BlockingSocket") -> None:
    await handler(ws)


class BlockingSocket:
    """A blocking `WebSocket` with coroutines for methods."""

    def __init__(self, native: blocking.WebSocket) -> None:
        self.native = native

    def __getattr__(self, name: str) -> Any:
        return getattr(self.native, name)

    async def recv(self, timeout: float | None = None) -> Any:
        return await in_thread(self.native.recv, timeout)

    async def send(self, message: Any, **options: Any) -> None:
        await in_thread(self.native.send, message, **options)

    async def flush(self) -> None:
        await in_thread(self.native.flush)

    async def ping(self, payload: bytes | str | None = None) -> Callable[..., Awaitable[float]]:
        pong = await in_thread(self.native.ping, payload)
        return functools.partial(in_thread, pong.wait)

    async def pong(self, payload: bytes | str = b"") -> None:
        await in_thread(self.native.pong, payload)

    async def close(self, *args: Any, **options: Any) -> None:
        await in_thread(self.native.close, *args, **options)

    async def wait_closed(self) -> None:
        await in_thread(self.native.wait_closed)

    async def abort(self) -> None:
        await in_thread(self.native.abort)

    def recv_streaming(self) -> AsyncIterator[str | bytes]:
        return _stepped(self.native.recv_streaming())

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        return _stepped(iter(self.native))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: Any) -> None:
        await in_thread(self.native.__exit__, *error)


async def _stepped(items: Iterator[Any]) -> AsyncIterator[Any]:
    try:
        while (item := await in_thread(next, items, items)) is not items:
            yield item
    finally:
        items.close()  # type: ignore[attr-defined]


class Served:
    """A server that listens."""

    def __init__(self, native: Any, scheme: str) -> None:
        self.native = native
        self.port = native.port if isinstance(native.sockets[0].getsockname(), tuple) else None
        self.uri = f"{scheme}://127.0.0.1:{self.port}" if self.port else f"{scheme}://localhost"

    @property
    def connections(self) -> Any:
        return self.native.connections

    async def close(self, *args: Any) -> None:
        await self.native.close(*args)


class BlockingServed(Served):
    async def close(self, *args: Any) -> None:
        await in_thread(self.native.close, *args)


class Seeing:
    """A tap that tells when something has come.  The transport has dealt with it by then, or holds its lock."""

    def __init__(self) -> None:
        self.data = b""
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()

    def sent(self, data: bytes) -> None:
        pass

    def received(self, data: bytes) -> None:
        self.data += data
        self._loop.call_soon_threadsafe(self._more.set)

    async def until(self, end: bytes) -> None:
        """Wait until this is the last that has come."""
        while not self.data.endswith(end):
            self._more.clear()
            await self._more.wait()


def place(options: dict[str, Any]) -> dict[str, Any]:
    """Where to serve, if the options do not say."""
    if not options.keys() & {"unix", "sock", "host"}:
        return {"host": "127.0.0.1", "port": 0, **options}
    return options


# --- Raw peers ------------------------------------------------------------------------------------------------------


class Peer:
    """The other end of a TCP connection: it sends any bytes and reads what comes."""

    def __init__(self, sock: socket.socket, key: bytes | None) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.key = key
        self.rest = b""
        self.loop = asyncio.get_running_loop()

    async def send(self, *parts: Wire) -> None:
        await self.loop.sock_sendall(self.sock, octets(*parts))

    async def say(self, opcode: int, payload: str | bytes = b"", **fields: Any) -> None:
        """Send a frame, masked if this is a client."""
        await self.send(self.frame(opcode, payload, **fields))

    def frame(self, opcode: int, payload: str | bytes = b"", **fields: Any) -> bytes:
        return frame(opcode, payload, **{"key": self.key, **fields})

    async def more(self) -> bool:
        """Read what there is; False at the end."""
        data = await self.loop.sock_recv(self.sock, 65536)
        self.rest += data
        return bool(data)

    async def read(self, size: int) -> bytes:
        """That many bytes."""
        while len(self.rest) < size:
            if not await self.more():
                raise EOFError(self.rest)
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    async def head(self) -> bytes:
        """An HTTP head."""
        while b"\r\n\r\n" not in self.rest:
            if not await self.more():
                raise EOFError(self.rest)
        data, _, self.rest = self.rest.partition(b"\r\n\r\n")
        return data + b"\r\n\r\n"

    async def hear(self) -> tuple[int, bytes]:
        """The next frame: its first byte and its payload, unmasked."""
        first, length = await self.read(2)
        masked, length = length >> 7, length & 127
        if length > 125:
            length = int.from_bytes(await self.read(2 if length == 126 else 8))
        key = await self.read(4) if masked else bytes(4)
        return first, xor(await self.read(length), key)

    async def end(self) -> bytes:
        """All that comes until the end of the stream."""
        while await self.more():
            pass
        data, self.rest = self.rest, b""
        return data

    async def answer(self, *, accept: str | None = None, extra: str = "") -> str:
        """Accept the opening handshake; gives back the request."""
        request = (await self.head()).decode()
        fields = dict(line.lower().split(": ", 1) for line in request.split("\r\n")[1:-2])
        key = next(line[19:] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key: "))
        assert "websocket" == fields["upgrade"]
        await self.send(switching(proof(key) if accept is None else accept, extra))
        return request

    async def ask(self, port: int | None, extra: str = "") -> str:
        """Do the opening handshake as a client; gives back the answer."""
        await self.send(request(port, extra))
        return (await self.head()).decode()

    def finish(self) -> None:
        """End our half: a FIN."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Vanish: an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        self.sock.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.sock.close()


def request(port: int | None, extra: str = "") -> bytes:
    """The opening handshake of a client."""
    return (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {NONCE}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n"
    ).encode()


def proof(key: str) -> str:
    """What a server answers to a key (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def switching(accept: str = PROOF, extra: str = "") -> bytes:
    """The answer of a server."""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n{extra}\r\n"
    ).encode()


class Listening:
    """A raw server."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.port = sock.getsockname()[1]
        self.uri = f"ws://127.0.0.1:{self.port}"

    async def accept(self) -> Peer:
        sock, _ = await asyncio.get_running_loop().sock_accept(self.sock)
        return Peer(sock, None)


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    """Listen on a port."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        yield Listening(sock)


async def called(port: int, is_small: bool = False) -> Peer:
    """Connect to a port."""
    sock = small(socket.socket()) if is_small else socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return Peer(sock, KEY)


def small(sock: socket.socket) -> socket.socket:
    """Give a socket the smallest buffers that there are."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return sock


# --- Nothing is left behind -----------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def log() -> Iterator[list[logging.LogRecord]]:
    """What is logged from warnings on.  A test that expects something takes it out; nothing may be left at its end."""
    records: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # In its debug mode asyncio tells of clients that do not get through TLS.
            if not record.getMessage().startswith("Error on transport creation"):
                records.append(record)

    keeper = Keeper(logging.WARNING)
    logging.getLogger().addHandler(keeper)
    yield records
    logging.getLogger().removeHandler(keeper)
    assert [] == [logging.Formatter().format(record) for record in records]


def flushing_ends() -> None:
    """The thread that writes what is left over ends with the last of it: wait for that."""
    for thread in threading.enumerate():
        if thread.name == "rawws flusher":
            thread.join(3)
            assert not thread.is_alive()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After each test there are as many threads and open files as before, and nothing that was not closed."""
    set_aside_what_is_there()
    before = what_is_open()
    yield
    flushing_ends()
    assert before == what_is_open()
    gc.collect()  # It warns of what nobody closed, and a warning is an error.


@functools.cache
def set_aside_what_is_there() -> None:
    """Spare the collector all that was there before the first test: collecting after each is cheap then."""
    gc.collect()
    gc.freeze()


def what_is_open() -> tuple[set[threading.Thread], int]:
    """The threads, and how many files are open, where that can be known."""
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return set(threading.enumerate()), files
