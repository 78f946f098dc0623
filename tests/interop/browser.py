"""A Chromium that is run from here: it shows a page of ours, and the page does what it is told over a WebSocket."""

import json
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

from rawws import Request, Response
from tests.chromium import HEADLESS
from tests.chromium import chromium as program
from tests.interop.links import missing
from tests.interop.talk import TIMEOUT, Ended, Host, Talker

PAGE = Path(__file__).with_name("page.html").read_bytes()
CONTROL = "/control"
START = 6 * TIMEOUT
"""Seconds that Chromium may take to show a page, on a machine that has much else to do."""

FLAGS = (*HEADLESS, "--ignore-certificate-errors")


@contextmanager
def chromium(url: str, profile: Path) -> Iterator[None]:
    """Show a page, until the block ends."""
    found = program()
    if found is None:
        missing("there is no chromium")
    process = subprocess.Popen(
        [found, *FLAGS, f"--user-data-dir={profile}", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        end(process)


def show_page(request: Request) -> Response | None:
    """Answer with the page, on a server that has it."""
    is_page = request.target == "/" and request.upgrade is None
    return Response(200, {"Content-Type": "text/html; charset=utf-8"}, PAGE) if is_page else None


class Lines:
    """A process that tells in lines of JSON what happens, ended by the end of the block; it may not complain."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._told: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._reader = Thread(target=self._read)
        self._reader.start()

    def next(self, event: str) -> dict[str, Any]:
        """What it tells next of this kind; what it tells before that is skipped."""
        while (told := self._told.get(timeout=START))["event"] != event:
            pass
        return told

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._told.put(json.loads(line))

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)
        self._reader.join(TIMEOUT)
        with self._process as process:
            assert process.stderr is not None
            complaints = process.stderr.read()
        assert "" == complaints


def end(process: "subprocess.Popen[Any]") -> None:
    """End a process, in a friendly way if it understands it."""
    process.terminate()
    try:
        process.wait(TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(TIMEOUT)


class PageHost(Host):
    """The server's side of all conversations with a page, and of the one that tells the page what to do."""

    def __init__(self) -> None:
        super().__init__()
        self._answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._control: Talker | None = None
        self.ready = Event()

    async def converse(self, talker: Talker) -> None:
        if talker.path != CONTROL:
            await super().converse(talker)
            return
        self._control = talker
        self.ready.set()
        try:
            while True:
                self._answers.put(json.loads(await talker.recv()))
        except Ended:
            self._control = None

    def tell(self, script: str) -> Coroutine[Any, Any, None]:
        """Have the page run a script."""
        assert self._control is not None, "the page is gone"
        return self._control.send(script)

    def answer(self) -> Any:
        """What the last script gave."""
        try:
            answer = self._answers.get(timeout=2 * TIMEOUT)
        except Empty:
            raise TimeoutError("the page does not answer") from None
        assert "error" not in answer, answer["error"]
        return answer["result"]


class Page:
    """An open page.

    Attributes:
        origin: of the page, as a browser names it.
        host: what serves it.
    """

    def __init__(self, origin: str, host: PageHost, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self.origin = origin
        self.host = host
        self._run = run
        if not host.ready.wait(START):
            raise TimeoutError("the page did not call")

    def __call__(self, script: str, **constants: object) -> Any:
        """Run the body of an async function in the page, and give back what it returns."""
        named = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in constants.items())
        self._run(self.host.tell(named + script))
        return self.host.answer()

    def ending(self, path: str) -> Ended:
        """How the server saw the end of the page's connection to this path."""
        return self.host.ending(path).result(TIMEOUT)
