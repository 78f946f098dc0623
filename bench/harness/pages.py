"""A folder of results: JSON, Markdown and a plot for each suite, and a page that shows them all."""

import json
from pathlib import Path

from bench import suites
from bench.harness import markdown
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
    found = [name for name in suites.NAMES if (folder / f"{name}.json").exists()]
    parts = ["# What was measured"]
    for name in found:
        results = Results.load(folder / f"{name}.json")
        parts.append(f"## [{results.title}]({name}.md)")
        parts.append(markdown.overview(results))
        if (folder / f"{name}.svg").exists():
            parts.append(f"![{results.title}]({name}.svg)")
    (folder / "README.md").write_text("\n\n".join(parts) + "\n")
