"""Clients over loopback: what a message costs the client, there and back, in CPU time.

    python -m bench.client                  # everything, about three minutes
    python -m bench.client --json > client.json

Each client runs in a process of its own and talks to an echo server of rawws in another.  A cell is the client's CPU
time for one message sent and its echo received, in microseconds, user and kernel, all its threads; in parentheses the
ratio to websockets in the same run, above 1 if it costs less.  Rounds are interleaved and the median counts.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence

from bench.clients import CLIENTS
from bench.load import Scenario, on_one_core, running
from bench.report import Cost, Costs, as_json, behind, cost_rows, heading, median, present, progress, table

SCENARIOS = (
    Scenario("request and response 16 B", 16, 1),
    Scenario("request and response 1 KiB", 1024, 1),
    Scenario("16 B, 64 under way", 16, 64),
    Scenario("64 KiB, 4 under way", 64 * 1024, 4),
)


def cost(name: str, port: int, scenario: Scenario, seconds: float) -> Cost:
    """What a message costs this client, in a fresh process, once it is warm."""
    arguments = [name, str(port), str(scenario.size), str(scenario.window), str(seconds)]
    run = subprocess.run([sys.executable, "-m", "bench.clients", *arguments], stdout=subprocess.PIPE, check=True)
    return Cost(*json.loads(run.stdout))


def measure(names: list[str], rounds: int, seconds: float) -> Costs:
    """The median cost of a message for each client in each scenario."""
    taken: dict[str, dict[str, list[Cost]]] = {scenario.name: {name: [] for name in names} for scenario in SCENARIOS}
    with running(["rawws aio"]) as processes:
        port = processes["rawws aio"].port
        for number in range(1, rounds + 1):
            for scenario in SCENARIOS:
                for name in names:
                    progress(f"round {number} of {rounds}: {scenario.name}: {name}")
                    taken[scenario.name][name].append(cost(name, port, scenario, seconds))
    progress("")
    return {scenario: {name: median(costs) for name, costs in of.items()} for scenario, of in taken.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.client", description="Clients: CPU time a message")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one measurement")
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, metavar="NAME", help=f"of {', '.join(CLIENTS)}")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one short round")
    options = parser.parse_args(arguments)
    on_one_core()
    if options.quick:
        options.rounds, options.seconds = 1, 0.02
    names = options.clients or present(CLIENTS)
    costs = measure(names, options.rounds, options.seconds)
    if options.json:
        print(as_json(costs))
        return
    print(heading())
    print(table(cost_rows("client CPU µs a message", costs, names)))
    for line in (*behind(costs, "rawws aio"), *behind(costs, "rawws blocking")):
        print(line)


if __name__ == "__main__":
    main()
