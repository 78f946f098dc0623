"""The cases about compressed messages (RFC 7692): we pass, and whoever errs fails those that are about the error."""

import asyncio
import re
import zlib
from random import Random

import pytest

from rawws import Deflate
from rawws.conformance.case import CASES, Declared
from rawws.conformance.corpora import CORPORA, messages
from rawws.conformance.deflating import Blocks, Match, read_message
from rawws.conformance.inflating import Judge, grants, settled
from rawws.conformance.peer import Patience
from rawws.conformance.running import run
from rawws.conformance.suite import Report, Settings, select
from rawws.conformance.verdict import Verdict
from rawws.core.agreement import Extension
from rawws.core.deflate import DeflateTerms
from rawws.core.errors import ProtocolError
from rawws.core.headers import read_extensions
from rawws.core.settings import Role
from tests.conformance.targets import OURS, PATIENCE, caught
from tests.conformance.zoo import deflate as zoo
from tests.conformance.zoo import windows
from tests.conformance.zoo.compressing import Compressing

PAGES = [f"7692/{section}/*" for section in ("6.1", "6", "6.2", "7.2.1", "7.2.2", "7.2.3", "8")]
LARGE = "7692/8/*"
LIMIT = Compressing.LIMIT


def ids(patterns: str) -> set[str]:
    """The cases of RFC 7692 that are meant: "6/1.1-3" for three of them."""
    found = set()
    for pattern in patterns.split():
        many = re.fullmatch(r"(.*\.)(\d+)-(\d+)", pattern)
        found |= {f"{many[1]}{n}" for n in range(int(many[2]), int(many[3]) + 1)} if many else {pattern}
    assert all(f"7692/{id}" in CASES for id in found)
    return {f"7692/{id}" for id in found}


# --- Ours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OURS)
def test_our_endpoints_pass(name: str) -> None:
    """All of them, in both roles; a client is not asked for a larger window than it offers."""

    async def go() -> Report:
        options = {"compression": Deflate(server_max_window_bits=15, client_max_window_bits=15), "max_size": LIMIT}
        declared = Declared(max_size=LIMIT, deflate=True)
        async with OURS[name](options, declared=declared, patience=PATIENCE) as target:
            return await run(select(target.role, include=PAGES), target, Settings(jobs=4))

    report = asyncio.run(go())

    assert 59 == len(report.results)
    assert [] == [(result.id, result.reason) for result in report.results if result.verdict is not Verdict.PASS]


def test_who_does_not_compress_is_not_blamed() -> None:
    """A server that declines is skipped, and one that compresses nothing only where it would have to."""

    def verdicts(**options: object) -> set[tuple[Verdict, str]]:
        async def go() -> Report:
            async with OURS["server, asyncio"](options, patience=PATIENCE) as target:
                chosen = select(Role.SERVER, include=PAGES, exclude=[LARGE, "7692/6.1/4"])
                return await run(chosen, target, Settings(jobs=4))

        found = asyncio.run(go()).results
        return {(result.verdict, result.reason.partition(" permessage")[0]) for result in found}

    assert {(Verdict.SKIP, "the server declines")} == verdicts(compression=None)
    assert {(Verdict.PASS, ""), (Verdict.SKIP, "it compressed nothing")} == verdicts(
        compression=Deflate(threshold=1_000_000)
    )


# --- The zoo --------------------------------------------------------------------------------------------------------

WRONG: dict[type[Compressing], str] = {
    zoo.ForgetsThatItIsCompressed: "6/1.1-3",
    zoo.DecidesByTheFirstFrame: "6/1.4",
    zoo.TakesBitOnControl: "6.1/1.1-3",
    zoo.TakesBitOnContinuation: "6.1/2.1-2",
    zoo.TakesAllBits: "6.1/3.1-2",
    zoo.MarksAllFragments: "6.1/4",
    zoo.MarksPongs: "6.1/4",
    zoo.TakesAllAsCompressed: "6/1.6 6/2.1-3 7.2.1/2.1-8 7.2.3/1.4",
    zoo.RemembersWhatWasNotCompressed: "6/2.1 6/2.3",
    zoo.NeedsData: "6/3.1",
    zoo.WantsDataFirst: "6/3.2",
    zoo.WantsDataLast: "6/3.3",
    zoo.WantsFewFragments: "6/3.4 6.2/1.2",
    zoo.BeginsAnewAtPings: "6/1.1 6/1.3 6/1.6",
    zoo.BeginsAnewBetweenMessages: "6/1.5",
    zoo.TakesAnyText: "6.2/1.1",
    zoo.ReadsCharactersByFragment: "6.2/1.2-3",
    zoo.Naive: "7.2.2/2.3 7.2.2/2.5 7.2.3/2.1",
    zoo.PoisonedByFinal: "7.2.3/2.1-2",
    zoo.ForgetsBehindFinal: "7.2.3/2.1",
    zoo.RefusesFinal: "7.2.3/1.6 7.2.3/2.1-2",
    zoo.RefusesStored: "7.2.3/1.5",
    zoo.RefusesFixed: "6/1.1-5 6/3.1-4 7.2.3/1.1-4",
    zoo.ReadsOneBlock: "7.2.3/1.7",
    zoo.ClosesEachFragment: "6/1.1-5 6/3.2 6/3.4 6.2/1.2-3 7.2.3/1.2 7.2.3/1.8",
    zoo.Swallows: "7.2.2/2.1-6",
    windows.TakesOver: "7.2.1/1.1",
    windows.LooksTooFar: "7.2.1/2.1-7",
    windows.Forgets: "6/2.1 6/2.3 7.2.2/1.3 7.2.3/1.3-4 7.2.3/2.1",
    windows.ForgetsMost: "7.2.2/1.2-3",
    windows.ForgetsMore: "7.2.2/1.1-3",
}
"""Each animal, and the cases that find out what is wrong with it."""

WRONG_IF_LARGE: dict[type[Compressing], str] = {
    windows.TakesBombs: "8/1.1-2 8/1.5",
    windows.TakesOneMore: "8/1.5",
    windows.TakesOneLess: "8/1.4",
    windows.LosesMessages: "8/1.3",
    windows.HangsInBlocks: "8/2",
}
"""The same for what floods and bursts."""


@pytest.mark.parametrize("animal", WRONG, ids=lambda animal: animal.__name__)
def test_a_wrong_server_is_caught_by_exactly_these(animal: type[Compressing]) -> None:
    """What is wrong fails the cases that are about it, and no others."""
    assert ids(WRONG[animal]) == {*caught(animal, Role.SERVER, *PAGES, exclude=[LARGE])}


@pytest.mark.parametrize(
    "animal, expected",
    [
        (zoo.ForgetsThatItIsCompressed, "6/1.1-3"),
        (windows.TakesOver, "7.2.1/1.2"),
        (windows.LooksTooFar, "7.2.1/2.1-7"),
        (windows.Forgets, WRONG[windows.Forgets]),
        (zoo.Naive, WRONG[zoo.Naive]),
    ],
)
def test_a_wrong_client_is_caught_by_exactly_these(animal: type[Compressing], expected: str) -> None:
    """The same in the other role, where the other parameter is about it."""
    assert ids(expected) == {*caught(animal, Role.CLIENT, *PAGES, exclude=[LARGE])}


@pytest.mark.parametrize("animal", WRONG_IF_LARGE, ids=lambda animal: animal.__name__)
def test_a_server_with_a_wrong_limit_is_caught(animal: type[Compressing]) -> None:
    """A limit that was declared holds for what comes of decompressing, to the byte; and nothing is lost, nor hangs."""
    found = caught(animal, Role.SERVER, LARGE, declared=Declared(max_size=LIMIT), patience=Patience(1.0, 0.3))

    assert ids(WRONG_IF_LARGE[animal]) == {*found}


def test_a_server_that_takes_bombs_is_told_of() -> None:
    """Where no limit was declared, none is missed, but it is said what came out of how little."""

    async def go() -> Report:
        async with OURS["server, asyncio"]({"max_size": None}, patience=PATIENCE) as target:
            return await run(select(Role.SERVER, include=["7692/8/1.1"]), target)

    (result,) = asyncio.run(go()).results

    assert (Verdict.PASS, "it takes 64 MiB out of 63 KiB") == (result.verdict, result.reason)


def test_every_case_has_an_animal() -> None:
    """Each case is known to be able to fail; with the window of 15 bits, by one that reads nothing but what is
    compressed."""
    known = {*ids(" ".join([*WRONG.values(), *WRONG_IF_LARGE.values()])), "7692/7.2.1/1.2"}

    assert {case.id for case in select(Role.SERVER, include=PAGES)} == known


# --- What they are made of --------------------------------------------------------------------------------------------


class TestBlocks:
    """What zlib never writes, zlib has to read."""

    @pytest.mark.parametrize("length", [3, 4, 10, 11, 114, 115, 257, 258])
    @pytest.mark.parametrize("distance", [1, 4, 5, 256, 257, 24577, 32768])
    def test_matches_of_every_length_and_distance(self, length: int, distance: int) -> None:
        """Each is read as it was meant, by zlib and by us."""
        window = Random(0).randbytes(32768)
        payload = Blocks().stored(window).fixed(Match(length, distance)).payload()
        expected = window + (window[-distance:] * 258)[:length]

        assert expected == zlib.decompressobj(-15).decompress(payload) == read_message(payload).output

    def test_of_all_types_follow_each_other(self) -> None:
        """Behind a final block the next begins at a byte."""
        payload = Blocks().fixed(b"He", final=True).stored(b"l").fixed(b"lo", Match(3, 3)).payload()

        assert b"Hellollo" == read_message(payload).output

    def test_enough_is_enough(self) -> None:
        """No more is read than was asked for, a block at the most."""
        assert 100 <= len(read_message(Blocks().fixed(*[Match(258, 1)] * 9).payload(), b"a", most=100).output) < 400


class TestJudge:
    """Whether a sender keeps to its terms."""

    def test_sees_a_distance_that_zlib_lets_pass(self) -> None:
        """Within one message zlib remembers more than was agreed on."""
        judge = Judge(DeflateTerms(server_max_window_bits=9), Role.SERVER)
        payload = Blocks().stored(Random(0).randbytes(600)).fixed(Match(3, 513)).payload()

        with pytest.raises(ProtocolError, match="a distance of 513, and the window has 512 bytes"):
            whole(judge, payload)

    @pytest.mark.parametrize("forgets", [False, True])
    def test_sees_what_was_taken_over(self, forgets: bool) -> None:
        """The second message may say "as before" if the window is kept, and only then."""
        judge = Judge(DeflateTerms(client_no_context_takeover=forgets), Role.CLIENT)
        found = whole(judge, Blocks().fixed(b"Hello").payload())
        again = Blocks().fixed(Match(5, 5)).payload()

        if forgets:
            with pytest.raises(ProtocolError, match="is empty at the beginning of each message"):
                whole(judge, again)
        else:
            assert b"Hello" == found == whole(judge, again)


def whole(judge: Judge, payload: bytes) -> bytes:
    """What a message says."""
    return judge.decompress(payload, 10_000)[0] + judge.finish()


def extensions(text: str) -> tuple[Extension, ...]:
    """What a field with these parameters means."""
    return read_extensions(", ".join(f"permessage-deflate{part}" for part in text.split(",")).encode())


@pytest.mark.parametrize(
    "wanted, offers, expected",
    [
        ("", "", ""),
        ("; server_max_window_bits=9", "", "; server_max_window_bits=9"),
        ("; server_max_window_bits=9", "; server_max_window_bits=10", "; server_max_window_bits=9"),
        ("; server_max_window_bits=11", "; server_max_window_bits=10", None),
        ("", "; server_max_window_bits=10", "; server_max_window_bits=10"),
        ("", "; server_max_window_bits=10,", ""),
        ("", "; server_no_context_takeover", "; server_no_context_takeover"),
        ("; client_max_window_bits=9", "", None),
        ("; client_max_window_bits=9", "; client_max_window_bits", "; client_max_window_bits=9"),
        ("; client_max_window_bits=13", "; client_max_window_bits=12", None),
        ("; client_no_context_takeover", "", "; client_no_context_takeover"),
    ],
)
def test_an_answer_grants_what_a_client_asks_for(wanted: str, offers: str, expected: str | None) -> None:
    """A client under test is answered with what the case is about, and what its offer needs; or the case is skipped."""
    answer = settled(extensions(wanted)[0], extensions(offers))

    assert (None if expected is None else extensions(expected)[0]) == answer
    assert answer is None or grants(answer, extensions(offers))


@pytest.mark.parametrize("name", CORPORA)
def test_corpora_are_the_same_each_time(name: str) -> None:
    """The same seed gives the same messages, of the size that was asked for; another one gives others."""
    one, same, other = (messages(name, Random(seed), 4096) for seed in (1, 1, 2))
    first, again, different = ([next(found) for _ in range(20)] for found in (one, same, other))

    assert first == again != different
    assert all(4090 <= len(message) <= 4096 for message in first)
