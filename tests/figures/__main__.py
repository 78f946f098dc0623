"""Figures of the code itself, beside the goals that it is held to: `python -m tests.figures`.

The standard library and git are all it needs, besides rawws.  A figure whose goal is missed is marked; what each one
counts is said in the docstring of its function.  Code lines are lines without comments, docstrings and blank ones.
"""

import ast
import asyncio
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import rawws
from rawws.core.rules import RULES
from tests.figures.source import (
    CORE,
    PACKAGE,
    ROOT,
    TESTS,
    all_lines,
    code_lines,
    functions,
    in_cycles,
    module_name,
    nodes,
    python_files,
    texts,
    tree_of,
    upward,
)
from tests.figures.way import Way, through_aio, through_blocking, through_core


class Figure(NamedTuple):
    """One line of the table."""

    name: str
    value: str
    goal: str
    met: bool


def import_graph() -> Figure:
    """Modules in a cycle, and imports that go up or sideways."""
    cycles, arrows = in_cycles(), upward()
    value = f"{len(cycles)} / {len(arrows)}" + "".join(f"; {arrow}" for arrow in sorted(arrows))
    return Figure("imports: modules in cycles / upward arrows", value, "0 / 0", not cycles and not arrows)


# --- Size -------------------------------------------------------------------------------------------------------------


def largest(folder: Path, goal: int) -> Figure:
    """The module with the most code lines."""
    lines, path = max((len(code_lines(path)), path) for path in python_files(folder))
    value = f"{module_name(path)}: {lines} ({len(path.read_text().splitlines())} with all that explains them)"
    return Figure(f"largest module of {module_name(folder)}, code lines", value, f"≤ {goal}", lines <= goal)


def function_length() -> Figure:
    """Code lines of functions and methods, signature included: the 95th percentile, and the longest."""
    lengths = []
    for path in python_files(PACKAGE):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                lengths.append((len(code_lines(path).intersection(span)), f"{module_name(path)}.{node.name}"))
    lengths.sort()
    typical, longest = lengths[int(len(lengths) * 0.95)][0], lengths[-1]
    value = f"{typical} / {longest[0]} ({longest[1]})"
    return Figure("function length p95 / max, code lines", value, "≤ 20 / 40", typical <= 20 and longest[0] <= 40)


def transports() -> list[Figure]:
    """Code lines of each transport, and those that stand in both, lines of brackets only left out."""
    lines = {}
    for name in ("aio", "blocking"):
        lines[name] = Counter(
            text[number - 1].strip()
            for path in python_files(PACKAGE / name)
            for text in [path.read_text().splitlines()]
            for number in code_lines(path)
        )
    alike = sum(count for line, count in (lines["aio"] & lines["blocking"]).items() if re.search(r"\w", line))
    sizes = [counter.total() for counter in lines.values()]
    return [
        Figure("code lines of aio / blocking", " / ".join(map(str, sizes)), "≤ 200 each", max(sizes) <= 200),
        Figure("code lines alike in both", str(alike), "≤ 40", alike <= 40),
    ]


# --- The way of one message -------------------------------------------------------------------------------------------


def calls(way: Way, through: str, goal: int) -> Figure:
    """Python calls within rawws; those of them that go up a floor; generators that were entered again."""
    value = f"{len(way.calls)} / {len(way.upward)} / {way.reentered}"
    met = len(way.calls) <= goal and not way.upward and not way.reentered
    return Figure(
        f"calls on receiving a message through {through} / upward / generators", value, f"≤ {goal} / 0 / 0", met
    )


def ways() -> list[Figure]:
    """The way of one short masked text message, warm; and the lines of the files that stand on it."""
    core, through_loop, through_thread = through_core(), asyncio.run(through_aio()), through_blocking()
    lines = sum(len(path.read_text().splitlines()) for path in through_loop.files)
    code = sum(len(code_lines(path)) for path in through_loop.files)
    names = " ".join(module_name(path).removeprefix("rawws.") for path in through_loop.files)
    return [
        calls(core, "the core", 15),
        calls(through_loop, "aio", 28),
        calls(through_thread, "blocking", 28),
        Figure("reading path socket → message, lines", f"{lines} ({code} of code): {names}", "≤ 1150", lines <= 1150),
    ]


# --- Rules, states, errors --------------------------------------------------------------------------------------------


def transitions() -> Figure:
    """Assignments of a state by name to one of the two senders, beyond the start; the table gives all others."""
    states = {"READY", "IN_MESSAGE", "CLOSE_SENT", "ENDED"}
    found = []
    for function in functions(PACKAGE):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and function.name != "__init__":
                of_sender = any(isinstance(to, ast.Attribute) and to.attr in ("ours", "theirs") for to in node.targets)
                if of_sender and isinstance(node.value, ast.Name) and node.value.id in states:
                    found.append(function.name)
    value = str(len(found)) + (f" (in {', '.join(found)})" if found else "")
    return Figure("transitions outside the table", value, "0", not found)


def rules_covered() -> Figure:
    """The rules that the code raises, that a test names, and that a page names."""
    raising = "\n".join(path.read_text() for path in python_files(PACKAGE) if path.name != "rules.py")
    trying = texts(TESTS) + "".join(path.read_text() for path in TESTS.rglob("vectors/*.json"))
    pages = "\n".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")))

    def share(text: str) -> int:
        named = [
            name for name in RULES if re.search(rf"\b({name}|{name.upper().replace('-', '_')})\b(?!-)", text)
        ]  # fmt: skip
        return 100 * len(named) // len(RULES)

    shares = share(raising), share(trying), share(pages)
    value = " / ".join(f"{each} %" for each in shares)
    return Figure(f"{len(RULES)} rules: raised / tried / documented", value, "100 % each", shares == (100, 100, 100))


def exceptions() -> Figure:
    """The exception classes below the command line; and whether the caller's fault can be told from the peer's."""
    paths = [path for path in python_files(PACKAGE) if "cli" not in path.parts]
    every = [node for path in paths for node in ast.walk(tree_of(path))]
    classes = {node.name: node for node in every if isinstance(node, ast.ClassDef)}

    def is_exception(name: str) -> bool:
        bases = [base.id for base in classes[name].bases if isinstance(base, ast.Name)] if name in classes else []
        return name in ("Exception", "BaseException") or name.endswith("Error") or any(map(is_exception, bases))

    own = sorted(name for name in classes if is_exception(name))
    apart = not issubclass(rawws.LocalProtocolError, rawws.RemoteProtocolError)
    apart = apart and not issubclass(rawws.RemoteProtocolError, rawws.LocalProtocolError)
    value = f"{len(own)} ({', '.join(own)}), {'yes' if apart else 'no'}"
    return Figure("exception classes; caller's fault apart", value, "≤ 6, yes", len(own) <= 6 and apart)


# --- Tests ------------------------------------------------------------------------------------------------------------


def _stand_ins(folder: Path) -> int:
    words = {"mock", "Mock", "MagicMock", "AsyncMock", "patch", "monkeypatch"}
    return sum(
        (isinstance(node, ast.Name) and node.id in words)
        or (isinstance(node, ast.Attribute) and node.attr in words)
        or (isinstance(node, ast.arg) and node.arg in words)
        for node in nodes(folder)
    )


def _sleeps(folder: Path) -> int:
    """Calls of `sleep`; `sleep(0)`, which waits for nothing, is none."""
    calls = [node for node in nodes(folder) if isinstance(node, ast.Call)]
    named = [call for call in calls if "sleep" in (getattr(call.func, "attr", ""), getattr(call.func, "id", ""))]
    return sum(not (isinstance(call.args[0], ast.Constant) and call.args[0].value == 0) for call in named if call.args)


def stand_ins() -> list[Figure]:
    """Where a test uses a mock or a patch, or sleeps."""
    figures = []
    for folder, goal in ((TESTS / "core", 0), (TESTS, 9)):
        counts = _stand_ins(folder), _sleeps(folder)
        name = f"mocks or patches / sleeps in {folder.relative_to(ROOT)}"
        wanted = "0 / 0" if goal == 0 else "< 10 in all"
        figures.append(Figure(name, " / ".join(map(str, counts)), wanted, sum(counts) <= goal))
    return figures


def _tests(folder: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [function for function in functions(folder) if function.name.startswith("test_")]


def _saying(words: str) -> list[str]:
    """The tests of the core that say one of the words, themselves or in a helper that they name."""
    helpers = [each for each in functions(TESTS) if not each.name.startswith("test_")]
    found = {each.name for each in helpers if re.search(rf"\b({words})\b", ast.unparse(each))}
    either = "|".join({*words.split("|"), *found} - {"__init__", "__call__"})
    return [test.name for test in _tests(TESTS / "core") if re.search(rf"\b({either})\b", ast.unparse(test))]


def chopped() -> Figure:
    """Of the tests of the core that hand over bytes, those that do so whole, byte by byte, and split everywhere."""
    feeding, chopping = _saying("receive|feed|receive_data"), _saying("chopped|split_places")
    good = [test for test in feeding if test in chopping]
    value = f"{100 * len(good) // max(1, len(feeding))} % ({len(good)} of {len(feeding)})"
    return Figure("wire tests chopped", value, "all", len(good) == len(feeding))


def docstrings() -> Figure:
    """The tests that say in words what is required."""
    tests = _tests(TESTS)
    share = 100 * sum(ast.get_docstring(test) is not None for test in tests) / max(1, len(tests))
    return Figure(f"docstrings on {len(tests)} tests", f"{share:.0f} %", "≥ 90 %", share >= 90)


# --- The rest ---------------------------------------------------------------------------------------------------------


def sections() -> Figure:
    """Sections of RFCs named in the core: "section 5.4", "# 5.4: …", and the rows of the rules."""
    text = texts(CORE)
    named = re.findall(r"\bsections? \d+(?:\.\d+)*|\band \d+\.\d+(?:\.\d+)*|\b\d+\.\d+(?:\.\d+)*: \"", text)
    rows = re.findall(r'= Rule\("[^"]+", "[\d/.]+"', text)
    per_thousand = 1000 * (len(named) + len(rows)) / all_lines(CORE)
    return Figure("RFC sections named per 1,000 lines of core", f"{per_thousand:.0f}", "≥ 40", per_thousand >= 40)


def public_names() -> Figure:
    """What `rawws` exports."""
    return Figure("public names", str(len(rawws.__all__)), "≤ 30", len(rawws.__all__) <= 30)


def exemptions() -> Figure:
    """Comments that switch a check off, for every 1,000 lines of rawws."""
    found = len(re.findall(r"# (?:type: ignore|noqa|pragma: no cover)", texts(PACKAGE)))
    per_thousand = 1000 * found / all_lines(PACKAGE)
    value = f"{per_thousand:.1f} ({found})"
    return Figure("ignore, noqa, no cover per 1,000 lines", value, "≤ 3", per_thousand <= 3)


def commits() -> Figure:
    """The commits whose message has a body, trailers aside."""
    log = subprocess.run(
        ["git", "log", "--no-merges", "--format=%b%x00"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    bodies = [re.sub(r"(?m)^[A-Z][\w-]+: .*$", "", body).strip() for body in log.stdout.split("\0")[:-1]]
    share = 100 * sum(map(bool, bodies)) / max(1, len(bodies))
    return Figure(f"{len(bodies)} commits with a body", f"{share:.0f} %", "≥ 70 %", share >= 70)


def all_figures() -> Iterator[Figure]:
    """Every line of the table, in order."""
    measured: list[Callable[[], Any]] = [
        import_graph,
        lambda: largest(CORE, 300),
        lambda: largest(PACKAGE, 400),
        function_length,
        ways,
        transports,
        transitions,
        rules_covered,
        exceptions,
        stand_ins,
        chopped,
        docstrings,
        sections,
        public_names,
        exemptions,
        commits,
    ]
    for measure in measured:
        found = measure()
        yield from [found] if isinstance(found, Figure) else found


def main() -> None:
    """Print the table."""
    rows = [("", "what", "goal", "here")]
    rows += [("" if figure.met else "!", figure.name, figure.goal, figure.value) for figure in all_figures()]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


if __name__ == "__main__":
    main()
