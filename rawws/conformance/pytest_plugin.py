"""The cases as tests of pytest, for the user's own server or client.

    @pytest.mark.conformance("server", exclude=["6455/10.4"])
    def test_conforms(conformance_case, url):
        conformance_case.check(url)

A test for each case, with its id.  What fails is told as `rawws conform` tells it, and not with a traceback of ours; a
SHOULD that is not met is a warning; what is expected to fail is an xfail; passive cases come last.

pytest itself loads only the module `_rawws_pytest`, and this one when there is such a test.
"""

import asyncio
import difflib
import shlex
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, TypeAlias, TypeVar

import pytest

from rawws.conformance import CASES, ServerTarget, Target, Unreachable, Verdict, expect, passive, select
from rawws.conformance.called import CalledTarget
from rawws.conformance.case import Case, Declared, Opening, Tier
from rawws.conformance.line import Patience
from rawws.conformance.report.terminal import View, block, labelled, plain
from rawws.conformance.report.words import Finding
from rawws.conformance.suite import Settings, run_and_see
from rawws.conformance.target import ClientTarget
from rawws.conformance.verdict import Level, Result, Wrong
from rawws.core.settings import Role

Subject: TypeAlias = str | Target | Callable[[str], Any]
"""A URL, the command of a client, a function that is a client, or a target that was made by hand."""

Globs: TypeAlias = str | Sequence[str]

LEVELS = {
    "must": (Level.MUST, Level.LIM),
    "should": (Level.MUST, Level.LIM, Level.SHOULD),
    "all": tuple(Level),
}

T = TypeVar("T")


class ConformanceWarning(UserWarning):
    """The target does not do what a SHOULD asks for."""


# --- The mark -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Options:
    """What the mark says."""

    role: Role
    cases: list[Case]
    fail_on: str
    expectations: expect.Expectations
    declared: Declared
    patience: Patience
    seed: int


@dataclass(frozen=True, slots=True)
class Planned:
    """The parameter of one test."""

    case: Case
    options: Options
    expectation: expect.Expectation | None


def options_of(
    folder: Path,
    role: str = "server",
    *,
    include: Globs = (),
    exclude: Globs = (),
    tier: Globs = "core",
    level: str = "all",
    fail_on: str = "must",
    expect: str | Path | Mapping[str, str] | None = None,
    timeout: float = Patience().reply,
    close_timeout: float = Patience().close,
    seed: int = 0,
    **declared: Any,
) -> Options:
    """Read the mark.

    Args:
        folder: of the test, where the file of expected failures is looked for.
        role: "server" or "client": what is tested.
        include: ids with `*`, sections, families, or "ab:" and an id of Autobahn's; none: all.
        exclude: the same.
        tier: "core", "size", "soak", several of them, or "all".
        level: "must", "should" or "all".
        fail_on: "must", or "should": what is not met fails, and does not only warn.
        expect: the file of expected failures, or reasons by id.
        timeout: seconds for an answer.
        close_timeout: seconds for the end of a connection.
        seed: for what is random.
        declared: what is known about the target, as in `Declared`.

    Raises:
        ValueError: something is not known; the message says what.
    """
    known = [one.name for one in fields(Declared)]
    for name in declared:
        _one_of("keyword", name, [*known, "include", "exclude", "tier", "level", "fail_on", "expect", "seed"])
    for glob in (*_several(include), *_several(exclude)):
        _see_that_it_means_something(glob)
    tiers = _several(tier) if tier != "all" else [one.value for one in Tier]
    cases = select(
        Role(_one_of("role", role, [one.value for one in Role])),
        include=_several(include),
        exclude=_several(exclude),
        tiers=[Tier(_one_of("tier", one, [*(each.value for each in Tier), "all"])) for one in tiers],
        levels=LEVELS[_one_of("level", level, list(LEVELS))],
    )
    if not cases:
        raise ValueError(f"no case is left for a {role}; try other include, exclude, tier or level")
    return Options(
        role=Role(role),
        cases=cases,
        fail_on=_one_of("fail_on", fail_on, ["must", "should"]),
        expectations=_expectations(folder, expect),
        declared=Declared(**declared),
        patience=Patience(timeout, close_timeout),
        seed=seed,
    )


def _several(globs: Globs) -> list[str]:
    return [globs] if isinstance(globs, str) else list(globs)


def _one_of(what: str, value: str, known: list[str]) -> str:
    if value not in known:
        raise ValueError(f"{what} {value!r} is not known; there are {', '.join(known)}")
    return value


def _see_that_it_means_something(glob: str) -> None:
    if not any(case.matches(glob) for case in CASES.values()):
        close = difflib.get_close_matches(glob, list(CASES), 1)
        meant = f"did you mean {close[0]}?" if close else "rawws conform list names all"
        raise ValueError(f"no case is called {glob}; {meant}")


def _expectations(folder: Path, given: str | Path | Mapping[str, str] | None) -> expect.Expectations:
    if given is None:
        return expect.Expectations()
    if isinstance(given, Mapping):
        found = expect.Expectations(tuple(expect.Expectation(id, reason) for id, reason in given.items()))
    else:
        try:
            found = expect.read((folder / given).read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"expect={str(given)!r}: {error.strerror} in {folder}") from None
        except ValueError as error:
            raise ValueError(f"expect={str(given)!r}: {error}") from None
    for id in expect.strangers(found, CASES):
        _see_that_it_means_something(id)
    return found


# --- Collecting -----------------------------------------------------------------------------------------------------


def generate(metafunc: pytest.Metafunc, mark: pytest.Mark) -> None:
    """Make a test of each case that the mark chooses, the passive ones behind all others."""
    plugins = metafunc.config.pluginmanager
    if not plugins.hasplugin("rawws-conformance"):
        plugins.register(_Order(), "rawws-conformance")
    options = _read(metafunc.definition, mark)
    if isinstance(options, str):
        pytest.fail(f"@pytest.mark.conformance of {metafunc.definition.nodeid}: {options}", pytrace=False)
    cases = sorted(options.cases, key=lambda case: case.opening is Opening.PASSIVE)
    metafunc.parametrize("conformance_case", [_parameter(case, options) for case in cases], indirect=True)


def _read(test: pytest.Item, mark: pytest.Mark) -> Options | str:
    """What the mark says, or what is wrong with it."""
    try:
        return options_of(test.path.parent, *mark.args, **mark.kwargs)
    except (TypeError, ValueError) as error:
        return str(error)


def _parameter(case: Case, options: Options) -> Any:
    today = datetime.now(UTC).date()
    entries = (entry for entry in options.expectations.entries if entry.is_about(case.id))
    entry = next((entry for entry in entries if not entry.has_expired(today)), None)
    fails = entry is not None and entry.verdict is Verdict.FAIL and case.level is not Level.MAY
    marks = [pytest.mark.xfail(reason=entry.reason)] if entry is not None and fails else []
    return pytest.param(Planned(case, options, entry), id=case.id, marks=marks)


class _Order:
    """Whatever other plugins do to the order."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the passive cases of a test behind its others, on the places that the test has."""
        places: dict[str, list[int]] = {}
        for place, item in enumerate(items):
            planned = _planned(item)
            if planned is not None:
                places.setdefault(_test_of(item, planned.case), []).append(place)
        for taken in places.values():
            ordered = sorted((items[place] for place in taken), key=_is_passive)
            for place, item in zip(taken, ordered, strict=True):
                items[place] = item


def _planned(item: pytest.Item) -> Planned | None:
    callspec = getattr(item, "callspec", None)
    found = None if callspec is None else callspec.params.get("conformance_case")
    return found if isinstance(found, Planned) else None


def _is_passive(item: pytest.Item) -> bool:
    planned = _planned(item)
    return planned is not None and planned.case.opening is Opening.PASSIVE


def _test_of(item: pytest.Item, case: Case) -> str:
    """The name of a test without its case: what other parameters it has stays."""
    return item.nodeid.replace(case.id, "*")


# --- Running --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Heard:
    """What the cases of one test have in common."""

    results: list[Result] = field(default_factory=list)
    """For the passive ones."""
    has_been_seen: bool = False
    """Whether it was tried if the target is one."""
    trouble: str = ""
    """Why it is none."""


HEARD: pytest.StashKey[dict[str, _Heard]] = pytest.StashKey()


class ConformanceCase:
    """What the fixture `conformance_case` is: one case, for one test.

    Attributes:
        case: with its id, its level and its requirement.
    """

    def __init__(self, planned: Planned, item: pytest.Item) -> None:
        self.case = planned.case
        self._options = planned.options
        self._expectation = planned.expectation
        self._item = item
        self._raised: BaseException | None = None
        every = item.session.stash.setdefault(HEARD, {})
        self._heard = every.setdefault(_test_of(item, planned.case), _Heard())

    def __repr__(self) -> str:
        return f"<case {self.case.id}: {self.case.title}>"

    def check(self, subject: Subject) -> Result:
        """Hold the case against a target, in an event loop of its own in this thread.

        A server has to run in another thread or process meanwhile; for one in the loop of the test there is `acheck`.

        Args:
            subject: the URL of a server; for a client its command, with `{url}` in it, or a function to be called with
                the URL, in a thread unless it is a coroutine function; or a `Target`.

        Returns:
            What was found.  If it is a failure, the test has failed before.
        """
        __tracebackhide__ = True
        return self._tell(_run(self._result(subject)))

    async def acheck(self, subject: Subject) -> Result:
        """The same in the running loop: for a server that lives in it."""
        __tracebackhide__ = True
        return self._tell(await self._result(subject))

    async def _result(self, subject: Subject) -> Result:
        if self.case.opening is Opening.PASSIVE:
            return passive.judge(self.case, self._heard.results, self._options.role)
        target = self._target(subject)
        if not self._heard.has_been_seen and isinstance(target, ServerTarget):
            self._heard.trouble = await _trouble_with(target)
        elif self._heard.trouble:
            return Result(self.case.id, Verdict.SKIP, "there is no target, as was said before")
        self._heard.has_been_seen = True
        if self._heard.trouble:
            return Result(self.case.id, Verdict.FAIL, self._heard.trouble)
        try:
            result = await run_and_see(self.case, target, Settings(seed=self._options.seed))
        except Unreachable as error:
            return Result(self.case.id, Verdict.FAIL, f"the target is not there any more: {error}")
        self._raised = target.raised if isinstance(target, CalledTarget) else None
        self._heard.results.append(result)
        return result

    def _target(self, subject: Subject) -> Target:
        options = self._options
        if isinstance(subject, str):
            kind = ServerTarget if options.role is Role.SERVER else ClientTarget
            return kind(subject, declared=options.declared, patience=options.patience)
        if not callable(subject):
            return subject
        if options.role is Role.SERVER:
            raise TypeError("a server is tested at a URL, not by a function")
        return CalledTarget(subject, declared=options.declared, patience=options.patience)

    # --- Telling ----------------------------------------------------------------------------------------------------

    def _tell(self, result: Result) -> Result:
        __tracebackhide__ = True
        said = f"{result.verdict.value}: {result.reason}" if result.reason else result.verdict.value
        self._item.user_properties.append(("conformance", said))
        if result.verdict is Verdict.SKIP:
            pytest.skip(_as_keyword(result.reason))
        is_mild = result.verdict is Verdict.WARN and not self._is_too_bad() and self._may_warn(result)
        if result.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.WARN) and not is_mild:
            pytest.fail(self._text(result), pytrace=False)
        return result

    def _is_too_bad(self) -> bool:
        """Whether a warning fails the test: because that is wanted, or because a failure is what is expected."""
        if self._expectation is not None:
            return self._expectation.verdict is Verdict.FAIL
        return self._options.fail_on == "should"

    def _may_warn(self, result: Result) -> bool:
        """Warn of what was not expected; whether that is no error, as with -W error."""
        if self._expectation is None:
            try:
                self._item.warn(ConformanceWarning(f"{self.case.id}: {self.case.requirement} {_sentence(result)}"))
            except ConformanceWarning:
                return False
        return True

    def _text(self, result: Result) -> str:
        if not result.got and result.verdict is Verdict.FAIL:
            return result.reason  # There was no target.
        config = self._item.config
        width = min(120, max(80, config.get_terminal_writer().fullwidth)) - 4
        view = View(width, config.get_verbosity() > 1, self._repeat)
        lines = [*block(Finding((result,)), self._options.role, view), *self._expired(width)]
        if self._raised is not None:
            lines += labelled("raised", f"{type(self._raised).__name__}: {self._raised}", width)
        return "\n".join(plain(line) for line in lines)

    def _repeat(self, id: str) -> str:
        return shlex.join(["pytest", self._item.nodeid])

    def _expired(self, width: int) -> Iterator[list[Any]]:
        """That it was expected to fail, until some day that is over."""
        today = datetime.now(UTC).date()
        entries = [one for one in self._options.expectations.entries if one.is_about(self.case.id)]
        for problem in expect.problems(expect.Expectations(tuple(entries)), today):
            yield from labelled("but", problem, width)


def _run(result: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop of its own, and leave alone the one that the thread may have."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(result)
    result.close()
    raise RuntimeError("a loop is running in this thread: await conformance_case.acheck(...) there")


def _sentence(result: Result) -> str:
    return f"Expected {result.expected}; got: {result.got}." if result.expected else result.reason


def _as_keyword(reason: str) -> str:
    """ "needs --max-size" as one says it in the mark: "needs max_size="."""
    name = reason.removeprefix("needs --")
    return reason if name == reason else f"needs {name.replace('-', '_')}= in the mark"


async def _trouble_with(target: ServerTarget) -> str:
    """Why this is not a server that sends back what it receives; empty if it is."""
    try:
        peer = await target.connect(Random(0))
    except Unreachable as error:
        return f"there is no server at {error}"
    try:
        await peer.open()
        await peer.send(peer.text("anyone?"))
        await peer.echoes("anyone?")
        await peer.bye()
    except Wrong as wrong:
        return f"{target.name} is no echo: expected {wrong.expected}; got: {wrong.got}"
    finally:
        await peer.leave()
    return ""
