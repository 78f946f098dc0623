import asyncio

from rawws.aio import WebSocket, serve


async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


async def main() -> None:
    async with serve(echo, "localhost", 8765) as server:
        await server.serve_forever()


asyncio.run(main())
