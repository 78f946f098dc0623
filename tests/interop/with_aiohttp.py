"""`aiohttp`, its client and its server."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from tests.interop.talk import (
    FORBIDDEN,
    GREETING,
    HOST,
    LIMIT,
    REFUSAL,
    SUBPROTOCOL,
    Ended,
    Ends,
    Message,
    Offer,
    Refused,
    Stage,
    Talker,
)

# It refuses a message that is as long as its limit.
_MAX_MSG_SIZE = LIMIT + 1


class AiohttpTalker(Talker):
    """The WebSocket of either side; they have the same verbs."""

    def __init__(self, ws: Any, path: str, headers: Any) -> None:
        self.ws = ws
        self.path = path
        self.subprotocol = ws.ws_protocol if isinstance(ws, web.WebSocketResponse) else ws.protocol
        self.headers = {name.lower(): value for name, value in headers.items()}
        self._waiting: deque[Message] = deque()
        self._pongs: set[bytes] = set()

    async def send(self, message: Message, compress: bool | None = None) -> None:
        await (self.ws.send_str if isinstance(message, str) else self.ws.send_bytes)(message)

    async def send_fragments(self, parts: Sequence[Message], pings: bool = False) -> None:
        raise NotImplementedError("it has no means for it")

    async def recv(self) -> Message:
        while not self._waiting:
            await self._step()
        return self._waiting.popleft()

    async def _step(self) -> None:
        """Take what comes next, whatever it is."""
        message = await self.ws.receive()
        match message.type:
            case WSMsgType.TEXT | WSMsgType.BINARY:
                self._waiting.append(message.data)
            case WSMsgType.PING:
                await self.ws.pong(message.data)
            case WSMsgType.PONG:
                self._pongs.add(bytes(message.data))
            case WSMsgType.CLOSE:
                raise Ended(message.data, message.extra)
            case _:
                raise Ended(self.ws.close_code, None)

    async def ping(self, payload: bytes) -> None:
        await self.ws.ping(payload)
        while payload not in self._pongs:
            await self._step()

    async def close(self, code: int, reason: str) -> Ended:
        await self.ws.close(code=code, message=reason.encode())
        return Ended(self.ws.close_code, None)


class ClientTalker(AiohttpTalker):
    """The one of a client, with the session that it needs."""

    def __init__(self, session: aiohttp.ClientSession, *opened: Any) -> None:
        super().__init__(*opened)
        self._session = session

    async def drop(self) -> None:
        await self._session.close()


class ServerTalker(AiohttpTalker):
    """The one of a server, with the request that it answers."""

    def __init__(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        super().__init__(ws, request.raw_path, request.headers)
        self._request = request

    async def drop(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()


async def _connect(offer: Offer) -> Talker:
    answers: list[Any] = []

    async def note(session: Any, context: Any, end: aiohttp.TraceRequestEndParams) -> None:
        answers.append(end.response.headers)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(note)
    session = aiohttp.ClientSession(trace_configs=[trace])
    try:
        ws = await session.ws_connect(
            offer.uri,
            protocols=offer.subprotocols,
            headers=offer.headers,
            autoping=False,
            compress=15 if offer.compression is None else offer.compression.server_max_window_bits,
            max_msg_size=_MAX_MSG_SIZE,
            ssl=offer.tls.client if offer.tls else True,
        )
    except BaseException as error:
        await session.close()
        if isinstance(error, aiohttp.WSServerHandshakeError):
            raise Refused(error.status, None) from error
        raise
    return ClientTalker(session, ws, offer.path, answers[0])


@contextmanager
def _serve(stage: Stage) -> Iterator[int]:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == FORBIDDEN:
            return web.Response(status=403, text=REFUSAL)
        ws = web.WebSocketResponse(protocols=(SUBPROTOCOL,), autoping=False, max_msg_size=_MAX_MSG_SIZE)
        ws.headers.update(GREETING)
        await ws.prepare(request)
        await stage.host.converse(ServerTalker(request, ws))
        return ws

    async def start() -> tuple[web.AppRunner, int]:
        application = web.Application()
        application.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0, ssl_context=stage.tls and stage.tls.server).start()
        return runner, runner.addresses[0][1]

    runner, port = stage.run(start())
    try:
        yield port
    finally:
        stage.run(runner.cleanup())


AIOHTTP = Ends(_connect, _serve)
