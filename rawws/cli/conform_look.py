"""Looking at cases and reports: `rawws conform list`, `explain`, `replay` and `compare`."""

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rawws.cli.conform_files import check_file, page, write_all
from rawws.cli.conform_options import Outcome, parser_for, unknown, wrong
from rawws.cli.conform_run import Run, show
from rawws.cli.terminal import Terminal
from rawws.conformance import CASES, Report, Result, Target, Verdict
from rawws.conformance.case import Case, Opening, order
from rawws.conformance.own import own_client, own_server
from rawws.conformance.report import as_json, comparing, words
from rawws.conformance.report.terminal import LOUD, Line, View, block, conversation_of, labelled, summary
from rawws.conformance.suite import run_case
from rawws.core.settings import Role

MOST_EXPLAINED = 12
"""Cases at once."""

MOST_COLUMNS = 1000
"""For those who read a pipe, and want all of it."""


def cases_like(glob: str) -> list[Case]:
    """The cases that are meant.

    Raises:
        Trouble: there are none.
    """
    found = sorted((case for case in CASES.values() if case.matches(glob)), key=lambda case: order(case.id))
    if not found:
        raise unknown(glob)
    return found


def roles_of(case: Case) -> str:
    """Whom it tests."""
    return "both" if len(case.roles) > 1 else next(iter(case.roles)).value


# --- list -----------------------------------------------------------------------------------------------------------


def list_cases(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """A line for each case, or for each family if no glob is given."""
    cases = cases_like(arguments.glob or "*")
    if arguments.json:
        for case in cases:
            terminal.json(case_json(case))
        return Outcome.OK
    families: dict[str, list[Case]] = {}
    for case in cases:
        families.setdefault(case.group, []).append(case)
    section = ""
    for family in families.values():
        if family[0].section != section:
            if section:
                terminal.out()
            section = family[0].section
            terminal.out((words.place(section), "title"))
        for line in _family(family, one_by_one=arguments.glob is not None):
            # Whoever reads the pipe wants all of it.
            whole = len(line) <= terminal.width or not terminal.stdout.isatty()
            terminal.out(line if whole else f"{line[: terminal.width - 1]}…")
    count = "1 family" if len(families) == 1 else f"{len(families)} families"
    terminal.err((f"{words.counted(len(cases), 'case')} in {count}; rawws conform explain ID", "quiet"))
    return Outcome.OK


def _family(cases: list[Case], one_by_one: bool) -> Iterator[str]:
    first = cases[0]
    if not one_by_one:
        yield _row(words.ids_in_short([case.id for case in cases]), first, first.requirement)
        return
    for case in cases:
        yield _row(case.id, case, case.title)


def _row(ids: str, case: Case, said: str) -> str:
    tier = "" if case.tier.value == "core" else f" ({case.tier.value})"
    return f"  {ids:20} {case.level.value:6} {roles_of(case):6}  {said}{tier}"


def case_json(case: Case) -> dict[str, Any]:
    """What it is."""
    return {
        "id": case.id,
        "title": case.title,
        "requirement": case.requirement,
        "level": case.level.value,
        "roles": sorted(role.value for role in case.roles),
        "tier": case.tier.value,
        "rule": None if case.rule is None else case.rule.name,
        "rfc": words.places(case.id),
        "needs": sorted(case.needs),
        "autobahn": list(case.autobahn),
    }


# --- explain --------------------------------------------------------------------------------------------------------


def explain(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """What a case asks for, and how it goes with a target that is right."""
    cases = cases_like(arguments.id)
    if len(cases) > MOST_EXPLAINED:
        raise wrong(f"{arguments.id} are {len(cases)} cases; rawws conform list '{arguments.id}' names them")
    if arguments.client:
        for case in cases:
            if Role.CLIENT not in case.roles:
                raise wrong(f"{case.id} is for servers; leave --client out")
    for index, case in enumerate(cases):
        if index:
            terminal.out()
        for line in _about(case, terminal.width):
            show(terminal.out, line)
        role = Role.CLIENT if arguments.client or Role.SERVER not in case.roles else Role.SERVER
        if case.opening is not Opening.PASSIVE:
            _show_how_it_goes(case, role, terminal)
    return Outcome.OK


def _about(case: Case, width: int) -> Iterator[Line]:
    yield [(case.id, "title"), f"  {case.title}"]
    yield from labelled("requires", case.requirement, width)
    strength = {"MUST": "", "SHOULD": ": else a warning", "MAY": ": the report tells what was seen"}
    strength["LIM"] = ": robustness, only a crash, a hang or a dead target is wrong"
    yield from labelled("level", f"{case.level.value}{strength[case.level.value]}", width)
    yield from labelled("RFCs", ", ".join(words.places(case.id)), width)
    if case.rule is not None:
        yield from labelled("rule", f"{case.rule.name}: {case.rule.text} ({case.rule.code})", width)
    tests = {"both": "servers and clients", "server": "servers", "client": "clients"}[roles_of(case)]
    yield from labelled("tests", f"{tests}, {case.tier.value} tier", width)
    yield from labelled("needs", ", ".join(f"--{name.replace('_', '-')}" for name in sorted(case.needs)), width)
    yield from labelled("offers", case.offer, width)
    yield from labelled("Autobahn", ", ".join(case.autobahn), width)
    if case.opening is Opening.PASSIVE:
        yield from labelled("how", "it has no connection of its own: it looks at all that other cases heard", width)


def _show_how_it_goes(case: Case, role: Role, terminal: Terminal) -> None:
    result, target = asyncio.run(_try(case, role))
    if result.verdict is Verdict.SKIP:
        lines: Iterator[Line] = labelled("skipped", f"with {target}: {result.reason}", terminal.width)
    else:
        terminal.out(*_heading(f"with {target}"))
        lines = conversation_of(result, role, View(terminal.width, all_of_it=False))
    for line in lines:
        show(terminal.out, line)
    if result.verdict is not Verdict.SKIP:
        said = result.verdict.value + (f": {result.reason}" if result.reason else "")
        for line in labelled("verdict", said, terminal.width, words.STYLES[result.verdict]):
            show(terminal.out, line)


def _heading(text: str) -> Line:
    return ["     ", (text, "quiet")]


async def _try(case: Case, role: Role) -> tuple[Result, str]:
    """Run it with our own endpoint."""
    async with own_server() if role is Role.SERVER else nullcontext(own_client()) as found:
        target: Target = found
        return await run_case(case, target), target.name


# --- replay and compare ---------------------------------------------------------------------------------------------


def load(path: str) -> Report:
    """A report from a file.

    Raises:
        Trouble: there is none.
    """
    try:
        return as_json.load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise wrong(f"{path}: {error.strerror}; --json FILE writes a report") from None
    except ValueError as error:
        raise wrong(f"{path} cannot be read: {error}") from None


def replay(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Run cases of a report again, with the same target and the same seed; all that failed, if none is named."""
    report = load(arguments.report)
    before = {result.id: result for result in report.results}
    ids = _ids_like(arguments.id, report, arguments.report) if arguments.id else _to_be_repeated(report)
    if not ids:
        raise wrong(f"nothing failed in {arguments.report}; name a case")
    if not report.command:
        raise wrong(f"{arguments.report} does not say how its target is met")
    argv = [*report.command[1:], "--seed", str(report.seed), "--tier", "all", "-v"]
    options = parser_for(report.role)
    run = _Again(options, options.parser.parse_args([*argv, *(f"--include={id}" for id in ids)]), terminal, report.role)
    run.before = before
    return run()


def _to_be_repeated(report: Report) -> list[str]:
    return [result.id for result in report.results if result.verdict in LOUD and not words.passive(result.id)]


def _ids_like(globs: list[str], report: Report, path: str) -> list[str]:
    """The cases of the report that are meant.

    Raises:
        Trouble: there are none, or they have no connection of their own.
    """
    found: list[str] = []
    for glob in globs:
        meant = {case.id for case in cases_like(glob)}
        ids = [result.id for result in report.results if result.id in meant]
        if not ids:
            raise wrong(f"{glob} was not run in {path}; rawws conform {report.role.value} --include {glob} runs it")
        found += [id for id in ids if not words.passive(id)]
        if all(words.passive(id) for id in ids):
            raise wrong(f"{ids[0]} looks at all that other cases heard; run rawws conform {report.role.value} again")
    return found


class _Again(Run):
    """A run of few cases, of which everything is shown."""

    before: dict[str, Result]

    def _tell(self, code: Outcome) -> None:
        for result in self.report.results:
            was = self.before[result.id]
            for line in self._all_of(result):
                show(self.say, line)
            said = was.verdict.value + (f": {was.got or was.reason}" if was.got or was.reason else "")
            for line in labelled("before", said, self.terminal.width):
                show(self.say, line)
            show(self.say, [])
        for line in summary(self.report, code, self.terminal.width):
            show(self.say, line)

    def _all_of(self, result: Result) -> Iterator[Line]:
        if result.verdict in LOUD:
            yield from block(words.Finding((result,)), self.role, self.view)
            return
        said = f": {result.reason}" if result.reason else ""
        yield [(result.id, "title"), f"  {words.title_of(result.id)}"]
        yield from conversation_of(result, self.role, self.view)
        yield from labelled("now", result.verdict.value + said, self.terminal.width, words.STYLES[result.verdict])

    def heard(self, result: Result) -> None:
        """It is told at the end."""


def compare(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """What changed between two reports, or differs between several."""
    paths = arguments.reports
    if len(paths) < 2:
        raise wrong(f"there is nothing to compare {paths[0]} with; give two reports, or more")
    if arguments.html not in (None, "-"):
        check_file("html", Path(arguments.html))
    reports = [load(path) for path in paths]
    first, *others = reports
    for path, other in zip(paths[1:], others):
        if first.role is not other.role:
            raise wrong(f"{paths[0]} is about a {first.role.value}, {path} about a {other.role.value}")
    if len(reports) == 2:
        lines = comparing.tell(first, others[0], arguments.verbose)
    else:
        columns = terminal.width if terminal.stdout.isatty() else MOST_COLUMNS
        lines = comparing.tell_several(reports, columns, arguments.verbose)
    for line in lines:
        show(terminal.err if arguments.html == "-" else terminal.out, line)
    if arguments.html is not None:
        pages = page()
        if failures := write_all([(arguments.html, lambda: str(pages.write(reports)))], terminal.stdout):
            raise wrong("; ".join(failures), Outcome.TESTER)
    return Outcome.FAILED if any(comparing.compare(first, other).worse for other in others) else Outcome.OK
