"""One TCP connection with the target: octets out and in, heads of HTTP, and the transcript of all that passed.

`peer` speaks the WebSocket protocol on it.  What cannot be written any more is dropped, for what came back will tell;
every wait ends in time.
"""

import asyncio
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from rawws.conformance.heard import End, Nothing
from rawws.conformance.http import Head, read_head
from rawws.conformance.transcript import Transcript
from rawws.core.settings import Role


@dataclass(frozen=True)
class Patience:
    """Seconds."""

    reply: float = 5.0
    """For anything that has to come."""
    close: float = 2.0
    """For the end of a connection that is closing."""

    @property
    def large(self) -> float:
        """For what is large."""
        return 4 * self.reply


class Line:
    """One TCP connection with the target, from our side.

    Attributes:
        role: the side that we play.
        patience: how long to wait.
        transcript: what passed so far.
    """

    def __init__(
        self, role: Role, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: Patience
    ) -> None:
        self.role = role
        self.patience = patience
        self.transcript = Transcript()
        self._reader = reader
        self._writer = writer
        self._began = monotonic()
        self._received = bytearray()
        self._end: End | None = None
        self._news = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._task = asyncio.get_running_loop().create_task(self._read())

    @property
    def target(self) -> Role:
        """The side under test."""
        return self.role.peer

    @property
    def secure(self) -> bool:
        """Whether the connection runs over TLS."""
        return self._writer.get_extra_info("ssl_object") is not None

    @property
    def has_ended(self) -> bool:
        """TCP has ended, from the other side."""
        return self._end is not None

    # --- Saying -----------------------------------------------------------------------------------------------------

    async def write(self, data: bytes, seconds: float | None = None) -> bool:
        """Write these bytes in one go, and wait until the kernel has taken most of them.

        Returns:
            Whether it has, within so many seconds: one that does not read what it is sent makes us wait.
        """
        if self._end is not None or self._writer.is_closing():
            return False
        self.transcript.add(monotonic() - self._began, self.role, data)
        try:
            self._writer.write(data)
            async with asyncio.timeout(self.patience.reply if seconds is None else seconds):
                await self._writer.drain()
        except (OSError, TimeoutError):
            return False  # What came before it did is what counts.
        return True

    async def pause(self, seconds: float) -> None:
        """Say nothing for a while; only where the case is about time."""
        await asyncio.sleep(seconds)

    def finish(self) -> None:
        """End our half of TCP."""
        if not self._writer.is_closing() and self._writer.can_write_eof():
            with suppress(OSError):
                self._writer.write_eof()

    def reset(self) -> None:
        """Drop TCP with a reset."""
        sock = self._writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def stop_reading(self) -> None:
        """Read nothing more until `go_on_reading`, so that the kernel's buffers fill."""
        self._reading.clear()
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def go_on_reading(self) -> None:
        """Read again."""
        self._reading.set()
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def leave(self) -> None:
        """Let go of the connection, whatever state it is in."""
        self._task.cancel()
        self._writer.transport.abort()
        await asyncio.wait([self._task])

    # --- Hearing ----------------------------------------------------------------------------------------------------

    async def head(self, seconds: float | None = None) -> Head | End | Nothing:
        """The next head of HTTP that the target sends, and what of the body follows is left to read."""
        allowed = self.patience.reply if seconds is None else seconds
        deadline = monotonic() + allowed
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            if self._end is not None:
                return self._end
            if not await self._wait_for_news(deadline):
                return Nothing(allowed)
        head = read_head(bytes(self._received[: end + 4]))
        del self._received[: end + 4]
        return head

    async def octets(self, size: int) -> bytes:
        """The next `size` bytes; fewer if TCP ends before, or they do not come in time."""
        deadline = monotonic() + self.patience.reply
        while len(self._received) < size and self._end is None and await self._wait_for_news(deadline):
            pass
        found = bytes(self._received[:size])
        del self._received[:size]
        return found

    async def some(self) -> bytes:
        """The next octets that come, as many as are there; b"" if TCP ends, or the time is over."""
        deadline = monotonic() + self.patience.reply
        while not self._received and self._end is None and await self._wait_for_news(deadline):
            pass
        found = bytes(self._received)
        self._received.clear()
        return found

    async def rest(self, seconds: float) -> bytes:
        """Everything else that the target sends until it ends TCP or the time is over."""
        deadline = monotonic() + seconds
        while self._end is None and await self._wait_for_news(deadline):
            pass
        rest = bytes(self._received)
        self._received.clear()
        return rest

    async def _read(self) -> None:
        how = "FIN"
        try:
            while data := await self._reader.read(65536):
                self.transcript.add(monotonic() - self._began, self.target, data)
                self._received += data
                self._news.set()
                await self._reading.wait()
        except ConnectionResetError:
            how = "RST"
        except OSError as error:
            how = os.strerror(error.errno or 0)
        self._end = End(how)
        self.transcript.ended = how
        self._news.set()

    async def _wait_for_news(self, deadline: float) -> bool:
        self._news.clear()
        try:
            async with asyncio.timeout(max(0.0, deadline - monotonic())):
                await self._news.wait()
        except TimeoutError:
            return False
        return True
