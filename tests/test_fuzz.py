"""The targets of fuzz/ hold for their seeds, and for what chance makes of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import seeds
from fuzz.targets import TARGETS

SEEDS = [
    pytest.param(target, data, id=f"{target}-{name}") for target in TARGETS for name, data in seeds.of(target).items()
]


@pytest.mark.parametrize("target, data", SEEDS)
def test_a_target_holds_for_its_seeds(target: str, data: bytes) -> None:
    """What was found once, and what is known to be difficult, stays right."""
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_holds_for_what_chance_makes(target: str) -> None:
    """Any bytes, and seeds with pieces replaced, dropped and doubled."""
    known = list(seeds.of(target).values())
    assert known, "a target without seeds tries very little"

    @settings(max_examples=2 * settings().max_examples)
    @given(st.binary(max_size=100) | mutations(known))
    def holds(data: bytes) -> None:
        TARGETS[target](data)

    holds()


@st.composite
def mutations(draw: st.DrawFn, known: list[bytes]) -> bytes:
    """A seed in which some places say something else."""
    data = draw(st.sampled_from(known))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.sampled_from([0, 1, 1, 1, 4]))
        new = draw(st.binary(max_size=2) | st.just(data[at : at + 8]))
        data = data[:at] + new + data[at + gone :]
    return data


def test_seeds_are_for_people() -> None:
    """Text in quotes, hex digits, and comments."""
    assert b"\x81\x05Hello\r\n" == seeds.read('81 05  # a header\n"Hello\\r\\n"\n# and no more\n')
