"""`picows`, by that layer of it which has the names of `websockets`."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from picows import websockets
from picows.websockets import ConnectionClosed, InvalidStatus

from rawws import Deflate
from tests.interop.talk import (
    FORBIDDEN,
    GREETING,
    HOST,
    REFUSAL,
    Ended,
    Ends,
    Message,
    Offer,
    Refused,
    Stage,
    Talker,
    choose_subprotocol,
)


class PicowsTalker(Talker):
    """`picows.websockets`, either side."""

    def __init__(self, ws: Any, said: Any) -> None:
        self.ws = ws
        self.path = ws.request.path
        self.subprotocol = ws.subprotocol
        self.headers = {name.lower(): value for name, value in said.headers.items()}

    async def send(self, message: Message, compress: bool | None = None) -> None:
        await self.ws.send(message)

    async def send_fragments(self, parts: Sequence[Message], pings: bool = False) -> None:
        await self.ws.send(self._with_pings(parts) if pings else parts)

    async def _with_pings(self, parts: Sequence[Message]) -> AsyncIterator[Message]:
        for part in parts:
            yield part
            await self.ws.ping()

    async def recv(self) -> Message:
        try:
            message: Message = await self.ws.recv()
        except ConnectionClosed as end:
            await self.ws.wait_closed()
            raise self._ended from end
        return message

    @property
    def _ended(self) -> Ended:
        code = self.ws.close_code
        return Ended(1006, "") if code is None else Ended(code, self.ws.close_reason)

    async def ping(self, payload: bytes) -> None:
        await (await self.ws.ping(payload))

    async def close(self, code: int, reason: str) -> Ended:
        await self.ws.close(code, reason)
        return self._ended

    async def drop(self) -> None:
        raise NotImplementedError("it has no means for it")

    async def leave(self) -> None:
        await self.ws.close()


def _compression(wish: Deflate | None) -> str:
    assert wish is None, "it has no parameters"
    return "deflate"


async def _connect(offer: Offer) -> Talker:
    try:
        ws = await websockets.connect(
            offer.uri,
            subprotocols=offer.subprotocols or None,
            additional_headers=offer.headers,
            ssl=offer.tls and offer.tls.client,
            compression=_compression(offer.compression),
        )
    except InvalidStatus as answer:
        raise Refused(answer.response.status_code, None) from answer
    return PicowsTalker(ws, ws.response)


@contextmanager
def _serve(stage: Stage) -> Iterator[int]:
    async def handler(ws: Any) -> None:
        await stage.host.converse(PicowsTalker(ws, ws.request))

    def process_request(connection: Any, request: Any) -> Any:
        return connection.respond(403, REFUSAL) if request.path == FORBIDDEN else None

    def process_response(connection: Any, request: Any, response: Any) -> Any:
        response.headers.update(GREETING)
        return response

    async def start() -> Any:
        return await websockets.serve(
            handler,
            HOST,
            0,
            select_subprotocol=lambda _, offered: choose_subprotocol(offered),
            process_request=process_request,
            process_response=process_response,
            ssl=stage.tls and stage.tls.server,
            compression=_compression(stage.compression),
        )

    async def stop() -> None:
        server.close()
        await server.wait_closed()

    server = stage.run(start())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        stage.run(stop())


PICOWS = Ends(_connect, _serve)
