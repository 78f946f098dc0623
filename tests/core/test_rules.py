"""The rows of rules.py: well formed, raised somewhere, and tried by a test."""

import ast
import copy
import pickle
import re
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from rawws.core import rules
from rawws.core.frames import MOST_IN_CONTROL, may_appear
from rawws.core.rules import RULES, Duty, Rule

ROOT = Path(__file__).parent.parent.parent
CONSTANTS = {name: row for name, row in vars(rules).items() if isinstance(row, Rule)}

each_rule = pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.name) for rule in RULES.values()])


def names_in(path: Path) -> set[str]:
    """Every name and attribute that a Python file uses."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)} | {
        node.id for node in nodes if isinstance(node, ast.Name)
    }


@cache
def names_under(folder: str) -> set[str]:
    """The same of all files under a folder, the rows themselves left out."""
    files = [path for path in (ROOT / folder).rglob("*.py") if path.name != "rules.py"]
    return set(chain.from_iterable(map(names_in, files)))


@cache
def rules_in_vectors() -> set[str]:
    """The constants of the rules that a file under tests/vectors names."""
    texts = (path.read_text() for path in (ROOT / "tests" / "vectors").rglob("*.json"))
    return {found.upper().replace("-", "_") for text in texts for found in re.findall(r'"rule": "([^"]+)"', text)}


def test_the_name_of_a_rule_is_that_of_its_constant() -> None:
    """`rules.MASK_MISSING` is the rule "mask-missing": who knows one knows the other."""
    assert {name.lower().replace("_", "-"): row for name, row in CONSTANTS.items()} == RULES
    assert list(RULES) == [row.name for row in CONSTANTS.values()]


def test_no_name_is_given_twice() -> None:
    """An id leads to one row."""
    assert sorted({row.name for row in CONSTANTS.values()}) == sorted(row.name for row in CONSTANTS.values())


@each_rule
def test_a_text_is_one_sentence_without_a_full_stop(rule: Rule) -> None:
    """Others put the text in the middle of a line: it has one line and no stop at its end."""
    assert re.fullmatch(r"[a-zA-Z0-9].*[^.!\s]", rule.text)


@each_rule
def test_a_text_fits_into_a_close_frame(rule: Rule) -> None:
    """What is reported with a close code is sent as the reason: two bytes are for the code, 123 are left."""
    if may_appear(rule.code):
        assert len(rule.text.encode()) <= MOST_IN_CONTROL - 2


@each_rule
def test_a_rule_has_a_section_a_code_and_a_duty(rule: Rule) -> None:
    """The section can be looked up, the code stands in a Close frame or in a response, and somebody is bound."""
    assert re.fullmatch(r"\d+(\.\d+)*|\d{4}/\d+(\.\d+)*", rule.section)
    assert 400 <= rule.code < 600 or rule.code == 1006 or may_appear(rule.code)
    assert isinstance(rule.duty, Duty)


@each_rule
def test_a_rule_survives_copying_and_pickling_as_itself(rule: Rule) -> None:
    """`error.rule is rules.X` holds on the other side of a pickle."""
    for same in (copy.copy(rule), copy.deepcopy(rule), pickle.loads(pickle.dumps(rule))):
        assert same is rule


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_rule_is_enforced_somewhere(name: str) -> None:
    """A row that no code refers to promises what nobody keeps."""
    assert name in names_under("rawws")


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_rule_is_tried_by_a_test(name: str) -> None:
    """A test names the constant, or a vector names the rule."""
    assert name in names_under("tests") | rules_in_vectors()
