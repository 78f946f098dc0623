"""The cases about the opening handshake of a client: ours pass, and each wrong one is caught by exactly its cases."""

import asyncio
import contextlib
import re
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from rawws import ConnectionClosed, Deflate, HandshakeRejected, RemoteProtocolError, aio
from rawws.conformance import (
    CASES,
    ClientTarget,
    Declared,
    Patience,
    Report,
    Settings,
    Target,
    Verdict,
    run_cases,
    select,
)
from rawws.conformance.case import Case
from rawws.core.settings import Role
from tests.conformance.targets import PATIENCE, Client, Running
from tests.conformance.zoo.clients_handshake import ANIMALS
from tests.conformance.zoo.mishearing import Animal, live

FAMILIES = ["6455/4.1/*", "6455/9.1/2.*", "7692/7/3.*", "7692/7.1.1/2", "7692/7.1.2/[45].*"]
SLOW = ["6455/4.1/8", "6455/4.1/11", "6455/4.1/33"]
"""Cases about time, and about TLS."""

FAST = Patience(reply=1.5, close=0.5)


def cases(*include: str, exclude: list[str] | None = None) -> list[Case]:
    """The cases about the handshake of a client."""
    return select(Role.CLIENT, include=include or FAMILIES, exclude=exclude or [])


def report_on(target: Target, chosen: list[Case]) -> Report:
    """Run them."""
    return asyncio.run(run_cases(chosen, target, Settings(jobs=8)))


def complaints(report: Report) -> dict[str, str]:
    """What is not right, by the id."""
    told = {Verdict.FAIL, Verdict.WARN, Verdict.ERROR}
    return {result.id: result.reason for result in report.results if result.verdict in told or result.got}


def skipped(report: Report) -> set[str]:
    """The families of which nothing was seen."""
    return {CASES[result.id].group for result in report.results if result.verdict is Verdict.SKIP}


def ids(patterns: str) -> set[str]:
    """The cases that an animal names."""
    found: set[str] = set()
    for pattern in patterns.split():
        run = re.fullmatch(r"(.*\.)(\d+)-(\d+)", pattern)
        wanted = [f"{run[1]}{n}" for n in range(int(run[2]), int(run[3]) + 1)] if run else [pattern]
        for glob in wanted:
            matching = {case.id for case in cases(glob)}
            assert matching, f"there is no case {glob}"
            found |= matching
    return found


# --- Ours -----------------------------------------------------------------------------------------------------------

QUIET = ConnectionClosed, HandshakeRejected, RemoteProtocolError, OSError


async def ours(url: str) -> None:
    """Our client with asyncio, with everything to offer."""
    with contextlib.suppress(*QUIET):
        async with aio.connect(url, compression=Deflate(15, 15), subprotocols=["chat", "superchat"]) as ws:
            async for message in ws:
                await ws.send(message)


def test_our_client_passes() -> None:
    """Every case about the handshake, but for TLS, which needs a process: below."""
    report = report_on(Client(ours, patience=PATIENCE), cases(exclude=["6455/4.1/11"]))

    assert {} == complaints(report)
    assert {"6455/4.1/10", "6455/4.1/26", "6455/4.1/27"} == skipped(report)


def test_a_client_that_offers_nothing_passes() -> None:
    """What is not offered cannot be chosen, and cases about it are skipped."""

    async def bare(url: str) -> None:
        with contextlib.suppress(*QUIET):
            async with aio.connect(url) as ws:
                async for message in ws:
                    await ws.send(message)

    chosen = cases("6455/4.1/26", "6455/4.1/27", "6455/4.1/29", "6455/9.1/2", "7692/*")
    report = report_on(Client(bare, patience=PATIENCE), [case for case in chosen if case in cases()])

    assert {} == complaints(report)
    assert {"6455/4.1/26.1", "6455/4.1/27.4", "6455/9.1/2.2"} <= {
        result.id for result in report.results if result.verdict is Verdict.PASS
    }


BLOCKING = """
import sys
from rawws import Deflate
from rawws.blocking import connect
with connect(sys.argv[1], compression=Deflate()) as ws:
    for message in ws:
        ws.send(message)
"""


def test_a_process_for_each_connection_passes(tmp_path: Any) -> None:
    """Our blocking client, as a command: a sample, and TLS, for which it is told in its environment whom to trust."""
    program = tmp_path / "client.py"
    program.write_text(BLOCKING)
    chosen = cases("6455/4.1/3", "6455/4.1/11", "6455/4.1/21.1", "6455/4.1/25.3", "6455/4.1/31", "7692/7.1.1/2")
    report = report_on(ClientTarget(f"{sys.executable} {program} {{url}}"), chosen)

    assert {} == complaints(report)
    assert set() == skipped(report)


def test_a_command_that_fails_is_not_waited_for() -> None:
    """A process that ends before it connects is told of at once."""
    report = report_on(ClientTarget(f"{sys.executable} -c pass"), cases("6455/4.1/1"))

    assert ["it has ended"] == [result.got for result in report.results]
    assert report.seconds < 10


# --- The zoo --------------------------------------------------------------------------------------------------------


def judge(animal: Animal) -> Report:
    """Run every case against it, and of those that take long only the ones that it is about."""
    wanted = ids(animal.caught_by)
    chosen = [case for case in cases() if case.id in wanted or not any(map(case.matches, SLOW))]

    async def alive(url: str) -> None:
        with contextlib.suppress(OSError):
            await live(animal, url)

    return report_on(Client(alive, patience=FAST), chosen)


def test_the_right_client_of_the_zoo_passes() -> None:
    """What the animals are made of is right."""
    right = Animal("right", "6455/4.1/8 6455/4.1/33.*")

    assert {} == complaints(judge(right))


@pytest.mark.parametrize("animal", ANIMALS, ids=str)
def test_a_wrong_client_is_caught_by_exactly_these(animal: Animal) -> None:
    """What is wrong fails the cases that are about it, and no others."""
    assert ids(animal.caught_by) == {*complaints(judge(animal))}


def calling(connect: Callable[[str], Awaitable[None]], *include: str, commands: bool = False) -> dict[str, str]:
    """What these cases complain of."""
    return complaints(report_on(Client(connect, patience=FAST, declared=Declared(commands=commands)), cases(*include)))


def test_a_client_that_does_not_wait_is_caught() -> None:
    """A frame in front of the answer."""

    async def hasty(url: str) -> None:
        host, port = url.removeprefix("ws://").rstrip("/").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x89\x80\0\0\0\0"
        )
        await reader.read()
        writer.close()

    assert {"6455/4.1/8", "6455/4.1/33.1"} == {*calling(hasty, "6455/4.1/8", "6455/4.1/33.1")}


def test_a_client_that_loses_what_comes_with_the_answer_is_caught() -> None:
    """Whether other cases suffer, too, depends on how TCP cuts."""
    animal = Animal("", "", hears=lambda key, answer: answer[: answer.index(b"\r\n\r\n") + 4])

    assert {"6455/4.1/31.1", "6455/4.1/31.2", "6455/4.1/31.3"} == {
        *calling(lambda url: live(animal, url), "6455/4.1/31")
    }


def test_a_client_that_follows_redirections_for_ever_is_caught() -> None:
    """To the same place, again and again."""

    async def obedient(url: str) -> None:
        while True:
            try:
                async with aio.connect(url) as ws:
                    async for message in ws:
                        await ws.send(message)
                return
            except HandshakeRejected as error:
                if error.status != 301:
                    return
            except QUIET:
                return

    assert {"6455/4.1/21.1"} == {*calling(obedient, "6455/4.1/21")}


@pytest.mark.parametrize("at_once", [True, False])
def test_a_client_that_asks_twice_at_once_is_caught(at_once: bool) -> None:
    """It has to wait until the first of two connections is open."""

    async def told(url: str) -> None:
        lock: Any = contextlib.nullcontext() if at_once else asyncio.Lock()

        async def one() -> None:
            async with lock:
                ws = await aio.connect(url)
            async with ws:
                async for message in ws:
                    if message == "/connect":
                        await asyncio.gather(one(), one())
                    else:
                        await ws.send(message)

        with contextlib.suppress(*QUIET):
            await one()

    caught = calling(told, "6455/4.1/10", commands=True)
    assert ({"6455/4.1/10"} if at_once else set()) == {*caught}


# --- TLS ------------------------------------------------------------------------------------------------------------


class Trusting(Client):
    """A client that looks into the environment for whom to trust, and changes what it makes of that."""

    def __init__(self, change: Callable[[ssl.SSLContext], None], name: str | None = None) -> None:
        super().__init__(ours, patience=FAST)
        self.change = change
        self.server_name = name

    async def _run(self, url: str, env: Mapping[str, str]) -> Any:
        return Running(asyncio.ensure_future(self._connect(url, env)))

    async def _connect(self, url: str, env: Mapping[str, str]) -> None:
        if url.startswith("ws:"):
            await ours(url)
            return
        context = ssl.create_default_context(cafile=env.get("SSL_CERT_FILE"))
        self.change(context)
        host, port = url.removeprefix("wss://").rstrip("/").split(":")
        with contextlib.suppress(OSError):
            name = host if self.server_name is None else self.server_name
            reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=name)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await reader.read()
            writer.close()


def _verifies_nothing(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def _looks_at_no_name(context: ssl.SSLContext) -> None:
    context.check_hostname = False


NO_CHECK_TIME = 0x200000
"""Of OpenSSL."""


def _looks_at_no_time(context: ssl.SSLContext) -> None:
    context.verify_flags |= NO_CHECK_TIME


@pytest.mark.parametrize(
    "client, caught_by",
    [
        (Trusting(lambda context: None), ""),
        (Trusting(_verifies_nothing), "6455/4.1/11.2-4"),
        (Trusting(_looks_at_no_name), "6455/4.1/11.3"),
        (Trusting(_looks_at_no_time), "6455/4.1/11.4"),
        (Trusting(_looks_at_no_name, ""), "6455/4.1/11.1 6455/4.1/11.3"),
    ],
    ids=["right", "verifies-nothing", "looks-at-no-name", "looks-at-no-time", "says-no-name"],
)
def test_a_client_that_trusts_too_much_is_caught(client: Client, caught_by: str) -> None:
    """A certificate that proves nothing has to end the attempt."""
    assert ids(caught_by) == {*complaints(report_on(client, cases("6455/4.1/11")))}


def test_a_client_that_speaks_no_tls_is_caught() -> None:
    """To a wss:// URL it talks in the clear."""

    async def plain(url: str) -> None:
        await ours(url.replace("wss:", "ws:"))

    assert ids("6455/4.1/11.1-4") == {*calling(plain, "6455/4.1/11")}


def test_a_client_that_trusts_nobody_is_not_judged() -> None:
    """That it refuses a bad certificate says nothing if it refuses a good one, too."""

    async def strict(url: str) -> None:
        await ours(url)

    report = report_on(Client(strict, patience=FAST), cases("6455/4.1/11"))
    assert {} == complaints(report)
    assert 3 == report.count(Verdict.SKIP)
