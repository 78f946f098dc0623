"""What is under test, and how we meet it: a server at a URL, or a client that is told where we listen."""

import asyncio
import contextlib
import os
import shlex
import ssl as tls
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Protocol

from rawws.conformance.case import Case, Declared, Opening
from rawws.conformance.line import Patience
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Skip, Wrong
from rawws.core.settings import Role
from rawws.uri import parse

A_MOMENT = 0.3
"""Seconds: how long what a client did before it ended may take to be seen."""


class Unreachable(Exception):
    """There is nobody there to be tested."""


class Target(Protocol):
    """A side under test."""

    role: Role
    declared: Declared
    name: str

    def meet(self, case: Case, random: Random) -> "contextlib.AbstractAsyncContextManager[list[Peer]]":
        """The connections of one case: the first is there, others come with `another`; all are let go at the end."""

    async def is_alive(self) -> bool:
        """Whether it still answers.

        Raises:
            Unreachable: it is not even there.
        """

    async def serves_many(self) -> bool:
        """Whether one connection on which nothing happens leaves others alone."""


class ServerTarget:
    """A server at a URL, that sends every message back.

    Args:
        url: ws:// or wss://.
        declared: what is known about it.
        patience: how long to wait.
        ssl: for wss://; None verifies as usual.
        headers: to be added to every opening handshake, such as a cookie.
        sni: the name to ask for and to verify in TLS, if it is not the host's.
    """

    role = Role.SERVER

    def __init__(
        self,
        url: str,
        *,
        declared: Declared = Declared(),
        patience: Patience = Patience(),
        ssl: tls.SSLContext | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        sni: str = "",
    ) -> None:
        self.uri = parse(url)
        self.name = url
        self.declared = declared
        self.patience = patience
        self.headers = headers
        self._sni = sni or self.uri.host
        self._ssl = (tls.create_default_context() if ssl is None else ssl) if self.uri.secure else None

    async def connect(self, random: Random, another: Any = None, plain: bool = False) -> Peer:
        """TCP, and TLS unless `plain`; nothing is said yet.

        Raises:
            Unreachable: nobody is there.
        """
        try:
            async with asyncio.timeout(self.patience.reply):
                reader, writer = await asyncio.open_connection(
                    self.uri.host,
                    self.uri.port,
                    ssl=None if plain else self._ssl,
                    server_hostname=self._sni if self._ssl is not None and not plain else None,
                )
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"{self.name}: {str(error) or type(error).__name__}") from error
        return Peer(
            Role.CLIENT,
            reader,
            writer,
            random=random,
            patience=self.patience,
            declared=self.declared,
            resource=self.uri.target,
            host=self.uri.host_header,
            headers=self.headers,
            another=another,
        )

    @asynccontextmanager
    async def meet(self, case: Case, random: Random) -> AsyncIterator[list[Peer]]:
        """See `Target`."""
        peers: list[Peer] = []

        async def another(opening: Opening = case.opening, offer: str = case.offer, plain: bool = False) -> Peer:
            try:
                peer = await self.connect(random, another, plain)
            except Unreachable as error:
                if not peers:
                    raise
                raise Wrong("one more connection", str(error)) from None
            peers.append(peer)
            if opening is Opening.OPEN:
                await peer.open(offer)
            return peer

        try:
            await another()
            yield peers
        finally:
            for peer in peers:
                await peer.leave()

    async def is_alive(self) -> bool:
        """Whether a new connection is answered with an echo, within a few attempts; see `Target`."""
        for _ in range(3):
            if await self._answers():
                return True
            await asyncio.sleep(0.2)
        return False

    async def serves_many(self) -> bool:
        """See `Target`."""
        silent = await self.connect(Random(0))
        try:
            return await self._answers()
        finally:
            await silent.leave()

    async def _answers(self) -> bool:
        try:
            peer = await self.connect(Random(0))
        except Unreachable as error:
            if isinstance(error.__cause__, TimeoutError):
                return False
            raise
        try:
            await peer.open()
            await peer.send(peer.text("still there?"))
            await peer.echoes("still there?")
        except Wrong:
            return False
        finally:
            await peer.leave()
        return True


class Process(Protocol):
    """A client that was started."""

    async def wait(self) -> int:
        """Wait until it is over; the exit status."""

    def kill(self) -> None:
        """End it."""


class ClientTarget:
    """A client, started once for each connection with a command in which `{url}` is where to connect.

    It connects, sends every message back, and ends when the connection does.

    Args:
        command: such as `python client.py {url}`.
        declared: what is known about it.
        patience: how long to wait.
        ssl: a context with a certificate: the URL is a wss:// one then.
        start: how long the process may take to connect, in seconds.
    """

    role = Role.CLIENT

    def __init__(
        self,
        command: str,
        *,
        declared: Declared = Declared(),
        patience: Patience = Patience(),
        ssl: tls.SSLContext | None = None,
        start: float = 15.0,
    ) -> None:
        self.command = command
        self.name = command
        self.declared = declared
        self.patience = patience
        self.start = start
        self.ssl = ssl

    @asynccontextmanager
    async def meet(self, case: Case, random: Random) -> AsyncIterator[list[Peer]]:
        """See `Target`."""
        meeting = _Meeting(self, case, random)
        try:
            await meeting.another()
            yield meeting.peers
        except asyncio.CancelledError:
            await meeting.end()  # It may well have ended with us.
            raise
        except BaseException:
            _see_no_crash(await meeting.end())
            raise
        _see_no_crash(await meeting.end())

    def words(self, url: str) -> list[str]:
        """The command that connects to `url`, which stands at its end if it has no place for it."""
        words = [word.replace("{url}", url) for word in shlex.split(self.command)]
        return words if url in " ".join(words) else [*words, url]

    async def _run(self, url: str, env: Mapping[str, str]) -> Process:
        """Start it, with this added to its environment."""
        words = self.words(url)
        quiet = asyncio.subprocess.DEVNULL
        whole = {**os.environ, "RAWWS_URL": url, **env}
        try:
            return await asyncio.create_subprocess_exec(
                *words, stdin=quiet, stdout=quiet, stderr=quiet, env=whole, process_group=0
            )
        except OSError as error:
            raise Unreachable(f"{words[0]}: {error.strerror}") from None

    async def is_alive(self) -> bool:
        """A new process is started for each connection: there is nothing that could have died."""
        return True

    async def serves_many(self) -> bool:
        """Each process has one connection."""
        return True


class _Meeting:
    """One case with a client: where it is told to connect, what was started, and who came."""

    def __init__(self, target: ClientTarget, case: Case, random: Random) -> None:
        self.target = target
        self.case = case
        self.random = random
        self.peers: list[Peer] = []
        self.processes: list[Process] = []
        self._came: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._servers: list[asyncio.Server] = []
        self._ports: dict[bool, int] = {}
        self._hosts: set[tuple[bool, str]] = set()

    async def another(
        self,
        opening: Opening | None = None,
        offer: str | None = None,
        *,
        resource: str = "/",
        host: str = "127.0.0.1",
        start: bool = True,
        bare: bool = False,
        env: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Peer:
        """One more connection.

        Args:
            opening: how far it is opened; None: as far as the case says.
            offer: the extension to agree on; None: that of the case.
            resource, host: of the URL; an IPv6 address in brackets.
            start: a new client; otherwise one that runs connects once more.
            bare: the URL is wss://, but it is the case that speaks TLS.
            env: what is added to its environment.
            seconds: how long to wait; None: as long as a process may take to connect.

        Raises:
            Wrong: nobody comes.
        """
        port = await self._listen(host, bare)
        if start:
            scheme = "wss" if bare or self.target.ssl is not None else "ws"
            url = f"{scheme}://{host}:{port}{resource}"
            self.processes.append(await self.target._run(url, env or {}))
        reader, writer = await self._next(self.target.start if seconds is None else seconds)
        peer = Peer(
            Role.SERVER,
            reader,
            writer,
            random=self.random,
            patience=self.target.patience,
            declared=self.target.declared,
            resource=resource,
            host=f"{host}:{port}",
            another=self.another,
        )
        self.peers.append(peer)
        if (self.case.opening if opening is None else opening) is Opening.OPEN:
            await peer.open(self.case.offer if offer is None else offer)
        return peer

    async def _listen(self, host: str, bare: bool) -> int:
        """Be there under this host; the port, the same for all of them."""
        addresses = {"127.0.0.1": ["127.0.0.1"], "[::1]": ["::1"]}.get(host, ["127.0.0.1", "::1"])
        for address in addresses:
            if (bare, address) in self._hosts:
                continue
            try:
                server = await asyncio.start_server(
                    self._on_connection, address, self._ports.get(bare, 0), ssl=None if bare else self.target.ssl
                )
            except OSError as error:
                if addresses[0] == address:
                    raise Skip(f"{address} cannot be listened on: {error.strerror}") from None
                continue
            self._servers.append(server)
            self._hosts.add((bare, address))
            self._ports.setdefault(bare, server.sockets[0].getsockname()[1])
        return self._ports[bare]

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._came.put_nowait((reader, writer))

    async def _next(self, seconds: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Whoever comes; not waited for when all that were started have ended."""
        coming = asyncio.ensure_future(self._came.get())
        ending = asyncio.ensure_future(self._all_end())
        try:
            either: list[asyncio.Future[Any]] = [coming, ending]
            await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                # What it did at last may not have been seen yet.
                await asyncio.wait([coming], timeout=A_MOMENT)
            if coming.done():
                return coming.result()
        finally:
            coming.cancel()
            ending.cancel()
        how = "it has ended" if ending.done() and not ending.cancelled() else f"none within {seconds:g} s"
        raise Wrong("a connection from the client", how)

    async def _all_end(self) -> None:
        for process in self.processes:
            await process.wait()

    async def end(self) -> list[int]:
        """Let go of everything, and let the processes end; their exit statuses."""
        for peer in self.peers:
            await peer.leave()
        while not self._came.empty():
            self._came.get_nowait()[1].transport.abort()
        for server in self._servers:
            server.close()
        return await asyncio.gather(*(self._stop(process) for process in self.processes))

    async def _stop(self, process: Process) -> int:
        """Let it end, or make it; the exit status, less than 0 if it was killed by a signal of its own."""
        try:
            async with asyncio.timeout(self.target.patience.close):
                return await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return 0


def _see_no_crash(statuses: list[int]) -> None:
    for status in statuses:
        if status < 0:
            raise Wrong("a client that stays alive", f"it was killed by signal {-status}")
