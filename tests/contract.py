"""What any transport must do with an open connection, written once; `test_aio` and `test_blocking` run it.

Each behaviour is given `net`, the transport behind one face (see `net.Net`), and where it matters plays both roles.
"""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from rawws import ConnectionClosed, LocalProtocolError, NotOpen, State
from rawws.core import rules
from tests.net import Net, Peer, Seeing, behaviour, called, ended
from tests.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_body

both_roles = pytest.mark.parametrize("role", ["client", "server"])


async def code_of(ending: Any) -> int:
    """The code of the `ConnectionClosed` that ends this."""
    error = await ended(ending)
    assert isinstance(error, ConnectionClosed), error
    return error.code


async def never(task: "asyncio.Future[Any]", moment: float = 0.03) -> bool:
    """Whether this goes on waiting, as far as a moment can tell."""
    done, _ = await asyncio.wait([task], timeout=moment)
    return not done


async def closed_by(peer: Peer) -> tuple[int, str]:
    """The code and the reason in the Close that comes next."""
    first, body = await peer.hear()
    assert 0x80 | CLOSE == first, (first, body[:100])
    return int.from_bytes(body[:2]) if body else 1005, body[2:].decode()


class TestMessages:
    """Messages go and come whole."""

    @pytest.mark.parametrize(
        "message",
        [
            "",
            "hi",
            "İstanbul 東京 🎈",
            b"",
            b"\x00\xff",
            "a" * 125,
            b"b" * 126,
            "c" * 65_535,
            b"d" * 65_536,
            "e" * 2**20,
        ],
        ids=lambda message: f"{type(message).__name__}{len(message)}",
    )
    @behaviour
    async def test_come_back_as_they_were_sent(self, net: Net, message: str | bytes) -> None:
        """Text stays text and binary stays binary, of any length up to the limit, which is 1 MiB."""
        async with net.pair() as ws:
            await ws.send(message)

            assert message == await ws.recv()

    @pytest.mark.parametrize("message", [bytearray(b"hi"), memoryview(b"hi"), memoryview(b"h.i.")[::2]])
    @behaviour
    async def test_may_be_anything_like_bytes(self, net: Net, message: Any) -> None:
        """A bytearray or a memoryview is a binary message."""
        async with net.pair() as ws:
            await ws.send(message)

            assert b"hi" == await ws.recv()

    @behaviour
    async def test_keep_their_order(self, net: Net) -> None:
        """A thousand messages that are sent before one is received come back in order."""
        messages = [str(number) for number in range(1000)]
        async with net.pair() as ws:
            for message in messages:
                await ws.send(message)

            assert messages == [await ws.recv() for _ in messages]

    @both_roles
    @behaviour
    async def test_from_an_iterable_are_sent_in_fragments(self, net: Net, role: str) -> None:
        """Each item of an iterable is a frame, the last of them with FIN (section 5.4)."""
        async with net.facing(role) as (ws, peer):
            await ws.send(iter(["a", "b", "c"]))

            assert [(TEXT, b"a"), (CONTINUATION, b"b"), (0x80, b"c")] == [await peer.hear() for _ in range(3)]

    @both_roles
    @behaviour
    async def test_from_a_short_iterable_are_one_frame(self, net: Net, role: str) -> None:
        """An iterable of one item is a message in one frame; one of none is an empty binary message."""
        async with net.facing(role) as (ws, peer):
            await ws.send(["a"])
            await ws.send([])

            assert [(0x80 | TEXT, b"a"), (0x80 | BINARY, b"")] == [await peer.hear(), await peer.hear()]

    @both_roles
    @behaviour
    async def test_that_cannot_be_finished_fail_the_connection(self, net: Net, role: str) -> None:
        """An iterable that raises in the middle leaves half a message on the wire: the peer is told 1011."""

        def fragments() -> Iterator[str]:
            yield from ("a", "b")
            raise LookupError

        async with net.facing(role) as (ws, peer):
            with pytest.raises(LookupError):
                await ws.send(fragments())

            assert (TEXT, b"a") == await peer.hear()
            assert (1011, "a message could not be finished") == await closed_by(peer)
            peer.finish()
            assert 1011 == await code_of(ws.recv())

    @behaviour
    async def test_whose_source_was_closed_fail_the_connection(self, net: Net) -> None:
        """A message that is passed on from another connection cannot be finished when that one ends: 1011."""
        async with net.facing_server() as (ws, peer), net.facing_server() as (source, other):

            def passed_on() -> Iterator[bytes]:
                yield from (b"a", b"b")
                raise ConnectionClosed(source.closed)

            other.finish()
            assert 1006 == await code_of(source.recv())
            assert 1006 == await code_of(ws.send(passed_on()))

            assert (BINARY, b"a") == await peer.hear()
            assert 1011 == (await closed_by(peer))[0]

    @pytest.mark.parametrize("wrong", [5, None, {"a": 1}, ..., [5], [None, "a"]], ids=repr)
    @behaviour
    async def test_of_another_type_are_refused(self, net: Net, wrong: Any) -> None:
        """What is neither text nor bytes nor an iterable of them is a TypeError, and the connection is as it was."""
        async with net.pair() as ws:
            with pytest.raises(TypeError):
                await ws.send(wrong)

            await ws.send("still here")
            assert "still here" == await ws.recv()

    @behaviour
    async def test_that_never_began_do_no_harm(self, net: Net) -> None:
        """An iterable that raises before anything of it was sent leaves the connection as it was."""

        def fragments() -> Iterator[str]:
            raise LookupError
            yield

        async with net.pair() as ws:
            with pytest.raises(LookupError):
                await ws.send(fragments())

            await ws.send("still here")
            assert "still here" == await ws.recv()

    @behaviour
    async def test_do_not_mix_text_and_bytes(self, net: Net) -> None:
        """The fragments of one message are all text or all binary."""
        async with net.facing_server() as (ws, peer):
            with pytest.raises(LocalProtocolError) as raised:
                await ws.send(["a", b"b", "c"])

            assert raised.value.rule is rules.MESSAGE_UNFINISHED
            assert (TEXT, b"a") == await peer.hear()
            assert 1011 == (await closed_by(peer))[0]

    @behaviour
    async def test_of_others_wait_for_a_fragmented_one(self, net: Net) -> None:
        """A message that another task or thread sends meanwhile does not come between the fragments."""
        begun, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def slowly() -> Iterator[str]:
            yield from ("a", "b")
            loop.call_soon_threadsafe(begun.set)
            if net.name == "blocking":
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
            yield "c"

        async with net.facing_server() as (ws, peer):
            first = asyncio.ensure_future(ws.send(slowly()))
            await begun.wait()
            second = asyncio.ensure_future(ws.send("second"))
            go_on.set()
            await asyncio.gather(first, second)

            heard = [await peer.hear() for _ in range(4)]
            assert [(TEXT, b"a"), (CONTINUATION, b"b"), (0x80, b"c"), (0x81, b"second")] == heard

    @both_roles
    @behaviour
    async def test_that_are_too_long_end_the_connection(self, net: Net, role: str) -> None:
        """A message over `max_size` is refused when its length is announced, with 1009; what came before is given."""
        async with net.facing(role, max_size=10) as (ws, peer):
            await peer.say(TEXT, "0123456789")
            await peer.send(peer.frame(TEXT, "", length=11))

            assert "0123456789" == await ws.recv()
            receiving = asyncio.ensure_future(ended(ws.recv()))
            assert 1009 == (await closed_by(peer))[0]
            peer.finish()
            error = await receiving
            assert isinstance(error, ConnectionClosed)
            assert (1009, rules.MESSAGE_TOO_BIG) == (error.code, error.closed.error and error.closed.error.rule)

    @behaviour
    async def test_may_be_of_any_length_without_a_limit(self, net: Net) -> None:
        """`max_size=None` lifts the limit."""
        async with net.pair(max_size=None) as ws:
            await ws.send(b"x" * (2**20 + 1))

            assert 2**20 + 1 == len(await ws.recv())

    @behaviour
    async def test_pass_each_other(self, net: Net) -> None:
        """Both sides may send much at once, if both receive: neither waits for the other."""
        message, count = b"x" * 300_000, 40

        async def talk(ws: Any) -> list[Any]:
            async def send() -> None:
                for _ in range(count):
                    await ws.send(message)

            sending = asyncio.gather(send(), send())
            received = [await ws.recv() for _ in range(2 * count)]
            await sending
            return received

        async def handler(ws: Any) -> None:
            await talk(ws)
            await ws.recv()

        async with net.pair(handler) as ws:
            assert [message] * 2 * count == await talk(ws)

    @behaviour
    async def test_may_be_bigger_than_the_buffers(self, net: Net) -> None:
        """Messages that fill every buffer on the way are echoed while the client goes on sending."""
        message, count = b"x" * 500_000, 30

        async def send(ws: Any) -> None:
            for _ in range(count):
                await ws.send(message)

        async with net.pair() as ws:
            sending = asyncio.ensure_future(send(ws))
            for _ in range(count):
                assert message == await ws.recv()
            await sending


class TestReceiving:
    """What `recv`, iteration and `recv_streaming` give, and when."""

    @both_roles
    @behaviour
    async def test_gives_up_in_time_and_loses_nothing(self, net: Net, role: str) -> None:
        """A `recv` whose time is over raises TimeoutError; the message that comes later is there for the next one."""
        async with net.facing(role) as (ws, peer):
            with pytest.raises(TimeoutError):
                await ws.recv(timeout=0.01)
            await peer.say(TEXT, "late")

            assert "late" == await ws.recv(timeout=5)

    @both_roles
    @behaviour
    async def test_with_no_time_at_all_takes_what_is_there(self, net: Net, role: str) -> None:
        """`recv(timeout=0)` can be called again and again, and gives each message once it has come."""
        async with net.facing(role) as (ws, peer):
            assert isinstance(await ended(ws.recv(timeout=0)), TimeoutError)
            await peer.say(TEXT, "here")
            error: BaseException | None = TimeoutError()
            while isinstance(error, TimeoutError):
                polling = asyncio.ensure_future(ws.recv(timeout=0))
                error = await ended(polling)

            assert "here" == polling.result()

    @both_roles
    @behaviour
    async def test_is_for_one_at_a_time(self, net: Net, role: str) -> None:
        """A second task or thread that receives at the same time gets a RuntimeError; the first is not disturbed."""
        async with net.facing(role) as (ws, peer):
            first = asyncio.ensure_future(ws.recv())
            assert await never(first)
            with pytest.raises(RuntimeError):
                await ws.recv()
            async with aclosing(ws.recv_streaming()) as pieces:
                with pytest.raises(RuntimeError):
                    await anext(pieces)
            await peer.say(TEXT, "for the first")

            assert "for the first" == await first

    @pytest.mark.parametrize("code", [1000, 1001, None])
    @behaviour
    async def test_by_iteration_ends_quietly_after_a_clean_close(self, net: Net, code: int | None) -> None:
        """1000, 1001 and a Close with no code end a loop over the messages, as a loop should end."""
        async with net.facing_client() as (ws, peer):
            await peer.send(peer.frame(TEXT, "a"), peer.frame(CLOSE, b"" if code is None else close_body(code)))

            assert ["a"] == [message async for message in ws]
            assert (code or 1005) == ws.close_code

    @pytest.mark.parametrize("code", [1006, 1011, 3000])
    @behaviour
    async def test_by_iteration_raises_otherwise(self, net: Net, code: int) -> None:
        """Any other end, and one with no Close at all, is raised out of the loop, after the messages."""
        messages = []

        async def iterate(ws: Any) -> None:
            async for message in ws:
                messages.append(message)  # noqa: PERF401

        async with net.facing_client() as (ws, peer):
            await peer.say(TEXT, "a")
            await peer.say(CLOSE, close_body(code)) if code != 1006 else peer.finish()

            assert code == await code_of(iterate(ws))
            assert ["a"] == messages

    @both_roles
    @behaviour
    async def test_in_pieces_begins_inside_a_frame(self, net: Net, role: str) -> None:
        """`recv_streaming` gives what is there of a frame before the rest has come, and characters whole."""
        async with net.facing(role) as (ws, peer):
            wire = peer.frame(TEXT, "İstanbul")
            pieces = ws.recv_streaming()
            first = asyncio.ensure_future(anext(pieces))
            await peer.send(wire[:-4])
            begin = await first
            await peer.send(wire[-4:])
            rest = [piece async for piece in pieces]

            assert "" < begin < "İstanbul"
            assert "İstanbul" == begin + "".join(rest)

    @both_roles
    @behaviour
    async def test_in_pieces_covers_all_fragments(self, net: Net, role: str) -> None:
        """The pieces of a fragmented message are the message, and nothing of the next one."""
        async with net.facing(role) as (ws, peer):
            await peer.say(BINARY, b"a", fin=False)
            await peer.say(PING)
            await peer.say(CONTINUATION, b"bc")
            await peer.say(TEXT, "next")

            async with aclosing(ws.recv_streaming()) as pieces:
                assert b"abc" == b"".join([piece async for piece in pieces])
            assert "next" == await ws.recv()

    @both_roles
    @pytest.mark.parametrize("then", ["recv", "recv_streaming"])
    @behaviour
    async def test_in_pieces_may_be_left_early(self, net: Net, role: str, then: str) -> None:
        """The rest of a message that is left is thrown away, also if it comes later."""
        async with net.facing(role) as (ws, peer):
            wire = peer.frame(BINARY, b"x" * 1000)
            await peer.send(wire[:500])
            async with aclosing(ws.recv_streaming()) as pieces:
                await anext(pieces)
            await peer.send(wire[500:], peer.frame(TEXT, "next"))

            if then == "recv":
                assert "next" == await ws.recv()
            else:
                assert ["next"] == [piece async for piece in ws.recv_streaming()]

    @behaviour
    async def test_in_pieces_survives_one_that_was_left(self, net: Net) -> None:
        """A stream that was left and is closed only later does not take the pieces from the next one."""
        async with net.facing_client() as (ws, peer):
            one, two = peer.frame(BINARY, b"1" * 100), peer.frame(BINARY, b"2" * 100)
            await peer.send(one[:50])
            left = ws.recv_streaming()
            await anext(left)
            await peer.send(one[50:], two[:50])
            pieces = ws.recv_streaming()
            begin = await anext(pieces)
            await left.aclose()
            first = asyncio.ensure_future(anext(pieces))
            await peer.send(two[50:-10])
            middle = await first
            await peer.send(two[-10:])

            assert 0 < len(begin) + len(middle) < 100
            assert b"2" * 100 == begin + middle + b"".join([piece async for piece in pieces])

    @both_roles
    @behaviour
    async def test_in_pieces_tells_the_end(self, net: Net, role: str) -> None:
        """At the end of the connection `recv_streaming` raises, and the peer's Close is answered at once."""
        async with net.facing(role) as (ws, peer):
            await peer.send(peer.frame(TEXT, "last"), peer.frame(CLOSE, close_body(3000)))

            assert ["last"] == [piece async for piece in ws.recv_streaming()]
            streaming = asyncio.ensure_future(code_of(anext(ws.recv_streaming())))
            assert 3000 == (await closed_by(peer))[0]
            peer.finish()
            assert 3000 == await streaming

    @both_roles
    @behaviour
    async def test_gives_all_that_came_before_the_end(self, net: Net, role: str) -> None:
        """Messages that came before a Close are given first, and then the end, as often as it is asked for."""
        async with net.facing(role) as (ws, peer):
            await peer.send(*(peer.frame(TEXT, str(n)) for n in range(5)), peer.frame(CLOSE, close_body(1000, "bye")))
            peer.finish()

            assert ["0", "1", "2", "3", "4"] == [await ws.recv() for _ in range(5)]
            assert [1000, 1000] == [await code_of(ws.recv()), await code_of(ws.recv())]
            assert (1000, "bye", "peer") == ws.closed[:3]

    @both_roles
    @behaviour
    async def test_gives_all_that_came_before_a_violation(self, net: Net, role: str) -> None:
        """A peer that breaks a rule is told which, after the good messages in front of it were received."""
        async with net.facing(role) as (ws, peer):
            await peer.send(peer.frame(TEXT, "good"), peer.frame(TEXT, b"\xff"))

            assert "good" == await ws.recv()
            receiving = asyncio.ensure_future(ended(ws.recv()))
            assert (1007, rules.TEXT_NOT_UTF8.text) == await closed_by(peer)
            peer.finish()
            error = await receiving
            assert isinstance(error, ConnectionClosed)
            assert (1007, "error") == (error.code, error.closed.by)


class TestPings:
    """Control frames."""

    @behaviour
    async def test_are_waited_for_behind_messages(self, net: Net) -> None:
        """A Pong that there was no room for is told when the messages in front of it are taken."""
        tap = Seeing()
        async with net.facing_server(tap=tap, receive_limit=1, ping_interval=None) as (ws, peer):
            pong = await ws.ping(b"?")
            waiting = asyncio.ensure_future(pong(5))
            end = peer.frame(PONG, b"?")
            await peer.send(peer.frame(TEXT, "one"), peer.frame(TEXT, "two"), end)
            await tap.until(end)

            assert "one" == await ws.recv()
            async with asyncio.timeout(1):
                assert 0 <= await waiting < 5
            assert "two" == await ws.recv()

    @both_roles
    @behaviour
    async def test_are_waited_for(self, net: Net, role: str) -> None:
        """A Ping gives back its latency when the peer has answered, while somebody else receives or nobody does."""
        async with net.facing(role) as (ws, peer):
            for payload in (b"one", b"two"):
                pong = await ws.ping(payload)
                assert (0x80 | PING, payload) == await peer.hear()
                waiting = asyncio.ensure_future(pong(5))
                await peer.say(PONG, payload)

                assert 0 <= await waiting < 5
                assert 0 <= ws.latency < 5

    @behaviour
    async def test_come_back_from_our_own_side(self, net: Net) -> None:
        """Two endpoints of ours answer each other's Pings while they receive."""
        async with net.pair() as ws:
            receiving = asyncio.ensure_future(ws.recv())
            latency = await (await ws.ping())(5)
            await ws.send("a")

            assert 0 <= latency < 5
            assert "a" == await receiving

    @behaviour
    async def test_stand_for_earlier_ones(self, net: Net) -> None:
        """The Pong to a later Ping answers the earlier ones too (section 5.5.3)."""
        async with net.facing_client() as (ws, peer):
            pongs = [await ws.ping(), await ws.ping(), await ws.ping()]
            payloads = [(await peer.hear())[1] for _ in pongs]
            await peer.say(PONG, payloads[1])
            await asyncio.gather(pongs[0](5), pongs[1](5))

            assert 3 == len(set(payloads))
            assert isinstance(await ended(pongs[2](0.01)), TimeoutError)

    @both_roles
    @behaviour
    async def test_that_are_never_answered_end_with_the_connection(self, net: Net, role: str) -> None:
        """Who waits for a Pong is told when the connection ends first."""
        async with net.facing(role) as (ws, peer):
            pong = await ws.ping()
            waiting = asyncio.ensure_future(pong(5))
            await peer.say(CLOSE, close_body(3001))

            assert 3001 == await code_of(waiting)
            assert 3001 == await code_of(ws.ping())

    @both_roles
    @behaviour
    async def test_are_answered_while_the_application_waits(self, net: Net, role: str) -> None:
        """A Ping is answered with its payload by whoever sits in `recv`; a Pong that nobody asked for is nothing."""
        async with net.facing(role) as (ws, peer):
            receiving = asyncio.ensure_future(ws.recv())
            await peer.say(PONG, b"unasked")
            await peer.say(PING, b"1")

            assert (0x80 | PONG, b"1") == await peer.hear()
            await peer.say(TEXT, "a")
            assert "a" == await receiving

    @both_roles
    @behaviour
    async def test_have_payloads_of_any_kind(self, net: Net, role: str) -> None:
        """Text stands for its UTF-8, 125 bytes at most; beyond it nothing is sent."""
        async with net.facing(role) as (ws, peer):
            await ws.pong("é")
            await ws.pong()
            for call in (ws.ping, ws.pong):
                with pytest.raises(LocalProtocolError):
                    await call(b"x" * 126)
            await ws.ping("x" * 125)

            heard = [await peer.hear() for _ in range(3)]
            assert [(0x8A, "é".encode()), (0x8A, b""), (0x89, b"x" * 125)] == heard


class TestClosing:
    """The closing handshake, from either side."""

    @pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "bye"), (3000, "ü" * 61), (4999, "")])
    @behaviour
    async def test_tells_both_sides(self, net: Net, code: int, reason: str) -> None:
        """The code and the reason that one side gives are what both sides see."""
        seen = asyncio.get_running_loop().create_future()

        async def handler(ws: Any) -> None:
            error = await ended(ws.recv())
            seen.set_result((ws.closed[:3], getattr(error, "code", None), getattr(error, "reason", None)))

        async with net.pair(handler) as ws:
            await ws.close(code, reason)

            assert ((code, reason, "peer"), code, reason) == await seen
            assert ((code, reason), code) == (ws.close_sent, ws.close_received[0])
            assert (code, "local") == (ws.closed.code, ws.closed.by)
            assert (code, State.CLOSED) == (ws.close_code, ws.state)

    @both_roles
    @behaviour
    async def test_may_have_no_code(self, net: Net, role: str) -> None:
        """`close(None)` sends a Close with an empty body, and the answer to it counts as 1005."""
        async with net.facing(role) as (ws, peer):
            closing = asyncio.ensure_future(ws.close(None))
            assert (0x80 | CLOSE, b"") == await peer.hear()
            await peer.say(CLOSE)
            peer.finish()
            await closing

            assert (1005, "") == (ws.close_code, ws.close_reason)

    @both_roles
    @behaviour
    async def test_ends_tcp_server_first(self, net: Net, role: str) -> None:
        """After both Close frames the server hangs up, and the client waits for that (section 7.1.1)."""
        async with net.facing(role) as (ws, peer):
            closing = asyncio.ensure_future(ws.close())
            assert 1000 == (await closed_by(peer))[0]
            await peer.say(CLOSE, close_body(1000))
            if role == "server":
                assert b"" == await peer.end()
            else:
                assert await never(closing)
            peer.finish()
            await closing

            assert (1000, "", "local") == ws.closed[:3]

    @both_roles
    @behaviour
    async def test_that_the_peer_begins_is_answered(self, net: Net, role: str) -> None:
        """The peer's code comes back to it while we sit in `recv`, and TCP ends."""
        async with net.facing(role) as (ws, peer):
            receiving = asyncio.ensure_future(ws.recv())
            await peer.say(CLOSE, close_body(3005, "why"))

            assert 3005 == (await closed_by(peer))[0]
            peer.finish()
            assert 3005 == await code_of(receiving)
            waiting = asyncio.ensure_future(ws.wait_closed())
            assert b"" == await peer.end()
            await waiting

    @both_roles
    @behaviour
    async def test_that_the_peer_does_not_wait_for_is_heard(self, net: Net, role: str) -> None:
        """A peer that is gone right behind its Close has closed, though our answer finds nobody."""
        async with net.facing(role) as (ws, peer):
            receiving = asyncio.ensure_future(ws.recv())
            await peer.say(CLOSE, close_body(1001))
            peer.close()

            assert 1001 == await code_of(receiving)
            await ws.wait_closed()

    @behaviour
    async def test_twice_only_waits(self, net: Net) -> None:
        """Closing what is closed, or closing, changes nothing and returns."""
        async with net.pair() as ws:
            await asyncio.gather(ws.close(3000), ws.close(3000), ws.close(3000))
            await ws.close(1011)

            assert 3000 == ws.close_code

    @behaviour
    async def test_reaches_who_is_receiving(self, net: Net) -> None:
        """`close` from another task or thread returns at once, and the receiver is told the code."""
        async with net.pair() as ws:
            receiving = asyncio.ensure_future(ws.recv())
            assert await never(receiving)
            async with asyncio.timeout(1):
                await ws.close(3000, "enough")

            error = await ended(receiving)
            assert isinstance(error, ConnectionClosed)
            assert 3000 == error.code

    @behaviour
    async def test_leaves_what_came_before(self, net: Net) -> None:
        """Messages that came before can be received after `close`, and then the end."""
        async with net.facing_server() as (ws, peer):
            await peer.send(peer.frame(TEXT, "a"), peer.frame(TEXT, "b"), peer.frame(CLOSE, close_body(1000)))
            peer.finish()
            assert "a" == await ws.recv()
            await ws.close()

            assert "b" == await ws.recv()
            assert 1000 == await code_of(ws.recv())

    @both_roles
    @behaviour
    async def test_sends_all_that_was_queued_before(self, net: Net, role: str) -> None:
        """What was sent goes out before the Close, however much it is."""
        async with net.facing(role) as (ws, peer):
            sending = asyncio.ensure_future(ws.send(b"x" * 2**20))
            heard = await peer.hear()
            await sending
            closing = asyncio.ensure_future(ws.close())

            assert 2**20 == len(heard[1])
            assert 1000 == (await closed_by(peer))[0]
            await peer.say(CLOSE, close_body(1000))
            peer.finish()
            await closing

    @both_roles
    @behaviour
    async def test_ends_sending(self, net: Net, role: str) -> None:
        """After the end, whoever ended it, sending raises `ConnectionClosed` with the code."""
        async with net.facing(role) as (ws, peer):
            await peer.say(CLOSE, close_body(3002, "gone"))
            peer.finish()
            assert 3002 == await code_of(ws.recv())
            errors = [await ended(call) for call in (ws.send("a"), ws.send(["a", "b"]), ws.ping(), ws.pong())]

            assert [(3002, "gone")] * 4 == [(error.code, error.reason) for error in errors]  # type: ignore[union-attr]
            assert not any(isinstance(error, NotOpen) for error in errors)

    @both_roles
    @behaviour
    async def test_ends_sending_at_once(self, net: Net, role: str) -> None:
        """Once our Close is sent nothing can follow it, though the peer has not answered yet."""
        async with net.facing(role) as (ws, peer):
            closing = asyncio.ensure_future(ws.close(3003, "done"))
            assert (3003, "done") == await closed_by(peer)

            assert 3003 == await code_of(ws.send("late"))
            assert State.CLOSING is ws.state
            await peer.say(CLOSE, close_body(3003))
            peer.finish()
            await closing

    @pytest.mark.parametrize("wrong", [(1005,), (1006,), (999,), (5000,), (1000, "x" * 124), (None, "a reason")])
    @behaviour
    async def test_refuses_what_cannot_be_sent(self, net: Net, wrong: Any) -> None:
        """A code that may not be sent, or a reason that is too long, is the caller's fault; the connection stays."""
        async with net.pair() as ws:
            with pytest.raises(LocalProtocolError):
                await ws.close(*wrong)

            await ws.send("still here")
            assert "still here" == await ws.recv()

    @behaviour
    async def test_follows_from_the_block(self, net: Net) -> None:
        """A `with` block that ends closes with 1000, and with 1011 if it raised."""
        for error, code in ((None, 1000), (LookupError(), 1011)):
            async with net.facing_server() as (ws, peer):
                leaving = asyncio.ensure_future(ws.__aexit__(error and type(error), error, None))

                assert code == (await closed_by(peer))[0]
                await peer.say(CLOSE, close_body(code))
                peer.finish()
                assert None is await leaving

    @behaviour
    async def test_waits_for_the_answers(self, net: Net) -> None:
        """A hundred messages and a Close in one go get a hundred answers and a Close."""
        async with net.serve() as server, await called(server.port) as peer:
            await peer.ask(server.port)
            await peer.send(*(peer.frame(TEXT, str(n)) for n in range(100)), peer.frame(CLOSE, close_body(1000)))

            assert [(0x81, str(n).encode()) for n in range(100)] == [await peer.hear() for _ in range(100)]
            assert 1000 == (await closed_by(peer))[0]
            assert b"" == await peer.end()

    @pytest.mark.parametrize("how", ["in one segment", "in two"])
    @behaviour
    async def test_waits_for_slow_answers(self, net: Net, how: str) -> None:
        """Three messages that came together all have the closing timeout for their answers, not a fifth of it."""
        begun, done = asyncio.Event(), asyncio.Event()

        async def handler(ws: Any) -> None:
            try:
                await ws.send(await ws.recv())
                for delay in (0.45, 0.45, 0):  # of 2 s; a fifth is 0.4
                    message = await ws.recv()
                    begun.set()
                    await asyncio.sleep(delay)
                    await ws.send(message)
                    await ws.flush()  # Else a thread writes with the last answer, and sees no Close before.
                await ended(ws.recv())
            finally:
                done.set()

        async with net.serve(handler, close_timeout=2) as server, await called(server.port) as peer:
            await peer.ask(server.port)
            await peer.say(TEXT, "0")
            assert (0x81, b"0") == await peer.hear()
            messages, close = [peer.frame(TEXT, text) for text in "123"], peer.frame(CLOSE, close_body(1000))
            if how == "in one segment":
                await peer.send(*messages, close)
            else:
                await peer.send(*messages)
                await begun.wait()
                await peer.send(close)

            answers = [(0x81, b"1"), (0x81, b"2"), (0x81, b"3"), (0x88, close_body(1000))]
            assert answers == [await peer.hear() for _ in range(4)]
            await done.wait()

    @behaviour
    async def test_ends_a_feed(self, net: Net) -> None:
        """A handler that received once, and now only sends, does not keep its client waiting until that gives up."""

        async def handler(ws: Any) -> None:
            await ws.recv()
            while True:
                await ws.send("tick")

        async with net.pair(handler, close_timeout=1) as ws:
            await ws.send("subscribe")
            assert "tick" == await ws.recv()
            await ws.close()

            assert (1000, "local") == (ws.closed.code, ws.closed.by)

    @both_roles
    @behaviour
    async def test_can_be_skipped(self, net: Net, role: str) -> None:
        """`abort` drops the connection: no Close is sent, and who receives is told 1006."""
        async with net.facing(role) as (ws, peer):
            receiving = asyncio.ensure_future(ws.recv())
            assert await never(receiving)
            await ws.abort()
            await ws.abort()

            assert 1006 == await code_of(receiving)
            assert 1006 == await code_of(ws.send("late"))
            assert await ended(peer.read(1)) is not None
            await ws.wait_closed()
            assert (1006, "local") == (ws.closed.code, ws.closed.by)
