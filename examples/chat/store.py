"""Where messages are kept, and get their numbers: what a store does, and the one for a single process, SQLite.

`add` is the moment that counts.  Before it a message is the client's; when it returns, the message has its place for
good and is accepted.
"""

import sqlite3
from collections.abc import Callable
from time import time
from typing import Any, Protocol, TypeAlias
from uuid import uuid4

from examples.chat.history import KEEP, Message

Hear: TypeAlias = Callable[[Message], object]
"""Is called with each new message of a room, in order."""
Note: TypeAlias = dict[str, Any]
"""What is true just now, and is not kept: who is here, who is typing."""
Overhear: TypeAlias = Callable[[str, str, Note], object]
"""Is called with a note of another process: the room, the process, the note."""


class Unavailable(OSError):
    """The store cannot be reached just now, or no longer has what was asked for."""


class Store(Protocol):
    """Keeps the messages of all rooms."""

    log: str
    """Which numbers these are: another log begins at 1 again."""

    async def start(self, overhear: Overhear) -> None:
        """Begin.  Raises `Unavailable`."""

    async def stop(self) -> None:
        """End."""

    async def open(self, room: str, hear: Hear) -> list[Message]:
        """The last messages of a room; every later one is told to `hear`, until `close`."""

    def close(self, room: str) -> None:
        """Nobody here is in the room any more."""

    async def add(self, room: str, id: str, name: str, text: str) -> int:
        """Keep a message, once for each id; its number.  Raises `Unavailable`."""

    async def whisper(self, room: str, note: Note) -> None:
        """Tell the other processes; it is no matter if that fails, for it will be said again."""


class Local:
    """Everything in this process.  A file survives it; without one, the log ends with the process."""

    def __init__(self, path: str = ":memory:", keep: int = KEEP) -> None:
        self._keep = keep
        self._ears: dict[str, Hear] = {}
        self._db = sqlite3.connect(path, isolation_level=None)
        # Safe if the process is killed, at some 20 µs a message: so it may be done in the loop.  FULL is safe if the
        # machine is, and waits for the disk.
        self._db.executescript("""
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            CREATE TABLE IF NOT EXISTS log (id TEXT);
            CREATE TABLE IF NOT EXISTS messages (
                room TEXT, seq INTEGER, id TEXT, name TEXT, text TEXT, time REAL,
                PRIMARY KEY (room, seq), UNIQUE (room, id)
            ) WITHOUT ROWID;
        """)
        self._db.execute("INSERT INTO log SELECT ? WHERE NOT EXISTS (SELECT * FROM log)", (uuid4().hex,))
        self.log: str = self._db.execute("SELECT id FROM log").fetchone()[0]

    async def start(self, overhear: Overhear) -> None:
        """There are no others."""

    async def stop(self) -> None:
        self._db.close()

    async def open(self, room: str, hear: Hear) -> list[Message]:
        self._ears[room] = hear
        query = "SELECT seq, id, name, text, time FROM messages WHERE room = ? ORDER BY seq DESC LIMIT ?"
        return [Message(*row) for row in self._db.execute(query, (room, self._keep))][::-1]

    def close(self, room: str) -> None:
        self._ears.pop(room, None)

    async def add(self, room: str, id: str, name: str, text: str) -> int:
        known = self._db.execute("SELECT seq FROM messages WHERE room = ? AND id = ?", (room, id)).fetchone()
        if known:
            return int(known[0])
        last = self._db.execute("SELECT max(seq) FROM messages WHERE room = ?", (room,)).fetchone()[0] or 0
        message = Message(last + 1, id, name, text, time())
        self._write(room, message)
        if room in self._ears:
            self._ears[room](message)
        return message.seq

    def _write(self, room: str, message: Message) -> None:
        row = (room, message.seq, message.id, message.name, message.text, message.time)
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", row)
            self._db.execute("DELETE FROM messages WHERE room = ? AND seq <= ?", (room, message.seq - self._keep))

    async def whisper(self, room: str, note: Note) -> None:
        """There are no others."""
