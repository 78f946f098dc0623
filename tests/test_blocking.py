"""The blocking transport: what any transport must do, and what only threads and sockets can do wrong."""

import asyncio
import errno
import os
import resource
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from rawws import ConnectionClosed, LocalProtocolError, blocking
from rawws.blocking.way import connected_to
from rawws.blocking.websocket import WebSocket
from rawws.core.connection import Connection
from rawws.core.settings import Role
from rawws.session import Patience
from tests.contract import TestClosing as TestClosing
from tests.contract import TestMessages as TestMessages
from tests.contract import TestPings as TestPings
from tests.contract import TestReceiving as TestReceiving
from tests.contract import closed_by, code_of, never
from tests.net import Blocking, Net, Peer, behaviour, called, ended, in_thread, request
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.trouble import TestBackpressure as TestBackpressure
from tests.trouble import TestGathering as TestGathering
from tests.trouble import TestPatience as TestPatience
from tests.trouble import TestVanishing as TestVanishing
from tests.trouble import facing_small
from tests.wire import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, close_body, frame


@pytest.fixture
def net() -> Net:
    return Blocking()


class TestThreads:
    """Several threads and one WebSocket."""

    @behaviour
    async def test_read_for_each_other(self, net: Net) -> None:
        """Who waits for a Pong gets it, though the thread that read for both has left meanwhile."""
        async with net.facing_server(ping_interval=None) as (ws, peer):
            receiving = asyncio.ensure_future(ended(ws.recv(timeout=0.1)))
            assert await never(receiving)
            pong = await ws.ping(b"?")
            waiting = asyncio.ensure_future(pong(5))
            assert isinstance(await receiving, TimeoutError)
            async with asyncio.timeout(1):
                await peer.say(PONG, b"?")
                assert 0 <= await waiting < 5

    @behaviour
    async def test_may_leave_a_stream_late(self, net: Net) -> None:
        """One that is closed when another thread has begun the next one does not take its pieces."""
        async with net.facing_client() as (ws, peer):
            await peer.say(TEXT, "a", fin=False)
            left = ws.recv_streaming()
            assert "a" == await anext(left)
            await peer.say(CONTINUATION, "b")
            pieces = ws.recv_streaming()
            first = asyncio.ensure_future(anext(pieces))
            while not ws.native._receiving:
                await asyncio.sleep(0)
            await left.aclose()
            await peer.say(TEXT, "c", fin=False)
            async with asyncio.timeout(1):
                assert "c" == await first
            await peer.say(CONTINUATION, "d")

            assert "d" == "".join([piece async for piece in pieces])

    @behaviour
    async def test_that_only_send_answer_pings(self, net: Net) -> None:
        """A thread that sends and never receives answers a Ping now and then, and sees the Close."""

        async def handler(ws: Any) -> None:
            while True:
                await ws.send("tick")

        async with net.serve(handler) as server, await called(server.port) as peer:
            await peer.ask(server.port)
            await peer.say(PING, b"?")
            while (heard := await peer.hear()) == (0x81, b"tick"):
                pass
            assert (0x80 | PONG, b"?") == heard

            await peer.say(CLOSE, close_body(3000))
            while (heard := await peer.hear()) == (0x81, b"tick"):
                pass
            assert (0x80 | CLOSE, close_body(3000)) == heard

    @behaviour
    async def test_that_send_leave_nothing_behind(self, net: Net) -> None:
        """When `send` returns the kernel has the message, so nobody has to call again before the peer gets it."""
        async with net.facing_server(ping_interval=None) as (ws, peer):
            receiving = asyncio.ensure_future(ws.recv())
            assert await never(receiving)
            sending = asyncio.ensure_future(ws.send(b"x" * 2**22))

            assert 2**22 == len((await peer.hear())[1])
            await sending
            await peer.say(TEXT, "a")
            assert "a" == await receiving

    @pytest.mark.parametrize("first", ["send", "recv"])
    @behaviour
    async def test_that_receive_do_not_wait_for_those_that_send(self, net: Net, first: str) -> None:
        """While one thread waits for a peer that does not read, another one receives what that says."""
        async with facing_small(net, "server", ping_interval=None) as (ws, peer):
            sending = receiving = asyncio.ensure_future(ws.recv() if first == "recv" else ws.send(b"x" * 2**22))
            assert await never(sending, 0.1)
            if first == "recv":
                sending = asyncio.ensure_future(ws.send(b"x" * 2**22))
            else:
                receiving = asyncio.ensure_future(ws.recv())
            assert await never(sending, 0.1)
            await peer.say(TEXT, "a")

            async with asyncio.timeout(1):
                assert "a" == await receiving
            peer.reset()
            assert 1006 == await code_of(sending)

    @behaviour
    async def test_that_send_return_when_all_is_taken(self, net: Net) -> None:
        """`send` returns once the kernel has the last byte, though the peer says nothing."""
        async with facing_small(net, "client", ping_interval=None) as (ws, peer):
            sending = asyncio.ensure_future(ws.send(b"x" * 2**20))
            assert 2**20 == len((await peer.hear())[1])
            async with asyncio.timeout(2):
                await sending

    @behaviour
    async def test_that_flush_leave_nothing_behind(self, net: Net) -> None:
        """`flush` sends what was gathered, and raises when that is too late."""
        async with facing_small(net, "client", ping_interval=None) as (ws, peer):
            await ws.flush()
            peer.reset()

            assert 1006 == await code_of(endless_flush(ws))

    @behaviour
    async def test_may_all_send(self, net: Net) -> None:
        """Whole messages and fragmented ones from many threads arrive as they were."""
        messages = [str(n) * 20_000 for n in range(30)]

        def pieces(message: str) -> Iterator[str]:
            for at in range(0, len(message), 5000):
                yield message[at : at + 5000]

        async with net.pair() as ws:
            sending = [ws.send(pieces(message) if n % 2 else message) for n, message in enumerate(messages)]
            waiting = asyncio.gather(*sending)

            assert set(messages) == {await ws.recv() for _ in messages}
            await waiting

    @behaviour
    async def test_may_gather_only_in_their_own_turn(self, net: Net) -> None:
        """What the receiving thread sends is gathered while messages wait; what another one sends goes out at once."""
        async with net.facing_client(ping_interval=None) as (ws, peer):
            await peer.send(peer.frame(TEXT, "a") + peer.frame(TEXT, "b"))
            with ThreadPoolExecutor(1) as receiver, ThreadPoolExecutor(1) as other:
                loop = asyncio.get_running_loop()
                assert "a" == await loop.run_in_executor(receiver, ws.native.recv)
                await loop.run_in_executor(receiver, ws.native.send, "gathered")
                hearing = asyncio.ensure_future(peer.hear())
                assert await never(hearing)
                await loop.run_in_executor(other, ws.native.send, "at once")

                assert (0x81, b"gathered") == await hearing
                assert (0x81, b"at once") == await peer.hear()

    @behaviour
    @pytest.mark.parametrize("act", ["ping", "start_close", "broadcast", "flush"])
    async def test_send_what_another_one_gathered_before_all_else(self, net: Net, act: str) -> None:
        """What was sent first stands first, also where nobody waited for it: a Close would shut it out."""
        acts: dict[str, Callable[[WebSocket], object]] = {
            "ping": lambda ws: ws.ping(b"!"),
            "start_close": lambda ws: ws.start_close(),
            "broadcast": lambda ws: blocking.broadcast({ws}, "!"),
            "flush": lambda ws: ws.flush(),
        }
        async with net.facing_client(ping_interval=None) as (ws, peer):
            await peer.send(peer.frame(TEXT, "a") + peer.frame(TEXT, "b") + peer.frame(TEXT, "c"))
            with ThreadPoolExecutor(1) as receiver, ThreadPoolExecutor(1) as other:
                loop = asyncio.get_running_loop()
                for answer in ("é", b"\x00"):
                    await loop.run_in_executor(receiver, ws.native.recv)
                    await loop.run_in_executor(receiver, ws.native.send, answer)
                await loop.run_in_executor(other, acts[act], ws.native)

                assert [(0x81, "é".encode()), (0x82, b"\x00")] == [await peer.hear(), await peer.hear()]

    @behaviour
    async def test_refuse_text_that_is_none_where_they_gather(self, net: Net) -> None:
        """It is told to who sends it, and hurts nothing else."""
        async with net.facing_client(ping_interval=None) as (ws, peer):
            await peer.send(peer.frame(TEXT, "a") + peer.frame(TEXT, "b"))

            def answer() -> None:
                ws.native.recv()
                with pytest.raises(LocalProtocolError):
                    ws.native.send("\ud800")
                ws.native.send("good")
                ws.native.flush()

            await asyncio.to_thread(answer)

            assert (0x81, b"good") == await peer.hear()

    @behaviour
    async def test_wait_for_room_together(self, net: Net) -> None:
        """Several threads that send to a peer that does not read wait, and go on when it does."""
        async with facing_small(net, "server", write_limit=5000, ping_interval=None) as (ws, peer):
            sending = [asyncio.ensure_future(ws.send(bytes([n]) * 2**20)) for n in range(3)]
            assert all([await never(task) for task in sending])
            heard = [(await peer.hear())[1] for _ in range(3)]
            await asyncio.gather(*sending)

            assert {bytes([n]) * 2**20 for n in range(3)} == set(heard)

    @behaviour
    async def test_gather_only_answers(self, net: Net) -> None:
        """A thread that received once, and then sends on its own account, is not held up by messages that wait: its
        second message goes out at once, and the first with it."""
        async with net.facing_client(ping_interval=None) as (ws, peer):
            await peer.send(peer.frame(TEXT, "a") + peer.frame(TEXT, "b"))
            with ThreadPoolExecutor(1) as thread:
                loop = asyncio.get_running_loop()
                assert "a" == await loop.run_in_executor(thread, ws.native.recv)
                await loop.run_in_executor(thread, ws.native.send, "1")
                hearing = asyncio.ensure_future(peer.hear())
                assert await never(hearing)
                await loop.run_in_executor(thread, ws.native.send, "2")

                assert [(0x81, b"1"), (0x81, b"2")] == [await hearing, await peer.hear()]

    @behaviour
    async def test_do_not_send_a_message_within_a_message(self, net: Net) -> None:
        """An iterable that sends by itself while it is sent would mix two messages: it gets a RuntimeError."""
        async with net.facing_server() as (ws, peer):

            def fragments() -> Iterator[str]:
                yield from ("a", "b")
                ws.native.send("within")

            with pytest.raises(RuntimeError):
                await ws.send(fragments())
            assert (TEXT, b"a") == await peer.hear()
            assert 1011 == (await closed_by(peer))[0]

    @behaviour
    async def test_may_begin_to_close(self, net: Net) -> None:
        """`start_close` does not wait; the thread that receives sees the end in time, also with a mute peer."""
        async with net.facing_server(close_timeout=0.2, ping_interval=None) as (ws, peer):
            receiving = asyncio.ensure_future(ws.recv())
            assert await never(receiving)
            await in_thread(ws.native.start_close, 3000)
            assert 3000 == (await closed_by(peer))[0]

            async with asyncio.timeout(1):
                assert 1006 == await code_of(receiving)

    @behaviour
    async def test_notice_a_ping_that_another_one_sent(self, net: Net) -> None:
        """The thread that receives gives up on a peer that does not answer the Ping of another thread."""
        async with net.facing_server(ping_interval=None, ping_timeout=0.2, close_timeout=0.1) as (ws, peer):
            receiving = asyncio.ensure_future(ws.recv())
            assert await never(receiving)
            await ws.ping()

            async with asyncio.timeout(2):
                assert 1011 == await code_of(receiving)
            await peer.hear()

    @behaviour
    async def test_know_whether_a_pong_has_come(self, net: Net) -> None:
        """`answered` says it without waiting."""
        async with net.facing_server() as (ws, peer):
            pong = await in_thread(ws.native.ping, "?")
            assert not pong.answered
            with pytest.raises(TimeoutError):
                await in_thread(pong.wait, 0)
            await peer.say(PONG, b"?")
            await in_thread(pong.wait, 5)

            assert pong.answered


async def endless_flush(ws: Any) -> None:
    """Flush until it is not possible."""
    while True:
        await ended(ws.pong())
        await ws.flush()


class TestSignals:
    """Signals reach the main thread, in the middle of anything."""

    def test_interrupt_a_recv(self) -> None:
        """An exception from a handler of signals comes out of `recv`, and the connection is as it was."""
        with connected() as (ws, peer), signalled(interrupt):
            with pytest.raises(InterruptedError):
                ws.recv()
            peer.sendall(frame(TEXT, "a"))

            assert "a" == ws.recv()

    def test_may_close_a_server(self) -> None:
        """A handler of signals may call `close` on the server that the main thread serves with."""
        server = blocking.serve(lambda ws: None, "127.0.0.1", 0)
        with signalled(lambda *_: server.close()):
            server.serve_forever()


def interrupt(*_: Any) -> None:
    raise InterruptedError


@contextmanager
def signalled(handler: Callable[..., object]) -> Iterator[None]:
    """A signal comes in a moment."""
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def connected(sock: type[socket.socket] = socket.socket, **patience: Any) -> Iterator[tuple[WebSocket, socket.socket]]:
    """A client's WebSocket that is open already, on a socket of this type, and the raw socket of its server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    theirs.settimeout(5)
    with theirs:
        ws = WebSocket(sock(fileno=ours.detach()), Connection(Role.CLIENT), Patience(**patience))
        try:
            yield ws, theirs
        finally:
            ws.abort()


class Reluctant(socket.socket):
    """A socket that takes and gives one byte at a time, and every other time none."""

    calls = 0

    def _is_reluctant(self) -> bool:
        self.calls += 1
        return self.calls % 2 == 1

    def send(self, data: Any, *flags: int) -> int:
        if self._is_reluctant():
            raise BlockingIOError(errno.EAGAIN, "not now")
        return super().send(bytes(data[:1]), *flags)

    def recv(self, size: int, *flags: int) -> bytes:
        if self._is_reluctant():
            raise BlockingIOError(errno.EAGAIN, "not now")
        return super().recv(1, *flags)


class TestBlocks:
    """As one writes it."""

    def test_close_what_they_open(self) -> None:
        """`with` and `for` are all that a client and a server need."""
        with blocking.serve(echo, "127.0.0.1", 0) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            with blocking.connect(f"ws://127.0.0.1:{server.port}") as ws:
                ws.send("0")
                for n, message in enumerate(ws):
                    assert str(n) == message
                    if n == 5:
                        break
                    ws.send(str(n + 1))
            assert (1000, "local") == (ws.close_code, ws.closed and ws.closed.by)
        thread.join(5)
        assert not thread.is_alive()

    def test_take_what_came_at_once_as_they_like(self) -> None:
        """Of messages that came together one may be received whole, the next in pieces, and so on."""
        with connected() as (ws, peer):
            peer.sendall(b"".join(frame(TEXT, text) for text in "abcd"))

            assert ["a", ["b"], "c", ["d"]] == [ws.recv(), [*ws.recv_streaming()], ws.recv(), [*ws.recv_streaming()]]

    def test_are_not_held_up_by_what_waits(self) -> None:
        """Who asks many things, and then receives, is heard at once, though messages wait that he has not received."""
        with connected() as (ws, peer):
            peer.sendall(frame(TEXT, "a") + frame(TEXT, "b"))
            assert "a" == ws.recv()
            for _ in range(64):
                ws.send(b"?")
            received = b""
            while len(received) < 64 * 7:
                received += peer.recv(1000)

            assert "b" == ws.recv()


def echo(ws: WebSocket) -> None:
    for message in ws:
        ws.send(message)


class TestSockets:
    """What a socket may do."""

    def test_may_take_and_give_little(self) -> None:
        """Short writes, short reads and EAGAIN where nobody expects it change nothing."""
        with connected(Reluctant) as (ws, peer):
            peer.sendall(frame(TEXT, "Hello") + frame(PING, "?") + frame(BINARY, bytes(300)) + frame(CLOSE))
            assert ["Hello", bytes(300)] == [ws.recv(), ws.recv()]
            ws.send("x" * 100)
            peer.shutdown(socket.SHUT_WR)
            with pytest.raises(ConnectionClosed):
                ws.recv()

            received = b""
            while len(received) < 7 + 106 + 6:
                received += peer.recv(1000)
            assert [0x8A, 0x81, 0x88] == [received[0], received[7], received[-6]]

    def test_may_end_right_behind_a_message(self) -> None:
        """What the kernel has taken is sent: `send` does not tell of an end that it sees after that."""
        with connected() as (ws, peer):
            peer.shutdown(socket.SHUT_WR)
            ws.send("Hello")

            assert 6 + 5 == len(peer.recv(100))
            with pytest.raises(ConnectionClosed):
                ws.send("?")

    @pytest.mark.parametrize("error", [errno.EPIPE, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH])
    def test_may_fail_to_send(self, error: int) -> None:
        """When sending fails, what the peer said before can still be received; `send` tells of it."""

        class Failing(socket.socket):
            def send(self, *_: Any) -> int:
                raise OSError(error, os.strerror(error))

        with connected(Failing) as (ws, peer):
            peer.sendall(frame(TEXT, "a") + frame(TEXT, "b"))
            for _ in range(2):
                with pytest.raises(ConnectionClosed) as raised:
                    ws.send("x")
                assert (1006, "lost") == (raised.value.code, raised.value.closed.by)
            assert ["a", "b"] == [ws.recv(), ws.recv()]
            peer.close()
            with pytest.raises(ConnectionClosed):
                ws.recv()

    def test_may_fail_to_receive(self) -> None:
        """When receiving fails, the connection is lost."""

        class Failing(socket.socket):
            def recv(self, *_: Any) -> bytes:
                raise ConnectionResetError

        with connected(Failing) as (ws, peer):
            peer.sendall(b"a")
            with pytest.raises(ConnectionClosed) as raised:
                ws.recv()
            assert (1006, "lost") == (raised.value.code, raised.value.closed.by)

    def test_may_be_where_poll_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without `poll`, as on Windows, `select` does."""
        monkeypatch.delattr(select, "poll")
        with connected() as (ws, peer):
            peer.sendall(frame(TEXT, "a"))
            assert "a" == ws.recv()
            ws.send("b")
            assert 7 == len(peer.recv(100))
            with pytest.raises(TimeoutError):
                ws.recv(timeout=0.01)

    def test_may_have_no_address(self) -> None:
        """A socket that cannot tell its addresses, because its peer is gone, is no error."""

        class Gone(socket.socket):
            def getpeername(self) -> Any:
                raise OSError(errno.ENOTCONN, "gone")

        with connected(Gone) as (ws, _):
            assert None is ws.remote_address


class TestConnecting:
    """How long it takes to connect."""

    def test_has_one_time_for_all_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name with many addresses, none of which answers, takes `open_timeout` and not that for each of them."""
        with full() as place:
            found = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found * 50)
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                blocking.connect("ws://many.example", open_timeout=0.2, proxy=None)

            assert time.monotonic() - began < 2

    def test_goes_on_with_the_next_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where nobody listens is no matter if somebody does at the next one; if nobody does, it is told."""
        with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            places = closed.getsockname(), listening.getsockname()
            no, yes = (socket.getaddrinfo(*place, type=socket.SOCK_STREAM) for place in places)
            monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: no + yes if host == "a.example" else no)
            with connected_to("a.example", 80, None) as sock:
                assert listening.getsockname() == sock.getpeername()
            with pytest.raises(ConnectionRefusedError):
                connected_to("b.example", 80, None)


@contextmanager
def full() -> Iterator[tuple[str, int]]:
    """A place where somebody listens, and there is no room for one who wants to connect."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, ExitStack() as stack:
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listening.getsockname())
        yield listening.getsockname()


class TestServer:
    """What a server does with threads."""

    @behaviour
    async def test_lets_so_many_in_at_once(self, net: Net) -> None:
        """Beyond `max_connections` clients wait, and come in when others have gone."""
        async with net.serve(max_connections=2) as server:
            first, second = [await net.connect(server.uri) for _ in range(2)]
            third = asyncio.ensure_future(net.connect(server.uri))
            assert await never(third, 0.1)
            assert 2 == len(server.connections)
            await first.close()

            async with await third as ws:
                await ws.send("a")
                assert "a" == await ws.recv()
            await second.close()

    @behaviour
    async def test_can_be_closed_while_it_is_full(self, net: Net) -> None:
        """A server that waits for a place to become free ends like any other."""
        async with net.serve(max_connections=1, close_timeout=0.2) as server, await called(server.port) as peer:
            await peer.ask(server.port)
            async with await called(server.port):
                async with asyncio.timeout(3):
                    await server.close()

    @behaviour
    async def test_does_not_wait_for_a_handler_for_ever(self, net: Net) -> None:
        """A handler that goes on after the end of its connection holds up `close` for a second."""
        go_on = asyncio.Event()

        async def handler(ws: Any) -> None:
            await go_on.wait()

        async with net.serve(handler) as server, await called(server.port) as peer:
            await peer.ask(server.port)
            closing = asyncio.ensure_future(server.close())
            assert 1001 == (await closed_by(peer))[0]
            peer.finish()
            async with asyncio.timeout(3):
                await closing
            go_on.set()

    def test_can_be_closed_before_it_serves(self) -> None:
        """Closed before, `serve_forever` returns at once; closed twice, nothing happens."""
        with blocking.serve(lambda ws: None, "127.0.0.1", 0) as server:
            server.close()
            server.serve_forever()

    def test_can_be_closed_at_any_moment(self) -> None:
        """However soon after its start a server is closed, `serve_forever` returns."""
        for turns in range(100):
            server = blocking.serve(lambda ws: None, "127.0.0.1", 0)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            for _ in range(turns * 100):
                pass
            server.close()
            thread.join(5)
            assert not thread.is_alive()

    @behaviour
    async def test_forgets_who_is_gone_when_it_looks(self, net: Net) -> None:
        """A client that has left between its knock and the opening of the door is nothing."""
        async with net.serve(max_connections=1) as server:
            server.native._accept(server.native.sockets[0])
            async with await net.connect(server.uri) as ws:
                await ws.send("a")
                assert "a" == await ws.recv()

    @behaviour
    async def test_forgets_who_was_dropped_while_it_thinks(self, net: Net) -> None:
        """A server that is closed while `process_request` thinks does not log that there is nobody to answer."""
        asked, go_on = threading.Event(), threading.Event()

        def process_request(request: Any) -> None:
            asked.set()
            go_on.wait(5)

        async with net.serve(process_request=process_request) as server, await called(server.port) as peer:
            await peer.send(request(server.port))
            await in_thread(asked.wait, 5)
            closing = asyncio.ensure_future(server.close())
            await ended(peer.end())
            go_on.set()
            await closing

    @behaviour
    async def test_survives_the_lack_of_descriptors(self, net: Net) -> None:
        """Out of file descriptors, a server lets its clients wait and goes on when there are some again."""
        async with net.serve() as server, await net.connect(server.uri), Peer(socket.socket(), KEY) as peer:
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            free = os.dup(peer.sock.fileno())
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
            try:
                await peer.loop.sock_connect(peer.sock, ("127.0.0.1", server.port))
                asking = asyncio.ensure_future(peer.ask(server.port))
                busy = time.process_time()
                assert await never(asking, 0.2)
                busy = time.process_time() - busy
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)

            assert "101" == (await asking)[9:12]
            assert busy < 0.1

    @behaviour
    async def test_survives_the_lack_of_threads(self, net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no more threads can be, a client is dropped, and the next one is served."""
        start = threading.Thread.start

        def refuse(thread: threading.Thread) -> None:
            if thread.name == "rawws connection":
                monkeypatch.undo()
                raise RuntimeError("can't start new thread")
            start(thread)

        async with net.serve(max_connections=1) as server:
            monkeypatch.setattr(threading.Thread, "start", refuse)
            async with await called(server.port) as peer:
                assert isinstance(await ended(peer.end()), (ConnectionError, type(None)))
            async with await net.connect(server.uri) as ws:
                await ws.send("a")
                assert "a" == await ws.recv()
