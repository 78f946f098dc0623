"""Echo servers of other libraries, each written as its own documentation would.

Messages may be long; all else is as each library has it.  That goes for compression too: who offers none gets none.
"""

import asyncio
import socket
import sys
import threading
from typing import Any

from bench.contenders.serving import HOST, LARGEST, say, until_input_ends


async def websockets() -> None:
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

    sock = socket.create_server((HOST, 0), backlog=1000)
    server = serve(echo, sock=sock, max_size=LARGEST)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(sock.getsockname()[1])
    sys.stdin.read()


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
                    accept = events.AcceptConnection(extensions=[PerMessageDeflate()])
                    self.transport.write(self.connection.send(accept))
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


async def picows() -> None:
    """Its callbacks, the fastest that it has."""
    from picows import WSListener, WSMsgType, ws_create_server

    close = WSMsgType.CLOSE

    class Echo(WSListener):  # type: ignore[misc]
        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type is close:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()
            else:
                transport.send(frame.msg_type, frame.get_payload_as_bytes())

    server = await ws_create_server(lambda _: Echo(), HOST, 0, max_frame_size=LARGEST)
    say(server.sockets[0].getsockname()[1])
    await until_input_ends()


async def picows_await() -> None:
    """Its API that is like that of websockets."""
    from picows.websockets import serve

    async def echo(ws: Any) -> None:
        async for message in ws:
            await ws.send(message)

    async with serve(echo, HOST, 0, max_size=LARGEST) as server:
        say(next(iter(server.sockets)).getsockname()[1])
        await until_input_ends()


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
    await web.TCPSite(runner, HOST, 0).start()
    say(runner.addresses[0][1])
    await until_input_ends()


async def tornado() -> None:
    import logging

    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application
    from tornado.websocket import WebSocketHandler

    class Echo(WebSocketHandler):
        def get_compression_options(self) -> dict[str, Any]:
            return {}

        async def on_message(self, message: str | bytes) -> None:
            await self.write_message(message, binary=isinstance(message, bytes))

    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    sockets = bind_sockets(0, HOST)
    HTTPServer(Application([("/", Echo)], websocket_max_message_size=LARGEST)).add_sockets(sockets)
    say(sockets[0].getsockname()[1])
    await until_input_ends()


async def _asgi_echo(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application."""
    if scope["type"] != "websocket":
        return
    await send({"type": "websocket.accept"})
    while True:
        event = await receive()
        if event["type"] == "websocket.receive":
            text = event.get("text")
            answer = {"bytes": event["bytes"]} if text is None else {"text": text}
            await send({"type": "websocket.send"} | answer)
        elif event["type"] == "websocket.disconnect":
            return


async def _uvicorn(core: Any) -> None:
    from uvicorn import Config, Server

    sock = socket.create_server((HOST, 0), backlog=1000)
    server = Server(Config(_asgi_echo, ws=core, lifespan="off", log_config=None, ws_max_size=LARGEST))
    serving = asyncio.create_task(server.serve([sock]))
    while not server.started:
        await asyncio.sleep(0.01)
    say(sock.getsockname()[1])
    await until_input_ends()
    server.should_exit = server.force_exit = True
    await serving


async def uvicorn_websockets() -> None:
    await _uvicorn("websockets-sansio")


async def uvicorn_wsproto() -> None:
    await _uvicorn("wsproto")
