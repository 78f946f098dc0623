"""`serve`, of both transports: whom it lets in, what it makes of its handlers, and how it ends."""

import asyncio
import logging
import re
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import trustme

from rawws import ConnectionClosed, HandshakeRejected, Response
from tests.contract import closed_by, code_of, never
from tests.net import Asyncio, Blocking, Net, Peer, behaviour, called, ended, in_thread, request, what_is_open
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.test_opening import serving, trusting
from tests.trouble import Counting
from tests.wire import CLOSE, TEXT, close_body, frame


@pytest.fixture(params=[Asyncio, Blocking], ids=["aio", "blocking"])
def net(request: pytest.FixtureRequest) -> Net:
    return request.param()  # type: ignore[no-any-return]


async def answered(port: int, wire: bytes) -> tuple[int, str, bytes]:
    """The status, the head and the body that come for these bytes, and then the end of the stream."""
    async with await called(port) as peer:
        await peer.send(wire)
        head = (await peer.head()).decode()
        return int(head[9:12]), head, await peer.end()


async def let_in(net: Net, origin: str | None, **options: Any) -> int:
    """The status that a page of this origin gets."""
    async with net.serve(**options) as server:
        field = "" if origin is None else f"Origin: {origin}\r\n".replace("PORT", str(server.port))
        async with await called(server.port) as peer:
            return int((await peer.ask(server.port, field))[9:12])


def get(path: str = "/", method: str = "GET", extra: str = "") -> bytes:
    """A plain request."""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n".encode()


class TestHooks:
    """What a server's hooks decide."""

    @behaviour
    async def test_may_answer_plain_http(self, net: Net) -> None:
        """`process_request` sees every request and may answer it: a health check on the same port."""
        seen = []

        def process_request(request: Any) -> Response | None:
            seen.append((request.method, request.target))
            return Response(200, {"X-A": "1"}, "fine\n") if request.target == "/health?q" else None

        async with net.serve(process_request=process_request) as server:
            status, head, body = await answered(server.port, get("/health?q"))
            assert (200, b"fine\n") == (status, body)
            assert "X-A: 1\r\n" in head
            assert "content-length: 5\r\n" in head.lower()

            async with await net.connect(server.uri) as ws:
                await ws.send("a")
                assert "a" == await ws.recv()
        assert [("GET", "/health?q"), ("GET", "/")] == seen

    @pytest.mark.parametrize("response", [Response(), Response(204), Response(404, [(b"a", b"b")], b"\xff")])
    @behaviour
    async def test_may_give_any_answer(self, net: Net, response: Response) -> None:
        """A `Response` is 200 with an empty body unless it says otherwise; bytes are sent as they are."""
        async with net.serve(process_request=lambda request: response) as server:
            status, _, body = await answered(server.port, get())

            assert (response.status, response.body) == (status, body)

    @behaviour
    async def test_may_refuse_a_client(self, net: Net) -> None:
        """A `Response` to an opening handshake is what the client's `HandshakeRejected` tells."""
        async with net.serve(process_request=lambda request: Response(401, {"WWW-Authenticate": "x"}, "no")) as server:
            error = await ended(net.connect(server.uri))

        assert isinstance(error, HandshakeRejected)
        assert (401, "Unauthorized", b"no") == (error.status, error.reason, error.body)
        assert (b"www-authenticate", b"x") in error.headers

    @pytest.mark.parametrize(
        "wire, status",
        [
            (get(), 426),
            (get(extra="Upgrade: websocket\r\nConnection: Upgrade\r\n"), 426),
            (request(1).replace(b"13", b"8"), 426),
            (request(1).replace(b"GET", b"PUT"), 405),
            (request(1).replace(b"HTTP/1.1", b"HTTP/1.0"), 505),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000, 431),
        ],
        ids=["plain", "no version", "old version", "method", "old http", "tls", "too large"],
    )
    @behaviour
    async def test_leave_the_rest_to_the_rules(self, net: Net, wire: bytes, status: int) -> None:
        """What is no opening handshake gets the answer that it deserves, and TCP ends."""
        async with net.serve() as server:
            assert status == (await answered(server.port, wire))[0]

    @behaviour
    async def test_add_headers(self, net: Net) -> None:
        """`process_response` gives fields for the 101, and sees the request."""
        options = {"process_response": lambda request: {"Set-Cookie": f"at={request.target}"}}
        async with net.serve(**options) as server, await net.connect(f"{server.uri}/here") as ws:
            assert (b"set-cookie", b"at=/here") in ws.response.headers

    @pytest.mark.parametrize(
        "hook",
        [
            {"process_request": lambda request: 1 / 0},
            {"process_request": lambda request: "a string"},
            {"process_request": lambda request: Response(200, {"a": "b\r\nc: d"})},
            {"process_request": lambda request: Response(101)},
            {"process_response": lambda request: 1 / 0},
            {"process_response": lambda request: {"Sec-WebSocket-Accept": "x"}},
            {"select_subprotocol": lambda offered: 1 / 0},
            {"select_subprotocol": lambda offered: "not offered"},
        ],
    )
    @behaviour
    async def test_that_fail_are_answered_500(self, net: Net, hook: Any, log: list[logging.LogRecord]) -> None:
        """A hook that raises, or gives what cannot be sent, is 500 for the client, and one record in the log."""
        async with net.serve(**hook) as server:
            error = await ended(net.connect(server.uri))

            assert isinstance(error, HandshakeRejected)
            assert 500 == error.status
            record = log.pop()
            assert ("rawws.server", logging.ERROR) == (record.name, record.levelno)
            assert record.exc_info

    @behaviour
    async def test_choose_the_subprotocol(self, net: Net) -> None:
        """The first that the client offers and the server speaks; none if there is none."""
        async with net.serve(subprotocols=["b", "a"]) as server:
            for offered, chosen in ((["a", "b"], "a"), (["c", "b"], "b"), (["c"], None), ([], None)):
                async with await net.connect(server.uri, subprotocols=offered) as ws:
                    assert chosen == ws.subprotocol

    @behaviour
    async def test_may_choose_the_subprotocol(self, net: Net) -> None:
        """`select_subprotocol` chooses among those offered, and may choose none."""
        chosen = {("a", "b"): "b", ("c",): None}
        async with net.serve(select_subprotocol=chosen.get) as server:
            for offered, name in chosen.items():
                async with await net.connect(server.uri, subprotocols=offered) as ws:
                    assert name == ws.subprotocol

    @pytest.mark.parametrize(
        "origin, status",
        [(None, 101), ("http://127.0.0.1:PORT", 101), ("http://127.0.0.1", 403), ("http://evil.example", 403)],
    )
    @behaviour
    async def test_let_in_the_same_origin_by_default(self, net: Net, origin: str | None, status: int) -> None:
        """A page of another server may not connect (section 10.2); who is no page may."""
        assert status == await let_in(net, origin)

    @pytest.mark.parametrize(
        "origins, origin, status",
        [
            (None, "http://evil.example", 101),
            (["https://a.example"], "https://a.example", 101),
            (["https://a.example"], "https://b.example", 403),
            (["https://a.example"], None, 403),
            (["https://a.example", None], None, 101),
            ([re.compile(r"https://\w+\.example")], "https://b.example", 101),
            ([re.compile(r"https://\w+\.example")], "https://b.example.evil", 403),
        ],
    )
    @behaviour
    async def test_let_in_whom_they_name(self, net: Net, origins: Any, origin: str | None, status: int) -> None:
        """None for anybody, or a list of origins, of patterns for a whole origin, and of None for who is no page."""
        assert status == await let_in(net, origin, origins=origins)

    @pytest.mark.parametrize("options, error", [({"max_sise": 1}, TypeError), ({"subprotocols": "chat"}, TypeError)])
    @behaviour
    async def test_have_names(self, net: Net, options: Any, error: type[Exception]) -> None:
        """A misspelt option, and one name where a list belongs, are found before anything listens."""
        with pytest.raises(error):
            async with net.serve(**options):
                pass


class TestHandlers:
    """What a server makes of its handlers."""

    @behaviour
    async def test_are_given_the_request(self, net: Net) -> None:
        """A handler's WebSocket knows the request that opened it, and both addresses."""
        seen = asyncio.get_running_loop().create_future()

        async def handler(ws: Any) -> None:
            seen.set_result((ws.request.target, ws.response, ws.subprotocol, ws.remote_address, ws.local_address))

        async with net.serve(handler, subprotocols=["a"]) as server:
            ws = await net.connect(f"{server.uri}/x?y", subprotocols=["a"])
            assert ("/x?y", None, "a", ws.local_address, ws.remote_address) == await seen
            await ws.close()

    @behaviour
    async def test_that_return_close_with_1000(self, net: Net) -> None:
        """When a handler is done, so is its connection."""

        async def handler(ws: Any) -> None:
            await ws.send("that is all")

        async with net.pair(handler) as ws:
            assert "that is all" == await ws.recv()
            assert 1000 == await code_of(ws.recv())

    @behaviour
    async def test_that_raise_close_with_1011(self, net: Net, log: list[logging.LogRecord]) -> None:
        """When a handler raises, the client is told that it is not its fault, and the log says more."""

        async def handler(ws: Any) -> None:
            raise LookupError("secret")

        async with net.pair(handler) as ws:
            error = await ended(ws.recv())
            assert isinstance(error, ConnectionClosed)
            assert (1011, "") == (error.code, error.reason)
        record = log.pop()
        assert ("rawws.server", logging.ERROR) == (record.name, record.levelno)
        assert record.exc_info
        assert record.exc_info[0] is LookupError

    @pytest.mark.parametrize("code", [1000, 1011, 1006])
    @behaviour
    async def test_may_let_the_end_pass(self, net: Net, code: int) -> None:
        """`ConnectionClosed` from the end of a connection is no error, and is not logged."""
        async with net.serve(lambda ws: ws.recv()) as server, await called(server.port) as peer:
            await peer.ask(server.port)
            await peer.say(CLOSE, close_body(code)) if code != 1006 else peer.finish()

            await peer.end()

    @behaviour
    async def test_may_close_themselves(self, net: Net) -> None:
        """The code that a handler closes with is the one that counts."""

        async def handler(ws: Any) -> None:
            await ws.close(3000, "enough")

        async with net.pair(handler) as ws:
            error = await ended(ws.recv())
            assert isinstance(error, ConnectionClosed)
            assert (3000, "enough") == (error.code, error.reason)

    @behaviour
    async def test_do_not_wait_for_each_other(self, net: Net) -> None:
        """A handler that takes its time holds up no other connection."""
        busy, done = asyncio.Event(), asyncio.Event()

        async def handler(ws: Any) -> None:
            if ws.request.target == "/slow":
                busy.set()
                await done.wait()
            else:
                await ws.send("quick")

        async with net.serve(handler) as server:
            slow = await net.connect(f"{server.uri}/slow")
            await busy.wait()
            async with await net.connect(server.uri) as quick:
                assert "quick" == await quick.recv()
            done.set()
            await slow.close()


class TestListening:
    """Where a server listens."""

    @behaviour
    async def test_on_a_socket_that_is_given(self, net: Net) -> None:
        """`sock` is a bound socket; its port is the server's."""
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        async with net.serve(sock=sock) as server, await net.connect(server.uri) as ws:
            await ws.send("a")

            assert "a" == await ws.recv()
            assert port == server.port

    @behaviour
    async def test_on_a_path_again(self, net: Net, tmp_path: Path) -> None:
        """The path of a Unix socket can be served again after a server on it has ended."""
        path = str(tmp_path / "socket")
        for _ in range(2):
            async with net.serve(unix=path), await net.connect("ws://localhost", unix=path) as ws:
                await ws.send("a")
                assert "a" == await ws.recv()
        with pytest.raises(FileNotFoundError):
            async with net.serve(unix=str(tmp_path / "no" / "socket")):
                pass

    @pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
    @behaviour
    async def test_on_all_addresses_with_one_port(self, net: Net) -> None:
        """On port 0 and several addresses, all of them get the same port."""
        async with net.serve(host=None, port=0) as server:
            ports = {sock.getsockname()[1] for sock in server.native.sockets}
            assert {server.port} == ports
            assert 1 <= len(server.native.sockets)
            async with await net.connect(server.uri) as ws:
                await ws.send("a")
                assert "a" == await ws.recv()

    @behaviour
    async def test_on_a_port_that_is_taken(self, net: Net) -> None:
        """A port that somebody else listens on is an `OSError`."""
        async with net.serve() as server:
            with pytest.raises(OSError, match="in use"):
                async with net.serve(host="127.0.0.1", port=server.port):
                    pass

    @pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
    @behaviour
    async def test_on_a_port_that_is_taken_for_one_address(self, net: Net) -> None:
        """A port that is free for one address and taken for another is an `OSError`, and nothing is left open."""
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken, pytest.raises(OSError, match="in use"):
            async with net.serve(host=None, port=taken.getsockname()[1]):
                pass

    @behaviour
    async def test_with_a_tap(self, net: Net) -> None:
        """`tap` is called for each connection, and what it gives hears every byte of it, of long messages too."""
        taps: list[Counting] = []
        message = "Hello" * 50_000

        def tap() -> Counting:
            taps.append(Counting())
            return taps[-1]

        async with net.serve(tap=tap) as server:
            for _ in range(2):
                async with await called(server.port) as peer:
                    answer = await peer.ask(server.port)
                    await peer.say(TEXT, message)
                    await peer.hear()
                    await peer.say(CLOSE, close_body(1000))
                    await peer.end()
            received = request(server.port) + peer.frame(TEXT, message) + peer.frame(CLOSE, close_body(1000))

        expected = (received, answer.encode() + frame(TEXT, message) + frame(CLOSE, close_body(1000)))
        assert [expected] * 2 == [(b"".join(tap.received_data), b"".join(tap.sent_data)) for tap in taps]

    @behaviour
    async def test_with_a_tap_over_tls(self, net: Net, authority: trustme.CA) -> None:
        """It hears what the client has sent, and to the last byte nothing that is still encrypted."""
        theirs, ours = Counting(), Counting()
        async with net.serve(tap=lambda: ours, ssl=serving(authority)) as server:
            uri = f"wss://localhost:{server.port}"
            async with await net.connect(uri, ssl=trusting(authority), tap=theirs) as ws:
                await ws.send("Hello")
                await ws.recv()

        assert b"".join(theirs.sent_data) == b"".join(ours.received_data)


class TestEnding:
    """How a server ends."""

    @behaviour
    async def test_tells_everybody(self, net: Net) -> None:
        """`close` sends 1001 to every connection, waits for the handlers, and lets nobody in any more."""
        ended_handlers = []

        async def handler(ws: Any) -> None:
            try:
                await ws.recv()
            finally:
                ended_handlers.append(ws)

        async with net.serve(handler) as server:
            clients = [await net.connect(server.uri) for _ in range(5)]
            assert 5 == len(server.connections)
            receiving = [asyncio.ensure_future(code_of(ws.recv())) for ws in clients]
            closing = asyncio.ensure_future(server.close())

            assert [1001] * 5 == await asyncio.gather(*receiving)
            await asyncio.gather(*(ws.wait_closed() for ws in clients))
            await closing
            assert 5 == len(ended_handlers)
            assert frozenset() == server.connections
            with pytest.raises(ConnectionRefusedError):
                await net.connect(server.uri)

    @behaviour
    async def test_gives_its_reasons(self, net: Net) -> None:
        """`close` takes another code and a reason; a second `close` is harmless."""
        async with net.serve() as server, await called(server.port) as peer:
            await peer.ask(server.port)
            closing = asyncio.ensure_future(server.close(3000, "update"))
            assert (3000, "update") == await closed_by(peer)
            again = asyncio.ensure_future(server.close(3001))
            await peer.say(CLOSE, close_body(3000))
            assert b"" == await peer.end()
            peer.finish()
            await asyncio.gather(closing, again)

    @behaviour
    async def test_has_its_time(self, net: Net) -> None:
        """Mute clients hold up the end for `close_timeout`, all of them together, and nothing is logged."""
        async with net.serve(close_timeout=0.2) as server:
            peers = [await called(server.port) for _ in range(10)]
            for peer in peers:
                await peer.ask(server.port)
            async with asyncio.timeout(1.5):
                await server.close()

            for peer in peers:
                assert 1001 == (await closed_by(peer))[0]
                peer.close()

    @behaviour
    async def test_drops_who_is_not_in_yet(self, net: Net) -> None:
        """Connections whose opening handshake is not done are dropped."""
        async with net.serve() as server, await called(server.port) as peer, await called(server.port) as other:
            await peer.ask(server.port)
            await other.send(b"GET / HTTP/1.1\r\n")
            closing = asyncio.ensure_future(server.close())

            assert isinstance(await ended(other.end()), (ConnectionError, type(None)))
            assert b"" == other.rest
            assert 1001 == (await closed_by(peer))[0]
            peer.close()
            await closing

    @behaviour
    async def test_does_not_lose_who_comes_now(self, net: Net) -> None:
        """Whoever connects while the server ends is refused, or dropped, or told 1001; nobody is left hanging."""
        async with net.serve() as server:

            async def come() -> None:
                error: BaseException | None = None
                try:
                    async with await net.connect(server.uri) as ws:
                        error = await ended(ws.recv())
                except OSError as refused:
                    error = refused
                assert isinstance(error, OSError) or getattr(error, "code", None) in (1001, 1006)

            coming = [asyncio.ensure_future(come()) for _ in range(20)]
            await asyncio.wait(coming, timeout=0.01)
            await server.close()
            async with asyncio.timeout(5):
                await asyncio.gather(*coming)

    @behaviour
    async def test_does_not_let_in_who_is_late(self, net: Net) -> None:
        """A client that has been accepted, but not heard yet, is dropped."""
        loop = asyncio.get_running_loop()
        asked, go_on = asyncio.Event(), threading.Event()

        def tap() -> Counting:
            loop.call_soon_threadsafe(asked.set)
            if net.name == "blocking":
                go_on.wait(5)
            return Counting()

        async with net.serve(tap=tap) as server, await called(server.port) as peer:
            await asked.wait()
            await peer.send(request(server.port))
            closing = asyncio.ensure_future(server.close())
            await never(closing, 0.05)
            go_on.set()
            await asyncio.gather(closing, ended(peer.end()))


class TestGuests:
    """Clients that behave badly while they are let in."""

    @pytest.mark.parametrize("vanish", [Peer.finish, Peer.reset], ids=["fin", "rst"])
    @behaviour
    async def test_that_leave_early_are_forgotten(self, net: Net, vanish: Any) -> None:
        """A client that vanishes at any byte of its request is forgotten, with nothing logged."""
        async with net.serve() as server:
            wire = request(server.port)
            for cut in range(0, len(wire), 7):
                async with await called(server.port) as peer:
                    await peer.send(wire[:cut])
                    vanish(peer)
            async with await net.connect(server.uri) as ws:
                await ws.send("a")
                assert "a" == await ws.recv()

    @behaviour
    async def test_leave_nothing(self, net: Net) -> None:
        """After fifty rounds of good and bad endings no more files are open than after one."""
        async with net.serve() as server:

            async def round_of_guests() -> None:
                async with await net.connect(server.uri) as ws:
                    await ws.send("a")
                    await ws.recv()
                ws = await net.connect(server.uri)
                await ws.abort()
                for wire in (b"", request(server.port), b"nonsense\r\n\r\n", request(server.port) + b"\xff\xff"):
                    async with await called(server.port) as peer:
                        await peer.send(wire)
                        if wire:
                            await peer.more()
                        peer.finish()
                        await ended(peer.end())

            await round_of_guests()
            _, files = what_is_open()
            for _ in range(50):
                await round_of_guests()

            async with asyncio.timeout(5):
                while what_is_open()[1] > files:
                    await asyncio.sleep(0)

    @behaviour
    async def test_may_fail_in_tls(self, net: Net, authority: trustme.CA) -> None:
        """Clients that do not get through TLS do not use up the places of the others."""
        limit = {"max_opening": 2} if net.name == "aio" else {"max_connections": 2}
        async with net.serve(ssl=serving(authority), **limit) as server:
            for _ in range(4):
                async with await called(server.port) as peer:
                    await peer.send(b"GET / HTTP/1.1\r\n\r\n")
                    await ended(peer.end())

            uri = f"wss://localhost:{server.port}"
            async with await net.connect(uri, ssl=trusting(authority)) as ws:
                await ws.send("a")
                assert "a" == await ws.recv()

    @behaviour
    async def test_have_time_for_tls(self, net: Net, authority: trustme.CA) -> None:
        """A client that says nothing to a port with TLS is dropped after `open_timeout`."""
        options = {"ssl": serving(authority), "open_timeout": 0.1}
        async with net.serve(**options) as server, await called(server.port) as peer, asyncio.timeout(2):
            assert b"" == await peer.end()

    @behaviour
    async def test_have_time_for_tls_and_http_together(self, net: Net, authority: trustme.CA) -> None:
        """The time for TLS counts: who is silent after it is dropped when `open_timeout` is over as a whole."""
        loop = asyncio.get_running_loop()
        async with net.serve(ssl=serving(authority), open_timeout=0.8) as server:
            sock = socket.create_connection(("127.0.0.1", server.port))
            began = loop.time()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.6)
            client = trusting(authority)
            sock = await in_thread(client.wrap_socket, sock, server_hostname="localhost")
            sock.settimeout(5)
            assert b"" == await in_thread(sock.recv, 1)
            sock.close()

        assert loop.time() - began < 1.3

    @behaviour
    async def test_stuck_in_tls_do_not_hold_up_the_end(self, net: Net, authority: trustme.CA) -> None:
        """A server can be closed while a client is silent in the middle of TLS."""
        if net.name == "aio" and sys.version_info < (3, 13):
            pytest.skip("asyncio cannot drop it before Python 3.13")
        async with net.serve(ssl=serving(authority)) as server, await called(server.port) as peer:
            await peer.send("16 03 01")
            waiting = asyncio.ensure_future(ended(peer.end()))
            assert await never(waiting, 0.1)
            async with asyncio.timeout(2):
                await server.close()
            await waiting


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()
