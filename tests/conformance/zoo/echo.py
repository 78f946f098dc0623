"""What every animal is but for one thing: an echo that is right, around a connection of the core, on asyncio.

    class KeepsTcp(Echo):
        \"\"\"It never ends TCP.\"\"\"

        def hang_up(self) -> None:
            pass

What an animal does differently is a method of `Echo`, or one of the connection: those of `Wrong` take the place of the
connection's own, and call the animal `self.animal`.  It plays either role, unless it says otherwise.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from rawws.core.connection import Wants
from rawws.core.events import Closed, Event
from rawws.core.frames import FrameHeader, decode_header
from rawws.core.http1 import ClientConnection, Request, ServerConnection
from rawws.core.settings import Role
from tests.conformance.zoo.kind import Kind
from tests.wire import frame


class Echo(Kind, asyncio.Protocol):
    """An echo that is right."""

    class Wrong:
        """Mixed into the connection."""

    def __init__(self, role: Role, *args: Any) -> None:
        self.role = role
        base = ServerConnection if role is Role.SERVER else ClientConnection
        self.connection: Any = type("Broken", (self.Wrong, base), {"animal": self})(*args)
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP is there."""
        self.transport: Any = transport
        self.turn()

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self.connection.receive_data(data)
        self.turn()

    def eof_received(self) -> bool:
        """The other half has ended; ours is ended by `turn`."""
        self.connection.receive_eof()
        self.turn()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """TCP is gone."""
        self.over.set_result(None)

    def turn(self) -> None:
        """Digest what came, answer, and end TCP if it is time to."""
        for event in self.connection.events():
            self.on_event(event)
        self.write(self.connection.data_to_send())
        if self.connection.wants is not Wants.DATA:
            self.hang_up()

    def on_event(self, event: Event) -> None:
        """Accept every handshake, send every message back, and close when told to."""
        match event:
            case Request():
                self.connection.accept()
            case str() if event.startswith("/close "):
                self.connection.close(int(event.split()[1]))
            case str():
                self.connection.send_text(event)
            case bytes():
                self.connection.send_binary(event)
            case Closed():
                self.on_closed(event)

    def on_closed(self, closed: Closed) -> None:
        """It is over; the answer is queued."""

    def write(self, data: bytes) -> None:
        """Send what is queued."""
        if data:
            self.transport.write(data)

    def hang_up(self) -> None:
        """End TCP, or our half of it."""
        if self.connection.wants is Wants.CLOSE:
            self.transport.close()
        elif not self.transport.is_closing():
            self.transport.write_eof()

    def answer(self, *frames: bytes) -> None:
        """Send this in place of the Close that is queued last."""
        *before, _ = self.connection.chunks_to_send()
        self.write(b"".join((*before, *frames)))

    async def gone(self) -> None:
        """Drop TCP, if it is still there."""
        self.transport.abort()
        await self.over

    def frames_in(self, data: bytes) -> list[FrameHeader]:
        """The headers of what came at once, perhaps behind the head of a handshake."""
        data = data.partition(b"\r\n\r\n")[2] if data.startswith((b"GET", b"HTTP")) else data
        found = []
        while (header := decode_header(data)) is not None:
            found.append(header)
            data = data[header.size + header.length :]
        return found

    def frame(self, opcode: int, payload: bytes) -> bytes:
        """A frame that the connection knows nothing of."""
        return frame(opcode, payload, key=None if self.role is Role.SERVER else bytes(4))


@contextlib.asynccontextmanager
async def serving(animal: type[Kind]) -> AsyncIterator[int]:
    """A server of this kind; gives its port."""
    born: list[Any] = []
    # What one connection leaves behind in the class is gone with this server.
    animal = type(animal.__name__, (animal,), {})

    def be_born() -> Any:
        born.append(animal(Role.SERVER))
        return born[-1]

    server = await asyncio.get_running_loop().create_server(be_born, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for one in born:
            await one.gone()


async def calling(animal: type[Kind], url: str) -> None:
    """A client of this kind, until its connection is over."""
    place = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: animal(Role.CLIENT, place.netloc, place.path), place.hostname, place.port
    )
    try:
        await asyncio.shield(client.over)
    finally:
        await client.gone()
