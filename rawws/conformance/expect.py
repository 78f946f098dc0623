"""The file of expected failures: what is known to be wrong with a target, and why that is put up with, and until when.

    target = "an echo of ours, 2.1"

    [[expect]]
    id = "6455/5.1/1.*"         # an id, with * if several are meant, a section, a family, or "ab:" and Autobahn's id
    verdict = "fail"            # or "warn"; what is expected to fail may also warn
    reason = "masks are not looked at behind our proxy"
    until = "2027-06-30"        # the last day; behind it the entry has expired, and fails the run

A case that fails as expected is an `xfail`, and one that passes although it was expected to fail is an `xpass`.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any

from rawws.conformance.report import words
from rawws.conformance.suite import Report
from rawws.conformance.verdict import Result, Verdict

_KEYS = {"id", "verdict", "reason", "until"}

_COVERED = {Verdict.FAIL: {Verdict.FAIL, Verdict.WARN}, Verdict.WARN: {Verdict.WARN}}

_ILL = (Verdict.FAIL, Verdict.WARN, Verdict.XFAIL)


@dataclass(frozen=True, slots=True)
class Expectation:
    """One entry."""

    id: str
    reason: str
    verdict: Verdict = Verdict.FAIL
    until: date | None = None

    def is_about(self, id: str) -> bool:
        """Whether a case is meant."""
        case = words.case_of(id)
        return case.matches(self.id) if case is not None else fnmatchcase(id, self.id)

    def has_expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.until is not None and today > self.until


@dataclass(frozen=True, slots=True)
class Expectations:
    """The file."""

    entries: tuple[Expectation, ...] = ()
    target: str = ""


# --- Reading --------------------------------------------------------------------------------------------------------


def read(text: str) -> Expectations:
    """The expectations of a file.

    Raises:
        ValueError: it is none; the message says which entry is wrong, and how it should be.
    """
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is not TOML: {error}") from None
    unknown = sorted(set(value) - {"target", "expect"})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not known; there are target and [[expect]]")
    entries = value.get("expect", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("write each entry below a line [[expect]], with two brackets")
    return Expectations(
        tuple(_entry(number, one) for number, one in enumerate(entries, 1)), str(value.get("target", ""))
    )


def _entry(number: int, value: Mapping[str, Any]) -> Expectation:
    name = f"entry {number}" + (f" ({value['id']})" if value.get("id") else "")
    unknown = sorted(set(value) - _KEYS)
    if unknown:
        raise ValueError(f"{name}: {unknown[0]!r} is not known; there are id, verdict, reason and until")
    for key in ("id", "reason"):
        if not isinstance(value.get(key), str) or not value[key].strip():
            raise ValueError(f'{name}: it needs {"an" if key == "id" else "a"} {key} = "..."')
    verdict = value.get("verdict", "fail")
    if verdict not in ("fail", "warn"):
        raise ValueError(f"{name}: verdict is {verdict!r}; it can be fail or warn")
    return Expectation(value["id"], value["reason"], Verdict(verdict), _until(name, value.get("until")))


def _until(name: str, value: Any) -> date | None:
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f'{name}: until is {value!r}; write a day as "2027-06-30"') from None


# --- Applying -------------------------------------------------------------------------------------------------------


def apply(report: Report, expectations: Expectations, today: date) -> None:
    """Change the verdicts of a report: what is expected to fail is an `xfail`, or an `xpass` if it did not.

    An entry that has expired changes nothing, and is a problem of the report.
    """
    for result in report.results:
        judge(result, expectations, today)
    report.problems += problems(expectations, today)


def judge(result: Result, expectations: Expectations, today: date) -> None:
    """The same for one result."""
    for entry in expectations.entries:
        if not entry.has_expired(today) and entry.is_about(result.id) and _judge(result, entry):
            return


def _judge(result: Result, entry: Expectation) -> bool:
    """Whether the entry says something about the result."""
    if result.verdict in _COVERED[entry.verdict]:
        result.verdict = Verdict.XFAIL
    elif result.verdict is Verdict.PASS:
        result.verdict = Verdict.XPASS
    else:
        return False
    result.expectation = entry.reason
    return True


def problems(expectations: Expectations, today: date) -> Iterator[str]:
    """A sentence for each entry that has expired."""
    for entry in expectations.entries:
        if entry.has_expired(today):
            yield (
                f"{entry.id} was expected to fail until {entry.until}, which is over ({entry.reason}); "
                "mend it, or give its entry a later day"
            )


def strangers(expectations: Expectations, ids: Iterable[str]) -> list[str]:
    """What is expected of cases that do not exist: probably misspelled."""
    known = list(ids)
    return [entry.id for entry in expectations.entries if not any(entry.is_about(id) for id in known)]


# --- Writing --------------------------------------------------------------------------------------------------------


def write(report: Report, today: date, before: Expectations = Expectations()) -> str:
    """A file that expects what this report found.

    Reasons and days are taken over from `before`, and so are its entries about cases that did not run; entries about
    what does not fail any more are left out.
    """
    ran = {result.id for result in report.results if result.verdict is not Verdict.SKIP}
    ill = [result for result in report.results if result.verdict in _ILL]
    kept = [
        entry
        for entry in before.entries
        if any(entry.is_about(result.id) for result in ill) or not any(entry.is_about(id) for id in ran)
    ]
    new = [result for result in ill if not any(_covers(entry, result) for entry in kept)]
    parts = [f"target = {_quoted(before.target or report.target)}\n"]
    parts += [_written(entry) for entry in [*kept, *_entries(new, ran, today)]]
    return "\n".join(parts)


def _covers(entry: Expectation, result: Result) -> bool:
    return entry.is_about(result.id) and result.verdict in {Verdict.XFAIL, *_COVERED[entry.verdict]}


def _entries(ill: list[Result], ran: set[str], today: date) -> Iterator[Expectation]:
    """An entry for each case, or for the whole of a family if no case of it passed."""
    for family, group in groupby(ill, key=lambda result: words.family_of(result.id)):
        results = list(group)
        all_of_them = {id for id in ran if words.family_of(id) == family} == {result.id for result in results}
        alike = len({result.verdict for result in results}) == 1
        if len(results) > 1 and all_of_them and alike:
            yield _found(f"{family}.*", results[0], today)
        else:
            yield from (_found(result.id, result, today) for result in results)


def _found(id: str, result: Result, today: date) -> Expectation:
    verdict = Verdict.WARN if result.verdict is Verdict.WARN else Verdict.FAIL
    return Expectation(id, f"found on {today}: {result.got or result.reason}", verdict)


def _written(entry: Expectation) -> str:
    until = "" if entry.until is None else f'until = "{entry.until}"\n'
    verdict = f"verdict = {_quoted(entry.verdict.value)}\n"
    return f"[[expect]]\nid = {_quoted(entry.id)}\n{verdict}reason = {_quoted(entry.reason)}\n{until}"


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    legal = (c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped if not "\ud800" <= c <= "\udfff")
    return f'"{"".join(legal)}"'
