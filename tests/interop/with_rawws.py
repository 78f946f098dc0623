"""Our own two transports."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rawws import ConnectionClosed, HandshakeRejected, Request, Response, aio, blocking
from tests.interop.talk import (
    FORBIDDEN,
    GREETING,
    HOST,
    REFUSAL,
    TIMEOUT,
    Ended,
    Ends,
    Message,
    Offer,
    Refused,
    Stage,
    Talker,
    at_once,
    choose_subprotocol,
    in_thread,
)


def _introduce(talker: Talker, ws: aio.WebSocket | blocking.WebSocket, path: str) -> None:
    said = ws.request or ws.response
    assert said is not None
    talker.path = path if ws.request is None else ws.request.target
    talker.subprotocol = ws.subprotocol
    talker.headers = {name.decode(): value.decode() for name, value in said.headers}


class AioTalker(Talker):
    """`rawws.aio.WebSocket`."""

    def __init__(self, ws: aio.WebSocket, path: str = "") -> None:
        self.ws = ws
        _introduce(self, ws, path)

    async def send(self, message: Message, compress: bool | None = None) -> None:
        await self.ws.send(message, compress=compress)

    async def send_fragments(self, parts: Sequence[Message], pings: bool = False) -> None:
        await self.ws.send(self._with_pings(parts) if pings else parts)

    async def _with_pings(self, parts: Sequence[Message]) -> AsyncIterator[Message]:
        for part in parts:
            await self.ws.ping()
            yield part

    async def recv(self) -> Message:
        try:
            return await self.ws.recv()
        except ConnectionClosed as end:
            raise Ended(end.code, end.reason) from end

    async def ping(self, payload: bytes) -> None:
        await (await self.ws.ping(payload))

    async def close(self, code: int, reason: str) -> Ended:
        await self.ws.close(code, reason)
        return Ended(self.ws.close_code, self.ws.close_reason)

    async def drop(self) -> None:
        self.ws.abort()
        await self.ws.wait_closed()

    async def leave(self) -> None:
        await self.ws.close()


class BlockingTalker(Talker):
    """`rawws.blocking.WebSocket`."""

    def __init__(self, ws: blocking.WebSocket, path: str = "") -> None:
        self.ws = ws
        _introduce(self, ws, path)

    async def send(self, message: Message, compress: bool | None = None) -> None:
        self.ws.send(message, compress=compress)

    async def send_fragments(self, parts: Sequence[Message], pings: bool = False) -> None:
        self.ws.send(self._with_pings(parts) if pings else parts)

    def _with_pings(self, parts: Sequence[Message]) -> Iterator[Message]:
        for part in parts:
            self.ws.ping()
            yield part

    async def recv(self) -> Message:
        try:
            return self.ws.recv(TIMEOUT)
        except ConnectionClosed as end:
            raise Ended(end.code, end.reason) from end

    async def ping(self, payload: bytes) -> None:
        self.ws.ping(payload).wait(TIMEOUT)

    async def close(self, code: int, reason: str) -> Ended:
        self.ws.close(code, reason)
        return Ended(self.ws.close_code, self.ws.close_reason)

    async def drop(self) -> None:
        self.ws.abort()

    async def leave(self) -> None:
        self.ws.close()


def _said(offer: Offer) -> dict[str, Any]:
    return {
        "headers": offer.headers,
        "subprotocols": offer.subprotocols,
        "compression": offer.compression,
        "ssl": offer.tls and offer.tls.client,
        "tap": offer.wire and offer.wire.tap,
    }


async def _connect_aio(offer: Offer) -> Talker:
    try:
        ws = await aio.connect(offer.uri, **_said(offer))
    except HandshakeRejected as answer:
        raise Refused(answer.status, answer.body) from answer
    return AioTalker(ws, offer.path)


async def _connect_blocking(offer: Offer) -> Talker:
    try:
        ws = blocking.connect(offer.uri, **_said(offer))
    except HandshakeRejected as answer:
        raise Refused(answer.status, answer.body) from answer
    return BlockingTalker(ws, offer.path)


def _process_request(request: Request) -> Response | None:
    return Response(403, {"Content-Type": "text/plain"}, REFUSAL) if request.target == FORBIDDEN else None


def _options(stage: Stage, **others: Any) -> dict[str, Any]:
    usual = {
        "ssl": stage.tls and stage.tls.server,
        "compression": stage.compression,
        "tap": stage.host.overhear,
        "select_subprotocol": choose_subprotocol,
        "process_request": _process_request,
        "process_response": lambda _: GREETING,
    }
    return usual | others


@contextmanager
def serve_aio(stage: Stage, **options: Any) -> Iterator[int]:
    """Serve with asyncio; `options` as in `rawws.aio.serve`."""

    async def handler(ws: aio.WebSocket) -> None:
        await stage.host.converse(AioTalker(ws))

    async def start() -> aio.Server:
        return await aio.serve(handler, HOST, 0, **_options(stage, **options))

    server = stage.run(start())
    try:
        yield server.port
    finally:
        stage.run(server.close())


@contextmanager
def serve_blocking(stage: Stage, **options: Any) -> Iterator[int]:
    """Serve with threads; `options` as in `rawws.blocking.serve`."""

    def handler(ws: blocking.WebSocket) -> None:
        at_once(stage.host.converse(BlockingTalker(ws)))

    server = blocking.serve(handler, HOST, 0, **_options(stage, **options))
    with in_thread(server.serve_forever, server.close):
        yield server.port


AIO = Ends(_connect_aio, serve_aio)
BLOCKING = Ends(_connect_blocking, serve_blocking)
