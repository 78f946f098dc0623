"""`WebSocketApp`: a connection that calls functions.

    def on_message(ws, message):
        print(message)

    ws = WebSocketApp("ws://localhost:8765", on_message=on_message)
    ws.run_forever()

All callbacks run in the thread that is in `run_forever`, one after the other, in the order of the stream.  `send` and
`close` may be called from any thread, and from callbacks.  `on_close` comes exactly once and last, whatever ends it.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from socket import socket as Socket
from typing import Any, Unpack

from rawws.compat.websocket.callbacks import SIGNATURES, Callback, Callbacks
from rawws.compat.websocket.client import WebSocket
from rawws.compat.websocket.exceptions import WebSocketConnectionClosedException, WebSocketException
from rawws.compat.websocket.line import CLOSING
from rawws.compat.websocket.options import HeaderLike, Wishes, close_wish
from rawws.compat.websocket.reconnecting import Reconnect
from rawws.compat.websocket.running import Run
from rawws.core.frames import CloseCode, Opcode
from rawws.uri import parse


class WebSocketApp:
    """A connection to `url` that calls functions.

    Each callback is given this object first, and may be assigned later too.  A function that cannot take what it will
    be given is refused where it is assigned, with a `TypeError`.

    Args:
        url: `ws://` or `wss://`.
        header: fields to add to the request: lines "Name: value", a mapping, or a function that gives either.
        on_open: (ws), when the connection is open.
        on_reconnect: (ws), when it is open again; without it, `on_open`.
        on_message: (ws, message), a `str` if it is text, `bytes` if it is binary.
        on_error: (ws, error): what went wrong on the way, or what a callback raised.
        on_close: (ws, code, reason), or (ws): None and None when there was no Close frame, or no code in it.
        on_ping, on_pong: (ws, payload).  Pings are answered already.
        on_cont_message: (ws, data, fin).  If there is one, a message is given in pieces as they come: the first to
            `on_message`, the others here.
        keep_running: nothing; see the attribute.
        get_mask_key: gives so many bytes for a masking key; None for unpredictable ones.
        cookie: the Cookie field of the request.
        subprotocols: offered in this order of preference.
        on_data: (ws, data, opcode, fin), before `on_message` and `on_cont_message`.
        socket: a connected socket, in place of the host in `url`.
        legacy_methods: bound methods are not given `ws`, as in the versions 0.49 to 0.57 of websocket-client.
        compat: "1.9": `on_error` is told too when the server closes the connection.

    Attributes:
        sock: the `WebSocket` while there is one, else None.
        has_errored: something went wrong on the way.
        closing: what `close` was told last: the code, the reason and the timeout.
        last_pong_tm: when the last Pong came, as `time.time()`; 0 before.
        last_ping_tm: when the Ping that it answers was sent.
    """

    on_open: Callback | None
    on_reconnect: Callback | None
    on_message: Callback | None
    on_error: Callback | None
    on_close: Callback | None
    on_ping: Callback | None
    on_pong: Callback | None
    on_cont_message: Callback | None
    on_data: Callback | None

    def __init__(
        self,
        url: str,
        header: HeaderLike | Callable[[], HeaderLike] = None,
        on_open: Callback | None = None,
        on_reconnect: Callback | None = None,
        on_message: Callback | None = None,
        on_error: Callback | None = None,
        on_close: Callback | None = None,
        on_ping: Callback | None = None,
        on_pong: Callback | None = None,
        on_cont_message: Callback | None = None,
        keep_running: bool = True,
        get_mask_key: Callable[[int], str | bytes] | None = None,
        cookie: str | None = None,
        subprotocols: Sequence[str] | None = None,
        on_data: Callback | None = None,
        socket: Socket | None = None,
        *,
        legacy_methods: bool = False,
        compat: str | None = None,
    ) -> None:
        self._callbacks = Callbacks(legacy_methods)
        self._tells_closing = compat == "1.9"
        self._keeps_running = False
        self._stopped = threading.Event()
        self.closing: tuple[int, str, float | None] = (CloseCode.NORMAL, "", CLOSING)
        self.url = url
        self.header = header
        self.get_mask_key = get_mask_key
        self.cookie = cookie
        self.subprotocols = subprotocols
        self.sock: WebSocket | None = None
        self.has_errored = False
        self.last_ping_tm = self.last_pong_tm = 0.0
        self._socket = socket
        given = (on_open, on_reconnect, on_message, on_data, on_cont_message, on_ping, on_pong, on_error, on_close)
        for name, callback in zip(SIGNATURES, given, strict=True):
            setattr(self, name, callback)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in SIGNATURES:
            self._callbacks.assign(name, value)
        super().__setattr__(name, value)

    # --- From any thread ------------------------------------------------------------------------------------------

    def send(self, data: str | bytes, opcode: int = Opcode.TEXT) -> None:
        """Send a message, or what else `opcode` says.  From any thread.

        Raises:
            WebSocketConnectionClosedException: the connection is not open.
        """
        self._connected().send(data, opcode)

    def send_text(self, text_data: str) -> None:
        """Send a text message."""
        self.send(text_data, Opcode.TEXT)

    def send_bytes(self, data: bytes | bytearray) -> None:
        """Send a binary message."""
        self._connected().send_binary(data)

    def _connected(self) -> WebSocket:
        sock = self.sock
        if sock is None or not sock.connected:
            raise WebSocketConnectionClosedException("Connection is already closed.")
        return sock

    def close(self, status: int = CloseCode.NORMAL, reason: str | bytes = "", timeout: float | None = CLOSING) -> None:
        """Close the connection, and do not wait for it: `run_forever` calls `on_close` and returns.

        From any thread.  No message is given out any more, and there is no reconnecting.

        Args:
            status: the code of the Close frame.
            reason: the text in it.
            timeout: seconds that the server has to answer, three at most.

        Raises:
            ValueError: the code or the reason cannot be sent.
        """
        self.closing = *close_wish(status, reason), timeout
        # In this order: `run_forever` takes a new connection, and looks after that whether it is to.
        self._stopped.set()
        sock = self.sock
        if sock is not None:
            sock.leave(*self.closing)

    @property
    def keep_running(self) -> bool:
        """Whether `run_forever` goes on; setting it to False closes the connection."""
        return self._keeps_running and not self._stopped.is_set()

    @keep_running.setter
    def keep_running(self, value: bool) -> None:
        if not value:
            self.close()

    def ready(self) -> bool:
        """Whether the connection is open."""
        return self.sock is not None and self.sock.connected

    # --- In one thread --------------------------------------------------------------------------------------------

    def run_forever(
        self,
        sockopt: Sequence[tuple[Any, ...]] | None = None,
        sslopt: Mapping[str, Any] | None = None,
        ping_interval: float = 0,
        ping_timeout: float | None = None,
        ping_payload: str | bytes = "",
        *,
        skip_utf8_validation: bool = False,
        dispatcher: object = None,
        reconnect: Reconnect = None,
        **options: Unpack[Wishes],
    ) -> bool:
        """Connect, and call the callbacks until the connection has ended.

        Args:
            sockopt: options of the socket, as `setsockopt` takes them.
            sslopt: see `options.tls_context`.
            ping_interval: seconds between keepalive Pings; 0 for none.
            ping_timeout: seconds that the server has for a sign of life after one; None for any.
            ping_payload: what they carry.
            skip_utf8_validation: text is given as bytes.  It is checked nevertheless (section 8.1 of RFC 6455).
            dispatcher: left out.
            reconnect: seconds to wait before connecting again when the connection has ended but `close` was not called;
                0 for no reconnecting, None for what `set_reconnect` said.  A `rawws.Backoff` waits longer each time; or
                an iterable of seconds, begun anew after each success: when it ends, so does this.
            options: of the opening handshake, the way there and the limits: see `Wishes`.

        Returns:
            Whether an error ended it: False after `close`, and when the server closed the connection.

        Raises:
            ValueError, TypeError, NotImplementedError: for these arguments, or `url`.
            WebSocketException: the ping times contradict each other, or it runs already.
            Exception: whatever `on_error` raised, or another callback if there is no `on_error`.
        """
        _check_pings(ping_interval, ping_timeout)
        parse(self.url)
        sock: dict[str, Any] = {
            "sockopt": sockopt,
            "sslopt": sslopt,
            "get_mask_key": self.get_mask_key,
            "fire_cont_frame": self.on_cont_message is not None,
            "skip_utf8_validation": skip_utf8_validation,
            "dispatcher": dispatcher,
        }
        opening = {
            "header": self.header,
            "cookie": self.cookie,
            "subprotocols": self.subprotocols,
            "socket": self._socket,
            "ping_interval": ping_interval or None,
            "ping_timeout": ping_timeout,
            "ping_payload": ping_payload.encode() if isinstance(ping_payload, str) else ping_payload,
            **options,
        }
        WebSocket(**sock).check(opening)
        return self._run(Run(self, self._callbacks, sock, opening, reconnect, self._tells_closing))

    def _run(self, run: Run) -> bool:
        if self._keeps_running:
            raise WebSocketException("run_forever is running already")
        self._stopped.clear()
        self._keeps_running = True
        self.has_errored = False
        return run.run()

    def ended(self) -> None:
        """It runs no longer; `on_close` is to come, and may call `run_forever` again."""
        self.sock = None
        self._keeps_running = False

    def is_stopped(self, seconds: float) -> bool:
        """Whether `close` was called, or is within so many seconds."""
        return self._stopped.wait(seconds) if seconds else self._stopped.is_set()


def _check_pings(interval: float, timeout: float | None) -> None:
    if interval < 0 or (timeout is not None and timeout <= 0):
        raise WebSocketException("Ensure ping_interval and ping_timeout are above 0")
    if interval and timeout is not None and timeout >= interval:
        raise WebSocketException("Ensure ping_interval > ping_timeout")
