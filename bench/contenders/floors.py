"""Servers that send back what comes, with no WebSocket at all: nobody can be cheaper in the same loop."""

import asyncio
import socket
import sys
import threading
from typing import Any

from bench.contenders.serving import HOST, say, until_input_ends

BUFFER = bytearray(256 * 1024)
"""One for all connections: it is empty again when the loop goes on."""


class Echo(asyncio.Protocol):
    """Gets a new object for each read."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """Says where a read goes."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.write(BUFFER[:nbytes])  # A copy, as the transport may keep what the socket does not take.


async def tcp() -> None:
    await _serve(Echo)


async def tcp_buffered() -> None:
    await _serve(BufferedEcho)


async def _serve(protocol: type[asyncio.BaseProtocol]) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, HOST, 0, backlog=1000)
    say(server.sockets[0].getsockname()[1], "plain")
    await until_input_ends()


def tcp_threads() -> None:
    """A thread for each connection, that receives and sends."""
    listener = socket.create_server((HOST, 0), backlog=1000)
    threading.Thread(target=_accept, args=[listener], daemon=True).start()
    say(listener.getsockname()[1], "plain")
    sys.stdin.read()


def _accept(listener: socket.socket) -> None:
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_echo, args=[sock], daemon=True).start()


def _echo(sock: socket.socket) -> None:
    with sock:
        while data := sock.recv(256 * 1024):
            sock.sendall(data)
