"""Masking keys that nobody can predict (section 5.3), drawn many at a time.

A call of the operating system costs as much as all else about a short frame; 4096 random bytes cost little more than 4.
"""

import os
from collections.abc import Callable
from struct import Struct

AT_ONCE = 1024
"""So many keys are drawn together."""

_cut = Struct("4s" * AT_ONCE).unpack
_keys: list[bytes] = []
# A child process must not use the keys that its parent goes on to use.
getattr(os, "register_at_fork", dict)(after_in_child=_keys.clear)


def random_bytes(size: int) -> bytes:
    """The same as `os.urandom`, and faster for the 4 bytes of a key.  For any number of threads."""
    if size != 4:
        return os.urandom(size)
    try:
        return _keys.pop()
    except IndexError:
        key, *others = _cut(os.urandom(4 * AT_ONCE))
        _keys.extend(others)
        return bytes(key)


def pooled(random: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """What to draw keys from: `random`, unless that is `os.urandom`, of which many are drawn at a time."""
    return random_bytes if random is os.urandom else random
