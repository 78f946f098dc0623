"""A report as one JSON document, and back.

`schema` is the version of the form: it grows when a reader of the one before would be wrong, and not when something is
added.  Of each direction of a connection the first bytes are kept, as hex, with the times at which they passed; what
they mean is written besides, for those who have no decoder, and not read back.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rawws.conformance.report import words
from rawws.conformance.report.conversation import lines
from rawws.conformance.suite import Report
from rawws.conformance.transcript import Chunk, Transcript
from rawws.conformance.verdict import Result, Verdict
from rawws.core.settings import Role

SCHEMA = 1

MOST_KEPT = 4096
"""Bytes of each direction of a connection."""


def dump(report: Report, transcripts: str = "all") -> str:
    """The document.

    Args:
        report: a report.
        transcripts: of which cases: "all", "failed" (all but those that passed or were skipped) or "none".
    """
    return json.dumps(value_of(report, transcripts), indent=1, ensure_ascii=False) + "\n"


def value_of(report: Report, transcripts: str = "all") -> dict[str, Any]:
    """The same as a value."""
    return {
        "schema": SCHEMA,
        "rawws": report.rawws,
        "python": report.python,
        "target": report.target,
        "role": report.role.value,
        "command": list(report.command),
        "began": report.began.isoformat(),
        "seconds": report.seconds,
        "seed": report.seed,
        "complete": report.complete,
        "chosen": report.chosen,
        "problems": report.problems,
        "counts": {verdict.value: count for verdict, count in words.tally(report).items()},
        "cases": [case_value(result, transcripts) for result in report.results],
    }


def case_value(result: Result, transcripts: str = "all") -> dict[str, Any]:
    """One result, with what its case is."""
    case = words.case_of(result.id)
    known: dict[str, Any] = {"id": result.id, "section": words.section_of(result.id), "rfc": words.places(result.id)}
    if case is not None:
        known |= {
            "title": case.title,
            "requirement": case.requirement,
            "level": case.level.value,
            "tier": case.tier.value,
            "rule": None if case.rule is None else case.rule.name,
            "autobahn": list(case.autobahn),
        }
    calm = result.verdict in (Verdict.PASS, Verdict.SKIP)
    wanted = transcripts == "all" or (transcripts == "failed" and not calm)
    return known | {
        "verdict": result.verdict.value,
        "reason": result.reason,
        "expected": result.expected,
        "got": result.got,
        "expectation": result.expectation,
        "seconds": result.seconds,
        "seed": result.seed,
        "transcripts": [_transcript_value(one) for one in result.transcripts] if wanted else [],
    }


def _transcript_value(transcript: Transcript) -> dict[str, Any]:
    room = dict.fromkeys(Role, MOST_KEPT)
    chunks = []
    for chunk in transcript.chunks:
        data = chunk.data[: room[chunk.sender]]
        room[chunk.sender] -= len(data)
        chunks.append({"at": chunk.at, "from": chunk.sender.value, "hex": data.hex(), "size": chunk.size})
    return {
        "agreed": transcript.agreed,
        "violated": transcript.violated,
        "ended": transcript.ended,
        "chunks": chunks,
        "decoded": list(lines(_read_transcript({"chunks": chunks, "ended": transcript.ended}))),
    }


# --- Back -----------------------------------------------------------------------------------------------------------


def load(text: str) -> Report:
    """The report of a document.

    Raises:
        ValueError: it is none, or of a version that is not known here; the message says which.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from None
    if not isinstance(value, dict) or "schema" not in value or "cases" not in value:
        raise ValueError("it is not a report of rawws conform")
    if value["schema"] != SCHEMA:
        raise ValueError(f"its schema is {value['schema']!r}, and {SCHEMA} is known here; take the rawws that wrote it")
    try:
        return _read_report(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"it is damaged ({type(error).__name__}: {error})") from None


def _read_report(value: Mapping[str, Any]) -> Report:
    return Report(
        target=value["target"],
        role=Role(value["role"]),
        results=[_read_result(case) for case in value["cases"]],
        began=datetime.fromisoformat(value["began"]),
        seconds=value["seconds"],
        seed=value["seed"],
        complete=value["complete"],
        chosen=value["chosen"],
        command=tuple(value["command"]),
        problems=list(value["problems"]),
        rawws=value["rawws"],
        python=value["python"],
    )


def _read_result(value: Mapping[str, Any]) -> Result:
    return Result(
        value["id"],
        Verdict(value["verdict"]),
        value["reason"],
        expected=value["expected"],
        got=value["got"],
        expectation=value["expectation"],
        seconds=value["seconds"],
        seed=value["seed"],
        transcripts=[_read_transcript(one) for one in value["transcripts"]],
    )


def _read_transcript(value: Mapping[str, Any]) -> Transcript:
    """But: of the frames there is nothing; `conversation` decodes them."""
    transcript = Transcript(ended=value["ended"], agreed=value.get("agreed", ""), violated=value.get("violated", ""))
    for one in value["chunks"]:
        sender = Role(one["from"])
        transcript.chunks.append(Chunk(one["at"], sender, bytes.fromhex(one["hex"]), one["size"]))
        transcript.kept[sender] += one["size"]
    return transcript
