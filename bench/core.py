"""Messages per CPU second through the cores alone: no socket, no event loop, no task.

    python -m bench.core                    # everything, about two minutes
    python -m bench.core --only "parse server binary" --rounds 9
    python -m bench.core --json > core.json

A row is one shape of traffic.  "64K" means reads of 64 KiB full of frames (of a piece of one, if it is longer), what a
busy server sees; "one" means one whole frame a read.  A server reads masked frames and builds plain ones, a client the
other way round.  Every peer hands out its messages as a `str` or `bytes`, and what it handed out is compared with what
was sent, once for each row.

Rounds are interleaved, all peers in each, and the median counts.  The time is CPU time of this process.  `rate` is
messages per CPU second, and in parentheses the ratio to websockets in the same run.
"""

import argparse
import asyncio
import base64
import hashlib
import itertools
import json
import statistics
import sys
from collections import deque
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any, NamedTuple, TypeAlias

from bench.report import BASELINE, PEERS, heading, installed, progress, setting, short, table, versions
from rawws import Connection, Limits, Role
from rawws.core.frames import Opcode, encode_frame

READ = 64 * 1024
SIZES = {"16 B": 16, "125 B": 125, "1 KiB": 1024, "16 KiB": 16 * 1024, "256 KiB": 256 * 1024}
KEY = bytes.fromhex("37fa213d")

Message: TypeAlias = str | bytes
Feed: TypeAlias = Callable[[bytes], list[Message]]
"""Takes a read; gives the messages that it completed."""
Build: TypeAlias = Callable[[Message], object]
"""Makes the bytes of one message, and drops them."""


class Core(NamedTuple):
    """How to use one library with no transport."""

    reader: Callable[[Role], Feed]
    builder: Callable[[Role], Build]


# --- rawws --------------------------------------------------------------------------------------------------------


def _rawws(role: Role) -> Connection:
    return Connection(role, limits=Limits(message=None))


def rawws_reader(role: Role) -> Feed:
    connection = _rawws(role)

    def feed(data: bytes) -> list[Any]:
        connection.receive_data(data)
        return list(connection.events())

    return feed


def rawws_builder(role: Role) -> Build:
    connection = _rawws(role)

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


def websockets_reader(role: Role) -> Feed:
    from websockets.frames import Opcode

    protocol, text = _websockets(role), Opcode.TEXT

    def feed(data: bytes) -> list[Message]:
        protocol.receive_data(data)
        return [
            frame.data.decode() if frame.opcode is text else bytes(frame.data) for frame in protocol.events_received()
        ]

    return feed


def websockets_builder(role: Role) -> Build:
    protocol = _websockets(role)

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


def wsproto_reader(role: Role) -> Feed:
    connection = _wsproto(role)
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


def wsproto_builder(role: Role) -> Build:
    from wsproto.events import BytesMessage, TextMessage

    connection = _wsproto(role)

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


def aiohttp_reader(role: Role) -> Feed:
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


def aiohttp_builder(role: Role) -> Build:
    from aiohttp.http_websocket import WebSocketWriter, WSMsgType

    sink = Sink()
    writer = WebSocketWriter(sink, sink, use_mask=role is Role.CLIENT)
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


def picows_reader(role: Role) -> Feed:
    protocol, listener, _ = _picows(role)

    def feed(data: bytes) -> list[Message]:
        _picows_feed(protocol, data)
        messages, listener.messages = listener.messages, []
        return messages

    return feed


def picows_builder(role: Role) -> Build:
    from picows import WSMsgType

    protocol, _, sink = _picows(role)
    transport, text, binary = protocol.transport, WSMsgType.TEXT, WSMsgType.BINARY

    def build(message: Message) -> None:
        transport.send(text if isinstance(message, str) else binary, message)
        sink.written.clear()

    return build


CORES = {
    "rawws": Core(rawws_reader, rawws_builder),
    "websockets": Core(websockets_reader, websockets_builder),
    "wsproto": Core(wsproto_reader, wsproto_builder),
    "aiohttp": Core(aiohttp_reader, aiohttp_builder),
    "picows": Core(picows_reader, picows_builder),
}


# --- The rows -------------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """One shape of traffic."""

    verb: str
    role: Role
    kind: str
    size: str
    mode: str = ""
    """"64K" or "one", for parsing."""

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.verb, self.role.value, self.kind, self.size, self.mode)))

    @property
    def message(self) -> Message:
        text = ("The quick brown fox. " * (SIZES[self.size] // 20 + 1))[: SIZES[self.size]]
        return text if self.kind == "text" else text.encode()

    def work(self, core: Core) -> tuple[Callable[[], object], int]:
        """A batch for this core, and how many messages there are in it.  It has been tried, and came out right."""
        if self.verb == "build":
            return self._building(core)
        count = max(4, min(4096, 1024 * 1024 // SIZES[self.size]))
        reads = self._reads(count)
        feed = core.reader(self.role)
        messages = [message for read in reads for message in feed(read)]
        if messages != [self.message] * count:
            raise AssertionError(f"{self.name}: other messages came out than went in")
        return lambda: deque(map(feed, reads), maxlen=0), count

    def _building(self, core: Core) -> tuple[Callable[[], object], int]:
        count = max(4, min(1024, 1024 * 1024 // SIZES[self.size]))
        build = core.builder(self.role)
        messages = [self.message] * count
        return lambda: deque(map(build, messages), maxlen=0), count

    def _reads(self, count: int) -> list[bytes]:
        message = self.message
        opcode, payload = (Opcode.TEXT, message.encode()) if isinstance(message, str) else (Opcode.BINARY, message)
        frame = encode_frame(opcode, payload, KEY if self.role is Role.SERVER else None)
        if self.mode == "one":
            return [frame] * count
        stream = frame * count
        return [stream[at : at + READ] for at in range(0, len(stream), READ)]


def all_rows() -> list[Row]:
    """Every row, in the order of the table."""
    roles, kinds = (Role.SERVER, Role.CLIENT), ("binary", "text")
    parse = itertools.product(["parse"], roles, kinds, SIZES, ["64K", "one"])
    build = itertools.product(["build"], roles, kinds, SIZES)
    return [Row(*row) for row in (*parse, *build)]


class Batch(NamedTuple):
    """What is timed: a peer's work on a row, repeated until it takes long enough to be measured."""

    run: Callable[[], object]
    messages: int
    repeat: int

    def rate(self) -> float:
        """Messages per CPU second, now."""
        start = process_time()
        for _ in range(self.repeat):
            self.run()
        return self.messages * self.repeat / max(process_time() - start, 1e-9)


def prepared(row: Row, core: Core, seconds: float) -> Batch:
    """The batch of this row for this core, to take about `seconds`."""
    run, messages = row.work(core)
    repeat = 1
    while True:
        start = process_time()
        for _ in range(repeat):
            run()
        taken = process_time() - start
        if taken >= seconds / 4:
            return Batch(run, messages, max(1, round(repeat * seconds / taken)))
        repeat *= 2


def measure(rows: Sequence[Row], peers: Sequence[str], rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """The median rate of each peer in each row; a peer that cannot do a row is left out of it, with a line."""
    rates: dict[str, dict[str, float]] = {}
    for number, row in enumerate(rows, 1):
        progress(f"{number}/{len(rows)} {row.name}")
        batches = {peer: batch for peer in peers if (batch := _prepared_or_said(row, peer, seconds))}
        taken: dict[str, list[float]] = {peer: [] for peer in batches}
        for _ in range(rounds):
            for peer, batch in batches.items():
                taken[peer].append(batch.rate())
        rates[row.name] = {peer: statistics.median(times) for peer, times in taken.items()}
    progress("")
    return rates


def _prepared_or_said(row: Row, peer: str, seconds: float) -> Batch | None:
    try:
        return prepared(row, CORES[peer], seconds)
    except Exception as error:  # A peer's inner parts may have moved in a new version: the others still count.
        print(f"{peer} is left out of {row.name}: {type(error).__name__}: {error}", file=sys.stderr)
        return None


def as_table(rates: dict[str, dict[str, float]], peers: Sequence[str]) -> str:
    """A line for each row, a column for each peer."""
    lines = [["messages per CPU second (ratio to websockets)", *peers]]
    for row, of in rates.items():
        cells = []
        for peer in peers:
            ratio = f" ({of[peer] / of[BASELINE]:.3g})" if peer in of and BASELINE in of and peer != BASELINE else ""
            cells.append(short(of[peer]) + ratio if peer in of else "-")
        lines.append([row, *cells])
    return table(lines)


async def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.core", description="Messages per CPU second, cores alone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.05, help="CPU time of one measurement")
    parser.add_argument("--only", default="", help="rows with this in their name, e.g. 'parse server'")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--quick", action="store_true", help="a smoke run: two sizes, one short round")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds = 1, 0.002
    peers = ["rawws", *installed(PEERS)]
    rows = [
        row for row in all_rows() if options.only in row.name and (not options.quick or row.size in ("16 B", "1 KiB"))
    ]
    rates = measure(rows, peers, options.rounds, options.seconds)
    if options.json:
        print(json.dumps({"setting": setting(), "versions": versions(), "rates": rates}, indent=2))
        return
    print(heading())
    print("picows has no core: its protocol is fed through a transport that does nothing.")
    print(as_table(rates, peers))


if __name__ == "__main__":
    asyncio.run(main())
