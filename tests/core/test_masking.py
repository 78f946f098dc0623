"""Masking (section 5.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core.masking import LONG, SHORT, apply_mask, mask_short, rotate, unmask_short
from tests.wire import KEY, octets, xor

KEYS = st.binary(min_size=4, max_size=4)


def test_hello_is_masked_as_in_the_rfc() -> None:
    """ "Hello" under the key 37fa213d is what the example of section 5.7 shows."""
    assert octets("7f 9f 4d 51 58") == apply_mask(b"Hello", KEY)


@pytest.mark.parametrize("size", [*range(18), 125, 126, 127, *range(LONG - 4, LONG + 5), 65535, 65536, 65537])
def test_every_byte_is_masked_with_the_byte_of_the_key_at_its_place(size: int) -> None:
    """Octet i is XORed with octet i MOD 4 of the key, whatever the length."""
    data = bytes(i * 7 % 256 for i in range(size))

    assert xor(data, KEY) == apply_mask(data, KEY)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_masked(kind: type) -> None:
    """What comes back is `bytes`, and the buffer that was given is left as it was."""
    data = kind(b"Hello")

    masked = apply_mask(data, KEY)

    assert (bytes, b"Hello") == (type(masked), bytes(data))


def test_a_key_of_zeros_changes_nothing() -> None:
    """A client may happen to draw the key 0, and leading zero bytes of a payload are not lost."""
    assert b"\0\0Hello\0" == apply_mask(b"\0\0Hello\0", bytes(4))


@given(st.binary(), KEYS)
def test_masking_twice_gives_back_what_was_there(data: bytes, key: bytes) -> None:
    """The same function masks and unmasks."""
    assert data == apply_mask(apply_mask(data, key), key)


@given(st.binary(), KEYS, st.integers(0, 100))
def test_a_payload_may_be_masked_piece_by_piece(data: bytes, key: bytes, at: int) -> None:
    """With the key turned by as many bytes as came before, the pieces join to what the whole would be."""
    assert apply_mask(data, key) == apply_mask(data[:at], key) + apply_mask(data[at:], rotate(key, len(data[:at])))


@pytest.mark.parametrize("size", range(SHORT + 1))
def test_a_short_payload_is_masked_and_unmasked_together_with_its_key(size: int) -> None:
    """Of every size that the shortest header can tell: the bytes are those of masking it alone."""
    data = bytes(i * 7 % 256 for i in range(size))
    for key in (KEY, bytes(4), b"\0\0\0\1", b"\xff" * 4):
        masked = mask_short(data, int.from_bytes(key))

        assert key + xor(data, key) == masked
        assert data == unmask_short(masked)


@given(st.binary(max_size=SHORT), KEYS)
def test_a_short_payload_of_any_bytes_keeps_its_zeros(data: bytes, key: bytes) -> None:
    """Also those in front, which a number has not."""
    masked = mask_short(data, int.from_bytes(key))

    assert key + apply_mask(data, key) == masked
    assert data == unmask_short(masked)
