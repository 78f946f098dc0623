"""The asyncio transport: what any transport must do, and what only tasks can do wrong."""

import asyncio
import gc
import logging
import socket
import sys
from collections.abc import AsyncIterator
from itertools import cycle, pairwise
from typing import Any

import pytest
import trustme

from rawws import ConnectionClosed, Response
from rawws.aio import WebSocket, connect, serve
from rawws.aio.carrier import FAIR_SHARE
from rawws.aio.waiter import may_wake_at_once
from rawws.aio.way import _place
from tests.contract import TestClosing as TestClosing
from tests.contract import TestMessages as TestMessages
from tests.contract import TestPings as TestPings
from tests.contract import TestReceiving as TestReceiving
from tests.contract import closed_by, code_of, never
from tests.net import Asyncio, Net, Seeing, behaviour, called, ended, in_thread, request
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.test_faults import Line
from tests.test_opening import serving, trusting
from tests.trouble import Counting, facing_small
from tests.trouble import TestBackpressure as TestBackpressure
from tests.trouble import TestGathering as TestGathering
from tests.trouble import TestPatience as TestPatience
from tests.trouble import TestVanishing as TestVanishing
from tests.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_body


@pytest.fixture
def net() -> Net:
    return Asyncio()


async def turns(count: int) -> None:
    """Let the loop turn that many times."""
    for _ in range(count):
        await asyncio.sleep(0)


class TestCancelling:
    """A task may be cancelled at any moment, and nothing is lost."""

    @behaviour
    async def test_a_recv_again_and_again(self, net: Net) -> None:
        """Of 2,000 messages that are received under tiny timeouts none is lost, doubled or out of order."""

        async def handler(ws: Any) -> None:
            for n in range(2000):
                await ws.send(str(n))
                await turns(n % 5)

        cancelled = 0
        received: list[Any] = []
        async with net.pair(handler) as ws:
            for timeout in cycle([0, 1e-6, 1e-5, 1e-4]):
                try:
                    received.append(await asyncio.wait_for(ws.native.recv(), timeout))
                except TimeoutError:
                    cancelled += 1
                except ConnectionClosed:
                    break

        assert [str(n) for n in range(2000)] == received
        assert cancelled > 100

    @pytest.mark.parametrize("before", range(6))
    @pytest.mark.parametrize("after", range(6))
    @behaviour
    async def test_a_recv_at_any_turn(self, net: Net, before: int, after: int) -> None:
        """Cancelled so many turns before or after its message came, a `recv` has it, or leaves it to the next."""
        async with net.facing_client() as (ws, peer):
            receiving = asyncio.ensure_future(ws.native.recv())
            await turns(before)
            await peer.say(TEXT, "once")
            await turns(after)
            receiving.cancel()
            await asyncio.wait([receiving])

            assert "once" == (await ws.recv() if receiving.cancelled() else receiving.result())
            await peer.say(TEXT, "twice")
            assert "twice" == await ws.recv()

    @behaviour
    async def test_a_send_again_and_again(self, net: Net) -> None:
        """A `send` that is cancelled has sent nothing, and one that returns all of it, in order."""
        sent = []
        async with facing_small(net, "server", write_limit=5000, ping_interval=None) as (ws, peer):

            async def read() -> list[int]:
                heard: list[int] = []
                while (frame := await peer.hear())[0] == 0x80 | BINARY:
                    heard.append(int.from_bytes(frame[1][:4]))
                return heard

            async def try_to_send(n: int, timeout: float) -> None:
                if not await ended(asyncio.wait_for(ws.native.send(n.to_bytes(4) + bytes(1000)), timeout)):
                    sent.append(n)

            for n in range(300):
                await try_to_send(n, 1e-4)
            reading = asyncio.ensure_future(read())
            for n in range(300, 2000):
                await try_to_send(n, 1e-6)
            closing = asyncio.ensure_future(ws.close())

            assert sent == await reading
            assert 20 < len(sent) < 2000
            peer.close()
            await closing

    @behaviour
    async def test_a_send_that_waits_for_room(self, net: Net) -> None:
        """It leaves nothing behind: neither a message, nor its place among those that wait."""
        async with facing_small(net, "client", ping_interval=None) as (ws, peer):
            await ws.send(bytes(2**18))
            given_up = [asyncio.ensure_future(ws.native.send("given up")) for _ in range(20)]
            kept = asyncio.ensure_future(ws.native.send("kept"))
            await turns(2)
            assert 21 == len(ws.native._writers)
            for sending in given_up:
                sending.cancel()
            await asyncio.wait(given_up)

            assert [True] * 20 == [sending.cancelled() for sending in given_up]
            assert 1 == len(ws.native._writers)
            assert 2**18 == len((await peer.hear())[1])
            assert (0x81, b"kept") == await peer.hear()
            await kept
            assert not ws.native._writers

    @behaviour
    async def test_a_message_in_fragments(self, net: Net) -> None:
        """A message whose sending is cancelled in the middle cannot be finished: 1011."""
        generators = []

        async def fragments() -> AsyncIterator[str]:
            yield "a"
            yield "b"
            await asyncio.Event().wait()

        async with net.facing_server() as (ws, peer):
            generators.append(fragments())
            sending = asyncio.ensure_future(ws.send(generators[0]))
            assert (TEXT, b"a") == await peer.hear()
            sending.cancel()

            assert 1011 == (await closed_by(peer))[0]
            assert sending.cancelled() or await ended(asyncio.wait([sending])) is None
            assert 1011 == await code_of(ws.send("late"))

    @behaviour
    async def test_a_send_that_waits_for_a_fragmented_one(self, net: Net) -> None:
        """Cancelled while another message is sent in fragments, a `send` has sent nothing."""
        go_on = asyncio.Event()

        async def fragments() -> AsyncIterator[str]:
            yield "a"
            yield "b"
            await go_on.wait()

        async with net.facing_server() as (ws, peer):
            first = asyncio.ensure_future(ws.send(fragments()))
            assert (TEXT, b"a") == await peer.hear()
            second = asyncio.ensure_future(ws.send("second"))
            assert await never(second)
            second.cancel()
            go_on.set()
            await first
            await ws.send("third")

            assert [(0x80 | CONTINUATION, b"b"), (0x81, b"third")] == [await peer.hear(), await peer.hear()]
            assert second.cancelled()

    @behaviour
    async def test_a_close(self, net: Net) -> None:
        """A `close` that is cancelled has begun nevertheless, and goes on by itself."""
        async with net.facing_server() as (ws, peer):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.native.close(3000), 0.01)
            assert 3000 == (await closed_by(peer))[0]
            await peer.say(CLOSE, close_body(3000))
            peer.finish()
            await ws.wait_closed()

            assert 3000 == ws.close_code

    @pytest.mark.parametrize("count", range(12))
    @behaviour
    async def test_a_connect_at_any_turn(self, net: Net, count: int) -> None:
        """A `connect` that is cancelled leaves nothing open, at whatever turn it is."""
        async with net.serve() as server:
            opening = asyncio.ensure_future(connect(server.uri)._connect())
            await turns(count)
            opening.cancel()
            ws = None if await ended(asyncio.wait([opening])) or opening.cancelled() else opening.result()
            if ws is not None:
                await ws.close()

    @behaviour
    async def test_a_handler(self, net: Net) -> None:
        """A handler that is cancelled drops its connection, and its server goes on."""
        tasks: list[asyncio.Task[Any] | None] = []

        async def handler(ws: Any) -> None:
            tasks.append(asyncio.current_task())
            await ws.recv()

        async with net.serve(handler) as server:
            async with await net.connect(server.uri) as ws:
                while not tasks:
                    await asyncio.sleep(0)
                assert tasks[0] is not None
                tasks[0].cancel()
                assert 1006 == await code_of(ws.recv())
            async with await net.connect(server.uri):
                pass


class TestTurns:
    """Tasks take turns."""

    @behaviour
    async def test_while_one_receives_without_end(self, net: Net) -> None:
        """A task that never has to wait for a message lets the others run nevertheless."""
        count = 0

        async def others() -> None:
            nonlocal count
            while True:
                count += 1
                await asyncio.sleep(0)

        async with net.facing_client() as (ws, peer):
            await peer.send(peer.frame(TEXT, "a") * 1000)
            await ws.recv()
            task = asyncio.ensure_future(others())
            for _ in range(999):
                await ws.native.recv()
            task.cancel()

            assert count > 10
            await peer.send(peer.frame(TEXT, "a", fin=False), peer.frame(CONTINUATION, "b", fin=False) * 200)
            await peer.send(peer.frame(CONTINUATION, "c"))
            await ws.send([piece async for piece in ws.recv_streaming()])

    @behaviour
    async def test_under_a_flood_of_tiny_messages(self, net: Net) -> None:
        """A task that answers 5,000 messages that came together has dealt with 64 of them at the most in each turn."""
        answered, turns = 0, []

        async def answer() -> None:
            nonlocal answered
            while answered < 5000:
                await ws.native.send(await ws.native.recv())
                answered += 1

        async with net.facing_client() as (ws, peer):
            await peer.send(peer.frame(TEXT, "") * 5000)
            answering = asyncio.ensure_future(answer())
            while not answering.done():
                turns.append(answered)
                await asyncio.sleep(0)

        assert max(after - before for before, after in pairwise(turns)) <= FAIR_SHARE

    @behaviour
    async def test_while_one_takes_its_time(self, net: Net) -> None:
        """A task that computes for 3 ms a message lets the others run after each, though more messages wait."""
        loop = asyncio.get_running_loop()
        received, turns = 0, []

        async def compute() -> None:
            nonlocal received
            while received < 20:
                await ws.native.recv()
                received += 1
                end = loop.time() + 0.003
                while loop.time() < end:
                    pass

        async with net.facing_client() as (ws, peer):
            await peer.send(peer.frame(TEXT, "") * 20)
            computing = asyncio.ensure_future(compute())
            while not computing.done():
                turns.append(received)
                await asyncio.sleep(0)

        assert max(after - before for before, after in pairwise(turns)) <= 2

    @behaviour
    async def test_are_woken_where_their_message_came(self, net: Net) -> None:
        """A task that waits has run before the loop turns, and what it sends in that turn goes out in one write."""
        tap = Counting()
        async with net.facing_server(tap=tap) as (ws, peer):

            async def answer() -> None:
                message = await ws.native.recv()
                for _ in range(3):
                    await ws.native.send(message)

            answering = asyncio.ensure_future(answer())
            await asyncio.sleep(0)
            buffer = ws.native.get_buffer(-1)
            told, sent = asyncio.Event(), list[int]()
            at_once = may_wake_at_once(asyncio.get_running_loop())

            def come() -> None:
                buffer[:3] = peer.frame(TEXT, "a")
                ws.native.buffer_updated(3)
                sent.append(len(tap.sent_data))
                told.set()

            asyncio.get_running_loop().call_soon(come)
            await told.wait()
            await answering
            assert [1 + at_once] == sent  # the opening handshake is the first
            assert [(0x81, b"a")] * 3 == [await peer.hear() for _ in range(3)]

    @behaviour
    async def test_while_one_sends_without_end(self, net: Net) -> None:
        """A task that never has to wait to send lets the others run nevertheless."""
        async with net.facing_client() as (ws, peer):
            sent = 0

            async def send() -> None:
                nonlocal sent
                while True:
                    await ws.native.send("a")
                    sent += 1

            task = asyncio.ensure_future(send())
            await peer.hear()
            task.cancel()
            await asyncio.wait([task])

            assert sent < 2000

    @behaviour
    async def test_while_many_send(self, net: Net) -> None:
        """Many tasks may send at once, whole messages and fragmented ones: each arrives as it was."""
        async with net.pair() as ws:
            messages = [str(n) * 1000 for n in range(50)]

            async def pieces(message: str) -> AsyncIterator[str]:
                for at in range(0, len(message), 500):
                    yield message[at : at + 500]
                    await asyncio.sleep(0)

            sending = [ws.send(pieces(message) if n % 2 else message) for n, message in enumerate(messages)]
            waiting = asyncio.gather(*sending)

            assert set(messages) == {await ws.recv() for _ in messages}
            await waiting

    @behaviour
    async def test_in_two_loops_do_not_meet(self, net: Net) -> None:
        """Two loops in two threads move their messages through buffers of their own."""

        async def talk(byte: int) -> None:
            async with serve(echo, "127.0.0.1", 0) as server, connect(f"ws://127.0.0.1:{server.port}") as ws:
                message = bytes([byte]) * 200_000
                for _ in range(40):
                    await ws.send(message)
                    assert message == await ws.recv()

        await asyncio.gather(*(in_thread(asyncio.run, talk(byte)) for byte in range(3)))


async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


class TestReadingAhead:
    """What lies behind messages that were not taken, and is seen when they are: nobody receives meanwhile."""

    @behaviour
    async def test_does_not_hide_that_tcp_is_lost(self, net: Net) -> None:
        """Who waits for a Pong is told at once, though there are messages that can still be received."""
        tap = Seeing()
        async with net.facing_server(tap=tap, receive_limit=1, ping_interval=None) as (ws, peer):
            pong = await ws.native.ping()
            end = peer.frame(TEXT, "two")
            await peer.send(peer.frame(TEXT, "one"), end)
            await tap.until(end)
            peer.reset()
            while not await ended(ws.native.send("x")):
                await asyncio.sleep(0)

            async with asyncio.timeout(1):
                assert 1006 == await code_of(pong)
            assert ["one", "two"] == [await ws.recv(), await ws.recv()]
            assert 1006 == await code_of(ws.recv())

    @behaviour
    async def test_answers_a_ping_before_all_is_taken(self, net: Net) -> None:
        """A Ping between messages is answered when those in front of it are given out, not when they are received."""
        tap = Seeing()
        async with net.facing_server(tap=tap, receive_limit=1, ping_interval=None) as (ws, peer):
            end = peer.frame(TEXT, "three")
            await peer.send(peer.frame(TEXT, "one"), peer.frame(TEXT, "two"), peer.frame(PING, "?"), end)
            await tap.until(end)

            assert "one" == await ws.native.recv()
            async with asyncio.timeout(1):
                assert (0x80 | PONG, b"?") == await peer.hear()
            assert ["two", "three"] == [await ws.native.recv(), await ws.native.recv()]

    @behaviour
    async def test_gets_through_a_flood(self, net: Net) -> None:
        """More Pongs than are looked at in one go do not keep what is behind them from who waits for it."""
        tap = Seeing()
        async with net.facing_server(tap=tap, receive_limit=1, ping_interval=None, open_timeout=None) as (ws, peer):
            end = peer.frame(TEXT, "two")
            await peer.send(peer.frame(TEXT, "one"), peer.frame(PONG) * 1100, end)
            await tap.until(end)

            assert "one" == await ws.native.recv()
            async with asyncio.timeout(1):
                assert "two" == await ws.native.recv()


class TestAsyncio:
    """What asyncio expects of a citizen."""

    @behaviour
    async def test_messages_may_come_from_an_async_iterable(self, net: Net) -> None:
        """An async iterable is one message in fragments; one that raises in the middle is 1011."""

        async def fragments() -> AsyncIterator[bytes]:
            for fragment in (b"a", b"b", b"c"):
                yield fragment
                await asyncio.sleep(0)
            if failing:
                raise LookupError

        async with net.facing_server() as (ws, peer):
            failing = False
            await ws.send(fragments())
            assert [(BINARY, b"a"), (CONTINUATION, b"b"), (0x80, b"c")] == [await peer.hear() for _ in range(3)]
            failing = True
            with pytest.raises(LookupError):
                await ws.send(fragments())
            assert [(BINARY, b"a"), (CONTINUATION, b"b")] == [await peer.hear() for _ in range(2)]
            assert 1011 == (await closed_by(peer))[0]

    @behaviour
    async def test_a_pong_need_not_be_awaited(self, net: Net) -> None:
        """Who does not wait for a Pong is not warned about it when the connection ends, nor harmed by cancelling it."""
        async with net.facing_server() as (ws, peer):
            await ws.native.ping()
            (await ws.native.ping()).cancel()
            payloads = [(await peer.hear())[1] for _ in range(2)]
            await peer.say(10, payloads[1])
            await ws.native.ping()
            await peer.say(CLOSE)

            assert 1005 == await code_of(ws.recv())

    @behaviour
    async def test_a_dead_connection_is_not_logged(self, net: Net) -> None:
        """Who sends in a loop to a peer that is gone does not make asyncio complain."""
        async with net.facing_server() as (ws, peer):
            peer.reset()
            for _ in range(60):
                assert isinstance(await ended(ws.native.send("a")), (ConnectionClosed, type(None)))
            await ws.wait_closed()

    @behaviour
    async def test_a_stream_may_be_left_unclosed(self, net: Net) -> None:
        """`break` out of `recv_streaming`, and the next `recv` gives the next message, at once."""
        async with net.facing_client() as (ws, peer):
            await peer.send(peer.frame(BINARY, b"x", fin=False), peer.frame(0, b"y"), peer.frame(TEXT, "next"))
            async for piece in ws.native.recv_streaming():
                assert piece
                break

            assert "next" == await ws.native.recv()
            await turns(2)

    @behaviour
    async def test_a_stream_that_was_left_does_not_end_the_next(self, net: Net) -> None:
        """The loop closes it a turn after the `break`; the next message comes in pieces nevertheless."""
        async with net.facing_client() as (ws, peer):
            await peer.say(TEXT, "a", fin=False)
            async for piece in ws.native.recv_streaming():
                assert "a" == piece
                break
            pieces = ws.native.recv_streaming()
            first = asyncio.ensure_future(anext(pieces))
            await turns(5)

            await peer.send(peer.frame(CONTINUATION, "b"), peer.frame(TEXT, "c", fin=False))
            async with asyncio.timeout(1):
                assert "c" == await first
            await peer.say(CONTINUATION, "d")
            assert "d" == "".join([piece async for piece in pieces])

    @behaviour
    async def test_connect_may_be_awaited_and_entered(self, net: Net) -> None:
        """`await connect(…)` gives the WebSocket, as often as it is awaited; `async with` closes it."""
        async with net.serve() as server:
            connecting = connect(server.uri)
            first, second = await connecting, await connecting
            async with first, second, connecting as third:
                for ws in (first, second, third):
                    await ws.send("a")
                    assert "a" == await ws.recv()

            assert [1000] * 3 == [ws.close_code for ws in (first, second, third)]

    @behaviour
    async def test_addresses_of_two_families_race(self, net: Net) -> None:
        """A name that leads to a family where nobody listens and to one where somebody does is no problem."""

        async def both_families(host: str, port: int, **_: Any) -> list[Any]:
            there = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0))
            return [there, (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        async with net.serve() as server:
            asyncio.get_running_loop().getaddrinfo = both_families  # type: ignore[assignment,method-assign]
            async with connect(f"ws://two.example:{server.port}") as ws:
                await ws.send("a")
                assert "a" == await ws.recv()

    @behaviour
    async def test_addresses_keep_their_link(self, net: Net) -> None:
        """A name with a single address, which is one of a link, leads to that link (RFC 4007)."""

        async def of_a_link(host: str, port: int, **_: Any) -> list[Any]:
            return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", port, 0, 7))]

        async def of_no_link(host: str, port: int, **_: Any) -> list[Any]:
            return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0))]

        loop = asyncio.get_running_loop()
        for getaddrinfo, address in ((of_a_link, "fe80::1%7"), (of_no_link, "::1")):
            loop.getaddrinfo = getaddrinfo  # type: ignore[assignment,method-assign]
            assert {"host": address, "port": 80} == await _place("one.example", 80)

    @pytest.mark.parametrize("way", ["sent", "received"])
    @behaviour
    async def test_a_tap_that_raises_ends_the_connection(
        self, net: Net, way: str, log: list[logging.LogRecord]
    ) -> None:
        """What a tap is told of and cannot bear is not sent, and nothing after it: a stream has no holes."""
        tap = Counting()
        async with net.facing_server(tap=tap) as (ws, peer):

            def fail(data: bytes) -> None:
                raise LookupError

            setattr(tap, way, fail)
            if way == "sent":
                with pytest.raises(LookupError):
                    await ws.send("a")
            else:
                await peer.say(TEXT, "a")
            assert 1006 == await code_of(ws.recv())
            await ended(peer.end())
            assert b"" == peer.rest
        assert ["asyncio"] * (way == "received") == [log.pop().name for _ in log[:]]

    @behaviour
    async def test_a_peer_that_does_not_read_is_dropped_over_tls_too(self, net: Net) -> None:
        """A single message that it does not take is enough: what waits behind TLS would be seen by nobody."""
        authority = trustme.CA()
        codes: asyncio.Queue[int] = asyncio.Queue()

        async def handler(ws: Any) -> None:
            await ended(ws.send(bytes(2**24)))
            codes.put_nowait(await code_of(ws.recv()))

        options: dict[str, Any] = {"write_timeout": 0.3, "ping_interval": None}
        async with net.serve(handler, ssl=serving(authority), **options) as server:
            uri = server.uri.replace("127.0.0.1", "localhost")
            ws = await net.connect(uri, ssl=trusting(authority), receive_limit=1000, max_size=2**24)
            ws.native._transport.pause_reading()
            assert 1006 == await codes.get()
            await ws.abort()

    @behaviour
    async def test_the_transport_can_be_asked(self, net: Net) -> None:
        """`extra` gives what asyncio knows of the connection, and None when it is gone."""
        async with net.facing_server() as (ws, peer):
            assert peer.sock.getsockname() == ws.native.remote_address == ws.native.extra("peername")
            await ws.abort()
            await ws.wait_closed()

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks before Python 3.12")
    @behaviour
    async def test_tasks_may_be_eager(self, net: Net) -> None:
        """With eager tasks, which run before `create_task` returns, it is the same."""
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009
        async with net.pair() as ws:
            for n in range(10):
                await ws.send(str(n))
            assert [str(n) for n in range(10)] == [await ws.recv() for _ in range(10)]


class TestServer:
    """What a server does with tasks."""

    @behaviour
    async def test_runs_for_ever(self, net: Net) -> None:
        """`serve_forever` waits until the server is closed by another task."""
        server = await serve(echo, "127.0.0.1", 0)
        running = asyncio.ensure_future(server.serve_forever())
        async with connect(f"ws://127.0.0.1:{server.port}") as ws:
            await ws.send("a")
            assert "a" == await ws.recv()
        assert not running.done()
        await server.close()

        await running

    @behaviour
    async def test_may_be_awaited_and_then_entered(self, net: Net) -> None:
        """A server that was awaited can be a context too; one that never began is closed at once."""
        server = await serve(echo, "127.0.0.1", 0)
        async with server as same:
            assert server is same
            async with connect(f"ws://127.0.0.1:{server.port}") as ws:
                await ws.send("a")
                assert "a" == await ws.recv()
        await serve(echo).close()

    @behaviour
    async def test_closes_everybody_though_a_tap_raises(self, net: Net) -> None:
        """What a tap raises when it hears the Close is raised by `close`, when all is done."""
        fault = OSError("no space left on device")

        class Full:
            def received(self, data: bytes) -> None: ...

            def sent(self, data: bytes) -> None:
                if data[0] == 0x88:
                    raise fault

        ended_handlers = []

        async def handler(ws: Any) -> None:
            await ended(ws.recv())
            await turns(5)
            ended_handlers.append(ws)

        taps: Any = iter([Full(), Counting()])
        server = await serve(handler, "127.0.0.1", 0, tap=lambda: next(taps))
        clients = [await connect(f"ws://127.0.0.1:{server.port}") for _ in range(2)]
        closing = await asyncio.gather(server.close(), return_exceptions=True)

        assert [1006, 1001] == [await code_of(ws.recv()) for ws in clients]
        assert ([fault], 2, frozenset()) == (closing, len(ended_handlers), server.connections)

    @behaviour
    async def test_closes_a_connection_though_nothing_can_be_logged(self, net: Net, log: Any) -> None:
        """A handler that raised is one thing, and a log that raises another: the peer is told 1011."""

        class Full(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                raise OSError("no space left on device")

        async def handler(ws: Any) -> None:
            raise LookupError("a handler raised")

        full = Full()
        logging.getLogger("rawws.server").addHandler(full)
        try:
            server = await serve(handler, "127.0.0.1", 0)
            async with server, connect(f"ws://127.0.0.1:{server.port}") as ws:
                assert 1011 == await code_of(ws.recv())
        finally:
            logging.getLogger("rawws.server").removeHandler(full)
        gc.collect()  # asyncio tells of the task then.
        log.clear()

    @behaviour
    async def test_ends_when_it_is_cancelled(self, net: Net) -> None:
        """Cancelling `serve_forever` closes the server, with 1001 for everybody."""
        server = await serve(echo, "127.0.0.1", 0)
        running = asyncio.ensure_future(server.serve_forever())
        async with connect(f"ws://127.0.0.1:{server.port}") as ws:
            running.cancel()

            assert 1001 == await code_of(ws.recv())
        assert isinstance(await ended(asyncio.wait([running])), type(None))
        assert running.cancelled()

    @behaviour
    async def test_drops_who_gets_through_too_late(self, net: Net) -> None:
        """A connection that was on its way, in TLS for instance, when the server was closed is dropped."""
        async with serve(echo, "127.0.0.1", 0) as server:
            ws = server._new()
            await server.close()

            assert Line(ws).closing
            await ws.wait_closed()

    @behaviour
    async def test_cancels_handlers_that_are_late(self, net: Net) -> None:
        """A handler that goes on after its connection has ended is cancelled after a second."""
        begun, cancelled = asyncio.Event(), asyncio.Event()

        async def handler(ws: Any) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        async with net.serve(handler) as server, await net.connect(server.uri):
            await begun.wait()
            async with asyncio.timeout(3):
                await server.close()

            assert cancelled.is_set()

    @behaviour
    async def test_may_be_closed_by_a_handler(self, net: Net) -> None:
        """A handler may close its own server."""

        async def handler(ws: Any) -> None:
            await server.close(3000)

        async with net.serve(handler) as server, await net.connect(server.uri) as ws:
            assert 3000 == await code_of(ws.recv())

    @pytest.mark.parametrize("response", [None, Response(404)])
    @behaviour
    async def test_may_think_about_a_request(self, net: Net, response: Response | None) -> None:
        """`process_request` may be a coroutine function."""

        async def process_request(request: Any) -> Response | None:
            await asyncio.sleep(0)
            return response

        async with net.serve(process_request=process_request) as server, await called(server.port) as peer:
            assert ("404" if response else "101") == (await peer.ask(server.port))[9:12]

    @behaviour
    async def test_answers_500_when_it_fails_to_think(self, net: Net, log: list[logging.LogRecord]) -> None:
        """A coroutine that raises is a hook that raises."""

        async def process_request(request: Any) -> None:
            raise LookupError

        async with net.serve(process_request=process_request) as server, await called(server.port) as peer:
            assert "500" == (await peer.ask(server.port))[9:12]
        assert "rawws.server" == log.pop().name

    @pytest.mark.parametrize("leave", ["fin", "rst", "close", "late"])
    @pytest.mark.parametrize("fails", [False, True])
    @behaviour
    async def test_forgets_who_leaves_while_it_thinks(
        self, net: Net, leave: str, fails: bool, log: list[logging.LogRecord]
    ) -> None:
        """A client that is gone, or was told 408, before `process_request` is done is no error."""
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def process_request(request: Any) -> None:
            asked.set()
            await go_on.wait()
            if fails:
                raise LookupError

        options: dict[str, Any] = {"process_request": process_request, "open_timeout": 0.1 if leave == "late" else 10}
        async with net.serve(**options) as server, await called(server.port) as peer:
            await peer.send(request(server.port))
            await asked.wait()
            closing = None
            if leave == "late":
                assert b"HTTP/1.1 408" == (await peer.head())[:12]
            elif leave == "close":
                closing = asyncio.ensure_future(server.close())
                assert isinstance(await ended(peer.end()), (ConnectionError, type(None)))
            else:
                peer.finish() if leave == "fin" else peer.reset()
                await turns(5)
            go_on.set()
            if closing is not None:
                await closing
        assert ["rawws.server"] * fails == [log.pop().name for _ in range(fails)]

    @behaviour
    async def test_lets_so_many_open_at_once(self, net: Net) -> None:
        """Beyond `max_opening` handshakes at once, who comes is dropped; who is through does not count."""
        async with net.serve(max_opening=2) as server:
            inside = await net.connect(server.uri)
            first, second, third = [await called(server.port) for _ in range(3)]
            assert isinstance(await ended(third.end()), (ConnectionError, type(None)))
            await first.ask(server.port)
            fourth = await called(server.port)
            await fourth.ask(server.port)

            for peer in (first, second, third, fourth):
                peer.close()
            await inside.close()
