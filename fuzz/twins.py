"""What is written twice, in Python and in C: both do the same with any bytes.

The C gets them in memory of just their size, so that AddressSanitizer sees whatever reads beyond it (`fuzz/sanitize`).
Where the extension was not built, Python is its own twin, and only the reference is left.
"""

import sys
from array import array
from collections.abc import Callable
from typing import Any

from fuzz.source import Source
from rawws.core import speedups
from rawws.core.settings import Role
from tests.wire import BINARY, TEXT, frame, xor

LIMITS = (sys.maxsize, 0, 1, 125, 126, 4000, 65536, 2**63)

IN_PYTHON = speedups.in_python
IN_C = {name: speedups.functions_in_c("rawws.core._speedups", {}).get(name, IN_PYTHON[name]) for name in IN_PYTHON}


def twins(data: bytes) -> None:
    """The first bytes choose: masked or not, raw or from a script, cut off or not, the limit, where to begin."""
    source = Source(data)
    flags, limit, start, cut = source.byte(), source.pick(LIMITS), source.byte() & 15, source.byte()
    masked = bool(flags & 1)
    sender = Role.CLIENT if masked else Role.SERVER
    wire = b"".join(source.frames(sender)) if flags & 2 else source.rest()
    wire = wire[: len(wire) - cut] if flags & 4 else wire
    taken = _same("take_plain", wire, start, masked, limit, [])
    _check_run(taken[1], bytes([cut, start, 0, 0xFF]))
    for message in taken[1]:
        payload, first = (message.encode(), 0x81) if isinstance(message, str) else (message, 0x82)
        _check_writing(first, payload, wire[:4].ljust(4, b"k"))
    _check_writing(flags, wire, bytes([cut, limit & 0xFF, 0xFF, start]))
    _check_compressed(wire, taken[0], masked, limit)


def _check_writing(first: int, payload: bytes, key: bytes) -> None:
    """It is also what the RFC says, which is written down once more in tests/wire.py; slowly, so not for long ones."""
    for mask in (None, key):
        written = _same("encode_whole", first, payload, mask)[0]
        if len(payload) < 1000:
            assert written == frame(first & 0xF, payload, key=mask, fin=first >= 0x80, rsv=first >> 4 & 7)
    masked = _same("apply_mask", payload, key)[0]
    assert len(payload) >= 1000 or masked == xor(payload, key)


def _check_compressed(wire: bytes, start: int, masked: bool, limit: int) -> None:
    """Compressed messages, one behind the other: each is the frame that its payload makes."""
    while (found := _same("compressed_at", wire, start, masked, limit)[0]) is not None:
        text, payload, end = found
        begin = end - len(payload)
        key = wire[begin - 4 : begin] if masked else None
        if len(payload) < 1000:
            assert wire[start:end] == frame(TEXT if text else BINARY, payload, key=key, rsv=4)
        start = end


def _check_run(messages: list[Any], key: bytes) -> None:
    """A run of frames is one frame behind the other, each with the key that is its own."""
    keys = [key[at % 4 :] + key[: at % 4] for at in range(len(messages))]
    frames = [
        IN_PYTHON["encode_whole"](*((0x81, each.encode()) if isinstance(each, str) else (0x82, each)), key)
        for each, key in zip(messages, keys)
    ]
    assert _same("encode_run", messages, b"".join(keys))[0] == b"".join(frames)
    assert _same("encode_run", messages, None)[0] == IN_PYTHON["encode_run"](messages, None)


def _same(name: str, *arguments: Any) -> tuple[Any, list[Any]]:
    """What both give back, and what they appended to a list, if they were given one."""
    is_there = IN_C[name] is not IN_PYTHON[name]
    exact = tuple(map(_exact, arguments)) if is_there else arguments
    python, c = _outcome(IN_PYTHON[name], arguments), _outcome(IN_C[name], exact)
    assert python == c, f"{name}: {python} in Python, {c} in C"
    assert [type(each) for each in python[1]] == [type(each) for each in c[1]]
    return c


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    out: list[Any] = []
    return function(*[out if argument == [] else argument for argument in arguments]), out


def _exact(argument: Any) -> Any:
    """Bytes without the zero that Python puts behind them; keys have to be `bytes`."""
    return array("B", argument) if type(argument) is bytes and len(argument) != 4 else argument
