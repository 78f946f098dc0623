"""Following redirects, with both transports and real servers."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trustme

from rawws import HandshakeRejected, Redirect, Request, Response
from tests.net import Net, behaviour, ended, listening
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.proxy import Proxy
from tests.test_opening import authority as authority
from tests.test_opening import net as net
from tests.test_opening import serving, trusting

SECRETS = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Api-Key": "k"}


def leading(to: Callable[[str], str | None], status: int = 302) -> Callable[[Request], Response | None]:
    """A `process_request` that leads from a path to where `to` says, if it says where."""

    def process(request: Request) -> Response | None:
        place = to(request.target)
        return None if place is None else Response(status, {"Location": place}, "moved")

    return process


def first_to_last(target: str) -> str | None:
    return "/last?x=1" if target == "/first" else None


class TestRedirects:
    """`redirects=`."""

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @behaviour
    async def test_are_followed(self, net: Net, status: int) -> None:
        """A relative Location on the same server; the chain can be read."""
        async with net.serve(process_request=leading(first_to_last, status)) as server:
            async with await net.connect(f"{server.uri}/first", redirects=1, headers=SECRETS) as ws:
                await ws.send("Hello")

                assert "Hello" == await ws.recv()
                assert (Redirect(status, f"{server.uri}/first", f"{server.uri}/last?x=1"),) == ws.redirects
            async with await net.connect(server.uri, redirects=1) as ws:
                assert () == ws.redirects

    @behaviour
    async def test_are_not_followed_by_default(self, net: Net) -> None:
        """Without `redirects` it is an answer that is not 101."""
        async with net.serve(process_request=leading(first_to_last)) as server:
            error = await ended(net.connect(f"{server.uri}/first"))

        assert isinstance(error, HandshakeRejected)
        assert (302, (b"location", b"/last?x=1")) == (error.status, error.headers[0])

    @behaviour
    async def test_keep_what_is_secret_at_home(self, net: Net) -> None:
        """Another server gets neither the headers nor the user of the URI; the same one gets them again."""
        async with listening() as place, AsyncExitStack() as stack:
            to = {"/": "/again", "/again": f"http://127.0.0.1:{place.port}/"}
            seen = []

            def process(request: Request) -> Response:
                seen.append(dict(request.headers))
                return Response(302, {"Location": to[request.target]})

            server = await stack.enter_async_context(net.serve(process_request=process))
            uri = server.uri.replace("//", "//ann:word@")
            opening = asyncio.ensure_future(
                net.connect(uri, redirects=2, headers={"X-Api-Key": "k"}, origin="https://o")
            )
            async with await place.accept() as peer:
                asked = await peer.answer()
                await (await opening).abort()

        assert [b"Basic YW5uOndvcmQ="] * 2 == [headers[b"authorization"] for headers in seen]
        assert [b"k"] * 2 == [headers[b"x-api-key"] for headers in seen]
        assert "Origin: https://o" in asked
        assert not any(name in asked for name in ("Authorization", "X-Api-Key"))

    @behaviour
    async def test_may_lead_into_tls(self, net: Net, authority: trustme.CA) -> None:
        """From ws: to wss:, with the context that was given; its certificate counts."""
        async with net.serve(ssl=serving(authority)) as secure:
            to = f"https://localhost:{secure.port}/"
            async with net.serve(process_request=leading(lambda target: to)) as server:
                async with await net.connect(server.uri, redirects=1, ssl=trusting(authority)) as ws:
                    await ws.send("Hello")

                    assert "Hello" == await ws.recv()
                error = await ended(net.connect(server.uri, redirects=1))

        assert isinstance(error, ssl.SSLCertVerificationError)

    @behaviour
    async def test_do_not_lead_out_of_tls(self, net: Net, authority: trustme.CA) -> None:
        """From wss: to ws: nobody is led."""
        async with net.serve() as plain:
            options: Any = {"process_request": leading(lambda target: plain.uri), "ssl": serving(authority)}
            async with net.serve(**options) as server:
                uri = f"wss://localhost:{server.port}"
                error = await ended(net.connect(uri, redirects=1, ssl=trusting(authority)))

            assert isinstance(error, HandshakeRejected)
            assert "it leads from wss to ws" in str(error)
            assert not plain.connections

    @behaviour
    async def test_come_to_an_end(self, net: Net) -> None:
        """Too many, and circles, are told, with the way that was gone."""
        count = leading(lambda target: f"/{int(target[1:] or 0) + 1}")
        circle = leading(lambda target: "/b" if target == "/a" else "/a")
        async with net.serve(process_request=count) as endless, net.serve(process_request=circle) as round_and_round:
            many: Any = await ended(net.connect(endless.uri, redirects=3))
            circling: Any = await ended(net.connect(f"{round_and_round.uri}/a", redirects=10))

        assert ["/1", "/2", "/3"] == [redirect.uri.removeprefix(endless.uri) for redirect in many.redirects]
        assert "that would be more than 3 redirects" == many.problem
        assert f"it leads in a circle, to {round_and_round.uri}/a" == circling.problem

    @behaviour
    async def test_share_the_time_to_open(self, net: Net) -> None:
        """`open_timeout` is for all of them together."""
        async with (
            listening() as place,
            net.serve(process_request=leading(lambda target: place.uri)) as server,
            asyncio.timeout(2),
        ):
            with pytest.raises(TimeoutError):
                await net.connect(server.uri, redirects=5, open_timeout=0.2)

    @behaviour
    async def test_choose_their_proxy_anew(self, net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each place is reached as the environment says for that place."""
        to = leading(lambda target: "ws://far.invalid/" if target == "/first" else None)
        async with net.serve(process_request=to) as server, Proxy(to=("127.0.0.1", server.port)).listening() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.delenv("no_proxy", raising=False)
            async with await net.connect(f"{server.uri}/first", redirects=1) as ws:
                await ws.send("Hello")

                assert "Hello" == await ws.recv()
            assert ["far.invalid:80"] == proxy.asked

    @behaviour
    async def test_need_no_socket_that_is_there(self, net: Net) -> None:
        """A socket that was given leads to one place, and redirects to others: both is a mistake."""
        with pytest.raises(ValueError, match="redirects lead to other places"):
            await net.connect("ws://localhost", unix="/nowhere", redirects=1)

    @behaviour
    async def test_may_end_with_any_answer(self, net: Net) -> None:
        """What the last server says is told as its answer, and how we came there."""

        def process(request: Request) -> Response:
            if request.target == "/first":
                return Response(302, {"Location": "/last"})
            return Response(404, {}, "no such room")

        async with net.serve(process_request=process) as server:
            error: Any = await ended(net.connect(f"{server.uri}/first", redirects=1))

        assert "the server answered 404 Not Found: no such room" == str(error)
        assert [f"{server.uri}/last"] == [redirect.uri for redirect in error.redirects]
