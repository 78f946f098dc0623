"""One echo in Python as a process: `python -m tests.conformance.peers.play with_aiohttp.serve`, or `.connect`.

A server binds a free port, or the one that is named behind it, tells it on stdout, and echoes until its stdin ends.  A
client reads lines of JSON from its stdin, `{"id": 1, "url": "ws://…", "env": {}}`, and runs each in a fork of its own,
so that nothing survives from one to the next and the library is imported but once; it answers `{"id": 1, "pid": 4711}`
and, at the end, `{"id": 1, "status": 0}`, with a signal as a negative number.

But: what a library draws at random when it is imported is the same in all forks; aiohttp seeds its masks then.  Masks
may be compared within a connection, not across.
"""

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from threading import Thread
from typing import Any, NoReturn

MOST_WAITING = 1024


def main(where: str, port: str = "0") -> None:
    """Play one."""
    module, _, name = where.partition(".")
    function = getattr(import_module(f"tests.conformance.peers.{module}"), name)
    if name.startswith("connect"):
        _Clients(function).run()
    else:
        serve(function, int(port))


def serve(function: Callable[[socket.socket], None], port: int) -> None:
    """Be a server until stdin ends."""
    listener = socket.create_server(("127.0.0.1", port), backlog=MOST_WAITING)
    print(listener.getsockname()[1], flush=True)
    Thread(target=_end_with_stdin, daemon=True).start()
    function(listener)


def _end_with_stdin() -> NoReturn:
    while os.read(0, 4096):
        pass
    os._exit(0)


class _Clients:
    """The clients that run."""

    def __init__(self, connect: Callable[[str], None]) -> None:
        self.connect = connect
        self.ids: dict[int, int] = {}
        self.ended, self._wake_up = os.pipe()
        os.set_blocking(self._wake_up, False)

    def run(self) -> None:
        """Start clients until stdin ends, and then end those that still run."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_up, warn_on_full_buffer=False)
        begun = b""
        while data := self._read():
            *lines, begun = (begun + data).split(b"\n")
            for line in lines:
                self.start(**json.loads(line))
        for pid in self.ids:
            os.kill(pid, signal.SIGKILL)

    def _read(self) -> bytes:
        """What comes on stdin; meanwhile, tell of those that have ended."""
        while True:
            ready, _, _ = select.select([0, self.ended], [], [])
            if self.ended in ready:
                os.read(self.ended, 4096)
                self.reap()
            if 0 in ready:
                return os.read(0, 65536)

    def start(self, id: int, url: str, env: dict[str, str]) -> None:
        """One more."""
        pid = os.fork()
        if not pid:
            self._be_one(url, env)
        self.ids[pid] = id
        tell(id=id, pid=pid)

    def _be_one(self, url: str, env: dict[str, str]) -> NoReturn:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.environ.update(env)
        status = 1
        try:
            self.connect(url)
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(status)

    def reap(self) -> None:
        """Tell of all that have ended."""
        while self.ids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            tell(id=self.ids.pop(pid), status=os.waitstatus_to_exitcode(status))


def tell(**what: Any) -> None:
    """Answer."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
