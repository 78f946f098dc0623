"""Raw socket connections that have their bytes ready, and keep so many messages under way.

Every byte of every answer is compared with what it should be.
"""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rawws.core.frames import Opcode, encode_frame

KEY = bytes.fromhex("37fa213d")
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CLOSE = encode_frame(Opcode.CLOSE, b"\x03\xe8", KEY)
PING = 0x89
"""The first byte of one."""
READ = 256 * 1024


def payload_of(size: int) -> bytes:
    """A message of that size, printable."""
    return (bytes(range(32, 127)) * (size // 95 + 1))[:size]


AT_ONCE = 32
"""So many connections wait for an answer to their handshake: fewer than fit into a server's backlog."""


def open_connection(port: int, request: bytes = REQUEST) -> socket.socket:
    """A socket behind its opening handshake; with an empty `request`, one of TCP alone."""
    return open_connections(port, 1, request)[0][0]


def open_connections(port: int, count: int, request: bytes = REQUEST) -> list[tuple[socket.socket, bytes]]:
    """So many sockets, each with what the server answered.  If one fails, all are closed."""
    opened: list[tuple[socket.socket, bytes]] = []
    asked: list[socket.socket] = []
    try:
        while len(opened) < count:
            while len(asked) < min(AT_ONCE, count - len(opened)):
                asked.append(_asked(port, request))
            opened += [(sock, _answer(sock) if request else b"") for sock in asked]
            asked.clear()
    except BaseException:
        for sock in (*asked, *(sock for sock, _ in opened)):
            sock.close()
        raise
    return opened


def _asked(port: int, request: bytes) -> socket.socket:
    """A socket that has asked for a WebSocket connection."""
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(request)
    return sock


def shake_hands(sock: socket.socket, request: bytes) -> bytes:
    """Ask for a WebSocket connection; the answer, which is a yes."""
    sock.sendall(request)
    return _answer(sock)


def _answer(sock: socket.socket) -> bytes:
    """What the server says to it, which is a yes; and then nothing, for it has not been asked."""
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        more = sock.recv(4096)
        if not more:
            raise ConnectionError("the server ended the connection in the opening handshake")
        answer += more
    if b" 101 " not in answer.partition(b"\r\n")[0]:
        raise ConnectionError(answer.decode("latin-1"))
    return answer


def hang_up(socks: Sequence[socket.socket], plain: bool = False) -> None:
    """End connections as it is done, so that no server has anything to complain about."""
    for sock in socks:
        sock.settimeout(5)
        if not plain:
            sock.sendall(CLOSE)
    for sock in socks:
        while not plain and sock.recv(READ):
            pass
        sock.close()


class Line:
    """One connection under load: keeps messages under way, and sees to it that what comes back is right.

    What it sends comes round: `block` is whole frames and, if any stretch of them is to go out in one piece, more of
    the same behind them.
    """

    def __init__(self, sock: socket.socket, block: bytes, size_of_round: int) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._block = memoryview(block)
        self._size_of_round = size_of_round
        self._unsent = 0
        self._position = 0
        self.answered = 0
        self.asked = 0

    def size_of(self, count: int) -> int:
        """How many bytes the next so many messages are."""
        raise NotImplementedError

    def pull(self) -> int:
        """Read once; how many messages were answered by that."""
        raise NotImplementedError

    def ask(self, count: int) -> None:
        """Send this many more messages, as far as the socket takes them now."""
        self._unsent += self.size_of(count)
        self.asked += count
        self.push()

    def push(self) -> None:
        """Send more of what waits."""
        while self._unsent:
            start = self._position
            try:
                size = self.sock.send(self._block[start : start + min(self._unsent, len(self._block) - start)])
            except BlockingIOError:
                return
            self._unsent -= size
            self._position = (start + size) % self._size_of_round

    @property
    def blocked(self) -> bool:
        """It has something to send that the socket does not take."""
        return self._unsent > 0

    def read(self) -> bytes:
        """What has come; raises `BlockingIOError` if nothing has."""
        data = self.sock.recv(READ)
        if not data:
            raise ConnectionError("the server ended the connection")
        return data

    def note(self, answered: int) -> int:
        """So many messages have been answered by now; how many of them are new."""
        new = answered - self.answered
        self.answered = answered
        if answered > self.asked:
            raise AssertionError("the server answered more than it was asked")
        return new


class PlainLine(Line):
    """One message, not compressed, over and over; every byte that comes back is compared at once."""

    def __init__(self, sock: socket.socket, size: int, window: int, plain: bool = False) -> None:
        asked, answer, block, expected = _frames(size, window, plain)
        super().__init__(sock, block, asked)
        self._answer_size = answer
        self._expected = expected
        self._received = 0
        self._rest = b""

    def size_of(self, count: int) -> int:
        return count * self._size_of_round

    def pull(self) -> int:
        data = self._rest + self.read() if self._rest else self.read()
        start = self._received % self._answer_size
        if data != self._expected[start : start + len(data)]:
            data = self._without_pings(data, start)
            if data != self._expected[start : start + len(data)]:
                raise AssertionError("the server answered something else than it was asked")
        self._received += len(data)
        return self.note(self._received // self._answer_size)

    def _without_pings(self, data: bytes, start: int) -> bytes:
        """What there is beside the pings that a server sends to a connection that has been quiet for long.

        They stand between answers.  Of one that is not all there, what there is waits for the next read.
        """
        self._rest = b""
        kept, at = b"", 0
        while at < len(data):
            until = at + self._answer_size - (start + len(kept)) % self._answer_size
            if (start + len(kept)) % self._answer_size or data[at] != PING:
                kept, at = kept + data[at:until], until
            elif len(data) < at + 2 or len(data) < at + 2 + data[at + 1]:
                self._rest = data[at:]
                break
            else:
                at += 2 + data[at + 1]
        return kept


_FRAMES: dict[tuple[int, int, bool], tuple[int, int, bytes, memoryview]] = {}


def _frames(size: int, window: int, plain: bool) -> tuple[int, int, bytes, memoryview]:
    """Sizes of what is asked and answered, what is sent, and what is expected; the same for all lines of a shape."""
    shape = size, window, plain
    if shape not in _FRAMES:
        asked = encode_frame(Opcode.BINARY, payload_of(size), KEY)
        answer = asked if plain else encode_frame(Opcode.BINARY, payload_of(size))
        expected = memoryview(answer * (READ // len(answer) + 2))
        _FRAMES[shape] = len(asked), len(answer), asked * (window + 1), expected
    return _FRAMES[shape]


@contextmanager
def connected(port: int, count: int, size: int, window: int, plain: bool = False) -> Iterator[list[PlainLine]]:
    """So many lines to a server, which are hung up at the end."""
    opened = open_connections(port, count, b"" if plain else REQUEST)
    lines = [PlainLine(sock, size, window, plain) for sock, _ in opened]
    try:
        yield lines
    except BaseException:
        for line in lines:
            line.sock.close()
        raise
    hang_up([line.sock for line in lines], plain)


def drive(lines: Sequence[Line], window: int, seconds: float) -> int:
    """Keep all lines busy for that long, then wait for the last answers; how many messages were answered."""
    before = sum(line.answered for line in lines)
    with selectors.DefaultSelector() as selector:
        for line in lines:
            line.ask(window)
            selector.register(line.sock, selectors.EVENT_READ | selectors.EVENT_WRITE * line.blocked, line)
        end = time.perf_counter() + seconds
        open_lines = len(lines)
        asking = True
        while open_lines:
            ready = selector.select(10)
            if not ready:
                raise TimeoutError("the server has not answered for 10 s")
            asking = asking and time.perf_counter() < end
            for key, _ in ready:
                line = key.data
                was_blocked = line.blocked
                line.push()
                try:
                    answered = line.pull()
                except BlockingIOError:
                    answered = 0
                if answered and asking:
                    line.ask(answered)
                if line.answered == line.asked:
                    selector.unregister(line.sock)
                    open_lines -= 1
                elif line.blocked != was_blocked:
                    selector.modify(line.sock, selectors.EVENT_READ | selectors.EVENT_WRITE * line.blocked, line)
    return sum(line.answered for line in lines) - before
