"""Who does the work of DEFLATE: `zlib` of the standard library, or another module with its face.

    from zlib_ng import zlib_ng         # pip install zlib-ng

    Deflate(codec=zlib_ng)

Not all that looks like zlib does what RFC 7692 needs of it, and what is wrong would be told by a peer, some day.  So a
codec is tried before it is taken.
"""

import zlib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol


class CompressStream(Protocol):
    """What `compressobj` gives."""

    def compress(self, data: bytes, /) -> bytes:
        """As in zlib."""

    def flush(self, mode: int, /) -> bytes:
        """As in zlib."""

    def copy(self) -> "CompressStream":
        """As in zlib."""


class DecompressStream(Protocol):
    """What `decompressobj` gives."""

    @property
    def eof(self) -> bool:
        """A final block has ended."""

    @property
    def unused_data(self) -> bytes:
        """What came behind it."""

    @property
    def unconsumed_tail(self) -> bytes:
        """What was not looked at, since as much came out as was asked for."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """As in zlib."""

    def copy(self) -> "DecompressStream":
        """As in zlib."""


class Codec(Protocol):
    """As much of the face of `zlib` as is needed.  Numbers (levels, flushes, strategies) mean what they mean there."""

    @property
    def error(self) -> type[Exception]:
        """What its streams raise."""

    def compressobj(
        self, level: int, method: int, wbits: int, memLevel: int, strategy: int, zdict: bytes
    ) -> CompressStream:
        """A stream that compresses."""

    def decompressobj(self, wbits: int, zdict: bytes) -> DecompressStream:
        """A stream that decompresses."""

    def __hash__(self) -> int:
        """Equal ones write the same."""


class Library:
    """A codec that can be copied and pickled, which a module cannot; one for each, so they are equal if they are same.

    Args:
        codec: it is not tried here, but in `library`.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.compressobj = codec.compressobj
        self.decompressobj = codec.decompressobj
        self.error = codec.error

    def __repr__(self) -> str:
        return name_of(self._codec)

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(self._codec, ModuleType):
            return _library_called, (self._codec.__name__,)
        return library, (self._codec,)

    def __deepcopy__(self, memo: object) -> "Library":
        return self


def name_of(codec: object) -> str:
    """What to call it."""
    return getattr(codec, "__name__", None) or repr(codec)


def _library_called(name: str) -> Library:
    module: Any = import_module(name)
    return library(module)


@cache
def library(codec: Codec) -> Library:
    """The library that this codec is.

    Raises:
        TypeError: it lacks something.  Each is tried once.
    """
    if isinstance(codec, Library):
        return codec
    try:
        lack = next((need for need, met in _needs(codec) if not met), None) if codec is not zlib else None
    except Exception as error:
        raise TypeError(f"{name_of(codec)} cannot be the codec: {error}") from error
    if lack is not None:
        raise TypeError(f"{name_of(codec)} cannot be the codec: {lack}")
    return Library(codec)


# --- What has to be so ------------------------------------------------------------------------------------------------

# Nothing in it is there twice, and so only what came before makes it shorter.
TEXT = bytes(range(256)) + bytes(range(0, 256, 2)) + bytes(range(1, 256, 2))
ZEROS = bytes(2**16)


def _needs(codec: Codec) -> Iterator[tuple[str, bool]]:
    """What has to be so, and whether it is."""
    for name in ("compressobj", "decompressobj", "error"):
        yield f"it has no {name}", hasattr(codec, name)
    yield from _needs_to_compress(codec)
    yield from _needs_to_decompress(codec)


def _needs_to_compress(codec: Codec) -> Iterator[tuple[str, bool]]:
    for level in range(1, 10):
        data = _compressed(codec, TEXT, level)
        yield "Z_SYNC_FLUSH does not end with 00 00 ff ff", data.endswith(b"\x00\x00\xff\xff")
        yield f"it compresses wrong at level {level}", zlib.decompressobj(-zlib.MAX_WBITS).decompress(data) == TEXT
    yield "it takes no notice of Z_RLE", len(_compressed(codec, TEXT * 2, 1, zlib.Z_RLE)) > 2 * len(TEXT)
    data = _compressed(codec, TEXT, 1, zdict=TEXT)
    found = zlib.decompressobj(-zlib.MAX_WBITS, TEXT).decompress(data)
    yield "it takes no notice of zdict", found == TEXT and len(data) < len(TEXT) // 2


def _needs_to_decompress(codec: Codec) -> Iterator[tuple[str, bool]]:
    data = _compressed(zlib, TEXT + ZEROS, 9, zdict=TEXT) + b"\x03\x00" + b"more"
    stream = codec.decompressobj(-zlib.MAX_WBITS, TEXT)
    begun = stream.decompress(data, len(TEXT))
    yield "it takes no notice of max_length", begun == TEXT
    yield "it holds back more than it says", bool(stream.unconsumed_tail)
    twin = stream.copy()
    yield "it decompresses wrong", twin.decompress(stream.unconsumed_tail, 2**17) == ZEROS
    yield "it does not tell the end", (twin.eof, twin.unused_data, stream.eof) == (True, b"more", False)
    yield "it takes what is no DEFLATE data", _refuses(codec, b"\x07")


def _compressed(
    codec: Codec, data: bytes, level: int, strategy: int = zlib.Z_DEFAULT_STRATEGY, zdict: bytes = b""
) -> bytes:
    stream = codec.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 1, strategy, zdict=zdict).copy()
    return stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


def _refuses(codec: Codec, data: bytes) -> bool:
    try:
        codec.decompressobj(-zlib.MAX_WBITS, b"").decompress(data, 1)
    except codec.error:
        return True
    return False


ZLIB = library(zlib)
"""The one that is always there."""
