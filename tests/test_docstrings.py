"""The examples in docstrings are run."""

import doctest
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from rawws.core import speedups

ROOT = Path(__file__).parent.parent

EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("rawws", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "\n    >>> " in path.read_text()
]


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_in_docstrings_are_right(module: str) -> None:
    """What a docstring shows is what comes out."""
    tried = doctest.DocTestRunner()
    for example in examples_in(import_module(module)):
        tried.run(example)

    assert (0, True) == (tried.failures, tried.tries > 0)


def examples_in(module: ModuleType) -> Iterator[doctest.DocTest]:
    """Also of functions that run in C: what stands above the Python is said of both."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    yield from finder.find(module)
    for name, function in speedups.in_python.items():
        if function.__module__ == module.__name__ and getattr(module, name) is not function:
            yield from finder.find(function, name, globs=vars(module).copy())
