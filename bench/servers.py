"""Echo servers, one of each library: `python -m bench.servers NAME` prints its port and serves until its input ends.

Messages may be long; all else is as each library has it.  That goes for compression too: who offers none gets none.
"""

import asyncio
import dataclasses
import importlib
import socket
import sys
import threading
import zlib
from collections.abc import Awaitable, Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from rawws import Deflate, aio, blocking
from rawws.core.codec import Library

HOST = "127.0.0.1"
LARGEST = 16 * 1024 * 1024
DEFAULT = Deflate()


def say(port: int) -> None:
    """Tell who started this process where the server listens."""
    print(port, flush=True)


async def until_input_ends() -> None:
    """Wait until whoever started this process closes the pipe, or is gone."""
    await asyncio.to_thread(sys.stdin.read)


# --- The floor: TCP, no WebSocket at all ----------------------------------------------------------------------------


class TcpEcho(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def tcp() -> None:
    server = await asyncio.get_running_loop().create_server(TcpEcho, HOST, 0)
    say(server.sockets[0].getsockname()[1])
    await until_input_ends()


# --- rawws ----------------------------------------------------------------------------------------------------------


async def _aio_echo(ws: aio.WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


async def rawws_aio(wish: Deflate = DEFAULT) -> None:
    async with aio.serve(_aio_echo, HOST, 0, max_size=LARGEST, compression=wish) as server:
        say(server.port)
        await until_input_ends()


def _blocking_echo(ws: blocking.WebSocket) -> None:
    for message in ws:
        ws.send(message)


async def rawws_with(codec: str, wish: Deflate) -> None:
    """With another module in the place of zlib.

    Of isal it is the compressor alone: its inflating streams cannot be copied, and hold back more than they say.
    """
    module: Any = importlib.import_module(CODECS[codec])
    if codec == "isal":
        module = Library(SimpleNamespace(**vars(zlib) | {"compressobj": module.compressobj}))  # type: ignore[arg-type]
    await rawws_aio(dataclasses.replace(wish, codec=module))


def rawws_blocking(wish: Deflate = DEFAULT) -> None:
    server = blocking.serve(_blocking_echo, HOST, 0, max_size=LARGEST, compression=wish)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(server.port)
    sys.stdin.read()


# --- websockets -----------------------------------------------------------------------------------------------------


async def websockets_asyncio() -> None:
    from websockets.asyncio.server import serve

    async def echo(ws: Any) -> None:
        async for message in ws:
            await ws.send(message)

    async with serve(echo, HOST, 0, max_size=LARGEST) as server:
        say(next(iter(server.sockets)).getsockname()[1])
        await until_input_ends()


def websockets_sync() -> None:
    from websockets.sync.server import serve

    def echo(ws: Any) -> None:
        for message in ws:
            ws.send(message)

    sock = socket.create_server((HOST, 0))
    server = serve(echo, sock=sock, max_size=LARGEST)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(sock.getsockname()[1])
    sys.stdin.read()


# --- wsproto, embedded the short way --------------------------------------------------------------------------------


class WsprotoEcho(asyncio.Protocol):
    """As little as wsproto needs to be an echo server."""

    def connection_made(self, transport: Any) -> None:
        from wsproto import ConnectionType, WSConnection

        self.transport = transport
        self.connection = WSConnection(ConnectionType.SERVER)
        self.pieces: list[Any] = []

    def data_received(self, data: bytes) -> None:
        from wsproto import events
        from wsproto.extensions import PerMessageDeflate

        self.connection.receive_data(data)
        for event in self.connection.events():
            match event:
                case events.Request():
                    self.transport.write(
                        self.connection.send(events.AcceptConnection(extensions=[PerMessageDeflate()]))
                    )
                case events.Message():
                    self.pieces.append(event.data)
                    if event.message_finished:
                        whole = self.pieces[0][:0].join(self.pieces)
                        self.pieces.clear()
                        self.transport.write(self.connection.send(events.Message(data=whole)))
                case events.Ping():
                    self.transport.write(self.connection.send(event.response()))
                case events.CloseConnection():
                    self.transport.write(self.connection.send(event.response()))
                    self.transport.close()


async def wsproto() -> None:
    server = await asyncio.get_running_loop().create_server(WsprotoEcho, HOST, 0)
    say(server.sockets[0].getsockname()[1])
    await until_input_ends()


# --- picows: its callbacks, the fastest that it has ------------------------------------------------------------------


async def picows() -> None:
    from picows import WSListener, WSMsgType, ws_create_server

    close = WSMsgType.CLOSE

    class Echo(WSListener):
        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type is close:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()
            else:
                transport.send(frame.msg_type, frame.get_payload_as_bytes())

    server = await ws_create_server(lambda _: Echo(), HOST, 0, max_frame_size=LARGEST)
    say(server.sockets[0].getsockname()[1])
    await until_input_ends()


# --- aiohttp --------------------------------------------------------------------------------------------------------


async def aiohttp() -> None:
    from aiohttp import WSMsgType, web

    async def echo(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(max_msg_size=LARGEST)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
            else:
                await ws.send_bytes(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    say(runner.addresses[0][1])
    await until_input_ends()


class Server(NamedTuple):
    """How to start one."""

    run: Callable[[], Awaitable[None] | None]
    needs: str | None = None
    """The package that has to be installed."""


SERVERS = {
    "tcp": Server(tcp),
    "rawws aio": Server(rawws_aio),
    "rawws blocking": Server(rawws_blocking),
    "websockets": Server(websockets_asyncio, "websockets"),
    "websockets sync": Server(websockets_sync, "websockets"),
    "wsproto": Server(wsproto, "wsproto"),
    "picows": Server(picows, "picows"),
    "aiohttp": Server(aiohttp, "aiohttp"),
}

SETTINGS = {
    f"{bits}/{memory} level {level}": Deflate(bits, bits, level=level, memory_level=memory)
    for bits, memory in ((12, 5), (15, 8))
    for level in (1, 3, 6)
}
"""Window bits, memory level and level; the first is what `Deflate()` is."""

CODECS = {"zlib": "zlib", "zlib-ng": "zlib_ng.zlib_ng", "isal": "isal.isal_zlib"}
"""Modules of one face."""


def variants() -> dict[str, Server]:
    """More servers of rawws, that compress with other settings than the default, or with another codec."""
    found = {f"rawws aio {name}": Server(partial(rawws_aio, wish)) for name, wish in list(SETTINGS.items())[1:]}
    found["rawws blocking 15/8 level 1"] = Server(partial(rawws_blocking, SETTINGS["15/8 level 1"]))
    for codec, level in (("zlib-ng", 1), ("zlib-ng", 2), ("isal", 1)):
        for bits, memory in ((12, 5), (15, 8)):
            wish = Deflate(bits, bits, level=level, memory_level=memory)
            run = partial(rawws_with, codec, wish)
            found[f"rawws aio {codec} {bits}/{memory} level {level}"] = Server(run, CODECS[codec].partition(".")[0])
    return found


if __name__ == "__main__":
    started = (SERVERS | variants())[sys.argv[1]].run()
    if started is not None:
        asyncio.run(started)  # type: ignore[arg-type]
