"""The asyncio transport in another loop: a part of what any transport must do, and what is near to the loop."""

import asyncio
from typing import Any

import pytest

from rawws.aio import CallbackSocket, connect, connect_callbacks, serve, serve_callbacks
from rawws.aio.waiter import may_wake_at_once
from tests.contract import TestClosing as TestClosing
from tests.contract import TestPings as TestPings
from tests.net import Asyncio, Net, behaviour
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.proxy import Proxy
from tests.proxy import no_proxy_of_this_machine as no_proxy_of_this_machine
from tests.test_opening import authority as authority
from tests.test_opening import serving, trusting
from tests.trouble import TestBackpressure as TestBackpressure
from tests.trouble import TestGathering as TestGathering
from tests.trouble import TestVanishing as TestVanishing
from tests.wire import TEXT

uvloop: Any = pytest.importorskip("uvloop")
uvloop.new_event_loop().close()  # The first one opens what it keeps.


@pytest.fixture
def net() -> Net:
    net = Asyncio()
    net.new_loop = uvloop.new_event_loop
    return net


@behaviour
async def test_a_task_is_woken_in_the_turn_of_its_message(net: Net) -> None:
    """A task that waits for a message has it before the loop turns again."""
    async with net.facing_server() as (ws, peer):
        receiving = asyncio.ensure_future(ws.native.recv())
        await asyncio.sleep(0)
        seen: list[bool] = []

        def come() -> None:
            ws.native.get_buffer(-1)[:3] = peer.frame(TEXT, "a")
            ws.native.buffer_updated(3)
            seen.append(receiving.done())

        asyncio.get_running_loop().call_soon(come)
        assert "a" == await receiving
        assert [may_wake_at_once(asyncio.get_running_loop())] == seen


@behaviour
async def test_tls_is_spoken(net: Net, authority: Any) -> None:
    """wss:// works as in the loop of asyncio, also with messages that TLS takes in pieces."""
    async with net.serve(ssl=serving(authority)) as server:
        uri = server.uri.replace("127.0.0.1", "localhost")
        async with await net.connect(uri, ssl=trusting(authority)) as ws:
            for message in ("a", "b" * 1_000_000, b""):
                await ws.send(message)
                assert message == await ws.recv()


@pytest.mark.usefixtures("no_proxy_of_this_machine")
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("kind", ["http", "socks5"])
@behaviour
async def test_there_may_be_a_proxy(net: Net, authority: Any, kind: str, secure: bool) -> None:
    """Its transport is taken over as in the loop of asyncio, and TLS is spoken through it."""
    inside = {"ssl": serving(authority)} if secure else {}
    async with net.serve(**inside) as server, Proxy(kind).listening() as proxy:
        uri = server.uri.replace("127.0.0.1", "localhost")
        trust = {"ssl": trusting(authority)} if secure else {}
        async with await net.connect(uri, proxy=proxy.url, **trust) as ws:
            await ws.send("x" * 100_000)

            assert "x" * 100_000 == await ws.recv()
        assert 1 == len(proxy.asked)


@behaviour
async def test_callbacks_are_called(net: Net) -> None:
    """Connections that call methods, as a server and as a client."""

    class Echo(CallbackSocket):
        def on_message(self, message: str | bytes) -> None:
            self.send(message)

    class Client(CallbackSocket):
        def on_open(self) -> None:
            self.send("hello")

        def on_message(self, message: str | bytes) -> None:
            heard.append(message)
            self.start_close(3000)

    heard: list[Any] = []
    async with serve_callbacks(Echo, "127.0.0.1", 0) as server:
        client = await connect_callbacks(Client, f"ws://127.0.0.1:{server.port}")
        await client.wait_closed()
    assert (["hello"], 3000) == (heard, client.close_code)


@behaviour
async def test_many_at_once(net: Net) -> None:
    """A hundred clients with ten messages each get their echoes in order."""

    async def echo(ws: Any) -> None:
        async for message in ws:
            await ws.send(message)

    async def talk(port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}") as ws:
            for n in range(10):
                await ws.send(str(n))
            assert [str(n) for n in range(10)] == [await ws.recv() for _ in range(10)]

    async with serve(echo, "127.0.0.1", 0) as server:
        await asyncio.gather(*(talk(server.port) for _ in range(100)))
