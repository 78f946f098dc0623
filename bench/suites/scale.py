"""How the cost of a message grows with connections, and with its size."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.contenders.echo import NODE, variants
from bench.harness.meter import Meter
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, NotTaken, Sample, Scenario, Suite
from bench.traffic.idle import enough_files
from bench.traffic.lines import connected, drive

CONNECTIONS = (10, 100, 1000, 10_000)
THREADS = 1000
"""Where every connection has a thread, so many connections at most."""
SIZES = {
    "16 B": 16,
    "256 B": 256,
    "4 KiB": 4096,
    "64 KiB": 65_536,
    "256 KiB": 262_144,
    "1 MiB": 1_048_576,
    "4 MiB": 4_194_304,
}
UNDER_WAY = 256 * 1024
"""Bytes that are under way at once, if that is 64 messages at most."""
SERVERS = (
    "tcp",
    "tcp buffered",
    "rawws",
    "rawws callbacks",
    "picows",
    "picows await",
    "aiohttp",
    "websockets",
    "tornado",
    "rawws blocking",
)


@dataclass(frozen=True, kw_only=True)
class Load(Scenario):
    """Messages that go there and back."""

    size: int
    window: int
    connections: int = 1


def servers() -> list[Contender]:
    """Those that are shown in lines, so that there are not too many: in the loop of asyncio, or none."""
    found = [each for name in SERVERS for each in variants(name) if not each.name.endswith("uvloop")]
    return [*found, *(each for each in variants("rawws") if each.name == "rawws uvloop"), NODE]


def refuse_too_many(process: Process, connections: int) -> None:
    """Leave a server out where it would need too many threads.

    Raises:
        NotTaken: it would.
        OSError: so many connections cannot be open on this machine.
    """
    if "blocking" in process.name and connections > THREADS:
        raise NotTaken
    enough_files(connections)


class Scale(Suite):
    title = "CPU time, as connections and messages grow"
    unit = "server CPU µs a message"
    rounds = 2
    plot = "lines"
    axis = "connections, or bytes of a message"
    about = f"""
Echo servers, measured as in the suite `echo`. In the first panel, messages of 125 bytes on more and more connections,
one under way on each. In the second, larger and larger messages on one connection, with {UNDER_WAY // 1024} KiB
under way at once (64 messages at most, and one at least).
"""

    def scenarios(self) -> Sequence[Load]:
        crowds = [
            Load(name=f"{count:,} connections", group="connections", x=count, size=125, window=1, connections=count)
            for count in CONNECTIONS
        ]
        sizes = [
            Load(name=name, group="bytes a message", x=size, size=size, window=max(1, min(64, UNDER_WAY // size)))
            for name, size in SIZES.items()
        ]
        return [*crowds, *sizes]

    def contenders(self) -> Sequence[Contender]:
        return servers()

    def measure(self, process: Process, scenario: Load, effort: Effort) -> Sample:
        count = min(scenario.connections, effort.few(max(CONNECTIONS), 20))
        refuse_too_many(process, count)
        with connected(process.port, count, scenario.size, scenario.window, process.plain) as lines:
            drive(lines, scenario.window, effort.seconds / 4)
            meter = Meter(process)
            return meter.sample(drive(lines, scenario.window, effort.seconds))


SUITE = Scale()
