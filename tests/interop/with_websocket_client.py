"""`websocket-client`, which is a client only."""

import struct
from collections.abc import Sequence
from typing import Any

import websocket
from websocket import ABNF

from tests.interop.talk import TIMEOUT, Ended, Ends, Message, Offer, Refused, Talker


class WebsocketClientTalker(Talker):
    """`websocket.WebSocket`."""

    def __init__(self, ws: Any, path: str) -> None:
        self.ws = ws
        self.path = path
        self.subprotocol = ws.getsubprotocol()
        self.headers = ws.getheaders()

    async def send(self, message: Message, compress: bool | None = None) -> None:
        self.ws.send(message, ABNF.OPCODE_TEXT if isinstance(message, str) else ABNF.OPCODE_BINARY)

    async def send_fragments(self, parts: Sequence[Message], pings: bool = False) -> None:
        opcode = ABNF.OPCODE_TEXT if isinstance(parts[0], str) else ABNF.OPCODE_BINARY
        for number, part in enumerate(parts):
            if pings and number:
                self.ws.ping(str(number))
            data = part.encode() if isinstance(part, str) else part
            last = number == len(parts) - 1
            self.ws.send_frame(ABNF.create_frame(data, opcode if number == 0 else ABNF.OPCODE_CONT, int(last)))

    async def recv(self) -> Message:
        while True:
            opcode, data = self._next()
            if opcode == ABNF.OPCODE_TEXT:
                return data.decode()
            if opcode == ABNF.OPCODE_BINARY:
                return data

    def _next(self) -> tuple[int, bytes]:
        """The next message or control frame, as an opcode and a payload."""
        try:
            opcode, frame = self.ws.recv_data_frame(control_frame=True)
        except (websocket.WebSocketConnectionClosedException, ConnectionError) as end:
            raise Ended(1006, "") from end
        if opcode == ABNF.OPCODE_CLOSE:
            raise _read_close(frame.data)
        return opcode, frame.data

    async def ping(self, payload: bytes) -> None:
        self.ws.ping(payload)
        while self._next() != (ABNF.OPCODE_PONG, payload):
            pass

    async def close(self, code: int, reason: str) -> Ended:
        # Its own `close` does not tell what the answer was.
        self.ws.send_close(code, reason.encode())
        while True:
            frame = self.ws.recv_frame()
            if frame.opcode == ABNF.OPCODE_CLOSE:
                self.ws.shutdown()
                return _read_close(frame.data)

    async def drop(self) -> None:
        self.ws.shutdown()


def _read_close(body: bytes) -> Ended:
    return Ended(struct.unpack("!H", body[:2])[0], body[2:].decode()) if body else Ended(1005, "")


async def _connect(offer: Offer) -> Talker:
    try:
        ws = websocket.create_connection(
            offer.uri,
            timeout=TIMEOUT,
            subprotocols=list(offer.subprotocols) or None,
            header=dict(offer.headers),
            sslopt={"context": offer.tls.client} if offer.tls else None,
        )
    except websocket.WebSocketBadStatusException as answer:
        raise Refused(answer.status_code, answer.resp_body) from answer
    return WebsocketClientTalker(ws, offer.path)


CLIENT = Ends(_connect, None)
