"""The socket of a connection, as far as a program may touch it: its addresses, its options, and the timeout."""

import socket
from typing import Any, Protocol

from rawws.compat.websocket.exceptions import LeftOut


class HasTimeout(Protocol):
    """A connection that waits so long for a message."""

    def settimeout(self, timeout: float | None) -> None:
        """Seconds to wait; None for ever."""

    def gettimeout(self) -> float | None:
        """What `settimeout` said last."""


class SocketLike:
    """What `ws.sock` is.  To read or write beside the connection would break it: there is no `recv` and no `send`."""

    ALLOWED = ("family", "getpeername", "getsockname", "getsockopt", "setsockopt", "getpeercert", "cipher", "version")

    def __init__(self, sock: socket.socket, ws: HasTimeout) -> None:
        self._sock = sock
        self._ws = ws

    def settimeout(self, timeout: float | None) -> None:
        """That of the connection."""
        self._ws.settimeout(timeout)

    def gettimeout(self) -> float | None:
        """That of the connection."""
        return self._ws.gettimeout()

    def __getattr__(self, name: str) -> Any:
        if name in self.ALLOWED:
            return getattr(self._sock, name)
        if hasattr(socket.socket, name):
            raise LeftOut(f"{name} of the socket: it belongs to the connection, whose methods are to be used instead")
        raise AttributeError(name)
