"""What is under test, and how we meet it: a server at a URL, or a client that is told where we listen."""

import asyncio
import contextlib
import os
import shlex
import ssl as tls
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Protocol

from rawws.conformance.case import Case, Declared, Opening
from rawws.conformance.peer import Patience, Peer
from rawws.conformance.verdict import Wrong
from rawws.core.settings import Role
from rawws.uri import parse


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
        """Whether it still answers."""


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
            raise Unreachable(f"{self.name}: {error or type(error).__name__}") from error
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
        """Whether a new connection is answered with an echo, within a few attempts."""
        for _ in range(3):
            peer = None
            try:
                peer = await self.connect(Random(0))
                await peer.open()
                await peer.send(peer.text("still there?"))
                await peer.echoes("still there?")
                return True
            except (Unreachable, Wrong):
                await asyncio.sleep(0.2)
            finally:
                if peer is not None:
                    await peer.leave()
        return False


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
        self._ssl = ssl

    @asynccontextmanager
    async def meet(self, case: Case, random: Random) -> AsyncIterator[list[Peer]]:
        """See `Target`."""
        peers: list[Peer] = []
        processes: list[asyncio.subprocess.Process] = []
        came: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            came.put_nowait((reader, writer))

        server = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=self._ssl)
        port = server.sockets[0].getsockname()[1]

        async def another(
            opening: Opening = case.opening,
            offer: str = case.offer,
            resource: str = "/",
            host: str = "127.0.0.1",
            start: bool = True,
        ) -> Peer:
            if start:
                scheme = "ws" if self._ssl is None else "wss"
                processes.append(await self._run(f"{scheme}://{host}:{port}{resource}"))
            try:
                async with asyncio.timeout(self.start):
                    reader, writer = await came.get()
            except TimeoutError:
                raise Wrong("a connection from the client", f"none within {self.start:g} s") from None
            peer = Peer(
                Role.SERVER,
                reader,
                writer,
                random=random,
                patience=self.patience,
                declared=self.declared,
                resource=resource,
                host=f"{host}:{port}",
                another=another,
            )
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
            server.close()
            for process in processes:
                await self._stop(process)

    def words(self, url: str) -> list[str]:
        """The command that connects to `url`, which stands at its end if it has no place for it."""
        words = [word.replace("{url}", url) for word in shlex.split(self.command)]
        return words if url in " ".join(words) else [*words, url]

    async def _run(self, url: str) -> asyncio.subprocess.Process:
        words = self.words(url)
        quiet = asyncio.subprocess.DEVNULL
        try:
            return await asyncio.create_subprocess_exec(
                *words, stdin=quiet, stdout=quiet, stderr=quiet, env=os.environ | {"RAWWS_URL": url}
            )
        except OSError as error:
            raise Unreachable(f"{words[0]}: {error.strerror}") from None

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        """Let the process end, and then make it; one that was killed by a signal of its own has crashed."""
        try:
            async with asyncio.timeout(self.patience.close):
                code = await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            return
        if code < 0:
            raise Wrong("a client that stays alive", f"it was killed by signal {-code}")

    async def is_alive(self) -> bool:
        """A new process is started for each connection: there is nothing that could have died."""
        return True
