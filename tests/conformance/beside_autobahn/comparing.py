"""What Autobahn found, and whether ours found the same."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from rawws.conformance.case import Case
from tests.conformance.beside_autobahn.explained import EXPLAINED, Explained
from tests.conformance.beside_autobahn.said import Said

FINE = ("OK", "INFORMATIONAL", "")
WRONG = ("fail", "warn")
MISSING = "UNIMPLEMENTED"
"""What Autobahn says of a case that needs what the peer does not have."""


class Outcome(Enum):
    """How what Autobahn found stands beside what ours said."""

    FOUND = "found"
    """A counterpart fails or warns; about a closing it is enough that a passive case does, over what it heard."""
    SKIPPED = "skipped"
    """The peer does not have what it is about: there is nothing to be found, and ours says so."""
    EXPLAINED = "explained"
    """It is not what the RFCs ask for, or no more than they permit."""
    MISSED = "missed"
    """None of that."""


class Finding(NamedTuple):
    """A case of Autobahn's that did not come out right.

    Attributes:
        case: its id.
        said: what Autobahn said of it.
        ours: what was said of its counterparts, by their ids.
        outcome: see there.
        why: what explains it.
    """

    case: str
    said: Said
    ours: dict[str, Said]
    outcome: Outcome
    why: Explained | None = None


def counterparts(cases: Mapping[str, Case]) -> dict[str, list[str]]:
    """Our ids for each of Autobahn's."""
    found: dict[str, list[str]] = {}
    for id, case in cases.items():
        for name in case.autobahn:
            found.setdefault(name, []).append(id)
    return found


def compare(
    theirs: Mapping[str, Said],
    ours: Mapping[str, Said],
    cases: Mapping[str, Case],
    *,
    max_size: int | None = None,
    late: Sequence[str] = (),
    explained: Sequence[Explained] = EXPLAINED,
) -> list[Finding]:
    """Each case of Autobahn's that did not come out right, in its order.

    Args:
        theirs: what Autobahn said.
        ours: what ours said.
        cases: ours.
        max_size: the largest message that the peer takes.
        late: those on which Autobahn has no verdict, for their time was over.
        explained: where Autobahn is not right.
    """
    names = counterparts(cases)
    found = []
    for case, said in theirs.items():
        if (said.verdict in FINE and said.closing in FINE) or case in late:
            continue
        beside = {id: ours[id] for id in names.get(case, ()) if id in ours}
        found.append(_judged(Finding(case, said, beside, Outcome.MISSED), max_size, explained))
    return found


def _judged(finding: Finding, max_size: int | None, explained: Sequence[Explained]) -> Finding:
    verdicts = {one.verdict for one in finding.ours.values()}
    said = finding.said
    if any(one.passive for one in finding.ours.values()):
        said = said._replace(closing="OK")
    if verdicts & {*WRONG} or (said.verdict in FINE and said.closing in FINE):
        return finding._replace(outcome=Outcome.FOUND)
    if said.verdict == MISSING and verdicts == {"skip"}:
        return finding._replace(outcome=Outcome.SKIPPED)
    why = next((row for row in explained if row.holds(finding.case, said, verdicts, max_size)), None)
    return finding if why is None else finding._replace(outcome=Outcome.EXPLAINED, why=why)


def wrong_ones(ours: Mapping[str, Said]) -> Iterator[str]:
    """Cases of ours that fail or warn."""
    return (id for id, said in ours.items() if said.verdict in WRONG)


def only_ours(theirs: Mapping[str, Said], ours: Mapping[str, Said], cases: Mapping[str, Case]) -> list[str]:
    """Those of them whose counterparts were all run, and found nothing."""
    found = []
    for id in wrong_ones(ours):
        said = [theirs[name] for name in cases[id].autobahn if name in theirs]
        if said and all(one.verdict in FINE and one.closing in FINE for one in said):
            found.append(id)
    return found


def without_counterpart(ours: Mapping[str, Said], cases: Mapping[str, Case]) -> list[str]:
    """Those of them that stand for none of Autobahn's."""
    return [id for id in wrong_ones(ours) if not cases[id].autobahn]
