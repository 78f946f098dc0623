"""Helpers: run a command line in this process, or as a process of its own."""

import io
import json
import os
import signal
import subprocess
import sys
from typing import Any, NamedTuple

import pytest

from rawws.cli import main

ENVIRONMENT = {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}


class Outcome(NamedTuple):
    """What is left of a run."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> list[dict[str, Any]]:
        """What was printed with `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]


class Run:
    """Runs `rawws` in this process, with 80 columns and no colours."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)

    def __call__(self, *argv: str, stdin: bytes = b"") -> Outcome:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        code = main(argv)
        return Outcome(code, *self._capsys.readouterr())


def spawn(*argv: str, **options: Any) -> subprocess.Popen[str]:
    """Start `rawws` as a process, with pipes."""
    # A shell that runs the tests in the background has SIGINT ignored, and whoever is started inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "rawws", *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | ENVIRONMENT,
            **options,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def finish(process: subprocess.Popen[str], stdin: str | None = None) -> Outcome:
    """Wait for its end."""
    try:
        out, err = process.communicate(stdin, timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Outcome(process.returncode, out, err)
