"""The suite: choosing its cases, running one of them, and what is found.  `running` runs many."""

import asyncio
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from time import monotonic

from rawws import __version__
from rawws.conformance import passive
from rawws.conformance.case import CASES, Case, Declared, Opening, Tier, order
from rawws.conformance.target import Target, Unreachable
from rawws.conformance.verdict import Level, Result, Skip, Verdict, Wrong, when_wrong
from rawws.core.settings import Role


@dataclass(slots=True)
class Report:
    """What a run found.

    Attributes:
        target: a URL or a command.
        role: the side under test.
        results: in the order of the ids.
        began: when, in UTC.
        seconds: how long it took.
        seed: what all that is random came from.
        complete: False if it was interrupted.
        chosen: how many cases there would have been.
        command: what to write behind `rawws conform` to test the same target in the same way.
        problems: sentences about the run as a whole that make it fail, such as an expectation that has expired.
    """

    target: str
    role: Role
    results: list[Result] = field(default_factory=list)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    seed: int = 0
    complete: bool = False
    chosen: int = 0
    command: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)
    rawws: str = __version__
    python: str = platform.python_version()

    @property
    def failures(self) -> list[Result]:
        """What failed."""
        return [result for result in self.results if result.verdict is Verdict.FAIL]

    def count(self, *verdicts: Verdict) -> int:
        """How many cases had one of these verdicts."""
        return sum(result.verdict in verdicts for result in self.results)


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run.

    Attributes:
        jobs: cases at once.
        seed: for what is random.
        per_case: seconds for one case at the most; for one of the soak tier more, if it sends more than usual.
        total: seconds for all; None for no bound.
        fail_fast: stop behind the first failure.
        restart: seconds that a target which has died may take to be there again.
        recovery: seconds that one which is there, and does not answer, may take until it does: it may have much to get
            through.
    """

    jobs: int = 8
    seed: int = 0
    per_case: float = 60.0
    total: float | None = None
    fail_fast: bool = False
    restart: float = 5.0
    recovery: float = 30.0


def select(
    role: Role,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    tiers: Iterable[Tier] = (Tier.CORE,),
    levels: Iterable[Level] = tuple(Level),
) -> list[Case]:
    """The cases for a target that plays `role`, in the order of their ids."""
    tiers, levels = set(tiers), set(levels)
    chosen = [
        case
        for case in CASES.values()
        if role in case.roles
        and case.tier in tiers
        and case.level in levels
        and (not include or any(case.matches(glob) for glob in include))
        and not any(case.matches(glob) for glob in exclude)
    ]
    return sorted(chosen, key=lambda case: order(case.id))


async def run_case(case: Case, target: Target, seed: int = 0, limit: float = 60.0) -> Result:
    """Run one case."""
    result = Result(case.id, Verdict.PASS, seed=seed)
    missing = [name for name in sorted(case.needs) if not target.declared.has(name)]
    if missing:
        result.verdict, result.reason = Verdict.SKIP, f"needs --{missing[0].replace('_', '-')}"
        return result
    if case.offer and target.declared.deflate is False:
        result.verdict, result.reason = Verdict.SKIP, "declared as without permessage-deflate"
        return result
    if case.tier is Tier.SOAK:
        limit *= max(1.0, target.declared.soak / Declared().soak)
    began = monotonic()
    notes: list[str] = []
    try:
        async with asyncio.timeout(limit), target.meet(case, Random(f"{seed}:{case.id}")) as peers:
            try:
                await case.call(peers[0], *case.entry)
                for peer in peers:
                    if peer.is_open:
                        await peer.bye()
            finally:
                notes = [note for peer in peers for note in peer.notes]
                result.transcripts = [peer.transcript for peer in peers if peer.transcript.chunks]
        _passed(result, case, notes)
    except Skip as skip:
        result.verdict, result.reason = Verdict.SKIP, str(skip)
    except Wrong as wrong:
        _failed(result, case, target, wrong)
    except Unreachable:
        raise
    except TimeoutError:
        _failed(result, case, target, Wrong("an end of the case", f"none within {limit:g} s"))
    except Exception as error:
        result.verdict, result.reason = Verdict.ERROR, f"{type(error).__name__}: {error}"
    result.seconds = round(monotonic() - began, 4)
    return result


def _passed(result: Result, case: Case, notes: list[str]) -> None:
    result.reason = "; ".join(notes)
    if case.level is Level.MAY:
        result.verdict = Verdict.INFO


def _failed(result: Result, case: Case, target: Target, wrong: Wrong) -> None:
    result.verdict = when_wrong(case.level)
    if "non-minimal-length" in target.declared.lenient and case.group == "6455/5.2/10":
        result.verdict = Verdict.WARN
    result.expected, result.got = wrong.expected, wrong.got
    result.reason = f"expected {wrong.expected}; got: {wrong.got}"


async def run_and_see(case: Case, target: Target, settings: Settings = Settings()) -> Result:
    """Run one case, and see that the target has survived what it may not have."""
    result = await run_case(case, target, settings.seed, settings.per_case)
    if not await survived(case, target, result):
        died(result)
    return result


async def survived(case: Case, target: Target, result: Result) -> bool:
    """Whether the target still answers, where that is not certain."""
    try:
        return not (case.level is Level.LIM or result.verdict is Verdict.FAIL) or await target.is_alive()
    except Unreachable:
        return False


def died(result: Result) -> None:
    """Say of a case that the target has not survived it."""
    result.verdict = Verdict.FAIL
    result.expected = result.expected or "a target that is still there afterwards"
    result.got = "it does not answer any more"
    result.reason = f"{result.reason}; afterwards it did not answer any more".lstrip("; ")


def conclude(report: Report, cases: Sequence[Case], on_result: Callable[[Result], object]) -> None:
    """Add the verdicts of the passive cases, over what all others heard, and put everything in order."""
    for case in cases:
        if case.opening is Opening.PASSIVE:
            result = passive.judge(case, report.results, report.role)
            report.results.append(result)
            on_result(result)
    report.results.sort(key=lambda result: order(result.id))
