"""Running cases: which are chosen, what their verdicts are, and what becomes of a target that is not there."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from rawws.aio import WebSocket, serve
from rawws.conformance import CASES, Declared, Level, Patience, Report, Settings, Unreachable, Verdict, run
from rawws.conformance import run_cases as run_all
from rawws.conformance.case import BOTH, LIM, MAY, MUST, SERVER, SHOULD, Case, Opening, Tier, family, order
from rawws.conformance.heard import Text
from rawws.conformance.passive import CHECKS, passive
from rawws.conformance.peer import Peer
from rawws.conformance.suite import select
from rawws.conformance.target import ServerTarget
from rawws.conformance.transcript import Transcript
from rawws.conformance.verdict import Skip, Wrong
from rawws.core import rules
from rawws.core.settings import Role
from tests.conformance.targets import report_on_ours

FAST = Patience(reply=1.0, close=0.5)


async def echo(ws: WebSocket) -> None:
    """What a target has to be."""
    async for message in ws:
        await ws.send(message)


@pytest.fixture
def page() -> Iterator[dict[str, Case]]:
    """A page of cases that is thrown away afterwards."""
    before = dict(CASES)
    CASES.clear()
    yield CASES
    CASES.clear()
    CASES.update(before)
    for id in set(CHECKS) - set(CASES):
        del CHECKS[id]


@contextlib.asynccontextmanager
async def echo_server() -> AsyncIterator[ServerTarget]:
    """A target that is right."""
    async with serve(echo, "127.0.0.1", 0) as server:
        yield ServerTarget(f"ws://127.0.0.1:{server.port}/", patience=FAST)


def verdicts(**settings: Any) -> dict[str, tuple[Verdict, str]]:
    """Run all cases against a right server; what is said about each."""

    async def go() -> Report:
        async with echo_server() as target:
            return await run_all(select(Role.SERVER, tiers=Tier), target, Settings(**settings))

    return {result.id: (result.verdict, result.reason) for result in asyncio.run(go()).results}


def put(id: str, level: Level, raises: Exception | None = None, note: str = "", **more: object) -> None:
    """A case that ends like this."""

    async def call(peer: Peer) -> None:
        """Something is as it should be."""
        if note:
            peer.note(note)
        if raises is not None:
            raise raises

    family(id, level, **more)(call)  # type: ignore[arg-type]


class TestVerdict:
    """What a case comes to."""

    def test_follows_from_the_level(self, page: dict[str, Case]) -> None:
        """What is wrong fails a MUST, warns at a SHOULD, and is information where all is allowed."""
        wrong = Wrong("a pong", "nothing")
        for number, level in enumerate((MUST, SHOULD, MAY, LIM), 1):
            put(f"6455/9/{number}", level, wrong)

        found = verdicts()

        assert [Verdict.FAIL, Verdict.WARN, Verdict.INFO, Verdict.FAIL] == [verdict for verdict, _ in found.values()]
        assert {"expected a pong; got: nothing"} == {reason for _, reason in found.values()}

    def test_of_what_goes_well(self, page: dict[str, Case]) -> None:
        """A MAY says what was seen, and is never a mere pass."""
        put("6455/9/1", MUST, note="within 3 ms")
        put("6455/9/2", MAY, note="closed with 1000")

        assert {
            "6455/9/1": (Verdict.PASS, "within 3 ms"),
            "6455/9/2": (Verdict.INFO, "closed with 1000"),
        } == verdicts()

    def test_of_what_does_not_apply(self, page: dict[str, Case]) -> None:
        """A case that needs what was not declared, or skips itself, is skipped and says why."""
        put("6455/9/1", MUST, Skip("the server speaks no Klingon"))
        put("6455/9/2", MUST, needs=["max_size"])

        assert {
            "6455/9/1": (Verdict.SKIP, "the server speaks no Klingon"),
            "6455/9/2": (Verdict.SKIP, "needs --max-size"),
        } == verdicts()

    def test_of_an_error_of_ours(self, page: dict[str, Case]) -> None:
        """A case that is itself broken blames nobody else."""
        put("6455/9/1", MUST, ZeroDivisionError("oops"))

        assert {"6455/9/1": (Verdict.ERROR, "ZeroDivisionError: oops")} == verdicts()

    def test_of_a_case_without_end(self, page: dict[str, Case]) -> None:
        """Every case ends."""

        async def call(peer: Peer) -> None:
            """It ends."""
            await asyncio.get_running_loop().create_future()

        family("6455/9/1", MUST)(call)

        assert {"6455/9/1": (Verdict.FAIL, "expected an end of the case; got: none within 0.1 s")} == verdicts(
            per_case=0.1
        )

    def test_counts_how_the_connection_ended(self, page: dict[str, Case]) -> None:
        """A case that leaves the connection open is not over before that was closed cleanly."""

        async def call(peer: Peer) -> None:
            """The echo comes."""
            await peer.send(peer.text("a"))
            await peer.expect(Text("a"))

        async def dies(ws: WebSocket) -> None:
            await ws.send(await ws.recv())
            ws.abort()

        family("6455/9/1", MUST)(call)

        async def go() -> Report:
            async with serve(dies, "127.0.0.1", 0) as server:
                target = ServerTarget(f"ws://127.0.0.1:{server.port}/", patience=FAST)
                return await run_all(select(Role.SERVER), target)

        result = asyncio.run(go()).results[0]
        assert (Verdict.FAIL, "a Close in answer to ours") == (result.verdict, result.expected)


class TestPassive:
    """What is judged over everything that was heard."""

    def test_is_about_every_transcript(self, page: dict[str, Case]) -> None:
        """It tells in which case the frame was that is wrong."""

        async def call(peer: Peer) -> None:
            """The echo comes."""
            await peer.send(peer.text("a"))
            await peer.echoes("a")

        family("6455/9/1", MUST)(call)

        @passive("6455/9/2", MUST, rules.MASK_UNEXPECTED, roles=SERVER)
        def short(transcript: Transcript, target: Role) -> Iterator[str]:
            """No frame has 1 byte."""
            yield from ("a frame of 1 byte" for frame in transcript.frames if frame.header.length == 1)

        found = verdicts()
        assert (Verdict.PASS, "") == found["6455/9/1"]
        assert (Verdict.FAIL, "a frame of 1 byte (in 6455/9/1)") == found["6455/9/2"]

    def test_says_nothing_when_nothing_was_heard(self, page: dict[str, Case]) -> None:
        """Nothing wrong in no frames is no merit."""

        @passive("6455/9/2", MUST)
        def never(transcript: Transcript, target: Role) -> Iterator[str]:
            """All is well."""
            yield from ()

        assert {"6455/9/2": (Verdict.SKIP, "no frame of the target was heard")} == verdicts()


class TestSelection:
    """Which cases are run."""

    def test_by_globs(self) -> None:
        """An id with a star, a family, a section, and Autobahn's ids."""
        for glob in ("6455/5.4/4.*", "6455/5.4/4", "ab:5.18"):
            chosen = [case.id for case in select(Role.SERVER, include=[glob])]
            assert "6455/5.4/4.1" in chosen
            assert {"6455/5.4"} == {CASES[id].section for id in chosen}

        without = select(Role.SERVER, include=["6455/5.4"], exclude=["6455/5.4/4"])
        assert [] == [case.id for case in without if case.group == "6455/5.4/4"]

    def test_counts_as_people_do(self) -> None:
        """5.2 comes before 5.10."""
        ids = [
            "6455/5.10/1",
            "6455/5.2/10.1",
            "6455/5.2/2",
            "6455/5.2/2.10",
            "6455/5.2/2.9",
            "6455/size/1.1",
            "7692/5/1",
        ]

        assert [ids[index] for index in (5, 2, 4, 3, 1, 0, 6)] == sorted(ids, key=order)

    def test_by_role_level_and_tier(self, page: dict[str, Case]) -> None:
        """What is not for this side, not strict enough or too large is left out."""
        put("6455/9/1", MUST, roles=SERVER)
        put("6455/9/2", MAY)
        put("6455/9/3", MUST, tier=Tier.SIZE)

        assert ["6455/9/2"] == [case.id for case in select(Role.CLIENT)]
        assert ["6455/9/1"] == [case.id for case in select(Role.SERVER, levels=[MUST])]
        assert ["6455/9/3"] == [case.id for case in select(Role.SERVER, tiers=[Tier.SIZE])]


class TestTarget:
    """Who is tested."""

    def test_that_is_not_there(self) -> None:
        """Nobody is a target: that is said, and no verdict is given."""
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))  # And does not listen.
            url = f"ws://127.0.0.1:{bound.getsockname()[1]}"
            with pytest.raises(Unreachable, match=url):
                run(url, include=["6455/5.4/4.1"])

    def test_that_is_neither_server_nor_client(self) -> None:
        """One of both is said."""
        with pytest.raises(ValueError, match="URL of a server, or the command of a client"):
            run()


@pytest.mark.parametrize("settings", [{"total": 0.3}, {"fail_fast": True, "jobs": 1}])
def test_a_run_may_end_before_its_end(page: dict[str, Case], settings: dict[str, Any]) -> None:
    """What was found until then is in the report, which is not complete."""

    async def slow(peer: Peer) -> None:
        """It ends."""
        await asyncio.get_running_loop().create_future()

    put("6455/9/1", MUST, Wrong("this", "that"))
    family("6455/9/2", MUST, alone=True)(slow)

    async def go() -> Report:
        async with echo_server() as target:
            return await run_all(select(Role.SERVER), target, Settings(**settings))

    report = asyncio.run(go())
    assert (["6455/9/1"], False) == ([result.id for result in report.failures], report.complete)


def test_every_case_says_what_it_wants() -> None:
    """A requirement is one sentence; whoever reads a title knows the case."""
    for case in CASES.values():
        assert case.requirement.endswith(".")
        assert case.title
        assert case.roles <= BOTH
        assert all(hasattr(Declared(), name) for name in case.needs)
        assert case.opening in Opening


def test_what_a_client_does_not_offer_is_not_asked_for() -> None:
    """The cases about compression are skipped with a client that offers no extension at all."""
    report = report_on_ours("client, asyncio", "7692/6/1.1", "7692/7.2.1/2.3", "7692/7.2.3/2.1")
    assert 3 * [Verdict.SKIP] == [result.verdict for result in report.results], report.results
