"""Sending to many: all get it, nobody is waited for, and who is too far behind is no matter to the others."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import trustme

from rawws import Deflate, LocalProtocolError, State, aio, blocking
from rawws.blocking.flusher import FLUSHER, Flusher
from tests.compressing import OFFER, Inflated
from tests.net import Asyncio, Blocking, Net, Peer, behaviour, called, ended, flushing_ends, in_thread, small
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.test_blocking import connected
from tests.test_opening import serving, trusting
from tests.wire import BINARY, CLOSE, CONTINUATION, PING, TEXT, frame

NO_PINGS = {"ping_interval": None}

GATHERED = 16 * 1024
"""What a turn of asyncio's loop may gather besides what waits."""


@pytest.fixture(params=[Asyncio, Blocking], ids=["aio", "blocking"])
def net(request: pytest.FixtureRequest) -> Net:
    return request.param()  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def nobody_flushes(nothing_is_left: None) -> Iterator[None]:
    """The thread that writes what was left over ends by itself, a moment after the last connection."""
    yield
    flushing_ends()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextlib.asynccontextmanager
async def listeners(server: Any, count: int, extra: str = "", is_small: bool = False) -> AsyncIterator[list[Peer]]:
    """So many raw clients of a server."""
    async with contextlib.AsyncExitStack() as stack:
        peers = []
        before = len(server.connections)
        for _ in range(count):
            peer = await stack.enter_async_context(await called(server.port, is_small))
            await peer.ask(server.port, extra)
            peers.append(peer)
        await until(lambda: len(server.connections) == before + count)
        yield peers


async def until(ready: Any) -> None:
    """Wait until it is."""
    while not ready():
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.005)


async def read_all(peers: list[Peer], size: int) -> set[bytes]:
    """The next so many bytes of each."""
    return {await peer.read(size) for peer in peers}


class TestEverybody:
    """Whoever is open gets it."""

    @behaviour
    async def test_gets_the_message(self, net: Net) -> None:
        """Text or binary, clients of ours and others, and nobody is left out."""
        async with net.serve() as server, listeners(server, 3) as peers, await net.connect(server.uri) as ws:
            await until(lambda: len(server.connections) == 4)
            missed = [
                await net.broadcast(server.connections, message) for message in ("Hello", b"\x00", "", b"x" * 70_000)
            ]

            assert [set()] * 4 == missed
            for peer in peers:
                assert [(0x81, b"Hello"), (0x82, b"\x00"), (0x81, b"")] == [await peer.hear() for _ in range(3)]
                assert (0x82, 70_000) == ((await peer.read(10))[0], len(await peer.read(70_000)))
            assert ["Hello", b"\x00", "", b"x" * 70_000] == [await ws.recv(1) for _ in range(4)]

    @behaviour
    async def test_gets_it_compressed_on_its_own_terms(self, net: Net) -> None:
        """Beside those who did not agree, and with messages for one alone in between."""
        texts = [f"{number} and the same again and again" * 20 for number in range(4)]
        few = {"server_no_context_takeover": True, "server_max_window_bits": 9}
        async with net.serve() as server, listeners(server, 1) as [plain], listeners(server, 1, OFFER) as [raw]:
            inflate = Inflated()
            clients = [await net.connect(server.uri, compression=wish) for wish in (Deflate(), Deflate(**few))]
            await until(lambda: len(server.connections) == 4)
            for text in texts:
                assert set() == await net.broadcast(server.connections, text)
                for ws in clients:
                    await ws.send(text.upper())

            for text in texts:
                first, payload = await raw.hear()
                assert (0xC1, text.encode()) == (first, inflate(payload))
                assert (0x81, text.encode()) == await plain.hear()
            for ws in clients:
                heard = [await ws.recv(1) for _ in range(8)]
                assert texts == [message for message in heard if message[0].isdigit() and "AND" not in message]
                assert [text.upper() for text in texts] == [message for message in heard if "AND" in message]
                await ws.close()

    @behaviour
    async def test_of_clients_gets_it_masked(self, net: Net) -> None:
        """A client may have many connections as well; each frame has a key of its own."""
        async with net.serve() as server:
            clients = [await net.connect(server.uri) for _ in range(3)]

            assert set() == await net.broadcast([ws.native for ws in clients], "Hello")
            assert ["Hello"] * 3 == [await ws.recv(1) for ws in clients]
            for ws in clients:
                await ws.close()

    @behaviour
    async def test_that_is_gone_is_told_of(self, net: Net) -> None:
        """Who is closing or closed gets nothing, and nothing happens to it."""
        async with net.serve() as server:
            gone, closing, there = [await net.connect(server.uri) for _ in range(3)]
            await gone.close()
            closing.native.start_close(4000, "bye")
            everybody = [ws.native for ws in (gone, closing, there)]

            assert {gone.native, closing.native} == await net.broadcast(everybody, "Hello")
            assert "Hello" == await there.recv(1)
            await closing.wait_closed()
            assert (4000, "bye") == closing.close_sent
            await there.close()

    @behaviour
    async def test_gets_it_over_tls(self, net: Net, authority: trustme.CA) -> None:
        """Also what the kernel could not take at once."""
        message = b"x" * 2**23
        async with net.serve(ssl=serving(authority)) as server:
            options = {"ssl": trusting(authority), "max_size": None}
            uri = server.uri.replace("127.0.0.1", "localhost")
            async with await net.connect(uri, **options) as ws:
                await until(lambda: len(server.connections) == 1)
                assert set() == await net.broadcast(server.connections, message)
                assert set() == await net.broadcast(server.connections, "Hello", limit=2**24)

                assert [message, "Hello"] == [await ws.recv(3), await ws.recv(3)]


class TestFragments:
    """A connection whose owner is in the midst of a message."""

    @behaviour
    async def test_are_not_interrupted(self, net: Net) -> None:
        """What is for all comes behind the last fragment, and before what the owner sends then (section 5.4)."""
        goes_on = asyncio.Event() if net.name == "aio" else threading.Event()

        def fragments() -> Iterator[str]:
            yield "a"
            yield "b"
            assert isinstance(goes_on, threading.Event)
            goes_on.wait(3)
            yield "c"

        async def fragments_of_aio() -> AsyncIterator[str]:
            yield "a"
            yield "b"
            assert isinstance(goes_on, asyncio.Event)
            await goes_on.wait()
            yield "c"

        async def handler(ws: Any) -> None:
            await ws.send(fragments_of_aio() if net.name == "aio" else fragments())
            await ws.send("d")

        async with net.serve(handler) as server, await called(server.port) as peer:
            await peer.ask(server.port)
            assert (TEXT, b"a") == await peer.hear()
            assert set() == await net.broadcast(server.connections, "for all")
            assert set() == await net.broadcast(server.connections, b"too")
            goes_on.set()
            heard = [await peer.hear() for _ in range(5)]

        frames = [(CONTINUATION, b"b"), (0x80, b"c"), (0x81, b"for all"), (0x82, b"too"), (0x81, b"d")]
        assert frames == heard


class TestTheSlow:
    """Who does not read."""

    @behaviour
    async def test_are_no_matter_to_the_others(self, net: Net) -> None:
        """Of 100 clients 10 never read: all others get everything, nobody waits, and what is held is bounded."""
        messages = [bytes([number]) * 4096 for number in range(40)]
        options = {"write_limit": 20_000, "close_timeout": 0.3, **NO_PINGS}
        held, missed = [0], []
        sock = small(socket.create_server(("127.0.0.1", 0), backlog=200))
        async with (
            net.serve(sock=sock, **options) as server,
            listeners(server, 90) as readers,
            listeners(server, 10, is_small=True),
        ):
            for message in messages:
                missed.append(await net.broadcast(server.connections, message))
                held += [ws._session.unwritten for ws in server.connections]
                wire = frame(BINARY, message)
                assert {wire} == await read_all(readers, len(wire))
            slow = set().union(*missed)

            assert 10 == len(slow)
            assert 20_000 < max(held) <= 20_000 + 4096 + GATHERED
            assert {(1008, "too slow")} == {ws.close_sent for ws in slow}
            await until(lambda: len(server.connections) == 90)  # They do not answer the Close either.

    @behaviour
    async def test_can_be_left_out(self, net: Net) -> None:
        """Nothing happens to who is skipped: what was on its way arrives, and later messages do."""
        sent = []
        async with one_slow(net, write_limit=20_000) as (ws, peer):
            while not await net.broadcast([ws], f"{len(sent):05}" * 400, slow="skip"):
                sent.append(f"{len(sent):05}".encode() * 400)
            assert {ws} == await net.broadcast([ws], "not this", slow="skip")

            assert State.OPEN is ws.state
            assert sent == [(await peer.hear())[1] for _ in sent]
            assert set() == await net.broadcast([ws], "but this", slow="skip")
            assert (0x81, b"but this") == await peer.hear()

    @behaviour
    async def test_are_whoever_is_over_the_limit(self, net: Net) -> None:
        """With a limit of 0, who has not taken everything: a feed sends the newest price when there is room for it."""
        async with one_slow(net) as (ws, peer):
            assert set() == await net.broadcast([ws], b"x" * 2**20, limit=0, slow="skip")
            await until(lambda: ws._session.unwritten)

            assert {ws} == await net.broadcast([ws], "old", limit=0, slow="skip")
            assert set() == await net.broadcast([ws], "kept", limit=2**21, slow="skip")
            await peer.read(10 + 2**20)
            assert (0x81, b"kept") == await peer.hear()
            assert set() == await net.broadcast([ws], "new", limit=0, slow="skip")
            assert (0x81, b"new") == await peer.hear()

    @behaviour
    async def test_are_closed_behind_what_is_under_way(self, net: Net) -> None:
        """Who reads in time gets all of it, and then why the connection ends."""
        async with one_slow(net) as (ws, peer):
            receiving = asyncio.ensure_future(ended(ws.recv() if net.name == "aio" else in_thread(ws.recv)))
            assert set() == await net.broadcast([ws], b"x" * 2**20)
            await until(lambda: ws._session.unwritten)
            assert {ws} == await net.broadcast([ws], "too much")

            await peer.read(10 + 2**20)
            assert (0x80 | CLOSE, b"\x03\xf0too slow") == await peer.hear()
            await peer.say(CLOSE, b"\x03\xf0")
            assert b"" == await peer.end()
            await receiving

    @behaviour
    async def test_are_dropped_in_the_end(self, net: Net) -> None:
        """`write_timeout` holds for what was sent to many, though no task and no thread waits for it."""
        async with one_slow(net, write_timeout=0.3, close_timeout=None) as (ws, _):
            assert set() == await net.broadcast([ws], b"x" * 2**20)
            await until(lambda: ws.state is State.CLOSED)

            assert 1006 == ws.close_code


@contextlib.asynccontextmanager
async def one_slow(net: Net, **options: Any) -> AsyncIterator[tuple[Any, Peer]]:
    """A connection of a server whose handler does nothing, and a raw client with small buffers."""
    sock = small(socket.create_server(("127.0.0.1", 0)))
    async with net.facing_client(sock=sock, is_small=True, **NO_PINGS, **options) as (ws, peer):
        yield ws.native, peer


def one_raises() -> Callable[[], Any]:
    """Taps, of which the second does not like a greeting."""

    class Tap:
        def sent(self, data: bytes) -> None:
            if b"Hello" in data and self is taps[1]:
                raise ArithmeticError

        def received(self, data: bytes) -> None: ...

    def tap() -> Tap:
        taps.append(Tap())
        return taps[-1]

    taps: list[Tap] = []
    return tap


class TestFailures:
    """What goes wrong for one, or for the caller."""

    @behaviour
    async def test_of_one_are_no_matter_to_the_others(self, net: Net) -> None:
        """A tap raises: its connection is dropped, since a message is missing in it, and all others get theirs."""

        async with net.serve(tap=one_raises()) as server, listeners(server, 3) as peers:
            error = await ended(net.broadcast(server.connections, "Hello"))
            assert (0x81, b"Hello") == await peers[0].hear()
            assert (0x81, b"Hello") == await peers[2].hear()
            assert b"" == await peers[1].end()

        assert isinstance(error, ExceptionGroup)
        assert [ArithmeticError] == [type(each) for each in error.exceptions]

    @pytest.mark.parametrize(
        "message, options, error",
        [
            ("Hello", {"slow": "drop"}, ValueError),
            ("\ud800", {}, LocalProtocolError),
            (["Hello"], {}, TypeError),
        ],
    )
    @behaviour
    async def test_of_the_caller_send_nothing(self, net: Net, message: Any, options: Any, error: Any) -> None:
        """Nobody gets half of a broadcast because of a mistake in it."""
        async with net.serve() as server, listeners(server, 2) as peers:
            assert error is type(await ended(net.broadcast(server.connections, message, **options)))
            assert set() == await net.broadcast(server.connections, "Hello")
            assert {frame(TEXT, "Hello")} == await read_all(peers, 7)


class TestAsyncio:
    """What only a loop has."""

    @behaviour
    async def test_messages_of_one_turn_go_out_together(self) -> None:
        """The first at once and the others in one write, however many; what is much goes at once too."""
        sent: list[int] = []

        class Tap:
            def sent(self, data: bytes) -> None:
                sent.append(len(data))

            def received(self, data: bytes) -> None: ...

        net = Asyncio()
        async with net.serve(tap=Tap) as server, listeners(server, 2) as peers:
            for _ in range(2):
                sent.clear()
                for number in range(5):
                    aio.broadcast(server.connections, str(number))
                assert [3, 3] == sent
                assert {b"".join(frame(TEXT, str(number)) for number in range(5))} == await read_all(peers, 15)
                assert [12, 12] == sent[2:]
            aio.broadcast(server.connections, "Hello")
            aio.broadcast(server.connections, bytes(GATHERED))
            assert [7, 7, GATHERED + 4, GATHERED + 4] == sent[4:]
            assert {frame(TEXT, "Hello") + frame(BINARY, bytes(GATHERED))} == await read_all(peers, GATHERED + 11)

    @behaviour
    async def test_a_burst_that_gives_way_is_gathered_for_a_few_turns(self) -> None:
        """Who receives much gives others their turn after 2 ms, in which few messages are sent to thousands."""
        sent: list[int] = []

        class Tap:
            def sent(self, data: bytes) -> None:
                sent.append(len(data))

            def received(self, data: bytes) -> None: ...

        net = Asyncio()
        async with net.serve(tap=Tap) as server, listeners(server, 1) as peers:
            sent.clear()
            for number in range(10):
                aio.broadcast(server.connections, str(number))
                if number % 2:
                    await asyncio.sleep(0)
            assert {b"".join(frame(TEXT, str(number)) for number in range(10))} == await read_all(peers, 30)
            assert [3, 21, 3, 3] == sent

            sent.clear()
            for _ in range(3):
                aio.broadcast(server.connections, "Hello")
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            assert [7, 7, 7] == sent

    @behaviour
    async def test_what_goes_wrong_later_is_told_to_the_loop(self, log: list[Any]) -> None:
        """It is no matter to the others either, and nobody is there to raise it to."""
        net = Asyncio()
        async with net.serve(tap=one_raises()) as server, listeners(server, 3) as peers:
            for message in ("first", "Hello"):
                assert set() == aio.broadcast(server.connections, message)
            expected = frame(TEXT, "first") + frame(TEXT, "Hello")
            assert {expected} == await read_all([peers[0], peers[2]], len(expected))
            assert frame(TEXT, "first") == await peers[1].end()

        assert ArithmeticError is log.pop().exc_info[0]

    @behaviour
    async def test_another_thread_is_told_to_go_through_the_loop(self) -> None:
        """It would spoil the connections; `loop.call_soon_threadsafe(broadcast, …)` does not."""
        net = Asyncio()
        async with net.serve() as server, listeners(server, 1) as [peer]:
            loop = asyncio.get_running_loop()
            assert RuntimeError is type(await ended(in_thread(aio.broadcast, server.connections, "Hello")))
            await in_thread(loop.call_soon_threadsafe, aio.broadcast, server.connections, "Hello")
            assert (0x81, b"Hello") == await peer.hear()


class TestThreads:
    """What only threads have."""

    @behaviour
    async def test_may_send_at_once(self) -> None:
        """From eight of them all messages come whole, to everybody, each thread's in order."""
        net = Blocking()

        def send(number: int) -> None:
            for count in range(20):
                blocking.broadcast(server.connections, bytes([number, count]) * 300, limit=2**30)

        async with net.serve() as server, listeners(server, 5) as peers:
            sending = [asyncio.ensure_future(in_thread(send, number)) for number in range(8)]
            for peer in peers:
                heard = [await peer.hear() for _ in range(160)]
                for number in range(8):
                    expected = [(0x80 | BINARY, bytes([number, count]) * 300) for count in range(20)]
                    assert expected == [(first, payload) for first, payload in heard if payload[0] == number]
            await asyncio.gather(*sending)

    @behaviour
    async def test_that_send_do_not_wait_for_what_others_send_to_many(self) -> None:
        """`send` returns when its own message was taken, though there is always something left."""

        def go_on() -> None:
            while not done.is_set():
                blocking.broadcast([ws], b"x" * 10_000, limit=100_000, slow="skip")

        net, done = Blocking(), threading.Event()
        async with one_slow(net) as (ws, peer):
            others = asyncio.ensure_future(in_thread(go_on))
            reading = asyncio.ensure_future(peer.end())
            await until(lambda: ws._out)
            try:
                for _ in range(3):
                    await asyncio.wait_for(in_thread(ws.send, "mine"), 3)
            finally:
                done.set()
            await others
            await in_thread(ws.abort)
            assert 3 == (await reading).count(frame(TEXT, "mine"))

    @pytest.mark.parametrize("busy", ["elsewhere", "receiving"])
    @behaviour
    async def test_need_not_be_there_for_what_is_left(self, busy: str) -> None:
        """What the kernel could not take is written when it can, whatever the thread of the connection does."""

        async def receive(ws: Any) -> None:
            await ended(ws.recv())

        async def wait(ws: Any) -> None:
            await done.wait()

        net, done = Blocking(), asyncio.Event()
        sock = small(socket.create_server(("127.0.0.1", 0)))
        handler = receive if busy == "receiving" else wait
        async with net.serve(handler, sock=sock, **NO_PINGS) as server, listeners(server, 2, is_small=True) as peers:
            assert set() == await net.broadcast(server.connections, b"x" * 2**20)
            assert "rawws flusher" in [thread.name for thread in threading.enumerate()]
            for peer in peers:
                await peer.read(10 + 2**20)
            await until(lambda: "rawws flusher" not in [thread.name for thread in threading.enumerate()])
            done.set()

    def test_are_not_held_up_by_one_that_is_gone(self) -> None:
        """A socket that was closed meanwhile cannot be polled; its connection says that nothing is left."""
        flusher = Flusher()
        one, other = socket.socketpair()
        one.close()
        asked = threading.Event()
        written = threading.Event()

        def is_gone() -> bool:
            asked.set()
            return False

        def goes_on() -> bool:
            written.set()
            return False

        with other:
            flusher.add(one, is_gone)
            flusher.add(other, goes_on)
            assert asked.wait(3)
            assert written.wait(3)
        self.put_away(flusher)

    def put_away(self, flusher: Flusher) -> None:
        """When its thread has ended."""
        flushing_ends()
        flusher._waker.close()
        flusher._wakee.close()

    def test_are_not_forgotten_if_more_is_left_meanwhile(self) -> None:
        """Just when a connection says that nothing is left, somebody leaves something: it is carried on once more."""
        flusher = Flusher()
        one, other = socket.socketpair()
        calls: list[str] = []
        again = threading.Event()

        def nothing_is_left() -> bool:
            calls.append("carried on")
            if len(calls) == 1:
                flusher.add(one, nothing_is_left)
            else:
                again.set()
            return False

        with one, other:
            flusher.add(one, nothing_is_left)
            assert again.wait(10)
            self.put_away(flusher)

    def test_are_not_held_up_by_one_that_raises(self, log: list[Any]) -> None:
        """What is left for others is written nevertheless; and the next one begins the thread again."""
        flusher = Flusher()
        one, other = socket.socketpair()
        calls: list[str] = []
        done = threading.Event()

        def raises() -> bool:
            calls.append("one")
            raise ArithmeticError

        def goes_on() -> bool:
            calls.append("other")
            if len(calls) > 3:
                done.set()
            return len(calls) <= 3

        with one, other:
            for _ in range(2):
                calls.clear()
                done.clear()
                flusher.add(one, raises)
                flusher.add(other, goes_on)
                assert done.wait(3)
                assert ArithmeticError is log.pop().exc_info[0]
                flushing_ends()
        self.put_away(flusher)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_are_the_parent_s_alone_after_a_fork(self) -> None:
        """A child knows of nothing that was left, waits for no lock, and sends what is left over in itself."""
        one, other = socket.socketpair()
        theirs, ours = socket.socketpair()
        blocked = threading.Event()

        def goes_on() -> bool:
            blocked.wait(10)
            return False

        def is_child() -> bool:
            ours.send(b"child")
            return False

        with one, other, theirs, ours:
            FLUSHER.add(one, goes_on)
            with FLUSHER._lock:
                child = os.fork()
                if child == 0:  # It ends without pytest.
                    late = len(FLUSHER._late)
                    FLUSHER.add(ours, is_child)
                    while (thread := FLUSHER._thread) is not None:
                        thread.join(5)
                    os._exit(late)
            blocked.set()
            theirs.settimeout(5)
            assert b"child" == theirs.recv(10)
            assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            flushing_ends()

    def test_are_dropped_with_a_connection_whose_tap_raises(self, log: list[Any]) -> None:
        """Whoever raises in the thread that writes what was left over cannot be told: the connection is aborted."""

        class Wrong:
            def sent(self, data: bytes) -> None:
                pass

            def received(self, data: bytes) -> None:
                raise ArithmeticError

        with connected() as (ws, peer):
            ws._tap = Wrong()
            peer.sendall(frame(PING, "?"))
            while not ws._out:
                blocking.broadcast([ws], b"x" * 2**16, limit=2**30)
            flushing_ends()
            assert (1006, True) == (ws.close_code, ws._gone)
        assert ArithmeticError is log.pop().exc_info[0]
