"""Types of options that verbs share: sizes, times, addresses, and what may be compressed."""

import argparse
import re
import sys
from typing import Any, NamedTuple

from rawws.core.agreement import Agreement, Terms
from rawws.core.deflate import NAME, Deflate
from rawws.core.headers import read_extensions

_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def size(text: str) -> int | None:
    """A number of bytes: 1048576, 64KiB, 16M; None for "none"."""
    if text.lower() == "none":
        return None
    found = re.fullmatch(r"(\d+)\s*([kmg]?)(?:i?b)?", text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!a} is no size; write 1048576, 64KiB, 16MiB or none")
    return int(found[1]) * _UNITS[found[2]]


def seconds(text: str) -> float:
    """A number of seconds, not negative; "inf" is for ever."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text!a} is no number of seconds; write 0, 2.5 or inf")
    return value


def count(text: str) -> int:
    """How many: 0, 1, 2 and so on."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!a} is no number; write 0, 1 or 5")
    return int(text)


class Address(NamedTuple):
    """Where to listen."""

    host: str | None
    """None: on all addresses of this machine."""
    port: int

    def __str__(self) -> str:
        host = "" if self.host is None else f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


USUAL_PORT = 8765


def address(text: str) -> Address:
    """HOST:PORT, HOST, :PORT, PORT or [IPv6]:PORT."""
    found = re.fullmatch(r"(?:\[(?P<six>[0-9a-fA-F:.%\w]+)\]|(?P<host>[^\[\]:/\s]*))(?::(?P<port>\d+))?", text)
    if text.isdigit():
        host, port = "localhost", int(text)
    elif found is None or not text:
        raise argparse.ArgumentTypeError(f"{text!a} is no address; write localhost:8765, :8765 or [::1]:8765")
    else:
        host, port = found["six"] or found["host"], int(found["port"] or USUAL_PORT)
    if port > 65535:
        raise argparse.ArgumentTypeError(f"{port} is no port; it is a number from 0 to 65535")
    return Address(host or None, port)


def extensions(text: str) -> Agreement:
    """What both sides agreed on, in the words of Sec-WebSocket-Extensions in the answer; "none" for nothing."""
    field = re.sub(r"(?i)^\s*sec-websocket-extensions:", "", text).strip()
    if field.lower() in ("", "none"):
        return Agreement()
    try:
        found = read_extensions(field.encode())
    except ValueError as error:
        advice = f"write '{NAME}; client_no_context_takeover', or none"
        raise argparse.ArgumentTypeError(f"{text!a} cannot be read, {error}; {advice}") from None
    if len(found) > 1 or found[0].name != NAME:
        raise argparse.ArgumentTypeError(f"{text!a} is not known here; write {NAME} and its parameters, or none")
    try:
        return Agreement(compression=Deflate().check(found[0]))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!a} cannot be agreed on: {error}") from None


def add_compression(group: Any) -> None:
    """The options about what we compress."""
    group.add_argument("--no-compression", action="store_true", help="agree on no permessage-deflate")
    group.add_argument(
        "--compress-from",
        type=size,
        default=256,
        metavar="SIZE",
        help="compress messages of this size and more (256; 0 for all, or none)",
    )


def compression_of(arguments: argparse.Namespace, **parameters: Any) -> Deflate | None:
    """What they say; `parameters` are those of `Deflate`."""
    if arguments.no_compression:
        return None
    threshold = sys.maxsize if arguments.compress_from is None else arguments.compress_from
    return Deflate(threshold=threshold, **parameters)


def agreed_json(terms: Terms | None) -> str | None:
    """What was agreed on, as the server's answer says it."""
    return None if terms is None else str(terms.extension)
