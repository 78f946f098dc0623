"""The cases about frames: right endpoints pass them, and one that is wrong in one thing is caught by just these."""

import asyncio
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from rawws.conformance import ClientTarget, Declared, Patience, Report, Settings, Target, Verdict
from rawws.conformance import run_cases as run_all
from rawws.conformance.case import CASES, LIM, Case
from rawws.conformance.suite import select
from rawws.core.settings import Role
from tests.conformance.targets import OURS, Expecting, report_on_ours
from tests.conformance.zoo import costs, fragments, frames
from tests.conformance.zoo.between import Animal, client_target, server_target
from tests.conformance.zoo.kind import catchers, ids, in_roles

ANIMALS = [*frames.ANIMALS, *fragments.ANIMALS]

SECTIONS = ("6455/5.1", "6455/5.2", "6455/5.3", "6455/5.4", "6455/5.5", "6455/5.5.2", "6455/5.5.3")
MIB = 1 << 20
LITTLE = Patience(reply=1.2, close=0.3)
"""Some of these cases are large, and not all of what is wrong with an animal is silence."""
FINE = (Verdict.PASS, Verdict.INFO)
CLIENT_SCRIPT = """
import sys
from rawws.blocking import connect
try:
    with connect(sys.argv[1]) as ws:
        for message in ws:
            ws.send(message)
except Exception as error:
    print(error)
"""


def about(role: Role, *globs: str) -> list[Case]:
    """The cases that are no floods."""
    return [case for case in select(role, include=globs) if case.level is not LIM]


def not_passed(report: Report) -> dict[str, str]:
    """What is not, and why."""
    return {result.id: result.reason for result in report.results if result.verdict not in FINE}


async def wrong(target: Target, cases: Iterable[Case]) -> dict[str, str]:
    """The cases that are not passed, and why."""
    return not_passed(await run_all(list(cases), target, Settings(jobs=16)))


# --- Right ones ---------------------------------------------------------------------------------------------------


NO_FLOODS = (*(section for section in SECTIONS if section != "6455/5.5.2"), *(f"6455/5.5.2/{n}" for n in range(1, 5)))
FLOODS = ("6455/10.4", "6455/5.5.2/5")


@pytest.mark.parametrize("name", OURS)
def test_ours_are_right(name: str) -> None:
    """Our endpoints do all that sections 5.1 to 5.5 ask for."""
    assert {} == not_passed(report_on_ours(name, *NO_FLOODS))


def test_a_client_is_right_as_a_process(tmp_path: Any) -> None:
    """It is so, too, when it is started with a command; a sample, since each case starts one."""
    script = tmp_path / "client.py"
    script.write_text(CLIENT_SCRIPT)
    globs = ("6455/5.1/2.7", "6455/5.1/4", "6455/5.2/1.8", "6455/5.2/3", "6455/5.2/42", "6455/5.3/1", "6455/5.4/2.1")

    assert {} == asyncio.run(wrong(ClientTarget(f"{sys.executable} {script} {{url}}"), about(Role.CLIENT, *globs)))


def test_limits_of_ours_hold() -> None:
    """What is announced, what grows and what is noise costs our server little."""
    globs = ("6455/10.4/1", "6455/10.4/2", "6455/10.4/3.1", "6455/10.4/5.1", "6455/5.5.2/5.1")

    assert {} == not_passed(report_on_ours("server, asyncio", *globs, declared=Declared(max_size=MIB)))


@pytest.mark.slow
@pytest.mark.parametrize("name", OURS)
def test_all_floods_leave_ours_alive(name: str) -> None:
    """No flood is too much, of either side."""
    assert {} == not_passed(report_on_ours(name, *FLOODS, declared=Declared(max_size=MIB)))


# --- Wrong ones ---------------------------------------------------------------------------------------------------


async def caught_by(animal: Animal, role: Role, cases: list[Case], **options: Any) -> dict[str, str]:
    """The cases that it does not pass."""
    waited_for = catchers(animal, role) | ids(animal.perhaps)
    if role is Role.CLIENT:
        return await wrong(Expecting(client_target(animal, **options), waited_for, LITTLE), cases)
    async with server_target(animal, **options) as target:
        return await wrong(Expecting(target, waited_for, LITTLE), cases)


@pytest.mark.parametrize("animal, role", in_roles(ANIMALS, second_is_slow=True))
def test_what_is_wrong_is_caught(animal: Animal, role: Role) -> None:
    """The cases that it breaks fail, and no others."""
    found = asyncio.run(caught_by(animal, role, about(role, *SECTIONS)))

    expected = catchers(animal, role)
    assert expected == found.keys() - (ids(animal.perhaps, role) - expected), found


@pytest.mark.parametrize("animal, role", in_roles(costs.ANIMALS, second_is_slow=True))
def test_what_costs_too_much_is_caught(animal: Animal, role: Role) -> None:
    """Each of its cases fails with a target of its own, for it may be dead afterwards."""
    for id in sorted(catchers(animal, role)):
        # A small message is enough for one that has no limit at all.
        case = replace(CASES[id], entry=(4 * MIB,)) if id == "6455/10.4/2.1" else CASES[id]
        declared = Declared(max_size=MIB if id == "6455/10.4/2.2" else None)
        assert {id} == asyncio.run(caught_by(animal, role, [case], declared=declared)).keys()
