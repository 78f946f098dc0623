"""What the two sides settle in the opening handshake: a subprotocol, and an extension (section 9).

Of extensions there is one kind here, those that compress messages.  RFC 7692 leaves open how: its sections 5 and 6 say
how any compression is negotiated, and which bit marks a message; only section 7 is about DEFLATE.  So there are two
halves, and `deflate` is one way to fill them in:

    Compression  ── offers, accept, check ──>  Terms  ── compressor, decompressor ──>  bytes
    what one endpoint wants                    what both agreed on                     one direction each

A compression sees the payload of messages, in parts, and knows nothing of frames: fragments, control frames between
them, masking, UTF-8 and limits are the connection's.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from rawws.core.settings import Role


class Extension(NamedTuple):
    """One extension in Sec-WebSocket-Extensions: an offer in a request, a choice in an answer (section 9.1)."""

    name: str
    parameters: tuple[tuple[str, str | None], ...] = ()
    """In their order, repeated ones too; None for a parameter without a value."""

    def __str__(self) -> str:
        fields = [key if value is None else f"{key}={value}" for key, value in self.parameters]
        return "; ".join([self.name, *fields])


@runtime_checkable
class Compression(Protocol):
    """A compression as one endpoint would like it."""

    @property
    def name(self) -> str:
        """The name that it is registered under."""

    def offers(self) -> tuple[Extension, ...]:
        """What a client says, the best first."""

    def accept(self, offer: Extension) -> "Terms | None":
        """What a server settles on when a client offers this; None to decline it (RFC 7692 section 5)."""

    def check(self, answer: Extension) -> "Terms":
        """What a client settles on when the server answers this.

        Raises:
            ValueError: the answer has parameters that are unknown, not valid, or there twice.
        """


class Terms(Protocol):
    """The agreed parameters.  They are values: compared, copied and pickled."""

    @property
    def extension(self) -> Extension:
        """As the server's answer says it."""

    def compressor(self, sender: Role) -> "Compressor":
        """What `sender` compresses its messages with, from the first one on."""

    def decompressor(self, sender: Role) -> "Decompressor":
        """What undoes it on the other side."""


class Agreement(NamedTuple):
    """What the opening handshake settled.

    Attributes:
        subprotocol: the one that the server chose; None if there is none (section 1.9).
        compression: on what terms messages may be compressed; None if they may not (RFC 7692).
    """

    subprotocol: str | None = None
    compression: Terms | None = None


class Compressor(Protocol):
    """The messages of one sender, on their way out."""

    def wants(self, size: int | None) -> bool:
        """Whether to compress a message of `size` bytes, or of nobody knows how many, if the caller does not say."""

    def compress(self, data: bytes, last: bool) -> bytes:
        """The next part of a message, of which `last` is the end; every part can be sent at once."""

    def share(self, data: bytes, memo: dict[Any, Any]) -> bytes:
        """A whole message that many senders send: compressed once for all of them that may write the same.

        `memo` is theirs, empty for each message, and holds what they like.  Who can share nothing compresses `data`.
        """

    def rest(self) -> None:
        """From time to time, between messages: an occasion to let go of memory that has not been needed for long."""


class Decompressor(Protocol):
    """The messages of one sender, as they come in.

    `decompress` and `finish` raise `ProtocolError` (`rules.COMPRESSED_DATA`) for what cannot be decompressed.
    """

    def decompress_whole(self, data: bytes, most: int) -> bytes | None:
        """A whole message at once, `most` bytes at most: a shortcut, between messages.

        None if it is not as simple as that, or wrong.  Then nothing has changed, and it comes again by the other two,
        which know what to say about it; who has no shortcut always gives None.
        """

    def decompress(self, data: bytes, most: int) -> tuple[bytes, int]:
        """Some of the next part of a message.

        Returns:
            `most` bytes at most, and how much of `data` they used up.  As long as that is not all, or as many as
            `most` came, there is more.
        """

    def finish(self) -> bytes:
        """The message has ended: whatever of it was held back, a few bytes."""
