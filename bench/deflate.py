"""permessage-deflate: what a compressed message costs an echo server, and compression a connection; and other codecs.

    python -m bench.deflate                         # everything, about four minutes
    python -m bench.deflate --parts codecs          # one part: echo, memory, codecs
    python -m bench.deflate --json > deflate.json

The messages are JSON and differ from each other; all of them are compressed, in both directions, with context takeover,
and every answer has to be a compressed text that inflates to what was asked.  A cell of the echo is the server's CPU
time a message in microseconds, the median of the rounds, [the lowest, the highest]; in parentheses the ratios to
websockets and to aiohttp in the same run, above 1 if it costs less.  Behind it stands how many bytes the payload of an
answer had.  Memory is for one connection: that agreed on compression and is idle, and once ten messages of 1 KiB went
each way.  With 100 connections one message is under way on each.

The names of settings are window bits, memory level and level: rawws has 12/5 level 1 if nothing else is said.
"""

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bench import codecs
from bench.codecs import Alone
from bench.compressed import Answers, Memory, cost, memory
from bench.echo import allow_files, measure_memory
from bench.load import Scenario, on_one_core, running
from bench.report import heading, present, progress, setting, table, versions
from bench.servers import SERVERS, variants

SCENARIOS = (
    Scenario("1 KiB, 64 under way", 1024, 64),
    Scenario("64 KiB, 8 under way", 64 * 1024, 8),
    Scenario("1 KiB, 100 connections", 1024, 1, 100),
)
BASELINES = ("websockets", "aiohttp")
PARTS = ("echo", "memory", "codecs")
NO_COMPRESSION = ("tcp", "picows")
"""Servers that do not compress."""

Rounds = dict[str, dict[str, list[Answers]]]
"""By the name of the scenario, and of the server."""


def measure(scenarios: Sequence[Scenario], names: Sequence[str], rounds: int, seconds: float) -> Rounds:
    """What a message costs each server in each scenario, in each round."""
    taken: Rounds = {scenario.name: {name: [] for name in names} for scenario in scenarios}
    with running(list(names)) as processes:
        for number in range(1, rounds + 1):
            for scenario in scenarios:
                for name, process in processes.items():
                    progress(f"round {number} of {rounds}: {scenario.name}: {name}")
                    _add(taken[scenario.name], name, partial(cost, process, scenario, seconds), scenario.name)
    progress("")
    return taken


def _add(taken: dict[str, list[Answers]], name: str, run: Callable[[], Answers], what: str) -> None:
    """Take the cost down; a server that fails is not asked again."""
    if name in taken:
        try:
            taken[name].append(run())
        except (OSError, AssertionError) as error:
            print(f"{name} fails: {what}: {error}", file=sys.stderr)
            del taken[name]


def figure(value: float) -> str:
    """Three digits, or as many as it has before the point."""
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def ratios(value: float, of: Mapping[str, float]) -> str:
    """How many times it goes into each baseline that took part."""
    found = [f"{of[name] / value:.2f}" for name in BASELINES if name in of and value > 0]
    return f" ({', '.join(found)})" if found else ""


def echo_cells(taken: Mapping[str, list[Answers]], name: str) -> list[str]:
    """Time and size of one server in one scenario."""
    if name not in taken:
        return ["fails", "-"]
    medians = {other: statistics.median(one.cpu for one in rounds) for other, rounds in taken.items()}
    times = [one.cpu for one in taken[name]]
    spread = f" [{figure(min(times))}, {figure(max(times))}]"
    size = statistics.median(one.size for one in taken[name])
    return [f"{figure(medians[name])}{spread}{ratios(medians[name], medians)}", f"{size:.0f}"]


def echo_table(taken: Rounds, names: Sequence[str]) -> str:
    """A line for each server, two cells for each scenario."""
    rows = [["server CPU µs a message"]]
    rows[0] += [cell for scenario in taken for cell in (scenario, "bytes")]
    rows += [[name, *(cell for of in taken.values() for cell in echo_cells(of, name))] for name in names]
    return table(rows)


def memory_table(found: Mapping[str, Memory], names: Sequence[str]) -> str:
    """A line for each server."""
    columns = [{name: getattr(one, field) / 1024 for name, one in found.items()} for field in Memory._fields]
    rows = [["KiB a connection", "idle", "after 10 messages each way"]]
    rows += [[name, *(f"{figure(column[name])}{ratios(column[name], column)}" for column in columns)] for name in names]
    return table(rows)


def codec_table(found: Mapping[str, Mapping[str, Alone]]) -> str:
    """A line for each setting, a cell for each size: compressing, inflating as rawws does it, and what is left."""
    rows = [["µs to compress + to inflate (what is left)", *found]]
    rows += [[name, *(codec_cell(of[name]) for of in found.values())] for name in next(iter(found.values()))]
    return table(rows)


def codec_cell(alone: Alone) -> str:
    """Times and ratio."""
    return f"{figure(alone.compress)} + {figure(alone.inflate_anew)} ({alone.ratio:.3f})"


def check_table(found: Mapping[str, Mapping[str, str]]) -> str:
    """A line for each check, a cell for each codec."""
    rows = [["what is needed of a codec", *found]]
    rows += [[check, *(of[check] for of in found.values())] for check in codecs.CHECKS]
    return table(rows)


def as_json(taken: Rounds, bytes_used: Mapping[str, Memory], alone: Any, checks: Any) -> str:
    """Everything that was measured."""
    echo = {scenario: {name: [one._asdict() for one in of[name]] for name in of} for scenario, of in taken.items()}
    return json.dumps(
        {
            "setting": setting(),
            "versions": versions(),
            "echo": echo,
            "memory": {name: one._asdict() for name, one in bytes_used.items()},
            "codecs": {size: {name: one._asdict() for name, one in of.items()} for size, of in alone.items()},
            "checks": checks,
        },
        indent=2,
    )


@dataclasses.dataclass
class Effort:
    """How much is measured."""

    rounds: int
    seconds: float
    connections: int
    amount: int = 512 * 1024
    """Bytes a codec gets in a round."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    known = [name for name in SERVERS | variants() if name not in NO_COMPRESSION]
    parser = argparse.ArgumentParser(prog="python -m bench.deflate", description="permessage-deflate: time and memory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.4, help="of one measurement")
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--servers", nargs="+", choices=known, metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--connections", type=int, default=300, help="for the memory")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the tables")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one short round")
    options = parser.parse_args(arguments)
    on_one_core()
    effort = Effort(options.rounds, options.seconds, options.connections)
    if options.quick:
        effort = Effort(1, 0.02, 20, 16 * 1024)
    allow_files(2 * effort.connections + 500)
    names = options.servers or present({name: (SERVERS | variants())[name] for name in known})
    scenarios = [scenario for scenario in SCENARIOS if options.only in scenario.name]
    taken = measure(scenarios, names, effort.rounds, effort.seconds) if "echo" in options.parts else {}
    used = measure_memory(names, effort.connections, memory) if "memory" in options.parts else {}
    found = codecs.present_codecs() if "codecs" in options.parts else {}
    alone = codecs.measure(found, effort.rounds, effort.amount) if found else {}
    checks = {name: codecs.answers(codec) for name, codec in found.items()}
    if options.json:
        print(as_json(taken, used, alone, checks))
        return
    tables = [
        echo_table(taken, names) if taken else "",
        memory_table(used, names) if used else "",
        codec_table(alone) if alone else "",
        check_table(checks) if checks else "",
    ]
    print("\n\n".join([heading(), *filter(None, tables)]))


if __name__ == "__main__":
    main()
