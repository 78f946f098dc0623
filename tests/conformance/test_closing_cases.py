"""The cases about closing (sections 5.5.1 and 7): we pass them, and whoever errs fails those about the error."""

import pytest

from rawws.conformance.case import CASES, Declared
from rawws.conformance.verdict import Verdict
from rawws.core.settings import Role
from tests.conformance.targets import OURS, caught, report_on_ours
from tests.conformance.zoo import closing as zoo
from tests.conformance.zoo.echo import Echo
from tests.conformance.zoo.kind import catchers, in_roles

PAGES = ("6455/5.5.1/*", "6455/7.1.1/*", "6455/7.1.7/*", "6455/7.4/*")
WAIT = ["6455/5.5.1/9", "6455/5.5.1/12"]
"""They take some seconds with each client, or with each that can be told to close, so only those who err there meet
them."""


@pytest.mark.parametrize("name", OURS)
def test_our_endpoints_pass(name: str) -> None:
    """All of them, those too that need commands or a limit; a MAY tells what was seen."""
    declared = Declared(commands=True, max_size=100_000)
    report = report_on_ours(name, *PAGES, declared=declared, max_size=100_000, close_timeout=0.8)

    assert not [(result.id, result.reason) for result in report.failures]
    assert {Verdict.PASS, Verdict.INFO} == {result.verdict for result in report.results}


@pytest.mark.parametrize("animal, role", in_roles([Echo, *zoo.ANIMALS]))
def test_animals_are_caught_by_what_they_do(animal: type[Echo], role: Role) -> None:
    """Who errs in closing fails the cases that are about this error, and no other."""
    wrong = catchers(animal, role)
    exclude = [] if animal is Echo else [case for case in WAIT if case not in wrong]

    assert wrong == set(caught(animal, role, *PAGES, exclude=exclude, declared=animal.declared))


def test_cases_stand_for_those_of_autobahn() -> None:
    """Each of its cases about closing has a counterpart here, but for three that are on other pages."""
    theirs = {f"7.1.{n}" for n in (1, 2, 4, 6)} | {f"7.3.{n}" for n in range(1, 6)} | {"7.5.1", "7.13.1", "7.13.2"}
    theirs |= {f"7.7.{n}" for n in range(1, 14)} | {f"7.9.{n}" for n in range(1, 10)}
    ours = [name for case in CASES.values() if any(map(case.matches, PAGES)) for name in case.autobahn]

    assert sorted(theirs) == sorted(ours)
