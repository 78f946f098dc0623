"""The pages about other libraries: what may stand on them, and that it does."""

import json
import re
from pathlib import Path

import pytest

from rawws import Role
from rawws.conformance import CASES, Report, Result, Verdict
from rawws.conformance.case import LIM
from rawws.conformance.report import as_json
from rawws.conformance.transcript import Transcript
from rawws.conformance.wire import CLOSE, TEXT, close_body, frame
from tests.conformance.peers import pages
from tests.conformance.peers.findings import Found, may_be_told, page_of, read, tellable
from tests.conformance.peers.publish import held_back, matrix, publish, thinned
from tests.conformance.peers.sent import sent_for
from tests.conformance.peers.table import PEERS, Peer

FLOOD = next(id for id, case in CASES.items() if case.level is LIM)
CERTIFICATE = "6455/4.1/11.2"
LIMIT = "6455/10.4/1.1"
UNMASKED = [f"6455/5.1/1.{number}" for number in range(1, 8)]
PASSIVE = "6455/7.1.7/1"
RECOMMENDED = "6455/4.2.1/14.2"
REQUEST = "6455/4.2.1/3.2"
ASK = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n%sUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def peer(name: str, role: Role = Role.SERVER) -> Peer:
    """One of the table."""
    return next(one for one in PEERS if one.name == name and one.role is role)


def failed(id: str, got: str = "text 'Hello'", verdict: Verdict = Verdict.FAIL, sent: bytes = b"") -> Result:
    """A case that has failed."""
    result = Result(id, verdict, f"expected another thing; got: {got}", expected="another thing", got=got)
    if sent:
        transcript = Transcript()
        transcript.add(0.0, Role.CLIENT, sent)
        result.transcripts.append(transcript)
    return result


def found(who: Peer, *results: Result, **about: object) -> Found:
    """What was found of one, as if by two runs that agree."""
    told = {
        "versions": dict.fromkeys(who.packages, "1.2.3"),
        "date": "2026-11-21",
        "runs": 2,
        "seconds": [1.0, 2.0],
    }
    return Found(who, Report(str(who), who.role, list(results), complete=True), told | {"differences": {}} | about)


# --- What may be told -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", [FLOOD, LIMIT, CERTIFICATE, "6455/0/0"])
def test_what_is_about_security_is_not_told(id: str) -> None:
    """Nothing of cases about robustness and certificates, nor of those that nobody knows."""
    assert not may_be_told(id, Verdict.FAIL, "another thing", "text 'Hello'")
    assert not may_be_told(id, Verdict.PASS)


@pytest.mark.parametrize(
    "said",
    [
        "it does not answer any more",
        "expected a Close; got: nothing; afterwards it did not answer any more",
        "it was killed by signal 11",
        "one more connection",
        "ws://127.0.0.1:4711/: [Errno 111] Connect call failed ('127.0.0.1', 4711)",
        "an end of the case",
    ],
)
def test_what_the_target_did_not_survive_is_not_told(said: str) -> None:
    """A crash, a hang and a target that is gone, in whichever words the suite has for it."""
    assert not may_be_told(UNMASKED[0], Verdict.FAIL, "another thing", said)


def test_what_the_suite_did_wrong_is_not_told() -> None:
    """An error of ours is not a finding of theirs."""
    assert not may_be_told(UNMASKED[0], Verdict.ERROR, "KeyError")


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.WARN, Verdict.PASS, Verdict.SKIP, Verdict.INFO])
def test_everything_else_is_told(verdict: Verdict) -> None:
    """What an RFC asks for, and what came instead."""
    assert may_be_told(UNMASKED[0], verdict, "a failed connection: a Close, or the end of TCP", "nothing within 5 s")


def test_a_gap_does_not_tell_whose_it_is() -> None:
    """What is held back for one server is there for no server, and still there for clients."""
    gone = failed(UNMASKED[0], "it does not answer any more")
    those = [
        found(peer("aiohttp"), gone, failed(UNMASKED[1])),
        found(peer("ws"), failed(UNMASKED[0]), failed(UNMASKED[1])),
        found(peer("ws", Role.CLIENT), failed("6455/5.2/10.1"), failed(LIMIT)),
    ]

    assert [[UNMASKED[1]], [UNMASKED[1]], ["6455/5.2/10.1"]] == [
        [result.id for result in one.report.results] for one in tellable(those)
    ]
    assert {UNMASKED[0]} == held_back(those)


def test_what_only_the_second_run_did_not_survive_is_not_told() -> None:
    """The reasons of all runs count where they differ."""
    reasons = {UNMASKED[0]: ["", "afterwards it did not answer any more"]}
    one = found(
        peer("aiohttp"),
        Result(UNMASKED[0], Verdict.PASS),
        differences={UNMASKED[0]: ["pass", "fail"]},
        reasons=reasons,
    )

    assert ([], {}) == (tellable([one])[0].report.results, tellable([one])[0].differences)


def test_restarts_and_problems_are_not_told() -> None:
    """How often a server had to be started again would tell that something ends it."""
    one = found(peer("aiohttp"), restarts=[1, 2], reasons={})
    one.report.problems.append("it was gone before all was asked")

    (told,) = tellable([one])

    assert ([], False, False) == (told.report.problems, "restarts" in told.about, "reasons" in told.about)


def test_a_passive_case_does_not_name_one_that_is_held_back() -> None:
    """Its finding stays; only where it was seen is left out."""
    one = found(
        peer("aiohttp"),
        failed(PASSIVE, f"TCP was ended with no Close (in {LIMIT}), and 2 more", Verdict.WARN),
        failed(LIMIT),
    )

    assert ["TCP was ended with no Close, and 2 more"] == [result.got for result in tellable([one])[0].report.results]


def test_of_a_conversation_the_beginning_is_told() -> None:
    """And only where something was found, the last one."""
    long = failed(UNMASKED[0], sent=bytes(10_000))
    calm = Result(UNMASKED[1], Verdict.PASS, transcripts=failed(UNMASKED[1], sent=b"abc").transcripts)

    first, second = tellable([found(peer("aiohttp"), long, calm)])[0].report.results

    assert (512, 10_000) == (len(first.transcripts[0].chunks[0].data), first.transcripts[0].chunks[0].size)
    assert [] == second.transcripts


def test_of_what_is_the_same_one_conversation_is_kept_for_the_matrix() -> None:
    """In a family, per outcome."""
    report = Report("anyone", Role.SERVER, [failed(id, sent=b"abc") for id in UNMASKED])
    report.results.append(failed("6455/5.1/1.5", "something else", sent=b"abc"))

    assert [1, 0, 0, 0, 0, 0, 0, 1] == [len(result.transcripts) for result in thinned(report).results]


def test_what_passed_has_no_room_in_the_matrix() -> None:
    """That its conversation was not kept goes without saying; of what failed it is said."""
    passed, bad = Result(UNMASKED[0], Verdict.PASS), failed(UNMASKED[1])

    assert [0, 2] == [matrix([found(peer("ws"), one)] * 2).count("was not kept") for one in (passed, bad)]


# --- What was sent --------------------------------------------------------------------------------------------------


def test_frames_are_told_by_what_they_say() -> None:
    """Kind, bits, size and content, of so many as fit on a line."""
    one = failed(UNMASKED[0], sent=frame(TEXT, "Hello") + frame(CLOSE, close_body(1000)))

    assert "TEXT FIN 5 'Hello'; CLOSE FIN 2 (1000, '')" == sent_for(_opened(one), Role.SERVER)


def test_many_frames_are_counted() -> None:
    """Of ten, four are told."""
    one = _opened(failed(UNMASKED[0], sent=frame(TEXT, "a") * 10))

    assert "; ".join(["TEXT FIN 1 'a'"] * 4 + ["and 6 more"]) == sent_for(one, Role.SERVER)


def _opened(result: Result) -> Result:
    """The same behind an opening handshake."""
    talk = Transcript()
    talk.add(0.0, Role.CLIENT, ASK % b"")
    talk.add(0.0, Role.SERVER, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    talk.chunks += result.transcripts[0].chunks
    result.transcripts = [talk]
    return result


def test_of_a_head_it_is_told_what_is_unusual() -> None:
    """A line that is not proper, one that is there twice, and what is missing."""
    one = failed(REQUEST, sent=ASK % b"Host: 127.0.0.1:80\r\nX-Nobody: knows\r\n")

    missing = "no Sec-WebSocket-Key; no Sec-WebSocket-Version"
    assert f"once more Host: 127.0.0.1:80; X-Nobody: knows; {missing}" == sent_for(one, Role.SERVER)


def test_of_a_case_with_no_conversation_nothing_is_told() -> None:
    """A passive one, for example."""
    assert "" == sent_for(failed(PASSIVE), Role.SERVER)


# --- The pages ------------------------------------------------------------------------------------------------------


def flat(page: str) -> str:
    """A page on one line."""
    return " ".join(page.split())


def test_the_page_of_a_peer_says_all_of_a_finding() -> None:
    """Id, level, rule, requirement, what was sent, expected and came, under its section."""
    text = _opened(failed(UNMASKED[0], "a | b <c>", sent=frame(TEXT, "Hello")))
    page = flat(pages.page(found(peer("aiohttp"), text, failed(RECOMMENDED, "400", Verdict.WARN))))

    case = CASES[UNMASKED[0]]
    assert case.rule is not None
    for wanted in (
        "# aiohttp, server",
        "**1 of 2 cases fails, in 1 family; 1 warning.**",
        "Two runs agree.",
        f"### `{case.group}` MUST, `{case.rule.name}`",
        case.requirement,
        "Expected: another thing.",
        f"| `{UNMASKED[0]}` text | `TEXT FIN 5 'Hello'` | a \\| b &lt;c&gt; |",
        "### `6455/4.2.1/14` SHOULD",
    ):
        assert wanted in page


def test_a_page_names_runs_that_differ() -> None:
    """With both verdicts."""
    one = found(peer("aiohttp"), failed(UNMASKED[0]), differences={UNMASKED[0]: ["fail", "pass"]})

    assert f"The runs differ in 1 case: `{UNMASKED[0]}` (fail, pass)." in flat(pages.page(one))


def test_a_page_says_what_is_alike() -> None:
    """Many findings may have one cause."""
    page = pages.page(found(peer("aiohttp"), *(failed(id) for id in UNMASKED)))

    assert "| 7 | another thing | text 'Hello' |" in page
    assert "The same several times" not in pages.page(found(peer("aiohttp"), failed(UNMASKED[0])))


def test_the_summary_counts_by_section() -> None:
    """Failures, and warnings behind a plus; what most have in common; what stands on the same library."""
    some = [failed(id, sent=b"a") for id in UNMASKED[:3]]
    those = [
        found(peer("uvicorn-wsproto"), *some, failed(RECOMMENDED, "400", Verdict.WARN)),
        found(peer("hypercorn"), *some),
    ]
    page = pages.summary(those, held_back=0)

    for wanted in (
        "| [uvicorn-wsproto](servers/uvicorn-wsproto.md) | uvicorn 1.2.3, wsproto 1.2.3 | 4 | 3 | 1 | 1 | 1 s, 2 s |",
        "| RFC 6455 | 4.2.1 | 5.1 |",
        "| [uvicorn-wsproto](servers/uvicorn-wsproto.md) | +1 | 3 |",
        "| [hypercorn](servers/hypercorn.md) |  | 3 |",
        "| `6455/5.1/1.1-3` |",
        "uvicorn-wsproto and hypercorn both use wsproto: 3 findings are the same in both of them.",
        "Not run, or not to the end: websockets-asyncio, server; ",
    ):
        assert wanted in page
    assert "other case" not in page
    assert "nor 2 other cases in which" in flat(pages.summary(those, held_back=2))


def test_all_is_written_and_what_was_there_before_is_gone(tmp_path: Path) -> None:
    """From reports to pages, and again."""
    reports, folder = tmp_path / "reports", tmp_path / "pages"
    reports.mkdir()
    for one, complete in (
        (found(peer("aiohttp"), failed(UNMASKED[0])), True),
        (found(peer("ws"), failed(LIMIT)), False),
    ):
        one.report.complete = complete
        value = as_json.value_of(one.report) | {"peer": one.about}
        (reports / f"{one.peer.name}-server.json").write_text(json.dumps(value))
    (folder / "servers").mkdir(parents=True)
    (folder / "servers" / "nobody.md").touch()
    (folder / "other.md").touch()

    publish(read(reports), folder)

    assert {"README.md", "other.md", "servers.html", "servers/aiohttp.md"} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.*")
    }
    assert "aiohttp 1.2.3" in (folder / "servers.html").read_text()


# --- What was published ---------------------------------------------------------------------------------------------

PUBLISHED = Path(__file__).parents[2] / "docs" / "conformance"
published = pytest.mark.parametrize(
    "page", [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in sorted(PUBLISHED.glob("*/*.md"))]
)


def ids_on(page: Path) -> list[str]:
    """The cases of its tables."""
    return re.findall(r"^\| `(\d[^`]*)`", page.read_text(), re.MULTILINE)


@published
def test_each_case_on_a_page_exists_and_may_be_told(page: Path) -> None:
    """Each has findings of its own role, once each."""
    role = Role(page.parent.name.removesuffix("s"))
    ids = ids_on(page)

    assert [] == [id for id in ids if id not in CASES or role not in CASES[id].roles]
    assert [] == [id for id in ids if not may_be_told(id, Verdict.FAIL)]
    assert len(ids) == len(set(ids))


@published
def test_each_heading_on_a_page_is_what_the_suite_says(page: Path) -> None:
    """The rule is that of the family, and below it stand cases of it alone."""
    parts = re.split(r"^### `([^`]*)` \w+(?:, `([^`]*)`)?$", page.read_text(), flags=re.MULTILINE)
    for group, rule, text in zip(*(iter(parts[1:]),) * 3):
        for id in re.findall(r"^\| `(\d[^`]*)`", text, re.MULTILINE):
            case = CASES[id]
            known = "" if case.rule is None else case.rule.name
            assert (group, rule or "") == (case.group, known)


@published
def test_a_page_does_not_tell_of_the_end_of_its_peer(page: Path) -> None:
    """No words of a crash, a hang, or a target that is gone."""
    assert may_be_told(UNMASKED[0], Verdict.FAIL, page.read_text())


@published
def test_the_summary_says_how_many_there_are(page: Path) -> None:
    """What fails and what warns, together, is what stands on the page."""
    place = page.relative_to(PUBLISHED).as_posix()
    row = re.search(
        rf"^\| \[[^]]*\]\({re.escape(place)}\) \|(.*)\|$", (PUBLISHED / "README.md").read_text(), re.MULTILINE
    )
    assert row is not None
    _, _, fails, _, warns, _ = (cell.strip() for cell in row[1].split("|"))

    assert int(fails) + int(warns) == len(ids_on(page))


@pytest.mark.skipif(not (PUBLISHED / "README.md").exists(), reason="nothing was published yet")
def test_each_peer_has_a_page_or_is_named_as_not_run() -> None:
    """Nobody is forgotten, and nobody is there who is not in the table."""
    summary = flat((PUBLISHED / "README.md").read_text())
    there = {path.relative_to(PUBLISHED).as_posix() for path in PUBLISHED.glob("*/*.md")}
    lacking = [one for one in PEERS if page_of(one) not in there]

    assert there <= {page_of(one) for one in PEERS}
    assert [] == [str(one) for one in lacking if str(one) not in summary]
