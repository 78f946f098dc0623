"""The chat in several processes that are joined by Redis: behind one port, behind nginx, behind HAProxy.

Everybody sees every message of the room once, all in one order, also when a process is killed in the midst of it.
"""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from examples.chat.load import Crowd, kill_later
from examples.chat.member import Member
from examples.chat.store import Unavailable
from rawws.aio import connect
from tests.examples.chatting import say, served, shown, visit
from tests.examples.processes import awaited, behind, free_port, needed, running, wait_for_port
from tests.interop.links import missing

MEMBERS, ROOMS = 24, 2
MESSAGES = 8


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """The URL of a Redis with nothing in it."""
    if find_spec("redis") is None:
        missing("there is no redis for Python")
    with redis_on(free_port(), tmp_path) as url:
        yield url


@contextmanager
def redis_on(port: int, folder: Path) -> Iterator[str]:
    """A Redis that keeps in a folder what it has accepted."""
    place = ["--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
    with running(needed("redis-server"), *place, "--save", "", "--appendonly", "yes") as process:
        wait_for_port(port, process)
        yield f"redis://127.0.0.1:{port}"


def nothing_is_lost(crowd: Crowd) -> None:
    """All that was said was shown by all in the room, once, in one order."""
    assert MEMBERS * MESSAGES == sum(map(len, crowd.expected.values()))
    assert (0, 0, 1) == (crowd.lost, crowd.doubled, crowd.orders)


@awaited
async def test_three_processes_are_one_chat(redis):
    """A message reaches every member once and in the same order, whichever process each of them is connected to."""
    with served("--port", "0", "--redis", redis, "--processes", "3") as chat:
        crowd = Crowd(chat.where, MEMBERS, ROOMS)
        await crowd.run(MESSAGES, 0.05)

    nothing_is_lost(crowd)
    assert 0 == crowd.lost_connections


@awaited
async def test_a_killed_process_takes_nothing_along(redis):
    """Its members come back through the others, with what they had said again, and with what was said meanwhile."""
    with served("--port", "0", "--redis", redis, "--processes", "3") as chat:
        crowd = Crowd(chat.where, MEMBERS, ROOMS)
        await asyncio.gather(crowd.run(MESSAGES, 0.15), kill_later(crowd, 0.4, chat.pids[0]))

    nothing_is_lost(crowd)
    assert 0 < crowd.lost_connections < MEMBERS


@awaited
async def test_redis_may_be_away_for_a_moment(tmp_path):
    """While Redis is started again members wait, and say then what they had to say."""
    port = free_port()
    with ExitStack() as stack:
        first = ExitStack()
        redis = first.enter_context(redis_on(port, tmp_path))
        chat = stack.enter_context(served("--port", "0", "--redis", redis, "--processes", "3"))
        crowd = Crowd(chat.where, MEMBERS, ROOMS)
        talking = asyncio.create_task(crowd.run(MESSAGES, 0.1))
        await crowd.begun.wait()
        await asyncio.sleep(0.3)
        first.close()
        await asyncio.sleep(0.2)
        stack.enter_context(redis_on(port, tmp_path))
        await talking

    nothing_is_lost(crowd)


@awaited
async def test_a_mute_redis_is_away():
    """A Redis that takes connections and answers nothing is not waited for: members are told to come back."""
    if find_spec("redis") is None:
        missing("there is no redis for Python")
    from examples.chat.redis_store import Shared

    with socket.create_server(("127.0.0.1", 0)) as mute:
        store = Shared(f"redis://127.0.0.1:{mute.getsockname()[1]}", patience=0.1)
        with pytest.raises(Unavailable):
            await store.add("lobby", "a-1", "Ann", "hello")
        await store.stop()


@awaited
async def test_members_of_other_processes_are_here_and_gone(redis):
    """Who is connected to another process is shown as here, as typing, and as gone."""
    with served("--port", "0", "--redis", redis) as one, served("--port", "0", "--redis", redis) as two:
        async with connect(f"ws://{one.where}") as ann:
            await ann.send(Member("lobby", "Ann").greeting()[0])
            async with connect(f"ws://{two.where}") as bob:
                await bob.send(Member("lobby", "Bob").greeting()[0])
                for ws in (ann, bob):
                    await heard(ws, {"kind": "here", "names": ["Ann", "Bob"]})
                await bob.send('{"kind": "typing"}')
                await heard(ann, {"kind": "typing", "name": "Bob"})
            await heard(ann, {"kind": "here", "names": ["Ann"]})


async def heard(ws: Any, told: dict[str, Any]) -> None:
    """Wait until this is told."""
    while json.loads(await ws.recv()) != told:
        pass


# --- Behind a proxy ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proxy", ["nginx.conf", "haproxy.cfg"])
def test_behind_a_proxy(proxy, redis, browser, tmp_path):
    """The same with a proxy that deals out connections: pages have its origin, and it goes around a killed server."""
    with ExitStack() as stack:
        servers = [stack.enter_context(served("--port", "0", "--redis", redis)) for _ in range(3)]
        ports = [server.where.partition(":")[2] for server in servers]
        where = stack.enter_context(behind(proxy, ports, tmp_path))
        ann, bob = (visit(browser, where, name) for name in ("Ann", "Bob"))
        say(ann, "hello")
        assert [["Ann", "hello", False]] == shown(bob, 1)
        crowd = Crowd(where, MEMBERS, ROOMS)

        async def kill_one() -> None:
            await asyncio.gather(crowd.run(MESSAGES, 0.15), kill_later(crowd, 0.4, servers[0].pids[0]))

        awaited(kill_one)()
        say(bob, "still here")
        for page in (ann, bob):
            assert ["hello", "still here"] == [text for _, text, _ in shown(page, 2)]
            page.tell("Page.close")

    nothing_is_lost(crowd)
    assert 0 < crowd.lost_connections < MEMBERS
