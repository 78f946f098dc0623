"""An echo as one writes it in an afternoon, from memory: it works with every browser, and three dozen things are wrong.

Nothing is wrong here by accident: `VIOLATIONS` names each thing, and the cases that have to tell of it.  What the code
does about it has its number beside it.
"""

import asyncio
import base64
import hashlib
import zlib
from typing import Any, NamedTuple

from rawws.core.settings import Role
from tests.conformance.zoo.kind import Kind


class Violation(NamedTuple):
    """One thing that is wrong."""

    number: int
    what: str
    server: str = ""
    """The cases that tell of it, if a server does it: see `kind.ids`."""
    client: str = ""

    def told_by(self, role: Role) -> str:
        """The cases for this side; empty: it cannot do it."""
        return self.server if role is Role.SERVER else self.client


VIOLATIONS = [
    # The opening handshake, section 4.
    Violation(1, "what is read first is all of the head", "6455/4.2.1/16.1-2", "6455/4.1/30.1-2"),
    Violation(2, "any method will do", "6455/4.2.1/1.1-3"),
    Violation(3, "any version of HTTP will do", "6455/4.2.1/2.1"),
    Violation(4, "nobody looks at Host; a client says no port in it", "6455/4.2.1/3.1-4", "6455/4.1/3.1-3"),
    Violation(5, "nobody looks at Upgrade", "6455/4.2.1/4.1-3", "6455/4.1/23.1-3"),
    Violation(6, "nobody looks at Connection", "6455/4.2.1/5.1-3", "6455/4.1/24.1-3"),
    Violation(7, "no key will do, too; and Accept is not compared", "6455/4.2.1/6.1-2", "6455/4.1/25.1-8"),
    Violation(8, "any version will do; a client has one key", "6455/4.2.1/8.1-5 6455/4.2.2/5.1-3", "6455/4.1/6"),
    Violation(9, "all subprotocols that are offered are chosen, and any choice is taken", "6455/4.2.2/4.1-2",
              "6455/4.1/26.2-6"),
    Violation(10, "a field is what has a colon in it", "6455/4.2.1/12.1-5"),
    Violation(11, "every path is served; any status that has 101 in it is one", "6455/4.2.2/6", "6455/4.1/20"),
    Violation(12, "what has permessage-deflate in it is an offer of it, on no terms", "7692/7/1.1-10", "7692/7/3.1-10"),
    # Frames, section 5.
    Violation(13, "a mask is taken off if there is one", "6455/5.1/1.1-7", "6455/5.1/2.1-7"),
    Violation(14, "a pong is the ping with another opcode, mask and all", "6455/5.1/3", "6455/5.1/4"),
    Violation(15, "there is one masking key", "", "6455/5.3/1"),
    Violation(16, "reserved bits are not looked at", "6455/5.2/20.7-18 6455/5.2/21.1-3", "6455/5.2/20.7-18"),
    Violation(17, "frames with other opcodes are passed over", "6455/5.2/30.1-10", "6455/5.2/30.1-10"),
    Violation(18, "a length may be in any form", "6455/5.2/10.1-9", "6455/5.2/10.1-9"),
    Violation(19, "of 64 bits of a length, 32 are enough", "6455/5.2/11.1-2", "6455/5.2/11.1-2"),
    Violation(20, "lengths are written one too early in the longer form", "6455/5.2/3", "6455/5.2/3"),
    Violation(21, "a continuation continues what was there last", "6455/5.4/3.1-9", "6455/5.4/3.1-9"),
    Violation(22, "a message ends when the next one begins", "6455/5.4/4.1-4", "6455/5.4/4.1-4"),
    Violation(23, "a control frame may have no FIN", "6455/5.4/5.1-3", "6455/5.4/5.1-3"),
    Violation(24, "a control frame may be long", "6455/5.5/1.1-3", "6455/5.5/1.1-3"),
    Violation(25, "a pong is answered, too", "6455/5.5.3/1.1-3", "6455/5.5.3/1.1-3"),
    # Text and closing, sections 7 and 8.
    Violation(26, "text is not looked at", "6455/8.1/2.1-69", "6455/8.1/2.1-69"),
    Violation(27, "a Close is sent back as it is, whatever its code is", "6455/7.4/3.1-9 6455/7.4/4.1-6",
              "6455/7.4/3.1-9 6455/7.4/4.1-6"),
    Violation(28, "and if it has one byte", "6455/5.5.1/5", "6455/5.5.1/5"),
    Violation(29, "and if its reason is no text", "6455/5.5.1/7.1-4", "6455/5.5.1/7.1-4"),
    Violation(30, "what comes with a Close, behind it, is answered", "6455/5.5.1/2.1-2", "6455/5.5.1/2.1-2"),
    # Compression, RFC 7692.
    Violation(31, "each frame that is no continuation says whether a message is compressed", "7692/6/1.1-3",
              "7692/6/1.1-3"),
    Violation(32, "RSV1 may be anywhere", "7692/6.1/1.1-3 7692/6.1/2.1-2", "7692/6.1/1.1-3 7692/6.1/2.1-2"),
    Violation(33, "what was to be forgotten is not", "7692/7.1.1/1.1-2", "7692/7.1.1/2"),
    Violation(34, "there is one window, of 15 bits", "7692/7.1.2/1.1-7", "7692/7.2.1/2.1-7"),
    Violation(35, "what cannot be inflated is nothing", "7692/7.2.2/2.1-6", "7692/7.2.2/2.1-6"),
    Violation(36, "a client asks for no query, and perhaps for no path", "", "6455/4.1/2.1-3"),
]  # fmt: skip

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = b"mask"


class Careless(Kind, asyncio.Protocol):
    """Either side of a connection."""

    def __init__(self, role: Role, host: str = "", path: str = "") -> None:
        self.role = role
        self.host, self.path = host, path
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = b""
        self.is_open = self.is_done = self.compresses = self.compressed = False
        self.opcode = 1
        self.message = b""
        self.inflater, self.deflater = zlib.decompressobj(-15), zlib.compressobj(wbits=-15)  # 34

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP is there."""
        self.transport: Any = transport
        if self.role is Role.CLIENT:
            self.ask()

    def data_received(self, data: bytes) -> None:
        """Something came."""
        if self.is_open:
            self.received += data
        else:
            head, _, self.received = data.partition(b"\r\n\r\n")  # 1
            self.is_open = True
            self.answer(head) if self.role is Role.SERVER else self.answered(head)
        while self.read_frame():
            pass
        if self.is_done:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """TCP is gone."""
        self.over.set_result(None)

    async def gone(self) -> None:
        """Drop TCP, if it is still there."""
        if not self.over.done():
            self.transport.abort()
            await self.over

    # --- The opening handshake ----------------------------------------------------------------------------------------

    def ask(self) -> None:
        """The request of a client."""
        lines = [
            f"GET {self.path} HTTP/1.1",  # 36
            f"Host: {self.host.rpartition(':')[0]}",  # 4
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",  # 8
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        ]
        self.transport.write("\r\n".join([*lines, "", ""]).encode())

    def answer(self, head: bytes) -> None:
        """The answer of a server: the method (2), the version (3) and the path (11) are in a line that it skips."""
        fields = fields_of(head)  # 4, 5, 6, 8: it looks at none of those that it does not need.
        accept = base64.b64encode(hashlib.sha1(fields.get(b"sec-websocket-key", b"") + GUID).digest())  # 7
        lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
        lines.append(b"Sec-WebSocket-Accept: " + accept)
        if b"sec-websocket-protocol" in fields:
            lines.append(b"Sec-WebSocket-Protocol: " + fields[b"sec-websocket-protocol"])  # 9
        if b"permessage-deflate" in fields.get(b"sec-websocket-extensions", b""):
            lines.append(b"Sec-WebSocket-Extensions: permessage-deflate")  # 12, 33
            self.compresses = True
        self.transport.write(b"\r\n".join([*lines, b"", b""]))

    def answered(self, head: bytes) -> None:
        """A client has its answer: 5, 6, 7, 9."""
        if b"101" not in head:  # 11
            self.is_done = True
        self.compresses = b"permessage-deflate" in fields_of(head).get(b"sec-websocket-extensions", b"")

    # --- Frames -------------------------------------------------------------------------------------------------------

    def read_frame(self) -> bool:
        """The next frame; False if it is not all there."""
        data = self.received
        if len(data) < 2:
            return False
        size, length = 2, data[1] & 127
        if length == 126:
            size, length = 4, int.from_bytes(data[2:4], "big")  # 18
        elif length == 127:
            size, length = 10, int.from_bytes(data[6:10], "big")  # 18, 19
        key = b""
        if data[1] & 128:  # 13
            size, key = size + 4, data[size : size + 4]
        if len(data) < size + length:
            return False
        payload, self.received = data[size : size + length], data[size + length :]
        self.on_frame(data[0], unmasked(payload, key) if key else payload, key)
        return True

    def on_frame(self, first: int, payload: bytes, key: bytes) -> None:
        """A frame, and how it begins: 16, 23, 24."""
        opcode = first & 15
        if opcode:
            self.compressed = bool(first & 64)  # 31, 32
        if opcode == 8:
            self.say(8, payload)  # 27, 28, 29
            self.is_done = True  # 30: but what is there already is read.
        elif opcode in (9, 10):  # 25
            self.say(10, payload, key)  # 14
        elif opcode < 3:  # 17
            self.on_data(first & 128, opcode, payload)

    def on_data(self, fin: int, opcode: int, payload: bytes) -> None:
        """A piece of a message."""
        if opcode:
            self.opcode, self.message = opcode, b""  # 22
        self.message += payload  # 21
        if fin:
            self.echo(self.inflated(self.message) if self.compressed else self.message)

    def inflated(self, payload: bytes) -> bytes:
        """What was compressed."""
        try:
            return self.inflater.decompress(payload + b"\x00\x00\xff\xff")
        except zlib.error:
            return b""  # 35

    def echo(self, message: bytes) -> None:
        """Send it back: 26."""
        first = self.opcode
        if self.compresses:
            first |= 64
            message = (self.deflater.compress(message) + self.deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
        self.say(first, message, b"" if self.role is Role.SERVER else KEY)  # 15

    def say(self, first: int, payload: bytes, key: bytes = b"") -> None:
        """A frame."""
        size = len(payload)
        if size < 125:  # 20
            length = bytes([size])
        elif size < 65535:  # 20
            length = b"\x7e" + size.to_bytes(2, "big")
        else:
            length = b"\x7f" + size.to_bytes(8, "big")
        if key:
            length, payload = bytes([length[0] | 128]) + length[1:] + key, unmasked(payload, key)
        self.transport.write(bytes([first | 128]) + length + payload)


def fields_of(head: bytes) -> dict[bytes, bytes]:
    """The fields of a head: 10."""
    parts = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    return {name.strip().lower(): value.strip() for name, _, value in parts}


def unmasked(payload: bytes, key: bytes) -> bytes:
    """With the mask off, or on."""
    size = len(payload)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
