"""Connecting through proxies, with both transports: real proxies, on real sockets."""

import asyncio
import logging
import ssl
import sys
from contextlib import suppress
from typing import Any

import pytest
import trustme

from rawws import ProxyError
from tests.net import Asyncio, Net, Peer, behaviour, ended, listening
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.proxy import PASSWORD, Proxy
from tests.proxy import no_proxy_of_this_machine as no_proxy_of_this_machine
from tests.test_opening import authority as authority
from tests.test_opening import net as net
from tests.test_opening import serving, trusting

KINDS = ["http", "socks4", "socks4a", "socks5", "socks5h"]
SLOWLY = 0.2
"""Seconds after which a proxy that says nothing is given up."""

each_kind = pytest.mark.parametrize("kind", KINDS)


pytestmark = pytest.mark.usefixtures("no_proxy_of_this_machine")


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

    @pytest.mark.parametrize("kind", ["http", "socks5"])
    @behaviour
    async def test_do_not_take_any_password(self, net: Net, kind: str) -> None:
        """A wrong password is refused, and nothing that is raised says it."""
        async with Proxy(kind, wants_user=True).listening() as proxy:
            error = await ended(
                net.connect("ws://127.0.0.1:1", proxy=proxy.url.replace("//", f"//ann:{PASSWORD[:2]}no@"))
            )

        assert isinstance(error, ProxyError)
        assert (407 if kind == "http" else None) == error.status
        chain = [error, error.__cause__, error.__context__]
        assert not any(f"{PASSWORD[:2]}no" in f"{link!r} {link}" for link in chain)

    @pytest.mark.parametrize(
        "kind, is_name", [("http", 1), ("socks5h", 1), ("socks4a", 1), ("socks5", 0), ("socks4", 0)]
    )
    @behaviour
    async def test_are_told_names_or_addresses(self, net: Net, kind: str, is_name: int) -> None:
        """socks5 and socks4 get an address that was looked up here, the others get the name."""
        async with net.serve() as server, Proxy(kind).listening() as proxy:
            await (await net.connect(f"ws://localhost:{server.port}", proxy=proxy.url)).close()

            assert is_name == ("localhost" in proxy.asked[0])

    @pytest.mark.parametrize("kind", ["http", "socks5h", "socks4a"])
    @behaviour
    async def test_know_names_that_we_do_not(self, net: Net, kind: str) -> None:
        """The server may have a name that only the proxy can look up."""
        async with net.serve() as server, Proxy(kind, to=("127.0.0.1", server.port)).listening() as proxy:
            await (await net.connect("ws://inside.invalid/chat", proxy=proxy.url)).close()

            assert ["inside.invalid:80"] == proxy.asked

    @pytest.mark.parametrize("kind", ["socks5", "socks4"])
    @behaviour
    async def test_need_a_name_that_we_know(self, net: Net, kind: str) -> None:
        """Where the name is looked up here and there is none, that is not the proxy's fault."""
        async with Proxy(kind).listening() as proxy:
            error = await ended(net.connect("ws://inside.invalid/chat", proxy=proxy.url))

        assert isinstance(error, OSError)
        assert not isinstance(error, ProxyError)

    @behaviour
    async def test_may_be_named_by_the_environment(self, net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
        """By default `http_proxy` and the like are honoured, for other machines than this; None goes straight."""
        async with net.serve() as server, Proxy("http", to=("127.0.0.1", server.port)).listening() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            await (await net.connect("ws://inside.invalid")).close()
            await (await net.connect(server.uri)).close()
            assert isinstance(await ended(net.connect("ws://inside.invalid", proxy=None)), OSError)
            monkeypatch.setenv("no_proxy", "inside.invalid")
            assert isinstance(await ended(net.connect("ws://inside.invalid")), OSError)

            assert ["inside.invalid:80"] == proxy.asked

    @each_kind
    @behaviour
    async def test_do_not_see_what_is_for_the_server(self, net: Net, kind: str) -> None:
        """Headers and credentials for the server go through the tunnel, and not to the proxy; nor the other way."""
        async with listening() as place, Proxy(kind, wants_user=True).listening() as proxy:
            uri = place.uri.replace("//", "//bob:word@")
            opening = asyncio.ensure_future(net.connect(uri, headers={"X-Key": "k"}, proxy=proxy.url_with_user))
            async with await place.accept() as peer:
                asked = await peer.answer()
                await (await opening).abort()

        assert "Proxy-" not in asked
        assert "X-Key: k" in asked
        assert "Authorization: Basic Ym9iOndvcmQ=" in asked
        assert not any("X-Key" in head or "Ym9iOndvcmQ=" in head for head in proxy.heads)


class TestTLS:
    """`wss:` through a proxy, and a proxy at `https:`."""

    @pytest.mark.parametrize("kind", [*KINDS, "https"])
    @pytest.mark.parametrize("pieces", [0, 7], ids=["whole", "dripping"])
    @behaviour
    async def test_is_spoken_with_the_server(self, net: Net, kind: str, pieces: int, authority: trustme.CA) -> None:
        """Big and small messages, both ways at once, and a clean end; with TLS to the proxy it is TLS in TLS."""
        context = trusting(authority)
        secured = {"context": serving(authority), "host": "localhost"} if kind == "https" else {}
        async with (
            net.serve(ssl=serving(authority)) as server,
            Proxy(kind, pieces=pieces, **secured).listening() as proxy,
        ):
            uri = f"wss://localhost:{server.port}"
            ws = await net.connect(uri, ssl=context, proxy=proxy.url, proxy_ssl=context)
            async with ws:
                sending = asyncio.ensure_future(ws.send(b"x" * 2**20))
                assert b"x" * 2**20 == await ws.recv()
                await sending
                for n in range(100):
                    await ws.send(str(n))
                assert [str(n) for n in range(100)] == [await ws.recv() for n in range(100)]
                assert 0 <= await (await ws.ping())(5)

            assert (1000, "local") == (ws.closed.code, ws.closed.by)

    @pytest.mark.parametrize("kind", ["http", "https"])
    @pytest.mark.parametrize("size", [1, 2**20], ids=["a byte", "1 MiB"])
    @behaviour
    async def test_waits_for_who_reads_late(self, net: Net, kind: str, size: int, authority: trustme.CA) -> None:
        """More than all buffers hold waits until somebody reads, and arrives as it was sent."""
        reads, context = asyncio.Event(), trusting(authority)
        message = bytes(range(256)) * (size // 256) or b"x"

        async def handler(ws: Any) -> None:
            await reads.wait()
            await ws.send(await ws.recv())

        secured = {"context": serving(authority), "host": "localhost"} if kind == "https" else {}
        async with (
            net.serve(handler, ssl=serving(authority), max_size=size) as server,
            Proxy(kind, is_small=True, **secured).listening() as proxy,
        ):
            options = {"ssl": context, "proxy_ssl": context, "proxy": proxy.url, "max_size": size}
            ws = await net.connect(f"wss://localhost:{server.port}", **options)
            sending = asyncio.ensure_future(ws.send(message))
            await asyncio.wait([sending], timeout=0.1)
            reads.set()
            await sending

            assert message == await ws.recv()
            await ws.close()

    @pytest.mark.parametrize("kind", ["http", "https"])
    @behaviour
    async def test_is_told_of_the_end(
        self, net: Net, kind: str, authority: trustme.CA, log: list[logging.LogRecord]
    ) -> None:
        """The server's Close comes with its code; what it sends when we have given up is thrown away."""
        context = trusting(authority)

        async def close(ws: Any) -> None:
            await ws.close(3000, "bye")

        async def pour(ws: Any) -> None:
            await ended(_pour(ws))

        secured = {"context": serving(authority), "host": "localhost"} if kind == "https" else {}
        async with (
            net.serve(close, ssl=serving(authority)) as closing,
            net.serve(pour, ssl=serving(authority)) as pouring,
            Proxy(kind, **secured).listening() as proxy,
        ):
            options = {"ssl": context, "proxy_ssl": context, "proxy": proxy.url}
            closed = await net.connect(f"wss://localhost:{closing.port}", **options)
            error: Any = await ended(closed.recv())
            poured = await net.connect(f"wss://localhost:{pouring.port}", max_size=100, **options)
            too_big: Any = await ended(poured.recv())
            await poured.close()

        assert (3000, "bye") == (error.code, error.reason)
        assert (1009, 1009) == (too_big.code, poured.close_code)
        forgive_tls_in_tls(log)

    @pytest.mark.parametrize("kind", ["http", "https"])
    @behaviour
    async def test_is_told_of_a_server_that_vanishes(self, net: Net, kind: str, authority: trustme.CA) -> None:
        """Without a Close it is 1006, through any number of layers."""
        context = trusting(authority)

        async def vanish(ws: Any) -> None:
            await ws.send("a")
            await ws.abort()

        secured = {"context": serving(authority), "host": "localhost"} if kind == "https" else {}
        async with (
            net.serve(vanish, ssl=serving(authority)) as server,
            Proxy(kind, **secured).listening() as proxy,
        ):
            options = {"ssl": context, "proxy_ssl": context, "proxy": proxy.url}
            ws = await net.connect(f"wss://localhost:{server.port}", **options)
            errors: list[Any] = [await ended(ws.recv()), await ended(ws.recv()), await ended(ws.recv())]

        assert [1006, 1006] == [error.code for error in errors if error is not None][:2]

    @behaviour
    async def test_may_be_for_the_proxy_alone(self, net: Net, authority: trustme.CA) -> None:
        """ws: through an https: proxy is plain behind it."""
        async with (
            net.serve() as server,
            Proxy("https", context=serving(authority), host="localhost", wants_user=True).listening() as proxy,
            await net.connect(server.uri, proxy=proxy.url_with_user, proxy_ssl=trusting(authority)) as ws,
        ):
            await ws.send("x" * 2**20)

            assert "x" * 2**20 == await ws.recv()

    @pytest.mark.parametrize("kind", ["http", "socks5h", "https"])
    @pytest.mark.parametrize("fault", ["untrusted", "wrong name", "by default"])
    @behaviour
    async def test_trusts_the_server_and_nobody_else(
        self, net: Net, kind: str, fault: str, authority: trustme.CA, log: list[logging.LogRecord]
    ) -> None:
        """It is the server's certificate that counts, for the server's name, whatever the proxy's is."""
        name = "127.0.0.1" if fault == "wrong name" else "localhost"
        context = {"untrusted": trusting(None), "wrong name": trusting(authority), "by default": None}[fault]
        secured = {"context": serving(authority), "host": "localhost"} if kind == "https" else {}
        async with net.serve(ssl=serving(authority, name)) as server, Proxy(kind, **secured).listening() as proxy:
            uri = f"wss://localhost:{server.port}"
            error = await ended(net.connect(uri, ssl=context, proxy=proxy.url, proxy_ssl=trusting(authority)))

        assert isinstance(error, ssl.SSLCertVerificationError)
        forgive_tls_in_tls(log)

    @pytest.mark.parametrize("fault", ["untrusted", "wrong name", "by default"])
    @behaviour
    async def test_of_the_proxy_is_the_proxy_s(self, net: Net, fault: str, authority: trustme.CA) -> None:
        """A proxy that cannot prove who it is is a `ProxyError`."""
        context = serving(authority, "127.0.0.2" if fault == "wrong name" else "localhost")
        ours = {"untrusted": trusting(None), "by default": None, "wrong name": trusting(authority)}[fault]
        async with Proxy("https", context=context, host="localhost").listening() as proxy:
            error = await ended(net.connect("ws://127.0.0.1:1", proxy=proxy.url, proxy_ssl=ours))

        assert isinstance(error, ProxyError)
        assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
        assert str(error).startswith(f"the proxy {proxy.url} cannot be reached: ")
        assert error.hopeless

    @pytest.mark.parametrize("kind", ["http", "socks5", "https"])
    @behaviour
    async def test_is_part_of_the_time_to_open(self, net: Net, kind: str, authority: trustme.CA) -> None:
        """A server that does not even begin TLS is given up in `open_timeout`."""
        secured = {"context": serving(authority), "host": "localhost"} if kind == "https" else {}
        async with listening() as place, Proxy(kind, **secured).listening() as proxy, asyncio.timeout(4):
            # Enough for the proxy: it is not its silence that is waited for.
            options = {"ssl": trusting(authority), "proxy_ssl": trusting(authority), "open_timeout": 5 * SLOWLY}
            with pytest.raises(TimeoutError) as raised:
                await net.connect(place.uri.replace("ws:", "wss:"), proxy=proxy.url, **options)

        assert "proxy" not in str(raised.value)


def forgive_tls_in_tls(log: list[logging.LogRecord]) -> None:
    """Take out what asyncio logs of TLS in TLS up to Python 3.12.1: https://github.com/python/cpython/issues/113214"""
    if sys.version_info < (3, 12, 2):
        log[:] = [record for record in log if not record.getMessage().startswith("Fatal error on SSL protocol")]


async def _pour(ws: Any) -> None:
    while True:
        await ws.send(b"x" * 10_000)


async def faced(net: Net, kind: str, *said: bytes, then: Any = None, **options: Any) -> BaseException | None:
    """How `connect` fails when a proxy answers this, piece by piece, and then does something or waits."""
    async with listening() as place:
        url = f"{kind}://127.0.0.1:{place.port}"
        opening = asyncio.ensure_future(ended(net.connect("ws://192.0.2.1/", proxy=url, **options)))
        async with await place.accept() as peer:
            await peer.more()
            for piece in said:
                await peer.send(piece)
            if then is not None:
                then(peer)
            return await opening


class TestFailures:
    """Proxies that are not there, refuse, speak nonsense, or nothing."""

    @each_kind
    @behaviour
    async def test_are_nobody_there(self, net: Net, kind: str) -> None:
        """Where nothing listens, that is said of the proxy, and not of the server."""
        async with listening() as place:
            pass
        error = await ended(net.connect("ws://192.0.2.1", proxy=f"{kind}://u:secret@127.0.0.1:{place.port}"))

        assert isinstance(error, ProxyError)
        assert f"the proxy {kind}://127.0.0.1:{place.port} cannot be reached: " in str(error)
        assert "refused" in str(error)
        assert not error.hopeless

    @each_kind
    @behaviour
    async def test_are_a_name_that_nobody_knows(self, net: Net, kind: str) -> None:
        """The proxy's own name may be wrong."""
        error = await ended(net.connect("ws://192.0.2.1", proxy=f"{kind}://no-such-host.invalid:1"))

        assert isinstance(error, ProxyError)
        assert "no-such-host.invalid:1 cannot be reached" in str(error)

    @pytest.mark.parametrize(
        "kind, said, told",
        [
            ("http", b"HTTP/1.1 403 Not for you\r\n\r\n", "answered 403 Not for you"),
            ("http", b"HTTP/1.1 503 Later\r\nRetry-After: 9\r\n\r\n", "answered 503 Later"),
            ("https", b"HTTP/1.1 400 Speak plainly\r\n\r\n", "cannot be reached: "),
            ("http", b"SSH-2.0-OpenSSH_9.6\r\n", "speaks no HTTP"),
            ("http", b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101", "sends bytes behind its answer"),
            ("http", b"HTTP/1.1 200 OK\r\n" + b"x" * 20_000, "speaks no HTTP: a line of more than"),
            ("socks5", b"\5\0\5\1\0", "refused: General SOCKS server failure"),
            ("socks5", b"\5\0\5\2\0", "refused: Connection not allowed by ruleset"),
            ("socks5", b"\5\xff", "refused: No acceptable authentication methods were offered"),
            ("socks5", b"HTTP/1.1 400 Bad\r\n", "refused: Unexpected SOCKS version number"),
            ("socks4", b"\0\x5b" + bytes(6), "refused: Request rejected or failed"),
            ("socks4", b"HTTP/1.1", "refused: Unexpected reply version"),
        ],
        ids=lambda given: None,
    )
    @behaviour
    async def test_are_what_it_says(self, net: Net, kind: str, said: bytes, told: str) -> None:
        """What the proxy answers instead is told, with its words."""
        error = await faced(net, kind, said)

        assert isinstance(error, ProxyError)
        assert told in str(error)

    @behaviour
    async def test_have_a_status(self, net: Net) -> None:
        """A program can see what was answered, in HTTP and in SOCKS, and whether to try again."""
        answers = [("http", b"HTTP/1.1 503 No\r\n\r\n"), ("socks5", b"\5\0\5\4\0"), ("socks5", b"\5\0\5\2\0")]
        errors: list[Any] = [await faced(net, kind, answer) for kind, answer in answers]

        assert [(503, False), (4, False), (2, True)] == [(error.status, error.hopeless) for error in errors]

    @each_kind
    @pytest.mark.parametrize("vanish", [Peer.finish, Peer.reset], ids=["fin", "rst"])
    @behaviour
    async def test_are_a_proxy_that_vanishes(self, net: Net, kind: str, vanish: Any) -> None:
        """A proxy that ends the connection in the middle of its answer."""
        begun = {"http": b"HTTP/1.1 200 O", "socks5": b"\5\0\5", "socks4": b"\0"}[kind.rstrip("ah")]
        error = await faced(net, kind, begun, then=vanish)

        assert isinstance(error, ProxyError)
        assert not error.hopeless

    @pytest.mark.parametrize("kind", [*KINDS, "https"])
    @behaviour
    async def test_are_a_proxy_that_says_nothing(self, net: Net, kind: str) -> None:
        """A proxy that never answers is given up in `open_timeout`, and it is said who was waited for."""
        async with asyncio.timeout(30):
            error = await faced(net, kind, open_timeout=10 * SLOWLY)

        assert isinstance(error, TimeoutError)
        assert "the proxy " in str(error)
        assert "did not answer in time" in str(error)

    @pytest.mark.parametrize("kind", ["socks5h", "socks4a"])
    @behaviour
    async def test_are_a_name_that_cannot_be_told(self, net: Net, kind: str) -> None:
        """A SOCKS proxy is told names as DNS has them: with parts of 63 letters at the most."""
        async with Proxy(kind).listening() as proxy:
            with pytest.raises(ValueError, match="not the name of a host that a SOCKS proxy can be told"):
                await net.connect(f"ws://{'a' * 64}.example", proxy=proxy.url)

    @each_kind
    @behaviour
    async def test_may_be_waited_for(self, net: Net, kind: str) -> None:
        """`open_timeout=None` waits as long as it takes."""
        async with net.serve() as server, Proxy(kind).listening() as proxy:
            await (await net.connect(server.uri, proxy=proxy.url, open_timeout=None)).close()

    @pytest.mark.parametrize("kind", ["http", "socks5"])
    @behaviour
    async def test_are_a_proxy_that_drips(self, net: Net, kind: str) -> None:
        """`open_timeout` is for all that it says, and not for each byte of it."""
        async with listening() as place, asyncio.timeout(30):
            url = f"{kind}://127.0.0.1:{place.port}"
            opening = asyncio.ensure_future(ended(net.connect("ws://192.0.2.1/", proxy=url, open_timeout=5 * SLOWLY)))
            async with await place.accept() as peer:
                answer = b"HTTP/1.1 200 " if kind == "http" else b"\5\0\5\0\0\3\xff"
                await peer.send(answer)
                while not opening.done():
                    if await ended(peer.send(b"x")):
                        break
                    await asyncio.wait([opening], timeout=SLOWLY / 4)

                assert isinstance(await opening, TimeoutError)

    @pytest.mark.parametrize("kind", ["http", "socks5"])
    @behaviour
    async def test_do_not_keep_the_loop(self, kind: str) -> None:
        """With asyncio, connecting through a proxy can be cancelled at any time, and leaves nothing."""
        async with listening() as place:
            connecting = Asyncio().connect("ws://192.0.2.1/", proxy=f"{kind}://127.0.0.1:{place.port}")
            opening = asyncio.ensure_future(connecting)
            async with await place.accept() as peer:
                await peer.more()
                opening.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await opening

                assert peer.rest == await peer.end()

    @pytest.mark.parametrize("kind", ["http", "https", "socks4a", "socks5h"])
    @behaviour
    async def test_leave_nothing_wherever_it_is_cancelled(self, kind: str, authority: trustme.CA) -> None:
        """With asyncio, connecting is cancelled after any number of turns of the loop; nothing is left or logged."""
        net, context = Asyncio(), trusting(authority)
        secured = {"context": serving(authority, "127.0.0.1"), "host": "127.0.0.1"} if kind == "https" else {}
        async with (
            net.serve(ssl=serving(authority, "127.0.0.1")) as server,
            Proxy(kind, **secured).listening() as proxy,
        ):
            uri = f"wss://127.0.0.1:{server.port}"
            turns, ws = 0, None
            while ws is None:
                opening = asyncio.ensure_future(net.connect(uri, ssl=context, proxy=proxy.url, proxy_ssl=context))
                for _ in range(turns):
                    await asyncio.sleep(0)
                opening.cancel()
                with suppress(asyncio.CancelledError):
                    ws = await opening
                turns += 1 + turns // 10
            await ws.close()

        assert turns > 5

    @pytest.mark.parametrize("variable", ["", "all_proxy"])
    @behaviour
    async def test_are_a_missing_extra(self, net: Net, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without python-socks it is said what to install, and how to go without, if it was the environment's wish."""
        monkeypatch.setitem(sys.modules, "python_socks", None)
        if variable:
            monkeypatch.setenv(variable, "socks5h://u:secret@p.example:1")
        given = {} if variable else {"proxy": "socks5h://u:secret@p.example:1"}
        error = await ended(net.connect("ws://192.0.2.1/", **given))

        assert isinstance(error, ImportError)
        assert "the proxy socks5h://p.example:1" in str(error)
        assert "pip install 'rawws[proxy]'" in str(error)
        assert bool(variable) == ("all_proxy of the environment names it; proxy=None goes without" in str(error))

    @behaviour
    async def test_are_no_missing_extra_with_http(self, net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
        """An HTTP proxy needs nothing but the library."""
        monkeypatch.setitem(sys.modules, "python_socks", None)
        async with net.serve() as server, Proxy().listening() as proxy:
            await (await net.connect(server.uri, proxy=proxy.url)).close()

    @behaviour
    async def test_of_the_server_are_the_server_s(self, net: Net) -> None:
        """Behind the tunnel, a server that hangs up is a `ConnectionError`, as without a proxy."""
        async with listening() as place, Proxy().listening() as proxy:
            opening = asyncio.ensure_future(ended(net.connect(place.uri, proxy=proxy.url)))
            async with await place.accept() as peer:
                await peer.head()
                peer.finish()
                error = await opening

        assert isinstance(error, ConnectionError)
        assert not isinstance(error, ProxyError)
