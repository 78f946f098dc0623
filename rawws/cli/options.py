"""Types of options that verbs share: sizes, times, addresses."""

import argparse
import re
from typing import NamedTuple

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
