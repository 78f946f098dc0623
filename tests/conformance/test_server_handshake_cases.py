"""The cases about a server's opening handshake: a right server passes them, and each wrong one is caught."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme

from rawws import Response, aio, blocking
from rawws.conformance import Declared, Patience, Report, ServerTarget, Settings, Verdict, run_cases, select
from rawws.conformance.case import Case
from rawws.core.settings import Role
from tests.conformance.targets import Expecting
from tests.conformance.zoo.kind import catchers
from tests.conformance.zoo.lying import KNOWN, MISSING, Animal, Sniffing, living, sniffing
from tests.conformance.zoo.servers_handshake import ANIMALS, SNIFFING

FAMILIES = ["6455/4.2.1/*", "6455/4.2.2/*", "6455/9.1/1.*", "7692/5/*", "7692/7/1.*", "7692/7/2.*", "7692/7.1.1/1.*"]
FAMILIES += ["7692/7.1.2/[123].*", "7692/7.1.2/6"]
NO_TLS = {"6455/4.2.2/13.1", "6455/4.2.2/13.2"}

DECLARED = Declared(subprotocol=KNOWN, bad_path=MISSING, origin_policy="deny")
FAST = Patience(reply=1.0, close=0.3)
# Long enough for a machine that does something else meanwhile: nothing in a right server waits for it.
AMPLE = Patience(reply=5.0, close=2.0)


def cases(*include: str) -> list[Case]:
    """The cases about the handshake of a server."""
    return select(Role.SERVER, include=include or FAMILIES)


async def report_on(url: str, chosen: list[Case], **options: Any) -> Report:
    """Run them."""
    settings: dict[str, Any] = {"declared": DECLARED, "patience": AMPLE} | options
    return await run_cases(chosen, ServerTarget(url, **settings))


def complaints(report: Report) -> dict[str, str]:
    """What is not right, by the id."""
    told = {Verdict.FAIL, Verdict.WARN, Verdict.ERROR}
    return {result.id: result.reason for result in report.results if result.verdict in told or result.got}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serving(authority: trustme.CA) -> ssl.SSLContext:
    """The context of a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """The context of a client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


def process(request: Any) -> Response | None:
    """What makes `MISSING` be missing."""
    return Response(404) if request.target == MISSING else None


OPTIONS: dict[str, Any] = {"subprotocols": [KNOWN], "process_request": process}


async def echo(ws: aio.WebSocket) -> None:
    """What a target has to be."""
    async for message in ws:
        await ws.send(message)


def blocking_echo(ws: blocking.WebSocket) -> None:
    """The same."""
    for message in ws:
        ws.send(message)


@contextlib.asynccontextmanager
async def ours(transport: str, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """A server of ours; its port."""
    if transport == "aio":
        async with aio.serve(echo, "localhost", 0, ssl=context, **OPTIONS) as served:
            yield served.port
        return
    with blocking.serve(blocking_echo, "localhost", 0, ssl=context, **OPTIONS) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.port
    await asyncio.to_thread(thread.join)


@pytest.mark.parametrize("transport", ["aio", "blocking"])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_our_own_servers_pass_every_case(transport: str, scheme: str, authority: trustme.CA) -> None:
    """With all declared nothing is wrong with our servers, and nothing is skipped but what is about TLS."""

    async def go() -> Report:
        async with ours(transport, serving(authority) if scheme == "wss" else None) as port:
            return await report_on(f"{scheme}://localhost:{port}/", cases(), ssl=trusting(authority))

    report = asyncio.run(go())

    assert {} == complaints(report)
    assert ({*NO_TLS} if scheme == "ws" else set()) == {
        result.id for result in report.results if result.verdict is Verdict.SKIP
    }


def test_what_is_not_declared_is_skipped() -> None:
    """A case about a subprotocol, a path or a policy that nobody told of says which option it needs."""

    async def go() -> Report:
        async with ours("aio", None) as port:
            chosen = cases("6455/4.2.2/4", "6455/4.2.2/6", "6455/4.2.2/7")
            return await report_on(f"ws://localhost:{port}/", chosen, declared=Declared())

    reasons = {result.id.partition(".1")[0]: result.reason for result in asyncio.run(go()).results}

    assert {"needs --subprotocol", "needs --bad-path", "needs --origin-policy"} == {*reasons.values()}


def test_a_server_said_to_take_any_origin_has_to_take_it() -> None:
    """With `--origin-policy allow` it is the refusal that is wrong."""

    async def go() -> Report:
        async with ours("aio", None) as port:
            declared = Declared(origin_policy="allow")
            return await report_on(f"ws://localhost:{port}/", cases("6455/4.2.2/7"), declared=declared)

    assert {"6455/4.2.2/7.1", "6455/4.2.2/7.2"} == {*complaints(asyncio.run(go()))}


def test_a_server_without_compression_is_not_blamed() -> None:
    """Declining every offer is right, and so is to be said to know nothing of it."""

    async def go(deflate: bool | None) -> Report:
        async with aio.serve(echo, "localhost", 0, compression=None) as server:
            chosen = cases("7692/*", "6455/9.1/1")
            return await report_on(f"ws://localhost:{server.port}/", chosen, declared=Declared(deflate=deflate))

    assert {} == complaints(asyncio.run(go(None)))
    assert {} == complaints(asyncio.run(go(False)))


# --- The zoo --------------------------------------------------------------------------------------------------------


def judge(animal: Animal, little: Patience = FAST) -> Report:
    """Run every case against it, and of those that need a quiet target only the ones that it is about.

    Where it is not expected to answer it is waited for a little.
    """

    async def go() -> Report:
        wanted = catchers(animal, Role.SERVER)
        chosen = [case for case in cases() if not case.alone or case.id in wanted]
        async with living(animal) as port:
            server = ServerTarget(f"ws://127.0.0.1:{port}/", declared=DECLARED)
            return await run_cases(chosen, Expecting(server, wanted, little), Settings(recovery=1.0))

    return asyncio.run(go())


def test_the_right_server_of_the_zoo_passes() -> None:
    """What the animals are made of is right."""
    right = Animal("right", " ".join(case.id for case in cases()))

    assert {} == complaints(judge(right, AMPLE))


@pytest.mark.parametrize("animal", ANIMALS, ids=str)
def test_a_wrong_server_is_caught_by_exactly_these(animal: Animal) -> None:
    """What is wrong fails the cases that are about it, and no others."""
    assert catchers(animal, Role.SERVER) == {*complaints(judge(animal))}


@pytest.mark.parametrize("animal", SNIFFING, ids=str)
def test_a_server_that_speaks_without_tls_is_caught(animal: Sniffing, authority: trustme.CA) -> None:
    """One port for both is a server that can be talked out of TLS; it is worse if it does not even speak with it."""

    async def go() -> Report:
        secured = aio.serve(echo, "127.0.0.1", 0, ssl=serving(authority), **animal.options)
        async with secured as one, aio.serve(echo, "127.0.0.1", 0) as other, sniffing(one.port, other.port) as port:
            chosen = cases("6455/4.2.2/13")
            return await report_on(f"wss://localhost:{port}/", chosen, ssl=trusting(authority))

    assert catchers(animal, Role.SERVER) == {*complaints(asyncio.run(go()))}
