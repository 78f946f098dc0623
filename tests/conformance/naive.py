"""An echo that looks at nothing: what many write on a Sunday, and what reports are tested with."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from ssl import SSLContext

from rawws.conformance.http import read_head
from rawws.conformance.wire import frame
from rawws.core.headers import accept_for
from rawws.core.masking import apply_mask

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def naive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, refusal: bytes = b"") -> None:
    """Send back what comes, frame by frame; a ping and a Close, too, whatever is in them.

    If there is a refusal, it is said to a request without a key, and no end of TCP follows.
    """
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
        head = await reader.readuntil(b"\r\n\r\n")
        key = read_head(head).get("sec-websocket-key") or b""
        if refusal and not key:
            writer.write(refusal)
            await reader.read()
            return
        fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept_for(key)
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n" + fields + b"\r\n\r\n")
        message, kind, opcode = b"", 0, 0
        while opcode != 8:
            first, second = await reader.readexactly(2)
            size = second & 127
            if size > 125:
                size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
            mask = await reader.readexactly(4) if second & 128 else bytes(4)
            payload = apply_mask(await reader.readexactly(size), mask)
            opcode = first & 15
            if opcode > 7:
                writer.write(frame(10 if opcode == 9 else opcode, payload))
                continue
            message, kind = (message + payload, kind) if opcode == 0 else (payload, opcode)
            if first & 128:
                writer.write(frame(kind, message))


async def says(answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a request with this, and hang up."""
    with contextlib.closing(writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)


@contextlib.contextmanager
def listening(handler: Handler = naive, ssl: SSLContext | None = None) -> Iterator[str]:
    """Such a server in a thread of its own, with this certificate; gives its URL."""
    begun = threading.Event()
    found: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stop = asyncio.Event()
        async with await asyncio.start_server(handler, "127.0.0.1", 0, ssl=ssl) as server:
            found.append((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), stop))
            begun.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert begun.wait(10)
    port, loop, stop = found[0]
    try:
        yield f"{'ws' if ssl is None else 'wss'}://127.0.0.1:{port}/"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
