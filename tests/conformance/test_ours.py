"""Our own four endpoints against everything that the suite has, whole: what they may not fail is nothing."""

import asyncio

import pytest

from rawws import Deflate
from rawws.conformance import Declared, Report, Settings, Verdict, run_cases, select
from rawws.conformance.case import Tier
from tests.conformance.targets import OURS, PATIENCE

MIB = 1 << 20
DECLARED = Declared(max_size=32 * MIB, deflate=True, commands=True, subprotocol="chat")


def asked_everything(name: str, *tiers: Tier) -> Report:
    """What is found of one of them."""
    options = {"max_size": 32 * MIB, "subprotocols": ["chat"], "compression": Deflate()}

    async def go() -> Report:
        async with OURS[name](options, declared=DECLARED, patience=PATIENCE) as target:
            return await run_cases(select(target.role, tiers=tiers), target, Settings(per_case=180.0))

    return asyncio.run(go())


@pytest.mark.slow
@pytest.mark.parametrize("tier", Tier, ids=str)
@pytest.mark.parametrize("name", OURS)
def test_ours_do_what_they_must_and_should(name: str, tier: Tier) -> None:
    """No case of any tier fails or warns, and few are skipped: windows of a size that the client does not offer."""
    report = asked_everything(name, tier)

    print(name, tier.value, {verdict.value: report.count(verdict) for verdict in Verdict if report.count(verdict)})
    wrong = [r for r in report.results if r.verdict in (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)]
    assert {} == {result.id: result.reason for result in wrong}
    assert [] == report.problems
    assert 5 * report.count(Verdict.SKIP) < len(report.results)
