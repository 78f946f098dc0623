"""An endpoint that is right, and what stands between it and the wire: frames are changed there on their way in or out.

A server that takes frames without a mask is one to which all frames come with one.  What is wrong is then wrong in one
place, and nowhere else.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from rawws.conformance.line import Patience
from rawws.conformance.target import ServerTarget
from rawws.conformance.wire import frame
from rawws.core.connection import Connection, Wants
from rawws.core.frames import FrameHeader, breaches, decode_header
from rawws.core.http1 import ClientConnection, Request, ServerConnection
from rawws.core.masking import apply_mask
from rawws.core.settings import Limits, Role
from tests.conformance.targets import Client

HOST = "127.0.0.1"
PATIENCE = Patience(reply=1.2, close=0.3)
"""For those that do nothing where something has to come, if it is not known where."""
LINGER = 0.3
"""Seconds: so long it waits for the other side to end TCP, too."""
HEAD = b"\r\n\r\n"
LARGE = 1 << 20
"""Longer frames go through as they are."""


class Frame(NamedTuple):
    """A frame on its way."""

    header: FrameHeader
    payload: bytes
    """With no mask on it."""
    raw: bytes
    sender: Role
    cuts: tuple[int, ...] = ()
    """Where in it a read ended."""

    @property
    def is_legal(self) -> bool:
        """Whether its header is."""
        return not breaches(self.header, self.sender)

    def again(self, **changes: Any) -> bytes:
        """The same frame with something changed, and its length in the shortest form."""
        header = self.header
        shape = {"opcode": header.opcode, "payload": self.payload, "key": header.key, "fin": header.fin}
        return frame(**(shape | {"rsv": header.rsv} | changes))


Way = Callable[[list[Frame], "Line"], bytes]


def each(change: Callable[[Frame, "Line"], bytes]) -> Way:
    """Change frame by frame."""
    return lambda frames, line: b"".join(change(one, line) for one in frames)


unchanged = each(lambda one, line: one.raw)


@dataclass(frozen=True)
class Animal:
    """An endpoint that is wrong in one thing.

    Attributes:
        name: what is wrong with it.
        caught_by: the cases that fail, or warn: ids, the last part perhaps with runs of numbers, "6455/5.1/1.1-7,9".
        roles: what it can be.
        hears: what it makes of the frames that came at once.
        says: what it makes of those that it sends.
        perhaps: cases that may fail too: that depends on how TCP delivers.
        limits: of the right endpoint in it.
        length: which length it reads in the header of a frame.
        head_at_once: it does not wait until the head of HTTP is whole.
        waits: it reads no further while what it has to say is not being read.
        forgets: it does not say what there is no room for.
        freezes: when there is no room for what it has to say, it does nothing any more.
        dies_at_reset: it serves nobody when a connection was reset.
        slow: to catch it takes seconds.
    """

    name: str
    caught_by: str
    hears: Way = unchanged
    says: Way = unchanged
    roles: frozenset[Role] = frozenset(Role)
    perhaps: str = ""
    limits: Limits = Limits()
    length: Callable[[int], int] = int
    head_at_once: bool = False
    waits: bool = True
    forgets: bool = False
    freezes: bool = False
    dies_at_reset: bool = False
    slow: bool = False

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


@dataclass
class Line:
    """One connection of an animal."""

    animal: Animal
    role: Role
    memory: dict[str, Any] = field(default_factory=dict)
    """For what stands between."""
    stop: Callable[[], None] = lambda: None
    """Stop serving at all."""
    came: bytes = b""
    ends: list[int] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    aside: bytes = b""
    deaf: bool = False
    """It does nothing any more."""

    def say(self, octets: bytes) -> None:
        """Say something that the endpoint within knows nothing of."""
        self.aside += octets

    def heard(self, data: bytes) -> bytes:
        """What the endpoint within gets of what came."""
        self.came += data
        head = b""
        if "in" not in self.opened:
            first, end, rest = self.came.partition(HEAD)
            if not end:
                return b"what?" + HEAD if self.animal.head_at_once else b""
            self.opened.add("in")
            head, self.came = first + end, rest
        self.ends.append(len(self.came))
        return head + self._heard_frames()

    def _heard_frames(self) -> bytes:
        frames = []
        while (header := decode_header(self.came)) is not None:
            length = self.animal.length(header.length)
            if length > LARGE:
                break
            end = header.size + length
            if end > len(self.came):
                break
            raw, self.came = self.came[:end], self.came[end:]
            cuts = tuple(place for place in self.ends if 0 < place < end)
            self.ends = [place - end for place in self.ends if place > end]
            frames.append(_frame(header._replace(length=length), raw, self.role.peer, cuts))
        out = self.animal.hears(frames, self)
        if header is not None and self.animal.length(header.length) > LARGE:
            out, self.came = out + self.came, b""
        return out if not self.deaf else b""

    def said(self, data: bytes) -> bytes:
        """What goes out of what the endpoint within says."""
        head = b""
        if "out" not in self.opened and data:
            self.opened.add("out")
            first, end, data = data.partition(HEAD)
            head = first + end
        frames = []
        while header := decode_header(data):
            end = header.size + header.length
            frames.append(_frame(header, data[:end], self.role))
            data = data[end:]
        aside, self.aside = self.aside, b""
        return head + aside + self.animal.says(frames, self)


def _frame(header: FrameHeader, raw: bytes, sender: Role, cuts: tuple[int, ...] = ()) -> Frame:
    payload = raw[header.size :]
    return Frame(header, payload if header.key is None else apply_mask(payload, header.key), raw, sender, cuts)


async def _live(line: Line, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await _write(line, connection, writer)
        while connection.wants is Wants.DATA:
            data = await reader.read(65536)
            connection.receive_data(line.heard(data)) if data else connection.receive_eof()
            for event in connection.events():
                match event:
                    case Request():
                        assert isinstance(connection, ServerConnection)
                        connection.accept()
                    case str():
                        connection.send_text(event)
                    case bytes():
                        connection.send_binary(event)
            await _write(line, connection, writer)
            while line.deaf:
                await asyncio.get_running_loop().create_future()
        if connection.wants is Wants.LINGER and writer.can_write_eof():
            writer.write_eof()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER):
                    while await reader.read(65536):
                        pass
    except OSError:
        if line.animal.dies_at_reset:
            line.stop()
    finally:
        writer.close()


async def _write(line: Line, connection: Connection, writer: asyncio.StreamWriter) -> None:
    data = line.said(connection.data_to_send())
    full = writer.transport.get_write_buffer_size() > 0
    if line.animal.forgets and full:
        return
    line.deaf |= line.animal.freezes and full
    writer.write(data)
    if line.animal.waits:
        await writer.drain()


@contextlib.asynccontextmanager
async def server_target(animal: Animal, **options: Any) -> AsyncIterator[ServerTarget]:
    """The animal as a server under test."""

    tasks = set()
    dead = asyncio.Event()
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        writers.append(writer)
        line = Line(animal, Role.SERVER, stop=dead.set)
        if dead.is_set():
            writer.transport.abort()
            return
        with contextlib.suppress(asyncio.CancelledError):
            await _live(line, ServerConnection(limits=animal.limits), reader, writer)

    server = await asyncio.start_server(serve, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield ServerTarget(f"ws://{HOST}:{port}/", patience=PATIENCE, **options)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def client_target(animal: Animal, **options: Any) -> Client:
    """The animal as a client under test."""

    async def connect(url: str) -> None:
        netloc = urlsplit(url).netloc
        reader, writer = await asyncio.open_connection(*netloc.split(":"))
        try:
            await _live(Line(animal, Role.CLIENT), ClientConnection(netloc, limits=animal.limits), reader, writer)
        finally:
            writer.transport.abort()

    return Client(connect, patience=PATIENCE, **options)
