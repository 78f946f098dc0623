"""Who talks with whom."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from importlib import import_module
from itertools import count
from typing import Any, NamedTuple, NoReturn

import pytest

from rawws import Deflate, Role
from tests.interop.talk import TIMEOUT, Ended, Ends, Host, Offer, Stage, Talker, Tls, Wire, background_loop

PARAMETERS = frozenset(
    {
        "server_max_window_bits",
        "client_max_window_bits",
        "server_no_context_takeover",
        "client_no_context_takeover",
    }
)


class Peer(NamedTuple):
    """A library, and what of it the tests have to know.

    Attributes:
        name: what it is called in the names of the tests.
        where: the module here and the name in it.
        is_client, is_server: the roles that it can play.
        is_ours: it is rawws.
        echoes_code: it answers a Close with the code of that; else with 1000.
        can_fragment: it can send a message in fragments.
        can_drop: it can end TCP with no Close.
        has_limit: it refuses messages of more than `LIMIT` bytes with 1009.
        compresses: it knows permessage-deflate, and as a client offers it.
        smallest_window: in bits, that it takes part in.
        can_ask, can_answer: the parameters of permessage-deflate that can be set, of the client and of the server.
        bears_interruption: it can be sent a Ping between the fragments of a compressed message.
        insists_on_subprotocol: as a client that offered some, it fails the connection if none is chosen.
    """

    name: str
    where: str
    is_client: bool = True
    is_server: bool = True
    is_ours: bool = False
    echoes_code: bool = True
    can_fragment: bool = True
    can_drop: bool = True
    has_limit: bool = True
    compresses: bool = True
    smallest_window: int = 8
    can_ask: frozenset[str] = PARAMETERS
    can_answer: frozenset[str] = PARAMETERS
    bears_interruption: bool = True
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
    Peer("websockets asyncio", "with_websockets.ASYNCIO"),
    Peer("websockets sync", "with_websockets.SYNC"),
    Peer(
        "websocket-client",
        "with_websocket_client.CLIENT",
        is_server=False,
        echoes_code=False,
        has_limit=False,
        compresses=False,
        insists_on_subprotocol=True,
    ),
    Peer(
        "aiohttp",
        "with_aiohttp.AIOHTTP",
        echoes_code=False,
        can_fragment=False,
        can_ask=frozenset({"server_max_window_bits"}),
        can_answer=frozenset(),
    ),
    # It has one window, and whatever is offered, one answer (2.3.1).
    Peer("picows", "with_picows.PICOWS", can_drop=False, can_ask=frozenset(), can_answer=frozenset()),
    # It fails with a window of 8 bits, and behind a control frame it takes the rest of a message for plain (1.3.2).
    Peer(
        "wsproto",
        "with_wsproto.WSPROTO",
        has_limit=False,
        smallest_window=9,
        can_answer=frozenset({"server_no_context_takeover", "client_no_context_takeover"}),
        bears_interruption=False,
    ),
    Peer("ws on Node", "with_node.NODE", insists_on_subprotocol=True),
)


class Pair(NamedTuple):
    """Who connects to whom: one side is ours; and whether ours compresses."""

    client: Peer
    server: Peer
    compressed: bool

    def __str__(self) -> str:
        return f"{self.client.name} to {self.server.name}{', compressed' if self.compressed else ''}"

    @property
    def peer(self) -> Peer:
        """The side that is not ours."""
        return self.server if self.client.is_ours else self.client


PAIRS = [
    Pair(client, server, compressed)
    for client in PEERS
    for server in PEERS
    for compressed in (False, True)
    if client.is_client and server.is_server and client.is_ours != server.is_ours
    if not compressed or (client.compresses and server.compresses)
]


def pairs_where(suits: Callable[[Pair], bool]) -> pytest.MarkDecorator:
    """Have a test run with those pairs only that suit it."""
    return pytest.mark.parametrize("link", list(filter(suits, PAIRS)), ids=str, indirect=True)


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
        self._running: dict[tuple[str, bool, Deflate | None], tuple[Host, int]] = {}

    def get(self, peer: Peer, secure: bool, compression: Deflate | None) -> tuple[Host, int]:
        """What converses on a server, and its port."""
        key = peer.name, secure, compression
        if key not in self._running:
            serve = peer.ends.serve
            assert serve is not None
            host = Host()
            stage = Stage(host, self._loop, self._tls if secure else None, compression)
            self._running[key] = host, self._stack.enter_context(serve(stage))
        return self._running[key]

    def stop(self) -> None:
        """Stop them all."""
        self._stack.close()


class Link:
    """A client and a server that can talk to each other.

    Attributes:
        ours, theirs: the compression that either side is told to agree on; None as in `Offer`.
        wires: what passed by on the wires of all connections.
    """

    _numbers = count(1)

    def __init__(self, pair: Pair, servers: Servers, tls: Tls) -> None:
        self.client, self.server, self.compressed = pair
        self.peer = pair.peer
        # Who cannot compress is to get on with us also if we could.
        self.ours = Deflate() if pair.compressed or not self.peer.compresses else None
        self.theirs: Deflate | None = None
        self.wires: list[Wire] = []
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
        asked, answered = (self.ours, self.theirs) if self.client.is_ours else (self.theirs, self.ours)
        self._host, port = self._servers.get(self.server, secure, answered)
        path = (path or f"/talk/{next(self._numbers)}") + query
        tls = self._tls if secure else None
        wire = Wire(Role.CLIENT)
        talker = await connect(Offer(port, path, tls=tls, compression=asked, wire=wire, **offer))
        self.wires.append(self._host.wire(path) if self.server.is_ours else wire)
        try:
            yield talker
        finally:
            await talker.leave()

    async def ending(self, talker: Talker) -> Ended:
        """How the server saw the end of a connection."""
        assert self._host is not None
        return await asyncio.wait_for(asyncio.wrap_future(self._host.ending(talker.path)), TIMEOUT)

    @property
    def wire(self) -> Wire:
        """What passed by on the wire of the last connection."""
        return self.wires[-1]
