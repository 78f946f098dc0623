"""Sending to many over loopback: what one recipient costs the server, in CPU time.

    python -m bench.broadcast               # 1,000 connections, about four minutes
    python -m bench.broadcast --connections 200 --rounds 3

Each server runs in a process of its own and sends whatever comes on one connection to all.  One client says something,
and goes on when everybody has got it: JSON of 1 KiB, all different, alone or eight at once, and where compression was
agreed on, compressed.  A cell is the server's CPU time in microseconds for each message and recipient, user and kernel,
all its threads; in parentheses the ratio to `broadcast` of websockets in the same run, above 1 if it costs less.
Rounds are interleaved, all servers in each, and the median counts.  `rawws` and `websockets` are their `broadcast`,
`rawws threads` that of the blocking transport, and `send` a loop of it; `tcp` makes a frame once and writes it to the
transports of asyncio: nobody can be cheaper on this event loop.  `bytes` are those of a compressed payload.
"""

import argparse
import resource
import selectors
import socket
import statistics
import time
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from bench.compressed import EMPTY_BLOCK, OFFER, agreed
from bench.echo import measure_memory
from bench.hubs import HUBS
from bench.load import KEY, READ, REQUEST, Process, hang_up, on_one_core, open_connection, running, shake_hands
from bench.records import messages
from bench.report import Cost, Costs, as_json, heading, median, present, progress, row_of, table
from rawws.core.frames import RSV1, Opcode, decode_header, encode_frame

SIZE = 1024


class Scenario(NamedTuple):
    """How it is sent."""

    name: str
    at_once: int = 1
    """Messages that are said before any is awaited."""
    compressed: bool = False


SCENARIOS = (
    Scenario("1 KiB"),
    Scenario("1 KiB, 8 at once", 8),
    Scenario("1 KiB, compressed", 1, True),
    Scenario("1 KiB, compressed, 8 at once", 8, True),
)


class Listener:
    """A connection that counts what it hears, and keeps it if it is to be looked at."""

    def __init__(self, sock: socket.socket, keeps: bool, bits: int) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.heard = 0
        self.sizes: list[int] = []
        self._rest = b""
        self._keeps = keeps
        self._bits = bits
        self._kept: list[tuple[bool, bytes]] = []

    def pull(self) -> int:
        """Read once; how many messages came whole by that."""
        data = self._rest + self.sock.recv(READ)
        if not data:
            raise ConnectionError("the server ended the connection")
        before, at = self.heard, 0
        while (header := decode_header(data, at)) is not None and at + header.size + header.length <= len(data):
            begin = at + header.size
            at = begin + header.length
            if header.opcode == Opcode.PING:
                continue
            self.heard += 1
            self.sizes.append(header.length)
            if self._keeps:
                self._kept.append((bool(header.rsv & RSV1), data[begin:at]))
        self._rest = data[at:]
        return self.heard - before

    def check(self, said: Sequence[bytes], compressed: bool) -> None:
        """Raise `AssertionError` if it has heard something else."""
        stream = zlib.decompressobj(-self._bits)
        for expected, (is_compressed, payload) in zip(said, self._kept):
            if is_compressed != compressed:
                raise AssertionError("a message is not compressed as it was agreed on")
            if expected != (stream.decompress(payload + EMPTY_BLOCK) if compressed else payload):
                raise AssertionError("the server sent something else than was said")


class Room:
    """So many connections to a server, of which one speaks."""

    def __init__(self, process: Process, count: int, compressed: bool) -> None:
        self.compressed = compressed
        self.said: list[bytes] = []
        self.listeners = [self._enter(process.port, number) for number in range(count)]
        self._selector = selectors.DefaultSelector()
        for listener in self.listeners:
            self._selector.register(listener.sock, selectors.EVENT_READ, listener)

    def _enter(self, port: int, number: int) -> Listener:
        sock = open_connection(port, handshake=False)
        answer = shake_hands(sock, REQUEST[:-2] + (OFFER if self.compressed else b"") + b"\r\n")
        return Listener(sock, number % 100 == 0, agreed(answer).server if self.compressed else 15)

    def say(self, texts: Sequence[bytes]) -> None:
        """Say these, and wait until everybody has heard them."""
        self.said += texts
        frames = b"".join(encode_frame(Opcode.TEXT, text, KEY) for text in texts)
        self.listeners[0].sock.setblocking(True)
        self.listeners[0].sock.sendall(frames)
        self.listeners[0].sock.setblocking(False)
        missing = len(texts) * len(self.listeners)
        while missing:
            ready = self._selector.select(30)
            if not ready:
                raise TimeoutError(f"{missing} messages have not come for 30 s")
            missing -= sum(key.data.pull() for key, _ in ready)

    def leave(self) -> float:
        """See whether all was right, and go; the mean size of a payload."""
        for listener in self.listeners:
            listener.check(self.said, self.compressed)
        self._selector.close()
        hang_up([listener.sock for listener in self.listeners], True)
        return statistics.fmean(size for listener in self.listeners for size in listener.sizes)


class Measured(NamedTuple):
    """What one recipient cost, and the bytes that it was sent."""

    cost: Cost
    size: float


def measure(process: Process, scenario: Scenario, connections: int, times: int) -> Measured:
    """Say something that many times, on fresh connections."""
    room = Room(process, connections, scenario.compressed)
    texts = messages(SIZE, (times + 2) * scenario.at_once)
    batches = [texts[at : at + scenario.at_once] for at in range(0, len(texts), scenario.at_once)]
    for batch in batches[:2]:
        room.say(batch)
    cpu, wall = process.cpu(), time.perf_counter()
    for batch in batches[2:]:
        room.say(batch)
    cpu, wall = process.cpu() - cpu, time.perf_counter() - wall
    count = times * scenario.at_once * connections
    return Measured(Cost(cpu / count * 1e6, wall / count * 1e6, count), room.leave())


def memory(process: Process, connections: int) -> float:
    """KiB of memory for one more connection that has heard ten compressed messages; of a fresh process."""
    texts = messages(SIZE, 10)
    rooms = [Room(process, 20, compressed=True)]
    rooms[0].say(texts)
    before = process.memory()
    rooms.append(Room(process, connections, compressed=True))
    for text in texts:  # All hear what is said in any room.
        rooms[1].say([text])
    grown = process.memory() - before
    for room in rooms:
        hang_up([listener.sock for listener in room.listeners], True)
    return grown / connections / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.broadcast", description="Sending to many: CPU a recipient")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=20, help="of one measurement")
    parser.add_argument("--listening", type=int, default=500, help="connections, for the memory; 0 leaves it out")
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    parser.add_argument("--servers", nargs="+", choices=HUBS, metavar="NAME", help=f"of {', '.join(HUBS)}")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one round, few connections")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.times, options.connections, options.listening = 1, 2, 10, 10
    names = [name for name in present(HUBS) if not options.servers or name in options.servers]
    scenarios = [scenario for scenario in SCENARIOS if options.only in scenario.name]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    on_one_core()
    taken: dict[str, dict[str, list[Measured]]] = {scenario.name: {} for scenario in scenarios}
    with running(names, "bench.hubs") as processes:
        for number in range(1, options.rounds + 1):
            for scenario in scenarios:
                for name, process in processes.items():
                    if scenario.compressed and name == "tcp":
                        continue
                    progress(f"round {number} of {options.rounds}: {scenario.name}: {name}")
                    found = measure(process, scenario, options.connections, options.times)
                    taken[scenario.name].setdefault(name, []).append(found)
    progress("")
    remembered = {}
    if options.listening:
        names_compressed = [name for name in names if name != "tcp"]
        remembered = measure_memory(names_compressed, options.listening, memory, "bench.hubs")
    costs: Costs = {}
    sizes: dict[str, float] = {}
    for scenario in scenarios:
        of = taken[scenario.name]
        costs[scenario.name] = {name: median([each.cost for each in found]) for name, found in of.items()}
        if scenario.compressed:
            sizes = {name: statistics.median(each.size for each in found) for name, found in of.items()}
    more = {"bytes of a compressed payload": sizes, "KiB of memory a connection, compressed": remembered}
    print(as_json(costs, **more) if options.json else as_table(costs, more, names))


def as_table(costs: Costs, more: dict[str, dict[str, float]], names: Sequence[str]) -> str:
    """A line for each scenario, a column for each server; no figure for who does not take part."""
    rows = [["server CPU µs a recipient (websockets / it)", *names]]
    for scenario, of in costs.items():
        cells = dict(zip(of, row_of({name: cost.cpu for name, cost in of.items()}, list(of))))
        rows.append([scenario, *(cells.get(name, "-") for name in names)])
    for title, of_one in more.items():
        if of_one:
            rows.append([title, *(f"{of_one[name]:.3g}" if name in of_one else "-" for name in names)])
    return f"{heading()}\n\n{table(rows)}"


if __name__ == "__main__":
    main()
