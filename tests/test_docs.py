"""What the README shows is what the examples are, and what it names is there."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/**/*.md"))


@pytest.mark.parametrize("name", ["client", "server", "embedded"])
def test_the_readme_shows_the_examples(name):
    """A block of code in the README is the file that it names, word for word."""
    block = re.search(rf"<!-- examples/{name}\.py -->\n```python\n(.*?)```", README, re.DOTALL)

    assert block is not None
    assert (ROOT / "examples" / f"{name}.py").read_text() == block[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """A relative link on a page leads to a file or folder."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [] == [link for link in links if not (page.parent / link).exists()]


def test_the_readme_names_every_module_of_the_core():
    """The reading order leaves nothing out."""
    modules = {path.name for path in (ROOT / "rawws" / "core").glob("*.py")} - {"__init__.py"}

    assert set() == {name for name in modules if f"](rawws/core/{name})" not in README}


def test_the_two_commands_are_one_line_each():
    """The promise of the README: two commands, each on a line of its own, that begin with a fresh environment."""
    commands = re.findall(r"^python3 -m venv \.venv && \.venv/bin/pip install .*$", README, re.MULTILINE)

    assert ["rawws demo", "pytest"] == [command.rpartition(".venv/bin/")[2] for command in commands]


@pytest.mark.parametrize("name", ["rules.md", "states.md"])
def test_the_reference_is_what_the_code_says(name):
    """The generated pages are up to date; `python docs/generate.py` writes them anew."""
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))

    assert generate["PAGES"][name]() == (ROOT / "docs" / "reference" / name).read_text()
