"""The `index.json` of the Autobahn test suite, so that what reads those reports goes on working.

    {"agent": {"5.18": {"behavior": "OK", "behaviorClose": "OK", "duration": 12, "remoteCloseCode": 1002, ...}}}

Where several cases of ours stand for one of theirs, the worst verdict is told.  But: there are no files besides, so
`reportfile` is empty; and an expected failure is a failure here, for that suite knows no such thing.
"""

import json
from typing import Any

from rawws.conformance.closing import closes_in, code_of
from rawws.conformance.report import words
from rawws.conformance.suite import Report
from rawws.conformance.verdict import Result, Verdict

BEHAVIOR = {
    Verdict.PASS: "OK",
    Verdict.XPASS: "OK",
    Verdict.INFO: "INFORMATIONAL",
    Verdict.SKIP: "UNIMPLEMENTED",
    Verdict.WARN: "NON-STRICT",
    Verdict.XFAIL: "FAILED",
    Verdict.FAIL: "FAILED",
    Verdict.ERROR: "FAILED",
}
"""Autobahn's words; ours in the order from the best to the worst."""

_WORST = list(BEHAVIOR)


def write(report: Report, agent: str = "") -> str:
    """The document; `agent` is what the target is called, if not by its URL or command."""
    return json.dumps({agent or report.target: cases(report)}, indent=1, sort_keys=True) + "\n"


def cases(report: Report) -> dict[str, dict[str, Any]]:
    """What is said of each of their cases, by its id."""
    theirs: dict[str, list[Result]] = {}
    for result in report.results:
        case = words.case_of(result.id)
        for name in () if case is None else case.autobahn:
            theirs.setdefault(name, []).append(result)
    return {name: _entry(results) for name, results in theirs.items()}


def _entry(results: list[Result]) -> dict[str, Any]:
    worst = max(results, key=lambda result: _WORST.index(result.verdict))
    behavior = BEHAVIOR[worst.verdict]
    return {
        "behavior": behavior,
        "behaviorClose": behavior if behavior != "NON-STRICT" else "OK",
        "duration": round(sum(result.seconds for result in results) * 1000),
        "remoteCloseCode": _close_code(worst),
        "reportfile": None,
        "rawws": [result.id for result in results],
    }


def _close_code(result: Result) -> int | None:
    """What the target's last Close said."""
    codes = [code_of(close.payload) for transcript in result.transcripts for close in closes_in(transcript)]
    return codes[-1] if codes else None
