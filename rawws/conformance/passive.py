"""Checks that cost no connection: they are made over everything that was heard in all other cases.

    @passive("6455/5.1/3", MUST, rules.MASK_UNEXPECTED, roles=SERVER)
    def server_masks_nothing(transcript: Transcript, target: Role) -> Iterator[str]:
        \"\"\"A server masks no frame.\"\"\"
        ...  # yield what is wrong

`target` is the side under test.  A check that had nothing to look at is skipped.
"""

from collections.abc import Callable, Iterator
from typing import Any

from rawws.conformance.case import BOTH, Case, Opening, family
from rawws.conformance.transcript import Transcript
from rawws.conformance.verdict import Level, Result, Verdict
from rawws.core.rules import Rule
from rawws.core.settings import Role

Check = Callable[[Transcript, Role], Iterator[str]]

CHECKS: dict[str, Check] = {}


def passive(
    id: str, level: Level, rule: Rule | None = None, *, roles: frozenset[Role] = BOTH, **more: Any
) -> Callable[[Check], Check]:
    """Make a case of a check."""

    def register(check: Check) -> Check:
        async def call(peer: object) -> None:
            raise AssertionError("a passive case is not run")

        call.__doc__ = check.__doc__
        family(id, level, rule, roles=roles, opening=Opening.PASSIVE, **more)(call)
        CHECKS[id] = check
        return check

    return register


def judge(case: Case, results: list[Result], target: Role) -> Result:
    """The verdict of a passive case over what the others heard."""
    found = []
    heard = False
    for result in results:
        for transcript in result.transcripts:
            heard |= bool(transcript.frames)
            found += [f"{what} (in {result.id})" for what in CHECKS[case.id](transcript, target)]
    verdict = Result(case.id, Verdict.PASS)
    if not heard:
        verdict.verdict, verdict.reason = Verdict.SKIP, "no frame of the target was heard"
    elif found:
        soft = {Level.SHOULD: Verdict.WARN, Level.MAY: Verdict.INFO}
        verdict.verdict = soft.get(case.level, Verdict.FAIL)
        verdict.expected = case.requirement
        verdict.got = found[0] + (f", and {len(found) - 1} more" if len(found) > 1 else "")
        verdict.reason = verdict.got
    return verdict
