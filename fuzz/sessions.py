"""A session whose peer, transport, application and clock follow a script of bytes."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from fuzz.source import Source
from fuzz.talk import NO_LIMITS, retained
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection
from rawws.core.deflate import Deflate, DeflateTerms
from rawws.core.errors import LocalProtocolError, NotOpen
from rawws.core.events import Closed
from rawws.core.http1 import ClientConnection, Request, ServerConnection
from rawws.core.settings import Limits, Role
from rawws.core.states import CLOSE_SENT, ENDED, State
from rawws.patience import Patience, Todo
from rawws.session import ConnectionClosed, Session
from tests.wire import Keys

LARGEST = 200
LIMITS = Limits(message=LARGEST, header_bytes=400, response_body=50)

COMPRESSION = Agreement(compression=DeflateTerms(False, False, 9, 9, Deflate(threshold=9)))
WINDOW = 1 << 9

SHORT = Patience(linger=300, write_high=200, write_low=50, receive_high=300)
PATIENCES = (
    SHORT,
    Patience(),
    replace(SHORT, receive_high=0, linger=0, write_high=0, write_low=0),
    replace(SHORT, ping_interval=3, ping_timeout=7, writing=4, opening=2),
    replace(SHORT, opening=None, ping_interval=None, ping_timeout=None, writing=None),
)
TIMES = (0.0, 0.5, 1.0, 3.0, 5.0, 20.0, 100.0)
CODES = (1000, None, 1001, 4999)


class _Nonces(Keys):
    """Keys that count up, and a nonce of zeros for the handshake, so that the right answer to it is always the same."""

    def __call__(self, size: int) -> bytes:
        return bytes(16) if size == 16 else super().__call__(size)


MAKERS: tuple[Callable[[], Connection], ...] = (
    lambda: Connection(Role.SERVER, limits=LIMITS, random=Keys()),
    lambda: Connection(Role.CLIENT, limits=LIMITS, random=Keys()),
    lambda: ServerConnection(limits=LIMITS, random=Keys()),
    lambda: ClientConnection("a", limits=LIMITS, random=_Nonces()),
    lambda: Connection(Role.SERVER, COMPRESSION, limits=LIMITS, random=Keys()),
    lambda: Connection(Role.CLIENT, COMPRESSION, limits=LIMITS, random=Keys()),
)

HEADS = {
    Role.CLIENT: b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n",
    Role.SERVER: b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
}
"""What opens a connection of this role."""


@dataclass
class Side:
    """The session, its transport and its application; each method of a script is one step."""

    make: Callable[[], Connection]
    patience: Patience
    now: float = 1000.0
    came: bytes = b""
    eof: bool = False
    gone: bool = False
    out: bytes = b""
    unsent: int = 0
    todo: Todo = field(default_factory=lambda: Todo(b"", False, False, True, None))
    whole: list[str | bytes] = field(default_factory=list)
    """The messages that were taken, up to the first that was taken in part."""
    in_part: bool = False
    end: str | None = None

    def __post_init__(self) -> None:
        self.session = Session(self.make(), self.now, self.patience)
        self.act()

    @property
    def connection(self) -> Connection:
        return self.session.connection

    # --- The transport --------------------------------------------------------------------------------------------

    def act(self) -> None:
        """Do what the session says, until it says nothing new."""
        was_gone = self.gone
        self.todo = self.session.todo()
        if was_gone:
            assert self.todo.send == b"", "nothing is handed out after the end"
            assert self.todo.wake_at is None, "a connection that is gone waits for nothing"
            assert self.todo.drop
            return
        self.out += self.todo.send
        self.unsent += len(self.todo.send)
        self.session.backlog(self.unsent, self.now)
        if self.todo.drop or (self.todo.hang_up and not self.unsent and self.eof):
            self.lose()

    def lose(self) -> None:
        if not self.gone:
            self.gone = True
            self.session.lost(self.now)
            self.act()

    def receive(self, data: bytes) -> None:
        """As much as the session wants to read; the rest would wait in the kernel."""
        if data and self.session.reading and not self.gone and not self.eof:
            if self.session.ending is None:
                self.came += data
            self.session.receive_data(data, self.now)
            self.check_held(len(data))

    def end_of_stream(self) -> None:
        if not self.gone and not self.eof:
            self.eof = True
            self.session.receive_eof(self.now)

    def write(self, size: int) -> None:
        if not self.gone:
            self.unsent = max(0, self.unsent - size)
            self.session.backlog(self.unsent, self.now)

    def wake(self, seconds: float | None) -> None:
        """Time passes, that much or until the session wants to be woken; then it is."""
        if seconds is None:
            self.now = max(self.now, self.todo.wake_at or 0)
        else:
            self.now += seconds
        self.write(0)
        self.session.wake(self.now)
        self.act()
        assert self.todo.wake_at is None or self.todo.wake_at > self.now, "no transport spins"

    def check_held(self, size: int) -> None:
        held = retained(self.session)
        bound = 1000 + WINDOW + self.patience.receive_high + 4 * LARGEST + 2 * size + 2 * LIMITS.header_bytes
        assert held <= bound, f"{held} bytes are held, {bound} are allowed"

    # --- The application ------------------------------------------------------------------------------------------

    def take(self, chunks: bool) -> bool:
        """Take a message, or a piece of one; whether there was one."""
        try:
            taken = self.session.next_chunk(self.now) if chunks else self.session.next_message(self.now)
        except ConnectionClosed as closed:
            self._hear(str(closed))
            return False
        if taken is None:
            return False
        assert self.end is None, "nothing follows the end"
        if isinstance(taken, (str, bytes)):
            self.whole += [] if self.in_part else [taken]
        elif taken.first and taken.last and not self.in_part:
            self.whole.append(taken.data)
        else:
            self.in_part = True
        return True

    def _hear(self, end: str) -> None:
        assert self.session.waiting == 0
        assert self.end in (None, end), "it ends once, and one way"
        self.end = end

    def attempt(self, act: Callable[[], object]) -> None:
        """Do what only an open connection can."""
        connecting = self.connection.state is State.CONNECTING
        open_before = self.connection.ours not in (CLOSE_SENT, ENDED)
        try:
            act()
        except NotOpen:
            assert not open_before
        except LocalProtocolError:
            assert connecting

    def answer(self, accept: bool) -> None:
        if self.session.opening and isinstance(self.session.opening.pop(0), Request):
            connection = self.connection
            assert isinstance(connection, ServerConnection)
            try:
                connection.accept() if accept else connection.reject(404, body=b"no")
            except LocalProtocolError:
                assert connection.closed is not None
            self.session.proceed(self.now)

    def harm(self, how: int) -> None:
        match how % 4:
            case 0:
                self.session.fail(1011, "enough", self.now)
            case 1:
                self.session.fail(1006, "", self.now)
            case 2:
                self.session.abort(self.now)
            case 3:
                self.lose()


def step(side: Side, source: Source) -> None:
    """One step of the script."""
    connection, session = side.connection, side.session
    match source.byte() & 0xF:
        case 0:
            side.receive(source.take(source.byte()))
        case 1:
            side.receive(next(Source(source.take(3 + (source.byte() & 0x3F))).frames(connection.role.peer), b""))
        case 2:
            side.receive(HEADS[connection.role])
        case 3:
            side.take(chunks=False)
        case 4:
            side.take(chunks=True)
        case 5:
            message = "ş" * source.byte()
            side.attempt(lambda: connection.send_text(message))
        case 6:
            session.close(source.pick(CODES), "", side.now)
        case 7:
            side.end_of_stream()
        case 8:
            side.write(source.byte())
        case 9:
            side.wake(source.pick(TIMES))
        case 10:
            side.wake(None)
        case 11:
            payload = source.take(source.byte() & 3) or None
            side.attempt(lambda: session.ping(payload, side.now))
        case 12:
            side.harm(source.byte())
        case 13:
            connection.stream = not connection.stream
        case 14:
            side.answer(bool(source.byte() & 1))
        case 15:
            session.abandon()
            side.session = copy.deepcopy(session)
    side.act()


def session(data: bytes) -> None:
    """Whatever happens in whatever order: what is told is true, what is sent is legal, and it comes to an end."""
    source = Source(data)
    side = Side(source.pick(MAKERS), source.pick(PATIENCES))
    while source:
        step(side, source)
    _check_end(side)
    _check_messages(side)
    _check_out(side)


def _check_end(side: Side) -> None:
    """Once somebody closes, time alone brings it to its end, and the application is told."""
    side.session.close(1000, "", side.now)
    side.act()
    begun = side.now
    while not side.gone:
        assert side.todo.wake_at is not None, "somebody has to wake it, or it stays for ever"
        side.wake(None)
    assert side.now - begun <= 2 * 5.0, f"it took {side.now - begun} s"
    while side.take(chunks=False):
        pass
    assert side.end is not None
    assert side.session.over
    side.act()


def _check_messages(side: Side) -> None:
    """The messages are those that came, in their order, from the first on."""
    plain = side.make()
    plain.receive_data(side.came)
    came: list[str | bytes] = []
    for event in plain.events():
        if isinstance(event, Request):
            assert isinstance(plain, ServerConnection)
            plain.accept()
        elif isinstance(event, (str, bytes)):
            came.append(event)
    ending = side.session.ending
    assert ending is not None
    if ending.by == "peer" and not side.in_part:
        assert side.whole == came, "all that came before the Close is given out"
    else:
        assert side.whole == came[: len(side.whole)]


def _check_out(side: Side) -> None:
    connection = side.connection
    data = side.out
    if isinstance(connection, (ServerConnection, ClientConnection)):
        head, _, data = data.partition(b"\r\n\r\n")
        if isinstance(connection, ServerConnection) and not head.startswith(b"HTTP/1.1 101"):
            return
    reader = Connection(connection.role.peer, connection.agreement, limits=NO_LIMITS)
    reader.receive_data(data)
    ends = [event for event in reader.events() if isinstance(event, Closed)]
    assert all(end.error is None for end in ends), f"we broke a rule: {ends}"
