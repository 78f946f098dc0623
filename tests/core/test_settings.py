"""What is settled before the first frame."""

from dataclasses import fields

import pytest

from rawws.core.agreement import Agreement
from rawws.core.settings import Limits, Role


def test_the_peer_of_the_peer_is_oneself() -> None:
    """Two roles face each other."""
    assert (Role.SERVER, Role.CLIENT) == (Role.CLIENT.peer, Role.SERVER.peer)


@pytest.mark.parametrize(
    "limits, most",
    [
        (Limits(), 66_560),
        (Limits(message=16 * 2**20), 1_049_600),
        (Limits(message=0), 1_024),
        (Limits(message=None), float("inf")),
        (Limits(fragments=7), 7),
        (Limits(message=None, fragments=7), 7),
    ],
)
def test_the_bound_on_fragments_follows_the_size_of_a_message(limits: Limits, most: float) -> None:
    """1,024 and one more for every 16 bytes of message, unless it is given; none where there is none for messages."""
    assert most == limits.most_fragments


def test_the_default_limits_are_those_that_the_docs_promise() -> None:
    """A peer costs a bounded amount of memory without anybody setting a thing."""
    limits = Limits()

    assert (2**20, None, None) == (limits.message, limits.frame, limits.fragments)
    assert (16 * 1024, 8 * 1024, 64 * 1024) == (limits.header_bytes, limits.header_line, limits.response_body)


@pytest.mark.parametrize("value, field", [(Limits(), "message"), (Agreement("chat"), "subprotocol")])
def test_settings_do_not_change_and_can_be_keys(value: object, field: str) -> None:
    """They may be shared by a thousand connections, and be the default of an argument."""
    assert value in {value}
    with pytest.raises(AttributeError):
        setattr(value, field, None)


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_a_limit_below_what_makes_sense_is_refused(name: str) -> None:
    """A negative bound is a mistake, and so is a message of no frames."""
    with pytest.raises(ValueError, match=f"the limit {name} is"):
        Limits(**{name: -1})
    with pytest.raises(ValueError, match="fragments is 1 at least"):
        Limits(fragments=0)
