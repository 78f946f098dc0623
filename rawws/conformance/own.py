"""Our own endpoints as targets, in the process of the suite: what is tested where no URL and no command is given.

    async with own_server() as target: ...      # a ServerTarget
    own_client()                                # a ClientTarget

    python -m rawws.conformance.own {url}       # the same client, as a program

All send every message back and obey the two commands of a target (`obey`).
"""

import asyncio
import re
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from rawws import Deflate, HandshakeRejected, RemoteProtocolError, __version__
from rawws.aio import WebSocket, connect, serve
from rawws.conformance.called import CalledTarget
from rawws.conformance.case import Declared
from rawws.conformance.target import ClientTarget, Process, ServerTarget
from rawws.core.http1 import Request
from rawws.endpoint import Response

NAME = f"rawws {__version__}"
LARGEST = 32 * 1024 * 1024
SERVER = Declared(
    max_size=LARGEST, deflate=True, subprotocol="chat", bad_path="/nowhere", origin_policy="deny", commands=True
)
CLIENT = Declared(max_size=LARGEST, deflate=True, commands=True)
"""What may be said about them."""


async def obey(ws: WebSocket) -> None:
    """Send every message back; "/close CODE" closes with the code, "/send N" asks for a binary message of N bytes."""
    async for message in ws:
        command = re.fullmatch(r"/(close|send) (\d+)", message) if isinstance(message, str) else None
        if command is None:
            await ws.send(message)
        elif command[1] == "close":
            await ws.close(int(command[2]))
        else:
            await ws.send(bytes(int(command[2])))


def _not_there(request: Request) -> Response | None:
    nowhere = request.target.partition("?")[0] == SERVER.bad_path
    return Response(404, (), b"There is nothing here.\n") if nowhere else None


@asynccontextmanager
async def own_server(**options: Any) -> AsyncIterator[ServerTarget]:
    """A server of ours on a free port, for as long as the context lasts; `options` as for `ServerTarget`."""
    protocols = [SERVER.subprotocol]
    async with serve(obey, "127.0.0.1", 0, max_size=LARGEST, subprotocols=protocols, process_request=_not_there) as it:
        target = ServerTarget(f"ws://127.0.0.1:{it.port}/", declared=SERVER, **options)
        target.name = f"{NAME}, asyncio server"
        yield target


def own_client(**options: Any) -> ClientTarget:
    """A client of ours; `options` as for `ClientTarget`."""
    target = _OwnClient(_client, declared=CLIENT, **options)
    target.name = f"{NAME}, asyncio client"
    return target


class _OwnClient(CalledTarget):
    """It has no environment of its own either, but obeys the one word of it that cases say: whom to trust."""

    async def _run(self, url: str, env: Mapping[str, str]) -> Process:
        trusted = env.get("SSL_CERT_FILE")
        context = None if trusted is None else ssl.create_default_context(cafile=trusted)
        return self.call(partial(_client, context=context), url)


async def _client(url: str, context: ssl.SSLContext | None = None) -> None:
    with suppress(OSError, HandshakeRejected, RemoteProtocolError):
        async with connect(
            url, subprotocols=[SERVER.subprotocol], compression=Deflate(), max_size=LARGEST, ssl=context, proxy=None
        ) as ws:
            await obey(ws)


if __name__ == "__main__":
    asyncio.run(_client(sys.argv[1]))
