"""Results as a picture: an SVG that is dark where the page is dark."""

import io
import math
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib

from bench.harness.markdown import figure
from bench.harness.results import Results

matplotlib.use("Agg")

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

INK, FAINT, PAPER = "#010101", "#020202", "#030303"
OURS, OURS_PURE, FLOOR, PEER = "#040404", "#050505", "#060606", "#070707"
SERIES = ("#111111", "#121212", "#131313", "#141414", "#151515", "#161616", "#171717", "#181818", "#191919", "#1a1a1a")
"""Colours as they are drawn; `COLOURS` says what they stand for."""
COLOURS = {
    INK: ("#1f2328", "#e6edf3"),
    FAINT: ("#d8dee4", "#30363d"),
    PAPER: ("#ffffff", "#0d1117"),
    OURS: ("#d9480f", "#ff8c42"),
    OURS_PURE: ("#f0a27a", "#b8683a"),
    FLOOR: ("#b6bec8", "#57606a"),
    PEER: ("#4d7ea8", "#6ea8d9"),
    **dict(
        zip(
            SERIES,
            [
                *[("#1c7ed6", "#4dabf7"), ("#2b8a3e", "#51cf66"), ("#9c36b5", "#da77f2"), ("#a67c00", "#e8c547")],
                *[("#087f8c", "#3bc9db"), ("#5f3dc4", "#9775fa"), ("#c2255c", "#f783ac"), ("#495057", "#adb5bd")],
                *[("#66700f", "#c0d860"), ("#364fc7", "#748ffc")],
            ],
        )
    ),
}
"""On a light page, on a dark one."""
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rawws",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
WAYS = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))
"""Styles and markers of the lines of rawws, which have one colour."""
LEAST = 6.5
"""So wide is a picture at least, in inches, beside the names."""
FEW = 200.0
"""An axis that grows by less than this many times is marked at 1, 2 and 5 of each power of ten."""
FAR = 3.0
"""A bar ends at so many times the median of all; what is longer is cut off, and marked."""


def svg(results: Results) -> str:
    """The picture of a suite."""
    with matplotlib.rc_context(STYLE):
        drawn = _lines(results) if results.plot == "lines" else _bars(results)
        out = io.StringIO()
        drawn.savefig(out, format="svg", metadata={"Date": None})
    return _both_ways(out.getvalue())


def _both_ways(drawn: str) -> str:
    """Every colour by its name, with one value for light pages and one for dark."""
    names = {colour: f"--c{number}" for number, colour in enumerate(COLOURS)}

    def renamed(found: re.Match[str]) -> str:
        what, colour = found.groups()
        return f"{what}: {COLOURS[colour][0]}; {what}: var({names[colour]})" if colour in COLOURS else found[0]

    drawn = re.sub(r"(fill|stroke): (#[0-9a-f]{6})", renamed, drawn)
    light, dark = (";".join(f"{names[colour]}:{pair[way]}" for colour, pair in COLOURS.items()) for way in (0, 1))
    style = f"<style>:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    return re.sub(r"(<svg [^>]*>)", lambda found: found[1] + style, drawn, count=1)


def _grid(panels: int, most: int, width: float, height: float, **more: Any) -> tuple[Figure, list[Any]]:
    """So many panels, at most so many beside each other."""
    rows = math.ceil(panels / most)
    columns = math.ceil(panels / rows)
    width = max(width, LEAST / columns)
    drawn = Figure(figsize=(width * columns + 1.5, height * rows + 0.9), layout="constrained")
    axes = list(drawn.subplots(rows, columns, squeeze=False, **more).flat)
    for unused in axes[panels:]:
        unused.set_visible(False)
    return drawn, axes[:panels]


def _entitle(drawn: Figure, results: Results) -> None:
    """In two lines: one would be wider than some pictures."""
    title = f"{results.title}\n{results.unit}, less is better"
    drawn.suptitle(title, x=0.01, ha="left", fontsize=11, weight="bold")


# --- Bars: a panel for each scenario, a bar for each contender ------------------------------------------------------


def _bars(results: Results) -> Figure:
    names = results.present()
    scenarios = list(results.cells)
    drawn, axes = _grid(len(scenarios), 4, 2.6, 0.19 * len(names) + 0.5, sharey=True)
    for axis, scenario in zip(axes, scenarios):
        _panel_of_bars(axis, results, scenario, names)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    _entitle(drawn, results)
    return drawn


def _panel_of_bars(axis: Any, results: Results, scenario: str, names: Sequence[str]) -> None:
    of = results.cells[scenario]
    medians = sorted(cell.median for cell in of.values())
    end = min(medians[-1], FAR * medians[len(medians) // 2])
    axis.set(
        title=textwrap.fill(scenario, 27) if len(results.cells) > 2 else scenario,
        xlim=(0, end * 1.28),
        yticks=range(len(names)),
        yticklabels=names,
    )
    axis.tick_params(length=0)
    axis.grid(axis="x", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines["bottom"].set_visible(False)
    for label, name in zip(axis.get_yticklabels(), names):
        label.set_fontweight("bold" if results.contenders[name]["kind"] == "rawws" else "normal")
    for place, name in enumerate(names):
        if (cell := of.get(name)) is None:
            axis.text(end * 0.02, place, "-", va="center", fontsize=7.5)
            continue
        axis.barh(place, min(cell.median, end), height=0.72, color=_colour(results, name))
        axis.plot([min(min(cell.values), end), min(max(cell.values), end)], [place, place], color=INK, linewidth=0.9)
        cut = " ▸" * (cell.median > end)
        shown = max(min(max(cell.values), end), min(cell.median, end))
        axis.text(shown + end * 0.02, place, figure(cell.median) + cut, va="center", fontsize=7.5)


def _colour(results: Results, name: str) -> str:
    match results.contenders[name]["kind"]:
        case "rawws":
            return OURS_PURE if "pure" in name.split() else OURS
        case "floor":
            return FLOOR
        case _:
            return PEER


# --- Lines: a panel for each group, a line for each contender -------------------------------------------------------


def _lines(results: Results) -> Figure:
    groups = list(filter(None, dict.fromkeys(results.scenarios[scenario]["group"] for scenario in results.cells)))
    drawn, axes = _grid(len(groups), 3, 3.6, 3.0)
    looks = _looks(results)
    for axis, group in zip(axes, groups):
        _panel_of_lines(axis, results, group, looks)
    handles, labels = axes[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside right center", frameon=False, labelcolor=INK, handlelength=3)
    _entitle(drawn, results)
    return drawn


def _panel_of_lines(axis: Any, results: Results, group: str, looks: dict[str, dict[str, Any]]) -> None:
    scenarios = [name for name in results.cells if results.scenarios[name]["group"] == group]
    along = group if " or " in results.axis else results.axis  # Panels of one axis each, or of one for all.
    axis.set(title="" if along == group else group, xscale="log", yscale="log")
    for name, look in looks.items():
        points = [
            (results.scenarios[scenario]["x"], cell) for scenario in scenarios if (cell := results.cell(scenario, name))
        ]
        places = [x for x, _ in points]
        axis.plot(places, [cell.median for _, cell in points], label=name, **look)
        if look["marker"]:
            low, high = ([end(cell.values) for _, cell in points] for end in (min, max))
            axis.fill_between(places, low, high, color=look["color"], alpha=0.15, linewidth=0)
    ticks = sorted({results.scenarios[scenario]["x"] for scenario in scenarios})
    axis.set_xticks(ticks, [_tick(x, along) for x in ticks], rotation=35, ha="right", fontsize=8)
    axis.set_xlabel(along)
    low, high = axis.get_ylim()
    if high < FEW * low:
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(lambda y, _: figure(y).rstrip("0").rstrip(".") if y < 1 else f"{y:,.0f}")
    axis.minorticks_off()
    axis.grid(linewidth=0.6)
    axis.tick_params(length=0)


def _tick(x: float, axis: str) -> str:
    """16, 1 Ki, 4 Mi for bytes; 1,000 for all else."""
    if "byte" in axis:
        for unit, letter in ((2**20, "Mi"), (2**10, "Ki")):
            if x >= unit:
                return f"{x / unit:g} {letter}"
    return f"{x:,.0f}"


def _looks(results: Results) -> dict[str, dict[str, Any]]:
    """How the line of each contender is drawn."""
    looks: dict[str, dict[str, Any]] = {}
    ways_of: dict[str, tuple[str, str]] = {}
    colours = iter(SERIES * 4)
    ways = iter(WAYS * 4)
    floors = iter(("--", ":", "-.", "-") * 4)
    for name in results.present():
        match results.contenders[name]["kind"]:
            case "rawws":
                family = name.removesuffix(" pure")
                if family not in ways_of:
                    ways_of[family] = next(ways)
                style, marker = ways_of[family]
                look = {"color": _colour(results, name), "linewidth": 2, "linestyle": style}
                look |= {"marker": marker, "markersize": 4.5, "zorder": 3}
            case "floor":
                look = {"color": FLOOR, "linewidth": 1.6, "linestyle": next(floors), "marker": ""}
            case _:
                look = {"color": next(colours), "linewidth": 1.3, "marker": "o", "markersize": 2.5}
        looks[name] = look
    return looks
