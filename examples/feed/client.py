"""The feed in a terminal: `python -m examples.feed.client [--slow SECONDS] [URL [SYMBOL ...]]`.

It connects again whenever the connection is lost, and is told what it missed meanwhile.
"""

import argparse
import asyncio
import sys

from examples.feed.book import Book
from examples.feed.view import View
from rawws import Backoff, ConnectionClosed, HandshakeRejected
from rawws.aio import WebSocket, reconnect
from rawws.backoff import may_pass

SYMBOLS = ("EUR/USD", "USD/TRY", "XAU/USD")
BACKOFF = Backoff(first=0.5, most=10)


async def run(url: str, symbols: list[str], slow: float) -> None:
    """Follow symbols, for ever."""
    view = View(symbols)
    screen = Screen(view)

    def failed(error: Exception) -> None:
        if may_pass(error):
            screen.show(f"cannot connect: {error}; trying again")

    async for ws in reconnect(url, backoff=BACKOFF, retry=failed):
        try:
            async with ws:
                await follow(ws, view, screen, slow)
        except ConnectionClosed as end:
            screen.show(f"connection lost ({end.code}); trying again")
        else:
            screen.show("the server has closed; trying again")


async def follow(ws: WebSocket, view: View, screen: "Screen", slow: float) -> None:
    """One connection."""
    for request in view.requests():
        await ws.send(request)
    async for message in ws:
        if (answer := view.take(message)) is not None:
            await ws.send(answer)
        screen.show(view.errors[-1] if view.errors else f"connected to process {view.process}")
        await asyncio.sleep(slow)


class Screen:
    """The table: drawn in place on a terminal; elsewhere, what is new is printed as a line."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._in_place = sys.stdout.isatty()
        self._seen: dict[str, int] = {}
        self._state = ""

    def show(self, state: str) -> None:
        """Show the books, and how it stands with the connection."""
        if self._in_place:
            lines = [self._line(book) for book in self._view.books.values()]
            note = f"{state}; {self._view.conflated} times too slow, {self._view.gaps} gaps. Ctrl-C ends it."
            print("\x1b[H\x1b[J" + "\n".join([*lines, "", note]), flush=True)
            return
        if state != self._state:
            print(state, flush=True)
            self._state = state
        for symbol, book in self._view.books.items():
            if self._seen.get(symbol) != book.sequence:
                self._seen[symbol] = book.sequence
                print(self._line(book), flush=True)

    def _line(self, book: Book) -> str:
        decimals = self._view.symbols[book.symbol]["decimals"]

        def written(price: int) -> str:
            return f"{price / 10**decimals:.{decimals}f}"

        change = round((book.prices[-1] / book.opening - 1) * 100, 2) + 0.0  # of -0.0 that makes 0.0
        sides = f"{written(max(book.bids)):>10} {written(min(book.asks)):>10}"
        return f"{book.symbol:<8} {sides}  {change:+6.2f} %  {book.sequence:>7}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m examples.feed.client", description="The feed in a terminal.")
    parser.add_argument("url", nargs="?", default="ws://localhost:8765")
    parser.add_argument("symbols", nargs="*", default=list(SYMBOLS), metavar="SYMBOL")
    parser.add_argument("--slow", type=float, default=0.0, metavar="SECONDS", help="sleep so long after each message")
    arguments = parser.parse_args()
    try:
        asyncio.run(run(arguments.url, arguments.symbols, arguments.slow))
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    except (HandshakeRejected, OSError, ValueError) as error:
        sys.exit(f"Cannot connect: {error}")


if __name__ == "__main__":
    main()
