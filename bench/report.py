"""What the benchmarks share: what was compared with what, and tables."""

import contextlib
import datetime
import importlib.util
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version

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
    found = {"Python": platform.python_version(), "rawws": rawws.__version__}
    for name in (*PEERS, "aiofastnet", "h11"):
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
