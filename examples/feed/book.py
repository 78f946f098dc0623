"""An order book that is told in changes: what the server keeps and what each reader rebuilds, by the same rule.

A state is named by its run (one life of the producer) and its sequence number.  A snapshot is a whole state.  A delta
leads from one state (`after`) to a later one (`sequence`): it says what stands at each price that was touched, and 0 if
nothing does any more.  So deltas that follow one another can be merged into one, and one that begins before the state
that a reader has does no harm: only what leaves a hole is a `Gap`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeAlias

TRAIL = 240
"""So many of the last prices belong to a state: they are the chart."""

Levels: TypeAlias = dict[int, int]
"""What is offered at each price.  Prices are whole numbers, in units of the last decimal of their symbol."""


class Gap(Exception):
    """Something is missing between the state that is here and a delta."""


class Position(NamedTuple):
    """The name of a state."""

    run: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Delta:
    """What leads from the state `after` to the state `sequence`, in one step or in many."""

    symbol: str
    run: str
    after: int
    sequence: int
    bids: Levels
    asks: Levels
    prices: tuple[int, ...]
    time: float
    """When the last of it was made, in seconds since 1970."""

    def to_json(self) -> str:
        """As it goes over the wire."""
        return _packed("delta", self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """From a message that was parsed."""
        fields = {name: told[name] for name in ("symbol", "run", "after", "sequence", "time")}
        return cls(bids=dict(told["bids"]), asks=dict(told["asks"]), prices=tuple(told["prices"]), **fields)


@dataclass(slots=True)
class Book:
    """A state: what is bid and asked for a symbol now, and the last prices."""

    symbol: str
    run: str
    sequence: int
    opening: int
    """The first price of the run."""
    bids: Levels
    asks: Levels
    prices: list[int]

    @property
    def position(self) -> Position:
        """Its name."""
        return Position(self.run, self.sequence)

    def take(self, delta: Delta) -> bool:
        """Go where a delta leads; False if that is no news.

        Raises:
            Gap: it begins behind this state, or belongs to another run.
        """
        if delta.run != self.run or delta.after > self.sequence:
            raise Gap(f"{delta.symbol} is at {self.sequence}, and told what came after {delta.after}")
        steps = delta.sequence - self.sequence
        if steps <= 0:
            return False
        _put(self.bids, delta.bids)
        _put(self.asks, delta.asks)
        self.prices = [*self.prices, *delta.prices[-steps:]][-TRAIL:]
        self.sequence = delta.sequence
        return True

    def to_json(self) -> str:
        """As it goes over the wire: a snapshot."""
        return _packed("snapshot", self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """From a message that was parsed."""
        fields = {name: told[name] for name in ("symbol", "run", "sequence", "opening", "prices")}
        return cls(bids=dict(told["bids"]), asks=dict(told["asks"]), **fields)


def merge(deltas: Sequence[Delta]) -> Delta:
    """One delta in place of several, each of which begins where the one before it ends."""
    first, last = deltas[0], deltas[-1]
    bids: Levels = {}
    asks: Levels = {}
    prices: list[int] = []
    for delta in deltas:
        bids |= delta.bids
        asks |= delta.asks
        prices += delta.prices
    return Delta(first.symbol, first.run, first.after, last.sequence, bids, asks, tuple(prices[-TRAIL:]), last.time)


def difference(before: Levels, now: Levels) -> Levels:
    """What is to be put into `before` to make `now` of it."""
    return {price: now.get(price, 0) for price in before.keys() | now.keys() if before.get(price) != now.get(price)}


def _put(levels: Levels, changes: Levels) -> None:
    for price, size in changes.items():
        if size:
            levels[price] = size
        else:
            levels.pop(price, None)


def _packed(kind: str, state: Book | Delta) -> str:
    fields = {name: getattr(state, name) for name in state.__slots__}
    fields |= {"bids": list(state.bids.items()), "asks": list(state.asks.items())}
    return json.dumps({"type": kind, **fields}, separators=(",", ":"))
