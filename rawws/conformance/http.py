"""The opening handshake as bytes, right or wrong: written in parts that a case can change, and read without judging."""

import re
from base64 import b64encode
from dataclasses import dataclass
from random import Random
from typing import Self

from rawws.core.headers import accept_for

Fields = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """A head of HTTP as it came.

    Attributes:
        first: the first line.
        fields: names in lower case, values without blanks around them; a line with no colon has the name b"".
        raw: all of it.
    """

    first: bytes
    fields: Fields
    raw: bytes

    @property
    def status(self) -> int | None:
        """The status of an answer; None if it is none."""
        match = re.match(rb"HTTP/\d\.\d (\d{3})(?: |$)", self.first)
        return int(match[1]) if match else None

    @property
    def target(self) -> bytes:
        """What a request asks for."""
        words = self.first.split(b" ")
        return words[1] if len(words) > 1 else b""

    def all(self, name: str) -> list[bytes]:
        """The values of all fields of this name."""
        return [value for found, value in self.fields if found == name.encode()]

    def get(self, name: str) -> bytes | None:
        """All fields of this name as one; None if there is none."""
        found = self.all(name)
        return b", ".join(found) if found else None

    @property
    def key(self) -> bytes:
        """The Sec-WebSocket-Key of a request, the first if there are more; empty if there is none."""
        return next(iter(self.all("sec-websocket-key")), b"")

    def words(self, name: str) -> list[bytes]:
        """The elements of a field that is a list, in lower case."""
        return [word.strip().lower() for word in (self.get(name) or b"").split(b",") if word.strip()]


def read_head(raw: bytes) -> Head:
    """Read a head, whatever is in it."""
    first, *lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        fields.append((name.strip().lower(), value.strip()) if colon else (b"", line))
    return Head(first, tuple(fields), raw)


def new_key(random: Random) -> bytes:
    """A Sec-WebSocket-Key."""
    return b64encode(random.randbytes(16))


@dataclass(slots=True)
class _Head:
    """A head to be sent; a case changes what it likes, and `bytes(head)` writes it as it then is.

    Attributes:
        line: the first line.
        fields: in the order in which they are written, names as they are written.
        after: what follows the head in the same write.
    """

    line: bytes
    fields: list[tuple[bytes, bytes]]
    after: bytes = b""

    def without(self, name: str) -> Self:
        """Take out all fields of this name."""
        self.fields = [field for field in self.fields if field[0].lower() != name.lower().encode()]
        return self

    def put(self, name: str, *values: str | bytes) -> Self:
        """Have fields of this name with these values, in the place of the ones that are there."""
        place = next((n for n, field in enumerate(self.fields) if field[0].lower() == name.lower().encode()), None)
        self.without(name)
        given = [(name.encode(), value.encode("latin-1") if isinstance(value, str) else value) for value in values]
        place = len(self.fields) if place is None else place
        self.fields[place:place] = given
        return self

    def __bytes__(self) -> bytes:
        lines = [self.line, *(name + b": " + value for name, value in self.fields), b"", b""]
        return b"\r\n".join(lines) + self.after


class Ask(_Head):
    """An opening handshake."""

    @classmethod
    def properly(cls, host: str, resource: str, random: Random) -> Self:
        """As section 4.1 wants it."""
        fields = [
            (b"Host", host.encode()),
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Key", new_key(random)),
            (b"Sec-WebSocket-Version", b"13"),
        ]
        return cls(b"GET " + resource.encode() + b" HTTP/1.1", fields)

    @property
    def key(self) -> bytes:
        """The key in it, without blanks around it."""
        return next((value.strip(b" \t") for name, value in self.fields if name.lower() == b"sec-websocket-key"), b"")


class Answer(_Head):
    """The answer to one."""

    @classmethod
    def properly(cls, request: Head) -> Self:
        """As section 4.2.2 wants it, with the first of the subprotocols that are offered.

        None would be right, too; but a browser that has offered some fails the connection then, as WHATWG has it.
        """
        key = request.key
        fields = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Accept", accept_for(key))]
        if offered := (request.get("sec-websocket-protocol") or b"").partition(b",")[0].strip():
            fields.append((b"Sec-WebSocket-Protocol", offered))
        return cls(b"HTTP/1.1 101 Switching Protocols", fields)
