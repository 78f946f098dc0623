"""`WebSocket` and `create_connection`: what does not need websocket-client beside it."""

import asyncio
import contextlib
import io
import logging
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
import websocket as theirs

from rawws import ConnectionClosed, Deflate, RemoteProtocolError, Response, blocking
from rawws.compat import websocket as ours
from rawws.compat.websocket.options import tls_context
from tests.compat.servers import answers_close, close, keeps_silent, more, ping, says, serving, text, vanishes
from tests.compat.test_app import LIMIT, echoing, in_thread
from tests.proxy import PASSWORD, USER, Proxy

# --- Threads and endings --------------------------------------------------------------------------------------------


def test_a_block_closes_at_its_end() -> None:
    """With 1000, or with 1011 if it raised."""
    codes = []

    def handler(ws: blocking.WebSocket) -> None:
        with contextlib.suppress(ConnectionClosed):
            ws.recv()
        codes.append(ws.close_code)

    with echoing(handler) as url:
        with ours.create_connection(url) as ws:
            assert ws.connected
        with pytest.raises(KeyError), ours.create_connection(url):
            raise KeyError

    assert not ws.connected
    assert [1000, 1011] == sorted(codes)


@pytest.mark.parametrize("end", ["close", "abort", "shutdown"])
def test_a_thread_that_receives_is_told_of_the_end_by_another(end: str) -> None:
    """At once."""
    heard: list[Any] = []

    def receive() -> None:
        try:
            heard.append(ws.recv())
        except ours.WebSocketConnectionClosedException as error:
            heard.append(str(error))

    with serving(answers_close()) as place:
        ws = ours.create_connection(place.url)
        thread = in_thread(receive)
        time.sleep(0.05)
        began = time.monotonic()
        getattr(ws, end)()
        thread.join()
        assert time.monotonic() - began < LIMIT

    assert ["" if end == "close" else "Connection is closed"] == heard


def test_close_waits_for_the_server_no_longer_than_it_is_told() -> None:
    """Then the connection is dropped."""
    with serving(keeps_silent) as place:
        ws = ours.create_connection(place.url)
        began = time.monotonic()
        ws.close(timeout=0.1)
        assert 0.1 <= time.monotonic() - began < LIMIT


def test_the_end_may_be_said_and_heard_in_two_steps() -> None:
    """`send_close`, then `recv_data` until the server has answered."""
    with serving(answers_close(text("a"))) as place:
        ws = ours.create_connection(place.url)
        ws.send_close(4000, b"bye")
        with pytest.raises(ours.WebSocketConnectionClosedException):
            ws.send("late")
        assert [(1, b"a"), (8, b"\x03\xe8ok")] == [ws.recv_data(), ws.recv_data()]


def test_a_close_by_opcode() -> None:
    """`send` with OPCODE_CLOSE takes the body of the frame."""
    with serving(answers_close()) as place:
        ws = ours.create_connection(place.url)
        ws.send(b"\x0f\xa0bye", ours.ABNF.OPCODE_CLOSE)
        assert "" == ws.recv()


def test_iterating_ends_with_an_exception_when_it_went_wrong() -> None:
    """Unless the server closed with 1000, 1001, or no code."""
    for script, error in ((vanishes(text("a")), "lost"), (says(text("a"), close(1011, "sorry")), "1011.*sorry")):
        with serving(script) as place:
            ws = ours.create_connection(place.url)
            assert "a" == next(ws)
            with pytest.raises(ours.WebSocketConnectionClosedException, match=error):
                next(ws)


def test_what_went_wrong_can_be_asked_for() -> None:
    """The exception of rawws is the cause: it knows the rule and the byte."""
    with serving(says(b"\x83\0")) as place:
        ws = ours.create_connection(place.url)
        with pytest.raises(ours.WebSocketProtocolException, match=r"opcode-reserved, section 5\.2") as error:
            ws.recv()

    cause = error.value.__cause__
    assert cause is not None
    assert "opcode-reserved" == cause.closed.error.rule.name  # type: ignore[attr-defined]


def test_what_went_wrong_in_the_opening_handshake_can_be_asked_for() -> None:
    """There too."""
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    raised = pytest.raises(ours.WebSocketProtocolException, match="accept-missing")
    with serving(says(), answer=answer) as place, raised as error:
        ours.create_connection(place.url)

    assert isinstance(error.value.__cause__, RemoteProtocolError)


def test_pieces_may_be_received_one_after_the_other() -> None:
    """With `fire_cont_frame`: by `recv`, or in a loop."""
    speech = (text("a", False), more(b"b"), text("c", False), more(b"d"), ping(b"?"), text("e"), close())
    with serving(says(*speech)) as place:
        ws = ours.create_connection(place.url, fire_cont_frame=True)
        assert ["a", "b"] == [ws.recv(), ws.recv()]
        assert ["c", "d", "e"] == list(ws)


def test_a_ping_is_passed_over_by_who_wants_messages() -> None:
    """It is answered, and said by `next` as little as by `recv`."""
    with serving(says(ping(b"?"), text("a"), ping(b"?"), text("b"))) as place:
        ws = ours.create_connection(place.url)
        assert ["a", "b"] == [ws.next(), next(ws)]
        ws.shutdown()


def test_text_as_bytes() -> None:
    """With `skip_utf8_validation`."""
    with serving(says(text("ğ"), text("a"))) as place:
        ws = ours.create_connection(place.url, skip_utf8_validation=True)
        assert ["ğ".encode(), b"a"] == [ws.recv(), next(ws)]
        ws.shutdown()


# --- The socket -----------------------------------------------------------------------------------------------------


def test_the_socket_may_be_asked_for_its_addresses_and_options() -> None:
    """But not be read or written beside the connection, which is what `select` on it is for."""
    with echoing() as url:
        ws = ours.create_connection(url, sockopt=((socket.SOL_SOCKET, socket.SO_RCVBUF, 8192),))
        sock = ws.sock
        assert sock is not None
        assert f"ws://127.0.0.1:{sock.getpeername()[1]}/" == url
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert 8192 <= sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 4 * 8192
        sock.settimeout(3)
        assert 3 == sock.gettimeout() == ws.gettimeout()
        for call in (lambda: sock.recv(1), lambda: sock.fileno(), ws.fileno):
            with pytest.raises(NotImplementedError, match=r"the socket: it belongs to|select does not see"):
                call()
        assert not hasattr(sock, "nothing")
        ws.close()

    assert ws.sock is None


def test_a_socket_may_be_given() -> None:
    """One that is connected, in place of the host in the URL."""
    with echoing() as url:
        port = int(url[:-1].rpartition(":")[2])
        given = socket.create_connection(("127.0.0.1", port))
        with ours.create_connection("ws://example.com/", socket=given, host="127.0.0.1", suppress_origin=True) as ws:
            ws.send("hi")
            assert "hi" == ws.recv()


def test_the_default_timeout() -> None:
    """It is that of every connection made from then on."""
    ours.setdefaulttimeout(0.05)
    try:
        assert 0.05 == ours.getdefaulttimeout()
        with serving(says()) as place:
            ws = ours.create_connection(place.url)
            with pytest.raises(ours.WebSocketTimeoutException):
                ws.recv()
            ws.shutdown()
    finally:
        ours.setdefaulttimeout(None)


@pytest.mark.parametrize("key", [b"\1\2\3\4", "\1\2\3\4"])
def test_masking_keys_may_be_one_s_own(key: Any) -> None:
    """For who compares the bytes on the wire; the key of the opening handshake stays unpredictable."""
    came: list[bytes] = []
    with serving(*[lambda sock: came.append(sock.recv(100))] * 2) as place:
        ws = ours.WebSocket()
        ws.set_mask_key(lambda size: key)
        for _ in range(2):
            ws.connect(place.url)
            ws.send("aaaa")
            ws.shutdown()

    assert [b"\x81\x84\1\2\3\4`cbe"] * 2 == came
    assert place.heads[0] != place.heads[1]


# --- The way there --------------------------------------------------------------------------------------------------


def redirecting(to: str) -> Any:
    """A hook of a server that leads away from /old."""
    return lambda request: Response(302, {"Location": to}) if request.target == "/old" else None


def test_redirects_are_followed() -> None:
    """Three of them, as in websocket-client; `redirect_limit` says otherwise."""
    with echoing(process_request=redirecting("/new")) as url:
        with ours.create_connection(url + "old", header=["X-Secret: s"]) as ws:
            assert ws.getstatus() == 101
        with pytest.raises(ours.WebSocketBadStatusException) as error:
            ours.create_connection(url + "old", redirect_limit=0)

    assert 302 == error.value.status_code


def test_a_redirect_to_another_origin_takes_no_secrets_along() -> None:
    """Neither the fields of the program, nor its cookies, nor who it is; the page that it claims to be is no secret."""
    seen: list[Any] = []

    def note(request: Any) -> None:
        seen.append(dict(request.headers))

    with (
        echoing(process_request=note, origins=None) as there,
        echoing(process_request=redirecting(there.replace("127.0.0.1", "localhost"))) as here,
    ):
        options = {"header": {"X-Secret": "s", "Host": "me"}, "cookie": "a=b"}
        ours.create_connection(here.replace("//", "//ann:pw@") + "old", **options, origin="http://me").close()

    (fields,) = seen
    assert {b"host", b"origin", b"upgrade", b"connection"} == {
        name for name in fields if not name.startswith(b"sec-websocket")
    }
    assert fields[b"host"].startswith(b"localhost:")
    assert b"http://me" == fields[b"origin"]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread, for proxies."""
    made = asyncio.new_event_loop()
    thread = in_thread(made.run_forever)
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


@pytest.mark.parametrize("kind", ["http", "socks5h", "socks4a"])
def test_through_a_proxy(kind: str, loop: asyncio.AbstractEventLoop) -> None:
    """Of any type; hosts in `http_no_proxy` are reached without."""
    if kind.startswith("socks"):
        pytest.importorskip("python_socks")

    async def begin() -> Any:
        proxy = Proxy(kind, wants_user=kind != "socks4a")
        running = proxy.listening()
        await running.__aenter__()
        return proxy, running

    proxy, running = asyncio.run_coroutine_threadsafe(begin(), loop).result()
    options: dict[str, Any] = {"http_proxy_host": "127.0.0.1", "http_proxy_port": proxy.port, "proxy_type": kind}
    if kind != "socks4a":
        options["http_proxy_auth"] = (USER, PASSWORD)
    try:
        with echoing() as url:
            for no_proxy in ([], ["127.0.0.1"], ["*"], [".0.1"]):
                with ours.create_connection(url, timeout=5, http_no_proxy=no_proxy, **options) as ws:
                    ws.send("hi")
                    assert "hi" == ws.recv()
            assert [url[5:-1]] == proxy.asked
            if kind == "http":
                options.pop("http_proxy_auth")
                with pytest.raises(ours.WebSocketProxyException, match="407"):
                    ours.create_connection(url, **options)
    finally:
        asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result()


def test_a_proxy_that_is_not_there() -> None:
    """It has an exception of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ours.WebSocketProxyException):
        ours.create_connection("ws://127.0.0.1:1/", http_proxy_host="127.0.0.1", http_proxy_port=port)


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who issues certificates."""
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(authority: trustme.CA) -> Iterator[str]:
    """A server at wss://, whose certificate is for localhost."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with echoing(ssl=context) as url:
        yield url.replace("ws://", "wss://")


def test_tls(secure: str, authority: trustme.CA, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is verified, against the authorities that are given in any of the ways."""
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    context = ssl.create_default_context(cafile=str(file))
    here = secure.replace("127.0.0.1", "localhost")
    good: list[tuple[str, dict[str, Any]]] = [
        (here, {"ca_certs": str(file)}),
        (here, {"context": context}),
        (here, {"ca_certs": str(file), "ssl_version": ssl.PROTOCOL_TLSv1_2, "ciphers": "ECDHE+AESGCM"}),
        (secure, {"ca_certs": str(file), "server_hostname": "localhost"}),
        (secure, {"ca_certs": str(file), "check_hostname": False}),
    ]
    for url, sslopt in good:
        with ours.create_connection(url, sslopt=sslopt) as ws:
            ws.send("hi")
            assert ("hi", True) == (ws.recv(), ws.is_ssl())
    for url, sslopt in [(here, {}), (secure, {"ca_certs": str(file)})]:
        with pytest.raises(ssl.SSLCertVerificationError):
            ours.create_connection(url, sslopt=sslopt)
    monkeypatch.setenv("WEBSOCKET_CLIENT_CA_BUNDLE", str(file))
    ours.create_connection(here).close()


def test_a_client_may_have_a_certificate(authority: trustme.CA, tmp_path: Any) -> None:
    """And a TLS socket of its own is used as it is."""
    names = {name: str(tmp_path / name) for name in ("ca", "cert", "key")}
    mine = authority.issue_cert("ann@example.com")
    authority.cert_pem.write_to_path(names["ca"])
    mine.cert_chain_pems[0].write_to_path(names["cert"])
    mine.private_key_pem.write_to_path(names["key"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=names["ca"])
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("localhost").configure_cert(context)
    sslopt = {"ca_certs": names["ca"], "certfile": names["cert"], "keyfile": names["key"], "ecdh_curve": "prime256v1"}
    with echoing(ssl=context) as url:
        here = url.replace("ws://127.0.0.1", "wss://localhost")
        with ours.create_connection(here, sslopt=sslopt) as ws:
            ws.send("hi")
            assert "hi" == ws.recv()
            assert ws.sock is not None
            assert ("TLSv1.3", "localhost") == (ws.sock.version(), ws.sock.getpeercert()["subjectAltName"][0][1])
        given = tls_context(sslopt).wrap_socket(
            socket.create_connection(("127.0.0.1", int(url[:-1].rpartition(":")[2]))), server_hostname="localhost"
        )
        with ours.create_connection(here, socket=given) as ws:
            ws.send("hi")
            assert "hi" == ws.recv()


def test_the_authorities_may_be_a_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the environment."""
    monkeypatch.setenv("WEBSOCKET_CLIENT_CA_BUNDLE", str(tmp_path))

    assert [] == tls_context(None).get_ca_certs()


def test_who_verifies_nobody_is_warned(secure: str) -> None:
    """CERT_NONE is what many a program has; it runs, and says what that means."""
    with pytest.warns(UserWarning, match="anybody on the way can pose as the server"):
        ours.create_connection(secure, sslopt={"cert_reqs": ssl.CERT_NONE}).close()


@pytest.mark.parametrize(
    "sslopt, error, lesson",
    [
        ({"ca_cert": "x", "verify": False}, TypeError, "sslopt has no verify; it has .*cert_reqs"),
        ({"ssl_version": "SSLv3"}, NotImplementedError, "give a context= of your own"),
    ],
)
def test_sslopt_that_is_wrong(sslopt: dict[str, Any], error: type[Exception], lesson: str) -> None:
    """It is told in words."""
    sslopt = {**sslopt, "ca_cert": None}
    with pytest.raises(error, match=lesson):
        tls_context(sslopt)


# --- What is left out, or wrong -------------------------------------------------------------------------------------


def test_what_is_left_out_says_so() -> None:
    """With what to use instead."""
    with pytest.raises(NotImplementedError, match=r"use rawws\.aio"):
        ours.WebSocket(dispatcher=object())
    with pytest.raises(NotImplementedError, match="server_hostname through a proxy"):
        ours.create_connection("wss://localhost/", sslopt={"server_hostname": "x"}, http_proxy_host="localhost")
    with pytest.raises(NotImplementedError, match=r"4\.1 of RFC 6455"):
        ours.create_connection("ws://localhost/", connection="close")
    with serving(says()) as place:
        ws = ours.create_connection(place.url)
        with pytest.raises(NotImplementedError, match="compression is asked for with"):
            ws.send_frame(ours.ABNF(1, 1, opcode=2, data=b"x"))
        ws.shutdown()


def test_no_message_gets_into_another() -> None:
    """Between the fragments of one no other may begin, and none goes on that has not begun (RFC 6455 5.4)."""
    part, rest = ours.ABNF.create_frame("begin", 1, 0), ours.ABNF.create_frame("end", 0, 1)
    with echoing() as url:
        ws = ours.create_connection(url)
        with pytest.raises(ValueError, match="no message has begun"):
            ws.send_frame(rest)
        ws.send_frame(part)
        with pytest.raises(ValueError, match="a message has begun"):
            ws.send_binary(b"another")
        ws.send_frame(rest)
        ws.send("another")

        assert ["beginend", "another"] == [ws.recv(), ws.recv()]
        ws.close()


def test_a_close_with_half_a_code_is_the_callers_fault() -> None:
    """It says so, and nothing is sent."""
    with echoing() as url:
        ws = ours.create_connection(url)
        with pytest.raises(ValueError, match="not the payload of a Close"):
            ws.send(b"\x03", ours.ABNF.OPCODE_CLOSE)
        ws.close()


@pytest.mark.parametrize(
    "options, error",
    [
        ({"headers": []}, "no option is called 'headers'; there are header, "),
        ({"header": "X: y"}, "header is a list of lines or a dict, not one line"),
        ({"subprotocols": "chat"}, "a list of names, not one name"),
    ],
)
def test_options_that_are_wrong(options: dict[str, Any], error: str) -> None:
    """They are told before anything is sent."""
    with serving(says()) as place, pytest.raises(TypeError, match=error):
        ours.create_connection(place.url, **options)

    assert not any(place.heads)


@pytest.mark.parametrize("header", [["no colon"], ["Bad Name: x"], {"Sec-WebSocket-Accept": "x"}, {"X": "a\r\nY: b"}])
def test_header_fields_that_are_none(header: Any) -> None:
    """What is no field, or is the handshake's own to say."""
    with serving(says()) as place, pytest.raises(ValueError):
        ours.create_connection(place.url, header=header)


def test_header_fields_that_were_copied_out_of_a_browser() -> None:
    """What the handshake says itself it says itself; subprotocols are offered."""
    header = [
        "Host: example.com",
        "Connection: keep-alive, Upgrade",
        "Upgrade: websocket",
        "Origin: https://example.com",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Protocol: chat, superchat",
        "User-Agent: Mozilla/5.0",
    ]
    with serving(says(close())) as place:
        ws = ours.create_connection(place.url, header=header)
        assert "chat" == ws.subprotocol
        ws.close()

    (head,) = place.heads
    lines = head.decode().split("\r\n")
    assert 1 == sum(line.startswith("Sec-WebSocket-Key: ") for line in lines)
    assert header[5] not in lines
    assert not any("permessage-deflate" in line for line in lines)
    assert {header[0], header[3], "Connection: Upgrade", header[8]} < {*lines}


def test_old_and_new_options() -> None:
    """Those that do nothing here are taken, and those that websocket-client does not have."""
    with echoing() as url:
        options: dict[str, Any] = {"enable_multithread": False, "compression": Deflate(), "max_size": 5}
        with ours.create_connection(url, class_=ours.WebSocket, **options) as ws:
            ws.send("123456")
            with pytest.raises(ours.WebSocketPayloadException, match="message-too-big"):
                ws.recv()


def test_a_frame_can_be_looked_at() -> None:
    """`ABNF` masks and formats as it always did."""
    frame = ours.ABNF.create_frame("Hello", ours.ABNF.OPCODE_TEXT)
    frame.get_mask_key = lambda size: bytes.fromhex("37fa213d")

    assert bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58") == frame.format()
    assert "fin=1 opcode=1 data=b'Hello'" == str(frame)
    assert b"Hello" == ours.ABNF.mask("\x01\x02\x03\x04", ours.ABNF.mask(b"\1\2\3\4", "Hello"))


# --- Trace ----------------------------------------------------------------------------------------------------------


def traced(module: Any, **form: Any) -> list[str]:
    """What a short talk is told as."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    module.enableTrace(True, handler, **form)
    try:
        with serving(says(text("hi"), close())) as place:
            ws = module.create_connection(place.url, timeout=5, suppress_origin=True)
            ws.recv()
            ws.shutdown()
    finally:
        module.enableTrace(False)
        logging.getLogger("websocket").removeHandler(handler)
    return lines.getvalue().splitlines()


def test_a_trace_is_the_tap_s() -> None:
    """Each line and each frame, with its sender, its place, its bytes and what they say."""
    lines = traced(ours)

    assert "C>      0  GET / HTTP/1.1" == lines[0]
    assert "S>    129  81 02                    TEXT         FIN        2  'hi'" in lines
    assert "S>    133  88 02                    CLOSE        FIN        2  (1000, '')" in lines


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_trace_may_have_the_form_of_websocket_client() -> None:
    """For programs that read it: the same lines, those of the heads in any order."""

    def frames(lines: list[str]) -> list[str]:
        return [line for line in lines if line.startswith(("++Rcv", "---"))]

    mine = traced(ours, compat="1.9")
    assert {"++Rcv raw: b'\\x81\\x02hi'", "++Rcv decoded: fin=1 opcode=1 data=b'hi'", "Websocket connected"} <= {*mine}
    if theirs.__version__.startswith("1.9."):
        assert frames(traced(theirs))[:5] == frames(mine)[:5]


def test_whether_there_is_a_trace(caplog: pytest.LogCaptureFixture) -> None:
    """It can be asked for, switched on, and off again."""
    logger = logging.getLogger("websocket")
    before = logger.level, list(logger.handlers)
    try:
        assert not ours.isEnabledForTrace()
        ours.enableTrace(True)
        ours.enableTrace(True, level="ERROR")
        assert (True, False, True) == (ours.isEnabledForTrace(), ours.isEnabledForDebug(), ours.isEnabledForError())
        assert 1 == len(logger.handlers) - len(before[1])
        ours.enableTrace(False)
        assert not ours.isEnabledForTrace()
    finally:
        logger.setLevel(before[0])
        logger.handlers[:] = before[1]
