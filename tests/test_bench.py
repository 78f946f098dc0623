"""The benchmarks run, and print a table.  How fast anything is, no test says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CPU time of another process is read as Linux gives it")


def bench(*arguments: str) -> str:
    """What a command prints that begins with `python -m`; it must succeed."""
    result = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert 0 == result.returncode, result.stderr
    return result.stdout


def cells(table: str, row: str) -> list[str]:
    """The cells behind the name in the line of `table` that begins with `row`."""
    line = next(line for line in table.splitlines() if line.startswith(f"| {row}"))
    return [cell.strip() for cell in line.strip("| ").split("|")][1:]


def test_the_cores_are_compared_in_a_table():
    """Every row has a figure for rawws, and the versions of what was compared stand above."""
    printed = bench("bench.core", "--quick", "--only", "parse server")

    assert cells(printed, "parse server binary 16 B 64K")[0][0].isdigit()
    assert cells(printed, "parse server text 1 KiB one")[0][0].isdigit()
    assert "Python 3." in printed.splitlines()[0]


def test_the_figures_of_the_cores_come_as_json():
    """A program can read what was measured."""
    printed = bench("bench.core", "--quick", "--only", "build server binary 16 B", "--json")

    assert json.loads(printed)["rates"]["build server binary 16 B"]["rawws"] > 0


def test_the_echo_servers_are_compared_in_a_table():
    """Each transport answers right under load, and has a figure in every scenario."""
    printed = bench("bench.echo", "--quick", "--servers", "tcp", "rawws aio", "rawws blocking")

    for row in ("latency 16 B", "pipelined 64 KiB", "100 connections", "memory of an idle connection"):
        assert [True] * 3 == [cell[0].isdigit() for cell in cells(printed, row)]


def test_the_clients_are_compared_in_a_table():
    """Each of our clients gets its messages back, and has a figure in every scenario."""
    printed = bench("bench.client", "--quick", "--clients", "rawws aio", "rawws blocking")

    for row in ("request and response 16 B", "16 B, 64 under way", "64 KiB, 4 under way"):
        assert [True] * 2 == [cell[0].isdigit() for cell in cells(printed, row)]
