"""Two reports side by side: what got better, what got worse, what is new."""

from collections.abc import Iterator
from dataclasses import dataclass

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
        counts = ", ".join(f"{count} {verdict.value}" for verdict, count in words.tally(report).items())
        yield [(f"{name:8}", "quiet"), f"{report.target}, {report.began:%Y-%m-%d %H:%M}: {counts}"]
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


def _line(title: str, change: Change, style: str) -> Line:
    names = " → ".join(verdict.value for verdict in (change.before, change.after) if verdict is not None)
    said = f": {change.said}" if change.said else ""
    return [(f"{title:8}", style), (f"{change.id:18}", "title"), f" {names:13} {words.title_of(change.id)}{said}"]
