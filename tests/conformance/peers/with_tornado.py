"""tornado, and as a server also with the compression that it leaves off by default."""

import asyncio
from socket import socket

from tornado.httpserver import HTTPServer
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect


class _Echo(WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, binary=isinstance(message, bytes))


class _CompressedEcho(_Echo):
    def get_compression_options(self) -> dict[str, int]:
        return {}


def serve(listener: socket) -> None:
    """An echo on a listening socket, for ever."""
    asyncio.run(_serve(_Echo, listener))


def serve_compressed(listener: socket) -> None:
    """The same with compression."""
    asyncio.run(_serve(_CompressedEcho, listener))


async def _serve(handler: type[WebSocketHandler], listener: socket) -> None:
    server = HTTPServer(Application([("/", handler)]))
    listener.setblocking(False)
    server.add_socket(listener)
    await asyncio.Event().wait()


def connect(url: str) -> None:
    """Echo what comes from a server."""

    async def main() -> None:
        ws = await websocket_connect(url)
        while (message := await ws.read_message()) is not None:
            await ws.write_message(message, binary=isinstance(message, bytes))

    asyncio.run(main())
