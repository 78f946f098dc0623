"""What `rawws conform server` and `rawws conform client` take, and what that means for the suite."""

import argparse
import difflib
import re
import shlex
import ssl
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

from rawws.cli import Parser
from rawws.cli.certificates import trusting
from rawws.cli.options import Address, address, seconds, size
from rawws.cli.terminal import Trouble
from rawws.conformance import CASES, Declared, Level, Patience, Settings, Tier
from rawws.core.settings import Role


class Outcome(IntEnum):
    """How `rawws conform` exits.  Never 0 when no case has run."""

    OK = 0
    """No failure that was not expected."""
    FAILED = 1
    """One that was not, or, with --strict-expect, a pass that was not; an entry has expired, or the time was over."""
    USAGE = 2
    """The command line says nothing that can be done."""
    UNREACHABLE = 3
    """The target is not there, or is nothing that can be tested."""
    TESTER = 4
    """The tester itself failed: a bug in rawws, or a report that cannot be written."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM; what was found until then was written."""


class ConformParser(Parser):
    """Exits with 2, as all of `rawws conform`."""

    def error(self, message: str) -> NoReturn:
        raise Trouble(f"{self.prog}: {message}; {self.prog} --help shows what there is", Outcome.USAGE)


def wrong(what: str, code: int = Outcome.USAGE) -> Trouble:
    """What to raise when the command line cannot be followed."""
    return Trouble(f"rawws conform: {what}", code)


def unknown(glob: str) -> Trouble:
    """What to raise when no case is called like that."""
    names = dict.fromkeys(name for case in CASES.values() for name in (case.section, case.group, case.id))
    likely = [
        name for name in (f"{glob}/*", f"ab:{glob}", f"6455/{glob}") if any(c.matches(name) for c in CASES.values())
    ]
    close = likely or difflib.get_close_matches(glob, names, 1)
    advice = f"did you mean {close[0]}?" if close else "rawws conform list shows what there is"
    return wrong(f"no case is called {glob}; {advice}")


@dataclass(slots=True)
class Options:
    """A parser, and which of its options say how a target is tested: they stand in the report, to be repeated."""

    parser: ConformParser
    repeated: list[argparse.Action] = field(default_factory=list)

    def command(self, arguments: argparse.Namespace) -> list[str]:
        """Those that were given, as they would be written again."""
        words: list[str] = []
        for action in self.repeated:
            value = getattr(arguments, action.dest)
            if value == action.default:
                continue
            name = action.option_strings[-1]
            for one in value if isinstance(value, list) else [value]:
                words += [name] if one is True else [name, _written(one)]
        return words


def _written(value: Any) -> str:
    match value:
        case float():
            return f"{value:g}"
        case (str(name), str(content)):
            return f"{name}: {content}"
    return str(value)


def parser_for(role: Role) -> Options:
    """What the verb for that side understands."""
    name = role.value
    parser = ConformParser(
        prog=f"rawws conform {name}",
        usage=f"rawws conform {name} {'[options] [URL]' if role is Role.SERVER else '[options] --exec COMMAND'}",
        description=_SUMMARY[role],
        epilog=_EPILOG[role],
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=80),
        allow_abbrev=False,
    )
    options = Options(parser)
    if role is Role.SERVER:
        parser.add_argument("url", nargs="?", metavar="URL", help="ws:// or wss://; none: a server of our own")
    else:
        _add_client(options)
    _add_selection(parser)
    _add_running(options, role)
    _add_target(options, role)
    _add_baseline(parser)
    _add_output(parser)
    return options


_SUMMARY = {
    Role.SERVER: "Test a server that sends every message back, case by case, against\nRFC 6455 and RFC 7692.",
    Role.CLIENT: "Test a client that connects, sends every message back, and ends when the\n"
    "connection does. It is started once for each connection.",
}

_EXITS = """\
exit code: 0 no unexpected failure, 1 some, 2 a wrong command line, 3 the
target is not there or is no echo, 4 a bug of rawws or a report that cannot be
written, 130 Ctrl-C or SIGTERM
"""

_EPILOG = {
    Role.SERVER: f"""\
examples:
  rawws conform server                         our own, to see how it looks
  rawws conform server ws://localhost:9001/ --json report.json
  rawws conform server ws://localhost:9001/ --include '6455/5.4/*' -v

{_EXITS}""",
    Role.CLIENT: f"""\
examples:
  rawws conform client                         our own, to see how it looks
  rawws conform client --exec 'python my_client.py {{url}}'
  rawws conform client --listen localhost:9001      for Autobahn's adapters

{_EXITS}""",
}


def _add_client(options: Options) -> None:
    group = options.parser.add_argument_group("the client (none: one of our own)")
    options.parser.add_argument("command", nargs="?", type=_no_command, help=argparse.SUPPRESS)
    group.add_argument("--exec", metavar="COMMAND", help="starts it; {url} in it is where to connect")
    group.add_argument(
        "--listen", type=address, metavar="HOST:PORT", help="or wait for it here, and talk to it as Autobahn does"
    )
    start = group.add_argument(
        "--start", type=seconds, default=15.0, metavar="SECONDS", help="to connect, from the start of the command (15)"
    )
    tls = group.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="be a wss:// server (PEM)")
    settle = group.add_argument(
        "--settle",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="to wait behind the 101 before the first frame (0)",
    )
    options.repeated += [start, tls, settle]


def _add_selection(parser: ConformParser) -> None:
    group = parser.add_argument_group("which cases")
    group.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="GLOB",
        help="only these: 6455/5.4/*, a section, a family, 'ab:7.9.*' by Autobahn's ids; more than once for more",
    )
    group.add_argument("--exclude", action="append", default=[], metavar="GLOB", help="but not these")
    group.add_argument(
        "--tier",
        action="append",
        choices=[*(tier.value for tier in Tier), "all"],
        default=[],
        help="core (what is run if none is said), size, soak, all",
    )
    group.add_argument(
        "--level", choices=["must", "should", "all"], default="all", help="must, should as well, or all (all)"
    )


def _add_running(options: Options, role: Role) -> None:
    group = options.parser.add_argument_group("running")
    jobs = 8 if role is Role.SERVER else 4
    group.add_argument("--jobs", type=_positive, default=jobs, metavar="N", help=f"cases at once ({jobs})")
    timeout = group.add_argument(
        "--timeout", type=seconds, default=5.0, metavar="SECONDS", help="to wait for what has to come (5)"
    )
    close = group.add_argument(
        "--close-timeout", type=seconds, default=2.0, metavar="SECONDS", help="to wait for the end of TCP (2)"
    )
    group.add_argument(
        "--total",
        type=seconds,
        metavar="SECONDS",
        help="for all cases (300 if they are of the core tier only, else no bound)",
    )
    group.add_argument("--seed", type=_number, default=0, metavar="N", help="for all that is random (0)")
    group.add_argument("--fail-fast", action="store_true", help="stop behind the first unexpected failure")
    soak = group.add_argument(
        "--soak", type=_positive, default=16, metavar="N", help="messages in each case of the soak tier (16)"
    )
    options.repeated += [timeout, close, soak]


def _add_target(options: Options, role: Role) -> None:
    group = options.parser.add_argument_group(
        "the target", "What is said here is tried; what is not said is skipped where it is needed."
    )
    add = [
        group.add_argument("--max-size", type=size, metavar="SIZE", help="the longest message that it takes: 16MiB"),
        group.add_argument("--max-fragments", type=_positive, metavar="N", help="the most fragments of one message"),
        group.add_argument("--no-deflate", action="store_true", help="it has no permessage-deflate"),
        group.add_argument("--subprotocol", default="", metavar="NAME", help="it speaks this one"),
        group.add_argument(
            "--commands", action="store_true", help="it obeys the texts '/close CODE' and '/send N' (that many bytes)"
        ),
        group.add_argument(
            "--lenient",
            action="append",
            choices=["non-minimal-length"],
            default=[],
            metavar="WHAT",
            help="it puts up with this on purpose, so only warn: non-minimal-length",
        ),
    ]
    add += _add_server(group) if role is Role.SERVER else []
    add.append(group.add_argument("--name", default="", help="what reports call it"))
    options.repeated += add


def _add_server(group: Any) -> list[argparse.Action]:
    """What there is to say of servers only."""
    return [
        group.add_argument("--bad-path", default="", metavar="PATH", help="it has nothing there: /nowhere"),
        group.add_argument("--origin-policy", choices=["allow", "deny"], default="", help="what of foreign Origins"),
        group.add_argument(
            "-H",
            "--header",
            action="append",
            type=_header,
            default=[],
            metavar="'NAME: VALUE'",
            help="a field of every request, such as a cookie; reports show it",
        ),
        group.add_argument("--ca", metavar="FILE", help="trust the certificates in this file (PEM) only"),
        group.add_argument("--insecure", action="store_true", help="take any certificate"),
        group.add_argument("--sni", default="", metavar="NAME", help="the name to ask for and verify in TLS"),
    ]


def _add_baseline(parser: ConformParser) -> None:
    group = parser.add_argument_group("what is known to fail")
    group.add_argument("--expect", type=Path, metavar="FILE", help="TOML with [[expect]]: id, reason, verdict, until")
    group.add_argument("--write-expect", type=Path, metavar="FILE", help="write one that expects what was found")
    group.add_argument(
        "--strict-expect", action="store_true", help="what passes although it is expected to fail, fails"
    )
    group.add_argument(
        "--fail-on",
        choices=["must", "should", "any"],
        default="must",
        help="exit 1 for what breaks a MUST, a SHOULD too, or differs at all (must)",
    )


def _add_output(parser: ConformParser) -> None:
    group = parser.add_argument_group("reports", "FILE may be - for stdout.")
    group.add_argument("--json", metavar="FILE", help="everything, for programs and for rawws conform replay")
    group.add_argument("--html", metavar="FILE", help="one page for people")
    group.add_argument("--junit", metavar="FILE", help="XML for CI servers")
    group.add_argument("--markdown", metavar="FILE", help="for the page of a job: $GITHUB_STEP_SUMMARY")
    group.add_argument("--autobahn-json", type=Path, metavar="DIR", help="index.json as Autobahn writes it")
    group.add_argument(
        "--transcripts",
        choices=["failed", "all", "none"],
        default="failed",
        help="of which cases the bytes are kept in reports (failed)",
    )
    group.add_argument(
        "-v", "--verbose", action="store_true", help="every case as it ends, and every frame of failures"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="nothing but the summary")


# --- Types ----------------------------------------------------------------------------------------------------------


def _no_command(text: str) -> NoReturn:
    if meant := re.match("wss?://", text):
        raise argparse.ArgumentTypeError(f"a client has no URL; did you mean rawws conform server {meant.string}?")
    raise argparse.ArgumentTypeError(f"did you mean --exec {shlex.quote(text)}?")


def _number(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!a} is no number")
    return int(text)


def _positive(text: str) -> int:
    value = _number(text)
    if value < 1:
        raise argparse.ArgumentTypeError("it is 1 or more")
    return value


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    legal = re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) and not re.search(r"[\0\r\n]", value)
    if not colon or not legal:
        raise argparse.ArgumentTypeError(f"{text!a} is no header; write 'Name: value'")
    return name, value.strip()


# --- What they mean -------------------------------------------------------------------------------------------------


def tiers_of(arguments: argparse.Namespace) -> list[Tier]:
    """The sizes of cases."""
    named = arguments.tier or [Tier.CORE.value]
    return list(Tier) if "all" in named else [Tier(name) for name in named]


def levels_of(arguments: argparse.Namespace) -> list[Level]:
    """How strongly the RFCs want what is tested; robustness is always tested."""
    strict = [Level.MUST, Level.LIM]
    return {"must": strict, "should": [*strict, Level.SHOULD], "all": list(Level)}[str(arguments.level)]


def settings_of(arguments: argparse.Namespace) -> Settings:
    """How to run."""
    total = arguments.total
    if total is None and set(tiers_of(arguments)) == {Tier.CORE}:
        total = 300.0
    if total == float("inf"):
        total = None
    return Settings(jobs=arguments.jobs, seed=arguments.seed, total=total, fail_fast=arguments.fail_fast)


def patience_of(arguments: argparse.Namespace) -> Patience:
    """How long to wait."""
    return Patience(reply=arguments.timeout, close=arguments.close_timeout)


def declared_of(arguments: argparse.Namespace) -> Declared:
    """What was said about the target."""
    return Declared(
        max_size=arguments.max_size,
        max_fragments=arguments.max_fragments,
        deflate=False if arguments.no_deflate else None,
        subprotocol=arguments.subprotocol,
        bad_path=getattr(arguments, "bad_path", ""),
        origin_policy=getattr(arguments, "origin_policy", ""),
        lenient=frozenset(arguments.lenient),
        commands=arguments.commands,
        soak=arguments.soak,
        settle=getattr(arguments, "settle", 0.0),
    )


def client_context(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    """How to verify a server; None: as usual."""
    if arguments.ca is None and not arguments.insecure:
        return None
    try:
        return trusting(arguments.ca, arguments.insecure)
    except ValueError as error:
        raise wrong(f"{error}") from None


def server_context(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    """The certificate to show to a client."""
    if arguments.tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(*arguments.tls)
    except (OSError, ssl.SSLError) as error:
        raise wrong(f"--tls {shlex.join(arguments.tls)}: {error.strerror or error}; it takes two PEM files") from None
    return context


__all__ = ["Address", "ConformParser", "Options", "Outcome", "parser_for", "wrong"]
