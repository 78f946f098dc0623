"""The way to the server: straight, with the options of the socket; or through the proxy that the program names, or the
environment does.
"""

import socket
import ssl as tls
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from rawws.blocking.way import Way, connected_to
from rawws.compat.websocket.exceptions import LeftOut
from rawws.compat.websocket.options import Opening, tls_context
from rawws.proxies import ProxyLike, chosen_proxy
from rawws.uri import URI


def dial(uri: URI, opening: Opening, deadline: float) -> socket.socket:
    """A socket that is connected to the server, with TLS if the URI asks for it.

    Raises:
        OSError, ProxyError, ImportError, ValueError: as `rawws.blocking.connect`.
    """
    given, proxy = opening.socket, named_proxy(uri, opening)
    if isinstance(given, tls.SSLSocket):
        return given
    context = tls_context(opening.sslopt) if uri.secure else None
    name = (opening.sslopt or {}).get("server_hostname") if uri.secure else None
    if given is not None or chosen_proxy(uri, proxy, is_connected=False) is None:
        prepare = partial(_prepare, sockopt=opening.sockopt or ())
        sock = connected_to(uri.host, uri.port, deadline, prepare) if given is None else given
        return Way(context, None, sock, None, None).lead(uri._replace(host=name or uri.host), deadline)
    if name is not None:
        raise LeftOut("server_hostname through a proxy; with host= the URL may name the server as its certificate does")
    sock = Way(context, None, None, proxy, None).lead(uri, deadline)
    _prepare(sock, opening.sockopt or ())
    return sock


def named_proxy(uri: URI, opening: Opening) -> ProxyLike:
    """The address of the proxy that the options name; True if they leave it to the environment, and None for none."""
    if any(_is_covered(uri.host, entry) for entry in opening.http_no_proxy or ()):
        return None
    if opening.http_proxy_host is None:
        return True
    user = ":".join(quote(word, safe="") for word in opening.http_proxy_auth or ())
    host = f"[{opening.http_proxy_host}]" if ":" in opening.http_proxy_host else opening.http_proxy_host
    port = f":{opening.http_proxy_port}" if opening.http_proxy_port else ""
    return f"{opening.proxy_type or 'http'}://{user}{'@' if user else ''}{host}{port}"


def _is_covered(host: str, entry: str) -> bool:
    entry = entry.strip().lower()
    return entry in ("*", host) or (entry.startswith(".") and host.endswith(entry))


def _prepare(sock: socket.socket, sockopt: Sequence[tuple[Any, ...]]) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in sockopt:
        sock.setsockopt(*option)
