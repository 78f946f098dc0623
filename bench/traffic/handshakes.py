"""Connections that come, shake hands both ways, and go; so many of them at a time.

Everything that comes back is compared with what it should be: the 101 with the right Sec-WebSocket-Accept, the Close
with the code that it answers, the end of TCP behind it.
"""

import socket
import time
from collections import deque

from bench.traffic.lines import CLOSE

REQUEST = (
    b"GET / HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\n"
    b"Connection: Upgrade\r\n"
    b"Pragma: no-cache\r\n"
    b"Cache-Control: no-cache\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
    b"\r\n"
    b"Upgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-US,en;q=0.9\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"\r\n"
)
"""What a browser asks: ten fields, and no extension."""
OFFER = REQUEST.replace(
    b"Accept-Language: en-US,en;q=0.9\r\n",
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
)
"""The same, with an extension in the place of a language."""
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What answers the key above: the example of RFC 6455, section 1.3."""
GOODBYE = b"\x88\x02\x03\xe8"


class Call:
    """One connection, from its beginning to its end."""

    def __init__(self, port: int, plain: bool) -> None:
        self._plain = plain
        self._sock = socket.create_connection(("127.0.0.1", port), 10)
        self._sock.sendall(REQUEST)

    def agree(self) -> None:
        """Wait for the yes, and say goodbye."""
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self._more()
        if not self._plain and not (answer.startswith(b"HTTP/1.1 101 ") and ACCEPT in answer):
            raise AssertionError(f"the server answered {answer!r}")
        self._sock.sendall(CLOSE)

    def part(self) -> None:
        """Wait for the goodbye, and for the end of TCP that a server makes first (section 7.1.1)."""
        answer = b""
        while more := self._sock.recv(4096):
            answer += more
            if self._plain and answer == CLOSE:
                self._sock.shutdown(socket.SHUT_WR)
        if answer != (CLOSE if self._plain else GOODBYE):
            raise AssertionError(f"the server answered a Close with {answer!r}")
        self._sock.close()

    def _more(self) -> bytes:
        data = self._sock.recv(4096)
        if not data:
            raise ConnectionError("the server ended the connection in the opening handshake")
        return data


def shake_hands(port: int, at_once: int, seconds: float, plain: bool = False) -> int:
    """Have so many connections under way for that long; how many have come and gone.

    With `plain` the server only sends back what comes, and ends TCP when we do.
    """
    count = 0
    opening: deque[Call] = deque()
    parting: deque[Call] = deque()
    end = time.perf_counter() + seconds
    asking = True
    while asking or parting:
        asking = time.perf_counter() < end
        if asking:
            opening.append(Call(port, plain))
        if opening and (len(opening) >= at_once // 2 or not asking):
            parting.append(opening.popleft())
            parting[-1].agree()
        if parting and (len(parting) >= at_once // 2 or not (asking or opening)):
            parting.popleft().part()
            count += 1
    return count
