"""The words of the harness: a suite measures contenders in scenarios, and each measurement gives a sample.

A table comes of it with a row for each contender and a column for each scenario, or the other way round.  A suite is a
module in `bench/suites` that says what these are, and how one is measured; all else is done here.
"""

import importlib.util
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.harness.process import Process

INSTALL = 'pip install "rawws[bench]"'


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A program that takes part."""

    name: str
    command: Sequence[str]
    """Its arguments to this Python: `("-m", "bench.contenders.echo", …)`; or a program with its arguments."""
    needs: Sequence[str] = ()
    """Modules that have to be importable; for a program, also its name with a `/` in front: `/node`."""
    install: str = INSTALL
    """How what it needs is had."""
    unable: Callable[[], str | None] = lambda: None
    """Why it cannot take part for another reason, if there is one."""
    environment: Mapping[str, str] = field(default_factory=dict)
    floors: Sequence[str] = ()
    """The contenders that nobody can be cheaper than, with the same loop.  A floor has none."""
    warm_up: float = 0.0
    """Seconds that it needs to come to its speed, because it compiles what it runs often."""
    kind: str = "peer"
    """"rawws", "peer" or "floor"; a plot tells them apart."""

    def missing(self) -> str | None:
        """Why it cannot take part, in half a line; None if it can."""
        for need in self.needs:
            found = shutil.which(need[1:]) if need.startswith("/") else _importable(need)
            if not found:
                return f"{need.removeprefix('/')} is not installed ({self.install})"
        return self.unable()


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # Of "a.b", when there is no a.
        return False


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is asked of contenders.  A suite adds fields in a class of its own."""

    name: str
    group: str = ""
    """In a plot of lines: the panel that it is in; none, if it is in tables only."""
    x: float = 0
    """In a plot of lines: where on its axis, a size or a number of connections."""


class Sample(NamedTuple):
    """One measurement."""

    value: float
    """In the unit of the suite."""
    extras: Mapping[str, float] = {}
    """What else is worth a column, by its title: "wall µs", "bytes"."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured."""

    rounds: int
    seconds: float
    """Of one measurement, about."""
    quick: bool = False
    """A smoke run: whether it works is all that is asked."""
    seed: int = 1
    load_core: int | None = None
    contender_core: int | None = None

    def few(self, count: int, quick: int) -> int:
        """So many of something, or `quick` in a smoke run."""
        return quick if self.quick else count


class NotTaken(Exception):
    """This contender does not take part in this scenario: no failure, the cell stays empty."""


class Suite:
    """What a suite says of itself, and how it measures.  Subclass it, and name an instance `SUITE` in the module."""

    title = ""
    about = ""
    """What is measured, and how: a paragraph or two in Markdown, printed above the table."""
    unit = "CPU µs a message"
    """What a sample's value is.  Less of it is better."""
    rounds = 5
    seconds = 0.2
    plot = "bars"
    """"bars": a panel for each scenario.  "lines": over `Scenario.x`, a panel for each `Scenario.group`; both log."""
    axis = ""
    """In a plot of lines: what `x` is."""
    fresh = False
    """A new process for every scenario, in place of one for all scenarios of a round."""

    def scenarios(self) -> Sequence[Scenario]:
        raise NotImplementedError

    def contenders(self) -> Sequence[Contender]:
        raise NotImplementedError

    def notes(self, contenders: Sequence[Contender]) -> str:
        """More Markdown, about those contenders that are there: what is no figure."""
        return ""

    def opened(self, effort: Effort) -> AbstractContextManager[Any]:
        """What is held open while all is measured; a server that clients talk to, for example."""
        return nullcontext()

    def warm_up(self, process: Process, seconds: float, effort: Effort) -> None:
        """Keep a process that has just been started busy for so long; for contenders that ask for it."""

    def measure(self, process: Process, scenario: Any, effort: Effort) -> Sample:
        """Measure once.

        Raises:
            NotTaken: this contender does not take part in this scenario.
            OSError, AssertionError: the contender fails; it is said so, and it is not asked for this again.
        """
        raise NotImplementedError


def floors_of(contenders: Iterable[Contender]) -> dict[str, list[str]]:
    """To each name, those of its floors that are there."""
    contenders = list(contenders)
    present = {contender.name for contender in contenders}
    return {each.name: [floor for floor in each.floors if floor in present] for each in contenders}
