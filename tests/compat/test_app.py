"""`WebSocketApp`: threads, endings, reconnecting; what does not need websocket-client beside it."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from rawws import Backoff, ConnectionClosed, Deflate, blocking
from rawws.compat import websocket
from rawws.compat.websocket import WebSocketApp
from tests.compat.servers import (
    Script,
    answers_close,
    close,
    keeps_silent,
    more,
    ping,
    run,
    says,
    serving,
    text,
    vanishes,
)

LIMIT = 1.0
"""Seconds in which whatever ends at once has ended, on a machine that has much to do."""


@contextmanager
def echoing(handler: Callable[[blocking.WebSocket], Any] | None = None, **options: Any) -> Iterator[str]:
    """A server of ours; gives its URL."""

    def echo(ws: blocking.WebSocket) -> None:
        for message in ws:
            ws.send(message)

    with blocking.serve(handler or echo, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.port}/"
    thread.join()


def in_thread(call: Callable[..., Any], *arguments: Any) -> threading.Thread:
    """Make a call in another thread."""
    thread = threading.Thread(target=call, args=arguments)
    thread.start()
    return thread


class Running:
    """An app that runs in a thread of its own.

    Attributes:
        closings: what `on_close` was told, each time.
        errors: what `on_error` was told.
        took: seconds that it ran, once it has ended.
    """

    def __init__(self, url: str, made: dict[str, Any] | None = None, **options: Any) -> None:
        self.closings: list[tuple[Any, ...]] = []
        self.errors: list[Exception] = []
        self.messages: list[Any] = []
        self.is_open = threading.Event()
        self.outcome: Any = None
        self.app = WebSocketApp(
            url,
            on_open=lambda ws: self.is_open.set(),
            on_message=lambda ws, message: self.messages.append(message),
            on_error=lambda ws, error: self.errors.append(error),
            on_close=lambda ws, *how: self.closings.append(how),
            **(made or {}),
        )
        self._options = options
        self._thread = in_thread(self._run)

    def _run(self) -> None:
        began = time.monotonic()
        self.outcome = self.app.run_forever(**self._options)
        self.took = time.monotonic() - began

    def join(self) -> float:
        """Wait for the end; how long that took."""
        began = time.monotonic()
        self._thread.join(10)
        assert not self._thread.is_alive()
        return time.monotonic() - began


# --- Closing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code, reason", [(1000, ""), (1001, "going"), (4321, "ğ")])
def test_closing_from_another_thread(code: int, reason: str) -> None:
    """It ends at once, with the code that the server echoes, and nothing is an error."""
    with echoing() as url:
        running = Running(url)
        running.is_open.wait(5)
        began = time.monotonic()
        running.app.close(status=code, reason=reason)
        assert time.monotonic() - began < LIMIT
        assert running.join() < LIMIT

    assert ([(code, "")], [], False) == (running.closings, running.errors, running.outcome)
    assert not running.app.keep_running
    assert running.app.sock is None


def test_closing_many_times_from_many_threads() -> None:
    """`on_close` comes once."""
    with echoing() as url:
        running = Running(url)
        running.is_open.wait(5)
        threads = [in_thread(running.app.close) for _ in range(8)]
        running.join()
        for thread in threads:
            thread.join()

    assert [(1000, "")] == running.closings


def test_a_server_that_does_not_answer_a_close() -> None:
    """It has as long as `close` says, three seconds at most; `close` itself waits for nothing."""
    with serving(keeps_silent) as place:
        running = Running(place.url)
        running.is_open.wait(5)
        began = time.monotonic()
        running.app.close(timeout=0.2)
        assert time.monotonic() - began < 0.2
        assert 0.1 < running.join() < 2

    assert ([(None, None)], [], False) == (running.closings, running.errors, running.outcome)


def test_closing_while_the_opening_handshake_goes_on() -> None:
    """A server that never answers it holds nobody up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = Running(f"ws://127.0.0.1:{listening.getsockname()[1]}/")
        sock, _ = listening.accept()
        with sock:
            sock.recv(1)
            running.app.close()
            assert running.join() < LIMIT

    assert ([(None, None)], [], False) == (running.closings, running.errors, running.outcome)


def test_no_message_is_given_out_after_close() -> None:
    """Whatever the server says before it answers."""
    messages: list[str] = []

    def on_message(ws: WebSocketApp, message: str) -> None:
        messages.append(message)
        ws.close()

    with serving(answers_close(text("a"), text("b"), text("c"))) as place:
        assert not WebSocketApp(place.url, on_message=on_message).run_forever()

    assert ["a"] == messages


def test_it_can_run_again() -> None:
    """After its end; and while it runs it cannot."""
    with serving(says(close(1000)), answers_close()) as place:
        running = Running(place.url)
        running.join()
        running.is_open.clear()
        again = in_thread(running._run)
        running.is_open.wait(5)
        with pytest.raises(websocket.WebSocketException, match="running already"):
            running.app.run_forever()
        running.app.close()
        again.join()

    assert [(1000, ""), (1000, "ok")] == running.closings


def test_on_close_may_run_it_again() -> None:
    """As many programs connect again; then that run is over, and another one begins."""
    codes = []

    def on_close(ws: WebSocketApp, code: int, reason: str) -> None:
        codes.append(code)
        assert (False, None) == (ws.keep_running, ws.sock)
        if len(codes) < 3:
            ws.run_forever()

    with serving(*[says(close(4000 + number)) for number in range(3)]) as place:
        assert not WebSocketApp(place.url, on_close=on_close).run_forever()

    assert [4000, 4001, 4002] == codes


@pytest.mark.parametrize("moment", [0.0, 0.0001, 0.001, 0.003, 0.01])
def test_closing_at_any_moment_loses_neither_the_end_nor_the_code(moment: float) -> None:
    """While it connects there is no code; once it is open there is, and it is the one that was asked for."""
    with echoing() as url:
        for _ in range(20):
            running = Running(url)
            while not running.app.keep_running:  # Before that there is nothing to close.
                time.sleep(0)
            time.sleep(moment)
            running.app.close(status=4321)
            assert running.join() < LIMIT
            running.app.close(status=4321)
            assert ([], False) == (running.errors, running.outcome)
            assert running.closings in ([(4321, "")], [(None, None)] if not running.is_open.is_set() else [])


def test_closing_with_a_code_that_cannot_be_sent() -> None:
    """It is a mistake, and the connection goes on."""
    with echoing() as url:
        running = Running(url)
        running.is_open.wait(5)
        for wrong in ({"status": 1005}, {"status": 99999}, {"reason": "x" * 124}, {"reason": b"\xff"}):
            with pytest.raises(ValueError):
                running.app.close(**wrong)
        assert running.app.keep_running
        running.app.keep_running = False
        running.join()

    assert [(1000, "")] == running.closings


def test_closing_the_socket_of_the_app() -> None:
    """Some programs do; it is as good, from a callback and from another thread."""
    with serving(answers_close(text("a")), answers_close()) as place:
        told = run(websocket, place.url, without=("on_data",), on_message=lambda ws, message: ws.sock.close())
        assert (["on_open", "on_message", "on_close"], False) == (told.names, told.outcome)
        assert ("on_close", 1000, "ok") == told.calls[-1]

        running = Running(place.url)
        running.is_open.wait(5)
        running.app.sock.close()  # type: ignore[union-attr]
        running.join()
        assert ([(1000, "ok")], [], False) == (running.closings, running.errors, running.outcome)


def test_ctrl_c() -> None:
    """The server is told 1001, `on_close` comes, and KeyboardInterrupt goes on."""
    codes = []
    program = (
        "import sys; from rawws.compat import websocket\n"
        "app = websocket.WebSocketApp(sys.argv[1], on_open=lambda ws: print('open', flush=True),"
        " on_close=lambda ws, *how: print(how, flush=True), on_error=lambda ws, error: print(error))\n"
        "app.run_forever()"
    )

    def handler(ws: blocking.WebSocket) -> None:
        with suppress(ConnectionClosed):
            ws.recv()
        codes.append(ws.close_code)

    with echoing(handler) as url:
        process = subprocess.Popen(
            [sys.executable, "-c", program, url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert process.stdout is not None
        assert "open\n" == process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)

    assert ("(1001, '')\n", [1001]) == (out, codes)
    assert "KeyboardInterrupt" == err.splitlines()[-1]


ENDINGS: dict[str, tuple[Script, tuple[Any, ...]]] = {
    "the server closes": (says(close(1001, "away")), (1001, "away")),
    "the server vanishes": (vanishes(), (None, None)),
    "the server breaks a rule": (says(b"\x83\0"), (1002, "the opcodes 3 to 7 and 11 to 15 mean nothing yet")),
    "the server loses track": (says(more(b"?")), (1002, "a continuation frame needs a message to continue")),
    "we close": (answers_close(text("close")), (1000, "ok")),
    "a callback fails": (answers_close(text("fail")), (1000, "ok")),
    "the server's close crosses ours": (answers_close(text("close"), close(1000, "first")), (1000, "first")),
}  # fmt: skip


@pytest.mark.parametrize("how", ENDINGS)
def test_on_close_comes_once_and_last(how: str) -> None:
    """Whatever ends the connection."""
    script, expected = ENDINGS[how]

    def on_message(ws: WebSocketApp, message: str) -> None:
        if message == "fail":
            raise SystemExit
        ws.close()

    with serving(script) as place:
        told = run(websocket, place.url, on_message=on_message)

    assert ("on_close", *expected) == told.calls[-1]
    assert 1 == told.names.count("on_close")


# --- Sending --------------------------------------------------------------------------------------------------------


def test_sending_from_many_threads() -> None:
    """Every message arrives whole, and the echoes come to one callback in one thread."""
    with echoing() as url:
        running = Running(url)
        running.is_open.wait(5)
        sent = [f"{name}{number}" * 50 for name in "abcd" for number in range(50)]
        threads = [in_thread(lambda some: [running.app.send(text) for text in some], sent[at::4]) for at in range(4)]
        for thread in threads:
            thread.join()
        for _ in range(500):
            if len(running.messages) == len(sent):
                break
            time.sleep(0.01)
        running.app.close()
        running.join()

    assert sorted(sent) == sorted(running.messages)


def test_what_is_sent_in_a_callback_goes_out_at_once() -> None:
    """Not when it returns: here it goes on until the server has seen it."""
    seen = threading.Event()

    def handler(ws: blocking.WebSocket) -> None:
        ws.send(["a", "b"])
        ws.send("c")
        assert "answer" == ws.recv()
        seen.set()

    def on_message(ws: WebSocketApp, message: str) -> None:
        if message == "ab":
            ws.send("answer")
            assert seen.wait(5)

    with echoing(handler) as url:
        WebSocketApp(url, on_message=on_message, on_error=lambda ws, error: pytest.fail(repr(error))).run_forever()


def test_the_ways_to_send() -> None:
    """Text, bytes, and by opcode."""
    app_messages = []

    def on_open(ws: WebSocketApp) -> None:
        assert ws.ready()
        assert ws.sock is not None
        ws.send_text("a")
        ws.send_bytes(bytearray(b"b"))
        ws.send(b"c", websocket.ABNF.OPCODE_BINARY)
        ws.send(b"d")
        ws.sock.send("e")

    def on_message(ws: WebSocketApp, message: str | bytes) -> None:
        app_messages.append(message)
        if message == "e":
            ws.close()

    with echoing() as url:
        app = WebSocketApp(url, on_open=on_open, on_message=on_message)
        assert not app.ready()
        app.run_forever()

    assert ["a", b"b", b"c", "d", "e"] == app_messages


# --- Receiving ------------------------------------------------------------------------------------------------------


def test_a_long_frame_is_one_piece() -> None:
    """With `on_cont_message`, what is in one frame comes in one call, however long it travels."""
    long = "ğ" * 300_000

    with serving(says(text(long), text(long, False), more(b"", False), more(long.encode()), close())) as place:
        told = run(websocket, place.url, without=("on_data",))

    expected = [("on_message", long), ("on_message", long), ("on_cont_message", long.encode(), True)]
    assert expected == told.calls[1:-1]


def test_a_message_may_be_large_or_not() -> None:
    """Up to 64 MiB unless `max_size` says otherwise."""
    with serving(says(text("x" * 2**21), close()), says(text("x" * 11))) as place:
        assert ["on_open", "on_message", "on_close"] == run(websocket, place.url, without=("on_data",)).names
        told = run(websocket, place.url, max_size=10)

    assert [("on_error", "WebSocketPayloadException"), ("on_close", 1009)] == [call[:2] for call in told.calls[1:]]


def test_compression_can_be_asked_for() -> None:
    """Which websocket-client cannot."""
    message = "again and " * 100

    def on_message(ws: WebSocketApp, heard: str) -> None:
        assert message == heard
        ws.close()

    with echoing() as url:
        app = WebSocketApp(url, on_open=lambda ws: ws.send(message), on_message=on_message)
        assert not app.run_forever(compression=Deflate())


# --- Time -----------------------------------------------------------------------------------------------------------


def test_keepalive() -> None:
    """Pings are sent with the payload that is asked for; their Pongs are told of, and when they came."""
    payloads = []

    def on_pong(ws: WebSocketApp, payload: bytes) -> None:
        payloads.append(payload)
        assert time.time() - 5 < ws.last_ping_tm <= ws.last_pong_tm <= time.time()
        if len(payloads) == 2:
            ws.close()

    with echoing() as url:
        app = WebSocketApp(url, on_pong=on_pong)
        app.run_forever(ping_interval=1.0, ping_timeout=0.9, ping_payload="alive")

    assert [b"alive", b"alive"] == payloads


def test_without_an_interval_no_pings_are_sent() -> None:
    """As in websocket-client."""
    with serving(vanishes(ping(b"?"))) as place:
        told = run(websocket, place.url)

    assert ["on_open", "on_ping", "on_error", "on_close"] == told.names


# --- Reconnecting ---------------------------------------------------------------------------------------------------


def dropping(*reconnect: Any, times: int = 3, **options: Any) -> tuple[list[str], Any]:
    """Run against a server that drops `times` connections, and then is closed by the app; what was told."""
    scripts = [vanishes()] * times + [answers_close(text("end"))]
    with serving(*scripts) as place:
        told = run(
            websocket, place.url, ("on_data", "on_cont_message"), on_message=lambda ws, message: ws.close(), **options
        )
    return told.names, told.outcome


AGAIN = ["on_error", "on_reconnect"]


@pytest.mark.parametrize("reconnect", [0.01, Backoff(first=0.01), [0.01], iter([0.01] * 3)])
def test_it_connects_again(reconnect: Any) -> None:
    """After so many seconds, or with a backoff; `on_close` comes at the end."""
    names, outcome = dropping(reconnect=reconnect)

    assert (["on_open", *AGAIN * 3, "on_message", "on_close"], False) == (names, outcome)


def test_it_gives_up_when_there_are_no_more_pauses() -> None:
    """An iterable says how often."""
    with serving() as place:
        url = place.url

    told = run(websocket, url, reconnect=[0.01, 0.01])
    assert (["on_error"] * 3 + ["on_close"], True) == (told.names, told.outcome)


def test_the_first_time_that_it_is_open_is_on_open() -> None:
    """Also when it was tried before; and without `on_reconnect` each time is."""
    with serving(says(close()), answers_close(text("end")), answer=None) as place:
        told = run(
            websocket,
            place.url,
            ("on_reconnect", "on_data", "on_cont_message"),
            on_message=lambda ws, message: ws.close(),
            reconnect=0.01,
        )

    assert ["on_open", "on_open", "on_message", "on_close"] == told.names


def test_set_reconnect() -> None:
    """What `run_forever` does when it is told nothing; 0 is told."""
    websocket.set_reconnect(0.01)
    try:
        assert 7 == len(dropping(times=2)[0])
        assert ["on_open", "on_error", "on_close"] == dropping(times=1, reconnect=0)[0]
    finally:
        websocket.set_reconnect(0)


def test_closing_ends_the_waiting() -> None:
    """However long the pause is."""
    with serving(vanishes()) as place:
        running = Running(place.url, reconnect=60)
        for _ in range(500):
            if running.errors:
                break
            time.sleep(0.01)
        running.app.close()
        assert running.join() < LIMIT

    assert ([(None, None)], False) == (running.closings, running.outcome)


def test_header_may_be_a_function() -> None:
    """It is asked anew for each connection: a token may have changed."""
    numbers = iter(range(9))
    with serving(vanishes(), answers_close(text("end"))) as place:
        app = WebSocketApp(
            place.url, header=lambda: [f"X-Number: {next(numbers)}"], on_message=lambda ws, message: ws.close()
        )
        app.run_forever(reconnect=0.01)

    assert [True, True] == [f"X-Number: {at}".encode() in head for at, head in enumerate(place.heads)]


# --- What is left out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"dispatcher": object()}, {"suppress_host": True}])
def test_what_is_left_out_says_so(options: dict[str, Any]) -> None:
    """With what to use instead."""
    with pytest.raises(NotImplementedError, match=r"use rawws\.aio|host= says"):
        WebSocketApp("ws://localhost/").run_forever(**options)


def test_an_option_that_nobody_knows() -> None:
    """It is a mistake of the program, told before anything is connected."""
    with pytest.raises(TypeError, match=r"no option is called 'ping_intervall'; there are .*ping_interval"):
        WebSocketApp("ws://localhost/").run_forever(ping_intervall=1)  # type: ignore[call-arg]


def test_an_error_with_no_callback_for_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """By the logger "websocket"; what comes back says that there was one."""
    with serving(vanishes()) as place:
        assert WebSocketApp(place.url).run_forever()

    assert [("websocket", "Connection to remote host was lost.")] == [(r.name, r.message) for r in caplog.records]
