"""A client under test that is a function of this program: called with the URL, it returns when the connection ends.

A coroutine function runs in the loop of the suite, any other in a thread of its own.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from rawws.conformance.target import ClientTarget, Process
from rawws.conformance.verdict import Skip


class CalledTarget(ClientTarget):
    """A client that is a function.

    Args:
        function: takes the URL, connects, sends every message back, returns when the connection ends.  It may raise:
            a client that refuses a connection has every reason to.
        options: those of `ClientTarget`.

    Attributes:
        raised: what the function has raised last.
    """

    def __init__(self, function: Callable[[str], Any], **options: Any) -> None:
        super().__init__("", **options)
        self.function = function
        self.name = getattr(function, "__qualname__", repr(function))
        self.raised: BaseException | None = None

    async def _run(self, url: str, env: Mapping[str, str]) -> Process:
        if env:
            raise Skip("the client is a function, and has no environment of its own")
        return self.call(self.function, url)

    def call(self, function: Callable[[str], Any], url: str) -> Process:
        """Call this one; what stands for its process."""
        call = _Call(self, function)
        (call.as_task if inspect.iscoroutinefunction(function) else call.in_thread)(url)
        return call


class _Call:
    """One call, as the process that it stands for."""

    def __init__(self, target: CalledTarget, function: Callable[[str], Any]) -> None:
        self._target = target
        self._function = function
        self._loop = asyncio.get_running_loop()
        self._status: asyncio.Future[int] = self._loop.create_future()
        self._task: asyncio.Task[Any] | None = None

    def as_task(self, url: str) -> None:
        """Call it here."""

        async def call() -> None:
            try:
                await self._function(url)
            except Exception as error:
                self._end(error)
            else:
                self._end(None)

        self._task = self._loop.create_task(call())

    def in_thread(self, url: str) -> None:
        """Call it in a thread; one that never returns is left behind, and does not keep the program from ending."""

        def call() -> None:
            error = None
            try:
                self._function(url)
            except BaseException as raised:  # Also SystemExit: it is a program's way to say that it failed.
                error = raised
            with suppress(RuntimeError):  # The loop is closed: nobody wants to know any more.
                self._loop.call_soon_threadsafe(self._end, error)

        threading.Thread(target=call, name=f"conformance {self._target.name}", daemon=True).start()

    def _end(self, error: BaseException | None) -> None:
        self._target.raised = error
        if not self._status.done():
            self._status.set_result(0 if error is None else 1)

    async def wait(self) -> int:
        """Wait until it has returned; 1 if it raised."""
        return await asyncio.shield(self._status)

    def kill(self) -> None:
        """Wait no longer."""
        if self._task is not None:
            self._task.cancel()
        if not self._status.done():
            self._status.set_result(0)
