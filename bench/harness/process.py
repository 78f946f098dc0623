"""A contender in a process of its own: how it is started, asked, watched and ended.

It prints a line when it is ready, and goes on until its input ends.  A server prints its port, and behind it `plain` if
it echoes TCP and knows no WebSocket; a worker prints "ready", and answers each line of JSON that it is given with one.
"""

import contextlib
import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60.0


class Process:
    """A program that runs."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None, core: int | None = None
    ) -> None:
        self.name = name
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
        program = [sys.executable, *command] if command[0] == "-m" else list(command)
        self._process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            cwd=ROOT,
            env=_surroundings(environment or {}),
            start_new_session=True,  # So that Ctrl-C does not end it before it has been measured to the end.
        )
        self.pid = self._process.pid
        if core is not None:
            os.sched_setaffinity(self.pid, {core})
        try:
            self.greeting = self.line()
        except BaseException:
            self.stop()
            raise

    @property
    def port(self) -> int:
        """Where it listens, if it is a server."""
        return int(self.greeting.split()[0])

    @property
    def plain(self) -> bool:
        """It is a server that knows no WebSocket."""
        return self.greeting.endswith("plain")

    def line(self, patience: float = PATIENCE) -> str:
        """The next line that it prints.

        Raises:
            ChildProcessError: it ended in place of it, or says nothing for so long.
        """
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], patience)[0]:
            raise ChildProcessError(f"it says nothing for {patience:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise ChildProcessError(self.complaint() or "it ended")
        return line.decode().strip()

    def ask(self, **question: Any) -> dict[str, Any]:
        """What a worker answers."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ChildProcessError(self.complaint() or "it ended") from None
        answer: dict[str, Any] = json.loads(self.line())
        if "error" in answer:
            raise ChildProcessError(answer["error"])
        return answer

    def complaint(self) -> str:
        """What it wrote to stderr last: the last line that names an error, or else the last line."""
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if "Error: " in line]
        return (errors or lines or [""])[-1].strip()

    def cpu(self) -> float:
        """CPU seconds that it has used by now, in user mode and in the kernel, all threads, to the nanosecond.

        It is waited for until it sleeps: of a thread that runs, Linux counts what it has used since the last tick, some
        milliseconds, only when it stops.
        """
        until = time.perf_counter() + 0.05
        while self._runs() and time.perf_counter() < until:
            time.sleep(0.0002)
        # The clock that clock_getcpuclockid(3) names on Linux; /proc counts in hundredths of a second.
        return time.clock_gettime(~self.pid << 3 | 2)

    def _runs(self) -> bool:
        """Whether any of its threads does something; of many, those that were first are looked at."""
        tasks = islice(os.scandir(f"/proc/{self.pid}/task"), 64)
        return any(_state(task.path) == "R" for task in tasks)

    def in_kernel(self) -> float:
        """CPU seconds of these that were spent in the kernel, as coarse as /proc has it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[12]) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Bytes that it has in memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._complaints.close()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _state(task: str) -> str:
    """R, S, D…; nothing of a thread that has just ended."""
    with contextlib.suppress(OSError):
        return Path(task, "stat").read_text().rpartition(") ")[2][0]
    return ""


def _surroundings(more: Mapping[str, str]) -> dict[str, str]:
    """The environment, without what would change a contender behind our back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAWWS_", "PYTHONASYNCIO"))}
    return kept | dict(more)
