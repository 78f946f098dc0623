"""Sessions at a terminal, as pages show them: what stands behind `$` is typed, and below it is what it says.

A command with `&` is a server: it goes on until the session ends.  A line of `...` stands for lines that were left out.
What is of the clock or random is real on the page and may be another here; behind "her seferinde başka" (another each
time) so may be all numbers.
"""

import os
import random
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.cli.run import ENVIRONMENT

ROOT = Path(__file__).parent.parent
PORT = re.compile(r"\b87\d\d\b")
VARIES = "# her seferinde başka"
CHANCE = {
    r"\b\d+(\.\d+)? ms\b": "0 ms",
    r"^ +\d+\.\d{3}(?=  [CS]>)": "   0.000",
    r"(?<=> )( +\d+  8\d 8\d)( [0-9a-f]{2}){4}(?=  )": r"\1 00 00 00 00",  # a masking key
    r"[\w+/]{22}==": "a nonce",
    r"[\w+/]{27}=": "what proves that it was read",
    r"127\.0\.0\.1:\d{5}": "127.0.0.1:0",
    r"thread terminating\.\.\.": "",  # by a thread that is in a hurry
    r"\n+": "\n",
}
NUMBERS = {r"\b[0-9a-f]+\b": "0", r"[-+]?\d+([.:]\d+)*": "0", r" +": " ", r"0( 0)+": "0"}


class Command(NamedTuple):
    """What is typed, and what the page says that it says."""

    typed: str
    said: str


def commands(page: str) -> list[Command]:
    """The commands on a page, in their order."""
    sessions = re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [Command(*pair) for pair in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(sessions), re.MULTILINE)]


def run_session(page: str, folder: Path) -> list[tuple[Command, Command]]:
    """Type it all in a folder, beside the files of the page.

    What comes back is each command as the page shows it and as it went; both are the same where the page is right.
    """
    ports = free_ports(set(PORT.findall(page)))
    for name, content in re.findall(r"^```python (\S+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        (folder / name).write_text(PORT.sub(lambda port: ports[port[0]], content))
    environment = _environment(folder)
    found = []
    with ExitStack() as servers:
        for typed, said in commands(page):
            here = PORT.sub(lambda port: ports[port[0]], typed)
            if typed.endswith("&"):
                really = servers.enter_context(_server(here, said.count("\n"), folder, environment))
            else:
                really = subprocess.run(["bash", "-c", here], **_options(folder, environment), timeout=60).stdout
            for there, port in ports.items():
                really = really.replace(f":{port}", f":{there}")
            same = said if _agree(said, really, VARIES in typed) else really
            found.append((Command(typed, said), Command(typed, same)))
    return found


def free_ports(names: set[str]) -> dict[str, str]:
    """A port for each that nobody listens on, of four digits as on the pages, so that bytes are counted alike."""
    ports: dict[str, str] = {}
    while names - ports.keys():
        port = random.randrange(4_000, 8_700)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            if str(port) not in ports.values():
                ports[min(names - ports.keys())] = str(port)
    return ports


def _environment(folder: Path) -> dict[str, str]:
    """No proxy, and the commands of this Python."""
    for name, words in {"rawws": "-m rawws ", "python": ""}.items():
        command = folder / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return kept | ENVIRONMENT | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def _options(folder: Path, environment: dict[str, str]) -> dict[str, object]:
    return {
        "cwd": folder,
        "env": environment,
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "encoding": "utf-8",
    }


@contextmanager
def _server(typed: str, lines: int, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """A server that runs; gives the lines that it says at first."""
    process = subprocess.Popen(["bash", "-c", f"exec {typed.removesuffix('&')}"], **_options(folder, environment))
    assert process.stdout is not None
    said = "".join(process.stdout.readline() for _ in range(lines))
    # It would wait until somebody reads what it tells.
    reading = threading.Thread(target=process.stdout.read)
    reading.start()
    try:
        yield said
    finally:
        process.terminate()
        reading.join()
        process.wait()
        process.stdout.close()


def _agree(shown: str, really: str, has_other_numbers: bool) -> bool:
    for pattern, same in (CHANCE | (NUMBERS if has_other_numbers else {})).items():
        shown, really = (re.sub(pattern, same, text, flags=re.MULTILINE) for text in (shown, really))
    pattern = re.escape(shown).replace(re.escape("...\n"), r"(.*\n)*?")
    return re.fullmatch(pattern, really) is not None
