"""What the tests of the examples need: programs that are started and ended, and time that is not endless."""

import asyncio
import inspect
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.interop.links import missing

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "examples" / "deploy"
PATIENCE = 30


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def needed(program: str) -> str:
    """The path of a program; without it the test is skipped."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    return found or missing(f"there is no {program}")


@contextmanager
def running(*command: str | Path) -> Iterator["subprocess.Popen[str]"]:
    """A program, ended by the end of the block."""
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield process
    finally:
        stop(process)


def stop(process: "subprocess.Popen[Any]") -> None:
    """End a program, if it has not ended."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def wait_for_port(port: int, process: "subprocess.Popen[Any]") -> None:
    """Wait until a program listens."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None, "it has ended"
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.02)
        else:
            return


@contextmanager
def behind(proxy: str, ports: list[str], folder: Path) -> Iterator[str]:
    """The configuration of a proxy, run with other ports; where it listens."""
    file = folder / proxy
    own = free_port()
    text = (DEPLOY / proxy).read_text().replace(":8080", f":{own}")
    for written, port in zip(("8765", "8766", "8767"), ports):
        text = text.replace(f"127.0.0.1:{written}", f"127.0.0.1:{port}")
    file.write_text(text)
    commands = {"nginx.conf": ["nginx", "-p", folder, "-c", file], "haproxy.cfg": ["haproxy", "-db", "-f", file]}
    program, *options = commands[proxy]
    with running(needed(str(program)), *options) as process:
        wait_for_port(own, process)
        yield f"127.0.0.1:{own}"


def python(module: str, *arguments: str | Path) -> list[str]:
    """The command that runs a module."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def awaited(test: Callable[..., Any]) -> Callable[..., None]:
    """Run a test that is a coroutine function, and not for ever."""

    def run(*args: Any, **kwargs: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(PATIENCE):
                await test(*args, **kwargs)

        asyncio.run(limited())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    return run
