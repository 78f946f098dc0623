"""Animals that cannot read: sections 5.6 and 8.1."""

from codecs import getincrementaldecoder
from typing import Any

from rawws.conformance.case import SERVER
from rawws.core import rules
from rawws.core.errors import ProtocolError
from rawws.core.events import Event
from rawws.core.messages import Reassembly
from tests.conformance.zoo.echo import Echo
from tests.wire import TEXT


class _Reader(Reassembly):
    """Text is put together first and decoded then, by the animal."""

    animal: Any

    def begin(self, text: bool, compressed: bool = False) -> None:
        super().begin(text, compressed)
        self.fragments = [bytearray()]

    def add(self, piece: bytes, offset: int, last: bool) -> str | bytes:
        self.fragments[-1] += piece
        if self.animal.connection._frame is None or self.animal.at_once:
            self.fragments.append(bytearray())
        try:
            return self.animal.read(self.fragments, self.text) if last else piece
        except ValueError:
            raise ProtocolError(rules.TEXT_NOT_UTF8, "", offset) from None

    def keep(self, checked: str | bytes, size: int) -> None:
        """It is kept already."""


class Reads(Echo):
    """It reads text by `decode`."""

    at_once = False
    """What is read at once counts as a fragment."""

    class Wrong:
        def __init__(self: Any, *args: Any) -> None:
            super().__init__(*args)
            self._message = _Reader(self.limits)
            self._message.animal = self.animal
            self._plain_limit = -1  # Nothing goes the short way.

    def on_event(self, event: Event) -> None:
        if isinstance(event, str):
            echo = self.frame(TEXT, event.encode("utf-8", "surrogatepass"))
            self.write(self.connection.data_to_send() + echo)
        else:
            super().on_event(event)

    def read(self, fragments: list[bytearray], text: bool) -> str | bytes:
        """A message that came in these fragments."""
        whole = b"".join(fragments)
        return self.decode(whole) if text else whole

    def decode(self, data: bytes) -> str:
        """Text of these bytes; raises `ValueError`."""
        return data.decode()


class TakesAnyBytes(Reads):
    """What is not UTF-8 it replaces."""

    caught_by = "6455/8.1/2.1-69 6455/8.1/4.1-2 6455/8.1/5.1-4 6455/8.1/6.1-4 6455/8.1/7.1"

    def decode(self, data: bytes) -> str:
        return data.decode(errors="replace")


class TakesSurrogates(Reads):
    """UTF-8 as some make it of UTF-16."""

    caught_by = "6455/8.1/2.55-69 6455/8.1/4.1-2"

    def decode(self, data: bytes) -> str:
        return data.decode("utf-8", "surrogatepass")


class TakesOverlongForms(Reads):
    """It knows the pattern of the bytes, and does not compare the value with the size."""

    caught_by = "6455/8.1/2.40-42,45-47,50-52"

    def decode(self, data: bytes) -> str:
        text = []
        place = 0
        while place < len(data):
            first = data[place]
            size = next((size for size, lead in LEADS.items() if first >> (8 - lead.bit_length()) == lead), 1)
            others = data[place + 1 : place + size]
            if (size == 1 and first > 0x7F) or len(others) < size - 1 or any(byte >> 6 != 2 for byte in others):
                raise ValueError
            value = first & (0x7F if size == 1 else 0x7F >> size)
            for byte in others:
                value = value << 6 | byte & 0x3F
            text.append(chr(value))
            place += size
        return "".join(text).encode().decode()


LEADS = {2: 0b110, 3: 0b1110, 4: 0b11110}
"""How the first byte of so many begins."""


class DropsWhatIsCutOff(Reads):
    """A character that has begun when the message ends is not waited for, and not missed."""

    caught_by = "6455/8.1/2.1-6,26-28,31-33 6455/8.1/7.1"

    def decode(self, data: bytes) -> str:
        return getincrementaldecoder("utf-8")().decode(data)


class KnowsAsciiOnly(Reads):
    """It has not heard of UTF-8."""

    caught_by = "6455/8.1/1.2-5,7-10,12-14,16-63 6455/8.1/3.1-4 6455/8.1/6.1-4 6455/8.1/7.2-3 6455/8.1/8.1-3"

    def decode(self, data: bytes) -> str:
        return data.decode("ascii")


class RefusesNoncharacters(Reads):
    """It takes what stands for nothing to be wrong."""

    caught_by = "6455/8.1/1.17-18,22-56,62-63"

    def decode(self, data: bytes) -> str:
        text = data.decode()
        if any(ord(character) & 0xFFFE == 0xFFFE for character in text):
            raise ValueError
        return text


class EndsAtNul(Reads):
    """Its strings end with a NUL."""

    caught_by = "6455/8.1/1.11"

    def decode(self, data: bytes) -> str:
        return data.decode().partition("\0")[0]


class DropsByteOrderMarks(Reads):
    """It knows better than the application what the first character is for."""

    caught_by = "6455/8.1/8.1"

    def decode(self, data: bytes) -> str:
        return data.decode("utf-8-sig")


class ReadsInBlocks(Reads):
    """It looks at 16 bytes together, and at no character across two of them that has four."""

    caught_by = "6455/8.1/1.5 6455/8.1/8.2"

    def decode(self, data: bytes) -> str:
        text = data.decode()
        place = 0
        for character in text:
            size = len(character.encode())
            if size == 4 and place % 16 > 16 - size:
                raise ValueError
            place += size
        return text


class ReadsEachFragment(Reads):
    """Each fragment has to be text."""

    caught_by = "6455/8.1/3.3-4 6455/8.1/6.1-4"

    def read(self, fragments: list[bytearray], text: bool) -> str | bytes:
        return "".join(map(self.decode, fragments)) if text else b"".join(fragments)


class ReadsWhatItGets(ReadsEachFragment):
    """What is read of TCP at once has to be text."""

    caught_by = "6455/8.1/3.3-4 6455/8.1/6.1-4 6455/8.1/8.3"
    at_once = True


class ReadsOnIntoTheNext(Reads):
    """What a message leaves unfinished, the next one may finish."""

    caught_by = "6455/8.1/2.1-6,26-28,31-33 6455/8.1/7.1"
    rest = b""

    def decode(self, data: bytes) -> str:
        decoder = getincrementaldecoder("utf-8")()
        text = decoder.decode(self.rest + data)
        self.rest = decoder.getstate()[0]
        return text


class ReadsBinaryToo(Reads):
    """All that comes has to be text."""

    caught_by = "6455/8.1/7.2-3"

    def read(self, fragments: list[bytearray], text: bool) -> str | bytes:
        whole = b"".join(fragments)
        self.decode(whole)
        return super().read(fragments, text)


class DropsForeignHeads(Echo):
    """A server that gives up at a head that is not UTF-8."""

    caught_by = "6455/8.1/9"
    roles = SERVER

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET") and b"\xf4" in data:
            self.transport.abort()
        else:
            super().data_received(data)


ANIMALS = [
    TakesAnyBytes,
    TakesSurrogates,
    TakesOverlongForms,
    DropsWhatIsCutOff,
    KnowsAsciiOnly,
    RefusesNoncharacters,
    EndsAtNul,
    DropsByteOrderMarks,
    ReadsInBlocks,
    ReadsEachFragment,
    ReadsWhatItGets,
    ReadsOnIntoTheNext,
    ReadsBinaryToo,
    DropsForeignHeads,
]
