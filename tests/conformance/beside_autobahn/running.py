"""One suite against one subject, with the clock running.

kosoku gives a case 20 seconds, whatever the case itself allows (up to 480): who is late is run again once, and if it is
late again there is no verdict.
"""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rawws import ConnectionClosed, aio
from rawws.conformance import Report, Settings, Unreachable, passive, run_cases, select
from rawws.conformance.case import CASES
from rawws.conformance.target import ClientTarget, Target
from rawws.conformance.verdict import Result, Verdict
from rawws.core.settings import Role
from tests.conformance.beside_autobahn.said import AUTOBAHN, OURS, PARTS, Measured, Part, Run, Said
from tests.conformance.beside_autobahn.subjects import Subject
from tests.interop.autobahn import LATE

if TYPE_CHECKING:
    from kosoku._kosoku import CaseResult

PATIENCE = 30
"""Seconds for one connection of a client: more than kosoku has."""
AGENT = "target"
WARN, FAIL = Verdict.WARN, Verdict.FAIL
AT_ONCE = 8
"""What is usual with ours."""


def chosen(part: Part, globs: Sequence[str]) -> list[str]:
    """Autobahn's cases in this part that one of the globs names."""
    from kosoku.cases import CASES

    return [id for id in CASES if _any(id, part.groups) and (not globs or _any(id, globs))]


def _any(id: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(id, glob) for glob in globs)


async def measure(subject: Subject, before: Measured | None, globs: Sequence[str], soak: int) -> Measured:
    """Both suites against the subject, part by part; what was measured before is not measured again."""
    runs = list(before.runs) if before is not None else []
    today = datetime.now(UTC).date().isoformat()
    found = Measured(subject.name, subject.role.value, subject.versions, subject.declared.max_size, today, runs)
    async with subject.present() as target:
        target.declared = replace(target.declared, soak=soak)
        for part in PARTS:
            asked = chosen(part, globs)
            done = found.run(part.name, AUTOBAHN, 1)
            if asked and (done is None or not done.said.keys() >= set(asked)):
                runs += [run async for run in _beside(part, target, asked, subject)]
    return found


async def _beside(part: Part, target: Target, asked: Sequence[str], subject: Subject) -> AsyncIterator[Run]:
    """One suite, and then the other; with the first part also those of ours alone that have a counterpart."""
    yield await _theirs(part, target, asked, 1)
    yield await _ours(part, target, AT_ONCE)
    if part is PARTS[0] and subject.versions:
        if target.role is Role.SERVER:
            yield await _theirs(part, target, asked, AT_ONCE)
        for at_once in (1, AT_ONCE):
            yield await _ours(part, target, at_once, [f"ab:{id}" for id in part.groups])


@asynccontextmanager
async def _timed() -> AsyncIterator[Callable[[], dict[str, Any]]]:
    """How long what is inside takes, by the clock and by the processor."""
    load, clock, used = os.getloadavg()[0], perf_counter(), resource.getrusage(resource.RUSAGE_SELF)

    def told() -> dict[str, Any]:
        now = resource.getrusage(resource.RUSAGE_SELF)
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        return {
            "seconds": round(perf_counter() - clock, 2),
            "cpu": round(cpu, 2),
            "load": (round(load, 2), round(os.getloadavg()[0], 2)),
        }

    yield told


async def _ours(part: Part, target: Target, at_once: int, include: Sequence[str] = ()) -> Run:
    cases = select(target.role, include=include, tiers=[part.tier])
    report = Report(target.name, target.role)
    async with _timed() as told:
        with suppress(Unreachable):  # It is gone: what was found until then counts.
            await run_cases(cases, target, Settings(jobs=at_once), report=report)
    said = {result.id: _our_verdict(result, report) for result in report.results}
    return Run(part.name, OURS, not include, at_once, said=said, **told())


def _our_verdict(result: Result, report: Report) -> Said:
    blaming = [id for id in passive.CHECKS if _blames(id, result, report)]
    return Said(result.verdict.value, remark=result.reason, passive=tuple(blaming))


def _blames(id: str, result: Result, report: Report) -> bool:
    """Whether this passive case finds something wrong in the conversation of that case."""
    case = CASES[id]
    return report.role in case.roles and passive.judge(case, [result], report.role).verdict in (WARN, FAIL)


async def _theirs(part: Part, target: Target, asked: Sequence[str], at_once: int) -> Run:
    async with _timed() as told:
        results = await _autobahn(target, asked, at_once)
        again = [id for id, result in results.items() if result.result.startswith(LATE)]
        if again:
            results |= await _autobahn(target, again, at_once)
    late = tuple(id for id, result in results.items() if result.result.startswith(LATE))
    said = {id: _said(result) for id, result in results.items()}
    return Run(part.name, AUTOBAHN, True, at_once, said=said, late=late, **told())


def _said(result: "CaseResult") -> Said:
    return Said(result.behavior.value, result.behavior_close.value, f"{result.result} {result.result_close}")


async def _autobahn(target: Target, asked: Sequence[str], at_once: int) -> "dict[str, CaseResult]":
    from kosoku import FailureError, run_fuzzingclient

    try:
        if isinstance(target, ClientTarget):
            results = await _fuzzing_server(target, asked)
        else:
            results = await run_fuzzingclient(target.name, asked, concurrency=at_once)
    except FailureError as failure:
        results = failure.results
    return {result.case_id: result for result in results}


async def _fuzzing_server(target: ClientTarget, asked: Sequence[str]) -> "list[CaseResult]":
    """The dialogue with Autobahn: we ask for the number of cases and for the reports, and the target for each case."""
    from kosoku import run_fuzzingserver

    async with run_fuzzingserver(asked, host="127.0.0.1", port=0) as server:
        url = f"ws://{server.address}:{server.port}"
        async with aio.connect(f"{url}/getCaseCount") as ws:
            count = int(await ws.recv())
        for case in range(1, count + 1):
            process = await target._run(f"{url}/runCase?case={case}&agent={AGENT}", {})
            try:
                async with asyncio.timeout(PATIENCE):
                    await process.wait()
            except TimeoutError:
                process.kill()
        with suppress(ConnectionClosed):
            async with aio.connect(f"{url}/updateReports?agent={AGENT}") as ws:
                await ws.recv()
        return await asyncio.wait_for(server.get_result(), PATIENCE)
