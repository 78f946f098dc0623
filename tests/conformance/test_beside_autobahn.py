"""Our suite beside Autobahn's: what is compared, and what is made of it.  Nothing is run here."""

from pathlib import Path

import pytest

from rawws.conformance.case import CASES
from tests.conformance.beside_autobahn import page
from tests.conformance.beside_autobahn.comparing import (
    Finding,
    Outcome,
    compare,
    counterparts,
    only_ours,
    without_counterpart,
)
from tests.conformance.beside_autobahn.explained import EXPLAINED, MIB, size_of
from tests.conformance.beside_autobahn.said import AUTOBAHN, OURS, PARTS, Measured, Run, Said, read

RIGHT, FAILED, NON_STRICT = Said("OK", "OK"), Said("FAILED", "OK"), Said("NON-STRICT", "OK")
UNIMPLEMENTED = Said("UNIMPLEMENTED", "OK")


def only(theirs: Said, ours: str, case: str = "5.18", max_size: int | None = None) -> Finding:
    """What is found where one case of Autobahn's has this verdict, and all of its counterparts have that."""
    ids = counterparts(CASES)[case]
    (found,) = compare({case: theirs}, {id: Said(ours) for id in ids}, CASES, max_size=max_size)
    return found


def measured(theirs: dict[str, Said], ours: dict[str, Said]) -> Measured:
    """One peer, with a run of each suite."""
    runs = [
        Run("1-7", AUTOBAHN, True, 1, 10.0, 0.5, theirs, late=("2.1",), load=(1.0, 2.0)),
        Run("1-7", OURS, True, 8, 2.5, 1.0, ours),
    ]
    return Measured("somebody", "server", {"somebody": "1.0"}, None, "2026-01-01", runs)


@pytest.mark.parametrize("said", [RIGHT, Said("INFORMATIONAL", "INFORMATIONAL"), Said("OK")])
def test_what_is_right_is_no_finding(said: Said) -> None:
    """Neither OK nor informational is anything that ours would have to find."""
    assert [] == compare({"5.18": said}, {}, CASES)


@pytest.mark.parametrize("verdict", ["fail", "warn"])
def test_a_counterpart_that_fails_or_warns_has_found_it(verdict: str) -> None:
    """It is found if one counterpart says so, and the closing counts as much as the messages."""
    assert Outcome.FOUND is only(FAILED, verdict).outcome
    assert Outcome.FOUND is only(Said("OK", "WRONG CODE"), verdict).outcome


def test_a_wrong_code_is_found_by_the_passive_case_that_looks_at_codes() -> None:
    """Where only the closing is wrong, a passive case that blames the counterpart's conversation has found it."""
    blamed = {"6455/5.4/4.1": Said("pass", passive=("6455/7.1.7/1",))}

    assert [Outcome.FOUND] == [one.outcome for one in compare({"5.18": Said("OK", "WRONG CODE")}, blamed, CASES)]
    assert [Outcome.MISSED] == [one.outcome for one in compare({"5.18": FAILED}, blamed, CASES)]


def test_two_verdicts_may_have_two_answers() -> None:
    """What is explained about the messages, and found about the closing, is not missed."""
    late_with_wrong_code = {"6.4.1": Said("NON-STRICT", "WRONG CODE")}
    blamed, content = ({"6455/8.1/5.1": Said("pass", passive=by)} for by in (("6455/7.1.7/1",), ()))

    assert [Outcome.EXPLAINED] == [one.outcome for one in compare(late_with_wrong_code, blamed, CASES)]
    assert [Outcome.MISSED] == [one.outcome for one in compare(late_with_wrong_code, content, CASES)]


@pytest.mark.parametrize("verdict", ["pass", "info", "skip", "error"])
def test_what_no_counterpart_finds_is_missed(verdict: str) -> None:
    """Nothing else is as good as finding it."""
    assert Outcome.MISSED is only(FAILED, verdict).outcome


def test_a_case_with_no_counterpart_is_missed() -> None:
    """What was not run on our side cannot have found anything, and explains nothing."""
    assert [Outcome.MISSED] == [found.outcome for found in compare({"6.4.1": NON_STRICT}, {}, CASES)]


def test_what_the_peer_does_not_have_is_skipped_by_both() -> None:
    """An unimplemented case is no fault, if ours skips it too; if ours passes, one of the two is mistaken."""
    assert Outcome.SKIPPED is only(UNIMPLEMENTED, "skip", "12.1.1").outcome
    assert Outcome.MISSED is only(UNIMPLEMENTED, "pass", "12.1.1").outcome


def test_a_case_that_was_late_says_nothing() -> None:
    """When its time is over, Autobahn has no verdict to compare with."""
    assert [] == compare({"5.18": FAILED}, {}, CASES, late=["5.18"])


def test_what_is_explained_is_explained_for_what_it_is() -> None:
    """How fast wrong text is refused is up to the peer; that it is not refused at all is a fault that must be found."""
    assert Outcome.EXPLAINED is only(NON_STRICT, "pass", "6.4.1").outcome
    assert Outcome.MISSED is only(FAILED, "pass", "6.4.1").outcome
    assert Outcome.MISSED is only(NON_STRICT, "skip", "6.4.1").outcome


def test_a_large_message_may_be_refused_by_who_says_how_much_it_takes() -> None:
    """A limit explains a failure only of what is larger, and only where it is known."""
    failed = Said("FAILED", "FAILED")

    assert Outcome.EXPLAINED is only(failed, "pass", "9.1.4", max_size=MIB).outcome
    assert Outcome.MISSED is only(failed, "pass", "9.1.3", max_size=MIB).outcome
    assert Outcome.MISSED is only(failed, "pass", "9.1.4", max_size=None).outcome


def test_a_skip_explains_only_what_the_peer_said_was_too_much() -> None:
    """Many fragments may be too many for it, and no message of one frame is."""
    assert Outcome.EXPLAINED is only(FAILED, "skip", "9.3.2").outcome
    assert Outcome.MISSED is only(FAILED, "skip", "9.5.2").outcome
    assert Outcome.MISSED is only(FAILED, "info", "9.3.2").outcome


def test_sizes_are_those_of_the_counterparts() -> None:
    """What Autobahn sends in a case is as large as what ours sends."""
    for case, ids in counterparts(CASES).items():
        if case.startswith(("9.1.", "9.2.")):
            assert [CASES[id].entry[1] for id in ids] == [size_of(case)]
    assert [4 * MIB, 0] == [size_of("9.4.3"), size_of("9.5.1")]


def test_explanations_are_about_cases_that_exist_and_quote_a_section() -> None:
    """Each row has cases, and begins its words with where they stand."""
    names = counterparts(CASES)
    for row in EXPLAINED:
        verdict, _, closing = row.said.partition(", closing ")
        assert any(row.holds(case, Said(verdict, closing), {*row.ours.split("; ")[0].split()}, 1) for case in names)
        assert row.words.partition(":")[0].removeprefix("RFC 7692 ").replace(".", "").isdigit()


def test_parts_are_all_of_autobahn() -> None:
    """Each of its cases belongs to one part, and a counterpart of it to the tier that this part runs."""
    for case, ids in counterparts(CASES).items():
        (part,) = [part for part in PARTS if f"{case.partition('.')[0]}.*" in part.groups]
        assert part.tier in {CASES[id].tier for id in ids}


def test_what_only_ours_finds_is_counted() -> None:
    """Cases that fail or warn and stand for none of Autobahn's; 6455/5.4/4.1 stands for one, 6455/5.1/1.1 for none."""
    ours = {"6455/5.1/1.1": Said("fail"), "6455/5.4/4.1": Said("fail"), "6455/5.1/1.2": Said("pass")}

    assert ["6455/5.1/1.1"] == without_counterpart(ours, CASES)


def test_what_autobahn_is_content_with_is_counted_apart() -> None:
    """A counterpart that fails where Autobahn says OK, and not one whose counterpart was not run."""
    ours = {"6455/5.4/4.1": Said("warn"), "6455/5.2/21.1": Said("fail"), "6455/5.2/21.2": Said("fail")}

    assert ["6455/5.4/4.1"] == only_ours({"5.18": RIGHT, "3.1": FAILED}, ours, CASES)


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    """Nothing is lost on its way through a file."""
    one = measured({"5.18": FAILED}, {"6455/5.4/4.1": Said("fail", "", "got 'b'", ("6455/5.1/3",))})
    one.write(tmp_path)

    assert one == read(tmp_path / "somebody-server.json")


def test_the_last_run_of_a_kind_counts() -> None:
    """A part that was run again takes the place of what was there."""
    one = measured({}, {})
    one.runs.append(one.runs[1]._replace(seconds=1.5))

    assert one.runs[2] == one.run("1-7", OURS, 8)
    assert one.run("1-7", OURS, 1) is None


def test_the_page_tells_what_was_found_and_what_was_missed() -> None:
    """Cases with the same fate share a row, what was missed is said in bold, and times are held side by side."""
    theirs = {"3.1": FAILED, "3.2": FAILED, "4.1.1": FAILED, "6.4.1": NON_STRICT, "5.18": RIGHT}
    ours = {"6455/5.2/21.1": Said("fail"), "6455/5.2/21.2": Said("fail"), "6455/5.2/30.1": Said("pass")}
    ours |= {"6455/8.1/5.1": Said("pass"), "6455/5.1/1.1": Said("fail")}
    one = measured(theirs, ours)

    text = page.page([one], {"kosoku": "0.1.0", "rawws": "1", "python": "3"})

    assert "| 3.1-2 | FAILED | 6455/5.2/21.1-2 | fail |" in text
    assert "| 4.1.1 | FAILED | 6455/5.2/30.1 | pass: **missed** |" in text
    assert "| 6.4.1 | NON-STRICT | 6455/8.1/5.1 | pass: **explained** |" in text
    assert "| somebody, server | 5 | 4 | 2 | 0 | 1 | 1 | 1 | 5 | 0 | 1 |" in text
    assert "all 5, one by one | 10.0 | 0.5 | all 5, 8 at once | 2.5 | 1.0 | 4.0 |" in text
    assert ["4.1.1"] == [found.case for _, found in page.missed([one])]


def test_a_page_about_who_is_right_says_so() -> None:
    """Where nothing was found there is no table."""
    text = page.page([measured({"5.18": RIGHT}, {})], {"kosoku": "0.1.0", "rawws": "1", "python": "3"})

    assert "## somebody, server\n\nAutobahn found nothing.\n" in text
    assert "## What no RFC asks for" not in text
