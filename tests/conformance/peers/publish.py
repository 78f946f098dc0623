"""The reports of `python -m tests.conformance.peers --out REPORTS`, as the pages under docs/conformance.

    python -m tests.conformance.peers.publish REPORTS docs/conformance

In this order: `findings` (what may be told), `sent` (what was sent, in short), `pages`.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rawws.conformance import Report
from rawws.conformance.report import html, words
from rawws.core.settings import Role
from tests.conformance.peers import pages
from tests.conformance.peers.findings import Found, read, sensitive, tellable

LARGEST = 2_500_000
"""Bytes of a matrix: a larger one is left out."""

FOLDERS = {Role.SERVER: "servers", Role.CLIENT: "clients"}


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.peers.publish", description=__doc__)
    parser.add_argument("reports", type=Path, metavar="REPORTS")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    for path, size in publish(read(options.reports), options.folder).items():
        print(f"{path}: {size:,} bytes")


def publish(found: Sequence[Found], folder: Path) -> dict[Path, int]:
    """Write the pages, and take away those that were there before; the files and their sizes."""
    told = tellable(found)
    files = {one.page: pages.page(one) for one in told}
    files["README.md"] = pages.summary(told, len(held_back(found)))
    for role, name in FOLDERS.items():
        those = [one for one in told if one.peer.role is role]
        if those:
            files[f"{name}.html"] = matrix(those)
    for name in FOLDERS.values():
        for old in (folder / name).glob("*.md"):
            old.unlink()
    return {folder / name: _write(folder / name, text) for name, text in files.items()}


def held_back(found: Sequence[Found]) -> set[str]:
    """The cases that are left out for what they came to."""
    return {id for one in found for id in one.held_back() if not sensitive(id)}


def matrix(found: Sequence[Found]) -> str:
    """The HTML page.

    Raises:
        ValueError: it is too large.
    """
    page = html.write([thinned(one.report) for one in found])
    if len(page.encode()) > LARGEST:
        raise ValueError(f"the matrix has {len(page.encode()):,} bytes")
    return page


def thinned(report: Report) -> Report:
    """With one conversation for what is the same in a family."""
    seen: set[tuple[str, str]] = set()
    results = []
    for result in report.results:
        same = (words.family_of(result.id), result.got)
        results.append(dataclasses.replace(result, transcripts=[] if same in seen else result.transcripts))
        seen.add(same)
    return dataclasses.replace(report, results=results)


def _write(path: Path, text: str) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.write_text(text, encoding="utf-8") and len(text.encode())


if __name__ == "__main__":
    main()
