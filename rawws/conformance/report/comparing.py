"""Reports side by side: of two, what got better, what got worse and what is new; of more, a matrix of what differs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rawws.conformance.case import order
from rawws.conformance.report import words
from rawws.conformance.report.terminal import Line
from rawws.conformance.suite import Report
from rawws.conformance.verdict import Verdict

RANK = {
    Verdict.PASS: 0,
    Verdict.XPASS: 0,
    Verdict.INFO: 0,
    Verdict.SKIP: 1,
    Verdict.WARN: 2,
    Verdict.XFAIL: 3,
    Verdict.FAIL: 3,
    Verdict.ERROR: 4,
}
"""How bad a verdict is.  An expected failure is as bad as one that is not: the target does the same."""


@dataclass(frozen=True, slots=True)
class Change:
    """One case in both reports; None where it is not in one of them."""

    id: str
    before: Verdict | None
    after: Verdict | None
    said: str = ""
    """What came the second time, or the first if there was no second."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from one report to another."""

    worse: list[Change]
    better: list[Change]
    other: list[Change]
    """Another verdict that is neither: skipped before, for example, or not any more."""
    new: list[Change]
    gone: list[Change]
    same: int


def compare(before: Report, after: Report) -> Comparison:
    """What changed."""
    old = {result.id: result for result in before.results}
    new = {result.id: result for result in after.results}
    found = Comparison([], [], [], [], [], sum(id in old and old[id].verdict is new[id].verdict for id in new))
    for id in sorted({**old, **new}, key=order):
        was, now = old.get(id), new.get(id)
        last = now or was
        assert last is not None
        said = (last.got or last.reason) if last.verdict is not Verdict.PASS else ""
        change = Change(id, None if was is None else was.verdict, None if now is None else now.verdict, said)
        if change.before is not change.after:
            _list_of(found, change).append(change)
    return found


def _list_of(found: Comparison, change: Change) -> list[Change]:
    if change.before is None:
        return found.new
    if change.after is None:
        return found.gone
    was, now = RANK[change.before], RANK[change.after]
    if 1 in (was, now) and max(was, now) < RANK[Verdict.WARN]:
        return found.other
    return found.worse if now > was else found.better if now < was else found.other


def tell(before: Report, after: Report, all_of_it: bool = False) -> Iterator[Line]:
    """The comparison for people; new and vanished cases are counted, and listed if all is wanted."""
    found = compare(before, after)
    for report, name in ((before, "before"), (after, "after")):
        yield [(f"{name:8}", "quiet"), _in_short(report)]
    yield []
    for title, changes, style in (
        ("worse", found.worse, "bad"),
        ("better", found.better, "good"),
        ("changed", found.other, ""),
    ):
        for change in changes:
            yield _line(title, change, style)
    for title, changes in (("new", found.new), ("gone", found.gone)):
        loud = [one for one in changes if all_of_it or RANK[one.after or one.before or Verdict.PASS] >= 2]
        for change in loud:
            yield _line(title, change, "warn" if title == "new" else "quiet")
    yield [
        (f"{len(found.worse)} worse", "bad" if found.worse else ""),
        (f"  {len(found.better)} better", "good" if found.better else ""),
        f"  {len(found.other)} changed  {len(found.new)} new  {len(found.gone)} gone  {found.same} the same",
    ]


def _in_short(report: Report) -> str:
    counts = ", ".join(f"{count} {verdict.value}" for verdict, count in words.tally(report).items())
    return f"{report.target}, {report.began:%Y-%m-%d %H:%M}: {counts}"


def _line(title: str, change: Change, style: str) -> Line:
    names = " → ".join(verdict.value for verdict in (change.before, change.after) if verdict is not None)
    said = f": {change.said}" if change.said else ""
    return [(f"{title:8}", style), (f"{change.id:18}", "title"), f" {names:13} {words.title_of(change.id)}{said}"]


# --- Several --------------------------------------------------------------------------------------------------------

LETTERS = {
    Verdict.PASS: ".",
    Verdict.FAIL: "F",
    Verdict.WARN: "w",
    Verdict.INFO: "i",
    Verdict.SKIP: "s",
    Verdict.ERROR: "E",
    Verdict.XFAIL: "x",
    Verdict.XPASS: "X",
    None: "-",
}
"""What stands in the matrix where there is no room for words; None: it was not run."""

IDS, TITLE, MARGIN = 24, 24, 8
"""Columns for ids, and at least so many for what they are: beside words, and beside letters."""


def tell_several(reports: Sequence[Report], width: int = 80, all_of_it: bool = False) -> Iterator[Line]:
    """A matrix of the cases that differ, one column for each report; what is the same in all of them is counted.

    Args:
        reports: the first is the one that the others are held against.
        width: columns.
        all_of_it: also those with which nothing is wrong anywhere, such as passed here and skipped there.
    """
    for number, report in enumerate(reports, 1):
        found = compare(reports[0], report)
        change = f"; {len(found.worse)} worse and {len(found.better)} better than 1" if number > 1 else ""
        yield [(f"{number:<3}", "title"), f"{_in_short(report)}{change}"]
    yield []
    rows = _rows(reports)
    differ = {id: row for id, row in rows.items() if len(set(row)) > 1}
    loud = {id: row for id, row in differ.items() if any(RANK.get(one, 0) >= RANK[Verdict.WARN] for one in row if one)}
    yield from _matrix(differ if all_of_it else loud, len(reports), width)
    calm = len(differ) - len(loud)
    hidden = f"; {calm} that nobody fails left out (-v)" if calm and not all_of_it else ""
    yield [(f"{words.counted(len(differ), 'case')} not the same everywhere", "title"), f"{hidden}"]
    yield [f"{words.counted(len(rows) - len(differ), 'case')} the same"]


Row = tuple[Verdict | None, ...]


def _rows(reports: Sequence[Report]) -> dict[str, Row]:
    """The verdicts of each case, by id, in order."""
    found = [{result.id: result.verdict for result in report.results} for report in reports]
    ids = sorted({id for verdicts in found for id in verdicts}, key=order)
    return {id: tuple(verdicts.get(id) for verdicts in found) for id in ids}


def _matrix(rows: dict[str, Row], columns: int, width: int) -> Iterator[Line]:
    """A line for the cases of a family with the same verdicts."""
    if not rows:
        return
    in_words = IDS + 6 * columns + TITLE <= width
    cell = 6 if in_words else 3
    yield [(" " * IDS + "".join(f"{number:<{cell}}" for number in range(1, columns + 1)).rstrip(), "title")]
    for (_, row), group in groupby(rows, lambda id: (words.family_of(id), rows[id])):
        ids = list(group)
        line: Line = [(f"{words.ids_in_short(ids):{IDS - 1}} ", "title")]
        for verdict in row:
            name = LETTERS[verdict] if not in_words else "-" if verdict is None else verdict.value
            line.append((f"{name:{cell}}", "quiet" if verdict is None else words.STYLES[verdict]))
        title = f"{words.title_of(ids[0])}: " * (len(ids) == 1) + words.requirement_of(ids[0])
        room = max(MARGIN, width - IDS - cell * columns)
        yield [*line, title if len(title) <= room else f"{title[: room - 1]}…"]
    if not in_words:
        names = (f"{letter} {'not run' if verdict is None else verdict.value}" for verdict, letter in LETTERS.items())
        yield [(", ".join(names), "quiet")]
