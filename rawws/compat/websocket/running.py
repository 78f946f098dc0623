"""What `run_forever` does: connect, call the callbacks until the connection has ended, and perhaps connect again.

    on_open → (on_ping | on_pong | on_data, on_message)* → on_error? → on_close

Whatever ends it, `on_close` comes once and last; only what it raises itself is told after it, to `on_error`.
"""

from collections.abc import Mapping
from time import time
from typing import Any, Protocol

from rawws.compat.websocket.callbacks import Callbacks
from rawws.compat.websocket.client import WebSocket
from rawws.compat.websocket.exceptions import WebSocketException, ended
from rawws.compat.websocket.reconnecting import Pauses, Reconnect
from rawws.compat.websocket.trace import logger
from rawws.core.events import Chunk, Closed, Ping, Pong
from rawws.core.frames import CloseCode, Opcode
from rawws.session import ConnectionClosed

GRACE = 1.0
"""Seconds that a server has to answer our Close after an exception."""


class App(Protocol):
    """What a run knows of the `WebSocketApp` that it is one of."""

    url: str
    sock: WebSocket | None
    has_errored: bool
    last_ping_tm: float
    last_pong_tm: float
    closing: tuple[int, str, float | None]

    def ended(self) -> None:
        """It runs no longer."""

    def is_stopped(self, seconds: float) -> bool:
        """Whether it was closed, or is within so many seconds."""


class Run:
    """One call of `run_forever`.

    Args:
        app: whose.
        callbacks: its callbacks.
        sock_options: for `WebSocket`.
        options: for `WebSocket.connect`.
        reconnect: how long to wait before connecting again.
        tells_closing: `on_error` is told of a Close from the server.
    """

    def __init__(
        self,
        app: App,
        callbacks: Callbacks,
        sock_options: Mapping[str, Any],
        options: Mapping[str, Any],
        reconnect: Reconnect,
        tells_closing: bool,
    ) -> None:
        self._app = app
        self._callbacks = callbacks
        self._sock_options = sock_options
        self._options = options
        self._pauses = Pauses(reconnect)
        self._tells_closing = tells_closing
        self._was_open = False
        self._ending: Closed | None = None  # of the last connection

    def run(self) -> bool:
        """Run, until it has ended or was closed; whether an error ended it."""
        try:
            failed = self._connect_and_listen()
            while self._goes_on():
                failed = self._connect_and_listen()
            return failed and not self._app.is_stopped(0)
        except BaseException as error:
            self._break_off(CloseCode.INTERNAL_ERROR if isinstance(error, Exception) else CloseCode.GOING_AWAY)
            raise
        finally:
            self._app.ended()
            self._callbacks.call(self._app, "on_close", *_told(self._ending))

    def _goes_on(self) -> bool:
        """Wait before the next connection; whether there is to be one."""
        pause = self._pauses.next()
        return pause is not None and not self._app.is_stopped(pause)

    def _break_off(self, code: int) -> None:
        """A callback raised, or Ctrl-C was pressed: close the connection, and do not wait for long."""
        sock = self._app.sock
        if sock is not None:
            self._ending = sock.close_within(code, "", GRACE) or self._ending

    def _connect_and_listen(self) -> bool:
        """One connection; whether an error ended it."""
        self._ending = None
        sock = self._app.sock = WebSocket(**self._sock_options)
        if self._app.is_stopped(0):
            return False
        try:
            sock.connect(self._app.url, **self._options)
        except (WebSocketException, OSError) as error:
            return self._failed(error)
        if self._app.is_stopped(0):
            sock.leave(*self._app.closing)
        else:
            self._opened()
        return self._listen(sock)

    def _opened(self) -> None:
        again = self._was_open and "on_reconnect" in self._callbacks
        self._was_open = True
        self._pauses.opened()
        self._callbacks.call(self._app, "on_reconnect" if again else "on_open")

    def _listen(self, sock: WebSocket) -> bool:
        """Call the callbacks until the connection has ended; whether an error ended it."""
        while True:
            try:
                item = sock.next_item(None)
            except WebSocketException as error:
                if sock.ending is not None:  # A callback has closed it by `ws.sock.close()`.
                    return self._closed(sock.ending)
                end = error.__cause__
                self._ending = end.closed if isinstance(end, ConnectionClosed) and end.closed.by == "error" else None
                return self._failed(error)
            if isinstance(item, Closed):
                return self._closed(item)
            self._give_out(item)

    def _closed(self, closed: Closed) -> bool:
        """There was a Close frame."""
        self._ending = closed
        if self._tells_closing and closed.by == "peer":
            self._callbacks.call(self._app, "on_error", ended(closed))
        return False

    def _failed(self, error: Exception) -> bool:
        """There was none.  Who closes it himself does not want to hear about it."""
        if self._app.is_stopped(0):
            return False
        self._app.has_errored = True
        logger.error("%s", error)
        self._callbacks.call(self._app, "on_error", error)
        return True

    # --- One message --------------------------------------------------------------------------------------------------

    def _give_out(self, item: str | bytes | Chunk | Ping | Pong) -> None:
        match item:
            case Ping(payload):
                self._tell("on_ping", payload)
            case Pong(payload):
                self._note_pong()
                self._tell("on_pong", payload)
            case Chunk(data, False, last):
                rest = data.encode() if isinstance(data, str) else data
                self._tell("on_data", rest, int(Opcode.CONTINUATION), last)
                self._tell("on_cont_message", rest, last)
            case Chunk(data, _, last):
                self._give_out_message(data, last)
            case str() | bytes():
                self._give_out_message(item, True)

    def _give_out_message(self, message: str | bytes, fin: bool) -> None:
        """A message, or the beginning of one."""
        opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
        if isinstance(message, str) and self._sock_options["skip_utf8_validation"]:
            message = message.encode()
        self._tell("on_data", message, int(opcode), fin)
        self._tell("on_message", message)

    def _tell(self, name: str, *arguments: object) -> None:
        """Call a callback, unless the program has closed the connection."""
        if not self._app.is_stopped(0):
            self._callbacks.call(self._app, name, *arguments)

    def _note_pong(self) -> None:
        app = self._app
        app.last_pong_tm = time()
        latency = None if app.sock is None else app.sock.latency
        app.last_ping_tm = app.last_pong_tm - (latency or 0)


def _told(ending: Closed | None) -> tuple[int | None, str | None]:
    """The code and the reason that `on_close` is given: those of the Close frames, or of the rule that was broken."""
    if ending is None or ending.code in (CloseCode.NO_CODE, CloseCode.ABNORMAL):
        return None, None
    return ending.code, ending.reason
