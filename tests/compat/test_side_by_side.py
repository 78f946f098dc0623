"""websocket-client and ours, side by side: each row is one behaviour, what either does, and if ours is another, why.

What is the same is held to be the same; where ours is better on purpose, the row has a name, and the name stands on
docs/compat.md.  Of websocket-client it is the version 1.9 that is looked at.
"""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import websocket as theirs

from rawws import blocking
from rawws.compat import websocket as ours
from tests.compat.servers import (
    Place,
    Script,
    Told,
    answers_close,
    binary,
    close,
    keeps_silent,
    more,
    ping,
    pong,
    run,
    says,
    serving,
    text,
    vanishes,
)

PAGE = (Path(__file__).parent.parent.parent / "docs" / "compat.md").read_text()

# It leaves sockets open.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:.*CERT_NONE"
)

each = pytest.mark.parametrize("module", [theirs, ours], ids=["theirs", "ours"])


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left() -> Iterator[None]:
    """What it leaves open is cleared away here, and not in the middle of another test."""
    yield
    gc.collect()


def knows(module: Any) -> None:
    """Skip what is about another version of websocket-client than the one that was looked at."""
    if module is theirs and not theirs.__version__.startswith("1.9."):
        pytest.skip(f"this is websocket-client {theirs.__version__}")


# --- Callbacks ------------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """One behaviour."""

    name: str
    """What it is about; of a difference, as it stands on the page."""
    scripts: tuple[Script, ...]
    theirs: Told
    ours: Told | None = None
    """None if it is the same."""
    options: dict[str, Any] = {}
    answer: bytes | None = None


def fails(*_: object) -> None:
    """A callback with a mistake in it."""
    raise KeyError("a mistake")


def interrupts(*_: object) -> None:
    """Ctrl-C, while this callback runs."""
    raise KeyboardInterrupt


def exits(*_: object) -> None:
    """A callback that ends the program."""
    raise SystemExit(3)


def closes(ws: Any, *_: object) -> None:
    """A callback that closes the connection."""
    ws.close()


def stops(ws: Any, *_: object) -> None:
    """A callback that does so in another way."""
    ws.keep_running = False


def message(payload: str | bytes) -> list[tuple[Any, ...]]:
    """What is told of a whole message."""
    return [("on_data", payload, 1 if isinstance(payload, str) else 2, True), ("on_message", payload)]


def as_bytes(data: bytes) -> list[tuple[Any, ...]]:
    """What is told of text with `skip_utf8_validation`."""
    return [("on_data", data, 1, True), ("on_message", data)]


OPEN = [("on_open",)]
CLOSED_ERROR = ("on_error", "WebSocketConnectionClosedException")
MISTAKE = ("on_error", "KeyError")
LOST = ("on_close", None, None)
TWO = text("a") + text("b")
A, B, C = message("a"), message("b"), message("c")

ROWS = [
    Row(
        "A normal close is no error",
        (says(text("hi"), binary(b"\0"), ping(b"pi"), pong(b"po"), close(1000, "bye")),),
        Told(
            [
                *OPEN,
                *message("hi"),
                *message(b"\0"),
                ("on_ping", b"pi"),
                ("on_pong", b"po"),
                CLOSED_ERROR,
                ("on_close", 1000, "bye"),
            ],
            False,
        ),
        Told(
            [
                *OPEN,
                *message("hi"),
                *message(b"\0"),
                ("on_ping", b"pi"),
                ("on_pong", b"po"),
                ("on_close", 1000, "bye"),
            ],
            False,
        ),
    ),
    Row(
        "A reason is a `str`",
        (says(close(4001)),),
        Told([*OPEN, CLOSED_ERROR, ("on_close", 4001, None)], False),
        Told([*OPEN, ("on_close", 4001, "")], False),
    ),
    Row(
        "A normal close is no error",
        (says(close(None)),),
        Told([*OPEN, CLOSED_ERROR, LOST], False),
        Told([*OPEN, LOST], False),
    ),
    Row("a connection that is lost", (vanishes(text("a")),), Told([*OPEN, *A, CLOSED_ERROR, LOST], True)),
    Row(
        "a server that refuses",
        (lambda sock: None,),
        Told([("on_error", "WebSocketBadStatusException"), LOST], True),
        answer=b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!",
    ),
    Row(
        "Fragments",
        (says(text("he", False), more(b"l", False), more(b"o"), close()),),
        Told(
            [*OPEN, ("on_data", "helo", 0, True), ("on_message", "helo"), CLOSED_ERROR, ("on_close", 1000, None)], False
        ),
        Told([*OPEN, *message("helo"), ("on_close", 1000, "")], False),
    ),
    Row(
        "Fragments",
        (says(text("he", False), more(b"l", False), more(b"o"), text("c"), close()),),
        Told(
            [
                *OPEN,
                ("on_data", "he", 1, True),
                ("on_message", "he"),
                ("on_data", b"l", 0, 0),
                ("on_cont_message", b"l", 0),
                ("on_data", b"o", 0, 1),
                ("on_cont_message", b"o", 1),
                *C,
                CLOSED_ERROR,
                ("on_close", 1000, None),
            ],
            False,
        ),
        Told(
            [
                *OPEN,
                ("on_data", "he", 1, False),
                ("on_message", "he"),
                ("on_data", b"l", 0, False),
                ("on_cont_message", b"l", False),
                ("on_data", b"o", 0, True),
                ("on_cont_message", b"o", True),
                *C,
                ("on_close", 1000, ""),
            ],
            False,
        ),
        {"without": ()},
    ),
    Row(
        "What the server broke",
        (says(text(b"\xff\xff")),),
        Told([*OPEN, ("on_error", "WebSocketPayloadException"), LOST], True),
        Told([*OPEN, ("on_error", "WebSocketPayloadException"), ("on_close", 1007, "a text message is UTF-8")], True),
    ),
    Row(
        "What the server broke",
        (says(b"\x83\x00"),),
        Told([*OPEN, ("on_error", "WebSocketProtocolException"), LOST], True),
        Told(
            [
                *OPEN,
                ("on_error", "WebSocketProtocolException"),
                ("on_close", 1002, "the opcodes 3 to 7 and 11 to 15 mean nothing yet"),
            ],
            True,
        ),
    ),
    Row(
        "`skip_utf8_validation`",
        (vanishes(text("a"), text(b"\xff")),),
        Told([*OPEN, *as_bytes(b"a"), *as_bytes(b"\xff"), CLOSED_ERROR, LOST], True),
        Told(
            [
                *OPEN,
                *as_bytes(b"a"),
                ("on_error", "WebSocketPayloadException"),
                ("on_close", 1007, "a text message is UTF-8"),
            ],
            True,
        ),
        {"skip_utf8_validation": True},
    ),
    Row(
        "a mistake in on_message",
        (vanishes(TWO),),
        Told([*OPEN, *A, MISTAKE, *B, MISTAKE, CLOSED_ERROR, LOST], True),
        options={"on_message": fails},
    ),
    Row(
        "a mistake in on_open",
        (vanishes(text("a")),),
        Told([*OPEN, MISTAKE, *A, CLOSED_ERROR, LOST], True),
        options={"on_open": fails},
    ),
    Row(
        "a mistake in on_close",
        (vanishes(text("a")),),
        Told([*OPEN, *A, CLOSED_ERROR, LOST, MISTAKE], True),
        options={"on_close": fails},
    ),
    Row(
        "A mistake with no `on_error`",
        (says(TWO, close()),),
        Told([*OPEN, *A, *B, ("on_close", 1000, None)], False),
        Told([*OPEN, *A, ("on_close", 1000, "")], KeyError),
        {"on_message": fails, "without": ("on_error", "on_cont_message")},
    ),
    Row(
        "A mistake in `on_error`",
        (answers_close(text("a")),),
        Told([*OPEN, *A, MISTAKE, MISTAKE, LOST], True),
        Told([*OPEN, *A, MISTAKE, ("on_close", 1000, "ok")], KeyError),
        {"on_message": fails, "on_error": fails},
    ),
    Row(
        "Ctrl-C",
        (answers_close(text("a")),),
        Told([*OPEN, *A, ("on_error", "KeyboardInterrupt"), LOST], True),
        Told([*OPEN, *A, ("on_close", 1000, "ok")], KeyboardInterrupt),
        {"on_message": interrupts},
    ),
    Row(
        "Ctrl-C",
        (answers_close(text("a")),),
        Told([*OPEN, *A, ("on_error", "SystemExit"), LOST], SystemExit),
        Told([*OPEN, *A, ("on_close", 1000, "ok")], SystemExit),
        {"on_message": exits},
    ),
    Row(
        "Closing",
        (answers_close(TWO),),
        Told([*OPEN, *A, ("on_close", 1000, "ok")], False),
        options={"on_message": closes},
    ),
    Row(
        "Closing",
        (answers_close(),),
        Told([*OPEN, ("on_error", "AttributeError"), ("on_close", 1000, "ok")], True),
        Told([*OPEN, ("on_close", 1000, "ok")], False),
        {"on_open": closes},
    ),
    Row(
        "Closing",
        (answers_close(TWO),),
        Told([*OPEN, *A, LOST], False),
        Told([*OPEN, *A, ("on_close", 1000, "ok")], False),
        {"on_message": stops},
    ),
    Row(
        "a server that does not answer Pings",
        (keeps_silent,),
        Told([*OPEN, ("on_error", "WebSocketTimeoutException"), LOST], True),
        options={"ping_interval": 0.3, "ping_timeout": 0.1},
    ),
    Row(
        "Reconnecting",
        (vanishes(text("a")), vanishes(text("b")), answers_close(text("c"))),
        Told([*OPEN, *A, CLOSED_ERROR, ("on_reconnect",), *B, ("on_reconnect",), *C, ("on_close", 1000, "ok")], True),
        Told(
            [
                *OPEN,
                *A,
                CLOSED_ERROR,
                ("on_reconnect",),
                *B,
                CLOSED_ERROR,
                ("on_reconnect",),
                *C,
                ("on_close", 1000, "ok"),
            ],
            False,
        ),
        {"reconnect": 0.1, "on_message": lambda ws, message: message == "c" and ws.close()},
    ),
]


@each
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_callbacks(row: Row, module: Any) -> None:
    """What a program is told, and what comes back from `run_forever`."""
    knows(module)
    expected = row.theirs if row.ours is None or module is theirs else row.ours
    with serving(*row.scripts, answer=row.answer) as place:
        assert expected == run(module, place.url, **row.options)


def test_the_present_behaviour_can_be_had() -> None:
    """With compat="1.9" a program is told of a normal close twice, as it is used to."""
    with serving(says(text("a"), close(1000, "bye"))) as place:
        told = run(ours, place.url, made={"compat": "1.9"})

    assert ([*OPEN, *A, CLOSED_ERROR, ("on_close", 1000, "bye")], False) == told


@pytest.mark.parametrize("row", [row for row in ROWS if row.ours is not None], ids=lambda row: row.name)
def test_the_page_says_where_ours_is_another(row: Row) -> None:
    """Each difference stands on the page under its name."""
    assert f"| {row.name} |" in PAGE


@each
def test_nobody_listens(module: Any) -> None:
    """The error of the operating system is given to `on_error`, and `on_close` comes."""
    with serving() as place:
        url = place.url
    told = run(module, url)

    assert ([("on_error", "ConnectionRefusedError"), LOST], True) == told


@each
def test_a_name_that_nobody_has(module: Any) -> None:
    """It is an exception of its own."""
    told = run(module, "ws://nobody.invalid/")

    assert ([("on_error", "WebSocketAddressException"), LOST], True) == told


@each
@pytest.mark.parametrize(
    "url, options, error",
    [
        ("http://localhost/", {}, "ValueError"),
        ("ws://localhost/", {"ping_interval": 1, "ping_timeout": 2}, "WebSocketException"),
        ("ws://localhost/", {"ping_interval": -1}, "WebSocketException"),
    ],
)
def test_arguments_that_are_wrong(url: str, options: dict[str, Any], error: str, module: Any) -> None:
    """They are raised from `run_forever`, and nothing is called."""
    told = run(module, url, **options)

    assert [] == told.calls
    assert error == told.outcome.__name__


@each
def test_sending_before_it_is_open(module: Any) -> None:
    """It says that there is no connection."""
    with pytest.raises(module.WebSocketConnectionClosedException):
        module.WebSocketApp("ws://localhost/").send("hi")


@each
def test_on_close_with_one_argument(module: Any) -> None:
    """The program of the note has it so: websocket-client reports a TypeError, and ours calls it."""
    told: list[str] = []

    def on_close(ws: Any) -> None:
        told.append("closed")

    with serving(says(close())) as place:
        module.WebSocketApp(
            place.url, on_error=lambda ws, error: told.append(type(error).__name__), on_close=on_close
        ).run_forever()

    assert (["closed"] if module is ours else ["WebSocketConnectionClosedException", "TypeError"]) == told


@each
def test_methods_without_ws(module: Any) -> None:
    """The versions 0.49 to 0.57 gave bound methods no ws; now that is a TypeError, unless ours is told of it."""
    told: list[str] = []

    class Program:
        def on_message(self, message: str) -> None:
            told.append(message)

        def on_error(self, ws: Any, error: Exception) -> None:
            told.append(type(error).__name__)

    program, made = Program(), {}
    if module is ours:
        made = {"on_message": program.on_message, "legacy_methods": True}
    else:
        made = {"on_message": program.on_message, "on_error": program.on_error}
    with serving(vanishes(text("a"))) as place:
        module.WebSocketApp(place.url, **made).run_forever()

    assert (["a"] if module is ours else ["TypeError", "WebSocketConnectionClosedException"]) == told


def echo(ws: blocking.WebSocket) -> None:
    """Send back what comes."""
    for message in ws:
        ws.send(message)


def close_from_another_thread(module: Any) -> tuple[float, tuple[Any, ...]]:
    """Seconds from `close` to the end of `run_forever`, and what `on_close` was told."""
    told: list[tuple[Any, ...]] = []
    began: list[float] = []

    def leave(ws: Any) -> None:
        time.sleep(0.2)
        began.append(time.monotonic())
        ws.close()

    def on_open(ws: Any) -> None:
        threading.Thread(target=leave, args=(ws,)).start()

    with blocking.serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"ws://127.0.0.1:{server.port}/"
        module.WebSocketApp(url, on_open=on_open, on_close=lambda ws, *how: told.append(how)).run_forever()
        took = time.monotonic() - began[0]
    thread.join()
    (how,) = told
    return took, how


def test_closing_from_another_thread() -> None:
    """It ends at once, with the code."""
    took, how = close_from_another_thread(ours)

    assert (1000, "") == how
    assert took < 1


@pytest.mark.slow
def test_closing_from_another_thread_as_theirs_does() -> None:
    """It takes ten seconds, or loses the code; now and then it goes well."""
    knows(theirs)
    with ThreadPoolExecutor(5) as pool:
        ends = list(pool.map(lambda _: close_from_another_thread(theirs), range(5)))

    assert any(took > 5 or how == (None, None) for took, how in ends)


# --- What is asked for ----------------------------------------------------------------------------------------------

ASKS = [
    {},
    {"header": ["X-A: b", "X-C: d: e"]},
    {"header": {"X-A": "b"}},
    {"header": lambda: {"X-A": "b"}},
    {"cookie": "a=b; c=d"},
    {"origin": "https://example.com"},
    {"suppress_origin": True},
    {"host": "example.com:8080"},
    {"subprotocols": ["chat", "superchat"]},
]
FOR_APP = {"header", "cookie", "subprotocols"}


def fields_of(place: Place) -> list[str]:
    """The lines of the request, without what is another one each time."""
    lines = [line.strip() for line in place.heads[0].decode().strip().lower().split("\r\n")]
    return sorted(line for line in lines if not line.startswith("sec-websocket-key"))


@pytest.mark.parametrize("asks", ASKS, ids=lambda asks: ",".join(asks) or "nothing")
def test_the_request_is_the_same(asks: dict[str, Any]) -> None:
    """Both ask for the same with the same options, a line of a header field in any order."""
    heads = []
    for module in (theirs, ours):
        with serving(says(close())) as place:
            made = {name: value for name, value in asks.items() if name in FOR_APP}
            options = {name: value for name, value in asks.items() if name not in FOR_APP}
            run(module, place.url, made=made, **options)
        heads.append([line.replace(place.url[5:-1], "here") for line in fields_of(place)])

    assert [line.replace(", ", ",") for line in heads[0]] == [line.replace(", ", ",") for line in heads[1]]


# --- WebSocket ------------------------------------------------------------------------------------------------------

SPEECH = (text("hi"), binary(b"\0"), ping(b"pi"), pong(b"po"), text("he", False), more(b"llo"), close(4001, "bye"))


def tried(call: Callable[..., Any], *arguments: Any) -> Any:
    """What comes back, or the name of the class of what is raised."""
    try:
        return call(*arguments)
    except Exception as error:
        return type(error).__name__


ENDED = "WebSocketConnectionClosedException"
BODY = b"\x0f\xa1bye"


@each
@pytest.mark.parametrize(
    "method, arguments, expected",
    [
        ("recv", (), ["hi", b"\0", "hello", "", ENDED, ENDED]),
        ("recv_data", (), [(1, b"hi"), (2, b"\0"), (1, b"hello"), (8, BODY), ENDED, ENDED]),
        ("recv_data", (True,), [(1, b"hi"), (2, b"\0"), (9, b"pi"), (10, b"po"), (1, b"hello"), (8, BODY), ENDED]),
    ],
)
def test_receiving(method: str, arguments: tuple[Any, ...], expected: list[Any], module: Any) -> None:
    """Message after message, then the Close, then an exception; Pings and Pongs on request."""
    with serving(says(*SPEECH)) as place:
        ws = module.create_connection(place.url, timeout=5)
        received = [tried(getattr(ws, method), *arguments) for _ in expected]
        tried(ws.shutdown)

    assert expected == received
    assert not ws.connected


@each
def test_receiving_pieces(module: Any) -> None:
    """With `fire_cont_frame` each frame of a message is given on its own."""
    with serving(says(*SPEECH)) as place:
        ws = module.create_connection(place.url, timeout=5, fire_cont_frame=True)
        frames = [ws.recv_data_frame() for _ in range(5)]
        ws.shutdown()

    told = [(opcode, frame.opcode, frame.fin, frame.data) for opcode, frame in frames]
    assert [(1, 1, 1, b"hi"), (2, 2, 1, b"\0"), (1, 1, 0, b"he"), (0, 0, 1, b"llo"), (8, 8, 1, BODY)] == told


@each
def test_receiving_nothing(module: Any) -> None:
    """After the timeout there is an exception, and the connection goes on."""
    with serving(answers_close()) as place:
        ws = module.create_connection(place.url, timeout=0.1)
        assert "WebSocketTimeoutException" == tried(ws.recv)
        assert ws.connected
        assert 0.1 == ws.gettimeout()
        ws.settimeout(5)
        assert 5 == ws.gettimeout() == ws.timeout
        ws.close()

    assert not ws.connected
    assert ENDED == tried(ws.send, "x")
    assert ENDED == tried(ws.ping)
    assert tried(ws.close) is None


@each
def test_iterating(module: Any) -> None:
    """A normal close ends a loop; in websocket-client it is an exception, after an empty message."""
    messages = []
    with serving(says(text("a"), close())) as place:
        ws = module.create_connection(place.url, timeout=5)
        error = tried(lambda: messages.extend(ws) if module is ours else [messages.append(each) for each in ws])
        ws.shutdown()

    assert ((["a"], None) if module is ours else (["a", ""], ENDED)) == (messages, error)


@each
def test_sending(module: Any) -> None:
    """What comes back is how long the frame is."""
    with serving(answers_close()) as place:
        ws = module.create_connection(place.url, timeout=5)
        sizes = [ws.send("abc"), ws.send_binary(b"xy"), ws.send_bytes(bytearray(b"x")), ws.send_text("ü")]
        sizes += [ws.ping("a"), ws.pong(b"b"), ws.send("x" * 100), ws.send(b"x", module.ABNF.OPCODE_BINARY)]
        problems = [tried(ws.send, 3), tried(ws.send, "x", 7), tried(ws.close, 99999)]
        assert (101, None, False) == (ws.getstatus(), ws.getsubprotocol(), ws.is_ssl())
        assert ws.getheaders() == ws.headers == ws.handshake_response.headers
        assert "websocket" == ws.headers["upgrade"]
        ws.close(1000, "bye")

    assert [9, 8, 7, 8, None, None, 106, 7] == sizes
    assert ["TypeError", "ValueError", "ValueError"] == problems


@each
def test_sending_fragments(module: Any) -> None:
    """One frame after the other, which make one message."""
    abnf = module.ABNF
    with blocking.serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        ws = module.create_connection(f"ws://127.0.0.1:{server.port}/", timeout=5)
        for opcode, fin, data in ((abnf.OPCODE_TEXT, 0, "a"), (abnf.OPCODE_CONT, 0, "b"), (abnf.OPCODE_CONT, 1, "c")):
            ws.send_frame(abnf.create_frame(data, opcode, fin))
        assert "abc" == ws.recv()
        ws.close()
    thread.join()


@each
def test_an_answer_that_is_not_101(module: Any) -> None:
    """The exception has all of it."""
    answer = b"HTTP/1.1 403 Forbidden\r\nX-A: b\r\nContent-Length: 3\r\n\r\nno!"
    with serving(lambda sock: None, answer=answer) as place, pytest.raises(module.WebSocketBadStatusException) as error:
        module.create_connection(place.url)

    headers = {"x-a": "b", "content-length": "3"}
    found = error.value
    assert (403, "Forbidden", headers, b"no!") == (
        found.status_code, found.status_message, found.resp_headers, found.resp_body
    )  # fmt: skip
    assert str(found).startswith("Handshake status 403 Forbidden")


@each
def test_a_server_that_says_nothing(module: Any) -> None:
    """The timeout is for the opening handshake too."""
    with serving(lambda sock: sock.recv(1), answer=b"") as place:
        assert "WebSocketTimeoutException" == tried(lambda: module.create_connection(place.url, timeout=0.1))


def test_what_is_caught_is_there() -> None:
    """All exceptions and numbers have the names and the values of websocket-client."""
    public = [name for name in dir(theirs) if name.startswith(("STATUS_", "WebSocket")) or name == "ABNF"]
    constants = [name for name in public if name.startswith("STATUS_")]
    errors = [name for name in public if name.endswith("Exception")]

    assert [] == [name for name in public if not hasattr(ours, name)]
    assert {name: getattr(theirs, name) for name in constants} == {name: getattr(ours, name) for name in constants}
    assert all(issubclass(getattr(ours, name), ours.WebSocketException) for name in errors)
    opcodes = [name for name in dir(theirs.ABNF) if name.startswith("OPCODE")]
    assert {name: getattr(theirs.ABNF, name) for name in opcodes} == {
        name: getattr(ours.ABNF, name) for name in opcodes
    }
