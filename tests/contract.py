"""What any transport must do with an open connection, written once; `test_aio` and `test_blocking` run it.

Each behaviour is given `net`, the transport behind one face (see `net.Net`), and where it matters plays both roles.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from rawws import ConnectionClosed, LocalProtocolError
from rawws.core import rules
from tests.net import Net, Peer, behaviour, ended
from tests.wire import BINARY, CLOSE, CONTINUATION, TEXT

both_roles = pytest.mark.parametrize("role", ["client", "server"])


async def code_of(ending: Any) -> int:
    """The code of the `ConnectionClosed` that ends this."""
    error = await ended(ending)
    assert isinstance(error, ConnectionClosed), error
    return error.code


async def never(task: "asyncio.Future[Any]") -> bool:
    """Whether this goes on waiting, as far as a moment can tell."""
    done, _ = await asyncio.wait([task], timeout=0.1)
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

    @pytest.mark.parametrize("wrong", [5, None, {"a": 1}, object(), [5], [None, "a"]], ids=repr)
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
            error = await ended(ws.recv())
            assert isinstance(error, ConnectionClosed)
            assert (1009, rules.MESSAGE_TOO_BIG) == (error.code, error.closed.error and error.closed.error.rule)
            assert 1009 == (await closed_by(peer))[0]

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

        async def send_all(ws: Any) -> None:
            for _ in range(count):
                await ws.send(message)

        async def receive_all(ws: Any) -> list[Any]:
            return [await ws.recv() for _ in range(count)]

        async def handler(ws: Any) -> None:
            await asyncio.gather(send_all(ws), send_all(ws), receive_all(ws))
            await ws.recv()

        async with net.pair(handler) as ws:
            _, received, _ = await asyncio.gather(send_all(ws), receive_all(ws), receive_all_later(ws, 0))
            assert [message] * count == received

    @behaviour
    async def test_may_be_bigger_than_the_buffers(self, net: Net) -> None:
        """Messages that fill every buffer on the way are echoed while the client goes on sending."""
        message, count = b"x" * 500_000, 30
        async with net.pair() as ws:

            async def send_all() -> None:
                for _ in range(count):
                    await ws.send(message)

            sending = asyncio.ensure_future(send_all())
            for _ in range(count):
                assert message == await ws.recv()
            await sending


async def receive_all_later(ws: Any, count: int) -> list[Any]:
    return [await ws.recv() for _ in range(count)]
