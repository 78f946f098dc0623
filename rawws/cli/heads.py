"""The opening handshake taken apart: every line of both heads with its meaning."""

from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from rawws.cli.extensions import answered, offered
from rawws.cli.rows import Item, Note, Text
from rawws.core.agreement import Terms
from rawws.core.deflate import NAME, Deflate
from rawws.core.errors import ProtocolError
from rawws.core.headers import accept_for, is_key
from rawws.core.http1 import ClientConnection, Request, ServerConnection
from rawws.core.rules import ACCEPT_WRONG, EXTENSION_UNOFFERED, SUBPROTOCOL_UNOFFERED
from rawws.core.settings import Limits, Role
from rawws.core.upgrade import UpgradeRequest
from rawws.records import Line, Remark, printable
from rawws.tap import agreed

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Head(NamedTuple):
    """One head, taken apart."""

    items: list[Item]
    opens: bool
    """Frames may follow."""
    request: UpgradeRequest | None
    """A valid opening handshake."""
    remarks: list[Remark]
    terms: Terms | None = None
    """The compression that an answer agrees on."""


def explain_request(lines: list[Line]) -> Head:
    """A request and whether it opens a WebSocket."""
    connection = ServerConnection(limits=Limits(header_bytes=2**20, header_line=2**20, header_count=10_000))
    connection.receive_data(_joined(lines))
    event = connection.next_event()
    found = event.error if isinstance(event, Request) else connection.closed and connection.closed.error
    upgrade = event.upgrade if isinstance(event, Request) else None
    remarks = _remarks(found, lines)
    return Head([*_lines(lines, _REQUEST, _request_line), *_refusals(remarks)], upgrade is not None, upgrade, remarks)


def explain_response(lines: list[Line], request: UpgradeRequest | None) -> Head:
    """An answer, and whether it is the right one to `request`, if that is known."""
    status = [*lines[0].text.split(), b"", b""][1]
    answers = dict(_RESPONSE)
    found: ProtocolError | None = None
    if status == b"101":
        found = _judge_response(_joined(lines), request)
        key = None if request is None else request.key
        answers[b"sec-websocket-accept"] = lambda value: _accept(value, key)
    remarks = _remarks(found, lines)
    items = [*_lines(lines, answers, _status_line), *_refusals(remarks)]
    opens = status == b"101" and not remarks
    return Head(items, opens, None, remarks, _terms(lines) if opens else None)


def _judge_response(head: bytes, request: UpgradeRequest | None) -> ProtocolError | None:
    nonce = bytes(16) if request is None or request.key is None else b64decode(request.key)
    subprotocols = () if request is None else request.subprotocols
    connection = ClientConnection(
        "-",
        subprotocols=subprotocols,
        compression=Deflate() if offers_compression(request) else None,
        random=lambda size: nonce[:size],
    )
    connection.receive_data(head)
    connection.next_event()
    error = None if connection.closed is None else connection.closed.error
    return None if error is None or _cannot_tell(error, request) else error


def offers_compression(request: UpgradeRequest | None) -> bool:
    """Whether an answer may agree on compression, if nothing speaks against it."""
    return request is None or any(extension.name == NAME for extension in request.extensions)


def _cannot_tell(error: ProtocolError, request: UpgradeRequest | None) -> bool:
    """Without the request, nobody knows what it offered and what it has to be answered."""
    if request is None:
        return error.rule in (ACCEPT_WRONG, SUBPROTOCOL_UNOFFERED, EXTENSION_UNOFFERED)
    # It may have offered what is not known here.
    return error.rule is EXTENSION_UNOFFERED and error.detail in {extension.name for extension in request.extensions}


def _terms(lines: list[Line]) -> Terms | None:
    fields = (line.text.partition(b":") for line in lines)
    return agreed(b",".join(value for name, _, value in fields if name.lower() == b"sec-websocket-extensions"))


def _joined(lines: list[Line]) -> bytes:
    return b"".join(line.text + b"\r\n" for line in lines)


def _remarks(error: ProtocolError | None, lines: list[Line]) -> list[Remark]:
    if error is None:
        return []
    return [Remark(error.rule, error.detail, lines[0].offset + (error.offset or 0))]


def _refusals(remarks: Iterable[Remark]) -> Iterator[Note]:
    for rule, detail, _ in remarks:
        answer = f"a server answers {rule.code}" if 400 <= rule.code < 600 else "a client hangs up"
        particular = f": {detail}" if detail else ""
        yield Note(f"{rule.name} (section {rule.section}): {rule.text}{particular}; {answer}", "bad", "!")


# --- What each line means -------------------------------------------------------------------------------------------

Meanings = dict[bytes, Callable[[bytes], str]]


def _lines(lines: list[Line], meanings: Meanings, first: Callable[[bytes], str]) -> Iterator[Item]:
    for line in lines:
        style = "client" if line.sender is Role.CLIENT else "server"
        yield Text(line.offset, printable(line.text), style)
        meaning = first(line.text) if line is lines[0] else meaning_of(line.text, meanings)
        yield from map(Note, meaning.split("\n"))


def meaning_of(line: bytes, meanings: Meanings) -> str:
    """What a line behind the first one means, in one line of text or several."""
    if not line:
        return "The empty line ends the head."
    name, colon, value = line.partition(b":")
    if not colon:
        return "This is not a header field."
    known = meanings.get(name.lower()) or _ANY.get(name.lower())
    return known(value.strip()) if known else "No part of the WebSocket handshake."


def _request_line(line: bytes) -> str:
    words = line.split()
    target = printable(words[1]) if len(words) > 1 else "?"
    return f"Asks for {target}. The opening handshake is a GET, in HTTP/1.1 or higher."


def _status_line(line: bytes) -> str:
    status = [*line.split(), b"", b""][1]
    if status == b"101":
        return "Agreed: behind this head, both sides speak WebSocket."
    if status.startswith(b"1"):
        return "Not the answer yet; that is still to come."
    if status.startswith(b"3"):
        return "No WebSocket here: the server points to another address (Location)."
    if status == b"401":
        return "No WebSocket: the server wants credentials."
    return "No WebSocket: the server refuses, and this stays HTTP."


def _key(value: bytes) -> str:
    if not is_key(value):
        return "This has to be 16 random bytes in base64."
    nonce = b64decode(value)
    shown = f'"{nonce.decode()}"' if nonce.isascii() and nonce.decode().isprintable() else nonce.hex(" ")
    return f"16 random bytes in base64 ({shown}). The answer has to prove that the server read them."


def _accept(value: bytes, key: bytes | None) -> str:
    formula = f"base64(SHA-1(key + {GUID}))"
    if key is None:
        return f"{formula}: proof that the server read the key of the request."
    right = accept_for(key)
    if value == right:
        return f"{formula}: right for the key {key.decode()}, so this server speaks WebSocket."
    return f"Wrong: for the key {key.decode()} it has to be {right.decode()}, which is {formula}."


def _fixed(text: str) -> Callable[[bytes], str]:
    return lambda _: text


def _listed(text: str) -> Callable[[bytes], str]:
    return lambda value: f"{text}: {printable(value)}."


_ANY: Meanings = {
    b"content-length": _fixed("How long the body is."),
    b"content-type": _fixed("What the body is."),
    b"transfer-encoding": _fixed("How the body is cut."),
    b"date": _fixed("When the answer was made; no part of the handshake."),
    b"server": _fixed("The program that answers; no part of the handshake."),
    b"set-cookie": _fixed("A cookie to keep; it will come back with the next request."),
    b"location": _listed("Where to look instead"),
    b"www-authenticate": _fixed("What kind of credentials are wanted."),
}

_REQUEST: Meanings = {
    b"host": _fixed("The server that is meant: one address may serve many names."),
    b"upgrade": _fixed("Please leave HTTP for this protocol, on the same TCP connection."),
    b"connection": _fixed("Upgrade is meant for the next server on the way and is not to be passed on blindly."),
    b"sec-websocket-key": _key,
    b"sec-websocket-version": lambda value: (
        "The version of RFC 6455; there is no other in use." if value == b"13" else "The version; RFC 6455 is 13."
    ),
    b"sec-websocket-protocol": _fixed(
        "Subprotocols that the client speaks, the best first; the server takes one or none."
    ),
    b"sec-websocket-extensions": offered,
    b"origin": _fixed("The page whose script connects. Browsers cannot lie here, so servers check it (section 10.2)."),
    b"user-agent": _fixed("The program that asks; no part of the handshake."),
    b"cookie": _fixed("Cookies go along with the handshake as with any request: hence the check of the Origin."),
    b"authorization": _fixed("Credentials."),
}

_RESPONSE: Meanings = {
    b"upgrade": _fixed("The protocol from here on."),
    b"connection": _fixed("The upgrade is for this connection."),
    b"sec-websocket-accept": lambda value: _accept(value, None),
    b"sec-websocket-protocol": _listed("The subprotocol that the server chose"),
    b"sec-websocket-extensions": answered,
    b"sec-websocket-version": _listed("The versions that the server speaks"),
}
