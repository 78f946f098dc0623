"""Checks that cost no connection: they are made over everything that was heard in all other cases.

    @passive("6455/5.1/3", MUST, rules.MASK_UNEXPECTED, roles=SERVER)
    def server_masks_nothing(transcript: Transcript, target: Role) -> Iterator[str]:
        \"\"\"A server masks no frame.\"\"\"
        ...  # yield what is wrong

`target` is the side under test.  A check that had nothing to look at is skipped.

    @across("6455/4.1/6", MUST, roles=CLIENT)
    def keys(transcripts: list[Transcript], target: Role) -> Iterator[str]: ...

A check `across` all connections sees them at once; it raises `Skip` itself if they are too few.
"""

from collections.abc import Callable, Iterator
from typing import Any

from rawws.conformance.case import BOTH, Case, Opening, family
from rawws.conformance.transcript import Transcript
from rawws.conformance.verdict import Level, Result, Skip, Verdict, when_wrong
from rawws.core.rules import Rule
from rawws.core.settings import Role

Check = Callable[[Transcript, Role], Iterator[str]]

Comparison = Callable[[list[Transcript], Role], Iterator[str]]

CHECKS: dict[str, Check] = {}

COMPARISONS: dict[str, Comparison] = {}


def passive(
    id: str, level: Level, rule: Rule | None = None, *, roles: frozenset[Role] = BOTH, **more: Any
) -> Callable[[Check], Check]:
    """Make a case of a check."""

    def register(check: Check) -> Check:
        _make_case(check, id, level, rule, roles=roles, **more)
        CHECKS[id] = check
        return check

    return register


def across(
    id: str, level: Level, rule: Rule | None = None, *, roles: frozenset[Role] = BOTH, **more: Any
) -> Callable[[Comparison], Comparison]:
    """Make a case of a check of all connections together."""

    def register(check: Comparison) -> Comparison:
        _make_case(check, id, level, rule, roles=roles, **more)
        COMPARISONS[id] = check
        return check

    return register


def _make_case(check: Callable[..., Iterator[str]], id: str, level: Level, rule: Rule | None, **more: Any) -> None:
    async def call(peer: object) -> None:
        raise AssertionError("a passive case is not run")

    call.__doc__ = check.__doc__
    family(id, level, rule, opening=Opening.PASSIVE, **more)(call)


def judge(case: Case, results: list[Result], target: Role) -> Result:
    """The verdict of a passive case over what the others heard."""
    verdict = Result(case.id, Verdict.PASS)
    try:
        found = _compare(case, results, target) if case.id in COMPARISONS else _check(case, results, target)
    except Skip as skip:
        verdict.verdict, verdict.reason = Verdict.SKIP, str(skip)
        return verdict
    if found:
        verdict.verdict = when_wrong(case.level)
        verdict.expected = case.requirement
        verdict.got = found[0] + (f", and {len(found) - 1} more" if len(found) > 1 else "")
        verdict.reason = verdict.got
    return verdict


def _check(case: Case, results: list[Result], target: Role) -> list[str]:
    found = []
    heard = False
    for result in results:
        for transcript in result.transcripts:
            heard |= bool(transcript.frames)
            found += [f"{what} (in {result.id})" for what in CHECKS[case.id](transcript, target)]
    if not heard:
        raise Skip("no frame of the target was heard")
    return found


def _compare(case: Case, results: list[Result], target: Role) -> list[str]:
    return list(COMPARISONS[case.id]([each for result in results for each in result.transcripts], target))
