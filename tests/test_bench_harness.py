"""The harness of the benchmark: rounds, results, tables, plots and the command.  How fast anything is, no test says."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import suites, targets
from bench.harness import markdown
from bench.harness.command import main
from bench.harness.process import Process
from bench.harness.results import Results
from bench.harness.rounds import Rounds
from bench.harness.suite import Contender, Effort, NotTaken, Sample, Scenario, Suite
from bench.targets import AtMost, Times

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CPU time of another process is read as Linux gives it")

READY = "print('ready', flush=True); input()"
SHORT, LONG = Scenario(name="short", group="all", x=16), Scenario(name="long", group="all", x=1024)
EFFORT = Effort(rounds=3, seconds=0.01)


def contender(name: str, program: str = READY, **more: object) -> Contender:
    """A program of one line of Python."""
    return Contender(name=name, command=(sys.executable, "-c", program), **more)


class Toy(Suite):
    """Its figures are written down in advance: by contender, one for each measurement."""

    title, about, unit = "Toys", "Nothing is measured.", "µs a toy"

    def __init__(self, figures: dict[str, list[object]], plot: str = "bars") -> None:
        self.figures = {name: list(of) for name, of in figures.items()}
        self.plot = plot
        self.turns: list[str] = []

    def measure(self, process: Process, scenario: Scenario, effort: Effort) -> Sample:
        self.turns.append(process.name)
        figure = self.figures[process.name].pop(0)
        if isinstance(figure, BaseException):
            raise figure
        return Sample(figure, {"bytes": 2 * figure})


def measured(
    figures: dict[str, list[object]], *contenders: Contender, scenarios: Sequence[Scenario] = (SHORT,)
) -> Rounds:
    """The rounds of a toy suite, behind it."""
    rounds = Rounds("toys", Toy(figures), scenarios, contenders or [contender(name) for name in figures], EFFORT)
    rounds.run()
    return rounds


def results(
    figures: dict[str, list[object]], *contenders: Contender, scenarios: Sequence[Scenario] = (SHORT,)
) -> Results:
    """What they found."""
    return measured(figures, *contenders, scenarios=scenarios).results


def test_every_contender_has_its_turn_in_every_round():
    """The order is drawn by lot, the same for the same seed; the figures are those of the rounds."""
    toys = Toy({name: [1.0, 2.0, 6.0] for name in "abcdef"})
    Rounds("toys", toys, [SHORT], [contender(name) for name in "abcdef"], EFFORT).run()
    again = Toy({name: [1.0, 2.0, 6.0] for name in "abcdef"})
    found = Rounds("toys", again, [SHORT], [contender(name) for name in "abcdef"], EFFORT).run()

    turns = [toys.turns[at : at + 6] for at in (0, 6, 12)]
    assert [set("abcdef")] * 3 == [set(round) for round in turns]
    assert turns[0] != turns[1]
    assert toys.turns == again.turns
    assert ([1.0, 2.0, 6.0], 2.0, 4.0) == (
        (cell := found.cell("short", "b")).values,
        cell.median,
        cell.extra("bytes"),
    )


def test_who_fails_is_told_and_the_others_go_on(capsys):
    """A failure has its reason, is not tried again, and leaves the other scenarios alone."""
    figures = {"good": [1.0, 1.0] * 3, "bad": [AssertionError("other bytes came back"), 2.0, 2.0, 2.0]}
    found = results(figures, scenarios=[SHORT, LONG])

    assert {"bad: short": "other bytes came back"} == found.failures
    assert [3, 3, 3] == [len(found.cell(*of).values) for of in (("short", "good"), ("long", "good"), ("long", "bad"))]
    assert "bad fails: short: other bytes came back\n" == capsys.readouterr().err
    assert "fails" == markdown.cell(found, "short", "bad")


def test_who_does_not_start_is_told_with_its_own_words(capsys):
    """The last line that a program complained with is the reason."""
    found = results({"good": [1.0] * 3}, contender("good"), contender("broken", "raise SystemExit('no such port')"))

    assert {"broken: short": "no such port"} == found.failures
    assert "broken fails: short: no such port\n" == capsys.readouterr().err


def test_who_is_missing_is_named_with_the_reason():
    """A peer that is not installed takes no part; a line says how to have it."""
    absent = contender("absent", needs=["no_such_package"])
    nowhere = contender("nowhere", needs=["/no-such-program"], install="see example.org")
    found = results({"good": [1.0] * 3}, contender("good"), absent, nowhere, contender("old", unable=lambda: "too old"))

    assert {
        "absent": 'no_such_package is not installed (pip install "rawws[bench]")',
        "nowhere": "no-such-program is not installed (see example.org)",
        "old": "too old",
    } == found.missing
    assert "Missing: old: too old." in markdown.warnings(found)


def test_ctrl_c_keeps_what_was_measured():
    """The figures until then are there, and nothing is measured after it."""
    rounds = measured({"a": [1.0, 2.0, KeyboardInterrupt()]})

    assert rounds.interrupted
    assert [1.0, 2.0] == rounds.results.cell("short", "a").values
    assert 2 == rounds.results.runs[0]["rounds"]


def test_a_scenario_may_have_no_meaning_for_a_contender():
    """Its cell is empty, and that is no failure."""
    found = results({"a": [NotTaken()] * 3, "b": [1.0] * 3})

    assert {} == found.failures
    assert found.cell("short", "a") is None


def test_ratios_are_to_the_cheapest_floor():
    """Of several floors, the cheapest counts in each scenario."""
    floors = contender("tcp", kind="floor"), contender("udp", kind="floor")
    figures = {"tcp": [4.0] * 3, "udp": [2.0] * 3, "a": [5.0] * 3, "b": [9.0] * 3}
    found = results(figures, *floors, contender("a", floors=["tcp", "udp"]), contender("b", floors=["tcp", "none"]))

    assert "5.00 ±0% (2.50x)" == markdown.cell(found, "short", "a")
    assert "9.00 ±0% (2.25x)" == markdown.cell(found, "short", "b")
    assert "4.00 ±0% (1.00x)" == markdown.cell(found, "short", "tcp")


def test_a_noisy_cell_is_marked():
    """Quartiles that are far from the median make a `!`, and a line above the table."""
    found = results({"calm": [10.0, 10.1, 9.9], "wild": [10.0, 30.0, 5.0]})

    assert "10.0 ±62%!" == markdown.cell(found, "short", "wild")
    noisy = [line for line in markdown.warnings(found) if line.startswith("Noisy")]
    assert ["Noisy, the quartiles are more than ±10% off the median (marked !): wild (short)."] == noisy


def test_a_page_has_all_that_a_stranger_asks():
    """When, on what, with which versions; the overview; and every figure with lowest and highest."""
    page = markdown.document(results({"a": [1.0, 2.0, 4.0]}))

    for expected in (
        "# Toys",
        "Nothing is measured.",
        "Python 3.",
        "rounds 3",
        "seed 1",
        "| a ",
        "lowest",
        "<details>",
    ):
        assert expected in page


@pytest.mark.parametrize(
    "value, shown",
    [(0.01234, "0.0123"), (1.0, "1.00"), (12.34, "12.3"), (123.4, "123"), (1234.5, "1234"), (2.5e6, "2.50M")],
)
def test_figures_have_three_digits(value, shown):
    """More would be noise."""
    assert shown == markdown.figure(value)


def test_a_second_run_takes_the_place_of_the_same_cells(tmp_path):
    """What was not measured again stays; figures of different runs make no ratio."""
    old = results({"tcp": [2.0] * 3, "a": [4.0] * 3}, contender("tcp", kind="floor"), contender("a", floors=["tcp"]))
    new = results({"a": [3.0] * 3}, contender("a", floors=["tcp"]))
    path = tmp_path / "toys.json"
    path.write_text(json.dumps(old.dump()))
    merged = Results.load(path).merged(new)

    assert ("3.00 ±0%", "2.00 ±0% (1.00x)") == tuple(markdown.cell(merged, "short", name) for name in ("a", "tcp"))
    assert 2 == len(merged.runs)
    both = merged.merged(
        results({"tcp": [1.0] * 3, "a": [3.0] * 3}, contender("tcp", kind="floor"), contender("a", floors=["tcp"]))
    )
    assert ("3.00 ±0% (3.00x)", 1) == (markdown.cell(both, "short", "a"), len(both.runs))


@pytest.mark.parametrize("plot", ["bars", "lines"])
def test_a_plot_follows_the_page(plot):
    """One picture, with colours for light pages and for dark ones, and no colour that stands for another left over."""
    pytest.importorskip("matplotlib", reason="there is no matplotlib")
    from bench.harness import plots

    figures = {"tcp": [1.0] * 6, "rawws": [2.0] * 6, "peer": [90.0] * 6}
    kinds = {"tcp": "floor", "rawws": "rawws", "peer": "peer"}
    toys = Toy(figures, plot)
    toys.axis = "bytes"
    found = Rounds("toys", toys, [SHORT, LONG], [contender(name, kind=kinds[name]) for name in figures], EFFORT).run()
    drawn = plots.svg(found)

    assert "prefers-color-scheme:dark" in drawn
    assert "Toys" in drawn
    assert "µs a toy, less is better" in drawn
    assert [] == [colour for colour in plots.COLOURS if f": {colour}" in drawn]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m bench` with these."""
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["ecco"], "there is no suite 'ecco'; there are core, "),
        (["masking", "--only", "nothing"], "no scenario has 'nothing' in its name"),
        (["masking", "--contenders", "nobody"], "masking has no contender nobody; there are "),
        (["masking", "--rounds", "0"], "argument --rounds: 0 is not over 0"),
        (["masking", "--rounds", "many"], "argument --rounds: invalid number value: 'many'"),
        (["masking", "--cores", "0,99"], "argument --cores: core 99 is not one that this process may use"),
        (["render"], "render needs --out DIR, with the JSON of a run in it"),
        (["masking", "--fast"], "unrecognized arguments: --fast"),
        (["masking", "--out", __file__], "--out: "),
    ],
)
def test_wrong_arguments_are_answered_in_a_line(arguments, said, capsys):
    """What is wrong, and what there is; the exit code is 2."""
    assert 2 == main(arguments)
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"python -m bench: {said}")
    assert 1 == complaint.count("\n")


def test_the_list_names_suites_and_who_is_missing(capsys):
    """Scenarios and contenders of a suite, and of those that are missing the reason."""
    assert 0 == main(["list", "masking"])
    printed = capsys.readouterr().out
    assert "masking: Masking" in printed
    assert "rawws pure" in printed


def test_a_folder_of_results_can_be_added_to_and_drawn_again(tmp_path):
    """JSON, Markdown and an index; a second run of one contender leaves the others."""
    folder = str(tmp_path / "found")
    quick = ("masking", "--quick", "--only", "16 B", "--out", folder)
    assert 0 == run(*quick, "--contenders", "rawws pure").returncode
    assert 0 == run("--suite", *quick, "--contenders", "memcpy").returncode
    found = json.loads((tmp_path / "found" / "masking.json").read_text())
    (tmp_path / "found" / "masking.md").unlink()

    assert {"memcpy", "rawws pure"} == set(found["cells"]["16 B"])
    assert 0 == run("render", "--out", folder).returncode
    assert "| rawws pure" in (tmp_path / "found" / "masking.md").read_text()
    assert "[Masking](masking.md)" in (tmp_path / "found" / "README.md").read_text()


def test_a_failure_is_an_exit_code():
    """A script that runs the benchmark hears of contenders that fail."""
    program = """
import sys
from bench import suites
from bench.harness import command
from tests.test_bench_harness import Toy, contender, SHORT

toys = Toy({"a": [1.0, AssertionError("lost")]})
toys.scenarios, toys.contenders = lambda: [SHORT], lambda: [contender("a")]
suites.NAMES, suites.suite = ("toys",), lambda name: toys
sys.exit(command.main(["--rounds", "2"]))
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (1, "a fails: short: lost\n") == (result.returncode, result.stderr)


def test_what_is_reached_is_told_row_by_row():
    """Ratios to others and to the floor, and figures, against what they are to be; what was not measured is no row."""
    floor = contender("tcp", kind="floor")
    names = ("rawws", "picows", "aiohttp", "websockets", "picows await")
    figures = {"tcp": [10.0] * 3, "rawws": [11.0] * 3} | {name: [22.0] * 3 for name in names[1:]}
    latency = Scenario(name="latency 16 B")
    echo = results(figures, floor, *(contender(name, floors=["tcp"]) for name in names), scenarios=[latency])
    rows = [[cell.strip() for cell in line.split("|")[2:-1]] for line in targets.page({"echo": echo}).splitlines()[6:]]

    assert [
        ["rawws", "floor ≤ 1.2", "1.10", "yes"],
        *(["rawws", f"{name} ≥ 1", "2.00", "yes"] for name in ("picows await", "aiohttp", "websockets")),
    ] == rows
    slow = Times(3, "picows").reached(echo, "latency 16 B", "rawws")
    assert ("2.00", False) == (slow.found, slow.enough)
    assert AtMost(11).reached(echo, "latency 16 B", "rawws").enough


def test_every_target_is_measured_by_a_suite():
    """No row asks for a scenario or a contender that there is not."""
    for target in targets.TARGETS:
        suite = suites.suite(target.suite)
        assert target.scenario in [scenario.name for scenario in suite.scenarios()]
        names = {each.name for each in suite.contenders()}
        assert {bound.than for bound in target.bounds if isinstance(bound, Times)} <= names
