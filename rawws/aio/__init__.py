"""The asyncio transport: `connect`, `reconnect`, `serve`, and the `WebSocket` that an application holds.

`CallbackSocket`, `serve_callbacks` and `connect_callbacks` are the same without tasks, in `rawws.aio.callbacks`.

async with connect("ws://localhost:8765") as ws:
    await ws.send("hi")
    async for message in ws: ...

async def handler(ws):
    async for message in ws:
        await ws.send(message)

async with serve(handler, "localhost", 8765) as server:
    await server.serve_forever()
"""

from rawws.aio.callbacks import CallbackServer, CallbackSocket, connect_callbacks, serve_callbacks
from rawws.aio.client import connect, reconnect
from rawws.aio.many import broadcast
from rawws.aio.server import Server, serve
from rawws.aio.websocket import WebSocket

__all__ = [
    "CallbackServer",
    "CallbackSocket",
    "Server",
    "WebSocket",
    "broadcast",
    "connect",
    "connect_callbacks",
    "reconnect",
    "serve",
    "serve_callbacks",
]
