"""The examples run as they stand, each against the others, as a person would start them."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

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
