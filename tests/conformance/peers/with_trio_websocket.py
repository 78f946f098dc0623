"""trio-websocket."""

from contextlib import suppress
from socket import socket

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, WebSocketServer, open_websocket_url


async def _echo(ws: WebSocketConnection) -> None:
    while True:
        await ws.send_message(await ws.get_message())


async def _handle(request: WebSocketRequest) -> None:
    ws = await request.accept()
    with suppress(ConnectionClosed):
        await _echo(ws)


def serve(listener: socket) -> None:
    """An echo on a listening socket, for ever."""

    async def main() -> None:
        listening = trio.SocketListener(trio.socket.from_stdlib_socket(listener))
        await WebSocketServer(_handle, [listening]).run()

    trio.run(main)


def connect(url: str) -> None:
    """Echo what comes from a server."""

    async def main() -> None:
        # As in the client that it is itself tested with.  What is caught within the block lets the block wait for the
        # end of TCP, for as long as the server likes.
        with suppress(ConnectionClosed):
            async with open_websocket_url(url) as ws:
                await _echo(ws)

    trio.run(main)
