"""A bridge between TCP and WebSocket, either way.

python examples/bridge.py 8765 localhost:22             # whoever comes with WebSocket reaches a TCP server
python examples/bridge.py 2222 ws://localhost:8765      # whoever comes with TCP reaches a WebSocket server

The first lets a page in a browser talk to what speaks TCP.  Both together are a tunnel: `ssh -p 2222 localhost` is ssh
over WebSocket, which goes where HTTP goes.

What comes on one side goes out on the other: there is nothing to wait for, and so there is no task, but a method for
each thing that happens.  All that a gateway has to know is when to stop.  While one side takes no more, the other one
is not read, and TCP slows down whoever sends there; so nothing piles up in here, however much passes.

TCP can end one direction and go on with the other, WebSocket cannot: an empty text message stands for that.  All else
is binary.
"""

import argparse
import asyncio
import contextlib
import socket
import sys

from rawws import CloseCode, Closed, ConnectionClosed, HandshakeRejected, RemoteProtocolError
from rawws.aio import CallbackSocket, connect_callbacks, serve_callbacks
from rawws.endpoint import Options
from rawws.uri import parse

END = ""

# Whoever reads nothing for minutes is left in peace, as TCP would do.
OPTIONS: Options = {"ping_timeout": 600, "write_timeout": 600}


class Web(CallbackSocket):
    """The side that is WebSocket.  It tells nothing until there is another one."""

    tcp: "TCP"

    def on_open(self) -> None:
        self.pause()

    def on_message(self, message: str | bytes) -> None:
        if isinstance(message, bytes) and self.tcp.writes:
            self.tcp.transport.write(message)
        elif message == END:
            self.tcp.end_writing()
        else:
            self.start_close(CloseCode.POLICY_VIOLATION, "bytes are wanted, and none behind the end")

    def on_writable(self) -> None:
        self.tcp.transport.resume_reading()

    def on_close(self, closed: Closed) -> None:
        self.tcp.transport.close()


class TCP(asyncio.Protocol):
    """The side that is TCP."""

    transport: asyncio.Transport
    reads = writes = True

    def __init__(self, web: Web) -> None:
        self.web = web

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.web.tcp = self
        self.web.resume()

    def data_received(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionClosed):
            self.web.send(data)
            if self.web.congested:
                self.transport.pause_reading()

    def pause_writing(self) -> None:
        self.web.pause()

    def resume_writing(self) -> None:
        self.web.resume()

    def eof_received(self) -> bool:
        self.reads = False
        with contextlib.suppress(ConnectionClosed):
            self.web.send(END)
        self.close_if_over()
        return True  # The other direction goes on.

    def end_writing(self) -> None:
        """The other side has nothing more to say."""
        self.writes = False
        self.transport.write_eof()
        self.close_if_over()

    def close_if_over(self) -> None:
        """Both directions may have ended."""
        if not (self.reads or self.writes):
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.writes = False
        self.web.start_close(CloseCode.NORMAL if error is None else CloseCode.BAD_GATEWAY)


class FromWeb(Web):
    """Somebody came with WebSocket, and is to reach a TCP server."""

    def __init__(self, host: str, port: int) -> None:
        self.where = host, port

    def on_open(self) -> None:
        super().on_open()
        self.reaching = asyncio.create_task(self.reach())

    async def reach(self) -> None:
        """Connect the other side."""
        try:
            await asyncio.get_running_loop().create_connection(lambda: TCP(self), *self.where)
        except OSError as error:
            print(f"Cannot reach {self.where[0]}:{self.where[1]}: {error}", file=sys.stderr)
            self.start_close(CloseCode.BAD_GATEWAY, "the TCP server cannot be reached")


async def lead_from_tcp(sock: socket.socket, uri: str) -> None:
    """Somebody came with TCP, and is to reach a WebSocket server."""
    try:
        web = await connect_callbacks(Web, uri, **OPTIONS)
    except (OSError, HandshakeRejected, RemoteProtocolError) as error:
        print(f"Cannot reach {uri}: {error}", file=sys.stderr)
        sock.close()
    else:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: TCP(web), sock)


async def from_tcp(listening: socket.socket, uri: str) -> None:
    """Let everybody in who comes with TCP."""
    listening.setblocking(False)
    async with asyncio.TaskGroup() as group:
        while True:
            try:
                sock, _ = await asyncio.get_running_loop().sock_accept(listening)
            except OSError:
                await asyncio.sleep(1)  # Too many are open, say.
            else:
                group.create_task(lead_from_tcp(sock, uri))


async def from_web(listening: socket.socket, host: str, port: int) -> None:
    """Let everybody in who comes with WebSocket; pages of other sites are refused."""
    async with serve_callbacks(lambda: FromWeb(host, port), sock=listening, compression=None, **OPTIONS) as server:
        await server.serve_forever()


async def bridge(port: int, uri: str, host: str, tcp_port: int) -> None:
    """Listen, and lead everybody to the URI, or if there is none to the host."""
    with socket.create_server(("localhost", port)) as listening:
        print(f"Listening on localhost:{listening.getsockname()[1]}. Ctrl-C ends it.", flush=True)
        if uri:
            await from_tcp(listening, uri)
        else:
            await from_web(listening, host, tcp_port)


def port_number(text: str) -> int:
    """Raises `ValueError` if it is none."""
    if not text.isdecimal() or int(text) > 65535:
        raise ValueError(f"{text!r} is no port: they go from 0 to 65535")
    return int(text)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="A bridge between TCP and WebSocket, either way.")
    parser.add_argument("port", help="where to listen, on localhost; 0 for any that is free")
    parser.add_argument("target", help="HOST:PORT of a TCP server, or the URI of a WebSocket server")
    arguments = parser.parse_args()
    target = arguments.target
    try:
        port = port_number(arguments.port)
        if "://" in target:
            parse(target)
            asyncio.run(bridge(port, target, "", 0))
        else:
            host, _, tcp_port = target.rpartition(":")
            asyncio.run(bridge(port, "", host.strip("[]"), port_number(tcp_port)))
    except (ValueError, OSError) as error:
        sys.exit(f"Cannot bridge {arguments.port} to {target}: {error}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
