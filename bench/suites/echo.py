"""Echo servers over loopback."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.contenders.echo import echo_servers
from bench.harness.meter import Meter
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, Sample, Scenario, Suite
from bench.traffic.lines import connected, drive


@dataclass(frozen=True, kw_only=True)
class Traffic(Scenario):
    """Messages that go there and back."""

    size: int
    """Of each message, in bytes."""
    window: int
    """Messages under way on each connection."""
    connections: int = 1


class Echo(Suite):
    title = "Echo servers"
    unit = "server CPU µs a message"
    seconds = 0.15
    about = """
A client keeps so many messages under way on so many connections, and compares every byte of every answer; its bytes
were made in advance. What counts is the CPU time that a message costs the server, user and kernel, all its threads. The
floor is `tcp`: the same event loop sending back what comes, with no WebSocket at all, with an `asyncio.Protocol` and a
`BufferedProtocol`; for threads it is a thread with a socket. Messages may be long; all else is as each library has it.
"""

    def scenarios(self) -> Sequence[Traffic]:
        return (
            Traffic(name="latency 16 B", size=16, window=1),
            Traffic(name="latency 1 KiB", size=1024, window=1),
            Traffic(name="16 B, 256 under way", size=16, window=256),
            Traffic(name="1 KiB, 64 under way", size=1024, window=64),
            Traffic(name="64 KiB, 8 under way", size=64 * 1024, window=8),
            Traffic(name="100 connections, 125 B, 8 each", size=125, window=8, connections=100),
            Traffic(name="1,000 connections, 125 B, 1 each", size=125, window=1, connections=1000),
        )

    def contenders(self) -> Sequence[Contender]:
        return echo_servers()

    def warm_up(self, process: Process, seconds: float, effort: Effort) -> None:
        with connected(process.port, 1, 1024, 16, process.plain) as lines:
            drive(lines, 16, seconds)

    def measure(self, process: Process, scenario: Traffic, effort: Effort) -> Sample:
        count = min(scenario.connections, effort.few(1000, 10))
        with connected(process.port, count, scenario.size, scenario.window, process.plain) as lines:
            drive(lines, scenario.window, effort.seconds / 4)
            meter = Meter(process)
            return meter.sample(drive(lines, scenario.window, effort.seconds))


SUITE = Echo()
