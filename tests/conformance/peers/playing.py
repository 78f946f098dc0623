"""Peers as targets: each runs as a process of its own for as long as a context lasts.

async with playing(peer) as target:
    report = await run_cases(select(target.role), target)
"""

import asyncio
import json
import os
import shlex
import sys
from asyncio import FIRST_COMPLETED
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from signal import SIGKILL
from typing import IO, Any, NoReturn

from rawws.conformance.peer import Peer as Tester
from rawws.conformance.target import ClientTarget, ServerTarget, Target, Unreachable
from rawws.core.settings import Role
from tests.conformance.peers.in_chromium import in_chromium
from tests.conformance.peers.table import NODE, Peer

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
START = 30
"""Seconds that a process may take to come up, on a machine that has much else to do."""


def playing(peer: Peer, log: IO[Any] | int = DEVNULL, **options: Any) -> AbstractAsyncContextManager[Target]:
    """The peer as a target.

    Args:
        peer: which.
        log: takes what it writes to stderr.
        options: further ones of `ServerTarget` or `ClientTarget`, such as `patience`.
    """
    options.setdefault("declared", peer.declared)
    if peer.role is Role.SERVER:
        return _server(peer, log, **options)
    if peer.where.endswith(".html"):
        return in_chromium(HERE / peer.where, **options)
    if peer.where.endswith(".js"):
        return _client_on_node(peer, **options)
    return _client_in_python(peer, log, **options)


def _words(peer: Peer, port: int) -> list[str]:
    if ".js" in peer.where:
        script, *more = peer.where.split()
        return ["node", str(HERE / script), "server", str(port), *more]
    return [sys.executable, "-m", "tests.conformance.peers.play", peer.where, str(port)]


@asynccontextmanager
async def _started(peer: Peer, log: IO[Any] | int, port: int = 0) -> AsyncIterator[Process]:
    """The process; it ends when its stdin does, or is made to."""
    env = {**os.environ, "NODE_PATH": str(NODE)}
    process = await asyncio.create_subprocess_exec(
        *_words(peer, port), stdin=PIPE, stdout=PIPE, stderr=log, cwd=ROOT, env=env
    )
    assert process.stdin is not None
    try:
        yield process
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


class Restarted(ServerTarget):
    """A server that is started again, at the same port, when its process has ended and was missed.

    Attributes:
        pid: of its process.
        restarts: how often it was.
        missed: somebody has looked for it in vain.
    """

    pid = 0
    restarts = 0

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.missed = asyncio.Event()

    async def connect(self, *arguments: Any, **options: Any) -> Tester:
        """See `ServerTarget`."""
        try:
            return await super().connect(*arguments, **options)
        except Unreachable:
            self.missed.set()
            raise


@asynccontextmanager
async def _server(peer: Peer, log: IO[Any] | int, **options: Any) -> AsyncIterator[Target]:
    coming: asyncio.Queue[Restarted] = asyncio.Queue()
    running = asyncio.create_task(_run_for_ever(peer, log, coming, options))
    first = asyncio.create_task(coming.get())
    try:
        await asyncio.wait([first, running], return_when=FIRST_COMPLETED)
        yield first.result() if first.done() else await running
    finally:
        first.cancel()
        running.cancel()
        await asyncio.wait([running])


async def _run_for_ever(
    peer: Peer, log: IO[Any] | int, coming: "asyncio.Queue[Restarted]", options: Mapping[str, Any]
) -> NoReturn:
    """Start it; when it has come up, tell; when it has ended, start it again."""
    target = None
    while True:
        async with _started(peer, log, target.uri.port if target is not None else 0) as process:
            assert process.stdout is not None
            async with asyncio.timeout(START):
                port = int(await process.stdout.readline())
            if target is None:
                target = Restarted(f"ws://127.0.0.1:{port}/", **options)
                await _see_that_it_is_there(target)
                coming.put_nowait(target)
            target.pid = process.pid
            target.missed.clear()
            await process.wait()
        await target.missed.wait()  # Started at once, it would seem never to have been gone.
        target.restarts += 1


async def _see_that_it_is_there(target: Target) -> None:
    async with asyncio.timeout(START):
        while not await _is_there(target):
            await asyncio.sleep(0.1)


async def _is_there(target: Target) -> bool:
    try:
        return await target.is_alive()
    except Unreachable:
        return False


@asynccontextmanager
async def _client_on_node(peer: Peer, **options: Any) -> AsyncIterator[Target]:
    script = shlex.quote(str(HERE / peer.where))
    yield ClientTarget(f"env NODE_PATH={shlex.quote(str(NODE))} node {script} {{url}}", **options)


@asynccontextmanager
async def _client_in_python(peer: Peer, log: IO[Any] | int, **options: Any) -> AsyncIterator[Target]:
    async with _started(peer, log) as process:
        target = _Forking(process, peer, **options)
        telling = asyncio.create_task(target.read())
        yield target
    await telling


class _Fork:
    """One client."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.pid: asyncio.Future[int] = loop.create_future()
        self.status: asyncio.Future[int] = loop.create_future()

    async def wait(self) -> int:
        """Wait until it is over."""
        return await asyncio.shield(self.status)

    def kill(self) -> None:
        """End it."""
        if self.pid.done() and not self.status.done():
            with suppress(ProcessLookupError):
                os.kill(self.pid.result(), SIGKILL)


class _Forking(ClientTarget):
    """A client that is forked off a process which has imported what it needs; see `play`."""

    def __init__(self, process: Process, peer: Peer, **options: Any) -> None:
        super().__init__(str(peer), **options)
        self._process = process
        self._forks: list[_Fork] = []

    async def _run(self, url: str, env: Mapping[str, str] | None = None) -> _Fork:
        assert self._process.stdin is not None
        fork = _Fork()
        order = {"id": len(self._forks), "url": url, "env": dict(env or {})}
        self._forks.append(fork)
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        async with asyncio.timeout(START):
            await fork.pid
        return fork

    async def read(self) -> None:
        """Take in what the process tells."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            fork = self._forks[told["id"]]
            if "pid" in told:
                fork.pid.set_result(told["pid"])
            else:
                fork.status.set_result(told["status"])
