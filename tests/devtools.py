"""Pages in a headless Chromium, as many as one likes, told what to do over its DevTools protocol: a WebSocket, too.

What the protocol has is on https://chromedevtools.github.io/devtools-protocol/.
"""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from rawws.blocking import WebSocket, connect
from tests.chromium import HEADLESS, chromium

START = 60.0
"""Seconds that Chromium may take to start, on a machine that has much else to do."""
PATIENCE = 20.0
"""Seconds for whatever is waited for in a page."""


class Page:
    """An open page."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self._session = session

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol for this page."""
        return self._browser.tell(method, self._session, **parameters)

    def __call__(self, expression: str) -> Any:
        """The value of an expression in the page; of a promise, what it comes to."""
        told = self.tell("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, expression: str, seconds: float = PATIENCE) -> None:
        """Wait until an expression is true in the page; one that raises is not true yet."""
        deadline = time.monotonic() + seconds
        while not self(f"(() => {{ try {{ return !!({expression}); }} catch (error) {{ return false; }} }})()"):
            assert time.monotonic() < deadline, f"still not true in the page: {expression}"
            time.sleep(0.05)

    def resize(self, width: int, height: int, dark: bool = False, phone: bool = False) -> None:
        """Give the page a window of this size, and tell it what its user likes."""
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self) -> bytes:
        """What is to be seen, as PNG."""
        return base64.b64decode(self.tell("Page.captureScreenshot", format="png", optimizeForSpeed=False)["data"])


class Browser:
    """A Chromium that was started."""

    def __init__(self, ws: WebSocket) -> None:
        self._ws = ws
        self._numbers = count(1)

    def tell(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; what it gives."""
        number = next(self._numbers)
        called = {"id": number, "method": method, "params": parameters}
        self._ws.send(json.dumps(called if session is None else called | {"sessionId": session}))
        while (told := json.loads(self._ws.recv(timeout=START))).get("id") != number:
            pass
        assert "error" not in told, told["error"]
        result: dict[str, Any] = told["result"]
        return result

    def open(self, url: str, width: int = 1200, height: int = 800) -> Page:
        """A page of its own, that believes to be looked at."""
        target = self.tell("Target.createTarget", url="about:blank", newWindow=True)["targetId"]
        page = Page(self, self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        page.tell("Emulation.setFocusEmulationEnabled", enabled=True)
        page.resize(width, height)
        page.tell("Page.navigate", url=url)
        return page


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A browser, until the block ends; `profile` is a folder for what it writes."""
    program = chromium()
    assert program is not None, "there is no chromium"
    options = [*HEADLESS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port, path = _address(profile / "DevToolsActivePort")
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, ping_interval=None) as ws:
            yield Browser(ws)
    finally:
        process.terminate()
        process.wait(START)


def _address(file: Path) -> tuple[str, str]:
    """Where it listens: it writes that down when it does."""
    deadline = time.monotonic() + START
    while not file.exists() or len(lines := file.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline, "Chromium did not start"
        time.sleep(0.05)
    return lines[0], lines[1]
