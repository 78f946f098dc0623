"""Animals that compress, each right but for one thing: RFC 7692.

They are made of little: zlib, frames, and a handshake.  What an animal does differently is a method of `Compressing`.
It plays either role.
"""

import asyncio
import zlib
from dataclasses import replace
from typing import Any

from rawws.conformance.deflating import TAIL, read_message
from rawws.conformance.http import Answer, Ask, Head, read_head
from rawws.conformance.inflating import window_of
from rawws.conformance.wire import CLOSE, PING, PONG, TEXT, close_body, frame
from rawws.core.deflate import NAME, Deflate, DeflateTerms
from rawws.core.errors import ProtocolError
from rawws.core.frames import RSV1, FrameHeader, decode_header
from rawws.core.headers import read_extensions
from rawws.core.masking import apply_mask
from rawws.core.settings import Role

ANYTHING = Deflate(server_max_window_bits=15, client_max_window_bits=15)
OFFER = f"{NAME}; client_max_window_bits"


class Refused(Exception):
    """The other side errs; with the code for it."""


class Compressing(asyncio.Protocol):
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


# --- Frames -------------------------------------------------------------------------------------------------------


class ForgetsThatItIsCompressed(Compressing):
    """A control frame in a compressed message makes it an uncompressed one."""

    def on_frame(self, header: FrameHeader, payload: bytes) -> None:
        if header.opcode > 7:
            self.compressed = False
        super().on_frame(header, payload)


class DecidesByTheFirstFrame(Compressing):
    """If the first frame of all is not compressed, none may be."""

    first: int | None = None

    def check(self, header: FrameHeader) -> None:
        self.first = header.opcode if self.first is None else self.first
        if self.first == PONG and header.rsv:
            raise Refused(1002)
        super().check(header)


class TakesBitOnControl(Compressing):
    """RSV1 on control frames is not looked at."""

    def allowed(self, header: FrameHeader) -> int:
        return RSV1 if header.opcode > 7 else super().allowed(header)


class TakesBitOnContinuation(Compressing):
    """RSV1 on later fragments is not looked at."""

    def allowed(self, header: FrameHeader) -> int:
        return RSV1 if header.opcode == 0 else super().allowed(header)


class TakesAllBits(Compressing):
    """With an extension, no bit of a message is looked at."""

    def allowed(self, header: FrameHeader) -> int:
        return 7 if header.opcode in (1, 2) else super().allowed(header)


class MarksAllFragments(Compressing):
    """What it says is in two fragments, and both are marked."""

    def say(self, opcode: int, payload: bytes, **shape: Any) -> None:
        if opcode == TEXT:
            super().say(opcode, payload[:1], fin=False, **shape)
            opcode, payload = 0, payload[1:]
        super().say(opcode, payload, **shape)


class MarksPongs(Compressing):
    """Whatever it says is marked."""

    def say(self, opcode: int, payload: bytes, **shape: Any) -> None:
        super().say(opcode, payload, **shape | ({} if self.terms is None else {"rsv": RSV1}))


class TakesAllAsCompressed(Compressing):
    """The extension is agreed on, so all is compressed."""

    def whole(self) -> bytes:
        self.compressed = self.terms is not None
        return super().whole()


class RemembersWhatWasNotCompressed(Compressing):
    """All messages go into the window."""

    def whole(self) -> bytes:
        data = super().whole()
        if self.terms is not None and not self.compressed:
            self.inflater.decompress(b"\x00" + len(data).to_bytes(2, "little"), self.LIMIT)
            self.inflater.decompress((len(data) ^ 0xFFFF).to_bytes(2, "little") + data + b"\x00", self.LIMIT)
            self.inflater.finish()
        return data


class NeedsData(Compressing):
    """A compressed message that is empty is refused."""

    def whole(self) -> bytes:
        data = super().whole()
        if self.compressed and not data:
            raise Refused(1002)
        return data


class WantsDataFirst(Compressing):
    """A message is compressed if its first fragment is, and has something in it."""

    def on_data(self, header: FrameHeader, payload: bytes) -> None:
        super().on_data(header._replace(rsv=0) if header.opcode and not payload and not header.fin else header, payload)


class WantsDataLast(Compressing):
    """A last fragment that is empty is refused, if the message is compressed."""

    def on_data(self, header: FrameHeader, payload: bytes) -> None:
        if header.fin and not header.opcode and self.compressed and not payload:
            raise Refused(1002)
        super().on_data(header, payload)


class WantsFewFragments(Compressing):
    """More than three fragments are too many, if the message is compressed."""

    def whole(self) -> bytes:
        if self.compressed and len(self.parts) > 3:
            raise Refused(1009)
        return super().whole()


class BeginsAnewAtPings(Compressing):
    """A ping makes it forget what of a message is there."""

    def on_frame(self, header: FrameHeader, payload: bytes) -> None:
        if header.opcode == PING:
            self.parts = []
        super().on_frame(header, payload)


class BeginsAnewBetweenMessages(Compressing):
    """A ping between messages makes it take the next one as uncompressed."""

    pinged = False

    def on_frame(self, header: FrameHeader, payload: bytes) -> None:
        if header.opcode == PING:
            self.pinged = self.opcode == 0 or not self.parts
        super().on_frame(header, payload)

    def whole(self) -> bytes:
        self.compressed = self.compressed and not self.pinged
        data = super().whole()
        self.parts = []
        return data


# --- Payload ------------------------------------------------------------------------------------------------------


class TakesAnyText(Compressing):
    """Text is not looked at, if it was compressed."""

    def check_text(self, data: bytes) -> None:
        if not self.compressed:
            super().check_text(data)


class ReadsCharactersByFragment(Compressing):
    """Each fragment is decoded on its own."""

    def on_data(self, header: FrameHeader, payload: bytes) -> None:
        if self.opcode == TEXT and self.compressed and not header.fin:
            peek = zlib.decompressobj(-15)
            self.check_text(peek.decompress(b"".join(self.parts) + payload))
        super().on_data(header, payload)


class Naive(Compressing):
    """What zlib gives is what there was: with one inflater for all messages, and no look at where it stopped."""

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        self.size, self.takeover = window_of(terms, self.role.peer)
        self.stream = zlib.decompressobj(-15)

    def inflate(self, payload: bytes) -> bytes:
        stream = self.stream if self.takeover else zlib.decompressobj(-15)
        try:
            found = stream.decompress(payload + TAIL, self.LIMIT + 1)
        except zlib.error:
            raise Refused(1007) from None
        if len(found) > self.LIMIT:
            raise Refused(1009)
        return found


class PoisonedByFinal(Compressing):
    """Behind a final block all is empty."""

    poisoned = False

    def inflate(self, payload: bytes) -> bytes:
        data = b"" if self.poisoned else super().inflate(payload)
        self.poisoned |= payload[:1] == b"\xf3"
        return data


class ForgetsBehindFinal(Compressing):
    """A final block ends the window."""

    def inflate(self, payload: bytes) -> bytes:
        data = super().inflate(payload)
        if payload[:1] == b"\xf3":
            self.inflater._window = b""
        return data


class RefusesFinal(Compressing):
    """A final block is an error."""

    def inflate(self, payload: bytes) -> bytes:
        if payload[:1] == b"\xf3":
            raise Refused(1007)
        return super().inflate(payload)


class RefusesStored(Compressing):
    """What is stored is not compressed, is it?"""

    def inflate(self, payload: bytes) -> bytes:
        if payload[:2] == b"\x00\x05":
            raise Refused(1007)
        return super().inflate(payload)


class RefusesFixed(Compressing):
    """What is short is not worth compressing."""

    def inflate(self, payload: bytes) -> bytes:
        if payload == bytes.fromhex("f248cdc9c90700"):
            raise Refused(1007)
        return super().inflate(payload)


class ReadsOneBlock(Compressing):
    """Behind an empty block there is nothing more."""

    def inflate(self, payload: bytes) -> bytes:
        return super().inflate(payload.partition(TAIL)[0])


class ClosesEachFragment(Compressing):
    """The four bytes are put behind each fragment."""

    def whole(self) -> bytes:
        if self.compressed:
            self.parts[:-1] = [part + TAIL for part in self.parts[:-1]]
        return super().whole()


class Swallows(Compressing):
    """What cannot be decompressed is left out."""

    def on_data(self, header: FrameHeader, payload: bytes) -> None:
        try:
            super().on_data(header, payload)
        except Refused as refusal:
            if refusal.args != (1007,) or not self.compressed or self.opcode == TEXT:
                raise


# --- Windows ------------------------------------------------------------------------------------------------------


class TakesOver(Compressing):
    """It keeps its window, whatever was agreed on."""

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        self.deflater._takeover = True


class LooksTooFar(Compressing):
    """Its window has 15 bits, whatever was agreed on."""

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        without = replace(terms, server_max_window_bits=None, client_max_window_bits=None)
        self.deflater = without.compressor(self.role)


class Forgets(Compressing):
    """It keeps no window of the other side's."""

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        self.inflater._takeover = False


class ForgetsMost(Compressing):
    """It keeps only so much of a window, and does not look back farther within a message."""

    margin = 1

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        size, takeover = window_of(terms, self.role.peer)
        self.judge = _Short(size - self.margin, takeover)

    def inflate(self, payload: bytes) -> bytes:
        self.judge.look(payload)
        return super().inflate(payload)


class ForgetsMore(ForgetsMost):
    """It counts with a margin, and then some."""

    margin = 263


class _Short:
    """A window with too few bytes."""

    def __init__(self, size: int, takeover: bool) -> None:
        self.size, self.takeover, self.window = size, takeover, b""

    def look(self, payload: bytes) -> None:
        """Refuse what reaches too far."""
        try:
            found = read_message(payload, self.window)
        except ValueError:
            raise Refused(1007) from None
        if found.reach > self.size:
            raise Refused(1007)
        self.window = (self.window + found.output)[-32768:] if self.takeover else b""


# --- Limits -------------------------------------------------------------------------------------------------------


class TakesBombs(Compressing):
    """Only what comes over the wire is counted."""

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        self.LIMIT = 1 << 30


class TakesOneMore(Compressing):
    """Its limit is a byte more than it says."""

    LIMIT = Compressing.LIMIT + 1


class TakesOneLess(Compressing):
    """Its limit is a byte less than it says."""

    LIMIT = Compressing.LIMIT - 1


class LosesMessages(Compressing):
    """From the hundredth message on every other one is lost."""

    count = 0

    def echo(self, data: bytes) -> None:
        self.count += 1
        if self.count < 100 or self.count % 2:
            super().echo(data)


class HangsInBlocks(Compressing):
    """It does not come to an end with very many blocks."""

    def inflate(self, payload: bytes) -> bytes:
        if payload.count(TAIL) > 5000:
            self.is_done = True
            raise _Hangs
        return super().inflate(payload)

    def read_frame(self) -> bool:
        try:
            return super().read_frame()
        except _Hangs:
            return False


class _Hangs(Exception):
    pass


# --- Messages -----------------------------------------------------------------------------------------------------


class ChangesLargeMessages(Compressing):
    """A byte in the midst of what is large is another one."""

    LIMIT = 32 * 1024 * 1024

    def echo(self, data: bytes) -> None:
        if len(data) > 60_000:
            data = data[:50_000] + b"?" + data[50_001:]
        super().echo(data)


class Repeats(Compressing):
    """What it compressed before comes again now and then: its third message is the second."""

    count = 0
    last = b""

    def echo(self, data: bytes) -> None:
        self.count += 1
        super().echo(self.last if self.count == 3 else data)
        self.last = data
