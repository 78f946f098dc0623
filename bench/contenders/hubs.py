"""Servers that send each message to everybody: `python -m bench.contenders.hubs NAME` prints its port, and serves.

It does so until its input ends.  What comes on one connection goes to all, the one it came from included; all else is
as each library has it.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from bench.contenders.echo import NODE, PURE, no_c
from bench.contenders.serving import CROWD, HOST, run, say, until_input_ends
from bench.harness.suite import Contender
from rawws import aio, blocking
from rawws.core.frames import Opcode, decode_header, encode_frame
from rawws.core.masking import apply_mask

# --- The floor: a frame that is made once, and written to every transport -------------------------------------------


class TcpHub(asyncio.Protocol):
    """As much of a WebSocket as the load needs: it upgrades whoever asks, and takes each read for whole frames."""

    everybody: set[asyncio.Transport] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.transport not in self.everybody:
            self.everybody.add(self.transport)
            self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            return
        while (header := decode_header(data)) is not None and header.key is not None:
            payload, data = data[header.size : header.size + header.length], data[header.size + header.length :]
            if header.opcode == Opcode.CLOSE:
                self.transport.close()
                return
            frame = encode_frame(header.opcode, apply_mask(payload, header.key))
            for transport in self.everybody:
                transport.write(frame)

    def connection_lost(self, error: Exception | None) -> None:
        self.everybody.discard(self.transport)


async def tcp() -> None:
    server = await asyncio.get_running_loop().create_server(TcpHub, HOST, 0, backlog=1000)
    say(server.sockets[0].getsockname()[1])
    await until_input_ends()


# --- rawws ----------------------------------------------------------------------------------------------------------


async def rawws_broadcast() -> None:
    async def hub(ws: aio.WebSocket) -> None:
        async for message in ws:
            aio.broadcast(server.connections, message)

    async with aio.serve(hub, HOST, 0, backlog=1000) as server:
        say(server.port)
        await until_input_ends()


async def rawws_send() -> None:
    async def hub(ws: aio.WebSocket) -> None:
        async for message in ws:
            for each in server.connections:
                await each.send(message)

    async with aio.serve(hub, HOST, 0, backlog=1000) as server:
        say(server.port)
        await until_input_ends()


def rawws_threads() -> None:
    def hub(ws: blocking.WebSocket) -> None:
        for message in ws:
            blocking.broadcast(server.connections, message)

    server = blocking.serve(hub, HOST, 0, backlog=1000, max_connections=CROWD)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(server.port)
    sys.stdin.read()


# --- websockets -----------------------------------------------------------------------------------------------------


async def serve_websockets(send_to: Callable[[set[Any], Any], Awaitable[object] | None]) -> None:
    from websockets.asyncio.server import serve

    everybody: set[Any] = set()

    async def hub(ws: Any) -> None:
        everybody.add(ws)
        try:
            async for message in ws:
                sending = send_to(everybody, message)
                if sending is not None:
                    await sending
        finally:
            everybody.discard(ws)

    async with serve(hub, HOST, 0, backlog=1000) as server:
        say(next(iter(server.sockets)).getsockname()[1])
        await until_input_ends()


async def websockets_broadcast() -> None:
    from websockets.asyncio.server import broadcast

    await serve_websockets(broadcast)


async def websockets_send() -> None:
    async def send_to(everybody: set[Any], message: Any) -> None:
        for each in everybody.copy():
            await each.send(message)

    await serve_websockets(send_to)


# --- aiohttp --------------------------------------------------------------------------------------------------------


async def aiohttp_send() -> None:
    from aiohttp import web

    everybody: set[web.WebSocketResponse] = set()

    async def hub(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        everybody.add(ws)
        try:
            async for message in ws:
                for each in everybody.copy():
                    await each.send_str(message.data)
        finally:
            everybody.discard(ws)
        return ws

    app = web.Application()
    app.router.add_get("/", hub)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0, backlog=1000)
    await site.start()
    say(runner.addresses[0][1])
    await until_input_ends()


# --- picows ---------------------------------------------------------------------------------------------------------


async def picows_send() -> None:
    from picows import WSListener, WSMsgType, ws_create_server

    everybody: set[Any] = set()
    close = WSMsgType.CLOSE

    class Listener(WSListener):  # type: ignore[misc]
        def on_ws_connected(self, transport: Any) -> None:
            everybody.add(transport)

        def on_ws_disconnected(self, transport: Any) -> None:
            everybody.discard(transport)

        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type is close:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()
                return
            payload = frame.get_payload_as_bytes()
            for each in everybody:
                each.send(frame.msg_type, payload)

    server = await ws_create_server(lambda _: Listener(), HOST, 0, backlog=1000)
    say(server.sockets[0].getsockname()[1])
    await until_input_ends()


async def picows_broadcast() -> None:
    from picows.websockets import broadcast, serve

    everybody: set[Any] = set()

    async def hub(ws: Any) -> None:
        everybody.add(ws)
        try:
            async for message in ws:
                broadcast(everybody, message)
        finally:
            everybody.discard(ws)

    async with serve(hub, HOST, 0, backlog=1000) as server:
        say(next(iter(server.sockets)).getsockname()[1])
        await until_input_ends()


# --- tornado --------------------------------------------------------------------------------------------------------


async def tornado_send() -> None:
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application
    from tornado.websocket import WebSocketHandler

    everybody: set[WebSocketHandler] = set()

    class Hub(WebSocketHandler):
        def get_compression_options(self) -> dict[str, Any]:
            return {}

        def open(self, *_: str, **__: str) -> None:
            everybody.add(self)

        def on_close(self) -> None:
            everybody.discard(self)

        def on_message(self, message: str | bytes) -> None:
            for each in everybody:
                each.write_message(message, binary=isinstance(message, bytes))

    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    sockets = bind_sockets(0, HOST, backlog=1000)
    HTTPServer(Application([("/", Hub)])).add_sockets(sockets)
    say(sockets[0].getsockname()[1])
    await until_input_ends()


# --- All of them ----------------------------------------------------------------------------------------------------


class Hub(NamedTuple):
    """A server that can be measured."""

    run: Callable[[], Any]
    needs: Sequence[str] = ()


FLOOR = "tcp"
OURS = {
    "rawws": Hub(rawws_broadcast),
    "rawws send": Hub(rawws_send),
    "rawws blocking": Hub(rawws_threads),
}
PEERS = {
    "picows send": Hub(picows_send, ["picows"]),
    "picows await broadcast": Hub(picows_broadcast, ["picows.websockets"]),
    "aiohttp send": Hub(aiohttp_send, ["aiohttp"]),
    "websockets": Hub(websockets_broadcast, ["websockets"]),
    "websockets send": Hub(websockets_send, ["websockets"]),
    "tornado send": Hub(tornado_send, ["tornado"]),
}
HUBS = {FLOOR: Hub(tcp)} | OURS | PEERS
NO_COMPRESSION = (FLOOR, "picows send")


def hubs() -> list[Contender]:
    """All of them, and ours with C and without."""
    floor = Contender(name=FLOOR, command=("-m", "bench.contenders.hubs", FLOOR), kind="floor")
    ours = [_hub(name, kind="rawws", unable=no_c) for name in OURS]
    pure = [_hub(name, " pure", kind="rawws", environment=PURE) for name in OURS]
    peers = [_hub(name, needs=HUBS[name].needs) for name in PEERS]
    node = Path(__file__).with_name("node_hub.js")
    return [floor, *ours, *pure, *peers, replace(NODE, command=("node", str(node)), floors=(FLOOR,))]


def _hub(name: str, suffix: str = "", **more: Any) -> Contender:
    return Contender(name=name + suffix, command=("-m", "bench.contenders.hubs", name), floors=(FLOOR,), **more)


if __name__ == "__main__":
    run(HUBS[sys.argv[1]].run)
