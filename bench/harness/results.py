"""What was measured: every sample of every run, the figures that are drawn from them, and JSON."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.harness.suite import Contender, Sample, Scenario, Suite, floors_of

WIDE = 0.1
"""A cell that spreads more than this is marked as noisy."""


@dataclass
class Cell:
    """The samples of one contender in one scenario."""

    run: int
    """Which run they are of; figures of different runs make no ratio."""
    values: list[float] = field(default_factory=list)
    extras: dict[str, list[float]] = field(default_factory=dict)

    def add(self, sample: Sample) -> None:
        """Take one more."""
        self.values.append(sample.value)
        for title, value in sample.extras.items():
            self.extras.setdefault(title, []).append(value)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Half of what lies between the quartiles, as a share of the median."""
        if len(self.values) < 2 or self.median <= 0:
            return 0.0
        low, _, high = statistics.quantiles(self.values, method="inclusive")
        return (high - low) / 2 / self.median

    def extra(self, title: str) -> float | None:
        """The median of one of the extras."""
        return statistics.median(self.extras[title]) if title in self.extras else None


@dataclass
class Results:
    """All of a suite."""

    suite: str
    title: str
    about: str
    unit: str
    plot: str
    axis: str
    scenarios: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name: `group` and `x`."""
    contenders: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name: `kind` and `floors`."""
    runs: list[dict[str, Any]] = field(default_factory=list)
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)
    """By scenario and contender."""
    missing: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    """By "contender: scenario"."""
    notes: str = ""

    @classmethod
    def begun(cls, name: str, suite: Suite) -> "Results":
        """Of a suite of which nothing has been measured."""
        return cls(name, suite.title, suite.about, suite.unit, suite.plot, suite.axis)

    def expect(self, scenarios: list[Scenario], contenders: list[Contender]) -> None:
        """Note in which order they stand, and what is needed of them later."""
        floors = floors_of(contenders)
        self.scenarios = {each.name: {"group": each.group, "x": each.x} for each in scenarios}
        self.contenders = {each.name: {"kind": each.kind, "floors": floors[each.name]} for each in contenders}

    def add(self, scenario: str, contender: str, sample: Sample, run: int = 0) -> None:
        """Take one more sample."""
        self.cells.setdefault(scenario, {}).setdefault(contender, Cell(run)).add(sample)

    def cell(self, scenario: str, contender: str) -> Cell | None:
        return self.cells.get(scenario, {}).get(contender)

    def floor(self, scenario: str, contender: str) -> float | None:
        """The cheapest of its floors, in the same run; what a floor costs itself, of a floor."""
        mine = self.cell(scenario, contender)
        names = self.contenders[contender]["floors"] or [contender] * (self.contenders[contender]["kind"] == "floor")
        found = [cell for name in names if (cell := self.cell(scenario, name))]
        return min((cell.median for cell in found if mine and cell.run == mine.run), default=None)

    def above_floor(self, scenario: str, contender: str) -> float | None:
        """How many times the cost of its floor it costs."""
        mine, floor = self.cell(scenario, contender), self.floor(scenario, contender)
        return mine.median / floor if mine and floor and floor > 0 else None

    def present(self) -> list[str]:
        """The contenders that have any figure, in their order."""
        return [name for name in self.contenders if any(name in of for of in self.cells.values())]

    def merged(self, newer: "Results") -> "Results":
        """This, with the cells of a newer run in the place of the same ones here."""
        shift = len(self.runs)
        cells = {scenario: dict(of) for scenario, of in self.cells.items()}
        for scenario, of in newer.cells.items():
            moved = {name: Cell(cell.run + shift, cell.values, cell.extras) for name, cell in of.items()}
            cells.setdefault(scenario, {}).update(moved)
        failures = {what: why for what, why in self.failures.items() if not _in_cells(what, newer.cells)}
        whole = Results(newer.suite, newer.title, newer.about, newer.unit, newer.plot, newer.axis)
        whole.scenarios = _in_order(self.scenarios, newer.scenarios)
        whole.contenders = _in_order(self.contenders, newer.contenders)
        whole.runs = [*self.runs, *newer.runs]
        whole.cells = cells
        whole.missing = {
            name: why for name, why in (self.missing | newer.missing).items() if name not in whole.present()
        }
        whole.failures = failures | newer.failures
        whole.notes = newer.notes
        return whole.trimmed()

    def trimmed(self) -> "Results":
        """This, without runs of which no figure is left."""
        used = sorted({cell.run for of in self.cells.values() for cell in of.values()})
        for of in self.cells.values():
            for cell in of.values():
                cell.run = used.index(cell.run)
        self.runs = [self.runs[run] for run in used]
        return self

    def dump(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def load(cls, path: Path) -> "Results":
        """What `dump` was written to."""
        found = json.loads(path.read_text())
        for of in found["cells"].values():
            for name, cell in of.items():
                of[name] = Cell(**cell)
        return cls(**found)


def _in_order(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """All of both; where the newer has a say, in its order."""
    return dict(new) if old.keys() <= new.keys() else {**old, **new}


def _in_cells(what: str, cells: Mapping[str, Mapping[str, Cell]]) -> bool:
    contender, _, scenario = what.partition(": ")
    return contender in cells.get(scenario, {})
