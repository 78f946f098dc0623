"""The cases about closing (sections 5.5.1 and 7): we pass them, and whoever errs fails those about the error."""

import pytest

from rawws.conformance.case import CASES, Declared
from rawws.conformance.verdict import Verdict
from rawws.core.settings import Role
from tests.conformance.targets import LITTLE, OURS, caught, report_on_ours
from tests.conformance.zoo import closing as zoo
from tests.conformance.zoo.echo import Echo

PAGES = ("6455/5.5.1/*", "6455/7.1.1/*", "6455/7.1.7/*", "6455/7.4/*")
BOTH = (Role.SERVER, Role.CLIENT)
WAITS = "6455/5.5.1/9"
"""It takes some seconds with each client, so only those who err there meet it."""


def ids(section: str, *cases: str) -> set[str]:
    """Those of this section; "6.1-3" are three."""
    found = set()
    for case in cases:
        first, _, last = case.partition("-")
        head, _, number = first.rpartition(".")
        several = [f"{head}.{n}" for n in range(int(number), int(last) + 1)] if last else [first]
        found |= {f"{section}/{one}" for one in several}
    return found


def closes(*cases: str) -> set[str]:
    """Ids of section 5.5.1."""
    return ids("6455/5.5.1", *cases)


def codes(*cases: str) -> set[str]:
    """Ids of section 7.4."""
    return ids("6455/7.4", *cases)


@pytest.mark.parametrize("name", OURS)
def test_our_endpoints_pass(name: str) -> None:
    """All of them, those too that need commands or a limit; a MAY tells what was seen."""
    declared = Declared(commands=True, max_size=100_000)
    report = report_on_ours(name, *PAGES, declared=declared, max_size=100_000, close_timeout=0.8)

    assert not [(result.id, result.reason) for result in report.failures]
    assert {Verdict.PASS, Verdict.INFO} == {result.verdict for result in report.results}


ANSWERED = closes("1", "2.1-2", "4", "6.1-3", "7.5-8") | codes("1.1-13", "2.1-3")
"""The cases in which a Close has to be accepted, whoever is under test."""

WRONG: list[tuple[type[Echo], tuple[Role, ...], set[str]]] = [
    (Echo, BOTH, set()),
    (zoo.SaysThatThereWasNoCode, BOTH, closes("4") | codes("6")),
    (zoo.ClosesTwice, BOTH, closes("2.1-2", "10")),
    (zoo.TalksBehindItsClose, BOTH, closes("2.1-2", "10")),
    (zoo.BlamesWhatComesBehind, BOTH, closes("2.1-2")),
    (zoo.TakesHalfACode, BOTH, closes("5")),
    (zoo.TakesAnyCode, BOTH, codes("3.1-9", "4.1-6", "6")),
    (zoo.TakesAnyReason, BOTH, closes("7.1-4")),
    (zoo.ReadsReasonsInAsciiOnly, BOTH, closes("7.5-8")),
    (zoo.KnowsTheCodesOfTheRfcOnly, BOTH, codes("2.1-3")),
    (zoo.KnowsNoCodesOfOthers, BOTH, codes("1.10-13")),
    (zoo.HangsUpAtOnce, (Role.CLIENT,), closes("9")),
    (zoo.FailsInSilence, BOTH, ids("6455/7.1.7", "1")),
    (zoo.FailsForReasonsOfItsOwn, BOTH, ids("6455/7.1.7", "1")),
    (zoo.FailsWithWhatIsNotForTheWire, BOTH, ids("6455/7.1.7", "1") | codes("6", "3.5")),
    (zoo.FailsWithAReset, (Role.SERVER,), ids("6455/7.1.1", "3")),
    (zoo.PongsOnceMore, BOTH, ids("6455/7.1.7", "2")),
]

SLOW: list[tuple[type[Echo], tuple[Role, ...], set[str]]] = [
    (zoo.NeverAnswersClose, (Role.SERVER,), ANSWERED | closes("8")),
    (zoo.NeverAnswersClose, (Role.CLIENT,), ANSWERED | closes("9")),
    (zoo.KeepsTcp, (Role.SERVER,), closes("8")),
    (zoo.OverlooksTheEnd, BOTH, ids("6455/7.1.1", "1.1-4")),
    (zoo.FailsAndStays, (Role.SERVER,), ids("6455/7.1.7", "2") | closes("11.1")),
]
"""Those that do nothing where something is expected: then it is waited for."""


def once_in_each_role(animals: list[tuple[type[Echo], tuple[Role, ...], set[str]]]) -> list[object]:
    """What `parametrize` wants."""
    return [pytest.param(kind, role, wrong, id=f"{kind.__name__}-{role.value}") for kind, roles, wrong in animals
            for role in roles]  # fmt: skip


@pytest.mark.parametrize("animal, role, wrong", once_in_each_role(WRONG))
def test_animals_are_caught_by_what_they_do(animal: type[Echo], role: Role, wrong: set[str]) -> None:
    """Who errs in closing fails the cases that are about this error, and no other."""
    exclude = () if animal is Echo or WAITS in wrong else (WAITS,)

    assert wrong == set(caught(animal, role, *PAGES, exclude=exclude))


@pytest.mark.parametrize("animal, role, wrong", once_in_each_role(SLOW))
def test_idle_animals_are_caught_by_what_they_do_not_do(animal: type[Echo], role: Role, wrong: set[str]) -> None:
    """The same, of those for whom somebody waits."""
    assert wrong == set(caught(animal, role, *PAGES, patience=LITTLE))


def test_a_server_that_dies_of_a_reset_is_caught() -> None:
    """A robustness case fails when the target does not answer afterwards."""

    class Mortal(zoo.DiesOfAReset):
        """Dies for this test only."""

    assert ids("6455/7.1.1", "2.1-2") == set(caught(Mortal, Role.SERVER, "6455/7.1.1/2", patience=LITTLE))


@pytest.mark.parametrize("role", BOTH)
def test_a_second_close_at_a_crossing_is_caught(role: Role) -> None:
    """An endpoint that was told to close, and closes once more when the other's Close comes."""
    declared = Declared(commands=True)

    assert closes("10", "11.2") == set(
        caught(zoo.ClosesTwiceAtACrossing, role, "6455/5.5.1/11", "6455/5.5.1/10", declared=declared)
    )


@pytest.mark.parametrize("role", BOTH)
def test_a_limit_that_is_none_is_caught(role: Role) -> None:
    """An endpoint that declares a limit and takes more."""
    assert codes("7") == set(caught(Echo, role, "6455/7.4/7", declared=Declared(max_size=1000)))


@pytest.mark.slow
def test_a_patience_without_end_is_caught() -> None:
    """An endpoint that waits for ever for the answer to its Close."""
    assert closes("12") == set(caught(Echo, Role.SERVER, "6455/5.5.1/12", declared=Declared(commands=True)))


def test_cases_stand_for_those_of_autobahn() -> None:
    """Each of its cases about closing has a counterpart here, but for three that are on other pages."""
    theirs = {f"7.1.{n}" for n in (1, 2, 4, 6)} | {f"7.3.{n}" for n in range(1, 6)} | {"7.5.1", "7.13.1", "7.13.2"}
    theirs |= {f"7.7.{n}" for n in range(1, 14)} | {f"7.9.{n}" for n in range(1, 10)}
    ours = [name for case in CASES.values() if any(map(case.matches, PAGES)) for name in case.autobahn]

    assert sorted(theirs) == sorted(ours)
