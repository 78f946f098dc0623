"""The cases about compressed messages (RFC 7692): we pass, and whoever errs fails those that are about the error."""

import asyncio
import zlib
from random import Random

import pytest

from rawws import Deflate
from rawws.conformance.case import Declared
from rawws.conformance.corpora import CORPORA, messages
from rawws.conformance.deflating import Blocks, Match, read_message
from rawws.conformance.inflating import Judge, grants, settled
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
from tests.conformance.zoo.kind import catchers, in_roles

PAGES = [f"7692/{section}/*" for section in ("6.1", "6", "6.2", "7.2.1", "7.2.2", "7.2.3", "8")]
LARGE = "7692/8/*"
LIMIT = Compressing.LIMIT


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

ANIMALS = [*zoo.ANIMALS, *windows.ANIMALS]


@pytest.mark.parametrize("animal, role", in_roles([Compressing, *ANIMALS], second_is_slow=True))
def test_who_is_wrong_is_caught_by_exactly_these(animal: type[Compressing], role: Role) -> None:
    """What is wrong fails the cases that are about it, and no others."""
    assert catchers(animal, role) == {*caught(animal, role, *PAGES, exclude=[LARGE])}


@pytest.mark.parametrize("animal, role", in_roles(windows.LARGE, second_is_slow=True))
def test_a_wrong_limit_is_caught(animal: type[Compressing], role: Role) -> None:
    """A limit that was declared holds for what comes of decompressing, to the byte; and nothing is lost, nor hangs."""
    found = caught(animal, role, LARGE, declared=Declared(max_size=LIMIT))

    assert catchers(animal, role) == {*found}


def test_a_server_that_takes_bombs_is_told_of() -> None:
    """Where no limit was declared, none is missed, but it is said what came out of how little."""

    async def go() -> Report:
        async with OURS["server, asyncio"]({"max_size": None}, patience=PATIENCE) as target:
            return await run(select(Role.SERVER, include=["7692/8/1.1"]), target)

    (result,) = asyncio.run(go()).results

    assert (Verdict.PASS, "it takes 64 MiB out of 63 KiB") == (result.verdict, result.reason)


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
