"""A report as Markdown, for the page of a CI job: a line that says all, a table, and each finding to be unfolded."""

from collections.abc import Iterator

from rawws.conformance.report import words
from rawws.conformance.report.terminal import LOUD, WIDE, View, block, plain, summary
from rawws.conformance.suite import Report
from rawws.conformance.verdict import Verdict

MOST_BLOCKS = 100
"""Findings that are told in full: the pages of jobs are bounded."""

SIGNS = {Verdict.FAIL: "❌", Verdict.ERROR: "💥", Verdict.WARN: "⚠️", Verdict.XPASS: "❗", Verdict.XFAIL: "☑️"}


def write(report: Report, view: View = WIDE, code: int | None = None) -> str:
    """The page.

    Args:
        report: a report.
        view: how each finding is shown.
        code: how the command exited.
    """
    return "\n".join(_lines(report, view, code)) + "\n"


def _lines(report: Report, view: View, code: int | None) -> Iterator[str]:
    found = list(words.findings(report.results, LOUD))
    bad = any(one.verdict in (Verdict.FAIL, Verdict.ERROR) for one in found)
    sign = "❌" if bad or code else "✅"
    yield f"## {sign} WebSocket conformance of {verbatim(report.target)}"
    yield ""
    first, *more = (plain(line) for line in summary(report, code, 10_000))
    yield f"{report.role.value.capitalize()} under test: **{' · '.join(map(escaped, first.split('  ')))}**"
    for line in more:
        yield f"<br>{escaped(line)}"
    if found:
        yield from _table(found)
        yield from _details(found, report, view)
    yield ""
    when = f"{report.began:%Y-%m-%d %H:%M} UTC"
    yield f"<sub>rawws {report.rawws}, Python {report.python}, seed {report.seed}, {when}</sub>"


def _table(found: list[words.Finding]) -> Iterator[str]:
    yield ""
    yield "| | case | what it asks for | what came | RFC |"
    yield "|---|---|---|---|---|"
    for one in found:
        first = one.first
        asks = words.requirement_of(first.id)
        where = ", ".join(words.places(first.id)).replace("RFC ", "")
        ids = verbatim(words.ids_in_short(one.ids))
        yield f"| {SIGNS[one.verdict]} | {ids} | {escaped(asks)} | {escaped(first.got or first.reason)} | {where} |"


def _details(found: list[words.Finding], report: Report, view: View) -> Iterator[str]:
    for one in found[:MOST_BLOCKS]:
        title = f"{one.verdict.value} {words.ids_in_short(one.ids)} {words.title_of(one.first.id)}"
        yield from ("", f"<details><summary>{escaped(title)}</summary>", "", "````text")
        yield from (plain(line).replace("````", "'```") for line in block(one, report.role, view))
        yield from ("````", "", "</details>")
    if len(found) > MOST_BLOCKS:
        yield from ("", f"And {len(found) - MOST_BLOCKS} more: the JSON report has them all.")


def escaped(text: str) -> str:
    """Words, so that nothing in them is taken for Markdown or HTML."""
    text = words.clean(" ".join(text.split()))
    for character in "\\`*_[]|~":
        text = text.replace(character, "\\" + character)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def verbatim(text: str) -> str:
    """The same as code."""
    text = words.clean(" ".join(text.split())).replace("|", "\\|")
    fence = "``" if "`" in text else "`"
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
