"""Two sessions, two pipes and a clock, and whatever can happen to them in any order.

Each side is a session with a transport that does what `Todo` says, and an application.  Between them is a network that
delivers late, in pieces or not at all.  The rules are everything that the three of them can do; what must hold whatever
they do stands in the invariants and in `teardown`.
"""

import pickle
from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rawws.core.connection import Connection
from rawws.core.errors import NotOpen
from rawws.core.events import Closed
from rawws.core.http1 import ClientConnection, Request, ServerConnection
from rawws.core.prepared import Prepared
from rawws.core.settings import Limits, Role
from rawws.core.states import State
from rawws.session import ConnectionClosed, Patience, Session, Todo
from tests.wire import Keys

LARGEST = 1000
"""Of a message; a read of the transport is no larger."""

LIMITS = Limits(message=LARGEST)

SHORT = Patience(linger=500, write_high=400, write_low=100, receive_high=600)

PATIENCES = [
    SHORT,
    Patience(),
    replace(SHORT, receive_high=0, linger=0),
    replace(SHORT, opening=None, ping_interval=None, ping_timeout=None, writing=None),
    replace(SHORT, ping_interval=3, ping_timeout=7, writing=4),
    replace(SHORT, ping_interval=0.5, closing=2),
]

ROLES = st.sampled_from(Role)
TEXTS = st.text(max_size=20) | st.integers(0, LARGEST // 2).map("ş".__mul__)
MESSAGES = TEXTS | TEXTS.map(str.encode)
CODES = st.sampled_from([1000, 1001, 3000, 4999, None])
SIZES = st.sampled_from([1, 2, 3, 7, 50, 400, LARGEST])
TIMES = st.sampled_from([0.0, 0.5, 1.0, 3.0, 5.0, 20.0, 100.0])


@dataclass
class Pipe:
    """Half of a TCP connection: what the kernel has taken and the peer not read, and whether the end follows."""

    data: bytearray = field(default_factory=bytearray)
    ended: bool = False


@dataclass
class Side:
    """A session, its transport and its application."""

    session: Session
    incoming: Pipe
    outgoing: Pipe
    unsent: bytearray = field(default_factory=bytearray)
    todo: Todo = field(default_factory=lambda: Todo(b"", False, False, True, None))
    read_eof: bool = False
    gone: bool = False
    gone_at: float = 0.0
    sent: list[str | bytes] = field(default_factory=list)
    taken: int = 0
    part: str | bytes | None = None
    """Of the message that is being taken in chunks."""
    closed: Closed | None = None
    """As the application was told."""

    # --- The transport --------------------------------------------------------------------------------------------

    def act(self, now: float) -> None:
        """Do what the session says."""
        was_dropped = self.todo.drop
        self.todo = self.session.todo()
        if was_dropped or self.gone:
            assert b"" == self.todo.send, "nothing is handed out after the end"
            assert None is self.todo.wake_at
        if self.gone:
            return
        self.unsent += self.todo.send
        self.session.backlog(len(self.unsent), now)
        if self.todo.drop:
            self.lose(now)
        elif self.todo.hang_up and not self.unsent:
            self.outgoing.ended = True
            if self.read_eof:
                self.lose(now)

    def lose(self, now: float) -> None:
        """The TCP connection is gone."""
        self.gone = self.outgoing.ended = True
        self.gone_at = now
        self.unsent.clear()
        self.session.lost(now)
        self.act(now)

    def write(self, size: int, now: float) -> bool:
        """The kernel takes some of what waits to be sent; whether there was anything."""
        moved = bool(self.unsent[:size])
        if self.outgoing.ended and moved:
            self.lose(now)
            return True
        self.outgoing.data += self.unsent[:size]
        del self.unsent[:size]
        self.session.backlog(len(self.unsent), now)
        self.act(now)
        return moved

    def read(self, size: int, now: float) -> bool:
        """Read some of what has come; whether there was anything, and it was to be read."""
        if self.gone or self.read_eof or not self.session.reading:
            return False
        data = bytes(self.incoming.data[:size])
        del self.incoming.data[:size]
        if data:
            self.session.receive_data(data, now)
        elif self.incoming.ended:
            self.read_eof = True
            self.session.receive_eof(now)
        else:
            return False
        self.act(now)
        return True

    def wake(self, now: float) -> None:
        """Wake the session if its time has come."""
        if self.todo.wake_at is not None and self.todo.wake_at <= now:
            self.session.backlog(len(self.unsent), now)
            self.session.wake(now)
            self.act(now)
            assert self.todo.wake_at is None or self.todo.wake_at > now, "no transport spins"

    # --- The application ------------------------------------------------------------------------------------------

    def send(self, message: str | bytes, cuts: int) -> None:
        """Send a message, in fragments if it is cut."""
        size = len(message) // (cuts + 1) + 1
        pieces = [message[at : at + size] for at in range(0, len(message), size)] or [message]
        try:
            for left, piece in zip(range(len(pieces) - 1, -1, -1), pieces):
                self._send(piece, more=left > 0)
        except NotOpen:
            assert self.todo.drop or self.session.ending is not None or self.session.connection.close_sent is not None
        else:
            self.sent.append(message)

    def _send(self, piece: str | bytes, more: bool) -> None:
        connection = self.session.connection
        if isinstance(piece, str):
            connection.send_text(piece, more)
        else:
            connection.send_binary(piece, more)

    def take(self, expected: list[str | bytes], now: float) -> bool:
        """Take a message; whether there was one."""
        try:
            message = self.session.next_message(now)
        except ConnectionClosed as end:
            self._hear(end)
            return False
        if self.part is not None:
            self.part = None  # Its rest is thrown away.
            self.taken += 1
        if message is None:
            return False
        assert expected[self.taken] == message
        assert type(expected[self.taken]) is type(message)
        self.taken += 1
        return True

    def take_chunk(self, expected: list[str | bytes], now: float) -> None:
        """Take a piece of a message."""
        try:
            chunk = self.session.next_chunk(now)
        except ConnectionClosed as end:
            self._hear(end)
            return
        if chunk is None:
            return
        assert chunk.first is (self.part is None)
        self.part = chunk.data if self.part is None else self.part + chunk.data  # type: ignore[operator]
        message = expected[self.taken]
        assert message.startswith(self.part)  # type: ignore[arg-type]
        if chunk.last:
            assert message == self.part
            self.part = None
            self.taken += 1

    def _hear(self, end: ConnectionClosed) -> None:
        assert self.closed is None or str(ConnectionClosed(self.closed)) == str(end), "it ends once"
        assert 0 == self.session.waiting
        self.closed = end.closed


class Conversation(RuleBasedStateMachine):
    """What two peers do to each other."""

    @initialize(
        patiences=st.tuples(st.sampled_from(PATIENCES), st.sampled_from(PATIENCES)),
        opening=st.sampled_from(["done before", "accepted", "going on"]),
    )
    def begin(self, patiences: tuple[Patience, Patience], opening: str) -> None:
        """Both sides are open, or the client's request is on its way."""
        self.now = 1000.0
        there, back = Pipe(), Pipe()
        ours = Connection(Role.CLIENT, limits=LIMITS, random=Keys())
        theirs = Connection(Role.SERVER, limits=LIMITS, random=Keys())
        if opening != "done before":
            ours = ClientConnection("example.com", limits=LIMITS, random=Keys())
            theirs = ServerConnection(limits=LIMITS, random=Keys())
        self.sides = {
            Role.CLIENT: Side(Session(ours, self.now, patiences[0]), back, there),
            Role.SERVER: Side(Session(theirs, self.now, patiences[1]), there, back),
        }
        for side in self.sides.values():
            side.act(self.now)
        if opening == "accepted":
            self.settle()
            self.answer(True)
            self.settle()

    # --- What an application does ---------------------------------------------------------------------------------

    @rule(accept=st.booleans())
    def answer(self, accept: bool) -> None:
        """The server's application answers the opening handshake."""
        side = self.sides[Role.SERVER]
        if side.session.opening and isinstance(side.session.opening.pop(0), Request):
            connection = side.session.connection
            assert isinstance(connection, ServerConnection)
            try:
                if accept:
                    connection.accept()
                else:
                    connection.reject(404, body=b"nothing here")
            except NotOpen:
                assert side.session.ending is not None
            side.session.proceed(self.now)
            side.act(self.now)

    @rule(role=ROLES, message=MESSAGES, cuts=st.integers(0, 3), times=st.sampled_from([1, 1, 3, 30]))
    def send(self, role: Role, message: str | bytes, cuts: int, times: int) -> None:
        side = self.sides[role]
        if side.session.connection.state is not State.CONNECTING and (times == 1 or not side.session.congested):
            for _ in range(times):
                side.send(message, cuts)
            side.act(self.now)

    @rule(role=ROLES, message=MESSAGES, limit=st.sampled_from([None, 0, 300]), times=st.sampled_from([1, 10]))
    def offer(self, role: Role, message: str | bytes, limit: int | None, times: int) -> None:
        """Somebody sends to many, and does not wait."""
        side, prepared = self.sides[role], Prepared(message)
        most = side.session.patience.write_high if limit is None else limit
        for _ in range(times):
            waiting = len(side.unsent)
            if side.session.offer(prepared, limit):
                assert waiting <= most, "no more is queued for who is behind"
                side.sent.append(message)
            side.act(self.now)

    @rule(role=ROLES, times=st.sampled_from([1, 1, 100]))
    def take(self, role: Role, times: int) -> None:
        """Take messages, and send one for each."""
        side = self.sides[role]
        for _ in range(times):
            if not side.take(self.sides[role.peer].sent, self.now):
                break
        side.act(self.now)

    @rule(role=ROLES, times=st.sampled_from([1, 1, 5]))
    def take_chunks(self, role: Role, times: int) -> None:
        side = self.sides[role]
        for _ in range(times):
            side.take_chunk(self.sides[role.peer].sent, self.now)
        side.act(self.now)

    @rule(role=ROLES, stream=st.booleans())
    def choose_chunks(self, role: Role, stream: bool) -> None:
        self.sides[role].session.connection.stream = stream

    @rule(role=ROLES)
    def abandon(self, role: Role) -> None:
        side = self.sides[role]
        side.session.abandon()
        if side.part is not None:
            side.part = None
            side.taken += 1

    @rule(role=ROLES, payload=st.none() | st.sampled_from([b"", b"x", b"\0\0\0\2"]), times=st.sampled_from([1, 20]))
    def ping(self, role: Role, payload: bytes | None, times: int) -> None:
        side = self.sides[role]
        if side.session.connection.state is not State.CONNECTING:
            try:
                for _ in range(times):
                    side.session.ping(payload, self.now)
            except NotOpen:
                assert side.todo.drop or side.session.connection.state is not State.OPEN
            side.act(self.now)

    @rule(role=ROLES, code=CODES)
    def close(self, role: Role, code: int | None) -> None:
        self.sides[role].session.close(code, "" if code is None else "bye", self.now)
        self.sides[role].act(self.now)

    # --- What the network and the clock do ------------------------------------------------------------------------

    @rule(role=ROLES, size=SIZES)
    def write(self, role: Role, size: int) -> None:
        self.sides[role].write(size, self.now)

    @rule(role=ROLES, size=SIZES)
    def read(self, role: Role, size: int) -> None:
        self.sides[role].read(size, self.now)

    @rule()
    def settle(self) -> None:
        """Everything arrives that can."""
        while self.move():
            pass

    def move(self) -> bool:
        """Something arrives, if it can."""
        moved = False
        for side in self.sides.values():
            moved |= side.write(LARGEST, self.now) | side.read(LARGEST, self.now)
        return moved

    @rule(role=ROLES, what=st.sampled_from(["fail", "fail at once", "abort", "break a rule", "reset", "end of stream"]))
    def harm(self, role: Role, what: str) -> None:
        """One rule for all that leaves little to talk about, so that the others are tried more often."""
        side = self.sides[role]
        match what:
            case "fail":
                side.session.fail(1011, "enough", self.now)
            case "fail at once":
                side.session.fail(1006, "enough", self.now)
            case "abort":
                side.session.abort(self.now)
            case "break a rule" if side.session.connection.state is State.OPEN:
                side.unsent += b"\x83\0"
            case "reset" if not side.gone:
                side.lose(self.now)
            case "end of stream":
                del side.incoming.data[len(side.incoming.data) // 2 :]
                side.incoming.ended = True
        side.act(self.now)

    @rule(seconds=TIMES)
    def wait(self, seconds: float) -> None:
        """Time passes; a session may be woken late."""
        self.now += seconds
        for side in self.sides.values():
            side.wake(self.now)

    @rule()
    def wait_for_a_deadline(self) -> None:
        times = [side.todo.wake_at for side in self.sides.values() if side.todo.wake_at is not None]
        if times:
            self.wait(min(times) - self.now)

    @rule(role=ROLES)
    def wake_early(self, role: Role) -> None:
        before = self.sides[role].session.todo()
        if before.wake_at is None or before.wake_at > self.now:
            self.sides[role].session.wake(self.now)
            assert before == self.sides[role].session.todo()

    @rule(role=ROLES)
    def travel(self, role: Role) -> None:
        """A session can be put away and taken out again, at any point."""
        self.sides[role].session = pickle.loads(pickle.dumps(self.sides[role].session))

    # --- What must hold -------------------------------------------------------------------------------------------

    @invariant()
    def memory_is_bounded(self) -> None:
        """The queue, one message that is complete and one that is not, and what was read with them."""
        for side in getattr(self, "sides", {}).values():
            bound = 6000 + side.session.patience.receive_high + 4 * LARGEST
            assert len(pickle.dumps(side.session)) < bound

    @invariant()
    def acknowledgements_are_true(self) -> None:
        """No more Pings are answered than there were, and never before they were sent."""
        for side in getattr(self, "sides", {}).values():
            assert side.session.latency is None or side.session.latency >= 0

    def teardown(self) -> None:
        """Once somebody closes, time alone brings both to their end."""
        if not hasattr(self, "sides"):
            return
        if not any(side.session.ending for side in self.sides.values()):
            self.close(Role.CLIENT, 1000)
        begun = self.now
        ending = [side for side in self.sides.values() if side.session.ending or side.session.connection.close_sent]
        self.let_time_pass()
        for side in ending:
            patience = side.session.patience.closing
            assert patience is not None
            assert side.gone_at - begun <= 2 * patience, "no peer, and no application, can hold up an end"
        moved = True
        while moved:
            moved = False
            for role, side in self.sides.items():
                moved |= side.take(self.sides[role.peer].sent, self.now)
            moved |= self.move()
        self.let_time_pass()
        for role, side in self.sides.items():
            self.check_the_end(side, self.sides[role.peer])

    def let_time_pass(self) -> None:
        """Deadlines are kept, for three minutes or until there are none."""
        begun = self.now
        while any(side.todo.wake_at is not None for side in self.sides.values()) and self.now < begun + 180:
            self.settle()
            self.wait_for_a_deadline()

    def check_the_end(self, side: Side, peer: Side) -> None:
        assert side.gone
        assert side.session.over
        assert side.session.ending is not None
        assert side.closed is not None, "the application was told"
        assert 0 == side.session.waiting
        received = side.session.connection.close_received
        if received is not None and side.closed.error is None:
            assert received == peer.session.connection.close_sent
            assert received == side.closed[:2]
        if side.closed.by == "peer" and side.closed.code != 1006:
            assert len(peer.sent) == side.taken, "all that came before the Close was given out"


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=settings.default.max_examples + 300, stateful_step_count=80)
