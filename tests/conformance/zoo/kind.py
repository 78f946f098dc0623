"""What all animals say of themselves: what catches them, and what they can be."""

import fnmatch
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from rawws.conformance.case import BOTH, CASES, Declared
from rawws.core.settings import Role


class Kind:
    """An animal that is a class, and is born once for each connection.

    Attributes:
        caught_by: the cases that fail, or warn, all of them: see `ids`; by its role if they differ.
        roles: what it can be.
        declared: what is said about it.
        idle: other cases in which it does nothing, and is right or gets away with it.
        slow: to catch it takes seconds.
        passes: where not all cases are tried, some that do not catch it.
    """

    caught_by: str | dict[Role, str] = ""
    roles: frozenset[Role] = BOTH
    declared = Declared()
    idle = ""
    slow = False
    passes = ""


def ids(text: str, role: Role | None = None) -> set[str]:
    """The cases that are named, as far as they are about this side.

    Args:
        text: ids; the number in a family perhaps with runs, "6455/5.1/1.1-7,9", or as "7692/7/3.*".
        role: of the target; None for all.
    """
    found = {id for word in text.split() for id in (fnmatch.filter(CASES, word) if "*" in word else _several(word))}
    assert found <= CASES.keys(), found - CASES.keys()
    return {id for id in found if role is None or role in CASES[id].roles}


def _several(word: str) -> Iterator[str]:
    section, _, last = word.rpartition("/")
    group, _, numbers = last.partition(".")
    if not numbers:
        yield word
    for part in numbers.split(",") if numbers else ():
        first, _, end = part.partition("-")
        yield from (f"{section}/{group}.{number}" for number in range(int(first), int(end or first) + 1))


def catchers(animal: Any, role: Role) -> set[str]:
    """The cases that catch it."""
    told = animal.caught_by
    return ids(told[role] if isinstance(told, dict) else told, role)


def name(animal: Any) -> str:
    """What it is called."""
    return animal.__name__ if isinstance(animal, type) else str(animal)


def in_roles(animals: Iterable[Any], *, second_is_slow: bool = False) -> list[Any]:
    """Each as a server, if it can be one, and as a client, for `parametrize`; the second perhaps only with --slow."""
    return [
        pytest.param(
            animal,
            role,
            id=f"{name(animal)}-{role.value}",
            marks=[pytest.mark.slow] * (animal.slow or (n > 0 and second_is_slow)),
        )
        for animal in animals
        for n, role in enumerate(sorted(animal.roles, key=lambda role: role.value, reverse=True))
    ]
