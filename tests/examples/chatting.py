"""The chat as it is started, and pages that are in it."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.devtools import Browser, Page
from tests.examples.processes import python, running


class Served(NamedTuple):
    """A chat that runs.

    Attributes:
        process: of the command.
        where: its host and port.
        pids: of the processes that serve.
    """

    process: "subprocess.Popen[str]"
    where: str
    pids: list[int]


@contextmanager
def served(*options: str | Path) -> Iterator[Served]:
    """The command, and where it says that the chat is."""
    with running(*python("examples.chat", *options)) as process:
        assert process.stdout is not None
        found = re.fullmatch(r"The chat is on http://(\S+)  \(Ctrl-C ends it\)\n", process.stdout.readline())
        assert found is not None
        pids = [process.pid]
        if "--processes" in options:
            pids = [int(pid) for pid in process.stdout.readline().partition(": ")[2].split()]
        yield Served(process, found[1], pids)


def visit(browser: Browser, where: str, name: str, *, room: str = "lobby", **size: int) -> Page:
    """A page that is in a room."""
    page = browser.open(f"http://{where}/?name={name}&room={room}", **size)
    page.until("document.readyState === 'complete' && at('state').className === 'open'")
    return page


def say(page: Page, text: str) -> None:
    """Write it into the field, and send it."""
    page(f"(at('text').value = {json.dumps(text)}, at('form').requestSubmit())")


SHOWN = """
[...document.querySelectorAll("#log .message")].map(item =>
    [item.dataset.who, item.querySelector(".text").firstChild.data, item.className.includes("waiting")])
"""


def shown(page: Page, count: int) -> list[list[Any]]:
    """The messages that it shows, once there are so many and all are accepted: who, what, and whether it waits."""
    page.until(f"(shown => shown.length >= {count} && !shown.some(one => one[2]))({SHOWN})")
    return list(page(SHOWN))
