"""A connection in time: how long to wait, when to ping, how much to hold, and who hangs up.

A transport *reports* what happened (`receive_data`, `receive_eof`, `wake`, `backlog`), an application *asks*
(`next_message`, `ping`, `close`, and the connection's own `send_text` and `send_binary`), and after either the
transport does what `todo` says.  There is no clock in here: `now` is an argument everywhere, in seconds of any clock
that only goes forward.

Endings take effect in stream order.  The session reads ahead, so that a Ping is answered while the application is busy;
but the peer's Close, or its violation, is answered when the application has taken what came before it, or after the
closing timeout if it does not; after a fifth of that if it has, and does not ask for more.  Until then the application
may go on sending (section 5.5.1 lets the answer wait).
"""

from collections.abc import Sequence
from typing import TypeAlias, TypeGuard

from rawws.core import rules
from rawws.core.connection import Connection, Wants
from rawws.core.errors import NotOpen
from rawws.core.events import Chunk, Closed, Event, Ping, Pong
from rawws.core.frames import CloseCode
from rawws.core.http1 import Connected, Rejected, Request
from rawws.core.outgoing import APART
from rawws.core.prepared import Prepared
from rawws.core.settings import OVERHEAD
from rawws.core.states import EOF, State, advance
from rawws.patience import (
    CLOSE_BY,
    DEADLINES,
    GO_ON_AT,
    NEVER,
    OPEN_BY,
    PING_AT,
    PONG_BY,
    WRITE_BY,
    ConnectionClosed,
    Patience,
    Todo,
)
from rawws.pieces import Pieces

__all__ = ["ConnectionClosed", "Patience", "Session", "Todo"]

FAIR_SHARE = 1024
"""Frames that are looked at in a row, a run of messages being one; a Ping takes as long as 100 short messages."""
Item: TypeAlias = str | bytes | Chunk | Ping | Pong
"""What waits for the application."""


def _are_messages(events: Sequence[Event]) -> TypeGuard[list[str | bytes]]:
    """Whether these are a run of whole messages: the first one tells for all."""
    return type(events[0]) is str or type(events[0]) is bytes


class Session:
    """One side of a connection, from the first byte to the last, and its patience.

    Args:
        connection: open, or at the beginning of its opening handshake; the session drives it from now on.
        now: the time.
        patience: how long to wait and how much to hold.
    """

    MOST_PINGS = 16
    """Pings that may wait for their Pong; beyond it the oldest is forgotten."""

    def __init__(self, connection: Connection, now: float, patience: Patience = Patience()) -> None:
        self.connection = connection
        connection.auto_close = False
        self.patience = patience
        self.ending: Closed | None = None
        self.acknowledged = 0
        self.latency: float | None = None
        self.tells_controls = False  # `next_item` gives Pings and Pongs too; set before the first of them comes
        self.ping_payload: bytes | None = None  # what keepalive Pings carry; None for a number
        self.opening: list[Request | Connected | Rejected] = []
        self._messages: list[str | bytes] = []  # those that wait, the next one last
        self._behind: list[Item] = []  # what waits behind these, if it is not messages only, the next one first
        self._charge = 0  # the memory of what is in there
        self._pieces: Pieces | None = None  # of a message that comes in chunks
        self._asked = False  # the application takes messages at all
        self._hungry = False  # and waits for one
        self.is_given = False
        """Of what was given out together, the application has not seen all yet, as far as the transport has told."""
        self._finished = False  # the ending was acted upon
        self._dropped = False
        self._after_end = 0  # bytes that came after the end
        self.handed_out = 0
        """How many bytes the transport was given."""
        self._taken = 0  # of these, bytes that the kernel took
        self.congested = False
        """So much waits to be sent that an application should not send more; from `write_high` until `write_low`."""
        self._congested_at = 0  # so many were handed out when it became so
        self._pings: tuple[tuple[int, bytes, float], ...] = ()
        self._ping_count = 0
        self.full = False
        """There was no room for what came, or there were too many frames in a row."""
        self._deaf = False  # after our Close there was none either: nothing more is kept
        self._connecting = True
        self._deadlines = [NEVER] * DEADLINES
        self._wake_at: float | None = None  # the first of them
        self._set(OPEN_BY, now, patience.opening)
        self.proceed(now)

    # --- What a transport reports ---------------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """These bytes came.  Never raises."""
        if self._deadlines[PONG_BY] != NEVER:
            self._unset(PONG_BY)
        if self.ending is None:
            self.connection.receive_data(data)
            self.proceed(now)
            return
        self._after_end += len(data)
        if self._after_end > self.patience.linger:
            self._finish(now)
            self._drop()

    def receive_messages(self, data: bytes | memoryview, now: float, more: bool = False) -> list[str | bytes]:
        """These bytes came, and the application waits for messages: `receive_data` and `next_messages` in one.

        An empty list if nothing can be given at once, for whatever reason; then `next_messages` knows.  Never raises.

        Args:
            data: read where it lies; a memoryview has to be a contiguous one of bytes.
            now: the time.
            more: at once there will be more: of a message that `data` ends in the midst of, nothing need be read yet,
                and the transport may take it back (`Connection.unread`).
        """
        if self.ending is not None or self._messages or self._behind or self._deaf:
            self.receive_data(data, now)
            return []
        if self._deadlines[PONG_BY] != NEVER:
            self._unset(PONG_BY)
        connection = self.connection
        messages = connection.receive_messages(data, more)
        self._asked, self._hungry = True, not messages
        self.is_given = len(messages) > 1  # Who waits takes the first one at once.
        if connection.has_data_to_read and not connection.waits_for_rest:
            self.proceed(now)
        return messages

    def receive_eof(self, now: float) -> None:
        """No more bytes will come.  Never raises."""
        self.connection.receive_eof()
        self.proceed(now)

    def backlog(self, size: int, now: float, beneath: int = 0) -> None:
        """Of what was handed out, the kernel has not taken `size` bytes yet.

        Args:
            size: so many wait, and the transport will tell when they are fewer.
            now: the time.
            beneath: so many more wait, of which it will not tell: so they are no reason to wait, but they have their
                time to be written.
        """
        taken = self.handed_out - size - beneath
        if size + beneath == 0:
            self._unset(WRITE_BY)
        elif taken > self._taken or self._deadlines[WRITE_BY] == NEVER:
            self._set(WRITE_BY, now, self.patience.writing)
        self._taken = taken
        if self.congested and size <= self.patience.write_low:
            flooded, self.congested = self._is_flooded(), False
            if flooded:
                self._read_on(now)
        elif not self.congested and size > self.patience.write_high:
            self.congested = True
            self._congested_at = self.handed_out

    def all_is_written(self) -> None:
        """The kernel has taken all that was handed out: a short `backlog`, if it was told of none before."""
        self._taken = self.handed_out

    def lost(self, now: float) -> None:
        """The transport is gone, both ways.  What came can still be taken."""
        self._drop()
        self.connection.receive_eof()
        self.connection.ours = advance(self.connection.ours, EOF)
        self.connection.data_to_send()
        if self.ending is None:
            self.proceed(now)

    def wake(self, now: float) -> None:
        """The time of `Todo.wake_at` has come; report the `backlog` first.  Calling it early does nothing."""
        patience = self.patience
        self._unset(GO_ON_AT)
        self.proceed(now)
        if self._is_due(OPEN_BY, now):
            self.fail(rules.OPENING_TIMEOUT.code, f"the opening handshake took over {patience.opening:g} s", now)
        if self._is_due(WRITE_BY, now):
            self._give_up(rules.WRITE_TIMEOUT, f"the peer read nothing for {patience.writing:g} s", now)
        if self._is_due(CLOSE_BY, now):
            self._closing_is_over(now)
        if self._is_due(PONG_BY, now):
            self._pong_is_late(now)
        if self._is_due(PING_AT, now) and self.connection.state is State.OPEN:
            self.connection.rest()
            self.ping(self.ping_payload, now)

    def proceed(self, now: float) -> None:
        """Look at what came and was not looked at, as far as there is room; also after the handshake was answered.

        Of a flood of Pings or fragments a part at a time: `wake` goes on, and meanwhile nothing is read.
        """
        connection = self.connection
        for _ in range(FAIR_SHARE):
            # There is always room for one run of messages.
            has_room = not self._deaf and (self._charge < self.patience.receive_high or not self.waiting)
            self.full = not has_room and self._waits_for_room()
            connection.room = self.patience.receive_high - self._charge
            if self.full or not (events := connection.next_events()):
                break
            if has_room and _are_messages(events):
                self._charge += sum(map(len, events)) + OVERHEAD * len(events)
                self._hungry = False
                if self._messages or self._behind:
                    self._put_behind(events)
                else:
                    events.reverse()
                    self._messages = events
            else:
                for event in events:
                    self._note(event, now)
        else:
            self.full = True
            self._set(GO_ON_AT, now, 0.0)
        if self._connecting and connection.state is not State.CONNECTING:
            self._connecting = False
            self._unset(OPEN_BY)
            if connection.state is State.OPEN:
                self._set(PING_AT, now, self.patience.ping_interval)

    # --- What an application asks ---------------------------------------------------------------------------------

    def next_message(self, now: float) -> str | bytes | None:
        """The next message; None if there is none yet.

        Of a message that `next_chunk` began to give out, the rest is thrown away.

        Raises:
            ConnectionClosed: everything that came was taken, and the connection has ended.
        """
        if self._messages and not self.full:
            self._asked = True
            message = self._messages.pop()
            self._charge -= len(message) + OVERHEAD
            return message
        while (item := self.next_item(now)) is not None:
            if isinstance(item, (str, bytes)):
                return item
            if isinstance(item, Chunk) and (whole := self._in_pieces().whole(item)) is not None:
                return whole
        self.abandon()
        return None

    def next_messages(self, now: float) -> list[str | bytes]:
        """All messages that wait, in their order; an empty list if there is none yet.  Otherwise as `next_message`."""
        messages = self._messages
        if not messages and not self._behind and self.ending is None:
            self._asked = self._hungry = True
            if self._pieces is not None:
                self._pieces.abandon()
            return []
        if self._behind or not messages:
            message = self.next_message(now)
            return [] if message is None else [message]
        self._asked = True
        self._messages, self._charge = [], 0
        messages.reverse()
        if self.full:
            self.is_given = len(messages) > 1
            self._read_on(now)
        return messages

    def next_chunk(self, now: float) -> Chunk | None:
        """The next piece of a message, which may be all of it; None if there is none yet.

        Pieces come as they come only while `connection.stream` is set.

        Raises:
            ConnectionClosed: as `next_message`.
        """
        chunk = None if self._pieces is None else self._pieces.begun()
        while chunk is None and (message := self.next_item(now)) is not None:
            if isinstance(message, (str, bytes)):
                return Chunk(message, first=True, last=True)
            if isinstance(message, Chunk):
                chunk = self._in_pieces().next(message)
        return chunk

    def abandon(self) -> None:
        """Throw away the rest of the message that `next_chunk` has begun to give out, if there is one."""
        if self._pieces is not None:
            self._pieces.abandon()

    def next_item(self, now: float) -> Item | None:
        """The next of what came, as it came: a message, a piece of one, with `tells_controls` a Ping or a Pong.

        None if there is nothing yet; raises as `next_message`.
        """
        self._asked = True
        if self._messages:
            message: Item = self._messages.pop()
        elif self._behind:
            message = self._behind.pop(0)
        else:
            if self.ending is not None:
                self._finish(now)
                self._pieces = None  # Of a message that nobody will complete.
                raise ConnectionClosed(self.ending)
            self._hungry = True
            return None
        self._charge -= len(message.data if isinstance(message, Chunk) else message) + OVERHEAD
        if self.full:
            self._read_on(now)
        return message

    def offer(self, message: Prepared, limit: int | None = None) -> bool:
        """Queue a message that many are sent, if the connection is open and not too far behind; whether that is so.

        Args:
            message: the same for all of them.
            limit: how many bytes may wait for the kernel already; None for as many as an application may send with,
                `Patience.write_high`, and behind more than that `write_low`.
        """
        connection = self.connection
        if limit is None:
            limit = self.patience.write_low if self.congested else self.patience.write_high
        if connection.state is not State.OPEN or self.unwritten + connection.held_back > limit:
            return False
        connection.send_prepared(message)
        return True

    def ping(self, payload: bytes | None, now: float) -> int:
        """Queue a Ping; with None, one that no other has the payload of.  Gives back its number.

        When `acknowledged` has reached that number, the peer has answered it, or a later one (section 5.5.3).
        """
        number = self._ping_count + 1
        if payload is None:
            payload = number.to_bytes(4, "big")
        self.connection.ping(payload)
        self._ping_count = number
        self._pings = (*self._pings, (number, bytes(payload), now))[-self.MOST_PINGS :]
        if self.ending is None:
            self._set(PING_AT, now, self.patience.ping_interval)
            if self._deadlines[PONG_BY] == NEVER:
                self._set(PONG_BY, now, self.patience.ping_timeout)
        return number

    def close(self, code: int | None, reason: str, now: float) -> None:
        """Begin the closing handshake (section 7.1.2); nothing happens if it has begun already.

        After a violation by the peer, its code goes out, not this one.
        """
        if self.ending is not None and self.ending.by != "peer":
            self._finish(now)
            return
        try:
            self.connection.close(code, reason)
        except NotOpen:
            return
        self._finished = self.ending is not None
        self._unset(PING_AT)
        self._unset(PONG_BY)
        self._set(CLOSE_BY, now, self.patience.closing)
        self.proceed(now)

    def fail(self, code: int, reason: str, now: float) -> None:
        """Give up now (section 7.1.7): send a Close with `code`, or with 1006 none, and hear no more of the peer."""
        if not self._dropped:
            self.connection.fail(code, reason)
            self.proceed(now)
            self._finish(now)

    def abort(self, now: float) -> None:
        """Drop the TCP connection with no closing handshake."""
        self.fail(CloseCode.ABNORMAL, "", now)
        self._drop()

    # --- What is to be done ---------------------------------------------------------------------------------------

    def hand_out(self) -> bytes:
        """What is queued, for the transport to send.  If nothing but `offer` has happened, it is all there is to do."""
        send = self.connection.data_to_send()
        self.handed_out += len(send)
        return send

    def hand_out_apart(self) -> tuple[bytes, bytes]:
        """The same in two parts: the second is long, and was not copied, or is empty."""
        chunks = self.connection.chunks_to_send()
        long = chunks.pop() if len(chunks) > 1 and len(chunks[-1]) >= APART else b""
        send = b"".join(chunks)
        self.handed_out += len(send) + len(long)
        return send, long

    def todo(self) -> Todo:
        """What the transport has to do now.  The bytes in it are handed out once."""
        send = self.hand_out()
        hang_up = self.connection.wants is not Wants.DATA
        return Todo(send, hang_up, self._dropped, self.reading, self._wake_at)

    @property
    def reading(self) -> bool:
        """Whether to read on.  After an end, always: the peer may have to be read before it reads our Close."""
        return not (self.full or (self.congested and self._is_flooded()))

    @property
    def wake_at(self) -> float | None:
        """When to call `wake`, as `todo` says it."""
        return self._wake_at

    @property
    def unwritten(self) -> int:
        """How many bytes were handed out and not taken by the kernel, as far as the transport has told."""
        return self.handed_out - self._taken

    def has_written(self, handed_out: int) -> bool:
        """Whether the kernel has taken this many of all bytes, from the first on."""
        return self._taken >= handed_out

    @property
    def waiting(self) -> int:
        """How many messages wait for the application."""
        return len(self._messages) + len(self._behind)

    @property
    def over(self) -> bool:
        """The closing handshake is done, or cannot be: nothing more will be sent or received."""
        return self._dropped or self._finished

    # --- Within ---------------------------------------------------------------------------------------------------

    def _set(self, deadline: int, now: float, seconds: float | None) -> None:
        if seconds is not None and not self._dropped:
            self._deadlines[deadline] = now + seconds
            self._wake_at = min(self._deadlines)

    def _unset(self, deadline: int) -> None:
        if self._deadlines[deadline] != NEVER:
            self._deadlines[deadline] = NEVER
            first = min(self._deadlines)
            self._wake_at = None if first == NEVER else first

    def _is_due(self, deadline: int, now: float) -> bool:
        """Whether its time has come; then it is off, and may be set again."""
        if self._deadlines[deadline] > now:
            return False
        self._unset(deadline)
        return True

    def _waits_for_room(self) -> bool:
        """Who has sent its Close, or has ended, does not wait for any."""
        connection = self.connection
        return self.waiting > 0 and connection.close_sent is None and connection.closed is None

    def _is_flooded(self) -> bool:
        """Congested, and given as much again: the peer asks for answers, but does not read them.

        Congestion alone is no reason to read nothing: two peers who send each other much at once would wait for ever.
        So do two applications that send on and on though both are congested.
        """
        ends = self.ending is not None or self.connection.close_sent is not None
        return not ends and self.handed_out - self._congested_at > self.patience.write_high

    def _put_behind(self, run: list[str | bytes]) -> None:
        """A run of messages waits behind others."""
        if self._behind:
            self._behind += run
        else:
            self._messages = run[::-1] + self._messages

    def _store(self, message: Item) -> None:
        # Where there is no room, and nobody waits for it: what is kept is the beginning of what came, with no gap.
        if self.waiting and self._charge >= self.patience.receive_high:
            self._deaf = True
        if not self._deaf:
            self._behind.append(message)
            self._hungry = False
            self._charge += len(message.data if isinstance(message, Chunk) else message) + OVERHEAD

    def _in_pieces(self) -> Pieces:
        """The message that comes in chunks."""
        if self._pieces is None:
            self._pieces = Pieces()
        return self._pieces

    def _read_on(self, now: float) -> None:
        """There is room again.  While nothing was read, a Pong may have lain in the kernel: its time begins anew."""
        if self._deadlines[PONG_BY] != NEVER:
            self._set(PONG_BY, now, self.patience.ping_timeout)
        self.proceed(now)

    def _note(self, event: Event | Request | Connected | Rejected, now: float) -> None:
        match event:
            case str() | bytes() | Chunk():
                self._store(event)
            case Closed():
                self._end(event, now)
            case Pong(payload):
                self._acknowledge(payload, now)
            case Request() | Connected() | Rejected():
                self.opening.append(event)
            case _:
                pass  # a Ping: the connection has answered it
        if self.tells_controls and isinstance(event, (Ping, Pong)):
            self._store(event)

    def _acknowledge(self, payload: bytes, now: float) -> None:
        if all(payload != sent for _, sent, _ in self._pings):
            return  # nobody asked for it
        # 5.5.3: a Pong may answer "only the most recently processed Ping frame", so it stands for the earlier ones too.
        answered = None
        while answered != payload:
            (self.acknowledged, answered, then), *later = self._pings
            self._pings = tuple(later)
            self.latency = now - then

    def _end(self, closed: Closed, now: float) -> None:
        self.ending = closed
        for done in (OPEN_BY, PING_AT, PONG_BY):
            self._unset(done)
        closing = self.patience.closing
        if closed.by == "peer" and not (self.waiting or self.is_given) and closing is not None:
            # Who has taken everything is about its last answer, or only sends by now: a peer that is no more patient
            # than we are must not give up meanwhile.
            closing /= 5
        if self._deadlines[CLOSE_BY] == NEVER:
            self._set(CLOSE_BY, now, closing)
        if self.connection.close_sent is not None:
            self._finished = True
        elif not self.waiting and (self._hungry or not self._asked):
            self._finish(now)

    def _finish(self, now: float) -> None:
        """Act on the ending: the application has taken what came before it, or takes nothing."""
        if not self._finished:
            self._finished = True
            self.connection.answer_close()
            self._set(CLOSE_BY, now, self.patience.closing)

    def _drop(self) -> None:
        self._dropped = True
        self.congested = False
        self._deadlines = [NEVER] * DEADLINES
        self._wake_at = None

    def _give_up(self, rule: rules.Rule, reason: str, now: float) -> None:
        """Fail the connection, and drop it: a peer that does not live does not read what waits to be sent."""
        self.fail(rule.code, reason, now)
        self._drop()

    def _closing_is_over(self, now: float) -> None:
        if self.ending is not None and not self._finished:
            self._finish(now)
        else:
            reason = f"the closing handshake took over {self.patience.closing:g} s"
            self._give_up(rules.CLOSING_TIMEOUT, reason, now)

    def _pong_is_late(self, now: float) -> None:
        if self.reading:
            reason = f"no sign of life within {self.patience.ping_timeout:g} s after a Ping"
            self._give_up(rules.KEEPALIVE_TIMEOUT, reason, now)
        else:
            # It may lie in the kernel: it is we who do not read.
            self._set(PONG_BY, now, self.patience.ping_timeout)
