"""Handshakes over loopback: connections that come and go."""

from collections.abc import Sequence

from bench.contenders.echo import echo_servers
from bench.harness.meter import Meter
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, Sample, Scenario, Suite
from bench.traffic.handshakes import shake_hands

AT_ONCE = 16


class Handshakes(Suite):
    title = "Handshakes"
    unit = "server CPU µs a connection"
    about = f"""
Connections come and go, {AT_ONCE} of them at a time: TCP, a browser's request of ten fields, the 101, a Close, the
Close that answers it, the end of TCP that the server makes. All that comes back is compared with what it should be. The
floor sends back request and Close as they are, and ends TCP behind its client. What counts is the CPU time that a
connection costs the server, user and kernel, all its threads; `a second` is how many there were by the clock, beside a
client in Python that has as much to do (`load busy %`).
"""

    def scenarios(self) -> Sequence[Scenario]:
        return (Scenario(name=f"connect, upgrade, close; {AT_ONCE} at a time"),)

    def contenders(self) -> Sequence[Contender]:
        return echo_servers()

    def measure(self, process: Process, scenario: Scenario, effort: Effort) -> Sample:
        shake_hands(process.port, AT_ONCE, effort.seconds / 4, process.plain)
        meter = Meter(process)
        sample = meter.sample(shake_hands(process.port, AT_ONCE, effort.seconds, process.plain))
        return Sample(sample.value, {"a second": 1e6 / sample.extras["wall µs"], **sample.extras})


SUITE = Handshakes()
