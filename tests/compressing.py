"""Helpers for whoever tests compression through a transport: messages that zlib wrote, and raw peers that agree on it.

Nothing here uses the transformations of rawws, so that an error in them cannot hide itself.

    python -m tests.compressing aio

serves on a port, which it prints, until its standard input ends: a server in a process of its own, whose memory can be
measured from outside.
"""

import asyncio
import contextlib
import functools
import subprocess
import sys
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from rawws import aio, blocking
from rawws.core.deflate import Deflate
from tests.net import Net, Peer, in_thread
from tests.wire import BINARY, CONTINUATION, TEXT

OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
AGREED = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
"""An answer that leaves everything as it is by default: windows of 15 bits, kept."""

TAIL = b"\x00\x00\xff\xff"

MEBIBYTE = 2**20


def deflated(*parts: bytes, level: int = 9) -> list[bytes]:
    """One message in so many fragments, compressed as if it was the first (RFC 7692 section 7.2.1)."""
    stream = zlib.compressobj(level, zlib.DEFLATED, -15)
    written = [stream.compress(part) + stream.flush(zlib.Z_SYNC_FLUSH) for part in parts]
    return [*written[:-1], written[-1].removesuffix(TAIL)]


class Inflated:
    """What a raw peer makes of compressed messages, one after the other."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-15)

    def __call__(self, *fragments: bytes) -> bytes:
        return self.part(b"".join(fragments) + TAIL)

    def part(self, payload: bytes) -> bytes:
        """What a fragment says that is not the last one."""
        return self._stream.decompress(payload)


def compressed_frame(peer: Peer, payload: str | bytes) -> bytes:
    """A whole message, compressed without looking back, as `peer` sends it."""
    data = payload.encode() if isinstance(payload, str) else payload
    opcode = TEXT if isinstance(payload, str) else BINARY
    return peer.frame(opcode, *deflated(data), rsv=4)


@functools.cache
def bomb(fragments: int, size: int = 64 * MEBIBYTE) -> tuple[bytes, ...]:
    """So many zeros, as the payloads of so many frames."""
    part = bytes(size // fragments)
    return tuple(deflated(*[part] * fragments))


def frames_of(peer: Peer, payloads: tuple[bytes, ...]) -> Iterator[bytes]:
    """The frames of a compressed binary message."""
    last = len(payloads) - 1
    for number, payload in enumerate(payloads):
        first = number == 0
        yield peer.frame(BINARY if first else CONTINUATION, payload, rsv=4 if first else 0, fin=number == last)


def facing(net: Net, role: str, compression: Deflate = Deflate(), **options: Any) -> Any:
    """One side of ours and a raw peer that has agreed to compress."""
    extra = OFFER if role == "server" else AGREED
    return net.facing(role, extra=extra, compression=compression, **options)


async def hear_message(peer: Peer) -> list[tuple[int, bytes]]:
    """The frames of the next message, up to the one with FIN."""
    frames = [await peer.hear()]
    while not frames[-1][0] & 0x80:
        frames.append(await peer.hear())
    return frames


# --- A server in a process of its own -------------------------------------------------------------------------------


class Elsewhere:
    """A server that listens in another process."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.port = port
        self._place = Path(f"/proc/{process.pid}")

    def memory(self, field: str) -> int:
        """What Linux says about its memory, in bytes: "VmRSS" is what it has, "VmHWM" the most that it had."""
        lines = (self._place / "status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

    def forget_peak(self) -> None:
        """From now on "VmHWM" counts."""
        (self._place / "clear_refs").write_text("5")


@contextlib.asynccontextmanager
async def elsewhere(net: Net) -> AsyncIterator[Elsewhere]:
    """Serve with this transport in another process."""
    command = [sys.executable, "-m", "tests.compressing", net.name]
    root = Path(__file__).parent.parent
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:  # It ends when its standard input does.
        yield Elsewhere(process, int(await in_thread(process.stdout.readline)))
        await in_thread(process.communicate)


async def serve_with_asyncio() -> None:
    async def echo(ws: aio.WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    async with aio.serve(echo, "127.0.0.1", 0) as server:
        print(server.port, flush=True)
        await in_thread(sys.stdin.read)


def serve_with_threads() -> None:
    def echo(ws: blocking.WebSocket) -> None:
        for message in ws:
            ws.send(message)

    with blocking.serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        print(server.port, flush=True)
        sys.stdin.read()
    thread.join()


if __name__ == "__main__":
    if sys.argv[1] == "aio":
        asyncio.run(serve_with_asyncio())
    else:
        serve_with_threads()
