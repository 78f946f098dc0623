"""What a client asks for in the opening handshake, and how it holds the answer against that (section 4.1).

On header fields, for HTTP/1.1, 2 and 3: see `upgrade`, which is the server's side, and whose words are defined here.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from rawws.core import rules
from rawws.core.agreement import Agreement, Compression, Terms
from rawws.core.connection import Connection
from rawws.core.errors import LocalProtocolError, RemoteProtocolError
from rawws.core.headers import (
    ByName,
    GivenHeaders,
    Headers,
    accept_for,
    by_name,
    has_word,
    is_token,
    joined,
    new_key,
    outgoing,
    quote,
    read_extensions,
    write_extensions,
)
from rawws.core.rules import Rule
from rawws.core.settings import Role

VERSION = b"13"
"""The one of RFC 6455."""
UPGRADE: Headers = ((b"upgrade", b"websocket"), (b"connection", b"Upgrade"))
"""What both sides say on HTTP/1.1."""

_OWN = frozenset((b"upgrade", b"connection", b"content-length", b"transfer-encoding", b"host"))
_OWN_PREFIX = b"sec-websocket-"


def own_headers(headers: GivenHeaders) -> Headers:
    """A caller's fields, checked; those that the handshake speaks with are not theirs to send."""
    checked = outgoing(headers)
    for name, _ in checked:
        if name.lower() in _OWN or name.lower().startswith(_OWN_PREFIX):
            raise LocalProtocolError(rules.HEADER_INVALID, f"{quote(name)} belongs to the handshake")
    return checked


_Element = TypeVar("_Element")


def read_field(
    fields: ByName, name: bytes, read: Callable[[bytes], tuple[_Element, ...]], rule: Rule
) -> tuple[_Element, ...]:
    """All fields of this name as `read` understands them; none is an empty one.

    Raises:
        RemoteProtocolError: `rule`, if `read` does not.
    """
    field = joined(fields, name)
    try:
        return () if field is None else read(field)
    except ValueError as error:
        raise RemoteProtocolError(rule, str(error)) from None


class ClientUpgrade:
    """One opening handshake of a client (section 4.1).

    Args:
        subprotocols: what to offer, the best first.
        compression: what to offer of that, such as `Deflate()`; None offers none.
        http_version: "1.1", "2" or "3".  On HTTP/2 and 3 the method is CONNECT and `:protocol` is websocket.
        random: gives that many bytes nobody can predict, for the key.

    Raises:
        LocalProtocolError: the subprotocols are not unique tokens.
    """

    def __init__(
        self,
        *,
        subprotocols: Sequence[str] = (),
        compression: Compression | None = None,
        http_version: str = "1.1",
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        if isinstance(subprotocols, str):
            raise TypeError("subprotocols is a list of names, not one name")
        unique = len(set(subprotocols)) == len(subprotocols)
        if not unique or not all(name.isascii() and is_token(name.encode()) for name in subprotocols):
            raise LocalProtocolError(rules.SUBPROTOCOLS_INVALID, repr(list(subprotocols)))
        self.subprotocols = tuple(subprotocols)
        self.compression = compression
        self.http_version = http_version
        self.key = new_key(random(16)) if http_version.startswith("1") else None

    def headers(self) -> Headers:
        """The fields to add to the request."""
        fields: list[tuple[bytes, bytes]] = []
        if self.key is not None:
            fields = [*UPGRADE, (b"sec-websocket-key", self.key)]
        fields.append((b"sec-websocket-version", VERSION))
        if self.subprotocols:
            fields.append((b"sec-websocket-protocol", ", ".join(self.subprotocols).encode("ascii")))
        if self.compression is not None:
            fields.append((b"sec-websocket-extensions", write_extensions(self.compression.offers())))
        return tuple(fields)

    def check(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Agreement:
        """Hold the answer against section 4.1; gives back what was settled.

        Raises:
            RemoteProtocolError: it does not open a connection, or not the one that was asked for.
        """
        fields = by_name(tuple((bytes(name), bytes(value)) for name, value in headers))
        if status != 101 if self.key is not None else not 200 <= status < 300:
            raise RemoteProtocolError(rules.RESPONSE_STATUS, str(status))
        if self.key is not None:
            _check_switch(fields)
            _check_accept(fields, accept_for(self.key))
        return Agreement(compression=self._terms(fields), subprotocol=self._subprotocol(fields))

    def complete(self, status: int, headers: Iterable[tuple[bytes, bytes]], **options: Any) -> Connection:
        """The client's side of the open connection, if the answer is right; `options` are those of `Connection`.

        Raises:
            RemoteProtocolError: see `check`.
        """
        return Connection(Role.CLIENT, self.check(status, headers), **options)

    def _terms(self, fields: ByName) -> Terms | None:
        """What the answer says about compression; it may name no other extension, and this one once (9.1)."""
        if len(fields.get(b"sec-websocket-extensions", ())) > 1:
            raise RemoteProtocolError(rules.RESPONSE_EXTENSIONS, "more than one field")
        terms = None
        for extension in read_field(fields, b"sec-websocket-extensions", read_extensions, rules.RESPONSE_EXTENSIONS):
            if self.compression is None or extension.name != self.compression.name or terms is not None:
                raise RemoteProtocolError(rules.EXTENSION_UNOFFERED, extension.name)
            try:
                terms = self.compression.check(extension)
            except ValueError as error:
                raise RemoteProtocolError(rules.COMPRESSION_TERMS, str(error)) from None
        return terms

    def _subprotocol(self, fields: ByName) -> str | None:
        found = fields.get(b"sec-websocket-protocol")
        if not found:
            return None
        if len(found) > 1:
            raise RemoteProtocolError(rules.SUBPROTOCOL_REPEATED, f"{len(found)} of them")
        name = found[0].decode("latin-1")
        if name not in self.subprotocols:
            raise RemoteProtocolError(rules.SUBPROTOCOL_UNOFFERED, quote(found[0]))
        return name


def _check_switch(fields: ByName) -> None:
    upgrade = joined(fields, b"upgrade")
    if upgrade is None or upgrade.lower() != b"websocket":
        raise RemoteProtocolError(rules.RESPONSE_UPGRADE, "there is none" if upgrade is None else quote(upgrade))
    if not has_word(fields, b"connection", b"upgrade"):
        raise RemoteProtocolError(rules.RESPONSE_CONNECTION)


def _check_accept(fields: ByName, expected: bytes) -> None:
    found = fields.get(b"sec-websocket-accept")
    if not found:
        raise RemoteProtocolError(rules.ACCEPT_MISSING)
    if len(found) > 1:
        raise RemoteProtocolError(rules.ACCEPT_REPEATED, f"{len(found)} of them")
    if found[0] != expected:
        raise RemoteProtocolError(rules.ACCEPT_WRONG, quote(found[0]))
