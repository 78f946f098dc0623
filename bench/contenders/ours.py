"""Echo servers of rawws."""

import importlib
import sys
import threading
import zlib
from types import SimpleNamespace
from typing import Any

from bench.contenders.serving import CROWD, HOST, LARGEST, say, until_input_ends
from rawws import Deflate, aio, blocking
from rawws.core.codec import Library

DEFAULT = Deflate()
CODECS = {"zlib": "zlib", "zlib-ng": "zlib_ng.zlib_ng", "isal": "isal.isal_zlib"}
"""Modules with the face of zlib."""


def setting(name: str, codec: str = "zlib") -> Deflate:
    """Of "12/5 level 1": window bits, memory level and level."""
    windows, _, level = name.partition(" level ")
    bits, memory = map(int, windows.split("/"))
    return Deflate(bits, bits, level=int(level), memory_level=memory, codec=codec_called(codec))


async def rawws_aio(wish: Deflate = DEFAULT) -> None:
    async def echo(ws: aio.WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    async with aio.serve(echo, HOST, 0, max_size=LARGEST, compression=wish) as server:
        say(server.port)
        await until_input_ends()


async def rawws_callbacks(wish: Deflate = DEFAULT) -> None:
    class Echo(aio.CallbackSocket):
        def on_message(self, message: str | bytes) -> None:
            self.send(message)

    async with aio.serve_callbacks(Echo, HOST, 0, max_size=LARGEST, compression=wish) as server:
        say(server.port)
        await until_input_ends()


def rawws_blocking(wish: Deflate = DEFAULT) -> None:
    def echo(ws: blocking.WebSocket) -> None:
        for message in ws:
            ws.send(message)

    server = blocking.serve(echo, HOST, 0, max_size=LARGEST, compression=wish, max_connections=CROWD)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(server.port)
    sys.stdin.read()


def codec_called(name: str) -> Any:
    """What stands in the place of zlib.

    Of isal it is the compressor alone: its inflating streams cannot be copied, and hold back more than they say.  It is
    not tried, because it would be refused: it is no more than level 1 here, and no window of 8 bits.
    """
    module: Any = importlib.import_module(CODECS[name])
    if name != "isal":
        return module
    return Library(SimpleNamespace(**vars(zlib) | {"compressobj": module.compressobj}))  # type: ignore[arg-type]
