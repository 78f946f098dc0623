"""Other libraries' servers behind a proxy, and other libraries' clients in front of it."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.client
from aiohttp import web

from tests.interop.talk import HOST, Tls
from tests.net import Asyncio, Blocking, in_thread
from tests.proxy import Proxy

KINDS = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"]


@asynccontextmanager
async def with_websockets(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """An echo of `websockets`; its port."""

    async def echo(ws: Any) -> None:
        async for message in ws:
            await ws.send(message)

    async with websockets.asyncio.server.serve(echo, HOST, 0, ssl=context) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def with_aiohttp(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """An echo of `aiohttp`; its port."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    application = web.Application()
    application.router.add_get("/", echo)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("server", [with_websockets, with_aiohttp], ids=["websockets", "aiohttp"])
@pytest.mark.parametrize("net", [Asyncio, Blocking], ids=["aio", "blocking"])
async def test_their_servers_are_reached(
    net: Any, server: Callable[..., Any], secure: bool, kind: str, tls: Tls
) -> None:
    """Each kind of proxy leads to each server, plain and with TLS."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(server(tls.server if secure else None))
        context = tls.server if kind == "https" else None
        proxy = await stack.enter_async_context(Proxy(kind, context=context, wants_user=True).listening())
        options = {"ssl": tls.client if secure else None, "proxy_ssl": tls.client}
        uri = f"{'wss' if secure else 'ws'}://{HOST}:{port}/"
        async with await net().connect(uri, proxy=proxy.url_with_user, **options) as ws:
            await ws.send("Hello" * 50_000)

            assert "Hello" * 50_000 == await ws.recv()
        assert (1000, 1) == (ws.close_code, len(proxy.asked))


async def _websockets_asyncio(uri: str, proxy: str, context: ssl.SSLContext) -> Any:
    async with websockets.asyncio.client.connect(uri, proxy=proxy, ssl=context) as ws:
        await ws.send("Hello")
        return await ws.recv()


async def _websockets_sync(uri: str, proxy: str, context: ssl.SSLContext) -> Any:
    def talk() -> Any:
        with websockets.sync.client.connect(uri, proxy=proxy, ssl=context) as ws:
            ws.send("Hello")
            return ws.recv(5)

    return await in_thread(talk)


async def _aiohttp(uri: str, proxy: str, context: ssl.SSLContext) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(uri, proxy=proxy, ssl=context) as ws,
    ):
        await ws.send_str("Hello")
        return (await ws.receive()).data


@pytest.mark.parametrize(
    "client, kind",
    [
        *((client, kind) for client in (_websockets_asyncio, _websockets_sync) for kind in ("http", "socks5h")),
        (_aiohttp, "http"),
    ],
    ids=lambda given: getattr(given, "__name__", given),
)
async def test_their_clients_get_through_the_same_proxies(client: Any, kind: str, tls: Tls) -> None:
    """The proxies of these tests are right for others too, so what they try is no private dialect."""
    async with with_websockets(tls.server) as port, Proxy(kind).listening() as proxy:
        assert "Hello" == await client(f"wss://{HOST}:{port}/", proxy.url, tls.client)
        assert [f"{HOST}:{port}"] == proxy.asked
