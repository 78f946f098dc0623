"""How memory grows with connections, and with the size of a message."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.harness.memory import forget_peak, peak, resident
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, Sample, Scenario, Suite
from bench.suites.scale import CONNECTIONS, SIZES, refuse_too_many, servers
from bench.traffic.idle import Idle
from bench.traffic.lines import payload_of

SMALLEST = 65_536
PAGE = 4.0
"""KiB: nothing less can be seen from outside."""


@dataclass(frozen=True, kw_only=True)
class Grown(Scenario):
    """Connections, each of which echoes a message."""

    connections: int
    size: int


class Footprint(Suite):
    title = "Memory, as connections and messages grow"
    unit = "KiB more than with nobody there"
    rounds = 2
    plot = "lines"
    axis = "connections, or bytes of a message"
    fresh = True
    about = """
How much more memory a server just started has. In the first panel: when so many connections are open and idle, each of
which has echoed 125 bytes (Pss). In the second: at the highest (VmHWM), while one connection echoes a message of that
size for the first time.
"""

    def scenarios(self) -> Sequence[Grown]:
        crowds = [
            Grown(name=f"{count:,} connections", group="connections", x=count, connections=count, size=125)
            for count in CONNECTIONS
        ]
        sizes = [
            Grown(name=name, group="bytes a message", x=size, connections=1, size=size)
            for name, size in SIZES.items()
            if size >= SMALLEST
        ]
        return [*crowds, *sizes]

    def contenders(self) -> Sequence[Contender]:
        return servers()

    def measure(self, process: Process, scenario: Grown, effort: Effort) -> Sample:
        count = min(scenario.connections, effort.few(max(CONNECTIONS), 20))
        refuse_too_many(process, count)
        idle = [Idle(process.port, process.plain)]
        try:
            idle[0].echo(payload_of(125))
            forget_peak(process.pid)
            before = resident(process.pid)
            if scenario.connections == 1:
                idle[0].echo(payload_of(scenario.size))
                return Sample(max(PAGE, (peak(process.pid) - before.whole) / 1024))
            for _ in range(count):
                idle.append(Idle(process.port, process.plain))
                idle[-1].echo(payload_of(125))
            grown = (resident(process.pid).proportional - before.proportional) / 1024
            return Sample(grown, {"KiB a connection": grown / count})
        finally:
            for one in idle:
                one.hang_up()


SUITE = Footprint()
