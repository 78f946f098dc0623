"""The socket of a blocking `WebSocket`, and what is done by a thread that waits; all of this with the lock held.

A thread that waits, for a message, for room to send, or for the end, does the work meanwhile: it polls the socket,
reads, writes, and looks after the deadlines.  When two threads wait, one reads and the other is told.  The socket never
blocks and every touch of it is under one lock, which nobody holds while he polls.
"""

import contextlib
import select
import socket
import ssl as tls
import threading
from collections.abc import Callable, Sequence
from math import ceil
from time import monotonic
from typing import Any, TypeAlias

from rawws.blocking.lock import Lock
from rawws.core.connection import Connection
from rawws.endpoint import Endpoint, Tap
from rawws.session import Patience, Session

RECEIVE_SIZE = 64 * 1024
"""More than a TLS record holds: nothing of one is left where polling does not see it."""
LOOK_INTERVAL = 0.25
"""Seconds after which a thread that only sends looks at what came, for a Ping or a Close may be there."""

NOT_NOW = (BlockingIOError, tls.SSLWantReadError, tls.SSLWantWriteError)

Watch: TypeAlias = Callable[[int | None], Sequence[tuple[int, int]]]
"""Waits so many milliseconds for a socket, or for ever; gives back its descriptor and what it is ready for, if any."""
WRITABLE = 4
"""As `poll` has it: whatever else it is, there is something to read, be it an error."""


class Wire(Endpoint):
    """A connection that moves its own bytes, while somebody waits for it."""

    def __init__(
        self,
        sock: socket.socket,
        connection: Connection,
        patience: Patience,
        tap: Tap | None = None,
        began: float | None = None,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._sends_parts = type(sock) is socket.socket and hasattr(sock, "sendmsg")  # Not with TLS, not on Windows.
        self._session = Session(connection, monotonic() if began is None else began, patience)
        self._tap = tap
        self._lock = Lock(connection)
        self._changed: threading.Condition | None = None  # when the first thread waits to be told
        self._sleepers = 0  # how many do
        self._reader_is_busy = False  # a thread polls the socket for something to read
        self._pollers = 0
        self._until_readable: Watch | None = None  # for the one that reads
        self._came: list[str | bytes] = []  # taken out of the session, and not received yet; the next one last
        self._out = bytearray()
        self._eof = False
        self._unwritable = False
        self._hung_up = False
        self._gone = False
        self._look_at = 0.0
        self._addresses = _address(sock.getsockname), _address(sock.getpeername)
        # Another thread may set a deadline while one polls: it does not poll for longer than the shortest of them.
        times = patience.writing, patience.closing, patience.ping_timeout
        self._short = min((time for time in times if time is not None), default=None)

    @property
    def local_address(self) -> Any:
        """Our address, as a socket gives it: (host, port) and more, or a path."""
        return self._addresses[0]

    @property
    def remote_address(self) -> Any:
        """The peer's."""
        return self._addresses[1]

    def _until(self, ready: Callable[[], bool], timeout: float | None = None, drains: bool = False) -> bool:
        """Wait until it is `ready`, and keep the connection going meanwhile; False when the time is over.

        Args:
            drains: it is for what waits to be sent, and not for what another thread may read.
        """
        now = monotonic()
        deadline = None if timeout is None else now + timeout
        looked = False  # Without waiting at all, one look is taken nevertheless.
        while not self._is(ready):
            if self._gone or (looked and deadline is not None and now >= deadline):
                return False
            now = self._work(now, deadline, drains)
            looked = True
        return True

    def _is(self, ready: Callable[[], bool]) -> bool:
        """Whether it is `ready`, or becomes so by what is to be done."""
        try:
            if ready():
                return True
        finally:
            self._act()
        return ready()

    def _work(self, now: float, deadline: float | None, drains: bool = False) -> float:
        """Wait for the socket, or for another thread to do so, and see what there is; gives back the time."""
        session = self._session
        read = not self._reader_is_busy and not self._eof and session.reading
        # Who polls to write is not told what another thread has read.
        write = bool(self._out) and (drains or not self._reader_is_busy)
        due = session.wake_at
        if due is None or (deadline is not None and deadline < due):
            due = deadline
        patience = None if due is None else max(0.0, due - now)
        readable = self._poll(read, write, patience) if read or write else self._sleep(patience)
        self._lock.queue_gathered()
        now = monotonic()
        if readable and read and not self._gone:
            self._read(now)
        self._look_at = now + LOOK_INTERVAL
        due = session.wake_at
        if due is not None and now >= due and not self._gone:
            session.backlog(len(self._out), now)
            session.wake(now)
        return now

    def _sleep(self, patience: float | None) -> bool:
        """Wait for another thread to tell; there is nothing for this one to read."""
        self._changed = self._changed or threading.Condition(self._lock.bare)
        self._sleepers += 1
        try:
            self._changed.wait(patience)
        finally:
            self._sleepers -= 1
        return False

    def _notify(self) -> None:
        """Let the threads that wait to be told look at what has changed."""
        if self._changed is not None:
            self._changed.notify_all()

    def _poll(self, read: bool, write: bool, patience: float | None) -> bool:
        """Wait without the lock; whether this thread is to read, and there may be something."""
        if self._short is not None and (patience is None or patience > self._short):
            patience = self._short
        # Rounded up: a deadline is over when this returns.
        milliseconds = None if patience is None else ceil(patience * 1000)
        if write:
            watch = watch_for(self._sock, read, write)
        else:
            watch = self._until_readable = self._until_readable or watch_for(self._sock, read, write)
        self._reader_is_busy = self._reader_is_busy or read
        self._pollers += 1
        self._lock.release()
        try:
            ready = watch(milliseconds)
        finally:
            self._lock.bare.acquire()
            self._pollers -= 1
            if read:
                self._reader_is_busy = False
                if self._sleepers:  # Somebody else has to read, if this thread does not come back.
                    self._notify()
            if self._gone:
                self._release()
        return any(event & ~WRITABLE for _, event in ready) if write else bool(ready)

    def _read(self, now: float) -> None:
        try:
            data = self._sock.recv(RECEIVE_SIZE)
        except NOT_NOW:
            return
        except OSError:
            self._lose()
            return
        if data:
            # An SSLSocket that was shut down gives what came as it came, encrypted: it is thrown away.
            if self._tap is not None and not (self._hung_up and isinstance(self._sock, tls.SSLSocket)):
                self._tap.received(data)
            self._session.is_given = bool(self._came)
            self._session.receive_data(data, now)
        else:
            self._eof = True
            self._session.receive_eof(now)
        if self._sleepers:
            self._notify()

    @property
    def _is_idle(self) -> bool:
        """Nothing is to be done; without it, perhaps not either."""
        session, connection = self._session, self._session.connection
        ends = session.ending is not None or connection.close_sent is not None
        return not (ends or self._out or connection.has_data_to_send)

    def _tell(self) -> None:
        """Something was decided in this thread: do what is to be done, and let the others look."""
        self._act()
        self._notify()

    def _act(self) -> None:
        """Do what the session says."""
        todo = self._session.todo()
        if self._gone:
            return
        self._write(todo.send)
        if todo.drop:
            self._lose()
        elif todo.hang_up and not self._out and not self._hung_up:
            self._hang_up()
        if self._hung_up and self._eof and not self._gone:
            self._lose()

    def _write(self, data: bytes, long: bytes = b"") -> float | None:
        """Write what is left, then these; what the kernel does not take is left.  The time, if anything was tried."""
        out, sent = self._out, 0
        if self._unwritable or not (data or out):
            return None
        if long and (out or self._tap is not None or not self._sends_parts):
            data, long = data + long, b""
        if data and self._tap is not None:
            self._tap.sent(data)
        try:
            if not out:
                try:
                    sent = self._sock.sendmsg((data, long)) if long else self._sock.send(data)  # Mostly all of it.
                finally:
                    if sent < len(data) + len(long):
                        out += data[sent:]
                        out += memoryview(long)[max(0, sent - len(data)) :]
            else:
                out += data
            while out:
                del out[: self._sock.send(out)]
        except NOT_NOW:
            pass
        except OSError:
            # The peer does not read any more, but what it said before may still be there to be read.
            self._unwritable = True
            out.clear()
        now = monotonic()
        self._session.backlog(len(out), now)
        return now

    def _hang_up(self) -> None:
        self._hung_up = True
        with contextlib.suppress(OSError):
            if isinstance(self._sock, tls.SSLSocket):
                with contextlib.suppress(OSError):
                    self._sock.unwrap()  # It sends the TLS closure alert; the peer's is not waited for.
            self._sock.shutdown(socket.SHUT_WR)

    def _lose(self) -> None:
        self._gone = self._unwritable = True
        self._session.lost(monotonic())
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # It ends the polling of other threads.
        self._release()
        self._notify()

    def _release(self) -> None:
        """Close the socket, unless a thread still polls it: the number of its descriptor must not be used again yet."""
        if self._pollers == 0:
            self._sock.close()


class PongWaiter:
    """A Ping that waits for its Pong."""

    def __init__(self, ws: Wire, number: int) -> None:
        self._ws = ws
        self._number = number

    @property
    def answered(self) -> bool:
        """Whether the Pong has come, to this Ping or to a later one (section 5.5.3)."""
        return self._ws._session.acknowledged >= self._number

    def wait(self, timeout: float | None = None) -> float:
        """Wait for the Pong; the latency in seconds.

        Raises:
            TimeoutError: it did not come in time.
            ConnectionClosed: the connection ended first.
        """
        ws = self._ws
        with ws._lock:
            ended = ws._until(lambda: self.answered or ws._session.ending is not None, timeout)
            if self.answered and ws.latency is not None:
                return ws.latency
        if ended:
            raise ws._why_closed()
        raise TimeoutError(f"no Pong within {timeout} s")


def watch_for(sock: socket.socket, read: bool, write: bool) -> Watch:
    """What waits until the socket can be read, or written."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))
        return poll.poll

    def watch(milliseconds: int | None) -> Sequence[tuple[int, int]]:
        seconds = None if milliseconds is None else milliseconds / 1000
        readable, writable, _ = select.select([sock] if read else [], [sock] if write else [], [], seconds)
        return [(0, 1)] * len(readable) + [(0, WRITABLE)] * len(writable)

    return watch


def _address(of: Callable[[], Any]) -> Any:
    try:
        return of()
    except OSError:
        return None
