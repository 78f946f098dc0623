"""The command line: `rawws` and `python -m rawws`.  One module for each verb; this one only chooses among them."""

import argparse
import difflib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, NoReturn

import rawws
from rawws.cli.terminal import Exit, Terminal, Trouble
from rawws.core import speedups

VERBS = ("connect", "serve", "explain", "demo", "conform")

HELP = """\
rawws: WebSocket on the command line, with every byte explained.

  rawws URL                 talk to ws:// or wss://: type lines, read answers
  rawws connect URL         the same; rawws connect --help shows its options
  rawws serve [HOST:PORT]   an echo server on localhost:8765, with a page for
                            your browser
  rawws explain BYTES       take frames apart, and say which rules they break
  rawws demo                one whole conversation, every byte explained
  rawws conform             is a server, or a client, what the RFCs ask for?

try it:
  rawws demo
  rawws explain 81 85 37 fa 21 3d 7f 9f 4d 51 58

in scripts: --json gives one JSON object for each line, and the exit code is
0 for a clean end, 1 an abnormal one, 2 a refused handshake, 3 the network,
4 a broken rule, 64 a wrong command line, 130 Ctrl-C
"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise Trouble(f"{self.prog}: {message}; {self.prog} --help shows what there is", Exit.USAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; gives back the exit code, and never raises."""
    _prepare_streams()
    try:
        return _guarded(list(sys.argv[1:] if argv is None else argv))
    finally:
        _abandon_what_cannot_be_written()


def _guarded(argv: list[str]) -> int:
    try:
        return _run(argv)
    except SystemExit as end:  # --help
        return int(end.code or 0)
    except Trouble as trouble:
        return _complain(trouble.line, trouble.code)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return Exit.BROKEN_PIPE
    except OSError as error:
        return _complain(f"rawws: {error.strerror or error}", Exit.NETWORK)
    except Exception as error:
        if os.environ.get("RAWWS_TRACEBACK"):
            raise
        advice = "this is a bug in rawws; RAWWS_TRACEBACK=1 shows where"
        return _complain(f"rawws: {type(error).__name__}: {error}; {advice}", Exit.ABNORMAL)


def _prepare_streams() -> None:
    """Have streams, whatever they are: they may be closed, or of an encoding that lacks most characters."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nothing, "r" if name == "stdin" else "w", encoding="utf-8"))
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _abandon_what_cannot_be_written() -> None:
    """At its exit Python would try again, and complain: the reader is gone, or the disk full."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _complain(line: str, code: int) -> int:
    line = " ".join(line.split())
    with suppress(OSError):
        Terminal().err((line if line.startswith("rawws") else f"rawws: {line}", "bad"))
    return code


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(HELP)
        return Exit.OK
    if argv[0] in ("-V", "--version"):
        sys.stdout.write(f"rawws {rawws.__version__}\nC speedups: {'yes' if speedups.in_use else 'no'}\n")
        return Exit.OK
    if argv[0] in VERBS:
        return _verb(argv[0], argv[1:])
    if any(word.lower().startswith(("ws://", "wss://")) for word in argv):
        return _verb("connect", argv)
    raise Trouble(_unknown(argv[0]), Exit.USAGE)


def _verb(name: str, argv: list[str]) -> int:
    module: Any = importlib.import_module(f"rawws.cli.{name}")
    if name == "conform":  # It has verbs of its own.
        return int(module.main(argv, Terminal()))
    arguments = parser_of(name, module).parse_args(argv)
    return int(module.run(arguments, Terminal()))


def parser_of(name: str, module: ModuleType | Any) -> Parser:
    """What a verb understands."""
    parser = Parser(
        prog=f"rawws {name}",
        usage=f"rawws {name} {module.USAGE}",
        description=module.SUMMARY,
        epilog=module.EPILOG,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=80),
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object for each line, for programs")
    return parser


def meant_url(text: str) -> str:
    """The URL that is meant by what is none; empty if that cannot be told, or if the text is one."""
    found = re.fullmatch(r"(?i)(?:(https?|wss?)(?::/{0,3}|//)|//)?([^\s/]+(?:/\S*)?)", text)
    if found is None or found[2].lower() in ("ws:", "wss:"):
        return ""
    scheme, rest = (found[1] or "ws").lower().replace("http", "ws"), found[2]
    if rest.isdigit() or rest.startswith(":"):
        rest = f"localhost:{rest.removeprefix(':')}"
    url = f"{scheme}://{rest}"
    return "" if url == text else url


def looks_like_url(word: str) -> bool:
    """Whether somebody who wrote this had one in mind."""
    return any(sign in word for sign in ":./") or word.isdigit()


def _unknown(word: str) -> str:
    if word.startswith("-"):
        return f"rawws: {word} needs a verb or a URL before it: {', '.join(VERBS)}, or ws://..."
    if looks_like_url(word) and (url := meant_url(word)):
        return f"rawws: {word} is no URL of a WebSocket; try rawws {url}"
    close = difflib.get_close_matches(word, VERBS, 1)
    meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(VERBS)}, and ws:// URLs"
    return f"rawws: {word!a} is no verb; {meant}"
