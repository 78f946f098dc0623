"""httpx-ws."""

import asyncio

import wsproto.events
from httpx_ws import aconnect_ws


def connect(url: str) -> None:
    """Echo what comes from a server."""

    async def main() -> None:
        async with aconnect_ws(url) as ws:
            while True:
                event = await ws.receive()
                if isinstance(event, wsproto.events.TextMessage):
                    await ws.send_text(event.data)
                elif isinstance(event, wsproto.events.BytesMessage):
                    await ws.send_bytes(bytes(event.data))

    asyncio.run(main())
