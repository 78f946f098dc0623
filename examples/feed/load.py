"""A run with many readers: `python -m examples.feed.load [--redis URL --processes 3]`.

It starts the server, and reads from it in this process.  Most readers read what comes as it comes; the slow ones sleep
in between, so that more comes than they can read.  One reader remembers every state; at the end, each of the others is
to be in one of these, and the slow ones in one of the newest as soon as they do not sleep any more.
"""

import argparse
import asyncio
import socket
import sys
from contextlib import suppress
from pathlib import Path
from statistics import quantiles
from time import time

from examples.feed.book import Position
from examples.feed.market import SYMBOLS
from examples.feed.view import View
from rawws.aio import WebSocket, connect

NAMES = [symbol.symbol for symbol in SYMBOLS]
FOLLOWED = 2
"""Symbols that a quick reader follows; a slow one follows all."""
NAP = 3.0
"""Seconds for which a slow reader sleeps, before it reads a few messages."""
FEW = 20
ENOUGH = 30.0
"""Seconds in which the slow ones are to catch up when they do not sleep any more."""


class Reader:
    """One of many, who reads what comes as it comes."""

    def __init__(self, *symbols: str) -> None:
        self.view = View(symbols)
        self.messages = 0
        self.latencies: list[float] = []
        self.awake = asyncio.Event()

    async def run(self, url: str) -> None:
        """Read, until it is cancelled."""
        async with connect(url, sock=self._socket(url), receive_limit=4096) as ws:
            for request in self.view.requests():
                await ws.send(request)
            while True:
                await self._read(ws)

    def _socket(self, url: str) -> socket.socket | None:
        return None

    async def _read(self, ws: WebSocket) -> None:
        message = await ws.recv()
        self.messages += 1
        made = self.view.made
        if (answer := self.view.take(message)) is not None:
            await ws.send(answer)
        if self.view.made != made:
            self.latencies.append(time() - self.view.made)
        self._learned()

    def _learned(self) -> None:
        """Something came."""

    def is_at(self, goal: dict[str, int]) -> bool:
        """Whether it is as far as that, with all that it follows."""
        books = self.view.books
        return all(symbol in books and books[symbol].sequence >= goal[symbol] for symbol in self.view.wanted)


class Slow(Reader):
    """One who sleeps most of the time, and whose own system holds little for it meanwhile."""

    def _socket(self, url: str) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        return sock

    async def _read(self, ws: WebSocket) -> None:
        for _ in range(FEW):
            await super()._read(ws)
        with suppress(TimeoutError):
            async with asyncio.timeout(NAP):
                await self.awake.wait()


class Recorder(Reader):
    """One who remembers every state."""

    def __init__(self) -> None:
        super().__init__(*NAMES)
        self.states: dict[tuple[str, Position], tuple[object, ...]] = {}

    def _learned(self) -> None:
        for book in self.view.books.values():
            if (state := (book.symbol, book.position)) not in self.states:
                self.states[state] = dict(book.bids), dict(book.asks), tuple(book.prices)

    def knows(self, reader: Reader) -> bool:
        """Whether each book of a reader is as it was here at that number."""
        books = reader.view.books.values()
        return all(self.states.get((b.symbol, b.position)) == (b.bids, b.asks, tuple(b.prices)) for b in books)


async def measure(url: str, server: int, arguments: argparse.Namespace) -> bool:
    """Run with readers, and tell how it was; whether all was well."""
    recorder = Recorder()
    quick = [Reader(*(NAMES * 2)[n % 8 : n % 8 + FOLLOWED]) for n in range(arguments.readers - arguments.slow)]
    slow = [Slow(*NAMES) for _ in range(arguments.slow)]
    before = memory(server)
    tasks = [asyncio.create_task(reader.run(url)) for reader in [recorder, *quick, *slow]]
    while not all(reader.is_at(dict.fromkeys(NAMES, 0)) for reader in [recorder, *quick, *slow]):
        await asyncio.sleep(0.1)
    for reader in quick:  # What it takes to let them all in at once is not what is measured.
        reader.latencies.clear()
        reader.messages = 0
    await asyncio.wait(tasks, timeout=arguments.seconds, return_when=asyncio.FIRST_COMPLETED)
    after = memory(server)
    centiles = quantiles([one for reader in quick for one in reader.latencies], n=100)
    messages = sum(reader.messages for reader in quick)
    goal = {symbol: book.sequence for symbol, book in recorder.view.books.items()}
    lag = max((goal[symbol] - book.sequence for one in slow for symbol, book in one.view.books.items()), default=0)
    for one in slow:
        one.awake.set()
    end = time() + ENOUGH
    while not all(reader.is_at(goal) for reader in [*quick, *slow]) and time() < end:
        await asyncio.sleep(0.1)
    there = [reader for reader in [*quick, *slow] if reader.is_at(goal)]
    for task in tasks[1:]:
        task.cancel()
    await asyncio.sleep(1)  # for the recorder to be as far as everybody else
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    right = sum(recorder.knows(reader) for reader in there)
    gaps = sum(reader.view.gaps for reader in [*quick, *slow])
    conflated = sum(reader.view.conflated for reader in slow)
    print(f"processes that serve    {len({reader.view.process for reader in [*quick, *slow]})}")
    print(f"messages to quick ones  {messages:,}")
    print(f"latency of these        p50 {centiles[49] * 1000:.1f} ms, p99 {centiles[98] * 1000:.1f} ms")
    print(f"messages to slow ones   {sum(reader.messages for reader in slow):,}, conflated {conflated:,} times")
    print(f"the slowest was behind  {lag:,} changes of one symbol, before it caught up")
    print(f"gaps                    {gaps}")
    print(f"right at the end        {right} of {len(quick) + len(slow)}")
    print(f"memory, all processes   {before:.0f} MiB without readers, {after:.0f} MiB with them")
    return right == len(quick) + len(slow) and not gaps


def memory(pid: int) -> float:
    """MiB that a process holds, and those that it started."""
    status = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(status) / 1024 + sum(memory(int(child)) for child in children)


async def run(arguments: argparse.Namespace) -> int:
    """Start the server, and measure."""
    words = ["--port", "0", "--rate", str(arguments.rate)]
    if arguments.redis:
        words += ["--redis", arguments.redis, "--processes", str(arguments.processes)]
    command = sys.executable, "-m", "examples.feed", *words
    server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    try:
        url = (await server.stdout.readline()).decode().split()[1].replace("http", "ws").rstrip("/")
        await asyncio.sleep(2 if arguments.redis else 0)  # for all processes to be there
        return 0 if await measure(url, server.pid, arguments) else 1
    finally:
        server.terminate()
        await server.wait()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m examples.feed.load", description="The feed with many readers.")
    parser.add_argument("--readers", type=int, default=500)
    parser.add_argument("--slow", type=int, default=50, help="of them")
    parser.add_argument("--rate", type=float, default=10.0, help="changes of each price in a second (10)")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--redis", metavar="URL", help="join several processes: redis://localhost:6379")
    parser.add_argument("--processes", type=int, default=3, help="that serve, with --redis (3)")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
