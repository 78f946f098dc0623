"""What the tests of the feed share: a limit in time, and the command."""

import asyncio
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from tests.examples.processes import ROOT, python

EURO = "EUR/USD"
SECONDS = 20.0
"""For one test of the server, on a machine that has much else to do."""


def in_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of a coroutine, with a limit."""

    @wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **fixtures), SECONDS))

    return run


@contextmanager
def running(*options: str, port: int = 0, complaint: str = "") -> Iterator[str]:
    """`python -m examples.feed`, until the block ends; where it serves.  It says nothing but the complaint, if any."""
    command = python("examples.feed", "--port", str(port), *options)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("Open http://localhost:"), line + process.communicate(timeout=SECONDS)[1]
        yield line.split()[1]
    finally:
        process.terminate()
        _, complaints = process.communicate(timeout=SECONDS)
    others = [line for line in complaints.splitlines() if not (complaint and line.startswith(complaint))]
    assert not others, complaints


def port_of(url: str) -> int:
    """The port in the address of a page."""
    return int(url.rstrip("/").rpartition(":")[2])
