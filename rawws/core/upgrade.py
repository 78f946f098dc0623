"""The opening handshake (section 4) on header fields, for both roles and for HTTP/1.1, 2 and 3.

Who owns the HTTP, a framework or a library, hands over fields and gets back fields, and then an open `Connection`:

    request = UpgradeRequest.parse(headers, target=b"/chat")      # on a server; raises what `refusal` answers
    accepted = request.accept(subprotocol="chat")
    ...                                                           # send accepted.status and accepted.headers
    connection = accepted.connection()

    upgrade = ClientUpgrade(subprotocols=["chat"])                # on a client
    ...                                                           # send GET with upgrade.headers()
    connection = upgrade.complete(status, headers)

Fields are pairs of bytes, the name in lower case, as h11, h2 and ASGI give them.  HTTP/2 and 3 ask with an extended
CONNECT instead (RFC 8441 and 9220): `:protocol` says what Upgrade and Connection say here, and no key is needed.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote as percent_encode

from rawws.core import rules
from rawws.core.agreement import Agreement, Compression, Extension, Terms
from rawws.core.connection import Connection
from rawws.core.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from rawws.core.headers import (
    ByName,
    GivenHeaders,
    Headers,
    accept_for,
    by_name,
    has_word,
    is_host,
    is_key,
    is_target,
    is_token,
    joined,
    new_key,
    outgoing,
    quote,
    read_extensions,
    read_subprotocols,
    write_extensions,
)
from rawws.core.rules import Rule
from rawws.core.settings import Role

VERSION = b"13"

_VERSIONS: Headers = ((b"sec-websocket-version", VERSION),)
_UPGRADE: Headers = ((b"upgrade", b"websocket"), (b"connection", b"Upgrade"))

# What each refusal needs besides its status.  RFC 9110 15.5.22: "The server MUST send an Upgrade header field in a 426
# response", and 15.5.6 says the same of Allow in a 405.
_REFUSAL_HEADERS: dict[Rule, Headers] = {
    rules.METHOD: ((b"allow", b"GET"),),
    rules.UPGRADE_MISSING: _UPGRADE,
}

_OWN = frozenset((b"upgrade", b"connection", b"content-length", b"transfer-encoding", b"host"))
_OWN_PREFIX = b"sec-websocket-"


class OriginPolicy(Enum):
    """Whose pages may connect, where that is not a list."""

    SAME_ORIGIN = "same-origin"
    """Pages of this very server, and clients that are no browsers."""


SAME_ORIGIN = OriginPolicy.SAME_ORIGIN

Origins: TypeAlias = OriginPolicy | Collection[str | re.Pattern[str] | None] | None
"""Whose pages may connect: `SAME_ORIGIN`; a list of origins such as "https://example.com", patterns that match a whole
origin, and None for requests that name none; or, instead of a list, None for anybody's."""


def _refuse(rule: Rule, detail: str = "") -> RemoteProtocolError:
    return RemoteProtocolError(rule, detail, headers=_REFUSAL_HEADERS.get(rule, ()))


def refusal(error: ProtocolError) -> tuple[int, Headers, bytes]:
    """What a server answers to a request that is in `error`: the status, the fields, and one line of text."""
    status = error.code if 400 <= error.code < 600 else 400
    headers = error.headers if isinstance(error, RemoteProtocolError) else ()
    return status, (*headers, (b"content-type", b"text/plain; charset=utf-8")), f"{error}\n".encode()


# --- The server's side ----------------------------------------------------------------------------------------------


class UpgradeRequest(NamedTuple):
    """A valid opening handshake (section 4.2.1).

    Attributes:
        target: the resource name: the path with its query, also where an absolute URI was sent.
        headers: all fields, as they came.
        http_version: "1.1", "2" or "3".
        host: what the request calls this server, with the port unless it is the usual one.
        origin: the page that asks, "null" included; None if it is no browser (section 10.2).
        key: Sec-WebSocket-Key; None on HTTP/2 and 3.
        subprotocols: what the client offers, the best first.
        extensions: what the client offers, the best first.
    """

    target: str
    headers: Headers
    http_version: str
    host: str
    origin: str | None
    key: bytes | None
    subprotocols: tuple[str, ...]
    extensions: tuple[Extension, ...]

    @classmethod
    def parse(
        cls,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        method: str | bytes = b"GET",
        target: str | bytes = b"/",
        http_version: str = "1.1",
        protocol: str | bytes | None = None,
    ) -> "UpgradeRequest":
        """Read a request and hold it against section 4.2.1, or against RFC 8441.

        Args:
            headers: its fields, names in lower case.  `:authority` may stand for Host.
            method: as it was sent.
            target: as it was sent; `:path` on HTTP/2 and 3.
            http_version: "1.1", "2" or "3".
            protocol: the value of `:protocol` on HTTP/2 and 3.

        Raises:
            RemoteProtocolError: it is not valid.  `refusal` knows what to answer.
        """
        fields = tuple((bytes(name), bytes(value)) for name, value in headers)
        method, target, protocol = (_bytes(given) for given in (method, target, protocol or b""))
        return cls.judge(fields, method, target, http_version, protocol)

    @classmethod
    def judge(
        cls, headers: Headers, method: bytes, target: bytes, http_version: str, protocol: bytes = b""
    ) -> "UpgradeRequest":
        """The same where all is in its form already, and nothing is copied."""
        extended = http_version.partition(".")[0] in ("2", "3")
        if extended:
            _check_connect(method, protocol)
        else:
            _check_request_line(http_version, method)
        name = _resource_name(target)
        fields = by_name(headers)
        host = _host(fields, extended)
        if not extended:
            _check_upgrade(fields)
        _check_version(fields, extended)
        origins = joined(fields, b"origin")
        return cls(
            target=name,
            headers=headers,
            http_version=http_version,
            host=host,
            origin=None if origins is None else origins.decode("latin-1"),
            key=None if extended else _key(fields),
            subprotocols=_read(fields, b"sec-websocket-protocol", read_subprotocols, rules.SUBPROTOCOLS_INVALID),
            extensions=_read(fields, b"sec-websocket-extensions", read_extensions, rules.EXTENSIONS_INVALID),
        )

    @classmethod
    def from_asgi(cls, scope: Mapping[str, Any]) -> "UpgradeRequest":
        """The same from the scope of an ASGI application, of type "websocket" or "http"."""
        version = scope.get("http_version", "1.1")
        extended = version.partition(".")[0] in ("2", "3")
        path = scope.get("raw_path") or percent_encode(scope["path"]).encode()
        query = scope.get("query_string", b"")
        return cls.parse(
            scope["headers"],
            method=scope.get("method", "CONNECT" if extended else "GET"),
            target=path + (b"?" + query if query else b""),
            http_version=version,
            protocol="websocket" if extended else None,
        )

    @classmethod
    def from_wsgi(cls, environ: Mapping[str, Any]) -> "UpgradeRequest":
        """The same from the environ of a WSGI application (PEP 3333)."""
        names = {"CONTENT_LENGTH": "content-length", "CONTENT_TYPE": "content-type"}
        # What is not ASCII is no name of a field; and the case of "µ", which a server may change, cannot be undone.
        fields = (key for key in environ if key.startswith("HTTP_") and key.isascii())
        names.update({key: key[5:].replace("_", "-").lower() for key in fields})
        path = percent_encode((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1"))
        query = environ.get("QUERY_STRING", "")
        return cls.parse(
            [
                (name.encode("latin-1"), environ[key].encode("latin-1"))
                for key, name in names.items()
                if environ.get(key, "")
            ],
            method=environ["REQUEST_METHOD"],
            target=(path or "/") + (f"?{query}" if query else ""),
            http_version=environ["SERVER_PROTOCOL"].partition("/")[2],
        )

    def check_origin(self, origins: Origins) -> None:
        """See that the page which asks may connect (section 10.2).

        Raises:
            RemoteProtocolError: it may not.
        """
        if isinstance(origins, str):
            raise TypeError("origins is a list of origins, not one origin")
        if origins is None:
            return
        allowed = self._is_of(origins) if not isinstance(origins, OriginPolicy) else self._is_same_origin()
        if not allowed:
            raise _refuse(rules.ORIGIN, "there is none" if self.origin is None else quote(self.origin.encode()))

    def _is_of(self, origins: Collection[str | re.Pattern[str] | None]) -> bool:
        if self.origin is None:
            return None in origins
        # 4.2.2: "The origin is serialized to ASCII and converted to lowercase"
        origin = self.origin.lower()
        return any(
            item.fullmatch(origin) is not None if isinstance(item, re.Pattern) else item.lower() == origin
            for item in origins
            if item is not None
        )

    def _is_same_origin(self) -> bool:
        if self.origin is None:
            return True
        scheme, separator, place = self.origin.lower().partition("://")
        port = {"http": ":80", "https": ":443"}.get(scheme)
        if not separator or port is None:
            return False
        return place.removesuffix(port) == self.host.lower().removesuffix(port)

    def accept(
        self,
        subprotocol: str | None = None,
        headers: GivenHeaders = (),
        compression: Compression | None = None,
    ) -> "Accepted":
        """What to answer (section 4.2.2), with nothing in it that the RFC does not need.

        Args:
            subprotocol: the one chosen from those that were offered.
            headers: fields of your own, such as cookies.
            compression: such as `Deflate()`, used if an offer of the client can be accepted (RFC 7692).

        Raises:
            LocalProtocolError: the subprotocol was not offered, or a header cannot be sent.
        """
        if subprotocol is not None and subprotocol not in self.subprotocols:
            raise LocalProtocolError(rules.SUBPROTOCOL_UNOFFERED, repr(subprotocol))
        own = own_headers(headers)
        agreement = Agreement(subprotocol, self._choose(compression))
        answer: list[tuple[bytes, bytes]] = []
        if self.key is not None:
            answer = [*_UPGRADE, (b"sec-websocket-accept", accept_for(self.key))]
        if subprotocol is not None:
            answer.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
        if agreement.compression is not None:
            answer.append((b"sec-websocket-extensions", write_extensions([agreement.compression.extension])))
        return Accepted(200 if self.key is None else 101, (*answer, *own), agreement)

    def _choose(self, compression: Compression | None) -> Terms | None:
        """The terms of the first offer that `compression` accepts; all else that is offered is passed over (9.1)."""
        if compression is None:
            return None
        offers = (compression.accept(offer) for offer in self.extensions if offer.name == compression.name)
        return next((terms for terms in offers if terms is not None), None)


class Accepted(NamedTuple):
    """The answer that opens a connection.

    Attributes:
        status: 101, or 200 on HTTP/2 and 3.
        headers: the fields to send, the handshake's own in lower case.
        agreement: what was settled.
    """

    status: int
    headers: Headers
    agreement: Agreement

    def connection(self, **options: Any) -> Connection:
        """The server's side of the open connection; `options` are those of `Connection`."""
        return Connection(Role.SERVER, self.agreement, **options)


def _bytes(given: str | bytes) -> bytes:
    return given.encode("utf-8", "surrogateescape") if isinstance(given, str) else bytes(given)


_HTTP_1 = re.compile(r"1\.[1-9]")
_ABSOLUTE = re.compile(rb"https?://[^/?#]+", re.IGNORECASE)


def _check_request_line(http_version: str, method: bytes) -> None:
    if _HTTP_1.fullmatch(http_version) is None:
        raise _refuse(rules.HTTP_VERSION, f"HTTP/{http_version}")
    if method != b"GET":
        raise _refuse(rules.METHOD, quote(method))


def _check_connect(method: bytes, protocol: bytes) -> None:
    if method != b"CONNECT":
        raise RemoteProtocolError(rules.METHOD, quote(method), headers=((b"allow", b"CONNECT"),))
    if protocol.lower() != b"websocket":
        raise _refuse(rules.CONNECT_PROTOCOL, quote(protocol))


def _resource_name(target: bytes) -> str:
    """Path and query, of an absolute URI too."""
    absolute = _ABSOLUTE.match(target)
    name = target if absolute is None else target[absolute.end() :]
    if absolute is not None and not name.startswith(b"/"):
        name = b"/" + name
    if not is_target(name):
        raise _refuse(rules.TARGET, quote(target))
    return name.decode("ascii")


def _host(fields: ByName, extended: bool) -> str:
    found = fields.get(b"host", [])
    if extended:
        # RFC 9113 8.3.1: Host may be there besides `:authority`, and then says the same.
        found = sorted({*found, *fields.get(b":authority", [])})
    if len(found) != 1:
        raise _refuse(rules.HOST, f"{len(found)} of them")
    if not is_host(found[0]):
        raise _refuse(rules.HOST, quote(found[0]))
    return found[0].decode("ascii")


def _check_upgrade(fields: ByName) -> None:
    if not has_word(fields, b"upgrade", b"websocket"):
        raise _refuse(rules.UPGRADE_MISSING)
    if not has_word(fields, b"connection", b"upgrade"):
        raise _refuse(rules.CONNECTION_MISSING)
    # A body would be taken for frames, or frames for a body, by whoever else reads along.
    if b"transfer-encoding" in fields or any(length != b"0" for length in fields.get(b"content-length", ())):
        raise _refuse(rules.BODY_IN_REQUEST)


def _check_version(fields: ByName, extended: bool) -> None:
    found = fields.get(b"sec-websocket-version", [])
    if len(found) > 1:
        raise _refuse(rules.VERSION_REPEATED, f"{len(found)} of them")
    if found != [VERSION]:
        # RFC 9113 8.2.2 forbids Upgrade and Connection on HTTP/2.
        wanted = _VERSIONS if extended else (*_VERSIONS, *_UPGRADE)
        raise RemoteProtocolError(rules.VERSION, quote(found[0]) if found else "there is none", headers=wanted)


def _key(fields: ByName) -> bytes:
    found = fields.get(b"sec-websocket-key", [])
    if not found:
        raise _refuse(rules.KEY_MISSING)
    if len(found) > 1:
        raise _refuse(rules.KEY_REPEATED, f"{len(found)} of them")
    if not is_key(found[0]):
        raise _refuse(rules.KEY_INVALID, quote(found[0]))
    return found[0]


_Element = TypeVar("_Element")


def _read(
    fields: ByName, name: bytes, read: Callable[[bytes], tuple[_Element, ...]], rule: Rule
) -> tuple[_Element, ...]:
    field = joined(fields, name)
    try:
        return () if field is None else read(field)
    except ValueError as error:
        raise _refuse(rule, str(error)) from None


def own_headers(headers: GivenHeaders) -> Headers:
    """A caller's fields, checked; those that the handshake speaks with are not theirs to send."""
    checked = outgoing(headers)
    for name, _ in checked:
        if name.lower() in _OWN or name.lower().startswith(_OWN_PREFIX):
            raise LocalProtocolError(rules.HEADER_INVALID, f"{quote(name)} belongs to the handshake")
    return checked


# --- The client's side ----------------------------------------------------------------------------------------------


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
            fields = [*_UPGRADE, (b"sec-websocket-key", self.key)]
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
        for extension in _read(fields, b"sec-websocket-extensions", read_extensions, rules.RESPONSE_EXTENSIONS):
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
