"""Where the prices come from: nowhere.  A random walk that can be had again with the same seed."""

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from examples.feed.book import TRAIL, Book, Delta, Levels, difference

DEPTH = 10
"""Prices on each side of a book."""


class Symbol(NamedTuple):
    """What is traded.  A price is a whole number of units of the last decimal; from one to the next it is a `step`."""

    symbol: str
    name: str
    decimals: int
    start: int
    step: int


SYMBOLS = (
    Symbol("EUR/USD", "Euro in US dollars", 5, 108_542, 4),
    Symbol("GBP/USD", "Pound sterling in US dollars", 5, 127_310, 5),
    Symbol("USD/JPY", "US dollar in Japanese yen", 3, 151_284, 6),
    Symbol("USD/TRY", "US dollar in Turkish lira", 4, 412_350, 15),
    Symbol("EUR/TRY", "Euro in Turkish lira", 4, 447_570, 16),
    Symbol("GBP/TRY", "Pound sterling in Turkish lira", 4, 524_960, 20),
    Symbol("XAU/USD", "Gold, ounce, in US dollars", 2, 264_830, 10),
    Symbol("XAU/TRY", "Gold, gram, in Turkish lira", 2, 351_090, 15),
)


class Market:
    """All the books, as the one who makes the prices has them.

    Args:
        run: a name for its life, which no other run has.
        seed: the same seed makes the same prices.
    """

    def __init__(self, run: str, seed: int, symbols: Iterable[Symbol] = SYMBOLS) -> None:
        self._random = Random(seed)
        self._symbols = {symbol.symbol: symbol for symbol in symbols}
        self._prices = {symbol.symbol: float(symbol.start) for symbol in symbols}
        self.books = {name: Book(name, run, 0, symbol.start, {}, {}, []) for name, symbol in self._symbols.items()}
        for name in self.books:
            for _ in range(TRAIL):  # so that there is something to look at
                self.step(name, 0.0)

    def step(self, name: str, time: float) -> Delta:
        """Let the price of a symbol move; what has changed."""
        symbol, book = self._symbols[name], self.books[name]
        price = self._prices[name]
        price += self._random.gauss(0, symbol.step) + (symbol.start - price) * 0.002
        self._prices[name] = price
        bids, asks = self._sides(symbol, book, price)
        changes = difference(book.bids, bids), difference(book.asks, asks)
        delta = Delta(name, book.run, book.sequence, book.sequence + 1, *changes, (round(price),), time)
        book.take(delta)
        return delta

    def _sides(self, symbol: Symbol, book: Book, price: float) -> tuple[Levels, Levels]:
        best_bid = int(price // symbol.step) * symbol.step
        bids = {best_bid - n * symbol.step: n for n in range(DEPTH)}
        asks = {best_bid + (n + 1) * symbol.step: n for n in range(DEPTH)}
        return self._sizes(bids, book.bids), self._sizes(asks, book.asks)

    def _sizes(self, depths: dict[int, int], before: Levels) -> Levels:
        """Most of what was offered stays; what is new is more the farther it is from the best price."""
        return {
            price: before[price] if price in before and self._random.random() < 0.7 else self._size(depth)
            for price, depth in depths.items()
        }

    def _size(self, depth: int) -> int:
        return int(self._random.lognormvariate(4.2 + 0.12 * depth, 0.6)) + 1
