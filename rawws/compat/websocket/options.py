"""The options of a connection as the callback client names them, and what they mean here: header fields and TLS."""

import os
import socket as sockets
import ssl as tls
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeAlias, TypedDict

from rawws.compat.websocket.exceptions import LeftOut
from rawws.core.agreement import Compression
from rawws.core.errors import ProtocolError
from rawws.core.frames import encode_close
from rawws.core.headers import Headers
from rawws.core.settings import Role
from rawws.endpoint import names
from rawws.uri import URI

HeaderLike: TypeAlias = Mapping[str, str | None] | Sequence[str] | None
"""Header fields: a mapping, or lines such as "Name: value"."""

MOST = 64 * 2**20
"""Bytes of one message, unless `max_size` says otherwise.  websocket-client has no limit, so its programs may count on
large messages; but a server that announces two gigabytes is not to have them."""


_default: list[float | None] = [None]


def setdefaulttimeout(timeout: float | None) -> None:
    """The timeout of every `WebSocket` made from now on, in seconds; None for none."""
    _default[0] = timeout


def getdefaulttimeout() -> float | None:
    """What `setdefaulttimeout` said last."""
    return _default[0]


class Wishes(TypedDict, total=False):
    """What can be said about how a connection is opened, and how much of it is put up with."""

    host: str
    """The Host field, in place of what the URL says."""
    origin: str
    """The page that we claim to be; without it, the server's own."""
    suppress_origin: bool
    """Claim to be none."""
    http_proxy_host: str | None
    """The proxy; without it, the one that the environment names."""
    http_proxy_port: int | str | None
    http_proxy_auth: tuple[str, str] | None
    """User and password."""
    http_no_proxy: Sequence[str] | None
    """Hosts to be reached without the proxy; names that begin with a dot stand for all in that domain, "*" for all."""
    http_proxy_timeout: float | None
    """Nothing: the time for the opening handshake is for all of it."""
    proxy_type: str | None
    """http (the default), socks4, socks4a, socks5 or socks5h."""
    redirect_limit: int
    """How many redirects are followed (3)."""
    compression: Compression | None
    """What to offer, such as `rawws.Deflate()`."""
    max_size: int | None
    """Of one message, in bytes; None for no limit (64 MiB)."""
    suppress_host: bool
    """Left out."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """The same, with a value for all, and what stands in other places of the callback client."""

    header: HeaderLike | Callable[[], HeaderLike] = None
    cookie: str | None = None
    subprotocols: Sequence[str] | None = None
    socket: sockets.socket | None = None
    sslopt: Mapping[str, Any] | None = None
    sockopt: Sequence[tuple[Any, ...]] | None = None
    timeout: float | None = None
    """For the opening handshake; None for ten seconds."""
    get_mask_key: Callable[[int], str | bytes] | None = None
    pieces: bool = False
    """Messages are given in pieces, as they come."""
    ping_interval: float | None = None
    ping_timeout: float | None = None
    ping_payload: bytes | None = None
    host: str | None = None
    origin: str | None = None
    suppress_origin: bool = False
    http_proxy_host: str | None = None
    http_proxy_port: int | str | None = None
    http_proxy_auth: tuple[str, str] | None = None
    http_no_proxy: Sequence[str] | None = None
    http_proxy_timeout: float | None = None
    proxy_type: str | None = None
    redirect_limit: int = 3
    compression: Compression | None = None
    max_size: int | None = MOST
    suppress_host: bool = False
    connection: str | None = None

    def __post_init__(self) -> None:
        if self.suppress_host:
            raise LeftOut("suppress_host: HTTP/1.1 has no request without a Host field; host= says another one")
        if self.connection is not None and "upgrade" not in self.connection.lower():
            raise LeftOut("connection=: the field is always 'Upgrade', as section 4.1 of RFC 6455 asks for")

    def random(self, size: int) -> bytes:
        """Bytes that nobody can predict; masking keys come from the program if it gives them."""
        if self.get_mask_key is None or size != 4:
            return os.urandom(size)
        key = self.get_mask_key(size)
        return key.encode("latin-1") if isinstance(key, str) else key


def opening(options: Mapping[str, Any], **more: Any) -> Opening:
    """`options` put together.

    Raises:
        TypeError: there is none of that name.
    """
    known = [field.name for field in fields(Opening)]
    for name in options:
        if name not in known:
            raise TypeError(f"no option is called {name!r}; there are {', '.join(known)}")
    return Opening(**{**options, **more})


def close_wish(status: int, reason: str | bytes) -> tuple[int, str]:
    """The code and the reason of a Close frame.

    Raises:
        ValueError: they cannot be sent.
    """
    text = reason.decode() if isinstance(reason, bytes) else reason
    try:
        encode_close(status, text, Role.CLIENT)
    except ProtocolError as breach:
        raise ValueError(str(breach)) from breach
    return status, text


# --- Header fields --------------------------------------------------------------------------------------------------


_HANDSHAKE = {"upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"}
"""Fields that programs repeat, for they were copied out of a browser; the handshake says them itself."""


class Said(NamedTuple):
    """What the program says in the request."""

    host: str
    subprotocols: tuple[str, ...]
    fields: list[tuple[str, str]]
    """All others."""


def request_fields(opening: Opening, uri: URI) -> Said:
    """What the program says in the request to `uri`.

    Raises:
        ValueError: a line in `header` is none.
        TypeError: `header` or `subprotocols` is one `str`.
    """
    header = opening.header() if callable(opening.header) else opening.header
    pairs = list(_pairs(header))
    given = {name.lower(): value for name, value in pairs}
    if opening.cookie:
        pairs.append(("Cookie", opening.cookie))
    host = opening.host or given.get("host") or uri.host_header
    offered = given.get("sec-websocket-protocol", "").replace(",", " ").split()
    apart = {"host", "sec-websocket-protocol"} | _HANDSHAKE
    fields = [(name, value) for name, value in pairs if name.lower() not in apart]
    return Said(host, names(opening.subprotocols or offered), fields)


def implied_fields(opening: Opening, uri: URI, headers: Headers) -> list[tuple[str, str]]:
    """What goes without saying, unless `headers` say it: where we come from, and who the URI says we are."""
    given = {name.lower() for name, _ in headers}
    fields = []
    if b"origin" not in given and not opening.suppress_origin:
        fields.append(("Origin", opening.origin or f"{'https' if uri.secure else 'http'}://{uri.host_header}"))
    if b"authorization" not in given and uri.authorization is not None:
        fields.append(("Authorization", uri.authorization))
    return fields


def _pairs(header: HeaderLike) -> Iterable[tuple[str, str]]:
    if header is None:
        return
    if isinstance(header, str):
        raise TypeError("header is a list of lines or a dict, not one line")
    if isinstance(header, Mapping):
        yield from ((name, value) for name, value in header.items() if value is not None)
        return
    for line in header:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"a line of header is 'Name: value', not {line!r}")
        yield name.strip(), value.strip()


# --- TLS ------------------------------------------------------------------------------------------------------------

_VERSIONS = {
    tls.PROTOCOL_TLS: None,
    tls.PROTOCOL_TLS_CLIENT: None,
    tls.PROTOCOL_TLSv1_2: tls.TLSVersion.TLSv1_2,
}
_SSLOPT = {"context", "server_hostname", "cert_reqs", "check_hostname", "ca_certs", "ca_cert", "ca_cert_path"}
_SSLOPT |= {"certfile", "keyfile", "password", "ciphers", "ecdh_curve", "ssl_version"}
_SSLOPT |= {"do_handshake_on_connect", "suppress_ragged_eofs"}  # as it always is


def tls_context(sslopt: Mapping[str, Any] | None) -> tls.SSLContext:
    """What `sslopt` asks for.  Without it the server is verified, against the authorities of the system.

    Raises:
        TypeError: there is no such option.
        LeftOut: that version of TLS.
    """
    options = {} if sslopt is None else sslopt
    if unknown := set(options) - _SSLOPT:
        raise TypeError(f"sslopt has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(_SSLOPT))}")
    given = options.get("context")
    if given is not None:
        assert isinstance(given, tls.SSLContext)
        return given
    file, folder = _authorities(options)
    context = tls.create_default_context(cafile=file, capath=folder)
    _apply(options, context)
    return context


def _authorities(options: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """A file and a folder of certificates."""
    bundle = options.get("ca_certs") or options.get("ca_cert") or os.environ.get("WEBSOCKET_CLIENT_CA_BUNDLE")
    folder = options.get("ca_cert_path")
    if bundle and os.path.isdir(bundle):
        return None, bundle
    return bundle or None, folder


def _apply(options: Mapping[str, Any], context: tls.SSLContext) -> None:
    verify = options.get("cert_reqs", tls.CERT_REQUIRED)
    if options.get("check_hostname") is False or verify == tls.CERT_NONE:
        context.check_hostname = False
    context.verify_mode = verify
    if verify == tls.CERT_NONE:
        message = "with CERT_NONE anybody on the way can pose as the server; give its authority as ca_certs instead"
        warnings.warn(message, stacklevel=2)
    if options.get("certfile"):
        context.load_cert_chain(options["certfile"], options.get("keyfile"), options.get("password"))
    if options.get("ciphers"):
        context.set_ciphers(options["ciphers"])
    if options.get("ecdh_curve"):
        context.set_ecdh_curve(options["ecdh_curve"])
    version = options.get("ssl_version", tls.PROTOCOL_TLS_CLIENT)
    if version not in _VERSIONS:
        raise LeftOut(f"ssl_version {version!r}: give a context= of your own for a TLS older than 1.2")
    if (only := _VERSIONS[version]) is not None:
        context.minimum_version = context.maximum_version = only
