"""The reports: what each says of the same findings, and what can be read back."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as xml

import pytest

from rawws.conformance import CASES, Patience, Report, Result, ServerTarget, Verdict, run_cases, select
from rawws.conformance.report import as_json, autobahn, comparing, junit, markdown, words
from rawws.conformance.report.conversation import conversation, lines, row
from rawws.conformance.report.terminal import Line, View, block, plain, summary, tell
from rawws.conformance.transcript import Chunk, Transcript
from rawws.core.settings import Role
from tests.conformance.naive import listening
from tests.wire import octets


@pytest.fixture(scope="module")
def report() -> Report:
    """What is wrong with an echo that looks at nothing, in section 5.4 and with masks."""

    async def go(url: str) -> Report:
        target = ServerTarget(url, patience=Patience(reply=4.0, close=2.0))
        return await run_cases(select(target.role, include=["6455/5.4/[4-9]*", "6455/5.1"]), target)

    with listening() as url:
        return asyncio.run(go(url))


def one(verdict: Verdict, id: str = "6455/5.4/4.1", **more: Any) -> Report:
    """A report of one result."""
    return Report("ws://localhost/", Role.SERVER, [Result(id, verdict, **more)], complete=True)


def text(found: Iterator[Line]) -> str:
    """Lines as they are in a file."""
    return "\n".join(plain(line) for line in found)


def said(*chunks: tuple[Role, str]) -> Transcript:
    """A transcript; the bytes in hex, or an opening handshake for "101"."""
    transcript = Transcript()
    transcript.add(0.0, Role.CLIENT, b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
    transcript.add(0.1, Role.SERVER, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    for number, (sender, data) in enumerate(chunks, 2):
        transcript.add(number / 10, sender, octets(data))
    return transcript


class TestConversation:
    """What passed, decoded."""

    def test_shows_heads_and_frames_in_their_order(self) -> None:
        """Each with the side that said it, and the time."""
        found = conversation(said((Role.CLIENT, "81 85 37fa213d 7f9f4d5158"), (Role.SERVER, "81 05 48656c6c6f")))

        assert [(0.0, "client")] * 3 + [(0.1, "server")] * 2 + [(0.2, "client"), (0.3, "server")] == [
            (what.at, what.sender.value) for what in found
        ]
        assert ("81 85 37fa213d 7f9f4d5158", "TEXT FIN 5 'Hello'") == row(found[-2])[:2]
        assert ("81 05 48656c6c6f", "TEXT FIN 5 'Hello'") == row(found[-1])[:2]

    def test_tells_which_rule_is_broken(self) -> None:
        """Of whoever breaks it."""
        found = conversation(said((Role.SERVER, "83 00")))

        assert ["opcode-reserved"] == [remark.rule.name for remark in row(found[-1]).remarks]

    def test_tells_what_is_not_whole(self) -> None:
        """The header of a frame of which little came, and bytes that are nothing."""
        cut = conversation(said((Role.SERVER, "82 7e 1000 0102")))
        assert "BINARY FIN 4,096, and 2 of them are here" == row(cut[-1]).meaning
        assert "1 byte that are no whole frame, nor a line" == row(conversation(said((Role.SERVER, "82")))[-1]).meaning

    def test_tells_what_was_not_kept(self) -> None:
        """A flood is told by its size."""
        transcript = said()
        transcript.chunks.append(Chunk(1.0, Role.SERVER, b"\x82\x7f" + bytes(7) + b"\x09", 1000))

        assert "990 more bytes, which were not kept" == row(conversation(transcript)[-1]).meaning

    def test_knows_compression(self) -> None:
        """What was agreed on is in the answer."""
        transcript = Transcript()
        transcript.add(0, Role.CLIENT, b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
        head = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        transcript.add(0, Role.SERVER, head + octets("c1 07 f248cdc9c90700"))

        assert "TEXT FIN RSV1 7 → 5 'Hello'" == row(conversation(transcript)[-1]).meaning

    def test_is_a_list_of_lines_for_files(self) -> None:
        """With arrows, as everywhere in rawws."""
        transcript = said((Role.SERVER, "81 05 48656c6c6f"))
        transcript.ended = "FIN"

        *_, frame, end = lines(transcript)
        assert frame.startswith("   0.200  S> 81 05 48656c6c6f ")
        assert frame.endswith(" TEXT FIN 5 'Hello'")
        assert end.endswith("TCP: FIN")


class TestTerminal:
    """What people read."""

    def test_a_family_is_one_entry(self, report: Report) -> None:
        """The first case in full, what came of the others in short."""
        found = text(tell(report, View(width=80)))

        assert found.count("FAIL 6455/5.4/4.1-4  text in text, and 3 more of its family") == 1
        assert "also      6455/5.4/4.3\n" in found
        assert "others    6455/5.4/4.2, 4: binary 'b'\n" in found
        assert "TEXT FIN=0 1 'a'\n" in found
        assert max(map(len, found.splitlines())) <= 80

    def test_all_of_it_is_each_case_with_its_handshake(self, report: Report) -> None:
        """Nothing is folded, nothing cut."""
        found = text(tell(report, View(width=80, all_of_it=True)))

        assert found.count("FAIL 6455/5.4/4.") == 4
        assert "GET / HTTP/1.1" in found

    def test_a_failure_is_told_as_one_would_to_its_author(self, report: Report) -> None:
        """Rule, what was sent, what came, what had to come, and how to see it again."""
        finding = next(one for one in words.findings(report.results, [Verdict.FAIL]) if "5.4/4" in one.first.id)
        found = text(block(finding, report.role, View(80, repeat=lambda id: f"again {id}")))

        labels = [line[5:15].strip() for line in found.splitlines()[1:] if line[5:15].strip()]
        assert ["rule", "sent", "came", "expected", "got", "also", "others", "repeat"] == labels
        assert "A message is finished before the next one begins.  RFC 6455 5.4," in found
        assert found.endswith("repeat    again 6455/5.4/4.1")

    def test_what_a_target_says_does_nothing_to_the_terminal(self) -> None:
        """It may say escape sequences."""
        found = text(tell(one(Verdict.FAIL, got="text '\x1b[2J'", expected="nothing"), View()))

        assert "\x1b" not in found

    def test_an_error_of_ours_blames_us(self) -> None:
        """It says where to go with it."""
        assert "this is a bug in rawws" in text(tell(one(Verdict.ERROR, reason="oops"), View()))

    def test_the_summary_counts(self, report: Report) -> None:
        """One line, and the reasons of what was skipped below."""
        first = text(summary(report, 1)).splitlines()[0]
        failed = report.count(Verdict.FAIL)

        assert f"{len(report.results)} cases  {report.count(Verdict.PASS)} pass  {failed} fail" in first
        assert first.endswith("→ exit 1")

    def test_the_summary_knows_what_was_expected(self) -> None:
        """It is counted among the failures."""
        found = one(Verdict.FAIL)
        found.results.append(Result("6455/5.4/4.2", Verdict.XFAIL, expectation="known"))
        found.results.append(Result("6455/5.4/4.3", Verdict.SKIP, "no time"))
        found.chosen, found.complete = 10, False

        lines = text(summary(found)).splitlines()
        assert "3 cases  0 pass  2 fail (1 expected)  1 skip   0.0 s" == lines[0]
        assert ["skipped: no time (1)", "not complete: 7 cases of 10 not run"] == lines[1:]


class TestWords:
    """How ids are put."""

    def test_ids_of_a_family_in_short(self) -> None:
        """Runs of numbers, as one writes pages."""
        assert "6455/5.4/4.1-3, 5, 7-8" == words.ids_in_short([f"6455/5.4/4.{n}" for n in (1, 2, 3, 5, 7, 8)])
        assert "6455/5.4/9" == words.ids_in_short(["6455/5.4/9"])

    def test_places_in_the_rfcs(self) -> None:
        """That of the case, and that of its rule if it is another."""
        assert ["RFC 6455 5.4"] == words.places("6455/5.4/4.1")
        assert ["RFC 6455"] == words.places("6455/size/none")


class TestJson:
    """The document from which all else can be made again."""

    def test_it_is_read_back(self, report: Report) -> None:
        """Everything but the frames, which are decoded from the bytes when they are wanted."""
        again = as_json.load(as_json.dump(report))

        for result in again.results:
            result.transcripts = []
        results = [replace(result, transcripts=[]) for result in report.results]
        assert replace(report, results=results) == again

    def test_what_is_read_back_is_told_in_the_same_words(self, report: Report) -> None:
        """Also frame by frame."""
        again = as_json.load(as_json.dump(report))

        assert text(tell(report, View())) == text(tell(again, View()))

    def test_a_program_finds_all_of_a_case(self, report: Report) -> None:
        """What it is, what came, and the bytes with their meaning."""
        value = json.loads(as_json.dump(report, "failed"))
        case = next(case for case in value["cases"] if case["id"] == "6455/5.4/4.1")

        assert (1, "server", False) == (value["schema"], value["role"], not value["cases"])
        assert ("MUST", "message-unfinished", ["5.18"]) == (case["level"], case["rule"], case["autobahn"])
        assert ("fail", ["RFC 6455 5.4"], "text 'b'") == (case["verdict"], case["rfc"], case["got"])
        assert any("TEXT FIN=0 1 'a'" in line for line in case["transcripts"][0]["decoded"])
        assert [] == [case["id"] for case in value["cases"] if case["verdict"] == "pass" and case["transcripts"]]

    def test_floods_are_cut(self) -> None:
        """The size says how much it was."""
        transcript = said((Role.SERVER, "00" * 9000))
        value = as_json.value_of(one(Verdict.FAIL, transcripts=[transcript]))
        chunk = value["cases"][0]["transcripts"][0]["chunks"][-1]

        assert (9000, True) == (chunk["size"], len(chunk["hex"]) < 2 * as_json.MOST_KEPT)

    @pytest.mark.parametrize(
        "document, words",
        [
            ("{", "it is not JSON"),
            ("[]", "it is not a report"),
            ('{"schema": 99, "cases": []}', "its schema is 99, and 1 is known here"),
            ('{"schema": 1, "cases": []}', "it is damaged"),
        ],
    )
    def test_what_is_no_report_is_refused(self, document: str, words: str) -> None:
        """In a sentence."""
        with pytest.raises(ValueError, match=words):
            as_json.load(document)


class TestJunit:
    """What CI servers read."""

    def test_is_a_suite_for_each_section_and_a_test_for_each_case(self, report: Report) -> None:
        """Counted as they are."""
        root = xml.fromstring(junit.write(report))
        tests = root.findall("testsuite/testcase")

        assert ["6455/5.1", "6455/5.4"] == [suite.get("name") for suite in root]
        assert len(report.results) == len(tests) == int(root.get("tests") or 0)
        assert report.count(Verdict.FAIL) == len(root.findall(".//failure")) == int(root.get("failures") or 0)
        failed = next(test for test in tests if test.get("name") == "6455/5.4/4.1 text in text")
        assert ("6455/5.4", "text 'b'") == (failed.get("classname"), failed.find("failure").get("message"))  # type: ignore[union-attr]

    def test_other_verdicts_have_their_places(self) -> None:
        """A warning is a pass that speaks, unless it shall fail; what is expected is skipped."""
        tags = {
            verdict: [tag.tag for tag in xml.fromstring(junit.write(one(verdict, reason="r"))).iter()][4:]
            for verdict in Verdict
        }
        found = {
            verdict.value: [tag for tag in tags[verdict] if tag not in ("property", "testcase")] for verdict in tags
        }

        assert {
            "pass": [],
            "fail": ["failure"],
            "warn": ["system-out"],
            "info": ["system-out"],
            "skip": ["skipped"],
            "error": ["error"],
            "xfail": ["skipped"],
            "xpass": ["system-out"],
        } == found
        strict = junit.write(one(Verdict.WARN), {Verdict.FAIL, Verdict.WARN})
        assert xml.fromstring(strict).find(".//failure") is not None

    def test_what_xml_cannot_say_is_replaced(self) -> None:
        """A target may say anything."""
        found = xml.fromstring(junit.write(one(Verdict.FAIL, got="\x00 <&> \ud800 é")))

        assert "\ufffd <&> \ufffd é" == found.find(".//failure").get("message")  # type: ignore[union-attr]

    def test_a_problem_of_the_run_is_a_failure(self) -> None:
        """An expectation that has expired must not be green."""
        found = one(Verdict.PASS)
        found.problems.append("it is over")

        assert "1" == xml.fromstring(junit.write(found)).get("failures")


class TestMarkdown:
    """What stands on the page of a job."""

    def test_has_a_table_and_the_findings(self, report: Report) -> None:
        """One row for each family, and each to be unfolded."""
        page = markdown.write(report, code=1)

        assert page.startswith("## ❌ WebSocket conformance of `ws://127.0.0.1:")
        assert "| ❌ | `6455/5.4/4.1-4` | A message is finished before the next one begins. | text 'b' |" in page
        assert (
            page.count("<details>")
            == page.count("</details>")
            == len([*words.findings(report.results, [Verdict.FAIL, Verdict.WARN])])
        )

    def test_nothing_in_it_is_taken_for_markup(self) -> None:
        """A target may say anything."""
        page = markdown.write(one(Verdict.FAIL, got="<img src=x> | ```` `x` **b**\n"))

        assert "<img" not in page.split("````text")[0]
        assert "\\| \\`\\`\\`\\` \\`x\\` \\*\\*b\\*\\*" in page
        assert page.count("````") == 2

    def test_a_good_one_is_short(self) -> None:
        """Nothing to unfold."""
        page = markdown.write(one(Verdict.PASS), code=0)

        assert ("## ✅", False) == (page[:4], "<details>" in page)


class TestAutobahn:
    """What those read who came from there."""

    def test_the_worst_of_ours_is_said_of_theirs(self) -> None:
        """By agent and by their id."""
        theirs: dict[str, list[str]] = {}
        for case in CASES.values():
            for name in case.autobahn:
                theirs.setdefault(name, []).append(case.id)
        name, ids = next((name, ids) for name, ids in theirs.items() if len(ids) > 1)
        found = Report("it", Role.SERVER, [Result(id, Verdict.PASS, seconds=0.25) for id in ids])
        assert ("OK", "OK") == self.behavior(found, name)
        found.results[0].verdict = Verdict.WARN
        assert ("NON-STRICT", "OK") == self.behavior(found, name)
        found.results[1].verdict = Verdict.FAIL
        assert ("FAILED", "FAILED") == self.behavior(found, name)

    def behavior(self, report: Report, name: str) -> tuple[str, str]:
        """What is said of one of theirs."""
        entry = json.loads(autobahn.write(report, "agent"))["agent"][name]
        return entry["behavior"], entry["behaviorClose"]

    def test_a_case_says_how_it_closed(self, report: Report) -> None:
        """With the code of the target's last Close."""
        entry = autobahn.cases(report)["6.1.2"]

        assert ("OK", 1000) == (entry["behavior"], entry["remoteCloseCode"])


class TestComparing:
    """Two reports of a target."""

    def test_says_what_changed(self) -> None:
        """Worse, better, new and gone; an expected failure is as bad as another."""
        before, after = one(Verdict.PASS), one(Verdict.FAIL, got="text 'b'")
        before.results += [Result("6455/5.4/4.2", Verdict.FAIL), Result("6455/5.4/4.3", Verdict.FAIL)]
        after.results += [Result("6455/5.4/4.2", Verdict.WARN), Result("6455/5.4/4.3", Verdict.XFAIL)]
        before.results.append(Result("6455/5.4/9", Verdict.INFO))
        after.results.append(Result("6455/5.4/5.1", Verdict.FAIL))

        found = comparing.compare(before, after)
        ids = [[change.id[9:] for change in part] for part in (found.worse, found.better, found.other, found.new)]
        assert [["4.1"], ["4.2"], ["4.3"], ["5.1"]] == ids
        told = text(comparing.tell(before, after))
        assert "worse   6455/5.4/4.1       pass → fail   text in text: text 'b'" in told
        assert told.endswith("1 worse  1 better  1 changed  1 new  1 gone  0 the same")


class TestComparingSeveral:
    """More than two reports, as a matrix."""

    def reports(self) -> list[Report]:
        """Three: the last has a case that the others have not."""
        verdicts = [
            (Verdict.PASS, Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.PASS),
            (Verdict.FAIL, Verdict.FAIL, Verdict.SKIP, Verdict.FAIL, Verdict.PASS),
            (Verdict.WARN, Verdict.WARN, Verdict.INFO, Verdict.FAIL, Verdict.XFAIL),
        ]
        ids = ["6455/5.4/4.1", "6455/5.4/4.2", "6455/5.4/8.1", "6455/5.4/9", "6455/5.4/6.1"]
        found = [
            Report(f"it {n}", Role.SERVER, [Result(*one) for one in zip(ids, row)]) for n, row in enumerate(verdicts)
        ]
        found[2].results.append(Result("6455/5.4/7.1", Verdict.FAIL))
        return found

    def test_has_a_line_for_what_differs_and_a_column_for_each_report(self) -> None:
        """Cases of a family that go the same way share a line; where nobody fails, there is none."""
        told = text(comparing.tell_several(self.reports(), width=100)).splitlines()

        assert told[1].endswith("1 pass, 3 fail, 1 skip; 2 worse and 0 better than 1")
        assert [
            "                        1     2     3",
            "6455/5.4/4.1-2          pass  fail  warn  A message is finished before the next one begins.",
            "6455/5.4/6.1            pass  pass  xfail",
            "6455/5.4/7.1            -     -     fail",
        ] == [told[4], told[5], *(line[:41].rstrip() for line in told[6:8])]
        assert [
            "5 cases not the same everywhere; 1 that nobody fails left out (-v)",
            "1 case the same",
        ] == told[8:]
        everything = text(comparing.tell_several(self.reports(), width=100, all_of_it=True))
        assert "6455/5.4/8.1            pass  skip  info" in everything

    def test_has_letters_where_words_have_no_room(self) -> None:
        """And says what they mean."""
        told = text(comparing.tell_several(self.reports() * 4, width=80)).splitlines()

        assert "6455/5.4/4.1-2          .  F  w  .  F  w  .  F  w  .  F  w  A message is fi" in told[14][:80]
        assert 80 >= max(len(line) for line in told[13:-2])
        assert ". pass, F fail, w warn, i info, s skip, E error, x xfail, X xpass, - not run" in told

    def test_says_so_if_all_is_the_same(self) -> None:
        """No matrix at all."""
        told = text(comparing.tell_several(self.reports()[:1] * 3, width=80)).splitlines()

        assert ["", "0 cases not the same everywhere", "5 cases the same"] == told[3:]


def test_every_report_bears_a_case_that_is_not_known_here() -> None:
    """A report of another version may have more."""
    found = one(Verdict.FAIL, id="9999/1/1.1", got="nothing")

    assert "9999/1/1.1" in text(tell(found, View()))
    assert "9999/1/1.1" in junit.write(found)
    assert "9999/1/1.1" in markdown.write(found)
    assert {} == autobahn.cases(found)
    assert found == as_json.load(as_json.dump(found))
