"""The size and soak tiers: Autobahn's cases have counterparts, we pass, and what is changed on its way is seen."""

import asyncio
from typing import Any

import pytest

from rawws import Deflate
from rawws.conformance.case import CASES, Declared, Tier
from rawws.conformance.running import run
from rawws.conformance.suite import Report, Settings, select
from rawws.conformance.verdict import Verdict
from rawws.core.settings import Role
from tests.conformance.targets import OURS, PATIENCE, caught
from tests.conformance.zoo import windows
from tests.conformance.zoo.compressing import Compressing
from tests.conformance.zoo.kind import catchers, ids, in_roles

SIZES = ["1.1", "1.8", "2.5", "2.13", "3.6", "3.11", "4.1", "4.12", "5"]
SOAKS = ["1.1", "1.28", "1.46", "1.64", "1.90", "2.9", "2.27", "2.45", "2.63", "2.81", "2.99", "2.126"]
SOME = [f"6455/size/{case}" for case in SIZES] + [f"7692/soak/{case}" for case in SOAKS]
"""Of each family and each kind of data."""

LARGEST = 8 * 1024 * 1024
FEW = 3


async def report_on(target: Any, cases: list[str]) -> Report:
    """Run them, of whatever tier they are."""
    return await run(select(target.role, include=cases, tiers=Tier), target, Settings(jobs=4))


def report_on_ours(name: str, cases: list[str], declared: Declared, **options: Any) -> dict[str, tuple[Verdict, str]]:
    """What is said about one of our endpoints."""

    async def go() -> Report:
        async with OURS[name](options, declared=declared, patience=PATIENCE) as target:
            return await report_on(target, cases)

    return {result.id: (result.verdict, result.reason) for result in asyncio.run(go()).results}


def test_each_case_of_autobahn_has_one_counterpart() -> None:
    """Its groups 9, 10, 12 and 13, in the order of the ids."""
    found = [
        name
        for group in ("6455/size/1", "6455/size/2", "6455/size/3", "6455/size/4", "6455/size/5")
        for case in CASES.values()
        if case.group == group
        for name in case.autobahn
    ]
    sizes = [6, 6, 9, 9, 6, 6, 6, 6]
    soaks = {"1": [f"12.{kind}.{shape}" for kind in range(1, 6) for shape in range(1, 19)]}
    soaks["2"] = [f"13.{kind}.{shape}" for kind in range(1, 8) for shape in range(1, 19)]

    assert [f"9.{n}.{m}" for n, size in enumerate(sizes, 1) for m in range(1, size + 1)] + ["10.1.1"] == found
    for group, names in soaks.items():
        assert names == [CASES[f"7692/soak/{group}.{n}"].autobahn[0] for n in range(1, len(names) + 1)]


@pytest.mark.parametrize("name", OURS)
def test_our_endpoints_pass_some(name: str) -> None:
    """What is large and what is long comes back from us as it was."""
    wish = Deflate(server_max_window_bits=15, client_max_window_bits=15)
    found = report_on_ours(name, SOME, Declared(soak=FEW), compression=wish, max_size=LARGEST)

    assert {(Verdict.PASS, "")} == {*found.values()}
    assert len(SOME) == len(found)


LARGE = ["6455/size/1.3", "6455/size/2.8"]


def test_a_declared_limit_holds() -> None:
    """What is over it has to be refused, and who takes it all the same has a limit of another size."""
    declared = Declared(max_size=100_000)
    kept = report_on_ours("server, asyncio", LARGE, declared, max_size=100_000)
    broken = report_on_ours("server, asyncio", LARGE, declared, max_size=None)

    assert {Verdict.PASS} == {verdict for verdict, _ in kept.values()}
    assert {Verdict.FAIL} == {verdict for verdict, _ in broken.values()}


def test_a_limit_that_was_not_declared_is_no_failure() -> None:
    """Who hangs up over a large message, and is still there, is asked to be declared so."""
    found = report_on_ours("server, asyncio", LARGE, Declared(), max_size=100_000)

    assert {Verdict.SKIP} == {verdict for verdict, _ in found.values()}
    assert all("see --max-size" in reason for _, reason in found.values())


@pytest.mark.parametrize("animal, role", in_roles(windows.LONG, second_is_slow=True))
def test_who_is_wrong_in_the_long_run_is_caught(animal: type[Compressing], role: Role) -> None:
    """One byte of a large message is enough, and one message that comes twice; terms are kept to until the end."""
    some = catchers(animal, role) | ids(animal.passes)
    found = caught(animal, role, *some, declared=Declared(soak=FEW), tiers=Tier, jobs=4)
    assert catchers(animal, role) == {*found}
