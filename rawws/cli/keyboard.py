"""What comes from the keyboard or a pipe, and what a line of it means.

Stdin is read in a thread, because no loop can wait for it on every system; the thread is never waited for.
"""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, TypeVar

from rawws.cli.bytes_in import from_text
from rawws.cli.terminal import Trouble
from rawws.core.frames import CloseCode

_Item = TypeVar("_Item")

HELP = """\
A line is sent as a text message. A line that begins with / is a command:
  /ping [TEXT]           is the other side there? shows the time to its pong
  /pong [TEXT]           a pong that nobody asked for
  /binary BYTES          a binary message: 00 ff 10, or any form that explain reads
  /close [CODE] [WORDS]  say goodbye: /close 4000 bye
  /help                  this
  //anything             sends /anything
Ctrl-D closes with 1000, Ctrl-C with 1001."""


class Send(NamedTuple):
    """A message."""

    message: str | bytes


class Ping(NamedTuple):
    """A Ping; None for a payload of its own."""

    payload: str | None


class Pong(NamedTuple):
    """A Pong."""

    payload: str


class Close(NamedTuple):
    """The goodbye."""

    code: int
    reason: str


class Say(NamedTuple):
    """Nothing for the wire: an answer to whoever types."""

    text: str
    wrong: bool = False


def understand(line: str) -> Send | Ping | Pong | Close | Say:
    """What a line that somebody typed asks for."""
    if not line.startswith("/"):
        return Send(line)
    if line.startswith("//"):
        return Send(line[1:])
    name, _, rest = line[1:].partition(" ")
    match name:
        case "ping":
            return Ping(rest or None)
        case "pong":
            return Pong(rest)
        case "binary":
            return _binary(rest)
        case "close":
            return _close(rest)
        case "help":
            return Say(HELP)
    return Say(f"/{name} is no command; /help lists them, and /{line} sends it as a message", wrong=True)


def _binary(rest: str) -> Send | Say:
    try:
        return Send(from_text(rest) if rest.strip() else b"")
    except Trouble as trouble:
        return Say(trouble.line, wrong=True)


def _close(rest: str) -> Close | Say:
    code, _, reason = rest.strip().partition(" ")
    if code and not code.isdigit():
        return Say(f"{code!a} is no close code; write /close 4000 bye", wrong=True)
    return Close(int(code or CloseCode.NORMAL), reason.strip())


# --- Reading --------------------------------------------------------------------------------------------------------


class Typing:
    """Somebody types: lines, edited with readline where there is one; Ctrl-D ends them."""

    def __init__(self, prompt: str) -> None:
        self.lock = threading.Lock()
        """Held while the prompt is being written, so that nothing is printed into it."""
        self._prompt = prompt
        self._shown = False
        self._holding = False

    def shown(self) -> str | None:
        """What stands in the last line of the terminal: the prompt and what is typed so far; None if nothing does."""
        readline = sys.modules.get("readline")
        typed = "" if readline is None else readline.get_line_buffer()
        return self._prompt + typed if self._shown else None

    async def lines(self) -> AsyncIterator[str]:
        """The lines; each is asked for when the one before is dealt with."""
        async for line in _from_thread(self._read):
            yield line

    def _read(self) -> str | None:
        self.lock.acquire()
        self._holding = True
        try:
            # With it, `input` edits; and it says when the prompt is there.
            import readline

            readline.set_pre_input_hook(self._note_prompt)
        except (ImportError, AttributeError):
            self._note_prompt()
        try:
            return input(self._prompt)
        except EOFError:
            return None
        finally:
            self._let_others_print()
            self._shown = False

    def _note_prompt(self) -> None:
        self._shown = True
        self._let_others_print()

    def _let_others_print(self) -> None:
        if self._holding:
            self._holding = False
            self.lock.release()


async def piped() -> AsyncIterator[bytes]:
    """What comes on stdin, in pieces as they come."""
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):
        read: Callable[[int], bytes] = sys.stdin.buffer.read
    else:
        # Not through the buffer of sys.stdin: its lock, held by a thread that waits, would keep Python from ending.
        def read(size: int) -> bytes:
            return os.read(descriptor, size)

    async for piece in _from_thread(lambda: read(65536) or None):
        yield piece


async def lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same as lines, without their ends; the last one needs none."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line
    if rest:
        yield rest


async def _from_thread(read: Callable[[], _Item | None]) -> AsyncIterator[_Item]:
    """What `read` gives in a thread of its own, until it gives None; nothing is read before it is asked for."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[_Item | None] = asyncio.Queue()
    demand = threading.Semaphore(0)

    def work() -> None:
        with suppress(RuntimeError):  # The loop is closed: nobody wants to know any more.
            while True:
                demand.acquire()
                try:
                    item = read()
                except (OSError, ValueError):  # ValueError: it was closed.
                    item = None
                loop.call_soon_threadsafe(queue.put_nowait, item)
                if item is None:
                    return

    threading.Thread(target=work, name="rawws stdin", daemon=True).start()
    while True:
        demand.release()
        if (item := await queue.get()) is None:
            return
        yield item


@contextmanager
def terminal_restored() -> Iterator[None]:
    """Leave the terminal as it was: a thread that still waits in readline has switched off its echo."""
    try:
        import termios
    except ImportError:
        yield
        return
    try:
        before = termios.tcgetattr(0)
    except termios.error:
        yield
        return
    try:
        yield
    finally:
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)
