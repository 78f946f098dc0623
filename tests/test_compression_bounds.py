"""What compression may cost, through both transports: memory, turns of the loop, and what is read ahead.

A KiB on the wire can become a MiB, so everything that is bounded has to be counted after decompressing.
"""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from rawws import Connection, ConnectionClosed, Deflate, Patience, Role, Session
from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.deflate import DeflateTerms
from tests.compressing import (
    MEBIBYTE,
    OFFER,
    Inflated,
    bomb,
    compressed_frame,
    deflated,
    elsewhere,
    facing,
    frames_of,
)
from tests.contract import both_roles, closed_by, code_of
from tests.net import Asyncio, Blocking, Net, Peer, behaviour, called, ended
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.trouble import Counting, come_to_rest
from tests.wire import BINARY, KEY, TEXT, frame

AGREED_TERMS = Agreement(compression=DeflateTerms())

whole_and_in_fragments = pytest.mark.parametrize("fragments", [1, 100])


@pytest.fixture(params=[Asyncio, Blocking], ids=["aio", "blocking"])
def net(request: pytest.FixtureRequest) -> Net:
    return request.param()  # type: ignore[no-any-return]


class TestBombs:
    """64 MiB of zeros, which take 64 KiB on the wire."""

    @whole_and_in_fragments
    @both_roles
    @behaviour
    async def test_are_refused_in_order(self, net: Net, role: str, fragments: int) -> None:
        """The good message in front is received, and then it is 1009 for both sides."""
        async with facing(net, role) as (ws, peer):
            sending = asyncio.ensure_future(say_bomb(peer, fragments, compressed_frame(peer, "good")))
            assert "good" == await ws.recv()
            receiving = asyncio.ensure_future(ended(ws.recv()))

            assert (1009, rules.MESSAGE_TOO_BIG.text) == await closed_by(peer)
            await sending
            peer.finish()
            error = await receiving
            assert isinstance(error, ConnectionClosed)
            assert (1009, rules.MESSAGE_TOO_BIG) == (error.code, error.closed.error and error.closed.error.rule)

    @whole_and_in_fragments
    @behaviour
    async def test_in_pieces_are_given_up_to_the_limit(self, net: Net, fragments: int) -> None:
        """`recv_streaming` gives no more than the limit, and then 1009."""
        async with facing(net, "server") as (ws, peer):
            sending = asyncio.ensure_future(say_bomb(peer, fragments))
            sizes: list[int] = []
            assert 1009 == await code_of(stream(ws, sizes))

            assert sum(sizes) <= MEBIBYTE
            assert 1009 == (await closed_by(peer))[0]
            await sending

    @pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak of a process")
    @whole_and_in_fragments
    @behaviour
    async def test_take_no_memory(self, net: Net, fragments: int) -> None:
        """A bomb raises the peak of a server by less than twice the message limit, measured from outside."""
        bomb(fragments)
        async with elsewhere(net) as server:
            await echo_compressed(server.port)
            before = server.memory("VmRSS")
            server.forget_peak()
            async with await called(server.port) as peer:
                await peer.ask(server.port, OFFER)
                sending = asyncio.ensure_future(say_bomb(peer, fragments))
                assert 1009 == (await closed_by(peer))[0]
                await sending
            more = server.memory("VmHWM") - before
            await echo_compressed(server.port)

        print(f"\n{net.name}: 64 MiB of zeros in {fragments} frames: {more / MEBIBYTE:.2f} MiB more at the peak")
        assert more < 2 * MEBIBYTE

    @behaviour
    async def test_are_messages_without_a_limit(self, net: Net) -> None:
        """`max_size=None` lifts the limit of what is decompressed too."""
        async with facing(net, "server", max_size=None) as (ws, peer):
            await peer.send(*frames_of(peer, bomb(7, 7 * MEBIBYTE)), compressed_frame(peer, "next"))

            assert [bytes(7 * MEBIBYTE), "next"] == [await ws.recv(), await ws.recv()]

    @behaviour
    async def test_have_the_limit_that_was_given(self, net: Net) -> None:
        """`max_size` is counted in what comes out, to the byte."""
        async with facing(net, "server", max_size=5000) as (ws, peer):
            await peer.send(compressed_frame(peer, bytes(5000)), compressed_frame(peer, bytes(5001)))

            assert bytes(5000) == await ws.recv()
            receiving = asyncio.ensure_future(code_of(ws.recv()))
            assert 1009 == (await closed_by(peer))[0]
            peer.finish()
            assert 1009 == await receiving


async def stream(ws: Any, sizes: list[int]) -> None:
    """Take a message in pieces, and note how long they are."""
    async for piece in ws.recv_streaming():
        sizes.append(len(piece))  # noqa: PERF401


async def say_bomb(peer: Peer, fragments: int, before: bytes = b"") -> None:
    """Send 64 MiB of zeros, as far as the other side lets us."""
    with suppress(ConnectionError):
        await peer.send(before, *frames_of(peer, bomb(fragments)))


async def echo_compressed(port: int) -> None:
    """Have a message echoed on a connection of its own: everything that is made once is there afterwards."""
    async with await called(port) as peer:
        await peer.ask(port, OFFER)
        await peer.send(compressed_frame(peer, "a" * 1000))
        assert b"a" * 1000 == Inflated()((await peer.hear())[1])


class TestTurns:
    """No connection holds up the others for long, with asyncio; threads have turns by themselves."""

    @pytest.mark.parametrize("does", ["receive", "stream", "bomb", "send", "send fragments"])
    @behaviour
    async def test_are_short(self, does: str) -> None:
        """While one connection handles MiBs that are KiBs on the wire, a turn takes no more CPU than a few of them."""
        net = Asyncio()

        async def handler(ws: Any) -> None:
            await ws.recv()
            if does == "send":
                for _ in range(100):
                    await ws.send(bytes(MEBIBYTE))
            elif does == "send fragments":
                await ws.send(bytes(MEBIBYTE // 16) for _ in range(1600))
            elif does == "stream":
                while True:
                    async for _ in ws.recv_streaming():
                        pass
            else:
                async for _ in ws:
                    pass

        async with net.serve(handler) as server, await called(server.port) as peer:
            await peer.ask(server.port, OFFER)
            wire = b"".join(frames_of(peer, bomb(1, MEBIBYTE))) * 200
            turning = asyncio.ensure_future(longest_turn(until := asyncio.Event()))
            await peer.say(TEXT, "go")
            if does == "bomb":
                await say_bomb(peer, 1, wire[: len(wire) // 10])
            elif does in ("receive", "stream"):
                await peer.send(wire)
            if not does.startswith("send"):
                await peer.send(peer.frame(8))
            with suppress(EOFError, ConnectionError):
                while (await peer.hear())[0] != 0x88:
                    pass
            until.set()
            longest = await turning

        most = 5 * cost_of_a_mebibyte() + 0.002
        print(f"\n{does}: {longest * 1000:.1f} ms of CPU in the longest turn, {most * 1000:.1f} allowed")
        assert longest < most

    @behaviour
    async def test_come_to_everybody(self, net: Net) -> None:
        """Another connection is served while many are bombed."""
        async with net.serve() as server, await net.connect(server.uri) as ws:
            peers = [await called(server.port) for _ in range(8)]
            for peer in peers:
                await peer.ask(server.port, OFFER)
            bombing = asyncio.gather(*(say_bomb(peer, 100) for peer in peers))
            for number in range(100):
                await ws.send(str(number))
                assert str(number) == await ws.recv()
            await bombing
            for peer in peers:
                assert 1009 == (await closed_by(peer))[0]
                peer.close()


async def longest_turn(until: asyncio.Event) -> float:
    """The most seconds of CPU that the loop was busy with others."""
    longest, before = 0.0, time.thread_time()
    while not until.is_set():
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    return longest


def cost_of_a_mebibyte() -> float:
    """Seconds of CPU that it takes to compress a MiB of zeros, and to decompress it, on this machine."""
    before = time.thread_time()
    for _ in range(4):
        client, server = Connection(Role.CLIENT, AGREED_TERMS), Connection(Role.SERVER, AGREED_TERMS)
        client.send_binary(bytes(MEBIBYTE))
        server.receive_data(client.data_to_send())
        assert bytes(MEBIBYTE) == server.next_event()
    return (time.thread_time() - before) / 4


class TestReadingAhead:
    """`receive_limit` counts what was decompressed."""

    @pytest.mark.parametrize(
        "size, waiting", [(MEBIBYTE, 1), (65_536, 1), (65_535 - 128, 2), (40_000, 2), (1000, 59), (0, 512)]
    )
    def test_stops_one_message_over_the_limit(self, size: int, waiting: int) -> None:
        """Of messages that came at once only so many are decompressed as `receive_limit` has room for, and one more."""
        session = Session(Connection(Role.SERVER, AGREED_TERMS), 0.0, Patience(receive_high=65_536))
        session.receive_data(frame(BINARY, *deflated(bytes(size)), rsv=4, key=KEY) * 1000, 1.0)

        assert (waiting, False) == (session.waiting, session.reading)
        for _ in range(999 - waiting):
            assert bytes(size) == session.next_message(2.0)
        assert waiting <= session.waiting <= waiting + 1
        for _ in range(waiting + 1):
            assert bytes(size) == session.next_message(2.0)
        assert (None, True) == (session.next_message(2.0), session.reading)

    def test_stops_in_the_middle_of_a_message_that_is_streamed(self) -> None:
        """Of a message that is taken in pieces no more than the room and one piece is decompressed."""
        connection = Connection(Role.SERVER, AGREED_TERMS, stream=True)
        session = Session(connection, 0.0, Patience(receive_high=65_536))
        wire = b"".join(frame(BINARY, part, rsv=4, key=KEY) for part in bomb(1, MEBIBYTE))
        with tracing():
            session.receive_data(wire, 1.0)
            peak = tracemalloc.get_traced_memory()[1]

        assert session.waiting <= 2
        assert peak < 400_000

    @both_roles
    @behaviour
    async def test_leaves_the_rest_to_the_peer(self, net: Net, role: str) -> None:
        """While the application takes nothing, not much more is read than what is decompressed; then all comes."""
        tap = Counting()
        taps: Any = (lambda: tap) if role == "server" else tap
        async with facing(net, role, tap=taps, ping_interval=None) as (ws, peer):
            wire = [compressed_frame(peer, n.to_bytes(4) + bytes(MEBIBYTE - 4)) for n in range(150)]
            first = asyncio.ensure_future(ws.recv())  # Somebody has to read.
            sending = asyncio.ensure_future(peer.send(*wire))
            messages = [await first]
            waiting = asyncio.ensure_future(ws.wait_closed())
            await come_to_rest(lambda: sum(map(len, tap.received_data)))

            assert sum(map(len, tap.received_data)) < 140_000 < sum(map(len, wire))
            messages += [await ws.recv() for _ in wire[1:]]
            await sending
            assert list(range(150)) == [int.from_bytes(message[:4]) for message in messages]
            assert {MEBIBYTE} == {len(message) for message in messages}
            await ws.abort()
            await waiting


class TestWindows:
    """A window is there once it is used."""

    @behaviour
    async def test_cost_nothing_while_idle(self, net: Net) -> None:
        """Connections that have agreed to compress, and have sent only short messages, take no more than others."""
        async with net.serve() as server:

            async def memory(use: Callable[[Any], Awaitable[object]], **options: Any) -> int:
                """What a connection takes, both sides together, after this use of it."""
                before = traced()
                made = [await net.connect(server.uri, **options) for _ in range(30)]
                for ws in made:
                    await use(ws)
                after = traced()
                for ws in made:
                    await ws.close()
                net.made.clear()
                return (after - before) // len(made)

            async def short(ws: Any) -> None:
                await ws.send("a")
                assert "a" == await ws.recv()

            async def long(ws: Any) -> None:
                await ws.send("a" * 1000)
                assert "a" * 1000 == await ws.recv()

            with tracing():
                await memory(long, compression=Deflate())
                plain = await memory(short)
                idle = await memory(short, compression=Deflate())
                used = await memory(long, compression=Deflate())

        print(f"\n{net.name}: a pair takes {plain:,} bytes, agreed {idle:,}, used both ways {used:,}")
        assert idle - plain < 10_000
        assert used - idle > 2 * 32_000


def traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@contextmanager
def tracing() -> Iterator[None]:
    """Trace memory in a block."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
