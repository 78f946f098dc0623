"""The blocking `WebSocket`: moves bytes between a socket and a `Session`, and lets threads wait.

There is no thread in the background: who waits does the work (see `wire`).  So Pings are answered and sent only while
some thread is in a call; one that sits in `recv` does it all.

One turn, one write.  What a thread sends as the answer to a message that it has just received is gathered while more of
what came waits to be received (up to 16 KiB), and goes out when that thread has received the last one.  All else goes
out at once, with what was gathered before it; `flush` sends that now.
"""

import contextlib
import socket
import threading
from _thread import get_ident
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeAlias

from rawws.blocking.flusher import FLUSHER
from rawws.blocking.wire import PongWaiter, Wire
from rawws.core.connection import Connection
from rawws.core.errors import NotOpen
from rawws.core.events import Chunk
from rawws.core.frames import CloseCode
from rawws.core.http1 import Connected, Rejected, Request, ServerConnection
from rawws.core.prepared import Prepared, encode_text
from rawws.core.settings import OVERHEAD, Role
from rawws.core.states import READY
from rawws.endpoint import Reception, Response, Tap
from rawws.session import ConnectionClosed, Patience

Data: TypeAlias = str | bytes | bytearray | memoryview

GATHER_SIZE = 16 * 1024


class WebSocket(Wire):
    """An open connection.  One thread at a time may receive; any number may send, and close.

    `connect` and `serve` make it.  A handler of signals must not call its methods: the thread that it interrupts may be
    in the middle of one of them.  It may raise, which ends what waits, or set what another thread looks at.
    """

    def __init__(
        self,
        sock: socket.socket,
        connection: Connection,
        patience: Patience,
        tap: Tap | None = None,
        began: float | None = None,
    ) -> None:
        super().__init__(sock, connection, patience, tap, began)
        self._receiving = False
        self._answering: int | None = None  # the thread that has received, and not sent anything since
        self._gathered = 0
        self._fragments = threading.RLock()

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
        came = self._came
        if came:
            self._answering = get_ident()
            return came.pop()
        message: str | bytes = self._receive(self._take_message, timeout)
        return message

    def recv_streaming(self, timeout: float | None = None) -> Iterator[str | bytes]:
        """The next message in pieces, as they come, also inside one frame.  Left early, its rest is thrown away.

        Args:
            timeout: seconds to wait for each piece.

        Raises:
            ConnectionClosed, TimeoutError, RuntimeError: as `recv`.
        """
        with self._streaming():
            while True:
                chunk: Chunk = self._receive(self._take_chunk, timeout)
                yield chunk.data
                if chunk.last:
                    return

    def __iter__(self) -> Iterator[str | bytes]:
        """Every message until the connection ends; ends quietly after a clean close, else with `ConnectionClosed`."""
        try:
            while True:
                yield self.recv()
        except ConnectionClosed as end:
            if not end.clean:
                raise

    def _take_message(self, now: float) -> str | bytes | None:
        """The next message; those that came with it wait in `_came`."""
        messages = self._session.next_messages(now)
        if not messages:
            return None
        messages.reverse()
        message = messages.pop()
        self._came = messages
        return message

    def _take_chunk(self, now: float) -> Chunk | None:
        if self._came:
            return Chunk(self._came.pop(), first=True, last=True)
        return self._session.next_chunk(now)

    def _receive(self, take: Callable[[float], Any], timeout: float | None) -> Any:
        """What `take` gives, as soon as that is something."""
        self._lock.acquire()
        try:
            if self._receiving:
                raise RuntimeError("another thread is receiving from this WebSocket")
            self._receiving = True
            try:
                return self._wait_for(take, timeout)
            except ConnectionClosed:
                # On a server, who called the handler sees to the end of the TCP connection; a client has this thread.
                if self._session.connection.role is Role.CLIENT:
                    self._until(lambda: self._gone, timeout)
                raise
            finally:
                self._receiving = False
                if not self._is_idle:
                    self._act()
                if self._sleepers:  # What lay behind what was taken may be a Pong, or the end.
                    self._notify()
        finally:
            self._lock.release()

    def _wait_for(self, take: Callable[[float], Any], timeout: float | None) -> Any:
        now = monotonic()
        deadline = None if timeout is None else now + timeout
        looked = False
        while (item := take(now)) is None:
            if not self._is_idle:
                self._act()
            if looked and deadline is not None and now >= deadline:
                raise TimeoutError(f"no message within {timeout} s")
            now = self._work(now, deadline)
            looked = True
        self._answering = get_ident()
        return item

    # --- Sending --------------------------------------------------------------------------------------------------

    def send(self, message: Data | Iterable[Data], *, compress: bool | None = None) -> None:
        """Send a message: text for a `str`, binary for bytes; from an iterable, one message in fragments.

        It waits until the kernel has taken it all, but for one case: the first message that a thread sends after one
        that it has received goes out with the next, or with the next `recv` that has to wait, if more of what came
        waits to be received.  Who computes for long between the two may call `flush`.

        When an iterable raises in the middle of its message, the connection is failed with 1011: the message cannot be
        finished.

        Args:
            message: the payload, or its fragments.
            compress: whether to compress it, if that was agreed on; None leaves it to its length, and compresses
                fragments.

        Raises:
            ConnectionClosed: the connection is closing or has ended.
            TypeError: neither text nor bytes, nor an iterable of one of them.
        """
        connection = self._session.connection
        if (
            self._came
            and self._answering == get_ident()
            and (type(message) is bytes or type(message) is str)
            and (compress is None or connection.compression is None)
            and connection.ours is READY
            and not (self._out or self._unwritable)
        ):
            if type(message) is str and not message.isascii():
                encode_text(message)  # What UTF-8 cannot say is refused here, not when it is queued.
            # Who sends a second time, and has received nothing between, is about something else by now.
            self._answering = None
            self._gathered += len(message) + OVERHEAD  # No write is made of thousands of them.
            self._lock.gathered.append(message)
            if self._gathered >= GATHER_SIZE:
                with self._lock:
                    self._flush()
        else:
            self._send_at_once(message, compress)

    def _send_at_once(self, message: Data | Iterable[Data], compress: bool | None) -> None:
        self._lock.acquire()
        try:
            connection = self._session.connection
            # Another thread may be in the midst of a message in fragments, or wait for the kernel.
            is_free = connection.ours is READY and not (self._out or self._unwritable)
            if is_free and (type(message) is bytes or type(message) is str):
                connection.send_message(message, False, compress)
                self._flush()
                return
        finally:
            self._lock.release()
        self._send_behind(message, compress)

    def _send_behind(self, message: Data | Iterable[Data], compress: bool | None) -> None:
        """Send it behind what other threads are sending."""
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
        """Send now what was gathered, and wait until the kernel has taken it.  See `send`.

        Raises:
            ConnectionClosed: the connection has ended.
        """
        with self._lock:
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
            with self._lock:
                if self._in_message and not self._unwritable:
                    self._session.fail(CloseCode.INTERNAL_ERROR, "a message could not be finished", monotonic())
                    self._tell()
            raise

    def _send(self, data: Data, more: bool, compress: bool | None) -> None:
        with self._lock:
            if self._out:  # Of many threads that send, each has one message here.
                self._drain()
            with self._unless_closed():
                self._session.connection.send_message(data, more, compress)
            self._flush()

    def _flush(self) -> None:
        """Write what was queued, and wait until the kernel has taken it; if there is no need to, look around."""
        self._gathered = 0
        now = self._write(*self._session.hand_out_apart())
        if now is None or now >= self._look_at or self._out or self._unwritable:
            self._drain(now)

    def _drain(self, now: float | None = None) -> None:
        """Wait until the kernel has taken what was queued; with nothing to wait for, look around now and then.

        What others queue meanwhile is not waited for: with messages for many there might be no end to it.
        """
        session, end = self._session, self._session.handed_out
        written = not (self._out or self._unwritable)
        if now is None:
            now = monotonic()
        if self._out:
            self._until(lambda: not self._out or session.has_written(end) or session.over, drains=True)
        elif now >= self._look_at:
            self._work(now, now)
            self._act()
        # What the kernel has taken is sent, though the connection may have ended since then.
        if not written and (self._unwritable or (self._out and session.over and not session.has_written(end))):
            raise self._why_closed()

    def offer(self, message: Prepared, limit: int | None = None) -> bool:
        """Send a message that many are sent, without waiting; whether it is on its way.  See `broadcast`.

        It is not if the connection is not open, or if more than `limit` bytes wait already; None: `write_limit`.
        """
        with self._lock:
            if self._unwritable or not self._session.offer(message, limit):
                return False
            self._write(*self._session.hand_out_apart())
            if self._out:
                FLUSHER.add(self._sock, self._carry_on)
            return True

    def _carry_on(self) -> bool:
        """Do what a thread that sends does while it waits, and do not wait; whether something is left."""
        with self._lock:
            if not self._gone:
                try:
                    now = monotonic()
                    self._work(now, now, drains=True)
                    self._tell()
                except BaseException:  # Of a tap, say: what it was to see may be lost to the peer too.
                    self.abort()
                    raise
            return bool(self._out) and not self._gone

    def ping(self, payload: bytes | str | None = None) -> PongWaiter:
        """Send a Ping (section 5.5.2); `wait` on what it gives back for the Pong.

        Args:
            payload: up to 125 bytes; None for one that no other has.
        """
        with self._lock:
            now = monotonic()
            with self._unless_closed():
                number = self._session.ping(payload.encode() if isinstance(payload, str) else payload, now)
            self._act()
            self._drain()
        return PongWaiter(self, number)

    def pong(self, payload: bytes | str = b"") -> None:
        """Send a Pong that nobody asked for (section 5.5.3)."""
        with self._lock:
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
        with self._lock:
            self._session.close(code, reason, monotonic())
            self._tell()
            if self._out:  # Nobody may be there to write it: one that receives polls for what comes.
                FLUSHER.add(self._sock, self._carry_on)

    def wait_closed(self) -> None:
        """Wait until the TCP connection is gone."""
        with self._lock:
            self._until(lambda: self._gone)

    def abort(self) -> None:
        """Drop the TCP connection now, with no closing handshake.  From any thread."""
        with self._lock:
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
        with self._lock:
            self._until(lambda: bool(session.opening) or session.ending is not None)
            return session.opening.pop(0) if session.opening else None

    def answer(self, request: Request, reception: Reception, response: Response | None) -> bool:
        """Answer the opening handshake, on a server; whether the connection is open now."""
        connection = self._session.connection
        assert isinstance(connection, ServerConnection)
        with self._lock:
            opened = reception.answer(connection, request, response)
            self._session.proceed(monotonic())
            self._tell()
        return opened
