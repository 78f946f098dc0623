"""A load run: `python -m examples.game.load` starts a server of its own, and players that play for a while."""

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from examples.game.bot import play
from examples.game.view import View


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """A server with no bots, as a process of its own; its URL, and the number of the process."""
    command = [sys.executable, "-m", "examples.game", "--port", "0", "--bots", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[1], process.pid
        finally:
            process.terminate()


def stats_of(url: str) -> dict[str, Any]:
    """What the server tells about itself."""
    with urlopen(url + "stats") as response:
        facts: dict[str, Any] = json.load(response)
        return facts


def memory_of(pid: int) -> int | None:
    """The memory of a process in bytes, where Linux tells it."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return None


async def load(url: str, players: int, seconds: float) -> list[View]:
    """So many players, for so long; what each has seen."""
    views = [View() for _ in range(players)]
    where = url.replace("http", "ws")
    tasks = [asyncio.create_task(play(where, f"Player {number}", view)) for number, view in enumerate(views, 1)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return views


def quantiles(seconds: Sequence[float]) -> str:
    """The median and the 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    p50, p99 = (1000 * ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(ordered)})"


def megabytes(size: int | None) -> str:
    """A size for people."""
    return "unknown" if size is None else f"{size / 2**20:.1f} MiB"


def report(views: list[View], before: dict[str, Any], stats: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What came out, as lines of two columns."""
    ticks, late = stats["ticks"] - before["ticks"], stats["late"] - before["late"]
    yield "players", str(len(views))
    yield "states delivered", f"{sum(view.states for view in views):,}"
    yield "states lost", str(sum(view.lost for view in views))
    yield "left out, as behind", str(stats["skipped"])
    yield "ping to pong", quantiles(list(chain.from_iterable(view.trips for view in views)))
    yield "steering to the state that shows it", quantiles(list(chain.from_iterable(view.answers for view in views)))
    yield "ticks", f"{ticks:,}, {late} of them late, the latest {1000 * stats['latest']:.0f} ms"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m examples.game.load", description="Many players for a while.")
    parser.add_argument("--players", type=int, default=50, help="how many (50)")
    parser.add_argument("--seconds", type=float, default=60, help="for how long (60)")
    arguments = parser.parse_args()
    with server() as (url, pid):
        before, memory = stats_of(url), memory_of(pid)
        views = asyncio.run(load(url, arguments.players, arguments.seconds))
        grown = f"{megabytes(memory)}, and {megabytes(memory_of(pid))} in the end"
        lines = [*report(views, before, stats_of(url)), ("memory of the server", grown)]
    for name, value in lines:
        print(f"{name:<36} {value}")
    sys.exit(1 if any(view.lost for view in views) else 0)


if __name__ == "__main__":
    main()
