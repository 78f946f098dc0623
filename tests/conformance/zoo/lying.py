"""A server that is right, and lies between it and the wire.

`reads` changes the head that the server gets to see, and `says` the one that it answers with: a server that takes any
Host is one that sees a good Host in every request.  What is wrong is then wrong in one place, and nowhere else.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rawws.conformance.case import SERVER
from rawws.core.connection import Wants
from rawws.core.deflate import Deflate
from rawws.core.errors import RemoteProtocolError
from rawws.core.events import Closed
from rawws.core.http1 import Request, ServerConnection
from rawws.core.settings import Role
from rawws.core.upgrade import SAME_ORIGIN, refusal

KNOWN, MISSING = "chat", "/missing"
"""The subprotocol that all of them speak, and a path that they do not serve."""

Reads = Callable[[bytes], bytes]
Says = Callable[[bytes, bytes], bytes]


@dataclass(frozen=True)
class Animal:
    """One server.

    Attributes:
        name: what is wrong with it.
        caught_by: the cases that fail, warn, or tell of it.
        reads: what it makes of what comes first: a head, and what came with it.
        says: what it makes of its answer, given what it was asked.
        reads_once: it does not wait until the head is whole.
        one_at_a_time: nobody is served while a head is on its way.
    """

    name: str
    caught_by: str
    reads: Reads = bytes
    says: Says = lambda asked, answer: answer
    reads_once: bool = False
    one_at_a_time: bool = False
    roles: frozenset[Role] = SERVER

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


# --- The right server -----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def living(animal: Animal) -> AsyncIterator[int]:
    """Let it serve; its port."""
    lock = asyncio.Lock() if animal.one_at_a_time else contextlib.nullcontext()
    server = await asyncio.start_server(partial(_serve, animal, lock), "127.0.0.1", 0, backlog=300)
    async with server:
        yield server.sockets[0].getsockname()[1]
        server.close()


async def _serve(
    animal: Animal,
    lock: contextlib.AbstractAsyncContextManager[object],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    with contextlib.suppress(OSError):
        async with lock:
            asked = await _head(animal, reader)
        connection = ServerConnection()
        connection.receive_data(animal.reads(asked))
        await _send(writer, animal.says(asked, _answer(connection)))
        while connection.wants is Wants.DATA:
            data = await reader.read(65536)
            connection.receive_data(data) if data else connection.receive_eof()
            await _send(writer, _answer(connection))
        writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read()
    writer.close()


async def _head(animal: Animal, reader: asyncio.StreamReader) -> bytes:
    """What comes, until there is an empty line in it."""
    asked = await reader.read(65536)
    while not re.search(rb"\r?\n\r?\n", asked) and not animal.reads_once and (more := await reader.read(65536)):
        asked += more
    # Nothing but a whole head is judged: who hangs up in the midst of one is gone.
    return asked if not animal.reads_once or b"\r\n\r\n" in asked else b"GET / HTTP/1.1\r\n\r\n"


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(data)
        await writer.drain()


def _answer(connection: ServerConnection) -> bytes:
    for event in connection.events():
        match event:
            case Request():
                _answer_request(connection, event)
            case str():
                connection.send_text(event)
            case bytes() | bytearray():
                connection.send_binary(event)
            case Closed():
                break
    return connection.data_to_send()


def _answer_request(connection: ServerConnection, request: Request) -> None:
    if request.upgrade is None:
        connection.accept()
        return
    try:
        request.upgrade.check_origin(SAME_ORIGIN)
    except RemoteProtocolError as error:
        connection.reject(*refusal(error))
        return
    if request.target == MISSING:
        connection.reject(404)
        return
    connection.accept(KNOWN if KNOWN in request.upgrade.subprotocols else None, compression=Deflate())


@dataclass(frozen=True)
class Sniffing:
    """One port for both is a server that can be talked out of TLS.

    Attributes:
        options: of the server that speaks TLS.
    """

    name: str
    caught_by: str
    options: dict[str, Any] = field(default_factory=dict)
    roles: frozenset[Role] = SERVER

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


@contextlib.asynccontextmanager
async def sniffing(secure: int, plain: int) -> AsyncIterator[int]:
    """A port on which TLS goes to the one server, and everything else to the other."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        if not first:
            writer.close()
            return
        inner, outer = await asyncio.open_connection("127.0.0.1", secure if first[0] == 0x16 else plain)
        outer.write(first)
        await asyncio.gather(_pass_on(reader, outer), _pass_on(inner, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            await _send(writer, data)
    writer.close()


# --- Lies -----------------------------------------------------------------------------------------------------------


def having(name: bytes, *values: bytes) -> Reads:
    """Fields of this name with these values, whatever was there."""

    def reads(asked: bytes) -> bytes:
        head, gap, rest = asked.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        lines = [line for line in lines if line.partition(b":")[0].lower() != name.lower()]
        return b"\r\n".join([first, *(name + b": " + value for value in values), *lines]) + gap + rest

    return reads


def instead(pattern: bytes, by: bytes, first: bool = False) -> Reads:
    """Something else where this pattern is found."""
    return lambda asked: re.sub(pattern, by, asked, count=int(first), flags=re.DOTALL)


def when(pattern: bytes, reads: Reads) -> Reads:
    """This lie only for requests in which the pattern is found."""
    return lambda asked: reads(asked) if re.search(pattern, asked) else asked


def both(one: Reads, other: Reads) -> Reads:
    """One lie behind the other."""
    return lambda asked: other(one(asked))


def refusing(pattern: bytes) -> Reads:
    """A 400 for requests in which the pattern is found."""
    return when(pattern, having(b"Host", b"no host"))


def of_101(pattern: bytes, by: bytes, when_asked: bytes = b"") -> Says:
    """Something else in answers that are a 101, to requests in which `when_asked` is found."""

    def says(asked: bytes, answer: bytes) -> bytes:
        is_it = answer.startswith(b"HTTP/1.1 101") and re.search(when_asked, asked) is not None
        return re.sub(pattern, by, answer, count=1) if is_it else answer

    return says


def of_refusals(pattern: bytes, by: bytes) -> Says:
    """Something else in all other answers."""
    return lambda asked, answer: answer if b"HTTP/1.1 101" in answer[:12] else re.sub(pattern, by, answer, count=1)


def and_then(more: bytes, only_if_more_came: bool = False) -> Says:
    """Something behind every refusal."""

    def says(asked: bytes, answer: bytes) -> bytes:
        wanted = not answer.startswith(b"HTTP/1.1 101") and (not only_if_more_came or asked.count(b"\r\n\r\n") > 1)
        return answer + more if wanted else answer

    return says
