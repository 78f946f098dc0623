"""The opening handshake as bytes of HTTP/1.1, and behind it the open connection: one object from first byte to last.

    connection = ServerConnection()
    connection.receive_data(data)
    for event in connection.events():
        match event:
            case Request(): connection.accept()      # or reject(404); what came early follows as events
            case str() | bytes() as message: ...
            case Closed(): ...

A head is cut into lines by `heads`, so that each byte, line and field is counted as it comes.  In `parsing` h11 judges
the parts of a request, or of a 101, and reads any other answer, with its body; `opening` makes events of them.  Nothing
is read behind a request that is refused: there is no second one.

While the handshake goes on, `state` is CONNECTING, sending a frame raises `LocalProtocolError`, and every end is a
`Closed` with 1006, since no Close frame came: by "lost" when TCP ended; by "error" when the peer broke a rule, with the
`error` and, on a server, the refusal queued; by "local" after `reject`, `close` and `fail`; on a client by "peer" after
`Rejected`.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus

from rawws.core import rules
from rawws.core.agreement import Agreement, Compression
from rawws.core.connection import Connection
from rawws.core.errors import LocalProtocolError, NotOpen, RemoteProtocolError
from rawws.core.events import Closed
from rawws.core.frames import CloseCode
from rawws.core.headers import GivenHeaders, Headers, is_host, is_target, outgoing, quote
from rawws.core.heads import HeadReader, request_line_problem, status_line_problem, write_head
from rawws.core.opening import Connected, Rejected, Request, located, read_answer, read_request
from rawws.core.parsing import FRAMING, BodyReader, parse_answer, parse_switch, take_body
from rawws.core.settings import Limits, Role
from rawws.core.states import EOF, advance
from rawws.core.upgrade import ClientUpgrade, own_headers, refusal

__all__ = ["ClientConnection", "Connected", "Rejected", "Request", "ServerConnection", "read_answer"]

_PLAIN_TEXT: Headers = ((b"content-type", b"text/plain; charset=utf-8"),)

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class _Handshake(Connection):
    """What both sides have in common: how an opening handshake ends."""

    # In slots, so that the dict of an open connection stays small enough: see `Connection`.
    __slots__ = ("_head", "_opening")

    _head: HeadReader | None

    def __init__(
        self,
        role: Role,
        limits: Limits,
        stream: bool,
        auto_pong: bool,
        auto_close: bool,
        random: Callable[[int], bytes],
    ) -> None:
        self._opening = True
        super().__init__(role, limits=limits, stream=stream, auto_pong=auto_pong, auto_close=auto_close, random=random)

    def close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Begin the closing handshake.  While the opening handshake goes on, end that: a server answers 503."""
        if self._opening:
            self._give_up(503, reason)
        else:
            super().close(code, reason)

    def fail(self, code: int, reason: str = "") -> None:
        """Give up now.

        While the opening handshake goes on, end that: a server answers `code` if it is the HTTP status of an error,
        nothing with 1006, and 503 otherwise.
        """
        if self._opening:
            if code == CloseCode.ABNORMAL:
                self.theirs = advance(self.theirs, EOF)
            self._give_up(code if 400 <= code < 600 or code == CloseCode.ABNORMAL else 503, reason)
        else:
            super().fail(code, reason)

    def _give_up(self, status: int, reason: str) -> None:
        """End the opening handshake from our side."""
        self._ready.clear()
        self._end(Closed(CloseCode.ABNORMAL, reason, "local"))

    def _end(self, closed: Closed) -> None:
        if self._opening:
            self._head = None
            self._opening = False
            self._failed = True
            self.ours = advance(self.ours, EOF)
        super()._end(closed)

    def _open(self, agreement: Agreement) -> None:
        """From here on everything is frames."""
        self._head = None
        self._opening = False
        self._settle(agreement)

    def _next_head(self) -> bytes | None:
        """The whole head, with its empty line; None while it is not all there."""
        assert self._head is not None
        self._position, head = self._head.read(self._data, self._position, self._offset)
        return head


class ServerConnection(_Handshake):
    """The server's side of a TCP connection.

    It gives a `Request`, waits for `accept` or `reject`, and is then what `Connection` is.  What is no well-formed
    HTTP/1 within the limits is refused with no `Request` given.
    """

    __slots__ = ("_answered", "_chunked", "_ending", "_silent", "request")

    def __init__(
        self,
        *,
        limits: Limits = Limits(),
        stream: bool = False,
        auto_pong: bool = True,
        auto_close: bool = True,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(Role.SERVER, limits, stream, auto_pong, auto_close, random)
        self._head = HeadReader(limits, request_line_problem, rules.HTTP_MALFORMED, rules.HEADERS_TOO_LARGE)
        self.request: Request | None = None
        self._answered = False
        self._ending: Closed | None = None  # what follows an answer that is not 101, once it is whole
        self._chunked = False
        self._silent = False

    # --- Reading the request --------------------------------------------------------------------------------------

    def _read_opening(self) -> bool:
        try:
            return self._read_request() if self.request is None else self._wait_for_answer()
        except RemoteProtocolError as error:
            self._refuse(error)
            return True

    def _read_request(self) -> bool:
        head = self._next_head()
        if head is None:
            return False
        try:
            self.request = read_request(head)
        except RemoteProtocolError as error:
            raise located(error, head, 0) from None
        self._ready.append(self.request)
        return True

    def _wait_for_answer(self) -> bool:
        """What comes too early is kept for `accept`, up to a bound, and dropped after `reject`."""
        if self._answered:
            self._position = len(self._data)
        elif len(self._data) - self._position + len(self._incoming) > self.limits.header_bytes:
            detail = f"more than {self.limits.header_bytes} bytes"
            raise RemoteProtocolError(rules.EARLY_DATA, detail, self._offset + self._position)
        return False

    # --- Answering it ---------------------------------------------------------------------------------------------
    # `accept` and `reject` raise `NotOpen` if the connection has ended before, and `LocalProtocolError` if there is no
    # request yet, or no longer; then nothing is queued and nothing has changed.

    def accept(
        self,
        subprotocol: str | None = None,
        headers: GivenHeaders = (),
        compression: Compression | None = None,
    ) -> Agreement | None:
        """Queue the 101 and be open; what came early follows as events.

        If the request is not a valid opening handshake, queue the refusal that its `error` deserves instead.

        Args:
            subprotocol: the one chosen from those that were offered.
            headers: fields of your own, such as cookies.
            compression: such as `Deflate()`, used if an offer of the client can be accepted (RFC 7692).

        Returns:
            What was settled; None if the request was refused.

        Raises:
            LocalProtocolError: also if the subprotocol was not offered, or a header cannot be sent.
        """
        request = self._to_answer()
        if request.upgrade is None:
            assert request.error is not None
            self._answered = True
            self._refuse(request.error)
            return None
        accepted = request.upgrade.accept(subprotocol, headers, compression)
        self._answered = True
        self._out.append(write_head("HTTP/1.1 " + _named(accepted.status), accepted.headers))
        self._open(accepted.agreement)
        return accepted.agreement

    def reject(self, status: int = 403, headers: GivenHeaders = (), body: bytes = b"", more_body: bool = False) -> None:
        """Queue any other answer.  Once it is whole, `Closed` by "local" is the next event, with 1006 and the status.

        Args:
            status: from 200 to 599.
            headers: fields of your own, kept as they are.  Content-Length and Transfer-Encoding are replaced by what
                the body needs, and `Connection: close` is added; nothing else is.
            body: the body or its beginning.  Where HTTP has none (204, 304, an answer to HEAD) it is not sent.
            more_body: the rest follows with `send_body`.
        """
        self._to_answer()
        if not 200 <= status < 600:
            raise ValueError(f"the status of an answer is from 200 to 599, not {status}")
        ending = Closed(CloseCode.ABNORMAL, _named(status), "local")
        fields = outgoing(headers)
        self._answered = True
        self._answer(status, fields, body, more_body, ending)

    def send_body(self, data: bytes, more: bool = False) -> None:
        """Continue the body that `reject` has begun; without `more`, end it.

        Raises:
            NotOpen: the connection has ended before.
            LocalProtocolError: no body has begun, or it has ended.
        """
        if self._ending is None:
            raise LocalProtocolError(rules.HANDSHAKE_ORDER)
        if self.closed is self._ending:
            raise LocalProtocolError(rules.HANDSHAKE_ANSWERED)
        if self.closed is not None:
            raise NotOpen(rules.FRAME_AFTER_EOF)
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            data += b"" if more else b"0\r\n\r\n"
        if not self._silent:
            self._out.append(data)
        if not more:
            self._end(self._ending)

    def _to_answer(self) -> Request:
        if self._answered:
            raise LocalProtocolError(rules.HANDSHAKE_ANSWERED)
        if self.closed is not None:
            raise NotOpen(rules.FRAME_AFTER_EOF)
        if self.request is None:
            raise LocalProtocolError(rules.HANDSHAKE_ORDER)
        return self.request

    def _answer(self, status: int, headers: Headers, body: bytes, more: bool, ending: Closed) -> None:
        fields = [field for field in headers if field[0].lower() not in FRAMING]  # What is decided here, from the body.
        bodiless = status in (204, 304)
        self._silent = bodiless or (self.request is not None and self.request.method == "HEAD")
        self._chunked = more and not bodiless and not self._asked_in_http_1_0()
        if self._chunked:
            fields.append((b"Transfer-Encoding", b"chunked"))
        elif not (bodiless or more):
            fields.append((b"Content-Length", str(len(body)).encode("ascii")))
        self._out.append(write_head(f"HTTP/1.1 {_named(status)}", (*fields, (b"connection", b"close"))))
        self._ending = ending
        self.send_body(body, more)

    def _asked_in_http_1_0(self) -> bool:
        """A body without a known length ends with TCP then: HTTP/1.0 has no chunks."""
        error = None if self.request is None else self.request.error
        return error is not None and error.rule is rules.HTTP_VERSION

    def _refuse(self, error: RemoteProtocolError) -> None:
        ending = Closed(CloseCode.ABNORMAL, error.rule.text, "error", error)
        self._answer(*refusal(error), False, ending)

    def _give_up(self, status: int, reason: str) -> None:
        self._ready.clear()
        ending = Closed(CloseCode.ABNORMAL, reason, "local")
        nothing_came = not self._offset and not self._data
        if nothing_came or self._answered or status == CloseCode.ABNORMAL:
            self._end(ending)
        else:
            self._answer(status, _PLAIN_TEXT, f"{_named(status)}: {reason}\n".encode(), False, ending)


class ClientConnection(_Handshake):
    """The client's side of a TCP connection.

    The request is queued at once.  It gives `Connected` and is then what `Connection` is, or it gives `Rejected`.

    Args:
        host: the Host field: the name or address of the server, with the port unless it is the usual one.
        target: the path with its query (section 3).
        headers: fields of your own, such as cookies or Origin.
        subprotocols: what to offer, the best first.
        compression: what to offer of that, such as `Deflate()`; None offers none.

    Raises:
        LocalProtocolError: one of these cannot be sent.
    """

    __slots__ = ("_body_size", "_http", "_rejected", "upgrade")

    def __init__(
        self,
        host: str,
        target: str = "/",
        *,
        headers: GivenHeaders = (),
        subprotocols: Sequence[str] = (),
        compression: Compression | None = None,
        limits: Limits = Limits(),
        stream: bool = False,
        auto_pong: bool = True,
        auto_close: bool = True,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(Role.CLIENT, limits, stream, auto_pong, auto_close, random)
        if not host.isascii() or not is_host(host.encode()):
            raise LocalProtocolError(rules.HOST, ascii(host))
        if not target.isascii() or not is_target(target.encode()):
            raise LocalProtocolError(rules.TARGET, ascii(target))
        self._head = HeadReader(limits, status_line_problem, rules.RESPONSE_MALFORMED, rules.RESPONSE_TOO_LARGE)
        self.upgrade = ClientUpgrade(subprotocols=subprotocols, compression=compression, random=random)
        fields = ((b"Host", host.encode()), *self.upgrade.headers(), *own_headers(headers))
        self._out.append(write_head(f"GET {target} HTTP/1.1", fields))
        # Of an answer that is not 101: what reads its body, and what is known of it.
        self._http: BodyReader | None = None
        self._rejected = Rejected(0, "", (), b"")
        self._body_size = 0

    def _read_opening(self) -> bool:
        try:
            return self._read_answer() if self._http is None else self._read_body(self._http)
        except RemoteProtocolError as error:
            self._end(Closed(CloseCode.ABNORMAL, error.rule.text, "error", error))
            return True

    def _read_answer(self) -> bool:
        head = self._next_head()
        if head is None:
            return False
        try:
            self._take_answer(head)
        except RemoteProtocolError as error:
            raise located(error, head, self._offset + self._position - len(head)) from None
        return True

    def _take_answer(self, head: bytes) -> None:
        switch = parse_switch(head)
        if switch is not None:
            version, fields = switch
            if version < b"1.1":
                raise RemoteProtocolError(rules.RESPONSE_VERSION, quote(head.partition(b"\r\n")[0]))
            agreement = self.upgrade.check(101, fields)
            self._open(agreement)
            self._ready.append(Connected(fields, agreement))
            return
        http, status, reason, fields = parse_answer(head)
        if status >= 200:
            self._rejected = Rejected(status, reason, fields, b"")
            self._http = http
            self._read_body(http)
        # Another 1xx goes before the answer, and is counted as part of it.

    def _read_body(self, http: BodyReader) -> bool:
        """Read some of the body of an answer that is not 101; its bytes are counted as they are on the wire."""
        room = self.limits.response_body - self._body_size
        fresh = self._data[self._position :][:room]
        self._position = len(self._data)
        self._body_size += len(fresh)
        if fresh:
            http.receive_data(fresh)
        body, whole = take_body(http)
        self._rejected = replace(self._rejected, body=self._rejected.body + body)
        if whole or len(fresh) == room:
            # Nothing more of it is read, just as if the stream had ended here.
            self._end(Closed(CloseCode.ABNORMAL, "", "lost"))
        return True

    def _end(self, closed: Closed) -> None:
        if self._opening:
            # Whatever still comes is not for us: there is nothing to linger for.
            self.theirs = advance(self.theirs, EOF)
            if self._http is not None and closed.by == "lost":
                self._ready.append(self._rejected)
                status = f"{self._rejected.status} {self._rejected.reason}".strip()
                closed = Closed(CloseCode.ABNORMAL, status, "peer")
        super()._end(closed)


# --- HTTP -----------------------------------------------------------------------------------------------------------


def _named(status: int) -> str:
    """The status with the name that HTTP gives it, if any."""
    return f"{status} {_PHRASES.get(status, '')}"
