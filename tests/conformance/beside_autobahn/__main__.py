"""Both suites against the same peers: see the head of the package."""

import argparse
import asyncio
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rawws import __version__
from tests.conformance.beside_autobahn.page import missed, page, summary
from tests.conformance.beside_autobahn.running import measure
from tests.conformance.beside_autobahn.said import PARTS, Measured, file_name, read
from tests.conformance.beside_autobahn.subjects import Subject, everybody

USUAL = (*PARTS[0].groups, *PARTS[1].groups)
"""The other groups take minutes."""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.beside_autobahn", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PEER", help="names of tests.conformance.peers, or animals")
    parser.add_argument("--role", choices=("server", "client"))
    parser.add_argument("--cases", nargs="+", action="extend", metavar="GLOB", help="Autobahn's (1 to 7, 9 and 10)")
    parser.add_argument("--soak", type=int, default=16, help="messages in each case of ours for groups 12 and 13 (16)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="what was measured is kept there, and not measured again"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="the page, about who was asked for")
    return parser.parse_args(words)


def chosen(options: argparse.Namespace) -> list[Subject]:
    """Who is tested."""
    found = [
        one
        for one in everybody()
        if options.role in (None, one.role.value) and (one.name in options.names if options.names else one.usual)
    ]
    unknown = set(options.names) - {one.name for one in found}
    if unknown:
        raise SystemExit(f"unknown, or not installed: {', '.join(sorted(unknown))}")
    return found


def _globs(one: Subject, options: argparse.Namespace) -> Sequence[str]:
    """Of animals only the first part is asked, unless it is said."""
    return tuple(options.cases or (USUAL if one.versions else PARTS[0].groups))


def measured(one: Subject, options: argparse.Namespace) -> Measured:
    """What is kept, and what is missing of it."""
    path = None if options.keep is None else options.keep / f"{file_name(one.name, one.role.value)}.json"
    before = read(path) if path is not None and path.exists() else None
    found = asyncio.run(measure(one, before, _globs(one, options), options.soak))
    if options.keep is not None:
        found.write(options.keep)
    return found


def main(words: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    options = arguments(words)
    try:
        versions = {"kosoku": version("kosoku"), "rawws": __version__, "python": platform.python_version()}
    except PackageNotFoundError:
        print("kosoku runs Autobahn's cases and is not installed: pip install kosoku", file=sys.stderr)
        return 2
    found = []
    for one in chosen(options):
        found.append(measured(one, options))
        print(summary(found[-1]), flush=True)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(page(found, versions))
    for peer, each in missed(found):
        print(f"missed: {peer.name}, {peer.role}: {each.case}: {each.said}")
    return 1 if missed(found) else 0


if __name__ == "__main__":
    sys.exit(main())
