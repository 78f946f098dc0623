"""A load run: so many members in so many rooms talk, and everything that was said is looked for at everybody.

    python -m examples.chat.load                                       # starts a server of one process
    python -m examples.chat.load --redis redis://localhost --processes 3
    python -m examples.chat.load --kill 3 …                            # kills one of the processes after 3 seconds

The members are in this process, so that one clock measures from `say` to what each other member shows.
"""

import argparse
import asyncio
import os
import random
import re
import signal
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from examples.chat.client import Line
from examples.chat.member import Member
from rawws import Backoff
from rawws.aio import reconnect


class Crowd:
    """All members, and what they have seen.

    Attributes:
        lost_connections: how many were.
        latencies: seconds from `say` to what a member has shown, of each.
        shown: what each member has shown, in order.
        lines: their connections.
        begun: whether all are there and talk.
    """

    def __init__(self, where: str, members: int, rooms: int) -> None:
        self.lost_connections = 0
        self.latencies: list[float] = []
        self.shown: dict[Member, list[str]] = {}
        self.lines: list[Line] = []
        self.begun = asyncio.Event()
        self._said_at: dict[str, float] = {}
        self._here: set[Member] = set()
        for number in range(members):
            member = Member(f"room {number % rooms}", f"member {number}")
            self.shown[member] = []
            connections = reconnect(f"ws://{where}", backoff=Backoff(first=0.2, most=2))
            self.lines.append(Line(connections, member, self._ear_of(member)))

    async def run(self, messages: int, interval: float) -> None:
        """Come, talk, and stay until everybody has seen everything; raises `TimeoutError` if that takes too long."""
        staying = [asyncio.create_task(line.stay()) for line in self.lines]
        try:
            async with asyncio.timeout(60):
                while len(self._here) < len(self.lines):
                    await asyncio.sleep(0.01)
            self.begun.set()
            await asyncio.gather(*(self._talk(line, messages, interval) for line in self.lines))
            async with asyncio.timeout(60):
                while self.lost or any(line.member.outbox for line in self.lines):
                    await asyncio.sleep(0.05)
        finally:
            for task in staying:
                task.cancel()
            await asyncio.gather(*staying, return_exceptions=True)

    @property
    def expected(self) -> dict[str, set[str]]:
        """What was said, by room."""
        said: dict[str, set[str]] = {member.room: set() for member in self.shown}
        for text in self._said_at:
            said[text.partition(":")[0]].add(text)
        return said

    @property
    def lost(self) -> int:
        """Messages that somebody should have seen and has not."""
        expected = self.expected
        return sum(len(expected[member.room].difference(texts)) for member, texts in self.shown.items())

    @property
    def doubled(self) -> int:
        """Messages that somebody has seen once more."""
        return sum(len(texts) - len(set(texts)) for texts in self.shown.values())

    @property
    def orders(self) -> int:
        """In how many orders the members of a room have seen its messages, at the most: 1."""
        orders: dict[str, set[tuple[str, ...]]] = {}
        for member, texts in self.shown.items():
            orders.setdefault(member.room, set()).add(tuple(texts))
        return max(map(len, orders.values()))

    async def _talk(self, line: Line, messages: int, interval: float) -> None:
        for number in range(messages):
            await asyncio.sleep(random.uniform(0.5, 1.5) * interval)
            text = f"{line.member.room}: message {number} of {line.member.name}"
            self._said_at[text] = perf_counter()
            await line.say(text)

    def _ear_of(self, member: Member) -> Any:
        def hear(told: dict[str, Any] | None) -> None:
            if told is None:
                self.lost_connections += 1
            elif told["kind"] == "here":
                self._here.add(member)
            for message in told["messages"] if told and told["kind"] == "messages" else ():
                self.shown[member].append(message["text"])
                self.latencies.append(perf_counter() - self._said_at[message["text"]])

        return hear


async def run(arguments: argparse.Namespace) -> None:
    options = ["--processes", str(arguments.processes), *(["--redis", arguments.redis] if arguments.redis else [])]
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "examples.chat", "--port", "0", *options, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        found = re.search(r"http://(\S+)", (await server.stdout.readline()).decode())
        assert found is not None
        pids = [server.pid]
        if arguments.processes > 1:
            pids = [int(pid) for pid in (await server.stdout.readline()).decode().partition(": ")[2].split()]
        crowd = Crowd(found[1], arguments.members, arguments.rooms)
        async with asyncio.TaskGroup() as group:
            if arguments.kill is not None:
                group.create_task(kill_later(crowd, arguments.kill, pids.pop()))
            await crowd.run(arguments.messages, arguments.interval)
        report(crowd, pids)
    finally:
        server.terminate()
        await server.wait()


async def kill_later(crowd: Crowd, seconds: float, pid: int) -> None:
    """Kill a process, so many seconds after all have begun to talk."""
    await crowd.begun.wait()
    await asyncio.sleep(seconds)
    os.kill(pid, signal.SIGKILL)


def report(crowd: Crowd, pids: list[int]) -> None:
    delivered = sum(map(len, crowd.shown.values()))
    latencies = sorted(crowd.latencies)
    p50, p99 = (latencies[int(len(latencies) * part)] * 1000 for part in (0.5, 0.99))
    print(f"said {sum(map(len, crowd.expected.values()))}, delivered {delivered}", end="; ")
    print(f"lost {crowd.lost}, doubled {crowd.doubled}, orders in a room {crowd.orders}", end="; ")
    print(f"connections lost {crowd.lost_connections}")
    print(f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; memory {', '.join(f'{memory(pid):.0f} MiB' for pid in pids)}")


def memory(pid: int) -> float:
    """Resident, in MiB (Linux)."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.chat.load", description="A load run of the chat.")
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--rooms", type=int, default=10)
    parser.add_argument("--messages", type=int, default=20, help="of each member")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two of them, about")
    parser.add_argument("--redis", metavar="URL")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--kill", type=float, metavar="SECONDS", help="kill one of the processes then")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
