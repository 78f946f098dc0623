"""`WebSocket`, the object of the callback client, and `create_connection`, which makes one that is connected.

    ws = create_connection("ws://localhost:8765", timeout=5)
    ws.send("hi")
    print(ws.recv())
    ws.close()

One thread at a time may receive; any number may send, and close.
"""

import ssl as tls
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from rawws.blocking.tls_in_tls import TLSInTLS
from rawws.compat.websocket.exceptions import (
    LeftOut,
    WebSocketConnectionClosedException,
    as_dict,
    ended,
    translated,
)
from rawws.compat.websocket.frames import ABNF, Item, frame_of, known_opcode
from rawws.compat.websocket.line import CLOSING, Line, open_line
from rawws.compat.websocket.options import Opening, close_wish, getdefaulttimeout, opening
from rawws.compat.websocket.socketlike import SocketLike
from rawws.core.errors import LocalProtocolError, ProtocolError
from rawws.core.events import Chunk, Closed
from rawws.core.frames import CloseCode, Opcode, decode_close, encode_header
from rawws.core.states import State
from rawws.session import ConnectionClosed


class Response(NamedTuple):
    """The server's answer to the opening handshake."""

    status: int
    headers: dict[str, str]
    subprotocol: str | None


class WebSocket:
    """A connection, once `connect` has made it.

    Args:
        get_mask_key: gives so many bytes for a masking key; None for unpredictable ones.
        sockopt: options of the socket, as `setsockopt` takes them.
        sslopt: see `options.tls_context`.
        fire_cont_frame: messages are received in pieces, as they come.
        enable_multithread: it always is.
        skip_utf8_validation: text is received as bytes.  It is checked nevertheless (section 8.1 of RFC 6455).
        dispatcher: left out.
    """

    def __init__(
        self,
        get_mask_key: Callable[[int], str | bytes] | None = None,
        sockopt: Sequence[tuple[Any, ...]] | None = None,
        sslopt: Mapping[str, Any] | None = None,
        fire_cont_frame: bool = False,
        enable_multithread: bool = True,
        skip_utf8_validation: bool = False,
        dispatcher: object = None,
    ) -> None:
        if dispatcher is not None:
            raise LeftOut("dispatcher: with an event loop of your own, use rawws.aio or the sans-IO rawws.Session")
        self._options = {
            "get_mask_key": get_mask_key,
            "sockopt": sockopt,
            "sslopt": sslopt,
            "pieces": fire_cont_frame,
        }
        self._as_bytes = skip_utf8_validation
        self._timeout = getdefaulttimeout()
        self._line: Line | None = None
        self._leaving = False
        self.ending: Closed | None = None
        self.handshake_response: Response | None = None

    # --- Opening --------------------------------------------------------------------------------------------------

    def connect(self, url: str, **options: Any) -> None:
        """Connect to `url`; the timeout of this object is for the opening handshake too, or ten seconds if it has none.

        Args:
            options: `header`, `cookie`, `origin`, `suppress_origin`, `host`, `subprotocols`, `socket`, the proxy's
                (`http_proxy_host`, `http_proxy_port`, `http_proxy_auth`, `http_no_proxy`, `proxy_type`), and besides
                those of websocket-client `max_size`, `compression`, `ping_interval` and `ping_timeout`.

        Raises:
            ValueError: `url` is none.
            WebSocketException: the server or the proxy did not connect us; the subclass says why.
            OSError: the network, or TLS.
        """
        wishes = self.check(options)
        self.shutdown()  # What it was connected to before.
        try:
            line = open_line(url, wishes, self._started)
        except Exception as error:
            self._line = None
            told = translated(error)
            raise told from told.__cause__
        assert line.response is not None
        self.handshake_response = Response(101, as_dict(line.response.headers), line.subprotocol)

    def check(self, options: Mapping[str, Any]) -> Opening:
        """All that was said about how to connect.

        Raises:
            TypeError: there is no such option.
            NotImplementedError: it is left out.
        """
        return opening({"timeout": self._timeout, **options}, **self._options)

    def _started(self, line: Line) -> None:
        self._line = line
        if self._leaving:
            line.abort()

    @property
    def connected(self) -> bool:
        """Whether it is connected; it is, until its end was received or `close` was called."""
        line = self._line
        return line is not None and line.state is not State.CONNECTING

    @property
    def latency(self) -> float | None:
        """Seconds from the last Ping that was answered to its Pong; None before the first."""
        line = self._line
        return None if line is None else line.latency

    @property
    def status(self) -> int | None:
        """The HTTP status of the answer to the opening handshake, 101; None before."""
        return None if self.handshake_response is None else self.handshake_response.status

    @property
    def headers(self) -> dict[str, str] | None:
        """The header fields of that answer, with lower-case names; None before."""
        return None if self.handshake_response is None else self.handshake_response.headers

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed on; None if there is none."""
        return None if self.handshake_response is None else self.handshake_response.subprotocol

    def getstatus(self) -> int | None:
        """`status`."""
        return self.status

    def getheaders(self) -> dict[str, str] | None:
        """`headers`."""
        return self.headers

    def getsubprotocol(self) -> str | None:
        """`subprotocol`."""
        return self.subprotocol

    def is_ssl(self) -> bool:
        """Whether it is connected over TLS."""
        return self._line is not None and isinstance(self._line.socket, (tls.SSLSocket, TLSInTLS))

    @property
    def sock(self) -> "SocketLike | None":
        """The socket underneath, as far as it may be touched; None if there is none."""
        return None if self._line is None else SocketLike(self._line.socket, self)

    def fileno(self) -> int:
        """Left out: of what the kernel has given, some may wait here, where `select` does not see it."""
        raise LeftOut("fileno: messages may wait where select does not see them; settimeout(…) and recv, or a thread")

    # --- Receiving ------------------------------------------------------------------------------------------------

    def settimeout(self, timeout: float | None) -> None:
        """Seconds to wait for a message; None for ever."""
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        """What `settimeout` said last."""
        return self._timeout

    timeout = property(gettimeout, settimeout)

    def recv(self) -> str | bytes:
        """The next message: text as `str`, binary as `bytes`; "" once when the server has closed the connection.

        Raises:
            WebSocketTimeoutException: there was none in time; nothing is lost.
            WebSocketConnectionClosedException: the connection was lost, or its end was received before.
            WebSocketProtocolException, WebSocketPayloadException: the server broke a rule.
        """
        while True:
            match self.next_item(self._timeout):
                case str() as text:
                    return text.encode() if self._as_bytes else text
                case bytes() as data:
                    return data
                case Chunk(data):
                    return data
                case Closed():
                    return ""

    def recv_data(self, control_frame: bool = False) -> tuple[int, bytes]:
        """The opcode and the payload of the next message, or of the Close; with `control_frame` Pings and Pongs too."""
        opcode, frame = self.recv_data_frame(control_frame)
        return opcode, frame.data

    def recv_data_frame(self, control_frame: bool = False) -> tuple[int, ABNF]:
        """The same with a frame: of a message that came in fragments, one frame with all of it."""
        frame = self.recv_frame()
        while not control_frame and frame.opcode in (Opcode.PING, Opcode.PONG):
            frame = self.recv_frame()
        return frame.opcode, frame

    def recv_frame(self) -> ABNF:
        """The next of whatever comes, as a frame; Pings are answered already, and so is a Close.

        A message that came in fragments is one frame, unless `fire_cont_frame` is set: then each piece is one.
        """
        return frame_of(self.next_item(self._timeout))

    def next_item(self, timeout: float | None) -> Item:
        """The next of whatever comes; for a Close frame `Closed`, once.  Raises as `recv`."""
        line = self._open_line("Connection is closed")
        try:
            item = line.next_item(timeout)
        except TimeoutError as error:
            raise translated(TimeoutError("Connection timed out")) from error
        if isinstance(item, Closed):
            if self._line is line:
                self._line = None
            if line.close_received is None or item.by == "error":
                raise ended(item) from ConnectionClosed(item)
        return item

    def __iter__(self) -> Self:
        """Every message until the connection ends; ends quietly after 1000, 1001 or a Close with no code."""
        return self

    def __next__(self) -> str | bytes:
        while True:
            match self.next_item(self._timeout):
                case str() | bytes() as message:
                    return message.encode() if self._as_bytes and isinstance(message, str) else message
                case Chunk(data):
                    return data
                case Closed() as closed:
                    if ConnectionClosed(closed).clean:
                        raise StopIteration
                    raise ended(closed)

    def next(self) -> str | bytes:
        """The next message."""
        return self.recv()

    # --- Sending --------------------------------------------------------------------------------------------------

    def send(self, payload: str | bytes, opcode: int = Opcode.TEXT) -> int:
        """Send a message, or what else `opcode` says.  From any thread.

        Returns:
            How long its frame is, in bytes.

        Raises:
            WebSocketConnectionClosedException: the connection is closing, has ended, or was never opened.
            TypeError, ValueError: the payload is none for this opcode.
        """
        return self.send_frame(ABNF.create_frame(payload, opcode))

    def send_text(self, text_data: str) -> int:
        """Send a text message."""
        return self.send(text_data, Opcode.TEXT)

    def send_binary(self, payload: bytes | bytearray) -> int:
        """Send a binary message."""
        return self.send(bytes(memoryview(payload)), Opcode.BINARY)

    send_bytes = send_binary

    def ping(self, payload: str | bytes = "") -> None:
        """Send a Ping, with 125 bytes at most."""
        self.send(payload, Opcode.PING)

    def pong(self, payload: str | bytes = "") -> None:
        """Send a Pong that nobody asked for; Pings are answered without it."""
        self.send(payload, Opcode.PONG)

    def send_frame(self, frame: ABNF) -> int:
        """Send one frame; without `fin`, a part of a message that other frames continue."""
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            raise LeftOut("a frame with reserved bits: compression is asked for with compression=rawws.Deflate()")
        data = frame.data.encode() if isinstance(frame.data, str) else bytes(memoryview(frame.data))
        line = self._open_line("socket is already closed.")
        try:
            self._send_through(line, known_opcode(frame.opcode), data, bool(frame.fin))
        except (LocalProtocolError, ConnectionClosed) as error:
            raise translated(error) from error
        return len(encode_header(frame.opcode, len(data), b"\0\0\0\0")) + len(data)

    def _send_through(self, line: Line, opcode: Opcode, data: bytes, fin: bool) -> None:
        match opcode:
            case Opcode.PING:
                line.ping(data)
            case Opcode.PONG:
                line.pong(data)
            case Opcode.CLOSE:
                try:
                    code, reason = decode_close(data)
                except ProtocolError as error:
                    raise ValueError(f"not the payload of a Close: {error}") from error
                line.start_close(None if code == CloseCode.NO_CODE else code, reason)
            case _:
                line.send_fragment(opcode, data, not fin)

    # --- Closing --------------------------------------------------------------------------------------------------

    def close(self, status: int = CloseCode.NORMAL, reason: str | bytes = "", timeout: float | None = CLOSING) -> None:
        """Close the connection and wait until it is gone, `timeout` seconds at most; what still comes is lost.

        From any thread; one that is receiving is told at once.
        """
        self.close_within(status, reason, timeout)

    def close_within(self, status: int, reason: str | bytes, timeout: float | None) -> Closed | None:
        """The same; gives back how it ended, which is `ending` from then on."""
        line = self._line
        if line is None:
            return None
        self.send_close(status, reason)
        line.finish(timeout)
        self._line = None
        self.ending = line.closed
        return self.ending

    def send_close(self, status: int = CloseCode.NORMAL, reason: str | bytes = "") -> None:
        """Begin to close the connection, and do not wait for it."""
        line = self._open_line("socket is already closed.")
        line.start_close(*close_wish(status, reason))

    def leave(self, status: int, reason: str | bytes, timeout: float | None) -> None:
        """Begin to close it, drop it after `timeout` seconds, and wait for neither; while it is opened, drop it."""
        line = self._line
        self._leaving = True
        if line is None or line.state is State.CONNECTING:
            self.abort()
            return
        line.leave(*close_wish(status, reason), timeout)

    def abort(self) -> None:
        """Drop the connection now, with no closing handshake; a thread that is receiving is told at once."""
        line = self._line
        if line is not None:
            line.abort()

    def shutdown(self) -> None:
        """The same, and forget about it."""
        self.abort()
        self._line = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(CloseCode.NORMAL if kind is None else CloseCode.INTERNAL_ERROR)

    def set_mask_key(self, func: Callable[[int], str | bytes] | None) -> None:
        """Take masking keys from `func`, from the next `connect` on."""
        self._options["get_mask_key"] = func

    def _open_line(self, problem: str) -> Line:
        line = self._line
        if line is None:
            raise WebSocketConnectionClosedException(problem)
        return line


def create_connection(
    url: str, timeout: float | None = None, class_: type[WebSocket] = WebSocket, **options: Any
) -> WebSocket:
    """A `WebSocket` that is connected to `url`.

    Args:
        timeout: in seconds, for the opening handshake and then for each message; None for the default.
        class_: what to make.
        options: those of `WebSocket` and of `WebSocket.connect`.

    Raises:
        ValueError, WebSocketException, OSError: see `WebSocket.connect`.
    """
    mine = ("get_mask_key", "sockopt", "sslopt", "fire_cont_frame", "enable_multithread", "skip_utf8_validation")
    made = {name: options.pop(name) for name in (*mine, "dispatcher") if name in options}
    ws = class_(**made)
    if timeout is not None:
        ws.settimeout(timeout)
    ws.connect(url, **options)
    return ws
