"""Running many cases: in what order, and what becomes of them when the target dies in one of them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rawws import aio
from rawws.conformance import CASES, Patience, Report, Result, ServerTarget, Settings, Unreachable, Verdict, select
from rawws.conformance import run_cases as run
from rawws.conformance.case import LIM, MUST, Case, family
from rawws.conformance.peer import Peer
from rawws.core.settings import Role
from tests.conformance.peers.playing import Restarted

MORTAL = """
import os, sys
from rawws.blocking import serve

def echo(ws):
    for message in ws:
        if message == "die":
            os._exit(1)
        ws.send(message)

with serve(echo, "127.0.0.1", int(sys.argv[1])) as server:
    print(server.port, flush=True)
    server.serve_forever()
"""
"""A server that ends when it is told to."""


@pytest.fixture
def page() -> Iterator[dict[str, Case]]:
    """A page of cases that is thrown away afterwards."""
    before = dict(CASES)
    CASES.clear()
    yield CASES
    CASES.clear()
    CASES.update(before)


@asynccontextmanager
async def mortal(lives: int) -> AsyncIterator[ServerTarget]:
    """A server that is started so many times, each time when it was missed after its death."""
    coming: asyncio.Future[Restarted] = asyncio.get_running_loop().create_future()

    async def supervise() -> None:
        for _ in range(lives):
            port = coming.result().uri.port if coming.done() else 0
            server = await asyncio.create_subprocess_exec(
                sys.executable, "-c", MORTAL, str(port), stdout=asyncio.subprocess.PIPE
            )
            try:
                assert server.stdout is not None
                port = int(await server.stdout.readline())
                if not coming.done():
                    coming.set_result(Restarted(f"ws://127.0.0.1:{port}/", patience=Patience(reply=10.0)))
                coming.result().missed.clear()
                await server.wait()
                await coming.result().missed.wait()
            finally:
                if server.returncode is None:
                    server.kill()
                    await server.wait()

    supervising = asyncio.create_task(supervise())
    try:
        yield await coming
    finally:
        supervising.cancel()
        await asyncio.wait([supervising])


def put(id: str, *words: str, **more: Any) -> None:
    """A case that says these words, and each comes back; "die" does not."""

    async def call(peer: Peer) -> None:
        """They come back."""
        for word in words:
            await peer.send(peer.text(word))
            await peer.echoes(word)

    family(id, MUST, **more)(call)


def found(lives: int, *, report: Report | None = None, **settings: Any) -> Report:
    """What a run against such a server finds; it has much time to be there again."""

    async def go() -> Report:
        async with mortal(lives) as target:
            return await run(select(Role.SERVER), target, Settings(**{"restart": 60.0} | settings), report=report)

    return asyncio.run(go())


def failures(report: Report) -> dict[str, str]:
    """The ids that failed, and what came."""
    return {result.id: result.got for result in report.failures}


@pytest.mark.parametrize("jobs", [1, 8])
def test_the_case_that_it_dies_of_fails_and_no_other(page: dict[str, Case], jobs: int) -> None:
    """Those that were under way are asked once more when it has been started again, and then all the others."""
    for number in range(1, 30):
        put(f"6455/9/{number}", *["die"] * (number == 7), *["one", "two", "three"])

    report = found(4, jobs=jobs)

    assert {"6455/9/7": "it does not answer any more"} == failures(report)
    assert (29, True, []) == (len(report.results), report.complete, report.problems)


def test_a_case_that_runs_alone_is_blamed_at_once(page: dict[str, Case]) -> None:
    """Nothing else was under way: what was heard in it is kept."""
    put("6455/9/1", "one")
    put("6455/9/2", "die", alone=True)
    put("6455/9/3", "one", alone=True)

    report = found(2)

    [result] = report.failures
    assert ("6455/9/2", True) == (result.id, bool(result.transcripts))
    assert 3 == len(report.results)


def test_one_that_is_not_started_again_ends_the_run(page: dict[str, Case]) -> None:
    """It is said when it went, and what was found before is kept."""
    put("6455/9/1", "one")
    put("6455/9/2", "die")
    put("6455/9/3", "one")
    report = Report("a server", Role.SERVER)

    with pytest.raises(Unreachable, match=r"it went in or before 6455/9/2$"):
        found(1, report=report, jobs=1, restart=0.5)

    assert (["6455/9/1", "6455/9/2"], False) == ([result.id for result in report.results], report.complete)


def test_one_that_dies_of_nothing_that_was_asked_is_told(page: dict[str, Case]) -> None:
    """A target that was gone for a while, and not when it is asked again, is a problem of the run as a whole."""
    died = asyncio.Event()

    async def once(peer: Peer) -> None:
        """It comes back."""
        word = "one" if died.is_set() else "die"
        died.set()
        await peer.send(peer.text(word))
        await peer.echoes(word)

    put("6455/9/1", "one")
    family("6455/9/2", MUST)(once)
    put("6455/9/3", *["one"] * 1000, waits=True)

    report = found(2, jobs=1)

    assert {} == failures(report)
    [problem] = report.problems
    assert problem in {
        f"the target was gone once, in or before 6455/9/{one} or 6455/9/{two}, and not when asked again"
        for one, two in ((2, 3), (3, 2))
    }


def test_one_that_answers_no_more_is_asked_all_the_rest(page: dict[str, Case]) -> None:
    """A target that is there and hangs has its time to recover; then every case has a verdict all the same."""
    deaf = asyncio.Event()

    async def echo(ws: aio.WebSocket) -> None:
        async for message in ws:
            if message == "die":
                deaf.set()
            if deaf.is_set():
                await asyncio.Event().wait()
            await ws.send(message)

    async def go() -> Report:
        async with aio.serve(echo, "127.0.0.1", 0) as server:
            target = ServerTarget(f"ws://127.0.0.1:{server.port}/", patience=Patience(reply=0.2, close=0.1))
            return await run(select(Role.SERVER), target, Settings(recovery=0.0, jobs=1))

    for number, word in enumerate(("one", "die", "two"), 1):
        put(f"6455/9/{number}", word)
    report = asyncio.run(go())

    assert dict.fromkeys(("6455/9/2", "6455/9/3"), "it does not answer any more") == failures(report)
    assert ["it does not answer any more, since or before 6455/9/2"] == report.problems


class OneAtATime(ServerTarget):
    """A target that says of itself that it serves one connection at a time."""

    async def serves_many(self) -> bool:
        """It does not."""
        return False


def asked(kind: type[ServerTarget], **settings: Any) -> dict[str, Verdict]:
    """What a right server comes to."""

    async def echo(ws: aio.WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    async def go() -> Report:
        async with aio.serve(echo, "127.0.0.1", 0) as server:
            return await run(select(Role.SERVER), kind(f"ws://127.0.0.1:{server.port}/"), Settings(**settings))

    return {result.id: result.verdict for result in asyncio.run(go()).results}


def test_what_waits_runs_beside_all_others(page: dict[str, Case]) -> None:
    """It begins first, and even one that runs alone does not wait for it."""
    last = asyncio.Event()

    async def waits(peer: Peer) -> None:
        """It ends."""
        await last.wait()

    async def ends(peer: Peer) -> None:
        """It ends."""
        last.set()

    family("6455/9/1", MUST, waits=True)(waits)
    family("6455/9/2", LIM, alone=True)(ends)

    assert dict.fromkeys(("6455/9/1", "6455/9/2"), Verdict.PASS) == asked(ServerTarget, jobs=1)


def test_what_waits_runs_by_itself_where_one_is_served_at_a_time(page: dict[str, Case]) -> None:
    """A server that serves one connection after the other is not blamed for it in every case."""
    under_way: list[str] = []

    async def waits(peer: Peer) -> None:
        """It is by itself."""
        assert [] == under_way

    async def another(peer: Peer) -> None:
        """It ends."""
        under_way.append("another")
        await peer.send(peer.text("one"))
        await peer.echoes("one")
        under_way.remove("another")

    family("6455/9/1", MUST, waits=True)(waits)
    family("6455/9/2", MUST, None, {str(n): () for n in range(20)})(another)

    assert {Verdict.PASS} == {*asked(OneAtATime).values()}


def test_what_a_listener_raises_is_raised_as_it_is(page: dict[str, Case]) -> None:
    """An error of whoever is told the verdicts is no verdict."""
    put("6455/9/1", "one")

    def full(result: Result) -> None:
        raise OSError("no space left")

    async def go() -> None:
        async with mortal(1) as target:
            await run(select(Role.SERVER), target, on_result=full)

    with pytest.raises(OSError, match="no space left"):
        asyncio.run(go())


def test_verdicts_are_in_the_order_of_the_ids(page: dict[str, Case]) -> None:
    """However they came."""
    put("6455/9/10", "one")
    put("6455/9/2", "one", alone=True)

    report = found(1)

    assert [("6455/9/2", Verdict.PASS), ("6455/9/10", Verdict.PASS)] == [(r.id, r.verdict) for r in report.results]
