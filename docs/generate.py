"""Write the pages of `docs/reference/` from the code: `python docs/generate.py`.

A test holds that what is there is what this writes.
"""

from itertools import groupby
from pathlib import Path

from rawws.core.rules import RULES, Rule
from rawws.core.states import TRANSITIONS, Sender, Sent

REFERENCE = Path(__file__).parent / "reference"


def rules_page() -> str:
    """Every rule, by the section of the RFC that it comes from."""
    lines = [
        "# Rules",
        "",
        "What rawws enforces, one requirement in one row of `rawws/core/rules.py`. The number is the close code, or",
        "from 400 to 599 the HTTP status, that a breach gets; with 1006 nothing can be sent, and the TCP connection is",
        "dropped. The duty says whom a requirement binds: a *sender* must not send it; a *receiver* has to act on it.",
    ]
    for section, rules in groupby(sorted(RULES.values(), key=_by_section), key=lambda rule: rule.section):
        lines += ["", f"## {_title(section)}", "", "| rule | code | duty | requirement |", "|---|---|---|---|"]
        lines += [f"| `{rule.name}` | {rule.code} | {rule.duty.value} | {rule.text} |" for rule in rules]
    return "\n".join([*lines, ""])


def _by_section(rule: Rule) -> tuple[list[int], str]:
    rfc, _, section = rule.section.rpartition("/")
    return [int(rfc or 0), *map(int, section.split("."))], rule.name


def _title(section: str) -> str:
    rfc, _, number = section.rpartition("/")
    return f"RFC {rfc or 6455}, section {number}"


def states_page() -> str:
    """The table of states, one row for each state of a sender."""
    lines = [
        "# States",
        "",
        "Where one of the two senders stands (a row), what it sends (a column), and where it stands then, or which",
        "rule it breaks. Both sides of a connection obey this table (`rawws/core/states.py`).",
        "",
        "| | " + " | ".join(sent.value for sent in Sent) + " |",
        "|---" * (len(Sent) + 1) + "|",
    ]
    for state in Sender:
        cells = (TRANSITIONS[state][sent] for sent in Sent)
        told = (f"`{cell.name}`" if isinstance(cell, Rule) else cell.value for cell in cells)
        lines.append(f"| **{state.value}** | " + " | ".join(told) + " |")
    return "\n".join([*lines, ""])


PAGES = {"rules.md": rules_page, "states.md": states_page}

if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page())
