"""A client and a server that face each other, and whatever can happen to them in any order.

Between the two is a wire that delivers when it likes, in pieces, and may be cut.  The rules are what applications and
transports can do; after each of them the model below says what must have come of it.
"""

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection, Wants
from rawws.core.errors import LocalProtocolError, NotOpen
from rawws.core.events import Chunk, Closed, Ping, Pong
from rawws.core.frames import may_appear
from rawws.core.settings import Role
from rawws.core.states import CLOSE_SENT, ENDED, IN_MESSAGE, READY, State
from tests.traffic import WISHES, agreed
from tests.wire import Keys

ROLES = st.sampled_from(Role)
TEXTS = st.text(st.sampled_from("aé€😀"), max_size=6)
PARTS = TEXTS | st.binary(max_size=6) | st.integers(124, 128).map(bytes) | st.just("and so on " * 40)
COMPRESS = st.sampled_from([None, True, False])
PAYLOADS = st.binary(max_size=125)
CODES = st.sampled_from([None, 1000, 1001, 1010, 3000, 4999, 1005, 999])
REASONS = st.sampled_from(["", "bye", "€" * 41, "a" * 124])
SIZES = st.integers(1, 40)


@dataclass
class Side:
    """One of the two, with the model of it."""

    connection: Connection
    wire: bytearray = field(default_factory=bytearray)
    """What it has written and the other has not received."""
    cut: bool = False
    """Its half of the TCP connection is over: nothing more is put on the wire."""
    sent: list[str | bytes] = field(default_factory=list)
    """Every message that was sent, in order."""
    begun: list[str | bytes] = field(default_factory=list)
    """The fragments of the one that is being sent."""
    told: list[str | bytes] = field(default_factory=list)
    """Every message that it told."""
    chunks: list[str | bytes] = field(default_factory=list)
    """The chunks of one that is being told."""
    pings: list[bytes] = field(default_factory=list)
    """What was sent in Pings."""
    pongs: list[bytes] = field(default_factory=list)
    """What it may be told in Pongs: what the other sent unasked."""
    closed: Closed | None = None
    gave_up: bool = False

    def tell(self, event: object, other: "Side") -> None:
        """Take note of an event, and see that it may come."""
        assert self.closed is None, "nothing comes behind the last event"
        match event:
            case str() | bytes():
                assert not self.chunks
                self.told.append(event)
            case Chunk(data, first, last):
                assert first == (not self.chunks)
                self.chunks.append(data)
                if last:
                    self.told.append(joined(self.chunks))
                    self.chunks = []
            case Ping(payload):
                assert payload in other.pings
            case Pong(payload):
                assert payload in self.pings or payload in other.pongs
            case Closed():
                self.closed = event


def joined(parts: list[str | bytes]) -> str | bytes:
    """The message that these make."""
    if isinstance(parts[0], str):
        return "".join(part for part in parts if isinstance(part, str))
    return b"".join(part for part in parts if isinstance(part, bytes))


def pickled(connection: Connection) -> bytes | None:
    """The connection pickled; None in the middle of a compressed message that comes in."""
    try:
        return pickle.dumps(connection)
    except TypeError as error:
        if "zlib.Decompress" not in str(error):
            raise
        return None


class TwoConnections(RuleBasedStateMachine):
    """Everything that may happen between two connections."""

    @initialize(
        client_closes=st.booleans(),
        server_closes=st.booleans(),
        auto_pong=st.booleans(),
        stream=st.booleans(),
        agreements=st.just((Agreement(), Agreement())) | st.builds(agreed, WISHES, WISHES),
    )
    def begin(
        self,
        client_closes: bool,
        server_closes: bool,
        auto_pong: bool,
        stream: bool,
        agreements: tuple[Agreement, Agreement],
    ) -> None:
        """The opening handshake is done."""
        at_client, at_server = agreements
        client = Connection(Role.CLIENT, at_client, random=Keys(), auto_close=client_closes, auto_pong=auto_pong)
        server = Connection(Role.SERVER, at_server, random=Keys(), auto_close=server_closes, stream=stream)
        self.sides = {Role.CLIENT: Side(client), Role.SERVER: Side(server)}

    # --- What an application does ---

    @rule(role=ROLES, part=PARTS, more=st.booleans(), compress=COMPRESS)
    def send(self, role: Role, part: str | bytes, more: bool, compress: bool | None) -> None:
        """A message, or a fragment of one, compressed or not; of the wrong type now and then."""
        side = self.sides[role]
        kind = type(side.begun[0]) if side.begun else type(part)
        call = side.connection.send_text if isinstance(part, str) else side.connection.send_binary
        refusal = rules.MESSAGE_UNFINISHED if kind is not type(part) else None
        if self.attempt(side, lambda: call(part, more, compress), refusal):  # type: ignore[arg-type]
            side.begun.append(part)
            if not more:
                side.sent.append(joined(side.begun))
                side.begun = []

    @rule(role=ROLES, payload=PAYLOADS)
    def ping(self, role: Role, payload: bytes) -> None:
        """At any time."""
        side = self.sides[role]
        if self.attempt(side, lambda: side.connection.ping(payload)):
            side.pings.append(payload)

    @rule(role=ROLES, payload=PAYLOADS)
    def pong(self, role: Role, payload: bytes) -> None:
        """That nobody asked for, or that answers by hand."""
        side = self.sides[role]
        if self.attempt(side, lambda: side.connection.pong(payload)):
            side.pongs.append(payload)

    @precondition(lambda self: self.has_happened() > 4)
    @rule(role=ROLES, code=CODES, reason=REASONS)
    def close(self, role: Role, code: int | None, reason: str) -> None:
        """Begin to close, or answer, with a code and a reason that may be wrong."""
        side = self.sides[role]
        refusal = None
        if code is None:
            refusal = rules.CLOSE_REASON_ALONE if reason else None
        elif not may_appear(code):
            refusal = rules.CLOSE_CODE
        elif code == 1010 and role is Role.SERVER:
            refusal = rules.CLOSE_CODE_OF_CLIENTS
        elif len(reason.encode()) > 123:
            refusal = rules.CONTROL_TOO_LONG
        self.attempt(side, lambda: side.connection.close(code, reason), refusal)

    @precondition(lambda self: self.has_happened() > 12)
    @rule(role=ROLES, code=st.sampled_from([1001, 1006, 1011]))
    def fail(self, role: Role, code: int) -> None:
        """Give up."""
        side = self.sides[role]
        side.gave_up = side.gave_up or side.connection.closed is None
        side.connection.fail(code, "gave up")
        assert side.connection.closed is not None

    @rule(role=ROLES)
    def answer_close(self, role: Role) -> None:
        """Harmless at any time."""
        self.sides[role].connection.answer_close()

    @rule(role=ROLES)
    def switch_stream(self, role: Role) -> None:
        """From now on in chunks, or no more."""
        connection = self.sides[role].connection
        connection.stream = not connection.stream

    # --- What a transport does ---

    @rule(role=ROLES)
    def write(self, role: Role) -> None:
        """Put what is queued on the wire."""
        side = self.sides[role]
        data = side.connection.data_to_send()
        if not side.cut:
            side.wire += data

    @rule(role=ROLES, size=SIZES)
    def deliver(self, role: Role, size: int) -> None:
        """Some of what is on the wire arrives."""
        side = self.sides[role]
        self.sides[role.peer].connection.receive_data(bytes(side.wire[:size]))
        del side.wire[:size]

    @rule(role=ROLES)
    def bring(self, role: Role) -> None:
        """All that is queued is written, and arrives, and is read."""
        self.write(role)
        self.deliver(role, len(self.sides[role].wire))
        self.read(role.peer, 10**6)

    @rule(role=ROLES, most=st.integers(1, 5))
    def read(self, role: Role, most: int) -> None:
        """The application takes some events."""
        side = self.sides[role]
        for _ in range(most):
            event = side.connection.next_event()
            if event is None:
                return
            side.tell(event, self.sides[role.peer])

    @rule(role=ROLES)
    def hang_up_if_wanted(self, role: Role) -> None:
        """Write what is queued, and do with TCP what the connection wants."""
        self.write(role)
        if self.sides[role].connection.wants is not Wants.DATA:
            self.sides[role].cut = True

    @precondition(lambda self: any(side.cut and not side.wire for side in self.sides.values()))
    @rule()
    def end_of_stream(self) -> None:
        """All that was written has arrived, and then the end."""
        for role, side in self.sides.items():
            if side.cut and not side.wire:
                self.sides[role.peer].connection.receive_eof()

    @rule(role=ROLES, lost=st.integers(0, 3))
    @precondition(lambda self: self.has_happened() > 12)
    def lose(self, role: Role, lost: int) -> None:
        """The network fails: what is on the wire is lost, in part or whole, and nothing more arrives."""
        side = self.sides[role]
        del side.wire[len(side.wire) * lost // 3 :]
        side.cut = True

    @rule(role=ROLES, by_pickle=st.booleans())
    def replace_by_a_copy(self, role: Role, by_pickle: bool) -> None:
        """The connection goes on in a copy of it."""
        side = self.sides[role]
        data = pickled(side.connection) if by_pickle else None
        side.connection = copy.deepcopy(side.connection) if data is None else pickle.loads(data)

    # --- What must hold ---

    def has_happened(self) -> int:
        """How much was sent so far: connections that end at once are dull."""
        return sum(len(side.sent) + len(side.pings) + len(side.pongs) + len(side.begun) for side in self.sides.values())

    def attempt(self, side: Side, call: Callable[[], None], refusal: rules.Rule | None = None) -> bool:
        """Make a call; whether it was allowed, which must be as the table and `refusal` say."""
        state, before = side.connection.ours, pickled(side.connection)
        late = {CLOSE_SENT: rules.FRAME_AFTER_CLOSE, ENDED: rules.FRAME_AFTER_EOF}.get(state)
        error = None
        try:
            call()
        except LocalProtocolError as refused:
            error = refused
        if error is None:
            assert (None, None) == (late, refusal)
            return True
        assert error.rule in (late, refusal)
        assert isinstance(error, NotOpen) == (error.rule is late)
        assert before == pickled(side.connection)
        return False

    @invariant()
    def messages_arrive_in_order_and_unharmed(self) -> None:
        """What was told is what the other sent, from the first on."""
        for role, side in self.sides.items():
            assert side.told == self.sides[role.peer].sent[: len(side.told)]

    @invariant()
    def nobody_breaks_a_rule(self) -> None:
        """Two of ours never accuse each other."""
        for side in self.sides.values():
            assert side.connection.closed is None or side.connection.closed.by != "error"

    @invariant()
    def the_states_fit_together(self) -> None:
        """The RFC's word follows from the two senders, and so does what is wanted."""
        for side in self.sides.values():
            connection = side.connection
            open_here = connection.ours in (READY, IN_MESSAGE)
            assert (connection.ours is IN_MESSAGE) == bool(side.begun and open_here)
            assert (connection.state is State.OPEN) == (open_here and connection.closed is None)
            assert (connection.state is State.CLOSED) == (not open_here and connection.closed is not None)
            assert not open_here or connection.wants is Wants.DATA
            assert connection.close_sent is None or not open_here

    def teardown(self) -> None:
        """Everything is brought to its end: each side ends once, and the codes agree."""
        if not hasattr(self, "sides"):
            return
        # Every second connection that is still open ends in peace.
        if self.has_happened() % 2 and all(side.connection.state is State.OPEN for side in self.sides.values()):
            self.close(Role.CLIENT if self.has_happened() % 4 == 1 else Role.SERVER, 1000, "bye")
        for _ in range(3):
            for role in Role:
                self.settle(role)
        for role, side in self.sides.items():
            other = self.sides[role.peer]
            if not (side.cut or other.cut or side.gave_up or other.gave_up):
                assert side.told == other.sent
            other.cut = True
            self.settle(role.peer)
            side.connection.receive_eof()
        for role, side in self.sides.items():
            self.read(role, 10**6)
            assert side.closed is not None
            assert side.connection.closed is not None
            assert side.closed[:3] == side.connection.closed[:3]
            self.codes_agree(side, self.sides[role.peer])

    def settle(self, role: Role) -> None:
        """Deliver all that can be delivered, and let the other side read it; then it answers."""
        self.bring(role)
        self.sides[role.peer].connection.answer_close()

    def codes_agree(self, side: Side, other: Side) -> None:
        """The code that was told is the one that the other sent; if its Close came."""
        received = side.connection.close_received
        assert received is None or received == other.connection.close_sent
        assert side.closed is not None
        if side.gave_up:
            assert side.closed.by == "local"
        elif received is None:
            assert (1006, "lost") == (side.closed.code, side.closed.by)
        else:
            assert received == (side.closed.code, side.closed.reason)


TestTwoConnections = TwoConnections.TestCase
TestTwoConnections.settings = settings(stateful_step_count=60)
