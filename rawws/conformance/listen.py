"""A client that comes to us and asks for the cases itself: the dialogue of Autobahn's fuzzing server, on one port.

    target = ListeningTarget("127.0.0.1", 9001)
    report = await target.run(select(Role.CLIENT), on_listening=print)

It is the client's program that leads, and adapters for this dialogue are in the world by the dozen:

    /getCaseCount                   we say how many cases there are, in a text message, and close
    /runCase?case=N&agent=NAME      the N-th case is run on this very connection, from 1 on
    /getCaseInfo?case=N             its id and its title, as JSON
    /getCaseStatus?case=N&agent=A   what became of it, as JSON
    /updateReports?agent=NAME       that was all: the run ends

A case that needs one more connection, or another URL, is skipped here.  The cases of the opening handshake work, as it
is we who read and write its bytes; to the adapter many of them are a `connect` that fails, and it has to go on with the
next one nevertheless.  One that does not is spared them with `exclude=["6455/4.1/*", "7692/7/3"]`.
"""

import asyncio
import json
import os
import ssl as tls
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from time import monotonic
from urllib.parse import parse_qs, urlsplit

from rawws.conformance.case import Case, Declared, Opening
from rawws.conformance.line import Patience
from rawws.conformance.peer import Peer
from rawws.conformance.suite import Report, Settings, conclude, run_case
from rawws.conformance.target import Unreachable
from rawws.conformance.verdict import Result, Skip, Verdict, Wrong
from rawws.core.settings import Role

OnResult = Callable[[Result], object]

BEHAVIOR = {
    Verdict.PASS: "OK",
    Verdict.WARN: "NON-STRICT",
    Verdict.INFO: "INFORMATIONAL",
    Verdict.SKIP: "UNIMPLEMENTED",
}
"""How Autobahn calls a verdict; everything else is FAILED."""


_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
"""An address to connect to, of those that stand for all to listen on."""


class ListeningTarget:
    """A client that connects to us, as often as it likes.

    Args:
        host: where to listen: a name or an address.
        port: 0 for any that is free.
        declared: what is known about it.
        patience: how long to wait within a case.
        ssl: a context with a certificate: clients connect with wss:// then.
        idle: how many seconds a client may stay away between two connections before it is taken for gone.  For the
            first one it may take its time; `Settings.total` bounds everything.

    Attributes:
        name: "ws://HOST:PORT", and from the first `agent=` on what the client calls itself.
        url: what a client is to be given.
    """

    role = Role.CLIENT

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 9001,
        *,
        declared: Declared = Declared(),
        patience: Patience = Patience(),
        ssl: tls.SSLContext | None = None,
        idle: float = 30.0,
    ) -> None:
        self.host = host
        self.port = port
        self.declared = declared
        self.patience = patience
        self.ssl = ssl
        self.idle = idle
        self.name = self.url

    @property
    def url(self) -> str:
        """Where we can be found, on this machine if we listen on all addresses; the port is known once we listen."""
        host = _LOOPBACK.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        return f"{'ws' if self.ssl is None else 'wss'}://{host}:{self.port}"

    async def run(
        self,
        cases: Sequence[Case],
        settings: Settings = Settings(),
        on_result: OnResult = lambda result: None,
        report: Report | None = None,
        on_listening: Callable[[str], object] = lambda url: None,
    ) -> Report:
        """Listen, and run what the client asks for, until it says that that was all, or is gone.

        Args:
            cases: those that have a number, in this order; the passive ones among them are judged at the end.
            settings: `jobs` means nothing here, for it is the client that decides.
            on_result: called with each verdict as it comes.  What it raises ends the run, and is raised here, when all
                that was found is in the report.
            report: to be filled in; who gives one has what was found so far, also if this is cancelled.
            on_listening: called with the URL when clients can come.

        Returns:
            The report; `complete` if each case was asked for.

        Raises:
            Unreachable: it cannot be listened there.
        """
        report = Report(self.name, self.role) if report is None else report
        report.seed, report.chosen = settings.seed, len(cases)
        began = monotonic()
        dialogue = _Dialogue(self, cases, settings, on_result, report)
        try:
            server = await asyncio.start_server(dialogue.on_connection, self.host, self.port, ssl=self.ssl)
        except OSError as error:
            # asyncio says it with all that it tried.
            number = error.errno or 0
            why = os.strerror(number) if number > 0 else error.strerror
            raise Unreachable(f"{self.url} cannot be listened on: {why or error}") from error
        self.port = server.sockets[0].getsockname()[1]
        report.target = self.name = self.url
        try:
            on_listening(self.url)
            async with asyncio.timeout(settings.total):
                await dialogue.until_over()
        except TimeoutError:
            pass
        finally:
            server.close()
            await dialogue.end()
            conclude(report, cases, dialogue.hear)
            report.target = self.name
            report.seconds = round(monotonic() - began, 3)
        if dialogue.raised is not None:
            raise dialogue.raised
        return report


class _Dialogue:
    """One run."""

    def __init__(
        self,
        target: ListeningTarget,
        cases: Sequence[Case],
        settings: Settings,
        on_result: OnResult,
        report: Report,
    ) -> None:
        self.target = target
        self.cases = [case for case in cases if case.opening is not Opening.PASSIVE]
        self.settings = settings
        self.on_result = on_result
        self.report = report
        self.raised: Exception | None = None
        """By `on_result`."""
        self._over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._came = 0

    def on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody comes."""
        self._came += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until_over(self) -> None:
        """Wait until the client has said so, or has been silent for too long."""
        while not self._over.is_set():
            before = self._came
            with suppress(TimeoutError):
                async with asyncio.timeout(self.target.idle):
                    await self._over.wait()
            if before and before == self._came and not self._tasks:
                return

    async def end(self) -> None:
        """Let go of every connection, and see what is missing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        found = {result.id for result in self.report.results}
        missing = [case for case in self.cases if case.id not in found]
        self.report.complete = bool(found) and not missing
        for case in missing if found else ():
            self._tell(Result(case.id, Verdict.SKIP, "the client did not ask for it"))

    # --- One connection ---------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(
            Role.SERVER,
            reader,
            writer,
            random=Random(0),
            patience=self.target.patience,
            declared=self.target.declared,
            host="",
        )
        try:
            request = await peer.asked()
            url = urlsplit(request.target.decode("latin-1"))
            await self._answer(peer, url.path, {name: values[0] for name, values in parse_qs(url.query).items()})
        except (Wrong, ValueError):
            pass  # Nobody that we could talk with.
        finally:
            await peer.leave()

    async def _answer(self, peer: Peer, path: str, asked: dict[str, str]) -> None:
        number = int(asked["case"]) if asked.get("case", "").isdigit() else 0
        case = self.cases[number - 1] if 1 <= number <= len(self.cases) else None
        if path == "/getCaseCount":
            await self._say(peer, str(len(self.cases)))
        elif path == "/updateReports":
            await self._say(peer)
            self._over.set()
        elif case is None or path not in ("/runCase", "/getCaseInfo", "/getCaseStatus"):
            await peer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif path == "/runCase":
            self.target.name = asked.get("agent", self.target.name)
            await self._run(case, peer)
        elif path == "/getCaseInfo":
            await self._say(peer, json.dumps({"id": case.id, "description": case.requirement, "title": case.title}))
        else:
            await self._say(peer, json.dumps({"behavior": self._behavior(case)}))

    def _behavior(self, case: Case) -> str:
        found = [result.verdict for result in self.report.results if result.id == case.id]
        return BEHAVIOR.get(found[0], "FAILED") if found else "UNIMPLEMENTED"

    async def _say(self, peer: Peer, *words: str) -> None:
        """Open the connection, say this, and close it."""
        await peer.open()
        await peer.send(*(peer.text(word) for word in words))
        await peer.bye()

    async def _run(self, case: Case, peer: Peer) -> None:
        result = await run_case(case, _Connection(self.target, peer), self.settings.seed, self.settings.per_case)
        if result.verdict is Verdict.SKIP:
            await _politely(peer)
        self._tell(result)
        if self.settings.fail_fast and result.verdict is Verdict.FAIL:
            self._over.set()

    def _tell(self, result: Result) -> None:
        """A case that was asked for once more has its last verdict."""
        self.report.results[:] = [each for each in self.report.results if each.id != result.id]
        self.report.results.append(result)
        self.hear(result)

    def hear(self, result: Result) -> None:
        """Tell of a verdict, until that is too much for who listens."""
        if self.raised is None:
            try:
                self.on_result(result)
            except Exception as error:
                self.raised = error
                self._over.set()


class _Connection:
    """What a case meets: one connection, whose request was read already."""

    role = Role.CLIENT

    def __init__(self, target: ListeningTarget, peer: Peer) -> None:
        self.declared = target.declared
        self.name = target.name
        self.peer = peer

    @asynccontextmanager
    async def meet(self, case: Case, random: Random) -> AsyncIterator[list[Peer]]:
        """See `Target`."""
        self.peer.random = random
        if case.opening is Opening.OPEN:
            await self.peer.open(case.offer)
        yield [self.peer]

    async def is_alive(self) -> bool:
        """Whether it comes back is seen when it comes."""
        return True

    async def serves_many(self) -> bool:
        """It is the client that says how many cases it wants at once."""
        return True


async def _politely(peer: Peer) -> None:
    """Open and close what no case has use for: an adapter may not expect anything else."""
    with suppress(Wrong, Skip):
        if not peer.transcript.kept[Role.SERVER]:
            await peer.open()
        if peer.is_open:
            await peer.bye()
