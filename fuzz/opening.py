"""The opening handshake as fields: their grammar, and section 4 in every form in which a framework may bring it."""

import base64
import re
from collections.abc import Callable, Iterable
from typing import Any

from fuzz.source import Source, cut
from rawws.core import rules
from rawws.core.agreement import Extension
from rawws.core.errors import ProtocolError, RemoteProtocolError
from rawws.core.headers import (
    by_name,
    is_host,
    is_key,
    is_plain,
    is_target,
    is_token,
    joined,
    outgoing,
    quote,
    read_extensions,
    read_subprotocols,
    words,
    write_extensions,
)
from rawws.core.heads import HeadReader, request_line_problem, status_line_problem
from rawws.core.settings import Limits
from rawws.core.upgrade import SAME_ORIGIN, ClientUpgrade, UpgradeRequest, refusal

NAMES = (
    b"host",
    b"upgrade",
    b"connection",
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"sec-websocket-protocol",
    b"sec-websocket-extensions",
    b"sec-websocket-accept",
    b"origin",
    b"content-length",
    b"transfer-encoding",
    b":authority",
    b"content-type",
)


def grammar(data: bytes) -> None:
    """The functions on one field, and the reader of a head."""
    _check_subprotocols(data)
    _check_extensions(data)
    if is_host(data):
        assert is_plain(data)
        assert not set(b"/?#@ ") & set(data)
    if is_target(data):
        assert is_plain(data)
        assert b" " not in data
    if is_key(data):
        assert 16 == len(base64.b64decode(data))
    assert quote(data).isprintable()
    assert len(quote(data)) < 260
    fields = tuple(line.partition(b":")[::2] for line in data.split(b"\n"))
    assert all(word == word.strip(b" \t").lower() for word in words(by_name(fields), b"upgrade"))
    assert (joined(by_name(fields), b"upgrade") is None) == all(name != b"upgrade" for name, _ in fields)
    try:
        assert fields == outgoing(fields)
        assert all(is_token(name) and is_plain(value) for name, value in fields)
    except ProtocolError as error:
        _check_reason(str(error), error.rule is rules.HEADER_INVALID)
    _check_head(data)


def _check_reason(reason: str, is_right: bool = True) -> None:
    """Of an exception: that of a documented rule, and fit for a terminal."""
    assert is_right, reason
    assert reason.isprintable()


def _check_subprotocols(data: bytes) -> None:
    try:
        names = read_subprotocols(data)
    except ValueError as error:
        _check_reason(str(error))
        return
    assert names
    assert names == read_subprotocols(", ".join(names).encode())


def _check_extensions(data: bytes) -> None:
    try:
        extensions = read_extensions(data)
    except ValueError as error:
        _check_reason(str(error))
        return
    assert extensions
    assert all(isinstance(extension, Extension) for extension in extensions)
    assert extensions == read_extensions(write_extensions(extensions))


def _check_head(data: bytes) -> None:
    """A head is the same however it was cut, and so is what is wrong with it."""
    limits = Limits(header_bytes=120, header_line=50, header_count=3)
    for problem in (request_line_problem, status_line_problem):
        outcomes = {_read_head(limits, problem, data, size) for size in (0, 1, 3)}
        assert len(outcomes) == 1, outcomes


def _read_head(limits: Limits, problem: Callable[[bytes], str], data: bytes, size: int) -> tuple[object, ...]:
    reader = HeadReader(limits, problem, rules.HTTP_MALFORMED, rules.HEADERS_TOO_LARGE)
    came, at = b"", 0
    for piece in cut(data, size):
        came += piece
        try:
            at, head = reader.read(came, at, 0)
        except RemoteProtocolError as error:
            return error.rule, error.offset
        if head is not None:
            assert head.endswith(b"\r\n")
            assert head.count(b"\n") == head.count(b"\r\n"), "a line ends in CR LF"
            assert came.startswith(head)
            return at, head
    return (None,)


def upgrade(data: bytes) -> None:
    """A request as fields, as the scope of ASGI, and as the environ of WSGI; and an answer as a client reads it."""
    source = Source(data)
    how, version = source.byte(), source.pick(("1.1", "2", "3", "1.0", "", "1.1x", "20"))
    method = source.pick((b"GET", b"CONNECT", b"get", b""))
    target, *fields = _lines(source)
    if how & 3 == 0:
        _check_request(lambda: UpgradeRequest.parse(fields, method=method, target=target, http_version=version))
    elif how & 3 == 1:
        protocol = b"websocket" if how & 4 else target
        options: dict[str, Any] = {
            "method": method.decode(),
            "target": b"/",
            "http_version": version,
            "protocol": protocol,
        }
        _check_request(lambda: UpgradeRequest.parse(fields, **options))
    elif how & 3 == 2:
        _check_request(lambda: UpgradeRequest.from_asgi(_scope(how, version, target, fields)))
    else:
        _check_request(lambda: UpgradeRequest.from_wsgi(_environ(version, method, target, fields)))
    _check_answer(how, fields)


def _lines(source: Source) -> list[Any]:
    """First a line as it is, then fields: a byte that names one of `NAMES`, or a name and a colon; then the value."""
    first, *lines = source.rest().split(b"\n")
    fields = []
    for line in lines:
        if line[:1] and line[0] < len(NAMES):
            fields.append((NAMES[line[0]], line[1:]))
        else:
            name, _, value = line.partition(b":")
            fields.append((name.lower(), value))
    return [first, *fields]


def _scope(how: int, version: str, target: bytes, fields: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    path, _, query = target.partition(b"?")
    scope: dict[str, Any] = {"type": "websocket", "path": path.decode(errors="replace"), "headers": fields}
    if version:
        scope["http_version"] = version
    if how & 8:
        scope["raw_path"] = path if how & 16 else None
    if how & 32:
        scope["query_string"] = query
    return scope


def _environ(version: str, method: bytes, target: bytes, fields: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    path, _, query = target.decode("latin-1").partition("?")
    environ: dict[str, Any] = {"REQUEST_METHOD": method.decode(), "SERVER_PROTOCOL": f"HTTP/{version}"}
    environ |= {"SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query, "wsgi.version": (1, 0)}
    for name, value in fields:
        key = name.decode("latin-1").upper().replace("-", "_")
        prefix = "" if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_"
        environ[prefix + key] = value.decode("latin-1")
    return environ


def _check_request(parse: Callable[[], UpgradeRequest]) -> None:
    try:
        request = parse()
    except RemoteProtocolError as error:
        status, headers, body = refusal(error)
        assert 400 <= status < 600
        assert outgoing(headers) == headers
        assert body.decode().rstrip("\n").isprintable()
        return
    assert is_target(request.target.encode())
    assert is_host(request.host.encode())
    for origins in (SAME_ORIGIN, ["https://example.com", None], [re.compile("https?://.*")], None):
        try:
            request.check_origin(origins)
        except RemoteProtocolError as error:
            _check_reason(str(error), error.rule is rules.ORIGIN and origins is not None)
    _check_accepted(request)


def _check_accepted(request: UpgradeRequest) -> None:
    """A client that asked like this takes the answer."""
    for subprotocol in (None, *request.subprotocols):
        accepted = request.accept(subprotocol, [("set-cookie", "a=b")])
        assert outgoing(accepted.headers) == accepted.headers
        client = ClientUpgrade(subprotocols=request.subprotocols, http_version=request.http_version)
        client.key = request.key
        agreement = client.check(accepted.status, accepted.headers)
        assert agreement == accepted.agreement == accepted.connection().agreement


def _check_answer(how: int, fields: Iterable[tuple[bytes, bytes]]) -> None:
    client = ClientUpgrade(
        subprotocols=["chat", "superchat"], http_version="2" if how & 64 else "1.1", random=lambda size: bytes(size)
    )
    try:
        connection = client.complete(200 if how & 128 else 101, fields)
    except RemoteProtocolError as error:
        _check_reason(str(error), error.rule.code == 1006)
        return
    assert connection.subprotocol in (None, "chat", "superchat")
