"""One attempt to connect, as a value: where it goes, what it asks for there, and where a redirect would lead it.

A redirect may come from somebody who wants to see what we carry.  So it is followed only where the caller said so, it
never leads from wss to ws, and what the caller gave for one origin stays there: the user and the password of the URI,
and all header fields of his own, for nobody knows which of them are secret.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from urllib.parse import urldefrag, urljoin, urlsplit

from rawws.core.agreement import Compression
from rawws.core.headers import Headers, values
from rawws.core.http1 import ClientConnection, Rejected
from rawws.endpoint import (
    HandshakeRejected,
    HeadersGiven,
    Options,
    Redirect,
    check_compression,
    check_options,
    client_connection,
    header_pairs,
    limits_of,
    names,
    patience_of,
)
from rawws.patience import Patience
from rawws.uri import URI, parse

REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to connect and what to ask for there.

    Attributes:
        uri: where it goes now.
        headers: the caller's own fields, as far as they may be sent there.
        own: gives those fields anew.
        ask: makes the client's side of the opening handshake, from those two.
        patience: how long it may take.
        most: how many redirects are followed.
        redirects: those that were.
    """

    uri: URI
    headers: Headers
    own: Callable[[], Headers]
    ask: Callable[[URI, Headers], ClientConnection]
    patience: Patience
    most: int
    redirects: tuple[Redirect, ...] = ()

    def begin(self) -> "Plan":
        """The plan for an attempt, with the caller's fields as they are now."""
        return replace(self, headers=self.own())

    def connection(self) -> ClientConnection:
        """The client's side of the opening handshake."""
        return self.ask(self.uri, self.headers)

    def after(self, answer: Rejected) -> "Plan":
        """How to go on after an answer that is not 101.

        Raises:
            HandshakeRejected: not at all.
        """
        if answer.status not in REDIRECTS or not self.most:
            raise HandshakeRejected(answer, self.redirects)
        try:
            uri = self._next(answer)
        except ValueError as error:
            raise HandshakeRejected(answer, self.redirects, str(error)) from None
        redirects = (*self.redirects, Redirect(answer.status, self.uri.text, uri.text))
        if same_origin(self.uri, uri):
            uri = uri._replace(username=self.uri.username, password=self.uri.password)
            return replace(self, uri=uri, redirects=redirects)
        return replace(self, uri=uri, headers=(), redirects=redirects)

    def _next(self, answer: Rejected) -> URI:
        locations = values(answer.headers, b"location")
        if len(locations) != 1:
            raise ValueError(f"there are {len(locations)} Location fields" if locations else "it does not say where to")
        if len(self.redirects) == self.most:
            raise ValueError(f"that would be more than {self.most} redirects")
        uri = led_to(self.uri, locations[0])
        if uri.text in (self.uri.text, *(redirect.source for redirect in self.redirects)):
            raise ValueError(f"it leads in a circle, to {uri.text}")
        return uri


def plan(
    uri: str,
    headers: HeadersGiven,
    origin: str | None,
    subprotocols: Iterable[str],
    compression: Compression | None,
    user_agent: str | None,
    redirects: int,
    random: Callable[[int], bytes],
    options: Options,
) -> Plan:
    """The plan for what the arguments of `connect` say; an attempt begins with its `begin`."""
    check_options(options)
    check_compression(compression)
    if redirects < 0:
        raise ValueError(f"redirects is how many are followed, not {redirects}")
    offered, limits = names(subprotocols), limits_of(options)

    def ask(uri: URI, headers: Headers) -> ClientConnection:
        return client_connection(uri, headers, origin, offered, compression, user_agent, limits, random)

    # An iterator gives its pairs once, and there may be more than one attempt.
    kept = headers if callable(headers) else header_pairs(headers)

    def own() -> Headers:
        return tuple(header_pairs(kept() if callable(kept) else kept))

    return Plan(parse(uri), (), own, ask, patience_of(options), redirects)


def check_way(plan: Plan, has_context: bool, is_connected: bool) -> None:
    """See that the arguments of `connect` about how to get there go with the plan.

    Args:
        has_context: a context for TLS is given.
        is_connected: it goes over a socket that was given, or over a Unix socket.

    Raises:
        ValueError: they do not.
    """
    if has_context and not plan.uri.secure and not plan.most:
        raise ValueError("an ssl context needs a wss:// URI")
    if is_connected and plan.most:
        raise ValueError("redirects lead to other places than the socket that is given")


def led_to(base: URI, location: bytes) -> URI:
    """Where a Location leads, seen from `base`.

    Raises:
        ValueError: nowhere that one may go; the message says why.
    """
    target = urldefrag(urljoin(base.text, location.decode("utf-8", "surrogateescape"))).url
    scheme, separator, rest = target.partition("://")
    # RFC 9110 4.2.4: "treat its presence as an error; it is likely being used to obscure the authority"
    if "@" in urlsplit(target).netloc:
        raise ValueError("it leads to an address with a user in it")
    uri = parse({"http": "ws", "https": "wss"}.get(scheme.lower(), scheme) + separator + rest)
    if base.secure and not uri.secure:
        raise ValueError(f"it leads from wss to ws, to {uri.text}")
    return uri


def same_origin(one: URI, other: URI) -> bool:
    """Whether both are of one origin (RFC 6454)."""
    return (one.secure, one.host, one.port) == (other.secure, other.host, other.port)
