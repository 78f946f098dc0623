"""`rawws conform`: what it runs, what it says of targets that are none, how it exits, and what it leaves behind."""

import functools
import json
import os
import re
import shlex
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest
import trustme

from rawws import ConnectionClosed, blocking
from rawws.conformance import CASES, Verdict
from rawws.conformance.report import as_json
from rawws.conformance.verdict import Result
from rawws.core.rules import MESSAGE_UNFINISHED
from tests.cli.run import Outcome, Run, finish, spawn
from tests.conformance.naive import listening, says
from tests.conformance.naive import naive as echo

FEW = ["--include", "6455/5.4/4"]
"""Four cases, which an echo that looks at nothing fails."""


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")

ENDING = [signal.SIGINT, signal.SIGTERM]

_COMES_TWICE = """
import os, pathlib, sys, time
from rawws.blocking import connect
starts = pathlib.Path(__file__).with_suffix(".starts")
with starts.open("a") as file:
    print(os.getpid(), file=file)
if len(starts.read_text().split()) > 2:
    time.sleep(60)
with connect(sys.argv[1]) as ws:
    for message in ws:
        ws.send(message)
"""
"""A client that connects when it is seen whether it is there, and for one case, and never again."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line: `run("conform", "list")`."""
    return Run(monkeypatch, capsys)


@pytest.fixture(scope="module")
def naive() -> Iterator[str]:
    """The URL of an echo that looks at nothing."""
    with listening() as url:
        yield url


def complaint(outcome: Outcome) -> str:
    """The one line that it says."""
    assert ("", 1) == (outcome.out, len(outcome.err.splitlines())), outcome
    return outcome.err.strip()


class TestServer:
    """`rawws conform server`."""

    def test_without_a_url_tests_our_own(self, run: Run) -> None:
        """And says so in its first line; all is well."""
        code, out, err = run("conform", "server", "--include", "6455/5.4/4")

        assert (0, True) == (code, "asyncio server, started here on 127.0.0.1:" in err)
        assert out.startswith("4 cases  4 pass   ")

    def test_tells_what_is_wrong_and_exits_with_1(self, run: Run, naive: str) -> None:
        """One entry for a family, with a line that repeats it, and a summary."""
        code, out, err = run("conform", "server", naive, *FEW)

        assert (1, f"Testing {naive}: 4 cases\n") == (code, err)
        assert "FAIL 6455/5.4/4.1-4  text in text, and 3 more of its family" in out
        assert f"     repeat    rawws conform server {naive} --include 6455/5.4/4.1 -v\n" in out
        assert out.splitlines()[-1].startswith("4 cases  0 pass  4 fail   ")
        assert "\x1b" not in out

    def test_repeats_itself_with_that_line(self, run: Run, naive: str) -> None:
        """It is a command that runs, and it has all that was said about the target."""
        _, out, _ = run(
            "conform", "server", naive, *FEW, "--seed", "7", "--max-size", "1MiB", "-H", "A: b c", "--timeout", "3"
        )
        line = next(line for line in out.splitlines() if "repeat" in line).split("repeat")[1]

        again = shlex.split(line)[1:]
        assert ["--timeout", "3", "--max-size", "1048576", "--header", "A: b c", "--include", "6455/5.4/4.1"] == again[
            3:11
        ]
        assert (1, True) == ((outcome := run(*again)).code, "1 fail" in outcome.out)

    @pytest.mark.parametrize("verb", [[], ["server"]])
    def test_a_url_alone_is_enough(self, run: Run, naive: str, verb: list[str]) -> None:
        """Whoever forgets the verb means this one."""
        assert 1 == run("conform", *verb, naive, *FEW).code

    def test_quietly_says_the_summary(self, run: Run, naive: str) -> None:
        """And nothing else on stdout."""
        assert 1 == len(run("conform", "server", naive, *FEW, "-q").out.splitlines())

    def test_loudly_says_every_case_and_every_frame(self, run: Run, naive: str) -> None:
        """Also of cases that passed, and also the handshake of those that did not."""
        _, out, _ = run("conform", "server", naive, "--include", "6455/5.4/[48]*", "-v")

        assert {"pass  6455/5.4/8.1      two fragments"} <= set(out.splitlines())
        assert 4 == out.count("GET / HTTP/1.1")

    def test_says_how_long_it_has_waited(self, run: Run) -> None:
        """For what did not come."""
        refusal = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        with listening(functools.partial(echo, refusal=refusal)) as url:
            _, out, _ = run("conform", "server", url, "--include", "6455/4.2.2/8.1", "--close-timeout", "0.1")

        assert "got       it stays open for 0.1 s\n" in out

    def test_warnings_fail_if_that_is_wanted(self, run: Run, naive: str) -> None:
        """--fail-on says what a failure is, and so what exits with 1."""
        warns = ["conform", "server", naive, "--include", "6455/4.2.1/7.1", "-q"]

        assert [0, 1, 1] == [run(*warns, "--fail-on", on).code for on in ("must", "should", "any")]

    def test_stops_at_the_first_failure_if_that_is_wanted(self, run: Run, naive: str) -> None:
        """What is left is counted."""
        code, out, _ = run("conform", "server", naive, *FEW, "--jobs", "1", "--fail-fast")

        assert (1, True) == (code, out.endswith("not complete: 3 cases of 4 not run\n"))

    def test_is_a_failure_when_the_time_is_over(self, run: Run, naive: str) -> None:
        """Who has not run has not passed."""
        code, out, _ = run("conform", "server", naive, "--include", "6455/5.4/7", "--total", "0")

        assert (1, True) == (code, "the time for all cases was over; --total SECONDS gives more" in out)

    def test_never_exits_with_0_when_nothing_was_tested(self, run: Run, naive: str) -> None:
        """If all cases are skipped, that is said."""
        code, out, _ = run("conform", "server", naive, "--include", "6455/4.2.2/13.1")

        assert (2, True) == (code, out.endswith("nothing was tested: every case was skipped\n"))


class TestPreflight:
    """What is no target is told in one line, and exits with 3."""

    @pytest.mark.parametrize(
        "answer, words",
        [
            (
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                "answered 404 Not Found, not 101: there is no WebSocket at /",
            ),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "answered 200 OK, not 101"),
            (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "it may want credentials, a cookie or an Origin: --header"),
            (b"HTTP/1.1 302 Found\r\nLocation: /ws\r\n\r\n", "and points to /ws; try that address"),
            (b"HTTP/1.1 500 Oops\r\n\r\n", "look into its log"),
            (b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8\r\n\r\n", "it wants version 8"),
            (b"220 mail.example ESMTP\r\n", "does not speak HTTP; it said '220 mail.example ESMTP'"),
            (b"", "hung up in the opening handshake; does it want wss://?"),
        ],
    )
    def test_of_a_server_that_is_no_websocket(self, run: Run, answer: bytes, words: str) -> None:
        """What it said instead, and what to try."""
        with listening(functools.partial(says, answer)) as url:
            outcome = run("conform", "server", url)

        assert (3, True) == (outcome.code, words in complaint(outcome)), outcome

    def test_of_a_server_that_is_no_echo(self, run: Run) -> None:
        """What was sent and what came."""
        greeting = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi"
        with listening(functools.partial(says, greeting)) as url:
            outcome = run("conform", "server", url)

        # Its 101 lacks the Accept, and that is a matter for the cases.
        assert 3 == outcome.code
        assert "is no echo: sent text 'rawws conform asks for an echo', and got text 'hi'" in complaint(outcome)

    def test_of_a_server_that_is_not_trusted(self, run: Run, tmp_path: Path) -> None:
        """Two ways out of it: to trust who issued its certificate, or to ask nothing."""
        authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        with listening(ssl=context) as url:
            strict = run("conform", "server", url)
            trusting = run("conform", "server", url, "--ca", str(tmp_path / "ca.pem"), *FEW)
            careless = run("conform", "server", url, "--insecure", *FEW)
            other = run("conform", "server", url, "--ca", str(tmp_path / "ca.pem"), "--sni", "elsewhere.example")

        assert (3, 1, 1) == (strict.code, trusting.code, careless.code)
        assert "is not trusted: unable to get local issuer certificate; --ca FILE trusts it" in complaint(strict)
        assert (3, True) == (other.code, "--sni NAME says whose it is" in complaint(other))
        assert f"rawws conform server {url} --ca {tmp_path}/ca.pem --include 6455/5.4/4.1 -v" in trusting.out

    def test_of_nobody(self, run: Run) -> None:
        """A port on which nobody listens, and a name that nobody has."""
        with listening() as url:
            pass
        outcome = run("conform", "server", url)

        assert (3, True) == (outcome.code, complaint(outcome).endswith("; is the server running?"))

    @pytest.mark.parametrize(
        "command, words",
        [
            ("no-such-program {url}", "cannot start no-such-program: No such file or directory"),
            (
                f"{sys.executable} -c 'import nothing_of_that_name'",
                "exited with 1 and never connected; it said: ModuleNot",
            ),
            (f"{sys.executable} -c 'input' {{url}}", "the client ended, and did not connect; {url} in the command is"),
            (
                f"{sys.executable} -c 'import time; time.sleep(9)'",
                "the client runs, but within 0.5 s it did not connect",
            ),
            ("'unfinished {url}", "cannot be read: No closing quotation"),
            ("", "--exec is empty; write what starts your client, such as 'python client.py {url}'"),
            ("cd clients && ./mine {url}", "it is run by no shell; write sh -c '...'"),
        ],
    )
    def test_of_a_client_that_never_comes(self, run: Run, command: str, words: str) -> None:
        """Why, and the last line that it said."""
        outcome = run("conform", "client", "--exec", command, "--start", "0.5")

        assert (3, True) == (outcome.code, words in complaint(outcome)), outcome

    @pytest.mark.parametrize(
        "then, words",
        [
            (
                "ws.recv(); raise RuntimeError('oh no')",
                "and got Close 1011; look into its log; it said: RuntimeError: oh no",
            ),
            ("ws.recv(); ws.send('ECHO'); ws.recv()", "and got text 'ECHO'; the target has to send every message back"),
            (
                "ws.recv(); ws.recv()",
                "and got nothing within 0.5 s; the target has to send every message back, and nothing",
            ),
        ],
    )
    def test_of_a_client_that_is_no_echo(self, run: Run, tmp_path: Path, then: str, words: str) -> None:
        """What came instead; what it says at its end counts if it ended before we did."""
        path = tmp_path / "client.py"
        path.write_text(
            f"import sys\nfrom rawws.blocking import connect\nwith connect(sys.argv[1]) as ws:\n    {then}\n"
        )
        command = shlex.join([sys.executable, str(path), "{url}"])
        outcome = run("conform", "client", "--exec", command, "--timeout", "0.5", "--close-timeout", "2")

        assert (3, True) == (outcome.code, words in complaint(outcome)), outcome
        assert outcome.err.count("it said") == then.count("raise")

    @pytest.mark.parametrize(
        "said, words",
        [
            (b"hello\r\n", "the client connected, but what came is no opening handshake: 'hello'"),
            (b"\x16\x03\x01\x02\x00", "the client connected and began TLS, although the URL is ws://; try --tls"),
        ],
    )
    def test_of_a_client_that_speaks_something_else(self, run: Run, tmp_path: Path, said: bytes, words: str) -> None:
        """What it said."""
        path = tmp_path / "client.py"
        path.write_text(
            "import socket, sys\nfrom urllib.parse import urlsplit\nurl = urlsplit(sys.argv[1])\n"
            f"tcp = socket.create_connection((url.hostname, url.port))\ntcp.sendall({said!r})\ntcp.recv(1)\n"
        )
        command = shlex.join([sys.executable, str(path), "{url}"])
        outcome = run("conform", "client", "--exec", command, "--timeout", "0.5")

        assert (3, True) == (outcome.code, words in complaint(outcome)), outcome


class TestClient:
    """`rawws conform client`."""

    def test_without_a_command_tests_our_own(self, run: Run) -> None:
        """And says so."""
        code, out, err = run("conform", "client", "--include", "6455/5.4/4.1")

        assert (0, True) == (code, "asyncio client, since no --exec was given: 1 case" in err), out

    def test_starts_a_command(self, run: Run) -> None:
        """Once to see that it is there, and once for each case."""
        command = f"{sys.executable} -m rawws.conformance.own {{url}}"
        code, out, err = run("conform", "client", "--exec", command, "--include", "6455/5.4/4.1")

        assert (0, f"Testing {command}: 1 case\n") == (code, err), out

    def test_waits_for_one_that_asks_for_the_cases(self) -> None:
        """As Autobahn's clients do; the report calls it what it calls itself."""
        process = spawn("conform", "client", "--listen", "127.0.0.1:0", "--include", "6455/5.4/4.1", "--json", "-")
        assert process.stderr is not None
        url = re.findall("Waiting for a client at (.*): 1 case", process.stderr.readline())[0]
        with blocking.connect(f"{url}/getCaseCount") as ws:
            assert "1" == ws.recv()
        with suppress(ConnectionClosed), blocking.connect(f"{url}/runCase?case=1&agent=mine") as ws:
            ws.recv()
        with blocking.connect(f"{url}/updateReports?agent=mine") as ws:
            assert [] == list(ws)
        code, out, _ = finish(process)

        report = as_json.load(out)
        assert (0, "mine", [Verdict.PASS]) == (code, report.target, [result.verdict for result in report.results])

    def test_is_told_when_nobody_comes(self, run: Run) -> None:
        """It exits as for a server that is not there."""
        code, out, err = run(
            "conform", "client", "--listen", "127.0.0.1:0", "--include", "6455/5.4/4.1", "--total", "0"
        )

        assert (3, "", True) == (code, out, "no client came to ws://127.0.0.1:" in err)


class TestUsage:
    """What cannot be done is said in one line, and exits with 2."""

    @pytest.mark.parametrize(
        "argv, words",
        [
            (["serve"], "did you mean server?"),
            (["xyzzy"], "there are server, client, list, explain, replay, compare"),
            (["-q"], "-q needs a verb before it"),
            (["server", "--jbos", "3"], "rawws conform server --help shows what there is"),
            (["server", "--jobs", "0"], "it is 1 or more"),
            (["server", "--tier", "huge"], "invalid choice: 'huge'"),
            (["server", "--timeout", "soon"], "write 0, 2.5 or inf"),
            (["server", "-H", "nothing"], "write 'Name: value'"),
            (["server", "-H", "A: b\r\nC: d"], "write 'Name: value'"),
            (
                ["server", "http://localhost"],
                "begins with ws:// or wss://: 'http://localhost'; try rawws conform server ws://",
            ),
            (["server", "localhost:8765"], "; try rawws conform server ws://localhost:8765"),
            (["server", "ws//x"], "; try rawws conform server ws://x"),
            (["server", "wss:/x/y"], "; try rawws conform server wss://x/y"),
            (["server", ":8765"], "; try rawws conform server ws://localhost:8765"),
            (["server", "ws://"], "a WebSocket URI names a host: 'ws://'"),
            (["localhost:8765"], "is no verb; try rawws conform server ws://localhost:8765"),
            (["6455/5.4/4.1"], "try rawws conform explain 6455/5.4/4.1"),
            (["5.4/4.1"], "try rawws conform explain 6455/5.4/4.1"),
            (["ab:5.18"], "try rawws conform explain ab:5.18"),
            (["report.json"], "try rawws conform replay report.json"),
            (["client", "ws://localhost"], "a client has no URL; did you mean rawws conform server ws://localhost?"),
            (["client", "python c.py {url}"], "did you mean --exec 'python c.py {url}'?"),
            (["explain", "5.18"], "did you mean ab:5.18?"),
            (["list", "6455/9"], "did you mean 6455/9.1?"),
            (["replay"], "the following arguments are required: REPORT.json; rawws"),
            (["server", "--include", "6455/5.44/4"], "did you mean 6455/5.4/4?"),
            (["server", "--include", "6455"], "did you mean 6455/*?"),
            (["server", "--include", "6455/5.4/4", "--level", "must", "--exclude", "6455/5.4"], "no case is left"),
            (["server", "--json", "/nowhere/a.json"], "there is no directory /nowhere"),
            (["server", "--json", "/"], "is a directory; give a file"),
            (["server", "--json", "-", "--junit", "-"], "only one report can go to stdout"),
            (["server", "--expect", "/nowhere.toml"], "--write-expect /nowhere.toml makes one"),
            (
                ["server", "wss://localhost", "--ca", "/no.pem"],
                "--ca /no.pem: No such file or directory; it takes a PEM file",
            ),
            (["server", "wss://localhost", "--ca", __file__], "no certificates in it; it takes a PEM file"),
            (["client", "--tls", "/no.pem", "/no.key"], "it takes two PEM files"),
            (["explain", "6455/5.4/44"], "did you mean 6455/5.4/4.4?"),
            (["explain", "6455/5.4/*"], "rawws conform list '6455/5.4/*' names them"),
            (["explain", "--client", "6455/4.2.1/1.1"], "is for servers; leave --client out"),
            (["replay", "/nowhere.json"], "No such file or directory; --json FILE writes a report"),
            (["compare", "/dev/null"], "give two reports, or more"),
            (["compare", "/dev/null", "/dev/null", "--html", "/nowhere/a.html"], "there is no directory /nowhere"),
            (["replay", "/dev/null"], "it is not JSON"),
        ],
    )
    def test_wrong_words(self, run: Run, argv: list[str], words: str) -> None:
        """What is wrong, and what to write."""
        outcome = run("conform", *argv)

        assert (2, True) == (outcome.code, words in complaint(outcome)), outcome

    @pytest.mark.parametrize("verb", [[], ["server"], ["client"], ["list"], ["explain"], ["replay"], ["compare"]])
    def test_help_fits(self, run: Run, verb: list[str]) -> None:
        """80 columns."""
        outcome = run("conform", *verb, "--help")

        assert (0, True) == (outcome.code, outcome.out.startswith(f"usage: rawws conform {' '.join(verb)}"))
        assert 80 >= max(map(len, outcome.out.splitlines()))


class TestReports:
    """Files, and stdout."""

    def test_all_of_them_are_written(self, run: Run, naive: str, tmp_path: Path) -> None:
        """Each is what it should be, and the failing case is in it."""
        names = {"json": "a.json", "junit": "a.xml", "markdown": "a.md", "html": "a.html"}
        files = [f"--{kind}={tmp_path / name}" for kind, name in names.items()]
        _, out, _ = run("conform", "server", naive, *FEW, *files, f"--autobahn-json={tmp_path / 'ab'}", "--name", "it")

        assert 4 == len(as_json.load((tmp_path / "a.json").read_text()).failures)
        assert "4" == xml.parse(tmp_path / "a.xml").getroot().get("failures")
        assert "6455/5.4/4.1-4" in (tmp_path / "a.md").read_text()
        assert "6455/5.4/4.1" in (tmp_path / "a.html").read_text()
        assert "FAILED" == json.loads((tmp_path / "ab/index.json").read_text())["it"]["5.18"]["behavior"]
        assert f"repeat    rawws conform replay {tmp_path / 'a.json'} 6455/5.4/4.1\n" in out

    @FULL
    def test_one_that_cannot_be_written_harms_no_other(self, run: Run, naive: str, tmp_path: Path) -> None:
        """One line says which and where it is instead; the others are there, and it exits with 4."""
        files = ["--json", "/dev/full", "--junit", str(tmp_path / "a.xml")]
        code, out, err = run("conform", "server", naive, *FEW, *files)

        found = re.fullmatch("rawws conform: cannot write /dev/full: .* \\(it is in (.*)\\)", err.splitlines()[-1])
        assert found is not None
        assert (4, True) == (code, "0 pass  4 fail" in out)
        assert 4 == len(as_json.load(Path(found[1]).read_text()).failures)
        assert "4" == xml.parse(tmp_path / "a.xml").getroot().get("failures")
        Path(found[1]).unlink()

    def test_a_report_whose_making_fails_harms_no_other(
        self, run: Run, naive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is a bug of ours, and yet what was found is kept."""
        monkeypatch.setattr("rawws.conformance.report.junit.write", lambda *_: 1 // 0)
        code, out, err = run("conform", "server", naive, *FEW, "--junit", "a.xml", "--markdown", str(tmp_path / "a.md"))

        assert "rawws conform: no a.xml: ZeroDivisionError: " in err.splitlines()[-1]
        assert (4, True, True) == (code, "4 fail" in out, "4 fail" in (tmp_path / "a.md").read_text())

    @FULL
    def test_a_full_disk_under_stdout_is_told(self, naive: str, tmp_path: Path) -> None:
        """The files are written all the same."""
        path = tmp_path / "a.json"
        argv = [sys.executable, "-m", "rawws", "conform", "server", naive, *FEW, "-v", "--json", str(path)]
        with open("/dev/full", "w") as full:
            done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True)

        assert 4 == done.returncode
        assert "rawws conform: cannot write to stdout: No space left on device" == done.stderr.splitlines()[-1]
        assert 4 == len(as_json.load(path.read_text()).failures)

    @FULL
    def test_a_full_disk_is_no_bug(self) -> None:
        """Neither where a list goes."""
        with open("/dev/full", "w") as full:
            argv = [sys.executable, "-m", "rawws", "conform", "list"]
            done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True)

        assert (4, "rawws conform: cannot write to stdout: No space left on device\n") == (done.returncode, done.stderr)

    @pytest.mark.parametrize("options", [[], ["-v"]])
    def test_who_stops_reading_stops_nothing(self, naive: str, tmp_path: Path, options: list[str]) -> None:
        """As with `| head -1`: the run goes on to its end, in silence, and exits as it would."""
        path = tmp_path / "a.json"
        process = spawn("conform", "server", naive, *FEW, *options, "--json", str(path))
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        code, _, err = finish(process)

        assert (1, f"Testing {naive}: 4 cases\n") == (code, err)
        assert 4 == len(as_json.load(path.read_text()).failures)

    def test_one_may_go_to_stdout(self, run: Run, naive: str) -> None:
        """Then what is for people goes to stderr."""
        code, out, err = run("conform", "server", naive, *FEW, "--json", "-")

        assert (1, 4, True) == (code, len(json.loads(out)["cases"]), "4 fail" in err)

    def test_what_failed_is_run_again_from_a_report(self, run: Run, naive: str, tmp_path: Path) -> None:
        """The same target, the same seed, every byte, and what it was before."""
        path = str(tmp_path / "a.json")
        run("conform", "server", naive, "--include", "6455/5.4/[48]*", "--seed", "3", "--json", path)
        code, out, _ = run("conform", "replay", path)
        assert (1, 4, True) == (code, out.count("before    fail: "), "GET / HTTP/1.1" in out)

        code, out, _ = run("conform", "replay", path, "6455/5.4/8.1")
        assert (0, True) == (code, "before    pass" in out)
        assert "--include 6455/5.4/9 runs it" in complaint(run("conform", "replay", path, "6455/5.4/9"))
        assert "did you mean 6455/5.4/4.4?" in complaint(run("conform", "replay", path, "6455/5.4/44"))
        assert "6455/5.1/3 was not run" in complaint(run("conform", "replay", path, "6455/5.1/3"))
        assert 4 == run("conform", "replay", path, "6455/5.4/4").out.count("before    fail")

    def test_two_are_compared(self, run: Run, tmp_path: Path) -> None:
        """Worse exits with 1."""
        for name, verdict in (("a", Verdict.PASS), ("b", Verdict.FAIL)):
            report = as_json.load(_EMPTY)
            report.results.append(Result("6455/5.4/4.1", verdict, got="text 'b'"))
            (tmp_path / name).write_text(as_json.dump(report))
        a, b, page = str(tmp_path / "a"), str(tmp_path / "b"), tmp_path / "page.html"

        assert (1, True) == ((outcome := run("conform", "compare", a, b)).code, "1 worse" in outcome.out)
        assert (0, True) == ((outcome := run("conform", "compare", b, a)).code, "1 better" in outcome.out)
        assert 1 == run("conform", "compare", a, b, a, "--html", str(page)).code
        assert 0 == run("conform", "compare", b, a, b).code
        assert "<!doctype html>" in page.read_text().lower()
        assert run("conform", "compare", a, b, "--html", "-").out.lower().startswith("<!doctype html>")

    def test_more_than_two_are_a_matrix(self, run: Run, tmp_path: Path) -> None:
        """One column for each."""
        paths = [str(tmp_path / name) for name in "abc"]
        for path, verdict in zip(paths, (Verdict.PASS, Verdict.FAIL, Verdict.WARN)):
            report = as_json.load(_EMPTY)
            report.results.append(Result("6455/5.4/4.1", verdict))
            Path(path).write_text(as_json.dump(report))

        assert "\n6455/5.4/4.1            pass  fail  warn  text in text: " in run("conform", "compare", *paths).out

    @pytest.mark.parametrize("sent", ENDING)
    def test_an_interrupted_run_keeps_what_it_found(self, tmp_path: Path, sent: signal.Signals) -> None:
        """Ctrl-C, or SIGTERM: a summary, all files, exit code 130."""
        path = tmp_path / "a.json"
        with listening() as url:
            # It passes over a frame that never ends, so that each of the last two waits for as long as is allowed.
            cases = ["--include", "6455/5.4/4", "--include", "6455/5.2/11", "--timeout", "60"]
            process = spawn("conform", "server", url, *cases, "--json", str(path), "-v")
            assert process.stdout is not None
            seen = [process.stdout.readline() for _ in range(4)]
            process.send_signal(sent)
            code, out, _ = finish(process)

        assert (130, True) == (code, all(line.startswith("fail  6455/5.4/4.") for line in seen))
        assert "→ exit 130\nnot complete: 2 cases of 6 not run\n" in out
        assert (4, False) == (len((report := as_json.load(path.read_text())).results), report.complete)

    @pytest.mark.parametrize("sent", ENDING)
    @pytest.mark.parametrize("send", [os.kill, os.killpg])
    def test_an_interrupted_run_with_a_client_keeps_what_it_found(
        self, tmp_path: Path, send: Callable[[int, int], None], sent: signal.Signals
    ) -> None:
        """A terminal sends it to the client too, and that a client dies of that is no verdict; else we end it."""
        path = tmp_path / "a.json"
        (tmp_path / "client.py").write_text(_COMES_TWICE)
        command = shlex.join([sys.executable, str(tmp_path / "client.py"), "{url}"])
        cases = ["--include", "6455/5.4/1.1", "--include", "6455/5.4/4", "--start", "60", "--jobs", "1"]
        cases += ["--close-timeout", "0.3"]
        argv = ["--exec", command, *cases, "--json", str(path), "-v"]
        process = spawn("conform", "client", *argv, start_new_session=True)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("pass  6455/5.4/1.1")
        while len(clients := (tmp_path / "client.starts").read_text().split()) < 3:
            time.sleep(0.05)
        send(process.pid, sent)
        code, out, err = finish(process)

        with pytest.raises(ProcessLookupError):
            os.kill(int(clients[-1]), 0)
        assert (f"Testing {command}: 5 cases\n", 130) == (err, code)
        assert "→ exit 130\nnot complete: 4 cases of 5 not run\n" in out
        assert ["6455/5.4/1.1"] == [result.id for result in as_json.load(path.read_text()).results]

    @pytest.mark.parametrize("sent", ENDING)
    def test_an_interrupted_dialogue_keeps_what_it_found(self, tmp_path: Path, sent: signal.Signals) -> None:
        """A client that has asked for one case of four, under the name that was given for it."""
        path = tmp_path / "a.json"
        argv = ["--listen", "127.0.0.1:0", *FEW, "--json", str(path), "-v", "--name", "mine"]
        process = spawn("conform", "client", *argv)
        assert process.stderr is not None
        assert process.stdout is not None
        url = re.findall("Waiting for a client at (.*): 4 cases", process.stderr.readline())[0]
        with suppress(ConnectionClosed), blocking.connect(f"{url}/runCase?case=1&agent=other") as ws:
            ws.recv()
        assert process.stdout.readline().startswith("pass  6455/5.4/4.1")
        process.send_signal(sent)
        code, out, _ = finish(process)

        report = as_json.load(path.read_text())
        assert (130, "mine", 1) == (code, report.target, report.count(Verdict.PASS))
        assert "skipped: the client did not ask for it (3)" in out

    @pytest.mark.parametrize("sent", ENDING)
    def test_a_run_that_is_interrupted_at_once_says_so(self, sent: signal.Signals) -> None:
        """In a line, for there is nothing to report."""
        process = spawn("conform", "client", "--listen", "127.0.0.1:0")
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(sent)

        assert (130, "", "rawws conform: interrupted before the first verdict\n") == finish(process)

    def test_a_target_that_goes_away_is_told(self, run: Run, tmp_path: Path) -> None:
        """What was found until then is kept, and the exit code is 3."""
        path = tmp_path / "a.json"
        code = (
            "import sys, threading, os, time\n"
            "from tests.conformance.naive import listening\n"
            "with listening() as url:\n    print(url, flush=True)\n    sys.stdin.readline()\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        mine = spawn("conform", "server", url, "--jobs", "1", "--include", "6455/5.*", "-v", "--json", str(path))
        assert mine.stdout is not None
        mine.stdout.readline()
        process.kill()
        process.communicate()
        outcome = finish(mine)

        assert (3, True) == (outcome.code, "the target is not there any more: nobody listens on 127.0" in outcome.out)
        assert 0 < len(as_json.load(path.read_text()).results)


_EMPTY = """{"schema": 1, "rawws": "0", "python": "3", "target": "it", "role": "server", "command": [],
"began": "2027-01-01T00:00:00+00:00", "seconds": 1, "seed": 0, "complete": true, "chosen": 1, "problems": [],
"cases": []}"""


class TestExpectations:
    """The file of what is known to fail."""

    def test_a_baseline_makes_the_next_run_pass(self, run: Run, naive: str, tmp_path: Path) -> None:
        """What is in it is counted apart."""
        path = str(tmp_path / "a.toml")
        assert 1 == run("conform", "server", naive, *FEW, "--write-expect", path).code
        code, out, _ = run("conform", "server", naive, *FEW, "--expect", path)

        assert (0, True) == (code, out.startswith("4 cases  0 pass  4 fail (4 expected)"))

    def test_what_passes_unexpectedly_fails_if_that_is_wanted(self, run: Run, naive: str, tmp_path: Path) -> None:
        """It is told in any case."""
        path = tmp_path / "a.toml"
        path.write_text('[[expect]]\nid = "6455/5.4/8.1"\nreason = "never tried"\n')
        argv = ["conform", "server", naive, "--include", "6455/5.4/8", "--expect", str(path)]

        assert (0, True) == ((outcome := run(*argv)).code, "it was expected to fail: never tried" in outcome.out)
        assert 1 == run(*argv, "--strict-expect").code

    def test_an_entry_that_has_expired_fails_the_run(self, run: Run, naive: str, tmp_path: Path) -> None:
        """With a sentence that says so."""
        path = tmp_path / "a.toml"
        path.write_text('[[expect]]\nid = "6455/5.4/9"\nreason = "old"\nuntil = 2001-01-01\n')
        code, out, _ = run("conform", "server", naive, "--include", "6455/5.4/8", "--expect", str(path))

        assert (1, True) == (code, "6455/5.4/9 was expected to fail until 2001-01-01, which is over (old);" in out)

    def test_an_expected_failure_is_no_reason_to_stop(self, run: Run, naive: str, tmp_path: Path) -> None:
        """--fail-fast waits for one that is not expected."""
        path = tmp_path / "a.toml"
        path.write_text('[[expect]]\nid = "6455/5.4/4.*"\nreason = "known"\n[[expect]]\nid = "6455/9"\nreason = "x"\n')
        code, _, err = run("conform", "server", naive, *FEW, "--jobs", "1", "--fail-fast", "--expect", str(path))

        assert (0, False) == (code, "no case is called 6455/5.4" in err)

    def test_one_that_cannot_be_read_is_told(self, run: Run, naive: str, tmp_path: Path) -> None:
        """Which entry, and how it should be."""
        path = tmp_path / "a.toml"
        path.write_text('[[expect]]\nid = "6455/5.4/4.*"\n')

        assert 'entry 1 (6455/5.4/4.*): it needs a reason = "..."' in complaint(
            run("conform", "server", naive, "--expect", str(path))
        )


class TestLooking:
    """`list` and `explain`."""

    def test_a_list_has_families_or_cases(self, run: Run) -> None:
        """Each with its level, and whom it tests."""
        line = "  6455/5.4/4.1-4       MUST   both    A message is finished before the next one begins."
        assert line in run("conform", "list").out.splitlines()
        assert "  6455/5.4/4.2         MUST   both    binary in text" in run("conform", "list", "6455/5.4/4").out

    def test_a_list_is_there_for_programs_too(self, run: Run) -> None:
        """One object for each case."""
        found = {case["id"]: case for case in run("conform", "list", "--json").json}

        assert set(CASES) == set(found)
        assert (MESSAGE_UNFINISHED.name, ["5.18"]) == (found["6455/5.4/4.1"]["rule"], found["6455/5.4/4.1"]["autobahn"])

    @pytest.mark.parametrize("role", [[], ["--client"]])
    def test_a_case_is_explained_by_running_it(self, run: Run, role: list[str]) -> None:
        """What it wants, why, and what is said, with an endpoint that is right."""
        code, out, _ = run("conform", "explain", *role, "ab:5.18")

        assert (0, True) == (code, out.startswith("6455/5.4/4.1  text in text\n"))
        assert "requires  A message is finished before the next one begins.\n" in out
        assert "TEXT FIN=0 1 'a'\n" in out
        assert out.endswith("verdict   pass\n")

    def test_a_case_without_a_connection_is_explained_too(self, run: Run) -> None:
        """It looks at what others heard."""
        assert "it has no connection of its own" in run("conform", "explain", "6455/5.1/3").out


def test_nobody_waits_for_the_help() -> None:
    """It needs neither rich nor a case."""
    program = (
        "import sys; from rawws.cli import main; sys.argv[1:] = ['conform', '--help']\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "usage: rawws conform" in done.stdout
    assert set() == {"rich", "rawws.conformance.cases"} & set(done.stderr.split())
