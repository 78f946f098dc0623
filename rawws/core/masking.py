"""Masking (section 5.3): a client XORs what it sends with a key of 4 bytes, a new one for every frame.

It hides nothing, the key stands in front of the payload.  It makes the bytes on the wire unpredictable to whoever chose
the message, so that a script in a browser cannot make the browser say something that a proxy on the way mistakes for
HTTP (section 10.3).  Masking twice with one key gives back what was there.
"""

from functools import cache

from rawws.core.speedups import in_c_if_there

LONG = 700
"""From this many bytes on, tables are faster than big integers, three times for 64 KiB."""

_number = int.from_bytes


@in_c_if_there
def apply_mask(data: bytes | bytearray | memoryview, key: bytes) -> bytes:
    """XOR `data` with the 4 bytes of `key`, over and over; masks and unmasks (section 5.3).

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


def rotate(key: bytes, count: int) -> bytes:
    """The key as it stands after `count` bytes, for a payload that is unmasked piece by piece."""
    start = count % 4
    return key[start:] + key[:start]
