"""`rawws serve`, as a process, on a port that is free."""

import json
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from rawws import ConnectionClosed, Deflate, HandshakeRejected
from rawws.blocking import connect
from tests.cli.run import Outcome, Run, finish, spawn


class Serving:
    """A server that runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout is not None
        self.told: dict[str, Any] = json.loads(process.stdout.readline())
        self.url: str = self.told["urls"][0]

    def get(self, path: str, method: str = "GET") -> tuple[HTTPResponse, bytes]:
        """What a browser or a load balancer gets."""
        place = urlsplit(self.url)
        http = HTTPConnection(place.hostname or "", place.port, timeout=5)
        try:
            http.request(method, path)
            answer = http.getresponse()
            return answer, answer.read()
        finally:
            http.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Outcome:
        """End it by a signal."""
        self.process.send_signal(number)
        return finish(self.process)


@pytest.fixture
def serving() -> Iterator[Callable[..., Serving]]:
    """Starts servers, and ends them after the test."""
    started: list[Serving] = []

    def start(*argv: str) -> Serving:
        process = spawn("serve", "--json", *argv, *([] if "--unix" in argv else ["127.0.0.1:0"]))
        started.append(Serving(process))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            finish(server.process)


def test_what_is_sent_comes_back(serving: Callable[..., Serving]) -> None:
    """Text, binary and fragments, on any path."""
    with connect(serving().url + "any/path?at=all") as ws:
        ws.send("çok iyi")
        ws.send(b"\0\1")
        ws.send(["a", "b"])

        assert ["çok iyi", b"\0\1", "ab"] == [ws.recv(timeout=5) for _ in range(3)]


def test_a_browser_gets_a_page_that_opens_a_websocket(serving: Callable[..., Serving]) -> None:
    """The page is whole, names its type, and may load nothing from anywhere else."""
    answer, body = serving().get("/")

    assert (200, "text/html; charset=utf-8") == (answer.status, answer.headers["Content-Type"])
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert (b"new WebSocket(url)" in body, body.rstrip().endswith(b"</html>")) == (True, True)


def test_other_requests_get_what_http_has_for_them(serving: Callable[..., Serving]) -> None:
    """A health check, a path that is not there, a head, and a method that is not allowed."""
    server = serving()

    assert (200, b"ok\n") == (server.get("/health")[0].status, server.get("/health")[1])
    assert [404, 200, 405] == [
        server.get("/nowhere")[0].status,
        server.get("/", "HEAD")[0].status,
        server.get("/", "POST")[0].status,
    ]


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_says_goodbye_to_all(serving: Callable[..., Serving], number: signal.Signals, code: int) -> None:
    """Every client gets 1001, and there is no traceback."""
    server = serving()
    with connect(server.url) as ws:
        ws.send("hi")
        ws.recv(timeout=5)
        server.process.send_signal(number)
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv(timeout=5)
    outcome = finish(server.process)

    assert (1001, code, "") == (caught.value.code, outcome.code, outcome.err)


def test_json_tells_who_came_and_what_passed(serving: Callable[..., Serving]) -> None:
    """With -v the heads and the frames too, under the same number as the connection."""
    server = serving("-v", "--subprotocol", "chat")
    with connect(server.url, subprotocols=["chat"]) as ws:
        ws.send("hi")
        ws.recv(timeout=5)
    outcome = server.stop()

    told = outcome.json
    assert ["head", "head", "open", "frame", "frame", "frame", "frame", "closed"] == [each["event"] for each in told]
    assert {1} == {each["connection"] for each in told}
    assert ("chat", "hi", 1000, 1) == (told[2]["subprotocol"], told[3]["text"], told[7]["code"], told[7]["messages"])


def test_people_read_one_line_for_each_coming_and_going() -> None:
    """Where it listens and how to try it stands above; all of it on stderr."""
    process = spawn("serve", "-v", "127.0.0.1:0")
    assert process.stderr is not None
    introduction = [process.stderr.readline() for _ in range(4)]
    url = introduction[0].split()[-1]
    with connect(url) as ws:
        ws.send("\x1b[31m")
        ws.recv(timeout=5)
    process.send_signal(signal.SIGINT)
    outcome = finish(process)

    assert (130, "") == (outcome.code, outcome.out)
    assert f"Try it:  rawws {url}\n" == introduction[1]
    assert (
        "connected, permessage-deflate off; 1 open" in outcome.err,
        "closed: 1000, 1 echoed; 0 open" in outcome.err,
    ) == (True, True)
    assert (r"'\x1b[31m'" in outcome.err, "\x1b" in outcome.err) == (True, False)


def test_compression_is_agreed_on_unless_it_is_switched_off(serving: Callable[..., Serving]) -> None:
    """With whoever offers it; --compress-from says from which size on the answers are compressed."""
    told = []
    for argv in ([], ["--compress-from", "0"], ["--no-compression"]):
        server = serving("-v", *argv)
        with connect(server.url, compression=Deflate()) as ws:
            ws.send("hi", compress=False)
            ws.recv(timeout=5)
        events = server.stop().json
        opened = next(each for each in events if each["event"] == "open")
        answer = next(each for each in events if each["event"] == "frame" and each["from"] == "server")
        told.append((opened["compression"], answer["compressed"], answer["text"]))

    agreed = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
    assert [(agreed, False, "hi"), (agreed, True, "hi"), (None, False, "hi")] == told


def test_max_size_is_the_limit_of_a_message(serving: Callable[..., Serving]) -> None:
    """1 MiB by default; a longer one ends the connection with 1009."""
    with connect(serving("--max-size", "10").url) as ws:
        ws.send("12345678901")
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv(timeout=5)

    assert 1009 == caught.value.code


def test_pages_of_others_may_not_connect_unless_they_are_named(serving: Callable[..., Serving]) -> None:
    """Cookies and the local network are at stake (section 10.2), even for an echo."""
    closed, named, anybody = serving(), serving("--allow-origin", "http://a.example"), serving("--allow-origin", "*")

    def welcome(server: Serving, origin: str | None) -> bool:
        try:
            with connect(server.url, origin=origin):
                return True
        except HandshakeRejected as error:
            return error.status != 403

    own = named.url.replace("ws", "http").rstrip("/")
    assert (True, False) == (welcome(closed, None), welcome(closed, "http://a.example"))
    assert (True, True, True, False) == tuple(
        welcome(named, origin) for origin in (None, own, "http://a.example", "http://b.example")
    )
    assert welcome(anybody, "http://b.example")


def test_it_serves_over_tls(serving: Callable[..., Serving], tmp_path: Path) -> None:
    """With a certificate and its key, the URL is wss://."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    server = serving("--tls", str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))

    with connect(server.url, ssl=context) as ws:
        ws.send("hi")
        assert ("wss", "hi") == (server.url[:3], ws.recv(timeout=5))


def test_it_serves_on_a_unix_socket(serving: Callable[..., Serving], tmp_path: Path) -> None:
    """For who has a proxy in front."""
    path = str(tmp_path / "echo.sock")
    server = serving("--unix", path)

    with connect(server.url, unix=path) as ws:
        ws.send("hi")
        assert (path, "hi") == (server.told["unix"], ws.recv(timeout=5))
    server.stop()
    assert not Path(path).exists()


def test_a_port_in_use_is_one_line_and_exit_code_3(run: Run) -> None:
    """It names the address and the next port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = run("serve", f"127.0.0.1:{port}")

    assert (3, "") == outcome[:2]
    assert f"rawws serve: 127.0.0.1:{port} is in use; try rawws serve 127.0.0.1:{port + 1}\n" == outcome.err


@pytest.mark.parametrize(
    "argv, code, words",
    [
        (["a:b"], 64, "write localhost:8765, :8765 or [::1]:8765"),
        (["--max-size", "big"], 64, "write 1048576, 64KiB, 16MiB or none"),
        (["--compress-from", "big"], 64, "write 1048576, 64KiB, 16MiB or none"),
        (["--tls", "/nowhere/cert", "/nowhere/key"], 64, "it takes two PEM files"),
        (["name.invalid:0"], 3, "is no name of this machine"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(run: Run, argv: list[str], code: int, words: str) -> None:
    """And nothing on stdout."""
    outcome = run("serve", *argv)

    assert (code, "", 1) == (outcome.code, outcome.out, outcome.err.count("\n"))
    assert words in outcome.err


def test_it_ends_when_nobody_reads_what_it_tells() -> None:
    """`rawws serve --json | head -1`: no traceback, and no server that is left behind."""
    process = spawn("serve", "--json", "127.0.0.1:0")
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["urls"][0]
    process.stdout.close()
    with connect(url):
        pass
    process.stdout = None

    assert (141, "") == (finish(process).code, "")
