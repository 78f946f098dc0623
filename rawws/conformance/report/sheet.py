"""What stands on the page of `html`, before it is a page: runs, sections, families, cases, and what was said in them.

Of what passed on a connection as much is shown as helps: all of it where something is to be told of, and where nothing
is, less.  In a matrix, cases that went well everywhere have no conversation: it would be the same again and again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rawws.conformance.case import Case, Opening, order
from rawws.conformance.report import words
from rawws.conformance.report.talk import Talk, talk_of
from rawws.conformance.report.terminal import LOUD
from rawws.conformance.suite import Report
from rawws.conformance.verdict import Result, Verdict

MOST_CONNECTIONS, MOST_ROWS = 4, 40
"""Of one case, and of one connection, where something is to be told of."""

FEWER_CONNECTIONS, FEWER_ROWS = 2, 12
"""Where nothing is, or several runs stand side by side."""

CALM = (Verdict.PASS, Verdict.SKIP, Verdict.INFO)
BAD = (Verdict.FAIL, Verdict.ERROR)

TITLES = {
    "6455/4.1": "What a client asks and accepts",
    "6455/4.2.1": "What a server asks of a request",
    "6455/4.2.2": "What a server answers",
    "6455/5.1": "Who masks",
    "6455/5.2": "Frames",
    "6455/5.3": "Masking",
    "6455/5.4": "Fragments",
    "6455/5.5": "Control frames",
    "6455/5.5.1": "Close",
    "6455/5.5.2": "Ping",
    "6455/5.5.3": "Pong",
    "6455/7.1.1": "The end of TCP",
    "6455/7.1.7": "Failing a connection",
    "6455/7.4": "Close codes",
    "6455/8.1": "UTF-8",
    "6455/9.1": "Extensions",
    "6455/10.4": "Limits",
    "6455/size": "Large messages",
    "7692/5": "Compression: the offer",
    "7692/6": "Compressed frames",
    "7692/6.1": "Compressing",
    "7692/6.2": "Decompressing",
    "7692/7": "permessage-deflate: the parameters",
    "7692/7.1.1": "Context takeover",
    "7692/7.1.2": "Window bits",
    "7692/7.2.1": "Deflated payloads",
    "7692/7.2.2": "Inflating payloads",
    "7692/7.2.3": "Kinds of deflated payloads",
    "7692/8": "Compression: security",
    "7692/soak": "Many compressed messages",
}
"""What the sections are about, in few words."""


# --- Runs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """How many had a verdict."""

    verdict: str
    count: int


@dataclass(frozen=True, slots=True)
class Run:
    """A report, without its cases."""

    report: Report
    name: str
    """The target, told apart from the others."""
    headline: str
    good: bool
    asides: tuple[str, ...]
    """What else there is to say: that it is not complete, for example."""
    skipped: str
    """Why cases were skipped."""
    shares: tuple[Share, ...]
    findings: tuple[words.Finding, ...]


def runs(reports: Sequence[Report]) -> list[Run]:
    """What is said of each."""
    return [
        Run(
            report,
            name,
            headline(report),
            not report.count(*BAD) and report.complete and bool(report.results),
            tuple(_asides(report)),
            _skipped(report),
            shares(report.results),
            tuple(words.findings(report.results, LOUD)),
        )
        for report, name in zip(reports, names(reports))
    ]


TELLING_APART = ("%H:%M", "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")
"""How to write when a run began, the shortest way first: there is little room above a column."""


def names(reports: Sequence[Report]) -> list[str]:
    """The targets; those that are the same told apart by the hour, if they are of one day, or by the day."""
    return [_name(report, [one for one in reports if one.target == report.target]) for report in reports]


def _name(report: Report, same: Sequence[Report]) -> str:
    if len(same) < 2:
        return report.target
    on_one_day = len({one.began.date() for one in same}) == 1
    for form in TELLING_APART[0 if on_one_day else 1 :]:
        if len({one.began.strftime(form) for one in same}) == len(same):
            break
    return f"{report.target} ({report.began.strftime(form)})"


def shares(results: Iterable[Result]) -> tuple[Share, ...]:
    """The verdicts, best first: as they stand in a bar."""
    found = [result.verdict for result in results]
    return tuple(Share(one.value, found.count(one)) for one in reversed(words.ORDER) if one in found)


def headline(report: Report) -> str:
    """The run in a sentence or two."""
    asked = len(report.results) - report.count(Verdict.SKIP)
    if not asked:
        return "No case was run."
    bad, warned = report.count(*BAD), report.count(Verdict.WARN)
    families = len({words.family_of(result.id) for result in report.results if result.verdict in BAD})
    said = f"{bad:,} of {words.counted(asked, 'case')} failed, in {_families(families)}." if bad else ""
    if warned:
        advice = f"{warned:,} {'recommendation is' if warned == 1 else 'recommendations are'} not followed"
        return f"{said} {advice}." if bad else f"No requirement is broken; {advice}."
    return said or f"Nothing wrong was found in {words.counted(asked, 'case')}."


def _families(number: int) -> str:
    return "1 family" if number == 1 else f"{number:,} families"


def _asides(report: Report) -> Iterator[str]:
    left = report.chosen - len(report.results)
    if not report.complete:
        yield (
            f"Not complete: {words.counted(left, 'case')} of {report.chosen:,} not run."
            if left > 0
            else "Not complete."
        )
    yield from report.problems


def _skipped(report: Report) -> str:
    reasons = [f"{reason} ({count:,})" for reason, count in words.reasons_to_skip(report).items()]
    return f"Skipped: {', '.join(reasons)}." if reasons else ""


# --- Cases ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case in one run."""

    result: Result
    verdict: str
    talks: tuple[Talk, ...]
    cut: int
    """Connections that are left out."""
    passive: bool
    repeat: str
    """The command that runs it again; empty if it is not known."""

    @property
    def lost(self) -> bool:
        """Something was said, but it is not known any more: it was not written to the file that the report is from."""
        return not (self.result.transcripts or self.passive or self.result.verdict is Verdict.SKIP)


@dataclass(frozen=True, slots=True)
class Entry:
    """One case in all runs."""

    id: str
    case: Case | None
    title: str
    places: tuple[str, ...]
    outcomes: tuple[Outcome | None, ...]
    """In the order of the runs; None where it is not in one."""
    open: bool = False
    """It is shown unfolded at first."""

    @property
    def verdicts(self) -> list[str]:
        """In all runs; "none" where it was not run."""
        return ["none" if one is None else one.verdict for one in self.outcomes]

    @property
    def differs(self) -> bool:
        """Between the runs."""
        return len(set(self.verdicts)) > 1

    @property
    def loud(self) -> bool:
        """Somewhere there is something to tell of."""
        return any(one is not None and one.result.verdict in LOUD for one in self.outcomes)


@dataclass(frozen=True, slots=True)
class Cell:
    """A family in one run: its worst verdict, and how many of its cases have it."""

    verdict: str
    count: int
    of: int


@dataclass(frozen=True, slots=True)
class Family:
    """The cases of one requirement."""

    id: str
    entries: tuple[Entry, ...]

    @property
    def requirement(self) -> str:
        """Of all of them."""
        return words.requirement_of(self.entries[0].id)

    @property
    def open(self) -> bool:
        """Something in it is to be seen at once."""
        return any(entry.loud for entry in self.entries)

    @property
    def uniform(self) -> bool:
        """All of its cases have the same verdicts, so that one line says it."""
        return len({tuple(entry.verdicts) for entry in self.entries}) == 1

    @property
    def cells(self) -> list[Cell]:
        """In each of the runs."""
        return [_cell(column) for column in zip(*(entry.verdicts for entry in self.entries))]

    @property
    def shares(self) -> tuple[Share, ...]:
        """Of the first run."""
        return shares(_results(self.entries))


@dataclass(frozen=True, slots=True)
class Section:
    """A section of an RFC."""

    id: str
    place: str
    title: str
    families: tuple[Family, ...]

    @property
    def open(self) -> bool:
        """Something in it is to be seen at once."""
        return any(family.open for family in self.families)

    @property
    def shares(self) -> tuple[Share, ...]:
        """Of the first run."""
        return shares(_results(entry for family in self.families for entry in family.entries))


def _results(entries: Iterable[Entry]) -> list[Result]:
    return [entry.outcomes[0].result for entry in entries if entry.outcomes[0] is not None]


def _cell(verdicts: Sequence[str]) -> Cell:
    ranks = [verdict.value for verdict in words.ORDER] + ["none"]
    worst = min(verdicts, key=ranks.index)
    return Cell(worst, verdicts.count(worst), len(verdicts))


def sections(reports: Sequence[Report]) -> list[Section]:
    """All cases of all reports, in order."""
    found = [{result.id: result for result in report.results} for report in reports]
    ids = sorted({id for results in found for id in results}, key=order)
    return [
        Section(
            section, words.place(section), TITLES.get(section, ""), tuple(_families_of(list(group), reports, found))
        )
        for section, group in groupby(ids, words.section_of)
    ]


def _families_of(ids: list[str], reports: Sequence[Report], found: list[dict[str, Result]]) -> Iterator[Family]:
    for family, group in groupby(ids, words.family_of):
        told: set[tuple[Verdict, str]] = set()  # in a family, what is the same again stays folded
        entries = []
        for id in group:
            results = [results.get(id) for results in found]
            first = results[0]
            new = first is not None and first.verdict in LOUD and (first.verdict, first.got) not in told
            if new and first is not None:
                told.add((first.verdict, first.got))
            entries.append(_entry(id, results, reports, new and len(reports) == 1))
        yield Family(family, tuple(entries))


def _entry(id: str, results: list[Result | None], reports: Sequence[Report], open: bool) -> Entry:
    case = words.case_of(id)
    loud = [result is not None and result.verdict not in CALM for result in results]
    single = len(reports) == 1
    outcomes = tuple(
        None if result is None else _outcome(result, case, report, single or any(loud), loud=one, single=single)
        for result, report, one in zip(results, reports, loud)
    )
    return Entry(id, case, words.title_of(id), tuple(words.places(id)), outcomes, open)


def _outcome(result: Result, case: Case | None, report: Report, told: bool, loud: bool, single: bool) -> Outcome:
    many = loud and single
    shown = result.transcripts[: MOST_CONNECTIONS if many else FEWER_CONNECTIONS] if told else []
    handshake = case is None or case.opening is Opening.RAW
    rows = MOST_ROWS if many else FEWER_ROWS
    talks = tuple(talk_of(one, report.role, rows, handshake=handshake, brief=not loud) for one in shown)
    cut = len(result.transcripts) - len(talks)
    return Outcome(result, result.verdict.value, talks, cut, words.passive(result.id), words.repeat(report, result.id))
