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

Here is the server's side.  The client's is in `asking`, and whose pages may connect in `origins`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote as percent_encode

from rawws.core import rules
from rawws.core.agreement import Agreement, Compression, Extension, Terms
from rawws.core.asking import UPGRADE, VERSION, ClientUpgrade, own_headers, read_field
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
    joined,
    quote,
    read_extensions,
    read_subprotocols,
    write_extensions,
)
from rawws.core.origins import SAME_ORIGIN, OriginPolicy, Origins, may_connect
from rawws.core.rules import Rule
from rawws.core.settings import Role

__all__ = [
    "SAME_ORIGIN",
    "VERSION",
    "Accepted",
    "ClientUpgrade",
    "OriginPolicy",
    "Origins",
    "UpgradeRequest",
    "own_headers",
    "refusal",
]

_VERSIONS: Headers = ((b"sec-websocket-version", VERSION),)

# What each refusal needs besides its status.  RFC 9110 15.5.22: "The server MUST send an Upgrade header field in a 426
# response", and 15.5.6 says the same of Allow in a 405.
_REFUSAL_HEADERS: dict[Rule, Headers] = {
    rules.METHOD: ((b"allow", b"GET"),),
    rules.UPGRADE_MISSING: UPGRADE,
}


def _refuse(rule: Rule, detail: str = "") -> RemoteProtocolError:
    return RemoteProtocolError(rule, detail, headers=_REFUSAL_HEADERS.get(rule, ()))


def refusal(error: ProtocolError) -> tuple[int, Headers, bytes]:
    """What a server answers to a request that is in `error`: the status, the fields, and one line of text."""
    status = error.code if 400 <= error.code < 600 else 400
    headers = error.headers if isinstance(error, RemoteProtocolError) else ()
    return status, (*headers, (b"content-type", b"text/plain; charset=utf-8")), f"{error}\n".encode()


class UpgradeRequest(NamedTuple):
    """A valid opening handshake (section 4.2.1).

    Attributes:
        target: the resource name: the path with its query, also where an absolute URI was sent.
        headers: all fields, as they came.
        http_version: "1.1", "2" or "3".
        host: what the request calls this server, with a port if it names one: Host, or what an absolute URI says.
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
        named, name = _split_target(target)
        fields = by_name(headers)
        host = _host(fields, extended, named)
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
            subprotocols=read_field(fields, b"sec-websocket-protocol", read_subprotocols, rules.SUBPROTOCOLS_INVALID),
            extensions=read_field(fields, b"sec-websocket-extensions", read_extensions, rules.EXTENSIONS_INVALID),
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
        if not may_connect(self.origin, self.host, origins):
            raise _refuse(rules.ORIGIN, "there is none" if self.origin is None else quote(self.origin.encode()))

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
            answer = [*UPGRADE, (b"sec-websocket-accept", accept_for(self.key))]
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
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)", re.IGNORECASE)


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


def _split_target(target: bytes) -> tuple[bytes | None, str]:
    """The host that an absolute URI names, None if it is none; and path and query."""
    absolute = _ABSOLUTE.match(target)
    host, name = None, target
    if absolute is not None:
        host, name = absolute[1], target[absolute.end() :]
        if not name.startswith(b"/"):
            name = b"/" + name
    # No user may stand in front of the host: RFC 9110 4.2.4.
    if not is_target(name) or (host is not None and not is_host(host)):
        raise _refuse(rules.TARGET, quote(target))
    return host, name.decode("ascii")


def _host(fields: ByName, extended: bool, named: bytes | None) -> str:
    found = fields.get(b"host", [])
    if extended:
        # RFC 9113 8.3.1: Host may be there besides `:authority`, and then says the same.
        found = sorted({*found, *fields.get(b":authority", [])})
    if len(found) != 1:
        raise _refuse(rules.HOST, f"{len(found)} of them")
    if not is_host(found[0]):
        raise _refuse(rules.HOST, quote(found[0]))
    # RFC 9112 3.2.2: with an absolute URI, "an origin server MUST ignore the received Host header field".
    return (named or found[0]).decode("ascii")


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
        wanted = _VERSIONS if extended else (*_VERSIONS, *UPGRADE)
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
