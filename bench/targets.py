"""What rawws is to reach, row by row, and whether a folder of results shows it.

A target names the suite, scenario and contender that it is about.  `Times(5, "picows")` is five times as cheap as
picows in the same run, `Floor(1.2)` at most 1.2 times the floor of the same loop, and `AtMost(7)` so many in the unit
of the suite.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench.harness.markdown import figure, table
from bench.harness.results import Results


class Times(NamedTuple):
    """So many times as cheap as another."""

    factor: float
    than: str

    def reached(self, results: Results, scenario: str, name: str) -> "Answer | None":
        mine, other = results.cell(scenario, name), results.cell(scenario, self.than)
        if mine is None or other is None or mine.run != other.run:
            return None
        ratio = other.median / mine.median
        return Answer(f"{self.than} ≥ {self.factor:g}", figure(ratio), ratio >= self.factor)


class Floor(NamedTuple):
    """At most so many times the floor."""

    factor: float

    def reached(self, results: Results, scenario: str, name: str) -> "Answer | None":
        ratio = results.above_floor(scenario, name)
        return None if ratio is None else Answer(f"floor ≤ {self.factor:g}", figure(ratio), ratio <= self.factor)


class AtMost(NamedTuple):
    """At most so many, in the unit of the suite."""

    value: float

    def reached(self, results: Results, scenario: str, name: str) -> "Answer | None":
        mine = results.cell(scenario, name)
        if mine is None:
            return None
        return Answer(f"≤ {self.value:g} {results.unit.split()[0]}", figure(mine.median), mine.median <= self.value)


Bound = Times | Floor | AtMost


class Answer(NamedTuple):
    """What was wanted, what was found, and whether that is enough."""

    wanted: str
    found: str
    enough: bool


class Target(NamedTuple):
    """One row."""

    suite: str
    scenario: str
    name: str
    bounds: Sequence[Bound]


def _both(suite: str, scenario: str, name: str, with_c: Sequence[Bound], pure: Sequence[Bound]) -> list[Target]:
    return [Target(suite, scenario, name, with_c), Target(suite, scenario, f"{name} pure", pure)]


def _best(*names: str, factor: float = 1) -> list[Bound]:
    return [Times(factor, name) for name in names]


COMPILED = _best("websockets", "aiohttp", "picows")
LEVEL = 0.95
"""Level with somebody: within 5 %."""
TARGETS = [
    *_both(
        "core", "parse masked 16 B 64K", "rawws",
        [Times(40, "websockets"), Times(10, "aiohttp"), Times(2.5, "picows")],
        [Times(3, "websockets"), Times(8, "wsproto")],
    ),
    *_both(
        "core", "parse masked 1 KiB one", "rawws",
        [Times(7, "websockets"), Times(2.5, "picows")], [Times(1, "websockets")],
    ),
    *(
        target
        for size in ("256 KiB", "4 MiB")
        for reads in ("64K", "one")
        for target in _both("core", f"parse masked {size} {reads}", "rawws", COMPILED, _best("wsproto"))
    ),
    *_both(
        "echo", "latency 16 B", "rawws", [Floor(1.2), *_best("picows await", "aiohttp", "websockets")], [Floor(1.25)]
    ),
    Target("echo", "latency 16 B", "rawws callbacks", [Floor(1.1), Times(LEVEL, "picows")]),
    *_both(
        "echo", "16 B, 256 under way", "rawws",
        [Times(5, "picows"), Times(8, "aiohttp"), Times(14, "websockets")], [Times(2.5, "picows")],
    ),
    *_both(
        "echo", "1 KiB, 64 under way", "rawws", [Times(2.5, "picows"), Times(7, "websockets")], [Times(1.2, "picows")]
    ),
    *_both(
        "echo", "64 KiB, 8 under way", "rawws",
        [Floor(1.4), *_best("aiohttp", "websockets"), Times(LEVEL, "picows")], [Times(LEVEL, "wsproto")],
    ),
    *_both(
        "echo", "100 connections, 125 B, 8 each", "rawws",
        [Times(2, "picows"), Times(6, "websockets")], [Times(1.5, "picows")],
    ),
    *_both("echo", "1,000 connections, 125 B, 1 each", "rawws", [Floor(1.4), Times(2, "websockets")], [Floor(1.5)]),
    *_both(
        "echo", "16 B, 256 under way", "rawws blocking", [Times(10, "websockets sync")], [Times(7, "websockets sync")]
    ),
    *_both(
        "clients", "16 B, 64 in flight", "rawws blocking",
        _best("websockets sync", "websocket-client", factor=10), _best("websockets sync", "websocket-client", factor=7),
    ),
    Target(
        "handshakes", "connect, upgrade, close; 16 at a time", "rawws",
        [Times(1.25, "websockets"), Times(1, "aiohttp"), Times(1, "picows")],
    ),
    *_both("memory", "2,000 connections", "rawws", [AtMost(7)], [AtMost(7)]),
    *_both("memory", "1,000 with permessage-deflate", "rawws", [AtMost(12)], [AtMost(12)]),
    Target("deflate", "1 KiB, 64 under way", "rawws", [Times(1.5, "aiohttp")]),
    Target("deflate", "64 KiB, 8 under way", "rawws", [Times(1.15, "aiohttp")]),
    *(
        target
        for flood in ("messages of 1 byte", "empty messages", "empty pings", "fragments of 1 byte")
        for target in _both("stall", flood, "rawws", [AtMost(100)], [AtMost(100)])
    ),
]  # fmt: skip


def page(found: Mapping[str, Results]) -> str:
    """All of it as Markdown; a row for each bound that can be answered."""
    rows = [["suite: scenario", "contender", "wanted", "found", ""]]
    for target in TARGETS:
        results = found.get(target.suite)
        for bound in target.bounds if results else ():
            assert results is not None
            if target.name in results.contenders and (answer := bound.reached(results, target.scenario, target.name)):
                where = f"{target.suite}: {target.scenario}"
                rows.append([where, target.name, answer.wanted, answer.found, "yes" if answer.enough else "**no**"])
    reached = sum(row[-1] == "yes" for row in rows)
    text = "How many times as cheap as another in the same run, or how many times the cost of its floor."
    return f"# What is reached\n\n{text} {reached} of {len(rows) - 1}.\n\n{table(rows)}\n"
