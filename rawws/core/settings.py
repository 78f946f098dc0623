"""What is settled before the first byte: which side we are, and how much we put up with."""

from dataclasses import dataclass, fields
from enum import Enum
from operator import index


class Role(Enum):
    """Which side we play.  All it changes is who masks (section 5.1) and who hangs up first (section 7.1.1)."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def peer(self) -> "Role":
        """The side that we talk to."""
        return Role.SERVER if self is Role.CLIENT else Role.CLIENT


OVERHEAD = 128
"""What a message that waits is charged besides its length, for the object that it is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one peer may ask of us (section 10.4).  Sizes in bytes; None lifts a bound.

    Attributes:
        message: the payload of one message, all its fragments together, and decompressed.  On the wire a compressed
            one may take an eighth more, 1 KiB, and 16 bytes a fragment: that is what compressing the incompressible can
            come to.
        frame: the payload of one data frame; None: what `message` leaves.  A length is judged when it is announced,
            before a byte of the payload is there.
        fragments: frames in one message; None: 1,024 and one more for every 16 bytes of `message`, so that the
            fragments of an honest sender pass and a flood of empty ones ends early.
        pongs: automatic answers that may wait to be sent, at least 1; beyond it the newest replaces the one before
            (section 5.5.3).
        header_bytes: one HTTP head, from its first byte to the empty line; of a client, with all 1xx in front of it.
        header_line: one line of it.
        header_count: fields in it.
        response_body: how much is kept of the body of an answer that is not 101.

    Raises:
        TypeError: a bound is no whole number (1e6 is none).
        ValueError: a bound is below 0, or no fragment is allowed.
    """

    message: int | None = 2**20
    frame: int | None = None
    fragments: int | None = None
    pongs: int = 16
    header_bytes: int = 16 * 1024
    header_line: int = 8 * 1024
    header_count: int = 128
    response_body: int = 64 * 1024

    def __post_init__(self) -> None:
        for field in fields(self):
            bound, least = getattr(self, field.name), 1 if field.name == "fragments" else 0
            if bound is not None and index(bound) < least:
                raise ValueError(f"the limit {field.name} is {least} at least, or None for no limit, not {bound}")

    @property
    def most_fragments(self) -> float:
        """The bound on fragments that holds: given, derived from `message`, or none (infinity)."""
        if self.fragments is not None:
            return self.fragments
        return float("inf") if self.message is None else 1024 + self.message // 16
