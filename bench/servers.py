"""Echo servers, one of each library: `python -m bench.servers NAME` prints its port and serves until its input ends.

Compression is off everywhere and messages may be long; all else is as each library has it.
"""

import asyncio
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rawws import aio, blocking

HOST = "127.0.0.1"
LARGEST = 16 * 1024 * 1024


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


async def rawws_aio() -> None:
    async with aio.serve(_aio_echo, HOST, 0, max_size=LARGEST) as server:
        say(server.port)
        await until_input_ends()


def _blocking_echo(ws: blocking.WebSocket) -> None:
    for message in ws:
        ws.send(message)


def rawws_blocking() -> None:
    server = blocking.serve(_blocking_echo, HOST, 0, max_size=LARGEST)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(server.port)
    sys.stdin.read()


# --- websockets -----------------------------------------------------------------------------------------------------


async def websockets_asyncio() -> None:
    from websockets.asyncio.server import serve

    async def echo(ws: Any) -> None:
        async for message in ws:
            await ws.send(message)

    async with serve(echo, HOST, 0, max_size=LARGEST, compression=None) as server:
        say(next(iter(server.sockets)).getsockname()[1])
        await until_input_ends()


def websockets_sync() -> None:
    from websockets.sync.server import serve

    def echo(ws: Any) -> None:
        for message in ws:
            ws.send(message)

    sock = socket.create_server((HOST, 0))
    server = serve(echo, sock=sock, max_size=LARGEST, compression=None)
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

        self.connection.receive_data(data)
        for event in self.connection.events():
            match event:
                case events.Request():
                    self.transport.write(self.connection.send(events.AcceptConnection()))
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
        ws = web.WebSocketResponse(compress=False, max_msg_size=LARGEST)
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

if __name__ == "__main__":
    started = SERVERS[sys.argv[1]].run()
    if started is not None:
        asyncio.run(started)  # type: ignore[arg-type]
