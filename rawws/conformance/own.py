"""Our own endpoints as targets: the server that is tested where no URL is given, and a client to be started by command.

    async with own_server() as target: ...      # a ServerTarget
    own_client()                                # a ClientTarget that runs `python -m rawws.conformance.own {url}`

Both send every message back and obey the two commands of a target (`obey`).
"""

import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from rawws import Deflate, HandshakeRejected, RemoteProtocolError, __version__
from rawws.aio import WebSocket, connect, serve
from rawws.conformance.case import Declared
from rawws.conformance.target import ClientTarget, ServerTarget
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
    target = ClientTarget(f"{shlex.quote(sys.executable)} -m {__name__} {{url}}", declared=CLIENT, **options)
    target.name = f"{NAME}, asyncio client"
    return target


async def _main(url: str) -> None:
    with suppress(OSError, HandshakeRejected, RemoteProtocolError):
        async with connect(url, compression=Deflate(), max_size=LARGEST) as ws:
            await obey(ws)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
