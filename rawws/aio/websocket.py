"""The asyncio `WebSocket`: moves bytes between a transport of asyncio and a `Session`, and lets tasks wait.

It is an `asyncio.BufferedProtocol`: there is no task that reads and none that writes, so nothing has to be cancelled
and a cancelled `recv` or `send` loses nothing.  All it does is to report to its session and to do what `todo` says.

One turn, one write: while messages that came wait to be received, what is sent is gathered (up to 16 KiB).  It goes out
when the last one was received, and at the latest in the next turn of the loop.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, TypeAlias
from weakref import WeakKeyDictionary

from rawws.aio.turn import turn_of
from rawws.core.connection import Connection
from rawws.core.errors import NotOpen
from rawws.core.events import Chunk
from rawws.core.frames import CloseCode
from rawws.core.http1 import Connected, Rejected, Request, ServerConnection
from rawws.core.prepared import Prepared
from rawws.endpoint import Endpoint, Reception, Response, Tap
from rawws.session import ConnectionClosed, Patience, Session

Data: TypeAlias = str | bytes | bytearray | memoryview
OnOpening: TypeAlias = Callable[["WebSocket", Request | Connected | Rejected | None], object]

RECEIVE_SIZE = 64 * 1024
"""One read at the most: what a turn of the loop may spend on one connection."""
GATHER_SIZE = 16 * 1024
FAIR_SHARE = 64
"""Messages that a task may receive in a row, or send, before others have a turn."""
FAIR_SIZE = 16 * 1024
"""So many bytes of a message count as another one: a turn is over after a MiB, which may have come as a KiB."""

# One for each loop: what is read into it is taken out before anything else can happen there.
_buffers: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()


def _buffer_of(loop: asyncio.AbstractEventLoop) -> memoryview:
    buffer = _buffers.get(loop)
    if buffer is None:
        buffer = _buffers[loop] = memoryview(bytearray(RECEIVE_SIZE))
    return buffer


class WebSocket(Endpoint, asyncio.BufferedProtocol):
    """An open connection.  One task at a time may receive; any number may send.

    `connect` and `serve` make it.
    """

    def __init__(
        self,
        connection: Connection,
        patience: Patience,
        on_opening: OnOpening,
        tap: Tap | None = None,
        on_made: Callable[["WebSocket"], object] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._buffer = _buffer_of(self._loop)
        self._turn = turn_of(self._loop)
        self._session = Session(connection, self._loop.time(), patience)
        self._on_opening: OnOpening | None = on_opening
        self._tap = tap
        self._on_made = on_made
        self._transport: asyncio.Transport | None = None
        self._gone = self._loop.create_future()
        self._eof = False
        self._hung_up = False
        self._paused = False
        self._flush_is_due = False
        self._gathered = 0
        self._timer: asyncio.TimerHandle | None = None
        self._receiver: asyncio.Future[None] | None = None
        self._writers: list[asyncio.Future[None]] = []
        self._pongs: dict[int, tuple[asyncio.Future[float], float]] = {}
        self._fragments = asyncio.Lock()
        self._in_a_row = 0
        self._sent_in_a_row = 0

    # --- Receiving ------------------------------------------------------------------------------------------------

    async def recv(self) -> str | bytes:
        """The next message: a `str` if it is text, `bytes` if it is binary.  Cancelling it loses no message.

        Raises:
            ConnectionClosed: the connection has ended, and all that came before was received.
            RuntimeError: another task is receiving.
        """
        if self._in_a_row >= FAIR_SHARE:
            await self._let_others_run()
        while True:
            message: str | bytes | None = self._take(self._session.next_message)
            if message is not None:
                self._in_a_row += 1 + len(message) // FAIR_SIZE
                return message
            await self._wait_for_message()

    async def recv_streaming(self) -> AsyncIterator[str | bytes]:
        """The next message in pieces, as they come, also inside one frame.  Left early, its rest is thrown away.

        Raises:
            ConnectionClosed, RuntimeError: as `recv`.
        """
        connection = self._session.connection
        connection.stream = True
        self._session.abandon()
        try:
            while True:
                if self._in_a_row >= FAIR_SHARE:
                    await self._let_others_run()
                chunk: Chunk | None = self._take(self._session.next_chunk)
                if chunk is None:
                    await self._wait_for_message()
                    continue
                self._in_a_row += 1 + len(chunk.data) // FAIR_SIZE
                yield chunk.data
                if chunk.last:
                    return
        finally:
            connection.stream = False

    def __aiter__(self) -> Self:
        """Every message until the connection ends; ends quietly after a clean close, else with `ConnectionClosed`."""
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.recv()
        except ConnectionClosed as end:
            if end.clean:
                raise StopAsyncIteration from None
            raise

    async def _let_others_run(self) -> None:
        """Give other tasks their turn, though there is always a message, or always room for one."""
        self._in_a_row = self._sent_in_a_row = 0
        await asyncio.sleep(0)

    def _take(self, next_of: Callable[[float], Any]) -> Any:
        try:
            taken = next_of(self._loop.time())
        except ConnectionClosed:
            self._act()
            raise
        if self._paused and self._session.reading:
            self._act()
        return taken

    async def _wait_for_message(self) -> None:
        if self._receiver is not None:
            raise RuntimeError("another task is receiving from this WebSocket")
        self._in_a_row = self._sent_in_a_row = 0
        if self._session.connection.has_data_to_send:
            self._act()
        self._receiver = self._loop.create_future()
        try:
            await self._receiver
        finally:
            self._receiver = None

    # --- Sending --------------------------------------------------------------------------------------------------

    async def send(self, message: Data | Iterable[Data] | AsyncIterable[Data], *, compress: bool | None = None) -> None:
        """Send a message: text for a `str`, binary for bytes; from an iterable, one message in fragments.

        It waits while more than `write_limit` is under way, and never after: when it is cancelled, nothing was sent.
        When an iterable raises in the middle of its message, or its sending is cancelled there, the connection is
        failed with 1011: the message cannot be finished.

        Args:
            message: the payload, or its fragments.
            compress: whether to compress it, if that was agreed on; None leaves it to its length, and compresses
                fragments.

        Raises:
            ConnectionClosed: the connection is closing or has ended.
            TypeError: neither text nor bytes, nor an iterable of one of them.
        """
        if not isinstance(message, (str, bytes, bytearray, memoryview)):
            async with self._fragments, aclosing(_each(message)) as fragments:
                await self._send_fragments(fragments, compress)
            return
        if self._sent_in_a_row >= FAIR_SHARE:
            await self._let_others_run()
        if self._session.congested:
            await self._until_written()
        if self._fragments.locked():
            async with self._fragments:
                self._queue(message, False, compress)
        else:
            self._queue(message, False, compress)

    async def _send_fragments(self, fragments: AsyncIterator[Data], compress: bool | None) -> None:
        held: list[Data] = []
        try:
            async for fragment in fragments:
                for data in held:
                    await self._until_turn()
                    self._queue(data, True, compress)
                held = [fragment]
            await self._until_turn()
            self._queue(held[0] if held else b"", False, compress)
        except BaseException:
            if self._in_message:
                self._session.fail(CloseCode.INTERNAL_ERROR, "a message could not be finished", self._loop.time())
                self._react()
            raise

    def _queue(self, data: Data, more: bool, compress: bool | None) -> None:
        connection = self._session.connection
        try:
            if isinstance(data, str):
                connection.send_text(data, more, compress)
            else:
                connection.send_binary(data, more, compress)
        except NotOpen:
            raise self._why_closed() from None
        self._gathered += len(data)
        self._sent_in_a_row += 1 + len(data) // FAIR_SIZE
        if self._session.waiting and self._gathered < GATHER_SIZE:
            self._flush_soon()
        else:
            self._act()

    async def _until_turn(self) -> None:
        """Wait until a fragment may be sent."""
        if self._sent_in_a_row >= FAIR_SHARE:
            await self._let_others_run()
        await self._until_written()

    async def _until_written(self) -> None:
        while self._session.congested and not self._session.over:
            writer = self._loop.create_future()
            self._writers.append(writer)
            await writer

    def offer(self, message: Prepared, limit: int | None = None) -> bool:
        """Send a message that many are sent, without waiting; whether it is on its way.  See `broadcast`.

        It is not if the connection is not open, or if more than `limit` bytes wait already; None: `write_limit`.
        """
        session = self._session
        if session.unwritten:
            self._note_backlog()
        if not session.offer(message, limit):
            return False
        self._gathered += len(message.payload)
        if not self._turn.is_on or self._gathered >= GATHER_SIZE:
            self._send_now()
        elif not self._flush_is_due:
            self._flush_is_due = True
            self._turn.late.append(self)
        return True

    async def ping(self, payload: bytes | str | None = None) -> Awaitable[float]:
        """Send a Ping (section 5.5.2).  Await what it gives back for the Pong: the latency in seconds.

            pong = await ws.ping()
            latency = await pong

        Args:
            payload: up to 125 bytes; None for one that no other has.
        """
        now = self._loop.time()
        try:
            number = self._session.ping(payload.encode() if isinstance(payload, str) else payload, now)
        except NotOpen:
            raise self._why_closed() from None
        waiter: asyncio.Future[float] = self._loop.create_future()
        self._pongs[number] = waiter, now
        self._act()
        return waiter

    async def pong(self, payload: bytes | str = b"") -> None:
        """Send a Pong that nobody asked for (section 5.5.3)."""
        try:
            self._session.connection.pong(payload.encode() if isinstance(payload, str) else payload)
        except NotOpen:
            raise self._why_closed() from None
        self._act()

    # --- Ending ---------------------------------------------------------------------------------------------------

    async def close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Close the connection (section 7) and wait until it is gone, `close_timeout` at most.

        Closing a second time only waits.  Messages that came before can still be received.
        """
        self.start_close(code, reason)
        await self.wait_closed()

    def start_close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Begin to close the connection, and do not wait for it."""
        self._session.close(code, reason, self._loop.time())
        self._react()

    def answer(self, request: Request, reception: Reception, response: Response | None) -> bool:
        """Answer the opening handshake, on a server; whether the connection is open now."""
        connection = self._session.connection
        assert isinstance(connection, ServerConnection)
        opened = reception.answer(connection, request, response)
        self._session.proceed(self._loop.time())
        self._react()
        return opened

    def on_gone(self, call: Callable[["WebSocket"], object]) -> None:
        """Have this called when the TCP connection is gone."""
        self._gone.add_done_callback(lambda _: call(self))

    async def wait_closed(self) -> None:
        """Wait until the TCP connection is gone."""
        await asyncio.shield(self._gone)

    def abort(self) -> None:
        """Drop the TCP connection now, with no closing handshake."""
        self._session.abort(self._loop.time())
        self._react()

    async def __aenter__(self) -> Self:
        """Closes with 1000 at the end of the block, or with 1011 if it raised."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close(CloseCode.NORMAL if kind is None else CloseCode.INTERNAL_ERROR)

    # --- What it is connected to ----------------------------------------------------------------------------------

    @property
    def local_address(self) -> Any:
        """Our address, as a socket gives it: (host, port) and more, or a path; None when it is gone."""
        return self.extra("sockname")

    @property
    def remote_address(self) -> Any:
        """The peer's."""
        return self.extra("peername")

    def extra(self, name: str) -> Any:
        """What `asyncio.BaseTransport.get_extra_info` knows: "ssl_object", "socket", …"""
        return None if self._transport is None else self._transport.get_extra_info(name)

    # --- What the loop tells --------------------------------------------------------------------------------------

    # No `asyncio.Transport`: uvloop has transports of its own, which are like it.
    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        patience = self._session.patience
        transport.set_write_buffer_limits(patience.write_high, patience.write_low)
        if self._on_made is not None:
            self._on_made(self)
        self._act()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._buffer[:nbytes])
        if self._tap is not None:
            self._tap.received(data)
        self._session.receive_data(data, self._loop.time())
        self._react()

    def eof_received(self) -> bool:
        self._eof = True
        self._session.receive_eof(self._loop.time())
        self._react()
        # Half of the connection stays open: the application may have to answer what came (TLS knows no halves).
        return self.extra("sslcontext") is None and not self._hung_up

    def pause_writing(self) -> None:
        self._note_backlog()

    def resume_writing(self) -> None:
        self._note_backlog()
        self._react()

    def connection_lost(self, error: Exception | None) -> None:
        self._session.lost(self._loop.time())
        if self._timer is not None:
            self._timer.cancel()
        if not self._gone.done():
            self._gone.set_result(None)
        self._react()

    # --- What is done about it ------------------------------------------------------------------------------------

    def _react(self) -> None:
        """Something happened: wake who waits for it, and do what is to be done."""
        session = self._session
        if self._on_opening is not None and (session.opening or session.ending is not None):
            on_opening, self._on_opening = self._on_opening, None
            on_opening(self, session.opening.pop(0) if session.opening else None)
        if self._pongs:
            self._wake_pongs()
        if self._writers and (not session.congested or session.over):
            self._wake_writers()
        receiver = self._receiver
        if receiver is not None and not receiver.done() and (session.waiting or session.ending is not None):
            receiver.set_result(None)
            # The task that receives runs before the flush: what it answers goes out in the same write.  With nothing
            # to send yet and nothing to end, its own answer will do.
            if session.connection.has_data_to_send or session.ending is not None or not session.reading:
                self._flush_soon()
        else:
            self._act()

    def _act(self) -> None:
        """Do what the session says."""
        todo = self._session.todo()
        self._flush_is_due = False
        self._gathered = 0
        transport = self._transport
        if transport is None or self._gone.done():
            return
        if todo.send and not transport.is_closing():
            if self._tap is not None:
                self._tap.sent(todo.send)
            transport.write(todo.send)
            self._note_backlog()
            if self._session.unwritten:
                todo = self._session.todo()  # Now there is a time by which it is to be written.
        if todo.drop:
            transport.abort()
            return
        if todo.hang_up and not self._hung_up:
            self._hang_up(transport)
        if todo.read == self._paused and not transport.is_closing():
            self._paused = not todo.read
            (transport.pause_reading if self._paused else transport.resume_reading)()
        if todo.wake_at is not None and (self._timer is None or todo.wake_at < self._timer.when()):
            self._set_timer(todo.wake_at)

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self.flush_if_due)

    def flush_if_due(self) -> None:
        """Send what was gathered in this turn of the loop, unless that was done."""
        if self._flush_is_due:
            self._act()

    def _send_now(self) -> None:
        """Send what is queued, when nothing else has happened: a short `_act`."""
        send = self._session.hand_out()
        self._gathered = 0
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._tap is not None:
            self._tap.sent(send)
        transport.write(send)
        if transport.get_write_buffer_size():
            self._note_backlog()
            self._act()
        else:
            self._session.backlog(0, 0.0)  # Then the time does not matter.

    def _hang_up(self, transport: asyncio.Transport) -> None:
        self._hung_up = True
        if self._eof or not transport.can_write_eof():
            transport.close()
            return
        try:
            transport.write_eof()
        except OSError:
            # The peer did not wait for our Close: the kernel knows already, and tells the loop in a moment.
            transport.abort()

    def _note_backlog(self) -> None:
        if self._transport is not None:
            self._session.backlog(self._transport.get_write_buffer_size(), self._loop.time())

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._note_backlog()
        self._session.wake(self._loop.time())
        self._react()

    def _wake_pongs(self) -> None:
        session = self._session
        for number, (waiter, sent) in list(self._pongs.items()):
            if number <= session.acknowledged:
                del self._pongs[number]
                if not waiter.done():
                    waiter.set_result(self._loop.time() - sent)
            elif session.ending is not None:
                del self._pongs[number]
                if not waiter.done():
                    waiter.set_exception(self._why_closed())
                    waiter.exception()  # Who does not wait for a Pong is not warned about it.

    def _wake_writers(self) -> None:
        for writer in self._writers:
            if not writer.done():
                writer.set_result(None)
        self._writers.clear()


async def _each(fragments: Iterable[Data] | AsyncIterable[Data]) -> AsyncGenerator[Data, None]:
    if isinstance(fragments, AsyncIterable):
        async for fragment in fragments:
            yield fragment
    elif isinstance(fragments, Iterable) and not isinstance(fragments, dict):
        for fragment in fragments:
            yield fragment
    else:
        raise TypeError(f"a message is text, bytes, or an iterable of one of them, not {type(fragments).__name__}")
