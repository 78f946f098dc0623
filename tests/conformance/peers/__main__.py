"""Ask the peers everything, twice, and write down what was found: see the head of the package."""

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

from rawws.conformance import Patience, Report, Settings, Unreachable, run_cases, select
from rawws.conformance.report import as_json
from tests.conformance.peers.playing import Restarted, playing
from tests.conformance.peers.table import PEERS, Peer


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.peers", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(dict.fromkeys(peer.name for peer in PEERS)))
    parser.add_argument("--role", choices=("server", "client"))
    parser.add_argument("--out", type=Path, help="a folder for one report each, and for what they wrote to stderr")
    parser.add_argument("--include", action="append", default=[], metavar="GLOB")
    parser.add_argument("--exclude", action="append", default=[], metavar="GLOB")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--timeout", type=float, default=5.0)
    parser.add_argument("--transcripts", choices=("failed", "all", "none"), default="failed")
    options = parser.parse_args()
    unknown = set(options.names) - {peer.name for peer in PEERS}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


def chosen(options: argparse.Namespace) -> list[Peer]:
    """Who is asked."""
    return [
        peer
        for peer in PEERS
        if (not options.names or peer.name in options.names) and options.role in (None, peer.role.value)
    ]


class Run(NamedTuple):
    """What was found once.

    Attributes:
        report: the findings.
        restarts: how often the process of a server had ended and was started again.
    """

    report: Report
    restarts: int


async def ask(peer: Peer, options: argparse.Namespace, log: IO[Any] | int) -> Run:
    """Everything, once, in a process of its own; if that is gone for good, what was found until then."""
    report = Report(str(peer), peer.role)
    cases = select(peer.role, include=options.include, exclude=options.exclude)
    restarts = 0
    try:
        async with playing(peer, log, patience=Patience(reply=options.timeout)) as target:
            try:
                await run_cases(cases, target, Settings(jobs=options.jobs), report=report)
            finally:
                restarts = target.restarts if isinstance(target, Restarted) else 0
    except (Unreachable, TimeoutError) as error:
        report.problems.append(f"it was gone before all was asked: {error or 'it did not come up'}")
    report.target = ", ".join(f"{name.removeprefix('node:')} {found}" for name, found in peer.versions.items())
    return Run(report, restarts)


def differences(reports: Sequence[Report]) -> dict[str, list[str]]:
    """The ids on which the runs do not agree, and what each of them says."""
    verdicts = [{result.id: result.verdict.value for result in report.results} for report in reports]
    ids = [result.id for result in reports[0].results]
    all_of = {id: [run.get(id, "none") for run in verdicts] for id in ids}
    return {id: said for id, said in all_of.items() if len(set(said)) > 1}


def document(peer: Peer, runs: Sequence[Run], transcripts: str) -> str:
    """The first report as JSON, with who it was, and what the other runs say."""
    reports = [run.report for run in runs]
    value = as_json.value_of(reports[0], transcripts)
    value["peer"] = {
        "name": peer.name,
        "role": peer.role.value,
        "versions": peer.versions,
        "declared": {"max_size": peer.max_size, "deflate": peer.deflate, "settle": peer.settle},
        "date": datetime.now(UTC).date().isoformat(),
        "runs": len(reports),
        "seconds": [report.seconds for report in reports],
        "restarts": [run.restarts for run in runs],
        "differences": (found := differences(reports)),
        "reasons": {id: [_reason(report, id) for report in reports] for id in found},
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def tell(peer: Peer, runs: Sequence[Run]) -> None:
    """In a few lines what was found."""
    reports = [run.report for run in runs]
    counts = Counter(result.verdict.value for result in reports[0].results)
    seconds = ", ".join(f"{report.seconds:.1f} s" for report in reports)
    print(f"{peer} ({reports[0].target}): {dict(counts)} in {seconds}", flush=True)
    for number, (report, restarts) in enumerate(runs, 1):
        if restarts:
            print(f"    run {number}: {restarts} restarts", flush=True)
        for problem in report.problems:
            print(f"    run {number}: {problem}", flush=True)
    for id, said in differences(reports).items():
        reasons = "; ".join(f"{verdict}: {_reason(report, id)}" for verdict, report in zip(said, reports))
        print(f"    runs differ in {id}: {reasons}", flush=True)


def _reason(report: Report, id: str) -> str:
    return next((result.reason for result in report.results if result.id == id), "")


def main() -> None:
    """Ask all that were chosen."""
    options = arguments()
    for peer in chosen(options):
        if peer.missing:
            print(f"{peer}: skipped, {peer.missing}", flush=True)
            continue
        name = f"{peer.name}-{peer.role.value}"
        log: IO[Any] | int = asyncio.subprocess.DEVNULL
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            log = (options.out / f"{name}.log").open("w")
        runs = [asyncio.run(ask(peer, options, log)) for _ in range(options.runs)]
        tell(peer, runs)
        if options.out is not None:
            (options.out / f"{name}.json").write_text(document(peer, runs, options.transcripts))


if __name__ == "__main__":
    main()
