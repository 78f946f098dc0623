"""The asyncio `WebSocket`: tasks wait for what a `Carrier` brings, and for room for what they send.

A cancelled `recv` or `send` loses nothing.  A task that waits for a message is woken at once when one comes, and what
it sends until it waits again goes out in one write.
"""

import asyncio
from asyncio import Future
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Self

from rawws.aio.carrier import FAIR_SHARE, FAIR_SIZE, FIRST_LOOK, Carrier, Data, OnOpening
from rawws.aio.waiter import Waiter, may_wake_at_once, wake_at_once
from rawws.core.connection import Connection
from rawws.core.errors import NotOpen
from rawws.core.events import Chunk
from rawws.core.frames import CloseCode
from rawws.endpoint import Tap
from rawws.session import ConnectionClosed, Patience

__all__ = ["Data", "WebSocket"]


class WebSocket(Carrier):
    """An open connection.  One task at a time may receive; any number may send.

    `connect` and `serve` make it.
    """

    __slots__ = (
        "_fragments",
        "_in_a_row",
        "_look_at",
        "_may_wake_at_once",
        "_pongs",
        "_receiver",
        "_writers",
    )

    def __init__(
        self,
        connection: Connection,
        patience: Patience,
        on_opening: OnOpening,
        tap: Tap | None = None,
        on_made: Callable[["WebSocket"], object] | None = None,
    ) -> None:
        self.begin(connection, patience, on_opening, tap, on_made)
        self._may_wake_at_once = may_wake_at_once(self._loop)
        self._receiver: Waiter | None = None
        self._writers: dict[Waiter, None] | None = None
        self._pongs: dict[int, tuple[asyncio.Future[float], float]] | None = None
        self._fragments: asyncio.Lock | None = None
        self._in_a_row = 0
        self._look_at = FIRST_LOOK  # so many in a row

    # --- Receiving ------------------------------------------------------------------------------------------------

    async def recv(self) -> str | bytes:
        """The next message: a `str` if it is text, `bytes` if it is binary.  Cancelling it loses no message.

        Raises:
            ConnectionClosed: the connection has ended, and all that came before was received.
            RuntimeError: another task is receiving.
        """
        if self._in_a_row >= self._look_at:
            await self._look_at_the_clock()
        while not (inbox := self._inbox or self._take()):
            waiter = self._new_receiver()
            try:
                await waiter
            finally:
                self._receiver, self._waits = None, False
        message = inbox.pop()
        self._in_a_row += 1 + len(message) // FAIR_SIZE
        return message

    async def recv_streaming(self) -> AsyncIterator[str | bytes]:
        """The next message in pieces, as they come, also inside one frame.  Left early, its rest is thrown away.

        What came of it before this was called comes with the next piece.

        Raises:
            ConnectionClosed, RuntimeError: as `recv`.
        """
        with self._streaming():
            while True:
                if self._in_a_row >= self._look_at:
                    await self._look_at_the_clock()
                while (chunk := self._next_chunk()) is None:
                    waiter = self._new_receiver()
                    try:
                        await waiter
                    finally:
                        self._receiver, self._waits = None, False
                yield chunk.data
                if chunk.last:
                    return

    def __aiter__(self) -> Self:
        """Every message until the connection ends; ends quietly after a clean close, else with `ConnectionClosed`."""
        return self

    async def __anext__(self) -> str | bytes:
        try:
            # `recv` once more: another coroutine around it would cost as much as most of this.
            if self._in_a_row >= self._look_at:
                await self._look_at_the_clock()
            while not (inbox := self._inbox or self._take()):
                waiter = self._new_receiver()
                try:
                    await waiter
                finally:
                    self._receiver, self._waits = None, False
            message = inbox.pop()
            self._in_a_row += 1 + len(message) // FAIR_SIZE
            return message
        except ConnectionClosed as end:
            if end.clean:
                raise StopAsyncIteration from None
            raise

    async def _look_at_the_clock(self) -> None:
        """Give other tasks their turn if this one had its share, or took long."""
        self._look_at = self._next_look(self._in_a_row)
        if not self._look_at:
            await self._let_others_run()

    async def _let_others_run(self) -> None:
        """Give other tasks their turn, though there is always a message, or always room for one."""
        self._new_row()
        await asyncio.sleep(0)
        self._row_began = self._time()

    def _new_row(self) -> None:
        self._in_a_row = self._sent_in_a_row = 0
        self._look_at = FIRST_LOOK

    def _take(self) -> list[str | bytes]:
        """Take out of the session all that waits, the next one last."""
        session = self._session
        try:
            self._row_began = self._time()
            inbox = session.next_messages(self._row_began)
        except ConnectionClosed:
            self._act()  # The Close goes out before the application goes on, however long that takes.
            raise
        if inbox:
            inbox.reverse()
            self._inbox = inbox
        self._was_taken()
        return self._inbox

    def _next_chunk(self) -> Chunk | None:
        if self._inbox:
            chunk: Chunk | None = Chunk(self._inbox.pop(), first=True, last=True)
        else:
            try:
                chunk = self._session.next_chunk(self._time())
            except ConnectionClosed:
                self._act()
                raise
        if chunk is not None:
            self._in_a_row += 1 + len(chunk.data) // FAIR_SIZE
        self._was_taken()
        return chunk

    def _was_taken(self) -> None:
        """There may be room for more by now, and what lay behind may have been looked at."""
        if self._pongs:
            self._wake_pongs(self._pongs)
        if self._paused:
            self._act()  # Also if there is no room: a Pong may be queued, or a part of a flood be left for later.

    def _new_receiver(self) -> Waiter:
        """What to await for a message; then it is to be forgotten."""
        if self._receiver is not None:
            raise RuntimeError("another task is receiving from this WebSocket")
        self._new_row()
        if not self._gathers and self._session.connection.has_data_to_send:
            self._act()
        self._receiver = Future(loop=self._loop)
        self._waits = True
        return self._receiver

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
            if self._fragments is None:
                self._fragments = asyncio.Lock()
            async with self._fragments, aclosing(_each(message)) as fragments:
                await self._send_fragments(fragments, compress)
            return
        if self._sent_in_a_row >= FAIR_SHARE:
            await self._let_others_run()
        if self._session.congested:
            await self._until_written()
        if self._fragments is not None and self._fragments.locked():
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
                self._session.fail(CloseCode.INTERNAL_ERROR, "a message could not be finished", self._time())
                self._react()
            raise

    async def _until_turn(self) -> None:
        """Wait until a fragment may be sent."""
        if self._sent_in_a_row >= FAIR_SHARE:
            await self._let_others_run()
        await self._until_written()

    async def _until_written(self) -> None:
        while self._session.congested and not self._session.over:
            writer = self._loop.create_future()
            if self._writers is None:
                self._writers = {}
            self._writers[writer] = None
            try:
                await writer
            finally:
                if self._writers:
                    self._writers.pop(writer, None)

    async def ping(self, payload: bytes | str | None = None) -> Awaitable[float]:
        """Send a Ping (section 5.5.2).  Await what it gives back for the Pong: the latency in seconds.

            pong = await ws.ping()
            latency = await pong

        Args:
            payload: up to 125 bytes; None for one that no other has.
        """
        number = self._ping(payload)
        waiter: asyncio.Future[float] = self._loop.create_future()
        if self._pongs is None:
            self._pongs = {}
        self._pongs[number] = waiter, self._time()
        return waiter

    async def pong(self, payload: bytes | str = b"") -> None:
        """Send a Pong that nobody asked for (section 5.5.3)."""
        try:
            self._session.connection.pong(payload.encode() if isinstance(payload, str) else payload)
        except NotOpen:
            raise self._why_closed() from None
        self._act()

    # --- Ending ---------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Closes with 1000 at the end of the block, or with 1011 if it raised."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close(CloseCode.NORMAL if kind is None else CloseCode.INTERNAL_ERROR)

    # --- What is done about it ------------------------------------------------------------------------------------

    def _tell(self, at_once: bool) -> None:
        session = self._session
        if self._pongs:
            self._wake_pongs(self._pongs)
        if self._writers and (not session.congested or session.over):
            self._wake_writers(self._writers)
        receiver = self._receiver
        if receiver is None or receiver.done() or not (self._inbox or session.waiting or session.ending is not None):
            self._act()
        elif at_once and self._may_wake_at_once:
            # What the task sends until it waits again is gathered.
            self._gathers = True
            try:
                wake_at_once(receiver, self._loop)
            finally:
                self._gathers = False
            if session.ending is not None or self._paused or session.full or session.congested:
                self._act()
            else:
                self._send_now()
        else:
            receiver.set_result(None)
            # The task that receives runs before the flush: what it answers goes out in the same write.  With nothing
            # to send yet and nothing to end, its own answer will do.
            if session.connection.has_data_to_send or session.ending is not None or not session.reading:
                self._flush_soon()

    def _wake_pongs(self, pongs: dict[int, tuple[asyncio.Future[float], float]]) -> None:
        session = self._session
        for number, (waiter, sent) in list(pongs.items()):
            if number <= session.acknowledged:
                del pongs[number]
                if not waiter.done():
                    waiter.set_result(self._time() - sent)
            elif session.ending is not None or self._is_gone:
                del pongs[number]
                if not waiter.done():
                    waiter.set_exception(self._why_closed())
                    waiter.exception()  # Who does not wait for a Pong is not warned about it.

    def _wake_writers(self, writers: dict[Waiter, None]) -> None:
        self._writers = None
        for writer in writers:
            if not writer.done():
                writer.set_result(None)


async def _each(fragments: Iterable[Data] | AsyncIterable[Data]) -> AsyncGenerator[Data, None]:
    if isinstance(fragments, AsyncIterable):
        async for fragment in fragments:
            yield fragment
    elif isinstance(fragments, Iterable) and not isinstance(fragments, dict):
        for fragment in fragments:
            yield fragment
    else:
        raise TypeError(f"a message is text, bytes, or an iterable of one of them, not {type(fragments).__name__}")
