"""The program of the note that this project began with runs as it stands, but for its import lines and one blank.

`note.txt` is its block of code, byte for byte.  It forgets `import time`, and its `for` is indented by 7 blanks, where
the line behind its block is indented by 8: no Python reads that.  It connects to echo.websocket.org, which is gone: a
proxy that the environment names leads it to a server of ours.
"""

import asyncio
import difflib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_websockets

from rawws.uri import parse
from tests.cli.run import finish, spawn
from tests.proxy import Proxy

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NOTE = (HERE / "note.txt").read_text()
CHANGES = {
    "import websocket\n": "import time\n\nfrom rawws.compat import websocket\n",
    "       for i in range(3):\n": "        for i in range(3):\n",
}
PROGRAM = NOTE
for before, after in CHANGES.items():
    PROGRAM = PROGRAM.replace(before, after)

RUNS = 20


@contextmanager
def rawws_server() -> Iterator[int]:
    """`rawws serve` as a process; gives its port."""
    process = spawn("serve", "localhost:0", "--json")
    assert process.stdout is not None
    line = process.stdout.readline()
    # It would wait until somebody reads what it tells.
    reading = threading.Thread(target=process.stdout.read)
    reading.start()
    try:
        yield parse(json.loads(line)["urls"][0]).port
    finally:
        process.terminate()
        reading.join()
        finish(process)


@contextmanager
def websockets_server() -> Iterator[int]:
    """An echo of another library; gives its port."""

    def echo(ws: ServerConnection) -> None:
        for message in ws:
            ws.send(message)

    with serve_websockets(echo, "localhost", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def proxy_to(port: int) -> Iterator[str]:
    """The address of a proxy that leads everybody to this port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = Proxy(to=("localhost", port)).listening()
    proxy = asyncio.run_coroutine_threadsafe(listening.__aenter__(), loop).result()
    try:
        yield proxy.url
    finally:
        asyncio.run_coroutine_threadsafe(listening.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run(program: Path, proxy: str, second: float) -> list[tuple[float, str]]:
    """Run it; what it said, and when."""
    names = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, HERE / "runner.py", program, str(second)],
        env={**names, "http_proxy": proxy, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert 0 == done.returncode, done.stderr
    assert "CLOSE        FIN        2  (1000, '')" in done.stderr  # enableTrace(True)
    return [(time, text) for time, text in json.loads(done.stdout)]


def check_that_it_runs(server: str, second: float, at_once: int, tmp_path: Path) -> None:
    """Run the note's program as often as it says, some at a time."""
    program = tmp_path / "note.py"
    program.write_text(PROGRAM)
    serving = {"rawws": rawws_server, "websockets": websockets_server}[server]
    with serving() as port, proxy_to(port) as proxy, ThreadPoolExecutor(at_once) as pool:
        runs = list(pool.map(lambda _: run(program, proxy, second), range(RUNS)))

    expected = ["### closed ###", "Hello 0", "Hello 1", "Hello 2", "returned", "thread terminating..."]
    assert [expected] * RUNS == [sorted(text for _, text in said) for said in runs]
    assert [["Hello 0", "Hello 1", "Hello 2", "### closed ###"]] * RUNS == [
        [text for _, text in said if text not in ("returned", "thread terminating...")] for said in runs
    ]
    # The thread says that it terminates when it has called `close`.  The machine may be busy now and then.
    times = [{text: time for time, text in said} for said in runs]
    delays = sorted(at["returned"] - at["thread terminating..."] for at in times)
    assert delays[RUNS * 3 // 4] < 0.1
    assert delays[-1] < 1


def test_only_the_import_lines_and_one_blank_are_changed() -> None:
    """Apart from them every byte is the note's, which as it stands is no Python."""
    assert all(1 == NOTE.count("\n" + before if before.startswith(" ") else before) for before in CHANGES)
    with pytest.raises(IndentationError):
        compile(NOTE, "note.py", "exec")

    changed = [line for line in difflib.ndiff(NOTE.splitlines(), PROGRAM.splitlines()) if line[0] in "+-"]
    assert [
        "- import websocket",
        "+ import time",
        "+ ",
        "+ from rawws.compat import websocket",
        "-        for i in range(3):",
        "+         for i in range(3):",
    ] == changed


def test_the_turkish_page_shows_this_program() -> None:
    """It changes no more of the note's than is changed here, and where it connects."""
    page = (ROOT / "docs" / "tr" / "README.md").read_text()

    assert f"```python not.py\n{PROGRAM.replace('echo.websocket.org', 'localhost:8765')}```\n" in page


@pytest.mark.parametrize("server", ["rawws", "websockets"])
def test_it_prints_three_echoes_and_the_close_and_returns_at_once(server: str, tmp_path: Path) -> None:
    """Twenty times, with seconds that are shorter than usual."""
    check_that_it_runs(server, second=0.2, at_once=4, tmp_path=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("server", ["rawws", "websockets"])
def test_it_does_so_with_real_seconds(server: str, tmp_path: Path) -> None:
    """Twenty times."""
    check_that_it_runs(server, second=1.0, at_once=10, tmp_path=tmp_path)
