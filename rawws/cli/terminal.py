"""What the verbs share: streams, colours, JSON lines, exit codes, and the one line that says what went wrong.

Data goes to stdout and everything else to stderr.  Colours need the extra `cli` (rich) and a terminal; this is the only
module that imports it, and without it all is the same in plain text.  A piece of output is a string, or a string with
one of the names of `STYLES`.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Protocol, TextIO, TypeAlias

STYLES = {
    "client": "cyan",
    "server": "magenta",
    "title": "bold",
    "quiet": "dim",
    "good": "green",
    "bad": "bold red",
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

    def __init__(self, line: str, code: Exit) -> None:
        super().__init__(line)
        self.line = line
        self.code = code


class Printer(Protocol):
    """Writes a line to one stream."""

    def __call__(self, pieces: Iterable[Piece]) -> None: ...


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
            self.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
            self.stdout.flush()

    @contextmanager
    def _unless_broken(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            if self.on_broken_pipe is None:
                raise
            self.on_broken_pipe()

    @property
    def interactive(self) -> bool:
        """Whether a person sits at both ends."""
        return sys.stdin is not None and sys.stdin.isatty() and self.stdout.isatty()


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
