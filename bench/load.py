"""The load: a raw socket client that has its bytes ready, and what it costs the server to answer them.

Every byte of every answer is compared with what it should be.
"""

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from bench.report import Cost
from rawws.core.frames import Opcode, encode_frame

KEY = bytes.fromhex("37fa213d")
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CLOSE = encode_frame(Opcode.CLOSE, b"\x03\xe8", KEY)
READ = 256 * 1024


def on_one_core() -> None:
    """Keep this process, and those that it starts, on one core.

    What it costs to wake another process depends on whether it sleeps on another core, by tens of microseconds on a
    virtual machine; so it is to be the same for all.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


class Process:
    """A server in a process of its own."""

    def __init__(self, name: str, module: str = "bench.servers") -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.pid = self._process.pid

    def cpu(self) -> float:
        """CPU seconds that it has used, in user mode and in the kernel, all threads."""
        try:
            # What clock_getcpuclockid(3) gives on Linux: it counts nanoseconds, /proc only hundredths of a second.
            return time.clock_gettime(~self.pid << 3 | 2)
        except OSError:
            with open(f"/proc/{self.pid}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / 100

    def memory(self) -> int:
        """Bytes that it has in memory."""
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(names: list[str], module: str = "bench.servers") -> Iterator[dict[str, Process]]:
    """These servers of a module, each in a process of its own; all are gone at the end."""
    processes: dict[str, Process] = {}
    try:
        for name in names:
            processes[name] = Process(name, module)
        yield processes
    finally:
        for process in processes.values():
            process.stop()


class Scenario(NamedTuple):
    """What is asked of a server."""

    name: str
    size: int
    """Of each message, in bytes."""
    window: int
    """Messages under way on each connection."""
    connections: int = 1


def open_connection(port: int, handshake: bool) -> socket.socket:
    """A socket behind its opening handshake, if there is to be one."""
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if handshake:
        shake_hands(sock, REQUEST)
    return sock


def shake_hands(sock: socket.socket, request: bytes) -> bytes:
    """Ask for a WebSocket connection; the answer, which is a yes."""
    sock.sendall(request)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        more = sock.recv(1)
        if not more:
            raise ConnectionError("the server ended the connection in the opening handshake")
        answer += more
    if b" 101 " not in answer.partition(b"\r\n")[0]:
        raise ConnectionError(answer.decode("latin-1"))
    return answer


def hang_up(socks: list[socket.socket], handshake: bool) -> None:
    """End connections as it is done, so that no server has anything to complain about."""
    for sock in socks:
        sock.settimeout(5)
        if handshake:
            sock.sendall(CLOSE)
    for sock in socks:
        while handshake and sock.recv(READ):
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

    def __init__(self, sock: socket.socket, scenario: Scenario, plain: bool) -> None:
        payload = bytes(range(32, 127)) * (scenario.size // 95 + 1)
        asked = encode_frame(Opcode.BINARY, payload[: scenario.size], KEY)
        answer = asked if plain else encode_frame(Opcode.BINARY, payload[: scenario.size])
        super().__init__(sock, asked * (scenario.window + 1), len(asked))
        self._answer_size = len(answer)
        self._expected = answer * (READ // len(answer) + 2)
        self._received = 0

    def size_of(self, count: int) -> int:
        return count * self._size_of_round

    def pull(self) -> int:
        data = self.read()
        start = self._received % self._answer_size
        if data != self._expected[start : start + len(data)]:
            raise AssertionError("the server answered something else than it was asked")
        self._received += len(data)
        return self.note(self._received // self._answer_size)


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


def cost(process: Process, scenario: Scenario, seconds: float) -> Cost:
    """What a message costs this server in this scenario, on fresh connections, once it is warm."""
    plain = process.name == "tcp"
    socks = [open_connection(process.port, not plain) for _ in range(scenario.connections)]
    lines = [PlainLine(sock, scenario, plain) for sock in socks]
    drive(lines, scenario.window, seconds / 10)
    cpu, wall = process.cpu(), time.perf_counter()
    messages = drive(lines, scenario.window, seconds)
    cpu, wall = process.cpu() - cpu, time.perf_counter() - wall
    hang_up(socks, not plain)
    return Cost(cpu / messages * 1e6, wall / messages * 1e6, messages)


def memory(process: Process, connections: int) -> float:
    """Bytes of memory for one connection that is idle, after one message of 1 KiB."""
    plain = process.name == "tcp"
    scenario = Scenario("memory", 1024, 1)
    socks: list[socket.socket] = []

    def open_more(count: int) -> None:
        for _ in range(count):
            sock = open_connection(process.port, not plain)
            socks.append(sock)
            drive([PlainLine(sock, scenario, plain)], 1, 0)

    open_more(20)
    before = process.memory()
    open_more(connections)
    grown = process.memory() - before
    hang_up(socks, not plain)
    return grown / connections
