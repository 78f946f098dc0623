"""What the two transports share: the options of `connect` and `serve`, and what a `WebSocket` tells about itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TypeAlias, TypedDict

from rawws.core.agreement import Compression, Terms
from rawws.core.deflate import Deflate
from rawws.core.errors import RemoteProtocolError
from rawws.core.events import Closed
from rawws.core.frames import CloseCode
from rawws.core.headers import values
from rawws.core.http1 import ClientConnection, Connected, Rejected, Request, ServerConnection
from rawws.core.settings import Limits
from rawws.core.states import IN_MESSAGE, State
from rawws.core.upgrade import SAME_ORIGIN, Origins, refusal
from rawws.session import ConnectionClosed, Patience, Session
from rawws.uri import URI

USER_AGENT = "rawws"

HeadersLike: TypeAlias = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
"""Header fields of one's own: a mapping, or pairs in order.  A `str` is sent as UTF-8."""

HeadersGiven: TypeAlias = HeadersLike | Callable[[], HeadersLike]
"""Those, or what gives them anew for each time that a client connects."""


class Options(TypedDict, total=False):
    """How much and how long, for both sides and both transports.  None lifts a limit.

    Sizes are in bytes and times in seconds; the defaults are those of `Limits` and `Patience`.  With asyncio a time can
    be longer by a thirty-second of it, and is never shorter.
    """

    max_size: int | None
    """Of one message, as it is when it was decompressed (1 MiB)."""
    max_frame: int | None
    """Of one frame (what `max_size` leaves)."""
    max_fragments: int | None
    """Frames in one message (1,024 and one for every 16 bytes of `max_size`)."""
    open_timeout: float | None
    """For the whole opening handshake (10)."""
    ping_interval: float | None
    """Between two keepalive Pings (20)."""
    ping_timeout: float | None
    """For a sign of life after a Ping (20)."""
    write_timeout: float | None
    """For the peer to read a byte of what waits for it (30)."""
    close_timeout: float | None
    """For the closing handshake (5)."""
    write_limit: int
    """What may wait to be sent before `send` waits (64 KiB).  With a blocking socket `send` waits for all of it."""
    receive_limit: int
    """What may wait for `recv` before nothing more is read (64 KiB)."""


def limits_of(options: Options) -> Limits:
    """The bounds among `options`."""
    names = {"max_size": "message", "max_frame": "frame", "max_fragments": "fragments"}
    return Limits(**_renamed(options, names))


def patience_of(options: Options) -> Patience:
    """The times among `options`, and what may wait."""
    names = {
        "open_timeout": "opening",
        "ping_interval": "ping_interval",
        "ping_timeout": "ping_timeout",
        "write_timeout": "writing",
        "close_timeout": "closing",
        "write_limit": "write_high",
        "receive_limit": "receive_high",
    }
    given = _renamed(options, names)
    if "write_high" in given:
        given["write_low"] = given["write_high"] // 4
    return Patience(**given)


def check_options(options: Options) -> None:
    """Raise `TypeError` for a name that is none of `Options`."""
    for name in options:
        if name not in Options.__annotations__:
            raise TypeError(f"no option is called {name!r}; there are {', '.join(Options.__annotations__)}")


def _renamed(options: Options, names: dict[str, str]) -> dict[str, Any]:
    return {names[name]: value for name, value in options.items() if name in names}


def header_pairs(headers: HeadersLike) -> list[tuple[bytes, bytes]]:
    """Header fields as pairs of bytes."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(_encoded(name), _encoded(value)) for name, value in pairs]


def _encoded(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


def names(subprotocols: Iterable[str]) -> tuple[str, ...]:
    """The names of subprotocols; raises `TypeError` for one `str`, which is an iterable of letters."""
    if isinstance(subprotocols, str):
        raise TypeError("subprotocols is a list of names, not one name")
    return tuple(subprotocols)


def check_compression(compression: Compression | None) -> None:
    """Raise `TypeError` for what is none, such as the "deflate" of other libraries, or `Deflate` itself."""
    if compression is not None and (isinstance(compression, type) or not isinstance(compression, Compression)):
        raise TypeError(f"compression is Deflate(...) or None, not {compression!r}")


class Tap(Protocol):
    """Who listens on the wire: it sees every byte of a connection, in order, from the opening handshake on."""

    def sent(self, data: bytes) -> object:
        """These bytes are sent."""

    def received(self, data: bytes) -> object:
        """These bytes came."""


class Response(NamedTuple):
    """An HTTP answer in place of the 101."""

    status: int = 200
    headers: HeadersLike = ()
    body: str | bytes = b""


class Redirect(NamedTuple):
    """A redirect that was followed."""

    status: int
    """301, 302, 303, 307 or 308."""
    source: str
    """The URI that was asked for, with no user and no password."""
    uri: str
    """The URI that its answer led to."""


class HandshakeRejected(Exception):
    """The server answered the opening handshake with another status than 101.

    Attributes:
        status: the HTTP status.
        reason: the text beside it.
        headers: the header fields, as pairs of bytes with lower-case names.
        body: the beginning of the body, 64 KiB at most.
        redirects: those that were followed to get there.
        problem: why this one was not followed, where it is a redirect and `connect` was to follow them; else "".
    """

    def __init__(self, answer: Rejected, redirects: tuple[Redirect, ...] = (), problem: str = "") -> None:
        super().__init__(answer, redirects, problem)
        self.redirects = redirects
        self.problem = problem
        self.status = answer.status
        self.reason = answer.reason
        self.headers = answer.headers
        self.body = answer.body

    def __str__(self) -> str:
        said = self.problem or self._said()
        return f"the server answered {self.status} {self.reason}" + (f": {said}" if said else "")

    def _said(self) -> str:
        """The beginning of the body, in one line; nothing if it is a page for browsers."""
        if any(b"html" in kind.lower() for kind in values(self.headers, b"content-type")):
            return ""
        return " ".join(self.body[:200].decode("utf-8", "replace").split())


SelectSubprotocol: TypeAlias = Callable[[tuple[str, ...]], str | None]


class Reception(NamedTuple):
    """How a server receives its clients, once `process_request` has let them pass."""

    subprotocols: tuple[str, ...] = ()
    """Those that it speaks: the first that the client offers and that is among them is chosen."""
    select_subprotocol: SelectSubprotocol | None = None
    """Chooses among those offered, in place of that rule; None for none."""
    origins: Origins = SAME_ORIGIN
    """The pages that may connect (section 10.2)."""
    compression: Compression | None = Deflate()
    """Agreed on with clients that offer it (RFC 7692)."""
    process_response: Callable[[Request], HeadersLike] | None = None
    """Gives header fields to add to the 101."""

    def answer(self, connection: ServerConnection, request: Request, response: Response | None) -> bool:
        """Answer `request`: with `response` if there is one, else with a 101 if it deserves one; whether it was one."""
        try:
            if response is None and request.upgrade is not None:
                request.upgrade.check_origin(self.origins)
        except RemoteProtocolError as error:
            connection.reject(*refusal(error))
            return False
        if response is not None:
            body = response.body.encode() if isinstance(response.body, str) else response.body
            connection.reject(response.status, header_pairs(response.headers), body)
            return False
        if request.upgrade is None:
            connection.accept()
            return False
        headers = () if self.process_response is None else header_pairs(self.process_response(request))
        connection.accept(self._choose(request.upgrade.subprotocols), headers, self.compression)
        return True

    def _choose(self, offered: tuple[str, ...]) -> str | None:
        if self.select_subprotocol is not None:
            return self.select_subprotocol(offered)
        return next((name for name in offered if name in self.subprotocols), None)


def client_connection(
    uri: URI,
    headers: HeadersLike,
    origin: str | None,
    subprotocols: tuple[str, ...],
    compression: Compression | None,
    user_agent: str | None,
    limits: Limits,
    random: Callable[[int], bytes],
) -> ClientConnection:
    """The client's side of an opening handshake with `uri`."""
    own = header_pairs(headers)
    names = {name.lower() for name, _ in own}
    added: list[tuple[bytes, bytes]] = []
    if origin is not None:
        added.append((b"Origin", origin.encode()))
    if user_agent is not None and b"user-agent" not in names:
        added.append((b"User-Agent", user_agent.encode()))
    if uri.authorization is not None and b"authorization" not in names:
        added.append((b"Authorization", uri.authorization.encode()))
    return ClientConnection(
        uri.host_header,
        uri.target,
        headers=added + own,
        subprotocols=subprotocols,
        compression=compression,
        limits=limits,
        random=random,
    )


class Endpoint:
    """What a `WebSocket` tells about itself, whatever moves its bytes."""

    _session: Session
    request: Request | None = None
    """On a server, the opening handshake as it was asked for."""
    response: Connected | None = None
    """On a client, the answer to it."""
    redirects: tuple[Redirect, ...] = ()
    """On a client, those that were followed to get here."""
    _stream: object = None  # the newest of `recv_streaming`

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed on; None if there is none."""
        return self._session.connection.subprotocol

    @property
    def compression(self) -> Terms | None:
        """On what terms messages may be compressed, both ways; None if they may not (RFC 7692)."""
        return self._session.connection.compression

    @property
    def state(self) -> State:
        """Where the connection stands."""
        return self._session.connection.state

    @property
    def closed(self) -> Closed | None:
        """How the connection ended; None until it is known."""
        return self._session.ending

    @property
    def close_code(self) -> int | None:
        """The close code (section 7.1.5); None until it is known."""
        ending = self._session.ending
        return None if ending is None else ending.code

    @property
    def close_reason(self) -> str | None:
        """The text beside it; None until it is known."""
        ending = self._session.ending
        return None if ending is None else ending.reason

    @property
    def close_sent(self) -> tuple[int, str] | None:
        """The code and the reason in the Close frame that we sent; None if there is none."""
        return self._session.connection.close_sent

    @property
    def close_received(self) -> tuple[int, str] | None:
        """The code and the reason in the peer's Close frame; None if there is none."""
        return self._session.connection.close_received

    @property
    def latency(self) -> float | None:
        """Seconds from the last Ping that was answered to its Pong; None before the first."""
        return self._session.latency

    @property
    def _in_message(self) -> bool:
        """Of the message that is being sent, the beginning is under way, and the rest is not."""
        return self._session.connection.ours is IN_MESSAGE

    @contextmanager
    def _streaming(self) -> Iterator[None]:
        """While a `recv_streaming` goes on.  What is left of the one before is thrown away."""
        connection = self._session.connection
        connection.stream = True
        stream = self._stream = object()
        self._session.abandon()
        try:
            yield
        finally:
            if self._stream is stream:  # One that was left may be closed when the next one has begun.
                connection.stream = False

    def _why_closed(self) -> ConnectionClosed:
        """For who tries to send when it is too late."""
        ending = self._session.ending
        if ending is None:
            sent = self._session.connection.close_sent
            ending = Closed(CloseCode.ABNORMAL, "", "lost") if sent is None else Closed(*sent, "local")
        return ConnectionClosed(ending)


def opening_failed(ending: Closed | None) -> Exception:
    """What `connect` raises when the connection ended in the opening handshake with no answer."""
    if ending is not None and ending.error is not None:
        return ending.error
    if ending is not None and ending.by == "local":
        return TimeoutError(ending.reason)
    return ConnectionError("the server ended the connection in the opening handshake")
