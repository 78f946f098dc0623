"""aiohttp."""

import asyncio
from socket import socket

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web


async def _echo(ws: web.WebSocketResponse | ClientWebSocketResponse) -> None:
    async for message in ws:
        if message.type == WSMsgType.TEXT:
            await ws.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await ws.send_bytes(message.data)


async def _handle(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    await _echo(ws)
    return ws


def serve(listener: socket) -> None:
    """An echo on a listening socket, for ever."""
    app = web.Application()
    app.add_routes([web.get("/", _handle)])
    web.run_app(app, sock=listener, print=None)


def connect(url: str) -> None:
    """Echo what comes from a server."""

    async def main() -> None:
        async with ClientSession() as session, session.ws_connect(url) as ws:
            await _echo(ws)

    asyncio.run(main())
