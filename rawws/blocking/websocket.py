"""The blocking `WebSocket`: moves bytes between a socket and a `Session`, and lets threads wait.

There is no thread in the background.  A thread that waits, for a message, for room to send, or for the end, does the
work meanwhile: it polls the socket, reads, writes, and looks after the deadlines.  When two threads wait, one reads and
the other is told.  So Pings are answered and sent only while some thread is in a call; one that sits in `recv` does it
all.

The socket never blocks and every touch of it is under one lock.  One turn, one write: while messages that came wait to
be received, what the receiving thread answers is gathered (up to 16 KiB), until it has received the last one; `flush`
sends it now.  What another thread sends goes out at once.
"""

import contextlib
import select
import socket
import ssl as tls
import threading
from collections.abc import Callable, Iterable, Iterator
from math import ceil
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeAlias

from rawws.blocking.flusher import FLUSHER
from rawws.core.connection import Connection
from rawws.core.errors import NotOpen
from rawws.core.events import Chunk
from rawws.core.frames import CloseCode
from rawws.core.http1 import Connected, Rejected, Request, ServerConnection
from rawws.core.prepared import Prepared
from rawws.core.settings import Role
from rawws.endpoint import Endpoint, Reception, Response, Tap
from rawws.session import ConnectionClosed, Patience, Session

Data: TypeAlias = str | bytes | bytearray | memoryview

RECEIVE_SIZE = 64 * 1024
"""More than a TLS record holds: nothing of one is left where polling does not see it."""
GATHER_SIZE = 16 * 1024
GATHER_TIME = 0.01
"""Seconds after which what is sent is no answer to what was received last."""
LOOK_INTERVAL = 0.25
"""Seconds after which a thread that only sends looks at what came, for a Ping or a Close may be there."""

_NOT_NOW = (BlockingIOError, tls.SSLWantReadError, tls.SSLWantWriteError)


class WebSocket(Endpoint):
    """An open connection.  One thread at a time may receive; any number may send, and close.

    `connect` and `serve` make it.
    """

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
        self._session = Session(connection, monotonic() if began is None else began, patience)
        self._tap = tap
        self._changed = threading.Condition()
        self._out = bytearray()
        self._gathered = 0
        self._receiving = False
        self._receiver: int | None = None  # the thread that received last
        self._received_at = 0.0
        self._reader_is_busy = False  # a thread polls the socket for something to read
        self._pollers = 0
        self._eof = False
        self._unwritable = False
        self._hung_up = False
        self._gone = False
        self._wake_at: float | None = None
        self._look_at = 0.0
        # Another thread may set a deadline while one polls: it does not poll for longer than the shortest of them.
        self._short = _least(patience.writing, patience.closing, patience.ping_timeout)
        self._fragments = threading.RLock()
        self._addresses = _address(sock.getsockname), _address(sock.getpeername)

    # --- Receiving ------------------------------------------------------------------------------------------------

    def recv(self, timeout: float | None = None) -> str | bytes:
        """The next message: a `str` if it is text, `bytes` if it is binary.

        Args:
            timeout: seconds to wait; None for ever, 0 for not at all.

        Raises:
            ConnectionClosed: the connection has ended, and all that came before was received.
            TimeoutError: there was none in time; nothing is lost.
            RuntimeError: another thread is receiving.
        """
        message: str | bytes = self._receive(self._session.next_message, timeout)
        return message

    def recv_streaming(self, timeout: float | None = None) -> Iterator[str | bytes]:
        """The next message in pieces, as they come, also inside one frame.  Left early, its rest is thrown away.

        Args:
            timeout: seconds to wait for each piece.

        Raises:
            ConnectionClosed, TimeoutError, RuntimeError: as `recv`.
        """
        connection = self._session.connection
        connection.stream = True
        self._session.abandon()
        try:
            while True:
                chunk: Chunk = self._receive(self._session.next_chunk, timeout)
                yield chunk.data
                if chunk.last:
                    return
        finally:
            connection.stream = False

    def __iter__(self) -> Iterator[str | bytes]:
        """Every message until the connection ends; ends quietly after a clean close, else with `ConnectionClosed`."""
        try:
            while True:
                yield self.recv()
        except ConnectionClosed as end:
            if not end.clean:
                raise

    def _receive(self, take: Callable[[float], Any], timeout: float | None) -> Any:
        taken: list[Any] = []

        def ready() -> bool:
            now = monotonic()
            item = take(now)
            if item is not None:
                taken.append(item)
                self._received_at = now
            return item is not None

        with self._changed:
            if self._receiving:
                raise RuntimeError("another thread is receiving from this WebSocket")
            self._receiver = threading.get_ident()
            if self._session.waiting and ready():
                return taken[0]
            self._receiving = True
            try:
                if not self._until(ready, timeout):
                    raise TimeoutError(f"no message within {timeout} s")
            except ConnectionClosed:
                # On a server, who called the handler sees to the end of the TCP connection; a client has this thread.
                if self._session.connection.role is Role.CLIENT:
                    self._until(lambda: self._gone, timeout)
                raise
            finally:
                self._receiving = False
                if self._session.over:
                    self._act()
        return taken[0]

    # --- Sending --------------------------------------------------------------------------------------------------

    def send(self, message: Data | Iterable[Data], *, compress: bool | None = None) -> None:
        """Send a message: text for a `str`, binary for bytes; from an iterable, one message in fragments.

        It waits until the kernel has taken it all.  When an iterable raises in the middle of its message, the
        connection is failed with 1011: the message cannot be finished.

        Args:
            message: the payload, or its fragments.
            compress: whether to compress it, if that was agreed on; None leaves it to its length, and compresses
                fragments.

        Raises:
            ConnectionClosed: the connection is closing or has ended.
            TypeError: neither text nor bytes, nor an iterable of one of them.
        """
        with self._fragments:
            if self._in_message:
                raise RuntimeError("the message that this thread is sending is not finished")
            if isinstance(message, (str, bytes, bytearray, memoryview)):
                self._send(message, False, compress)
            elif isinstance(message, Iterable) and not isinstance(message, dict):
                self._send_fragments(message, compress)
            else:
                kind = type(message).__name__
                raise TypeError(f"a message is text, bytes, or an iterable of one of them, not {kind}")

    def flush(self) -> None:
        """Send now what was gathered, and wait until the kernel has taken it.

        Raises:
            ConnectionClosed: the connection has ended.
        """
        with self._changed:
            self._act()
            self._drain()

    def _send_fragments(self, fragments: Iterable[Data], compress: bool | None) -> None:
        held: list[Data] = []
        try:
            for fragment in fragments:
                for data in held:
                    self._send(data, True, compress)
                held = [fragment]
            self._send(held[0] if held else b"", False, compress)
        except BaseException:
            with self._changed:
                if self._in_message and not self._unwritable:
                    self._session.fail(CloseCode.INTERNAL_ERROR, "a message could not be finished", monotonic())
                    self._tell()
            raise

    def _send(self, data: Data, more: bool, compress: bool | None) -> None:
        with self._changed:
            connection = self._session.connection
            with self._unless_closed():
                if isinstance(data, str):
                    connection.send_text(data, more, compress)
                else:
                    connection.send_binary(data, more, compress)
            self._gathered += len(data)
            if self._gathered < GATHER_SIZE and self._session.waiting and self._is_answering():
                return
            self._act()
            self._drain()

    def _drain(self) -> None:
        """Wait until the kernel has taken what was queued; with nothing to wait for, look around now and then.

        What others queue meanwhile is not waited for: with messages for many there might be no end to it.
        """
        session, end = self._session, self._session.handed_out
        if self._out:
            self._until(lambda: not self._out or session.has_written(end) or session.over, drains=True)
        elif monotonic() >= self._look_at:
            self._work(0.0)
            self._act()
        if self._unwritable or (self._out and session.over and not session.has_written(end)):
            raise self._why_closed()

    def _is_answering(self) -> bool:
        """Whether this thread has just received: not if it is about something else by now, though messages wait."""
        return self._receiver == threading.get_ident() and monotonic() - self._received_at < GATHER_TIME

    def offer(self, message: Prepared, limit: int | None = None) -> bool:
        """Send a message that many are sent, without waiting; whether it is on its way.  See `broadcast`.

        It is not if the connection is not open, or if more than `limit` bytes wait already; None: `write_limit`.
        """
        with self._changed:
            if self._unwritable or not self._session.offer(message, limit):
                return False
            self._act()
            if self._out:
                FLUSHER.add(self._sock, self._carry_on)
            return True

    def _carry_on(self) -> bool:
        """Do what a thread that sends does while it waits, and do not wait; whether something is left."""
        with self._changed:
            if not self._gone:
                self._work(0.0, drains=True)
                self._tell()
            return bool(self._out) and not self._gone

    def ping(self, payload: bytes | str | None = None) -> "PongWaiter":
        """Send a Ping (section 5.5.2); `wait` on what it gives back for the Pong.

        Args:
            payload: up to 125 bytes; None for one that no other has.
        """
        with self._changed:
            now = monotonic()
            with self._unless_closed():
                number = self._session.ping(payload.encode() if isinstance(payload, str) else payload, now)
            self._act()
            self._drain()
        return PongWaiter(self, number)

    def pong(self, payload: bytes | str = b"") -> None:
        """Send a Pong that nobody asked for (section 5.5.3)."""
        with self._changed:
            with self._unless_closed():
                self._session.connection.pong(payload.encode() if isinstance(payload, str) else payload)
            self._act()
            self._drain()

    @contextlib.contextmanager
    def _unless_closed(self) -> Iterator[None]:
        if self._unwritable:
            raise self._why_closed()
        try:
            yield
        except NotOpen:
            raise self._why_closed() from None

    # --- Ending ---------------------------------------------------------------------------------------------------

    def close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Close the connection (section 7) and wait until it is gone, `close_timeout` at most.

        From any thread; one that is receiving is told at once.  Closing a second time only waits.  Messages that came
        before can still be received.
        """
        self.start_close(code, reason)
        self.wait_closed()

    def start_close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Begin to close the connection, and do not wait for it."""
        with self._changed:
            self._session.close(code, reason, monotonic())
            self._tell()
            if self._out:  # Nobody may be there to write it: one that receives polls for what comes.
                FLUSHER.add(self._sock, self._carry_on)

    def wait_closed(self) -> None:
        """Wait until the TCP connection is gone."""
        with self._changed:
            self._until(lambda: self._gone)

    def abort(self) -> None:
        """Drop the TCP connection now, with no closing handshake.  From any thread."""
        with self._changed:
            self._session.abort(monotonic())
            self._tell()

    def __enter__(self) -> Self:
        """Closes with 1000 at the end of the block, or with 1011 if it raised."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(CloseCode.NORMAL if kind is None else CloseCode.INTERNAL_ERROR)

    # --- The opening handshake ------------------------------------------------------------------------------------

    def opening_event(self) -> Request | Connected | Rejected | None:
        """The request, or the answer to ours; None when the connection ended before there was one."""
        session = self._session
        with self._changed:
            self._until(lambda: bool(session.opening) or session.ending is not None)
            return session.opening.pop(0) if session.opening else None

    def answer(self, request: Request, reception: Reception, response: Response | None) -> bool:
        """Answer the opening handshake, on a server; whether the connection is open now."""
        connection = self._session.connection
        assert isinstance(connection, ServerConnection)
        with self._changed:
            opened = reception.answer(connection, request, response)
            self._session.proceed(monotonic())
            self._tell()
        return opened

    # --- What it is connected to ----------------------------------------------------------------------------------

    @property
    def local_address(self) -> Any:
        """Our address, as a socket gives it: (host, port) and more, or a path."""
        return self._addresses[0]

    @property
    def remote_address(self) -> Any:
        """The peer's."""
        return self._addresses[1]

    # --- Waiting and working; all of this with the lock held ------------------------------------------------------

    def _until(self, ready: Callable[[], bool], timeout: float | None = None, drains: bool = False) -> bool:
        """Wait until it is `ready`, and keep the connection going meanwhile; False when the time is over.

        Args:
            drains: it is for what waits to be sent, and not for what another thread may read.
        """
        deadline = None if timeout is None else monotonic() + timeout
        looked = False  # Without waiting at all, one look is taken nevertheless.
        while not self._is(ready):
            now = monotonic()
            if self._gone or (looked and deadline is not None and now >= deadline):
                return False
            due = _least(deadline, self._wake_at)
            self._work(None if due is None else max(0.0, due - now), drains)
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

    def _work(self, patience: float | None, drains: bool = False) -> None:
        """Wait for the socket, or for another thread to do so, and see what there is."""
        read = self._session.reading and not self._reader_is_busy and not self._eof
        # Who polls to write is not told what another thread has read.
        write = bool(self._out) and (drains or not self._reader_is_busy)
        if not read and not write:
            self._changed.wait(patience)
        elif self._poll(read, write, _least(patience, self._short)) and read:
            self._read()
        now = monotonic()
        self._look_at = now + LOOK_INTERVAL
        if not self._gone:
            self._session.backlog(len(self._out), now)
            self._session.wake(now)

    def _poll(self, read: bool, write: bool, patience: float | None) -> bool:
        """Wait without the lock; whether there may be something to read."""
        self._reader_is_busy = self._reader_is_busy or read
        self._pollers += 1
        self._changed.release()
        try:
            readable = _wait_for(self._sock, read, write, patience)
        finally:
            self._changed.acquire()
            self._pollers -= 1
            if read:
                self._reader_is_busy = False
                self._changed.notify_all()  # Somebody else has to read, if this thread does not come back.
            if self._gone:
                self._release()
        return readable and not self._gone

    def _read(self) -> None:
        try:
            data = self._sock.recv(RECEIVE_SIZE)
        except _NOT_NOW:
            return
        except OSError:
            self._lose()
            return
        if data:
            # An SSLSocket that was shut down gives what came as it came, encrypted: it is thrown away.
            if self._tap is not None and not (self._hung_up and isinstance(self._sock, tls.SSLSocket)):
                self._tap.received(data)
            self._session.receive_data(data, monotonic())
        else:
            self._eof = True
            self._session.receive_eof(monotonic())
        self._changed.notify_all()

    def _tell(self) -> None:
        """Something was decided in this thread: do what is to be done, and let the others look."""
        self._act()
        self._changed.notify_all()

    def _act(self) -> None:
        """Do what the session says."""
        todo = self._session.todo()
        self._gathered = 0
        self._wake_at = todo.wake_at
        if self._gone:
            return
        if todo.send and not self._unwritable:
            if self._tap is not None:
                self._tap.sent(todo.send)
            self._out += todo.send
        if self._out:
            self._write()
        if todo.drop:
            self._lose()
        elif todo.hang_up and not self._out and not self._hung_up:
            self._hang_up()
        if self._hung_up and self._eof and not self._gone:
            self._lose()

    def _write(self) -> None:
        try:
            while self._out:
                del self._out[: self._sock.send(self._out)]
        except _NOT_NOW:
            pass
        except OSError:
            # The peer does not read any more, but what it said before may still be there to be read.
            self._unwritable = True
            self._out.clear()
        self._session.backlog(len(self._out), monotonic())

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
        self._changed.notify_all()

    def _release(self) -> None:
        """Close the socket, unless a thread still polls it: the number of its descriptor must not be used again yet."""
        if self._pollers == 0:
            self._sock.close()


class PongWaiter:
    """A Ping that waits for its Pong."""

    def __init__(self, ws: WebSocket, number: int) -> None:
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
        with ws._changed:
            ended = ws._until(lambda: self.answered or ws._session.ending is not None, timeout)
            if self.answered and ws.latency is not None:
                return ws.latency
        if ended:
            raise ws._why_closed()
        raise TimeoutError(f"no Pong within {timeout} s")


def _least(*times: float | None) -> float | None:
    """The shortest of these times, of which None is for ever."""
    return min((time for time in times if time is not None), default=None)


def _wait_for(sock: socket.socket, read: bool, write: bool, patience: float | None) -> bool:
    """Wait until the socket can be read or written; whether it can be read."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))
        # Rounded up: a deadline is over when this returns.
        ready = poll.poll(None if patience is None else ceil(patience * 1000))
        return any(event & ~select.POLLOUT for _, event in ready)
    readable, _, _ = select.select([sock] if read else [], [sock] if write else [], [], patience)
    return bool(readable)


def _address(of: Callable[[], Any]) -> Any:
    try:
        return of()
    except OSError:
        return None
