"""Connecting through proxies, with both transports: real proxies, on real sockets."""

from typing import Any

import pytest

from rawws import ProxyError
from tests.net import Asyncio, Blocking, Net, behaviour, ended
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.proxy import Proxy

KINDS = ["http", "socks4", "socks4a", "socks5", "socks5h"]

each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(params=[Asyncio, Blocking], ids=["aio", "blocking"])
def net(request: pytest.FixtureRequest) -> Net:
    return request.param()  # type: ignore[no-any-return]


class TestProxies:
    """`proxy="…"`."""

    @each_kind
    @pytest.mark.parametrize("pieces", [0, 1], ids=["whole", "dripping"])
    @behaviour
    async def test_lead_to_the_server(self, net: Net, kind: str, pieces: int) -> None:
        """Behind any proxy it is a connection like any other, however its answers are cut."""
        async with net.serve() as server, Proxy(kind, pieces=pieces).listening() as proxy:
            async with await net.connect(server.uri, proxy=proxy.url) as ws:
                await ws.send("x" * 100_000)

                assert "x" * 100_000 == await ws.recv()
            assert [f"127.0.0.1:{server.port}"] == proxy.asked
            assert (1000, "local") == (ws.closed.code, ws.closed.by)

    @each_kind
    @behaviour
    async def test_may_want_to_know_who_we_are(self, net: Net, kind: str) -> None:
        """User and password stand in the address of the proxy; without them it refuses, and says so."""
        async with net.serve() as server, Proxy(kind, wants_user=True).listening() as proxy:
            error = await ended(net.connect(server.uri, proxy=proxy.url))
            async with await net.connect(server.uri, proxy=proxy.url_with_user) as ws:
                await ws.send("Hello")

                assert "Hello" == await ws.recv()
            assert isinstance(error, ProxyError)
            assert error.hopeless
            assert str(error).startswith(f"the proxy {proxy.url} ")
