"""A report for people: what is not a pass, told one after the other, and a summary.

    FAIL 6455/5.4/4.1  text in text, and 3 more of its family                0.01 s
         rule      A message is finished before the next one begins.
                   RFC 6455 5.4, message-unfinished
         sent      01 81 37fa213d 56  TEXT FIN=0 1 'a'
                   81 81 7f1a9c03 1d  TEXT FIN 1 'b'
         came      81 02 6162         TEXT FIN 2 'ab'
         expected  a failed connection: a Close, or the end of TCP
         got       text 'ab'
         repeat    rawws conform replay report.json 6455/5.4/4.1

A line is a list of pieces: strings, some of them with the name of a style.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import TextWrapper
from typing import TypeAlias

from rawws.conformance.report import words
from rawws.conformance.report.conversation import Said, conversation, frames_only, row
from rawws.conformance.suite import Report
from rawws.conformance.verdict import Result, Verdict
from rawws.core.settings import Role
from rawws.records import Line as Head

Piece: TypeAlias = str | tuple[str, str]
Line: TypeAlias = list[Piece]

MARGIN = 5
TEXT = 15
"""Columns at which the labels and what they are about begin."""

MOST_ROWS = 8
"""Of a conversation, unless all is wanted."""

MOST_OTHERS = 2
"""Outcomes of other cases of a family."""

MOST_REASONS = 6
"""Why cases were skipped."""

WIDEST = 30
"""Columns for bytes."""

MOST_OF_A_HEAD = {Role.CLIENT: 10, Role.SERVER: 6}
"""Lines of a head of HTTP, by the one who says it."""

LOUD = (Verdict.ERROR, Verdict.FAIL, Verdict.XPASS, Verdict.WARN)
"""What is told of without being asked."""


@dataclass(frozen=True, slots=True)
class View:
    """How a report is shown.

    Attributes:
        width: columns.
        all_of_it: whole conversations, each case for itself, and what is not loud besides.
        repeat: the command that runs a case again.
    """

    width: int = 80
    all_of_it: bool = False
    repeat: Callable[[str], str] | None = None


WIDE = View(width=100)
"""In files."""


def tell(report: Report, view: View) -> Iterator[Line]:
    """Everything that is not a pass."""
    for finding in words.findings(report.results, LOUD, fold=not view.all_of_it):
        yield from block(finding, report.role, view)
        yield []


def in_a_line(result: Result) -> Line:
    """A case in one line, as it comes."""
    said = f": {words.clean(result.expectation or result.reason)}" if result.verdict is not Verdict.PASS else ""
    style = words.STYLES[result.verdict]
    return [(f"{result.verdict.value:6}", style), f"{result.id:17} {words.title_of(result.id)}{said}"]


# --- One finding ----------------------------------------------------------------------------------------------------


def block(finding: words.Finding, role: Role, view: View) -> Iterator[Line]:
    """All that there is to say of it.

    Args:
        finding: one result, or several of one family.
        role: the side under test.
        view: how to show it.
    """
    first = finding.first
    yield from _heading(finding, view.width)
    yield from _rule(first.id, view.width)
    if first.verdict is Verdict.ERROR:
        reason = f"{first.reason}; this is a bug in rawws, please report it"
        yield from labelled("tester", reason, view.width, "bad")
    else:
        yield from conversation_of(first, role, view)
    if first.expected != words.requirement_of(first.id):
        yield from labelled("expected", first.expected, view.width)
    yield from labelled("got", words.clean(first.got), view.width, words.STYLES[first.verdict])
    yield from _others(finding, view.width)
    if first.verdict is Verdict.XPASS:
        yield from labelled("but", f"it was expected to fail: {first.expectation}", view.width)
    if view.repeat is not None and not words.passive(first.id):
        yield [*label_of("repeat"), (view.repeat(first.id), "quiet")]


def _heading(finding: words.Finding, width: int) -> Iterator[Line]:
    first, more = finding.first, len(finding.results) - 1
    seconds = f"{sum(result.seconds for result in finding.results):.2f} s"
    title = words.title_of(first.id) + (f", and {more} more of its family" if more else "")
    head = f"{finding.verdict.value.upper():4} {words.ids_in_short(finding.ids)}"
    styled: Line = [(finding.verdict.value.upper(), words.STYLES[finding.verdict])]
    styled.append((head[len(finding.verdict.value) :], "title"))
    lines = _wrapped(title, width - len(head) - 2) or [""]
    if len(lines) > 1:
        yield styled
        for line in _wrapped(title, width - MARGIN):
            yield [" " * MARGIN, line]
        return
    gap = width - len(head) - 2 - len(title) - len(seconds)
    right: Line = [" " * gap, (seconds, "quiet")] if gap > 1 else []
    yield [*styled, "  ", title, *right]


def _rule(id: str, width: int) -> Iterator[Line]:
    case = words.case_of(id)
    where = ", ".join(words.places(id))
    if case is not None and case.rule is not None:
        where += f", {case.rule.name}"
    said = "" if case is None else case.requirement
    if said.rstrip(".") == words.title_of(id):
        said = ""
    yield from labelled("rule", f"{said}  {where}".strip(), width)


def conversation_of(result: Result, role: Role, view: View) -> Iterator[Line]:
    """What was said on the connection on which it ended.

    Args:
        result: with its transcripts.
        role: the side under test.
        view: how to show it.
    """
    shown = result.transcripts if view.all_of_it else result.transcripts[-1:]
    for number, transcript in enumerate(shown, 1 + len(result.transcripts) - len(shown)):
        if len(result.transcripts) > 1:
            yield [*label_of(""), (f"connection {number} of {len(result.transcripts)}", "quiet")]
        said = conversation(transcript)
        whole = view.all_of_it or words.begins_raw(result.id)
        yield from _rows(said if whole else frames_only(said), role, view)
        if transcript.ended:
            label = "" if _last_sender(said) is role else "came"
            yield [*label_of(label), (f"the end of TCP: {transcript.ended}", "quiet")]


def _last_sender(said: list[Said]) -> Role | None:
    return said[-1].sender if said else None


def _rows(said: Sequence[Said], role: Role, view: View) -> Iterator[Line]:
    chosen = said if view.all_of_it else list(_fewer(said))
    before: Role | None = None
    rows = [row(one) for one in chosen if isinstance(one, Said)]
    room = min(WIDEST, max((len(told.data) for told in rows if len(told.data) <= WIDEST), default=0))
    for one in chosen:
        if isinstance(one, int):
            yield [*label_of(""), (f"… {one:,} more …", "quiet")]
            before = None
            continue
        label = ("came" if one.sender is role else "sent") if one.sender is not before else ""
        before = one.sender
        yield from _row(one, label, room, view.width)
        if one.sender is role:
            for remark in row(one).remarks:
                yield from labelled("", f"! {remark.rule.name}: {remark.rule.text}", view.width, "bad")


def _row(said: Said, label: str, room: int, width: int) -> Iterator[Line]:
    """Bytes, and beside them what they mean; below them, if they are too many."""
    data, meaning, _ = row(said)
    style = "client" if said.sender is Role.CLIENT else "server"
    margin = room + 2 if data else 0
    lines = _wrapped(meaning, max(24, width - TEXT - margin)) or [""]
    if len(data) > room:
        yield [*label_of(label), (data, style)]
    else:
        yield [*label_of(label), (f"{data:{margin}}", style), lines.pop(0)]
    for line in lines:
        yield [*label_of(""), " " * margin, line]


def _fewer(said: Sequence[Said]) -> Iterator[Said | int]:
    """The most telling of what was said, and in between how many were left out."""
    left_out: set[int] = set()
    for sender in Role:
        heads = [at for at, one in enumerate(said) if _is_line(one) and one.sender is sender]
        left_out.update(heads[MOST_OF_A_HEAD[sender] :])
    frames = [at for at, one in enumerate(said) if not isinstance(one.record, Head)]
    left_out.update(frames[MOST_ROWS // 2 : max(MOST_ROWS // 2, len(frames) - MOST_ROWS // 2)])
    for is_left_out, group in groupby(range(len(said)), key=lambda at: at in left_out):
        run = [said[at] for at in group]
        if is_left_out:
            yield len(run)
        else:
            yield from (one for one in run if not isinstance(one.record, Head) or _is_line(one))


def _is_line(said: Said) -> bool:
    """A line of a head, and not the empty one that ends it."""
    return isinstance(said.record, Head) and bool(said.record.text)


def _others(finding: words.Finding, width: int) -> Iterator[Line]:
    """What came of the other cases of a family, where it is not the same."""
    outcomes: dict[str, list[str]] = {}
    for result in finding.results:
        outcomes.setdefault(result.got, []).append(result.id)
    same = outcomes.pop(finding.first.got)
    if len(same) > 1 and outcomes:
        yield from labelled("also", words.ids_in_short(same[1:]), width)
    for number, (got, ids) in enumerate(outcomes.items()):
        if number == MOST_OTHERS:
            left = words.counted(len(outcomes) - MOST_OTHERS, "other outcome")
            yield from labelled("", f"and {left}; -v tells all", width, "quiet")
            return
        yield from labelled("others" if number == 0 else "", f"{words.ids_in_short(ids)}: {words.clean(got)}", width)


def label_of(text: str) -> Line:
    """The margin of a line."""
    return [" " * MARGIN, (f"{text:{TEXT - MARGIN}}", "quiet")] if text else [" " * TEXT]


def labelled(label: str, text: str, width: int, style: str = "") -> Iterator[Line]:
    """A paragraph with a label in the margin; nothing at all if there is no text."""
    for number, line in enumerate(_wrapped(text, width - TEXT)):
        yield [*label_of(label if number == 0 else ""), (line, style) if style else line]


def _wrapped(text: str, width: int) -> list[str]:
    return TextWrapper(width, break_on_hyphens=False).wrap(text)


# --- The summary ----------------------------------------------------------------------------------------------------


def summary(report: Report, code: int | None = None, width: int = 80) -> Iterator[Line]:
    """How many cases had which verdict, and what else there is to say of the run as a whole."""
    counts = words.tally(report)
    expected = counts.pop(Verdict.XFAIL, 0)
    failed = counts.pop(Verdict.FAIL, 0)
    pieces: Line = [(words.counted(len(report.results), "case"), "title")]
    pieces.append(f"  {counts.pop(Verdict.PASS, 0):,} pass")
    if failed or expected:
        pieces.append((f"  {failed + expected:,} fail", "bad" if failed else ""))
        pieces.append(f" ({expected:,} expected)" if expected else "")
    for verdict in (Verdict.ERROR, Verdict.XPASS, Verdict.WARN, Verdict.INFO, Verdict.SKIP):
        if verdict in counts:
            loud = verdict in LOUD
            pieces.append((f"  {counts[verdict]:,} {verdict.value}", words.STYLES[verdict] if loud else ""))
    pieces.append(f"   {report.seconds:.1f} s")
    if code is not None:
        pieces.append((f"  → exit {code}", "bad" if code else "good"))
    yield [piece if isinstance(piece, str) or piece[1] else piece[0] for piece in pieces if piece]
    yield from _asides(report, width)


def _asides(report: Report, width: int) -> Iterator[Line]:
    reasons = [f"{reason} ({count})" for reason, count in words.reasons_to_skip(report).items()]
    if reasons:
        shown = "; ".join(reasons[:MOST_REASONS]) + ("; …" if len(reasons) > MOST_REASONS else "")
        yield from _sentence(f"skipped: {shown}", width, "quiet")
    left = report.chosen - len(report.results)
    if not report.complete and left > 0:
        yield from _sentence(f"not complete: {words.counted(left, 'case')} of {report.chosen:,} not run", width, "warn")
    for problem in report.problems:
        yield from _sentence(problem, width, "bad")


def _sentence(text: str, width: int, style: str) -> Iterator[Line]:
    for number, line in enumerate(_wrapped(text, width - 2)):
        yield ["  " if number else "", (line, style)]


def plain(line: Line) -> str:
    """A line with no styles."""
    return "".join(piece if isinstance(piece, str) else piece[0] for piece in line).rstrip()
