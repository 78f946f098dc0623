"""The file of expected failures: reading it, holding results against it, writing it."""

from datetime import date

import pytest

from rawws.conformance import Report, Result, Verdict
from rawws.conformance.expect import Expectation, Expectations, apply, read, strangers, write
from rawws.core.settings import Role

TODAY = date(2027, 6, 30)


def report(**verdicts: str) -> Report:
    """A report with these verdicts: `_4_1="fail"` is that of 6455/5.4/4.1."""
    results = [
        Result(f"6455/5.4/{name[1:].replace('_', '.')}", Verdict(verdict), got="text 'b'")
        for name, verdict in verdicts.items()
    ]
    return Report("ws://localhost/", Role.SERVER, results)


def expecting(id: str, verdict: str = "fail", until: date | None = None) -> Expectations:
    """A file with one entry."""
    return Expectations((Expectation(id, "known", Verdict(verdict), until),))


class TestReading:
    """What may stand in the file."""

    def test_an_entry_has_an_id_and_a_reason(self) -> None:
        """The verdict is fail unless it is said, and there need not be a last day."""
        found = read('target = "it"\n[[expect]]\nid = "6455/5.4/4.*"\nreason = "by design"\n')

        assert Expectations((Expectation("6455/5.4/4.*", "by design"),), "it") == found

    @pytest.mark.parametrize("day", ['"2027-06-30"', "2027-06-30"])
    def test_a_day_is_a_string_or_a_date(self, day: str) -> None:
        """TOML knows dates, but not everybody knows that."""
        found = read(f'[[expect]]\nid = "a"\nreason = "b"\nuntil = {day}\nverdict = "warn"')

        assert (Expectation("a", "b", Verdict.WARN, date(2027, 6, 30)),) == found.entries

    @pytest.mark.parametrize(
        "text, words",
        [
            ("[[expect", "it is not TOML"),
            ('targt = "a"', "'targt' is not known; there are target and"),
            ('[expect]\nid = "a"', "write each entry below a line"),
            ('[[expect]]\nreason = "b"', 'entry 1: it needs an id = "..."'),
            ('[[expect]]\nid = "a"', 'entry 1 .a.: it needs a reason = "..."'),
            ('[[expect]]\nid = "a"\nreason = " "', "it needs a reason"),
            ('[[expect]]\nid = "a"\nreason = "b"\nuntli = "x"', "'untli' is not known; there are id, verdict"),
            ('[[expect]]\nid = "a"\nreason = "b"\nverdict = "pass"', "'pass'; it can be fail or warn"),
            ('[[expect]]\nid = "a"\nreason = "b"\nuntil = "soon"', "write a day as"),
            ('[[expect]]\nid = "a"\nreason = "b"\nuntil = 2027-06-30T12:00:00', "write a day as"),
            ('[[expect]]\nid = "a"\nreason = "b"\nuntil = 7', "write a day as"),
        ],
    )
    def test_what_is_wrong_is_said(self, text: str, words: str) -> None:
        """Which entry, and how it should be."""
        with pytest.raises(ValueError, match=words):
            read(text)


class TestApplying:
    """What becomes of verdicts."""

    def test_a_failure_is_expected_and_a_pass_is_not(self) -> None:
        """Both say why; cases that nobody speaks of keep their verdicts."""
        found = report(_4_1="fail", _4_2="pass", _4_3="skip", _4_4="error", _5_1="fail", _5_2="pass")
        apply(found, expecting("6455/5.4/4"), TODAY)

        assert ["xfail", "xpass", "skip", "error", "fail", "pass"] == [one.verdict.value for one in found.results]
        assert ["known", "known", "", "", "", ""] == [one.expectation for one in found.results]

    @pytest.mark.parametrize(
        "expected, found, verdict",
        [("fail", "warn", "xfail"), ("warn", "warn", "xfail"), ("warn", "fail", "fail"), ("fail", "info", "info")],
    )
    def test_worse_than_expected_is_not_expected(self, expected: str, found: str, verdict: str) -> None:
        """Who expects a failure has nothing against a warning, but not the other way round."""
        one = report(_4_1=found)
        apply(one, expecting("6455/5.4/4.1", expected), TODAY)

        assert verdict == one.results[0].verdict.value

    def test_an_entry_holds_on_its_last_day(self) -> None:
        """`until` is a day on which it is still expected."""
        found = report(_4_1="fail")
        apply(found, expecting("6455/5.4/4.1", until=TODAY), TODAY)

        assert (Verdict.XFAIL, []) == (found.results[0].verdict, found.problems)

    def test_an_entry_that_has_expired_is_a_problem(self) -> None:
        """It excuses nothing, and is told even where it would not have been needed."""
        found = report(_4_1="fail", _4_2="pass")
        apply(found, expecting("6455/5.4/4", until=date(2027, 6, 29)), TODAY)

        assert [Verdict.FAIL, Verdict.PASS] == [one.verdict for one in found.results]
        assert ["6455/5.4/4 was expected to fail until 2027-06-29, which is over (known); "
                "mend it, or give its entry a later day"] == found.problems  # fmt: skip

    def test_an_entry_may_be_about_autobahns_cases(self) -> None:
        """Whoever comes from there knows those ids."""
        found = report(_4_1="fail", _4_2="fail")
        apply(found, expecting("ab:5.18"), TODAY)

        assert [Verdict.XFAIL, Verdict.FAIL] == [one.verdict for one in found.results]

    def test_an_entry_about_no_case_is_noticed(self) -> None:
        """It is probably misspelled."""
        entries = (Expectation("6455/5.4/4.*", "a"), Expectation("6455/5.44/*", "b"))

        assert ["6455/5.44/*"] == strangers(Expectations(entries), ["6455/5.4/4.1"])


class TestWriting:
    """A file that expects what was found."""

    def test_it_is_read_back_and_expects_all_of_it(self) -> None:
        """With such a file the same run has no failure left."""
        found = report(_4_1="fail", _4_2="pass", _5_1="warn", _7_1="fail", _7_2="fail")
        apply(found, read(write(found, TODAY)), TODAY)

        assert ["xfail", "pass", "xfail", "xfail", "xfail"] == [one.verdict.value for one in found.results]

    def test_a_family_of_which_nothing_passed_is_one_entry(self) -> None:
        """And of others the cases are named."""
        found = read(write(report(_4_1="fail", _4_2="pass", _4_3="fail", _7_1="fail", _7_2="fail"), TODAY))

        assert ["6455/5.4/4.1", "6455/5.4/4.3", "6455/5.4/7.*"] == [entry.id for entry in found.entries]
        assert {"found on 2027-06-30: text 'b'"} == {entry.reason for entry in found.entries}

    def test_what_was_known_keeps_its_reason(self) -> None:
        """What does not fail any more goes, and what did not run stays."""
        days = date(2028, 1, 1)
        kept = (Expectation("6455/5.4/4.1", "by design", until=days), Expectation("6455/5.4/9", "not run"))
        before = Expectations((*kept, Expectation("6455/5.4/5.1", "mended")), "it")
        found = report(_4_1="fail", _5_1="pass")
        apply(found, before, TODAY)

        assert Expectations(kept, "it") == read(write(found, TODAY, before))

    def test_any_text_can_be_written(self) -> None:
        """What a target says may hold quotes, and what is no text at all."""
        found = report(_4_1="fail")
        found.results[0].got = 'a "quoted" \\ \x1b[31m\n\ud800 é 😀'

        assert 'found on 2027-06-30: a "quoted" \\ \x1b[31m\n é 😀' == read(write(found, TODAY)).entries[0].reason
