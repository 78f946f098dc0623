"""Who is asked: each library in each of its roles, and what its documentation says about its defaults."""

import json
import re
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from rawws.conformance.case import Declared
from rawws.core.settings import Role
from tests.chromium import chromium

KIB, MIB = 1024, 1024 * 1024
NODE = Path(__file__).parents[2] / "interop" / "node" / "node_modules"
"""Where the packages of Node are once `npm ci` has put them there."""
SERVER, CLIENT = Role.SERVER, Role.CLIENT


class Peer(NamedTuple):
    """A library in one of its roles.

    Attributes:
        name: what it is called here.
        role: the side that it plays.
        where: the module here and the function in it; of what is no Python, the file.
        packages: what has to be installed, and whose versions are told; `node:NAME` is one of Node's.
        max_size: the largest message that it takes by its defaults; None: nothing is said, or there is no bound.
        deflate: False if it has no permessage-deflate.
        settle: seconds to wait behind the 101, for one that loses what comes in the same read.
        note: what else there is to know of what is found of it, a paragraph in Markdown.
    """

    name: str
    role: Role
    where: str
    packages: tuple[str, ...]
    max_size: int | None = None
    deflate: bool | None = None
    settle: float = 0.0
    note: str = ""

    @property
    def declared(self) -> Declared:
        """The same for the suite."""
        return Declared(max_size=self.max_size, deflate=self.deflate, settle=self.settle)

    @property
    def versions(self) -> dict[str, str]:
        """Of each package; of one that is not there "".  Nothing is imported."""
        return {name: installed(name) for name in self.packages}

    @property
    def missing(self) -> str:
        """What is not installed, as a sentence; empty if all of it is."""
        lacking = [name for name, found in self.versions.items() if not found]
        return f"not installed: {', '.join(lacking)}" if lacking else ""

    def __str__(self) -> str:
        return f"{self.name}, {self.role.value}"


CORE_OF_PICOWS = """
The core of picows tells of frames, and leaves it to its user to make messages of them. An echo of messages has to, so
what is found about the order of fragments and about UTF-8 across them is found of the echo.
"""

CAUGHT_OUTSIDE = """
`ConnectionClosed` leaves the block that opens the connection, as in the client that the library is itself tested with.
Where it is caught within, the block waits until the server ends TCP, and most cases about a failed connection fail.
"""

LOSES_FRAMES = """
It loses frames that come in the same read as the 101, which 6455/4.1/31 finds. In all other cases the suite waits half
a second behind its 101, so that this does not show everywhere. It does not answer a Close either, and that shows in
each case that ends with one.
"""

PEERS = (
    Peer("websockets-asyncio", SERVER, "with_websockets.serve_asyncio", ("websockets",), MIB),
    Peer("websockets-sync", SERVER, "with_websockets.serve_sync", ("websockets",), MIB),
    Peer("aiohttp", SERVER, "with_aiohttp.serve", ("aiohttp",), 4 * MIB),
    Peer("tornado", SERVER, "with_tornado.serve", ("tornado",), 10 * MIB),
    Peer("tornado-deflate", SERVER, "with_tornado.serve_compressed", ("tornado",), 10 * MIB),
    Peer("picows", SERVER, "with_picows.serve", ("picows",), 10 * MIB, deflate=False, note=CORE_OF_PICOWS),
    Peer("picows-websockets", SERVER, "with_picows.serve_like_websockets", ("picows",), MIB),
    Peer("uvicorn-websockets", SERVER, "with_asgi.uvicorn_on_websockets", ("uvicorn", "websockets"), 16 * MIB),
    Peer("uvicorn-wsproto", SERVER, "with_asgi.uvicorn_on_wsproto", ("uvicorn", "wsproto"), 16 * MIB),
    Peer("hypercorn", SERVER, "with_asgi.hypercorn", ("hypercorn", "wsproto"), 16 * MIB),
    Peer("trio-websocket", SERVER, "with_trio_websocket.serve", ("trio-websocket", "wsproto"), MIB),
    Peer("ws", SERVER, "ws.js", ("node:ws", "node"), 100 * MIB),
    Peer("ws-deflate", SERVER, "ws.js deflate", ("node:ws", "node"), 100 * MIB),
    Peer("websockets-asyncio", CLIENT, "with_websockets.connect_asyncio", ("websockets",), MIB),
    Peer("websockets-sync", CLIENT, "with_websockets.connect_sync", ("websockets",), MIB),
    Peer("aiohttp", CLIENT, "with_aiohttp.connect", ("aiohttp",), 4 * MIB),
    Peer("websocket-client", CLIENT, "with_websocket_client.connect", ("websocket-client",), deflate=False),
    Peer("picows", CLIENT, "with_picows.connect", ("picows",), 10 * MIB, deflate=False, note=CORE_OF_PICOWS),
    Peer("picows-websockets", CLIENT, "with_picows.connect_like_websockets", ("picows",), MIB),
    Peer("tornado", CLIENT, "with_tornado.connect", ("tornado",), 10 * MIB),
    Peer("httpx-ws", CLIENT, "with_httpx_ws.connect", ("httpx-ws", "httpx", "wsproto")),
    Peer(
        "simple-websocket",
        CLIENT,
        "with_simple_websocket.connect",
        ("simple-websocket", "wsproto"),
        settle=0.5,
        note=LOSES_FRAMES,
    ),
    Peer(
        "trio-websocket", CLIENT, "with_trio_websocket.connect", ("trio-websocket", "wsproto"), MIB, note=CAUGHT_OUTSIDE
    ),
    Peer("ws", CLIENT, "ws.js", ("node:ws", "node"), 100 * MIB),
    Peer("chromium", CLIENT, "chromium.html", ("chromium",)),
)


@cache
def installed(package: str) -> str:
    """The version of a package, or "" if it is not there."""
    if package in ("chromium", "node"):
        return _version_of_program(chromium() if package == "chromium" else shutil.which("node"))
    if package.startswith("node:"):
        return _version_on_node(package.removeprefix("node:"))
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _version_on_node(package: str) -> str:
    described = NODE / package / "package.json"
    if shutil.which("node") is None or not described.exists():
        return ""
    return str(json.loads(described.read_text())["version"])


def _version_of_program(program: str | None) -> str:
    if program is None:
        return ""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return next((word.removeprefix("v") for word in told.split() if re.match(r"v?\d", word)), "")
