"""How much is read at once over asyncio, and long messages that a read ends in the midst of."""

import asyncio
from typing import Any

import pytest

from rawws.aio import CallbackSocket, connect, reads, serve, serve_callbacks
from rawws.core.messages import LONG, MOST_WAITING
from tests.net import behaviour, called
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.wire import BINARY, CONTINUATION, PING, TEXT

QUICKLY, SLOWLY = reads.QUICK / 2, reads.LONG * 2
LAST = len(reads.SIZES) - 1


class TestSizes:
    """Which size of a read follows which."""

    @pytest.mark.parametrize("read", range(reads.MOST))
    def test_grow_while_reads_are_quick(self, read: int) -> None:
        """What came in a quick read is much in little time."""
        assert read + 1 == reads.after(read, QUICKLY, amid=False)

    @pytest.mark.parametrize("read", range(1, LAST + 1))
    def test_shrink_when_one_took_long(self, read: int) -> None:
        """Others on the loop have waited."""
        assert read - 1 == reads.after(read, SLOWLY, amid=True)

    def test_end_at_the_least_and_the_most(self) -> None:
        """There is no other size."""
        assert [0, LAST] == [reads.after(0, SLOWLY, amid=False), reads.after(LAST, QUICKLY, amid=True)]

    @pytest.mark.parametrize("read", [reads.MOST, LAST])
    def test_are_the_longest_only_amid_long_messages(self, read: int) -> None:
        """So many bytes might be a great many frames."""
        assert [reads.MOST, LAST] == [reads.after(read, QUICKLY, amid) for amid in (False, True)]

    def test_are_parts_of_one_buffer(self) -> None:
        """In front of all of them lies the same room."""
        *parts, whole = reads.new_buffers()
        for number, part in enumerate(parts):
            part[0] = number + 1
            assert number + 1 == whole[reads.ROOM]
            assert reads.SIZES[number] == len(part)
        assert reads.ROOM + reads.SIZES[-1] == len(whole)


SIZES = [LONG, LONG - 1, MOST_WAITING, MOST_WAITING + 1, 100_000, 300_000, 5, 40_000, 65_535]
"""Of messages: so long that they may wait for their rest, and others."""


def message(number: int) -> bytes:
    """Another one for each number, and of another size than the one before."""
    return bytes([number % 256]) * SIZES[number % len(SIZES)]


class Echo(CallbackSocket):
    def on_message(self, message: str | bytes) -> None:
        self.send(message)


async def echo(ws: Any) -> None:
    async for each in ws:
        await ws.send(each)


async def slow_echo(ws: Any) -> None:
    async for each in ws:
        await asyncio.sleep(0)
        await ws.send(each)


async def streaming_echo(ws: Any) -> None:
    while True:
        pieces = [piece async for piece in ws.recv_streaming()]
        await ws.send(b"".join(pieces))
        await ws.send(await ws.recv())


HANDLERS: dict[str, Any] = {"tasks": echo, "tasks that wait": slow_echo, "streaming": streaming_echo, "callbacks": None}


def serving(how: str) -> Any:
    """A server that echoes in this way."""
    handler = HANDLERS[how]
    return serve_callbacks(Echo, "127.0.0.1", 0) if handler is None else serve(handler, "127.0.0.1", 0)


class TestLongMessages:
    """Long messages behind one another."""

    @pytest.mark.parametrize("how", HANDLERS)
    @behaviour
    async def test_come_back_as_they_were_sent(self, how: str) -> None:
        """Whatever the reads were that they came in."""
        count = 10 * len(SIZES)
        async with serving(how) as server, connect(f"ws://127.0.0.1:{server.port}") as ws:

            async def ask() -> None:
                for number in range(count):
                    await ws.send(message(number))

            asking = asyncio.ensure_future(ask())
            for number in range(count):
                assert message(number) == await ws.recv()
            await asking

    @pytest.mark.parametrize("how", ["tasks", "callbacks"])
    @behaviour
    async def test_may_have_anything_between_them(self, how: str) -> None:
        """A Ping, a message in fragments, a short one: each is answered, in its place."""
        async with serving(how) as server, await called(server.port) as peer:
            await peer.ask(server.port)
            asked = [
                peer.frame(BINARY, bytes(MOST_WAITING)) * 12,
                peer.frame(PING, b"Hi"),
                peer.frame(TEXT, "x" * 40_000) * 9,
                peer.frame(BINARY, bytes(50_000), fin=False) + peer.frame(CONTINUATION, b"end"),
                peer.frame(BINARY, b"last"),
            ]
            asking = asyncio.ensure_future(peer.send(*asked))
            answers = [await peer.hear() for _ in range(24)]
            await asking

        assert {(0x8A, b"Hi"), (0x82, b"last")} < set(answers)
