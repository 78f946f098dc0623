"""The two transformations of permessage-deflate (RFC 7692 section 7.2): messages are compressed, and inflated again.

    "Hello"  ── DEFLATE, flushed to a byte ──>  f2 48 cd c9 c9 07 00 00 00 ff ff
             ── the last four bytes are cut off ──>  f2 48 cd c9 c9 07 00

DEFLATE writes "the same as so many bytes ago" for what it has seen before, within a window.  With context takeover the
window reaches back into earlier messages, and so both sides have to remember it.  `zlib` does the rest.
"""

import zlib
from typing import Any, NamedTuple

from rawws.core import rules
from rawws.core.codec import ZLIB, Codec, CompressStream
from rawws.core.errors import ProtocolError

SMALLEST_WINDOW, LARGEST_WINDOW = 8, 15
"""7.1.2: in bits; 256 bytes and 32 KiB."""

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
        stream = self._stream
        if stream is None:
            stream = self._context.stream()
            self._context = self._context.emptied()  # It is in the stream now, and more will be.
        compressed: bytes = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        self._stream = stream if self._takeover or not last else None
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
