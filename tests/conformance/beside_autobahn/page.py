"""The page: how long each suite took, what Autobahn found, and whether ours found it too."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rawws.conformance.case import CASES
from rawws.conformance.report.words import family_of, ids_in_short
from rawws.conformance.verdict import when_wrong
from tests.conformance.beside_autobahn.comparing import (
    WRONG,
    Finding,
    Outcome,
    compare,
    only_ours,
    without_counterpart,
    wrong_ones,
)
from tests.conformance.beside_autobahn.explained import Explained
from tests.conformance.beside_autobahn.said import AUTOBAHN, OURS, PARTS, Measured, Run, Said

HEAD = """# Beside Autobahn

Whatever [Autobahn's test suite](https://github.com/crossbario/autobahn-testsuite) finds wrong, ours has to find, too.
Each of its {autobahn} cases has a counterpart (`rawws conform list 'ab:5.18'`). Here both were run against the same
processes, one suite after the other, and every case of Autobahn's that did not come out right was looked up among ours.
Autobahn's cases were run by [kosoku](https://pypi.org/project/kosoku/) {kosoku}, a native runner of the case files of
Autobahn itself; the original needs Python 2.7 or Docker, and was not run. Two quirks of kosoku show below: it ends a
case after 20 seconds, whatever the case itself allows, and in 6.5 to 6.23 it encodes what is valid text a second time,
so that it does not see who refuses noncharacters.

This page is written by `python -m tests.conformance.beside_autobahn --keep DIR --out docs/conformance/autobahn.md`,
with kosoku and the libraries installed. Groups 12 and 13 take ten minutes and more for each, and were run before that
for some, with `NAME --role ROLE --cases '12.*' '13.*' --keep DIR`. It exits with 1 if ours missed anything.

rawws {rawws}, Python {python}, {date}, 2 cores. The libraries are echoes with the defaults of each: {versions}.
"""


def page(everybody: Sequence[Measured], versions: dict[str, str]) -> str:
    """All of it, in Markdown."""
    made_of = {name: found for one in everybody for name, found in sorted(one.versions.items())}
    told = ", ".join(f"{name.removeprefix('node:')} {found}" for name, found in sorted(made_of.items()))
    total = len({name for case in CASES.values() for name in case.autobahn})
    date = max((one.date for one in everybody), default="")
    parts = [
        HEAD.format(**versions, date=date, versions=told, autobahn=total),
        _what_was_found(everybody),
        _times([one for one in everybody if not one.is_animal]),
        *(_details(one) for one in everybody if not one.is_animal),
        _animals([one for one in everybody if one.is_animal]),
        _explanations(everybody),
    ]
    return "\n".join(part for part in parts if part)


def findings(one: Measured) -> list[Finding]:
    """Whatever Autobahn found with this one."""
    found: list[Finding] = []
    for part in PARTS:
        theirs, ours = one.run(part.name, AUTOBAHN, 1), one.run(part.name, OURS, 8)
        if theirs is not None and ours is not None:
            found += compare(theirs.said, _all(one), CASES, max_size=one.max_size, late=theirs.late)
    return found


def missed(everybody: Iterable[Measured]) -> list[tuple[Measured, Finding]]:
    """What only Autobahn found, and nothing explains."""
    return [(one, each) for one in everybody for each in findings(one) if each.outcome is Outcome.MISSED]


def _all(one: Measured, suite: str = OURS) -> dict[str, Said]:
    """What a suite said in all parts: some cases have counterparts in two tiers."""
    runs = [one.run(part.name, suite, 1 if suite == AUTOBAHN else 8) for part in PARTS]
    return {id: said for run in runs if run is not None for id, said in run.said.items()}


# --- Tables -------------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[object]], numbers: int) -> str:
    """In Markdown; the last columns, so many, hold numbers."""
    line = ["---"] * (len(head) - numbers) + ["--:"] * numbers
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, line, *rows)) + "\n"


def _what_was_found(everybody: Sequence[Measured]) -> str:
    rows = []
    for one in everybody:
        found = findings(one)
        counts = [sum(each.outcome is outcome for each in found) for outcome in Outcome]
        ours = _all(one)
        besides = [id for id in without_counterpart(ours, CASES) if ours[id].verdict == WRONG[0]]
        late = sum(len(run.late) for run in one.runs if run.suite == AUTOBAHN and run.at_once == 1)
        alone = only_ours(_all(one, AUTOBAHN), ours, CASES)
        rows.append([_name(one), _cases(one, AUTOBAHN), len(found), *counts, late])
        rows[-1] += [_cases(one, OURS), len(alone), len(besides)]
    head = ["", "its cases", "not right", "found", "skipped", "explained", "**missed**", "late"]
    head += ["ours", "alone", "besides"]
    return f"""## What was found

*its cases* were run, and so many were *not right* (neither OK nor informational, in the messages or in the closing).
Of these, counterparts of ours *found* the same (fail or warn); or the peer does not have what they are about
("unimplemented"), and ours are *skipped*; or Autobahn asks for what no RFC asks for, which is
[explained](#what-no-rfc-asks-for); or ours **missed** it. *late* are cases that took more than the 20 seconds which
kosoku gives each, and have no verdict. Of *ours* so many were run; so many fail or warn *alone*, where Autobahn is
content with its counterpart, and so many fail *besides* that have no counterpart in Autobahn at all. Who has no
versions above is an animal of the zoo of this project, wrong on purpose.

{table(head, rows, len(head) - 1)}"""


def _times(everybody: Sequence[Measured]) -> str:
    rows = [row for one in everybody for row in _times_of(one)]
    head = ["", "groups", "Autobahn", "s", "CPU s", "ours", "s", "CPU s", "times as fast"]
    return f"""## How long it took

Autobahn runs one case at a time, kosoku can run more; ours runs eight at once, but large messages, floods, and what
measures time alone. *Counterparts* are those cases of ours that stand for one of Autobahn's. CPU is that of the tester,
not of the peer; kosoku is written in Rust. A case of the groups 12 and 13 sends 1,000 messages in Autobahn, 16 in ours.

{table(head, rows, 1)}"""


def _times_of(one: Measured) -> list[list[object]]:
    """What is held side by side, part by part, and at the end all parts as each suite is by itself."""
    pairs = [_pairs(one, part.name) for part in PARTS]
    rows = [_time(one, *pair) for part in pairs for pair in part]
    theirs, ours = zip(*(part[0] for part in pairs if part))
    return [*rows, _time(one, _sum(theirs), _sum(ours))] if len(theirs) > 1 else rows


def _sum(runs: Sequence[Run]) -> Run:
    """As one."""
    said = {id: said for run in runs for id, said in run.said.items()}
    seconds, cpu = sum(run.seconds for run in runs), sum(run.cpu for run in runs)
    return runs[0]._replace(part="together", said=said, seconds=seconds, cpu=cpu)


def _pairs(one: Measured, part: str) -> list[tuple[Run, Run]]:
    """What is held side by side: as each is by itself, then the same cases, one at a time and eight at once."""
    pairs = [
        (one.run(part, AUTOBAHN, 1), one.run(part, OURS, 8)),
        (one.run(part, AUTOBAHN, 1), one.run(part, OURS, 1, whole=False)),
        (one.run(part, AUTOBAHN, 8), one.run(part, OURS, 8, whole=False)),
    ]
    return [(theirs, ours) for theirs, ours in pairs if theirs is not None and ours is not None]


def _time(one: Measured, theirs: Run, ours: Run) -> list[object]:
    what = "all" if ours.whole else "counterparts"
    return [
        *(_name(one), theirs.part, _what(theirs, "all"), f"{theirs.seconds:.1f}", f"{theirs.cpu:.1f}"),
        *(_what(ours, what), f"{ours.seconds:.1f}", f"{ours.cpu:.1f}", f"{theirs.seconds / ours.seconds:.1f}"),
    ]


def _what(run: Run, what: str) -> str:
    return f"{what} {len(run.said)}, {'one by one' if run.at_once == 1 else f'{run.at_once} at once'}"


def _cases(one: Measured, suite: str) -> int:
    runs = [one.run(part.name, suite, 1 if suite == AUTOBAHN else 8) for part in PARTS]
    return sum(len(run.said) for run in runs if run is not None)


def _name(one: Measured) -> str:
    return f"{one.name}, {one.role}"


# --- One peer -----------------------------------------------------------------------------------------------------


def _details(one: Measured) -> str:
    rows = _rows(findings(one))
    if not rows:
        return f"## {_name(one)}\n\nAutobahn found nothing.\n"
    return f"## {_name(one)}\n\n{table(['Autobahn', 'says', 'ours', 'say'], rows, 0)}"


def _animals(everybody: Sequence[Measured]) -> str:
    if not everybody:
        return ""
    rows: list[Sequence[str]] = []
    for one in everybody:
        told = [each for each in findings(one) if each.outcome is not Outcome.EXPLAINED]
        rows += [(_name(one) if place == 0 else "", *row) for place, row in enumerate(_rows(told))]
    return f"""## Animals

What is wrong with each is its name, more or less; what is explained is left out.

{table(["", "Autobahn", "says", "ours", "say"], rows, 0)}"""


def _rows(found: Sequence[Finding]) -> list[list[str]]:
    """A row for each fate that cases of a group share."""
    return [_folded(list(group)) for _, group in groupby(found, key=_fate)]


def _fate(finding: Finding) -> tuple[object, ...]:
    verdicts = tuple(sorted({said.verdict for said in finding.ours.values()}))
    families = tuple(dict.fromkeys(map(family_of, finding.ours)))
    return finding.case.partition(".")[0], str(finding.said), finding.outcome, finding.why, verdicts, families


def _folded(same: Sequence[Finding]) -> list[str]:
    """The row of those that differ in nothing but their numbers."""
    first = same[0]
    telling = {id: verdict for each in same for id, verdict in _telling(each)}
    families = [ids_in_short(list(group)) for _, group in groupby(telling, key=family_of)]
    verdicts = sorted(set(telling.values()))
    outcome = "" if first.outcome in (Outcome.FOUND, Outcome.SKIPPED) else f": **{first.outcome.value}**"
    cases = [each.case for each in same]
    theirs = "; ".join(ids_in_short(list(group)) for _, group in groupby(cases, key=lambda id: id.rpartition(".")[0]))
    return [theirs, str(first.said), ", ".join(families), "/".join(verdicts) + outcome]


def _telling(finding: Finding) -> Iterator[tuple[str, str]]:
    """The counterparts that tell, and what they say; if they are content, the passive cases that are not."""
    wrong = [(id, said.verdict) for id, said in finding.ours.items() if said.verdict in WRONG]
    if finding.outcome is not Outcome.FOUND:
        yield from ((id, said.verdict) for id, said in finding.ours.items())
    elif wrong:
        yield from wrong
    else:
        yield from ((id, when_wrong(CASES[id].level).value) for said in finding.ours.values() for id in said.passive)


def _explanations(everybody: Sequence[Measured]) -> str:
    used: dict[Explained, int] = {}
    for one in everybody:
        for each in findings(one):
            if each.why is not None:
                used[each.why] = used.get(each.why, 0) + 1
    if not used:
        return ""
    rows = [[row.cases.replace(" ", ", "), row.said, row.reason, row.words, count] for row, count in used.items()]
    rows = [[str(cell).replace("*", r"\*") for cell in row] for row in rows]
    return f"""## What no RFC asks for

{table(["Autobahn", "says", "but", "the RFC", "times"], rows, 1)}"""


def summary(one: Measured) -> str:
    """A few lines for the terminal."""
    lines = [f"{_name(one)}: load {max((load for run in one.runs for load in run.load), default=0):.1f} at the most"]
    for run in one.runs:
        wrong = len([*wrong_ones(run.said)]) if run.suite == OURS else 0
        what = f"{wrong} wrong" if run.suite == OURS else ""
        whole = "all" if run.whole else "counterparts"
        lines.append(
            f"    {run.part:6} {run.suite:9} {whole:13} {run.at_once} at once: {len(run.said):4} cases"
            f" {run.seconds:8.2f} s {run.cpu:7.2f} s of CPU  {what}"
        )
    for each in findings(one):
        if each.outcome is Outcome.MISSED:
            lines.append(f"    MISSED {each.case}: {each.said}; {each.said.remark}")
            lines += [f"        {id}: {said.verdict} {said.remark}" for id, said in each.ours.items()]
    return "\n".join(lines)
