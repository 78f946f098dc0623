"""A client that is right, and lies between it and the wire.

`says` changes the request that it makes, and `hears` the answer that it gets to see: a client that looks at no Upgrade
is one that sees a good Upgrade in every answer.  What is wrong is then wrong in one place, and nowhere else.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from rawws.conformance.case import CLIENT
from rawws.core.connection import Wants
from rawws.core.deflate import Deflate
from rawws.core.headers import accept_for
from rawws.core.http1 import ClientConnection
from rawws.core.settings import Role

END = b"\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r"

Hears = Callable[[bytes, bytes], bytes]
"""Makes something of an answer, the head and what came with it, given the key of the request."""


@dataclass(frozen=True)
class Animal:
    """One client.

    Attributes:
        name: what is wrong with it.
        caught_by: the cases that fail, warn, or tell of it.
        says: what it makes of its request.
        hears: what it makes of the answer.
        frames: what it makes of what comes later.
        freezes: at such an answer, as far as it came, or when this is how long it took, it does nothing any more.
        reads_once: what it reads first is all of the answer to it.
        greets: what it says when it gets to see this, before it is open.
        options: of the connection.
    """

    name: str
    caught_by: str
    says: Callable[[bytes], bytes] = bytes
    hears: Hears | None = None
    frames: Callable[[bytes], bytes] = bytes
    freezes: Callable[[bytes, float], bool] = lambda answer, seconds: False
    reads_once: bool = False
    greets: bytes = b"never"
    options: dict[str, Any] = field(default_factory=dict)
    roles: frozenset[Role] = CLIENT

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


OFFERS: dict[str, Any] = {"subprotocols": ["chat", "superchat"], "compression": Deflate(15, 15)}


async def live(animal: Animal, url: str) -> None:
    """Connect, and echo until the connection is over."""
    place = urlsplit(url)
    target = (place.path or "/") + (f"?{place.query}" if place.query else "")
    connection = ClientConnection(place.netloc, target, **(OFFERS | animal.options))
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=2**24)
    try:
        writer.write(animal.says(connection.data_to_send()))
        connection.receive_data(await _answer(animal, connection, reader, writer))
        await _send(writer, _echo(connection))
        while connection.wants is Wants.DATA:
            data = await reader.read(65536)
            connection.receive_data(animal.frames(data)) if data else connection.receive_eof()
            await _send(writer, _echo(connection))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _answer(
    animal: Animal, connection: ClientConnection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bytes:
    """What came first: of a client that hears wrong, all of the head."""
    began = monotonic()
    answer = b""
    while not answer or not _is_enough(answer):
        data = await reader.read(65536)
        answer += data
        if animal.greets in answer:
            await _send(writer, b"\x89\x80\x00\x00\x00\x00")
        if animal.freezes(answer if data else answer + b"<end>", monotonic() - began):
            await asyncio.get_running_loop().create_future()
        if not data or (animal.reads_once and END not in answer):
            connection.receive_data(answer)
            connection.receive_eof()
            return b""
    head, end, rest = answer.partition(END)
    answer = head + end + animal.frames(rest)
    return answer if animal.hears is None else animal.hears(_key(connection), answer)


def _is_enough(answer: bytes) -> bool:
    """Whether it can be judged: all of its head is there, or it is no 101 and read as it comes."""
    return END in answer or not answer.startswith(SWITCHING[: len(answer)])


def _key(connection: ClientConnection) -> bytes:
    assert connection.upgrade.key is not None
    return connection.upgrade.key


def _echo(connection: ClientConnection) -> bytes:
    for event in connection.events():
        match event:
            case str():
                connection.send_text(event)
            case bytes():
                connection.send_binary(event)
    return connection.data_to_send()


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(data)
        await writer.drain()


# --- Lies -----------------------------------------------------------------------------------------------------------


def saying(pattern: bytes, by: bytes) -> Callable[[bytes], bytes]:
    """A request with something else where the pattern is found."""
    return lambda request: re.sub(pattern, by, request, count=1)


def instead(pattern: bytes, by: bytes) -> Hears:
    """An answer with something else wherever the pattern is found in its head."""

    def hears(key: bytes, answer: bytes) -> bytes:
        head, gap, rest = answer.partition(b"\r\n\r\n")
        return re.sub(pattern, by, head + b"\r\n")[:-2] + gap + rest

    return hears


def having(name: bytes, value: bytes | None = None) -> Hears:
    """An answer with a field of this name and value, or none, whatever was there; ACCEPT: the right one."""

    def hears(key: bytes, answer: bytes) -> bytes:
        head, gap, rest = answer.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        lines = [line for line in lines if line.partition(b":")[0].lower() != name.lower()]
        if value is not None:
            lines.append(name + b": " + (accept_for(key) if value == ACCEPT else value))
        return b"\r\n".join([first, *lines]) + gap + rest

    return hears


ACCEPT = b"(the right one)"


def when(pattern: bytes, hears: Hears) -> Hears:
    """This lie only of answers in whose head the pattern is found."""

    def only(key: bytes, answer: bytes) -> bytes:
        found = re.search(pattern, answer.partition(b"\r\n\r\n")[0] + b"\r\n", re.DOTALL)
        return hears(key, answer) if found else answer

    return only


def refusing(pattern: bytes) -> Hears:
    """No answer to speak of, where the pattern is found."""
    return when(pattern, having(b"Sec-WebSocket-Accept", b"none"))


def proper(key: bytes, answer: bytes) -> bytes:
    """An answer that is right, whatever it was."""
    rest = answer.partition(b"\r\n\r\n")[2]
    head = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    return b"\r\n".join([*head, b"Sec-WebSocket-Accept: " + accept_for(key), b"", rest])
