"""Who talks with whom."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from importlib import import_module
from itertools import count
from typing import Any, NamedTuple, NoReturn

import pytest

from tests.interop.talk import TIMEOUT, Ended, Ends, Host, Offer, Stage, Talker, Tls, background_loop


class Peer(NamedTuple):
    """A library, and what of it the tests have to know.

    Attributes:
        name: what it is called in the names of the tests.
        where: the module here and the name in it.
        is_client, is_server: the roles that it can play.
        is_ours: it is rawws.
        echoes_code: it answers a Close with the code of that; else with 1000.
        can_fragment: it can send a message in fragments.
        has_limit: it refuses messages of more than `LIMIT` bytes with 1009.
        offers_compression: as a client.
        insists_on_subprotocol: as a client that offered some, it fails the connection if none is chosen.
    """

    name: str
    where: str
    is_client: bool = True
    is_server: bool = True
    is_ours: bool = False
    echoes_code: bool = True
    can_fragment: bool = True
    has_limit: bool = True
    offers_compression: bool = False
    insists_on_subprotocol: bool = False

    @property
    def ends(self) -> Ends:
        """What it brings, if what it needs is there; else the test is skipped."""
        module, _, name = self.where.partition(".")
        try:
            ends: Ends = getattr(import_module(f"tests.interop.{module}"), name)
        except ImportError as error:
            missing(f"{self.name}: {error}")
        return ends


PEERS = (
    Peer("aio", "with_rawws.AIO", is_ours=True),
    Peer("blocking", "with_rawws.BLOCKING", is_ours=True),
    Peer("websockets asyncio", "with_websockets.ASYNCIO", offers_compression=True),
    Peer("websockets sync", "with_websockets.SYNC", offers_compression=True),
    Peer(
        "websocket-client",
        "with_websocket_client.CLIENT",
        is_server=False,
        echoes_code=False,
        has_limit=False,
        insists_on_subprotocol=True,
    ),
    Peer("aiohttp", "with_aiohttp.AIOHTTP", echoes_code=False, can_fragment=False, offers_compression=True),
    Peer("wsproto", "with_wsproto.WSPROTO", has_limit=False, offers_compression=True),
    Peer("ws on Node", "with_node.NODE", offers_compression=True, insists_on_subprotocol=True),
)
LINKS = [
    (client, server)
    for client in PEERS
    for server in PEERS
    if client.is_client and server.is_server and client.is_ours != server.is_ours
]
"""Who connects to whom: one side is ours."""


def named(pair: tuple[Peer, Peer]) -> str:
    """What a link is called."""
    return f"{pair[0].name} to {pair[1].name}"


def links_where(suits: Callable[[Peer, Peer], bool]) -> pytest.MarkDecorator:
    """Have a test run with those links only whose client and server suit it."""
    return pytest.mark.parametrize("link", [pair for pair in LINKS if suits(*pair)], ids=named, indirect=True)


def missing(reason: str) -> NoReturn:
    """Skip a test for want of a peer; where none may be missing, fail it."""
    if os.environ.get("RAWWS_NO_SKIP"):
        pytest.fail(reason)
    pytest.skip(reason)


class Servers:
    """One server of each kind, started when it is first asked for."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._stack = ExitStack()
        self._loop = self._stack.enter_context(background_loop())
        self._running: dict[tuple[str, bool], tuple[Host, int]] = {}

    def get(self, peer: Peer, secure: bool) -> tuple[Host, int]:
        """What converses on a server, and its port."""
        if (peer.name, secure) not in self._running:
            serve = peer.ends.serve
            assert serve is not None
            host = Host()
            stage = Stage(host, self._loop, self._tls if secure else None)
            self._running[peer.name, secure] = host, self._stack.enter_context(serve(stage))
        return self._running[peer.name, secure]

    def stop(self) -> None:
        """Stop them all."""
        self._stack.close()


class Link:
    """A client and a server that can talk to each other."""

    _numbers = count(1)

    def __init__(self, client: Peer, server: Peer, servers: Servers, tls: Tls) -> None:
        self.client = client
        self.server = server
        self._servers = servers
        self._tls = tls
        self._host: Host | None = None

    @asynccontextmanager
    async def talk(
        self, path: str | None = None, query: str = "", secure: bool = False, **offer: Any
    ) -> AsyncIterator[Talker]:
        """The client's end of a new connection, to a path that no other has; `offer` as in `Offer`."""
        connect = self.client.ends.connect
        assert connect is not None
        self._host, port = self._servers.get(self.server, secure)
        path = path or f"/talk/{next(self._numbers)}"
        talker = await connect(Offer(port, path + query, tls=self._tls if secure else None, **offer))
        try:
            yield talker
        finally:
            await talker.leave()

    async def ending(self, talker: Talker) -> Ended:
        """How the server saw the end of a connection."""
        assert self._host is not None
        return await asyncio.wait_for(asyncio.wrap_future(self._host.ending(talker.path)), TIMEOUT)
