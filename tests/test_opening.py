"""`connect`, of both transports: what it asks, what it makes of the answer, and how it fails."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from rawws import HandshakeRejected, LocalProtocolError, RemoteProtocolError
from rawws.core import rules
from tests.net import NONCE, PROOF, Asyncio, Blocking, Net, Peer, behaviour, ended, listening, switching
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.trouble import Counting
from tests.wire import TEXT, frame


@pytest.fixture(params=[Asyncio, Blocking], ids=["aio", "blocking"])
def net(request: pytest.FixtureRequest) -> Net:
    return request.param()  # type: ignore[no-any-return]


def no_secret(size: int) -> bytes:
    """What the RFC's example drew for its key, and a masking key."""
    return b"the sample nonce" if size == 16 else b"\x01\x02\x03\x04" * (size // 4)


async def asked(net: Net, path: str = "", **options: Any) -> list[str]:
    """The lines of the request that `connect` sends."""
    async with listening() as place:
        opening = asyncio.ensure_future(net.connect(f"{place.uri}{path}", **options))
        async with await place.accept() as peer:
            request = await peer.answer()
            ws = await opening
            await ws.abort()
            return request.replace(str(place.port), "PORT").split("\r\n")


async def told(net: Net, answer: bytes, **options: Any) -> BaseException | None:
    """How `connect` fails when this is the answer, and then the server waits."""
    async with listening() as place:
        opening = asyncio.ensure_future(ended(net.connect(place.uri, random=no_secret, **options)))
        async with await place.accept() as peer:
            await peer.head()
            await peer.send(answer)
            return await opening


def _wrong(value: Any) -> str:
    """How it is called in the name of a test, which is the same in every process."""
    return ", ".join(map(str, value)) if isinstance(value, dict) else str(value)


class TestAsking:
    """The request."""

    @behaviour
    async def test_is_what_the_rfc_needs(self, net: Net) -> None:
        """The request carries the fields of section 4.1, with the key from `random`, and a User-Agent."""
        assert [
            "GET / HTTP/1.1",
            "Host: 127.0.0.1:PORT",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {NONCE}",
            "Sec-WebSocket-Version: 13",
            "User-Agent: rawws",
            "",
            "",
        ] == await asked(net, random=no_secret)

    @behaviour
    async def test_names_path_and_query(self, net: Net) -> None:
        """Path and query of the URI are the target."""
        assert "GET /a%20b/?q=%C3%BC HTTP/1.1" == (await asked(net, "/a%20b/?q=ü"))[0]

    @pytest.mark.parametrize(
        "headers",
        [{"X-A": "1", "x-b": "é"}, [("X-A", "1"), ("x-b", "é")], ((b"X-A", b"1"), (b"x-b", "é".encode()))],
        ids=["mapping", "pairs", "bytes"],
    )
    @behaviour
    async def test_carries_headers_of_our_own(self, net: Net, headers: Any) -> None:
        """Headers are a mapping or pairs, of text, which is sent as UTF-8, or of bytes."""
        assert {"X-A: 1", "x-b: é"} <= set(await asked(net, headers=headers))

    @pytest.mark.parametrize(
        "options, line",
        [
            ({"origin": "https://example.com"}, "Origin: https://example.com"),
            ({"subprotocols": ["chat", "superchat"]}, "Sec-WebSocket-Protocol: chat, superchat"),
            ({"user_agent": "me/1"}, "User-Agent: me/1"),
            ({"user_agent": "me/1", "headers": {"user-agent": "you/2"}}, "user-agent: you/2"),
        ],
        ids=str,
    )
    @behaviour
    async def test_carries_what_was_given(self, net: Net, options: Any, line: str) -> None:
        """Origin, subprotocols and User-Agent have arguments of their own; one's own header goes first."""
        lines = await asked(net, **options)
        name = line.split(":")[0].lower()

        assert [line] == [found for found in lines if found.lower().startswith(name)]

    @behaviour
    async def test_may_name_no_user_agent(self, net: Net) -> None:
        """`user_agent=None` leaves the field out."""
        assert not any(line.startswith("User-Agent") for line in await asked(net, user_agent=None))

    @pytest.mark.parametrize("own", [False, True])
    @behaviour
    async def test_carries_credentials(self, net: Net, own: bool) -> None:
        """User and password in the URI are sent as Basic credentials (RFC 7617), unless there is such a header."""
        async with listening() as place:
            uri = place.uri.replace("//", "//Aladdin:open%20sesame@")
            headers = {"Authorization": "Bearer x"} if own else {}
            opening = asyncio.ensure_future(net.connect(uri, headers=headers))
            async with await place.accept() as peer:
                request = await peer.answer()
                await (await opening).abort()

        found = [line for line in request.split("\r\n") if line.startswith("Authorization")]
        assert ["Authorization: " + ("Bearer x" if own else "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")] == found

    @pytest.mark.parametrize(
        "options, error",
        [
            ({"max_sise": 1}, TypeError),
            ({"compression": "deflate"}, TypeError),
            ({"ssl": ssl.create_default_context()}, ValueError),
            ({"subprotocols": "chat"}, TypeError),
            ({"subprotocols": ["a b"]}, LocalProtocolError),
            ({"headers": {"X": "a\r\nb: c"}}, LocalProtocolError),
            ({"headers": {"Host": "other"}}, LocalProtocolError),
            ({"origin": "a\nb"}, LocalProtocolError),
        ],
        ids=_wrong,
    )
    @behaviour
    async def test_is_refused_before_it_is_sent(self, net: Net, options: Any, error: type[Exception]) -> None:
        """A misspelt option, a context without TLS, and what HTTP cannot carry are the caller's fault."""
        async with listening() as place:
            with pytest.raises(error):
                await net.connect(place.uri, **options)

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(place.accept(), 0.01)

    @pytest.mark.parametrize("uri", ["http://localhost", "localhost:80", "ws://", "ws://a#b", "ws://a:x", "ws://a b"])
    @behaviour
    async def test_needs_a_uri(self, net: Net, uri: str) -> None:
        """What is no WebSocket URI is a ValueError."""
        with pytest.raises(ValueError, match="URI"):
            await net.connect(uri)


class TestAnswer:
    """What `connect` makes of the answer."""

    @behaviour
    async def test_opens_the_connection(self, net: Net) -> None:
        """A right answer opens; the fields are there to read, and the subprotocol that was chosen."""
        async with listening() as place:
            opening = asyncio.ensure_future(net.connect(place.uri, subprotocols=["chat"], random=no_secret))
            async with await place.accept() as peer:
                await peer.answer(extra="X-Served-By: me\r\nSec-WebSocket-Protocol: chat\r\n")
                ws = await opening
                await ws.send("Hello")

                assert (b"x-served-by", b"me") in ws.response.headers
                assert ("chat", None, None) == (ws.subprotocol, ws.closed, ws.request)
                assert bytes([0x81, 0x85, 1, 2, 3, 4]) == await peer.read(6)
                assert place.port == ws.remote_address[1]
                assert peer.sock.getpeername() == ws.local_address
                await ws.abort()

    @behaviour
    async def test_may_have_messages_behind_it(self, net: Net) -> None:
        """Frames that come in the same segment as the answer are received."""
        async with listening() as place:
            opening = asyncio.ensure_future(net.connect(place.uri, random=no_secret))
            async with await place.accept() as peer:
                await peer.head()
                await peer.send(switching(), frame(TEXT, "early"), frame(TEXT, "bird"))
                ws = await opening

                assert ["early", "bird"] == [await ws.recv(), await ws.recv()]
                await ws.abort()

    @behaviour
    async def test_may_drip(self, net: Net) -> None:
        """An answer that comes byte by byte is the same answer."""
        async with listening() as place:
            opening = asyncio.ensure_future(net.connect(place.uri, random=no_secret))
            async with await place.accept() as peer:
                await peer.head()
                for byte in switching() + frame(TEXT, "Hello"):
                    await peer.send(bytes([byte]))
                ws = await opening

                assert "Hello" == await ws.recv()
                await ws.abort()

    @behaviour
    async def test_may_be_another_status(self, net: Net) -> None:
        """Any other status is `HandshakeRejected`, with all that the server said."""
        body = b"Wait in line.\n" + b"x" * 100_000
        head = f"HTTP/1.1 503 Not Now\r\nRetry-After: 5\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        error = await told(net, head + body)

        assert isinstance(error, HandshakeRejected)
        assert (503, "Not Now") == (error.status, error.reason)
        assert (b"retry-after", b"5") in error.headers
        assert body[:65536] == error.body
        assert str(error).startswith("the server answered 503 Not Now: Wait in line.")

    @pytest.mark.parametrize("status", ["200 OK", "301 Moved", "401 Unauthorized", "404 Not Found"])
    @behaviour
    async def test_of_another_status_needs_no_body(self, net: Net, status: str) -> None:
        """A redirect is not followed, and an answer without a body is whole with its head."""
        error = await told(net, f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: /\r\n\r\n".encode())

        assert isinstance(error, HandshakeRejected)
        assert (int(status[:3]), b"") == (error.status, error.body)
        assert f"the server answered {status}" == str(error)

    @pytest.mark.parametrize(
        "answer, rule",
        [
            (switching("wrong"), rules.ACCEPT_WRONG),
            (switching().replace(b"Accept", b"Except"), rules.ACCEPT_MISSING),
            (switching(extra=f"Sec-WebSocket-Accept: {PROOF}\r\n"), rules.ACCEPT_REPEATED),
            (switching().replace(b"Upgrade: websocket", b"Upgrade: h2c"), rules.RESPONSE_UPGRADE),
            (switching().replace(b"Connection: Upgrade", b"Connection: close"), rules.RESPONSE_CONNECTION),
            (switching(extra="Sec-WebSocket-Protocol: chat\r\n"), rules.SUBPROTOCOL_UNOFFERED),
            (switching(extra="Sec-WebSocket-Extensions: x\r\n"), rules.EXTENSION_UNOFFERED),
            (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", rules.RESPONSE_MALFORMED),
            (b"HTTP/1.1 101 A\r\n" + b"x: y\r\n" * 10_000, rules.RESPONSE_TOO_LARGE),
        ],
        ids=lambda given: getattr(given, "name", None),
    )
    @behaviour
    async def test_that_breaks_a_rule_says_which(self, net: Net, answer: bytes, rule: rules.Rule) -> None:
        """A server that breaks the opening handshake is a `RemoteProtocolError` with the rule."""
        error = await told(net, answer)

        assert isinstance(error, RemoteProtocolError)
        assert rule is error.rule

    @pytest.mark.parametrize("vanish", [Peer.finish, Peer.reset], ids=["fin", "rst"])
    @pytest.mark.parametrize("said", [b"", b"HTTP/1.1 101 Swi", switching()[:-1]], ids=["nothing", "little", "most"])
    @behaviour
    async def test_that_never_comes_is_an_error_of_the_network(self, net: Net, vanish: Any, said: bytes) -> None:
        """A server that hangs up in the middle is a `ConnectionError`, and no riddle."""
        async with listening() as place:
            opening = asyncio.ensure_future(ended(net.connect(place.uri, random=no_secret)))
            async with await place.accept() as peer:
                await peer.head()
                await peer.send(said)
                vanish(peer)

                assert isinstance(await opening, ConnectionError)


class TestNetwork:
    """Where there is nobody, and other ways to get there."""

    @behaviour
    async def test_refuses(self, net: Net) -> None:
        """Where nothing listens it is a `ConnectionRefusedError`."""
        async with listening() as place:
            pass
        with pytest.raises(ConnectionRefusedError):
            await net.connect(place.uri)

    @behaviour
    async def test_knows_no_such_name(self, net: Net) -> None:
        """A name that does not exist is an `OSError`."""
        with pytest.raises(OSError, match=r"\w"):
            await net.connect("ws://no-such-host.invalid")

    @behaviour
    async def test_may_be_a_unix_socket(self, net: Net, tmp_path: Path) -> None:
        """`unix` is the path of a socket; the URI then only says what to ask for."""
        path = str(tmp_path / "socket")
        async with net.serve(unix=path), await net.connect("ws://localhost/a", unix=path) as ws:
            await ws.send("a")

            assert "a" == await ws.recv()
        with pytest.raises(FileNotFoundError):
            await net.connect("ws://localhost/", unix=str(tmp_path / "nothing"))

    @behaviour
    async def test_is_heard_by_a_tap(self, net: Net) -> None:
        """A tap is told every byte, both ways, in order, from the first of the handshake to the last."""
        tap = Counting()
        async with listening() as place:
            opening = asyncio.ensure_future(net.connect(place.uri, tap=tap, random=no_secret))
            async with await place.accept() as peer:
                sent = await peer.head()
                received = switching() + frame(TEXT, "Hello")
                await peer.send(received)
                ws = await opening
                await ws.send("Hello")
                await ws.recv()
                closing = asyncio.ensure_future(ws.close())
                sent += await peer.read(11 + 8)
                await peer.send(frame(8, b"\x03\xe8"))
                peer.finish()
                await closing
                sent += await peer.end()

                assert (sent, received + frame(8, b"\x03\xe8")) == (
                    b"".join(tap.sent_data),
                    b"".join(tap.received_data),
                )


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA | None) -> ssl.SSLContext:
    """The context of a client that trusts this authority, and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is not None:
        authority.configure_trust(context)
    return context


def serving(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    """The context of a server with this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


class TestTLS:
    """`wss:`."""

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
    @behaviour
    async def test_carries_messages(self, net: Net, authority: trustme.CA, version: ssl.TLSVersion) -> None:
        """Over TLS it is the same, for small and for big messages, and it ends cleanly."""
        client = trusting(authority)
        client.maximum_version = client.minimum_version = version
        async with net.serve(ssl=serving(authority)) as server:
            ws = await net.connect(f"wss://localhost:{server.port}", ssl=client)
            async with ws:
                sending = asyncio.ensure_future(ws.send(b"x" * 2**20))
                assert 2**20 == len(await ws.recv())
                await sending
                for n in range(100):
                    await ws.send(str(n))
                assert [str(n) for n in range(100)] == [await ws.recv() for n in range(100)]
                assert 0 <= await (await ws.ping())(5)

            assert (1000, "local") == (ws.closed.code, ws.closed.by)

    @behaviour
    async def test_is_told_of_the_end(self, net: Net, authority: trustme.CA) -> None:
        """The server's Close comes through TLS with its code."""

        async def handler(ws: Any) -> None:
            await ws.close(3000, "bye")

        async with net.serve(handler, ssl=serving(authority)) as server:
            uri = f"wss://localhost:{server.port}"
            async with await net.connect(uri, ssl=trusting(authority)) as ws:
                error = await ended(ws.recv())

            assert (3000, "bye") == (getattr(error, "code", None), getattr(error, "reason", None))

    @pytest.mark.parametrize("fault", ["untrusted", "wrong name", "by default"])
    @behaviour
    async def test_trusts_nobody_else(self, net: Net, authority: trustme.CA, fault: str) -> None:
        """A certificate of another authority or for another name is refused, by default too; the server serves on."""
        name = "example.com" if fault == "wrong name" else "localhost"
        context = {"untrusted": trusting(None), "wrong name": trusting(authority), "by default": None}[fault]
        async with net.serve(ssl=serving(authority, name)) as server:
            with pytest.raises(ssl.SSLCertVerificationError):
                await net.connect(f"wss://localhost:{server.port}", ssl=context)

            careless = trusting(authority)
            careless.check_hostname = False
            async with await net.connect(f"wss://localhost:{server.port}", ssl=careless) as ws:
                await ws.send("still here")
                assert "still here" == await ws.recv()

    @behaviour
    async def test_meets_a_server_without(self, net: Net, authority: trustme.CA) -> None:
        """wss: to a plain port is an error of TLS."""
        async with net.serve() as server:
            with pytest.raises(ssl.SSLError):
                await net.connect(f"wss://localhost:{server.port}", ssl=trusting(authority))

    @behaviour
    async def test_meets_a_client_without(self, net: Net, authority: trustme.CA) -> None:
        """ws: to a port with TLS fails, the server logs nothing and serves on."""
        async with net.serve(ssl=serving(authority)) as server:
            with pytest.raises((ConnectionError, RemoteProtocolError)):
                await net.connect(f"ws://localhost:{server.port}")

            async with await net.connect(f"wss://localhost:{server.port}", ssl=trusting(authority)) as ws:
                await ws.send("a")
                assert "a" == await ws.recv()

    @behaviour
    async def test_is_part_of_the_time_to_open(self, net: Net, authority: trustme.CA) -> None:
        """A server that does not even begin TLS is given up in `open_timeout`."""
        async with listening() as place, asyncio.timeout(2):
            uri = place.uri.replace("ws:", "wss:")
            with pytest.raises(TimeoutError):
                await net.connect(uri, ssl=trusting(authority), open_timeout=0.1)
