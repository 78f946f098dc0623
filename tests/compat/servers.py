"""Servers that say what a test wants on the wire, and a client of callbacks that notes what it is told."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rawws.core.frames import encode_frame
from rawws.core.headers import accept_for
from tests.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_body

Script = Callable[[socket.socket], object]

CALLBACKS = (
    "on_open",
    "on_reconnect",
    "on_message",
    "on_error",
    "on_close",
    "on_ping",
    "on_pong",
    "on_data",
    "on_cont_message",
)


# --- What a server says ---------------------------------------------------------------------------------------------


def text(payload: str | bytes, fin: bool = True) -> bytes:
    """A frame of text."""
    return encode_frame(TEXT, payload.encode() if isinstance(payload, str) else payload, fin=fin)


def binary(payload: bytes, fin: bool = True) -> bytes:
    """A binary frame."""
    return encode_frame(BINARY, payload, fin=fin)


def more(payload: bytes, fin: bool = True) -> bytes:
    """A continuation."""
    return encode_frame(CONTINUATION, payload, fin=fin)


def ping(payload: bytes) -> bytes:
    """A Ping."""
    return encode_frame(PING, payload)


def pong(payload: bytes) -> bytes:
    """A Pong."""
    return encode_frame(PONG, payload)


def close(code: int | None = 1000, reason: str = "") -> bytes:
    """A Close."""
    return encode_frame(CLOSE, b"" if code is None else close_body(code, reason))


def says(*frames: bytes) -> Script:
    """Say this, then read until the client has gone, for a moment at most."""

    def script(sock: socket.socket) -> None:
        sock.sendall(b"".join(frames))
        read_to_the_end(sock)

    return script


def keeps_silent(sock: socket.socket) -> None:
    """Say nothing, and answer nothing, until the client has gone."""
    while sock.recv(4096):
        pass


def vanishes(*frames: bytes) -> Script:
    """Say this and hang up, with no Close."""
    return lambda sock: sock.sendall(b"".join(frames))


def answers_close(*frames: bytes) -> Script:
    """Say this, and answer the Close with 1000 and "ok"; frames of up to 125 bytes before it are read over."""

    def script(sock: socket.socket) -> None:
        sock.sendall(b"".join(frames))
        with sock.makefile("rb") as stream:
            while (head := stream.read(2)) and head[0] & 0x0F != CLOSE:
                stream.read(4 + head[1] % 128)
        sock.sendall(close(1000, "ok"))

    return script


def read_to_the_end(sock: socket.socket) -> bytes:
    """What still comes, until the client has gone, or says nothing for a moment."""
    came = b""
    sock.settimeout(0.15)
    with contextlib.suppress(OSError):
        while data := sock.recv(4096):
            came += data
    return came


class Place(NamedTuple):
    """Where such a server listens, and what it was asked for."""

    url: str
    heads: list[bytes]


@contextlib.contextmanager
def serving(*scripts: Script, answer: bytes | None = None) -> Iterator[Place]:
    """A server that takes one connection after the other, and has one script for each.

    Args:
        answer: to each opening handshake; None for a 101.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    place = Place(f"ws://127.0.0.1:{listening.getsockname()[1]}/", [])
    thread = threading.Thread(target=_serve, args=(listening, scripts, answer, place.heads))
    thread.start()
    try:
        yield place
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)  # It ends an `accept`.
        listening.close()
        thread.join()


def _serve(listening: socket.socket, scripts: tuple[Script, ...], answer: bytes | None, heads: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        for script in scripts:
            sock, _ = listening.accept()
            with sock, contextlib.suppress(OSError):
                sock.settimeout(5)
                head = b""
                while b"\r\n\r\n" not in head and (data := sock.recv(4096)):
                    head += data
                heads.append(head)
                sock.sendall(_switching(head) if answer is None else answer)
                script(sock)


def _switching(head: bytes) -> bytes:
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
    wanted = re.search(rb"(?i)sec-websocket-protocol: *(\w+)", head)
    assert key is not None
    fields = b"\r\nSec-WebSocket-Protocol: " + wanted[1] if wanted else b""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b%b\r\n\r\n" % (accept_for(key[1]), fields)
    )


# --- What a client is told ------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """What a program is told of a run."""

    calls: list[tuple[Any, ...]]
    """Its callbacks in order, with what each was given; of an exception, the name of its class."""
    outcome: Any
    """What `run_forever` gave back, or the class of what it raised."""

    @property
    def names(self) -> list[str]:
        """Of the callbacks that were called."""
        return [call[0] for call in self.calls]


def run(
    module: Any, url: str, without: tuple[str, ...] = ("on_cont_message",), made: Any = None, **options: Any
) -> Told:
    """Run a `WebSocketApp` of this module with all callbacks.

    Args:
        without: those that it is to have none of.
        made: arguments for the app.
        options: for `run_forever`; a function under the name of a callback is what that does besides.
    """
    calls: list[tuple[Any, ...]] = []
    hooks = {name: options.pop(name) for name in CALLBACKS if name in options}

    def noting(name: str) -> Callable[..., None]:
        def callback(ws: Any, *arguments: Any) -> None:
            shown = (type(given).__name__ if isinstance(given, BaseException) else given for given in arguments)
            calls.append((name, *shown))
            if name in hooks:
                hooks[name](ws, *arguments)

        return callback

    app = module.WebSocketApp(url, **{name: noting(name) for name in CALLBACKS if name not in without}, **(made or {}))
    try:
        outcome = app.run_forever(**options)
    except BaseException as error:
        outcome = type(error)
    return Told(calls, outcome)
