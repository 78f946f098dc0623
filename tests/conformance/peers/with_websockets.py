"""websockets, with asyncio and with threads."""

import asyncio
from socket import socket

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import serve
from websockets.sync.client import connect as connect_in_thread
from websockets.sync.connection import Connection as BlockingConnection
from websockets.sync.server import serve as serve_in_threads


async def _echo(websocket: Connection) -> None:
    async for message in websocket:
        await websocket.send(message)


def _echo_blocking(websocket: BlockingConnection) -> None:
    for message in websocket:
        websocket.send(message)


def serve_asyncio(listener: socket) -> None:
    """An echo on a listening socket, for ever."""

    async def main() -> None:
        async with serve(_echo, sock=listener) as server:
            await server.serve_forever()

    asyncio.run(main())


def serve_sync(listener: socket) -> None:
    """The same with threads."""
    with serve_in_threads(_echo_blocking, sock=listener) as server:
        server.serve_forever()


def connect_asyncio(url: str) -> None:
    """Echo what comes from a server."""

    async def main() -> None:
        async with connect(url) as websocket:
            await _echo(websocket)

    asyncio.run(main())


def connect_sync(url: str) -> None:
    """The same, blocking."""
    with connect_in_thread(url) as websocket:
        _echo_blocking(websocket)
