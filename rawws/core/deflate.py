"""permessage-deflate (RFC 7692 section 7): how it is negotiated, and the two transformations.

    "Hello"  ── DEFLATE, flushed to a byte ──>  f2 48 cd c9 c9 07 00 00 00 ff ff
             ── the last four bytes are cut off ──>  f2 48 cd c9 c9 07 00

DEFLATE writes "the same as so many bytes ago" for what it has seen before, within a window.  With context takeover the
window reaches back into earlier messages, and so both sides have to remember it, which is what the four parameters are
about: they bound the window, and forbid to keep it, for either direction.  `zlib` does the rest.
"""

import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from rawws.core import rules
from rawws.core.agreement import Extension
from rawws.core.codec import ZLIB, Codec, CompressStream, library
from rawws.core.errors import ProtocolError
from rawws.core.settings import Role

NAME = "permessage-deflate"

SMALLEST_WINDOW, LARGEST_WINDOW = 8, 15
"""7.1.2: in bits; 256 bytes and 32 KiB."""

_BITS = range(SMALLEST_WINDOW, LARGEST_WINDOW + 1)
_LEVELS = range(1, 10)

EMPTY_BLOCK = b"\x00\x00\xff\xff"
"""7.2.1: what is cut off is the end of "an empty DEFLATE block with no compression"; its first three bits stay."""

FINAL_BLOCK = b"\x01" + EMPTY_BLOCK
"""Another one, with BFINAL set: zlib says that the data has ended only where that may stand."""

MOST_FINAL_BLOCKS = 1024
"""In one message.  Behind each the data begins anew, which costs a thousand times what its two bytes do."""

MOST_EXPANSION = 1032
"""So many times its size can come out of DEFLATE data: 258 bytes are repeated with two bits."""

MOST_CONTEXTS = 16
"""In which one message for many is compressed; whoever has another one is sent it without any."""

# --- The parameters -------------------------------------------------------------------------------------------------


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


# --- The transformations --------------------------------------------------------------------------------------------


class Context(NamedTuple):
    """How zlib is set, and what a message may look back to.  A value: equal ones make equal bytes."""

    codec: Codec
    bits: int
    level: int
    memory_level: int
    strategy: int
    window: bytes = b""
    """What both sides remember for sure: the end of what was sent last."""

    def stream(self) -> CompressStream:
        """What compresses in it."""
        return self.codec.compressobj(
            self.level, zlib.DEFLATED, -self.bits, self.memory_level, self.strategy, zdict=self.window
        )

    def compress(self, data: bytes) -> tuple[bytes, "Context"]:
        """A whole message, and the context that both sides are in behind it."""
        stream = self.stream()
        window = (self.window + data)[-(1 << self.bits) :]
        return _finished(stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)), self._replace(window=window)

    def emptied(self) -> "Context":
        """The same with nothing to look back to: a message in it can be read by everyone, whatever came before."""
        return self._replace(window=b"") if self.window else self


class Deflater:
    """Compresses the messages of one sender (7.2.1).

    zlib's state, the window in it, is made for the first message that is compressed, and with no context takeover let
    go of behind each.  A pickle leaves it out and so begins with an empty window, which is always legal.

    It is also let go of when nothing was compressed from one `rest` to the next: then the next message begins with an
    empty window, too.

    A message that is shared with other senders does not pass through that state, which would not know it then, and
    take distances for shorter than they are: so the state is let go of as well, and what was shared is the window that
    the next message begins with.  For those who are sent the same again and again it is one window, in one place.

    Args:
        bits: of the window.
        takeover: it is kept from one message to the next.
        threshold, level, memory_level, codec: as in `Deflate`.
    """

    __slots__ = ("_context", "_resting", "_stream", "_takeover", "_threshold")

    def __init__(
        self, bits: int, takeover: bool, threshold: int, level: int, memory_level: int, codec: Codec = ZLIB
    ) -> None:
        # zlib does not write raw data with a window of 8 bits.  With one of 9 and a strategy that repeats nothing but
        # the byte before, what it writes is right for a window of any size, if not as small as it could be.
        strategy = zlib.Z_RLE if bits == SMALLEST_WINDOW else zlib.Z_DEFAULT_STRATEGY
        self._context = Context(codec, max(bits, SMALLEST_WINDOW + 1), level, memory_level, strategy)
        self._takeover = takeover
        self._threshold = threshold
        self._stream: CompressStream | None = None
        self._resting = False  # nothing was compressed since `rest`

    def wants(self, size: int | None) -> bool:
        """Whether to compress a message of `size` bytes, or of nobody knows how many, if the caller does not say."""
        return size is None or size >= self._threshold

    def compress(self, data: bytes, last: bool) -> bytes:
        """The next part of a message, of which `last` is the end; every part can be sent at once."""
        stream = self._stream or self._context.stream()
        compressed: bytes = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        self._stream = stream if self._takeover or not last else None
        self._context = self._context.emptied()  # It is in the stream now, and more will be.
        self._resting = False
        return _finished(compressed) if last else compressed

    def share(self, data: bytes, memo: dict[Any, Any]) -> bytes:
        """A whole message that many senders send: compressed once for all whose receivers remember the same."""
        context = self._context
        if context not in memo and len(memo) >= MOST_CONTEXTS:
            context = context.emptied()
        if context not in memo:
            memo[context] = context.compress(data)
        compressed: bytes
        compressed, behind = memo[context]
        self._stream = None
        if self._takeover:
            self._context = behind
        return compressed

    def rest(self) -> None:
        """Let go of zlib's state if nothing was compressed since the last time."""
        if self._resting:
            self._stream = None
        self._resting = True

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        return None, {name: getattr(self, name) for name in self.__slots__} | {"_stream": None}

    def __deepcopy__(self, memo: object) -> "Deflater":
        other = object.__new__(type(self))
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other._stream = self._stream and self._stream.copy()
        return other


def _finished(compressed: bytes) -> bytes:
    """A message without the four bytes at its end (7.2.1)."""
    # 7.2.3.6: zlib writes nothing when nothing came, but the first bits of an empty block have to be there.
    return compressed.removesuffix(EMPTY_BLOCK) or b"\x00"


class Inflater:
    """Decompresses the messages of one sender (7.2.2).

    Between messages only the window is kept, as `bytes`; zlib begins each message with it as a dictionary.  That takes
    less memory than to keep zlib's state, and lets us ask zlib at the end of each message whether it was all there.
    In the middle of a compressed message it can be copied, but not pickled.

    Args:
        bits: of the window.
        takeover: it is kept from one message to the next.
        codec: who decompresses.
    """

    __slots__ = ("_bits", "_codec", "_finals", "_last", "_stream", "_takeover", "_window")

    def __init__(self, bits: int, takeover: bool, codec: Codec = ZLIB) -> None:
        self._bits = bits
        self._codec = codec
        self._takeover = takeover
        self._window = b""
        self._stream: Any = None  # none as long as nothing came of the message, or behind a final block
        self._last = b""  # the end of what came
        self._finals = 0

    def decompress_whole(self, data: bytes, most: int) -> bytes | None:
        """A whole message at once; None if it is wrong, is not over `most` bytes soon, or has a final block."""
        if data.endswith(EMPTY_BLOCK):
            return None
        stream = self._codec.decompressobj(-LARGEST_WINDOW, self._window)
        try:
            message: bytes = stream.decompress(data + EMPTY_BLOCK, most)
            # As in `finish`: only data that is whole can end here, and brings nothing.
            if stream.eof or stream.unconsumed_tail or stream.decompress(FINAL_BLOCK, 1):
                return None
            if not stream.eof or stream.unused_data:
                return None
        except self._codec.error:
            return None
        if self._takeover:
            self._remember(message)
        return message

    def decompress(self, data: bytes, most: int) -> tuple[bytes, int]:
        """Some of the next part of a message; never more than `most` bytes, whatever the data claims to be.

        Returns:
            What came out, and how much of `data` is used up.

        Raises:
            ProtocolError: this is no DEFLATE data, or has too many final blocks.
        """
        # zlib may have written `most` bytes and find fault on its way to the next one; then it keeps them to itself.
        may_be_over = len(data) > 1 and most < MOST_EXPANSION * (len(data) + 8)
        spare = None if self._stream is None or not may_be_over else self._stream.copy()
        if self._stream is None:
            if not data:
                return b"", 0
            if self._finals > MOST_FINAL_BLOCKS:
                raise ProtocolError(rules.TOO_MANY_FINAL_BLOCKS, f"more than {MOST_FINAL_BLOCKS}")
            # With a smaller window zlib would find a distance too far or not, depending on how the data is cut.
            self._stream = self._codec.decompressobj(-LARGEST_WINDOW, self._window)
        try:
            decompressed = self._read(data, most)
        except ProtocolError:
            if not may_be_over:
                raise
            self._stream = spare  # None: begin anew
            return self.decompress(data[: len(data) // 2], most)
        stream = self._stream
        rest = len(stream.unused_data if stream.eof else stream.unconsumed_tail)
        used = len(data) - rest
        self._last = (self._last + data[:used])[-len(EMPTY_BLOCK) :]
        if stream.eof:
            # 7.2.1: what follows a block with BFINAL set begins at a byte, and with the window as it stands.
            self._stream = None
            self._finals += 1
        return decompressed, used

    def finish(self) -> bytes:
        """The message has ended: whatever of it was held back, a few KiB at most.

        Raises:
            ProtocolError: it is cut off.
        """
        decompressed = b""
        if self._stream is not None:
            stream = self._stream
            # Some senders leave the four bytes where they are, or have nothing to say in the last fragment.
            whole = self._last == EMPTY_BLOCK
            decompressed = b"" if whole else self._read(EMPTY_BLOCK, 0)
            # The block that was cut off may be a final one itself.  If none was, ours ends here, and brings nothing.
            if (not stream.eof and self._read(FINAL_BLOCK, 0)) or not stream.eof or stream.unused_data:
                raise ProtocolError(rules.COMPRESSED_DATA, "it is cut off")
        self._stream = None
        self._last = b""
        self._finals = 0
        if not self._takeover:
            self._window = b""
        return decompressed

    def _read(self, data: bytes, most: int) -> bytes:
        try:
            decompressed: bytes = self._stream.decompress(data, most)
        except self._codec.error as error:
            raise ProtocolError(rules.COMPRESSED_DATA, str(error).partition(": ")[2]) from None
        self._remember(decompressed)
        return decompressed

    def _remember(self, decompressed: bytes) -> None:
        size = 1 << self._bits
        if len(decompressed) >= size:
            self._window = decompressed[-size:]
        else:
            self._window = (self._window + decompressed)[-size:]
