"""An echo that compresses, and is right in all; the animals in `deflate` and `windows` are made of it.

It is made of little: zlib, frames, and a handshake.  What an animal does differently is a method of `Compressing`.  It
plays either role.
"""

import asyncio
from typing import Any

from rawws.conformance.http import Answer, Ask, Head, read_head
from rawws.conformance.wire import CLOSE, PING, PONG, TEXT, close_body, frame
from rawws.core.deflate import NAME, Deflate, DeflateTerms
from rawws.core.errors import ProtocolError
from rawws.core.frames import RSV1, FrameHeader, decode_header
from rawws.core.headers import read_extensions
from rawws.core.masking import apply_mask
from rawws.core.settings import Role
from tests.conformance.zoo.kind import Kind

ANYTHING = Deflate(server_max_window_bits=15, client_max_window_bits=15)
OFFER = f"{NAME}; client_max_window_bits"


class Refused(Exception):
    """The other side errs; with the code for it."""


class Compressing(Kind, asyncio.Protocol):
    """An echo that is right, and compresses all that it says."""

    LIMIT = 1024 * 1024
    """Of a message, in bytes."""

    def __init__(self, role: Role, host: str = "", path: str = "") -> None:
        self.role = role
        self.place = host, path
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = bytearray()
        self.terms: DeflateTerms | None = None
        self.is_open = self.is_done = False
        self.parts: list[bytes] = []
        self.opcode = 0
        self.compressed = False

    # --- TCP and the handshake --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP is there."""
        self.transport: Any = transport
        if self.role is Role.CLIENT:
            host, path = self.place
            ask = Ask(
                f"GET {path} HTTP/1.1".encode(),
                [(b"Host", host.encode()), (b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")],
            )
            ask.put("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==").put("Sec-WebSocket-Version", "13")
            self.transport.write(bytes(ask.put("Sec-WebSocket-Extensions", OFFER)))

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self.received += data
        if not self.is_open and b"\r\n\r\n" in self.received:
            head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
            self.received[:] = rest
            self.opened(read_head(head))
            self.is_open = True
        while self.is_open and not self.is_done and self.read_frame():
            pass

    def connection_lost(self, error: Exception | None) -> None:
        """TCP is gone."""
        self.over.set_result(None)

    async def gone(self) -> None:
        """Drop TCP, if it is still there."""
        self.transport.abort()
        await self.over

    def opened(self, head: Head) -> None:
        """The head of the other side is there."""
        field = head.get("sec-websocket-extensions")
        extensions = () if field is None else read_extensions(field)
        if self.role is Role.CLIENT:
            self.terms = ANYTHING.check(extensions[0]) if extensions else None
        else:
            accepted = [terms for offer in extensions if (terms := ANYTHING.accept(offer)) is not None]
            self.terms = accepted[0] if accepted else None
            answer = Answer.properly(head)
            if self.terms is not None:
                answer.put("Sec-WebSocket-Extensions", str(self.terms.extension))
            self.transport.write(bytes(answer))
        if self.terms is not None:
            self.agreed(self.terms)

    def agreed(self, terms: DeflateTerms) -> None:
        """On these terms."""
        self.inflater = terms.decompressor(self.role.peer)
        self.deflater: Any = terms.compressor(self.role)

    # --- Frames -----------------------------------------------------------------------------------------------------

    def read_frame(self) -> bool:
        """The next frame; False if it is not all there."""
        header = decode_header(self.received)
        if header is None or len(self.received) < header.size + header.length:
            return False
        payload = bytes(self.received[header.size : header.size + header.length])
        del self.received[: header.size + header.length]
        try:
            self.check(header)
            self.on_frame(header, payload if header.key is None else apply_mask(payload, header.key))
        except Refused as refusal:
            self.end(close_body(refusal.args[0]))
        return True

    def check(self, header: FrameHeader) -> None:
        """Refuse bits that mean nothing."""
        if header.rsv & ~self.allowed(header):
            raise Refused(1002)

    def allowed(self, header: FrameHeader) -> int:
        """The reserved bits that it may have."""
        return RSV1 if header.opcode in (1, 2) and self.terms is not None else 0

    def on_frame(self, header: FrameHeader, payload: bytes) -> None:
        """Answer it."""
        if header.opcode == CLOSE:
            self.end(payload)
        elif header.opcode == PING:
            self.say(PONG, payload)
        elif header.opcode != PONG:
            self.on_data(header, payload)

    def on_data(self, header: FrameHeader, payload: bytes) -> None:
        """A fragment."""
        if header.opcode:
            self.opcode, self.compressed, self.parts = header.opcode, bool(header.rsv & RSV1), []
        self.parts.append(payload)
        if header.fin:
            self.echo(self.whole())

    def whole(self) -> bytes:
        """The message that is complete."""
        payload = b"".join(self.parts)
        return self.inflate(payload) if self.compressed else payload

    def inflate(self, payload: bytes) -> bytes:
        """Decompress it."""
        found = b""
        try:
            while payload:
                part, used = self.inflater.decompress(payload, self.LIMIT + 1 - len(found))
                found, payload = found + part, payload[used:]
                if len(found) > self.LIMIT:
                    raise Refused(1009)
            return found + self.inflater.finish()
        except ProtocolError:
            raise Refused(1007) from None

    def echo(self, data: bytes) -> None:
        """Send it back."""
        if self.opcode == TEXT:
            self.check_text(data)
        if self.terms is None:
            self.say(self.opcode, data)
        else:
            self.say(self.opcode, self.deflater.compress(data, True), rsv=RSV1)

    def check_text(self, data: bytes) -> None:
        """Refuse what is no UTF-8."""
        try:
            data.decode()
        except UnicodeDecodeError:
            raise Refused(1007) from None

    def say(self, opcode: int, payload: bytes, **shape: Any) -> None:
        """Send a frame."""
        key = b"mask" if self.role is Role.CLIENT else None
        self.transport.write(frame(opcode, payload, key=key, **shape))

    def end(self, body: bytes) -> None:
        """Say that it is over, and hang up."""
        self.say(CLOSE, body)
        self.is_done = True
        self.transport.close()
