"""The pages under docs/conformance: one that sums up, and one of each peer."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby
from textwrap import fill

from rawws.conformance import CASES, Result, Verdict
from rawws.conformance.case import Tier, order
from rawws.conformance.report import words
from rawws.conformance.report.markdown import escaped, verbatim
from rawws.conformance.report.sheet import TITLES
from rawws.core.settings import Role
from tests.conformance.peers.findings import Found, page_of, sensitive
from tests.conformance.peers.sent import sent_for
from tests.conformance.peers.table import MIB, PEERS, Peer

ECHOES = "../../tests/conformance/peers"
"""The folder with the echoes, from that of the pages."""

OFTEN = 5
"""So many findings that are alike are told of once more, as what may have one cause."""

MOST_TOLD = 12
"""Rows of that."""


FAIR = """
Each peer is an echo as the documentation of the library writes one, with the defaults of the library: no limit is
raised, and no option is set but the one that a name tells of (`-deflate`). What other settings would do is not seen
here. A finding says that the text of an RFC and what was seen differ, and how; it is no measure of how good a library
is. Many cases send what a well-behaved peer never sends, and one cause may show in fifty of them: the page of each peer
begins with the findings that are alike. Where we have misread an RFC or a library, please tell us.
"""

HOW_TO_READ = """
*Fail* is not what a MUST asks for, *warn* is not what a SHOULD recommends; the [levels](../conformance.md#levels) and
[verdicts](../conformance.md#verdicts) are those of the suite. On the page of a peer each case stands under its section
and its requirement, which is the RFC's in our words, with its level, the name of its rule if rawws has one, what was
sent, what had to come and what came. Of the head of a handshake only what is unusual is shown as sent, of frames what
they say. `rawws conform explain 6455/5.4/4.1` tells more about a case, and `rawws conform server URL --include
6455/5.4/4.1 -v` shows every byte of it against a server. What Autobahn's suite finds in the same libraries is told in
[Beside Autobahn](autobahn.md).
"""

COUNTS = """
*Asked* leaves out the cases that were skipped, such as those about compression where there is none; *families* are the
requirements in which something fails; *took* is the time of each run.
"""

BY_SECTION = """
By section: how many cases fail, and behind a plus how many warn.
"""

LEFT_OUT = """
What looks like a security hole is told to the projects first and is not published: the {sensitive} cases about
robustness (the level LIM and section 10.4: floods, sizes, memory) and about certificates are shown for nobody{also}.
"""

REPEAT = """
## How to repeat it

In a clone of this repository:

```text
pip install -e '.[test]' {packages}
(cd tests/interop/node && npm ci)
python -m tests.conformance.peers --out reports
python -m tests.conformance.peers.publish reports docs/conformance
```
"""


def paragraph(text: str) -> str:
    """Words, in lines of one length."""
    return fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def day(text: str) -> str:
    """ "2026-11-21" for people."""
    found = date.fromisoformat(text)
    return f"{found.day} {found:%B %Y}"


def joined(lines: Iterable[str]) -> str:
    """A page of these lines, with no more than one empty line between two others."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int | None = None) -> Iterator[str]:
    """A table, with an empty line before it and behind it.

    Args:
        heads: what stands above the columns.
        rows: of cells, escaped.
        texts: how many columns are text, with numbers behind; None: all.
    """
    text = len(heads) if texts is None else texts
    yield ""
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * text + "--:|" * (len(heads) - text)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def rfc(section: str) -> str:
    """A section and a link to it: "6455/5.4"."""
    name = words.place(section)
    number, _, part = section.partition("/")
    anchor = f"#section-{part}" if part[:1].isdigit() else ""
    return f"[{name}](https://www.rfc-editor.org/rfc/rfc{number}{anchor})"


def counted(found: Found) -> str:
    """ "12 of 500 cases fail, in 5 families; 3 warnings"."""
    fails = [result.id for result in found.loud if result.verdict is Verdict.FAIL]
    families = len({words.family_of(id) for id in fails})
    said = f"{len(fails) or 'None'} of {words.counted(found.asked, 'case')} {'fails' if len(fails) < 2 else 'fail'}"
    said += f", in {families} {'family' if families == 1 else 'families'}" if fails else ""
    warned = found.report.count(Verdict.WARN)
    return said + (f"; {words.counted(warned, 'warning')}" if warned else "")


# --- The page of one peer -----------------------------------------------------------------------------------------


def page(found: Found) -> str:
    """What was found of one."""
    return joined(_page(found))


def _page(found: Found) -> Iterator[str]:
    peer, about = found.peer, found.about
    yield f"# {peer.name}, {peer.role.value}"
    yield ""
    yield paragraph(f"""
        {found.versions}; {day(about["date"])}. **{counted(found)}.** The echo is
        [{_file(peer)}](../{ECHOES}/{_file(peer)}); {_declared(peer)}. {agreement(found)}
        [What all of this is, and how to read it](../README.md).""")
    if peer.note:
        yield from ("", paragraph(peer.note))
    yield from _often(found)
    for section, group in groupby(
        sorted(found.loud, key=lambda one: order(one.id)), lambda one: words.section_of(one.id)
    ):
        yield from ("", f"## {rfc(section)} {TITLES.get(section, '')}".rstrip())
        for _, family in groupby(group, lambda one: _asked_for(one.id)):
            yield from _family(list(family), peer.role)


def _file(peer: Peer) -> str:
    name = peer.where.split()[0]
    return name if name.endswith((".js", ".html")) else f"{name.partition('.')[0]}.py"


def _declared(peer: Peer) -> str:
    told = [f"messages of up to {peer.max_size // MIB} MiB"] if peer.max_size else []
    told += ["no permessage-deflate"] if peer.deflate is False else []
    told += [f"{peer.settle:g} s to settle behind the 101"] if peer.settle else []
    return f"the suite was told: {', '.join(told)}" if told else "the suite was told nothing of it"


def agreement(found: Found) -> str:
    """Whether the runs say the same, in a sentence."""
    runs = found.about["runs"]
    if runs < 2:
        return "It was asked once."
    if not found.differences:
        return "Two runs agree." if runs == 2 else f"{runs} runs agree."
    told = (f"{verbatim(id)} ({', '.join(said)})" for id, said in found.differences.items())
    return f"The runs differ in {words.counted(len(found.differences), 'case')}: {'; '.join(told)}."


def _often(found: Found) -> Iterator[str]:
    """What is the same in many cases: likely, it has one cause."""
    alike = Counter((one.expected, one.got) for one in found.loud)
    often = [(said, count) for said, count in alike.most_common() if count >= OFTEN]
    if not often:
        return
    yield from ("", "## The same several times", "")
    yield "Alike in what had to come and in what came; those of one line may well have one cause."
    yield from table(
        ["cases", "expected", "got"], ([str(count), *map(escaped, said)] for said, count in often[:MOST_TOLD])
    )


def _asked_for(id: str) -> tuple[str, str, str]:
    """What stands above a table: in some families the requirement is not the same everywhere."""
    case = CASES[id]
    return case.group, case.level.value, case.requirement


def _family(results: list[Result], role: Role) -> Iterator[str]:
    case = CASES[results[0].id]
    rule = f", {verbatim(case.rule.name)}" if case.rule is not None else ""
    yield from ("", f"### {verbatim(case.group)} {case.level.value}{rule}", "", escaped(case.requirement))
    same = len({one.expected for one in results}) == 1
    if same and results[0].expected != case.requirement:
        yield from ("", f"Expected: {escaped(results[0].expected)}.")
    sent = [sent_for(one, role) for one in results]
    heads = ["case", *(["sent"] if any(sent) else []), *([] if same else ["expected"]), "got"]
    yield from table(heads, (_row(one, said, heads) for one, said in zip(results, sent)))


def _row(result: Result, sent: str, heads: Sequence[str]) -> list[str]:
    case = CASES[result.id]
    title = "" if case.title == case.requirement.rstrip(".") else f" {escaped(case.title)}"
    cells = {
        "case": f"{verbatim(result.id)}{title}",
        "sent": verbatim(sent) if sent else "",
        "expected": escaped(result.expected),
        "got": escaped(result.got or result.reason),
    }
    return [cells[head] for head in heads]


# --- The page that sums up ----------------------------------------------------------------------------------------


def summary(found: Sequence[Found], held_back: int) -> str:
    """The page that sums up.

    Args:
        found: everything, in the order of the table.
        held_back: how many cases are left out.
    """
    return joined(_summary(found, held_back))


def _summary(found: Sequence[Found], held_back: int) -> Iterator[str]:
    yield "# What rawws conform finds in other libraries"
    yield ""
    yield from _head(found)
    for role, name in ((Role.SERVER, "Servers"), (Role.CLIENT, "Clients")):
        those = [one for one in found if one.peer.role is role]
        if those:
            yield from ("", f"## {name}", "", paragraph(COUNTS), *totals(those))
            yield from (BY_SECTION, *matrix(those, "6455"), *matrix(those, "7692"))
            kind = name.lower()
            yield f"Case by case and side by side: [{kind}.html]({kind}.html), to be opened in a browser."
            yield from ("", f"### What {kind} have in common", *common(those))
            yield from _underneath(those)
    yield from _how_to_read()
    yield from _left_out(held_back)
    yield from _not_run(found)
    yield from _how_to_repeat(found)


def _head(found: Sequence[Found]) -> Iterator[str]:
    dates = sorted({one.about["date"] for one in found})
    when = day(dates[0]) if len(dates) == 1 else f"{day(dates[0])} to {day(dates[-1])}"
    runs = max(one.about["runs"] for one in found)
    tools = ", ".join(dict.fromkeys(f"rawws {one.report.rawws}, Python {one.report.python}" for one in found))
    times = {1: "once", 2: "twice"}.get(runs, f"{runs} times")
    yield paragraph(f"""
        {when}: {len(found)} peers were asked everything that [`rawws conform`](../conformance.md) asks by default (the
        tier {Tier.CORE.value}), {times}; {tools}. {_agreements(found)}""")
    yield ""
    yield paragraph(FAIR)


def _agreements(found: Sequence[Found]) -> str:
    differing = [one for one in found if one.differences]
    if not differing:
        return "The runs of each peer agree in every verdict."
    told = ", ".join(f"{one.peer} ({len(one.differences)})" for one in differing)
    return f"The runs agree in every verdict, but for {told}."


def totals(found: Sequence[Found]) -> Iterator[str]:
    """Peers, and how many cases fail and warn."""
    heads = [found[0].peer.role.value, "versions", "asked", "fail", "families", "warn", "took"]
    yield from table(heads, map(_total, found), texts=2)


def _total(found: Found) -> list[str]:
    fails, warns = (found.report.count(verdict) for verdict in (Verdict.FAIL, Verdict.WARN))
    families = len({words.family_of(one.id) for one in found.loud if one.verdict is Verdict.FAIL})
    took = ", ".join(f"{seconds:.0f} s" for seconds in found.about["seconds"])
    return [
        f"[{found.peer.name}]({found.page})",
        found.versions,
        *map(str, (found.asked, fails, families, warns)),
        took,
    ]


def matrix(found: Sequence[Found], rfc: str) -> Iterator[str]:
    """Peers by the sections of an RFC, in counts; nothing if there is nothing."""
    all_of = {words.section_of(result.id) for one in found for result in one.loud}
    sections = sorted((section for section in all_of if section.startswith(f"{rfc}/")), key=order)
    if sections:
        heads = [f"RFC {rfc}", *(section.removeprefix(f"{rfc}/") for section in sections)]
        rows = (_counts(one, sections) for one in found)
        yield from table(heads, (row for row in rows if any(row[1:])), texts=1)


def _counts(found: Found, sections: Sequence[str]) -> list[str]:
    by_section = Counter((words.section_of(one.id), one.verdict) for one in found.loud)
    cells = [_cell(by_section[section, Verdict.FAIL], by_section[section, Verdict.WARN]) for section in sections]
    return [f"[{found.peer.name}]({found.page})", *cells]


def _cell(fails: int, warns: int) -> str:
    return (str(fails) if fails else "") + (f"+{warns}" if warns else "")


def common(found: Sequence[Found]) -> Iterator[str]:
    """What is found of more than half."""
    times = Counter(result.id for one in found for result in one.loud)
    frequent = sorted((id for id, count in times.items() if 2 * count > len(found)), key=order)
    most: dict[tuple[str, str, str], list[str]] = {}
    for id in frequent:
        most.setdefault(_asked_for(id), []).append(id)
    yield ""
    if not most:
        yield "No case is found of more than half of them."
        return
    yield f"Found of more than half of the {len(found)}:"
    yield from table(
        ["cases", "what is asked for", "level", f"of {len(found)}"],
        (_shared(ids, times) for ids in most.values()),
    )


def _shared(ids: list[str], times: Counter[str]) -> list[str]:
    case = CASES[ids[0]]
    counts = sorted({times[id] for id in ids})
    some = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return [verbatim(words.ids_in_short(ids)), escaped(case.requirement), case.level.value, some]


def _underneath(found: Sequence[Found]) -> Iterator[str]:
    """Libraries under several peers: what all of these have, likely comes from there."""
    for package in dict.fromkeys(name for one in found for name in one.peer.packages if name != "node"):
        those = [one for one in found if package in one.peer.packages]
        same = set.intersection(*({(r.id, r.got) for r in one.loud} for one in those))
        if same and len(those) > 1:
            *some, last = (one.peer.name for one in those)
            every = "both" if len(those) == 2 else "all"
            told = f"{', '.join(some)} and {last} {every} use {package.removeprefix('node:')}"
            be = "is" if len(same) == 1 else "are"
            yield f"- {told}: {words.counted(len(same), 'finding')} {be} the same in {every} of them."


def _how_to_read() -> Iterator[str]:
    yield from ("", "## How to read it", "", paragraph(HOW_TO_READ))


def _left_out(held_back: int) -> Iterator[str]:
    number = sum(case.tier is Tier.CORE and sensitive(id) for id, case in CASES.items())
    also = f", nor {words.counted(held_back, 'other case')} in which one of them went away or hung" if held_back else ""
    yield from ("", "## What is not here", "", paragraph(LEFT_OUT.format(sensitive=number, also=also)))


def _not_run(found: Sequence[Found]) -> Iterator[str]:
    missing = [peer for peer in PEERS if page_of(peer) not in {one.page for one in found}]
    if missing:
        yield from ("", f"Not run, or not to the end: {'; '.join(map(str, missing))}.")


def _how_to_repeat(found: Sequence[Found]) -> Iterator[str]:
    packages = {name: version for one in found for name, version in one.about["versions"].items()}
    ours = " ".join(f"{name}=={version}" for name, version in packages.items() if _on_pypi(name))
    yield REPEAT.format(packages=ours)


def _on_pypi(name: str) -> bool:
    return not name.startswith("node") and name != "chromium"
