"""What went wrong with a connection, in one line that says what to do, and as an exit code."""

import argparse
import errno
import socket
import ssl
from urllib.parse import urlsplit

from rawws import Closed, HandshakeRejected, LocalProtocolError, ProxyError, RemoteProtocolError
from rawws.cli.terminal import Exit, Trouble
from rawws.core.rules import COMPRESSION_TERMS, EXTENSION_UNOFFERED, RESPONSE_EXTENSIONS, Duty
from rawws.records import printable

WHO = {"peer": "by the server", "local": "by us", "lost": "the connection was lost", "error": "a rule was broken"}


def explain_failure(error: Exception, arguments: argparse.Namespace) -> Trouble | Exception:
    """What to raise in place of what `connect` raised; the same if there is nothing better."""
    place = arguments.unix or urlsplit(arguments.url).netloc.rpartition("@")[2]
    match error:
        case HandshakeRejected():
            return Trouble(_refused(error), Exit.REFUSED)
        case LocalProtocolError():
            return Trouble(f"rawws connect: {error}; this cannot be sent", Exit.USAGE)
        case RemoteProtocolError():
            about = error.rule in (COMPRESSION_TERMS, EXTENSION_UNOFFERED, RESPONSE_EXTENSIONS)
            advice = "; --no-compression offers none" if about and not arguments.no_compression else ""
            return Trouble(f"the answer of {place} breaks a rule: {error}{advice}", Exit.PROTOCOL)
        case ProxyError():
            return Trouble(_proxy(error), Exit.NETWORK)
        case ImportError():
            return Trouble(f"rawws connect: {error}".replace("proxy=None", "--proxy none"), Exit.USAGE)
        case TimeoutError() if str(error).startswith("the proxy "):
            return Trouble(f"{error}; --timeout waits longer", Exit.NETWORK)
        case TimeoutError():
            advice = "is it a WebSocket server? --timeout waits longer"
            return Trouble(f"{place} did not answer within {arguments.timeout:g} s; {advice}", Exit.NETWORK)
        case OSError():
            return Trouble(_network(error, arguments.url, place), Exit.NETWORK)
        case ValueError():
            return Trouble(f"rawws connect: {error}".replace("proxy=None", "--proxy none"), Exit.USAGE)
    return error


def _refused(error: HandshakeRejected) -> str:
    headers = dict(error.headers)
    status = f"{error.status} {error.reason}".strip()
    said = printable(b" ".join(error.body[:300].split()))
    line = f"the server answered {printable(status.encode())}"
    if 300 <= error.status < 400 and b"location" in headers:
        line += f" and points to {printable(headers[b'location'])}"
        if error.problem:
            return f"{line}, which is not followed: {printable(error.problem.encode())}"
        return f"{line}; try that address, or --redirects 5"
    if error.status == 401:
        return f"{line}; it wants credentials: --user NAME:PASSWORD, or -H 'Authorization: ...'"
    if error.status == 403:
        return f"{line}{f': {said}' if said else ''}; it may want another --origin, a cookie, or credentials"
    if error.status in (200, 404):
        return f"{line}, not 101: there is no WebSocket at this path"
    return f"{line}, not 101{f': {said}' if said else ''}"


def _proxy(error: ProxyError) -> str:
    line = printable(str(error).encode())
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return f"{line}; --ca FILE trusts its certificate, -k anybody's"
    if error.status == 407:
        return f"{line}; --proxy {error.proxy.replace('://', '://NAME:PASSWORD@')}"
    return f"{line}; --proxy none goes without"


def _network(error: OSError, url: str, place: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {place} is not trusted: {error.verify_message}; --ca FILE trusts it, -k anybody's"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with {place}: {error.reason or error}; perhaps it speaks ws:// and not wss://"
    if isinstance(error, socket.gaierror):
        return f"the name in {place} is not known ({error.strerror}); is it spelled right?"
    if isinstance(error, FileNotFoundError):
        return f"there is no socket at {place}; is the server running?"
    # Where a name has several addresses, asyncio joins what happened with each into one message.
    if error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return f"nobody listens on {place}; is the server running?"
    if error.errno is None and isinstance(error, ConnectionError):
        advice = "does it want wss://?" if url.startswith("ws:") else "is it a WebSocket server?"
        return f"{place} hung up in the opening handshake; {advice}"
    return f"no connection to {place}: {error.strerror or error}"


def ending(closed: Closed, goodbye: int) -> tuple[str, Exit]:
    """How a connection ended, if we meant to end it with `goodbye`: a line, and the exit code."""
    reason = f" {printable(closed.reason.encode())}" if closed.reason else ""
    if closed.error is not None:
        if closed.error.rule.duty is Duty.RECEIVER:
            advice = "; --max-size none takes any" if closed.code == 1009 else ""
            return f"closed: {closed.code}, {closed.error}{advice}", Exit.ABNORMAL
        return f"closed: {closed.code}, the server broke a rule: {closed.error}", Exit.PROTOCOL
    line = f"closed: {closed.code}{reason}, {WHO[closed.by]}"
    as_we_said = closed.by == "local" and closed.code == goodbye
    clean = closed.code in (1000, 1001, 1005) or as_we_said
    return line, Exit.OK if clean else Exit.ABNORMAL
