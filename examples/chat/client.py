"""The chat in a terminal.

    python -m examples.chat.client ws://localhost:8765 --room lobby --name Ann

What is typed is said; Ctrl-D leaves.  When the connection is lost it is opened again, and nothing is lost or doubled:
`Member` remembers what that takes.
"""

import argparse
import asyncio
import getpass
import io
import sys
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import suppress
from time import localtime, strftime
from typing import Any

from examples.chat.member import Member
from rawws import ConnectionClosed, HandshakeRejected
from rawws.aio import WebSocket, reconnect
from rawws.backoff import may_pass


class Line:
    """A member with a connection that comes back.

    Args:
        connections: one after another, as `reconnect` gives them.
        show: is called with what the server says, and with None when the connection is lost.
    """

    def __init__(
        self, connections: AsyncIterable[WebSocket], member: Member, show: Callable[[dict[str, Any] | None], object]
    ) -> None:
        self.member = member
        self._connections = connections
        self._show = show
        self._ws: WebSocket | None = None
        self._speaking = asyncio.Lock()  # Nothing is said in the midst of a greeting.

    async def stay(self) -> None:
        """Be in the room, and come back whenever the connection is lost, until this is cancelled."""
        async for ws in self._connections:
            async with ws:
                with suppress(ConnectionClosed):
                    await self._greet(ws)
                    async for told in ws:
                        self._show(self.member.hear(told))
            self._ws = None
            self._show(None)

    async def say(self, text: str) -> None:
        """Say something: now, or with the next greeting."""
        async with self._speaking:
            said = self.member.say(text)
            with suppress(ConnectionClosed):
                if self._ws is not None:
                    await self._ws.send(said)

    async def _greet(self, ws: WebSocket) -> None:
        async with self._speaking:
            for said in self.member.greeting():
                await ws.send(said)
            self._ws = ws


async def talk(url: str, member: Member) -> None:
    """Talk until the input ends, and everything that was typed is accepted."""
    trouble = Trouble()
    line = Line(reconnect(url, retry=trouble.failed), member, trouble.show)
    tasks = [asyncio.create_task(line.stay()), asyncio.create_task(_type(line))]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for task in done:
        task.result()


async def _type(line: Line) -> None:
    """Say what is typed; done when the input has ended and all of it is accepted."""
    async for typed in _lines():
        if typed.strip():
            try:
                await line.say(typed.strip())
            except ValueError as error:
                print(f"* {error}", file=sys.stderr)
    while line.member.outbox:
        await asyncio.sleep(0.05)


class Trouble:
    """Says that there is no connection, and why: once, and not with each attempt."""

    def __init__(self) -> None:
        self._is_told = False

    def failed(self, error: Exception) -> None:
        """An attempt to connect has failed."""
        if not self._is_told and may_pass(error):
            print(f"* Cannot connect: {_plain(str(error))}; trying again", file=sys.stderr)
        self._is_told = True

    def show(self, told: dict[str, Any] | None) -> None:
        """Print what the server says; from then on, trouble is new."""
        self._is_told = False
        show(told)


def show(told: dict[str, Any] | None) -> None:
    """Print what the server says: messages as the output, and the rest beside it."""
    match told:
        case None:
            print("* The connection is lost; trying again", file=sys.stderr)
        case {"kind": "welcome", "room": room, "missed": missed}:
            gone = f"; {missed} messages are not kept any more" if missed else ""
            print(f"* You are in {_plain(room)}{gone}", file=sys.stderr)
        case {"kind": "messages", "messages": messages}:
            for message in messages:
                at = strftime("%H:%M", localtime(message["time"]))
                print(f"{at} {_plain(message['name'])}: {_plain(message['text'])}", flush=True)
        case {"kind": "error", "error": error}:
            print(f"* {_plain(error)}", file=sys.stderr)


def _plain(text: str) -> str:
    """What others sent, without what would steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


async def _lines() -> AsyncIterator[str]:
    """The lines that are typed.  The thread that reads them does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        try:
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(errors="replace")
            for line in sys.stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line)
        finally:
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
    try:
        asyncio.run(talk(arguments.url, Member(arguments.room, arguments.name)))
    except KeyboardInterrupt:
        pass
    except (HandshakeRejected, OSError, ValueError) as error:
        sys.exit(f"Cannot connect: {_plain(str(error))}")


if __name__ == "__main__":
    main()
