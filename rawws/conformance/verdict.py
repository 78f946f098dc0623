"""What can be said about a case: the verdicts, and how a case says that something is not as it should be."""

from dataclasses import dataclass, field
from enum import Enum

from rawws.conformance.transcript import Transcript


class Level(Enum):
    """How strongly the RFCs want it."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"
    """Several behaviours are right; the report says which was seen."""
    LIM = "LIM"
    """Robustness: only a crash, a hang or a dead target is wrong; the limit that was seen is told."""


class Verdict(Enum):
    """The outcome of one case."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    """Not what a SHOULD asks for."""
    INFO = "info"
    """Right in any case; the reason says what was seen."""
    SKIP = "skip"
    """The target does not have what the case is about."""
    ERROR = "error"
    """The tester itself failed."""
    XFAIL = "xfail"
    """Failed, as the file of expected failures says."""
    XPASS = "xpass"
    """Passed, although that file expects it to fail."""


def when_wrong(level: Level) -> Verdict:
    """What a case of this level comes to if something is not as it should be."""
    return {Level.SHOULD: Verdict.WARN, Level.MAY: Verdict.INFO}.get(level, Verdict.FAIL)


class Wrong(Exception):
    """The target did not do what the case expects."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got


class Skip(Exception):
    """The case does not apply to this target."""


@dataclass(slots=True)
class Result:
    """What became of one case."""

    id: str
    verdict: Verdict
    reason: str = ""
    """One sentence: for a failure, what came; for `info`, what was seen."""
    expected: str = ""
    """For a failure, what had to come."""
    got: str = ""
    expectation: str = ""
    """Why it is expected to fail, for `xfail` and `xpass`."""
    seconds: float = 0.0
    seed: int = 0
    transcripts: list[Transcript] = field(default_factory=list)
