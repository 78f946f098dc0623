"""The header fields of the opening handshake: their grammar, both ways, and nothing of what they mean.

Section 4.3 collects the grammar.  It is read by hand, from left to right and never back, so that the time it takes
grows with the length of the field and with nothing else.  All of it works on bytes, because that is what a peer sends;
whatever they are, the only exception is `ValueError`.

    Sec-WebSocket-Extensions: mux; max-channels=4; flow-control, deflate-stream
                              ---  ------------ -  ------------  --------------
                              name    parameter    parameter     the next extension
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha1
from typing import TypeAlias, TypeVar

from rawws.core import rules
from rawws.core.agreement import Extension
from rawws.core.errors import LocalProtocolError

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Fields in their order: the name in lower case where it comes from a peer, and the value."""

GivenHeaders: TypeAlias = Iterable[tuple[str | bytes, str | bytes]]
"""The same as a caller may write it; a `str` is ASCII."""

ByName: TypeAlias = Mapping[bytes, list[bytes]]
"""The values of each field, in their order, without the blanks around them."""

TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BLANKS = b" \t"
_VISIBLE = bytes(range(0x21, 0x7F))
_IN_VALUE = _BLANKS + _VISIBLE + bytes(range(0x80, 0x100))
_IN_HOST = re.escape(TOKEN.translate(None, b"#^`|") + b"();,=")
_HOST = re.compile(rb"(?:[%b]+|\[[:%b]+\])(?::[0-9]*)?" % (_IN_HOST, _IN_HOST))
_NEXT_TOKEN = re.compile(rb"[ \t]*([" + re.escape(TOKEN) + rb"]*)")
_TARGET = re.compile(rb"/[!\"$-~]*")
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")


# --- Words ----------------------------------------------------------------------------------------------------------


def is_token(value: bytes | bytearray) -> bool:
    """Whether it is a word of HTTP: not empty, and of letters, digits and some punctuation only."""
    return bool(value) and not value.translate(None, TOKEN)


def is_plain(line: bytes) -> bool:
    """Whether a line contains no control character but tabs: no CR, LF or NUL, whatever some server makes of them."""
    return not line.translate(None, _IN_VALUE)


def is_host(value: bytes) -> bool:
    """Whether a Host field may say this: a name or an address, and perhaps a port; no user, no path."""
    return _HOST.fullmatch(value) is not None


def is_target(value: bytes) -> bool:
    """Whether a request may ask for this: a path with an optional query and no fragment (section 3)."""
    return _TARGET.fullmatch(value) is not None


def is_key(value: bytes) -> bool:
    """Whether it is the base64 of 16 bytes (section 4.2.1)."""
    return _KEY.fullmatch(value) is not None


def new_key(nonce: bytes) -> bytes:
    """Sec-WebSocket-Key for 16 bytes that nobody can predict (section 4.1)."""
    return b64encode(nonce)


def accept_for(key: bytes) -> bytes:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2): it proves that the server speaks WebSocket.

    >>> accept_for(b"dGhlIHNhbXBsZSBub25jZQ==")
    b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest())


def quote(value: bytes | bytearray) -> str:
    """What a peer sent, as it may stand in an error message: short, and without anything that a terminal obeys."""
    return repr(bytes(value[:60]))[1:] + ("…" if len(value) > 60 else "")


# --- Fields ---------------------------------------------------------------------------------------------------------


def values(headers: Headers, name: bytes) -> list[bytes]:
    """The values of all fields of this name, in their order, without the blanks around them."""
    return [value.strip(_BLANKS) for found, value in headers if found == name]


def by_name(headers: Headers) -> ByName:
    """The fields ordered by their names, for who looks for many of them."""
    found = {name: [value.strip(_BLANKS)] for name, value in headers}
    if len(found) == len(headers):
        return found
    found = {name: [] for name in found}
    for name, value in headers:
        found[name].append(value.strip(_BLANKS))
    return found


def joined(fields: ByName, name: bytes) -> bytes | None:
    """All fields of this name as one, with commas between them (section 9.1); None if there is none."""
    found = fields.get(name)
    return b", ".join(found) if found else None


def words(fields: ByName, name: bytes) -> list[bytes]:
    """The elements of a field that is a simple list, such as Connection or Upgrade, in lower case."""
    return [word.strip(_BLANKS) for word in b",".join(fields.get(name, ())).lower().split(b",")]


def has_word(fields: ByName, name: bytes, word: bytes) -> bool:
    """Whether `word`, in lower case, is among the `words` of this field."""
    found = fields.get(name, ())
    return (len(found) == 1 and found[0].lower() == word) or word in words(fields, name)


def outgoing(headers: GivenHeaders) -> Headers:
    """Fields that a caller wants to send, as bytes.

    Raises:
        LocalProtocolError: a name is not a token, or a value could be read as something else (CR, LF, NUL and other
            control characters, blanks at its ends).  Nothing is ever stripped or replaced.
    """
    return tuple((_as_bytes(name, is_token), _as_bytes(value, _is_value)) for name, value in headers)


def _is_value(value: bytes) -> bool:
    return is_plain(value) and value == value.strip(_BLANKS)


def _as_bytes(given: str | bytes, valid: Callable[[bytes], bool]) -> bytes:
    try:
        encoded = given.encode("ascii") if isinstance(given, str) else bytes(memoryview(given))
    except UnicodeEncodeError:
        raise LocalProtocolError(rules.HEADER_INVALID, f"{given!a} is not ASCII; give bytes instead") from None
    if not valid(encoded):
        raise LocalProtocolError(rules.HEADER_INVALID, quote(encoded))
    return encoded


# --- Lists ----------------------------------------------------------------------------------------------------------


def read_subprotocols(field: bytes) -> tuple[str, ...]:
    """The elements of Sec-WebSocket-Protocol in a request, in the client's order of preference (section 4.1).

    Raises:
        ValueError: an element is no token or comes twice, or there is none.
    """
    scanner = _Scanner(field)
    names = tuple(scanner.elements(_Scanner.token))
    if len(set(names)) < len(names):
        raise ValueError("one of them is there twice")
    return names


def read_extensions(field: bytes) -> tuple[Extension, ...]:
    """The elements of Sec-WebSocket-Extensions (section 9.1).

    An empty value, `a=` or `a=""`, is given as it stands: who knows the extension declines it (RFC 7692 section 7),
    which is milder than the grammar but keeps the connection.

    Raises:
        ValueError: it does not follow the grammar otherwise; what is in quotes has to be a token too.
    """
    # Nearly all clients are browsers, whose offers are few: they are read once, and the same objects serve all.
    return _short_extensions(field) if len(field) <= _SHORT else _read_extensions(field)


def _read_extensions(field: bytes) -> tuple[Extension, ...]:
    return tuple(_Scanner(field).elements(_Scanner.extension))


_SHORT = 128
_short_extensions = lru_cache(64)(_read_extensions)


def write_extensions(extensions: Sequence[Extension]) -> bytes:
    """The same the other way round.  The names and values must be tokens: nothing is ever quoted."""
    return ", ".join(map(str, extensions)).encode("ascii")


_Element = TypeVar("_Element")


class _Scanner:
    """A place in a field, that only moves on."""

    def __init__(self, field: bytes) -> None:
        self.field = field
        self.at = 0

    def elements(self, read: "Callable[[_Scanner], _Element]") -> Iterator[_Element]:
        """A list with commas.  RFC 9110 5.6.1: empty elements are passed over, but one has to be there."""
        found = False
        while not self.at_end():
            if not self.takes(b","):
                yield read(self)
                found = True
                if not self.at_end() and not self.takes(b","):
                    raise self.unexpected()
        if not found:
            raise ValueError("it is empty")

    def extension(self) -> Extension:
        name = self.token()
        parameters = []
        while self.takes(b";"):
            key = self.token()
            value = None
            if self.takes(b"="):
                value = self.quoted() if self.takes(b'"') else self.value()
            parameters.append((key, value))
        return Extension(name, tuple(parameters))

    def token(self) -> str:
        token = self.value()
        if not token:
            raise self.unexpected()
        return token

    def value(self) -> str:
        """A token, or nothing at all."""
        found = _NEXT_TOKEN.match(self.field, self.at)
        assert found is not None
        self.at = found.end()
        return found[1].decode("ascii")

    def quoted(self) -> str:
        """The rest of a quoted string, without its quotes and backslashes."""
        content = bytearray()
        while (byte := self.next_byte()) != b'"':
            content += self.next_byte() if byte == b"\\" else byte
        # 4.3: "the value after quoted-string unescaping MUST conform to the 'token' ABNF"
        if content and not is_token(content):
            raise ValueError(f"{quote(content)} is not a token")
        return content.decode("ascii")

    def next_byte(self) -> bytes:
        if self.at == len(self.field):
            raise ValueError("a quoted string does not end")
        self.at += 1
        return self.field[self.at - 1 : self.at]

    def takes(self, byte: bytes) -> bool:
        """Step over this byte and the blanks before it, if it is there."""
        self.skip_blanks()
        there = self.field[self.at : self.at + 1] == byte
        self.at += there
        return there

    def at_end(self) -> bool:
        self.skip_blanks()
        return self.at == len(self.field)

    def skip_blanks(self) -> None:
        while self.field[self.at : self.at + 1] in (b" ", b"\t"):
            self.at += 1

    def unexpected(self) -> ValueError:
        what = quote(self.field[self.at : self.at + 1]) if self.at < len(self.field) else "its end"
        return ValueError(f"{what} at position {self.at} is not expected")
