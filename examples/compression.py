"""A compression of one's own: DEFLATE with a dictionary that both sides know before the first message.

Nothing is kept between messages, so a connection costs no window, and short messages become short all the same, if they
look like the dictionary.  Nobody has registered the name: it is for two programs that know each other.
"""

import asyncio
import zlib
from dataclasses import dataclass
from typing import Any

from rawws import ProtocolError, Role
from rawws.aio import WebSocket, connect, serve
from rawws.core import rules
from rawws.core.agreement import Extension
from rawws.core.frames import Opcode
from rawws.tap import Frame, Record, Tap

TRADE = '{"type": "trade", "symbol": "ACME", "price": 12.34, "volume": 100}'


@dataclass(frozen=True)
class Phrasebook:
    """What one side wants, and at once what both agree on: there is nothing to settle but the name."""

    phrases: bytes
    name: str = "x-phrasebook"

    @property
    def extension(self) -> Extension:
        return Extension(self.name)

    def offers(self) -> tuple[Extension, ...]:
        return (self.extension,)

    def accept(self, offer: Extension) -> "Phrasebook | None":
        return self if offer == self.extension else None

    def check(self, answer: Extension) -> "Phrasebook":
        if answer != self.extension:
            raise ValueError(f"{answer} was not offered")
        return self

    def compressor(self, sender: Role) -> "Shortener":
        return Shortener(self.phrases)

    def decompressor(self, sender: Role) -> "Expander":
        return Expander(self.phrases)


class Shortener:
    def __init__(self, phrases: bytes) -> None:
        self._phrases = phrases
        self._stream: Any = None

    def wants(self, size: int | None) -> bool:
        return True

    def compress(self, data: bytes, last: bool) -> bytes:
        stream = self._stream or zlib.compressobj(wbits=-15, zdict=self._phrases)
        self._stream = None if last else stream
        compressed: bytes = stream.compress(data) + stream.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
        return compressed

    def share(self, data: bytes, memo: dict[Any, Any]) -> bytes:
        return self.compress(data, last=True)

    def rest(self) -> None:
        pass


class Expander:
    def __init__(self, phrases: bytes) -> None:
        self._phrases = phrases
        self._stream: Any = None

    def decompress_whole(self, data: bytes, most: int) -> bytes | None:
        return None

    def decompress(self, data: bytes, most: int) -> tuple[bytes, int]:
        if self._stream is None:
            self._stream = zlib.decompressobj(-15, self._phrases)
        try:
            expanded = self._stream.decompress(data, most)
        except zlib.error as error:
            raise ProtocolError(rules.COMPRESSED_DATA, str(error)) from None
        if self._stream.unused_data:
            raise ProtocolError(rules.COMPRESSED_DATA, "it goes on behind its end")
        return expanded, len(data) - len(self._stream.unconsumed_tail)

    def finish(self) -> bytes:
        whole = self._stream is not None and self._stream.eof
        self._stream = None
        if not whole:
            raise ProtocolError(rules.COMPRESSED_DATA, "it is cut off")
        return b""


def show(record: Record) -> None:
    """Of each message: who sent it, and how long it is on the wire."""
    if isinstance(record, Frame) and record.header.opcode == Opcode.TEXT:
        print(f"the {record.sender.value} sent {len(TRADE)} characters in {record.header.length} bytes")


async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


async def main() -> None:
    phrases = Phrasebook(TRADE.encode())
    async with (
        serve(echo, "localhost", 8765, compression=phrases),
        connect("ws://localhost:8765", compression=phrases, tap=Tap(Role.CLIENT, show)) as ws,
    ):
        await ws.send(TRADE.replace("ACME", "EMCA").replace("100", "250"))
        print(await ws.recv())


asyncio.run(main())
