"""One process of the server: its page, and what readers say."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from time import time
from typing import Any

from examples.feed.book import Delta, Position
from examples.feed.hub import Hub
from examples.feed.market import SYMBOLS, Market
from rawws import Request, Response
from rawws.aio import Server, WebSocket, serve

PAGE = Path(__file__).with_name("page.html")
NAMES = {symbol.symbol for symbol in SYMBOLS}
MISTAKES = 20
"""Who makes more of them is told to go."""
WAITING = 16 * 1024
"""What may wait for a reader in this process, and about as much again four times in the kernel."""
TICK = 5.0
"""Seconds between words to whoever was told no news: pages see no Pings, and take silence for a lost connection."""


class Mistake(Exception):
    """A reader said what cannot be understood; the text is the answer."""


def listen(host: str, port: int, shared: bool = False) -> socket.socket:
    """A socket to serve on; beside a shared one, other processes can listen on the same port.

    What is written is out of our hands, and what is old cannot be taken back: so the kernel is to hold little of it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server((host, port), family=family, reuse_port=shared, backlog=1000)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * WAITING)
    return sock


@asynccontextmanager
async def serving(hub: Hub, sock: socket.socket, tick: float = TICK) -> AsyncIterator[Server]:
    """The server on a socket, for as long as the block lasts."""

    async def handle(ws: WebSocket) -> None:
        try:
            await converse(hub, ws)
        finally:
            hub.forget(ws)

    # Deltas are too short for compression to be worth its memory.
    options: dict[str, Any] = {"write_limit": WAITING, "max_size": 1024, "compression": None, "backlog": 1000}
    async with serve(handle, sock=sock, process_request=show_page, **options) as server:
        reassuring = asyncio.create_task(reassure(hub, server, tick))
        try:
            yield server
        finally:
            reassuring.cancel()


async def reassure(hub: Hub, server: Server, tick: float) -> None:
    """Let nobody take a market that stands still for a connection that is lost."""
    while True:
        await asyncio.sleep(tick)
        hub.reassure(server.connections)


def show_page(request: Request) -> Response | None:
    """The page, and a word for who watches over the server; None leaves a WebSocket to the opening handshake."""
    if any(name == b"upgrade" for name, _ in request.headers):
        return None
    html = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}
    match request.target.partition("?")[0]:
        case "/":
            return Response(200, html, PAGE.read_bytes())
        case "/health":
            return Response(200, {"Content-Type": "text/plain"}, "ok\n")
    return Response(404, {"Content-Type": "text/plain"}, "The feed is at /\n")


async def converse(hub: Hub, ws: WebSocket) -> None:
    """Do what a reader asks for, until it leaves or is told to go."""
    symbols = [{"symbol": one.symbol, "name": one.name, "decimals": one.decimals} for one in SYMBOLS]
    await ws.send(json.dumps({"type": "welcome", "process": os.getpid(), "symbols": symbols}))
    mistakes = 0
    async for message in ws:
        try:
            obey(hub, ws, message)
        except Mistake as mistake:
            await ws.send(json.dumps({"type": "error", "error": str(mistake)}))
            mistakes += 1
        if mistakes > MISTAKES:
            await ws.close(1008, "too much that cannot be understood")


def obey(hub: Hub, ws: WebSocket, message: str | bytes) -> None:
    """Do what one message asks for; raise `Mistake` if it cannot be done."""
    match parse(message):
        case {"type": "subscribe", "symbol": str(name), "run": str(run), "sequence": int(sequence)}:
            hub.follow(ws, known(name), Position(run, sequence))
        case {"type": "subscribe", "symbol": str(name), **rest} if not rest:
            hub.follow(ws, known(name), None)
        case {"type": "unsubscribe", "symbol": str(name)}:
            hub.leave(ws, known(name))
        case {"type": "subscribe" | "unsubscribe"}:
            raise Mistake('it takes a "symbol", and to go on from a state the "run" and the "sequence" of that')
        case _:
            raise Mistake('the "type" of a message is "subscribe" or "unsubscribe"')


def parse(message: str | bytes) -> Any:
    """The JSON in a message."""
    if isinstance(message, bytes):
        raise Mistake("messages are text here, not binary")
    try:
        return json.loads(message)
    except (ValueError, RecursionError) as error:
        raise Mistake(f"this is no JSON: {error}") from None


def known(name: str) -> str:
    """A symbol that there is."""
    if name not in NAMES:
        raise Mistake(f"there is no symbol {name!a}; there are {', '.join(sorted(NAMES))}")
    return name


async def make_prices(hub: Hub, market: Market, rate: float) -> None:
    """Let prices move, for readers of this process."""
    for book in market.books.values():
        hub.replace(deepcopy(book))  # The market goes on with its own.
    async for delta in moves(market, rate):
        hub.publish(delta)


async def moves(market: Market, rate: float) -> AsyncIterator[Delta]:
    """What happens in a market where each price moves so many times a second."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        for name in market.books:
            due = max(due + 1 / rate / len(market.books), loop.time())
            await asyncio.sleep(due - loop.time())
            yield market.step(name, time())
