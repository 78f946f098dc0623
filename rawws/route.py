"""What both transports are told by who connects; here are the arguments of `connect` that need `socket` and `ssl`."""

import socket
import ssl as tls
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rawws.core.agreement import Compression
from rawws.endpoint import HeadersGiven, Options, Tap
from rawws.proxies import Proxy, ProxyLike, chosen_proxy
from rawws.uri import URI


class ConnectOptions(Options, total=False):
    """What `connect` takes besides the URI; it is described there."""

    headers: HeadersGiven
    origin: str | None
    subprotocols: Iterable[str]
    compression: Compression | None
    user_agent: str | None
    ssl: tls.SSLContext | None
    unix: str | None
    sock: socket.socket | None
    proxy: ProxyLike
    proxy_ssl: tls.SSLContext | None
    redirects: int
    tap: Tap | None
    random: Callable[[int], bytes]


class Route(NamedTuple):
    """How to get to a server; the fields are arguments of `connect`."""

    ssl: tls.SSLContext | None
    unix: str | None
    sock: socket.socket | None
    proxy: ProxyLike
    proxy_ssl: tls.SSLContext | None

    @property
    def is_there(self) -> bool:
        """Whether no network has to be crossed."""
        return self.unix is not None or self.sock is not None

    @property
    def context(self) -> tls.SSLContext:
        """For TLS with the server."""
        return tls.create_default_context() if self.ssl is None else self.ssl

    @property
    def proxy_context(self) -> tls.SSLContext:
        """For TLS with the proxy."""
        return tls.create_default_context() if self.proxy_ssl is None else self.proxy_ssl

    def through(self, uri: URI) -> Proxy | None:
        """The proxy on the way there; None for the straight way.

        Raises:
            ValueError: there is none at the address that is given, or no room for one.
        """
        return chosen_proxy(uri, self.proxy, self.is_there)
