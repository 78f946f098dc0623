"""The floor of the cores: who knows where the messages are, and copies them.  And what a core is asked."""

import struct
from collections.abc import Callable
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

from rawws import Role
from rawws.core.frames import Opcode, encode_frame

READ = 64 * 1024
KEY = bytes.fromhex("37fa213d")

Message: TypeAlias = str | bytes
Feed: TypeAlias = Callable[[bytes], list[Message]]
"""Takes a read; gives the messages that it completed."""
Build: TypeAlias = Callable[[Message], object]
"""Makes the bytes of one message, and drops them."""


class Shape(NamedTuple):
    """A shape of traffic."""

    role: Role
    size: int
    text: bool
    one_a_read: bool

    @property
    def message(self) -> Message:
        text = ("The quick brown fox. " * (self.size // 20 + 1))[: self.size]
        return text if self.text else text.encode()

    @property
    def frame(self) -> bytes:
        message = self.message
        opcode, payload = (Opcode.TEXT, message.encode()) if isinstance(message, str) else (Opcode.BINARY, message)
        return encode_frame(opcode, payload, KEY if self.role is Role.SERVER else None)

    def reads(self, count: int) -> list[bytes]:
        """So many messages as they come from a socket."""
        if self.one_a_read:
            return [self.frame] * count
        stream = self.frame * count
        return [stream[at : at + READ] for at in range(0, len(stream), READ)]


def copying_reader(shape: Shape) -> Feed:
    """A message is cut out of a read, or gathered from several; nothing is looked at, and no mask is taken off."""
    head = len(shape.frame) - shape.size
    return (Gathering if shape.size > READ else Cutting)(head, shape.size, shape.text)


ANY_BYTES = repeat("latin-1")
"""The cheapest encoding; it takes masked bytes too."""


class Cutting:
    """Of reads with many messages in them: all at once, in C."""

    def __init__(self, head: int, size: int, text: bool) -> None:
        self._frame = f"{head}x{size}s"
        self._size = head + size
        self._text = text
        self._cuts: dict[int, struct.Struct] = {}
        self._rest = b""

    def __call__(self, data: bytes) -> list[Any]:
        if self._rest or len(data) % self._size:
            data = self._rest + data
            whole = len(data) - len(data) % self._size
            data, self._rest = data[:whole], data[whole:]
        count = len(data) // self._size
        if count not in self._cuts:
            self._cuts[count] = struct.Struct(self._frame * count)
        payloads = self._cuts[count].unpack(data)
        return list(map(bytes.decode, payloads, ANY_BYTES) if self._text else payloads)


class Gathering:
    """Of messages in many reads: pieces are joined when the last is there."""

    def __init__(self, head: int, size: int, text: bool) -> None:
        self._head, self._whole = head, head + size
        self._text = text
        self._place = 0
        self._pieces: list[memoryview] = []

    def __call__(self, data: bytes) -> list[Any]:
        view, at, messages = memoryview(data), 0, []
        while at < len(view):
            is_payload = self._place >= self._head
            until = at + (self._whole if is_payload else self._head) - self._place
            piece = view[at:until]
            self._pieces += [piece] * is_payload
            at += len(piece)
            self._place = (self._place + len(piece)) % self._whole
            if self._place == 0:
                message = b"".join(self._pieces)
                messages.append(message.decode("latin-1") if self._text else message)
                self._pieces.clear()
        return messages


def copying_builder(shape: Shape) -> Build:
    """A head that is ready, and the payload behind it."""
    head = shape.frame[: len(shape.frame) - shape.size]

    def build(message: Message) -> None:
        head + (message.encode() if isinstance(message, str) else message)

    return build
