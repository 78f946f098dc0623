"""The load, compressed: a raw socket client whose messages were compressed in advance, as a browser offers it.

The messages differ, and compressing them reaches back into earlier ones; only where they begin again it does not, so
that they can come round.  What comes back is kept while the clock runs, and inflated and compared after that: whoever
answers is not kept waiting.
"""

import socket
import zlib
from functools import cache
from typing import NamedTuple

from bench.traffic.lines import KEY, REQUEST, Line, open_connections
from bench.traffic.records import messages
from rawws.core.frames import RSV1, Opcode, encode_frame

OFFER = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
"""As Chromium says it."""
ROUND = 1024 * 1024
"""So many bytes of messages, before they begin again."""
EMPTY_BLOCK = b"\x00\x00\xff\xff"
COMPRESSED_TEXT = 0xC1
"""The first byte of every answer: FIN, RSV1, text."""
LENGTHS = {126: 2, 127: 8}


class Terms(NamedTuple):
    """The windows that server and client agreed on, in bits."""

    server: int
    client: int


class Round(NamedTuple):
    """What a client sends, until it begins again."""

    messages: tuple[bytes, ...]
    frames: bytes
    ends: tuple[int, ...]
    """Where in `frames` each ends."""


@cache
def round_of(size: int, bits: int) -> Round:
    """Messages of this size, compressed with such a window at zlib's own level, in masked frames."""
    made = messages(size, max(8, ROUND // size))
    stream = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -bits)
    frames, ends = bytearray(), []
    for number, message in enumerate(made, 1):
        flush = zlib.Z_SYNC_FLUSH if number < len(made) else zlib.Z_FULL_FLUSH
        payload = (stream.compress(message) + stream.flush(flush)).removesuffix(EMPTY_BLOCK)
        frames += encode_frame(Opcode.TEXT, payload, KEY, rsv=RSV1)
        ends.append(len(frames))
    return Round(made, bytes(frames), tuple(ends))


def agreed(answer: bytes) -> Terms:
    """What the server settled on.

    Raises:
        ConnectionError: on nothing, or on something that this client does not do.
    """
    fields = [line.partition(b":")[::2] for line in answer.split(b"\r\n")]
    values = [value.strip().decode() for name, value in fields if name.lower() == b"sec-websocket-extensions"]
    name, *parameters = [part.strip() for part in (values or [""])[0].split(";")]
    bits = dict(parameter.partition("=")[::2] for parameter in parameters)
    if name != "permessage-deflate" or bits.keys() - {"server_max_window_bits", "client_max_window_bits"}:
        raise ConnectionError(f"the server does not compress as it is needed here: {values}")
    return Terms(int(bits.get("server_max_window_bits") or 15), int(bits.get("client_max_window_bits") or 15))


def connect(port: int, count: int) -> list[tuple[socket.socket, Terms]]:
    """So many sockets behind their opening handshake, each with what was agreed on in it."""
    opened = open_connections(port, count, REQUEST.removesuffix(b"\r\n") + OFFER + b"\r\n")
    return [(sock, agreed(answer)) for sock, answer in opened]


class CompressedLine(Line):
    """Different messages, compressed both ways."""

    def __init__(self, sock: socket.socket, terms: Terms, size: int) -> None:
        self._round = round_of(size, terms.client)
        super().__init__(sock, self._round.frames, len(self._round.frames))
        self._rest = b""
        self._inflater = zlib.decompressobj(-terms.server)
        self._checked = 0
        self.payloads: list[bytes] = []

    def size_of(self, count: int) -> int:
        return self._end_of(self.asked + count) - self._end_of(self.asked)

    def _end_of(self, count: int) -> int:
        """How many bytes that many messages are, from the first on."""
        rounds, more = divmod(count, len(self._round.ends))
        return rounds * len(self._round.frames) + (self._round.ends[more - 1] if more else 0)

    def pull(self) -> int:
        data = self._rest + self.read()
        position, payloads = 0, self.payloads
        while (found := next_payload(data, position)) is not None:
            payload, position = found
            payloads.append(payload)
        self._rest = data[position:]
        return self.note(self._checked + len(payloads))

    def check(self) -> float:
        """Compare what came since the last time with what it should be; how many bytes a payload had."""
        size = sum(map(len, self.payloads)) / max(len(self.payloads), 1)
        asked = self._round.messages
        for payload in self.payloads:
            if self._inflater.decompress(payload + EMPTY_BLOCK) != asked[self._checked % len(asked)]:
                raise AssertionError("the server answered something else than it was asked")
            self._checked += 1
        self.payloads.clear()
        return size


def next_payload(data: bytes, start: int) -> tuple[bytes, int] | None:
    """The payload of the frame at `start`, and where it ends; None if it is not all there.

    Raises:
        AssertionError: it is no whole text message, or not compressed.
    """
    if len(data) - start < 2:
        return None
    first, length = data[start], data[start + 1]
    if first != COMPRESSED_TEXT:
        raise AssertionError(f"the server's answer begins with {first:02x}, not with {COMPRESSED_TEXT:02x}")
    begin = start + 2
    if length >= 126:
        begin += LENGTHS[length]
        if begin > len(data):
            return None
        length = int.from_bytes(data[start + 2 : begin])
    end = begin + length
    return None if end > len(data) else (data[begin:end], end)
