"""permessage-deflate (RFC 7692 section 7), and how it is negotiated; what it does to a message stands in `streams`.

With context takeover, both sides have to remember what was sent before: that is the window, and what the four
parameters are about.  They bound it, and forbid to keep it, for either direction.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from rawws.core.agreement import Extension
from rawws.core.codec import ZLIB, Codec, library
from rawws.core.settings import Role
from rawws.core.streams import (
    EMPTY_BLOCK,
    FINAL_BLOCK,
    LARGEST_WINDOW,
    MOST_CONTEXTS,
    MOST_EXPANSION,
    MOST_FINAL_BLOCKS,
    SMALLEST_WINDOW,
    Context,
    Deflater,
    Inflater,
)

__all__ = [
    "EMPTY_BLOCK",
    "FINAL_BLOCK",
    "LARGEST_WINDOW",
    "MOST_CONTEXTS",
    "MOST_EXPANSION",
    "MOST_FINAL_BLOCKS",
    "NAME",
    "SMALLEST_WINDOW",
    "Context",
    "Deflate",
    "DeflateTerms",
    "Deflater",
    "Inflater",
]

NAME = "permessage-deflate"

_BITS = range(SMALLEST_WINDOW, LARGEST_WINDOW + 1)
_LEVELS = range(1, 10)


@dataclass(frozen=True, slots=True)
class Deflate:
    """permessage-deflate, as one endpoint would like it.

    The window bits are the base-2 logarithm of a window in bytes, from 8 to 15.  A direction in use takes, with the
    defaults, about 37 KiB to compress (23 at `memory_level` 1) and 4 KiB to decompress; one that is not used takes
    nothing.  What the other side does not grant is done without: a client offers a second time with no conditions, and
    a server takes a client that cannot limit its window as it is (32 KiB).

    Attributes:
        server_max_window_bits: of what the server sends.
        client_max_window_bits: of what the client sends.
        server_no_context_takeover: the server forgets its window after each message.
        client_no_context_takeover: the client does.
        threshold: messages of fewer bytes are not compressed unless asked for: they would still take one packet.
        level: of zlib, 1 (fast) to 9 (small).
        memory_level: of zlib, 1 to 9: the compressor takes 512 bytes times 2 to this power, besides 4 windows.
        codec: a module in the place of `zlib`, with its face; what it writes can differ, also between its versions.

    Raises:
        ValueError: a number is out of its range.
        TypeError: `codec` cannot do all that is needed; it is tried once.
    """

    server_max_window_bits: int = 12
    client_max_window_bits: int = 12
    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    threshold: int = 256
    level: int = 1
    memory_level: int = 5
    codec: Codec = ZLIB

    def __post_init__(self) -> None:
        ranges = {"server_max_window_bits": _BITS, "client_max_window_bits": _BITS}
        for name, allowed in (ranges | {"level": _LEVELS, "memory_level": _LEVELS}).items():
            if not isinstance(getattr(self, name), int) or getattr(self, name) not in allowed:
                raise ValueError(f"{name} is from {allowed[0]} to {allowed[-1]}, not {getattr(self, name)}")
        object.__setattr__(self, "codec", library(self.codec))

    @property
    def name(self) -> str:
        """The name that it is registered under."""
        return NAME

    def offers(self) -> tuple[Extension, ...]:
        """What a client says: what it would like, and then, if that was a condition, the same without."""
        # 7.1.2.2: a hint how far we shall reach back, and leave for the server to say less.
        hint = ("client_max_window_bits", str(self.client_max_window_bits))
        conditions: list[tuple[str, str | None]] = []
        if self.server_no_context_takeover:
            conditions.append(("server_no_context_takeover", None))
        if self.server_max_window_bits < LARGEST_WINDOW:
            conditions.append(("server_max_window_bits", str(self.server_max_window_bits)))
        modest: list[tuple[str, str | None]] = [hint]
        if self.client_no_context_takeover:
            modest.insert(0, ("client_no_context_takeover", None))
        offers = [Extension(NAME, (*conditions, *modest)), Extension(NAME, tuple(modest))]
        return tuple(offers if conditions else offers[1:])

    def accept(self, offer: Extension) -> "DeflateTerms | None":
        """What a server settles on; None to decline, if a parameter is unknown, not valid, or there twice."""
        try:
            return _settled(self, offer)
        except ValueError:
            return None

    def check(self, answer: Extension) -> "DeflateTerms":
        """What a client settles on; raises `ValueError` if a parameter is unknown, not valid, or there twice."""
        return replace(_read(answer), wish=self)


@dataclass(frozen=True, slots=True)
class DeflateTerms:
    """The agreed parameters (7.1), and how our own messages are compressed.

    Attributes:
        server_no_context_takeover: the server forgets its window after each message.
        client_no_context_takeover: the client does.
        server_max_window_bits: of what the server sends; None: 15, and it was not spoken of.
        client_max_window_bits: of what the client sends.
        wish: what we would have liked: level, memory level and threshold are of our choice alone.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None
    wish: Deflate = Deflate()

    @property
    def extension(self) -> Extension:
        """As the server's answer says it."""
        flags = ("server_no_context_takeover", "client_no_context_takeover")
        numbers = ("server_max_window_bits", "client_max_window_bits")
        parameters: list[tuple[str, str | None]] = [(flag, None) for flag in flags if getattr(self, flag)]
        parameters += [(key, str(getattr(self, key))) for key in numbers if getattr(self, key) is not None]
        return Extension(NAME, tuple(parameters))

    def compressor(self, sender: Role) -> "Deflater":
        """What `sender` compresses its messages with, from the first one on."""
        bits, takeover = self._window_of(sender)
        ours = self.wish.server_max_window_bits if sender is Role.SERVER else self.wish.client_max_window_bits
        takeover = takeover and not getattr(self.wish, f"{sender.value}_no_context_takeover")
        wish = self.wish
        return Deflater(min(bits, ours), takeover, wish.threshold, wish.level, wish.memory_level, wish.codec)

    def decompressor(self, sender: Role) -> "Inflater":
        """What undoes it on the other side."""
        return Inflater(*self._window_of(sender), self.wish.codec)

    def _window_of(self, sender: Role) -> tuple[int, bool]:
        """How many bits the window of `sender` has, and whether it is taken over to the next message."""
        if sender is Role.SERVER:
            return self.server_max_window_bits or LARGEST_WINDOW, not self.server_no_context_takeover
        return self.client_max_window_bits or LARGEST_WINDOW, not self.client_no_context_takeover


# There are few that are valid, and nearly all clients offer one of two or three.
@lru_cache(64)
def _settled(wish: Deflate, offer: Extension) -> DeflateTerms:
    """What a server settles on; raises `ValueError` to decline."""
    wanted = _read(offer, bare="client_max_window_bits")
    server_bits = min(wish.server_max_window_bits, wanted.server_max_window_bits or LARGEST_WINDOW)
    client_bits = min(wish.client_max_window_bits, wanted.client_max_window_bits or LARGEST_WINDOW)
    # 7.1.2.1: a limit that was asked for is confirmed, also if it is none; 7.1.2.2: a client that does not say so
    # cannot limit its window.
    confirm = server_bits < LARGEST_WINDOW or wanted.server_max_window_bits is not None
    may_limit = client_bits < LARGEST_WINDOW and any(key == "client_max_window_bits" for key, _ in offer.parameters)
    return replace(
        wanted,
        server_no_context_takeover=wanted.server_no_context_takeover or wish.server_no_context_takeover,
        client_no_context_takeover=wanted.client_no_context_takeover or wish.client_no_context_takeover,
        server_max_window_bits=server_bits if confirm else None,
        client_max_window_bits=client_bits if may_limit else None,
        wish=wish,
    )


def _read(extension: Extension, bare: str | None = None) -> DeflateTerms:
    """The parameters of an offer or an answer; that called `bare` needs no value.

    Raises:
        ValueError: one is unknown, not valid, or there twice.
    """
    found: dict[str, Any] = {}
    for key, value in extension.parameters:
        if key in found:
            raise ValueError(f"{key} is there twice")
        found[key] = _read_value(key, value, value_needed=key != bare)
    return DeflateTerms(**found)


def _read_value(key: str, value: str | None, value_needed: bool) -> int | bool | None:
    if key in ("server_no_context_takeover", "client_no_context_takeover"):
        if value is not None:
            raise ValueError(f"{key} has no value, and here it is {value!a}")
        return True
    if key not in ("server_max_window_bits", "client_max_window_bits"):
        raise ValueError(f"{key} is not known")
    if value is None and not value_needed:
        return None
    # 7.1.2: "a decimal integer value without leading zeroes between 8 to 15"
    if value is None or value not in map(str, _BITS):
        raise ValueError(f"{key} is from {SMALLEST_WINDOW} to {LARGEST_WINDOW}, not {value!a}")
    return int(value)
