"""Targets in this process: our own endpoints, and the animals of the zoo, as servers and as clients."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from random import Random
from typing import Any

from rawws import ConnectionClosed, HandshakeRejected, RemoteProtocolError, aio, blocking
from rawws.conformance.called import CalledTarget
from rawws.conformance.case import Case, Declared, Tier
from rawws.conformance.line import Patience
from rawws.conformance.own import obey
from rawws.conformance.running import run
from rawws.conformance.suite import Report, Settings, select
from rawws.conformance.target import ClientTarget, ServerTarget, Target
from rawws.conformance.verdict import Verdict
from rawws.core.settings import Role
from tests.conformance.zoo.echo import calling, serving
from tests.conformance.zoo.kind import Kind, catchers, ids

PATIENCE = Patience(reply=4.0, close=2.0)
"""For those who are right, on a machine that has other things to do too."""
AMPLE = Patience(reply=10.0, close=5.0)
"""For what is right in animals: where it comes, it comes at once, so waiting costs nothing."""
LITTLE = Patience(reply=0.5, close=0.2)
"""For what is known to be wrong: perhaps nothing comes at all."""


ENDS = (ConnectionClosed, HandshakeRejected, RemoteProtocolError, OSError)
"""How a client of ours may end: it has told whoever called it."""


class Client(ClientTarget):
    """A client that is a coroutine function instead of a command; it is called with the URL."""

    def __init__(self, runs: Callable[[str], Awaitable[object]], **options: Any) -> None:
        super().__init__(getattr(runs, "__name__", "client"), **options)
        self.runs = runs

    async def _run(self, url: str, env: Mapping[str, str]) -> Any:
        return Running(asyncio.ensure_future(self.runs(url)))


class Running:
    """What stands for the process of such a client."""

    def __init__(self, task: "asyncio.Future[object]") -> None:
        self.task = task

    async def wait(self) -> int:
        """Wait until it is over, in whatever way."""
        await asyncio.wait([self.task])
        return 0

    def kill(self) -> None:
        """End it."""
        self.task.cancel()


class Expecting:
    """A target of which it is known what catches it: in these cases nobody waits long, and in all others long enough.

    So a machine that is busy makes no right answer a wrong one, but where all is wrong anyway.
    """

    def __init__(self, target: ServerTarget | ClientTarget, caught_by: Collection[str], little: Patience = LITTLE):
        self.patient, self.hasty = target, copy(target)
        self.patient.patience, self.hasty.patience = AMPLE, little
        self.caught_by = caught_by

    def meet(self, case: Case, random: Random) -> Any:
        """The connections of a case."""
        return (self.hasty if case.id in self.caught_by else self.patient).meet(case, random)

    def __getattr__(self, name: str) -> Any:
        """All else is the target's."""
        return getattr(self.patient, name)


# --- Our own four endpoints ---------------------------------------------------------------------------------------


def obey_blocking(ws: blocking.WebSocket) -> None:
    """The same as `obey`, in a thread."""
    for message in ws:
        command, _, number = message.partition(" ") if isinstance(message, str) else ("", "", "")
        if command == "/close":
            ws.close(int(number))
        else:
            ws.send(bytes(int(number)) if command == "/send" else message)


@contextlib.asynccontextmanager
async def aio_server(options: dict[str, Any], **target: Any) -> AsyncIterator[Target]:
    """Our server with asyncio."""
    async with aio.serve(obey, "127.0.0.1", 0, **options) as server:
        yield ServerTarget(f"ws://127.0.0.1:{server.port}/", **target)


@contextlib.asynccontextmanager
async def blocking_server(options: dict[str, Any], **target: Any) -> AsyncIterator[Target]:
    """Our server with threads."""
    with blocking.serve(obey_blocking, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield ServerTarget(f"ws://127.0.0.1:{server.port}/", **target)
        finally:
            await asyncio.to_thread(server.close)
            thread.join()


@contextlib.asynccontextmanager
async def aio_client(options: dict[str, Any], **target: Any) -> AsyncIterator[Target]:
    """Our client with asyncio."""

    async def runs(url: str) -> None:
        with contextlib.suppress(*ENDS):
            async with aio.connect(url, **options) as ws:
                await obey(ws)

    yield Client(runs, **target)


@contextlib.asynccontextmanager
async def blocking_client(options: dict[str, Any], **target: Any) -> AsyncIterator[Target]:
    """Our client that blocks, each in a thread."""

    def in_thread(url: str) -> None:
        with contextlib.suppress(*ENDS), blocking.connect(url, **options) as ws:
            obey_blocking(ws)

    yield CalledTarget(in_thread, **target)


OURS = {
    "server, asyncio": aio_server,
    "server, blocking": blocking_server,
    "client, asyncio": aio_client,
    "client, blocking": blocking_client,
}


# --- Running ------------------------------------------------------------------------------------------------------


def report_on_ours(name: str, *globs: str, declared: Declared = Declared(), **options: Any) -> Report:
    """Run the cases that these globs name against one of our endpoints."""

    async def go() -> Report:
        async with OURS[name](options, declared=declared, patience=PATIENCE) as target:
            return await run(select(target.role, include=globs), target, Settings(jobs=4))

    return asyncio.run(go())


def caught(
    animal: type[Kind],
    role: Role,
    *globs: str,
    exclude: Sequence[str] = (),
    declared: Declared = Declared(),
    little: Patience = LITTLE,
    tiers: Iterable[Tier] = (Tier.CORE,),
    jobs: int = 16,
) -> dict[str, Verdict]:
    """The cases that find something wrong with an animal, among those that the globs name, and what they say."""

    async def go() -> Report:
        chosen = select(role, include=globs, exclude=exclude, tiers=tiers)
        settings = Settings(jobs=jobs, recovery=1.0)
        by = catchers(animal, role) | ids(animal.idle)
        if role is Role.CLIENT:
            client = Client(lambda url: calling(animal, url), declared=declared)
            return await run(chosen, Expecting(client, by, little), settings)
        async with serving(animal) as port:
            server = ServerTarget(f"ws://127.0.0.1:{port}/", declared=declared)
            return await run(chosen, Expecting(server, by, little), settings)

    wrong = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)
    return {result.id: result.verdict for result in asyncio.run(go()).results if result.verdict in wrong}
