"""picows: its core, which tells of frames and leaves joining them to its user, and its layer that is like websockets.

Its own example of an echo sends each frame back.  A target sends messages back, so this one joins the fragments.
"""

import asyncio
from socket import socket

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server
from picows.websockets.asyncio.client import connect as connect_layer
from picows.websockets.asyncio.server import serve as serve_layer


class _Echo(WSListener):
    def __init__(self) -> None:
        super().__init__()
        self.message: tuple[WSMsgType, bytearray] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self.add(transport, frame)

    def add(self, transport: WSTransport, frame: WSFrame) -> None:
        """One more fragment, or a whole message."""
        if frame.msg_type != WSMsgType.CONTINUATION:
            self.message = frame.msg_type, bytearray()
        if self.message is None:
            return
        kind, data = self.message
        data += frame.get_payload_as_memoryview()
        if frame.fin:
            self.message = None
            transport.send(kind, data)


def serve(listener: socket) -> None:
    """An echo on a listening socket, for ever."""

    async def main() -> None:
        server = await ws_create_server(lambda request: _Echo(), sock=listener)
        await server.serve_forever()

    asyncio.run(main())


def connect(url: str) -> None:
    """Echo what comes from a server."""

    async def main() -> None:
        transport, _ = await ws_connect(_Echo, url)
        await transport.wait_disconnected()

    asyncio.run(main())


def serve_like_websockets(listener: socket) -> None:
    """An echo on a listening socket, for ever, of its layer."""

    async def main() -> None:
        async with serve_layer(_echo, sock=listener) as server:
            await server.serve_forever()

    asyncio.run(main())


def connect_like_websockets(url: str) -> None:
    """Echo what comes from a server, with its layer."""

    async def main() -> None:
        async with connect_layer(url) as websocket:
            await _echo(websocket)

    asyncio.run(main())


async def _echo(websocket):  # type: ignore[no-untyped-def]
    async for message in websocket:
        await websocket.send(message)
