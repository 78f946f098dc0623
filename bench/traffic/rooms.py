"""Many connections to one server, of which one speaks and all listen.

Of every hundredth connection the messages are kept, and compared when it is over.
"""

import selectors
import socket
import statistics
import zlib
from collections.abc import Sequence

from bench.traffic.compressed import EMPTY_BLOCK, Terms, connect
from bench.traffic.lines import KEY, READ, hang_up, open_connections
from rawws.core.frames import RSV1, Opcode, decode_header, encode_frame

PLAIN = Terms(15, 15)
"""Of connections that do not compress."""


class Listener:
    """A connection that counts what it hears, and keeps it if it is to be looked at."""

    def __init__(self, sock: socket.socket, keeps: bool, bits: int) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.heard = 0
        self.sizes: list[int] = []
        self._rest = b""
        self._keeps = keeps
        self._bits = bits
        self._kept: list[tuple[bool, bytes]] = []

    def pull(self) -> int:
        """Read once; how many messages came whole by that."""
        data = self._rest + self.sock.recv(READ)
        if not data:
            raise ConnectionError("the server ended the connection")
        before, at = self.heard, 0
        while (header := decode_header(data, at)) is not None and at + header.size + header.length <= len(data):
            begin = at + header.size
            at = begin + header.length
            if header.opcode == Opcode.PING:
                continue
            self.heard += 1
            self.sizes.append(header.length)
            if self._keeps:
                self._kept.append((bool(header.rsv & RSV1), data[begin:at]))
        self._rest = data[at:]
        return self.heard - before

    def check(self, said: Sequence[bytes], compressed: bool) -> None:
        """Raise `AssertionError` if it has heard something else."""
        stream = zlib.decompressobj(-self._bits)
        for expected, (is_compressed, payload) in zip(said, self._kept):
            if is_compressed != compressed:
                raise AssertionError("a message is not compressed as it was agreed on")
            if expected != (stream.decompress(payload + EMPTY_BLOCK) if compressed else payload):
                raise AssertionError("the server sent something else than was said")


class Room:
    """So many connections to a server, of which one speaks."""

    def __init__(self, port: int, count: int, compressed: bool) -> None:
        self.compressed = compressed
        self.said: list[bytes] = []
        opened = connect(port, count) if compressed else [(sock, PLAIN) for sock, _ in open_connections(port, count)]
        self.listeners = [
            Listener(sock, number % 100 == 0, terms.server) for number, (sock, terms) in enumerate(opened)
        ]
        self._selector = selectors.DefaultSelector()
        for listener in self.listeners:
            self._selector.register(listener.sock, selectors.EVENT_READ, listener)

    def say(self, texts: Sequence[bytes]) -> None:
        """Say these, and wait until everybody has heard them."""
        self.said += texts
        frames = b"".join(encode_frame(Opcode.TEXT, text, KEY) for text in texts)
        self.listeners[0].sock.setblocking(True)
        self.listeners[0].sock.sendall(frames)
        self.listeners[0].sock.setblocking(False)
        missing = len(texts) * len(self.listeners)
        while missing:
            ready = self._selector.select(30)
            if not ready:
                raise TimeoutError(f"{missing} messages have not come for 30 s")
            missing -= sum(key.data.pull() for key, _ in ready)

    def leave(self) -> float:
        """See whether all was right, and go; the mean size of a payload."""
        for listener in self.listeners:
            listener.check(self.said, self.compressed)
        self._selector.close()
        hang_up([listener.sock for listener in self.listeners])
        return statistics.fmean(size for listener in self.listeners for size in listener.sizes)
