"""The feed as several processes, with a Redis between them."""

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from examples.feed.book import Position
from examples.feed.market import SYMBOLS
from examples.feed.view import View
from rawws import Backoff, ConnectionClosed
from rawws.aio import WebSocket, reconnect
from tests.examples import processes
from tests.examples.feeding import EURO, SECONDS, in_time, running
from tests.examples.processes import free_port, needed
from tests.interop.links import missing

NAMES = [symbol.symbol for symbol in SYMBOLS]


@contextmanager
def redis_server(folder: Path, port: int = 0) -> Iterator[int]:
    """A Redis of one's own, that writes nothing down; its port."""
    if find_spec("redis") is None:
        missing("there is no package redis")
    port = port or free_port()
    options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder, "--logfile", folder / "log"]
    with processes.running(needed("redis-server"), *map(str, options)):
        deadline = time.monotonic() + SECONDS
        while not answers(port):
            assert time.monotonic() < deadline, "Redis did not start"
            time.sleep(0.02)
        yield port


def answers(port: int) -> bool:
    """Whether Redis is there."""
    try:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"PING\r\n")
            return sock.recv(100) == b"+PONG\r\n"
    except OSError:
        return False


class Witness:
    """A reader who connects again, and remembers every state that it was in."""

    def __init__(self) -> None:
        self.view = View(NAMES)
        self.states: dict[tuple[str, Position], str] = {}
        self.processes: list[int] = []

    async def run(self, url: str) -> None:
        """Read for ever."""
        async for ws in reconnect(url, backoff=Backoff(first=0.2, most=0.5)):
            with suppress(ConnectionClosed):
                async with ws:
                    await self.read(ws)

    async def read(self, ws: WebSocket) -> None:
        """One connection."""
        for request in self.view.requests():
            await ws.send(request)
        async for message in ws:
            assert self.view.take(message) is None
            told = json.loads(message)
            if told["type"] == "welcome":
                self.processes.append(told["process"])
            elif "symbol" in told:
                book = self.view.books[told["symbol"]]
                self.states[book.symbol, book.position] = repr((sorted(book.bids.items()), sorted(book.asks.items())))

    def sequence(self, run: str | None = None) -> int:
        """How far it is with all symbols, in a run or in any."""
        books = self.view.books.values()
        right = len(books) == len(NAMES) and all(run in (None, book.run) for book in books)
        return min(book.sequence for book in books) if right else 0


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    while not true():
        await asyncio.sleep(0.02)


@asynccontextmanager
async def witnesses(url: str) -> AsyncIterator[list[Witness]]:
    """Readers on three processes, until the block ends; none of them sees a gap, and all see the same."""
    found = [Witness() for _ in range(12)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run(url.replace("http", "ws"))) for one in found]
        while len({process for one in found for process in one.processes[-1:]}) < 3:
            found.append(Witness())
            tasks.append(group.create_task(found[-1].run(url.replace("http", "ws"))))
            await asyncio.sleep(0.1)
        await until(lambda: all(one.sequence() for one in found))
        yield found
        for task in tasks:
            task.cancel()
    states: dict[tuple[str, Position], set[str]] = {}
    for one in found:
        for state, book in one.states.items():
            states.setdefault(state, set()).add(book)
    assert {1} == {len(books) for books in states.values()}


@in_time
async def test_three_processes_tell_the_same(tmp_path):
    """Whoever reads from whichever process has the same book at the same number, also when a process is killed.

    Those who read from it come back at another one, which leads them on from where they were.
    """
    with redis_server(tmp_path) as redis:
        options = "--redis", f"redis://127.0.0.1:{redis}", "--processes", "3", "--rate", "10"
        with running(*options) as url:
            async with witnesses(url) as readers:
                killed = readers[0].processes[-1]
                struck = [one for one in readers if one.processes[-1] == killed]
                run = readers[0].view.books[EURO].run
                os.kill(killed, signal.SIGKILL)
                await until(lambda: all(len(one.processes) > 1 for one in struck))
                goal = max(one.sequence() for one in readers) + 5
                await until(lambda: all(one.sequence(run) >= goal for one in readers))

    assert 0 < len(struck) < len(readers)
    assert all(len(one.processes) == 1 for one in readers if one not in struck)


@in_time
async def test_redis_may_go_and_come_back(tmp_path):
    """Meanwhile prices stand still; then everybody goes on with the present, and nobody was disconnected."""
    redis = ExitStack()
    port = redis.enter_context(redis_server(tmp_path))
    options = "--redis", f"redis://127.0.0.1:{port}", "--processes", "3", "--rate", "10"
    with redis, running(*options, complaint="Redis: ") as url:
        async with witnesses(url) as readers:
            run = readers[0].view.books[EURO].run
            redis.close()
            await asyncio.sleep(1)
            with redis_server(tmp_path, port):
                goal = max(one.sequence() for one in readers) + 15
                await until(lambda: all(one.sequence(run) >= goal for one in readers))

    assert {1} == {len(one.processes) for one in readers}
