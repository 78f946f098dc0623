"""What was found of the peers, as far as it may be told to everybody, from the reports of `python -m …peers --out`.

A case that is held back for one peer is held back for all of the same role, so that a gap does not tell what it hides.
"""

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rawws.conformance import Report, Result, Verdict
from rawws.conformance.case import LIM
from rawws.conformance.report import as_json, words
from rawws.conformance.transcript import Chunk, Transcript
from rawws.core.settings import Role
from tests.conformance.peers.table import PEERS, Peer

LOUD = (Verdict.FAIL, Verdict.WARN)
"""What is told of."""

GONE = re.compile(r"not answer any more|killed by signal|one more connection|an end of the case|[Cc]onnect call failed")
"""How the suite says that the target went away, crashed, or came to no end."""

LIMITS = "6455/10.4"
CERTIFICATES = "6455/4.1/11"

MOST_KEPT = 512
"""Bytes of a conversation, of each side."""


def may_be_told(id: str, verdict: Verdict, *said: str) -> bool:
    """Whether a verdict may stand on a page: what looks like a security hole is told to those concerned first.

    Such are cases about robustness (floods, sizes, memory) and certificates, and whatever made the target go away or
    hang.

    Args:
        id: of the case.
        verdict: an error of the suite itself is nobody's finding.
        said: what was expected, what came, why: everything there is.
    """
    return not sensitive(id) and verdict is not Verdict.ERROR and not any(GONE.search(text) for text in said)


def sensitive(id: str) -> bool:
    """Whether a case is told of nobody, whatever it came to; so is one that is not known any more."""
    case = words.case_of(id)
    return case is None or case.level is LIM or case.section == LIMITS or case.group == CERTIFICATES


@dataclass(frozen=True)
class Found:
    """What was found of one peer.

    Attributes:
        peer: who it was.
        report: of the first run.
        about: what its document says of the run: versions, date, differences between runs.
    """

    peer: Peer
    report: Report
    about: dict[str, Any]

    @property
    def loud(self) -> list[Result]:
        """What is told of it."""
        return [result for result in self.report.results if result.verdict in LOUD]

    @property
    def asked(self) -> int:
        """Cases that were not skipped."""
        return len(self.report.results) - self.report.count(Verdict.SKIP)

    @property
    def versions(self) -> str:
        """Of the library, and of what it stands on."""
        return ", ".join(f"{name.removeprefix('node:')} {found}" for name, found in self.about["versions"].items())

    @property
    def label(self) -> str:
        """Its name and its version."""
        return f"{self.peer.name} {next(iter(self.about['versions'].values()))}"

    @property
    def page(self) -> str:
        """Where it stands, in the folder."""
        return page_of(self.peer)

    @property
    def differences(self) -> dict[str, list[str]]:
        """The cases on which the runs do not agree."""
        return dict(self.about["differences"])

    def held_back(self) -> set[str]:
        """The cases that may not be told."""
        found = {
            result.id
            for result in self.report.results
            if not may_be_told(result.id, result.verdict, result.expected, result.got, result.reason)
        }
        reasons: dict[str, list[str]] = self.about.get("reasons", {})
        return found | {id for id, said in reasons.items() if any(GONE.search(reason) for reason in said)}

    def without(self, ids: Iterable[str]) -> "Found":
        """The same with nothing of these cases, and of conversations what helps."""
        gone = set(ids)
        kept = [_without(result, gone) for result in self.report.results if result.id not in gone]
        report = dataclasses.replace(self.report, target=self.label, results=kept, chosen=len(kept), problems=[])
        differences = {id: said for id, said in self.differences.items() if id not in gone}
        about = {name: value for name, value in self.about.items() if name not in ("restarts", "reasons")}
        return Found(self.peer, report, about | {"differences": differences})


def page_of(peer: Peer) -> str:
    """The name of its page, in the folder."""
    return f"{peer.role.value}s/{peer.name}.md"


def read(folder: Path) -> list[Found]:
    """Everything that was found, in the order of the table; a run that came to no end is none."""
    found = []
    for peer in PEERS:
        file = folder / f"{peer.name}-{peer.role.value}.json"
        if file.exists():
            text = file.read_text()
            found.append(Found(peer, as_json.load(text), json.loads(text)["peer"]))
    return [one for one in found if one.report.complete]


def tellable(found: Sequence[Found]) -> list[Found]:
    """The same, with what may be told."""
    gone = {
        role: {id for one in found if one.peer.role is role for id in one.held_back()}
        for role in (Role.SERVER, Role.CLIENT)
    }
    return [one.without(gone[one.peer.role]) for one in found]


def _without(result: Result, gone: set[str]) -> Result:
    # A passive case names one in which it was seen.
    reason, expected, got = (
        re.sub(r" \(in ([^()]*)\)", lambda found: "" if found[1] in gone else found[0], text)
        for text in (result.reason, result.expected, result.got)
    )
    last = result.transcripts[-1:] if result.verdict in LOUD else []
    kept = [_cut(transcript) for transcript in last]
    return dataclasses.replace(result, reason=reason, expected=expected, got=got, transcripts=kept)


def _cut(transcript: Transcript) -> Transcript:
    room = dict.fromkeys(Role, MOST_KEPT)
    chunks = []
    for chunk in transcript.chunks:
        data = chunk.data[: room[chunk.sender]]
        room[chunk.sender] -= len(data)
        chunks.append(Chunk(chunk.at, chunk.sender, data, chunk.size))
    return dataclasses.replace(transcript, chunks=chunks)
