"""The examples in docstrings are run."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

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
    failed, tried = doctest.testmod(import_module(module))

    assert (0, True) == (failed, tried > 0)
