"""Iterating over connections, with both transports: again and again, after which failures, and how it ends."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from time import monotonic
from typing import Any

import pytest
import trustme

from rawws import Backoff, ConnectionClosed, HandshakeRejected, Request, Response, aio, blocking
from tests.net import AioSocket, Asyncio, Blocking, BlockingSocket, Net, behaviour, ended, in_thread, listening
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.test_opening import net as net
from tests.test_opening import serving, trusting

AT_ONCE = Backoff(first=0)
NEVER = Backoff(first=3600, factor=1, most=3600)


def half(size: int) -> bytes:
    """No secret, and a chance of a half."""
    return bytes([0x80, *[0] * (size - 1)])


async def connections(net: Net, uri: str, **options: Any) -> AsyncIterator[Any]:
    """What `reconnect` gives, with either transport."""
    options = {"backoff": AT_ONCE, **options}
    if net.name == "aio":
        async for ws in aio.reconnect(uri, **options):
            yield kept(net, AioSocket(ws))
    else:
        again = blocking.reconnect(uri, **options)
        while (ws := await in_thread(next, again, None)) is not None:
            yield kept(net, BlockingSocket(ws))


async def first_of(again: AsyncIterator[Any]) -> None:
    """Wait for the first connection, and close it."""
    await (await anext(again)).close()


def kept(net: Net, ws: Any) -> Any:
    net.made.append(ws)
    return ws


async def greet(ws: Any) -> None:
    """A handler that says which request it answers, and hangs up."""
    await ws.send(ws.request.target)


class TestConnections:
    """One after another."""

    @behaviour
    async def test_come_one_after_another(self, net: Net) -> None:
        """When one has ended there is another."""
        said = []
        async with net.serve(greet) as server, aclosing(connections(net, f"{server.uri}/a")) as again:
            async for ws in again:
                async with ws:
                    said += [message async for message in ws]
                if len(said) == 3:
                    break

        assert ["/a"] * 3 == said

    @behaviour
    async def test_are_closed_when_one_goes_on(self, net: Net) -> None:
        """Who goes on without closing leaves nothing open."""
        seen: list[Any] = []
        async with net.serve() as server, aclosing(connections(net, server.uri)) as again:
            async for ws in again:
                seen.append(ws)
                if len(seen) == 3:
                    await ws.close(3000)
                    break

        assert [1000, 1000, 3000] == [ws.close_code for ws in seen]

    @behaviour
    async def test_stay_open_when_one_leaves(self, net: Net) -> None:
        """Who leaves the loop keeps the connection: so one waits for a server that is being started."""
        async with net.serve() as server:
            async with aclosing(connections(net, server.uri)) as again:
                ws = await anext(again)
            await ws.send("Hello")

            assert "Hello" == await ws.recv()
            await ws.close()

    @behaviour
    async def test_may_be_lost(self, net: Net) -> None:
        """A connection that is lost raises `ConnectionClosed` in the body; caught there, there is another."""
        async with listening() as place, aclosing(connections(net, place.uri)) as again:

            async def vanish() -> None:
                for _ in range(2):
                    async with await place.accept() as peer:
                        await peer.answer()

            vanishing = asyncio.ensure_future(vanish())
            codes = []
            async for ws in again:
                try:
                    await ws.recv()
                except ConnectionClosed as end:
                    codes.append(end.code)
                if len(codes) == 2:
                    break
            await vanishing

        assert [1006, 1006] == codes

    @behaviour
    async def test_are_asked_for_with_fresh_headers(self, net: Net) -> None:
        """`headers` may be called: a token is fresh each time."""
        tokens = iter("abc")
        seen: list[bytes] = []

        def process(request: Request) -> None:
            seen.append(dict(request.headers)[b"x-token"])

        async with net.serve(greet, process_request=process) as server:
            options = {"headers": lambda: {"X-Token": next(tokens)}}
            async with aclosing(connections(net, server.uri, **options)) as again:
                async for ws in again:
                    await ws.close()
                    if len(seen) == 3:
                        break

        assert [b"a", b"b", b"c"] == seen

    @behaviour
    async def test_end_with_what_the_body_raises(self, net: Net) -> None:
        """An exception in the body ends the loop, and `async with` closes the connection with 1011."""
        async with net.serve() as server:
            with pytest.raises(LookupError):  # noqa: PT012
                async with aclosing(connections(net, server.uri)) as again:
                    async for ws in again:
                        async with ws:
                            raise LookupError

        assert 1011 == ws.close_code

    @behaviour
    async def test_are_the_field_s_habit(self) -> None:
        """`async for ws in connect(uri)` is the same, with what `reconnect` does by default."""
        said = []
        async with Asyncio().serve(greet) as server:
            async for ws in aio.connect(server.uri):
                async with ws:
                    said += [message async for message in ws]
                break

        assert ["/"] == said

    @pytest.mark.parametrize("module", [aio, blocking])
    def test_cannot_go_twice_over_a_socket(self, module: Any) -> None:
        """A socket that is given is good for one connection."""
        with pytest.raises(ValueError, match="once, and not again"):
            module.reconnect("ws://a.example", sock=object())


class TestFailures:
    """Which are tried again."""

    @behaviour
    async def test_of_the_network_are_tried_again(self, net: Net) -> None:
        """A server that is too busy, or hangs up; each failure is told to `retry`, who may leave it as it is."""
        told: list[Exception] = []
        async with listening() as place, aclosing(connections(net, place.uri, retry=told.append)) as again:

            async def serve() -> None:
                async with await place.accept() as peer:
                    await peer.head()
                    await peer.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
                    await peer.end()
                async with await place.accept() as peer:
                    await peer.head()
                async with await place.accept() as peer:
                    await peer.more()
                    peer.reset()
                async with await place.accept() as peer:
                    await peer.answer()
                    await peer.end()

            serving = asyncio.ensure_future(serve())
            async for ws in again:
                await ws.abort()
                break
            await serving

        assert [HandshakeRejected, ConnectionError] == [type(told[0]), type(told[1])]
        assert isinstance(told[2], ConnectionError)
        assert 3 == len(told)

    @behaviour
    async def test_end_when_somebody_listens(self, net: Net) -> None:
        """A client that is started before its server waits for it."""
        async with listening() as place:
            pass
        refused: list[Exception] = []
        loop, retried = asyncio.get_running_loop(), asyncio.Event()

        def note(error: Exception) -> None:
            refused.append(error)
            loop.call_soon_threadsafe(retried.set)

        async def wait() -> Any:
            async with aclosing(connections(net, place.uri, retry=note, backoff=Backoff(0.01, 1))) as again:
                return await anext(again)

        waiting = asyncio.ensure_future(wait())
        await retried.wait()
        async with net.serve(port=place.port, host="127.0.0.1"):
            await (await waiting).close()

        assert {ConnectionRefusedError} == {type(error) for error in refused}

    @pytest.mark.parametrize("status", [401, 403, 404, 426])
    @behaviour
    async def test_that_will_last_are_raised(self, net: Net, status: int) -> None:
        """A refusal that another try will not change ends the loop, with the answer."""
        asked = []

        def process(request: Request) -> Response:
            asked.append(request)
            return Response(status)

        async with net.serve(process_request=process) as server:
            error = await ended(anext(connections(net, server.uri)))

        assert isinstance(error, HandshakeRejected)
        assert (status, 1) == (error.status, len(asked))

    @behaviour
    async def test_of_trust_are_raised(self, net: Net) -> None:
        """Nobody knocks again and again at a door with the wrong name on it."""
        authority = trustme.CA()
        async with net.serve(ssl=serving(authority, "127.0.0.1")) as server:
            uri = f"wss://localhost:{server.port}"
            error = await ended(anext(connections(net, uri, ssl=trusting(authority))))

        assert isinstance(error, ssl.SSLCertVerificationError)

    @pytest.mark.parametrize("status, again", [(404, True), (503, False)])
    @behaviour
    async def test_are_the_caller_s_to_judge(self, net: Net, status: int, again: bool) -> None:
        """`retry` may try again what is raised otherwise, and raise what is tried again."""
        asked = []

        def process(request: Request) -> Response | None:
            asked.append(request)
            return Response(status) if len(asked) == 1 else None

        async with (
            net.serve(process_request=process) as server,
            aclosing(connections(net, server.uri, retry=lambda error: again)) as found,
        ):
            error = await ended(first_of(found))

        assert again == (error is None)
        assert 1 + again == len(asked)

    @behaviour
    async def test_may_ask_for_patience(self, net: Net) -> None:
        """Retry-After is waited for, up to `heed`."""
        asked = []

        def process(request: Request) -> Response | None:
            asked.append(monotonic())
            return Response(429, {"Retry-After": "3600"}) if len(asked) == 1 else None

        async with (
            net.serve(process_request=process) as server,
            aclosing(connections(net, server.uri, backoff=Backoff(first=0, heed=0.2))) as found,
        ):
            await first_of(found)

        assert asked[1] - asked[0] >= 0.2


class TestWaiting:
    """Between two attempts."""

    @behaviour
    async def test_is_cancelled_with_its_task(self) -> None:
        """With asyncio a cancelled task leaves no delay behind, and no connection."""
        waits = asyncio.Event()
        async with listening() as place:
            pass

        async def run() -> None:
            async for _ in aio.reconnect(place.uri, backoff=NEVER, retry=lambda _: waits.set(), random=half):
                raise AssertionError

        running = asyncio.ensure_future(run())
        await waits.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    @behaviour
    async def test_ends_at_once_when_it_is_stopped(self) -> None:
        """With threads, `stop` ends the loop in the midst of a delay."""
        waits = threading.Event()
        async with listening() as place:
            pass
        again = blocking.reconnect(place.uri, backoff=NEVER, retry=lambda _: waits.set(), random=half)
        running = asyncio.ensure_future(in_thread(list, again))
        await in_thread(waits.wait)
        again.stop()

        assert [] == await running
        assert [] == list(again)

    @behaviour
    async def test_may_be_for_a_message(self) -> None:
        """`stop` closes the connection that is open, so that a thread which receives comes out of its loop."""
        opened, ends = threading.Event(), []

        def run(again: blocking.client.Reconnecting) -> None:
            for ws in again:
                with ws:
                    opened.set()
                    for _ in ws:
                        pass
                    ends.append((ws.close_code, ws.closed and ws.closed.by))

        async with Blocking().serve() as server:
            again = blocking.reconnect(server.uri, backoff=AT_ONCE)
            running = asyncio.ensure_future(in_thread(run, again))
            await in_thread(opened.wait)
            again.stop()
            await running

        assert [(1000, "local")] == ends

    @behaviour
    async def test_may_be_for_an_answer(self) -> None:
        """A connection that is just being made when `stop` comes is closed, and nobody gets it."""
        async with listening() as place:
            again = blocking.reconnect(place.uri, backoff=AT_ONCE)
            running = asyncio.ensure_future(in_thread(list, again))
            async with await place.accept() as peer:
                await peer.more()
                again.stop()
                await peer.answer()
                assert 0x88 == (await peer.hear())[0]
                peer.finish()

                assert [] == await running

    @behaviour
    async def test_is_as_long_as_chance_says(self, net: Net) -> None:
        """The delay before the second connection is the bound times the chance."""
        opened = []
        async with net.serve(greet) as server:
            options: Any = {"backoff": Backoff(first=0.4), "random": half}
            async with aclosing(connections(net, server.uri, **options)) as again:
                async for ws in again:
                    opened.append(monotonic())
                    with suppress(ConnectionClosed):
                        await ws.close()
                    if len(opened) == 2:
                        break

        assert 0.2 <= opened[1] - opened[0]
