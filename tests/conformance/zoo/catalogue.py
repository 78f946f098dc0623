"""All animals of the zoo, page by page, and the cases by which each is caught, without running any.

The tests of the pages run them, and hold them to it exactly; `test_zoo` looks at what they catch together.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from rawws.core.settings import Role
from tests.conformance.zoo import (
    clients_handshake,
    clients_whole,
    closing,
    costs,
    deflate,
    fragments,
    frames,
    servers_handshake,
    utf8,
    windows,
)
from tests.conformance.zoo.kind import catchers, name

PAGES: dict[str, list[Any]] = {
    "the opening handshake, clients": [*clients_handshake.ANIMALS, *clients_whole.ANIMALS],
    "the opening handshake, servers": [*servers_handshake.ANIMALS, *servers_handshake.SNIFFING],
    "frames": frames.ANIMALS,
    "fragments, pings and pongs": fragments.ANIMALS,
    "what costs too much": costs.ANIMALS,
    "closing": closing.ANIMALS,
    "text": utf8.ANIMALS,
    "compressed messages": deflate.ANIMALS,
    "windows, and limits of what is compressed": [*windows.ANIMALS, *windows.LARGE],
    "what is large or long": windows.LONG,
}


class Caught(NamedTuple):
    """One animal in one role."""

    page: str
    name: str
    role: Role
    by: frozenset[str]
    """The ids of the cases."""


def caught() -> Iterator[Caught]:
    """Every animal in every role."""
    for page, animals in PAGES.items():
        for animal in animals:
            for role in animal.roles:
                yield Caught(page, name(animal), role, frozenset(catchers(animal, role)))
