"""`rawws demo`: one whole conversation between a client and a server, every byte explained.

Both are real, and so is the TCP connection between them.  The server is `rawws.blocking.serve`; the client is the core
on a bare socket, because the demo wants to cut a character in two, which `send` would never do.  Key and masks are
those of the examples in the RFC, so that everybody sees the same bytes.
"""

import argparse
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rawws.blocking import WebSocket, serve
from rawws.cli.anatomy import arrow, describe, dissect, frame_json
from rawws.cli.heads import explain_request, explain_response
from rawws.cli.rows import Heading, Item, Note, Prose, Title, lay
from rawws.cli.terminal import Exit, Terminal
from rawws.core.deflate import Deflate
from rawws.core.events import Closed, Event, Pong
from rawws.core.frames import RSV1, Opcode, encode_frame
from rawws.core.http1 import ClientConnection, Connected
from rawws.core.settings import Role
from rawws.core.upgrade import UpgradeRequest
from rawws.records import Frame, Line, Record, name_of
from rawws.tap import Tap

USAGE = "[options]"

SUMMARY = "One whole conversation between a client and a server, every byte explained."

EPILOG = """\
The bytes are the same for everybody: the key and the masks are those of
RFC 6455. Take any of them to rawws explain, or talk to a server yourself:
rawws serve in one window, rawws ws://localhost:8765 in another.
"""

PATIENCE = 10.0
COMPRESSION = Deflate(server_max_window_bits=15, client_max_window_bits=15)
NONCE, MASK = b"the sample nonce", bytes.fromhex("37fa213d")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but what all verbs take."""


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Show it."""
    show = _show_json if arguments.json else _show
    options: dict[str, Any] = {"subprotocols": ["chat"], "origins": ["http://example.com"], "compression": COMPRESSION}
    with serve(_echo, "127.0.0.1", 0, **options) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:
            client = _Client(sock)
            if not arguments.json:
                _introduce(server.port, terminal)
            page = _Page()
            for number, act in enumerate(ACTS, 1):
                act.play(client)
                show(number, act, client.heard, page, terminal)
                client.heard.clear()
    if not arguments.json:
        terminal.out()
        terminal.out("Now you:  rawws serve            and in another terminal")
        terminal.out("          rawws -v ws://localhost:8765")
    return Exit.OK


def _echo(ws: WebSocket) -> None:
    for message in ws:
        ws.send(message)


def _introduce(port: int, terminal: Terminal) -> None:
    terminal.out((f"A WebSocket conversation on 127.0.0.1:{port}, every byte explained", "title"))
    terminal.out()
    terminal.out(("C>", "client"), " the client sends   ", ("S>", "server"), " the server sends")
    terminal.out()
    for line in lay([Prose(_INTRODUCTION)], terminal.width):
        terminal.out(*line)


_INTRODUCTION = (
    "On the left is how many bytes that side has sent before, then the bytes in hex, then what they mean. A real "
    "client takes a new random key for each connection and a new random mask for each frame; this one takes those of "
    "the examples in RFC 6455, so that everybody sees the same bytes."
)


# --- The client -----------------------------------------------------------------------------------------------------


class _Client:
    """The core on a socket: `ClientConnection` and a tap that hears what passes."""

    def __init__(self, sock: socket.socket) -> None:
        self.heard: list[Record] = []
        self._sock = sock
        self._tap = Tap(Role.CLIENT, self.heard.append, preview=None)
        self.connection = ClientConnection(
            "server.example.com",
            "/chat",
            headers=[("Origin", "http://example.com")],
            subprotocols=["chat", "superchat"],
            compression=COMPRESSION,
            random=lambda size: NONCE if size == 16 else MASK,
        )

    def send(self, data: bytes = b"") -> None:
        """What the connection has queued, or bytes of our own."""
        data = self.connection.data_to_send() + data
        self._tap.sent(data)
        self._sock.sendall(data)

    def wait_for(self, wanted: Callable[[Event], bool]) -> None:
        """Read until such an event comes."""
        while (event := self.connection.next_event()) is None or not wanted(event):
            if event is None:
                self._read()

    def wait_for_end(self) -> None:
        """Read until the server hangs up."""
        while self._read():
            pass

    def _read(self) -> bytes:
        data = self._sock.recv(65536)
        self._tap.received(data)
        if data:
            self.connection.receive_data(data)
        else:
            self.connection.receive_eof()
        return data


# --- The conversation -----------------------------------------------------------------------------------------------


def _ask(client: _Client) -> None:
    client.send()


def _agree(client: _Client) -> None:
    client.wait_for(lambda event: isinstance(event, Connected))


def _hello(client: _Client) -> None:
    client.connection.send_text("Hello")
    client.send()


def _answer(client: _Client) -> None:
    client.wait_for(lambda event: event == "Hello")


def _fragments(client: _Client) -> None:
    client.connection.send_text("Hel", more=True, compress=False)
    client.send()
    client.connection.ping(b"there?")
    client.send()
    client.wait_for(lambda event: isinstance(event, Pong))
    client.connection.send_text("lo")
    client.send()
    client.wait_for(lambda event: event == "Hello")


def _cut(client: _Client) -> None:
    # Frames made by hand: `send_text` takes text, and half a character is none.
    first, second = "café".encode()[:4], "café".encode()[4:]
    client.send(encode_frame(Opcode.TEXT, first, MASK, fin=False))
    client.send(encode_frame(Opcode.CONTINUATION, second, MASK))
    client.wait_for(lambda event: event == "café")


def _compressed(client: _Client) -> None:
    # By hand too: not every zlib writes the bytes of the example (RFC 7692 section 7.2.3.1).
    client.send(encode_frame(Opcode.TEXT, bytes.fromhex("f248cdc9c90700"), MASK, rsv=RSV1))
    client.wait_for(lambda event: event == "Hello")


def _close(client: _Client) -> None:
    client.connection.close(1000, "bye")
    client.send()
    client.wait_for(lambda event: isinstance(event, Closed))


def _hang_up(client: _Client) -> None:
    client.wait_for_end()


class Act(NamedTuple):
    """A part of the conversation."""

    title: str
    prose: str
    play: Callable[[_Client], None]
    end: str = ""


ACTS = (
    Act(
        "1  The client asks",
        "It begins as HTTP, so that one port, one proxy and one certificate serve both. The client opens a TCP "
        "connection and asks to leave HTTP on it.",
        _ask,
    ),
    Act(
        "2  The server agrees",
        "The GUID is a constant of the RFC. A server that knows it and hashes it with the key has meant to answer a "
        "WebSocket client; one that was tricked into echoing bytes has not. It is no secret and no login.",
        _agree,
    ),
    Act(
        "3  A message from the client",
        "A frame has a header of 2 to 14 bytes and a payload. What a client sends is masked: XORed with four random "
        "bytes that stand in front. That hides nothing; it keeps a script in a browser from choosing the bytes on the "
        "wire, and with them from fooling an old proxy on the way.",
        _hello,
    ),
    Act(
        "4  The answer of the server",
        "The same message, seven bytes in all. A server never masks: a browser is not its victim.",
        _answer,
    ),
    Act(
        "5  A message in fragments, and a ping in the middle",
        "Who does not know yet how long a message will be sends it in pieces: FIN is 0 until the last, and all but the "
        "first are called CONTINUATION. Control frames, such as a ping, may come in between, for they must not wait. "
        "The pong carries the payload of the ping. The server answers when the message is whole.",
        _fragments,
    ),
    Act(
        "6  A character cut in two",
        "Text is UTF-8, but a fragment may end anywhere. The é is two bytes, c3 a9, and here they come in two frames. "
        "Whoever decodes each frame by itself, or rejects the first, is wrong; whoever waits for the end of a long "
        "message to find bytes that can never be UTF-8 is late.",
        _cut,
    ),
    Act(
        "7  A compressed message",
        "Both agreed on permessage-deflate in the handshake, so any message may be compressed; RSV1 says which are. "
        "Here five bytes become seven: it pays for long messages, and for what repeats the messages before. The server "
        "is free to choose, and answers with five.",
        _compressed,
    ),
    Act(
        "8  The goodbye",
        "Each side sends a Close, its last frame, so that both know that nothing was lost. Two bytes of code, 1000 for "
        "a normal end, and a reason for people. Codes such as 1005 (there was none) and 1006 (no Close came) are for "
        "programs, and never travel.",
        _close,
    ),
    Act(
        "9  Who hangs up",
        "The server ends the TCP connection, not the client: whoever does so first has to remember the connection for "
        "minutes (TIME_WAIT), and with the server it cannot hinder the client from connecting again (section 7.1.1).",
        _hang_up,
        "S> ends the TCP connection; the client sees the end of the stream",
    ),
)


# --- Showing it -----------------------------------------------------------------------------------------------------


class _Page:
    """What has to be remembered from one record to the next."""

    def __init__(self) -> None:
        self.request: UpgradeRequest | None = None
        self.seen: set[Role] = set()
        self.message: dict[Role, bytes] = {Role.CLIENT: b"", Role.SERVER: b""}

    def items(self, records: list[Record]) -> Iterator[Item]:
        """What is printed of these records."""
        lines = [record for record in records if isinstance(record, Line)]
        if lines:
            yield from self._head(lines)
        for record in records:
            if isinstance(record, Frame):
                yield from self._frame(record)

    def _head(self, lines: list[Line]) -> list[Item]:
        sender = lines[0].sender
        head = explain_request(lines) if sender is Role.CLIENT else explain_response(lines, self.request)
        self.request = self.request or head.request
        kind = "request" if sender is Role.CLIENT else "answer"
        return [Title((arrow(sender), " ", (kind, "title"), " in HTTP")), *head.items]

    def _frame(self, frame: Frame) -> Iterator[Item]:
        yield Title((arrow(frame.sender), " ", (name_of(frame.header.opcode), "title"), f": {describe(frame)}"))
        # The bits once for each side; after that the reader knows them.
        yield from dissect(frame, bits=frame.sender not in self.seen)
        self.seen.add(frame.sender)
        if frame.text:
            self.message[frame.sender] += frame.content
        if frame.text and frame.header.fin:
            if frame.header.opcode == Opcode.CONTINUATION:
                yield Note(f"The message is whole: '{self.message[frame.sender].decode()}'", "good", "=")
            self.message[frame.sender] = b""


def _show(number: int, act: Act, records: list[Record], page: _Page, terminal: Terminal) -> None:
    end = [Title(((act.end[:2], "server"), act.end[2:]))] if act.end else []
    terminal.out()
    items: list[Item] = [Heading(act.title), Prose(act.prose)]
    for line in lay(items, terminal.width):
        terminal.out(*line)
    for index, item in enumerate([*page.items(records), *end]):
        if index == 0 or isinstance(item, Title):
            terminal.out()
        for line in lay([item], terminal.width):
            terminal.out(*line)


def _show_json(number: int, act: Act, records: list[Record], page: _Page, terminal: Terminal) -> None:
    for record in records:
        value: dict[str, Any] = {"act": number}
        if isinstance(record, Frame):
            value |= {"type": "frame", **frame_json(record)}
        else:
            text = record.text.decode("latin-1")
            value |= {"type": "line", "from": record.sender.value, "offset": record.offset, "line": text}
        terminal.json(value)
    if act.end:
        terminal.json({"act": number, "type": "end", "from": "server"})
