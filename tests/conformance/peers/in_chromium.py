"""Chromium as a client: one page that connects wherever it is told to, and echoes."""

import asyncio
import json
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rawws import Request, Response
from rawws.aio import WebSocket, serve
from rawws.conformance.target import ClientTarget, Target
from tests.chromium import HEADLESS, chromium

START = 60
"""Seconds that Chromium may take to show a page."""


@asynccontextmanager
async def in_chromium(file: Path, **options: Any) -> AsyncIterator[Target]:
    """The target, for as long as Chromium shows the page."""
    target = _Page(**options)
    page = file.read_bytes()

    def show(request: Request) -> Response | None:
        return None if request.upgrade is not None else Response(200, {"Content-Type": "text/html"}, page)

    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with serve(target.control, "127.0.0.1", 0, process_request=show) as server:
            words = [str(chromium()), *HEADLESS, f"--user-data-dir={profile}", f"http://127.0.0.1:{server.port}/"]
            process = await asyncio.create_subprocess_exec(*words, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
            try:
                async with asyncio.timeout(START):
                    await target.ready.wait()
                yield target
            finally:
                process.terminate()
                await process.wait()


class _Socket:
    """One connection of the page."""

    def __init__(self, page: "_Page", id: int) -> None:
        self.page = page
        self.id = id
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        """Wait until it is over."""
        return await asyncio.shield(self.status)

    def kill(self) -> None:
        """Have the page close it; it does so when it can."""
        self.page.tell(id=self.id, kill=True)
        if not self.status.done():
            self.status.set_result(0)


class _Page(ClientTarget):
    """A client that is a page."""

    def __init__(self, **options: Any) -> None:
        super().__init__("chromium", **options)
        self.ready = asyncio.Event()
        self._sockets: list[_Socket] = []
        self._orders: asyncio.Queue[str] = asyncio.Queue()

    async def control(self, ws: WebSocket) -> None:
        """Tell the page what to do, and hear what became of it."""
        self.ready.set()
        telling = asyncio.create_task(self._tell_all(ws))
        async for message in ws:
            told = json.loads(message)
            if not (status := self._sockets[told["id"]].status).done():
                status.set_result(told["status"])
        telling.cancel()

    async def _tell_all(self, ws: WebSocket) -> None:
        while True:
            await ws.send(await self._orders.get())

    def tell(self, **order: Any) -> None:
        """Have the page do something."""
        self._orders.put_nowait(json.dumps(order))

    async def _run(self, url: str, env: Mapping[str, str] | None = None) -> _Socket:
        one = _Socket(self, len(self._sockets))
        self._sockets.append(one)
        self.tell(id=one.id, url=url)
        return one
