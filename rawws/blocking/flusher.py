"""Writes what `broadcast` and `start_close` could not: a thread that is there only while something is left over.

Who sends to many, or only begins to close, does not wait, and so nobody may be there to go on when the kernel has room
again: the thread of the connection may be busy elsewhere, or sleep in a poll for what the peer says.  So this one, the
same for the whole process, polls those that have something left, and does for them what a thread that sends does while
it waits.
"""

import contextlib
import logging
import os
import select
import socket
import threading
from collections.abc import Callable, Collection
from time import monotonic
from typing import TypeAlias

LOOK_INTERVAL = 0.25
"""Seconds after which all are looked after, for their deadlines."""

CarryOn: TypeAlias = Callable[[], bool]
"""Writes what fits and looks after the deadlines; whether something is left.  It does not wait."""

_logger = logging.getLogger("rawws.blocking")


class Flusher:
    """Carries on for connections with something left, in a thread that begins with the first and ends with the last."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Know of nobody.

        So it is in a child of fork: what is left is the parent's to send, whose thread went with it, holding the lock
        perhaps; and the waker would wake the parent.
        """
        self._lock = threading.Lock()
        self._late: dict[socket.socket, CarryOn] = {}
        self._thread: threading.Thread | None = None
        self._waker, self._wakee = socket.socketpair()
        for sock in (self._waker, self._wakee):
            sock.setblocking(False)

    def add(self, sock: socket.socket, carry_on: CarryOn) -> None:
        """Call `carry_on` whenever `sock` can be written, until nothing is left."""
        with self._lock:
            if sock in self._late:
                return
            self._late[sock] = carry_on
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rawws flusher", daemon=True)
                self._thread.start()
            else:
                with contextlib.suppress(BlockingIOError):
                    self._waker.send(b"\0")

    def _run(self) -> None:
        look_at = monotonic() + LOOK_INTERVAL
        while late := self._those_left():
            ready: Collection[socket.socket] = _writable(late, self._wakee)
            if monotonic() >= look_at:
                ready, look_at = late, monotonic() + LOOK_INTERVAL
            for sock in ready:
                self._carry_on(sock)

    def _carry_on(self, sock: socket.socket) -> None:
        """Taken out before it is carried on: whoever leaves something over meanwhile puts it in again."""
        with self._lock:
            carry_on = self._late.pop(sock)
        if _goes_on(carry_on):
            with self._lock:
                self._late.setdefault(sock, carry_on)

    def _those_left(self) -> dict[socket.socket, CarryOn]:
        with self._lock:
            if not self._late:
                self._thread = None
            return self._late.copy()


def _goes_on(carry_on: CarryOn) -> bool:
    try:
        return carry_on()
    except Exception:
        _logger.exception("what was left of a broadcast could not be sent")
        return False


def _writable(late: Collection[socket.socket], wakee: socket.socket) -> Collection[socket.socket]:
    """Those that can be written, or are gone; none if the time was over first, or somebody was added."""
    numbers = {sock.fileno(): sock for sock in late}
    if -1 in numbers:
        return [numbers[-1]]
    with contextlib.suppress(BlockingIOError):
        wakee.recv(4096)
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(wakee, select.POLLIN)
        for number in numbers:
            poll.register(number, select.POLLOUT)
        return [numbers[number] for number, _ in poll.poll(LOOK_INTERVAL * 1000) if number in numbers]
    try:
        _, ready, _ = select.select([wakee], list(numbers), [], LOOK_INTERVAL)
    except OSError:
        return late  # One was closed meanwhile.
    return [numbers[number] for number in ready]


FLUSHER = Flusher()
"""That of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=FLUSHER.begin_anew)
