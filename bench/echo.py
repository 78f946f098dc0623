"""Echo servers over loopback: what a message costs the server, in CPU time.

    python -m bench.echo                    # everything, about two minutes
    python -m bench.echo --only pipelined --rounds 9
    python -m bench.echo --json > echo.json

Each server runs in a process of its own; one raw-socket client, whose bytes were made in advance, asks them in turn and
checks every byte of every answer.  A cell is the server's CPU time a message in microseconds, user and kernel, all its
threads; in parentheses the ratio to websockets in the same run, above 1 if it costs less.  Rounds are interleaved, all
servers in each, and the median counts.  `tcp` sends back what comes and knows no WebSocket: nobody can be cheaper on
this event loop.

On a machine where client and server share few cores, wall times say as much about the client as about the server; they
are in the JSON.
"""

import argparse
import resource
from collections.abc import Callable, Sequence
from typing import TypeVar

from bench.load import Process, Scenario, cost, memory, on_one_core, running
from bench.report import Cost, Costs, as_json, behind, cost_rows, heading, median, present, progress, row_of, table
from bench.servers import SERVERS

SCENARIOS = (
    Scenario("latency 16 B", 16, 1),
    Scenario("pipelined 16 B, 256 under way", 16, 256),
    Scenario("pipelined 1 KiB, 64 under way", 1024, 64),
    Scenario("pipelined 64 KiB, 8 under way", 64 * 1024, 8),
    Scenario("100 connections, 125 B, 8 under way each", 125, 8, 100),
)


def measure(scenarios: Sequence[Scenario], names: list[str], rounds: int, seconds: float) -> Costs:
    """The median cost of a message for each server in each scenario."""
    taken: dict[str, dict[str, list[Cost]]] = {scenario.name: {name: [] for name in names} for scenario in scenarios}
    with running(names) as processes:
        for number in range(1, rounds + 1):
            for scenario in scenarios:
                for name, process in processes.items():
                    progress(f"round {number} of {rounds}: {scenario.name}: {name}")
                    taken[scenario.name][name].append(cost(process, scenario, seconds))
    progress("")
    return {scenario: {name: median(costs) for name, costs in of.items()} for scenario, of in taken.items()}


Measured = TypeVar("Measured")


def measure_memory(
    names: Sequence[str], connections: int, measure: Callable[[Process, int], Measured], module: str = "bench.servers"
) -> dict[str, Measured]:
    """What `measure` says about so many connections, in a fresh process of each server."""
    found = {}
    for name in names:
        progress(f"memory: {name}")
        with running([name], module) as processes:
            found[name] = measure(processes[name], connections)
    progress("")
    return found


def as_table(costs: Costs, bytes_idle: dict[str, float], names: list[str]) -> str:
    """A line for each scenario, and one for the memory; a column for each server."""
    rows = cost_rows("server CPU µs a message", costs, names)
    if bytes_idle:
        kibibytes = {name: size / 1024 for name, size in bytes_idle.items()}
        rows.append(["memory of an idle connection, KiB", *row_of(kibibytes, names)])
    return table(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.echo", description="Echo servers: CPU time a message")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one measurement")
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, metavar="NAME", help=f"of {', '.join(SERVERS)}")
    parser.add_argument("--connections", type=int, default=500, help="idle ones, for the memory; 0 leaves it out")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one short round")
    options = parser.parse_args(arguments)
    on_one_core()
    if options.quick:
        options.rounds, options.seconds, options.connections = 1, 0.02, 20
    allow_files(2 * options.connections + 500)
    names = options.servers or present(SERVERS)
    scenarios = [scenario for scenario in SCENARIOS if options.only in scenario.name]
    costs = measure(scenarios, names, options.rounds, options.seconds)
    bytes_idle = measure_memory(names, options.connections, memory) if options.connections else {}
    if options.json:
        print(as_json(costs, bytes_of_an_idle_connection=bytes_idle))
        return
    print(heading())
    print(as_table(costs, bytes_idle, names))
    for line in (*behind(costs, "rawws aio"), *behind(costs, "rawws blocking")):
        print(line)


def allow_files(count: int) -> None:
    """Let this process and its children open that many files, if they may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count and (hard == resource.RLIM_INFINITY or hard > soft):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard) if hard >= 0 else count, hard))


if __name__ == "__main__":
    main()
