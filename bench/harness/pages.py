"""A folder of results: JSON, Markdown and a plot for each suite, and a page that shows them all."""

import json
import os
from pathlib import Path

from bench import suites, targets
from bench.harness import markdown
from bench.harness.process import ROOT
from bench.harness.results import Results


def write(folder: Path, results: Results) -> list[str]:
    """Write what a suite has found; what of it could not be done, in lines.

    Of scenarios and contenders that are there from an earlier run, and were not measured in this one, the figures stay.
    """
    path = folder / f"{results.suite}.json"
    if path.exists():
        results = Results.load(path).merged(results)
    path.write_text(json.dumps(results.dump(), indent=1) + "\n")
    complaints = _show(folder, results)
    _index(folder)
    return complaints


def render(folder: Path) -> list[str]:
    """Make tables and plots again, of the JSON that is there."""
    complaints = [line for path in sorted(folder.glob("*.json")) for line in _show(folder, Results.load(path))]
    _index(folder)
    return complaints


def _show(folder: Path, results: Results) -> list[str]:
    plot = f"{results.suite}.svg"
    complaints = []
    try:
        from bench.harness import plots

        (folder / plot).write_text(plots.svg(results))
    except ModuleNotFoundError as error:
        complaints.append(f"no plot of {results.suite}: {error.name} is not installed (pip install rawws[bench])")
    has_plot = (folder / plot).exists()
    (folder / f"{results.suite}.md").write_text(markdown.document(results, plot if has_plot else None))
    return complaints


def _index(folder: Path) -> None:
    paths = {name: folder / f"{name}.json" for name in suites.NAMES}
    found = {name: Results.load(path) for name, path in paths.items() if path.exists()}
    (folder / "targets.md").write_text(targets.page(found))
    parts = ["# What was measured", _introduction(folder)]
    for name, results in found.items():
        parts.append(f"## [{results.title}]({name}.md)")
        parts.append(markdown.overview(results))
        if (folder / f"{name}.svg").exists():
            parts.append(f"![{results.title}]({name}.svg)")
    (folder / "README.md").write_text("\n\n".join(parts) + "\n")


def _introduction(folder: Path) -> str:
    method = ROOT / "bench" / "README.md"
    how = f"[How it is measured]({os.path.relpath(method, folder)})" if ROOT in folder.resolve().parents else ""
    return (
        "Each cell: the median of the rounds ± half the way between the quartiles (how many times the floor it is). "
        f"Less is better. {how}\n\n[What is reached](targets.md) of what is aimed at."
    )
