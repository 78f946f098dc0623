"""Who follows what, and how far each one is.  Nobody waits for anybody.

A delta is broadcast to those who are up to date.  Whoever has not read what was sent before gets none: all that is kept
of it is its position, and when it reads again, one message leads it from there to the state of that moment.
"""

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from examples.feed.book import Book, Delta, Gap, Position, merge
from rawws import ConnectionClosed
from rawws.aio import WebSocket, broadcast

KEPT = 256
"""The last deltas of each symbol, for those who were away for a moment."""


class Line:
    """One symbol: its book, the last deltas, and those who are up to date."""

    def __init__(self, book: Book, followers: set[WebSocket]) -> None:
        self.book = book
        self.followers = followers
        self._recent: deque[Delta] = deque(maxlen=KEPT)

    def take(self, delta: Delta) -> bool:
        """Go where a delta leads; False if that is no news.  Raises `Gap` if there is something missing before it."""
        news = self.book.take(delta)
        if news:
            self._recent.append(delta)
        return news

    def since(self, position: Position | None) -> Book | Delta | None:
        """What leads from a position to here: nothing, one delta, or a snapshot."""
        if position is None or position.run != self.book.run or position.sequence - self.book.sequence > KEPT:
            return self.book
        missing = [delta for delta in self._recent if delta.sequence > position.sequence]
        if missing:
            return merge(missing) if missing[0].after <= position.sequence else self.book
        # Who comes from another process of the server may be a little ahead of this one.
        return None if position.sequence >= self.book.sequence else self.book


class Hub:
    """The lines of one process, and its readers."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.conflated = 0
        """How often a reader fell behind."""
        self._moved: set[str] = set()
        self._behind: dict[WebSocket, dict[str, Position | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- What the market tells ------------------------------------------------------------------------------------

    def publish(self, delta: Delta) -> None:
        """Tell a delta to those who are up to date.  Raises `Gap` if there is something missing before it."""
        line = self.lines.get(delta.symbol)
        if line is None:
            raise Gap(f"there is no book of {delta.symbol} yet")
        if line.take(delta):
            self._send(line, delta, Position(delta.run, delta.after))

    def replace(self, book: Book) -> None:
        """Begin with a book, or go on with one after a gap, if it is news."""
        known = self.lines.get(book.symbol)
        if known is not None and known.book.run == book.run and known.book.sequence >= book.sequence:
            return
        line = self.lines[book.symbol] = Line(book, self._followers(book.symbol))
        self._send(line, book, None)

    def reassure(self, readers: Iterable[WebSocket]) -> None:
        """Say a word to those who were told no news since the last time, so that they know that we are here."""
        told = {ws for symbol in self._moved for ws in self._followers(symbol)}
        self._moved.clear()
        broadcast(set(readers) - told, json.dumps({"type": "still here"}), slow="skip")

    def _send(self, line: Line, news: Book | Delta, before: Position | None) -> None:
        self._moved.add(news.symbol)
        for ws in broadcast(line.followers, news.to_json(), slow="skip"):
            line.followers.discard(ws)
            self._fall_behind(ws, news.symbol, before)

    # --- What readers ask -----------------------------------------------------------------------------------------

    def follow(self, ws: WebSocket, symbol: str, position: Position | None) -> None:
        """From now on `ws` follows a symbol, of which it has the state at `position`."""
        self.leave(ws, symbol)
        if not self._bring(ws, symbol, position):
            self._fall_behind(ws, symbol, position)

    def leave(self, ws: WebSocket, symbol: str) -> None:
        """It does not follow it any more."""
        self._followers(symbol).discard(ws)
        self._behind.get(ws, {}).pop(symbol, None)

    def forget(self, ws: WebSocket) -> None:
        """It is gone."""
        for symbol in self.lines:
            self.leave(ws, symbol)

    # --- Those who are behind -------------------------------------------------------------------------------------

    def _fall_behind(self, ws: WebSocket, symbol: str, position: Position | None) -> None:
        self.conflated += 1
        if ws not in self._behind:
            self._behind[ws] = {}
            task = asyncio.get_running_loop().create_task(self._catch_up(ws))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._behind[ws][symbol] = position

    async def _catch_up(self, ws: WebSocket) -> None:
        behind = self._behind[ws]
        with suppress(ConnectionClosed):
            while behind:
                # `send` waits until it reads again; and only then there is something to be said about the present.
                await ws.send(json.dumps({"type": "conflated", "symbols": list(behind)}))
                for symbol, position in list(behind.items()):
                    if self._bring(ws, symbol, position):
                        del behind[symbol]
        del self._behind[ws]

    def _bring(self, ws: WebSocket, symbol: str, position: Position | None) -> bool:
        """Bring it up to date, unless too much waits for it already."""
        line = self.lines[symbol]
        news = line.since(position)
        if news is not None and broadcast([ws], news.to_json(), slow="skip"):
            return False
        line.followers.add(ws)
        return True

    def _followers(self, symbol: str) -> set[WebSocket]:
        line = self.lines.get(symbol)
        return set() if line is None else line.followers
