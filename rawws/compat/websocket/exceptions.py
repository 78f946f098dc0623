"""What a callback client's programs catch, and what of ours becomes which.

All are `WebSocketException`s; what the operating system says (`ConnectionRefusedError`, `ssl.SSLError`) stays what it
is.  The exception of rawws that says more, with the rule and the byte, is the `__cause__`.
"""

import socket

from rawws.core import rules
from rawws.core.errors import LocalProtocolError, RemoteProtocolError
from rawws.core.events import Closed
from rawws.endpoint import HandshakeRejected
from rawws.proxies import ProxyError
from rawws.session import ConnectionClosed


class WebSocketException(Exception):
    """Anything that went wrong."""


class WebSocketProtocolException(WebSocketException):
    """The server broke a rule of the protocol."""


class WebSocketPayloadException(WebSocketException):
    """The server sent text that is no UTF-8, or compressed data that is none (1007)."""


class WebSocketConnectionClosedException(WebSocketException):
    """The connection has ended, or there is none."""


class WebSocketTimeoutException(WebSocketException):
    """Something did not come in time: a message, the answer to the opening handshake, a Pong."""


class WebSocketProxyException(WebSocketException):
    """The proxy did not connect us."""


class WebSocketBadStatusException(WebSocketException):
    """The server answered the opening handshake with another status than 101.

    Attributes:
        status_code: the HTTP status.
        status_message: the text beside it.
        resp_headers: the header fields, with lower-case names.
        resp_body: the body, 64 KiB of it at most.
    """

    def __init__(
        self,
        message: str,
        status_code: int,
        status_message: str | None = None,
        resp_headers: dict[str, str] | None = None,
        resp_body: bytes | None = None,
    ) -> None:
        super().__init__(message, status_code, status_message, resp_headers, resp_body)
        self.status_code = status_code
        self.status_message = status_message
        self.resp_headers = resp_headers
        self.resp_body = resp_body

    def __str__(self) -> str:
        return str(self.args[0])


class WebSocketAddressException(WebSocketException):
    """The name of the host was not found."""


class LeftOut(WebSocketException, NotImplementedError):
    """Something of the callback client that rawws does not do; the message says what to use instead."""


def as_dict(headers: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    """Header fields by their lower-case names; of fields with one name, the values with commas between them."""
    fields: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


def refused(answer: HandshakeRejected) -> WebSocketBadStatusException:
    """For an answer that is not 101."""
    said = answer.problem or answer.body[:200].decode("utf-8", "replace").strip()
    message = f"Handshake status {answer.status} {answer.reason}" + (f": {said}" if said else "")
    return WebSocketBadStatusException(message, answer.status, answer.reason, as_dict(answer.headers), answer.body)


def translated(error: Exception) -> Exception:
    """What a callback client raises where rawws raises `error`."""
    made: Exception
    if isinstance(error, WebSocketException):
        return error
    if isinstance(error, ConnectionClosed):
        made = WebSocketConnectionClosedException(f"socket is already closed: {error}")
    elif isinstance(error, HandshakeRejected):
        made = refused(error)
    elif isinstance(error, ProxyError):
        made = WebSocketProxyException(str(error))
    elif type(error) is ConnectionError:
        made = WebSocketConnectionClosedException(f"Connection to remote host was lost: {error}")
    elif isinstance(error, RemoteProtocolError):
        made = WebSocketProtocolException(str(error))
    elif isinstance(error, LocalProtocolError):
        made = ValueError(str(error))
    elif isinstance(error, socket.gaierror):
        made = WebSocketAddressException(f"the name of the host was not found: {error}")
    elif isinstance(error, TimeoutError):
        made = WebSocketTimeoutException(str(error) or "Connection timed out")
    else:
        return error
    made.__cause__ = error
    return made


def ended(closed: Closed) -> WebSocketException:
    """For who receives from a connection that ended this way."""
    if closed.by == "error":
        payload = closed.code in (rules.TEXT_NOT_UTF8.code, rules.MESSAGE_TOO_BIG.code)
        return (WebSocketPayloadException if payload else WebSocketProtocolException)(str(closed.error))
    if closed.by == "lost":
        return WebSocketConnectionClosedException("Connection to remote host was lost.")
    if closed.by == "local" and closed.reason:
        kept = closed.code == rules.KEEPALIVE_TIMEOUT.code
        return WebSocketTimeoutException(f"{'ping/pong ' if kept else ''}timed out: {closed.reason}")
    if closed.by == "local":
        return WebSocketConnectionClosedException("Connection is closed")
    normally = " normally" if closed.code == 1000 else ""
    reason = f": {closed.reason}" if closed.reason else ""
    return WebSocketConnectionClosedException(f"Connection closed{normally} (code {closed.code}){reason}")
