"""picows: its core, which tells of frames and leaves joining them to its user, and its layer that is like websockets.

The core's own example of an echo sends each frame back.  A target sends messages back, so this one joins fragments, and
does with it what the core leaves to whoever does so: fragments are in order, text is UTF-8, a message has a largest
size, and nothing more is read while what was sent has not gone out.
"""

import asyncio
from socket import socket
from typing import Any

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect, ws_create_server
from picows.websockets.asyncio.client import connect as connect_layer
from picows.websockets.asyncio.server import serve as serve_layer

LARGEST = 10 * 1024 * 1024
"""As long as the longest frame that it takes by default."""


class _Echo(WSListener):
    def __init__(self) -> None:
        super().__init__()
        self.transport: Any = None
        self.kind: WSMsgType | None = None
        self.data = bytearray()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            wrong = self.add(frame)
            if wrong is not None:
                transport.send_close(wrong)
                transport.disconnect()

    def add(self, frame: WSFrame) -> WSCloseCode | None:
        """One more fragment, or a whole message; what is wrong with it."""
        if (frame.msg_type == WSMsgType.CONTINUATION) != (self.kind is not None):
            return WSCloseCode.PROTOCOL_ERROR
        self.kind = frame.msg_type if self.kind is None else self.kind
        self.data += frame.get_payload_as_memoryview()
        if len(self.data) > LARGEST:
            return WSCloseCode.MESSAGE_TOO_BIG
        return self.answer() if frame.fin else None

    def answer(self) -> WSCloseCode | None:
        """Send the message back; what is wrong with it."""
        kind, data, self.kind, self.data = self.kind, self.data, None, bytearray()
        if kind == WSMsgType.TEXT:
            try:
                data.decode()
            except UnicodeDecodeError:
                return WSCloseCode.INVALID_TEXT
        self.transport.send(kind, data)
        return None

    def pause_writing(self) -> None:
        self.transport.underlying_transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.underlying_transport.resume_reading()


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
