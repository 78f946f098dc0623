"""What the benchmarks share: what was compared with what, and tables."""

import contextlib
import datetime
import importlib.util
import json
import os
import platform
import statistics
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import rawws

PEERS = {"websockets": "websockets", "wsproto": "wsproto", "aiohttp": "aiohttp", "picows": "picows"}
"""Whom rawws is compared with: the name of the distribution, and of the package to import."""

BASELINE = "websockets"
"""Ratios are to this one: the library that most programs use today."""


def installed(peers: Iterable[str]) -> list[str]:
    """Those of `peers` that can be imported; a line is printed for each that cannot."""
    found = []
    for peer in peers:
        if importlib.util.find_spec(PEERS[peer]) is None:
            print(f"{peer} is left out: it is not installed", file=sys.stderr)
        else:
            found.append(peer)
    return found


def versions() -> dict[str, str]:
    """The version of everything that takes part."""
    found = {"Python": platform.python_version(), "zlib": zlib.ZLIB_RUNTIME_VERSION, "rawws": rawws.__version__}
    for name in (*PEERS, "aiofastnet", "websocket-client", "h11", "zlib-ng", "isal"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def setting() -> dict[str, str]:
    """When and on what this was measured."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "load": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown",
    }


def heading() -> str:
    """Both in one line."""
    return ", ".join(f"{name} {value}" for name, value in (setting() | versions()).items())


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as Markdown that can be read as it is: the first is the header, numbers stand on the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        " | ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in (rows[0], rule, *rows[1:])
    ]
    return "\n".join(f"| {line} |" for line in lines)


class Cost(NamedTuple):
    """What a message took, in microseconds."""

    cpu: float
    wall: float
    messages: int


Costs = dict[str, dict[str, Cost]]
"""By the name of the scenario, and of who was measured in it."""


def present(candidates: Mapping[str, Any]) -> list[str]:
    """The names of those whose package, `needs`, is installed; a line is printed for each that is not."""
    found = []
    for name, candidate in candidates.items():
        if candidate.needs is not None and importlib.util.find_spec(candidate.needs) is None:
            print(f"{name} is left out: {candidate.needs} is not installed", file=sys.stderr)
        else:
            found.append(name)
    return found


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each of the three."""
    return Cost(*(statistics.median(column) for column in zip(*costs)))


def cost_rows(title: str, costs: Costs, names: Sequence[str]) -> list[list[str]]:
    """A line for each scenario, a cell for each name: CPU time, and how many times it goes into that of `BASELINE`."""
    rows = [[f"{title} ({BASELINE} / it)", *names]]
    for scenario, of in costs.items():
        rows.append([scenario, *row_of({name: cost.cpu for name, cost in of.items()}, names)])
    return rows


def row_of(values: Mapping[str, float], names: Sequence[str]) -> list[str]:
    """The cells of one line."""
    baseline = values.get(BASELINE)
    return [
        f"{values[name]:.3g}" + (f" ({baseline / values[name]:.2g})" if baseline and values[name] > 0 else "")
        for name in names
    ]


def behind(costs: Costs, ours: str, aside: str = "tcp") -> list[str]:
    """Where a peer is cheaper than `ours`, in words."""
    lines = []
    for scenario, of in costs.items():
        peers = [name for name in of if name != aside and not name.startswith("rawws")]
        cheaper = [f"{name} ({of[name].cpu:.3g})" for name in peers if ours in of and of[name].cpu < of[ours].cpu]
        if cheaper:
            lines.append(f"{ours} ({of[ours].cpu:.3g} µs) is behind {', '.join(cheaper)}: {scenario}")
    return lines


def as_json(costs: Costs, **more: Any) -> str:
    """Everything that was measured."""
    rows = {scenario: {name: cost._asdict() for name, cost in of.items()} for scenario, of in costs.items()}
    return json.dumps({"setting": setting(), "versions": versions(), "costs": rows, **more}, indent=2)


def short(number: float) -> str:
    """Three digits: 1.21M, 34.5k, 175."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if number >= unit * 0.9995:
            return f"{number / unit:.3g}{letter}"
    return f"{number:.3g}"


def progress(text: str) -> None:
    """Show what is going on, in one line that is written over, if somebody looks."""
    if sys.stderr.isatty():
        print(f"\r{text:70}\r", end="", file=sys.stderr, flush=True)
