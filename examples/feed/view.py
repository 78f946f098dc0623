"""What a reader knows: the other side of the hub, without a connection."""

import json
from collections.abc import Iterable
from typing import Any

from examples.feed.book import Book, Delta, Gap


class View:
    """The books of one reader.  It outlives connections: what it has is not asked for again.

    Attributes:
        books: of the symbols that came.
        symbols: what the server said of each that there is.
        process: which process of the server it talks to.
        gaps: how often something was missing.
        conflated: how often the server said that it left something out.
        made: when the last change that came was made, in seconds since 1970.
        errors: what the server said that it did not understand.
    """

    def __init__(self, wanted: Iterable[str]) -> None:
        self.wanted = list(wanted)
        self.books: dict[str, Book] = {}
        self.symbols: dict[str, dict[str, Any]] = {}
        self.process = 0
        self.gaps = 0
        self.conflated = 0
        self.made = 0.0
        self.errors: list[str] = []
        self._asked: set[str] = set()

    def requests(self) -> list[str]:
        """What to say first on a new connection."""
        self._asked.clear()
        return [self._request(symbol) for symbol in self.wanted]

    def take(self, message: str | bytes) -> str | None:
        """Learn what a message tells; what to answer, if something is missing."""
        told = json.loads(message)
        match told["type"]:
            case "snapshot":
                self._asked.discard(told["symbol"])
                self.books[told["symbol"]] = Book.from_json(told)
            case "delta":
                return self._change(Delta.from_json(told))
            case "conflated":
                self.conflated += 1
            case "welcome":
                self.process = told["process"]
                self.symbols = {symbol["symbol"]: symbol for symbol in told["symbols"]}
            case "error":
                self.errors.append(told["error"])
        return None

    def _change(self, delta: Delta) -> str | None:
        try:
            self.books[delta.symbol].take(delta)
        except (Gap, KeyError):
            if delta.symbol in self._asked:
                return None  # The answer is under way.
            self.gaps += 1
            self._asked.add(delta.symbol)
            return self._request(delta.symbol)
        self._asked.discard(delta.symbol)
        self.made = delta.time
        return None

    def _request(self, symbol: str) -> str:
        book = self.books.get(symbol)
        state = {} if book is None else book.position._asdict()
        return json.dumps({"type": "subscribe", "symbol": symbol, **state})
