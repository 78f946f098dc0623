"""Servers of ASGI applications: uvicorn on websockets and on wsproto, and hypercorn on wsproto."""

import asyncio
from collections.abc import Awaitable, Callable
from socket import socket
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """An application that accepts every WebSocket, and knows nothing else."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
    elif scope["type"] == "websocket":
        while (event := await receive())["type"] != "websocket.disconnect":
            await send(_answer(event))


def _answer(event: dict[str, Any]) -> dict[str, Any]:
    if event["type"] == "websocket.connect":
        return {"type": "websocket.accept"}
    text, data = event.get("text"), event.get("bytes")
    return {"type": "websocket.send", "bytes": data} if text is None else {"type": "websocket.send", "text": text}


def uvicorn_on_websockets(listener: socket) -> None:
    """An echo on a listening socket, for ever."""
    _uvicorn(listener, "websockets")


def uvicorn_on_wsproto(listener: socket) -> None:
    """The same with the other library underneath."""
    _uvicorn(listener, "wsproto")


def _uvicorn(listener: socket, library: str) -> None:
    import uvicorn

    config = uvicorn.Config(echo, ws=library, lifespan="off", log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


def hypercorn(listener: socket) -> None:
    """The same."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    asyncio.run(serve(echo, config))  # type: ignore[arg-type]
