"""What the tests of the command line share."""

import pytest

from tests.cli.run import Run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line: `run("explain", "81 00")`."""
    return Run(monkeypatch, capsys)
