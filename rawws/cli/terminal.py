"""What the verbs share: streams, colours, JSON lines, exit codes, and the one line that says what went wrong.

Data goes to stdout and everything else to stderr.  Colours need the extra `cli` (rich) and a terminal; this is the only
module that imports it, and without it all is the same in plain text.  A piece of output is a string, or a string with
one of the names of `STYLES`.
"""

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from enum import IntEnum
from typing import Any, Protocol, TextIO, TypeAlias

from rawws.records import printable

STYLES = {
    "client": "cyan",
    "server": "magenta",
    "title": "bold",
    "quiet": "dim",
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "payload": "yellow",
}

Piece: TypeAlias = str | tuple[str, str]
Lines: TypeAlias = Iterable[list[Piece]]


class Exit(IntEnum):
    """How a verb ended, for scripts."""

    OK = 0
    """What was asked for was done; a connection ended with 1000, 1001 or no code."""
    ABNORMAL = 1
    """The connection ended with another code, or with no Close frame."""
    REFUSED = 2
    """The server did not answer the opening handshake with 101."""
    NETWORK = 3
    """No connection, no name, no free port, no certificate that can be trusted."""
    PROTOCOL = 4
    """The peer broke a rule of the protocol, or `explain` found one broken."""
    USAGE = 64
    """The command line says nothing that can be done."""
    INTERRUPTED = 130
    """Ctrl-C."""
    BROKEN_PIPE = 141
    """Whoever reads stdout has gone away."""


class Trouble(Exception):
    """The verb cannot go on: one line for stderr, which says what to do, and how to exit."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(line)
        self.line = line
        self.code = code


class Progress(Protocol):
    """Is told that one more is done, and what there is to say meanwhile."""

    def __call__(self, said: str) -> None: ...


class Printer(Protocol):
    """Writes a line to one stream."""

    def __call__(self, pieces: Iterable[Piece]) -> None: ...


class Prompt(Protocol):
    """What stands in the last line, and has to make room for what is printed."""

    lock: threading.Lock
    """Held by whoever writes."""

    def shown(self) -> str | None:
        """The line as it is now; None if it is not there."""


_CLEAR = "\r\x1b[K"


class Terminal:
    """Stdout and stderr of one run."""

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self.width = min(120, max(60, shutil.get_terminal_size((80, 24)).columns))
        self._out = printer(self.stdout)
        self._err = printer(self.stderr)
        self.on_broken_pipe: Callable[[], object] | None = None
        """What to do when nobody reads any more, where an exception would be in the way."""
        self.prompt: Prompt | None = None

    def out(self, *pieces: Piece) -> None:
        """A line of data."""
        with self._unless_broken():
            self._out(pieces)

    def err(self, *pieces: Piece) -> None:
        """A line about what happens."""
        with self._unless_broken():
            self._err(pieces)

    def json(self, value: dict[str, Any]) -> None:
        """One JSON object, on a line of its own, at once."""
        with self._unless_broken():
            self._write(json.dumps(value, ensure_ascii=False) + "\n")

    def raw(self, data: bytes) -> None:
        """Data as it is, for whoever reads the pipe."""
        with self._unless_broken():
            self.stdout.buffer.write(data)
            self.stdout.flush()

    def end_prompt(self) -> None:
        """Nothing more is asked for."""
        prompt, self.prompt = self.prompt, None
        if prompt is not None:
            with prompt.lock:
                if prompt.shown() is not None:
                    self._write(_CLEAR)

    def _write(self, text: str) -> None:
        if text:
            self.stdout.write(text)
            self.stdout.flush()

    @contextmanager
    def _unless_broken(self) -> Iterator[None]:
        try:
            with nullcontext() if self.prompt is None else self.prompt.lock:
                shown = None if self.prompt is None else self.prompt.shown()
                self._write("" if shown is None else _CLEAR)
                yield
                self._write(shown or "")
        except BrokenPipeError:
            if self.on_broken_pipe is None:
                raise
            self.on_broken_pipe()

    @property
    def interactive(self) -> bool:
        """Whether a person sits at both ends."""
        return sys.stdin is not None and sys.stdin.isatty() and self.stdout.isatty()


def for_terminal(text: str) -> str:
    """What a peer said, so that it cannot do anything to the terminal nor look like a line of ours."""
    return "\n  ".join("\t".join(printable(part.encode()) for part in line.split("\t")) for line in text.split("\n"))


def wants_colour(stream: TextIO) -> bool:
    """Whether `stream` may have colours: NO_COLOR forbids them, FORCE_COLOR asks for them in files and pipes too."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def printer(stream: TextIO) -> Printer:
    """How to write a line to `stream`."""
    if wants_colour(stream):
        try:
            return _with_rich(stream)
        except ImportError:
            pass

    def plain(pieces: Iterable[Piece]) -> None:
        stream.write("".join(piece if isinstance(piece, str) else piece[0] for piece in pieces) + "\n")
        stream.flush()

    return plain


def _with_rich(stream: TextIO) -> Printer:
    # Here and not above: importing rich takes longer than all else, and only a terminal needs it.
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def coloured(pieces: Iterable[Piece]) -> None:
        styled = (piece if isinstance(piece, str) else (piece[0], STYLES[piece[1]]) for piece in pieces)
        console.print(Text.assemble(*styled))
        stream.flush()

    return coloured


@contextmanager
def progress(stream: TextIO, total: int) -> Iterator[Progress]:
    """A bar on a terminal, as long as the context lasts; nothing elsewhere, without rich, or if `total` is 0."""

    def silent(said: str) -> None:
        """Nobody would see it."""

    if not total or not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield silent
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar
    except ImportError:
        yield silent
        return
    columns = (BarColumn(None), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    with Bar(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task("", total=total)
        yield lambda said: bar.update(task, advance=1, description=said)
