"""Connections that send tiny frames as fast as they are taken: `python -m bench.traffic.flood`, a worker.

Asked to `begin`, it says whether the server agreed to what the flood needs; asked to end, how it went.  It reads all
the time: no server is slowed down by answers that nobody takes.  The answers are kept, and compared with what they
should be when the flood is over.
"""

import select
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bench.harness import worker
from bench.traffic.idle import OFFER, deflated
from bench.traffic.lines import KEY, REQUEST, shake_hands
from rawws.core.frames import RSV1, Opcode, decode_header, encode_frame

BLOCK = 1024 * 1024
"""Bytes that are made in advance, about."""
READ = 256 * 1024
KEPT = 4 * 1024 * 1024
"""Bytes of answers that are looked at in the end."""
FRAGMENTS = 10_000
"""In a message, where a message is in fragments."""
LONGEST = 3.0
"""Seconds that a flood lasts at most, whoever forgets to end it."""


class Kind(NamedTuple):
    """What comes again and again, and what answers it."""

    frames: bytes
    count: int
    """How many frames these are."""
    opcode: int
    message: bytes
    """What each answer is: its opcode and payload, whole and inflated."""
    offer: bool = False
    """Whether permessage-deflate has to be agreed on first."""


def fragments() -> bytes:
    """A message that comes one byte at a time."""
    first = encode_frame(Opcode.BINARY, b"a", KEY, fin=False)
    middle = encode_frame(Opcode.CONTINUATION, b"a", KEY, fin=False)
    last = encode_frame(Opcode.CONTINUATION, b"a", KEY)
    return first + middle * (FRAGMENTS - 2) + last


KINDS: dict[str, Callable[[], Kind]] = {
    "messages of 1 byte": lambda: Kind(encode_frame(Opcode.BINARY, b"a", KEY), 1, Opcode.BINARY, b"a"),
    "empty messages": lambda: Kind(encode_frame(Opcode.BINARY, b"", KEY), 1, Opcode.BINARY, b""),
    "empty pings": lambda: Kind(encode_frame(Opcode.PING, b"", KEY), 1, Opcode.PONG, b""),
    "fragments of 1 byte": lambda: Kind(fragments(), FRAGMENTS, Opcode.BINARY, b"a" * FRAGMENTS),
    "compressed messages of 1 byte": lambda: Kind(
        encode_frame(Opcode.BINARY, deflated(b"a"), KEY, rsv=RSV1), 1, Opcode.BINARY, b"a", True
    ),
}


class Flood:
    """One connection."""

    def __init__(self, port: int, kind: Kind) -> None:
        self._kind = kind
        self._block = memoryview(kind.frames * max(1, BLOCK // len(kind.frames)))
        self._sock = socket.create_connection(("127.0.0.1", port), 10)
        head = shake_hands(self._sock, OFFER if kind.offer else REQUEST)
        self.agreed = not kind.offer or b"permessage-deflate" in head
        self._sock.setblocking(False)
        self._sent = self._received = 0
        self._kept = bytearray()
        self._over = threading.Event()
        self._error: Exception | None = None
        self._start = time.perf_counter()
        self._flooding = threading.Thread(target=self._flood)
        if self.agreed:
            self._flooding.start()

    def end(self) -> float:
        """Stop it; how many frames a second were answered."""
        self._over.set()
        self._flooding.join()
        if self._error:
            raise self._error
        right = sum(1 for _ in self._answers())
        share = self._received / len(self._kept) if self._kept else 0
        return right * share * self._kind.count / self._seconds

    def _flood(self) -> None:
        try:
            waiting = select.poll()
            waiting.register(self._sock, select.POLLIN | select.POLLOUT)
            while not self._over.is_set() and time.perf_counter() - self._start < LONGEST:
                for _, ready in waiting.poll(100):
                    if ready & select.POLLOUT:
                        self._push()
                    if ready & ~select.POLLOUT:
                        self._pull()
        except Exception as error:
            self._error = error
        self._seconds = time.perf_counter() - self._start
        self._sock.close()

    def _push(self) -> None:
        start = self._sent % len(self._block)
        self._sent += self._sock.send(self._block[start:])

    def _pull(self) -> None:
        data = self._sock.recv(READ)
        if not data:
            raise ConnectionError("the server ended the connection")
        self._received += len(data)
        if len(self._kept) < KEPT:
            self._kept += data

    def _answers(self) -> Iterator[bytes]:
        """Each whole answer among those that were kept, if it is right."""
        inflater = zlib.decompressobj(-15)
        pieces, opcode, compressed, position = b"", 0, False, 0
        while (header := decode_header(self._kept, position)) is not None:
            end = position + header.size + header.length
            if end > len(self._kept):
                return
            payload = bytes(self._kept[position + header.size : end])
            position = end
            if header.opcode != Opcode.CONTINUATION:
                opcode, compressed = header.opcode, bool(header.rsv & RSV1)
            pieces += payload
            if header.fin:
                message = inflater.decompress(pieces + b"\0\0\xff\xff") if compressed else pieces
                if (opcode, message) != (self._kind.opcode, self._kind.message):
                    raise AssertionError(f"the server answered a flood with {message[:20]!r} (opcode {opcode})")
                yield message
                pieces = b""


def main() -> None:
    """The command."""
    floods: list[Flood] = []

    def answer(port: int = 0, begin: str = "") -> dict[str, float]:
        if not begin:
            return {"frames a second": floods.pop().end()}
        flood = Flood(port, KINDS[begin]())
        if flood.agreed:
            floods.append(flood)
        return {"agreed": flood.agreed}

    worker.serve(answer)


if __name__ == "__main__":
    main()
