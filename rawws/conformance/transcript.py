"""What passed on one connection, and when: the evidence for a verdict."""

from dataclasses import dataclass, field

from rawws.core.frames import FrameHeader, Opcode
from rawws.core.settings import Role

MOST_KEPT = 64 * 1024
"""Bytes that are kept of each direction; more are only counted."""

MOST_FRAMES = 10_000
"""Frames that are kept of the side under test, but for a Close, which always is."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was written or read at once."""

    at: float
    """Seconds since the connection began."""
    sender: Role
    data: bytes
    """Perhaps only its beginning."""
    size: int
    """How many bytes it really were."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame from the side under test."""

    header: FrameHeader
    payload: bytes
    """Unmasked, the first 128 bytes."""


@dataclass(slots=True)
class Transcript:
    """One TCP connection."""

    chunks: list[Chunk] = field(default_factory=list)
    frames: list[Seen] = field(default_factory=list)
    """Of the side under test."""
    ended: str = ""
    """How TCP ended; empty while it has not."""
    agreed: str = ""
    """The extension that was agreed on, as the answer said it."""
    violated: str = ""
    """The name of the rule that we broke, if the case is about one and the other side had to fail the connection."""
    kept: dict[Role, int] = field(default_factory=lambda: {Role.CLIENT: 0, Role.SERVER: 0})

    def add(self, at: float, sender: Role, data: bytes) -> None:
        """Keep what passed, as far as there is room."""
        room = max(0, MOST_KEPT - self.kept[sender])
        self.kept[sender] += len(data)
        self.chunks.append(Chunk(round(at, 6), sender, data[:room], len(data)))

    def see(self, frame: Seen) -> None:
        """Keep a frame of the side under test, as far as there is room."""
        if len(self.frames) < MOST_FRAMES or frame.header.opcode == Opcode.CLOSE:
            self.frames.append(frame)
