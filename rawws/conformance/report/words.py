"""What every report says: how a verdict is called, where in the RFCs a case stands, which results belong together."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rawws.conformance.case import CASES, Case, Opening, Tier, order
from rawws.conformance.suite import Report
from rawws.conformance.verdict import Result, Verdict
from rawws.core.settings import Role
from rawws.records import printable

ORDER = (
    Verdict.ERROR,
    Verdict.FAIL,
    Verdict.XPASS,
    Verdict.WARN,
    Verdict.XFAIL,
    Verdict.INFO,
    Verdict.SKIP,
    Verdict.PASS,
)
"""The verdicts, what wants most attention first."""

STYLES = {
    Verdict.ERROR: "bad",
    Verdict.FAIL: "bad",
    Verdict.XPASS: "warn",
    Verdict.WARN: "warn",
    Verdict.XFAIL: "quiet",
    Verdict.INFO: "quiet",
    Verdict.SKIP: "quiet",
    Verdict.PASS: "good",
}


def case_of(id: str) -> Case | None:
    """The case; None if it is one that this version does not have, in a report of another."""
    return CASES.get(id)


def section_of(id: str) -> str:
    """ "6455/5.4" of "6455/5.4/4.1"."""
    return id.rpartition("/")[0]


def family_of(id: str) -> str:
    """ "6455/5.4/4" of "6455/5.4/4.1"."""
    head, _, last = id.rpartition("/")
    return f"{head}/{last.partition('.')[0]}"


def place(section: str) -> str:
    """ "RFC 6455 5.4" of "6455/5.4"; only the RFC where what follows is no section."""
    rfc, _, number = section.partition("/")
    return f"RFC {rfc} {number}" if number[:1].isdigit() else f"RFC {rfc}"


def places(id: str) -> list[str]:
    """Where in the RFCs it stands: the section of the case, and that of its rule if it is another."""
    found = [place(section_of(id))]
    case = case_of(id)
    if case is not None and case.rule is not None:
        section = case.rule.section
        found.append(place(section if "/" in section else f"6455/{section}"))
    return list(dict.fromkeys(found))


def title_of(id: str) -> str:
    """Which case it is, for people."""
    case = case_of(id)
    return "" if case is None else case.title


def requirement_of(id: str) -> str:
    """What the target has to do, one sentence."""
    case = case_of(id)
    return "" if case is None else case.requirement


def clean(text: str) -> str:
    """Text with nothing in it that a terminal would act on, or that cannot be written."""
    return printable(text.encode(errors="backslashreplace"))


def passive(id: str) -> bool:
    """Whether it had no connection of its own."""
    case = case_of(id)
    return case is not None and case.opening is Opening.PASSIVE


def begins_raw(id: str) -> bool:
    """Whether it is about the opening handshake."""
    case = case_of(id)
    return case is not None and case.opening is Opening.RAW


@dataclass(frozen=True, slots=True)
class Finding:
    """Results of one family with the same verdict."""

    results: tuple[Result, ...]

    @property
    def first(self) -> Result:
        """The one that is told in full."""
        return self.results[0]

    @property
    def verdict(self) -> Verdict:
        """Of all of them."""
        return self.first.verdict

    @property
    def ids(self) -> list[str]:
        """Of all of them."""
        return [result.id for result in self.results]


def findings(results: Iterable[Result], verdicts: Sequence[Verdict], fold: bool = True) -> Iterator[Finding]:
    """The results with these verdicts, those of a family as one, in the order of the verdicts and then of the ids."""
    for verdict in verdicts:
        chosen = sorted((result for result in results if result.verdict is verdict), key=lambda found: order(found.id))
        for _, family in groupby(chosen, key=lambda found: family_of(found.id) if fold else found.id):
            yield Finding(tuple(family))


def ids_in_short(ids: Sequence[str]) -> str:
    """ids of one family: "6455/5.4/4.1-3, 5"."""
    if len(ids) < 2:
        return "".join(ids)
    numbers = [int(id.rpartition(".")[2]) for id in ids]
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"{ids[0].rpartition('.')[0]}.{', '.join(parts)}"


def counted(number: int, what: str) -> str:
    """ "1 case", "2 cases"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def tally(report: Report) -> dict[Verdict, int]:
    """How many cases had which verdict; verdicts that nobody had are left out."""
    counts = {verdict: report.count(verdict) for verdict in Verdict}
    return {verdict: count for verdict, count in counts.items() if count}


def reasons_to_skip(report: Report) -> dict[str, int]:
    """Why cases were skipped, and how many each, the most frequent first."""
    counts: dict[str, int] = {}
    for result in report.results:
        if result.verdict is Verdict.SKIP:
            reason = result.reason.partition(";")[0]
            counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def repeat(report: Report, id: str) -> str:
    """The command that runs a case again; empty if it is not known how, or if it cannot be run alone."""
    command = list(report.command)
    if not command and report.role is Role.SERVER and re.match("wss?://", report.target):
        command = ["server", report.target]
    if not command or passive(id):
        return ""
    case = case_of(id)
    command += ["--include", id]
    command += [] if case is None or case.tier is Tier.CORE else ["--tier", case.tier.value]
    command += ["--seed", str(report.seed)] if report.seed else []
    return shlex.join(["rawws", "conform", *command, "-v"])
