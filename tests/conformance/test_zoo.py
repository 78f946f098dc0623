"""What the zoo shows as a whole: of every case, and every rule, it is known that somebody fails it; and who is wrong in
everything is told of everything.

Which animal is caught by which cases is declared; that it is so, by just these, is what the tests of the pages see to.
"""

import asyncio

import pytest

from rawws.conformance.case import BOTH, CASES, CLIENT, MUST, Case, Declared
from rawws.conformance.line import Patience
from rawws.conformance.running import run
from rawws.conformance.suite import Report, Settings, select
from rawws.conformance.target import ServerTarget, Target
from rawws.conformance.verdict import Level, Verdict
from rawws.core.settings import Role
from tests.conformance.targets import Client
from tests.conformance.zoo import catalogue
from tests.conformance.zoo.careless import VIOLATIONS, Careless, Violation
from tests.conformance.zoo.echo import calling, serving
from tests.conformance.zoo.kind import ids

ALL = list(catalogue.caught())
CAUGHT = {role: frozenset[str]().union(*(row.by for row in ALL if row.role is role)) for role in Role}

EN_MASSE = {
    "6455/8.1/1",  # Valid sequences.
    "6455/size/1", "6455/size/2", "6455/size/3", "6455/size/4",
    "7692/soak/1", "7692/soak/2",
}  # fmt: skip
"""Families of many cases of one kind, made of tables: an animal that one of them catches is enough."""

EITHER = "either is right, and it is told which was seen"
NO_ANIMAL = {
    "6455/7.1.1/2.1-2": (CLIENT, "each connection has a client of its own: one that a reset kills harms no other"),
    "6455/4.1/29": (CLIENT, EITHER),
    "6455/4.1/32.3": (CLIENT, EITHER),
    "6455/5.5.1/3": (BOTH, EITHER),
    "6455/7.4/5.1-3": (BOTH, EITHER),
}
"""What can have none, honestly: in which roles, and why."""


def without_animal(role: Role, level: Level) -> set[str]:
    """The cases of this level, of all tiers, that catch nobody, nor does another one of the same kind."""
    kinds = {CASES[id].group for id in CAUGHT[role]} & EN_MASSE
    asked = [case for case in CASES.values() if role in case.roles and case.level is level]
    return {case.id for case in asked if case.id not in CAUGHT[role] and case.group not in kinds}


# --- What is caught -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("level", Level)
def test_every_case_that_can_fail_has_an_animal(level: Level, role: Role) -> None:
    """What none catches is only what cannot be caught, in either role, and in every tier."""
    excused = {id for words, (roles, _) in NO_ANIMAL.items() if role in roles for id in ids(words)}

    assert set() == without_animal(role, level) - excused


@pytest.mark.parametrize("words", NO_ANIMAL)
def test_what_is_excused_has_no_animal(words: str) -> None:
    """An excuse is for cases that are there, and catch nobody."""
    for role in NO_ANIMAL[words][0]:
        assert ids(words) == ids(words, role)
        assert set() == ids(words) & CAUGHT[role]


@pytest.mark.parametrize("role", Role)
def test_every_rule_of_a_must_has_an_animal(role: Role) -> None:
    """A rule that a case names is one that some animal breaks, and is caught by a case of this rule."""

    def rules(cases: list[Case]) -> set[str]:
        return {case.rule.name for case in cases if case.rule is not None}

    named = rules([case for case in CASES.values() if role in case.roles and case.level is MUST])

    assert set() == named - rules([CASES[id] for id in CAUGHT[role]])


def test_every_animal_is_caught() -> None:
    """By a case that can put it under test; and no name is there twice on a page."""
    assert [] == [row for row in ALL if not row.by]
    assert [] == [(row.name, id) for row in ALL for id in row.by if row.role not in CASES[id].roles]
    assert len(ALL) == len({(row.page, row.name, row.role) for row in ALL})


# --- Three dozen things at once -------------------------------------------------------------------------------------

DECLARED = Declared(subprotocol="chat", bad_path="/missing")


async def _report_on_careless(role: Role) -> Report:
    chosen, settings = select(role), Settings(jobs=16)
    options = {"patience": Patience(reply=0.5, close=0.2), "declared": DECLARED}
    if role is Role.CLIENT:
        target: Target = Client(lambda url: calling(Careless, url), **options)
        return await run(chosen, target, settings)
    async with serving(Careless) as port:
        return await run(chosen, ServerTarget(f"ws://127.0.0.1:{port}/", **options), settings)


@pytest.mark.parametrize("role", [Role.SERVER, pytest.param(Role.CLIENT, marks=pytest.mark.slow)])
def test_who_is_careless_is_told_of_everything(role: Role) -> None:
    """The whole core tier, against an echo that is wrong in everything and works with every browser: each violation
    fails a case that is about it, and no case stumbles over what it gets to see."""
    report = asyncio.run(_report_on_careless(role))

    failed = {result.id for result in report.failures}
    possible = [violation for violation in VIOLATIONS if violation.told_by(role)]
    assert [] == [result for result in report.results if result.verdict is Verdict.ERROR]
    assert [] == [one.what for one in possible if not ids(one.told_by(role), role) & failed]
    assert len(failed) >= len(possible) >= 20
    assert report.complete
    assert len(select(role)) == len(report.results)


@pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda violation: str(violation.number))
def test_a_violation_is_of_something_that_must_be(violation: Violation) -> None:
    """What is counted as one is against a MUST, and each has cases of its own."""
    for role in BOTH:
        told = ids(violation.told_by(role), role)
        others = [ids(other.told_by(role), role) for other in VIOLATIONS if other is not violation]
        assert not told or any(CASES[id].level is MUST for id in told)
        assert set() == told & set().union(*others)
