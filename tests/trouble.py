"""What any transport must do when things go wrong, written once; `test_aio` and `test_blocking` run it.

Peers that vanish, that do not read, that say nothing or too much; and what is gathered before it is sent.  Times are
given as options, and short.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from rawws import ConnectionClosed
from tests.contract import both_roles, closed_by, code_of, never
from tests.net import Net, Peer, behaviour, called, ended, listening, small, switching
from tests.wire import BINARY, CLOSE, CONTINUATION, PING, TEXT, close_body

NO_PINGS: dict[str, Any] = {"ping_interval": None}

ways_to_vanish = pytest.mark.parametrize("vanish", [Peer.finish, Peer.reset], ids=["fin", "rst"])


class Counting:
    """A tap that keeps what passes by."""

    def __init__(self) -> None:
        self.sent_data: list[bytes] = []
        self.received_data: list[bytes] = []
        self.sent = self.sent_data.append
        self.received = self.received_data.append


def facing_small(net: Net, role: str, **options: Any) -> Any:
    """One side of ours and a raw peer, with the smallest buffers that the kernel gives."""
    return small_client(net, **options) if role == "client" else small_server(net, **options)


@asynccontextmanager
async def small_client(net: Net, **options: Any) -> Any:
    async with listening() as place:
        small(place.sock)
        sock = small(socket.socket())
        sock.connect(("127.0.0.1", place.port))
        opening = asyncio.ensure_future(net.connect(place.uri, sock=sock, **options))
        async with await place.accept() as peer:
            await peer.answer()
            ws = await opening
            try:
                yield ws, peer
            finally:
                await ws.abort()


@asynccontextmanager
async def small_server(net: Net, **options: Any) -> Any:
    sock = small(socket.create_server(("127.0.0.1", 0)))
    async with net.facing_client(sock=sock, is_small=True, **options) as pair:
        yield pair


class TestVanishing:
    """The peer is gone: with a FIN, or with an RST."""

    @ways_to_vanish
    @both_roles
    @pytest.mark.parametrize("said", ["nothing", "half a header", "half a frame", "half a message", "a ping"])
    @behaviour
    async def test_peers_end_what_is_received(self, net: Net, role: str, vanish: Any, said: str) -> None:
        """Wherever the stream ends, it ends with 1006, for who waits already and for who asks later."""
        async with net.facing(role, **NO_PINGS) as (ws, peer):
            wire = peer.frame(TEXT, "Hello", fin=said != "half a message")
            cut = {"nothing": 0, "half a header": 1, "half a frame": -2}.get(said, len(wire))
            receiving = asyncio.ensure_future(ws.recv())
            await peer.send(peer.frame(PING, "?") if said == "a ping" else wire[:cut])
            if said == "a ping":
                await peer.hear()
            vanish(peer)

            assert [1006, 1006] == [await code_of(receiving), await code_of(ws.recv())]
            assert (1006, "lost") == (ws.closed.code, ws.closed.by)
            await ws.close()

    @ways_to_vanish
    @both_roles
    @behaviour
    async def test_peers_end_what_is_sent(self, net: Net, role: str, vanish: Any) -> None:
        """Who only sends, and never receives, is told soon; and again with each further call."""
        async with net.facing(role, **NO_PINGS) as (ws, peer):
            vanish(peer)
            error = None
            while error is None:
                error = await ended(ws.send(b"x" * 1000))
                await asyncio.sleep(0)

            assert isinstance(error, ConnectionClosed)
            assert [1006] * 3 == [error.code, await code_of(ws.send("a")), await code_of(ws.ping())]

    @ways_to_vanish
    @both_roles
    @behaviour
    async def test_peers_end_our_closing(self, net: Net, role: str, vanish: Any) -> None:
        """A peer that vanishes without answering our Close does not hold up `close`."""
        async with net.facing(role) as (ws, peer):
            closing = asyncio.ensure_future(ws.close())
            await closed_by(peer)
            vanish(peer)
            async with asyncio.timeout(2):
                await closing

            assert 1006 == ws.close_code

    @ways_to_vanish
    @both_roles
    @behaviour
    async def test_peers_end_a_ping(self, net: Net, role: str, vanish: Any) -> None:
        """Who waits for a Pong is told."""
        async with net.facing(role, **NO_PINGS) as (ws, peer):
            waiting = asyncio.ensure_future((await ws.ping())(5))
            await peer.hear()
            vanish(peer)

            assert 1006 == await code_of(waiting)

    @both_roles
    @behaviour
    async def test_peers_leave_what_they_said(self, net: Net, role: str) -> None:
        """Messages in front of a FIN are received, also late, and may be answered."""
        async with net.facing(role, **NO_PINGS) as (ws, peer):
            await peer.send(*(peer.frame(TEXT, str(n)) for n in range(3)))
            peer.finish()
            for n in range(3):
                assert str(n) == await ws.recv()
                await ws.send(f"answer {n}")
            assert 1006 == await code_of(ws.recv())

            assert [f"answer {n}".encode() for n in range(3)] == [(await peer.hear())[1] for _ in range(3)]

    @ways_to_vanish
    @behaviour
    async def test_peers_release_who_waits_for_room(self, net: Net, vanish: Any) -> None:
        """A `send` that waits because the peer does not read ends when the peer vanishes."""
        async with facing_small(net, "server", **NO_PINGS) as (ws, peer):
            sending = asyncio.ensure_future(endless(ws))
            assert await never(sending, 0.1)
            vanish(peer)
            if vanish is Peer.finish:
                peer.close()

            assert 1006 == await code_of(sending)

    @ways_to_vanish
    @behaviour
    async def test_clients_that_only_listen_free_their_handler(self, net: Net, vanish: Any) -> None:
        """The handler of a feed, which never receives, ends when its client is gone."""
        done = asyncio.Event()

        async def handler(ws: Any) -> None:
            try:
                while True:
                    await ws.send("tick")
            finally:
                done.set()

        async with net.serve(handler, **NO_PINGS) as server, await called(server.port) as peer:
            await peer.ask(server.port)
            await peer.hear()
            vanish(peer)
            peer.close()

            await done.wait()


async def endless(ws: Any) -> None:
    """Send until it is not possible."""
    while True:
        await ws.send(b"x" * 10_000)


async def come_to_rest(count: Callable[[], int]) -> None:
    """Wait until this does not grow any more."""
    before = -1
    while before != (before := count()) or not before:
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.1)


class TestBackpressure:
    """Who is behind holds up the other, and not the memory."""

    @both_roles
    @behaviour
    async def test_of_a_peer_that_does_not_read(self, net: Net, role: str) -> None:
        """`send` waits while the peer does not read, and nothing is lost or mixed up when it reads again."""
        message = b"x" * 10_000
        sent = 0

        async def send() -> None:
            nonlocal sent
            while sent < 200:
                await ws.send(sent.to_bytes(4) + message)
                sent += 1

        async with facing_small(net, role, write_limit=20_000, **NO_PINGS) as (ws, peer):
            sending = asyncio.ensure_future(send())
            await come_to_rest(lambda: sent)

            assert sent < 100
            assert [n.to_bytes(4) for n in range(200)] == [(await peer.hear())[1][:4] for _ in range(200)]
            await sending

    @both_roles
    @behaviour
    async def test_of_an_application_that_does_not_receive(self, net: Net, role: str) -> None:
        """What the application does not take stays with the peer, beyond `receive_limit`; later it comes in order."""
        async with facing_small(net, role, receive_limit=10_000, **NO_PINGS) as (ws, peer):
            wire = [peer.frame(BINARY, n.to_bytes(4) + b"x" * 10_000) for n in range(300)]
            sent = 0

            async def flood() -> None:
                nonlocal sent
                for data in wire:
                    await peer.send(data)
                    sent += 1

            first = asyncio.ensure_future(ws.recv())  # Somebody has to read.
            flooding = asyncio.ensure_future(flood())
            messages = [await first]
            await come_to_rest(lambda: sent)

            assert sent < 200
            messages += [await ws.recv() for _ in range(299)]
            await flooding
            assert [n.to_bytes(4) for n in range(300)] == [message[:4] for message in messages]

    @both_roles
    @behaviour
    async def test_of_a_peer_that_only_asks(self, net: Net, role: str) -> None:
        """Pings from a peer that does not read the Pongs are not read for ever, and it is dropped in the end."""
        async with facing_small(net, role, write_timeout=0.5, **NO_PINGS) as (ws, peer):
            receiving = asyncio.ensure_future(ws.recv())
            pings = peer.frame(PING, b"x" * 125) * 100
            sent = 0
            with suppress(OSError):
                while sent < 50_000_000:
                    await peer.send(pings)
                    sent += len(pings)

            assert sent < 5_000_000
            assert 1006 == await code_of(receiving)

    @both_roles
    @behaviour
    async def test_of_a_single_message_has_its_limit(self, net: Net, role: str) -> None:
        """It need not be followed by another for the peer to be dropped that does not read it."""
        async with facing_small(net, role, write_timeout=0.2, **NO_PINGS) as (ws, _):
            await ended(ws.send(bytes(2**20)))
            async with asyncio.timeout(3):
                await ws.wait_closed()

            assert 1006 == ws.close_code

    @both_roles
    @behaviour
    async def test_has_its_limit(self, net: Net, role: str) -> None:
        """A peer that takes not a byte for `write_timeout` is dropped; it is not asked to close."""
        async with facing_small(net, role, write_timeout=0.2, **NO_PINGS) as (ws, peer):
            async with asyncio.timeout(3):
                error = await ended(endless(ws))

            assert isinstance(error, ConnectionClosed)
            assert (1006, "local") == (error.code, error.closed.by)
            with suppress(ConnectionError):
                await peer.end()

    @both_roles
    @behaviour
    async def test_is_patient_with_the_slow(self, net: Net, role: str) -> None:
        """A peer that reads a little now and then is not dropped, however long all of it takes."""
        async with facing_small(net, role, write_timeout=0.3, **NO_PINGS) as (ws, peer):
            sending = asyncio.ensure_future(endless(ws))
            for _ in range(8):
                assert await never(sending, 0.1)
                await peer.more()
            peer.reset()
            assert 1006 == await code_of(sending)


class TestPatience:
    """Times that are over."""

    @both_roles
    @behaviour
    async def test_with_a_mute_peer(self, net: Net, role: str) -> None:
        """A peer that does not answer a keepalive Ping is given up with 1011."""
        async with net.facing(role, ping_interval=0.05, ping_timeout=0.05) as (ws, peer):
            async with asyncio.timeout(1):
                assert 1011 == await code_of(ws.recv())

            assert 0x80 | PING == (await peer.hear())[0]
            assert 1011 == await code_of(ws.send("late"))

    @both_roles
    @behaviour
    async def test_with_a_lively_peer(self, net: Net, role: str) -> None:
        """A peer that answers is kept, and asked again and again with another payload."""
        async with net.facing(role, ping_interval=0.02, ping_timeout=1) as (ws, peer):
            receiving = asyncio.ensure_future(ws.recv())
            payloads = set()
            for _ in range(5):
                first, payload = await peer.hear()
                assert 0x80 | PING == first
                payloads.add(payload)
                await peer.say(10, payload)

            assert 5 == len(payloads)
            assert not receiving.done()
            await peer.say(TEXT, "a")
            assert "a" == await receiving

    @behaviour
    async def test_with_a_silent_server(self, net: Net) -> None:
        """`connect` gives up on a server that accepts and says nothing."""
        async with listening() as place:
            async with asyncio.timeout(2):
                error = await ended(net.connect(place.uri, open_timeout=0.1))

            assert isinstance(error, TimeoutError)
            async with await place.accept() as peer:
                assert "websocket" in (await peer.head()).decode()
                assert isinstance(await ended(peer.end()), (ConnectionError, type(None)))

    @behaviour
    async def test_with_a_server_that_drips(self, net: Net) -> None:
        """The time is for the whole handshake: an answer that comes byte by byte does not stretch it."""
        async with listening() as place:
            opening = asyncio.ensure_future(ended(net.connect(place.uri, open_timeout=0.2)))
            async with await place.accept() as peer:
                await peer.head()
                dripping = asyncio.ensure_future(drip(peer, switching()))
                async with asyncio.timeout(2):
                    assert isinstance(await opening, TimeoutError)
                await dripping

    @pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n"], ids=["silent", "begun"])
    @behaviour
    async def test_with_a_client_that_does_not_finish(self, net: Net, begun: bytes) -> None:
        """A server drops a client that says nothing, and answers 408 to one that does not finish its request."""
        async with net.serve(open_timeout=0.1) as server, await called(server.port) as peer:
            await peer.send(begun)
            async with asyncio.timeout(2):
                answer = await peer.end()

            assert (b"HTTP/1.1 408" if begun else b"") == answer[:12]

    @behaviour
    async def test_with_a_client_that_drips(self, net: Net) -> None:
        """The time is for the whole handshake on a server too."""
        async with net.serve(open_timeout=0.2) as server, await called(server.port) as peer:
            await drip(peer, b"GET / HTTP/1.1\r\nX: " + b"x" * 5000)

            assert b"HTTP/1.1 408" == (await peer.read(12))

    @both_roles
    @behaviour
    async def test_with_a_peer_that_does_not_close(self, net: Net, role: str) -> None:
        """`close` takes `close_timeout` at most, whatever the peer goes on to say."""
        async with net.facing(role, close_timeout=0.2) as (ws, peer):
            closing = asyncio.ensure_future(ws.close())
            await closed_by(peer)
            while not closing.done():
                await ended(peer.say(TEXT, "still here"))
                await asyncio.wait([closing], timeout=0.02)
            await closing

            assert (1006, "local") == (ws.closed.code, ws.closed.by)

    @both_roles
    @behaviour
    async def test_with_a_peer_that_does_not_hang_up(self, net: Net, role: str) -> None:
        """After both Close frames TCP is dropped within `close_timeout`, and the code stays what was agreed."""
        async with net.facing(role, close_timeout=0.2) as (ws, peer):
            closing = asyncio.ensure_future(ws.close(3000))
            await closed_by(peer)
            await peer.say(CLOSE, close_body(3000))
            async with asyncio.timeout(2):
                await closing

            assert (3000, "local") == (ws.closed.code, ws.closed.by)

    @both_roles
    @behaviour
    async def test_with_an_application_that_is_busy(self, net: Net, role: str) -> None:
        """The peer's Close is answered within `close_timeout`, though messages in front of it were not taken."""
        async with net.facing(role, close_timeout=0.1, **NO_PINGS) as (ws, peer):
            await peer.send(peer.frame(TEXT, "a"), peer.frame(TEXT, "b"), peer.frame(CLOSE, close_body(3000)))
            assert "a" == await ws.recv()
            waiting = asyncio.ensure_future(ws.wait_closed())

            assert 3000 == (await closed_by(peer))[0]
            peer.finish()
            await waiting
            assert "b" == await ws.recv()
            assert 3000 == await code_of(ws.recv())

    @both_roles
    @behaviour
    async def test_with_a_peer_that_talks_on(self, net: Net, role: str) -> None:
        """After a violation what still comes is thrown away, up to a MiB; then the connection is dropped."""
        async with net.facing(role, close_timeout=10) as (ws, peer):
            await peer.say(CONTINUATION, "")
            receiving = asyncio.ensure_future(code_of(ws.recv()))
            assert 1002 == (await closed_by(peer))[0]
            waiting = asyncio.ensure_future(ws.wait_closed())
            error = None
            for _ in range(1000):
                error = error or await ended(peer.send(bytes(100_000)))
            await waiting

            assert isinstance(error, ConnectionError)
            assert 1002 == await receiving


async def drip(peer: Peer, data: bytes) -> None:
    """Send byte by byte, until something comes back or all is sent."""
    waiting = asyncio.ensure_future(ended(peer.more()))
    for byte in data:
        if await ended(peer.send(bytes([byte]))) or waiting.done():
            break
        await asyncio.wait([waiting], timeout=0.01)
    await waiting


class TestGathering:
    """One turn, one write."""

    @behaviour
    async def test_puts_answers_together(self, net: Net) -> None:
        """A hundred messages that come together are answered with a few writes, and in order."""
        taps: deque[Counting] = deque()

        def tap() -> Counting:
            taps.append(Counting())
            return taps[-1]

        async with net.serve(tap=tap) as server, await called(server.port) as peer:
            await peer.ask(server.port)
            await peer.send(b"".join(peer.frame(TEXT, str(n)) for n in range(100)))

            assert [str(n).encode() for n in range(100)] == [(await peer.hear())[1] for _ in range(100)]
            assert len(taps[0].sent_data) < 8

    @behaviour
    async def test_has_a_limit(self, net: Net) -> None:
        """What is gathered goes out from 16 KiB on, though more messages wait."""
        taps: deque[Counting] = deque()

        def tap() -> Counting:
            taps.append(Counting())
            return taps[-1]

        async with net.serve(tap=tap) as server, await called(server.port) as peer:
            await peer.ask(server.port)
            await peer.send(b"".join(peer.frame(BINARY, b"x" * 2000) for _ in range(100)))
            for _ in range(100):
                await peer.hear()

            assert max(map(len, taps[0].sent_data)) < 20_000

    @both_roles
    @behaviour
    async def test_withholds_nothing(self, net: Net, role: str) -> None:
        """What is sent while messages wait is on its way though nobody receives: by itself, or after `flush`."""
        async with net.facing(role) as (ws, peer):
            await peer.send(peer.frame(TEXT, "a") + peer.frame(TEXT, "b"))
            assert "a" == await ws.recv()
            await ws.send("answer")
            await ws.flush()

            assert (0x81, b"answer") == await peer.hear()

    @both_roles
    @behaviour
    async def test_ends_with_the_next_recv(self, net: Net, role: str) -> None:
        """Who receives the last message that waits, and then waits for more, has sent all that was gathered."""
        async with net.facing(role) as (ws, peer):
            await peer.send(b"".join(peer.frame(TEXT, str(n)) for n in range(3)))
            for n in range(3):
                assert str(n) == await ws.recv()
                if n < 2:
                    await ws.send(f"answer {n}")
            receiving = asyncio.ensure_future(ws.recv())

            assert [b"answer 0", b"answer 1"] == [(await peer.hear())[1] for _ in range(2)]
            await peer.say(CLOSE)
            peer.finish()
            assert 1005 == await code_of(receiving)
