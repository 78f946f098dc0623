"""Connections that call methods, in place of tasks that wait."""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rawws import ConnectionClosed, Response, State
from rawws.aio import CallbackSocket, broadcast, connect, connect_callbacks, serve, serve_callbacks
from rawws.aio.carrier import FAIR_SHARE
from rawws.core.events import Closed
from tests.contract import closed_by
from tests.net import Peer, behaviour, called, listening, request
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.trouble import Counting
from tests.wire import BINARY, CLOSE, PING, TEXT, close_body


@pytest.fixture
def told() -> list[Any]:
    return []


def keeping(told: list[Any], **methods: Any) -> type[CallbackSocket]:
    """A class that keeps what its methods are told, and then does what `methods` say."""

    class Keeping(CallbackSocket):
        def on_open(self) -> None:
            self._do("on_open")

        def on_message(self, message: str | bytes) -> None:
            self._do("on_message", message)

        def on_writable(self) -> None:
            self._do("on_writable")

        def on_close(self, closed: Closed) -> None:
            self._do("on_close", closed.code)

        def _do(self, name: str, *args: Any) -> None:
            told.append((name, *args))
            if name in methods:
                methods[name](self, *args)

    return Keeping


async def until(is_so: Callable[[], object]) -> None:
    """Let the loop turn until this is so; a behaviour has its limit."""
    while not is_so():
        await asyncio.sleep(0)


@asynccontextmanager
async def facing(
    told: list[Any], role: str, *, options: Any = None, early: Sequence[str] = (), **methods: Any
) -> AsyncIterator[tuple[Any, Peer]]:
    """A connection that calls, playing `role`, and a raw peer, which says `early` together with its handshake."""
    options = options or {}
    if role == "client":
        async with listening() as place:
            opening = asyncio.ensure_future(connect_callbacks(keeping(told, **methods), place.uri, **options))
            async with await place.accept() as peer:
                await peer.answer()
                await peer.send(*(peer.frame(TEXT, message) for message in early))
                ws = await opening
                yield ws, peer
                ws.abort()
                await ws.wait_closed()
    else:
        made: list[CallbackSocket] = []

        def make() -> CallbackSocket:
            made.append(keeping(told, **methods)())
            return made[0]

        async with serve_callbacks(make, "127.0.0.1", 0, **options) as server, await called(server.port) as peer:
            await peer.send(request(server.port), *(peer.frame(TEXT, message) for message in early))
            await peer.head()
            (ws,) = made
            yield ws, peer
            ws.abort()


both_roles = pytest.mark.parametrize("role", ["client", "server"])


class TestCalls:
    """What is called, and when."""

    @both_roles
    @behaviour
    async def test_come_in_order(self, told: list[Any], role: str) -> None:
        """First that it is open, then each message, last that it is closed, and each once."""
        async with facing(told, role) as (ws, peer):
            await peer.send(peer.frame(TEXT, "a"), peer.frame(BINARY, b"b"), peer.frame(CLOSE, close_body(3000)))
            assert (3000, "") == await closed_by(peer)
            peer.close()
            await ws.wait_closed()
            await until(lambda: told[-1][0] == "on_close")

        assert [("on_open",), ("on_message", "a"), ("on_message", b"b"), ("on_close", 3000)] == told

    @behaviour
    async def test_are_made_for_what_came_with_the_handshake(self, told: list[Any]) -> None:
        """A message in the same packet as the server's 101 comes behind `on_open`."""
        async with listening() as place:
            opening = asyncio.ensure_future(connect_callbacks(keeping(told), place.uri))
            async with await place.accept() as peer:
                await peer.answer(extra="")
                await peer.say(TEXT, "early")
                ws = await opening
                await until(lambda: len(told) == 2)
                ws.abort()
                await ws.wait_closed()

        assert [("on_open",), ("on_message", "early")] == told[:2]

    @both_roles
    @behaviour
    async def test_of_a_connection_that_is_lost_end_with_1006(self, told: list[Any], role: str) -> None:
        """What came before a connection is lost is delivered, then comes the end of it."""
        async with facing(told, role) as (ws, peer):
            await peer.say(TEXT, "last words")
            peer.close()
            await ws.wait_closed()
            await until(lambda: told[-1][0] == "on_close")

        assert [("on_open",), ("on_message", "last words"), ("on_close", 1006)] == told

    @behaviour
    async def test_need_not_be_defined(self) -> None:
        """Each method does nothing unless a subclass says something else."""
        async with serve_callbacks(CallbackSocket, "127.0.0.1", 0) as server:
            ws = await connect(f"ws://127.0.0.1:{server.port}")
            await ws.send("into the void")
            await ws.close()

    @behaviour
    async def test_are_not_made_for_a_connection_that_never_opened(self, told: list[Any]) -> None:
        """A client that is refused is told of to nobody."""
        serving = serve_callbacks(keeping(told), "127.0.0.1", 0, process_request=lambda request: Response(403))
        async with serving as server, await called(server.port) as peer:
            assert "403" == (await peer.ask(server.port))[9:12]
            await peer.end()

        assert [] == told

    @pytest.mark.parametrize("thinks", [False, True])
    @behaviour
    async def test_wait_until_the_request_is_judged(self, told: list[Any], thinks: bool) -> None:
        """`process_request` may be a function or a coroutine function, as for `serve`."""

        async def think(request: Any) -> None:
            await asyncio.sleep(0)

        process_request: Any = think if thinks else lambda request: None
        async with serve_callbacks(keeping(told), "127.0.0.1", 0, process_request=process_request) as server:
            async with connect(f"ws://127.0.0.1:{server.port}") as ws:
                await ws.send("a")
            await until(lambda: told[-1][0] == "on_close")

        assert [("on_open",), ("on_message", "a"), ("on_close", 1000)] == told

    @behaviour
    async def test_end_with_the_server(self, told: list[Any]) -> None:
        """A server that is closed closes its connections with 1001."""
        async with serve_callbacks(keeping(told), "127.0.0.1", 0) as server:
            ws = await connect(f"ws://127.0.0.1:{server.port}")
            await until(lambda: server.connections)
            await server.close()
            assert (1001, "") == (ws.close_code, ws.close_reason)
            await ws.wait_closed()

        assert [("on_open",), ("on_close", 1001)] == told


class TestSending:
    """What a method sends."""

    @behaviour
    async def test_goes_out_in_one_write(self, told: list[Any]) -> None:
        """The answers to messages that came together, several each, are written together."""
        tap = Counting()

        def answer(ws: Any, message: Any) -> None:
            ws.send(message)
            ws.send(message)

        options = {"tap": lambda: tap}
        async with facing(told, "server", options=options, on_message=answer) as (_, peer):
            await peer.send(*(peer.frame(TEXT, str(n)) for n in range(10)))
            assert [(0x81, str(n // 2).encode()) for n in range(20)] == [await peer.hear() for _ in range(20)]

        assert 2 == len([data for data in tap.sent_data if data[:1] in (b"H", b"\x81")])

    @both_roles
    @behaviour
    async def test_is_possible_from_everywhere(self, told: list[Any], role: str) -> None:
        """From `on_open`, from a task, and by `broadcast`."""
        async with facing(told, role, on_open=lambda ws: ws.send("welcome")) as (ws, peer):
            assert (0x81, b"welcome") == await peer.hear()
            ws.send(bytearray(b"from a task"))
            assert (0x82, b"from a task") == await peer.hear()
            assert set() == broadcast([ws], "to all")
            assert (0x81, b"to all") == await peer.hear()
            ws.ping("?")
            assert (0x80 | PING, b"?") == await peer.hear()

    @both_roles
    @behaviour
    async def test_is_refused_when_it_is_too_late(self, told: list[Any], role: str) -> None:
        """When the connection is closing, and for what is no message."""
        async with facing(told, role) as (ws, peer):
            with pytest.raises(TypeError):
                ws.send(5)
            ws.start_close(3000)
            with pytest.raises(ConnectionClosed):
                ws.send("late")
            assert 3000 == (await closed_by(peer))[0]

    @behaviour
    async def test_tells_when_there_is_room(self, told: list[Any]) -> None:
        """Who stops because it is `congested` is told when to go on."""
        sent = 0

        def send(ws: Any, *_: Any) -> None:
            nonlocal sent
            while not ws.congested and sent < 100:
                ws.send(bytes(60_000))
                sent += 1

        async with facing(told, "server", on_open=send, on_writable=send) as (_ws, peer):
            assert 0 < sent < 100
            for _ in range(100):
                assert (0x82, bytes(60_000)) == await peer.hear()

        assert 100 == sent
        assert ("on_writable",) in told

    @pytest.mark.parametrize("ends", ["by raising", "by closing"])
    @behaviour
    async def test_tells_of_no_room_after_the_end(
        self, told: list[Any], ends: str, log: list[logging.LogRecord]
    ) -> None:
        """Who has raised, or has closed, cannot send any more: there is room again, but `on_writable` is not called."""

        def send(ws: Any, message: Any) -> None:
            while not ws.congested:
                ws.send(bytes(60_000))
            if ends == "by raising":
                raise LookupError
            ws.start_close(1011)

        async with facing(told, "server", on_message=send) as (_, peer):
            await peer.say(TEXT, "a")
            heard = await peer.hear()
            while heard == (0x82, bytes(60_000)):
                heard = await peer.hear()
            assert (0x80 | CLOSE, close_body(1011)) == heard
            await peer.say(CLOSE, close_body(1011))
            peer.close()
            await until(lambda: told[-1][0] == "on_close")

        assert [("on_open",), ("on_message", "a"), ("on_close", 1011)] == told
        assert ["LookupError"] * (ends == "by raising") == [(r.exc_info or (Exception,))[0].__name__ for r in log]
        log.clear()

    @behaviour
    async def test_tells_of_no_room_to_a_peer_that_was_dropped(self, told: list[Any]) -> None:
        """What waited for a peer that reads nothing is gone with it: nobody is told that there is room."""
        states: list[State] = []

        def send(ws: Any) -> None:
            states.append(ws.state)
            while not ws.congested:
                ws.send(bytes(60_000))

        options = {"write_timeout": 0.2, "ping_interval": None}
        async with facing(told, "server", options=options, on_open=send, on_writable=send) as (ws, _peer):
            await ws.wait_closed()
            await until(lambda: told[-1][0] == "on_close")

        assert {State.OPEN} == set(states)
        assert ("on_close", 1006) == told[-1]

    @behaviour
    async def test_does_not_hold_back_a_close(self, told: list[Any]) -> None:
        """A Close that a method begins goes out behind what it sent, and the rest is delivered."""

        def answer(ws: Any, message: Any) -> None:
            if message == "1":
                ws.send("bye")
                ws.start_close(3000, "enough")

        async with facing(told, "server", on_message=answer) as (_, peer):
            await peer.send(*(peer.frame(TEXT, str(n)) for n in range(3)))
            assert (0x81, b"bye") == await peer.hear()
            assert (3000, "enough") == await closed_by(peer)
            await peer.say(CLOSE, close_body(3000))
            peer.close()
            await until(lambda: told[-1][0] == "on_close")

        assert [("on_message", "0"), ("on_message", "1"), ("on_message", "2"), ("on_close", 3000)] == told[1:]


class TestFailing:
    """A method that raises."""

    @pytest.mark.parametrize("name", ["on_open", "on_message"])
    @both_roles
    @behaviour
    async def test_closes_with_1011(self, told: list[Any], role: str, name: str, log: list[logging.LogRecord]) -> None:
        """The peer is told 1011, the loop is told what happened, and no more messages are delivered."""

        def fail(ws: Any, *_: Any) -> None:
            raise LookupError(name)

        async with facing(told, role, **{name: fail}) as (_, peer):
            if name == "on_message":
                await peer.send(*(peer.frame(TEXT, str(n)) for n in range(200)))
            assert 1011 == (await closed_by(peer))[0]
            await peer.say(CLOSE, close_body(1011))
            peer.close()
            await until(lambda: told[-1][0] == "on_close")

        expected = [("on_open",), *[("on_message", "0")] * (name == "on_message"), ("on_close", 1011)]
        assert expected == told
        record = log.pop()
        assert ("asyncio", name) == (record.name, str(record.exc_info and record.exc_info[1]))

    @pytest.mark.parametrize("name", ["on_open", "on_message"])
    @both_roles
    @behaviour
    async def test_is_no_pause(self, told: list[Any], role: str, name: str, log: list[logging.LogRecord]) -> None:
        """Nobody will resume what has paused and then raised: 1011 goes out, and the end is told, once."""

        def fail(ws: Any, *_: Any) -> None:
            ws.pause()
            asyncio.get_running_loop().call_soon(ws.pause)  # An application that does not know yet.
            raise LookupError(name)

        async with facing(told, role, early=["0", "1"], **{name: fail}) as (ws, peer):
            assert 1011 == (await closed_by(peer))[0]
            await peer.say(CLOSE, close_body(1011))
            peer.close()
            await ws.wait_closed()
            await until(lambda: told[-1][0] == "on_close")

        expected = [("on_open",), *[("on_message", "0")] * (name == "on_message"), ("on_close", 1011)]
        assert expected == told
        assert name == str((log.pop().exc_info or [None, None])[1])

    @pytest.mark.parametrize(
        "name, before",
        [("on_open", 0), ("on_message", 0), ("on_message", 3 * FAIR_SHARE)],
        ids=["on_open", "on_message", "on_message in a later turn"],
    )
    @behaviour
    async def test_may_be_a_cancellation(
        self, told: list[Any], name: str, before: int, log: list[logging.LogRecord]
    ) -> None:
        """The result of a future that somebody cancelled raises a CancelledError, which is an exception like others."""

        def fail(ws: Any, message: str = "") -> None:
            if message in ("", str(before)):
                raise asyncio.CancelledError(name)

        async with (
            serve_callbacks(keeping(told, **{name: fail}), "127.0.0.1", 0) as server,
            await called(server.port) as peer,
        ):
            await peer.ask(server.port)
            await peer.send(*(peer.frame(TEXT, str(n)) for n in range(before + 3)))
            assert 1011 == (await closed_by(peer))[0]
            await peer.say(CLOSE, close_body(1011))
            peer.close()
            await until(lambda: told[-1][0] == "on_close")
            assert frozenset() == server.connections

        delivered = before + 1 if name == "on_message" else 0
        assert [("on_open",), *(("on_message", str(n)) for n in range(delivered)), ("on_close", 1011)] == told
        record = log.pop()
        expected = ("a method of a CallbackSocket raised", name)
        assert expected == (record.getMessage().partition("\n")[0], str(record.exc_info and record.exc_info[1]))

    @behaviour
    async def test_at_the_end_is_told_of(self, told: list[Any], log: list[logging.LogRecord]) -> None:
        """When `on_close` raises, there is nothing left to close, but the loop is told."""

        def fail(ws: Any, code: int) -> None:
            raise LookupError("on_close")

        async with facing(told, "server", on_close=fail) as (_, peer):
            peer.close()
            await until(lambda: told[-1][0] == "on_close")

        assert "on_close" == str((log.pop().exc_info or [None, None])[1])

    @pytest.mark.parametrize(
        "kind, who_tells",
        [(asyncio.CancelledError, "a method of a CallbackSocket raised"), (BaseException, "Exception in callback")],
        ids=["CancelledError", "BaseException"],
    )
    @behaviour
    async def test_at_the_end_keeps_nothing(
        self, told: list[Any], kind: type[BaseException], who_tells: str, log: list[logging.LogRecord]
    ) -> None:
        """Whatever `on_close` raises, the loop is told, and the server forgets the connection."""

        def fail(ws: Any, code: int) -> None:
            raise kind("on_close")

        async with (
            serve_callbacks(keeping(told, on_close=fail), "127.0.0.1", 0) as server,
            await called(server.port) as peer,
        ):
            await peer.ask(server.port)
            peer.close()
            await until(lambda: told[-1:] == [("on_close", 1006)])
            assert frozenset() == server.connections

        record = log.pop()
        expected = (who_tells, "on_close")
        assert expected == (record.getMessage()[: len(who_tells)], str(record.exc_info and record.exc_info[1]))


class TestPatience:
    """Times that are over while messages wait to be delivered."""

    @both_roles
    @behaviour
    async def test_goes_on_while_messages_are_delivered(self, told: list[Any], role: str) -> None:
        """A Ping that is due amid messages goes out amid them, and who does not answer it is dropped."""
        tap = Counting()
        pings: list[int] = []

        def compute(ws: Any, message: Any) -> None:
            pings.append(len([data for data in tap.sent_data if data[0] == 0x80 | PING]))
            time.sleep(0.01)  # Two of them, which are a turn, take longer than it is until the Ping.

        options = {"tap": tap if role == "client" else lambda: tap, "ping_interval": 0.015, "ping_timeout": 0.05}
        async with facing(told, role, options=options, early=list("abcdefgh"), on_message=compute) as (ws, _peer):
            await ws.wait_closed()
            await until(lambda: told[-1][0] == "on_close")

        assert pings[0] < pings[-1]
        assert [("on_open",), *(("on_message", name) for name in "abcdefgh"), ("on_close", 1011)] == told

    @both_roles
    @behaviour
    async def test_with_a_mute_peer_goes_on_in_a_pause(self, told: list[Any], role: str) -> None:
        """A peer that does not answer a Ping is dropped, though a message waits, which is delivered in the end."""
        options = {"ping_interval": 0.05, "ping_timeout": 0.05}
        early = ["first", "second"]
        pause = {"on_message": lambda ws, message: message == "first" and ws.pause()}
        async with facing(told, role, options=options, early=early, **pause) as (ws, peer):
            assert 0x80 | PING == (await peer.hear())[0]
            await ws.wait_closed()
            assert [("on_open",), ("on_message", "first")] == told
            ws.resume()
            await until(lambda: told[-1][0] == "on_close")

        assert [("on_message", "second"), ("on_close", 1011)] == told[2:]

    @both_roles
    @behaviour
    async def test_with_a_close_goes_on_in_a_pause(self, told: list[Any], role: str) -> None:
        """`close` waits `close_timeout` for a peer that does not answer, and no longer, though a message waits."""
        loop = asyncio.get_running_loop()
        options = {"close_timeout": 0.1, "ping_interval": None}
        early = ["first", "second"]
        pause = {"on_message": lambda ws, message: message == "first" and ws.pause()}
        async with facing(told, role, options=options, early=early, **pause) as (ws, peer):
            began = loop.time()
            await ws.close(3000)
            assert loop.time() - began >= 0.1
            assert 3000 == (await closed_by(peer))[0]
            assert [("on_open",), ("on_message", "first")] == told
            ws.resume()
            await until(lambda: told[-1][0] == "on_close")

        assert [("on_message", "second"), ("on_close", 1006)] == told[2:]


class TestFairness:
    """Others have their turns."""

    @behaviour
    async def test_under_a_flood_of_tiny_messages(self, told: list[Any]) -> None:
        """Of messages that came together, no more than a share is delivered in one turn of the loop."""
        turns: list[int] = []
        async with facing(told, "server") as (_, peer):
            await peer.send(peer.frame(TEXT, "") * 5000)
            while len(told) < 5001:
                turns.append(len(told))
                await asyncio.sleep(0)

        assert max(after - before for before, after in itertools.pairwise(turns)) <= 2 * FAIR_SHARE

    @behaviour
    async def test_of_a_method_that_takes_its_time(self, told: list[Any]) -> None:
        """When 2 ms are over, the rest is for the next turn."""
        turns: list[int] = []

        def compute(ws: Any, message: Any) -> None:
            end = asyncio.get_running_loop().time() + 0.003
            while asyncio.get_running_loop().time() < end:
                pass

        async with facing(told, "server", on_message=compute) as (_, peer):
            await peer.send(peer.frame(TEXT, "") * 20)
            while len(told) < 21:
                turns.append(len(told))
                await asyncio.sleep(0)

        assert max(after - before for before, after in itertools.pairwise(turns)) <= 2

    @both_roles
    @behaviour
    async def test_can_be_asked_for(self, told: list[Any], role: str) -> None:
        """While a connection is paused nothing is delivered, not even its end; then all of it is, in order."""
        async with facing(told, role, on_message=lambda ws, message: message == "1" and ws.pause()) as (ws, peer):
            await peer.send(*(peer.frame(TEXT, str(n)) for n in range(4)), peer.frame(CLOSE, close_body(3000)))
            await until(lambda: len(told) == 3)
            for _ in range(10):
                await asyncio.sleep(0)
            assert [("on_open",), ("on_message", "0"), ("on_message", "1")] == told
            ws.resume()
            assert 3000 == (await closed_by(peer))[0]
            peer.close()
            await until(lambda: told[-1][0] == "on_close")

        assert [("on_message", "2"), ("on_message", "3"), ("on_close", 3000)] == told[3:]

    @behaviour
    async def test_is_kept_with_who_sends_too_much(self, told: list[Any]) -> None:
        """A paused connection reads no more than its limit: the rest stays with the peer."""
        options = {"receive_limit": 10_000}
        async with facing(told, "server", options=options, on_open=lambda ws: ws.pause()) as (ws, peer):
            sending = asyncio.ensure_future(peer.send(peer.frame(BINARY, bytes(1000)) * 20_000))
            _, pending = await asyncio.wait([sending], timeout=0.2)
            assert pending
            ws.resume()
            await sending
            await until(lambda: len(told) == 20_001)


@behaviour
async def test_both_layers_speak_with_each_other(told: list[Any]) -> None:
    """A client that calls and a server with tasks, and the other way round."""

    async def echo(ws: Any) -> None:
        async for message in ws:
            await ws.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        ws = await connect_callbacks(keeping(told), f"ws://127.0.0.1:{server.port}", compression=None)
        for n in range(500):
            ws.send(str(n))
        await until(lambda: len(told) == 501)
        await ws.close()
        await until(lambda: told[-1][0] == "on_close")

    assert [("on_open",), *(("on_message", str(n)) for n in range(500)), ("on_close", 1000)] == told
