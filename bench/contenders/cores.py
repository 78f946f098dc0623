"""Cores alone: bytes in, messages out; and messages in, bytes out.  No socket, no task.

`python -m bench.contenders.cores NAME` is a worker.
"""

import asyncio
import base64
import hashlib
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bench.contenders.copying import Build, Feed, Message, Shape, copying_builder, copying_reader
from bench.contenders.echo import PURE, no_c
from bench.contenders.timing import Batch
from bench.harness import worker
from bench.harness.suite import Contender
from rawws import Connection, Limits, Role


class Core(NamedTuple):
    """How to use one library with no transport."""

    reader: Callable[[Shape], Feed]
    builder: Callable[[Shape], Build]


# --- rawws --------------------------------------------------------------------------------------------------------


def _rawws(role: Role) -> Connection:
    return Connection(role, limits=Limits(message=None))


def rawws_reader(shape: Shape) -> Feed:
    connection: Any = _rawws(shape.role)
    events = getattr(connection, "all_events", None) or (lambda: list(connection.events()))

    def feed(data: bytes) -> list[Any]:
        connection.receive_data(data)
        return events()  # type: ignore[no-any-return]

    return feed


def rawws_builder(shape: Shape) -> Build:
    connection = _rawws(shape.role)

    def build(message: Message) -> None:
        if isinstance(message, str):
            connection.send_text(message)
        else:
            connection.send_binary(message)
        connection.data_to_send()

    return build


# --- websockets: its sans-IO core ends at frames; text is decoded as its transports do it -------------------------


def _websockets(role: Role) -> Any:
    from websockets.client import ClientProtocol
    from websockets.protocol import OPEN
    from websockets.server import ServerProtocol
    from websockets.uri import parse_uri

    if role is Role.SERVER:
        return ServerProtocol(state=OPEN, max_size=None)
    return ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=None)


def websockets_reader(shape: Shape) -> Feed:
    from websockets.frames import Opcode

    protocol, text = _websockets(shape.role), Opcode.TEXT

    def feed(data: bytes) -> list[Message]:
        protocol.receive_data(data)
        return [
            frame.data.decode() if frame.opcode is text else bytes(frame.data) for frame in protocol.events_received()
        ]

    return feed


def websockets_builder(shape: Shape) -> Build:
    protocol = _websockets(shape.role)

    def build(message: Message) -> None:
        if isinstance(message, str):
            protocol.send_text(message.encode())
        else:
            protocol.send_binary(message)
        b"".join(protocol.data_to_send())

    return build


# --- wsproto: a message comes in pieces, one for each read ---------------------------------------------------------


def _wsproto(role: Role) -> Any:
    from wsproto.connection import Connection, ConnectionType

    return Connection(ConnectionType.SERVER if role is Role.SERVER else ConnectionType.CLIENT)


def wsproto_reader(shape: Shape) -> Feed:
    connection = _wsproto(shape.role)
    pieces: list[Any] = []

    def feed(data: bytes) -> list[Message]:
        connection.receive_data(data)
        messages: list[Message] = []
        for event in connection.events():
            if event.message_finished and not pieces:
                messages.append(event.data if isinstance(event.data, str) else bytes(event.data))
                continue
            pieces.append(event.data)
            if event.message_finished:
                messages.append("".join(pieces) if isinstance(event.data, str) else b"".join(pieces))
                pieces.clear()
        return messages

    return feed


def wsproto_builder(shape: Shape) -> Build:
    from wsproto.events import BytesMessage, TextMessage

    connection = _wsproto(shape.role)

    def build(message: Message) -> None:
        connection.send(TextMessage(message) if isinstance(message, str) else BytesMessage(message))

    return build


# --- aiohttp: its reader and writer, with a protocol and a transport that do nothing --------------------------------


class Sink:
    """A transport and protocol of which nothing is asked."""

    _reading_paused = _paused = False

    def __init__(self) -> None:
        self.written: list[Any] = []

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        self.written.append(data)

    def writelines(self, chunks: Sequence[Any]) -> None:
        self.written += chunks

    def get_write_buffer_size(self) -> int:
        return 1  # So picows calls `write`, in place of send(2).

    def get_extra_info(self, name: str) -> Any:
        return self if name == "socket" else None

    def setsockopt(self, *_: int) -> None: ...

    def getsockopt(self, *_: int) -> int:
        return 0

    def fileno(self) -> int:
        return 0

    def close(self) -> None: ...

    abort = close


def aiohttp_reader(shape: Shape) -> Feed:
    from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader

    messages: list[Message] = []

    class Queue(WebSocketDataQueue):  # type: ignore[misc, valid-type]
        """The place of the queue that a task reads from."""

        def feed_data(self, data: Any, size: int) -> None:
            messages.append(data.data)

    reader = WebSocketReader(Queue(Sink(), 2**30, loop=asyncio.get_running_loop()), 0, False, True)

    def feed(data: bytes) -> list[Message]:
        reader.feed_data(data)
        taken = messages.copy()
        messages.clear()
        return taken

    return feed


def aiohttp_builder(shape: Shape) -> Build:
    from aiohttp.http_websocket import WebSocketWriter, WSMsgType

    sink = Sink()
    writer = WebSocketWriter(sink, sink, use_mask=shape.role is Role.CLIENT)
    text, binary = WSMsgType.TEXT, WSMsgType.BINARY

    def build(message: Message) -> None:
        if isinstance(message, str):
            coroutine = writer.send_frame(message.encode(), text)
        else:
            coroutine = writer.send_frame(message, binary)
        try:
            coroutine.send(None)
        except StopIteration:
            sink.written.clear()

    return build


# --- picows: it has no core, so its protocol is fed through a transport that does nothing ---------------------------


def _picows(role: Role) -> Any:
    """An open `WSProtocol` of picows over a `Sink`."""
    import logging

    from picows import WSAutoPingStrategy, WSListener, WSMsgType
    from picows.picows import WSProtocol

    class Listener(WSListener):
        def __init__(self) -> None:
            self.messages: list[Message] = []

        def on_ws_frame(self, transport: Any, frame: Any, text: Any = WSMsgType.TEXT) -> None:
            if frame.msg_type is text:
                self.messages.append(frame.get_payload_as_utf8_text())
            else:
                self.messages.append(frame.get_payload_as_bytes())

    listener = Listener()
    is_client = role is Role.CLIENT
    strategy = WSAutoPingStrategy.PING_WHEN_IDLE
    quiet = logging.Logger("quiet", logging.CRITICAL)
    protocol = WSProtocol(
        "localhost", "/", is_client, lambda *_: listener, quiet, True, None, False, 10, 10, strategy, True, 2**30, None,
        16 * 1024,
    )  # fmt: skip
    sink = Sink()
    protocol.connection_made(sink)
    if is_client:
        request = b"".join(sink.written)
        key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        _picows_feed(protocol, head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    else:
        head = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        _picows_feed(protocol, head)
    sink.written.clear()
    return protocol, listener, sink


def _picows_feed(protocol: Any, data: bytes) -> None:
    """As an event loop does: as much as there is room for, until all is in."""
    position = 0
    while position < len(data):
        room = protocol.get_buffer(-1)
        size = min(len(room), len(data) - position)
        room[:size] = data[position : position + size]
        protocol.buffer_updated(size)
        position += size


def picows_reader(shape: Shape) -> Feed:
    protocol, listener, _ = _picows(shape.role)

    def feed(data: bytes) -> list[Message]:
        _picows_feed(protocol, data)
        messages, listener.messages = listener.messages, []
        return messages

    return feed


def picows_builder(shape: Shape) -> Build:
    from picows import WSMsgType

    protocol, _, sink = _picows(shape.role)
    transport, text, binary = protocol.transport, WSMsgType.TEXT, WSMsgType.BINARY

    def build(message: Message) -> None:
        transport.send(text if isinstance(message, str) else binary, message)
        sink.written.clear()

    return build


# --- All of them ----------------------------------------------------------------------------------------------------

COPY = "copy"
CORES = {
    COPY: Core(copying_reader, copying_builder),
    "rawws": Core(rawws_reader, rawws_builder),
    "websockets": Core(websockets_reader, websockets_builder),
    "wsproto": Core(wsproto_reader, wsproto_builder),
    "aiohttp": Core(aiohttp_reader, aiohttp_builder),
    "picows": Core(picows_reader, picows_builder),
}


def cores() -> list[Contender]:
    """All of them, and ours with C and without."""
    return [
        _contender(COPY, COPY, kind="floor"),
        _contender("rawws", "rawws", kind="rawws", unable=no_c),
        _contender("rawws pure", "rawws", kind="rawws", environment=PURE),
        *(_contender(name, name, needs=[name]) for name in ("picows", "aiohttp", "websockets", "wsproto")),
    ]


def _contender(name: str, core: str, **more: Any) -> Contender:
    floors = () if name == COPY else (COPY,)
    return Contender(name=name, command=("-m", "bench.contenders.cores", core), floors=floors, **more)


def batch(core: Core, verb: str, shape: Shape) -> Batch:
    """What is timed; it has been tried, and came out right."""
    if verb == "build":
        messages = [shape.message] * max(4, min(1024, 1024 * 1024 // shape.size))
        build = core.builder(shape)
        return Batch(lambda: deque(map(build, messages), maxlen=0), len(messages))
    count = max(4, min(4096, 1024 * 1024 // shape.size))
    reads, feed = shape.reads(count), core.reader(shape)
    found = [message for read in reads for message in feed(read)]
    if core is CORES[COPY] and shape.role is Role.SERVER:  # Its messages are still masked.
        found = [shape.message] * len(found)
    if found != [shape.message] * count:
        raise AssertionError("other messages came out than went in")
    return Batch(lambda: deque(map(feed, reads), maxlen=0), count)


async def main(name: str) -> None:
    """Be a worker; within a loop, which some peers ask for."""

    def answer(verb: str, role: str, size: int, text: bool, one: bool, seconds: float) -> Mapping[str, float]:
        return batch(CORES[name], verb, Shape(Role(role), size, text, one)).cost(seconds)

    worker.serve(answer)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
