"""Masking alone, against a copy of the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.contenders.masks import masks
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, Sample, Scenario, Suite
from bench.suites.core import SIZES


@dataclass(frozen=True, kw_only=True)
class Payload(Scenario):
    """So many bytes."""

    size: int


class Masking(Suite):
    title = "Masking"
    unit = "CPU µs a payload"
    seconds = 0.05
    plot = "lines"
    axis = "bytes of a payload"
    about = """
What each library masks a payload with, as it calls it: `bytes` and a key in, masked bytes out, compared with those of
rawws. The floor is `memcpy`, a copy of the same bytes. picows masks within its own writer, and cannot be asked alone.
"""

    def scenarios(self) -> Sequence[Payload]:
        return [Payload(name=name, group="mask", x=size, size=size) for name, size in SIZES.items()]

    def contenders(self) -> Sequence[Contender]:
        return masks()

    def measure(self, process: Process, scenario: Payload, effort: Effort) -> Sample:
        found = process.ask(size=scenario.size, seconds=effort.seconds)["µs"]
        return Sample(found, {"GB/s": scenario.size / found / 1000})


SUITE = Masking()
