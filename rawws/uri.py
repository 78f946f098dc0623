"""`ws:` and `wss:` URIs (section 3): where to connect, and what to ask for there."""

import re
from base64 import b64encode
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from rawws.core.headers import is_host

# What may stand in a path or a query as it is (RFC 3986); letters and digits may, anywhere.
_AS_IT_IS = "/?:@!$&'()*+,;=-._~%"


class URI(NamedTuple):
    """What a WebSocket URI says."""

    secure: bool
    """Whether it is wss: WebSocket over TLS."""
    host: str
    """The name or the address to connect to; a name in ASCII, as DNS has it, and an address without brackets."""
    port: int
    target: str
    """The resource name: path and query, with everything percent-encoded that has to be."""
    host_header: str
    """The host as the Host header says it, with the port unless it is the usual one."""
    username: str | None
    password: str | None

    @property
    def text(self) -> str:
        """The URI as one would write it, with no user and no password."""
        return f"{'wss' if self.secure else 'ws'}://{self.host_header}{self.target}"

    @property
    def authorization(self) -> str | None:
        """The Authorization header for the user (RFC 7617); None if the URI names none."""
        if self.username is None:
            return None
        return basic(self.username, self.password)


def basic(username: str, password: str | None) -> str:
    """Credentials as HTTP's Basic scheme writes them (RFC 7617)."""
    return "Basic " + b64encode(f"{username}:{password or ''}".encode()).decode()


def parse(uri: str) -> URI:
    """Take a WebSocket URI apart.

    Raises:
        ValueError: it is none; the message says why in one sentence.
    """
    if any(char <= " " or char in "\x7f\\" or "\ud800" <= char <= "\udfff" for char in uri):
        raise _no_uri("a WebSocket URI contains no blanks, control characters or backslashes", uri)
    if "#" in uri:
        raise _no_uri("a WebSocket URI has no fragment; write %23 if you mean the character", uri)
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise _no_uri("not a URI, or its port is no number", uri) from None
    if parts.scheme not in ("ws", "wss"):
        raise _no_uri("a WebSocket URI begins with ws:// or wss://", uri)
    usual = 443 if parts.scheme == "wss" else 80
    host = host_of(parts.hostname, uri)
    if port == 0:
        raise _no_uri("a port is a number from 1 to 65535", uri)
    named = f"[{host.partition('%')[0]}]" if ":" in host else host
    return URI(
        secure=parts.scheme == "wss",
        host=host,
        port=port or usual,
        target=quote(parts.path or "/", _AS_IT_IS) + ("?" + quote(parts.query, _AS_IT_IS) if parts.query else ""),
        host_header=named if port in (None, usual) else f"{named}:{port}",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def _no_uri(why: str, uri: str) -> ValueError:
    return ValueError(f"{why}: {without_secrets(uri)!r}")


def without_secrets(address: str) -> str:
    """An address as an error may show it: with no user and no password, also where an @ or a port is missing."""
    shown = re.sub(r"^(\w+://)?.*@", r"\1…@", address, flags=re.DOTALL)
    # What stands where a port should, and is none, is perhaps a password whose @ was forgotten.
    return re.sub(r"^((\w+://)?(…@)?(\[[^]]*]|[^:/?#[]*):)(?!\d*([/?#]|$)).*", r"\1…", shown, flags=re.DOTALL)


def is_address(host: str) -> bool:
    """Whether this is an IP address, and no name that has to be looked up."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def host_of(given: str | None, uri: str) -> str:
    """A host as DNS has it, or an address without brackets, from how `uri` writes it.

    Raises:
        ValueError: it names none.
    """
    host = unquote(given or "")
    try:
        if not host.isprintable():
            raise ValueError("it has characters that cannot be printed")
        if ":" in host:
            return str(ip_address(host))
        ascii_host = (host.encode("idna").decode() if not host.isascii() else host).lower()
    except ValueError as error:
        raise ValueError(f"not the name of a host: {host!r} ({error})") from None
    # A percent that is left would be undone once more by whoever reads the Host header; brackets would make an address.
    if not is_host(ascii_host.encode()) or set(":%[]") & set(ascii_host):
        raise _no_uri("a WebSocket URI names a host", uri)
    return ascii_host
