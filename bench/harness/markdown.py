"""Results as Markdown: an overview that fits in the eye, and below it every figure."""

from collections.abc import Iterable, Sequence

from bench.harness.results import WIDE, Results

BASELINE = "websockets"
"""Ratios in the tables of all figures are to this one too: the library that most programs use today."""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as Markdown that can be read as it is: the first is the header, numbers stand on the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        " | ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in (rows[0], rule, *rows[1:])
    ]
    return "\n".join(f"| {line} |" for line in lines)


def figure(value: float) -> str:
    """Three digits, or as many as it has before the point; 25.8M, if those are many."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= max(unit * 0.9995, 99_950):
            return f"{value / unit:#.3g}{letter}".replace(f".{letter}", letter)
    return f"{value:#.3g}".rstrip(".") if abs(value) < 999.5 else f"{value:.0f}"


def times(ratio: float | None) -> str:
    """A ratio: "1.04x", "12x"."""
    return "-" if ratio is None else f"{ratio:.2f}x" if ratio < 9.995 else f"{ratio:.0f}x"


def overview(results: Results) -> str:
    """Medians with their spread, and the ratio to the floor; the longer list is the rows."""
    names, scenarios = results.present(), list(results.cells)
    if len(scenarios) > len(names):
        rows = [[results.unit, *names]]
        rows += [[scenario, *(cell(results, scenario, name) for name in names)] for scenario in scenarios]
    else:
        rows = [[results.unit, *scenarios]]
        rows += [[name, *(cell(results, scenario, name) for scenario in scenarios)] for name in names]
    return table(rows)


def cell(results: Results, scenario: str, name: str) -> str:
    """One of the overview: "12.3 ±2% (1.04x)"."""
    found = results.cell(scenario, name)
    if found is None:
        return "fails" if f"{name}: {scenario}" in results.failures else "-"
    parts = [figure(found.median)]
    if len(found.values) > 1:
        parts.append(f"±{found.spread:.0%}{'!' * (found.spread > WIDE)}")
    if (ratio := results.above_floor(scenario, name)) is not None:
        parts.append(f"({times(ratio)})")
    return " ".join(parts)


def details(results: Results, scenario: str) -> str:
    """Everything about one scenario, the cheapest on top."""
    of = results.cells[scenario]
    names = sorted((name for name in results.contenders if name in of), key=lambda name: of[name].median)
    titles = list(dict.fromkeys(title for name in names for title in of[name].extras))
    baseline = of.get(BASELINE)
    head = [scenario, results.unit, "lowest", "highest", "to the floor"]
    rows = [[*head, *([f"{BASELINE} / it"] if baseline else []), *titles]]
    for name in names:
        one = of[name]
        row = [name, *map(figure, (one.median, min(one.values), max(one.values)))]
        row.append(times(results.above_floor(scenario, name)))
        if baseline:
            row.append(times(baseline.median / one.median if one.run == baseline.run and one.median > 0 else None))
        rows.append(row + ["-" if (value := one.extra(title)) is None else figure(value) for title in titles])
    return table(rows)


def warnings(results: Results) -> list[str]:
    """What a reader has to know before believing the figures."""
    lines = [f"Missing: {name}: {why}." for name, why in grouped(results.missing)]
    lines += [f"Failed: {what}: {why}" for what, why in results.failures.items()]
    noisy = [f"{name} ({scenario})" for scenario, of in results.cells.items() for name in of if of[name].spread > WIDE]
    if noisy:
        shown = ", ".join(noisy[:6]) + (f" and {len(noisy) - 6} more" if len(noisy) > 6 else "")
        lines.append(f"Noisy, the quartiles are more than ±{WIDE:.0%} off the median (marked !): {shown}.")
    for number, run in enumerate(results.runs):
        if run["taken by others"] > 0.1 or run["taken by the host"] > 0.02:
            which = f" of run {number + 1}" if len(results.runs) > 1 else ""
            lines.append(
                f"While this was measured{which}, others took {run['taken by others']:.0%} of all cores, and the host "
                f"of this virtual machine {run['taken by the host']:.0%}."
            )
        if run["rounds"] < 3:
            lines.append(f"Of {run['rounds']} round{'s' * (run['rounds'] != 1)} only: good for a glance.")
        if run["load core"] == run["contender core"]:
            lines.append("Load and contender had one core between them.")
    if len(results.runs) > 1:
        lines.append(f"Figures are of {len(results.runs)} runs; only those of one run are set in a ratio.")
    return lines


def grouped(missing: dict[str, str]) -> Iterable[tuple[str, str]]:
    """Names and reason, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for name, why in missing.items():
        by_reason.setdefault(why, []).append(name)
    return [(", ".join(names), why) for why, names in by_reason.items()]


def heading(results: Results) -> str:
    """When, on what and with what it was measured; a line for each run."""
    return "\n".join(f"> {_run(run)}" for run in results.runs)


def _run(run: dict[str, object]) -> str:
    names = ("date", "machine", "system", "load before", "rounds", "seconds", "seed", "minutes")
    parts = [f"{name} {run[name]}" for name in names if name in run]
    parts.append(f"load on core {run['load core']}, contender on {run['contender core']}")
    versions = run["versions"]
    assert isinstance(versions, dict)
    return ", ".join([*parts, *(f"{name} {version}" for name, version in versions.items())])


def document(results: Results, plot: str | None = None, folded: bool = True) -> str:
    """All of a suite; `plot` is the name of a picture beside it.  On a terminal nothing is folded."""
    parts = [f"# {results.title}", results.about.strip(), heading(results)]
    parts.append("\n".join(f"* {line}" for line in warnings(results)))
    parts.append(f"Each cell: {results.unit}, the median of the rounds ± half the way between the quartiles (how many "
                 "times the floor it is).  Less is better.")  # fmt: skip
    parts.append(overview(results))
    if plot:
        parts.append(f"![{results.title}]({plot})")
    parts.append(results.notes)
    tables = "\n\n".join(details(results, scenario) for scenario in results.cells)
    fold = "<details><summary>Every figure, scenario by scenario</summary>\n\n{}\n\n</details>"
    parts.append(fold.format(tables) if folded else tables)
    return "\n\n".join(filter(None, parts)) + "\n"
