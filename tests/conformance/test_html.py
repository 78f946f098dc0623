"""The HTML page: what stands on it, that nothing gets out of its text, and that a browser can do something with it."""

import base64
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rawws.conformance import CASES, Report, Result, Verdict
from rawws.conformance.case import order
from rawws.conformance.transcript import Transcript
from rawws.core.frames import encode_frame
from rawws.core.settings import Role
from tests.chromium import chromium
from tests.interop.browser import FLAGS, START
from tests.interop.links import missing

pytest.importorskip("jinja2", reason="there is no Jinja2")

from rawws.conformance.report import html, sheet
from rawws.conformance.report.talk import clock

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>'\"&\u202e"
KEY = bytes.fromhex("37fa213d")
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
RESPONSE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
TEXT_IN_TEXT, BINARY_IN_TEXT, TEXT_IN_BINARY = "6455/5.4/4.1", "6455/5.4/4.2", "6455/5.4/4.3"
NO_HOST = "6455/4.2.1/3.1"
ALONE = "6455/5.4/9"


# --- What the pages are made of ---------------------------------------------------------------------------------------


def transcript(*messages: bytes, response: bytes = RESPONSE) -> Transcript:
    """An opening handshake, and text messages each of which is echoed."""
    said = Transcript(ended="FIN")
    said.add(0.0, Role.CLIENT, REQUEST)
    said.add(0.002, Role.SERVER, response)
    for number, message in enumerate(messages, 3):
        said.add(number / 1000, Role.CLIENT, encode_frame(1, message, KEY))
        said.add(number / 1000, Role.SERVER, encode_frame(1, message))
    return said


def passed(id: str, *messages: bytes) -> Result:
    """A case that went well."""
    return Result(id, Verdict.PASS, seconds=0.004, transcripts=[transcript(*messages or (b"Hello",))])


def failed(id: str, got: str = "text 'ab'", verdict: Verdict = Verdict.FAIL) -> Result:
    """A case that did not."""
    return Result(id, verdict, f"got {got}", "a failed connection", got, transcripts=[transcript(b"Hello")])


def report(*results: Result, target: str = "ws://localhost:1/", **more: object) -> Report:
    """A whole run."""
    found = Report(target, Role.SERVER, sorted(results, key=lambda one: order(one.id)), complete=True, **more)  # type: ignore[arg-type]
    found.began = datetime(2026, 11, 21, 8, 16, tzinfo=UTC)
    found.chosen = len(results)
    return found


# --- Reading a page ---------------------------------------------------------------------------------------------------

VOID = {"meta", "link", "input", "br", "img"}
CLOSED_BY = {"li": {"li"}, "dt": {"dt", "dd"}, "dd": {"dt", "dd"}, "td": {"td", "th", "tr"}, "th": {"td", "th", "tr"}}
"""Elements whose end may be left out, and the beginnings that end them."""


@dataclass
class Element:
    """An element of a page."""

    tag: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it, without what only parts it."""
        return " ".join(" ".join(one if isinstance(one, str) else one.text for one in self.children).split())

    @property
    def classes(self) -> list[str]:
        """Of the attribute `class`."""
        return self.attributes.get("class", "").split()

    def all(self, tag: str = "", cls: str = "") -> Iterator["Element"]:
        """The elements in it that have this name and this class."""
        for one in self.children:
            if isinstance(one, Element):
                if tag in ("", one.tag) and (not cls or cls in one.classes):
                    yield one
                yield from one.all(tag, cls)

    def one(self, tag: str = "", cls: str = "") -> "Element":
        """The first of them."""
        return next(self.all(tag, cls))


class Reader(HTMLParser):
    """Makes a tree; what is nested wrongly is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in CLOSED_BY.get(self.open[-1].tag, ()):
            self.open.pop()
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1].tag != tag and self.open[-1].tag in CLOSED_BY:
            self.open.pop()
        assert self.open[-1].tag == tag, f"</{tag}> ends <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def page_of(*reports: Report) -> Element:
    """The page of these reports."""
    reader = Reader()
    reader.feed(html.write(reports))
    assert [""] == [element.tag for element in reader.open]
    return reader.open[0]


def by_id(page: Element, id: str) -> Element:
    """The element with this id, which no other has."""
    (found,) = (one for one in page.all() if one.attributes.get("id") == id)
    return found


# --- One run ----------------------------------------------------------------------------------------------------------


def test_each_case_stands_in_its_family_and_its_section() -> None:
    """The list is grouped as the RFCs are, and each case can be linked to by its id."""
    page = page_of(report(passed(TEXT_IN_TEXT), failed(BINARY_IN_TEXT), passed(ALONE), passed(NO_HOST)))

    section = by_id(page, "s/6455/5.4")
    family = section.one("details", "family")

    assert [TEXT_IN_TEXT, BINARY_IN_TEXT] == [case.attributes["id"] for case in family.all("details", "case")]
    assert [TEXT_IN_TEXT, BINARY_IN_TEXT, ALONE] == [case.attributes["id"] for case in section.all("details", "case")]
    assert "A message is finished before the next one begins." in family.one("summary").text
    assert 4 == len(list(page.all("details", "case")))


def test_links_in_the_page_lead_somewhere() -> None:
    """Each address within the page is that of an element."""
    page = page_of(report(failed(TEXT_IN_TEXT), passed(ALONE)), report(passed(TEXT_IN_TEXT), target="ws://b/"))

    ids = {one.attributes["id"] for one in page.all() if "id" in one.attributes}
    links = [one.attributes["href"] for one in page.all("a")]

    assert [] == [link for link in links if link.startswith("#") and link[1:] not in ids]
    assert {"https://www.rfc-editor.org/rfc/rfc6455#section-5.4"} == {one for one in links if not one.startswith("#")}


def test_a_case_is_told_in_full() -> None:
    """Of a case one finds its requirement, level and rule, what was expected and got, and what repeats it."""
    run = report(failed(TEXT_IN_TEXT), command=("server", "ws://localhost:1/", "--timeout", "2"), seed=7)

    text = by_id(page_of(run), TEXT_IN_TEXT).text

    for part in (
        "text in text",
        "MUST",
        "message-unfinished",
        "RFC 6455 section 5.4",
        "Autobahn 5.18",
        "expected a failed connection",
        "got text 'ab'",
        "rawws conform server ws://localhost:1/ --timeout 2 --include 6455/5.4/4.1 --seed 7 -v",
    ):
        assert part in text


def test_what_was_said_is_decoded_frame_by_frame() -> None:
    """A row says when and from whom, and tells the header, the masking key and the payload apart."""
    page = page_of(report(failed(TEXT_IN_TEXT)))

    rows = list(by_id(page, TEXT_IN_TEXT).one("ol", "talk").all("li"))

    assert "0.0 ms sent GET / HTTP/1.1 3 more lines" in rows[0].text
    assert "3.0 ms sent 81 85 37 fa 21 3d 7f 9f 4d 51 58 TEXT FIN 5 'Hello'" == rows[2].text
    assert ["81 85", "37 fa 21 3d"] == [rows[2].one("code").one(tag).text for tag in ("i", "u")]
    assert "3.0 ms came 81 05 48 65 6c 6c 6f TEXT FIN 5 'Hello'" == rows[3].text
    assert "the end of TCP: FIN" == rows[4].text


def test_what_a_frame_breaks_is_said_beside_it() -> None:
    """A frame that breaks a rule has the rule beside it, whoever sent it."""
    result = failed(TEXT_IN_TEXT)
    result.transcripts[0].add(0.005, Role.SERVER, b"\x83\x00")

    row = list(by_id(page_of(report(result)), TEXT_IN_TEXT).one("ol", "talk").all("li"))[-2]

    assert "opcode-reserved" == row.one("em", "remark").one("code").text


def test_words_that_are_no_frame_are_shown_as_words() -> None:
    """The body of a refusal says what is wrong, and people can read it."""
    result = failed(NO_HOST)
    result.transcripts = [transcript(response=b"HTTP/1.1 400 Bad Request\r\n\r\n")]
    result.transcripts[0].add(0.003, Role.SERVER, b"There is no <Host>.\n")

    rows = list(by_id(page_of(report(result)), NO_HOST).one("ol", "talk").all("li"))

    assert rows[-2].text.endswith(": 'There is no <Host>.'")


def test_long_conversations_are_folded_and_cut_with_a_word() -> None:
    """Of 200 rows some stand there, some can be unfolded, and how many are left out is said."""
    result = failed(TEXT_IN_TEXT)
    result.transcripts = [transcript(*[b"x"] * 100) for _ in range(9)]

    case = by_id(page_of(report(result)), TEXT_IN_TEXT)

    assert "28 more rows" in case.text
    assert f"{202 - sheet.MOST_ROWS} rows are left out here" in case.text
    assert "connection 1 of 9" in case.text
    assert "5 more connections left out" in case.text


def test_a_conversation_that_was_not_kept_is_missed() -> None:
    """A JSON report may keep what was said in failed cases alone; then the page says so of the others."""
    kept, lost, skipped = passed(TEXT_IN_TEXT), Result(BINARY_IN_TEXT, Verdict.PASS), Result(ALONE, Verdict.SKIP, "why")

    page = page_of(report(kept, lost, skipped))

    missed = [id for id in (TEXT_IN_TEXT, BINARY_IN_TEXT, ALONE) if "was not kept" in by_id(page, id).text]
    assert [BINARY_IN_TEXT] == missed


def test_a_case_can_be_found_by_the_requirement_of_its_family() -> None:
    """A family says its requirement once; a case alone says it itself."""
    page = page_of(report(passed(TEXT_IN_TEXT), passed(BINARY_IN_TEXT), passed(ALONE)))

    assert 1 == page.one("main").text.count("A message is finished before the next one begins.")
    assert CASES[ALONE].requirement in by_id(page, ALONE).one("div", "body").text


def test_what_did_not_pass_is_unfolded() -> None:
    """One sees at once what failed, once for each thing that was got; what passed is folded."""
    page = page_of(
        report(failed(TEXT_IN_TEXT), failed(BINARY_IN_TEXT), failed(TEXT_IN_BINARY, "binary"), passed(NO_HOST))
    )

    unfolded = [one.attributes["id"] for one in page.all("details", "case") if "open" in one.attributes]

    assert [TEXT_IN_TEXT, TEXT_IN_BINARY] == unfolded
    assert "open" in by_id(page, "s/6455/5.4").attributes
    assert "open" not in by_id(page, "s/6455/4.2.1").attributes


def test_the_head_says_what_was_run_and_how_it_went() -> None:
    """The target, the date, the versions, the seed, and a sentence."""
    run = report(failed(TEXT_IN_TEXT), failed(BINARY_IN_TEXT), failed(NO_HOST, verdict=Verdict.WARN), seed=3)
    run.results.append(Result(ALONE, Verdict.SKIP, "needs --max-size"))
    run.problems.append("an expectation has expired")

    head = page_of(run).one("header").text

    for part in (
        "ws://localhost:1/",
        "2 of 3 cases failed, in 1 family. 1 recommendation is not followed.",
        "1 skip 1 warn 2 fail",
        "an expectation has expired",
        "Skipped: needs --max-size (1).",
        "21 November 2026, 08:16 UTC",
        f"rawws {run.rawws}, Python {run.python}, seed 3",
    ):
        assert part in head


@pytest.mark.parametrize(
    "verdicts, said",
    [
        ([], "No case was run."),
        ([Verdict.SKIP], "No case was run."),
        ([Verdict.PASS, Verdict.INFO], "Nothing wrong was found in 2 cases."),
        ([Verdict.PASS, Verdict.WARN], "No requirement is broken; 1 recommendation is not followed."),
        ([Verdict.ERROR, Verdict.PASS], "1 of 2 cases failed, in 1 family."),
    ],
)
def test_the_headline_is_true(verdicts: list[Verdict], said: str) -> None:
    """A run is praised only if there was something, and nothing is wrong."""
    results = [Result(id, verdict) for id, verdict in zip([TEXT_IN_TEXT, BINARY_IN_TEXT], verdicts)]

    run = report(*results)

    assert said == sheet.headline(run)
    assert said in page_of(run).one("header").text


def test_an_interrupted_run_says_so() -> None:
    """What was not run is counted, and no praise is given."""
    run = report(passed(TEXT_IN_TEXT))
    run.complete, run.chosen = False, 10

    head = page_of(run).one("header")

    assert "Not complete: 9 cases of 10 not run." in head.text
    assert [] == list(head.all("", "good"))


def test_cases_of_another_version_are_shown_as_far_as_they_are_known() -> None:
    """A report may have cases that this version does not know."""
    page = page_of(report(failed("6455/99/1.1"), passed("6455/99/1.2"), passed("9999/x/1")))

    assert "got text 'ab'" in by_id(page, "6455/99/1.1").text


def test_no_report_makes_no_page() -> None:
    """There would be nothing on it."""
    with pytest.raises(ValueError, match="needs a report"):
        html.write([])


@pytest.mark.parametrize("seconds, said", [(0.0, "0.0 ms"), (0.0123, "12.3 ms"), (1.234, "1.23 s"), (12.34, "12.3 s")])
def test_times_are_for_people(seconds: float, said: str) -> None:
    """Milliseconds below a second."""
    assert said == clock(seconds)


# --- Several runs -----------------------------------------------------------------------------------------------------


def matrix() -> Element:
    """Two targets: the second fails one case of a family, all of another, and was not asked one."""
    a = report(passed(TEXT_IN_TEXT), passed(BINARY_IN_TEXT), passed("6455/5.4/5.1"), passed("6455/5.4/5.2"),
               passed(ALONE), target="ws://a/")  # fmt: skip
    b = report(failed(TEXT_IN_TEXT), passed(BINARY_IN_TEXT), failed("6455/5.4/5.1"), failed("6455/5.4/5.2"),
               target="ws://b/")  # fmt: skip
    return page_of(a, b)


def test_several_runs_are_a_matrix() -> None:
    """Each case is a row with a cell for each target, and its family one with the worst and how often."""
    table = matrix().one("table")

    rows = {row.one("th").text: [cell.text for cell in row.all("td")] for row in table.all("tr") if list(row.all("td"))}

    assert ["case", "ws://a/", "ws://b/"] == [cell.text for cell in table.one("thead").all("th")]
    assert ["pass", "fail"] == rows["6455/5.4/4.1 text in text"]
    assert ["pass 2", "fail 1/2"] == rows["6455/5.4/4 A message is finished before the next one begins."]
    assert ["pass 2", "fail 2"] == rows["6455/5.4/5 A control frame is never fragmented."]
    assert ["pass", "not run"] == next(cells for name, cells in rows.items() if name.startswith(ALONE))


def test_a_family_is_folded_if_one_line_says_it_all() -> None:
    """Where all cases of a family have the same verdicts, they need no lines of their own."""
    families = {
        body.one("tr").one("th").text.split()[0]: "folded" in body.classes for body in matrix().all("tbody", "family")
    }

    assert {"6455/5.4/4": False, "6455/5.4/5": True, ALONE: False} == families


def test_differences_can_be_found() -> None:
    """A row says whether the targets differ, for the filter."""
    rows = {row.one("th").text.split()[0]: row.attributes for row in matrix().all("tr", "one")}

    assert [TEXT_IN_TEXT, "6455/5.4/5.1", "6455/5.4/5.2", ALONE] == [id for id in rows if "data-differs" in rows[id]]
    assert "pass fail" == rows[TEXT_IN_TEXT]["data-v"]


def test_a_case_is_shown_in_all_targets_side_by_side() -> None:
    """What they did stands beside each other, unless there is nothing to tell of in any."""
    page = matrix()

    first, second = by_id(page, TEXT_IN_TEXT).one("div", "beside").all("section")
    calm = by_id(page, BINARY_IN_TEXT)

    assert "pass ws://a/" == first.one("h4").text
    assert "got text 'ab'" in second.text
    assert "TEXT FIN 5 'Hello'" in first.text
    assert "Nothing to tell of" in calm.text
    assert [] == list(calm.all("ol", "talk"))


@pytest.mark.parametrize(
    "day, hour, second, told",
    [
        (22, 9, 0, ["2026-11-21", "2026-11-22"]),
        (21, 9, 0, ["08:16", "09:16"]),
        (21, 8, 5, ["2026-11-21 08:16:00", "2026-11-21 08:16:05"]),
    ],
)
def test_runs_of_the_same_target_are_told_apart(day: int, hour: int, second: int, told: list[str]) -> None:
    """Before and after: when it was stands with the name, as short as can be."""
    before, after = report(failed(TEXT_IN_TEXT)), report(passed(TEXT_IN_TEXT))
    after.began = datetime(2026, 11, day, hour, 16, second, tzinfo=UTC)

    heads = [cell.text for cell in page_of(before, after).one("thead").all("th")]

    assert ["case", *(f"ws://localhost:1/ ({when})" for when in told)] == heads


# --- What a peer can do -----------------------------------------------------------------------------------------------


def hostile() -> Report:
    """A run in which whatever can come from a peer is a piece of HTML."""
    evil = Result(TEXT_IN_TEXT, Verdict.XPASS, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    said = transcript(HOSTILE.encode(), response=b"HTTP/1.1 101 %b\r\nX: %b\r\n\r\n" % ((HOSTILE.encode(),) * 2))
    said.add(0.009, Role.SERVER, encode_frame(8, b"\x03\xe8" + HOSTILE.encode()[:120]))
    said.agreed = said.ended = HOSTILE
    evil.transcripts = [said]
    infos = [Result(BINARY_IN_TEXT, Verdict.INFO, HOSTILE), Result(ALONE, Verdict.SKIP, HOSTILE + "\ud800")]
    found = report(evil, failed(TEXT_IN_BINARY, HOSTILE), *infos, target=HOSTILE, command=("server", HOSTILE))
    found.problems = [HOSTILE]
    return found


@pytest.mark.parametrize("runs", [1, 2])
def test_what_a_peer_says_stays_text(runs: int) -> None:
    """There is one script, ours, and no element or attribute that a peer brought along."""
    page = page_of(*[hostile() for _ in range(runs)])

    assert 1 == len(list(page.all("script")))
    assert [] == list(page.all("img"))
    assert [] == [name for one in page.all() for name in one.attributes if name.startswith("on")]
    assert "</script><img src=x onerror=" in by_id(page, TEXT_IN_TEXT).text


def test_no_text_is_turned_around() -> None:
    """Characters that change the direction of a text are written out, as is what cannot be encoded."""
    text = html.write([hostile()])

    assert "\u202e" not in text
    assert text.encode()


def test_only_our_script_may_run() -> None:
    """The page forbids every script but its own, by its hash, and everything from elsewhere."""
    text = html.write([report(passed(TEXT_IN_TEXT))])
    reader = Reader()
    reader.feed(text)

    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(one.attributes["content"] for one in reader.open[0].all("meta") if "http-equiv" in one.attributes)

    assert policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src d")


def test_nothing_is_fetched() -> None:
    """The page is whole: no style, font, picture or script is elsewhere."""
    page = page_of(report(failed(TEXT_IN_TEXT)))

    assert [] == [one.tag for one in page.all() if "src" in one.attributes]
    assert ["data:"] == [link.attributes["href"][:5] for link in page.all("link")]
    assert {"data:"} == set(re.findall(r"url\(\"(.{5})", page.one("style").text))
    assert "@import" not in page.one("style").text


# --- Size and colours -------------------------------------------------------------------------------------------------


def test_a_whole_run_is_small() -> None:
    """700 cases, of which every tenth failed, take less than 2 MB."""
    ids = sorted(CASES, key=order)
    run = report(*(passed(id, b"one", b"x" * 200) if n % 10 else failed(id) for n, id in enumerate(ids)))
    run.command = ("server", "wss://echo.example.com:9001/a/path")

    size = len(html.write([run]).encode())

    assert 2_000_000 > size * 700 / len(ids)


def _luminance(colour: str) -> float:
    if len(colour) == 4:
        colour = "#" + "".join(2 * digit for digit in colour[1:])
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG."""
    low, high = sorted([_luminance(one), _luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(scheme: str) -> None:
    """Each colour of text has a contrast of 4.5 to each ground that it can stand on (WCAG AA)."""
    style = page_of(report(passed(TEXT_IN_TEXT))).one("style").text
    root = re.findall(r":root \{(.*?)\}", style)[scheme == "dark"]
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", root))

    faint = {
        (text, ground): round(contrast(colours[text], colours[ground]), 2)
        for text in ("ink", "soft", "accent", "pass", "fail", "warn", "info", "skip", "error", "key")
        for ground in ("ground", "card", "wash")
        if contrast(colours[text], colours[ground]) < 4.5
    }

    assert {} == faint


# --- In a browser -----------------------------------------------------------------------------------------------------


def in_chromium(text: str, folder: Path, fragment: str = "") -> Element:
    """The page as it is when its script has run."""
    found = chromium()
    if found is None:
        missing("there is no chromium")
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    command = [found, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", path.as_uri() + fragment]
    done = subprocess.run(command, capture_output=True, timeout=2 * START, env=os.environ | {"LC_ALL": "C.UTF-8"})
    reader = Reader()
    reader.feed(done.stdout.decode())
    return reader.open[0]


def test_a_browser_runs_our_script_and_no_other(tmp_path: Path) -> None:
    """What a peer said runs nothing: the page is as we made it, and its own script has counted the cases."""
    page = in_chromium(html.write([hostile()]), tmp_path)

    assert page.one("title").text.endswith("WebSocket conformance")
    assert [] == list(page.all("img"))
    assert "4 cases" == page.one("output").text


def test_an_address_unfolds_its_case(tmp_path: Path) -> None:
    """Who follows a link to a case that is folded sees it."""
    page = in_chromium(html.write([report(passed(NO_HOST), passed(TEXT_IN_TEXT))]), tmp_path, "#" + TEXT_IN_TEXT)

    assert "open" in by_id(page, TEXT_IN_TEXT).attributes
    assert "open" in by_id(page, "s/6455/5.4").attributes
    assert "open" not in by_id(page, "s/6455/4.2.1").attributes


def test_an_address_in_a_matrix_opens_its_case_on_top(tmp_path: Path) -> None:
    """Who follows a link sees the case in all targets; behind it stand the differences."""
    runs = [
        report(passed(TEXT_IN_TEXT), passed(NO_HOST)),
        report(failed(TEXT_IN_TEXT), passed(NO_HOST), target="ws://b/"),
    ]

    page = in_chromium(html.write(runs), tmp_path, "#" + TEXT_IN_TEXT)

    dialog = page.one("dialog")
    assert "open" in dialog.attributes
    assert f"{TEXT_IN_TEXT} text in text" == dialog.one("h2").text
    assert 2 == len(list(dialog.all("section")))
    assert "1 of 2 cases" == page.one("output").text
    assert [NO_HOST] == [row.one("th").text.split()[0] for row in page.all("tr", "one") if "hidden" in row.attributes]
