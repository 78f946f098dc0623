"""The opening handshake as bytes of HTTP/1.1, and the connection that it opens, from first byte to last."""

import pickle
from copy import deepcopy

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection, Wants
from rawws.core.deflate import Deflate, DeflateTerms
from rawws.core.errors import LocalProtocolError, NotOpen, RemoteProtocolError
from rawws.core.events import Closed
from rawws.core.headers import accept_for
from rawws.core.http1 import ClientConnection, Connected, Rejected, Request, ServerConnection, read_answer
from rawws.core.settings import Limits, Role
from rawws.core.states import State
from tests.wire import TEXT, Keys, chopped, close_body, feed, frame, frame_from, octets

REQUEST = (
    b"GET /chat HTTP/1.1\r\n"
    b"Host: server.example.com\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Origin: http://example.com\r\n"
    b"Sec-WebSocket-Protocol: chat, superchat\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    b"Sec-WebSocket-Protocol: chat\r\n"
    b"\r\n"
)
PLAIN = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
HELLO = frame_from(Role.CLIENT, TEXT, "Hello")
HI = frame_from(Role.SERVER, TEXT, "Hi")


class Nonce(Keys):
    """The RFC's sample nonce for the key, and after it masking keys that count up."""

    def __call__(self, size):
        return b"the sample nonce" if size == 16 else super().__call__(size)


def serve(pieces, answer=lambda server: server.accept("chat"), **options):
    """The events and the bytes of a server that answers each request at once."""
    server = ServerConnection(**options)
    events = []
    for piece in pieces:
        server.receive_data(piece)
        for event in server.events():
            events.append(event)
            if isinstance(event, Request):
                answer(server)
    return server, events, server.data_to_send()


def client(**options):
    """A client that has sent the request of section 1.2."""
    given = {"headers": [("Origin", "http://example.com")], "subprotocols": ["chat", "superchat"], **options}
    return ClientConnection("server.example.com", "/chat", random=Nonce(), **given)


def status_of(answer):
    """What another HTTP library reads in an answer: the status and the body."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "a"), ("Upgrade", "a")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(answer)
    reader.receive_data(b"")
    head, body = reader.next_event(), b""
    assert (b"connection", b"close") in list(head.headers)
    while isinstance(event := reader.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return head.status_code, body


def ending(closed):
    """What matters of an ending."""
    return closed.code, closed.by, None if closed.error is None else closed.error.rule


# --- A server accepts -----------------------------------------------------------------------------------------------


def test_the_handshake_of_the_rfc_is_accepted():
    """Section 1.2: the request and the answer, byte for byte, however the request comes."""
    for pieces in chopped(REQUEST):
        server, (request,), out = serve(pieces)
        assert ("GET", "/chat", None) == (request.method, request.target, request.error)
        assert ("chat", "superchat") == request.upgrade.subprotocols
        assert ANSWER == out
        assert State.OPEN is server.state
        assert "chat" == server.subprotocol


def test_a_server_is_connecting_until_it_answers():
    """No request, half of one, a whole one: nothing is open, and the transport reads on."""
    server = ServerConnection()
    for piece in (b"", REQUEST[:50], REQUEST[50:]):
        server.receive_data(piece)
        events = list(server.events())
        assert State.CONNECTING is server.state
        assert Wants.DATA is server.wants
        assert b"" == server.data_to_send()
    assert server.request is events[0]


def test_accepting_gives_back_what_was_settled():
    """The caller need not look it up."""
    _, _, _ = serve([REQUEST], lambda server: assert_agreed(server.accept("superchat"), "superchat"))
    _, _, out = serve([REQUEST], lambda server: assert_agreed(server.accept(headers=[("X-A", "1")]), None))

    assert b"Sec-WebSocket-Protocol" not in out
    assert out.endswith(b"\r\nX-A: 1\r\n\r\n")


def assert_agreed(agreement, subprotocol):
    """An agreement on this subprotocol."""
    assert Agreement(subprotocol=subprotocol) == agreement


def test_frames_that_came_with_the_request_follow_after_accept():
    """A client should wait, but nothing of what it sends is lost."""
    for pieces in chopped(REQUEST, HELLO, HELLO[:3]):
        server, events, _ = serve(pieces)
        server.receive_data(HELLO[3:])
        assert ["Hello", "Hello"] == [*events[1:], *server.events()]


def test_frames_that_came_before_accept_are_kept_up_to_a_bound():
    """A late answer finds them all; who sends without end is refused, and gets its refusal."""
    limits = Limits(header_bytes=512)
    server = ServerConnection(limits=limits)
    feed(server, [REQUEST])
    assert [] == feed(server, [HELLO] * 46)
    kept = deepcopy(server)

    server.accept()
    assert ["Hello"] * 46 == list(server.events())

    (closed,) = feed(kept, [HELLO])
    assert (1006, "error", rules.EARLY_DATA) == ending(closed)
    assert 400 == status_of(kept.data_to_send())[0]
    with pytest.raises(LocalProtocolError):
        kept.accept()


def test_an_open_server_is_what_a_connection_is():
    """Messages, violations and closing; offsets count from the first byte of the stream."""
    server, _, _ = serve([REQUEST])
    server.send_text("Hi")
    server.receive_data(HELLO + frame(TEXT, "unmasked"))
    message, closed = server.events()

    assert "Hello" == message
    assert (1002, "error", rules.MASK_MISSING) == ending(closed)
    assert len(REQUEST + HELLO) + 1 == closed.error.offset
    assert HI + frame(8, close_body(1002, closed.reason)) == server.data_to_send()
    assert State.CLOSED is server.state


def test_an_open_connection_pays_nothing_for_its_handshake():
    """What runs for each message is the code of `Connection` itself."""
    for name in ("receive_data", "next_event", "events", "send_text", "send_binary", "ping", "data_to_send", "wants"):
        for kind in (ServerConnection, ClientConnection):
            assert getattr(Connection, name) is getattr(kind, name)


def test_what_the_handshake_knows_does_not_crowd_the_connection():
    """CPython shares the keys of instances while they are fewer than 30; beyond, all become larger and slower."""
    for opened in (serve([REQUEST])[0], client()):
        assert 28 >= len(vars(opened))
        assert vars(opened).keys() == vars(Connection(opened.role)).keys()


# --- A server refuses -----------------------------------------------------------------------------------------------

VALID = REQUEST.decode()


@pytest.mark.parametrize(
    ("rule", "request_"),
    [
        (rules.METHOD, VALID.replace("GET", "POST")),
        (rules.METHOD, VALID.replace("GET", "get")),
        (rules.TARGET, VALID.replace("/chat", "*")),
        (rules.TARGET, VALID.replace("/chat", "/#f")),
        (rules.HOST, VALID.replace("server.example.com", "a b")),
        (rules.UPGRADE_MISSING, VALID.replace("Upgrade: websocket\r\n", "")),
        (rules.CONNECTION_MISSING, VALID.replace("Connection: Upgrade", "Connection: close")),
        (rules.KEY_MISSING, VALID.replace("Sec-WebSocket-Key", "Sec-WebSocket-Key1")),
        (rules.VERSION, VALID.replace("Version: 13", "Version: 25")),
        (rules.BODY_IN_REQUEST, VALID.replace("Origin: http://example.com", "Content-Length: 5")),
        (rules.BODY_IN_REQUEST, VALID.replace("Origin: http://example.com", "Transfer-Encoding: chunked")),
    ],
)
def test_another_request_is_given_too_and_accepting_it_refuses_it(rule, request_):
    """A health check may be answered; `accept` gives what the error deserves, and `Closed` follows."""
    for pieces in chopped(request_.encode()):
        server, (request, closed), out = serve(pieces)
        assert request.upgrade is None
        assert rule is request.error.rule
        assert (1006, "error", rule) == ending(closed)
        status, body = status_of(out)
        assert rule.code == status
        assert rule.name in body.decode()
        assert (Wants.LINGER, State.CLOSED) == (server.wants, server.state)


IN_HTTP_1_0 = b"GET /health HTTP/1.0\r\n\r\n"


def test_a_request_in_http_1_0_is_told_with_its_fault():
    """Health checks are made in it, and may be answered; no WebSocket begins with it."""
    for pieces in chopped(IN_HTTP_1_0):
        server = ServerConnection()
        [told] = feed(server, pieces)
        assert ("GET", "/health", None) == (told.method, told.target, told.upgrade)
        assert rules.HTTP_VERSION is told.error.rule
        server.reject(200, body=b"fine")
        assert (200, b"fine") == status_of(server.data_to_send())


def test_a_body_in_parts_ends_with_tcp_where_there_are_no_chunks():
    """HTTP/1.0 knows none (RFC 9112 6.1)."""
    server = ServerConnection()
    feed(server, [IN_HTTP_1_0])
    server.reject(200, body=b"fi", more_body=True)
    server.send_body(b"ne")
    answer = server.data_to_send()

    assert (200, b"fine") == status_of(answer)
    assert b"ransfer-" not in answer


def test_accepting_another_request_settles_nothing():
    """The caller learns that it is not open."""
    server = ServerConnection()
    feed(server, [PLAIN])

    assert server.accept() is None


@pytest.mark.parametrize(
    ("rule", "request_"),
    [
        (rules.HTTP_VERSION, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (rules.HTTP_MALFORMED, b"GET /\r\n"),
        (rules.HTTP_MALFORMED, b"GET / HTTP/1.1x\r\nHost: a\r\n\r\n"),
        (rules.HTTP_MALFORMED, b"GET / HTTP/1\r\nHost: a\r\n\r\n"),
        (rules.HTTP_MALFORMED, b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
        (rules.HTTP_MALFORMED, b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (rules.HTTP_MALFORMED, b"\x16\x03\x01\x02\x00"),
        (rules.HTTP_MALFORMED, b"\r\n" + REQUEST),
        (rules.HTTP_MALFORMED, REQUEST.replace(b"\r\n", b"\n")),
        (rules.HTTP_MALFORMED, REQUEST.replace(b"Origin:", b"Origin :")),
        (rules.HTTP_MALFORMED, REQUEST.replace(b"Origin: ", b"Origin:\r\n ")),
        (rules.HTTP_MALFORMED, REQUEST.replace(b"Origin: ", b"Origin: \x00")),
        (rules.HTTP_MALFORMED, REQUEST.replace(b"Origin: ", b"Origin: \r")),
        (rules.HTTP_MALFORMED, REQUEST.replace(b"Origin", b"Ori\x07gin")),
        (rules.HTTP_MALFORMED, REQUEST.replace(b"Origin", b"Ori\xffgin")),
        (rules.HTTP_MALFORMED, REQUEST.replace(b"Origin: ", b"")[:-4] + b"\r\nnothing\r\n\r\n"),
        (rules.HTTP_MALFORMED, REQUEST.replace(b"Origin: http", b"Content-Length: 5\r\nContent-Length: 6\r\nX: ")),
        (rules.HTTP_MALFORMED, REQUEST.replace(b"Origin: http", b"Transfer-Encoding: gzip\r\nX: ")),
        (rules.HOST, b"GET / HTTP/1.1\r\n\r\n"),
        (rules.HOST, REQUEST.replace(b"Origin", b"Host")),
        (rules.HEADERS_TOO_LARGE, b"GET / HTTP/1.1\r\nX: " + b"a" * 8192),
        (rules.HEADERS_TOO_LARGE, b"GET / HTTP/1.1\r\n" + (b"X: " + b"a" * 4091 + b"\r\n") * 4),
        (rules.HEADERS_TOO_LARGE, b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 129),
    ],
)
def test_what_is_no_http_1_1_is_refused_with_no_request(rule, request_):
    """A well-framed refusal goes out by itself; nothing was there to be answered."""
    for pieces in chopped(request_):
        server, (closed,), out = serve(pieces)
        assert (1006, "error", rule) == ending(closed)
        assert rule.code == status_of(out)[0]
        assert (Wants.LINGER, State.CLOSED) == (server.wants, server.state)
        assert server.request is None


def test_a_head_within_the_limits_is_accepted():
    """128 fields and lines of 8 KiB are still allowed."""
    fields = b"".join(b"X-%d: 1\r\n" % number for number in range(120)) + b"X: " + b"a" * (8192 - 5) + b"\r\n"
    assert 8192 == len(fields[fields.index(b"X: ") :])
    server, _, _ = serve([REQUEST.replace(b"Origin: http://example.com\r\n", fields)])

    assert State.OPEN is server.state


def test_a_second_request_is_never_read():
    """Nobody can hide a request behind one that is refused."""
    for first in (PLAIN, REQUEST.replace(b"Version: 13", b"Version: 25"), b"GET / HTTP/1.0\r\n\r\n"):
        for pieces in chopped(first + REQUEST):
            server, events, out = serve(pieces)
            assert 1 == out.count(b"Connection: close")
            assert 1 == sum(isinstance(event, Closed) for event in events)
            assert [] == feed(server, [REQUEST])
            assert b"" == server.data_to_send()


# --- A server rejects -----------------------------------------------------------------------------------------------


def rejected(*args, request=REQUEST, **kwargs):
    """What goes out when a request is rejected so."""
    _, events, out = serve([request], lambda server: server.reject(*args, **kwargs))
    assert isinstance(events[-1], Closed)
    return out


def test_a_request_is_rejected_with_403_and_nothing_invented():
    """No Date, no Server, no Content-Type: only what HTTP needs."""
    assert b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" == rejected()


def test_a_rejection_ends_the_connection():
    """`Closed` comes once the answer is whole, with the status as its reason."""
    server, (_, closed), _ = serve([REQUEST], lambda server: server.reject(404))

    assert Closed(1006, "404 Not Found", "local") == closed
    assert (Wants.LINGER, State.CLOSED) == (server.wants, server.state)
    server.receive_eof()
    assert Wants.CLOSE is server.wants


def test_a_rejection_keeps_headers_as_they_are():
    """Their order, their case, repeated ones; the length is that of the body, whatever was given."""
    headers = [
        ("Set-Cookie", "a=1"),
        (b"content-length", b"99"),
        (b"set-cookie", b"b=\xff"),
        ("Transfer-Encoding", "x"),
    ]

    assert (
        b"HTTP/1.1 401 Unauthorized\r\nSet-Cookie: a=1\r\nset-cookie: b=\xff\r\n"
        b"Content-Length: 4\r\nConnection: close\r\n\r\nbody"
    ) == rejected(401, headers, b"body")


def test_a_health_check_is_answered_with_200():
    """Any well-formed request can be."""
    assert (200, b"OK\n") == status_of(rejected(200, body=b"OK\n", request=PLAIN))


def test_a_status_may_have_no_name():
    """HTTP knows more numbers than names; the blank behind the number stays."""
    assert rejected(599).startswith(b"HTTP/1.1 599 \r\n")


def test_a_body_may_come_in_pieces():
    """Then it is chunked; an empty piece does not end it."""
    server = ServerConnection()
    feed(server, [REQUEST])
    server.reject(503, body=b"one", more_body=True)
    assert State.CONNECTING is server.state
    server.send_body(b"", more=True)
    server.send_body(b"two", more=True)
    assert [] == feed(server, [HELLO, REQUEST])
    server.send_body(b"three")

    assert [Closed(1006, "503 Service Unavailable", "local")] == list(server.events())
    out = server.data_to_send()
    assert (503, b"onetwothree") == status_of(out)
    assert out.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n")


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body(status, more):
    """RFC 9112 6.3: 204 and 304 end with their head, and announce nothing."""

    def answer(server):
        server.reject(status, body=b"x", more_body=more)
        if more:
            server.send_body(b"y")

    assert serve([REQUEST], answer)[2].endswith(b"\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("more", [False, True])
def test_an_answer_to_head_has_no_body(more):
    """RFC 9110 9.3.2: the head of what GET would get, and nothing behind it."""

    def answer(server):
        server.reject(200, body=b"body", more_body=more)
        if more:
            server.send_body(b"y")

    _, _, out = serve([PLAIN.replace(b"GET", b"HEAD")], answer)
    assert (b"chunked" if more else b"Content-Length: 4") in out
    assert out.endswith(b"\r\n\r\n")
    assert serve([PLAIN.replace(b"GET", b"HEAD")])[2].endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", [100, 101, 199, 600, 0, -1])
def test_a_rejection_has_a_final_status(status):
    """101 is for `accept`, and other 1xx are no answer."""
    with pytest.raises(ValueError):
        rejected(status)


# --- Answering at the wrong time ------------------------------------------------------------------------------------

ANSWERS = [ServerConnection.accept, ServerConnection.reject, lambda server: server.send_body(b"")]


@pytest.mark.parametrize("answer", ANSWERS)
def test_there_is_nothing_to_answer_before_a_request(answer):
    """A handshake is read, then answered, and its head before its body."""
    server = ServerConnection()
    for piece in (b"", REQUEST[:-1]):
        assert [] == feed(server, [piece])
        with pytest.raises(LocalProtocolError) as caught:
            answer(server)
        assert rules.HANDSHAKE_ORDER is caught.value.rule
        assert b"" == server.data_to_send()


@pytest.mark.parametrize("answer", ANSWERS[:2])
@pytest.mark.parametrize("first", ANSWERS[:2])
def test_a_handshake_is_answered_once(first, answer):
    """A second answer is a mistake of the caller, and changes nothing."""
    server, _, _ = serve([REQUEST], first)
    with pytest.raises(LocalProtocolError) as caught:
        answer(server)
    assert rules.HANDSHAKE_ANSWERED is caught.value.rule
    assert b"" == server.data_to_send()


def test_a_body_ends_once():
    """Nothing is sent behind its end."""
    server, _, _ = serve([REQUEST], lambda server: server.reject(404))
    with pytest.raises(LocalProtocolError) as caught:
        server.send_body(b"x")
    assert rules.HANDSHAKE_ANSWERED is caught.value.rule


def test_an_answer_may_come_too_late():
    """The client went away meanwhile: a race that is lost, and no mistake of the caller."""
    server = ServerConnection()
    feed(server, [REQUEST], eof=True)
    for answer in ANSWERS[:2]:
        with pytest.raises(NotOpen):
            answer(server)

    server = ServerConnection()
    feed(server, [REQUEST])
    server.reject(404, body=b"x", more_body=True)
    assert [Closed(1006, "", "lost")] == feed(server, [], eof=True)
    with pytest.raises(NotOpen):
        server.send_body(b"y")


@pytest.mark.parametrize(
    "answer",
    [
        lambda server: server.accept("other"),
        lambda server: server.accept(headers=[("A", "b\r\n")]),
        lambda server: server.accept(headers=[("Upgrade", "x")]),
        lambda server: server.reject(404, [("A\r\n", "b")]),
        lambda server: server.reject(700),
    ],
)
def test_a_wrong_answer_changes_nothing(answer):
    """The caller can still give a right one."""
    server = ServerConnection()
    feed(server, [REQUEST])
    with pytest.raises((LocalProtocolError, ValueError)):
        answer(server)
    assert b"" == server.data_to_send()
    server.accept("chat")

    assert ANSWER == server.data_to_send()


@pytest.mark.parametrize("make", [ServerConnection, client])
@pytest.mark.parametrize(
    "send",
    [
        lambda connection: connection.send_text("x"),
        lambda connection: connection.send_binary(b"x"),
        lambda connection: connection.ping(),
        lambda connection: connection.pong(),
    ],
)
def test_no_frame_is_sent_before_the_connection_is_open(make, send):
    """Section 4.1: the client "MUST wait for a response"; and a server does not answer with frames."""
    connection = make()
    connection.data_to_send()
    with pytest.raises(LocalProtocolError) as caught:
        send(connection)
    assert LocalProtocolError is type(caught.value)
    assert rules.NOT_YET_OPEN is caught.value.rule
    assert b"" == connection.data_to_send()


def test_after_a_handshake_that_failed_sending_is_too_late():
    """The connection is gone: a race that is lost."""
    server, _, _ = serve([REQUEST], ServerConnection.reject)
    for send in (lambda: server.send_text("x"), server.ping, server.close):
        with pytest.raises(NotOpen):
            send()


# --- Ends -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("came", [b"", REQUEST[:30], REQUEST, REQUEST + HELLO])
def test_a_client_may_go_away(came):
    """EOF in the handshake is the end, with nothing to answer."""
    for pieces in chopped(came):
        server = ServerConnection()
        events = feed(server, pieces, eof=True)
        assert Closed(1006, "", "lost") == events[-1]
        assert b"" == server.data_to_send()
        assert (Wants.CLOSE, State.CLOSED) == (server.wants, server.state)
        server.receive_eof()
        server.receive_data(b"x")
        assert server.next_event() is None


def test_a_request_may_be_answered_though_the_client_sends_no_more():
    """Who asks and half-closes, as a health check may, gets its answer if that comes at once."""
    server = ServerConnection()
    server.receive_data(PLAIN)
    server.receive_eof()
    assert isinstance(server.next_event(), Request)
    server.reject(200, body=b"OK")

    assert Closed(1006, "200 OK", "local") == server.next_event()
    assert (200, b"OK") == status_of(server.data_to_send())
    assert Wants.CLOSE is server.wants


@pytest.mark.parametrize(
    ("give_up", "status"),
    [
        (lambda server: server.close(1001, "going away"), 503),
        (lambda server: server.fail(1011, "too busy"), 503),
        (lambda server: server.fail(408, "the opening handshake is done in time"), 408),
    ],
)
@pytest.mark.parametrize("came", [REQUEST[:1], REQUEST[:50], REQUEST, REQUEST + HELLO])
def test_a_server_that_gives_up_says_so(give_up, status, came):
    """Shutdown and timeouts in the handshake have an HTTP status."""
    server = ServerConnection()
    feed(server, [came])
    give_up(server)
    (closed,) = server.events()

    assert (1006, "local", None) == ending(closed)
    assert status == status_of(server.data_to_send())[0]
    assert (Wants.LINGER, State.CLOSED) == (server.wants, server.state)


def test_a_server_that_gives_up_on_a_silent_client_says_nothing():
    """Nothing was asked."""
    server = ServerConnection()
    server.fail(408, "time is over")

    assert [Closed(1006, "time is over", "local")] == list(server.events())
    assert b"" == server.data_to_send()


def test_giving_up_with_1006_says_nothing():
    """The TCP connection is dropped, as it is when the connection is open."""
    server = ServerConnection()
    feed(server, [REQUEST])
    server.fail(1006)

    assert [Closed(1006, "", "local")] == list(server.events())
    assert b"" == server.data_to_send()


def test_giving_up_in_the_middle_of_a_body_leaves_it_unfinished():
    """The client sees that something is missing."""
    server = ServerConnection()
    feed(server, [REQUEST])
    server.reject(200, body=b"x", more_body=True)
    server.close()

    assert [Closed(1006, "", "local")] == list(server.events())
    assert server.data_to_send().endswith(b"1\r\nx\r\n")


def test_a_request_that_was_not_taken_is_dropped_when_the_server_gives_up():
    """As messages are when an open connection fails."""
    server = ServerConnection()
    server.receive_data(REQUEST)
    server.close()

    assert [Closed(1006, "", "local")] == list(server.events())


def test_open_connections_close_and_fail_as_ever():
    """The handshake's endings are for the handshake."""
    server, _, _ = serve([REQUEST])
    server.close(1001, "bye")
    assert frame(8, close_body(1001, "bye")) == server.data_to_send()
    server, _, _ = serve([REQUEST])
    server.fail(1011, "late")
    assert frame(8, close_body(1011, "late")) == server.data_to_send()
    assert [Closed(1011, "late", "local")] == list(server.events())


# --- A client asks --------------------------------------------------------------------------------------------------


def test_a_client_sends_the_request_at_once():
    """Section 4.1: the fields of the handshake behind Host, then those of one's own."""
    asks = client(headers=[("Origin", "http://example.com"), ("Cookie", "a=1")])

    assert (
        octets(
            b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
            b"Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://example.com\r\nCookie: a=1\r\n\r\n",
        )
        == asks.data_to_send()
    )
    assert (Wants.DATA, State.CONNECTING) == (asks.wants, asks.state)


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        (rules.HOST, {"host": ""}),
        (rules.HOST, {"host": "a\r\nX: b"}),
        (rules.HOST, {"host": "user@a"}),
        (rules.HOST, {"host": "ä"}),
        (rules.TARGET, {"target": "chat"}),
        (rules.TARGET, {"target": "/ä"}),
        (rules.TARGET, {"target": "/ HTTP/1.1\r\nX: b"}),
        (rules.TARGET, {"target": "/#f"}),
        (rules.SUBPROTOCOLS_INVALID, {"subprotocols": ["a", "a"]}),
        (rules.HEADER_INVALID, {"headers": [("A", "b\nC: d")]}),
        (rules.HEADER_INVALID, {"headers": [("A b", "c")]}),
        (rules.HEADER_INVALID, {"headers": [("host", "b")]}),
        (rules.HEADER_INVALID, {"headers": [("Sec-WebSocket-Key", "b")]}),
        (rules.HEADER_INVALID, {"headers": [("CONNECTION", "close")]}),
        (rules.HEADER_INVALID, {"headers": [("Transfer-Encoding", "chunked")]}),
    ],
)
def test_what_cannot_be_sent_is_not_sent(rule, given):
    """No request goes out that says something else than what was meant."""
    with pytest.raises(LocalProtocolError) as caught:
        ClientConnection(**{"host": "a", **given})
    assert rule is caught.value.rule


def test_a_client_is_open_with_the_right_answer():
    """Section 1.2, however it comes."""
    for pieces in chopped(ANSWER):
        opens = client()
        (connected,) = feed(opens, pieces)
        assert isinstance(connected, Connected)
        assert (b"upgrade", b"websocket") in connected.headers
        assert Agreement(subprotocol="chat") == connected.agreement
        assert "chat" == opens.subprotocol
        assert State.OPEN is opens.state


def test_frames_that_come_with_the_answer_are_not_lost():
    """A text, a Close, half a frame: they follow as events at once."""
    for pieces in chopped(ANSWER, HI, frame(8, close_body(1000))):
        assert ["Hi", Closed(1000, "", "peer")] == feed(client(), pieces)[1:]
    for pieces in chopped(ANSWER, HI[:2]):
        opens = client()
        feed(opens, pieces)
        assert ["Hi"] == feed(opens, [HI[2:]])


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER.replace(b" Switching Protocols", b""),
        ANSWER.replace(b" Switching Protocols", b" "),
        ANSWER.replace(b"1.1 101", b"1.2 101"),
        ANSWER.replace(b"Sec-WebSocket-", b"sec-websocket-").replace(b"Upgrade:", b"UPGRADE:"),
        ANSWER.replace(b": Upgrade", b":keep-alive,\tUPGRADE \t"),
        ANSWER.replace(
            b"Upgrade: websocket", b"Content-Length: 0\r\nUpgrade: WebSocket\r\nSet-Cookie: a\r\nSet-Cookie: b"
        ),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ANSWER,
    ],
)
def test_an_answer_may_be_written_in_other_ways(answer):
    """Section 4.1, and HTTP: no reason phrase, any case, other fields, other 1xx before it."""
    for pieces in chopped(answer):
        opens = client()
        assert [Connected] == [type(event) for event in feed(opens, pieces)]
        assert State.OPEN is opens.state


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        (rules.RESPONSE_VERSION, ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0")),
        (rules.RESPONSE_UPGRADE, ANSWER.replace(b"websocket", b"h2c")),
        (rules.RESPONSE_CONNECTION, ANSWER.replace(b"Connection", b"X")),
        (rules.ACCEPT_MISSING, ANSWER.replace(b"-Accept", b"-X")),
        (rules.ACCEPT_WRONG, ANSWER.replace(b"s3pP", b"S3pP")),
        (rules.ACCEPT_REPEATED, ANSWER.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Accept: x\r\n\r\n")),
        (rules.SUBPROTOCOL_UNOFFERED, ANSWER.replace(b": chat", b": other")),
        (rules.SUBPROTOCOL_REPEATED, ANSWER.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: chat\r\n\r\n")),
        (rules.EXTENSION_UNOFFERED, ANSWER.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: x\r\n\r\n")),
        (rules.RESPONSE_EXTENSIONS, ANSWER.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: ;;\r\n\r\n")),
        (rules.RESPONSE_MALFORMED, b"SSH-2.0-OpenSSH\r\n"),
        (rules.RESPONSE_MALFORMED, b"HTTP/2 101\r\n\r\n"),
        (rules.RESPONSE_MALFORMED, b"HTTP/1.1 1x1\r\n\r\n"),
        (rules.RESPONSE_MALFORMED, HI),
        (rules.RESPONSE_MALFORMED, ANSWER.replace(b"\r\n", b"\n")),
        (rules.RESPONSE_MALFORMED, ANSWER.replace(b"Upgrade: web", b"Upgrade:\r\n web")),
        (rules.RESPONSE_MALFORMED, ANSWER.replace(b"Upgrade:", b"Upgrade :")),
        (rules.RESPONSE_MALFORMED, ANSWER.replace(b"chat", b"chat\x00")),
        (rules.RESPONSE_TOO_LARGE, b"HTTP/1.1 101 " + b"a" * 8192),
        (rules.RESPONSE_TOO_LARGE, b"HTTP/1.1 101\r\n" + b"X: 1\r\n" * 129),
    ],
)
def test_a_wrong_answer_fails_the_connection(rule, answer):
    """Section 4.1: it is dropped; no frame was sent, and none is read."""
    for pieces in chopped(answer):
        fails = client()
        fails.data_to_send()
        (closed,) = feed(fails, [*pieces, HI])
        assert (1006, "error", rule) == ending(closed)
        assert b"" == fails.data_to_send()
        assert (Wants.CLOSE, State.CLOSED) == (fails.wants, fails.state)


def test_answers_before_the_answer_have_an_end():
    """All heads together are bounded as one is: a server cannot say 100 Continue for ever."""
    for pieces in chopped(b"HTTP/1.1 100 Continue\r\n\r\n" * 10):
        (closed,) = feed(client(limits=Limits(header_bytes=200)), pieces)
        assert (1006, "error", rules.RESPONSE_TOO_LARGE) == ending(closed)


# --- Both agree on compression --------------------------------------------------------------------------------------

OFFER = b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10; client_max_window_bits=9"
FALLBACK = b", permessage-deflate; client_max_window_bits=9\r\n"
CHOICE = b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10; client_max_window_bits=9\r\n"
HELLO_COMPRESSED = bytes.fromhex("c1 07 f2 48 cd c9 c9 07 00")


def with_field(head, field):
    """A head with one field more, the last."""
    return head.removesuffix(b"\r\n") + field + b"\r\n"


def test_a_client_offers_compression_and_has_it():
    """RFC 7692 section 5: one field in the request, one in the answer; then compressed messages are read."""
    opens = client(compression=Deflate(10, 9))
    assert OFFER + FALLBACK in opens.data_to_send()

    answer = with_field(ANSWER, CHOICE)
    for pieces in chopped(answer, HELLO_COMPRESSED):
        opens = client(compression=Deflate(10, 9))
        connected, message = feed(opens, pieces)
        terms = DeflateTerms(server_max_window_bits=10, client_max_window_bits=9, wish=Deflate(10, 9))
        assert terms == connected.agreement.compression == opens.compression
        assert "Hello" == message


def test_a_server_grants_compression_and_has_it():
    """What came early is read on the terms that were settled meanwhile."""
    early = octets("c1 87 00000000 f248cdc9c90700")
    for pieces in chopped(with_field(REQUEST, OFFER + FALLBACK), early):
        server, events, out = serve(pieces, lambda server: server.accept("chat", compression=Deflate(12, 12)))
        assert with_field(ANSWER, CHOICE) == out
        assert ["Hello"] == [*events[1:], *server.events()]
        assert 9 == server.compression.client_max_window_bits


def test_a_server_that_is_not_asked_says_nothing_of_compression():
    """And one that does not want it says nothing either; RSV1 then breaks a rule."""
    answers = (lambda server: server.accept("chat", compression=Deflate())), (lambda server: server.accept("chat"))
    for request, answer in zip((REQUEST, with_field(REQUEST, OFFER + b"\r\n")), answers):
        server, _, out = serve([request], answer)
        assert (ANSWER, None) == (out, server.compression)
        (closed,) = feed(server, octets("c1 80 00000000"))
        assert (1002, "error", rules.RESERVED_BITS) == ending(closed)


@pytest.mark.parametrize(
    "offer",
    [
        b"server_max_window_bits=7",
        b"server_max_window_bits=99",
        b"client_max_window_bits=",
        b'x="a\\b"',
        b"a; a",
        b"constructor",
    ],
)
def test_an_offer_that_is_not_right_never_ends_in_an_error(offer):
    """RFC 7692 section 7: it is declined, and the connection opens without (others answer 500 or crash)."""
    request = with_field(REQUEST, b"Sec-WebSocket-Extensions: permessage-deflate; " + offer + b"\r\n")
    for pieces in chopped(request):
        server, _, out = serve(pieces, lambda server: server.accept("chat", compression=Deflate()))
        assert (ANSWER, State.OPEN, None) == (out, server.state, server.compression)


@pytest.mark.parametrize(
    ("rule", "choice"),
    [
        (rules.COMPRESSION_TERMS, b"permessage-deflate; x"),
        (rules.COMPRESSION_TERMS, b"permessage-deflate; client_max_window_bits"),
        (rules.COMPRESSION_TERMS, b"permessage-deflate; server_max_window_bits=16"),
        (rules.EXTENSION_UNOFFERED, b"permessage-deflate, permessage-deflate"),
        (rules.EXTENSION_UNOFFERED, b"permessage-foo"),
    ],
)
def test_a_choice_that_is_not_right_fails_the_connection(rule, choice):
    """RFC 7692 section 7: the client "MUST _Fail the WebSocket Connection_"."""
    for pieces in chopped(with_field(ANSWER, b"Sec-WebSocket-Extensions: " + choice + b"\r\n")):
        fails = client(compression=Deflate())
        (closed,) = feed(fails, [*pieces, HI])
        assert (1006, "error", rule) == ending(closed)


NOT_FOUND = (b"content-type", b"text/plain")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"Content-Length: 5\r\n\r\nHello", b"Hello"),
        (b"Content-Length: 5\r\n\r\nHello, and more", b"Hello"),
        (b"Content-Length: 0\r\n\r\n", b""),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nHe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: x\r\n\r\n", b"Hello"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n??\r\n", b"Hello"),
        (b"\r\n" + b"a" * 100 + b"b" * 100, b"a" * 100),
        (b"Content-Length: 200\r\n\r\n" + b"a" * 200, b"a" * 100),
    ],
)
def test_another_answer_is_given_once_it_is_whole(answer, body):
    """Section 4.1: it is handled as HTTP.  The body is whole, at the bound, or not to be read any further."""
    head = b"HTTP/1.1 404 Not here\r\nContent-Type: text/plain\r\n"
    for pieces in chopped(head, answer):
        fails = client(limits=Limits(response_body=100))
        fails.data_to_send()
        rejected, closed = feed(fails, pieces)
        assert (404, "Not here", body) == (rejected.status, rejected.reason, rejected.body)
        assert NOT_FOUND == rejected.headers[0]
        assert Closed(1006, "404 Not here", "peer") == closed
        assert b"" == fails.data_to_send()
        assert (Wants.CLOSE, State.CLOSED) == (fails.wants, fails.state)


@pytest.mark.parametrize(
    "framing", [b"", b"Content-Length: 99\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"]
)
def test_a_body_may_end_with_the_stream(framing):
    """What there is of it is given."""
    body = b"5\r\nHello\r\n" if b"chunked" in framing else b"Hello"
    for pieces in chopped(b"HTTP/1.1 500 Oh\r\n", framing, b"\r\n", body):
        rejected, closed = feed(client(), pieces, eof=True)
        assert Rejected(500, "Oh", rejected.headers, b"Hello") == rejected
        assert Closed(1006, "500 Oh", "peer") == closed


def test_an_answer_may_come_with_the_end_of_the_stream():
    """Whether the end is known before anything is read makes no difference."""
    fails = client()
    fails.receive_data(b"HTTP/1.1 500\r\n\r\nHel")
    fails.receive_data(b"lo")
    fails.receive_eof()
    rejected, closed = fails.events()

    assert Rejected(500, "", (), b"Hello") == rejected
    assert Closed(1006, "500", "peer") == closed


def test_200_with_all_the_right_fields_opens_nothing():
    """Section 4.1: only 101 does."""
    fails = client()
    rejected, closed = feed(fails, [ANSWER.replace(b"101", b"200"), HI], eof=True)

    assert (200, HI) == (rejected.status, rejected.body)
    assert "peer" == closed.by


@pytest.mark.parametrize("came", [b"", b"HTTP/1.1 1", ANSWER[:-1], b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_the_server_may_go_away(came):
    """EOF in the handshake is the end."""
    for pieces in chopped(came):
        fails = client()
        assert [Closed(1006, "", "lost")] == feed(fails, pieces, eof=True)
        assert (Wants.CLOSE, State.CLOSED) == (fails.wants, fails.state)


@pytest.mark.parametrize("give_up", [lambda one: one.close(1001, "bye"), lambda one: one.fail(408, "bye")])
def test_a_client_that_gives_up_just_ends(give_up):
    """Section 7.1.7: there is nothing to say before the connection is open."""
    for came in (b"", ANSWER[:20]):
        ends = client()
        ends.data_to_send()
        feed(ends, [came])
        give_up(ends)
        assert [Closed(1006, "bye", "local")] == feed(ends, [ANSWER])
        assert b"" == ends.data_to_send()
        assert (Wants.CLOSE, State.CLOSED) == (ends.wants, ends.state)


def test_without_auto_close_the_handshake_is_still_answered():
    """Only the answers to a Close and to wrong frames wait."""
    server, _, out = serve([PLAIN], auto_close=False)
    assert 426 == status_of(out)[0]
    assert Wants.LINGER is server.wants
    fails = client(auto_close=False)
    assert [Closed(1006, "", "lost")] == feed(fails, [], eof=True)
    assert Wants.CLOSE is fails.wants


# --- Both together --------------------------------------------------------------------------------------------------


def conversation(copy=lambda connection: connection):
    """A client and a server speak, byte by byte; after each, both are put through `copy`."""
    one, other = client(auto_pong=True), ServerConnection()
    log = []
    while True:
        sent, answered = one.data_to_send(), other.data_to_send()
        if not sent and not answered:
            return log
        for byte in sent:
            other = copy(other)
            other.receive_data(bytes([byte]))
            for event in other.events():
                log.append(event)
                if isinstance(event, Request):
                    other.accept("chat")
                    other.send_text("welcome")
        for byte in answered:
            one = copy(one)
            one.receive_data(bytes([byte]))
            for event in one.events():
                log.append(event)
                if event == "welcome":
                    one.send_binary(b"thanks")
                    one.close()


def test_a_client_and_a_server_talk():
    """From the first byte to the last."""
    request, connected, *rest = conversation()

    assert request.upgrade.key is not None
    assert "chat" == connected.agreement.subprotocol
    assert ["welcome", b"thanks", Closed(1000, "", "peer"), Closed(1000, "", "local")] == rest


@pytest.mark.parametrize("copy", [deepcopy, lambda connection: pickle.loads(pickle.dumps(connection))])
def test_a_connection_can_be_copied_and_pickled_at_every_byte(copy):
    """The copy goes on where the original stood, in the middle of a handshake too."""
    assert conversation() == conversation(copy)


@pytest.mark.parametrize("copy", [deepcopy, lambda connection: pickle.loads(pickle.dumps(connection))])
def test_a_rejection_can_be_copied_and_pickled_at_every_byte(copy):
    """While its body is sent and received, too."""
    server = ServerConnection()
    feed(server, [REQUEST])
    server.reject(404, body=b"one", more_body=True)
    server = copy(server)
    server.send_body(b"two")
    fails, events = client(), []
    for byte in server.data_to_send():
        fails = copy(fails)
        events += feed(fails, [bytes([byte])])
    assert [b"onetwo"] == [event.body for event in events if isinstance(event, Rejected)]


KEYS = st.binary(min_size=16, max_size=16)


@given(KEYS)
def test_any_key_is_accepted_with_its_proof(nonce):
    """Section 4.2.2: for every nonce of 16 bytes."""
    asks = ClientConnection("a", random=lambda size: nonce[:size])
    _, _, out = serve([asks.data_to_send()], ServerConnection.accept)

    assert b"Sec-WebSocket-Accept: " + accept_for(asks.upgrade.key) in out
    assert [Connected] == [type(event) for event in feed(asks, [out])]


# --- Anything -------------------------------------------------------------------------------------------------------

LINES = st.sampled_from(
    [*REQUEST.splitlines(True), *ANSWER.splitlines(True), b"\r\n", b"Host: a\r\n", b"\n", b" x\r\n"]
)
STREAMS = st.lists(LINES | st.binary(max_size=12), max_size=14).map(b"".join)
HEADS = st.sampled_from(
    [REQUEST, ANSWER, PLAIN, b"HTTP/1.1 404 x\r\n", b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"]
)


@st.composite
def streams(draw):
    """A handshake with something else in the middle of it, or behind it."""
    head = draw(HEADS)
    at = draw(st.integers(0, len(head)))
    return head[:at] + draw(STREAMS) + head[at + draw(st.integers(0, 3)) :]


def outcome(connection, pieces):
    """The events, the bytes and where it stands in the end."""
    events = []
    for piece in pieces:
        connection.receive_data(piece)
        for event in connection.events():
            events.append(event)
            if isinstance(event, Request):
                connection.accept()
    open_at_end = connection.state
    connection.receive_eof()
    events += connection.events()
    return [repr(event) for event in joined(events)], open_at_end, connection.data_to_send(), connection.wants


def joined(events):
    """Exactly one ending, and it is the last."""
    assert [len(events) - 1] == [at for at, event in enumerate(events) if isinstance(event, Closed)]
    return events


@pytest.mark.parametrize("make", [ServerConnection, client])
@given(data=STREAMS | streams() | st.binary(max_size=60))
def test_whatever_comes_is_an_event(make, data):
    """No bytes raise; there is exactly one ending; and how they are cut changes nothing at all."""
    limits = Limits(header_line=80, header_bytes=300, header_count=9, response_body=20)
    whole = outcome(make(limits=limits), [data])
    assert whole == outcome(make(limits=limits), [data[at : at + 1] for at in range(len(data))])
    assert whole == outcome(make(limits=limits), [data[: len(data) // 2], data[len(data) // 2 :]])


NAMES = ["Host", "host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "X", "x y", "", "ü"]
VALUES = ["a", "", "5", "5, 5", "5,6", "-1", "chunked", "gzip", "Chunked", "close", "ü", " a\tb ", "a:b"]
COLONS = [":", ": ", " :", "", ":\t"]
FIELD_LINES = st.lists(st.tuples(*map(st.sampled_from, (NAMES, COLONS, VALUES))).map("".join), max_size=4)
METHODS = ["GET", "CONNECT", "gét", "A{", "G"]
TARGETS = [" / ", " * ", " a:1 ", " /ü ", " http://a/ ", "  "]
VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/1.9", "HTTP/1", "HTTP/1.x", "HTTP/1.10", "http/1.1"]
STATUSES = [" 101", " 1010", " 0101", " 101x", " 10"]
REASONS = ["", " ", " Hi", " ü\t!", "\t"]


def read_by_h11(role, first, lines):
    """The same head, and what h11 makes of it when it reads all of it; None if it refuses it."""
    reader = h11.Connection(role)
    if role is h11.CLIENT:
        reader.send(h11.Request(method="GET", target="/", headers=[("Host", "a"), ("Upgrade", "a")]))
        reader.send(h11.EndOfMessage())
    head = "\r\n".join(["".join(first), *lines, "", ""]).encode("latin-1")
    reader.receive_data(head)
    try:
        return head, reader.next_event()
    except h11.RemoteProtocolError:
        return head, None


def is_folded(lines):
    """A folded line is put up with by h11, and not here."""
    return any(line.startswith((" ", "\t")) for line in lines)


@given(first=st.tuples(*map(st.sampled_from, (METHODS, TARGETS, VERSIONS))), lines=FIELD_LINES, host=st.booleans())
def test_a_request_is_what_h11_takes_it_for(first, lines, host):
    """The lines are cut here and their parts judged by h11; when it reads the whole head, it comes to the same."""
    head, expected = read_by_h11(h11.SERVER, first, ["Host: a"] * host + lines)
    event = serve([head], answer=lambda _: None)[1][0]

    if isinstance(event, Request):
        assert (expected.method, expected.target) == (event.method.encode(), event.target.encode())
        assert tuple(expected.headers) == event.headers
    else:
        assert expected is None or is_folded(lines)
        assert event.error.rule in (rules.HTTP_MALFORMED, rules.HOST)


@given(first=st.tuples(*map(st.sampled_from, (VERSIONS, STATUSES, REASONS))), lines=FIELD_LINES)
def test_a_switch_is_what_h11_takes_it_for(first, lines):
    """The same for an answer with 101; others h11 reads itself."""
    head, expected = read_by_h11(h11.CLIENT, first, ANSWER.decode().split("\r\n")[1:4] + lines)
    connection = client()
    connection.receive_data(head)
    event = connection.next_event()

    if isinstance(event, Connected):
        assert tuple(expected.headers) == event.headers
    elif expected is None or is_folded(lines):
        assert rules.RESPONSE_MALFORMED is event.error.rule
    else:
        assert (rules.RESPONSE_VERSION, b"1.0") == (event.error.rule, expected.http_version)


@pytest.mark.parametrize("end", [b"no field\r\n\r\n", b"\x00\r\n", b"x: " + bytes(9000)])
def test_a_head_that_is_refused_is_not_kept(end):
    """While the peer is given time to read the refusal, nothing of the head that it sent stays in memory."""
    for make in (ServerConnection, client):
        connection = make()
        first = REQUEST if make is ServerConnection else ANSWER
        connection.receive_data(first[:-2] + b"x-much: more\r\n" * 60 + end)
        assert isinstance(list(connection.events())[-1], Closed)
        connection.data_to_send()
        assert b"x-much: more" not in pickle.dumps(connection)


@pytest.mark.parametrize("make", [ServerConnection, client])
@pytest.mark.parametrize("size", [0, 9, len(REQUEST)])
def test_an_opening_handshake_that_is_dropped_waits_for_nobody(make, size):
    """After `fail` with 1006 the TCP connection is to be closed, as it is once the connection is open."""
    connection = make()
    feed(connection, REQUEST[:size] if make is ServerConnection else ANSWER[: size // 2])
    connection.data_to_send()
    connection.fail(1006)
    assert [Closed(1006, "", "local")] == list(connection.events())
    assert b"" == connection.data_to_send()
    assert Wants.CLOSE is connection.wants


# --- Where it was broken --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "at"),
    [
        (VALID.replace("GET", "POST"), "POST"),
        (VALID.replace("HTTP/1.1", "HTTP/1.0"), "GET"),
        (VALID.replace("server.example.com", "a b"), "Host"),
        (VALID.replace("Connection: Upgrade", "Connection: close"), "Connection"),
        (VALID.replace("Version: 13", "Version: 25"), "Sec-WebSocket-Version"),
        (VALID.replace("Origin: ", "Sec-WebSocket-Key: "), "Sec-WebSocket-Key: http"),
        (VALID.replace("Sec-WebSocket-Key", "Key"), "\r\n\r\n"),
    ],
)
def test_a_refusal_says_which_byte_of_the_request_it_is_for(request_, at):
    """The first byte of the last field at fault, or of the line; where something is missing, the end of the head."""
    expected = request_.index(at) + (2 if at == "\r\n\r\n" else 0)

    for pieces in chopped(request_.encode()):
        _, events, _ = serve(pieces)
        assert expected == events[-1].error.offset


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.0 101"),
        (b"Upgrade: websocket", b"Upgrade: h2c", b"Upgrade: h2c"),
        (b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", b"wrong", b"Sec-WebSocket-Accept"),
        (b": chat", b": bridge", b"Sec-WebSocket-Protocol"),
    ],
)
def test_a_client_says_which_byte_of_the_answer_was_wrong(old, new, at):
    """It counts from the first byte that the server sent, an answer that went before included."""
    answer = b"HTTP/1.1 103 Early Hints\r\n\r\n" + ANSWER.replace(old, new)

    for pieces in chopped(answer):
        connection = client()
        events = feed(connection, pieces)
        assert answer.index(at) == events[-1].error.offset


def test_the_head_of_an_answer_is_read_by_itself() -> None:
    """Who asks a proxy for a way reads its answer with the same eyes: status, reason and fields, and no body."""
    head = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 9\r\n\r\n"

    answer = read_answer(head)

    assert (407, "Proxy Authentication Required", b"") == (answer.status, answer.reason, answer.body)
    assert (b"proxy-authenticate", b"Basic") in answer.headers


def test_the_head_of_an_answer_may_be_no_http() -> None:
    """It is the fault of whoever answers."""
    with pytest.raises(RemoteProtocolError) as caught:
        read_answer(b"SSH-2.0-OpenSSH\r\n\r\n")

    assert rules.RESPONSE_MALFORMED is caught.value.rule
