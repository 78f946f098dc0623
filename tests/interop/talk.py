"""What the interop tests ask of every endpoint, whichever library it is made of, and what their servers answer.

A `Talker` is one end of an open connection.  There is one for each library, with the library's own means behind it, and
it serves on both sides.  Its verbs are coroutine functions; those of a blocking library block and never suspend, which
is what `at_once` drives.  So the conversation of a server is written once, in `Host`, and each test once.
"""

import asyncio
import hashlib
import json
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, TypeVar

from rawws import Deflate, Role
from rawws.core.agreement import Terms
from rawws.core.frames import RSV1, Opcode
from rawws.tap import Frame, Record, Tap, agreed

TIMEOUT = 10
"""Seconds that anything may take."""
HOST = "127.0.0.1"
LIMIT = 2**20
"""The longest message that each endpoint takes: what rawws and `websockets` have by default, and others are told."""
FORBIDDEN, REFUSAL = "/forbidden", "not you"
"""Whoever asks for this path gets a 403 with this text."""
SUBPROTOCOL = "chat"
"""The only one that the servers speak."""
GREETING = {"X-Greeting": "welcome"}
"""Header fields that the servers add to a 101."""

DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION)

Message = str | bytes
Result = TypeVar("Result")


class Ended(Exception):
    """The connection is over, with this code and this reason; None where the library does not tell."""

    def __init__(self, code: int | None, reason: str | None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Refused(Exception):
    """The opening handshake was answered with another status than 101; the body is None where the library hides it."""

    def __init__(self, status: int, body: bytes | None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class Tls(NamedTuple):
    """A certificate for `HOST`, and what trusts it; as contexts, and as files for those who want files."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    certificate: str
    key: str
    authority: str


class Talker(ABC):
    """One end of an open connection.

    Attributes:
        path: what the client asked for.
        subprotocol: what was agreed on.
        headers: what the other side said in the opening handshake, names in lower case.
    """

    path: str
    subprotocol: str | None
    headers: Mapping[str, str]

    @property
    def description(self) -> dict[str, Any]:
        """What it knows of the opening handshake, as JSON can carry it."""
        return {"path": self.path, "subprotocol": self.subprotocol, "headers": dict(self.headers)}

    @abstractmethod
    async def send(self, message: Message, compress: bool | None = None) -> None:
        """Send a message in one frame; whether to `compress` it can be said to some libraries only."""

    @abstractmethod
    async def send_fragments(self, parts: Sequence[Message], pings: bool = False) -> None:
        """Send one message in several frames, and with `pings` a Ping between each and the next."""

    @abstractmethod
    async def recv(self) -> Message:
        """The next message; raises `Ended` when there is none."""

    @abstractmethod
    async def ping(self, payload: bytes) -> None:
        """Send a Ping and wait for its Pong."""

    @abstractmethod
    async def close(self, code: int, reason: str) -> Ended:
        """Close the connection; how it ended then."""

    @abstractmethod
    async def drop(self) -> None:
        """End TCP with no Close."""

    async def leave(self) -> None:
        """Let go of everything; the connection may be over already."""
        await self.drop()


class Wire:
    """What passed by on the wire of one connection of ours.

    Attributes:
        path: what the client asked for.
        frames: of both sides.
        agreed: the compression that the server's answer agrees on.
    """

    def __init__(self, role: Role) -> None:
        self.path = ""
        self.frames: list[Frame] = []
        self.agreed: Terms | None = None
        self.tap = Tap(role, self._note)

    def _note(self, record: Record) -> None:
        if isinstance(record, Frame):
            self.frames.append(record)
        elif record.sender is Role.CLIENT:
            self.path = self.path or record.text.split()[1].decode()
        elif record.text.lower().startswith(b"sec-websocket-extensions:"):
            self.agreed = agreed(record.text.partition(b":")[2].strip())

    def data(self, sender: Role) -> list[Frame]:
        """The data frames of one side."""
        return [frame for frame in self.frames if frame.sender is sender and frame.header.opcode in DATA]

    def compressed(self, sender: Role) -> list[Frame]:
        """Those of them that begin a compressed message."""
        return [frame for frame in self.data(sender) if frame.header.rsv & RSV1]

    @property
    def remarks(self) -> list[str]:
        """What is wrong with the frames, whoever sent them."""
        return [f"{frame.sender.value}: {remark}" for frame in self.frames for remark in frame.remarks]


class Offer(NamedTuple):
    """What a client is to connect to, and what it says there.

    Attributes:
        compression: with None, rawws does without, and the others say what they say by themselves.
        wire: who listens on the wire, if it is rawws.
    """

    port: int
    path: str
    subprotocols: tuple[str, ...] = ()
    headers: Mapping[str, str] = {}
    tls: Tls | None = None
    compression: Deflate | None = None
    wire: Wire | None = None

    @property
    def uri(self) -> str:
        """The same as a URI."""
        return f"{'wss' if self.tls else 'ws'}://{HOST}:{self.port}{self.path}"


class Host:
    """The server's side of all conversations: what it answers, and how each of them ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._endings: dict[str, Future[Ended]] = {}
        self._wires: list[Wire] = []

    def ending(self, path: str) -> "Future[Ended]":
        """How the connection to this path ended, as soon as it is known."""
        with self._lock:
            return self._endings.setdefault(path, Future())

    def overhear(self) -> Tap:
        """Listens on the wire of a server of ours, on one connection."""
        self._wires.append(Wire(Role.SERVER))
        return self._wires[-1].tap

    def wire(self, path: str) -> Wire:
        """What was heard of the connection to this path."""
        return next(wire for wire in self._wires if wire.path == path)

    async def converse(self, talker: Talker) -> None:
        """Answer each message until the connection is over."""
        try:
            while True:
                await self._answer(talker, await talker.recv())
        except Ended as end:
            self.ending(talker.path).set_result(end)
        except Exception as error:
            self.ending(talker.path).set_exception(error)
            await talker.drop()

    async def _answer(self, talker: Talker, message: Message) -> None:
        """Do what is asked for with a text like "!ping", and send back everything else."""
        order, _, rest = message.partition(" ") if isinstance(message, str) else ("", "", "")
        match order:
            case "!describe":
                await talker.send(json.dumps(talker.description))
            case "!fragments":
                await talker.send_fragments(json.loads(rest))
            case "!pinged":
                await talker.send_fragments(json.loads(rest), pings=True)
            case "!plain":
                await talker.send(rest, compress=False)
            case "!ping":
                await talker.ping(rest.encode())
                await talker.send("ponged")
            case "!bytes":
                await talker.send(bytes(int(rest)))
            case "!close":
                code, _, reason = rest.partition(" ")
                raise await talker.close(int(code), reason)
            case "!drop":
                await talker.drop()
            case _:
                await talker.send(message)


def choose_subprotocol(offered: Sequence[str]) -> str | None:
    """The subprotocol that the servers choose."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


class Stage(NamedTuple):
    """What a server is given: who converses, the loop for those that need one, and TLS if it is to be spoken.

    Compression is as in `Offer`.
    """

    host: Host
    loop: asyncio.AbstractEventLoop
    tls: Tls | None = None
    compression: Deflate | None = None

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the loop, from another thread, and wait for its end."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(TIMEOUT)


Connect = Callable[[Offer], Awaitable[Talker]]
Serve = Callable[[Stage], AbstractContextManager[int]]


class Ends(NamedTuple):
    """What a library brings."""

    connect: Connect | None
    """Opens a connection."""
    serve: Serve | None
    """Serves on a port, which it gives, until the block ends."""


def at_once(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that blocks and never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    raise AssertionError("it was to block, not to suspend")


@contextmanager
def background_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop of the servers")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(TIMEOUT)
        loop.close()


@contextmanager
def in_thread(work: Callable[[], object], stop: Callable[[], object]) -> Iterator[None]:
    """Have `work` done in a thread, until the block ends and `stop` is called."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(TIMEOUT)


def brief(message: Message) -> Message | tuple[str, int, str]:
    """The message if it is short; else what tells it from others, so that a failing test can be read."""
    if len(message) <= 200:
        return message
    data = message.encode() if isinstance(message, str) else message
    return type(message).__name__, len(message), hashlib.sha256(data).hexdigest()
