"""The measuring itself: rounds, in each of which every contender has its turn, in an order drawn by lot."""

import gc
import random
import sys
import time
from collections.abc import Sequence

from bench.harness import machine
from bench.harness.process import Process
from bench.harness.results import Results
from bench.harness.suite import Contender, Effort, NotTaken, Scenario, Suite

FAILURES = (OSError, AssertionError, ValueError, EOFError)
"""What is the contender's fault, or the connection's; `TimeoutError` and `ChildProcessError` are among them."""


class Rounds:
    """A suite that is being measured."""

    def __init__(
        self, name: str, suite: Suite, scenarios: Sequence[Scenario], contenders: Sequence[Contender], effort: Effort
    ) -> None:
        self._suite = suite
        self._scenarios = list(scenarios)
        self._effort = effort
        self._order = random.Random(effort.seed)
        self.results = Results.begun(name, suite)
        self.results.missing = {each.name: why for each in contenders if (why := each.missing())}
        self._contenders = [each for each in contenders if each.name not in self.results.missing]
        self.results.expect(self._scenarios, self._contenders)
        self.interrupted = False

    def run(self) -> Results:
        """Measure all; after Ctrl-C, what there is by then."""
        before, began, setting = machine.busy(), time.time(), machine.setting()
        gc.disable()
        try:
            with self._suite.opened(self._effort):
                for number in range(1, self._effort.rounds + 1):
                    self._round(number)
                self.results.notes = self._suite.notes(self._contenders)
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            gc.enable()
            progress("")
        others, stolen = machine.others(before, machine.busy())
        rounds = max((len(cell.values) for of in self.results.cells.values() for cell in of.values()), default=0)
        effort = {"rounds": rounds, "seconds": self._effort.seconds, "seed": self._effort.seed}
        cores = {"load core": self._effort.load_core, "contender core": self._effort.contender_core}
        shares = {"taken by others": round(others, 3), "taken by the host": round(stolen, 3)}
        setting["minutes"] = f"{(time.time() - began) / 60:.1f}"
        self.results.runs = [setting | effort | cores | shares | {"versions": machine.versions()}]
        return self.results

    def _round(self, number: int) -> None:
        for contender in self._order.sample(self._contenders, len(self._contenders)):
            process = None
            try:
                for scenario in self._scenarios:
                    progress(f"{self.results.suite}: round {number} of {self._effort.rounds}: {contender.name}")
                    process = self._measure(contender, scenario, process)
                    if self._suite.fresh and process:
                        process.stop()
                        process = None
            finally:
                if process:
                    process.stop()

    def _measure(self, contender: Contender, scenario: Scenario, process: Process | None) -> Process | None:
        """One measurement; the process that is there for the next one, if any."""
        what = f"{contender.name}: {scenario.name}"
        if what in self.results.failures:
            return process
        try:
            process = process or self._started(contender)
            self.results.add(scenario.name, contender.name, self._suite.measure(process, scenario, self._effort))
        except NotTaken:
            pass
        except FAILURES as error:
            self.results.failures[what] = _reason(error, process)
            progress("")
            print(f"{contender.name} fails: {scenario.name}: {self.results.failures[what]}", file=sys.stderr)
            if process:
                process.stop()
            return None
        except BaseException:
            if process:
                process.stop()
            raise
        return process

    def _started(self, contender: Contender) -> Process:
        process = Process(contender.name, contender.command, contender.environment, self._effort.contender_core)
        if contender.warm_up and not self._effort.quick:
            self._suite.warm_up(process, contender.warm_up, self._effort)
        return process


def _reason(error: BaseException, process: Process | None) -> str:
    """In a line: what went wrong here, and the last that the contender has said about it."""
    said = process.complaint() if process else ""
    return "; ".join(filter(None, [str(error) or type(error).__name__, said and f"it says: {said}"]))


def progress(text: str) -> None:
    """Show what is going on, in one line that is written over, if somebody looks."""
    if sys.stderr.isatty():
        print(f"\r{text[:78]:78}\r", end="", file=sys.stderr, flush=True)
