"""The cases about frames: right endpoints pass them, and one that is wrong in one thing is caught by just these."""

import asyncio
import sys
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from rawws import aio, blocking
from rawws.conformance import ClientTarget, Declared, Settings, Target, Verdict
from rawws.conformance import run_cases as run_all
from rawws.conformance.case import BOTH, CASES, LIM, Case
from rawws.conformance.suite import select
from rawws.conformance.target import ServerTarget
from rawws.core.settings import Role
from tests.conformance.zoo import costs, fragments, frames
from tests.conformance.zoo.between import Animal, InProcess, client_target, server_target

ANIMALS = [*frames.ANIMALS, *fragments.ANIMALS]

SECTIONS = ("6455/5.1", "6455/5.2", "6455/5.3", "6455/5.4", "6455/5.5", "6455/5.5.2", "6455/5.5.3")
MIB = 1 << 20
FINE = (Verdict.PASS, Verdict.INFO)
CLIENT_SCRIPT = """
import sys
from rawws.blocking import connect
try:
    with connect(sys.argv[1]) as ws:
        for message in ws:
            ws.send(message)
except Exception as error:
    print(error)
"""


def about(role: Role, *globs: str) -> list[Case]:
    """The cases that are no floods."""
    return [case for case in select(role, include=globs) if case.level is not LIM]


async def wrong(target: Target, cases: Iterable[Case]) -> dict[str, str]:
    """The cases that are not passed, and why."""
    report = await run_all(list(cases), target, Settings(jobs=8))
    return {result.id: result.reason for result in report.results if result.verdict not in FINE}


# --- Right ones ---------------------------------------------------------------------------------------------------


async def _echo(ws: aio.WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


def _blocking_echo(ws: blocking.WebSocket) -> None:
    for message in ws:
        ws.send(message)


async def _client(url: str) -> None:
    async with aio.connect(url) as ws:
        await _echo(ws)


async def _asyncio_server(cases: Iterable[Case], **options: Any) -> dict[str, str]:
    async with aio.serve(_echo, "127.0.0.1", 0) as server:
        return await wrong(ServerTarget(f"ws://127.0.0.1:{server.port}/", **options), cases)


def test_our_asyncio_server_passes() -> None:
    """It does all that sections 5.1 to 5.5 ask for."""
    assert {} == asyncio.run(_asyncio_server(about(Role.SERVER, *SECTIONS)))


def test_our_asyncio_client_passes() -> None:
    """So does the client."""
    assert {} == asyncio.run(wrong(InProcess(_client), about(Role.CLIENT, *SECTIONS)))


def test_our_blocking_server_passes() -> None:
    """So does the server with threads."""
    with blocking.serve(_blocking_echo, "127.0.0.1", 0) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        found = asyncio.run(wrong(ServerTarget(f"ws://127.0.0.1:{server.port}/"), about(Role.SERVER, *SECTIONS)))
    serving.join()

    assert {} == found


def test_our_blocking_client_passes(tmp_path: Any) -> None:
    """So does the client that is started as a process; a sample, since each case starts one."""
    script = tmp_path / "client.py"
    script.write_text(CLIENT_SCRIPT)
    globs = ("6455/5.1/2.7", "6455/5.1/4", "6455/5.2/1.8", "6455/5.2/3", "6455/5.2/42", "6455/5.3/1", "6455/5.4/2.1")

    assert {} == asyncio.run(wrong(ClientTarget(f"{sys.executable} {script} {{url}}"), about(Role.CLIENT, *globs)))


def test_limits_of_ours_hold() -> None:
    """What is announced, what grows and what is noise costs our server little."""
    cases = select(
        Role.SERVER, include=["6455/10.4/1", "6455/10.4/2", "6455/10.4/3.1", "6455/10.4/5.1", "6455/5.5.2/5.1"]
    )

    assert {} == asyncio.run(_asyncio_server(cases, declared=Declared(max_size=MIB)))


@pytest.mark.slow
def test_all_floods_leave_ours_alive() -> None:
    """No flood is too much, of either side."""
    globs = ["6455/10.4", "6455/5.5.2/5"]
    declared = Declared(max_size=MIB)

    assert {} == asyncio.run(_asyncio_server(select(Role.SERVER, include=globs), declared=declared))
    assert {} == asyncio.run(wrong(InProcess(_client, declared=declared), select(Role.CLIENT, include=globs)))


# --- Wrong ones ---------------------------------------------------------------------------------------------------


def ids(text: str, role: Role) -> set[str]:
    """The cases that an animal names, as far as they are about this side."""
    found = set()
    for word in text.split():
        group, _, numbers = word.rpartition("/")[2].partition(".")
        head = word.rpartition("/")[0] + "/" + group
        for part in numbers.split(",") if numbers else ():
            first, _, last = part.partition("-")
            found |= {f"{head}.{number}" for number in range(int(first), int(last or first) + 1)}
        found |= set() if numbers else {head}
    return {id for id in found if role in CASES[id].roles}


async def caught_by(animal: Animal, role: Role, cases: list[Case], **options: Any) -> dict[str, str]:
    """The cases that it does not pass."""
    if role is Role.CLIENT:
        return await wrong(client_target(animal, **options), cases)
    async with server_target(animal, **options) as target:
        return await wrong(target, cases)


def _in_roles(animals: list[Animal]) -> list[Any]:
    """Each as a server, if it can be one, and as a client; the second only with --slow."""
    return [
        pytest.param(animal, role, id=f"{animal}-{role.value}", marks=[pytest.mark.slow] * (n > 0 or animal.slow))
        for animal in animals
        for n, role in enumerate(sorted(animal.roles, key=lambda role: role.value, reverse=True))
    ]


@pytest.mark.parametrize("animal, role", _in_roles(ANIMALS))
def test_what_is_wrong_is_caught(animal: Animal, role: Role) -> None:
    """The cases that it breaks fail, and no others."""
    found = asyncio.run(caught_by(animal, role, about(role, *SECTIONS)))

    expected = ids(animal.caught_by, role)
    assert expected == found.keys() - (ids(animal.perhaps, role) - expected), found


@pytest.mark.parametrize("animal, role", _in_roles(costs.ANIMALS))
def test_what_costs_too_much_is_caught(animal: Animal, role: Role) -> None:
    """Each of its cases fails with a target of its own, for it may be dead afterwards."""
    for id in sorted(ids(animal.caught_by, role)):
        # A small message is enough for one that has no limit at all.
        case = replace(CASES[id], entry=(4 * MIB,)) if id == "6455/10.4/2.1" else CASES[id]
        declared = Declared(max_size=MIB if id == "6455/10.4/2.2" else None)
        assert {id} == asyncio.run(caught_by(animal, role, [case], declared=declared)).keys()


def test_every_family_has_an_animal() -> None:
    """There is no case about frames that nothing can fail, but those that say which of several ways was seen."""
    globs = (*SECTIONS, "6455/10.4")
    about_them = {case.id for role in BOTH for case in select(role, include=globs) if case.level.value != "MAY"}

    caught = {
        id for animal in [*ANIMALS, *costs.ANIMALS] for role in animal.roles for id in ids(animal.caught_by, role)
    }
    assert set() == about_them - caught
