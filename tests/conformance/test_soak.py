"""`--soak`: how many messages a case of the soak tier sends, and how much time it has for them."""

import asyncio

import pytest

from rawws import aio
from rawws.conformance.case import CASES, Declared
from rawws.conformance.suite import run_case
from rawws.conformance.target import ServerTarget
from rawws.conformance.verdict import Result, Verdict

LONG = 200


@pytest.mark.parametrize("case", ["7692/soak/1.4", "7692/soak/1.22", "7692/soak/2.112"])
def test_more_messages_than_usual_pass(case: str) -> None:
    """As many as are declared, and each is another one."""
    came: list[bytes | str] = []

    async def keeps(ws: aio.WebSocket) -> None:
        async for message in ws:
            came.append(message)
            await ws.send(message)

    async def go() -> Result:
        async with aio.serve(keeps, "127.0.0.1", 0) as server:
            target = ServerTarget(f"ws://127.0.0.1:{server.port}/", declared=Declared(soak=LONG))
            return await run_case(CASES[case], target)

    assert Verdict.PASS is asyncio.run(go()).verdict
    assert (LONG, LONG) == (len(came), len(set(came)))


def test_they_have_more_time() -> None:
    """In the same measure: it is not the length of a case that ends it."""

    async def only_hears(ws: aio.WebSocket) -> None:
        async for _ in ws:
            pass

    async def go(soak: int) -> str:
        async with aio.serve(only_hears, "127.0.0.1", 0) as server:
            target = ServerTarget(f"ws://127.0.0.1:{server.port}/", declared=Declared(soak=soak))
            return (await run_case(CASES["7692/soak/1.1"], target, limit=0.05)).got

    assert ["none within 0.05 s", "none within 0.2 s"] == [asyncio.run(go(soak)) for soak in (8, 64)]
