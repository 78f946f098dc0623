"""The lock of a blocking connection, and how the answers to many messages do without it."""

import threading

from rawws.core.connection import Connection
from rawws.core.errors import NotOpen


class Lock:
    """The lock of a connection; a thread that holds it may take it again.

    Who answers many messages that came together would take it for each.  So that one thread puts what it sends into
    `gathered`, without the lock, and whoever takes the lock queues it: who holds it finds everything in its place.
    """

    __slots__ = ("_connection", "bare", "gathered", "release")

    def __init__(self, connection: Connection) -> None:
        self.gathered: list[str | bytes] = []
        self._connection = connection
        self.bare = threading.RLock()
        """For who waits with it: when it is taken again, `queue_gathered` is to be called."""
        self.release = self.bare.release

    def acquire(self) -> None:
        """Wait until it is free, take it, and queue what was gathered."""
        self.bare.acquire()
        if self.gathered:
            try:
                self.queue_gathered()
            except BaseException:
                self.release()
                raise

    def queue_gathered(self) -> None:
        """Queue what was gathered, with the lock held; more may be put behind it meanwhile."""
        try:
            if self.gathered:
                self._connection.send_messages(self.gathered)
        except NotOpen:
            self.gathered.clear()  # The Close went out in between: they are too late, as if they had been on their way.

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
