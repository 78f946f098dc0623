"""Errors: which rule, where, and whose fault."""

import copy
import pickle

import pytest

from rawws.core import rules
from rawws.core.errors import LocalProtocolError, NotOpen, ProtocolError, RemoteProtocolError

CLASSES = [ProtocolError, RemoteProtocolError, LocalProtocolError, NotOpen]


def test_an_error_says_the_rule_the_particular_and_the_place() -> None:
    """The text holds all that a person needs to look it up."""
    error = ProtocolError(rules.OPCODE_RESERVED, "opcode 3", 17)

    expected = "the opcodes 3 to 7 and 11 to 15 mean nothing yet: opcode 3 (opcode-reserved, section 5.2 at byte 17)"
    assert expected == str(error)


def test_an_error_says_no_more_than_it_knows() -> None:
    """With no particular and no place there is nothing of them in the text."""
    assert "a client masks every frame (mask-missing, section 5.1)" == str(ProtocolError(rules.MASK_MISSING))


def test_the_place_of_an_error_may_be_the_first_byte() -> None:
    """Offset 0 is a place, and not the lack of one."""
    assert str(ProtocolError(rules.MASK_MISSING, offset=0)).endswith("at byte 0)")


@pytest.mark.parametrize("rule, code", [(rules.MASK_MISSING, 1002), (rules.TEXT_NOT_UTF8, 1007), (rules.METHOD, 405)])
def test_the_code_of_an_error_is_that_of_its_rule(rule: rules.Rule, code: int) -> None:
    """A close code, or an HTTP status."""
    assert code == ProtocolError(rule).code


def test_a_lost_race_is_a_local_error_and_a_remote_error_is_not() -> None:
    """Whoever catches what the caller did wrong also catches `NotOpen`, and never the fault of the peer."""
    assert issubclass(NotOpen, LocalProtocolError)
    assert not issubclass(RemoteProtocolError, LocalProtocolError)
    assert all(issubclass(kind, ProtocolError) for kind in CLASSES)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_copying_and_pickling(kind: type[ProtocolError]) -> None:
    """All that it says is there on the other side, and its rule is the same row."""
    error = kind(rules.CLOSE_CODE, "1005", 7)

    for same in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert (kind, "1005", 7, str(error)) == (type(same), same.detail, same.offset, str(same))
        assert same.rule is rules.CLOSE_CODE


def test_the_header_fields_of_a_refusal_survive_too() -> None:
    """A refused handshake may be answered in another process."""
    error = RemoteProtocolError(rules.VERSION, "12", headers=((b"sec-websocket-version", b"13"),))

    assert error.headers == pickle.loads(pickle.dumps(error)).headers == copy.deepcopy(error).headers
