"""The opening handshake on a server, in process."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.contenders.echo import PURE, no_c
from bench.contenders.upgrades import UPGRADERS
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, Sample, Scenario, Suite
from bench.traffic.handshakes import OFFER, REQUEST


@dataclass(frozen=True, kw_only=True)
class Asked(Scenario):
    """A request."""

    request: bytes
    compressed: bool


def upgrader(name: str, kind: str = "peer", pure: bool = False) -> Contender:
    """One of those in `bench.contenders.upgrades`."""
    return Contender(
        name=name + " pure" * pure,
        command=("-m", "bench.contenders.upgrades", name),
        needs=UPGRADERS[name].needs,
        environment=PURE if pure else {},
        unable=no_c if kind == "rawws" and not pure else lambda: None,
        floors=() if kind == "floor" else ("h11 alone",),
        kind=kind,
    )


class Upgrades(Suite):
    title = "Opening handshakes in process"
    unit = "CPU µs an opening handshake"
    about = """
The bytes of a browser's request of ten fields go in, those of the 101 come out: no socket, no loop. The floor is what
h11 takes alone, to read the request and to write an answer that is known. rawws and wsproto read with h11; websockets
has a parser of its own.
"""

    def scenarios(self) -> Sequence[Asked]:
        return (
            Asked(name="ten fields", request=REQUEST, compressed=False),
            Asked(name="ten fields, permessage-deflate agreed on", request=OFFER, compressed=True),
        )

    def contenders(self) -> Sequence[Contender]:
        return (
            upgrader("h11 alone", "floor"),
            upgrader("rawws", "rawws"),
            upgrader("rawws", "rawws", pure=True),
            upgrader("websockets"),
            upgrader("wsproto"),
        )

    def measure(self, process: Process, scenario: Asked, effort: Effort) -> Sample:
        request = scenario.request.decode()
        found = process.ask(request=request, compressed=scenario.compressed, seconds=effort.seconds)
        return Sample(found["cpu"], {"per CPU second": 1e6 / found["cpu"]})


SUITE = Upgrades()
