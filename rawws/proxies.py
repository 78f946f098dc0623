"""Which proxy a connection goes through, what an HTTP proxy is asked for, and how either kind fails.

A proxy is named by the caller, or by the environment, as for every other program of the machine.  With an HTTP proxy we
speak ourselves: CONNECT opens a tunnel (RFC 9110 9.3.6), and behind it everything is as if there were no proxy.  With a
SOCKS proxy python-socks speaks; here is only how to tell what it raises.

Nothing here says a password: not an error, not a `repr`.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from rawws.core import rules
from rawws.core.errors import RemoteProtocolError
from rawws.core.headers import Headers
from rawws.core.heads import HeadReader, status_line_problem, write_head
from rawws.core.http1 import Rejected, read_answer
from rawws.core.settings import Limits
from rawws.uri import URI, basic, host_of, without_secrets

ProxyLike: TypeAlias = str | bool | None
"""True for the one that the environment names, None or False for none, or its address: "http://user:password@host:port"
(or https, socks5, socks5h, socks4, socks4a).  socks5h and socks4a leave it to the proxy to look up names."""

EXTRA = "pip install 'rawws[proxy]'"

_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}

# RFC 6455 4.1 would rather have "a SOCKS5 proxy ... or failing that, to prefer the proxy configured for HTTPS
# connections over the proxy configured for HTTP connections".
_VARIABLES = {True: ("wss", "socks", "https", "all"), False: ("ws", "socks", "https", "http", "all")}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and who we are for it."""

    scheme: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    variable: str = ""
    """What names it in the environment; "" if the caller did."""

    @property
    def is_http(self) -> bool:
        """Whether it is asked with CONNECT; else it speaks SOCKS."""
        return self.scheme in ("http", "https")

    @property
    def looks_up_names(self) -> bool:
        """Whether it is told the name of the server; else we look it up, and tell it the address."""
        return self.scheme not in ("socks4", "socks5")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class ProxyError(OSError):
    """The proxy did not let us through: it is not there, it refuses, or it does not speak as it should.

    Attributes:
        proxy: its address, without user and password.
        status: what it answered: an HTTP status, or the reply code of SOCKS; None if it said nothing of that kind.
        headers: the fields of an HTTP answer, as pairs of bytes with lower-case names.
        hopeless: to try again is of no use, unless something is changed.
    """

    def __init__(
        self, proxy: object, problem: str, status: int | None = None, headers: Headers = (), hopeless: bool = False
    ) -> None:
        super().__init__(f"the proxy {proxy} {problem}")
        self.proxy = str(proxy)
        self.problem = problem
        self.status = status
        self.headers = headers
        self.hopeless = hopeless

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.proxy, self.problem, self.status, self.headers, self.hopeless)


# --- Which one ------------------------------------------------------------------------------------------------------


def chosen_proxy(uri: URI, proxy: ProxyLike, is_connected: bool) -> Proxy | None:
    """The proxy for a connection to `uri`.

    Args:
        is_connected: it goes over a socket that was given, or over a Unix socket.

    Raises:
        ValueError: it is no address of a proxy, or there is no room for one.
    """
    if is_connected and isinstance(proxy, str):
        raise ValueError("a connection over a socket or a Unix socket that is given needs no proxy")
    return None if is_connected else proxy_for(uri, proxy)


# `urllib.request` takes a sixth of the time to import all of this package, and most programs have no proxy to look for.


def named_by_environment() -> Mapping[str, str]:
    """The proxies that the environment names, or the system, by the beginnings of the variables' names."""
    from urllib.request import getproxies

    return getproxies()


def is_bypassed(place: str) -> bool:
    """Whether the environment, or the system, wants no proxy for this host with its port."""
    from urllib.request import proxy_bypass

    return bool(proxy_bypass(place))


def proxy_for(
    uri: URI,
    proxy: ProxyLike,
    environment: Callable[[], Mapping[str, str]] = named_by_environment,
    bypass: Callable[[str], bool] = is_bypassed,
) -> Proxy | None:
    """The proxy through which to reach `uri`; None for the straight way.

    What the environment names is not for this machine itself, nor for what `no_proxy` lists.

    Args:
        environment: gives the proxies that it names, by the beginnings of the variables' names in lower case.
        bypass: says whether a host (with a port) is to be reached without.

    Raises:
        ValueError: it is no address of a proxy.
    """
    if not isinstance(proxy, str | bool | None):
        raise TypeError(f"proxy is an address, True for the environment's, or None, not {type(proxy).__name__}")
    if isinstance(proxy, str):
        return parse_proxy(proxy)
    if not proxy or is_loopback(uri.host):
        return None
    named = environment()
    variable = next((name for name in _VARIABLES[uri.secure] if named.get(name)), None)
    if variable is None or bypass(f"{uri.host}:{uri.port}"):
        return None
    address = named[variable]
    if variable == "socks" and not address.startswith("socks5"):
        # From the settings of macOS and Windows, which name no version.
        address = "socks5h://" + address.rpartition("://")[2]
    return parse_proxy(address, f"{variable}_proxy")


def parse_proxy(address: str, variable: str = "") -> Proxy:
    """Take the address of a proxy apart; with no scheme it is an HTTP proxy.

    Args:
        variable: what names it in the environment.

    Raises:
        ValueError: it is none; the message says why, and does not say the password.
    """
    try:
        return _parsed(address if "://" in address else f"http://{address}", variable)
    except ValueError as error:
        shown = without_secrets(address)
        where = f"{variable} of the environment says {shown!r}" if variable else repr(shown)
        advice = "; proxy=None goes without" if variable else ""
        why = str(error) if error.args and isinstance(error, _Fault) else "it cannot be read"
        raise ValueError(f"not the address of a proxy: {where} ({why}){advice}") from None


class _Fault(ValueError):
    """Its message has nothing secret in it."""


def _parsed(address: str, variable: str) -> Proxy:
    if any(char <= " " or char in "\x7f\\" for char in address):
        raise _Fault("there are blanks, control characters or backslashes in it")
    parts = urlsplit(address)
    usual = _PORTS.get(parts.scheme)
    if usual is None:
        raise _Fault(f"it begins with none of {', '.join(_PORTS)}")
    if "@" in parts.path + parts.query + parts.fragment:
        raise _Fault("an @ stands behind the host; what is special in a password is written with %")
    user, password = (None if given is None else unquote(given) for given in (parts.username, parts.password))
    if not parts.hostname or parts.port == 0:
        raise _Fault("it names no host, or no port that there is")
    if parts.scheme.startswith("socks") and not all(
        given is None or (given.isascii() and len(given) < 256) for given in (user, password)
    ):
        raise _Fault("user and password for SOCKS are ASCII, 255 characters at most")
    return Proxy(parts.scheme, host_of(parts.hostname, ""), parts.port or usual, user, password, variable)


def is_loopback(host: str) -> bool:
    """Whether this is this machine's name for itself."""
    try:
        address = ip_address(host)
    except ValueError:
        name = host.removesuffix(".").lower()
        # RFC 6761 6.3: "The domain "localhost." and any names falling within ".localhost." are special".
        return name == "localhost" or name.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


# --- CONNECT --------------------------------------------------------------------------------------------------------


class Tunnel:
    """One dialogue with an HTTP proxy, as bytes: send `request`, and hand over what comes until the tunnel is open."""

    def __init__(self, proxy: Proxy, uri: URI) -> None:
        self._proxy = proxy
        self._reader = HeadReader(Limits(), status_line_problem, rules.RESPONSE_MALFORMED, rules.RESPONSE_TOO_LARGE)
        self._data = b""
        host = f"[{uri.host.partition('%')[0]}]" if ":" in uri.host else uri.host
        place = f"{host}:{uri.port}"
        fields = [(b"Host", place.encode())]
        if proxy.username is not None:
            fields.append((b"Proxy-Authorization", basic(proxy.username, proxy.password).encode()))
        self.request = write_head(f"CONNECT {place} HTTP/1.1", tuple(fields))

    def receive_data(self, data: bytes) -> bool:
        """Take what came, b"" for the end of the stream; whether the tunnel is open now.

        Raises:
            ProxyError: it refuses, or it speaks no HTTP.
        """
        if not data:
            raise ProxyError(self._proxy, "hung up without an answer")
        try:
            answer = self._answer(data)
        except RemoteProtocolError as error:
            raise ProxyError(self._proxy, f"speaks no HTTP: {error.detail or error}", hopeless=True) from None
        if answer is None:
            return False
        if not 200 <= answer.status < 300:
            raise _refused(self._proxy, answer)
        if self._data:
            # Whoever speaks first in TLS and in WebSocket, it is not the server.
            raise ProxyError(self._proxy, "sends bytes behind its answer that nobody asked for", hopeless=True)
        return True

    def _answer(self, data: bytes) -> Rejected | None:
        self._data += data
        while True:
            position, head = self._reader.read(self._data, 0, 0)
            self._data = self._data[position:]
            answer = None if head is None else read_answer(head)
            if answer is None or answer.status >= 200 or answer.status == 101:
                return answer


def _refused(proxy: Proxy, answer: Rejected) -> ProxyError:
    problem = f"answered {answer.status} {answer.reason}".rstrip()
    if answer.status == 407:
        given = proxy.username is not None
        problem += ": it does not take this user and password" if given else ": it wants a user and a password"
    return ProxyError(proxy, problem, answer.status, answer.headers, not is_passing(answer.status))


def is_passing(status: int) -> bool:
    """Whether an HTTP status tells of something that may be over soon."""
    return status in (408, 425, 429) or (500 <= status < 600 and status not in (501, 505, 511))


# --- How it fails ---------------------------------------------------------------------------------------------------


def unreachable(proxy: Proxy, error: OSError) -> ProxyError:
    """The way to the proxy itself is barred: by the network, or by its certificate."""
    told = str(error.strerror or error)
    if error.errno is not None and told.startswith("Connect call failed"):  # That is asyncio's word for anything.
        told = os.strerror(error.errno)
    # A certificate that is not right is a ValueError too.
    return ProxyError(proxy, f"cannot be reached: {told}", hopeless=isinstance(error, ValueError))


def broken_off(proxy: Proxy, error: OSError) -> ProxyError:
    """The way to the proxy broke while we spoke with it."""
    return ProxyError(proxy, f"did not finish its answer: {error.strerror or error}")


def too_late(proxy: Proxy) -> TimeoutError:
    """`open_timeout` ended while the proxy was to answer."""
    return TimeoutError(f"the proxy {proxy} did not answer in time")


# What of SOCKS5 (RFC 1928 6) may be over soon: a failure, the network, the host, its port, the time.  SOCKS4 has one
# code for all of that.
_PASSING_REPLIES = (1, 3, 4, 5, 6, 0x5B)


@contextmanager
def speaking_socks(proxy: Proxy, uri: URI) -> Iterator[dict[str, Any]]:
    """Give what python-socks has to know about a proxy, and tell what it raises as what `connect` raises.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import python_socks
    except ImportError:
        whence = f" ({proxy.variable} of the environment names it; proxy=None goes without)" if proxy.variable else ""
        raise ImportError(f"for the proxy {proxy}{whence} python-socks is needed: {EXTRA}") from None
    kind = python_socks.ProxyType.SOCKS5 if proxy.scheme.startswith("socks5") else python_socks.ProxyType.SOCKS4
    try:
        yield {
            "proxy_type": kind,
            "host": proxy.host,
            "port": proxy.port,
            "username": proxy.username,
            "password": proxy.password,
            "rdns": proxy.looks_up_names,
        }
    except python_socks.ProxyTimeoutError:
        raise too_late(proxy) from None
    except python_socks.ProxyConnectionError as error:
        cause = error.__cause__
        raise unreachable(proxy, cause if isinstance(cause, OSError) else error) from cause
    except python_socks.ProxyError as error:
        code = error.error_code
        if code is None and str(error).startswith("Connection closed"):
            raise ProxyError(proxy, "hung up without an answer") from None
        raise ProxyError(proxy, f"refused: {error}", code, hopeless=code not in _PASSING_REPLIES) from None
    except ConnectionError as error:
        raise broken_off(proxy, error) from error
    except UnicodeError:
        raise ValueError(f"not the name of a host that a SOCKS proxy can be told: {uri.host!r}") from None
