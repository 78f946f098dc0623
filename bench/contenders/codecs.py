"""Codecs in the place of zlib: what they cost alone, and whether they do all that permessage-deflate needs of them.

A codec is a module with the face of zlib; `python -m bench.contenders.codecs "zlib 12/5 level 1"` is a worker that
times one with one setting.  A check is a function that raises if the codec is not up to it; so the answer is "yes", or
what happened in place of it.
"""

import importlib
import random
import sys
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import process_time
from typing import Any, NamedTuple

from bench.contenders.ours import CODECS
from bench.harness import worker
from bench.harness.suite import Contender
from bench.traffic.compressed import EMPTY_BLOCK
from bench.traffic.records import messages

WINDOWS = ((12, 5), (15, 8))
LEVELS = {"zlib": (1, 3, 6), "zlib-ng": (1, 2, 3, 6), "isal": (0, 1, 2, 3)}
FINAL_BLOCK = b"\x01" + EMPTY_BLOCK


class Setting(NamedTuple):
    """One way to use a codec."""

    codec: str
    bits: int
    memory: int
    level: int

    @property
    def name(self) -> str:
        return f"{self.codec} {self.bits}/{self.memory} level {self.level}"


SETTINGS = {
    setting.name: setting
    for codec, levels in LEVELS.items()
    for window in WINDOWS
    for level in levels
    for setting in [Setting(codec, *window, level)]
}


def contenders() -> list[Contender]:
    """Every way that is measured."""
    return [
        Contender(
            name=name,
            command=("-m", "bench.contenders.codecs", name),
            needs=[CODECS[setting.codec]],
            kind="rawws" if name == "zlib 12/5 level 1" else "peer",
        )
        for name, setting in SETTINGS.items()
    ]


def module(codec: str) -> Any:
    """The module of that name."""
    return importlib.import_module(CODECS[codec])


class Trial:
    """A codec with its setting, and messages of one size."""

    def __init__(self, codec: Any, setting: Setting, size: int, count: int) -> None:
        self._codec = codec
        self._bits = setting.bits
        self._stream = codec.compressobj(setting.level, codec.DEFLATED, -setting.bits, setting.memory)
        self._sync = codec.Z_SYNC_FLUSH
        self._messages = messages(size, count)
        stream = codec.compressobj(setting.level, codec.DEFLATED, -setting.bits, setting.memory)
        payloads = [(stream.compress(message) + stream.flush(self._sync)) for message in self._messages]
        self.ratio = (sum(map(len, payloads)) - len(EMPTY_BLOCK) * count) / (size * count)
        self._payloads = payloads
        self._most = 2 * size
        if list(self.inflate()) != list(self._messages) or list(self.inflate_anew()) != list(self._messages):
            raise AssertionError(f"{setting.name}: other messages came out than went in")

    def compress(self) -> Iterator[bytes]:
        for message in self._messages:
            yield self._stream.compress(message) + self._stream.flush(self._sync)

    def inflate(self) -> Iterator[bytes]:
        stream = self._codec.decompressobj(-self._bits)
        for payload in self._payloads:
            yield stream.decompress(payload, self._most)

    def inflate_anew(self) -> Iterator[bytes]:
        window, size = b"", 1 << self._bits
        for payload in self._payloads:
            stream = self._codec.decompressobj(-self._codec.MAX_WBITS, window)
            message = stream.decompress(payload, self._most)
            stream.decompress(FINAL_BLOCK, self._most)
            window = message[-size:] if len(message) >= size else (window + message)[-size:]
            yield message

    def taken(self) -> dict[str, float]:
        """One pass of each, in CPU microseconds a message."""
        return {
            "compress": self._time(self.compress),
            "inflate": self._time(self.inflate),
            "inflate anew": self._time(self.inflate_anew),
            "ratio": self.ratio,
        }

    def _time(self, way: Callable[[], Iterator[bytes]]) -> float:
        start = process_time()
        deque(way(), maxlen=0)
        return (process_time() - start) / len(self._messages) * 1e6


# --- Whether they do what is needed ---------------------------------------------------------------------------------


class Lacking(Exception):
    """The codec does not do this."""


def tempting(seed: int, count: int = 80) -> list[bytes]:
    """Messages that repeat what was any distance ago, and so try how far a compressor reaches back."""
    source = random.Random(seed)
    past, made = bytearray(source.randbytes(300)), []
    for _ in range(count):
        start = len(past)
        for _ in range(source.randrange(1, 30)):
            back = min(len(past), round(2 ** source.uniform(3, 16)))
            past += past[len(past) - back :][: source.randrange(4, 80)] or b"!"
        made.append(bytes(past[start:]))
    return made


def reach(payloads: Sequence[bytes], expected: Sequence[bytes]) -> int:
    """The smallest window, in bits, that these can be inflated with, by zlib, which must give what is `expected`.

    It has to give one byte at a time: what it gives in one call, zlib looks up in there, and not in its window.
    """
    for bits in range(8, 16):
        stream = zlib.decompressobj(-bits)
        try:
            if [_bytewise(stream, payload) for payload in payloads] == list(expected):
                return bits
        except zlib.error:
            continue
    raise Lacking("wrong data")


def _bytewise(stream: Any, data: bytes) -> bytes:
    out = bytearray()
    while more := stream.decompress(data, 1):
        out += more
        data = stream.unconsumed_tail
    return bytes(out)


def _compressed(codec: Any, made: list[bytes], *arguments: int) -> list[bytes]:
    stream = codec.compressobj(*arguments)
    return [stream.compress(message) + stream.flush(codec.Z_SYNC_FLUSH) for message in made]


def _sample() -> tuple[bytes, bytes, list[bytes]]:
    """Two messages, and what zlib makes of them with a window of 12 bits."""
    first, second = messages(8192, 2)
    return first, second, _compressed(zlib, [first, second], 6, zlib.DEFLATED, -12, 5)


def check_levels(codec: Any) -> None:
    made = [b"Hello" * 100]
    for level in range(1, 10):
        _compressed(codec, made, level, codec.DEFLATED, -12, 5)


def check_windows(codec: Any) -> None:
    made = tempting(1)
    for bits in range(9, 16):
        for memory in (1, 5, 9):
            for level in (1, 2, codec.Z_BEST_COMPRESSION):
                payloads = _compressed(codec, made, level, codec.DEFLATED, -bits, memory)
                needed = reach(payloads, made)
                if needed > bits:
                    raise Lacking(f"level {level}, {bits}/{memory}: reaches back {needed} bits")


def check_sync(codec: Any) -> None:
    for payload in _compressed(codec, [b"", b"a", *tempting(2, 20)], 1, codec.DEFLATED, -12, 5)[1:]:
        if not payload.endswith(EMPTY_BLOCK):
            raise Lacking(f"ends with {payload[-4:].hex(' ')}")


def check_run_lengths(codec: Any) -> None:
    made = tempting(3)
    needed = reach(_compressed(codec, made, 1, codec.DEFLATED, -9, 5, codec.Z_RLE), made)
    if needed > 8:
        raise Lacking(f"reaches back {needed} bits")


def check_dictionary(codec: Any) -> None:
    first, second, payloads = _sample()
    stream = codec.decompressobj(-12, first[-4096:])
    if stream.decompress(payloads[1], 1 << 20) != second:
        raise Lacking("wrong data")


def check_pieces(codec: Any) -> None:
    first, _, payloads = _sample()
    stream, data, out = codec.decompressobj(-12), payloads[0], b""
    while piece := stream.decompress(data, 100):
        if len(piece) > 100:
            raise Lacking(f"gave {len(piece)} bytes of 100")
        out += piece
        data = stream.unconsumed_tail
        if not data and len(out) < len(first) - 1000:
            raise Lacking(f"takes all input, and holds back {len(first) - len(out)} bytes")
    if out != first:
        raise Lacking("wrong data")


def check_end(codec: Any) -> None:
    first, _, payloads = _sample()
    stream = codec.decompressobj(-12)
    if stream.decompress(payloads[0] + FINAL_BLOCK + b"more", 1 << 20) != first:
        raise Lacking("wrong data")
    if not stream.eof or stream.unused_data != b"more":
        raise Lacking(f"eof {stream.eof}, unused_data {stream.unused_data!r}")


def check_end_in_pieces(codec: Any) -> None:
    first, _, payloads = _sample()
    stream, data, out = codec.decompressobj(-12), payloads[0] + FINAL_BLOCK + b"more", b""
    while not stream.eof:
        out += stream.decompress(data, 100)
        data = stream.unconsumed_tail
    if out != first:
        raise Lacking(f"eof with {len(first) - len(out)} bytes held back")


def check_copy(codec: Any) -> None:
    codec.compressobj(1, codec.DEFLATED, -12, 5).copy()
    codec.decompressobj(-12).copy()


def check_window_of_8(codec: Any) -> None:
    made = [b"Hello" * 20]
    payload = _compressed(zlib, made, 1, zlib.DEFLATED, -9, 5)[0]
    if codec.decompressobj(-8).decompress(payload, 1000) != made[0]:
        raise Lacking("wrong data")


def check_corrupt(codec: Any) -> None:
    for data in (b"\x07", bytes.fromhex("4a84722300ff00")):
        try:
            codec.decompressobj(-12).decompress(data, 100)
        except codec.error:
            continue
        raise Lacking(f"takes {data.hex(' ')}")


CHECKS: dict[str, Callable[[Any], None]] = {
    "compresses at levels 1 to 9": check_levels,
    "never reaches back over its window, 9 to 15 bits": check_windows,
    "Z_SYNC_FLUSH ends with 00 00 ff ff": check_sync,
    "Z_RLE stays within 8 bits": check_run_lengths,
    "inflates raw data with a dictionary": check_dictionary,
    "inflates with a window of 8 bits": check_window_of_8,
    "gives max_length, and the rest as unconsumed_tail": check_pieces,
    "says eof, and gives what is behind as unused_data": check_end,
    "says eof when all was given": check_end_in_pieces,
    "refuses corrupt data with its `error`": check_corrupt,
    "copy() of both": check_copy,
}


def answers(codec: Any) -> dict[str, str]:
    """To each check: "yes", or what happened."""
    return {name: _answer(check, codec) for name, check in CHECKS.items()}


def _answer(check: Callable[[Any], None], codec: Any) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(codec)
    except Lacking as lack:
        return f"no: {lack}"
    except Exception as error:
        return f"no: {type(error).__name__}: {str(error).partition('. ')[0]}"
    return "yes"


def main(name: str) -> None:
    """Be a worker."""
    setting = SETTINGS[name]

    def answer(size: int, amount: int) -> Mapping[str, Any]:
        return Trial(module(setting.codec), setting, size, max(4, amount // size)).taken()

    worker.serve(answer)


if __name__ == "__main__":
    main(sys.argv[1])
