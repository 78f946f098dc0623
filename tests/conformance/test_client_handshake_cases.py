"""The cases about the opening handshake of a client: ours pass, and each wrong one is caught by exactly its cases."""

import asyncio
import contextlib
import sys
from typing import Any

import pytest

from rawws import aio
from rawws.conformance import (
    CASES,
    ClientTarget,
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
from tests.conformance.targets import PATIENCE, Client, Expecting
from tests.conformance.zoo import clients_whole as whole
from tests.conformance.zoo.clients_handshake import ANIMALS
from tests.conformance.zoo.clients_whole import QUIET, ours
from tests.conformance.zoo.kind import catchers, ids
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


# --- Ours -----------------------------------------------------------------------------------------------------------


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
    wanted = catchers(animal, Role.CLIENT)
    chosen = [case for case in cases() if case.id in wanted or not any(map(case.matches, SLOW))]

    async def alive(url: str) -> None:
        with contextlib.suppress(OSError):
            await live(animal, url)

    return report_on(Expecting(Client(alive), wanted, FAST), chosen)


def test_the_right_client_of_the_zoo_passes() -> None:
    """What the animals are made of is right."""
    right = Animal("right", "6455/4.1/8 6455/4.1/33.*")

    assert {} == complaints(judge(right))


@pytest.mark.parametrize("animal", ANIMALS, ids=str)
def test_a_wrong_client_is_caught_by_exactly_these(animal: Animal) -> None:
    """What is wrong fails the cases that are about it, and no others."""
    assert catchers(animal, Role.CLIENT) == {*complaints(judge(animal))}


@pytest.mark.parametrize("animal", [*whole.RIGHT, *whole.ANIMALS], ids=str)
def test_a_client_that_is_wrong_as_a_whole_is_caught_by_exactly_these(animal: whole.Animal) -> None:
    """What it does fails the cases that are about it, and no others of those that it is tried with."""
    wanted = catchers(animal, Role.CLIENT)
    target = Expecting(whole.Living(animal.lives, declared=animal.declared), wanted, FAST)

    assert wanted == {*complaints(report_on(target, cases(*ids(animal.among))))}


def test_a_client_that_trusts_nobody_is_not_judged() -> None:
    """That it refuses a bad certificate says nothing if it refuses a good one, too."""

    async def strict(url: str) -> None:
        await ours(url)

    report = report_on(Client(strict, patience=FAST), cases("6455/4.1/11"))
    assert {} == complaints(report)
    assert 3 == report.count(Verdict.SKIP)
