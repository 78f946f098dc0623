"""Animals that go wrong about frames that are compressed, and about what stands in them: RFC 7692, 6, 7.2.2, 7.2.3."""

import zlib
from typing import Any

from rawws.conformance.deflating import TAIL
from rawws.conformance.inflating import window_of
from rawws.conformance.wire import PING, PONG, TEXT
from rawws.core.deflate import DeflateTerms
from rawws.core.frames import RSV1, FrameHeader
from rawws.core.settings import Role
from tests.conformance.zoo.compressing import Compressing, Refused

# --- Frames -------------------------------------------------------------------------------------------------------


class ForgetsThatItIsCompressed(Compressing):
    """A control frame in a compressed message makes it an uncompressed one."""

    caught_by = "7692/6/1.1-3"

    def on_frame(self, header: FrameHeader, payload: bytes) -> None:
        if header.opcode > 7:
            self.compressed = False
        super().on_frame(header, payload)


class DecidesByTheFirstFrame(Compressing):
    """If the first frame of all is not compressed, none may be."""

    caught_by = "7692/6/1.4"
    first: int | None = None

    def check(self, header: FrameHeader) -> None:
        self.first = header.opcode if self.first is None else self.first
        if self.first == PONG and header.rsv:
            raise Refused(1002)
        super().check(header)


class TakesBitOnControl(Compressing):
    """RSV1 on control frames is not looked at."""

    caught_by = "7692/6.1/1.1-3"

    def allowed(self, header: FrameHeader) -> int:
        return RSV1 if header.opcode > 7 else super().allowed(header)


class TakesBitOnContinuation(Compressing):
    """RSV1 on later fragments is not looked at."""

    caught_by = "7692/6.1/2.1-2"

    def allowed(self, header: FrameHeader) -> int:
        return RSV1 if header.opcode == 0 else super().allowed(header)


class TakesAllBits(Compressing):
    """With an extension, no bit of a message is looked at."""

    caught_by = "7692/6.1/3.1-2"

    def allowed(self, header: FrameHeader) -> int:
        return 7 if header.opcode in (1, 2) else super().allowed(header)


class MarksAllFragments(Compressing):
    """What it says is in two fragments, and both are marked."""

    caught_by = "7692/6.1/4"

    def say(self, opcode: int, payload: bytes, **shape: Any) -> None:
        if opcode == TEXT:
            super().say(opcode, payload[:1], fin=False, **shape)
            opcode, payload = 0, payload[1:]
        super().say(opcode, payload, **shape)


class MarksPongs(Compressing):
    """Whatever it says is marked."""

    caught_by = "7692/6.1/4"

    def say(self, opcode: int, payload: bytes, **shape: Any) -> None:
        super().say(opcode, payload, **shape | ({} if self.terms is None else {"rsv": RSV1}))


class TakesAllAsCompressed(Compressing):
    """The extension is agreed on, so all is compressed."""

    # A client may hang up over a window of a size that it does not like.
    caught_by = {
        Role.SERVER: "7692/6/1.6 7692/6/2.1-3 7692/7.2.1/2.1-8 7692/7.2.3/1.4",
        Role.CLIENT: "7692/6/1.6 7692/6/2.1-3 7692/7.2.3/1.4",
    }

    def whole(self) -> bytes:
        self.compressed = self.terms is not None
        return super().whole()


class RemembersWhatWasNotCompressed(Compressing):
    """All messages go into the window."""

    caught_by = "7692/6/2.1,3"

    def whole(self) -> bytes:
        data = super().whole()
        if self.terms is not None and not self.compressed:
            self.inflater.decompress(b"\x00" + len(data).to_bytes(2, "little"), self.LIMIT)
            self.inflater.decompress((len(data) ^ 0xFFFF).to_bytes(2, "little") + data + b"\x00", self.LIMIT)
            self.inflater.finish()
        return data


class NeedsData(Compressing):
    """A compressed message that is empty is refused."""

    caught_by = "7692/6/3.1"

    def whole(self) -> bytes:
        data = super().whole()
        if self.compressed and not data:
            raise Refused(1002)
        return data


class WantsDataFirst(Compressing):
    """A message is compressed if its first fragment is, and has something in it."""

    caught_by = "7692/6/3.2"

    def on_data(self, header: FrameHeader, payload: bytes) -> None:
        super().on_data(header._replace(rsv=0) if header.opcode and not payload and not header.fin else header, payload)


class WantsDataLast(Compressing):
    """A last fragment that is empty is refused, if the message is compressed."""

    caught_by = "7692/6/3.3"

    def on_data(self, header: FrameHeader, payload: bytes) -> None:
        if header.fin and not header.opcode and self.compressed and not payload:
            raise Refused(1002)
        super().on_data(header, payload)


class WantsFewFragments(Compressing):
    """More than three fragments are too many, if the message is compressed."""

    caught_by = "7692/6/3.4 7692/6.2/1.2"

    def whole(self) -> bytes:
        if self.compressed and len(self.parts) > 3:
            raise Refused(1009)
        return super().whole()


class BeginsAnewAtPings(Compressing):
    """A ping makes it forget what of a message is there."""

    caught_by = "7692/6/1.1,3,6"

    def on_frame(self, header: FrameHeader, payload: bytes) -> None:
        if header.opcode == PING:
            self.parts = []
        super().on_frame(header, payload)


class BeginsAnewBetweenMessages(Compressing):
    """A ping between messages makes it take the next one as uncompressed."""

    caught_by = "7692/6/1.5"
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

    caught_by = "7692/6.2/1.1"

    def check_text(self, data: bytes) -> None:
        if not self.compressed:
            super().check_text(data)


class CutsLongText(Compressing):
    """Its buffer for text has 40,000 bytes."""

    caught_by = "7692/7.2.1/2.7-8"

    def echo(self, data: bytes) -> None:
        super().echo(data[:40_000] if self.opcode == TEXT else data)


class ReadsCharactersByFragment(Compressing):
    """Each fragment is decoded on its own."""

    caught_by = "7692/6.2/1.2-3"

    def on_data(self, header: FrameHeader, payload: bytes) -> None:
        if self.opcode == TEXT and self.compressed and not header.fin:
            peek = zlib.decompressobj(-15)
            self.check_text(peek.decompress(b"".join(self.parts) + payload))
        super().on_data(header, payload)


class Naive(Compressing):
    """What zlib gives is what there was: with one inflater for all messages, and no look at where it stopped."""

    caught_by = "7692/7.2.2/2.3,5 7692/7.2.3/2.1"

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

    caught_by = "7692/7.2.3/2.1-2"
    poisoned = False

    def inflate(self, payload: bytes) -> bytes:
        data = b"" if self.poisoned else super().inflate(payload)
        self.poisoned |= payload[:1] == b"\xf3"
        return data


class ForgetsBehindFinal(Compressing):
    """A final block ends the window."""

    caught_by = "7692/7.2.3/2.1"

    def inflate(self, payload: bytes) -> bytes:
        data = super().inflate(payload)
        if payload[:1] == b"\xf3":
            self.inflater._window = b""
        return data


class RefusesFinal(Compressing):
    """A final block is an error."""

    caught_by = "7692/7.2.3/1.6 7692/7.2.3/2.1-2"

    def inflate(self, payload: bytes) -> bytes:
        if payload[:1] == b"\xf3":
            raise Refused(1007)
        return super().inflate(payload)


class RefusesStored(Compressing):
    """What is stored is not compressed, is it?"""

    caught_by = "7692/7.2.3/1.5"

    def inflate(self, payload: bytes) -> bytes:
        if payload[:2] == b"\x00\x05":
            raise Refused(1007)
        return super().inflate(payload)


class RefusesFixed(Compressing):
    """What is short is not worth compressing."""

    caught_by = "7692/6/1.1-5 7692/6/3.1-4 7692/7.2.3/1.1-4"

    def inflate(self, payload: bytes) -> bytes:
        if payload == bytes.fromhex("f248cdc9c90700"):
            raise Refused(1007)
        return super().inflate(payload)


class ReadsOneBlock(Compressing):
    """Behind an empty block there is nothing more."""

    caught_by = "7692/7.2.3/1.7"

    def inflate(self, payload: bytes) -> bytes:
        return super().inflate(payload.partition(TAIL)[0])


class ClosesEachFragment(Compressing):
    """The four bytes are put behind each fragment."""

    caught_by = "7692/6/1.1-5 7692/6/3.2,4 7692/6.2/1.2-3 7692/7.2.3/1.2,8"

    def whole(self) -> bytes:
        if self.compressed:
            self.parts[:-1] = [part + TAIL for part in self.parts[:-1]]
        return super().whole()


class Swallows(Compressing):
    """What cannot be decompressed is left out."""

    caught_by = "7692/7.2.2/2.1-6"

    def on_data(self, header: FrameHeader, payload: bytes) -> None:
        try:
            super().on_data(header, payload)
        except Refused as refusal:
            if refusal.args != (1007,) or not self.compressed or self.opcode == TEXT:
                raise


ANIMALS = [
    ForgetsThatItIsCompressed,
    DecidesByTheFirstFrame,
    TakesBitOnControl,
    TakesBitOnContinuation,
    TakesAllBits,
    MarksAllFragments,
    MarksPongs,
    TakesAllAsCompressed,
    RemembersWhatWasNotCompressed,
    NeedsData,
    WantsDataFirst,
    WantsDataLast,
    WantsFewFragments,
    BeginsAnewAtPings,
    BeginsAnewBetweenMessages,
    TakesAnyText,
    CutsLongText,
    ReadsCharactersByFragment,
    Naive,
    PoisonedByFinal,
    ForgetsBehindFinal,
    RefusesFinal,
    RefusesStored,
    RefusesFixed,
    ReadsOneBlock,
    ClosesEachFragment,
    Swallows,
]
