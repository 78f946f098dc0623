"""Masking (section 5.3): a client XORs what it sends with a key of 4 bytes, a new one for every frame.

It hides nothing, the key stands in front of the payload.  It makes the bytes on the wire unpredictable to whoever chose
the message, so that a script in a browser cannot make the browser say something that a proxy on the way mistakes for
HTTP (section 10.3).  Masking twice with one key gives back what was there.
"""


def apply_mask(data: bytes | bytearray | memoryview, key: bytes) -> bytes:
    """XOR `data` with the 4 bytes of `key`, over and over; masks and unmasks (section 5.3).

    >>> apply_mask(b"Hello", bytes.fromhex("37fa213d")).hex(" ")
    '7f 9f 4d 51 58'
    """
    size = len(data)
    # One long XOR of two big integers: byte by byte in Python would be a hundred times slower.
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")


def rotate(key: bytes, count: int) -> bytes:
    """The key as it stands after `count` bytes, for a payload that is unmasked piece by piece."""
    start = count % 4
    return key[start:] + key[:start]
