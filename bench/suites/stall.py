"""How long a connection waits while another one floods the server."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.contenders.echo import NODE, variants
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, NotTaken, Sample, Scenario, Suite
from bench.traffic.flood import KINDS, LONGEST
from bench.traffic.idle import Idle
from bench.traffic.lines import payload_of

MESSAGE = payload_of(16)

EVERY = 0.002
"""Seconds between an answer and the next message of the one that waits."""
SERVERS = (
    "rawws",
    "rawws callbacks",
    "rawws blocking",
    "picows",
    "picows await",
    "aiohttp",
    "websockets",
    "websockets sync",
    "wsproto",
    "tornado",
    "uvicorn websockets",
)


@dataclass(frozen=True, kw_only=True)
class Flooded(Scenario):
    """What the other connection sends; nothing, for the floor."""

    kind: str


class Stall(Suite):
    title = "Stalls under a flood"
    unit = "ms that a message waited at worst"
    rounds = 2
    seconds = 0.6
    about = f"""
One connection floods an echo server with tiny frames, as fast as it takes them, and reads all that comes back, which is
compared with what it should be. Another one sends a message of 16 bytes, waits for the echo, and sends the next
{EVERY * 1000:.0f} ms later. What counts is how long the longest of these waited in a round. The flood is a process of
its own, on the core of the load. What the other connection waits with no flood at all stands in the first column, and
says what machine and load have to do with it. `half waited`: so many ms or less; `frames a second`: of the flood, that
were answered. A flood lasts no longer than {LONGEST:.0f} s, and so does a stall. picows hands out fragments as they
come, and its echo is none then.
"""

    def scenarios(self) -> Sequence[Flooded]:
        return [Flooded(name="no flood", kind=""), *(Flooded(name=kind, kind=kind) for kind in KINDS)]

    def contenders(self) -> Sequence[Contender]:
        return [*(each for name in SERVERS for each in variants(name) if not each.name.endswith("uvloop")), NODE]

    @contextmanager
    def opened(self, effort: Effort) -> Iterator[None]:
        with Process("the flood", ("-m", "bench.traffic.flood"), core=effort.load_core) as self._flood:
            yield

    def measure(self, process: Process, scenario: Flooded, effort: Effort) -> Sample:
        line = Idle(process.port, process.plain)
        line.echo()
        try:
            if not scenario.kind:
                return sample(waits(line, effort.seconds))
            if not self._flood.ask(port=process.port, begin=scenario.kind)["agreed"]:
                raise NotTaken
            waited = waits(line, effort.seconds)
            return sample(waited, **self._flood.ask())
        finally:
            line.hang_up()


def waits(line: Idle, seconds: float) -> list[float]:
    """How long each message waited for its echo in that time."""
    found = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end or not found:
        line.echo(MESSAGE)
        found.append(time.perf_counter() - start)
        time.sleep(EVERY)
    return found


def sample(waited: list[float], **more: float) -> Sample:
    """The longest, and what else there is to say."""
    return Sample(
        max(waited) * 1000, {"half waited": statistics.median(waited) * 1000, "messages": len(waited), **more}
    )


SUITE = Stall()
