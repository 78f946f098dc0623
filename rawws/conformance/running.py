"""Running cases: several at once, each with connections of its own, and a verdict for each.

Nothing survives from one case to the next but the target.  Cases that mostly wait run beside all others, from the
beginning, if the target serves others meanwhile; those that flood it or measure time run last, one by one.

A target may die in a case, and be started again by whoever looks after it.  Of the cases that were under way just then
nothing is believed: they are asked once more, one by one, and the one that it dies of fails.  One that is there, but
answers no more, and has had its time to recover, is asked all the rest nevertheless.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic

from rawws.conformance.case import Case, Opening
from rawws.conformance.suite import Report, Settings, conclude, died, run_case, survived
from rawws.conformance.target import Target, Unreachable
from rawws.conformance.verdict import Result, Verdict

Tell = Callable[[Result], object]

A_LOOK = 0.25
"""Seconds between two looks whether it is there."""


async def run(
    cases: Sequence[Case],
    target: Target,
    settings: Settings = Settings(),
    on_result: Tell = lambda result: None,
    report: Report | None = None,
) -> Report:
    """Run these cases and, over everything that was said meanwhile, the passive ones.

    Args:
        cases: see `select`.
        target: what is under test.
        settings: how to run.
        on_result: called with each verdict as it comes.
        report: to be filled in; who gives one has what was found so far, also if this is cancelled.

    Returns:
        The report; not `complete` if the total time was over before, or behind the first failure with `fail_fast`.

    Raises:
        Unreachable: the target is not there, or not any more.
    """
    report = Report(target.name, target.role) if report is None else report
    report.seed, report.chosen = settings.seed, len(cases)
    began = monotonic()

    def tell(result: Result) -> None:
        report.results.append(result)
        on_result(result)
        if settings.fail_fast and result.verdict is Verdict.FAIL:
            raise _Enough

    active = [case for case in cases if case.opening is not Opening.PASSIVE]
    course = _Course(target, settings, tell)
    try:
        async with asyncio.timeout(settings.total):
            await course.run(active)
        report.complete = True
    except (_Enough, TimeoutError):
        pass
    except BaseException:
        on_result = _nobody  # It may be its fault.
        raise
    finally:
        report.problems += course.problems
        conclude(report, cases, on_result)
        report.seconds = round(monotonic() - began, 3)
    return report


def _nobody(result: Result) -> None:
    """Is told nothing."""


class _Enough(Exception):
    """The first failure, and no other is wanted."""


class _Course:
    """The cases that are left, and the target that may die in any of them."""

    def __init__(self, target: Target, settings: Settings, tell: Tell) -> None:
        self.target = target
        self.settings = settings
        self.tell = tell
        self.problems: list[str] = []
        self._hope = False
        """It has answered before, and so it should again."""
        self._doubt = False
        self._suspects: list[tuple[Case, Result | None]] = []

    async def run(self, cases: Iterable[Case]) -> None:
        """All of them."""
        waiting, beside, alone = deque[Case](), deque[Case](), deque[Case]()
        for case in cases:
            (waiting if case.waits else alone if case.alone else beside).append(case)
        self._hope = await self.target.is_alive()
        if waiting and not await self.target.serves_many():
            alone.extendleft(waiting)
            waiting.clear()
        while waiting or beside or alone:
            await self._until_doubt(waiting, beside, alone)
            if self._doubt:
                await self._clear_up(bool(waiting or beside or alone))

    async def _until_doubt(self, waiting: deque[Case], beside: deque[Case], alone: deque[Case]) -> None:
        async def one_by_one() -> None:
            await _together([self._work(beside) for _ in range(min(self.settings.jobs, len(beside)))])
            await self._work(alone)

        await _together([one_by_one(), *(self._work(waiting) for _ in range(len(waiting)))])

    async def _work(self, left: deque[Case]) -> None:
        while left and not self._doubt:
            case = left.popleft()
            result, alive = await self._ask(case)
            self._doubt |= not alive
            if self._doubt:
                self._suspects.append((case, result))
            elif result is not None:
                self.tell(result)

    async def _ask(self, case: Case) -> tuple[Result | None, bool]:
        """What became of the case (None: the target was not there any more), and whether the target has survived it."""
        try:
            result = await run_case(case, self.target, self.settings.seed, self.settings.per_case)
        except Unreachable:
            return None, False
        alive = await survived(case, self.target, result)
        if not alive and not self._hope:
            died(result)
        return result, alive or not self._hope

    # --- When it has died ---------------------------------------------------------------------------------------------

    async def _clear_up(self, more: bool) -> None:
        """Find out of what it died, as soon as it is there again; `more`: there are others to be asked."""
        suspects, self._suspects, self._doubt = self._suspects, [], False
        cases = [case for case, _ in suspects]
        match suspects:
            case [(_, Result() as only)]:
                self._blame(only)
                if more:
                    await self._wait_for_it(cases)
            case _:
                await self._wait_for_it(cases)
                await self._ask_again(cases)

    async def _ask_again(self, cases: Sequence[Case]) -> None:
        known = False
        for number, case in enumerate(cases):
            result, alive = await self._ask(case)
            if result is None or not alive:
                known = True
                self._blame(result or Result(case.id, Verdict.FAIL, seed=self.settings.seed))
                await self._wait_for_it(cases[: number + 1])
            else:
                self.tell(result)
        if not known:
            self.problems.append(f"the target was gone once, in or before {_names(cases)}, and not when asked again")

    def _blame(self, result: Result) -> None:
        died(result)
        self.tell(result)

    async def _wait_for_it(self, cases: Sequence[Case]) -> None:
        """Wait until it answers, or there is no more hope of that.

        Raises:
            Unreachable: it is not there again.
        """
        began = monotonic()
        self._hope = True
        while self._hope:
            waited = monotonic() - began
            try:
                if await self.target.is_alive():
                    return
                self._hope = waited < self.settings.recovery
            except Unreachable as error:
                if waited > self.settings.restart:
                    raise Unreachable(f"{error}; it went in or before {_names(cases)}") from None
            await asyncio.sleep(A_LOOK)
        self.problems.append(f"it does not answer any more, since or before {_names(cases)}")


def _names(cases: Sequence[Case]) -> str:
    """These cases, in a sentence."""
    *others, last = (case.id for case in cases)
    return f"{', '.join(others)} or {last}" if others else last


async def _together(jobs: Sequence[Awaitable[None]]) -> None:
    """All of these; what one of them raises ends the others, and is raised as it is."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            if not task.cancelling():  # Twice would take it from its work of tidying up.
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
