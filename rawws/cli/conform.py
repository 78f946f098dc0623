"""`rawws conform`: is a server, or a client, what RFC 6455 and RFC 7692 ask for?"""

import argparse
import difflib
import errno
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from rawws import __version__
from rawws.cli import looks_like_url, meant_url
from rawws.cli.conform_look import compare, explain, list_cases, replay
from rawws.cli.conform_options import ConformParser, Outcome, parser_for, wrong
from rawws.cli.conform_run import Run
from rawws.cli.terminal import Terminal, Trouble
from rawws.conformance import CASES
from rawws.core.settings import Role

HELP = """\
usage: rawws conform VERB ...

Is a server, or a client, what RFC 6455 and RFC 7692 ask for? Each case stands
under its section, and says what was sent, what had to come and what came.

  rawws conform server [URL]            test a server that echoes
  rawws conform client --exec COMMAND   test a client that does; {url} in the
                                        command is where to connect
  rawws conform list [GLOB]             which cases there are
  rawws conform explain ID              what a case asks for, and how it goes
  rawws conform replay REPORT.json [ID] run what failed again, and see all of it
  rawws conform compare A.json B.json   what got better, and what got worse; of
                                        more than two, all that differs

Without a URL or a command, our own server or client is tested.

try it:
  rawws conform server
  rawws conform explain 6455/5.4/4.1

exit code: 0 no unexpected failure, 1 some, 2 a wrong command line, 3 the
target is not there or is no echo, 4 a bug of rawws or a report that cannot be
written, 130 Ctrl-C or SIGTERM
"""


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says if there is no room for what is written."""


class Verb(NamedTuple):
    """One that looks at cases or reports."""

    usage: str
    summary: str
    run: Callable[[argparse.Namespace, Terminal], int]
    add_arguments: Callable[[ConformParser], object]


def main(argv: list[str], terminal: Terminal) -> int:
    """Run it; gives back the exit code."""
    try:
        return _dispatch(argv, terminal)
    except (Trouble, BrokenPipeError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise wrong(f"cannot write to stdout: {error.strerror}", Outcome.TESTER) from None
        if os.environ.get("RAWWS_TRACEBACK"):
            raise
        advice = "this is a bug in rawws; RAWWS_TRACEBACK=1 shows where"
        raise wrong(f"{type(error).__name__}: {error}; {advice}", Outcome.TESTER) from None


def _dispatch(argv: list[str], terminal: Terminal) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(HELP)
        return Outcome.OK
    if argv[0] in ("-V", "--version"):
        sys.stdout.write(f"rawws {__version__}\n")
        return Outcome.OK
    verb, *rest = argv
    if verb.lower().startswith(("ws://", "wss://")):
        verb, rest = "server", argv
    if verb in (role.value for role in Role):
        options = parser_for(Role(verb))
        return Run(options, options.parser.parse_args(rest), terminal, Role(verb))()
    if verb in VERBS:
        chosen = VERBS[verb]
        parser = ConformParser(
            prog=f"rawws conform {verb}",
            usage=f"rawws conform {verb} {chosen.usage}",
            description=chosen.summary,
            allow_abbrev=False,
        )
        chosen.add_arguments(parser)
        return chosen.run(parser.parse_args(rest), terminal)
    raise wrong(_unknown(verb))


def _unknown(verb: str) -> str:
    names = ["server", "client", *VERBS]
    if verb.startswith("-"):
        return f"{verb} needs a verb before it: {', '.join(names)}"
    close = difflib.get_close_matches(verb, names, 1)
    meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    if verb.startswith("ab:") or any(case.matches(verb) for case in CASES.values()):
        meant = f"try rawws conform explain {verb}"
    elif any(case.matches(f"6455/{verb}") for case in CASES.values()):
        meant = f"try rawws conform explain 6455/{verb}"
    elif verb.endswith(".json"):
        meant = f"try rawws conform replay {verb}"
    elif not close and looks_like_url(verb) and (url := meant_url(verb)):
        meant = f"try rawws conform server {url}"
    return f"{verb!a} is no verb; {meant}"


def _list(parser: ConformParser) -> None:
    parser.add_argument("glob", nargs="?", metavar="GLOB", help="6455/5.4/*, a section, a family, ab:5.18")
    parser.add_argument("--json", action="store_true", help="one JSON object for each case")


def _explain(parser: ConformParser) -> None:
    parser.add_argument("id", metavar="ID", help="6455/5.4/4.1, a family, or ab:5.18")
    parser.add_argument("--client", action="store_true", help="show it with a client, where it tests both")


def _replay(parser: ConformParser) -> None:
    parser.add_argument(
        "report", metavar="REPORT.json", help="as --json wrote it; its target, or command, is run again"
    )
    parser.add_argument("id", nargs="*", default=[], metavar="ID", help="cases, or GLOBs; none: all that failed")


def _compare(parser: ConformParser) -> None:
    parser.add_argument(
        "reports", nargs="+", metavar="REPORT.json", help="as --json wrote them; the first is the oldest"
    )
    parser.add_argument("--html", metavar="FILE", help="side by side, on one page")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="name every case that is new, gone or not the same"
    )


VERBS = {
    "list": Verb("[GLOB]", "Which cases there are: families, or with a GLOB each case.", list_cases, _list),
    "explain": Verb("[--client] ID", "What a case asks for, and how it goes with our own endpoint.", explain, _explain),
    "replay": Verb("REPORT.json [ID ...]", "Run cases of a report again, and show all that was said.", replay, _replay),
    "compare": Verb(
        "[options] A.json B.json [C.json ...]",
        "What changed between two reports of a target, or differs between several.",
        compare,
        _compare,
    ),
}
