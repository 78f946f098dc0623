"""Whom the clients talk to: `python -m bench.contenders.partner` prints its port, and answers until its input ends.

It is no WebSocket library.  It knows from the target of the request, such as `/1024`, how long each message is; so it
counts frames by their length and sends as many answers from a store that was made in advance.  That costs next to
nothing beside any client, and the same for all of them; a client that only writes TCP is answered just so.

The first whole frame of each read is unmasked and compared with what it should say; of the others, the first byte is.
"""

import contextlib
import select
import socket
import sys
import threading

from bench.contenders.serving import HOST, say
from bench.traffic.lines import READ, payload_of
from rawws.core.frames import Opcode, decode_header, encode_frame
from rawws.core.headers import accept_for
from rawws.core.masking import apply_mask

BINARY = b"\x82"


class Partner:
    """One conversation."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._came = b""
        self._ending = b""
        self._over = False

    def talk(self) -> None:
        """All of it: the opening handshake, and answers until a Close or the end of TCP."""
        self._expect(self._shake_hands())
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setblocking(False)
        waiting = select.poll()
        while not self._over:
            waiting.register(self._sock, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            waiting.poll()
            self._read()
            self._write()
        self._sock.setblocking(True)
        with contextlib.suppress(OSError):
            self._sock.sendall(self._ending)
            self._sock.shutdown(socket.SHUT_WR)
            while self._sock.recv(READ):
                pass

    def _shake_hands(self) -> int:
        """Read the request and say yes to it; the length of a message."""
        while b"\r\n\r\n" not in self._came:
            self._came += self._sock.recv(READ) or b"\r\n\r\n"
        head, _, self._came = self._came.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        self._sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_for(fields[b"sec-websocket-key"]) + b"\r\n\r\n"
        )
        return int(lines[0].split()[1].strip(b"/"))

    def _expect(self, size: int) -> None:
        """Such messages come, and such answers go."""
        self._message = payload_of(size)
        self._size = len(encode_frame(Opcode.BINARY, self._message, bytes(4)))
        answer = encode_frame(Opcode.BINARY, self._message)
        self._round = len(answer)
        self._answers = memoryview(answer * (READ // len(answer) + 2))
        self._sent = self._unsent = 0

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = self._sock.recv(READ)
            self._over = not data
            self._came = self._came + data if self._came else data
        count = len(self._came) // self._size
        whole = count * self._size
        if self._came[: whole : self._size] != BINARY * count or (self._came and self._came[:1] != BINARY):
            count, whole = self._one_by_one()
        elif count:
            self._check(self._came[: self._size])
        self._came = self._came[whole:]
        self._unsent += count * self._round

    def _one_by_one(self) -> tuple[int, int]:
        """There is something else than a message in it: how many messages there are, and where they end."""
        count = position = 0
        while (header := decode_header(self._came, position)) is not None and header.key is not None:
            end = position + header.size + header.length
            if end > len(self._came):
                break
            if header.opcode == Opcode.BINARY:
                self._check(self._came[position:end])
                count += 1
            elif header.opcode == Opcode.CLOSE:
                payload = apply_mask(self._came[position + header.size : end], header.key)
                self._ending, self._over = encode_frame(Opcode.CLOSE, payload), True
            position = end
        return count, position

    def _check(self, frame: bytes) -> None:
        """It is the message, masked and whole."""
        header = decode_header(frame)
        assert header is not None
        assert header.key is not None
        assert self._message == apply_mask(frame[header.size :], header.key)

    def _write(self) -> None:
        """Send what is due, as far as the socket takes it; a Close comes behind it."""
        while self._unsent:
            try:
                size = self._sock.send(self._answers[self._sent : self._sent + self._unsent])
            except BlockingIOError:
                if not self._over:
                    return
                select.select([], [self._sock], [])
                continue
            self._unsent -= size
            self._sent = (self._sent + size) % self._round


def _talk(sock: socket.socket) -> None:
    with sock, contextlib.suppress(ConnectionError):
        Partner(sock).talk()


def main() -> None:
    """The command."""
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_talk, args=(sock,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    say(listener.getsockname()[1])
    sys.stdin.read()


if __name__ == "__main__":
    main()
