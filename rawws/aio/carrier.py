"""What moves the bytes of a connection between a transport of asyncio and a `Session`.

It is an `asyncio.BufferedProtocol`: there is no task that reads and none that writes, so nothing has to be cancelled.
All it does is to report to its session and to do what `todo` says.  What becomes of messages is the matter of its two
subclasses: `WebSocket` lets tasks wait for them, `CallbackSocket` calls methods with them.

One turn, one write: what is sent while messages are dealt with that came together is gathered, up to 16 KiB.  It goes
out when all of them are dealt with, and at the latest in the next turn of the loop; a broadcast, some turns later.
"""

import asyncio
import sys
from collections.abc import Callable
from math import inf
from typing import Any, Self, TypeAlias

from rawws.aio import reads
from rawws.aio.alarms import Group
from rawws.aio.clock import clock_of
from rawws.aio.loops import shared_by
from rawws.core.connection import Connection, Wants
from rawws.core.errors import NotOpen
from rawws.core.frames import CloseCode
from rawws.core.http1 import Connected, Rejected, Request, ServerConnection
from rawws.core.prepared import Prepared
from rawws.core.settings import OVERHEAD
from rawws.endpoint import Endpoint, Reception, Response, Tap
from rawws.session import Patience, Session

Data: TypeAlias = str | bytes | bytearray | memoryview
OnOpening: TypeAlias = Callable[[Any, Request | Connected | Rejected | None], object]

GATHER_SIZE = 16 * 1024
"""Of messages, before they are compressed, with `OVERHEAD` for each: no write is made of thousands of them."""
FAIR_SHARE = 64
"""Messages that are dealt with in a row, or times that something is written, before others have a turn."""
FAIR_SIZE = 16 * 1024
"""So many bytes count as another one: a turn is over after a MiB, which may have come as a KiB."""
FAIR_TIME = 0.002
"""Seconds after which others have a turn, if a message was dealt with."""
WRITES_LINES = not ((3, 12) <= sys.version_info < (3, 12, 9) or (3, 13) <= sys.version_info < (3, 13, 2))
"""In between, asyncio does not tell when too much waits that was given to `writelines` (CVE-2024-12254)."""
FIRST_LOOK = 2
"""After so many messages in a row the clock is looked at, and whenever they have doubled: a look costs as much as half
of a short message."""


def _beneath(transport: Any) -> tuple[asyncio.Transport, ...]:
    """The transports that carry this one, which are those of TCP under TLS; of uvloop's they cannot be known.

    What TLS has passed on waits in there, all of a large message at times, and `transport` does not count it.
    """
    under = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return () if under is None else (under, *_beneath(under))


class Carrier(Endpoint, asyncio.BufferedProtocol):
    """A connection over a transport of asyncio."""

    # With over thirty attributes an object has a dict of 1.5 KiB; what an application adds is beside these.
    __slots__ = (
        "_alarm",
        "_beneath",
        "_buffers",
        "_eof",
        "_flush_is_due",
        "_gathered",
        "_gathers",
        "_hung_up",
        "_inbox",
        "_is_behind",
        "_is_gone",
        "_loop",
        "_on_made",
        "_on_opening",
        "_paused",
        "_read",
        "_row_began",
        "_sent_in_a_row",
        "_session",
        "_shared",
        "_tap",
        "_time",
        "_transport",
        "_until_gone",
        "_waits",
        "_wakes_at",
        "_when_gone",
    )

    def begin(
        self,
        connection: Connection,
        patience: Patience,
        on_opening: OnOpening,
        tap: Tap | None = None,
        on_made: Callable[[Any], object] | None = None,
    ) -> Self:
        """Be this connection: to be called once, before there is a transport."""
        self._loop = asyncio.get_running_loop()
        self._time = clock_of(self._loop)
        self._shared = shared_by(self._loop)
        self._buffers = self._shared.buffers
        self._read = reads.FIRST  # which of them is next
        self._session = Session(connection, self._time(), patience)
        self._on_opening: OnOpening | None = on_opening
        self._tap = tap
        self._on_made = on_made
        self._transport: asyncio.Transport | None = None
        self._beneath: tuple[asyncio.Transport, ...] = ()
        self._is_gone = False
        self._until_gone: list[asyncio.Future[None]] | None = None
        self._when_gone: tuple[Callable[[Any], object], ...] = ()
        self._eof = False
        self._hung_up = False
        self._paused = False
        self._inbox: list[str | bytes] = []  # taken out of the session and not delivered, the next one last
        self._row_began = 0.0  # when the application began to deal with messages in a row
        self._waits = False  # the application waits for messages, or for anything: `_inbox` is to be filled at once
        self._gathers = False  # messages are being dealt with, and a flush follows
        self._flush_is_due = False
        self._is_behind = False  # not all was written when the session was told last
        self._gathered = 0
        self._sent_in_a_row = 0
        self._alarm: Group | None = None  # who is woken together with this
        self._wakes_at = inf  # what it has asked for
        return self

    # --- Sending --------------------------------------------------------------------------------------------------

    def _queue(self, data: Data, more: bool, compress: bool | None) -> None:
        """Send a message, or a fragment, now or with others."""
        session = self._session
        try:
            session.connection.send_message(data, more, compress)
        except NotOpen:
            raise self._why_closed() from None
        self._gathered += len(data) + OVERHEAD
        if self._gathered >= GATHER_SIZE:
            self._send_now()
        elif not self._gathers:
            if self._inbox or session.waiting:
                self._flush_soon()
            else:
                self._send_now()

    def offer(self, message: Prepared, limit: int | None = None) -> bool:
        """Send a message that many are sent, without waiting; whether it is on its way.  See `broadcast`.

        It is not if the connection is not open, or if more than `limit` bytes wait already; None: `write_limit`.
        """
        session = self._session
        if session.unwritten:
            self._note_backlog()
        if not session.offer(message, limit):
            return False
        self._gathered += len(message.payload) + OVERHEAD
        if not self._shared.turn.is_on or self._gathered >= GATHER_SIZE:
            self._send_now()
        elif not self._flush_is_due:
            self._flush_is_due = True
            self._shared.turn.late.append(self)
        return True

    def _ping(self, payload: bytes | str | None) -> int:
        try:
            number = self._session.ping(payload.encode() if isinstance(payload, str) else payload, self._time())
        except NotOpen:
            raise self._why_closed() from None
        self._act()
        return number

    # --- Ending ---------------------------------------------------------------------------------------------------

    async def close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Close the connection (section 7) and wait until it is gone, `close_timeout` at most.

        Closing a second time only waits.  Messages that came before can still be received.
        """
        self.start_close(code, reason)
        await self.wait_closed()

    def start_close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Begin to close the connection, and do not wait for it."""
        self._session.close(code, reason, self._time())
        self._react()

    def abort(self) -> None:
        """Drop the TCP connection with no closing handshake, now or in the next turn of the loop."""
        self._session.abort(self._time())
        self._react()

    async def wait_closed(self) -> None:
        """Wait until the TCP connection is gone."""
        if self._is_gone:
            return
        waiter = self._loop.create_future()
        if self._until_gone is None:
            self._until_gone = []
        self._until_gone.append(waiter)
        try:
            await waiter
        finally:
            self._until_gone.remove(waiter)

    def on_gone(self, call: Callable[[Any], object]) -> None:
        """Have this called when the TCP connection is gone."""
        if self._is_gone:
            self._loop.call_soon(call, self)
        else:
            self._when_gone = (*self._when_gone, call)

    # --- What it is connected to ----------------------------------------------------------------------------------

    def answer(self, request: Request, reception: Reception, response: Response | None) -> bool:
        """Answer the opening handshake, on a server; whether the connection is open now."""
        connection = self._session.connection
        assert isinstance(connection, ServerConnection)
        opened = reception.answer(connection, request, response)
        self._session.proceed(self._time())
        self._react()
        return opened

    @property
    def local_address(self) -> Any:
        """Our address, as a socket gives it: (host, port) and more, or a path; None while there is none."""
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
        self._beneath = _beneath(transport)
        patience = self._session.patience
        transport.set_write_buffer_limits(patience.write_high, patience.write_low)
        on_made, self._on_made = self._on_made, None
        if on_made is not None:
            on_made(self)
        if self._session.connection.has_data_to_send or transport.is_closing():
            self._act()
        elif self._session.wake_at is not None:
            self._set_alarm(self._session.wake_at)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffers[self._read]

    def buffer_updated(self, nbytes: int) -> None:
        data = self._buffers[-1][reads.ROOM : reads.ROOM + nbytes]
        if self._tap is not None:
            self._tap.received(bytes(data))  # What it raises ends the connection: so asyncio does.
        is_full = nbytes == reads.SIZES[self._read]
        connection = self._session.connection
        if connection.waits_for_rest:
            data = self._with_beginning(nbytes)
        now = self._time()
        if self._waits and not self._inbox:
            self._inbox = self._session.receive_messages(data, now, is_full)
            self._inbox.reverse()
            self._row_began = now
        else:
            self._session.is_given = bool(self._inbox)
            self._session.receive_data(data, now)
        if self._on_opening is None:
            self._tell(True)
        else:
            self._react()
        if is_full:
            self._read = reads.after(self._read, self._time() - now, connection.is_amid_long)

    def _with_beginning(self, nbytes: int) -> memoryview:
        """What came, and in front of it the beginning of the message that it goes on with."""
        beginning = self._session.connection.unread()
        start = reads.ROOM - len(beginning)
        self._buffers[-1][start : reads.ROOM] = beginning
        return self._buffers[-1][start : reads.ROOM + nbytes]

    def eof_received(self) -> bool:
        self._eof = True
        if self._hung_up:
            return False  # The end of both halves closes it.
        self._session.receive_eof(self._time())
        self._react()
        # Half of the connection stays open: the application may have to answer what came (TLS knows no halves).
        return self.extra("sslcontext") is None and not self._hung_up

    def pause_writing(self) -> None:
        self._note_backlog()

    def resume_writing(self) -> None:
        self._note_backlog()
        self._react()

    def connection_lost(self, error: Exception | None) -> None:
        self._session.lost(self._time())
        if self._alarm is not None:
            self._alarm.discard(self)
            self._alarm = None
        self._is_gone, self._beneath = True, ()
        for waiter in self._until_gone or ():
            if not waiter.done():
                waiter.set_result(None)
        try:
            self._react()
        finally:
            when_gone, self._when_gone = self._when_gone, ()
            for call in when_gone:
                call(self)

    # --- What is done about it ------------------------------------------------------------------------------------

    def _next_look(self, in_a_row: int) -> int:
        """How many messages may be dealt with in a row until the clock is looked at again; 0 if this was enough."""
        if in_a_row >= FAIR_SHARE or self._time() - self._row_began > FAIR_TIME:
            return 0
        return min(2 * in_a_row, FAIR_SHARE)

    def _react(self) -> None:
        """Something happened: tell who waits for it, and do what is to be done."""
        session = self._session
        if self._on_opening is not None and (session.opening or session.ending is not None):
            on_opening, self._on_opening = self._on_opening, None
            event = session.opening.pop(0) if session.opening else None
            on_opening(self, event)
            if isinstance(event, Request):
                return  # There is nothing to do until it is answered.
        self._tell(False)

    def _tell(self, at_once: bool) -> None:
        """Tell the application, and then `_act`, now or soon.

        Args:
            at_once: the loop has called us with what came: who waits for it need not be left to its next turn.
        """
        raise NotImplementedError

    def _act(self) -> None:
        """Do what the session says."""
        self._flush_is_due = False
        self._gathered = 0
        transport = self._transport
        if transport is None or self._is_gone:
            return
        todo = self._session.todo()
        if todo.send and not transport.is_closing():
            self._write(todo.send)
            if self._is_behind or self._beneath or transport.get_write_buffer_size():
                self._note_backlog()
                if self._session.unwritten:
                    todo = self._session.todo()  # Now there is a time by which it is to be written.
            else:
                self._session.all_is_written()
        if todo.drop:
            transport.abort()
            return
        if todo.hang_up and not self._hung_up:
            self._hang_up(transport)
        if transport.is_closing() and not self._session.unwritten:
            return  # The loop is about to tell that it is gone; of TLS it knows how long to wait.
        if todo.read == self._paused and not transport.is_closing():
            self._paused = not todo.read
            (transport.pause_reading if self._paused else transport.resume_reading)()
        if todo.wake_at is not None and todo.wake_at < self._wakes_at:
            self._set_alarm(todo.wake_at)

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
        send, long = self._session.hand_out_apart()
        self._sent_in_a_row += 1 + self._gathered // FAIR_SIZE
        self._gathered = 0
        transport = self._transport
        if not send or transport is None or transport.is_closing():
            return
        if self._tap is not None:
            self._write(send + long)
        elif long and WRITES_LINES:
            transport.writelines((send, long))
        else:
            transport.write(send + long)
        if transport.get_write_buffer_size() or (self._beneath and self._waits_beneath()):
            self._note_backlog()
            self._act()
        elif self._is_behind:
            self._note_backlog()
        else:
            self._session.all_is_written()

    def _write(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        if self._tap is not None:
            try:
                self._tap.sent(data)
            except BaseException:
                transport.abort()  # It will not be sent, and a stream has no holes.
                raise
        transport.write(data)

    def _hang_up(self, transport: asyncio.Transport) -> None:
        self._hung_up = True
        # Behind both Close frames nothing may come: there is no need to wait for the end of the peer's half.
        if self._eof or self._session.connection.wants is Wants.CLOSE or not transport.can_write_eof():
            transport.close()
            return
        try:
            transport.write_eof()
        except OSError:
            # The peer did not wait for our Close: the kernel knows already, and tells the loop in a moment.
            transport.abort()

    def _note_backlog(self) -> None:
        if self._transport is not None:
            size = self._transport.get_write_buffer_size()
            beneath = self._waits_beneath() if self._beneath else 0
            self._is_behind = size + beneath > 0
            self._session.backlog(size, self._time(), beneath)

    def _waits_beneath(self) -> int:
        return sum(each.get_write_buffer_size() for each in self._beneath)

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.discard(self)
        self._alarm = self._shared.alarms.join(self, when, self._time(), self._loop)
        self._wakes_at = when

    def wake(self) -> None:
        """The time that it has asked for has come."""
        self._alarm, self._wakes_at = None, inf
        self._note_backlog()
        self._session.wake(self._time())
        self._react()
