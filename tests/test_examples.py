"""The examples run as they stand, each against the others, as a person would start them."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from rawws import CloseCode, ConnectionClosed
from rawws.blocking import connect

EXAMPLES = Path(__file__).parent.parent / "examples"


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    """Connect again and again, for ten seconds at most; an example that has ended has failed."""
    for _ in range(200):
        try:
            socket.create_connection(("localhost", port)).close()
        except OSError:
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"the example ended with {process.wait(timeout=0.05)}")
        else:
            return


@contextmanager
def running(name: str, tmp_path: Path) -> Iterator[str]:
    """The example `name` as a process, on a port of its own; gives the URI once it listens."""
    port = free_port()
    script = tmp_path / name
    script.write_text((EXAMPLES / name).read_text().replace("8765", str(port)))
    process = subprocess.Popen([sys.executable, script])
    try:
        wait_until_it_listens(process, port)
        yield f"ws://localhost:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("server", ["server.py", "embedded.py", "embedded_session.py"])
def test_the_client_talks_to_every_server(server, tmp_path):
    """The ten lines of client get their echoes from each of the servers."""
    with running(server, tmp_path) as uri:
        done = subprocess.run([sys.executable, EXAMPLES / "client.py", uri], capture_output=True, text=True, timeout=20)

    assert "" == done.stderr
    assert re.fullmatch(r"hello\nb'one message, two fragments'\n\d+\.\d ms there and back\n", done.stdout)


def test_a_compression_of_one_s_own_makes_messages_short(tmp_path):
    """Both sides agree on a compression that rawws does not know, and the echo is what was sent."""
    script = tmp_path / "compression.py"
    script.write_text((EXAMPLES / "compression.py").read_text().replace("8765", str(free_port())))

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=20)

    assert "" == done.stderr
    sizes = re.fullmatch(
        r"the client sent 66 characters in (\d+) bytes\nthe server sent 66 characters in (\d+) bytes\n"
        r'\{"type": "trade", "symbol": "EMCA", "price": 12\.34, "volume": 250\}\n',
        done.stdout,
    )
    assert sizes is not None
    assert max(map(int, sizes.groups())) < 20


def test_a_program_with_callbacks_talks_to_a_server(tmp_path):
    """Three echoes, the close with its code, and it ends."""
    with running("server.py", tmp_path) as uri:
        script = EXAMPLES / "callbacks.py"
        done = subprocess.run([sys.executable, script, uri], capture_output=True, text=True, timeout=20)

    assert "" == done.stderr
    assert "Hello 0\nHello 1\nHello 2\n### closed ### 1000 \n" == done.stdout


# --- The bridge -------------------------------------------------------------------------------------------------------


@contextmanager
def bridge(target: str, complaint: str = "") -> Iterator[int]:
    """One that leads to the target, and has this to say on stderr; gives the port that it listens on."""
    command = [sys.executable, EXAMPLES / "bridge.py", "0", target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            found = re.fullmatch(r"Listening on localhost:(\d+)\. Ctrl-C ends it\.\n", process.stdout.readline())
            assert found is not None
            yield int(found[1])
        finally:
            process.terminate()
        assert re.fullmatch(complaint, process.stderr.read())


@contextmanager
def tunnel(handle: Callable[[socket.socket], object]) -> Iterator[socket.socket]:
    """A TCP client of a server that deals so with its one connection, through two bridges and over WebSocket."""
    with socket.create_server(("localhost", 0)) as listening:
        listening.settimeout(20)

        def serve() -> None:
            with listening.accept()[0] as accepted:
                accepted.settimeout(20)
                handle(accepted)

        server = threading.Thread(target=serve)
        server.start()
        with (
            bridge(f"localhost:{listening.getsockname()[1]}") as inner,
            bridge(f"ws://localhost:{inner}") as outer,
            socket.create_connection(("localhost", outer), 20) as client,
        ):
            yield client
            server.join()


def all_of(sock: socket.socket) -> bytes:
    """What comes until the end."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_a_bridge_carries_both_directions_and_their_ends():
    """The server hears the end of the question, and its answer comes back whole, with an end of its own."""
    with tunnel(lambda sock: sock.sendall(all_of(sock)[::-1])) as client:
        client.sendall(b"question" * 300_000)
        client.shutdown(socket.SHUT_WR)

        assert b"noitseuq" * 300_000 == all_of(client)


def test_a_bridge_makes_who_sends_wait_for_who_reads():
    """While nobody reads, only so much goes in as the kernels of all those on the way hold; then it comes out whole."""
    reads = threading.Event()
    came = []
    with tunnel(lambda sock: reads.wait(20) and came.append(len(all_of(sock)))) as client:
        client.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < 1 << 30:
                sent += client.send(bytes(1 << 16))
        reads.set()
        client.shutdown(socket.SHUT_WR)

    assert sent < 1 << 30
    assert [sent] == came


def test_a_bridge_to_nowhere_says_so():
    """Whoever came with WebSocket is told with a close code, and whoever runs the bridge on stderr."""
    port = free_port()
    with (
        bridge(f"localhost:{port}", rf"Cannot reach localhost:{port}: .*\n") as inner,
        pytest.raises(ConnectionClosed) as end,
    ):
        connect(f"ws://localhost:{inner}").recv(20)

    assert CloseCode.BAD_GATEWAY == end.value.code


@pytest.mark.parametrize(
    "arguments, problem",
    [
        (("8765", "localhost"), "'localhost' is no port: they go from 0 to 65535"),
        (("99999", "localhost:22"), "'99999' is no port: they go from 0 to 65535"),
        (("0", "http://localhost"), "a WebSocket URI begins with ws:// or wss://: 'http://localhost'"),
    ],
)
def test_a_bridge_says_what_is_wrong_with_its_ends(arguments, problem):
    """In one line, and it ends with 1."""
    done = subprocess.run([sys.executable, EXAMPLES / "bridge.py", *arguments], capture_output=True, text=True)

    assert (1, "") == (done.returncode, done.stdout)
    assert f"Cannot bridge {arguments[0]} to {arguments[1]}: {problem}\n" == done.stderr
