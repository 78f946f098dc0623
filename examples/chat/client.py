"""The chat in a terminal.

    python -m examples.chat.client ws://localhost:8765 --room lobby --name Ann

What is typed is said; Ctrl-D leaves.  When the connection is lost it is opened again, and nothing is lost or doubled:
`Member` remembers what that takes.
"""

import argparse
import asyncio
import getpass
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from time import localtime, strftime
from typing import Any

from examples.chat.member import Member
from rawws import ConnectionClosed
from rawws.aio import WebSocket, connect


class Terminal:
    """One member at a terminal."""

    def __init__(self, url: str, member: Member) -> None:
        self._url = url
        self._member = member
        self._ws: WebSocket | None = None
        self._speaking = asyncio.Lock()  # Nothing is said in the midst of a greeting.

    async def run(self) -> None:
        """Talk until the input ends, and everything that was typed is accepted."""
        staying = asyncio.create_task(self._stay())
        async for line in _lines():
            if line.strip():
                await self._say(line.strip())
        while self._member.outbox and not staying.done():
            await asyncio.sleep(0.05)
        staying.cancel()
        if self._ws is not None:
            await self._ws.close()

    async def _stay(self) -> None:
        """Be in the room, and come back whenever the connection is lost."""
        async for ws in connect(self._url):
            try:
                async with self._speaking:
                    for message in self._member.greeting():
                        await ws.send(message)
                    self._ws = ws
                async for told in ws:
                    self._show(self._member.hear(told))
            except ConnectionClosed:
                pass
            self._ws = None
            print("* The connection is lost; trying again", file=sys.stderr)

    async def _say(self, text: str) -> None:
        async with self._speaking:
            said = self._member.say(text)
            with suppress(ConnectionClosed):  # It is in the outbox, and goes with the next greeting.
                if self._ws is not None:
                    await self._ws.send(said)

    def _show(self, told: dict[str, Any]) -> None:
        match told["kind"]:
            case "welcome":
                missed = f"; {told['missed']} messages are not kept any more" if told["missed"] else ""
                print(f"* You are in {told['room']}{missed}", file=sys.stderr)
            case "messages":
                for message in told["messages"]:
                    at = strftime("%H:%M", localtime(message["time"]))
                    print(f"{at} {_plain(message['name'])}: {_plain(message['text'])}", flush=True)
            case "error":
                print(f"* {told['error']}", file=sys.stderr)


def _plain(text: str) -> str:
    """What others sent, without what would steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


async def _lines() -> AsyncIterator[str]:
    """The lines that are typed.  The thread that reads them does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()
    while line := await lines.get():
        yield line


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.chat.client", description="The chat in a terminal.")
    parser.add_argument("url", nargs="?", default="ws://localhost:8765")
    parser.add_argument("--room", default="lobby")
    parser.add_argument("--name", default=getpass.getuser())
    arguments = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(Terminal(arguments.url, Member(arguments.room, arguments.name)).run())


if __name__ == "__main__":
    main()
