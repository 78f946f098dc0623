"""Messages in Redis, for several processes or machines: a stream for each room, publish/subscribe for what passes.

A stream keeps its entries in order, and whoever reads it says where to go on: a process that lost its connection to
Redis for a moment has lost nothing, just as a member that lost its connection to us.  Publish/subscribe tells only who
listens just now, and so has what may be lost: who is here, and who is typing.

A room takes a connection to Redis in each process in which somebody is in it, since it waits for its stream there.
"""

import asyncio
import json
from contextlib import suppress
from time import time
from typing import Any
from uuid import uuid4

import redis.asyncio as redis
from redis.exceptions import RedisError

from examples.chat.history import KEEP, Message
from examples.chat.store import Hear, Note, Overhear, Unavailable

REMEMBERED = 24 * 3600
"""Seconds for which a message that is sent again is known to be there already."""
AGAIN = 0.5
"""Seconds before something that failed is tried again."""
PATIENCE = 5.0
"""Seconds that an answer may take: a Redis that is mute is away too."""

# One step for Redis, so that no two messages get one number, and none gets two.
# KEYS: where the id is remembered, the last number, the stream.
# ARGV: the message, how many are kept, how long the id is remembered.
ADD = """
local seq = redis.call('GET', KEYS[1])
if seq then return tonumber(seq) end
seq = redis.call('INCR', KEYS[2])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], seq .. '-0', 'message', ARGV[1])
redis.call('SET', KEYS[1], seq, 'EX', ARGV[3])
return seq
"""


class Shared:
    """A Redis that others use too.

    Args:
        patience: seconds that an answer may take.
    """

    log: str

    def __init__(self, url: str, keep: int = KEEP, patience: float = PATIENCE) -> None:
        def client(**timeouts: float | None) -> Any:
            return redis.Redis.from_url(url, decode_responses=True, protocol=2, **timeouts)

        self._redis = client(socket_timeout=patience, socket_connect_timeout=patience)
        self._waiting = client(socket_timeout=None)  # What is new is waited for as long as it takes.
        self._keep = keep
        self._add = self._redis.register_script(ADD)
        self._process = uuid4().hex
        self._following: dict[str, asyncio.Task[None]] = {}
        self._overhearing: asyncio.Task[None] | None = None

    async def start(self, overhear: Overhear) -> None:
        try:
            await self._redis.set("chat:log", uuid4().hex, nx=True)
            self.log = await self._redis.get("chat:log")
        except RedisError as error:
            raise Unavailable(f"Redis: {error}") from error
        self._overhearing = asyncio.create_task(self._listen(overhear))

    async def stop(self) -> None:
        tasks = [*self._following.values(), *([self._overhearing] if self._overhearing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._redis.aclose()
        await self._waiting.aclose()

    async def open(self, room: str, hear: Hear) -> list[Message]:
        try:
            entries = await self._redis.xrevrange(_stream(room), count=self._keep)
        except RedisError as error:
            raise Unavailable from error
        messages = [_message(*entry) for entry in reversed(entries)]
        last = messages[-1].seq if messages else 0
        self._following[room] = asyncio.create_task(self._follow(room, last, hear))
        return messages

    def close(self, room: str) -> None:
        following = self._following.pop(room, None)
        if following is not None:
            following.cancel()

    async def add(self, room: str, id: str, name: str, text: str) -> int:
        message = json.dumps({"id": id, "name": name, "text": text, "time": time()})
        keys = [f"chat:{{{room}}}:id:{id}", f"chat:{{{room}}}:last", _stream(room)]
        try:
            return int(await self._add(keys=keys, args=[message, self._keep, REMEMBERED]))
        except RedisError as error:
            raise Unavailable from error

    async def whisper(self, room: str, note: Note) -> None:
        with suppress(RedisError):
            await self._redis.publish("chat:now", json.dumps({"room": room, "process": self._process, "note": note}))

    async def _follow(self, room: str, last: int, hear: Hear) -> None:
        """Tell what comes into a stream, from a number on; when Redis is lost, go on from there."""
        while True:
            try:
                found = await self._waiting.xread({_stream(room): f"{last}-0"}, count=100, block=0)
            except RedisError:
                await asyncio.sleep(AGAIN)
                continue
            for _, entries in found:
                for entry in entries:
                    message = _message(*entry)
                    hear(message)
                    last = message.seq

    async def _listen(self, overhear: Overhear) -> None:
        """Tell what other processes whisper."""
        while True:
            with suppress(RedisError):
                async with self._waiting.pubsub() as heard:
                    await heard.subscribe("chat:now")
                    async for published in heard.listen():
                        if published["type"] == "message":
                            told = json.loads(published["data"])
                            if told["process"] != self._process:
                                overhear(told["room"], told["process"], told["note"])
            await asyncio.sleep(AGAIN)


def _stream(room: str) -> str:
    return f"chat:{{{room}}}:messages"


def _message(number: str, fields: dict[str, str]) -> Message:
    return Message(int(number.partition("-")[0]), **json.loads(fields["message"]))
