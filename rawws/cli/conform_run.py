"""One run of the suite from the command line: see that there is a target, run the cases, tell what was found."""

import argparse
import asyncio
import shlex
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeAlias

from rawws.cli import meant_url
from rawws.cli.conform_files import Writing, check_directory, check_file, page, write_all
from rawws.cli.conform_options import (
    Options,
    Outcome,
    client_context,
    declared_of,
    levels_of,
    patience_of,
    server_context,
    settings_of,
    tiers_of,
    unknown,
    wrong,
)
from rawws.cli.conform_preflight import see_client, see_server, why_unreachable
from rawws.cli.terminal import Progress, Terminal, Trouble, progress
from rawws.conformance import CASES, ClientTarget, Report, Result, ServerTarget, Target, Unreachable, Verdict
from rawws.conformance import expect as expectations
from rawws.conformance.case import Case
from rawws.conformance.listen import ListeningTarget
from rawws.conformance.own import own_client, own_server
from rawws.conformance.report import as_json, autobahn, junit, markdown, words
from rawws.conformance.report.terminal import Line, View, in_a_line, summary, tell
from rawws.conformance.report.words import counted
from rawws.conformance.running import run
from rawws.conformance.suite import select
from rawws.core.settings import Role

FAILING = {
    "must": {Verdict.FAIL},
    "should": {Verdict.FAIL, Verdict.WARN},
    "any": {Verdict.FAIL, Verdict.WARN},
}
"""The verdicts that make a run fail; "any" also what is information and yet not what the case expected."""


Say: TypeAlias = Callable[..., None]


class Run:
    """One run.

    Args:
        options: the parser that read the arguments.
        arguments: what was written.
        terminal: where it is told.
        role: the side under test.
        today: the day that expectations are held against; None for the day that it is.
    """

    def __init__(
        self,
        options: Options,
        arguments: argparse.Namespace,
        terminal: Terminal,
        role: Role,
        today: date | None = None,
    ) -> None:
        self.arguments = arguments
        self.terminal = terminal
        self.role = role
        self.today = today or datetime.now(UTC).date()
        self.files = {name: getattr(arguments, name) for name in ("json", "html", "junit", "markdown")}
        self.say = self._carefully(terminal.err if "-" in self.files.values() else terminal.out)
        self.say_besides = self._carefully(terminal.err)
        self._unsaid: OSError | None = None
        self.report = Report("", role, command=tuple(self._command(options)))
        self._gone = False
        self.view = View(terminal.width, arguments.verbose, self.repeat)

    def __call__(self) -> int:
        """Run it; gives back the exit code.

        Raises:
            Trouble: there is nothing to be run, or nobody to be tested.
        """
        cases = self._cases()
        self._check_files()
        self._expected = self._read(self.arguments.expect)
        self._warn_of_strangers()
        interrupted = False
        try:
            with _termination_as_ctrl_c():
                asyncio.run(self._run(cases))
        except KeyboardInterrupt:
            if self._nothing_was_heard():
                raise Trouble("rawws conform: interrupted before the first verdict", Outcome.INTERRUPTED) from None
            interrupted = True
        self.report.problems += [*self._stops(interrupted), *expectations.problems(self._expected, self.today)]
        code = Outcome.INTERRUPTED if interrupted else self._outcome()
        unwritten = write_all(self._reports(code), self.terminal.stdout)
        code = Outcome.TESTER if unwritten else code
        self._tell(code)
        if self._unsaid is not None:
            unwritten.append(f"cannot write to stdout: {self._unsaid.strerror}")
        if unwritten:
            raise Trouble(f"rawws conform: {'; '.join(unwritten)}", Outcome.TESTER)
        return code

    def _carefully(self, say: Say) -> Say:
        """Say it, if anybody hears it: the reader may be gone, or the disk full, and yet the run goes on."""

        def carefully(*pieces: Any) -> None:
            try:
                say(*pieces)
            except BrokenPipeError:
                pass
            except OSError as error:
                self._unsaid = error

        return carefully

    # --- Before -----------------------------------------------------------------------------------------------------

    def _command(self, options: Options) -> list[str]:
        """What tests the same target again, behind `rawws conform`."""
        command = [self.role.value]
        if self.role is Role.SERVER:
            command += [self.arguments.url] if self.arguments.url else []
        elif self.arguments.exec:
            command += ["--exec", self.arguments.exec]
        elif self.arguments.listen:
            command += ["--listen", str(self.arguments.listen)]
        return command + options.command(self.arguments)

    def repeat(self, id: str) -> str:
        """The line that runs a case again."""
        if self.files["json"] not in (None, "-"):
            return shlex.join(["rawws", "conform", "replay", str(self.files["json"]), id])
        return words.repeat(self.report, id)

    def _cases(self) -> list[Case]:
        include, exclude = self.arguments.include, self.arguments.exclude
        for glob in [*include, *exclude]:
            if not any(case.matches(glob) for case in CASES.values()):
                raise unknown(glob)
        cases = select(
            self.role,
            include=include,
            exclude=exclude,
            tiers=tiers_of(self.arguments),
            levels=levels_of(self.arguments),
        )
        if not cases:
            raise wrong(f"no case is left for a {self.role.value}; try other --include, --exclude, --tier or --level")
        return cases

    def _check_files(self) -> None:
        """What cannot be written is said before the run, and not behind it."""
        for name, path in [*self.files.items(), ("write-expect", self.arguments.write_expect)]:
            if path not in (None, "-"):
                check_file(name, Path(path))
        if list(self.files.values()).count("-") > 1:
            raise wrong("only one report can go to stdout")
        if self.arguments.html is not None:
            page()  # If it is not there, nobody should wait for it.
        if self.arguments.autobahn_json is not None:
            check_directory("autobahn-json", self.arguments.autobahn_json)

    def _read(self, path: Path | None) -> expectations.Expectations:
        if path is None:
            return expectations.Expectations()
        try:
            return expectations.read(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise wrong(f"--expect {path}: {error.strerror}; --write-expect {path} makes one") from None
        except ValueError as error:
            raise wrong(f"--expect {path}: {error}") from None

    def _warn_of_strangers(self) -> None:
        for id in expectations.strangers(self._expected, CASES):
            self.say_besides((f"--expect: no case is called {id}", "warn"))

    # --- Running ----------------------------------------------------------------------------------------------------

    async def _run(self, cases: list[Case]) -> None:
        if self.role is Role.CLIENT and self.arguments.listen is not None:
            await self._listen(cases)
            return
        async with self._target() as target:
            self.report.target = self.arguments.name or target.name
            self.say_besides(*self._first_line(target, len(cases)))
            quiet = self.arguments.quiet or self.arguments.verbose
            with progress(self.terminal.stderr, 0 if quiet else len(cases)) as advance:
                try:
                    hears = _Listener(self, advance)
                    await run(cases, target, settings_of(self.arguments), hears, self.report)
                except Unreachable as error:
                    self._gone = True
                    self.report.problems.append(f"the target is not there any more: {why_unreachable(error, target)}")

    async def _listen(self, cases: list[Case]) -> None:
        """Let a client come, and ask for the cases."""
        host, port = self.arguments.listen
        target = ListeningTarget(
            host or "0.0.0.0",
            port,
            declared=declared_of(self.arguments),
            patience=patience_of(self.arguments),
            ssl=server_context(self.arguments),
        )
        say = self.say_besides
        quiet = self.arguments.quiet or self.arguments.verbose
        with progress(self.terminal.stderr, 0 if quiet else len(cases)) as advance:
            try:
                await target.run(
                    cases,
                    settings_of(self.arguments),
                    _Listener(self, advance),
                    self.report,
                    lambda url: say("Waiting for a client at ", (url, "title"), f": {counted(len(cases), 'case')}"),
                )
            except Unreachable as error:
                raise Trouble(f"rawws conform: {error}", Outcome.UNREACHABLE) from None
            finally:
                self.report.target = self.arguments.name or self.report.target
        self._gone = self._nothing_was_heard()
        if self._gone:
            advice = "it begins with /getCaseCount, and asks for each with /runCase?case=N"
            raise Trouble(
                f"rawws conform: no client came to {target.url} and asked for a case; {advice}", Outcome.UNREACHABLE
            )
        if not self.report.complete:
            self.report.problems.append("the client did not ask for all cases")

    def _nothing_was_heard(self) -> bool:
        """No case was run that has a connection."""
        return all(words.passive(result.id) for result in self.report.results)

    def judge(self, result: Result) -> None:
        """Whether it was expected."""
        expectations.judge(result, self._expected, self.today)

    def heard(self, result: Result) -> None:
        """Tell it at once, if each is wanted."""
        if self.arguments.verbose and not self.arguments.quiet:
            show(self.say, in_a_line(result))

    @asynccontextmanager
    async def _target(self) -> AsyncIterator[Target]:
        patience = patience_of(self.arguments)
        if self.role is Role.CLIENT:
            yield await self._client()
        elif self.arguments.url is None:
            async with own_server(patience=patience) as own:
                yield own
        else:
            try:
                target = ServerTarget(
                    self.arguments.url,
                    declared=declared_of(self.arguments),
                    patience=patience,
                    ssl=client_context(self.arguments),
                    headers=tuple(self.arguments.header),
                    sni=self.arguments.sni,
                )
            except ValueError as error:
                meant = meant_url(self.arguments.url)
                raise wrong(f"{error}" + (f"; try rawws conform server {meant}" if meant else "")) from None
            await see_server(target)
            yield target

    async def _client(self) -> Target:
        arguments = self.arguments
        common: dict[str, Any] = {"declared": declared_of(arguments), "patience": patience_of(arguments)}
        context = server_context(arguments)
        if arguments.exec is None:
            return own_client(patience=patience_of(arguments), start=arguments.start)
        target = ClientTarget(arguments.exec, ssl=context, start=arguments.start, **common)
        await see_client(target, context)
        return target

    def _first_line(self, target: Target, cases: int) -> Line:
        what: Line = ["Testing ", (self.report.target, "title")]
        if isinstance(target, ServerTarget) and self.arguments.url is None:
            what.append(f", started here on {target.uri.host_header} since no URL was given")
        elif self.role is Role.CLIENT and self.arguments.exec is None:
            what.append(", since no --exec was given")
        return [*what, f": {counted(cases, 'case')}"]

    # --- Behind -----------------------------------------------------------------------------------------------------

    def _stops(self, interrupted: bool) -> Iterator[str]:
        """Why the run ended before its end, if nobody wanted it to."""
        wanted = interrupted or (self.arguments.fail_fast and self.report.failures)
        if not self.report.complete and not self.report.problems and not wanted:
            yield "the time for all cases was over; --total SECONDS gives more"

    def _outcome(self) -> Outcome:
        report = self.report
        if self._gone:
            return Outcome.UNREACHABLE
        failing = set(FAILING[self.arguments.fail_on])
        failing |= {Verdict.XPASS} if self.arguments.strict_expect else set()
        if report.count(*failing) or report.problems or not report.complete or self._differs():
            return Outcome.FAILED
        if report.count(Verdict.ERROR):
            return Outcome.TESTER
        if report.count(Verdict.SKIP) == len(report.results):
            report.problems.append("nothing was tested: every case was skipped")
            return Outcome.USAGE
        return Outcome.OK

    def _differs(self) -> bool:
        """Whether something is not what a case expected, although that is allowed."""
        return self.arguments.fail_on == "any" and any(
            result.verdict is Verdict.INFO and result.expected for result in self.report.results
        )

    def _tell(self, code: Outcome) -> None:
        if not self.arguments.quiet:
            for line in tell(self.report, self.view):
                show(self.say, line)
        for line in summary(self.report, code, self.terminal.width):
            show(self.say, line)

    def _reports(self, code: Outcome) -> Iterator[Writing]:
        report, arguments = self.report, self.arguments
        view = View(100, False, self.repeat)
        failing = {*FAILING[arguments.fail_on], *([Verdict.XPASS] if arguments.strict_expect else [])}
        if arguments.json is not None:
            yield arguments.json, lambda: as_json.dump(report, arguments.transcripts)
        if arguments.junit is not None:
            yield arguments.junit, lambda: junit.write(report, failing, view)
        if arguments.markdown is not None:
            yield arguments.markdown, lambda: markdown.write(report, view, code)
        if arguments.autobahn_json is not None:
            yield arguments.autobahn_json / "index.json", lambda: autobahn.write(report, arguments.name)
        if arguments.html is not None:
            yield arguments.html, lambda: page().write([report])
        if arguments.write_expect is not None:
            yield arguments.write_expect, lambda: expectations.write(report, self.today, self._expected)


class _Listener:
    """Hears of each verdict as it comes."""

    def __init__(self, run: Run, advance: Progress) -> None:
        self._run = run
        self._advance = advance
        self._bad = 0

    def __call__(self, result: Result) -> None:
        self._run.judge(result)
        self._bad += result.verdict in (Verdict.FAIL, Verdict.ERROR)
        self._run.heard(result)
        self._advance(f"{self._bad} failed" if self._bad else "")


@contextmanager
def _termination_as_ctrl_c() -> Iterator[None]:
    """SIGTERM, which comes from `timeout`, containers and CI, does what Ctrl-C does: what was found is kept."""

    def stop(number: int, frame: Any) -> None:
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(on_ctrl_c):  # It is ignored, as in the background of a shell.
            raise KeyboardInterrupt
        on_ctrl_c(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def show(say: Say, line: Line) -> None:
    """A line of a report."""
    say(*(piece if isinstance(piece, str) or piece[1] else piece[0] for piece in line))
