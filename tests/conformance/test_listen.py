"""A client that comes and asks for the cases itself, as adapters for Autobahn's fuzzing server do."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rawws import ConnectionClosed, Deflate, HandshakeRejected, RemoteProtocolError, aio, blocking
from rawws.conformance import ListeningTarget, Patience, Report, Result, Settings, Unreachable, Verdict, select
from rawws.conformance.case import Case
from rawws.core.settings import Role
from tests.conformance.targets import PATIENCE

QUIET = ConnectionClosed, HandshakeRejected, RemoteProtocolError, OSError
FEW = "6455/4.1/1", "6455/4.1/25", "6455/5.4/1"
SLOW = ["6455/4.1/33", "6455/10.4/*"]

Adapter = Callable[[str], Awaitable[object]]


async def asked(url: str) -> str:
    """What is said at this URL."""
    async with aio.connect(url) as ws:
        return "".join([str(message) async for message in ws])


async def asyncio_adapter(base: str) -> None:
    """Our client with asyncio."""
    for number in range(1, int(await asked(f"{base}/getCaseCount")) + 1):
        with contextlib.suppress(*QUIET):
            async with aio.connect(f"{base}/runCase?case={number}&agent=ours", compression=Deflate()) as ws:
                async for message in ws:
                    await ws.send(message)
    await asked(f"{base}/updateReports?agent=ours")


def adapter_that_blocks(base: str) -> None:
    """Our client that blocks."""
    with blocking.connect(f"{base}/getCaseCount") as ws:
        count = int(ws.recv())
    for number in range(1, count + 1):
        with (
            contextlib.suppress(*QUIET),
            blocking.connect(f"{base}/runCase?case={number}&agent=ours", compression=Deflate()) as ws,
        ):
            for message in ws:
                ws.send(message)
    with blocking.connect(f"{base}/updateReports?agent=ours") as ws:
        list(ws)


async def run(adapter: Adapter, chosen: list[Case], target: ListeningTarget | None = None, **settings: Any) -> Report:
    """Let an adapter run these cases."""
    target = ListeningTarget(port=0, patience=PATIENCE) if target is None else target
    clients: list[asyncio.Future[object]] = []
    results: list[Result] = []
    report = await target.run(
        chosen,
        Settings(**settings),
        on_result=results.append,
        on_listening=lambda url: clients.append(asyncio.ensure_future(adapter(url))),
    )
    for client in clients:
        client.cancel()
        await asyncio.wait([client])
    assert {result.id for result in report.results} == {result.id for result in results}
    return report


def complaints(report: Report) -> dict[str, str]:
    """What is not right, by the id."""
    told = {Verdict.FAIL, Verdict.WARN, Verdict.ERROR}
    return {result.id: result.reason for result in report.results if result.verdict in told}


@pytest.mark.parametrize("blocks", [False, True], ids=["asyncio", "blocking"])
def test_our_clients_pass_all_cases(blocks: bool) -> None:
    """In one process, the core tier takes seconds."""

    async def in_thread(base: str) -> None:
        await asyncio.to_thread(adapter_that_blocks, base)

    chosen = select(Role.CLIENT, exclude=SLOW)
    report = asyncio.run(run(in_thread if blocks else asyncio_adapter, chosen))

    assert {} == complaints(report)
    assert (True, "ours", len(chosen)) == (report.complete, report.target, len(report.results))


def test_a_case_is_told_about() -> None:
    """Its id before, and what became of it afterwards, in Autobahn's words."""
    said: list[dict[str, str]] = []

    async def curious(base: str) -> None:
        said.append(json.loads(await asked(f"{base}/getCaseInfo?case=1")))
        said.append(json.loads(await asked(f"{base}/getCaseStatus?case=1&agent=a")))
        with contextlib.suppress(*QUIET):
            await asked(f"{base}/runCase?case=1&agent=a")
        said.append(json.loads(await asked(f"{base}/getCaseStatus?case=1&agent=a")))
        await asked(f"{base}/updateReports?agent=a")

    asyncio.run(run(curious, select(Role.CLIENT, include=["6455/4.1/1"])))

    assert "6455/4.1/1" == said[0]["id"]
    assert [{"behavior": "UNIMPLEMENTED"}, {"behavior": "OK"}] == said[1:]


def test_what_is_not_asked_for_is_skipped() -> None:
    """The report is then not complete."""

    async def lazy(base: str) -> None:
        with contextlib.suppress(*QUIET):
            await asked(f"{base}/runCase?case=2&agent=a")
        await asked(f"{base}/updateReports?agent=a")

    report = asyncio.run(run(lazy, select(Role.CLIENT, include=FEW)))

    assert not report.complete
    assert {"the client did not ask for it"} == {
        result.reason for result in report.results if result.verdict is Verdict.SKIP
    }
    assert 1 == report.count(Verdict.PASS)


def test_a_case_that_needs_more_ends_in_good_order() -> None:
    """An adapter that finds it skipped has seen a connection that opened and closed."""
    codes: list[int] = []

    async def polite(base: str) -> None:
        async with aio.connect(f"{base}/runCase?case=1&agent=a") as ws:
            assert [] == [message async for message in ws]
            codes.append(ws.closed.code)
        await asked(f"{base}/updateReports?agent=a")

    report = asyncio.run(run(polite, select(Role.CLIENT, include=["6455/4.1/2.1"])))

    assert [1000] == codes
    assert [Verdict.SKIP] == [result.verdict for result in report.results]


def test_a_client_that_goes_away_ends_the_run() -> None:
    """It does not have to say good-bye."""

    async def brief(base: str) -> None:
        with contextlib.suppress(*QUIET):
            await asked(f"{base}/runCase?case=1&agent=a")

    target = ListeningTarget(port=0, patience=PATIENCE, idle=0.2)
    report = asyncio.run(run(brief, select(Role.CLIENT, include=["6455/4.1/1"]), target))

    assert (True, 1) == (report.complete, report.count(Verdict.PASS))


def test_a_run_without_a_client_ends_in_time() -> None:
    """There is nothing in it, then."""

    async def nobody(base: str) -> None:
        pass

    report = asyncio.run(run(nobody, select(Role.CLIENT, include=FEW), total=0.2))

    assert (False, 0) == (report.complete, len(report.results))


def test_whatever_else_is_asked_for_is_not_there() -> None:
    """A number that is none, another path, and what speaks no HTTP."""
    statuses: list[int] = []

    async def strange(base: str) -> None:
        for path in ("/runCase?case=0", "/runCase?case=99", "/runCase", "/", "/getCaseInfo?case=x"):
            try:
                await asked(base + path)
            except HandshakeRejected as error:
                statuses.append(error.status)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
        writer.write(b"hello\r\n\r\n")
        await reader.read()
        writer.close()
        await asked(f"{base}/updateReports?agent=a")

    asyncio.run(run(strange, select(Role.CLIENT, include=["6455/4.1/1"])))

    assert [404] * 5 == statuses


def test_the_first_failure_may_be_the_last_case() -> None:
    """With `fail_fast`."""

    async def silent(base: str) -> None:
        for number in (1, 2):
            with contextlib.suppress(*QUIET):
                async with aio.connect(f"{base}/runCase?case={number}&agent=a") as ws:
                    await ws.recv()
        await asyncio.get_running_loop().create_future()

    target = ListeningTarget(port=0, patience=Patience(reply=0.3, close=0.3))
    report = asyncio.run(run(silent, select(Role.CLIENT, include=["6455/5.4/1"]), target, fail_fast=True))

    assert 1 == report.count(Verdict.FAIL)


def test_a_port_that_is_taken_is_told_of() -> None:
    """One clear line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        target = ListeningTarget(port=taken.getsockname()[1])
        with pytest.raises(Unreachable, match="cannot be listened on"):
            asyncio.run(target.run([]))


@pytest.mark.parametrize("host, found", [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("a.b", "a.b")])
def test_the_url_is_one_that_a_client_can_connect_to(host: str, found: str) -> None:
    """All addresses of a machine are none to connect to, not everywhere."""
    assert f"ws://{found}:9001" == ListeningTarget(host).url


def test_a_callback_that_raises_loses_nothing() -> None:
    """The run ends and raises it, and what was found stands in the report that was given."""
    report = Report("it", Role.CLIENT)

    def full(result: Result) -> None:
        raise OSError("the disk is full")

    async def go() -> None:
        adapters: list[asyncio.Future[object]] = []
        await ListeningTarget(port=0, patience=PATIENCE).run(
            select(Role.CLIENT, include=["6455/5.4/1"]),
            on_result=full,
            report=report,
            on_listening=lambda url: adapters.append(asyncio.ensure_future(asked(f"{url}/runCase?case=1&agent=it"))),
        )

    with pytest.raises(OSError, match="the disk is full"):
        asyncio.run(go())
    assert ["6455/5.4/1.1", "it"] == [report.results[0].id, report.target]
    assert report.count(Verdict.SKIP) == len(report.results) - 1
