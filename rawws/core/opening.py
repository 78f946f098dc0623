"""What the opening handshake of HTTP/1.1 tells, and how it is read from a whole head."""

from dataclasses import dataclass

from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.errors import RemoteProtocolError
from rawws.core.events import Opening
from rawws.core.headers import Headers
from rawws.core.parsing import parse_answer, parse_request, text_of
from rawws.core.rules import Rule
from rawws.core.upgrade import UpgradeRequest


@dataclass(frozen=True, slots=True)
class Request(Opening):
    """A client asks: to be answered with `accept` or `reject`.

    Attributes:
        method: as it was sent.
        target: as it was sent.
        headers: all fields, names in lower case.
        upgrade: the valid opening handshake that it is; None if it is another request, such as a health check.
        error: why it is none; `accept` then answers with the refusal that this deserves.
    """

    method: str
    target: str
    headers: Headers
    upgrade: UpgradeRequest | None
    error: RemoteProtocolError | None


@dataclass(frozen=True, slots=True)
class Connected(Opening):
    """The server accepted, and its answer is right.

    Attributes:
        headers: all fields, names in lower case.
        agreement: what was settled.
    """

    headers: Headers
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Rejected(Opening):
    """The server answered something else than 101; `Closed` follows.

    Attributes:
        status: the status code.
        reason: the words beside it; may be empty.
        headers: all fields, names in lower case.
        body: its beginning, up to `Limits.response_body`, or what there was of it when TCP ended.
    """

    status: int
    reason: str
    headers: Headers
    body: bytes


# Which field a rule is about; the others are about the first line, or about all of it.
_FIELDS = {
    rules.HOST: b"host",
    rules.UPGRADE_MISSING: b"upgrade",
    rules.CONNECTION_MISSING: b"connection",
    rules.KEY_MISSING: b"sec-websocket-key",
    rules.KEY_REPEATED: b"sec-websocket-key",
    rules.KEY_INVALID: b"sec-websocket-key",
    rules.VERSION: b"sec-websocket-version",
    rules.VERSION_REPEATED: b"sec-websocket-version",
    rules.SUBPROTOCOLS_INVALID: b"sec-websocket-protocol",
    rules.EXTENSIONS_INVALID: b"sec-websocket-extensions",
    rules.RESPONSE_UPGRADE: b"upgrade",
    rules.RESPONSE_CONNECTION: b"connection",
    rules.ACCEPT_MISSING: b"sec-websocket-accept",
    rules.ACCEPT_REPEATED: b"sec-websocket-accept",
    rules.ACCEPT_WRONG: b"sec-websocket-accept",
    rules.EXTENSION_UNOFFERED: b"sec-websocket-extensions",
    rules.RESPONSE_EXTENSIONS: b"sec-websocket-extensions",
    rules.COMPRESSION_TERMS: b"sec-websocket-extensions",
    rules.SUBPROTOCOL_REPEATED: b"sec-websocket-protocol",
    rules.SUBPROTOCOL_UNOFFERED: b"sec-websocket-protocol",
}


def _fault_in(head: bytes, rule: Rule) -> int:
    """Where `head` breaks `rule`: at the last field that it is about, and if that is missing, where the head ends."""
    if rule not in _FIELDS:
        return 0
    line = head.lower().rfind(b"\r\n" + _FIELDS[rule] + b":")
    return line + 2 if line >= 0 else len(head) - 2


def located(error: RemoteProtocolError, head: bytes, start: int) -> RemoteProtocolError:
    """A violation in `head`, which begins at `start` in the stream, with its byte."""
    error.offset = start + _fault_in(head, error.rule)
    return error


def read_request(head: bytes) -> Request:
    """The request, with what makes it an opening handshake or why it is none."""
    method, target, version, fields = parse_request(head)
    if version >= "2":
        raise RemoteProtocolError(rules.HTTP_VERSION, f"HTTP/{version}")
    upgrade = fault = None
    try:
        upgrade = UpgradeRequest.judge(fields, method, target, version)
    except RemoteProtocolError as error:
        fault = located(error, head, 0)
    asked = target.decode("ascii")
    if upgrade is not None and upgrade.target == asked:
        asked = upgrade.target  # A connection keeps both as long as it is open: one text will do.
    return Request(text_of(method), asked, fields, upgrade, fault)


def read_answer(head: bytes) -> Rejected:
    """Status, reason and fields of the answer that begins with this whole head; nothing of its body.

    Raises:
        RemoteProtocolError: it is no HTTP.
    """
    _, status, reason, fields = parse_answer(head)
    return Rejected(status, reason, fields, b"")
