"""The cases about UTF-8 (section 8.1): we pass them, and whoever errs fails just those that are about the error."""

from functools import cache

import pytest

from rawws.conformance import utf8
from rawws.conformance.case import CASES
from rawws.conformance.utf8 import Sequence
from rawws.conformance.verdict import Verdict
from rawws.core.settings import Role
from tests.conformance.targets import OURS, caught, report_on_ours
from tests.conformance.zoo import utf8 as zoo
from tests.conformance.zoo.echo import Echo
from tests.conformance.zoo.kind import catchers, ids, in_roles

PAGE = "6455/8.1/*"
NEVER_FAILS = ids("6455/8.1/5.1-4")
"""Those that tell how fast wrong text is refused, and want it to be."""


@cache
def sequences() -> dict[str, Sequence]:
    """All sequences by the ids of their cases."""
    families = enumerate((utf8.valid(), utf8.invalid()), 1)
    return {f"6455/8.1/{family}.{n}": found for family, all in families for n, found in enumerate(all, 1)}


class TestSequences:
    """What the cases are made of."""

    def test_are_right_and_wrong_as_they_should_be(self) -> None:
        """63 are UTF-8 and 69 are not, and none is there twice."""
        assert [63, 69] == [len(utf8.valid()), len(utf8.invalid())]
        assert all(utf8.is_valid(found.data) for found in utf8.valid())
        assert not any(utf8.is_valid(found.data) for found in utf8.invalid())
        assert 63 + 69 == len({found.data for found in sequences().values()})

    def test_stand_for_all_of_autobahn(self) -> None:
        """Each case of its groups 6.5 to 6.23 has one counterpart."""
        sizes = {5: 5, 6: 11, 7: 4, 8: 2, 9: 4, 10: 3, 11: 5, 12: 8, 13: 5, 14: 10, 15: 1, 16: 3, 17: 5, 18: 5, 19: 5}
        sizes |= {20: 7, 21: 8, 22: 34, 23: 7}
        theirs = [f"6.{group}.{number}" for group, size in sizes.items() for number in range(1, size + 1)]

        assert sorted(theirs) == sorted(found.autobahn for found in sequences().values())
        assert all((found.autobahn,) == CASES[id].autobahn for id, found in sequences().items())

    @pytest.mark.parametrize("value, size", [(0x24, 1), (0x7FF, 2), (0x20AC, 3), (0x10FFFF, 4)])
    def test_are_spelled_as_python_spells_them(self, value: int, size: int) -> None:
        """Where a value has a right form, it is this one."""
        assert chr(value).encode() == utf8.spelled(value, size)


@pytest.mark.parametrize("name", OURS)
def test_our_endpoints_pass(name: str) -> None:
    """All of them, in both roles; it is told how fast they fail."""
    report = report_on_ours(name, PAGE)

    assert not [(result.id, result.reason) for result in report.results if result.verdict is not Verdict.PASS]
    assert all(result.reason for result in report.results if result.id in NEVER_FAILS)


def taken_wrongly(animal: type[zoo.Reads]) -> set[str]:
    """The cases of single sequences about which `decode` of this animal is mistaken."""
    return {id for id, found in sequences().items() if read(animal, found.data) != read(zoo.Reads, found.data)}


def read(animal: type[zoo.Reads], data: bytes) -> str | None:
    """What an animal makes of this; None if it refuses it."""
    try:
        return animal.decode(object.__new__(animal), data)
    except ValueError:
        return None


@pytest.mark.parametrize("animal, role", in_roles([Echo, zoo.Reads, *zoo.ANIMALS]))
def test_animals_are_caught_by_what_they_do(animal: type[Echo], role: Role) -> None:
    """Who errs about text fails the cases that are about this error, and no other."""
    assert catchers(animal, role) == set(caught(animal, role, PAGE))


@pytest.mark.parametrize("animal", [animal for animal in zoo.ANIMALS if issubclass(animal, zoo.Reads)])
def test_animals_are_mistaken_about_what_they_name(animal: type[zoo.Reads]) -> None:
    """Of the single sequences those catch it of which it makes something else than a right one."""
    assert taken_wrongly(animal) == ids(animal.caught_by) & sequences().keys()
