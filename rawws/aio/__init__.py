"""The asyncio transport: `connect`, `reconnect`, `serve`, and the `WebSocket` that an application holds.

async with connect("ws://localhost:8765") as ws:
    await ws.send("hi")
    async for message in ws: ...

async def handler(ws):
    async for message in ws:
        await ws.send(message)

async with serve(handler, "localhost", 8765) as server:
    await server.serve_forever()
"""

from rawws.aio.client import connect, reconnect
from rawws.aio.many import broadcast
from rawws.aio.server import Server, serve
from rawws.aio.websocket import WebSocket

__all__ = ["Server", "WebSocket", "broadcast", "connect", "reconnect", "serve"]
