"""Several processes, on one machine or on many: one makes the prices, the others serve them, and Redis stands between.

What is published in Redis is forgotten at once, and who was not there has missed it.  For prices that is right: what
is late is worthless, the next one is on its way, and the numbers tell who has missed something.  The whole book lies
beside it in a key, set in the same transaction as the delta is published.  So a server is to the producer what a reader
is to a server: it begins with a snapshot, goes on with deltas, and after a gap with another snapshot.
"""

import asyncio
import json
import sys
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from examples.feed.book import Book, Delta, Gap
from examples.feed.hub import Hub
from examples.feed.market import SYMBOLS, Market
from examples.feed.server import moves

CHANNEL = "feed:deltas"
AGAIN = 0.5
"""Seconds before Redis is tried again."""


def key(symbol: str) -> str:
    """Where the book of a symbol lies."""
    return f"feed:book:{symbol}"


async def produce(url: str, market: Market, rate: float) -> None:
    """Move every price so many times a second, for whoever listens; there is to be one who does."""
    outage = Outage()
    async with connection(url) as redis:
        async for delta in moves(market, rate):
            try:
                await tell(redis, market.books[delta.symbol], delta)
                outage.is_over()
            except (RedisError, OSError) as error:
                await outage.is_on(error)


async def tell(redis: Any, book: Book, delta: Delta) -> None:
    """Publish what has changed, and put down what is now."""
    async with redis.pipeline(transaction=True) as together:
        together.set(key(book.symbol), book.to_json())
        together.publish(CHANNEL, delta.to_json())
        await together.execute()


async def receive(url: str, hub: Hub, ready: asyncio.Event) -> None:
    """Keep a hub up to date; `ready` is set when it has all books."""
    outage = Outage()
    while True:
        try:
            async with connection(url) as redis, redis.pubsub() as channel:
                await channel.subscribe(CHANNEL)
                async for told in channel.listen():
                    outage.is_over()
                    if told["type"] == "message":
                        await learn(redis, hub, Delta.from_json(json.loads(told["data"])))
                    else:  # From now on nothing is missed; so this is the time to see how things stand.
                        await load(redis, hub, *(symbol.symbol for symbol in SYMBOLS))
                    if len(hub.lines) == len(SYMBOLS):
                        ready.set()
        except (RedisError, OSError) as error:
            await outage.is_on(error)


async def learn(redis: Any, hub: Hub, delta: Delta) -> None:
    """Publish a delta to the readers of this process."""
    try:
        hub.publish(delta)
    except Gap:
        await load(redis, hub, delta.symbol)


async def load(redis: Any, hub: Hub, *symbols: str) -> None:
    """Go on with the books that lie in Redis, if they are there."""
    for symbol in symbols:
        if (text := await redis.get(key(symbol))) is not None:
            hub.replace(Book.from_json(json.loads(text)))


def connection(url: str) -> Any:
    """A client of Redis, that tries nothing twice: after a failure it is time to look how things stand."""
    return Redis.from_url(url, socket_connect_timeout=5, health_check_interval=10, retry=Retry(NoBackoff(), 0))


class Outage:
    """Says once that Redis is away, and once that it is back."""

    def __init__(self) -> None:
        self._error: Exception | None = None

    async def is_on(self, error: Exception) -> None:
        """It is away; wait a moment."""
        if self._error is None:
            sys.stderr.write(f"Redis: {error}; trying again\n")
        self._error = error
        await asyncio.sleep(AGAIN)

    def is_over(self) -> None:
        """It answers."""
        if self._error is not None:
            sys.stderr.write("Redis: is back\n")
        self._error = None
