"""The server: who is in which room, and what happens to what they say.

One process and several are the same here: a message goes into the store, and what comes out of the store goes to
everybody who is in the room here.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from examples.chat.history import History, Message
from examples.chat.protocol import Join, Mistake, Said, Say, Typing, read, tell
from examples.chat.store import Note, Store, Unavailable
from rawws import CloseCode, Request, Response
from rawws.aio import WebSocket, broadcast

TICK = 5.0
"""Seconds between two reminders of who is here.  What another process has not said for three of them is over."""
BATCH = 20
"""Messages that are sent at once to who catches up; the longest fill no more than what may wait."""
BEHIND = 256 * 1024
"""Bytes that may wait for a member.  Who is further behind is closed with 1008, and comes back for what it missed."""
PACE = 0.02
"""Seconds that a member's next message waits: nobody says more than 50 a second, and nobody is told off for it."""

PAGE = Path(__file__).with_name("page.html")
HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-cache"),
    ("X-Content-Type-Options", "nosniff"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
        "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


def page(request: Request) -> Response | None:
    """The web page, on the port of the WebSocket; None leaves it to the opening handshake."""
    if request.upgrade is not None or any(name == b"upgrade" for name, _ in request.headers):
        return None
    match request.target.partition("?")[0]:
        case "/":
            return Response(200, HEADERS, PAGE.read_bytes())
        case "/health":
            return Response(200, {"Content-Type": "text/plain"}, "ok\n")
    return Response(404, {"Content-Type": "text/plain"}, "The chat is at /\n")


@dataclass(eq=False)
class Room:
    """A room that somebody of this process is in.

    Attributes:
        opening: done when the history is there.
        members: their names; who still catches up is none of them.
        visitors: how many are in it, those too.
        elsewhere: by process, the names of those who are in the room there, and when it said so.
    """

    name: str
    opening: "asyncio.Future[None]"
    history: History = field(default_factory=History)
    members: dict[WebSocket, str] = field(default_factory=dict)
    visitors: int = 0
    elsewhere: dict[str, tuple[list[str], float]] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """A new message, from the store."""
        if 0 < self.history.last < message.seq - 1:
            # The store was away for so long that it has forgotten some.  Who comes back is told how many.
            self.history = History()
            for ws in list(self.members):
                ws.start_close(CloseCode.SERVICE_RESTART, "messages are missing")
        if self.history.take(message):
            self.send(tell("messages", messages=[asdict(message)]))

    def send(self, text: str, but: WebSocket | None = None) -> None:
        """Send something to all members, without waiting for any."""
        broadcast([ws for ws in self.members if ws is not but], text, limit=BEHIND)

    def show_who_is_here(self) -> None:
        names = {*self.members.values(), *(name for names, _ in self.elsewhere.values() for name in names)}
        self.send(tell("here", names=sorted(names, key=str.casefold)))


@dataclass(eq=False)
class Guest:
    """A connection, and where it is."""

    ws: WebSocket
    name: str = ""
    room: Room | None = None


class Chat:
    """All rooms of this process.  An instance is the handler of a `Server`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rooms: dict[str, Room] = {}
        self._tasks: set[asyncio.Future[None]] = set()

    async def __aenter__(self) -> "Chat":
        await self._store.start(self._overhear)
        self._soon(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await self._store.stop()

    async def __call__(self, ws: WebSocket) -> None:
        """One connection, from its join to its end."""
        guest = Guest(ws)
        try:
            async for data in ws:
                try:
                    await self._do(guest, read(data))
                except Mistake as mistake:
                    await ws.send(tell("error", error=str(mistake), id=mistake.id))
                await asyncio.sleep(PACE)
        except Unavailable:
            # Whether it was stored is not known: the client comes back and sends it again, and it is stored once.
            await ws.close(CloseCode.TRY_AGAIN_LATER, "come back later")
        finally:
            await self._leave(guest)

    async def _do(self, guest: Guest, said: Said) -> None:
        if isinstance(said, Join):
            await self._leave(guest)
            await self._join(guest, said)
        elif guest.room is None:
            raise Mistake("join a room first", said.id if isinstance(said, Say) else None)
        elif isinstance(said, Say):
            seq = await self._store.add(guest.room.name, said.id, guest.name, said.text)
            await guest.ws.send(tell("accepted", id=said.id, seq=seq))
        elif isinstance(said, Typing):
            guest.room.send(tell("typing", name=guest.name), but=guest.ws)
            await self._store.whisper(guest.room.name, {"typing": guest.name})

    # --- Coming and going -----------------------------------------------------------------------------------------

    async def _join(self, guest: Guest, join: Join) -> None:
        room = self._rooms.get(join.room) or self._open(join.room)
        room.visitors += 1
        guest.room, guest.name = room, join.name
        await asyncio.shield(room.opening)
        seen, missed = room.history.begin(join.seen if join.log == self._store.log else None)
        await guest.ws.send(tell("welcome", room=room.name, log=self._store.log, seen=seen, missed=missed))
        while batch := room.history.since(seen, BATCH):
            if batch[0].seq != seen + 1:
                raise Unavailable("the next message was forgotten before it could be sent")
            await guest.ws.send(tell("messages", messages=[asdict(message) for message in batch]))
            seen = batch[-1].seq
        # Since the last look into the history nothing was awaited: nothing is missed, and nothing comes twice.
        room.members[guest.ws] = guest.name
        await self._tell_who_is_here(room)

    async def _leave(self, guest: Guest) -> None:
        room, guest.room = guest.room, None
        if room is None:
            return
        room.members.pop(guest.ws, None)
        room.visitors -= 1
        if room.visitors == 0:
            del self._rooms[room.name]
            self._store.close(room.name)
        await self._tell_who_is_here(room)

    def _open(self, name: str) -> Room:
        """A room that nobody here was in; others who come while it is being opened wait for that."""

        async def load() -> None:
            room.history = History(await self._store.open(name, room.take))

        room = self._rooms[name] = Room(name, asyncio.ensure_future(load()))
        return room

    # --- Who is here ----------------------------------------------------------------------------------------------

    async def _tell_who_is_here(self, room: Room) -> None:
        room.show_who_is_here()
        await self._store.whisper(room.name, {"here": list(room.members.values())})

    async def _tick(self) -> None:
        """Say again who is here: other processes forget it else, and a page sees that the connection lives."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(TICK)
            for room in list(self._rooms.values()):
                known = room.elsewhere.items()
                room.elsewhere = {process: told for process, told in known if clock() - told[1] < 3 * TICK}
                await self._tell_who_is_here(room)

    def _overhear(self, name: str, process: str, note: Note) -> None:
        """What another process whispers about a room."""
        room = self._rooms.get(name)
        if room is None:
            return
        if "typing" in note:
            room.send(tell("typing", name=note["typing"]))
            return
        was_known = room.elsewhere.pop(process, None) is not None
        if note["here"]:
            room.elsewhere[process] = note["here"], asyncio.get_running_loop().time()
        room.show_who_is_here()
        if note["here"] and not was_known:  # It does not know us either.
            self._soon(self._store.whisper(name, {"here": list(room.members.values())}))

    def _soon(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
