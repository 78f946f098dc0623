"""Who may import whom.  Everything stands on what is below it, and nothing knows what stands on it."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "rawws"

CORE = [
    "rules",
    "errors",
    "settings",
    "agreement",
    "events",
    "keys",
    "speedups",
    "masking",
    "frames",
    "headers",
    "origins",
    "heads",
    "parsing",
    "states",
    "codec",
    "streams",
    "deflate",
    "messages",
    "prepared",
]

FLOORS = [
    [f"core.{name}" for name in CORE],
    ["records", "tap", "uri"],
    [
        "core.outgoing",
        "core.incoming",
        "core.connection",
        "core.asking",
        "core.upgrade",
        "core.opening",
        "core.http1",
        "core",
    ],
    ["patience", "pieces", "session", "endpoint", "many", "plan", "proxies", "backoff"],
    ["route", "blocking", "aio", "."],
    ["compat", "conformance", "cli", "__main__"],
]
"""From the ground up, and on each floor from left to right: whatever is named may import only what is named before it.
The name of a package above the core stands for all in it, and "." for the package `rawws` itself."""

ORDER = [unit for floor in FLOORS for unit in floor]

STRANGERS = {
    **{(f"core.{name}", "core.headers"): "an open connection knows no HTTP" for name in ("incoming", "connection")},
    ("aio", "blocking"): "a transport does not know the other",
    ("uri", "tap"): "they stand side by side",
    ("uri", "records"): "they stand side by side",
    **{(f"core.{name}", beside): "the core imports the core"
       for name in ("outgoing", "incoming", "connection", "asking", "upgrade", "opening", "http1")
       for beside in ("records", "tap", "uri")},
}  # fmt: skip
"""Arrows that the order would allow."""

OF_PROGRAMS = {"asyncio", "concurrent", "logging", "multiprocessing", "random", "secrets", "select", "selectors"}
OF_PROGRAMS |= {"signal", "socket", "ssl", "subprocess", "threading", "time", "trio", "anyio"}
"""Input and output, time and chance: for those who move bytes, and for those above them."""


def name_of(path: Path) -> str:
    """The dotted name of a module without the package in front."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "."


def unit_of(name: str) -> str:
    """The entry of ORDER that a module belongs to."""
    return name if name.startswith("core.") else name.partition(".")[0] or "."


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}

each_module = pytest.mark.parametrize("module", MODULES)


@cache
def tree_of(module: str) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(MODULES[module].read_text())


def imports(module: str) -> Iterator[str]:
    """Everything that a module imports anywhere, ours without the package in front."""
    for node in ast.walk(tree_of(module)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            deeper = [f"{node.module}.{alias.name}" for alias in node.names]
            inside = [name for name in deeper if name.removeprefix("rawws.") in MODULES]
            names = inside or [str(node.module)]
        yield from ("." if name == "rawws" else name.removeprefix("rawws.") if name.startswith("rawws.") else name
                    for name in names)  # fmt: skip


def ours(module: str) -> set[str]:
    """The modules of ours that a module imports."""
    return {name for name in imports(module) if name in MODULES}


@each_module
def test_every_module_has_its_place(module: str) -> None:
    """A new one is put into the order before it is used."""
    assert unit_of(module) in ORDER


@each_module
def test_a_module_imports_only_what_stands_before_it(module: str) -> None:
    """Never upward, not even for the type checker; the arrow that is wrong is printed."""
    here = unit_of(module)
    wrong = []
    for name in sorted(ours(module)):
        there = unit_of(name)
        if (here, there) in STRANGERS:
            wrong.append(f"{module} -> {name}: {STRANGERS[here, there]}")
        elif here != there and ORDER.index(there) >= ORDER.index(here):
            wrong.append(f"{module} -> {name}: it stands above")

    assert [] == wrong


def test_nothing_imports_in_a_circle() -> None:
    """Also not within a package."""
    graph = {module: ours(module) - {module} for module in MODULES}

    assert len(MODULES) == len([*TopologicalSorter(graph).static_order()])


@each_module
def test_input_output_and_time_are_left_to_the_upper_floors(module: str) -> None:
    """What is below is a function of bytes, of keys and of times that it is given."""
    if ORDER.index(unit_of(module)) < ORDER.index("route"):
        assert set() == {name.partition(".")[0] for name in imports(module)} & OF_PROGRAMS


@each_module
def test_only_the_parser_knows_h11(module: str) -> None:
    """Everything else can be used without it."""
    assert module == "core.parsing" or "h11" not in imports(module)


@each_module
def test_chance_comes_in_as_a_default(module: str) -> None:
    """Below the transports `os.urandom` is named only where a caller can give something else, and in its pool."""
    nodes = list(ast.walk(tree_of(module)))
    named = [node for node in nodes if isinstance(node, ast.Attribute) and node.attr == "urandom"]
    if ORDER.index(unit_of(module)) < ORDER.index("route") and module != "core.keys":
        signatures = [node.args for node in nodes if isinstance(node, ast.FunctionDef)]
        defaults = [default for signature in signatures for default in signature.defaults + signature.kw_defaults]

        assert all(node in defaults for node in named)
        assert not named or module in ("core.connection", "core.asking", "core.http1")
        assert not any(isinstance(node, ast.alias) and node.name == "urandom" for node in nodes)
