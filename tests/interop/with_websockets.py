"""`websockets`, with asyncio and with threads."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from websockets.asyncio import client as asyncio_client
from websockets.asyncio import server as asyncio_server
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.sync import client as sync_client
from websockets.sync import server as sync_server

from rawws import Deflate
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


class _Talker(Talker):
    def __init__(self, ws: Any, said: Any) -> None:
        self.ws = ws
        self.path = ws.request.path
        self.subprotocol = ws.subprotocol
        self.headers = _lowered(said.headers)

    @property
    def _ended(self) -> Ended:
        return Ended(self.ws.protocol.close_code, self.ws.protocol.close_reason)


class AsyncioTalker(_Talker):
    """`websockets.asyncio`."""

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

    async def ping(self, payload: bytes) -> None:
        await (await self.ws.ping(payload))

    async def close(self, code: int, reason: str) -> Ended:
        await self.ws.close(code, reason)
        return self._ended

    async def drop(self) -> None:
        self.ws.transport.abort()
        await self.ws.wait_closed()


class SyncTalker(_Talker):
    """`websockets.sync`."""

    async def send(self, message: Message, compress: bool | None = None) -> None:
        self.ws.send(message)

    async def send_fragments(self, parts: Sequence[Message], pings: bool = False) -> None:
        self.ws.send(self._with_pings(parts) if pings else parts)

    def _with_pings(self, parts: Sequence[Message]) -> Iterator[Message]:
        for part in parts:
            yield part
            self.ws.ping()

    async def recv(self) -> Message:
        try:
            message: Message = self.ws.recv(TIMEOUT)
        except ConnectionClosed as end:
            raise self._ended from end
        return message

    async def ping(self, payload: bytes) -> None:
        if not self.ws.ping(payload).wait(TIMEOUT):
            raise TimeoutError

    async def close(self, code: int, reason: str) -> Ended:
        self.ws.close(code, reason)
        return self._ended

    async def drop(self) -> None:
        self.ws.close_socket()


class SyncClientTalker(SyncTalker):
    """The one of a client, which wants to be used in a block."""

    def __init__(self, ws: Any, block: ExitStack) -> None:
        super().__init__(ws, ws.response)
        self._block = block

    async def leave(self) -> None:
        await self.drop()
        self._block.close()


def _lowered(headers: Any) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.raw_items()}


def _parameters(wish: Deflate) -> dict[str, Any]:
    """What both its factories call by the RFC's names; None for what need not be asked for."""
    server, client = wish.server_max_window_bits, wish.client_max_window_bits
    return {
        "server_no_context_takeover": wish.server_no_context_takeover,
        "client_no_context_takeover": wish.client_no_context_takeover,
        "server_max_window_bits": None if server == 15 else server,
        "client_max_window_bits": None if client == 15 else client,
    }


def _as_client(wish: Deflate | None) -> dict[str, Any]:
    if wish is None:
        return {}
    parameters = _parameters(wish)
    parameters["client_max_window_bits"] = parameters["client_max_window_bits"] or True
    return {"extensions": [ClientPerMessageDeflateFactory(**parameters)], "compression": None}


def _as_server(wish: Deflate | None) -> dict[str, Any]:
    if wish is None:
        return {}
    return {"extensions": [ServerPerMessageDeflateFactory(**_parameters(wish))], "compression": None}


def _options(offer: Offer) -> dict[str, Any]:
    return {
        **_as_client(offer.compression),
        "subprotocols": offer.subprotocols or None,
        "additional_headers": offer.headers,
        "ssl": offer.tls and offer.tls.client,
    }


async def _connect_asyncio(offer: Offer) -> Talker:
    try:
        ws = await asyncio_client.connect(offer.uri, **_options(offer))
    except InvalidStatus as answer:
        raise Refused(answer.response.status_code, bytes(answer.response.body)) from answer
    return AsyncioTalker(ws, ws.response)


async def _connect_sync(offer: Offer) -> Talker:
    block = ExitStack()
    try:
        ws = block.enter_context(sync_client.connect(offer.uri, **_options(offer)))
    except InvalidStatus as answer:
        raise Refused(answer.response.status_code, bytes(answer.response.body)) from answer
    return SyncClientTalker(ws, block)


def _hooks(stage: Stage) -> dict[str, Any]:
    def process_request(connection: Any, request: Any) -> Any:
        return connection.respond(403, REFUSAL) if request.path == FORBIDDEN else None

    def process_response(connection: Any, request: Any, response: Any) -> None:
        response.headers.update(GREETING)

    return {
        **_as_server(stage.compression),
        "select_subprotocol": lambda _, offered: choose_subprotocol(offered),
        "process_request": process_request,
        "process_response": process_response,
        "ssl": stage.tls and stage.tls.server,
    }


@contextmanager
def _serve_asyncio(stage: Stage) -> Iterator[int]:
    async def handler(ws: Any) -> None:
        await stage.host.converse(AsyncioTalker(ws, ws.request))

    async def start() -> Any:
        return await asyncio_server.serve(handler, HOST, 0, **_hooks(stage))

    async def stop() -> None:
        server.close()
        await server.wait_closed()

    server = stage.run(start())
    try:
        yield next(iter(server.sockets)).getsockname()[1]
    finally:
        stage.run(stop())


@contextmanager
def _serve_sync(stage: Stage) -> Iterator[int]:
    def handler(ws: Any) -> None:
        at_once(stage.host.converse(SyncTalker(ws, ws.request)))

    server = sync_server.serve(handler, HOST, 0, **_hooks(stage))
    with in_thread(server.serve_forever, server.shutdown):
        yield server.socket.getsockname()[1]


ASYNCIO = Ends(_connect_asyncio, _serve_asyncio)
SYNC = Ends(_connect_sync, _serve_sync)
