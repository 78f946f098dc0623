"""The tester's end of a connection: it says whatever a case tells it to, and hears everything.

    await peer.send(peer.text("Hello"), peer.ping("a"), chop=Chop.OCTETS)
    await peer.expect(Text("Hello"), Pong(b"a"))       # in this order; else the case has failed
    await peer.fails(1002)                             # behind a violation: the other side must fail the connection

It plays the side that is not under test, so `peer.frame` masks when the target is a server.  Pings of the target's own
keepalive are answered and not told.  What the target says is decoded without judging it; `passive` judges all of it
afterwards.  Every wait ends in time, and then the case has failed.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from time import monotonic
from typing import Any

from rawws.conformance.case import Declared
from rawws.conformance.heard import Binary, Close, End, Garbage, Heard, Nothing, Ping, Pong, Text, shown
from rawws.conformance.http import Answer, Ask, Head
from rawws.conformance.inflating import Judge, settled
from rawws.conformance.line import Line, Patience
from rawws.conformance.transcript import Seen
from rawws.conformance.verdict import Skip, Wrong
from rawws.conformance.wire import BINARY, CLOSE, PING, PONG, TEXT, Chop, close_body, frame, pieces
from rawws.core.agreement import Decompressor, Extension
from rawws.core.deflate import NAME, Deflate, DeflateTerms
from rawws.core.errors import ProtocolError
from rawws.core.frames import RSV1, FrameHeader, decode_header
from rawws.core.headers import accept_for, read_extensions
from rawws.core.masking import apply_mask
from rawws.core.settings import Role

MOST_INFLATED = 64 * 1024 * 1024


class Peer(Line):
    """A connection with the target, from our side: what `Line` is, and the WebSocket protocol on it.

    Attributes:
        random: seeded for the case: whatever is random comes from here.
        declared: what was said about the target.
        request: of a client under test, its opening handshake, once it was read.
        answer: of a server under test, its answer.
        terms: of the compression that was agreed on.
        another: opens one more connection (of a server under test), or waits for one (of a client).
    """

    def __init__(
        self,
        role: Role,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        random: Random,
        patience: Patience = Patience(),
        declared: Declared = Declared(),
        resource: str = "/",
        host: str = "localhost",
        headers: tuple[tuple[str, str], ...] = (),
        another: "Callable[..., Awaitable[Peer]] | None" = None,
    ) -> None:
        super().__init__(role, reader, writer, patience)
        self.random = random
        self.declared = declared
        self.resource = resource
        self.host = host
        self.headers = headers
        self.request: Head | None = None
        self.answer: Head | None = None
        self.terms: DeflateTerms | None = None
        self.notes: list[str] = []
        self._another = another
        # Decoding.
        self._message: bytearray | None = None
        self._message_opcode = 0
        self._compressed = False
        self._inflater: Decompressor | None = None
        self._heard: deque[Heard] = deque()
        self._opened = False
        self.close_sent = False
        self.close_heard: Close | None = None

    async def another(self, **options: Any) -> "Peer":
        """One more connection with the target, as far open as the case asks for; `options` as for the driver."""
        if self._another is None:
            raise Skip("the target makes one connection only")
        return await self._another(**options)

    def note(self, what: str) -> None:
        """Something to be told in the report: which of several right behaviours was seen, or a limit."""
        self.notes.append(what)

    # --- Saying -----------------------------------------------------------------------------------------------------

    def frame(self, opcode: int, payload: str | bytes = b"", **shape: Any) -> bytes:
        """A frame as `wire.frame` writes it, masked if our side has to; `key` decides otherwise."""
        if "key" not in shape:
            shape["key"] = self.random.randbytes(4) if self.role is Role.CLIENT else None
        return frame(opcode, payload, **shape)

    def text(self, payload: str | bytes = "", **shape: Any) -> bytes:
        """A frame with text; a `bytes` is taken as it is, so that it may be wrong."""
        return self.frame(TEXT, payload, **shape)

    def binary(self, payload: bytes = b"", **shape: Any) -> bytes:
        """A frame with binary data."""
        return self.frame(BINARY, payload, **shape)

    def more(self, payload: str | bytes = b"", **shape: Any) -> bytes:
        """A continuation frame."""
        return self.frame(0, payload, **shape)

    def ping(self, payload: str | bytes = b"", **shape: Any) -> bytes:
        """A Ping."""
        return self.frame(PING, payload, **shape)

    def pong(self, payload: str | bytes = b"", **shape: Any) -> bytes:
        """A Pong."""
        return self.frame(PONG, payload, **shape)

    def close(self, code: int | None = 1000, reason: str | bytes = b"", **shape: Any) -> bytes:
        """A Close."""
        return self.frame(CLOSE, close_body(code, reason), **shape)

    async def send(self, *frames: bytes, chop: Chop = Chop.WHOLE) -> None:
        """Write these bytes; what cannot be written any more is dropped, for what came back will tell."""
        self.close_sent |= any(part and part[0] & 0x0F == CLOSE for part in frames)
        for piece in pieces(frames, chop):
            await self.write(piece)
            if chop is not Chop.WHOLE:
                await asyncio.sleep(0)

    # --- Hearing ----------------------------------------------------------------------------------------------------

    async def hear(self, seconds: float | None = None) -> Heard:
        """The next thing that the target says; `Nothing` when the time is over.  Its Pings are answered, not told."""
        allowed = self.patience.reply if seconds is None else seconds
        deadline = monotonic() + allowed
        while True:
            while self._heard:
                heard = self._heard.popleft()
                if not isinstance(heard, Ping):
                    return heard
                await self.send(self.pong(heard.payload))
            if self._decode():
                continue
            if self._end is not None:
                return self._end
            if not await self._wait_for_news(deadline):
                return Nothing(allowed)

    async def expect(self, *wanted: Heard, seconds: float | None = None) -> None:
        """These things come, in this order, and nothing between them."""
        for want in wanted:
            heard = await self.hear(seconds)
            if heard != want:
                raise Wrong(str(want), str(heard))

    async def echoes(self, *messages: str | bytes) -> None:
        """These messages come back."""
        await self.expect(*(Text(data) if isinstance(data, str) else Binary(data) for data in messages))

    async def fails(self, *codes: int, allowed: tuple[Heard, ...] = (), text: bool = False) -> None:
        """Behind a violation: the target fails the connection, and acts on nothing that came behind it.

        A Ping is sent behind the violation: its Pong proves at once that the violation was swallowed.

        Args:
            codes: what its Close may say, for the report (7.1.7/1); a drop with no Close is no failure of this case.
            allowed: what came before the violation and may be answered first.
            text: what is wrong is a whole text message.  Its bytes may become text only when the application asks for
                them; until then a Ping is answered, and rightly.  So a message is sent instead, and its echo proves it.
        """
        self.transcript.violated = ", ".join(map(str, codes)) or "1002"
        word = self.random.randbytes(4).hex()
        probe = Text(word) if text else Pong(word.encode())
        await self.send(self.text(word) if text else self.ping(word))
        expected = "a failed connection: a Close, or the end of TCP"
        left = list(allowed)
        while True:
            heard = await self.hear()
            if heard in left:
                left.remove(heard)
            elif heard == probe:
                what = "message" if text else "ping"
                raise Wrong(expected, f"the violation was swallowed: a {what} behind it was answered")
            elif isinstance(heard, Close):
                await self.part()
                return
            elif isinstance(heard, End):
                return
            elif not isinstance(heard, Pong):
                raise Wrong(expected, str(heard))

    async def closes(self, *codes: int | None, reason: bytes | None = None) -> None:
        """The target's Close comes, with one of these codes (None: with no code), and then the end of TCP."""
        heard = await self.hear()
        if not isinstance(heard, Close) or (codes and heard.code not in codes):
            names = " or ".join("no code" if code is None else str(code) for code in codes) or "any code"
            raise Wrong(f"a Close with {names}", str(heard))
        if reason is not None and heard.reason != reason:
            raise Wrong(f"the reason {shown(reason)}", str(heard))
        await self.part()

    async def bye(self) -> None:
        """Close cleanly, as every case does in which the connection should still be alive."""
        await self.send(self.close(1000))
        while isinstance(heard := await self.hear(self.patience.reply), (Text, Binary, Pong)):
            pass  # Late echoes.
        if not isinstance(heard, Close):
            raise Wrong("a Close in answer to ours", str(heard))
        if heard.code not in (1000, None):
            raise Wrong("the Close echoed, 1000", str(heard))
        await self.part()

    async def ends(self, seconds: float | None = None) -> None:
        """TCP ends."""
        heard = await self.hear(self.patience.close if seconds is None else seconds)
        if not isinstance(heard, End):
            raise Wrong("the end of the TCP connection", str(heard))

    async def part(self) -> None:
        """Both Close frames are there: the server ends TCP first (7.1.1)."""
        if not self.close_sent:
            code = self.close_heard.code if self.close_heard is not None else None
            await self.send(self.close(code if code not in (1010,) or self.role is Role.CLIENT else 1000))
        if self.role is Role.SERVER:
            self.finish()
        while not isinstance(heard := await self.hear(self.patience.close), (End, Nothing)):
            pass
        if isinstance(heard, Nothing):
            self.transcript.ended = "still open when we hung up"

    def established(self) -> None:
        """What a case wrote to a client as its answer is one that opens the connection."""
        self._opened = True

    @property
    def is_open(self) -> bool:
        """The opening handshake is done, and no end was seen, nor begun."""
        ended = self._end is not None or self.close_heard is not None or self.close_sent or self._writer.is_closing()
        return self._opened and not ended

    # --- Within -----------------------------------------------------------------------------------------------------

    def _decode(self) -> bool:
        """Take the next frame out of what was received; False if it is not all there."""
        header = decode_header(self._received)
        if header is None or len(self._received) < header.size + header.length:
            return False
        payload = bytes(self._received[header.size : header.size + header.length])
        del self._received[: header.size + header.length]
        if header.key is not None:
            payload = apply_mask(payload, header.key)
        self.transcript.see(Seen(header, payload[:128]))
        heard = self._understand(header, payload)
        if heard is not None:
            self._heard.append(heard)
        return True

    def _understand(self, header: FrameHeader, payload: bytes) -> Heard | None:
        match header.opcode:
            case 9:
                return Ping(payload)
            case 10:
                return Pong(payload)
            case 8:
                code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else None
                self.close_heard = Close(code, payload[2:])
                return Garbage("a Close with a payload of 1 byte") if len(payload) == 1 else self.close_heard
            case 0 | 1 | 2:
                return self._piece(header, payload)
            case _:
                return Garbage(f"opcode {header.opcode}")

    def _piece(self, header: FrameHeader, payload: bytes) -> Heard | None:
        if (header.opcode == 0) != (self._message is not None):
            return Garbage(
                "a continuation with nothing to continue" if header.opcode == 0 else "a message in a message"
            )
        if self._message is None:
            self._message = bytearray()
            self._message_opcode = header.opcode
            self._compressed = bool(header.rsv & RSV1)
        if self._compressed and self._inflater is None:
            return Garbage("RSV1, though no compression was agreed on")
        try:
            self._message += self._inflated(payload, header.fin) if self._compressed else payload
        except ProtocolError as error:
            return Garbage(f"data that cannot be decompressed: {error.detail}")
        if not header.fin:
            return None
        whole, self._message = bytes(self._message), None
        if self._message_opcode == BINARY:
            return Binary(whole)
        try:
            return Text(whole.decode())
        except UnicodeDecodeError:
            return Text(whole)

    def _inflated(self, payload: bytes, last: bool) -> bytes:
        assert self._inflater is not None
        inflated = b""
        while payload:
            part, used = self._inflater.decompress(payload, MOST_INFLATED)
            inflated += part
            payload = payload[used:]
        return inflated + (self._inflater.finish() if last else b"")

    # --- The opening handshake ----------------------------------------------------------------------------------------

    async def open(self, extensions: str = "", ask: Ask | None = None) -> None:
        """Open the connection: ask a server, or answer a client, with these extensions, and see that it worked.

        Args:
            extensions: an offer, or to a client what is chosen of its offer; empty for none.  To a client the first of
                several that it allows.
            ask: the request, if it is not the proper one.

        Raises:
            Wrong: the target's half of the handshake is not valid.
            Skip: the extension is not there on the other side.
        """
        if self.role is Role.CLIENT:
            await self._ask(extensions, ask)
        else:
            await self._answer(extensions)
        self._opened = True

    def proper_ask(self) -> Ask:
        """The request that a server has to accept, to be sent as it is or changed."""
        ask = Ask.properly(self.host, self.resource, self.random)
        for name, value in self.headers:
            ask.put(name, value)
        return ask

    async def _ask(self, extensions: str, ask: Ask | None) -> None:
        ask = self.proper_ask() if ask is None else ask
        if extensions:
            ask.put("Sec-WebSocket-Extensions", extensions)
        await self.write(bytes(ask))
        chosen = (await self.accepted(ask)).get("sec-websocket-extensions")
        if extensions and not chosen:
            raise Skip(f"the server declines {extensions}")

    async def accepted(self, ask: Ask) -> Head:
        """The answer to a request that was written: it opens the connection, on what terms so ever.

        Raises:
            Wrong: it does not.
        """
        answer = await self.head()
        if not isinstance(answer, Head):
            raise Wrong("an answer to the opening handshake", str(answer))
        self.answer = answer
        if answer.status != 101 or answer.get("sec-websocket-accept") != accept_for(ask.key):
            proof = answer.get("sec-websocket-accept")
            told = f" with {'none' if proof is None else shown(proof)}" if answer.status == 101 else ""
            raise Wrong("a 101 with the right Sec-WebSocket-Accept", shown(answer.first) + told)
        chosen = answer.get("sec-websocket-extensions")
        self.agree(_extension(chosen) if chosen else None)
        self._opened = True
        return answer

    async def asked(self) -> Head:
        """The opening handshake of a client under test; the same one if it was read before."""
        if self.request is not None:
            return self.request
        request = await self.head()
        if not isinstance(request, Head):
            raise Wrong("an opening handshake", str(request))
        self.request = request
        return request

    async def _answer(self, extensions: str) -> None:
        request = await self.asked()
        answer = Answer.properly(request)
        if extensions:
            extensions = str(_chosen(extensions, request.get("sec-websocket-extensions")))
            answer.put("Sec-WebSocket-Extensions", extensions)
        await self.write(bytes(answer))
        self.agree(_extension(extensions.encode()) if extensions else None)
        await self.settle()

    async def settle(self) -> None:
        """Behind a 101 of ours: wait, if the client was declared to lose what comes right behind it."""
        if self.declared.settle:
            await self.pause(self.declared.settle)

    def agree(self, extension: Extension | None) -> None:
        """From here on the target's messages may be compressed on these terms."""
        self.terms = None if extension is None else Deflate().check(extension)
        self._inflater = None if self.terms is None else Judge(self.terms, self.target)
        self.transcript.agreed = "" if extension is None else str(extension)


def _chosen(answer: str, offers: bytes | None) -> Extension:
    """The first of these answers that a client's offers allow, and with it what the offer needs besides."""
    if offers is None:
        raise Skip(f"the client does not offer {NAME}")
    try:
        offered = read_extensions(offers)
    except ValueError as error:
        raise Wrong("an opening handshake with valid extensions", f"{shown(offers)}: {error}") from None
    if all(offer.name != NAME for offer in offered):
        raise Skip(f"the client does not offer {NAME}")
    for wanted in read_extensions(answer.encode()):
        if (chosen := settled(wanted, offered)) is not None:
            return chosen
    raise Skip(f"what the client offers does not allow {answer}: {offers.decode('latin-1')}")


def _extension(field: bytes) -> Extension:
    """The one extension in an answer."""
    try:
        found = read_extensions(field)
        Deflate().check(found[0])
    except ValueError as error:
        raise Wrong("an answer with a valid extension", f"{shown(field)}: {error}") from None
    if len(found) != 1 or found[0].name != NAME:
        raise Wrong(f"{NAME} alone in the answer", shown(field))
    return found[0]
