"""The command: which suites are run, how long, and where what they find goes."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from bench import suites
from bench.harness import machine, markdown, pages
from bench.harness.results import Results
from bench.harness.rounds import Rounds
from bench.harness.suite import Contender, Effort, Scenario, Suite

ABOUT = """\
Measure rawws beside its peers.

  python -m bench                          everything; without --out it is printed
  python -m bench echo --contenders rawws,picows --only "16 B"
  python -m bench --out docs/bench         tables, plots and JSON in that folder
  python -m bench echo --out docs/bench    one suite again, the rest of the folder stays
  python -m bench list                     suites, scenarios, contenders, and who is missing and why
  python -m bench render --out docs/bench  tables and plots again, of the JSON that is there
"""
QUICK = {"rounds": 1, "seconds": 0.02}
SUCCESS, FAILED, WRONG_ARGUMENTS, INTERRUPTED = 0, 1, 2, 130


class Wrong(Exception):
    """Arguments that cannot be done; says why in a line."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise Wrong(message)


def parser() -> Parser:
    """The arguments that there are."""
    found = Parser("python -m bench", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(suites.NAMES)}; or list, or render")
    found.add_argument("--suite", action="append", default=[], metavar="SUITE", help="the same, as an option")
    found.add_argument("--only", metavar="TEXT", default="", help="scenarios with this in their name")
    found.add_argument("--contenders", metavar="A,B", default="", help="contenders of these names, and their floors")
    found.add_argument("--rounds", type=positive(int), metavar="N", help="how often each is measured")
    found.add_argument("--seconds", type=positive(float), metavar="S", help="of one measurement, about")
    found.add_argument("--seed", type=int, default=1, metavar="N", help="of the order of the contenders")
    found.add_argument("--cores", type=two_cores, metavar="A,B", help="the load on core A, the contender on B")
    found.add_argument("--quick", action="store_true", help="a smoke run: one short round of less")
    found.add_argument("--json", action="store_true", help="print JSON in place of Markdown")
    found.add_argument("--out", type=Path, metavar="DIR", help="write Markdown, JSON and a plot for each suite there")
    return found


def positive(kind: type[int] | type[float]):  # type: ignore[no-untyped-def]
    """A type of argument: a number over 0."""

    def number(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not over 0")
        return value

    number.__name__ = "number"
    return number


def two_cores(text: str) -> tuple[int, int]:
    """A type of argument: "0,1"."""
    load, contender = map(int, text.split(","))
    for core in (load, contender):
        if core not in os.sched_getaffinity(0):
            raise argparse.ArgumentTypeError(f"core {core} is not one that this process may use")
    return load, contender


def main(arguments: Sequence[str]) -> int:
    """The command; its exit code."""
    try:
        return _main(parser().parse_args(arguments))
    except Wrong as error:
        print(f"python -m bench: {error}", file=sys.stderr)
        return WRONG_ARGUMENTS
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Whoever reads it has read enough.
        return SUCCESS


def _main(options: argparse.Namespace) -> int:
    options.suites += options.suite
    if options.suites[:1] == ["render"]:
        return _render(options)
    if unfit := machine.unfit():
        raise Wrong(unfit)
    if options.suites[:1] == ["list"]:
        options.suites = options.suites[1:]
        return _list(options)
    plan = [(name, *_chosen(name, options)) for name in _names(options)]
    plan = [each for each in plan if each[2]]
    if not plan:
        raise Wrong(f"no scenario has {options.only!r} in its name")
    if options.out:
        _prepare(options.out)
    return _run(plan, options)


def _prepare(folder: Path) -> None:
    """See to it that results can be written there, before an hour of measuring."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.json"):
            Results.load(path)
    except OSError as error:
        raise Wrong(f"--out: {error.strerror}: {error.filename}") from None
    except (ValueError, TypeError, KeyError):
        raise Wrong(f"--out: {path} is not of this benchmark, or of an older version of it") from None
    if not os.access(folder, os.W_OK):
        raise Wrong(f"--out: {folder} cannot be written to")


def _names(options: argparse.Namespace) -> list[str]:
    for name in options.suites:
        if name not in suites.NAMES:
            raise Wrong(f"there is no suite {name!r}; there are {', '.join(suites.NAMES)}")
    return list(dict.fromkeys(options.suites)) or list(suites.NAMES)


def _chosen(name: str, options: argparse.Namespace) -> tuple[Suite, list[Scenario], list[Contender]]:
    """A suite, and what of it was asked for."""
    suite = suites.suite(name)
    scenarios = [each for each in suite.scenarios() if options.only in each.name]
    contenders = list(suite.contenders())
    wanted = [want.strip() for want in options.contenders.split(",") if want.strip()]
    return suite, scenarios, _wanted(name, contenders, wanted) if wanted else contenders


def _wanted(suite: str, contenders: Sequence[Contender], wanted: Sequence[str]) -> list[Contender]:
    """Those of a name, or those whose name begins so if none is called exactly that; and the floors beneath them."""
    names = {each.name for each in contenders}
    chosen = {
        each.name
        for want in wanted
        for each in contenders
        if each.name == want or (want not in names and each.name.startswith(want))
    }
    if not chosen:
        raise Wrong(f"{suite} has no contender {', '.join(wanted)}; there are {', '.join(sorted(names))}")
    floors = {floor for each in contenders if each.name in chosen for floor in each.floors}
    return [each for each in contenders if each.name in chosen | floors]


def _effort(suite: Suite, options: argparse.Namespace) -> Effort:
    load, contender = options.cores or machine.two_cores()
    usual = QUICK if options.quick else {"rounds": suite.rounds, "seconds": suite.seconds}
    return Effort(
        rounds=int(options.rounds or usual["rounds"]),
        seconds=options.seconds or usual["seconds"],
        quick=options.quick,
        seed=options.seed,
        load_core=load,
        contender_core=contender,
    )


def _run(plan: Sequence[tuple[str, Suite, list[Scenario], list[Contender]]], options: argparse.Namespace) -> int:
    found: list[Results] = []
    interrupted = False
    machine.allow_files(20_000)
    before = os.sched_getaffinity(0)
    for name, suite, scenarios, contenders in plan:
        effort = _effort(suite, options)
        os.sched_setaffinity(0, {effort.load_core if effort.load_core is not None else min(before)})
        rounds = Rounds(name, suite, scenarios, contenders, effort)
        found.append(rounds.run())
        os.sched_setaffinity(0, before)
        if found[-1].cells:
            _hand_out(found[-1], options)
        interrupted = rounds.interrupted
        if interrupted:
            print("python -m bench: interrupted; what was measured by then has been kept", file=sys.stderr)
            break
    if options.json:
        print(json.dumps({results.suite: results.dump() for results in found}, indent=1))
    return INTERRUPTED if interrupted else FAILED if any(results.failures for results in found) else SUCCESS


def _hand_out(results: Results, options: argparse.Namespace) -> None:
    """Write or print what a suite has found."""
    if options.out:
        for line in pages.write(options.out, results):
            print(line, file=sys.stderr)
        if not options.json:
            print(f"{results.title}: {options.out / results.suite}.md")
    elif not options.json:
        print(markdown.document(results, folded=False), flush=True)


def _render(options: argparse.Namespace) -> int:
    if not options.out or not list(options.out.glob("*.json")):
        raise Wrong("render needs --out DIR, with the JSON of a run in it")
    for line in pages.render(options.out):
        print(line, file=sys.stderr)
    return SUCCESS


def _list(options: argparse.Namespace) -> int:
    for name in _names(options):
        suite, scenarios, contenders = _chosen(name, options)
        print(f"{name}: {suite.title}")
        print("  scenarios: " + "; ".join(each.name for each in scenarios))
        missing = {each.name: why for each in contenders if (why := each.missing())}
        print("  contenders: " + ", ".join(each.name for each in contenders if each.name not in missing))
        for names, why in markdown.grouped(missing):
            print(f"  missing: {names}: {why}")
    return SUCCESS
