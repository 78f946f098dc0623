"""Programs that the tests of the examples start, and end."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.interop.links import missing

ROOT = Path(__file__).parent.parent.parent
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
def running(*command: str | Path, how: int = signal.SIGTERM) -> Iterator["subprocess.Popen[str]"]:
    """A program, ended with a signal by the end of the block."""
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield process
    finally:
        stop(process, how)


def stop(process: "subprocess.Popen[Any]", how: int = signal.SIGTERM) -> None:
    """End a program, if it has not ended."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def python(module: str, *arguments: str | Path) -> list[str]:
    """The command that runs a module."""
    return [sys.executable, "-m", module, *map(str, arguments)]
