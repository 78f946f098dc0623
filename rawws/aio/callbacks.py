"""Connections that call methods: no task, no future, nothing to await.  As near to the event loop as one can get.

    class Echo(CallbackSocket):
        def on_message(self, message):
            self.send(message)

    async with serve_callbacks(Echo, "localhost", 8765) as server:
        await server.serve_forever()

It costs less than a `WebSocket`, in time and in memory.  But whoever has to wait for something before he can answer, or
for room before he can send more, has to remember himself where he was.
"""

import asyncio
import socket
import ssl as tls
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, Unpack

from rawws.aio.carrier import FAIR_SIZE, FIRST_LOOK, Carrier, Data
from rawws.aio.client import connect
from rawws.aio.server import Listener, ProcessRequest, where_to_listen
from rawws.core.agreement import Compression
from rawws.core.deflate import Deflate
from rawws.core.events import Closed
from rawws.core.frames import CloseCode
from rawws.core.http1 import Request
from rawws.core.upgrade import SAME_ORIGIN, Origins
from rawws.endpoint import HeadersLike, Options, Reception, SelectSubprotocol, Tap, check_compression, names
from rawws.route import ConnectOptions
from rawws.session import ConnectionClosed


class CallbackSocket(Carrier):
    """An open connection: say in a subclass what is done when something happens.

    The methods that are called must not wait.  What they send goes out in one write when they are done with what came
    together.  An exception that they let pass is told to the exception handler of the loop, and the connection is
    closed with 1011; from then on only `on_close` is called.  `serve_callbacks` and `connect_callbacks` make it.
    """

    _speaks = False  # on_open was called
    _paused_by_application = False
    _has_failed = False
    _has_ended = False  # all that came was delivered, and the connection has ended
    _was_congested = False
    _goes_on_soon = False

    def on_open(self) -> None:
        """The connection is open."""

    def on_message(self, message: str | bytes) -> None:
        """A message has come: a `str` if it is text, `bytes` if it is binary."""

    def on_writable(self) -> None:
        """The connection was `congested`, and there is room again; not called when it ends, or a method has raised."""

    def on_close(self, closed: Closed) -> None:
        """The connection is gone; all that came was delivered.  Called last, and once, if `on_open` was called."""

    # --- What the application does --------------------------------------------------------------------------------

    def send(self, message: Data, *, compress: bool | None = None) -> None:
        """Send a message: text for a `str`, binary for bytes.  It never waits: see `congested`.

        Args:
            message: the payload.
            compress: whether to compress it, if that was agreed on; None leaves it to its length.

        Raises:
            ConnectionClosed: the connection is closing or has ended.
            TypeError: neither text nor bytes.
        """
        self._queue(message, False, compress)

    @property
    def congested(self) -> bool:
        """More than `write_limit` waits to be sent: better send no more until `on_writable` is called."""
        self._was_congested = self._session.congested
        return self._was_congested

    def ping(self, payload: bytes | str | None = None) -> None:
        """Send a Ping (section 5.5.2); its answer is known by `latency`."""
        self._ping(payload)

    def pause(self) -> None:
        """Call `on_message` no more until `resume`.  What comes waits; then nothing is read, and TCP slows the peer."""
        self._paused_by_application = not self._has_failed  # Behind a failure there is nothing to wait for.
        self._waits = False

    def resume(self) -> None:
        """Go on after `pause`, in the next turn of the loop."""
        self._paused_by_application = False
        self._waits = self._speaks
        self._go_on_soon()

    def opened(self) -> None:
        """The opening handshake is done."""
        self._speaks = True
        self._waits = not self._paused_by_application
        self._call(self.on_open)
        self._tell(False)

    # --- What happens ---------------------------------------------------------------------------------------------

    def _tell(self, at_once: bool) -> None:
        session = self._session
        if self._gathers or not self._speaks:
            self._act()  # While messages are delivered, too: a Close must not wait for them.
            return
        if self._inbox or session.waiting or session.ending is not None:
            self._deliver()
            if not at_once or session.ending is not None or self._paused or session.full or session.congested:
                self._act()
            else:
                self._send_now()
        else:
            self._act()
        if self._was_congested and not session.congested:
            self._was_congested = False
            if not session.over and self.close_sent is None:  # So it is behind a failure, too.
                self._call(self.on_writable)
        if self._is_gone and self._has_ended:
            self._speaks = False
            assert session.ending is not None
            self._call(self.on_close, session.ending)

    def _deliver(self) -> None:
        """Call `on_message` with what waits, as much of it as is fair to others."""
        in_a_row, look_at = 0, FIRST_LOOK
        self._gathers = True
        try:
            while not self._paused_by_application and (self._inbox or self._took()):
                message = self._inbox.pop()
                if not self._has_failed:
                    self.on_message(message)
                in_a_row += 1 + len(message) // FAIR_SIZE
                if in_a_row >= look_at and self._inbox:
                    look_at = self._next_look(in_a_row)
                    if not look_at:
                        self._go_on_soon()
                        break
        except (Exception, asyncio.CancelledError) as error:
            self._fail(error)
            self._go_on_soon()
        finally:
            self._gathers = False

    def _took(self) -> bool:
        """Take what waits out of the session, or note that nothing will come any more; whether there was anything."""
        session = self._session
        if self._has_ended or not (session.waiting or session.ending is not None):
            return False
        try:
            self._row_began = self._time()
            self._inbox = session.next_messages(self._row_began)
        except ConnectionClosed:
            self._has_ended = True
            return False
        self._inbox.reverse()
        return bool(self._inbox)

    def _go_on_soon(self) -> None:
        if not self._goes_on_soon:
            self._goes_on_soon = True
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._goes_on_soon = False
        self._row_began = self._time()
        self._tell(False)

    def _call(self, method: Callable[..., object], *args: Any) -> None:
        gathers, self._gathers = self._gathers, True
        try:
            method(*args)
        except (Exception, asyncio.CancelledError) as error:
            self._fail(error)
        finally:
            self._gathers = gathers
        if not gathers:
            self._act()

    def _fail(self, error: BaseException) -> None:
        told = {"message": "a method of a CallbackSocket raised", "exception": error, "protocol": self}
        self._loop.call_exception_handler(told)
        self._has_failed = True
        self._paused_by_application = False
        self._session.close(CloseCode.INTERNAL_ERROR, "", self._time())
        self._act()


Made = TypeVar("Made", bound=CallbackSocket)


class CallbackServer(Listener[Made]):
    """A server of connections that call methods, as `serve_callbacks` makes it."""

    def __init__(self, factory: Callable[[], Made], *args: Any) -> None:
        super().__init__(*args)
        self._factory = factory

    def _make(self, *args: Any) -> Made:
        return self._factory().begin(*args)

    def _open_to(self, ws: Made) -> None:
        ws.opened()


def serve_callbacks(
    factory: Callable[[], Made],
    host: str | None = None,
    port: int | None = None,
    *,
    unix: str | None = None,
    sock: socket.socket | None = None,
    ssl: tls.SSLContext | None = None,
    subprotocols: Iterable[str] = (),
    select_subprotocol: SelectSubprotocol | None = None,
    origins: Origins = SAME_ORIGIN,
    compression: Compression | None = Deflate(),
    process_request: ProcessRequest | None = None,
    process_response: Callable[[Request], HeadersLike] | None = None,
    tap: Callable[[], Tap] | None = None,
    max_opening: int = 1000,
    backlog: int = 100,
    reuse_port: bool | None = None,
    **options: Unpack[Options],
) -> CallbackServer[Made]:
    """Serve with connections that call methods: as `serve`, but for what makes them.

    Args:
        factory: makes one for each client, such as a subclass of `CallbackSocket`.
        options: these and all the others are those of `serve`.
    """
    listen = where_to_listen(host, port, unix, sock, ssl, options, backlog=backlog, reuse_port=reuse_port)
    check_compression(compression)
    reception = Reception(names(subprotocols), select_subprotocol, origins, compression, process_response)
    return CallbackServer(factory, reception, process_request, tap, max_opening, options, listen)


async def connect_callbacks(factory: Callable[[], Made], uri: str, **options: Unpack[ConnectOptions]) -> Made:
    """Connect to a WebSocket server; gives back what `factory` made, once it is open and `on_open` was called.

    Args:
        factory: makes a `CallbackSocket`, another one for each redirect that is followed.
        uri: as for `connect`.
        options: those of `connect`, which raises what this raises.
    """

    def make(*args: Any) -> Made:
        return factory().begin(*args)

    connecting = connect(uri, **options)
    connecting._make = make
    ws: Any = await connecting._connect()
    ws.opened()
    made: Made = ws
    return made
