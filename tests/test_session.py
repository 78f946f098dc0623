"""Sessions: a fake clock is a float, and a transport is whoever calls `todo`."""

import copy
import pickle
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection
from rawws.core.deflate import DeflateTerms
from rawws.core.errors import LocalProtocolError, NotOpen
from rawws.core.events import Chunk, Closed, Ping, Pong
from rawws.core.http1 import ClientConnection, Connected, Rejected, Request, ServerConnection
from rawws.core.outgoing import APART
from rawws.core.prepared import Prepared
from rawws.core.settings import Limits, Role
from rawws.core.states import State
from rawws.session import ConnectionClosed, Patience, Session
from tests.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Keys,
    chopped,
    close_body,
    frame,
    frame_from,
    octets,
    xor,
)

CLIENT, SERVER = Role.CLIENT, Role.SERVER
both_roles = pytest.mark.parametrize("role", Role)

QUIET = {"ping_interval": None}
"""For tests of other deadlines than the Ping's."""

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


# --- Helpers --------------------------------------------------------------------------------------------------------


def start(role: Role = SERVER, now: float = 0.0, limits: Limits = Limits(), **patience: float | None) -> Session:
    """A session over a connection that is open."""
    return Session(Connection(role, random=Keys(), limits=limits), now, Patience(**patience))  # type: ignore[arg-type]


def start_server(**patience: float | None) -> Session:
    """A session that waits for the request."""
    return Session(ServerConnection(), 0.0, Patience(**patience))  # type: ignore[arg-type]


def start_client(**patience: float | None) -> Session:
    """A session that has just asked, with the key of section 1.3."""
    connection = ClientConnection("example.com", random=lambda size: b"the sample nonce"[:size])
    session = Session(connection, 0.0, Patience(**patience))  # type: ignore[arg-type]
    session.todo()
    return session


def said(session: Session, opcode: int, payload: str | bytes = b"", **fields: bool) -> bytes:
    """A frame as the peer of this session writes it."""
    return frame_from(session.connection.role.peer, opcode, payload, **fields)


def say(session: Session, *messages: str | bytes, now: float = 0.0) -> None:
    """The peer sends these messages, each in a frame, and all arrive at once."""
    frames = [said(session, TEXT if isinstance(message, str) else BINARY, message) for message in messages]
    session.receive_data(b"".join(frames), now)


def say_close(session: Session, code: int = 1000, reason: str = "", now: float = 0.0) -> None:
    """The peer sends a Close."""
    session.receive_data(said(session, CLOSE, close_body(code, reason)), now)


def break_a_rule(session: Session, now: float = 0.0) -> None:
    """The peer sends a frame with an opcode that nobody knows."""
    session.receive_data(said(session, 3), now)


def heard(session: Session) -> list[tuple[int, bytes]]:
    """Opcode and payload of each frame that the session hands out now."""
    return frames_in(session.todo().send)


def frames_in(data: bytes) -> list[tuple[int, bytes]]:
    """Opcode and payload of each frame in `data`; all of them whole and shorter than 64 KiB."""
    frames = []
    while data:
        masked, length, start = data[1] >> 7, data[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(data[2:4]), 4
        key, start = data[start : start + 4 * masked], start + 4 * masked
        payload = data[start : start + length]
        frames.append((data[0] & 0x0F, xor(payload, key) if masked else payload))
        data = data[start + length :]
    return frames


def take_all(session: Session, now: float = 0.0) -> list[str | bytes]:
    """Every message that can be taken before the session has no more, or says that it has ended."""
    taken = []
    try:
        while (message := session.next_message(now)) is not None:
            taken.append(message)
    except ConnectionClosed:
        pass
    return taken


def take_end(session: Session, now: float = 0.0) -> Closed:
    """How the session says that it has ended."""
    with pytest.raises(ConnectionClosed) as caught:
        session.next_message(now)
    return caught.value.closed


def fill(session: Session, now: float = 0.0) -> list[str | bytes]:
    """Messages from the peer until the session reads no more."""
    messages: list[str | bytes] = []
    while session.reading:
        assert len(messages) < 1000
        messages.append(f"{len(messages)}: " + "x" * 1000)
        say(session, messages[-1], now=now)
    return messages


def congest(session: Session, now: float = 0.0) -> None:
    """The kernel takes nothing of a large message."""
    session.connection.send_binary(bytes(session.patience.write_high))
    session.backlog(len(session.todo().send), now)


# --- The opening handshake ------------------------------------------------------------------------------------------


def test_a_server_waits_10_seconds_for_a_request_and_says_so() -> None:
    """A client that does not come to the point is told 408, and we hang up; a second before, nothing happens."""
    session = start_server()
    session.receive_data(REQUEST[:20], 1.0)

    session.wake(9.99)
    assert (b"", False, False, True, 10.0) == session.todo()

    session.wake(10.0)
    todo = session.todo()
    assert todo.send.startswith(f"HTTP/1.1 {rules.OPENING_TIMEOUT.code} ".encode())
    assert b"the opening handshake took over 10 s" in todo.send
    assert (True, False, True, 15.0) == todo[1:]
    assert Closed(1006, "the opening handshake took over 10 s", "local") == session.ending


def test_a_silent_client_is_not_answered() -> None:
    """Who has sent nothing may not even speak HTTP: the server only hangs up."""
    session = start_server()

    session.wake(10.0)

    assert (b"", True) == session.todo()[:2]


def test_the_time_for_the_opening_handshake_is_for_all_of_it() -> None:
    """A byte now and then does not buy more time."""
    session = start_server()

    for second in range(10):
        session.receive_data(REQUEST[second : second + 1], float(second))

    assert 10.0 == session.todo().wake_at


def test_who_was_refused_and_stays_is_dropped() -> None:
    """After the 408 the client has the closing timeout to go."""
    session = start_server()
    session.receive_data(REQUEST[:20], 0.0)
    session.wake(10.0)
    session.todo()

    session.wake(14.9)
    assert not session.todo().drop
    session.wake(15.0)

    assert (b"", True, True, True, None) == session.todo()


def test_an_answer_that_comes_after_the_timeout_is_too_late() -> None:
    """An application that takes too long to accept has lost a race: it gets `NotOpen`, and the client 408."""
    session = start_server()
    session.receive_data(REQUEST, 0.0)
    connection = session.connection
    assert isinstance(connection, ServerConnection)

    session.wake(10.0)

    assert session.todo().send.startswith(b"HTTP/1.1 408 ")
    with pytest.raises(NotOpen):
        connection.accept()


def test_a_client_gives_up_after_10_seconds() -> None:
    """A server that does not answer: the client hangs up and tells the application why."""
    session = start_client()
    assert 10.0 == session.todo().wake_at

    session.wake(10.0)

    assert (b"", True, False) == session.todo()[:3]
    assert Closed(1006, "the opening handshake took over 10 s", "local") == take_end(session)


@pytest.mark.parametrize("begin", [start_server, start_client])
def test_without_an_opening_timeout_it_may_take_for_ever(begin: Callable[..., Session]) -> None:
    """None means that there is no deadline."""
    assert begin(opening=None).todo().wake_at is None


@pytest.mark.parametrize("opening", [10.0, None])
def test_once_a_server_has_accepted_it_keeps_the_connection_alive(opening: float | None) -> None:
    """The deadline of the handshake is off, and the first Ping is due an interval after it, whatever that deadline."""
    session = start_server(opening=opening)
    session.receive_data(REQUEST, 1.0)
    assert isinstance(session.opening.pop(0), Request)
    assert isinstance(session.connection, ServerConnection)

    session.connection.accept()
    session.proceed(3.0)

    todo = session.todo()
    assert todo.send.startswith(b"HTTP/1.1 101 ")
    assert (False, False, True, 23.0) == todo[1:]


def test_an_embedder_that_forgets_to_proceed_is_not_punished() -> None:
    """Accepted is accepted: what came early is given out at the next occasion, and the handshake is not timed out."""
    session = start_server()
    session.receive_data(REQUEST + frame_from(CLIENT, TEXT, "early"), 1.0)
    assert isinstance(session.connection, ServerConnection)
    session.connection.accept()
    session.todo()

    session.wake(10.0)

    assert (b"", False, False, True, 30.0) == session.todo()
    assert ["early"] == take_all(session)


def test_messages_may_come_glued_to_a_request() -> None:
    """What came too early is given out when the request was accepted."""
    for pieces in chopped(REQUEST, frame_from(CLIENT, TEXT, "early")):
        session = start_server()
        for piece in pieces:
            session.receive_data(piece, 0.0)
        assert isinstance(session.connection, ServerConnection)

        session.connection.accept()
        session.proceed(0.0)

        assert ["early"] == take_all(session)


def test_messages_may_come_glued_to_an_answer() -> None:
    """A client reads on behind the 101, and keeps the connection alive from there."""
    for pieces in chopped(ANSWER, frame_from(SERVER, TEXT, "early")):
        session = start_client()
        for piece in pieces:
            session.receive_data(piece, 2.0)

        assert isinstance(session.opening.pop(0), Connected)
        assert ["early"] == take_all(session)
        assert 22.0 == session.todo().wake_at


def test_a_server_hangs_up_after_a_rejection() -> None:
    """The application says no; the answer goes out, and that was it."""
    session = start_server()
    session.receive_data(REQUEST, 0.0)
    assert isinstance(session.connection, ServerConnection)

    session.connection.reject(403)
    session.proceed(1.0)

    todo = session.todo()
    assert todo.send.startswith(b"HTTP/1.1 403 ")
    assert (True, False, True, 6.0) == todo[1:]
    assert session.over
    assert Closed(1006, "403 Forbidden", "local") == take_end(session)


def test_a_client_is_told_of_a_rejection() -> None:
    """The answer that is not 101 comes as an event of the opening, and ends the session."""
    session = start_client()

    session.receive_data(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 0.0)

    rejected = session.opening.pop(0)
    assert isinstance(rejected, Rejected)
    assert (404, b"no") == (rejected.status, rejected.body)
    assert session.todo().hang_up
    assert session.over


def test_a_request_that_is_no_http_is_refused() -> None:
    """The session ends by an error that names the rule, with the refusal sent."""
    session = start_server()

    session.receive_data(b"\x16\x03\x01\x02\x00\x01", 0.0)

    assert session.todo().send.startswith(b"HTTP/1.1 400 ")
    assert session.ending is not None
    assert "error" == session.ending.by


@pytest.mark.parametrize("begin", [start_server, start_client])
def test_tcp_may_end_in_the_opening_handshake(begin: Callable[..., Session]) -> None:
    """There is nobody to be told."""
    session = begin()

    session.receive_eof(0.0)

    assert (b"", True) == session.todo()[:2]
    assert Closed(1006, "", "lost") == take_end(session)


@pytest.mark.parametrize("begin", [start_server, start_client])
def test_close_ends_the_opening_handshake(begin: Callable[..., Session]) -> None:
    """No Close frame can be sent yet, so the connection is ended without one."""
    session = begin()

    session.close(1001, "going", 1.0)

    assert (b"", True, False, True, 6.0) == session.todo()
    assert Closed(1006, "going", "local") == take_end(session)


# --- Keepalive ------------------------------------------------------------------------------------------------------


@both_roles
def test_a_ping_is_sent_every_interval(role: Role) -> None:
    """Each has a payload that no other has."""
    session = start(role, ping_timeout=None)
    payloads = []
    for time in (20.0, 40.0, 60.0):
        assert (b"", time) == (session.todo().send, session.todo().wake_at)
        session.wake(time - 0.01)
        assert b"" == session.todo().send

        session.wake(time)

        ((opcode, payload),) = heard(session)
        assert PING == opcode
        payloads.append(payload)

    assert 3 == len(set(payloads))


def test_who_compresses_nothing_for_a_while_keeps_no_window() -> None:
    """From one keepalive Ping to the next: the message after that looks back to nothing, and is understood.  One that
    is being sent in fragments goes on as it began."""
    agreement = Agreement(compression=DeflateTerms())
    session = Session(Connection(SERVER, agreement), 0.0, Patience(ping_timeout=None))
    receiver, text = Connection(CLIENT, agreement), "It is what it is. " * 20

    def size_at(time: float, more: bool = False) -> int:
        for ping_at in (20.0, 40.0, 60.0, 80.0, 100.0):
            if ping_at < time:
                session.wake(ping_at)
        receiver.receive_data(session.todo().send)
        session.connection.send_text(text, more)
        data = session.todo().send
        receiver.receive_data(data)
        return len(data)

    sizes = [size_at(time) for time in (0.0, 1.0, 21.0, 61.0, 62.0)]
    size_at(63.0, more=True)
    size_at(101.0)

    assert max(sizes[1], sizes[2], sizes[4]) < sizes[0] == sizes[3]
    assert [text] * 5 + [text * 2] == [event for event in receiver.events() if isinstance(event, str)]


def test_a_session_that_is_woken_late_sends_one_ping() -> None:
    """Pings that were missed are not made up for: the next is due an interval after this one."""
    session = start()

    session.wake(75.0)

    assert [PING] == [opcode for opcode, _ in heard(session)]
    assert 95.0 == session.todo().wake_at


def test_a_ping_of_the_application_stands_in_for_the_next_one() -> None:
    """The interval counts from the newest Ping, whoever asked for it."""
    session = start(ping_timeout=None)

    session.ping(b"mine", 13.0)

    assert 33.0 == session.todo().wake_at


def test_without_an_interval_there_are_no_pings() -> None:
    """None switches keepalive off, but a Ping of the application still waits for its Pong."""
    session = start(ping_interval=None)
    assert session.todo().wake_at is None

    session.ping(None, 7.0)

    assert 27.0 == session.todo().wake_at


@both_roles
def test_a_peer_that_does_not_answer_a_ping_is_dropped(role: Role) -> None:
    """20 seconds after the Ping it is told 1011, in case it lives, and we do not wait for it to read that."""
    session = start(role)
    session.wake(20.0)
    session.todo()

    session.wake(39.99)
    assert not session.todo().drop
    session.wake(40.0)

    todo = session.todo()
    reason = "no sign of life within 20 s after a Ping"
    assert [(CLOSE, close_body(1011, reason))] == frames_in(todo.send)
    assert (True, True, True, None) == todo[1:]
    assert Closed(rules.KEEPALIVE_TIMEOUT.code, reason, "local") == take_end(session)


def test_the_clock_of_a_pong_runs_from_when_its_ping_was_queued() -> None:
    """A Ping that the kernel does not take does not make the peer immortal."""
    session = start(writing=None)
    congest(session)

    session.wake(20.0)
    session.wake(40.0)

    assert session.todo().drop


def test_every_byte_is_a_sign_of_life() -> None:
    """A peer in the middle of a long frame answers when it is done; until the next Ping it owes nothing."""
    session = start()
    session.wake(20.0)

    session.receive_data(said(session, TEXT, "long" * 20)[:3], 39.0)
    assert 40.0 == session.todo().wake_at
    session.wake(40.0)

    assert [PING, PING] == [opcode for opcode, _ in heard(session)][:1] * 2
    assert 60.0 == session.todo().wake_at
    session.wake(60.0)
    assert session.todo().drop


def test_a_later_ping_does_not_give_more_time() -> None:
    """With an interval shorter than the timeout, the first Ping that was not answered counts."""
    session = start(ping_interval=5.0, ping_timeout=12.0)

    for time in (5.0, 10.0, 15.0):
        session.wake(time)

    assert 17.0 == session.todo().wake_at
    session.wake(17.0)
    assert session.todo().drop


def test_without_a_ping_timeout_a_pong_may_take_for_ever() -> None:
    """The Pings go on."""
    session = start(ping_timeout=None)

    for time in (20.0, 40.0, 60.0):
        session.wake(time)

    assert (False, 80.0) == session.todo()[2:5:2]


def test_a_pong_is_not_late_while_we_do_not_read() -> None:
    """It may lie in the kernel.  When the application takes messages again, its time begins anew."""
    session = start(ping_interval=None)
    fill(session)
    session.ping(None, 0.0)

    session.wake(20.0)
    session.wake(40.0)
    assert not session.todo().drop
    session.next_message(55.0)

    assert (True, 75.0) == session.todo()[3:]
    session.wake(75.0)
    assert session.todo().drop


def test_a_pong_is_not_late_while_a_flood_keeps_us_from_reading() -> None:
    """The same when it is answers that the peer does not read."""
    session = start(writing=None, ping_interval=None)
    session.ping(None, 0.0)
    congest(session)
    congest(session)
    assert not session.reading

    session.wake(20.0)
    assert not session.todo().drop
    session.backlog(0, 31.0)

    assert (True, 51.0) == session.todo()[3:]


def test_congestion_that_does_not_keep_us_from_reading_gives_a_pong_no_more_time() -> None:
    """A peer that reads, however fitfully, and does not answer is mute all the same."""
    session = start(ping_interval=None)
    session.ping(None, 0.0)

    for _ in range(3):
        congest(session, 5.0)
        session.backlog(0, 10.0)
    session.connection.send_binary(bytes(100_000))
    session.todo()
    session.backlog(0, 10.0)

    assert 20.0 == session.todo().wake_at


def test_after_close_no_ping_is_sent() -> None:
    """A Close is our last frame, and what we wait for then is the peer's."""
    session = start(closing=60.0)
    session.ping(None, 1.0)

    session.close(1000, "", 2.0)

    assert 62.0 == session.todo().wake_at
    with pytest.raises(NotOpen):
        session.ping(None, 3.0)


def test_after_the_close_of_the_peer_no_pong_is_waited_for() -> None:
    """An application that still answers messages may ping, but a peer that sent its Close sends no Pong."""
    session = start(closing=None)
    say(session, "before")
    say_close(session)

    session.ping(None, 1.0)

    assert session.todo().wake_at is None


def test_a_connection_that_was_closed_behind_the_back_of_the_session_is_not_pinged() -> None:
    """`wake` never raises, whatever was done to the connection."""
    session = start()
    session.connection.close()

    session.wake(20.0)

    todo = session.todo()
    assert [CLOSE] == [opcode for opcode, _ in frames_in(todo.send)]
    assert todo.wake_at is None


# --- Pongs ----------------------------------------------------------------------------------------------------------


def test_a_pong_tells_the_latency() -> None:
    """From queueing the Ping to reading its Pong."""
    session = start()
    assert (0, None) == (session.acknowledged, session.latency)
    number = session.ping(None, 1.0)
    ((_, payload),) = heard(session)

    session.receive_data(said(session, PONG, payload), 1.25)

    assert (number, 0.25) == (session.acknowledged, session.latency)


def test_pings_are_numbered_from_1() -> None:
    """Those that the session sends by itself have numbers too."""
    session = start()

    assert 1 == session.ping(None, 0.0)
    session.receive_data(said(session, PONG), 1.0)
    session.wake(20.0)
    assert 3 == session.ping(b"mine", 20.0)


def test_a_pong_answers_the_earlier_pings_too() -> None:
    """Section 5.5.3: the peer "MAY elect to send a Pong frame for only the most recently processed Ping frame"."""
    session = start()
    for time, payload in enumerate((b"a", b"b", b"c")):
        session.ping(payload, float(time))

    session.receive_data(said(session, PONG, b"b"), 5.0)
    assert (2, 4.0) == (session.acknowledged, session.latency)
    session.receive_data(said(session, PONG, b"a"), 6.0)
    assert (2, 4.0) == (session.acknowledged, session.latency)
    session.receive_data(said(session, PONG, b"c"), 7.0)
    assert (3, 5.0) == (session.acknowledged, session.latency)


def test_a_pong_that_nobody_asked_for_tells_nothing() -> None:
    """It is a sign of life (section 5.5.3), no more."""
    session = start()
    session.ping(b"mine", 1.0)

    session.receive_data(said(session, PONG, b"yours"), 2.0)

    assert (0, None) == (session.acknowledged, session.latency)
    assert 21.0 == session.todo().wake_at


def test_of_two_pings_with_one_payload_the_first_pong_answers_the_first() -> None:
    """Nothing is reported as answered before it surely was."""
    session = start()
    session.ping(b"same", 1.0)
    session.ping(b"same", 2.0)

    session.receive_data(said(session, PONG, b"same"), 3.0)
    assert (1, 2.0) == (session.acknowledged, session.latency)
    session.receive_data(said(session, PONG, b"same"), 3.0)
    assert (2, 1.0) == (session.acknowledged, session.latency)


def test_16_pings_may_be_out() -> None:
    """Beyond, the oldest is forgotten; it counts as answered when a later one is."""
    session = start()
    for number in range(1, 18):
        session.ping(b"%d" % number, 0.0)

    session.receive_data(said(session, PONG, b"1"), 1.0)
    assert 0 == session.acknowledged
    session.receive_data(said(session, PONG, b"2"), 1.0)
    assert 2 == session.acknowledged


def test_the_payload_of_a_ping_may_stand_in_any_buffer() -> None:
    """What the caller does with it afterwards changes nothing."""
    session = start()
    payload = bytearray(b"mine")
    session.ping(payload, 0.0)
    payload[:] = b"gone"

    session.receive_data(said(session, PONG, b"mine"), 1.0)

    assert 1 == session.acknowledged


def test_who_wants_to_is_told_of_pings_and_pongs_in_the_order_of_the_stream() -> None:
    """A program that shows each Ping to its user sees it between the messages that it came between; it is answered."""
    session = start()
    session.tells_controls = True

    session.receive_data(
        b"".join((said(session, TEXT, "a"), said(session, PING, b"?"), said(session, PONG, b"!"))), 0.0
    )
    say(session, b"b")

    assert ["a", Ping(b"?"), Pong(b"!"), b"b", None] == [session.next_item(0.0) for _ in range(5)]
    assert [(PONG, b"?")] == heard(session)


def test_who_asks_for_messages_is_told_of_nothing_else() -> None:
    """Also where Pings and Pongs wait to be told of."""
    session = start()
    session.tells_controls = True
    for _ in range(2):
        session.receive_data(said(session, PING, b"?"), 0.0)
        say(session, "a")

    assert "a" == session.next_message(0.0)
    assert Chunk("a", first=True, last=True) == session.next_chunk(0.0)
    assert session.next_message(0.0) is None


def test_a_keepalive_ping_may_carry_what_one_likes() -> None:
    """Some servers want to see a certain word in it; its Pong is the sign of life nevertheless."""
    session = start(ping_interval=1.0, ping_timeout=0.5)
    session.ping_payload = b"alive"

    session.wake(1.0)
    assert [(PING, b"alive")] == heard(session)
    session.receive_data(said(session, PONG, b"alive"), 1.25)
    assert 0.25 == session.latency


@pytest.mark.parametrize("payload", [bytes(126), 5, "text"])
def test_a_ping_that_cannot_be_sent_has_no_number(payload: bytes) -> None:
    """What the caller does wrong is raised, and nothing has changed."""
    session = start()

    with pytest.raises((LocalProtocolError, TypeError)):
        session.ping(payload, 1.0)

    assert (b"", 20.0) == session.todo()[0:5:4]
    assert 1 == session.ping(None, 1.0)


def test_there_are_no_pings_in_the_opening_handshake() -> None:
    """No frame is sent before it is done."""
    with pytest.raises(LocalProtocolError):
        start_server().ping(None, 0.0)


def test_a_ping_of_the_peer_is_answered_while_the_application_is_busy() -> None:
    """The session reads ahead of the application."""
    session = start()
    say(session, "busy")

    session.receive_data(said(session, PING, b"there?"), 0.0)

    assert [(PONG, b"there?")] == heard(session)


# --- Writing --------------------------------------------------------------------------------------------------------


def test_a_peer_that_reads_nothing_for_30_seconds_is_dropped() -> None:
    """The kernel takes no byte of what waits: not even a Close would reach such a peer."""
    session = start(**QUIET)
    congest(session, 1.0)

    session.wake(30.99)
    assert (b"", False, False, True, 31.0) == session.todo()
    session.wake(31.0)

    assert (b"", True, True, True, None) == session.todo()
    assert Closed(rules.WRITE_TIMEOUT.code, "the peer read nothing for 30 s", "local") == take_end(session)


def test_a_peer_that_reads_slowly_is_not_dropped() -> None:
    """Each byte that the kernel takes gives 30 seconds more."""
    session = start(**QUIET)
    session.connection.send_binary(bytes(1000))
    size = len(session.todo().send)
    session.backlog(size, 0.0)

    session.backlog(size - 1, 29.0)
    assert 59.0 == session.todo().wake_at
    session.backlog(size - 1, 40.0)
    assert 59.0 == session.todo().wake_at
    session.backlog(0, 58.0)
    assert session.todo().wake_at is None


def test_what_is_sent_meanwhile_is_no_progress() -> None:
    """A backlog that grows is not one that moves, and one that grows by less than was sent is."""
    session = start(**QUIET)
    session.connection.send_binary(bytes(98))
    session.backlog(len(session.todo().send), 0.0)

    session.connection.send_binary(bytes(48))
    session.todo()
    session.backlog(150, 10.0)
    assert 30.0 == session.todo().wake_at
    session.connection.send_binary(bytes(48))
    session.todo()
    session.backlog(199, 20.0)

    assert 50.0 == session.todo().wake_at


def test_what_waits_where_nobody_tells_has_its_time_too() -> None:
    """Under TLS, bytes wait of which it is not told when they are fewer: it is not waited for, but timed."""
    session = start(**QUIET)
    session.connection.send_binary(bytes(100_000))
    size = len(session.todo().send)

    session.backlog(0, 0.0, beneath=size)
    assert (30.0, size, False) == (session.todo().wake_at, session.unwritten, session.congested)
    session.backlog(0, 10.0, beneath=1)
    assert 40.0 == session.todo().wake_at
    session.backlog(0, 20.0)
    assert (None, 0) == (session.todo().wake_at, session.unwritten)
    session.connection.send_binary(b"")
    session.todo()
    session.all_is_written()
    assert (None, 0) == (session.todo().wake_at, session.unwritten)


def test_without_a_write_timeout_a_peer_need_not_read() -> None:
    """None means that there is no deadline."""
    session = start(writing=None, **QUIET)

    congest(session)

    assert session.todo().wake_at is None


def test_an_application_should_wait_between_the_high_and_the_low_mark() -> None:
    """Congestion begins above 64 KiB and ends at 16 KiB, so that it does not flicker."""
    session = start()

    for size, congested in [(65536, False), (65537, True), (16385, True), (16384, False), (65536, False)]:
        session.backlog(size, 0.0)
        assert congested is session.congested


def test_a_congested_session_reads_on() -> None:
    """Two peers who send each other much at once, and both read only when all is sent, would wait for ever."""
    session = start()

    congest(session)

    assert session.congested
    assert session.reading


def test_a_peer_that_asks_for_answers_and_does_not_read_them_is_not_read() -> None:
    """When as much again as made the congestion is queued nevertheless, reading stops until it is over."""
    session = start()
    congest(session)
    flood = said(session, PING, bytes(125)) * 16

    most = 0
    while session.reading:
        session.receive_data(flood, 0.0)
        most += len(session.todo().send)

    assert most <= session.patience.write_high + 16 * 127
    session.backlog(session.patience.write_low + 1, 1.0)
    assert not session.reading
    session.backlog(session.patience.write_low, 1.0)
    assert session.reading


def test_reading_stops_when_more_than_as_much_again_is_queued() -> None:
    """To the byte: the limits mean what they say."""
    session = start()
    session.backlog(session.patience.write_high + 1, 0.0)

    session.connection.send_binary(bytes(session.patience.write_high - 4))
    session.todo()
    assert session.reading
    session.connection.send_binary(b"")
    session.todo()

    assert not session.reading


@pytest.mark.parametrize("end", [lambda session: session.close(1000, "", 0.0), break_a_rule])
def test_after_an_end_a_flood_is_read(end: Callable[[Session], None]) -> None:
    """The peer may have to be read before it reads our Close."""
    session = start()
    say(session, "untaken")
    congest(session)
    congest(session)
    assert not session.reading

    end(session)

    assert session.reading


def test_who_waits_for_congestion_to_end_is_released_when_the_connection_does() -> None:
    """Nothing will be written any more."""
    session = start()
    congest(session)

    session.abort(0.0)

    assert not session.congested


def test_a_message_for_many_is_queued_like_any_other() -> None:
    """It goes out in its turn, and counts as what waits only from then on."""
    session = start()

    assert [True, True] == [session.offer(Prepared(message)) for message in ("a", b"b")]
    assert [(TEXT, b"a"), (BINARY, b"b")] == heard(session)
    assert 6 == session.unwritten


def test_it_is_known_what_the_kernel_has_taken() -> None:
    """Of all bytes that were handed out, from the first on: who has sent something can wait for just that."""
    session = start()
    session.connection.send_text("a")
    first = len(session.todo().send)
    session.connection.send_text("b")
    session.todo()
    session.backlog(4, 0.0)
    session.backlog(3, 0.0)

    assert 2 * first == session.handed_out
    assert [True, False] == [session.has_written(first), session.has_written(first + 1)]


def test_what_is_long_is_handed_out_apart() -> None:
    """It need not be copied behind what goes out in front of it; alone, or short, it is in one part."""
    session = start()
    long, alone = b"x" * APART, Prepared(b"y" * APART)
    parts = [session.hand_out_apart()]
    session.connection.send_text("a")
    session.connection.send_binary(long)
    parts.append(session.hand_out_apart())
    session.connection.send_text("b")
    parts.append(session.hand_out_apart())
    session.all_is_written()
    session.offer(alone)
    parts.append(session.hand_out_apart())

    (head, of_long), (frame_of_many, nothing) = parts[1], parts[3]
    assert (frame(TEXT, "a") + frame(BINARY, long), long) == (head + of_long, of_long)
    assert [(b"", b""), (frame(TEXT, "b"), b"")] == parts[::2]
    assert (frame(BINARY, alone.payload), b"") == (frame_of_many, nothing)
    assert sum(len(one) + len(other) for one, other in parts) == session.handed_out


@pytest.mark.parametrize("limit", [0, 1000, 100_000])
def test_who_is_behind_is_not_given_a_message_for_many(limit: int) -> None:
    """More than the limit must not wait already; the message may be of any length."""
    session = start()
    session.connection.send_binary(bytes(2**17))
    session.todo()
    taken = []
    for waiting in (limit, limit + 1, limit + 2, limit):
        session.backlog(waiting, 0.0)
        taken.append(session.offer(Prepared("a"), limit))
        session.todo()

    assert [True, False, False, True] == taken


def test_who_was_behind_is_given_a_message_for_many_when_it_has_caught_up() -> None:
    """Not at once when it is below the limit: whoever waits to send something else would wait for ever."""
    session = start()
    session.connection.send_binary(bytes(2**17))
    session.todo()
    taken = []
    for waiting in (65536, 65537, 65536, 16385, 16384, 65536):
        session.backlog(waiting, 0.0)
        taken.append(session.offer(Prepared("a")))
        session.todo()

    assert [True, False, False, False, True, True] == taken


def test_what_waits_behind_fragments_counts_as_waiting() -> None:
    """A message that never ends cannot be used to fill the memory."""
    session = start()
    session.connection.send_text("a", more=True)
    session.todo()
    session.backlog(0, 0.0)
    message = Prepared(bytes(1000))
    offered = 0
    while session.offer(message, 10_000):
        offered += 1

    assert 9 == offered
    session.connection.send_text("b")
    assert [(CONTINUATION, b"b")] + [(BINARY, bytes(1000))] * 9 == heard(session)


def test_who_is_not_open_is_not_given_a_message_for_many() -> None:
    """Before the opening handshake is done, and once the end has begun, by whichever side."""
    closing, told, gone = start(), start(), start()
    closing.close(1000, "", 0.0)
    say_close(told)
    gone.lost(0.0)
    sessions = [start_server(), start_client(), closing, told, gone]
    for session in sessions:
        session.todo()

    assert [False] * 5 == [session.offer(Prepared("a")) for session in sessions]
    assert [b""] * 5 == [session.todo().send for session in sessions]


# --- Reading --------------------------------------------------------------------------------------------------------


@both_roles
def test_messages_come_out_in_order(role: Role) -> None:
    """Text as `str`, binary as `bytes`, fragmented or not; however they arrive."""
    probe = start(role)
    wire = (
        said(probe, TEXT, "one"),
        said(probe, BINARY, b"t", fin=False),
        said(probe, CONTINUATION, b"wo"),
        said(probe, TEXT, ""),
    )
    for pieces in chopped(*wire):
        session = start(role)
        for piece in pieces:
            session.receive_data(piece, 0.0)

        assert 3 == session.waiting
        assert ["one", b"two", ""] == take_all(session)
        assert 0 == session.waiting


def test_reading_stops_while_the_application_is_behind() -> None:
    """From 64 KiB on, each message charged 128 bytes besides its own, the rest stays with the kernel."""
    session = start()
    size = 1024 - 128

    say(session, *["x" * size] * 63, "x" * (size - 1))
    assert session.reading
    session.next_message(0.0)
    say(session, "x" * (size + 1))
    assert not session.reading

    session.next_message(0.0)
    assert session.reading


def test_there_is_always_room_for_one_message() -> None:
    """Even with no room at all, and for one larger than the mark."""
    session = start(receive_high=0)
    assert session.reading

    say(session, "one")
    assert not session.reading
    session.next_message(0.0)
    assert session.reading
    say(session, "y" * 100_000)

    assert ["y" * 100_000] == take_all(session)
    assert session.reading


@both_roles
@pytest.mark.parametrize("high", [0, 100, 200, 70_000])
def test_what_there_was_no_room_for_comes_when_there_is(role: Role, high: int) -> None:
    """All of one read is given out, although no more bytes come to give occasion to it."""
    session = start(role, receive_high=high)
    messages = ["x" * 80_000, "a", b"b", "c" * 1000, ""]

    say(session, *messages)

    assert messages == take_all(session)


def test_an_end_behind_a_full_queue_is_found_when_there_is_room() -> None:
    """A Close that lies behind messages takes effect in stream order too."""
    session = start(receive_high=0)
    say(session, "one", "two")
    session.receive_data(said(session, CLOSE, close_body(1000)), 0.0)
    assert session.ending is None

    assert ["one", "two"] == take_all(session)
    assert Closed(1000, "", "peer") == session.ending


@both_roles
def test_all_messages_that_wait_can_be_taken_at_once(role: Role) -> None:
    """In their order; an empty list means that there is none yet, and at the end `ConnectionClosed` is raised."""
    session = start(role)
    assert [] == session.next_messages(0.0)
    say(session, "one", b"two")
    say(session, "three")
    say_close(session)

    assert ["one", b"two", "three"] == session.next_messages(0.0)
    assert 0 == session.waiting
    assert [] == heard(session)
    with pytest.raises(ConnectionClosed):
        session.next_messages(0.0)
    assert [(CLOSE, close_body(1000))] == heard(session)


@both_roles
def test_who_waits_is_given_messages_at_once(role: Role) -> None:
    """Those that come first, in one call; a Ping behind them is answered, and what is behind that waits."""
    session = start(role)
    messages = said(session, TEXT, "one") + said(session, BINARY, b"two")
    behind = said(session, PING, "?") + said(session, TEXT, "three")

    assert ["one", b"two"] == session.receive_messages(memoryview(messages + behind), 0.0)
    assert [(PONG, b"?")] == heard(session)
    assert [] == session.receive_messages(said(session, TEXT, "four"), 0.0)
    assert ["three"] == session.next_messages(0.0)[:1]


@both_roles
def test_a_close_behind_messages_that_were_given_waits_for_who_takes_them(role: Role) -> None:
    """It is answered when more is asked for: the answers to these may still be sent."""
    session = start(role)

    assert ["one"] == session.receive_messages(said(session, TEXT, "one") + said(session, CLOSE, close_body(1000)), 0.0)
    assert [] == heard(session)
    assert [] == session.receive_messages(said(session, TEXT, "late"), 0.0)
    assert Closed(1000, "", "peer") == take_end(session)
    assert [(CLOSE, close_body(1000))] == heard(session)


def test_messages_that_are_given_at_once_are_a_sign_of_life() -> None:
    """As whatever else comes behind a Ping."""
    session = start(ping_interval=20, ping_timeout=10)
    session.wake(20.0)
    session.todo()

    assert ["one"] == session.receive_messages(said(session, TEXT, "one"), 29.0)
    session.wake(35.0)
    assert session.ending is None


def test_taking_all_at_once_makes_room() -> None:
    """What there was no room for is read then, and told the next time."""
    session = start(receive_high=100)
    ping = said(session, PING)
    session.receive_data(said(session, TEXT, "one") + ping + said(session, TEXT, "two"), 0.0)
    assert not session.reading

    assert ["one"] == session.next_messages(0.0)
    assert ["two"] == session.next_messages(0.0)
    assert session.reading


@both_roles
def test_the_first_deadline_is_known_without_doing_anything(role: Role) -> None:
    """A transport may look at it alone: nothing is handed out by that."""
    session = start(role, ping_interval=20)
    session.connection.send_text("one")
    session.close(1000, "", 3.0)

    assert 8.0 == session.wake_at
    assert 8.0 == session.todo().wake_at
    session.abort(4.0)
    assert None is session.wake_at


@both_roles
def test_a_run_behind_a_chunk_is_kept_whole(role: Role) -> None:
    """There is room for a run if there is room for its first message, whatever waits in front of it."""
    session = start(role, receive_high=200)
    session.connection.stream = True
    say(session, "one")
    session.connection.stream = False
    say(session, "two", "three", "four")
    assert not session.reading

    assert ["one", "two", "three", "four"] == take_all(session)


@both_roles
def test_chunks_that_wait_become_messages_when_all_are_taken(role: Role) -> None:
    """Whatever was kept in between, and with Pings and Pongs left out: whole messages, and nothing is lost."""
    session = start(role)
    session.tells_controls = True
    say(session, "one")
    session.connection.stream = True
    session.receive_data(said(session, PING) + said(session, TEXT, "tw", fin=False), 0.0)
    session.receive_data(said(session, PING) + said(session, CONTINUATION, "o"), 0.0)
    session.connection.stream = False
    say(session, "three", "four")

    taken = []
    while messages := session.next_messages(0.0):
        taken += messages
    assert ["one", "two", "three", "four"] == taken
    say(session, "five", "six")
    assert ["five", "six"] == session.next_messages(0.0)


@given(st.lists(st.tuples(st.booleans(), st.lists(st.text(max_size=300), min_size=1)), min_size=1))
def test_what_was_taken_is_charged_no_more(turns: list[tuple[bool, list[str]]]) -> None:
    """However often it was filled and emptied, in chunks or not, an empty queue has room for as much as a new one."""
    session = start(receive_high=5000)
    for stream, messages in turns:
        session.connection.stream = stream
        say(session, *messages)
        assert messages == take_all(session)

    assert fill(start(receive_high=5000)) == fill(session)


@both_roles
def test_after_close_reading_goes_on(role: Role) -> None:
    """The peer's Close may lie behind any number of messages that nobody takes."""
    session = start(role)
    messages = fill(session)

    session.close(1000, "", 0.0)

    assert session.todo().read
    say(session, *["more"] * 1000)
    say_close(session)
    assert Closed(1000, "", "local") == session.ending
    assert messages == take_all(session)[: len(messages)]


def test_after_close_there_is_no_gap() -> None:
    """Where there was no room for a message, none that follows is given out, though there is room again."""
    session = start(receive_high=len("one") + 128)
    say(session, "one")
    session.close(1000, "", 0.0)

    say(session, "two")
    assert "one" == session.next_message(0.0)
    say(session, "three")

    assert [] == take_all(session)


def test_after_close_no_message_has_a_hole() -> None:
    """The same for the pieces of a message: one that misses some is not given out."""
    session = start(receive_high=0)
    session.connection.stream = True
    session.receive_data(said(session, TEXT, "one ", fin=False), 0.0)
    session.close(1000, "", 0.0)

    session.receive_data(said(session, CONTINUATION, "two ", fin=False), 0.0)
    assert session.next_message(0.0) is None
    session.receive_data(said(session, CONTINUATION, "three"), 0.0)

    assert session.next_message(0.0) is None


def test_after_close_messages_are_still_given_out() -> None:
    """The peer may have much to say before its Close, and an application that takes it gets it all."""
    session = start()
    session.close(1000, "", 0.0)
    taken = []

    for number in range(1000):
        say(session, f"{number} " + "x" * 500)
        taken += take_all(session)
    say_close(session)

    assert 1000 == len(taken)
    assert Closed(1000, "", "local") == take_end(session)


# --- Chunks ---------------------------------------------------------------------------------------------------------


def streaming(*pieces: str, last: bool = True, **patience: float | None) -> Session:
    """A session that gives chunks, and got a message in these fragments."""
    session = start(**patience)
    session.connection.stream = True
    say_fragments(session, *pieces, last=last)
    return session


def say_fragments(session: Session, *pieces: str, first: bool = True, last: bool = True) -> None:
    """The peer sends a message in fragments, or its beginning, or its continuation."""
    for index, piece in enumerate(pieces):
        opcode = TEXT if first and index == 0 else CONTINUATION
        fin = last and index == len(pieces) - 1
        session.receive_data(said(session, opcode, piece, fin=fin), 0.0)


def take_chunks(session: Session) -> list[Chunk]:
    """Every chunk that can be taken."""
    taken = []
    while (chunk := session.next_chunk(0.0)) is not None:
        taken.append(chunk)
    return taken


def test_a_message_can_be_taken_in_chunks_as_they_come() -> None:
    """With `stream` set on the connection; the first and the last say so."""
    session = streaming("a", "b", "c")

    assert [Chunk("a", True, False), Chunk("b", False, False), Chunk("c", False, True)] == take_chunks(session)


def test_a_whole_message_is_one_chunk() -> None:
    """Without `stream` each message comes as one piece."""
    session = start()
    say(session, "whole", b"bytes")

    assert [Chunk("whole", True, True), Chunk(b"bytes", True, True)] == take_chunks(session)


@pytest.mark.parametrize("piece", ["ş", b"\xff"])
def test_chunks_can_be_taken_as_a_message(piece: str | bytes) -> None:
    """An application that asks for messages gets messages, although `stream` is set."""
    session = start()
    session.connection.stream = True
    session.receive_data(said(session, TEXT if isinstance(piece, str) else BINARY, piece, fin=False), 0.0)
    assert session.next_message(0.0) is None
    session.receive_data(said(session, CONTINUATION, piece), 0.0)
    say(session, piece)

    assert [piece * 2, piece] == take_all(session)


def test_an_empty_message_is_one_in_chunks_too() -> None:
    """It has one chunk, with nothing in it."""
    session = streaming("", "")

    assert "" == session.next_message(0.0)


def test_what_was_put_together_is_the_first_chunk() -> None:
    """An application that asked for a message, and then for chunks, gets at once what is there of it."""
    session = streaming("a", "b", last=False)
    assert session.next_message(0.0) is None

    assert Chunk("ab", True, False) == session.next_chunk(0.0)
    assert session.next_chunk(0.0) is None
    say_fragments(session, "c", first=False)
    assert Chunk("c", False, True) == session.next_chunk(0.0)


def test_the_rest_of_an_abandoned_message_is_thrown_away() -> None:
    """Who has begun a message in chunks and then asks for a message gets the next one."""
    session = streaming("a", "b", "c")
    say(session, "next")
    assert Chunk("a", True, False) == session.next_chunk(0.0)

    assert "next" == session.next_message(0.0)


def test_an_abandoned_message_stays_abandoned() -> None:
    """Asking for a message abandons the one that was begun, also if there is none yet."""
    for pieces in ("a", "ab"):
        session = streaming(*pieces, last=False)
        assert Chunk("a", True, False) == session.next_chunk(0.0)
        assert session.next_message(0.0) is None

        say_fragments(session, "c", "d", first=False)
        say_fragments(session, "e", "f")

        assert [Chunk("e", True, False), Chunk("f", False, True)] == take_chunks(session)


def test_a_message_can_be_abandoned_for_the_chunks_of_the_next() -> None:
    """The rest of the first does not look like the beginning of the second."""
    session = streaming("a", "b", "c")
    say_fragments(session, "d", "e")
    session.next_chunk(0.0)

    session.abandon()

    assert [Chunk("d", True, False), Chunk("e", False, True)] == take_chunks(session)


def test_a_message_that_was_put_together_can_be_abandoned() -> None:
    """Its first chunk is what was there of it, and the rest is not wanted."""
    session = streaming("a", "b", last=False)
    session.next_message(0.0)
    assert Chunk("ab", True, False) == session.next_chunk(0.0)

    session.abandon()
    say_fragments(session, "c", first=False)
    say(session, "next")

    assert [Chunk("next", True, True)] == take_chunks(session)


def test_only_a_message_that_was_begun_can_be_abandoned() -> None:
    """Between messages, and after the last chunk, there is nothing to throw away."""
    session = streaming("a", "b")
    session.abandon()
    assert 2 == len(take_chunks(session))
    session.abandon()
    say_fragments(session, "c", "d")

    assert 2 == len(take_chunks(session))


CUTS = st.lists(st.sampled_from(["chunk", "message", "abandon", "receive", "stream", "whole"]), max_size=60)


@given(CUTS)
def test_an_application_may_change_its_mind_at_any_point(steps: list[str]) -> None:
    """Chunks, messages, and neither: each message is given out in order, whole, or up to where it was left."""
    session = start(receive_high=300)
    wire = b"".join(
        said(session, CONTINUATION if part else TEXT, f"{number}{'abc'[part]}" * 30, fin=part == 2)
        for number in range(20)
        for part in range(3)
    )
    messages = ["".join(f"{number}{part}" * 30 for part in "abc") for number in range(20)]
    at, part = 0, ""
    for step in steps:
        if step in ("stream", "whole"):
            session.connection.stream = step == "stream"
        elif step == "receive" and session.reading:
            session.receive_data(wire[:97], 0.0)
            wire = wire[97:]
        elif step == "chunk" and (chunk := session.next_chunk(0.0)) is not None:
            assert chunk.first is (not part)
            part += chunk.data  # type: ignore[operator]
            assert messages[at].startswith(part)
            if chunk.last:
                assert messages[at] == part
                at, part = at + 1, ""
        elif step in ("abandon", "message"):
            at, part = at + bool(part), ""
            if step == "abandon":
                session.abandon()
            elif (message := session.next_message(0.0)) is not None:
                assert messages[at] == message
                at += 1


def test_a_message_in_a_thousand_pieces_takes_the_room_of_one() -> None:
    """Pieces that an application wants as a message are put together as they come, not kept one by one."""
    session = start()
    session.connection.stream = True
    session.receive_data(said(session, BINARY, bytes(100_000))[:14], 0.0)
    for _ in range(1000):
        session.receive_data(bytes(2), 0.0)
        assert session.next_message(0.0) is None

    assert len(pickle.dumps(session)) < 5000


# --- Closing: who does what, and when ---------------------------------------------------------------------------------


@both_roles
def test_a_close_is_answered_at_once_when_the_application_waits(role: Role) -> None:
    """It has asked for a message, and there was none: so it has taken all that came before."""
    session = start(role)
    assert session.next_message(0.0) is None

    say_close(session, 3000, "bye")

    assert [(CLOSE, close_body(3000))] == heard(session)
    assert session.over
    assert Closed(3000, "bye", "peer") == take_end(session)


@both_roles
def test_a_close_is_answered_at_once_when_the_application_never_receives(role: Role) -> None:
    """Who only sends is not waited for."""
    session = start(role)

    say_close(session)

    assert [(CLOSE, close_body(1000))] == heard(session)


@both_roles
def test_a_close_waits_for_the_application_that_is_busy_with_a_message(role: Role) -> None:
    """It took a message and has not asked for the next: its answer goes out before the Close does."""
    session = start(role)
    assert session.next_message(0.0) is None
    say(session, "question")
    session.next_message(0.0)

    say_close(session)
    assert b"" == session.todo().send
    assert not session.over
    session.connection.send_text("answer")
    take_end(session)

    assert [(TEXT, b"answer"), (CLOSE, close_body(1000))] == heard(session)


def endings(session: Session) -> dict[str, bytes]:
    """What can stand behind the last message on the wire; EOF is nothing."""
    return {"Close": said(session, CLOSE, close_body(1000)), "violation": said(session, 3), "EOF": b""}


ANSWERS = {"Close": [(CLOSE, close_body(1000))], "EOF": []}


@both_roles
@pytest.mark.parametrize("ending", ["Close", "violation", "EOF"])
@pytest.mark.parametrize("high", [0, 1000, 65536])
def test_100_messages_before_the_end_can_all_be_answered(role: Role, ending: str, high: int) -> None:
    """Whatever ended it, and however much of it lay in the queue: the application answers, then the end is answered."""
    session = start(role, receive_high=high)
    wire = b"".join(said(session, TEXT, str(number)) for number in range(100))
    session.receive_data(wire + endings(session)[ending], 0.0)
    session.receive_eof(0.0)
    answered = []

    while (message := session.next_message(0.0)) is not None:
        assert isinstance(message, str)
        session.connection.send_text(message)
        answered.append((TEXT, message.encode()))
        if len(answered) == 100:
            break
    take_end(session)

    frames = heard(session)
    assert 100 == len(answered)
    assert answered == frames[:100]
    if ending == "violation":
        ((opcode, body),) = frames[100:]
        assert (CLOSE, 1002) == (opcode, int.from_bytes(body[:2]))
    else:
        assert ANSWERS[ending] == frames[100:]
    assert session.todo().hang_up


def test_an_application_that_never_takes_its_messages_does_not_hold_up_a_close() -> None:
    """After the closing timeout it is answered; the messages can be taken still, and then how it ended."""
    session = start()
    say(session, "untaken")
    say_close(session, now=1.0)
    assert (b"", False, False, True, 6.0) == session.todo()

    session.wake(5.99)
    assert b"" == session.todo().send
    session.wake(6.0)

    todo = session.todo()
    assert [(CLOSE, close_body(1000))] == frames_in(todo.send)
    assert (True, False, True, 11.0) == todo[1:]
    assert "untaken" == session.next_message(7.0)
    assert Closed(1000, "", "peer") == take_end(session, 7.0)


def test_an_application_that_only_sends_by_now_does_not_hold_up_a_close() -> None:
    """It has taken everything, and has a fifth of the closing timeout for its last answer: the peer waits no longer."""
    session = start()
    say(session, "subscribe")
    assert "subscribe" == session.next_message(0.0)
    say_close(session, now=1.0)
    session.connection.send_text("tick")
    assert ([(TEXT, b"tick")], 2.0) == (frames_in((todo := session.todo()).send), todo.wake_at)

    session.wake(2.0)

    assert [(CLOSE, close_body(1000))] == frames_in((todo := session.todo()).send)
    assert (True, False, True, 7.0) == todo[1:]


@both_roles
def test_messages_that_were_given_together_have_the_whole_closing_timeout(role: Role) -> None:
    """Who was given them has not taken them yet, though none waits here: be the Close in the same read or a later."""
    close = said(start(role), CLOSE, close_body(1000))
    messages = said(start(role), TEXT, "one") + said(start(role), TEXT, "two")
    together, apart = start(role), start(role)

    assert ["one", "two"] == together.receive_messages(messages + close, 1.0)
    assert ["one", "two"] == apart.receive_messages(messages, 0.0)
    apart.receive_data(close, 1.0)

    for session in (together, apart):
        assert (b"", False, False, True, 6.0) == session.todo()
        session.wake(5.99)
        assert [] == heard(session)
        session.wake(6.0)
        assert [(CLOSE, close_body(1000))] == heard(session)


@both_roles
def test_messages_in_front_of_a_close_that_is_found_behind_them_have_the_whole_closing_timeout(role: Role) -> None:
    """There was no room for the Close until they were taken, all at once: nobody has answered them yet."""
    session = start(role, receive_high=1)
    close = said(session, CLOSE, close_body(1000))
    session.receive_data(said(session, TEXT, "one") + said(session, TEXT, "two") + close, 0.0)
    assert session.ending is None

    assert ["one", "two"] == session.next_messages(1.0)

    assert Closed(1000, "", "peer") == session.ending
    assert (b"", False, False, True, 6.0) == session.todo()


@both_roles
def test_messages_that_were_all_received_have_a_fifth_of_the_closing_timeout(role: Role) -> None:
    """The transport tells when the last of those that were given together is in the application's hands."""
    given = start(role)
    given.receive_messages(said(given, TEXT, "one") + said(given, TEXT, "two"), 0.0)
    found = start(role, receive_high=1)
    found.receive_data(said(found, TEXT, "one") + said(found, TEXT, "two"), 0.0)
    found.next_messages(0.0)

    for session in (given, found):
        session.is_given = False
        say_close(session, now=1.0)

        assert (b"", False, False, True, 2.0) == session.todo()


@both_roles
def test_a_message_alone_is_received_when_it_is_given(role: Role) -> None:
    """Who waits has it: a feed whose subscriber leaves at once need not hear of it late."""
    given, found = start(role), start(role, receive_high=1)
    wire = said(given, TEXT, "subscribe") + said(given, CLOSE, close_body(1000))
    found.receive_data(wire, 1.0)

    assert [["subscribe"]] * 2 == [given.receive_messages(wire, 1.0), found.next_messages(1.0)]
    assert [2.0, 2.0] == [given.todo().wake_at, found.todo().wake_at]


def test_an_answer_at_the_last_moment_has_time_to_arrive() -> None:
    """When the Close is answered, the peer has the closing timeout to read that, however long the answer took."""
    session = start()
    say(session, "slow")
    say_close(session, now=0.0)

    session.next_message(1.0)
    take_end(session, 4.9)

    assert 9.9 == session.todo().wake_at


@both_roles
def test_a_peer_that_does_not_answer_our_close_is_dropped(role: Role) -> None:
    """It has 5 seconds, and what it sends meanwhile does not make them more."""
    session = start(role)
    session.close(1000, "bye", 1.0)

    todo = session.todo()
    assert [(CLOSE, close_body(1000, "bye"))] == frames_in(todo.send)
    assert (False, False, True, 6.0) == todo[1:]
    assert not session.over
    say(session, "not done yet", now=5.0)
    session.wake(5.99)
    assert not session.todo().drop
    session.wake(6.0)

    assert (b"", True, True, True, None) == session.todo()
    assert "not done yet" == session.next_message(6.0)
    assert Closed(rules.CLOSING_TIMEOUT.code, "the closing handshake took over 5 s", "local") == take_end(session)


def test_without_a_closing_timeout_a_close_may_wait_for_ever() -> None:
    """None means that there is no deadline, on either side of the handshake."""
    closing, closed = start(closing=None, **QUIET), start(closing=None, **QUIET)
    closing.close(1000, "", 0.0)
    say(closed, "untaken")
    say_close(closed)

    assert closing.todo().wake_at is None
    assert closed.todo().wake_at is None


@pytest.mark.parametrize("first", ["we", "peer", "both"])
def test_a_server_hangs_up_when_both_have_sent_a_close(first: str) -> None:
    """Section 7.1.1: it closes first, and the client's end of the stream closes the rest."""
    session = start(SERVER)
    if first != "peer":
        session.close(1000, "", 0.0)
        assert not session.todo().hang_up

    say_close(session, 1000 if first == "we" else 1001)

    assert (True, False) == session.todo()[1:3]
    assert session.over
    assert Closed(1000 if first == "we" else 1001, "", "peer" if first == "peer" else "local") == session.ending


@pytest.mark.parametrize("first", ["we", "peer", "both"])
def test_a_client_waits_for_the_server_to_hang_up(first: str) -> None:
    """It does so itself when the server has done it, and drops a server that does not within the closing timeout."""
    session = start(CLIENT)
    if first != "peer":
        session.close(1000, "", 0.0)

    say_close(session, 1001)

    assert (False, False, True, 5.0) == session.todo()[1:]
    assert session.over
    patient = copy.deepcopy(session)
    session.receive_eof(1.0)
    assert (True, False) == session.todo()[1:3]
    patient.wake(5.0)
    assert patient.todo().drop


@both_roles
def test_a_violation_is_answered_and_lingered_over(role: Role) -> None:
    """The Close says which rule was broken, we hang up, and read on so that the peer gets to read it."""
    session = start(role)

    break_a_rule(session)

    todo = session.todo()
    ((opcode, body),) = frames_in(todo.send)
    assert (CLOSE, 1002) == (opcode, int.from_bytes(body[:2]))
    assert (True, False, True, 5.0) == todo[1:]
    assert ("error", 1002) == (take_end(session).by, take_end(session).code)


def test_what_comes_after_the_end_is_thrown_away_up_to_a_bound() -> None:
    """A peer that goes on sending after a violation is read for 1 MiB, then dropped."""
    session = start()
    break_a_rule(session)
    session.todo()

    for _ in range(16):
        session.receive_data(bytes(65536), 1.0)
    assert (b"", False, True) == session.todo()[:1] + session.todo()[2:4]
    session.receive_data(b"x", 1.0)

    assert (b"", True, True, True, None) == session.todo()


def test_a_flood_behind_the_end_does_not_wait_for_the_application() -> None:
    """When the bound is reached before the application has taken its messages, the end is answered all the same."""
    session = start(linger=100)
    say(session, "untaken")
    break_a_rule(session)

    session.receive_data(bytes(101), 1.0)

    todo = session.todo()
    assert [CLOSE] == [opcode for opcode, _ in frames_in(todo.send)]
    assert todo.drop
    with pytest.raises(NotOpen):
        session.connection.send_text("late")
    assert ["untaken"] == take_all(session)


@both_roles
def test_closing_twice_is_closing_once(role: Role) -> None:
    """The second call changes nothing: neither the code nor the deadline."""
    session = start(role)
    session.close(1000, "first", 0.0)

    session.close(3000, "second", 4.0)

    todo = session.todo()
    assert [(CLOSE, close_body(1000, "first"))] == frames_in(todo.send)
    assert 5.0 == todo.wake_at


@both_roles
def test_the_application_may_answer_a_close_with_a_code_of_its_own(role: Role) -> None:
    """A call of `close` while messages wait answers at once."""
    session = start(role)
    say(session, "untaken")
    say_close(session, 1000)

    session.close(3000, "mine", 2.0)

    assert [(CLOSE, close_body(3000, "mine"))] == heard(session)
    assert session.over
    assert 7.0 == session.todo().wake_at
    assert ["untaken"] == take_all(session)


def test_close_after_a_violation_tells_the_peer_what_it_did() -> None:
    """An application that closes because it is done does not hide the violation behind its 1000."""
    session = start()
    say(session, "untaken")
    break_a_rule(session)

    session.close(1000, "done", 1.0)

    ((_, body),) = heard(session)
    assert 1002 == int.from_bytes(body[:2])


def test_close_after_the_end_of_the_stream_sends_nothing() -> None:
    """There is nobody to shake hands with."""
    session = start()
    say(session, "untaken")
    session.receive_eof(0.0)

    session.close(1000, "done", 1.0)

    assert (b"", True) == session.todo()[:2]


@both_roles
def test_messages_that_came_before_our_close_can_still_be_taken(role: Role) -> None:
    """Closing takes nothing away, and an application that does not take them does not hold up the end."""
    session = start(role)
    say(session, "one", "two")
    session.close(1000, "", 0.0)
    say_close(session)

    assert session.over
    assert ["one", "two"] == take_all(session)
    assert Closed(1000, "", "local") == take_end(session)


@pytest.mark.parametrize("code", [999, 1005, 1006, 5000])
def test_a_code_that_cannot_be_sent_is_the_mistake_of_the_caller(code: int) -> None:
    """It is raised, and the session is as open as before."""
    session = start()

    with pytest.raises(LocalProtocolError):
        session.close(code, "", 0.0)

    assert (b"", 20.0) == session.todo()[0:5:4]


def test_a_close_without_a_code_is_answered_by_one() -> None:
    """It means 1005, which stands in no frame."""
    session = start()

    session.receive_data(said(session, CLOSE), 0.0)

    assert [(CLOSE, b"")] == heard(session)
    assert Closed(1005, "", "peer") == session.ending


# --- EOF, and TCP that is gone ----------------------------------------------------------------------------------------


@both_roles
def test_the_end_of_the_stream_without_a_close_is_a_loss(role: Role) -> None:
    """1006, no Close frame, and our half of the connection is ended too."""
    session = start(role)

    session.receive_eof(0.0)

    assert (b"", True, False, True, 5.0) == session.todo()
    assert Closed(1006, "", "lost") == take_end(session)
    with pytest.raises(NotOpen):
        session.connection.send_text("too late")


def test_half_of_a_connection_is_enough_to_answer() -> None:
    """A peer that has ended its half may still read: what it asked before is answered, then we hang up."""
    session = start()
    say(session, "question")
    session.receive_eof(0.0)
    assert not session.todo().hang_up

    session.connection.send_text("answer" if session.next_message(0.0) else "")
    take_end(session)

    assert [(TEXT, b"answer")] == frames_in((todo := session.todo()).send)
    assert todo.hang_up


def test_an_answer_to_half_of_a_connection_does_not_take_for_ever() -> None:
    """After the closing timeout we hang up, and after another it is dropped."""
    session = start()
    say(session, "question")
    session.receive_eof(0.0)

    session.wake(5.0)
    assert (b"", True, False, True, 10.0) == session.todo()
    session.wake(10.0)

    assert session.todo().drop


@both_roles
def test_the_stream_may_end_at_any_byte(role: Role) -> None:
    """What was whole is given out; only behind a whole Close is the end a clean one."""
    probe = start(role)
    wire = octets(said(probe, TEXT, "one"), said(probe, BINARY, b"two"), said(probe, CLOSE, close_body(1000)))
    ends = [len(said(probe, TEXT, "one")), len(said(probe, TEXT, "one") + said(probe, BINARY, b"two"))]
    for size in range(len(wire) + 1):
        session = start(role)
        session.receive_data(wire[:size], 0.0)
        session.receive_eof(0.0)
        session.receive_eof(0.0)

        assert ["one", b"two"][: sum(size >= end for end in ends)] == take_all(session)
        assert Closed(1000, "", "peer") if size == len(wire) else Closed(1006, "", "lost") == take_end(session)
        assert session.todo().hang_up
        assert session.over


@both_roles
def test_when_tcp_is_gone_nothing_more_is_done(role: Role) -> None:
    """No bytes and no deadlines; sending is too late, and that once more is no error."""
    session = start(role)
    session.connection.send_text("never written")

    session.lost(1.0)
    session.lost(2.0)

    assert (b"", None) == session.todo()[0:5:4]
    assert session.over
    assert Closed(1006, "", "lost") == take_end(session)
    with pytest.raises(NotOpen):
        session.connection.send_text("late")


@pytest.mark.parametrize("high", [0, 65536])
def test_when_tcp_is_gone_what_came_can_be_taken(high: int) -> None:
    """With the end that came behind it, also when there was no room to look at it."""
    session = start(receive_high=high)
    say(session, "one", "two")
    say_close(session, 1001)

    session.lost(1.0)

    assert session.over
    with pytest.raises(NotOpen):
        session.connection.send_text("late")
    session.close(1000, "", 1.0)
    session.fail(1011, "", 1.0)
    session.abort(1.0)
    assert ["one", "two"] == take_all(session, 2.0)
    assert Closed(1001, "", "peer") == take_end(session, 2.0)
    assert (b"", None) == session.todo()[0:5:4]


@pytest.mark.parametrize("begin", [start_server, start_client])
def test_tcp_may_be_gone_in_the_opening_handshake(begin: Callable[..., Session]) -> None:
    """The session ends, as always."""
    session = begin()

    session.lost(1.0)

    assert session.over
    assert Closed(1006, "", "lost") == take_end(session)
    assert State.CLOSED is session.connection.state


def test_tcp_may_be_gone_after_both_closes() -> None:
    """Nothing is lost then: it ended as the Close frames say."""
    session = start()
    session.close(1000, "", 0.0)
    say_close(session)

    session.lost(1.0)

    assert Closed(1000, "", "local") == take_end(session)


# --- Giving up --------------------------------------------------------------------------------------------------------


@both_roles
@pytest.mark.parametrize("full", [False, True])
def test_abort_drops_the_connection(role: Role, full: bool) -> None:
    """No Close, no deadline, and the messages in the queue can still be taken."""
    session = start(role)
    messages = fill(session) if full else []
    say(session, "no room") if full else None

    session.abort(1.0)

    todo = session.todo()
    assert (b"", True, True, True, None) == todo
    assert session.over
    assert messages == take_all(session)
    assert Closed(1006, "", "local") == take_end(session)
    session.wake(100.0)
    assert todo == session.todo()


@both_roles
def test_fail_tells_the_peer_and_hears_no_more(role: Role) -> None:
    """The Close goes out with the code, we hang up, and what still comes is thrown away, for a while."""
    session = start(role)
    say(session, "before")

    session.fail(1011, "my fault", 1.0)
    say(session, "after")
    session.fail(1001, "again", 2.0)

    todo = session.todo()
    assert [(CLOSE, close_body(1011, "my fault"))] == frames_in(todo.send)
    assert (True, False, True, 6.0) == todo[1:]
    assert ["before"] == take_all(session)
    assert Closed(1011, "my fault", "local") == take_end(session)
    session.wake(6.0)
    assert session.todo().drop


def test_fail_answers_a_close_too() -> None:
    """An application that breaks down while it answers what came before the Close."""
    session = start()
    say(session, "before")
    say_close(session)

    session.fail(1011, "my fault", 4.0)

    assert [(CLOSE, close_body(1011, "my fault"))] == heard(session)
    assert 9.0 == session.todo().wake_at
    assert Closed(1000, "", "peer") == session.ending


def test_a_failure_behind_the_back_of_the_session_is_noticed() -> None:
    """When the next byte or the next deadline comes at the latest."""
    for happens in (lambda session: session.receive_data(b"x", 20.0), lambda session: session.wake(20.0)):
        session = start()
        session.connection.fail(1011, "direct")

        happens(session)

        assert Closed(1011, "direct", "local") == session.ending
        assert 25.0 == session.todo().wake_at


def test_a_peer_that_is_dropped_is_handed_nothing_more() -> None:
    """Whatever is called after it."""
    session = start()
    session.abort(0.0)
    session.todo()

    say(session, "a")
    session.receive_data(said(session, PING), 1.0)
    session.receive_eof(2.0)
    session.close(1000, "", 3.0)
    session.fail(1011, "", 3.0)
    session.backlog(100_000, 4.0)
    session.wake(500.0)

    assert (b"", True, True, True, None) == session.todo()


# --- Copies -----------------------------------------------------------------------------------------------------------


def talk(session: Session, begin: int = 0) -> Iterator[object]:
    """Something of everything, from some step on, and what came of it after each."""
    steps: list[Callable[[], object]] = [
        lambda: say(session, "one", now=1.0),
        lambda: session.ping(None, 2.0),
        lambda: session.receive_data(said(session, TEXT, "two", fin=False)[:-1], 3.0),
        lambda: session.next_message(3.0),
        lambda: setattr(session.connection, "stream", True),
        lambda: session.receive_data(said(session, TEXT, "two", fin=False)[-1:], 4.0),
        lambda: session.next_message(4.0),
        lambda: session.receive_data(said(session, CONTINUATION, "three", fin=False), 5.0),
        lambda: session.next_chunk(5.0),
        lambda: session.next_chunk(5.0),
        lambda: session.receive_data(said(session, PONG, bytes([0, 0, 0, 1])), 6.0),
        lambda: session.receive_data(said(session, 3), 7.0),
        lambda: session.close(1000, "", 8.0),
        lambda: session.wake(13.0),
    ]
    for step in steps[begin:]:
        came = step()
        yield came, session.todo(), session.latency, session.waiting, session.ending and session.ending[:3]


COPIES = [copy.deepcopy, lambda session: pickle.loads(pickle.dumps(session))]


@pytest.mark.parametrize("clone", COPIES)
@both_roles
def test_a_session_can_be_copied_at_any_point(role: Role, clone: Callable[[Session], Session]) -> None:
    """The copy goes on where the original stood, and neither knows of the other."""
    expected = list(talk(start(role)))
    for at in range(len(expected)):
        session = start(role)
        steps = talk(session)
        for _ in range(at):
            next(steps)
        twin = clone(session)

        assert expected[at:] == list(talk(twin, at))
        assert expected[at:] == list(steps)


@pytest.mark.parametrize("clone", COPIES)
def test_a_session_can_be_copied_in_the_opening_handshake(clone: Callable[[Session], Session]) -> None:
    """At every byte of the request, and of an answer with a body."""
    for size in range(len(REQUEST) + 1):
        session = start_server()
        session.receive_data(REQUEST[:size], 0.0)
        twin = clone(session)
        twin.receive_data(REQUEST[size:], 0.0)

        assert isinstance(twin.connection, ServerConnection)
        twin.connection.accept()
        twin.proceed(0.0)
        assert twin.todo().send.startswith(b"HTTP/1.1 101 ")
        assert b"" == session.todo().send

    answer = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
    for size in range(len(answer)):
        waiting = Session(ClientConnection("example.com", random=Keys()), 0.0)
        waiting.receive_data(answer[:size], 0.0)
        twin = clone(waiting)
        twin.receive_data(answer[size:], 0.0)

        rejected = twin.opening.pop(0)
        assert isinstance(rejected, Rejected)
        assert b"no" == rejected.body
        assert not waiting.opening


# --- How it ended -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "closed, clean, text",
    [
        (Closed(1000, "", "peer"), True, "1000 (closed by the peer)"),
        (Closed(1001, "restart", "local"), True, "1001: restart (closed here)"),
        (Closed(1005, "", "peer"), True, "1005 (closed by the peer)"),
        (Closed(1006, "", "lost"), False, "1006 (TCP ended with no Close frame)"),
        (Closed(1011, "oops", "peer"), False, "1011: oops (closed by the peer)"),
        (Closed(4000, "", "peer"), False, "4000 (closed by the peer)"),
    ],
)
def test_an_end_says_how_it_came(closed: Closed, clean: bool, text: str) -> None:
    """The code, the reason, and who it was; clean is what an application need not handle."""
    end = ConnectionClosed(closed)

    assert (closed.code, closed.reason, clean, text) == (end.code, end.reason, end.clean, str(end))
    assert closed == pickle.loads(pickle.dumps(end)).closed


def test_an_end_by_a_violation_names_the_rule() -> None:
    """And where it was broken."""
    session = start()

    break_a_rule(session)

    with pytest.raises(ConnectionClosed, match=r"^1002: .*\(opcode-reserved, section 5.2 at byte 0\)$"):
        session.next_message(0.0)


def test_a_piece_of_a_message_that_will_never_be_whole_does_not_follow_the_end() -> None:
    """Who waited for a whole message and was told of the end gets nothing more, whatever it asks for."""
    session = start()
    session.connection.stream = True
    session.receive_data(said(session, TEXT, "a", fin=False), 0.0)
    assert session.next_message(0.0) is None
    session.lost(0.0)

    for take in (session.next_message, session.next_chunk, session.next_chunk):
        with pytest.raises(ConnectionClosed):
            take(0.0)


# --- Floods -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_a_flood_of_pings_is_answered_a_part_at_a_time(role: Role) -> None:
    """What else the transport has to do comes in between, and meanwhile it reads nothing."""
    session = start(role, now=0.0, limits=Limits(pongs=5000))
    session.receive_data(said(session, PING) * 3000 + said(session, TEXT, "last"), 1.0)
    parts = []
    while not (todo := session.todo()).read:
        parts.append(len(frames_in(todo.send)))
        assert 1.0 == todo.wake_at
        session.wake(1.0)
    parts.append(len(frames_in(todo.send)))

    assert [1024, 1024, 3000 - 2048] == parts
    assert ["last"] == take_all(session, 1.0)
    assert session.wake_at != 1.0


def test_an_application_that_asks_goes_on_with_a_flood() -> None:
    """It need not wait for its turn to come to what was said before."""
    session = start()
    session.receive_data(said(session, TEXT, "first") + said(session, PING) * 2000, 0.0)

    assert not session.reading
    assert "first" == session.next_message(0.0)
    assert session.reading


@pytest.mark.parametrize("name", ["opening", "ping_interval", "ping_timeout", "writing", "closing"])
@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_a_time_is_a_number_of_seconds(name: str, seconds: float) -> None:
    """For ever is None; anything else that no clock shows is refused where it is given."""
    with pytest.raises(ValueError, match=name):
        Patience(**{name: seconds})  # type: ignore[arg-type]


def test_there_is_some_time_between_two_pings() -> None:
    """With none, there would be nothing but Pings."""
    with pytest.raises(ValueError, match="ping_interval"):
        Patience(ping_interval=0)
