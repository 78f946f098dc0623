"""Masking (section 5.3): a client XORs what it sends with a key of 4 bytes, a new one for every frame.

It hides nothing, the key stands in front of the payload.  It makes the bytes on the wire unpredictable to whoever chose
the message, so that a script in a browser cannot make the browser say something that a proxy on the way mistakes for
HTTP (section 10.3).  Masking twice with one key gives back what was there.
"""

from functools import cache

from rawws.core.speedups import in_c_if_there

LONG = 700
"""From this many bytes on, tables are faster than big integers, three times for 64 KiB."""
SHORT = 125
"""Up to this many, a frame has the shortest header, and what is behind it is masked in one go."""

_number = int.from_bytes

# `key * _REPEATED[size] >> _TOO_MUCH[size]` is a key again and again, over itself and `size` bytes behind it; all of it
# as numbers.
_REPEATED = [_number(b"\0\0\0\1" * (size // 4 + 2)) for size in range(SHORT + 1)]
_TOO_MUCH = [32 - 8 * (size % 4) for size in range(SHORT + 1)]


@in_c_if_there
def apply_mask(data: bytes | bytearray | memoryview, key: bytes) -> bytes:
    """XOR `data` with the 4 bytes of `key`, over and over; masks and unmasks (section 5.3).

    A memoryview has to be a contiguous one of bytes.

    Raises:
        TypeError: these are no bytes.
        ValueError: the key is longer or shorter; what it would give could be taken for masked.

    >>> apply_mask(b"Hello", bytes.fromhex("37fa213d")).hex(" ")
    '7f 9f 4d 51 58'
    """
    if len(key) != 4:
        raise ValueError(f"a key of {len(key)} bytes, not 4")
    size = len(data)
    if size >= LONG:
        return _apply_to_long(data, key)
    # One XOR of two big integers: byte by byte in Python would be many times slower.
    mask = (key * (size // 4 + 1))[:size]
    return (_number(data, "little") ^ _number(mask, "little")).to_bytes(size, "little")


def _apply_to_long(data: bytes | bytearray | memoryview, key: bytes) -> bytes:
    """The same, one byte of the key at a time: every fourth byte of the data is looked up in a table."""
    masked = bytearray(data)
    for place, byte in enumerate(key):
        masked[place::4] = masked[place::4].translate(_xor_table(byte))
    return bytes(masked)


@cache
def _xor_table(byte: int) -> bytes:
    return bytes(other ^ byte for other in range(256))


def mask_short(payload: bytes | bytearray | memoryview, key: int) -> bytes:
    """The key, and behind it the payload, masked: as they stand in a frame, in one go.  For `SHORT` bytes at most.

    Args:
        key: its 4 bytes as a number.

    >>> mask_short(b"Hello", 0x37fa213d).hex(" ")
    '37 fa 21 3d 7f 9f 4d 51 58'
    """
    size = len(payload)
    # There is nothing in front of the payload, so the key stays what it is.
    return (_number(payload) ^ (key * _REPEATED[size] >> _TOO_MUCH[size])).to_bytes(size + 4)


def unmask_short(masked: bytes) -> bytes:
    """The payload behind a key.  For `SHORT` bytes at most.

    >>> unmask_short(bytes.fromhex("37fa213d 7f9f4d5158"))
    b'Hello'
    """
    size = len(masked) - 4
    number = _number(masked)
    # The key is masked with itself, and so vanishes.
    return (number ^ ((number >> 8 * size) * _REPEATED[size] >> _TOO_MUCH[size])).to_bytes(size)


def rotate(key: bytes, count: int) -> bytes:
    """The key as it stands after `count` bytes, for a payload that is unmasked piece by piece."""
    start = count % 4
    return key[start:] + key[:start]
