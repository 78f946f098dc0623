"""Codecs of permessage-deflate, alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.contenders import codecs
from bench.harness.markdown import table
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, Sample, Scenario, Suite


@dataclass(frozen=True, kw_only=True)
class Messages(Scenario):
    """JSON of one size."""

    size: int


class Codecs(Suite):
    title = "Codecs of permessage-deflate"
    rounds = 3
    unit = "CPU µs to compress and inflate a message"
    about = """
Modules with the face of zlib, alone: JSON messages, all different, each compressed looking back into the ones before.
Settings are named window bits / memory level, and level; `zlib 12/5 level 1` is what rawws uses. Inflating is counted
as rawws does it, with a new stream for each message that is given the window; `inflate` is that of one stream for
all. `ratio` is what is left of a message.

Whether a codec reaches back over its window is seen by inflating with zlib one byte at a time: what zlib gives in one
call it looks up in there, and not in its window.
"""

    def scenarios(self) -> Sequence[Messages]:
        return [Messages(name=name, size=size) for name, size in (("150 B", 150), ("1 KiB", 1024), ("64 KiB", 65536))]

    def contenders(self) -> Sequence[Contender]:
        return codecs.contenders()

    def measure(self, process: Process, scenario: Messages, effort: Effort) -> Sample:
        found = process.ask(size=scenario.size, amount=effort.few(512 * 1024, 16 * 1024))
        ratio = found.pop("ratio")
        both = found["compress"] + found["inflate anew"]
        return Sample(both, {f"{way} µs": value for way, value in found.items()} | {"ratio": ratio})

    def notes(self, contenders: Sequence[Contender]) -> str:
        """A line for each check, a cell for each codec."""
        names = list(dict.fromkeys(codecs.SETTINGS[contender.name].codec for contender in contenders))
        found = {name: codecs.answers(codecs.module(name)) for name in names}
        rows = [["what is needed of a codec", *found]]
        rows += [[check, *(of[check] for of in found.values())] for check in codecs.CHECKS]
        return table(rows)


SUITE = Codecs()
