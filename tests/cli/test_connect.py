"""`rawws URL` and `rawws connect URL`."""

import os
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from rawws import ConnectionClosed, Deflate, Request, Response
from rawws.blocking import WebSocket, serve
from rawws.cli.keyboard import Close, Ping, Pong, Send, understand
from rawws.core.headers import accept_for
from tests.cli.run import ENVIRONMENT, Run, finish, spawn


def echo(ws: WebSocket) -> None:
    for message in ws:
        ws.send(message)


@contextmanager
def serving(handler: Callable[[WebSocket], object] = echo, scheme: str = "ws", **options: Any) -> Iterator[str]:
    """A server in a thread; its URL."""
    with serve(handler, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"{scheme}://127.0.0.1:{server.port}"
        finally:
            server.close()
            thread.join()


@contextmanager
def answering(*pieces: bytes, accept: bool = True, fields: bytes = b"") -> Iterator[str]:
    """A server that says these bytes, behind a right 101 with these `fields` unless it should not `accept`, and hangs
    up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with suppress(OSError), listening.accept()[0] as sock:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += sock.recv(65536)
                if accept:
                    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
                    head = b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                    sock.sendall(head + accept_for(key) + b"\r\n" + fields + b"\r\n")
                sock.sendall(b"".join(pieces))
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


# --- From a pipe --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stdin, out", [(b"hi\n", "hi\n"), (b"hi", "hi\n"), (b"a\n\nb\n", "a\n\nb\n"), ("çok iyi\n".encode(), "çok iyi\n")]
)
def test_each_line_is_a_message_and_its_answer_is_printed(run: Run, stdin: bytes, out: str) -> None:
    """`echo hi | rawws URL` prints the echo and ends at once."""
    with serving() as url:
        begun = time.monotonic()
        outcome = run(url, stdin=stdin)
        took = time.monotonic() - begun

    assert (0, out) == (outcome.code, outcome.out)
    assert took < 4


def test_what_happened_stands_on_stderr(run: Run) -> None:
    """How it opened in the first line, how it ended in the last."""
    with serving(subprotocols=["chat"]) as url:
        first, last = run("connect", url, "--subprotocol", "chat", stdin=b"hi").err.splitlines()

    assert (True, True) == (first.startswith("101 in "), first.endswith(" ms, permessage-deflate on, subprotocol chat"))
    assert "closed: 1000, by us" == last


def test_what_the_peer_says_goes_through_a_pipe_untouched(run: Run) -> None:
    """Escaping is for terminals; a program wants what was sent."""
    with serving() as url:
        assert "\x1b[31m\u202e\n" == run(url, stdin="\x1b[31m\u202e".encode()).out


def test_all_of_a_binary_pipe_is_one_message(run: Run) -> None:
    """In fragments as it comes, back without anything added."""
    data = bytes(range(128)) * 2000
    with serving(max_size=None) as url:
        outcome = run(url, "--binary", stdin=data)

    assert (0, data) == (outcome.code, outcome.out.encode("latin-1"))


def test_a_binary_message_that_was_not_asked_for_is_printed_in_hex(run: Run) -> None:
    """So that it can be told from text, and explained."""
    with serving(lambda ws: ws.send(b"\x00\xff")) as url:
        assert "00ff\n" == run(url, "-1", stdin=b"").out


def test_messages_can_stand_on_the_command_line(run: Run) -> None:
    """-x sends them in their order and does not read stdin."""
    with serving() as url:
        assert (0, "a\nb\n") == run(url, "-x", "a", "-x", "b", stdin=b"not this")[:2]


def test_one_ends_after_the_first_message(run: Run) -> None:
    """Also of a feed that never ends."""

    def feed(ws: WebSocket) -> None:
        while ws.close_code is None:
            ws.send("tick")
            with suppress(TimeoutError, ConnectionClosed):
                ws.recv(timeout=0.01)

    with serving(feed) as url:
        assert (0, "tick\n") == run(url, "-1")[:2]


def test_wait_is_how_long_silence_is_borne(run: Run) -> None:
    """A server that never answers is left after --wait seconds; one that answers late is waited for."""

    def late(ws: WebSocket) -> None:
        for _ in ws:
            time.sleep(0.3)
            ws.send("late")

    with serving(lambda ws: [None for _ in ws]) as mute, serving(late) as slow:
        assert (0, "") == run(mute, "--wait", "0", stdin=b"hi\n")[:2]
        assert (0, "late\n") == run(slow, stdin=b"hi\n")[:2]


def test_with_no_bound_it_stays_until_the_server_ends_it(run: Run) -> None:
    """A feed says more than it was asked, and --wait inf hears all of it."""

    def feed(ws: WebSocket) -> None:
        ws.send("welcome")
        for answer in (ws.recv(), "and more", "and more"):
            ws.send(answer)

    with serving(feed) as url:
        assert (0, "welcome\nticks\nand more\nand more\n") == run(url, "-x", "ticks", "--wait", "inf")[:2]


def test_an_answer_that_comes_while_we_say_goodbye_is_printed(run: Run) -> None:
    """Our Close does not make the peer's last words disappear."""

    def two(ws: WebSocket) -> None:
        for message in ws:
            ws.send(message)
            ws.send("and more")

    with serving(two) as url:
        assert "hi\nand more\n" == run(url, stdin=b"hi\n").out


def test_a_line_that_is_not_utf8_is_refused(run: Run) -> None:
    """Nothing is replaced behind anybody's back."""
    with serving() as url:
        outcome = run(url, stdin=b"\xff\n")

    assert (64, True) == (outcome.code, "--binary" in outcome.err)


def test_json_is_one_object_for_each_event(run: Run) -> None:
    """Open, messages of both types, frames with -v, and the end."""
    with serving(lambda ws: [ws.send("é"), ws.send(b"\1")]) as url:
        told = run(url, "--json", "--wait", "inf").json
        events = [each["event"] for each in run(url, "--json", "-v", "--wait", "inf").json]

    assert ["open", "message", "message", "closed"] == [each["event"] for each in told]
    assert [("text", "é"), ("binary", "01")] == [(each["type"], each["data"]) for each in told[1:3]]
    assert "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12" == told[0]["compression"]
    assert {"code": 1000, "reason": "", "by": "peer", "rule": None}.items() <= told[3].items()
    assert ["head", "head"] == events[:2]
    assert {"open", "frame", "message", "closed"} == set(events[2:])


def test_verbose_shows_the_handshake_with_its_meaning_and_each_frame(run: Run) -> None:
    """On stderr, so that stdout is still the data."""
    with serving() as url:
        outcome = run("-v", url, stdin=b"hi\n")

    assert "hi\n" == outcome.out
    assert "C>      0  GET / HTTP/1.1\n               Asks for /." in outcome.err
    assert "S>      0  HTTP/1.1 101 Switching Protocols\n" in outcome.err
    assert "TEXT         FIN        2  'hi'" in outcome.err


def test_verbose_shows_compressed_frames_in_both_forms(run: Run) -> None:
    """From how many bytes to how many, what it says, and below it how it travelled."""
    with serving() as url:
        outcome = run("-v", "--compress-from", "0", url, stdin=b"Hello\n" + b"x" * 400 + b"\n")

    assert "Hello\n" + "x" * 400 + "\n" == outcome.out
    assert re.search(r"TEXT +FIN RSV1 +\d+ → 5  'Hello'\n {21}(?:[0-9a-f]{2} )+ +compressed\n", outcome.err)
    assert re.search(r"S>.*TEXT +FIN RSV1 +\d+ → 400  'x{48}'…\n", outcome.err)
    assert "client_max_window_bits=12: the client refers back 4,096 bytes" in outcome.err


@pytest.mark.parametrize(
    "argv, compression, told",
    [
        ([], Deflate(), "permessage-deflate on"),
        ([], None, "permessage-deflate off"),
        (["--no-compression"], Deflate(), "permessage-deflate off"),
    ],
)
def test_the_first_line_says_whether_messages_may_be_compressed(
    run: Run, argv: list[str], compression: Deflate | None, told: str
) -> None:
    """It is offered as browsers do, unless it is switched off; the server may decline."""
    with serving(compression=compression) as url:
        outcome = run(url, *argv, stdin=b"hi\n")

    assert (0, "hi\n", True) == (outcome.code, outcome.out, f", {told}, subprotocol none\n" in outcome.err)


def test_what_is_sent_is_compressed_from_a_size_on(run: Run) -> None:
    """256 bytes by default, and whatever is sent in pieces; all with 0; nothing with none, and the server still may."""

    def sent(*argv: str) -> list[bool]:
        with serving() as url:
            told = run(url, "--json", "-v", *argv, "-x", "a" * 255, "-x", "a" * 256).json
            told += run(url, "--json", "-v", *argv, "--binary", stdin=b"a" * 100_000).json
        found = [each for each in told if each["event"] == "frame" and each["name"] in ("TEXT", "BINARY")]
        return [each["compressed"] for each in found if each["from"] == "client"]

    assert ([False, True, True], [True, True, True], [False, False, False]) == (
        sent(),
        sent("--compress-from", "0"),
        sent("--compress-from", "none"),
    )


def test_headers_origin_and_credentials_are_sent(run: Run) -> None:
    """As they were given."""
    seen: list[tuple[bytes, bytes]] = []

    def note(request: Request) -> None:
        seen.extend(request.headers)

    with serving(process_request=note, origins=None) as url:
        run(url, "-H", "X-A: b: c", "--origin", "https://a.example", "--user", "Aladdin:open sesame", "-x", "hi")

    assert {
        (b"x-a", b"b: c"),
        (b"origin", b"https://a.example"),
        (b"authorization", b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
    } <= set(seen)


def test_it_talks_over_tls_to_whom_it_trusts(run: Run, tmp_path: Path) -> None:
    """--ca trusts an authority, -k anybody; without either, a stranger is refused and the line says so."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(scheme="wss", ssl=context) as url:
        trusting, careless, strict = (
            run(url, "--ca", str(tmp_path / "ca.pem"), "-x", "a"),
            run(url, "-kx", "a"),
            run(url),
        )

    assert ((0, "a\n"), (0, "a\n"), 3) == (trusting[:2], careless[:2], strict.code)
    assert "is not trusted" in strict.err


def test_it_talks_to_a_unix_socket(run: Run, tmp_path: Path) -> None:
    """The URL still says what to ask for."""
    path = str(tmp_path / "echo.sock")
    with serve(echo, unix=path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert (0, "hi\n") == run("--unix", path, "ws://localhost/", stdin=b"hi")[:2]


# --- How it ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code, exit_code", [(1000, 0), (1001, 0), (None, 0), (1011, 1), (4000, 1)])
def test_the_exit_code_tells_a_clean_end_from_another(run: Run, code: int | None, exit_code: int) -> None:
    """1000, 1001 and no code at all are clean."""
    with serving(lambda ws: ws.close(code, "" if code is None else "so\x1b")) as url:
        outcome = run(url, "--wait", "inf")

    assert exit_code == outcome.code
    assert (
        f"closed: {code or 1005}{'' if code is None else chr(32) + 'so' + chr(92) + 'x1b'}, by the server"
        in outcome.err
    )


def test_a_connection_that_is_lost_is_an_abnormal_end(run: Run) -> None:
    """No Close frame came: 1006."""
    with answering() as url:
        outcome = run(url, "--wait", "inf")

    assert (1, True) == (outcome.code, "closed: 1006, the connection was lost" in outcome.err)


@pytest.mark.parametrize(
    "wire, rule",
    [
        ("81 80 00000000", "mask-unexpected"),
        ("81 01 ff", "text-not-utf8"),
        ("88 01 00", "close-too-short"),
        ("c1 00", "reserved-bits"),
    ],
)
def test_a_peer_that_breaks_a_rule_is_named(run: Run, wire: str, rule: str) -> None:
    """The rule, and exit code 4."""
    with answering(bytes.fromhex(wire)) as url:
        outcome = run(url, "--wait", "inf")

    assert (4, True) == (outcome.code, rule in outcome.err)


def test_a_peer_whose_compressed_data_is_corrupt_is_named(run: Run) -> None:
    """The line says which rule, and -v where it shows."""
    with answering(bytes.fromhex("c1 03 f24806"), fields=b"Sec-WebSocket-Extensions: permessage-deflate\r\n") as url:
        outcome = run(url, "-v", "--wait", "inf")

    assert (4, True) == (outcome.code, "(compressed-data, section 7692/7.2.2" in outcome.err)
    assert "3 → 2  'Hc'\n" in outcome.err
    assert "! compressed-data: what is marked as compressed can be decompressed" in outcome.err


@pytest.mark.parametrize("extensions", ["permessage-deflate; a=b", "permessage-bzip2", "permessage-deflate;;"])
def test_a_server_that_answers_with_other_terms_is_told(run: Run, extensions: str) -> None:
    """And how to do without."""
    with answering(fields=f"Sec-WebSocket-Extensions: {extensions}\r\n".encode()) as url:
        outcome = run(url)

    assert (4, 1) == (outcome.code, outcome.err.count("\n"))
    assert outcome.err.endswith("; --no-compression offers none\n")


def test_a_message_over_our_own_limit_is_no_fault_of_the_peer(run: Run) -> None:
    """The line says how to lift it."""
    with serving(lambda ws: ws.send("x" * 100)) as url:
        outcome = run(url, "--max-size", "99", "--wait", "inf")

    assert (1, True) == (outcome.code, "--max-size none takes any" in outcome.err)


@pytest.mark.parametrize(
    "status, headers, words",
    [
        (401, (), "401 Unauthorized; it wants credentials: --user NAME:PASSWORD"),
        (403, (), "403 Forbidden: no \\x1b entry; it may want another --origin"),
        (404, (), "404 Not Found, not 101: there is no WebSocket at this path"),
        (302, (("Location", "wss://b.example/"),), "302 Found and points to wss://b.example/; try that address"),
        (503, (), "503 Service Unavailable, not 101: no \\x1b entry"),
    ],
)
def test_a_refusal_is_exit_code_2_and_says_what_to_try(
    run: Run, status: int, headers: tuple[tuple[str, str], ...], words: str
) -> None:
    """The status, what the server said about it in printable characters, and advice where there is some."""
    with serving(process_request=lambda _: Response(status, headers, "no \x1b\nentry")) as url:
        outcome = run(url)

    assert (2, "", True) == (outcome.code, outcome.out, words in outcome.err)


def moved(request: Request) -> Response | None:
    """From `/old` to `/new`, and from `/round` to itself."""
    paths = {"/old": "/new", "/round": "/round"}
    return Response(307, {"Location": paths[request.target]}) if request.target in paths else None


def test_redirects_are_followed_if_that_is_asked_for(run: Run) -> None:
    """Where they led is told, in a line or in the object that tells of the opening."""
    with serving(process_request=moved) as url:
        outcome = run(f"{url}/old", "-x", "hi", "--redirects", "1")
        opened = run(f"{url}/old", "-x", "hi", "--redirects", "1", "--json").json[0]

    assert (0, "hi\n", True) == (outcome.code, outcome.out, f"307 led to {url}/new" in outcome.err)
    assert [{"status": 307, "source": f"{url}/old", "uri": f"{url}/new"}] == opened["redirects"]


def test_a_redirect_that_is_not_followed_says_why(run: Run) -> None:
    """Without the option it says that there is one."""
    with serving(process_request=moved) as url:
        outcomes = [run(f"{url}/old"), run(f"{url}/round", "--redirects", "5")]

    assert [2, 2] == [outcome.code for outcome in outcomes]
    assert "points to /new; try that address, or --redirects 5" in outcomes[0].err
    assert f"points to /round, which is not followed: it leads in a circle, to {url}/round" in outcomes[1].err


@pytest.mark.parametrize(
    "answer, code, words",
    [
        (b"", 3, "hung up in the opening handshake; does it want wss://?"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 4, "breaks a rule: the answer is well-formed HTTP"),
        (
            b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
            4,
            "accept-wrong",
        ),
    ],
)
def test_a_server_that_answers_something_else_is_told(run: Run, answer: bytes, code: int, words: str) -> None:
    """A wrong port is a common mistake."""
    with answering(answer, accept=False) as url:
        outcome = run(url)

    assert (code, 1, True) == (outcome.code, outcome.err.count("\n"), words in outcome.err)


def test_a_server_that_says_nothing_is_not_waited_for(run: Run) -> None:
    """--timeout, 10 seconds by default."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        outcome = run(f"ws://127.0.0.1:{mute.getsockname()[1]}", "--timeout", "0.1")

    assert (3, True) == (outcome.code, "did not answer within 0.1 s" in outcome.err)


@pytest.mark.parametrize(
    "argv, code, words",
    [
        (["ws://127.0.0.1:1"], 3, "nobody listens on 127.0.0.1:1; is the server running?"),
        (["ws://localhost:1"], 3, "nobody listens on localhost:1"),
        (["ws://name.invalid/"], 3, "the name in name.invalid is not known"),
        (["--unix", "/nowhere", "ws://x"], 3, "there is no socket at /nowhere"),
        (["ws://"], 64, "a WebSocket URI names a host"),
        (["ws://a b"], 64, "contains no blanks"),
        (["ws://x/#y"], 64, "no fragment"),
        (["connect", "localhost:1"], 64, "try ws://localhost:1"),
        (["connect", "http://x"], 64, "begins with ws:// or wss://"),
        (["connect"], 64, "required: URL"),
        (["ws://x", "-H", "foo"], 64, "write -H 'Name: value'"),
        (["ws://x", "-H", "Upgrade: h2c"], 64, "belongs to the handshake"),
        (["ws://x", "-H", "A: b\r\nC: d"], 64, "cannot be sent"),
        (["ws://x", "--subprotocol", "a b"], 64, "subprotocols-invalid"),
        (["ws://x", "--wait", "soon"], 64, "write 0, 2.5 or inf"),
        (["ws://x", "--max-size", "big"], 64, "write 1048576"),
        (["ws://x", "--compress-from", "big"], 64, "write 1048576"),
        (["ws://x", "--nonsense"], 64, "unrecognized arguments: --nonsense"),
        (["wss://x", "--ca", "/nowhere"], 64, "it takes a PEM file"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(run: Run, argv: list[str], code: int, words: str) -> None:
    """One line on stderr, nothing on stdout, and an exit code that tells whose fault it is."""
    outcome = run(*argv)

    assert (code, "", 1) == (outcome.code, outcome.out, outcome.err.count("\n"))
    assert words in outcome.err


def test_nobody_reads_what_is_printed() -> None:
    """`rawws URL | head -1` ends with the code of a broken pipe and without a word."""

    def feed(ws: WebSocket) -> None:
        with suppress(ConnectionClosed):
            while True:
                ws.send("tick" * 100)

    with serving(feed) as url:
        process = spawn(url, "--wait", "inf")
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        outcome = finish(process)

    assert (141, 1) == (outcome.code, outcome.err.count("\n"))


def test_a_signal_says_goodbye() -> None:
    """SIGINT (Ctrl-C) and SIGTERM close with 1001; nobody sees a traceback."""
    codes: list[int | None] = []

    def note(ws: WebSocket) -> None:
        ws.send("ready")
        for _ in ws:
            pass
        codes.append(ws.close_code)

    with serving(note) as url:
        outcomes = []
        for number in (2, 15):
            process = spawn(url, "--wait", "inf")
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(number)
            outcomes.append(finish(process))

    assert [1001, 1001] == codes
    assert [130, 0] == [outcome.code for outcome in outcomes]
    assert not any("Traceback" in outcome.err for outcome in outcomes)


# --- In a terminal ----------------------------------------------------------------------------------------------------


class Person:
    """Somebody at a terminal, who runs rawws and types."""

    def __init__(self, *argv: str) -> None:
        self.screen = ""
        self._master, slave = os.openpty()
        command = [sys.executable, "-m", "rawws", *argv]
        environment = os.environ | ENVIRONMENT | {"TERM": "xterm"}
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)

    def sees(self, words: str) -> str:
        """Wait for these words; what stood before them."""
        while words not in self.screen:
            assert select.select([self._master], [], [], 10)[0], f"{words!r} does not come: {self.screen!r}"
            self.screen += os.read(self._master, 65536).decode()
        before, _, self.screen = self.screen.partition(words)
        return before

    def types(self, text: str) -> None:
        """Keys, with \r for Enter."""
        os.write(self._master, text.encode())

    def leaves(self) -> int:
        """How it ended."""
        try:
            return self.process.wait(10)
        finally:
            os.close(self._master)


needs_a_terminal = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")


@needs_a_terminal
def test_a_person_types_lines_and_commands() -> None:
    """A line is a message; a line with / asks for something else; Ctrl-D says goodbye."""
    with serving() as url:
        person = Person(url)
        person.sees("/help shows more")
        person.sees("> ")
        for typed, answer in [
            ("hi", "< hi\r\n"),
            ("//hi", "< /hi\r\n"),
            ("/binary 00 ff", "< (2 bytes) 00 ff\r\n"),
            ("/ping there?", "pong in "),
            ("/pong", "/pong"),
            ("/ping " + "x" * 126, "not sent: the payload of a control frame is 125 bytes at most"),
            ("/close 1005", "not sent: a close code is registered"),
            ("/close bye", "'bye' is no close code; write /close 4000 bye"),
            ("/nonsense", "/nonsense is no command"),
            ("/help", "//anything"),
        ]:
            person.types(typed + "\r")
            person.sees(answer)
            person.sees("> ")
        person.types("\x04")
        person.sees("closed: 1000, by us")

        assert 0 == person.leaves()


@needs_a_terminal
def test_a_person_may_close_with_a_code_of_their_own() -> None:
    """That is a clean end: it is what was asked for."""
    with serving() as url:
        person = Person(url)
        person.sees("> ")
        person.types("/close 4000 enough\r")
        person.sees("closed: 4000, by us")

        assert 0 == person.leaves()


@needs_a_terminal
def test_what_the_peer_says_cannot_act_on_the_terminal() -> None:
    """Escape sequences are spelled out, and a line of theirs cannot look like one of ours: it is indented."""
    with serving(lambda ws: ws.send("\x1b[2J\x9b\r\n> rm -rf\ttab")) as url:
        person = Person(url)
        person.sees("< \\x1b[2J\\x9b\\r\r\n  > rm -rf\ttab\r\n")
        person.sees("closed: 1000, by the server")

        assert 0 == person.leaves()


@pytest.mark.parametrize(
    "line, expected",
    [
        ("hi", Send("hi")),
        ("", Send("")),
        ("//x", Send("/x")),
        ("/binary", Send(b"")),
        ("/binary 0x00,0xff", Send(b"\0\xff")),
        ("/ping", Ping(None)),
        ("/ping a b", Ping("a b")),
        ("/pong", Pong("")),
        ("/close", Close(1000, "")),
        ("/close 4000", Close(4000, "")),
        ("/close 4000 good bye", Close(4000, "good bye")),
    ],
)
def test_what_a_line_means(line: str, expected: object) -> None:
    """Commands begin with one slash."""
    assert expected == understand(line)
