"""The source as data: files, functions, lines of code, and who imports whom."""

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.test_floors import ORDER

ROOT = Path(__file__).parent.parent.parent
PACKAGE, CORE, TESTS = ROOT / "rawws", ROOT / "rawws" / "core", ROOT / "tests"

FLOORS = tuple("rawws" if unit == "." else f"rawws.{unit}" for unit in ORDER)
"""From the ground up.  A module imports only from what is named before it, or from its own package."""


@cache
def python_files(folder: Path) -> tuple[Path, ...]:
    """Every Python file under a folder that git knows or could know."""
    return tuple(path for path in sorted(folder.rglob("*.py")) if "node_modules" not in path.parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def nodes(folder: Path) -> Iterator[ast.AST]:
    """Every node of every file under a folder."""
    for path in python_files(folder):
        yield from ast.walk(tree_of(path))


def functions(folder: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method under a folder."""
    return [node for node in nodes(folder) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@cache
def code_lines(path: Path) -> frozenset[int]:
    """The numbers of the lines that hold code."""
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type not in blank:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return frozenset(lines)


def all_lines(folder: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in python_files(folder))


def texts(folder: Path) -> str:
    return "\n".join(path.read_text() for path in python_files(folder))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports() -> dict[str, frozenset[str]]:
    """The modules of rawws that each of them imports, wherever in the file, for types too."""
    names = {module_name(path): path for path in python_files(PACKAGE)}
    found: dict[str, frozenset[str]] = {}
    for name, path in names.items():
        wanted: set[str] = set()
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                wanted.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                wanted.update(inside & names.keys() or {node.module})
        found[name] = frozenset(wanted & names.keys() - {name})
    return found


def floor(module: str) -> int:
    """How high a module stands: the place of the longest name in `FLOORS` that it begins with."""
    while module not in FLOORS:
        module = module.rpartition(".")[0]
    return FLOORS.index(module)


def upward() -> list[str]:
    """Imports that do not go down."""
    return [
        f"{module} -> {wanted}"
        for module, all_wanted in imports().items()
        for wanted in all_wanted
        if floor(wanted) > floor(module)
    ]


def in_cycles() -> set[str]:
    """Modules that import themselves in the end."""

    def reached(module: str) -> set[str]:
        found: set[str] = set()
        waiting = set(imports()[module])
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting |= imports()[one]
        return found

    return {module for module in imports() if module in reached(module)}
