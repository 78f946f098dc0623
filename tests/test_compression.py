"""Compression through both transports, over real sockets: who agrees to it, what is on the wire, and in which order.

What it may cost is in `test_compression_bounds`.
"""

import asyncio
import itertools
import pydoc
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from rawws import Connection, ConnectionClosed, Deflate, HandshakeRejected, RemoteProtocolError, Role, aio, blocking
from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.deflate import DeflateTerms
from tests.compressing import MEBIBYTE, OFFER, Inflated, compressed_frame, deflated, facing, hear_message
from tests.contract import both_roles, closed_by, code_of
from tests.net import Asyncio, Blocking, Net, Peer, behaviour, called, ended, listening
from tests.net import log as log
from tests.net import nothing_is_left as nothing_is_left
from tests.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_body, feed

RSV1, FIN = 0x40, 0x80

LONG = "All work and no play makes Jack a dull boy. " * 20
"""Over the threshold, and easily compressed."""


@pytest.fixture(params=[Asyncio, Blocking], ids=["aio", "blocking"])
def net(request: pytest.FixtureRequest) -> Net:
    return request.param()  # type: ignore[no-any-return]


def extensions_in(head: str) -> list[str]:
    """The extensions that an HTTP head names, field by field."""
    fields = [line.partition(": ") for line in head.split("\r\n")]
    return [value for name, _, value in fields if name.lower() == "sec-websocket-extensions"]


async def agreed_on(net: Net, offer: str, **options: Any) -> list[str]:
    """What a server answers to an offer; then it echoes, whatever it was."""
    async with net.serve(**options) as server, await called(server.port) as peer:
        head = await peer.ask(server.port, f"Sec-WebSocket-Extensions: {offer}\r\n")
        assert "HTTP/1.1 101" == head[:12]
        await peer.say(TEXT, LONG)
        first, payload = await peer.hear()
        plain = payload if first == FIN | TEXT else Inflated()(payload)
        assert (bool(extensions_in(head)), LONG) == (first == FIN | RSV1 | TEXT, plain.decode())
        return extensions_in(head)


class TestAgreeing:
    """What `serve` and `connect` settle."""

    @pytest.mark.parametrize(
        "offer, answer",
        [
            ("permessage-deflate", "; server_max_window_bits=12"),
            ("permessage-deflate; client_max_window_bits", "; server_max_window_bits=12; client_max_window_bits=12"),
            ("permessage-deflate; server_max_window_bits=9", "; server_max_window_bits=9"),
            ('permessage-deflate; server_max_window_bits="9"', "; server_max_window_bits=9"),
            (
                "permessage-deflate; server_no_context_takeover",
                "; server_no_context_takeover; server_max_window_bits=12",
            ),
            ("permessage-deflate; x, permessage-deflate", "; server_max_window_bits=12"),
            ("x-webkit-deflate-frame, a; b=c, permessage-deflate", "; server_max_window_bits=12"),
            ("a\r\nSec-WebSocket-Extensions: permessage-deflate", "; server_max_window_bits=12"),
        ],
    )
    @behaviour
    async def test_is_the_default_of_a_server(self, net: Net, offer: str, answer: str) -> None:
        """A server takes the first offer that it can accept, with windows of 4 KiB where it may say so."""
        assert [f"permessage-deflate{answer}"] == await agreed_on(net, offer)

    @pytest.mark.parametrize(
        "parameters",
        [
            "x",
            "x=1",
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=09",
            "server_max_window_bits=+9",
            "server_max_window_bits=",
            'server_max_window_bits=""',
            "client_max_window_bits=nine",
            "client_max_window_bits=10; client_max_window_bits=10",
            "client_max_window_bits; client_max_window_bits=10",
            "server_no_context_takeover=1",
            "client_no_context_takeover; client_no_context_takeover",
            "SERVER_NO_CONTEXT_TAKEOVER",
        ],
    )
    @behaviour
    async def test_declines_what_is_malformed(self, net: Net, parameters: str) -> None:
        """An offer with parameters that are unknown, not valid or there twice is passed over, with a 101."""
        assert [] == await agreed_on(net, f"permessage-deflate; {parameters}")

    @behaviour
    async def test_can_be_turned_off(self, net: Net) -> None:
        """With `compression=None` a server agrees to nothing, and RSV1 is a violation."""
        assert [] == await agreed_on(net, "permessage-deflate", compression=None)

        async with net.facing_client(compression=None, extra=OFFER) as (ws, peer):
            receiving = asyncio.ensure_future(code_of(ws.recv()))
            await peer.send(compressed_frame(peer, "a"))

            assert (1002, rules.RESERVED_BITS.text) == await closed_by(peer)
            peer.finish()
            assert (1002, None) == (await receiving, ws.compression)

    @behaviour
    async def test_is_not_what_a_client_offers(self, net: Net) -> None:
        """A client offers nothing unless it is asked to; a server then agrees to nothing."""
        async with listening() as place:
            opening = asyncio.ensure_future(net.connect(place.uri))
            async with await place.accept() as peer:
                assert [] == extensions_in(await peer.answer())
                await (await opening).abort()

        async with net.pair() as ws:
            assert None is ws.compression
            await ws.send(LONG, compress=True)
            assert LONG == await ws.recv()

    @pytest.mark.parametrize(
        "compression, offered",
        [
            (
                Deflate(),
                "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12, "
                "permessage-deflate; client_max_window_bits=12",
            ),
            (
                Deflate(server_max_window_bits=15, client_max_window_bits=15),
                "permessage-deflate; client_max_window_bits=15",
            ),
        ],
        ids=["default", "largest"],
    )
    @behaviour
    async def test_may_be_offered_by_a_client(self, net: Net, compression: Deflate, offered: str) -> None:
        """`compression=Deflate(…)` is what a client would like, and then, if that was a condition, the same without."""
        async with listening() as place:
            opening = asyncio.ensure_future(net.connect(place.uri, compression=compression))
            async with await place.accept() as peer:
                assert [offered] == extensions_in(await peer.answer())
                await (await opening).abort()

    @pytest.mark.parametrize(
        "answer, rule",
        [
            ("permessage-deflate; x", rules.COMPRESSION_TERMS),
            ("permessage-deflate; server_max_window_bits=16", rules.COMPRESSION_TERMS),
            ("permessage-deflate; client_max_window_bits", rules.COMPRESSION_TERMS),
            ("permessage-deflate, permessage-deflate", rules.EXTENSION_UNOFFERED),
            ("x-webkit-deflate-frame", rules.EXTENSION_UNOFFERED),
        ],
    )
    @behaviour
    async def test_must_be_right_in_an_answer(self, net: Net, answer: str, rule: rules.Rule) -> None:
        """A server that answers what was not offered, or in a wrong way, is a `RemoteProtocolError`."""
        async with listening() as place:
            opening = asyncio.ensure_future(ended(net.connect(place.uri, compression=Deflate())))
            async with await place.accept() as peer:
                await peer.answer(extra=f"Sec-WebSocket-Extensions: {answer}\r\n")
                error = await opening

        assert isinstance(error, RemoteProtocolError)
        assert rule is error.rule

    @behaviour
    async def test_is_seen_on_both_sides(self, net: Net) -> None:
        """`ws.compression` has the terms on the client and on the server, and they are the same."""
        seen = asyncio.get_running_loop().create_future()

        async def handler(ws: Any) -> None:
            seen.set_result(ws.compression)

        wish = Deflate(client_max_window_bits=10, server_no_context_takeover=True)
        async with net.serve(handler) as server, await net.connect(server.uri, compression=wish) as ws:
            theirs = await seen

            expected = (
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=10"
            )
            assert [expected] * 2 == [str(ws.compression.extension), str(theirs.extension)]
            assert (True, 12, 10) == (
                theirs.server_no_context_takeover,
                theirs.server_max_window_bits,
                theirs.client_max_window_bits,
            )

    @pytest.mark.parametrize("wrong", ["deflate", True, 15, {}, ["permessage-deflate"], Deflate], ids=repr)
    @behaviour
    async def test_needs_the_right_type(self, net: Net, wrong: Any) -> None:
        """What is no compression, the class `Deflate` included, is a TypeError that says what to give."""
        async with listening() as place:
            with pytest.raises(TypeError, match=r"compression is Deflate\(\.\.\.\) or None, not"):
                await net.connect(place.uri, compression=wrong)

        with pytest.raises(TypeError, match=r"compression is Deflate\(\.\.\.\) or None, not"):
            async with net.serve(compression=wrong):
                pass

    @behaviour
    async def test_is_not_for_hooks(self, net: Net, log: list[Any]) -> None:
        """A hook that answers an extension by itself is 500: nobody would do what it says."""
        hook: Any = {"process_response": lambda request: {"Sec-WebSocket-Extensions": "permessage-deflate"}}
        async with net.serve(**hook) as server:
            error = await ended(net.connect(server.uri, compression=Deflate()))

        assert isinstance(error, HandshakeRejected)
        assert 500 == error.status
        assert "rawws.server" == log.pop().name


class TestSending:
    """What goes out compressed, seen by a raw peer."""

    @both_roles
    @pytest.mark.parametrize(
        "message, compress, compressed",
        [
            (LONG, None, True),
            (LONG, True, True),
            (LONG, False, False),
            ("short", None, False),
            ("short", True, True),
            ("short", False, False),
            ("", None, False),
            ("", True, True),
            (b"x" * 256, None, True),
            (b"x" * 255, None, False),
            (bytearray(b"x" * 256), None, True),
            (memoryview(b"x" * 512)[::2], None, True),
        ],
        ids=lambda given: f"{type(given).__name__}{len(given)}" if hasattr(given, "__len__") else str(given),
    )
    @behaviour
    async def test_follows_the_length_or_the_caller(
        self, net: Net, role: str, message: Any, compress: bool | None, compressed: bool
    ) -> None:
        """256 bytes are compressed unless the caller says no, less only if the caller says yes: RSV1 tells."""
        async with facing(net, role) as (ws, peer):
            await ws.send(message, compress=compress)
            first, payload = await peer.hear()

            text = isinstance(message, str)
            assert FIN | RSV1 * compressed | (TEXT if text else BINARY) == first
            assert (message.encode() if text else bytes(message)) == (Inflated()(payload) if compressed else payload)

    @pytest.mark.parametrize("threshold, compressed", [(0, True), (10, True), (11, False), (2**40, False)])
    @both_roles
    @behaviour
    async def test_begins_at_the_threshold(self, net: Net, role: str, threshold: int, compressed: bool) -> None:
        """`Deflate(threshold=…)` is the least length in bytes, of UTF-8 in text, that is compressed unasked."""
        async with facing(net, role, Deflate(threshold=threshold)) as (ws, peer):
            await ws.send("ü" * 5)

            assert FIN | RSV1 * compressed | TEXT == (await peer.hear())[0]

    @both_roles
    @behaviour
    async def test_looks_back(self, net: Net, role: str) -> None:
        """The same message again takes a few bytes, and plain messages in between change nothing."""
        noise = random.Random(0).randbytes(1000)
        inflated = Inflated()
        async with facing(net, role) as (ws, peer):
            sizes = []
            for _ in range(3):
                await ws.send(noise)
                await ws.send(noise, compress=False)
                payload = (await peer.hear())[1]
                assert (noise, (FIN | BINARY, noise)) == (inflated(payload), await peer.hear())
                sizes.append(len(payload))

            assert sizes[0] > 1000
            assert sizes[1] < 50 > sizes[2]

    @both_roles
    @behaviour
    async def test_forgets_if_that_was_agreed(self, net: Net, role: str) -> None:
        """With no context takeover every message stands for itself, and the same one takes the same bytes."""
        async with facing(net, role, Deflate(**{f"{role}_no_context_takeover": True})) as (ws, peer):
            await ws.send(LONG)
            await ws.send(LONG)
            payloads = [(await peer.hear())[1] for _ in range(2)]

            assert payloads[0] == payloads[1]
            assert LONG.encode() == Inflated()(payloads[1])

    @pytest.mark.parametrize("kind", ["list", "iterator", "async"])
    @both_roles
    @behaviour
    async def test_of_fragments_marks_the_first(self, net: Net, role: str, kind: str) -> None:
        """All fragments are one compressed message, however short, with RSV1 on the first frame only (RFC 7692, 6)."""
        if (net.name, kind) == ("blocking", "async"):
            pytest.skip("threads have no async iterables")
        parts = ["Hel", "", "lo", LONG]
        async with facing(net, role) as (ws, peer):
            await ws.send({"list": parts, "iterator": iter(parts), "async": each(parts)}[kind])
            frames = await hear_message(peer)

            assert [TEXT | RSV1, CONTINUATION, CONTINUATION, CONTINUATION | FIN] == [first for first, _ in frames]
            assert "".join(parts).encode() == Inflated()(*(payload for _, payload in frames))

    @both_roles
    @behaviour
    async def test_of_fragments_holds_nothing_back(self, net: Net, role: str) -> None:
        """What a fragment had to say can be read when it has come, before the rest is sent."""
        go_on = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slowly() -> Iterator[str]:
            yield from ("first", "second")
            if net.name == "blocking":
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
            yield "third"

        async def later() -> AsyncIterator[str]:
            yield "first"
            yield "second"
            await go_on.wait()
            yield "third"

        async with facing(net, role) as (ws, peer):
            sending = asyncio.ensure_future(ws.send(later() if net.name == "aio" else slowly()))
            first, payload = await peer.hear()
            assert (TEXT | RSV1, b"first") == (first, Inflated().part(payload))
            go_on.set()
            await sending

    @pytest.mark.parametrize("compress, compressed", [(None, False), (True, True), (False, False)])
    @both_roles
    @behaviour
    async def test_of_a_single_fragment_is_of_a_message(
        self, net: Net, role: str, compress: bool | None, compressed: bool
    ) -> None:
        """An iterable of one item is a message in one frame, and the threshold holds for it."""
        async with facing(net, role) as (ws, peer):
            await ws.send(["short"], compress=compress)
            await ws.send([], compress=compress)

            assert FIN | RSV1 * compressed | TEXT == (await peer.hear())[0]
            assert FIN | RSV1 * compressed | BINARY == (await peer.hear())[0]

    @both_roles
    @behaviour
    async def test_of_fragments_may_be_declined(self, net: Net, role: str) -> None:
        """`compress=False` sends fragments as they are."""
        async with facing(net, role) as (ws, peer):
            await ws.send([LONG, "b"], compress=False)

            assert [(TEXT, LONG.encode()), (CONTINUATION | FIN, b"b")] == await hear_message(peer)

    @both_roles
    @behaviour
    async def test_leaves_control_frames_alone(self, net: Net, role: str) -> None:
        """Pings, Pongs and the Close are never compressed (RFC 7692 section 6.1)."""
        async with facing(net, role) as (ws, peer):
            await ws.ping(b"x" * 125)
            await ws.pong(b"x" * 125)
            closing = asyncio.ensure_future(ws.close(1000, "x" * 123))

            assert [FIN | PING, FIN | PONG, FIN | CLOSE] == [(await peer.hear())[0] for _ in range(3)]
            peer.close()
            await closing

    @both_roles
    @behaviour
    async def test_survives_what_was_not_sent(self, net: Net, role: str) -> None:
        """What the caller did wrong leaves no trace in the window."""
        inflated = Inflated()
        async with facing(net, role) as (ws, peer):
            for wrong in (5, [5], "\ud800" * 300, None):
                assert None is not await ended(ws.send(wrong, compress=True))
            for message in (LONG, LONG[:300]):
                await ws.send(message)
                assert message.encode() == inflated((await peer.hear())[1])

    def test_survives_an_interruption(self) -> None:
        """A message that was compressed, and then not queued, is not missing from the peer's window."""
        terms = Agreement(compression=DeflateTerms())
        fails = iter([False, True, False, False, True, False])

        def draw(size: int) -> bytes:
            if next(fails):
                raise KeyboardInterrupt
            return bytes(size)

        client, server = Connection(Role.CLIENT, terms, random=draw), Connection(Role.SERVER, terms)
        client.send_text(LONG)
        with pytest.raises(KeyboardInterrupt):
            client.send_text("secret" + LONG)
        client.send_text("secret?" + LONG)
        client.send_text("be", more=True)
        with pytest.raises(KeyboardInterrupt):
            client.send_text("unsaid", more=True)
        client.send_text("gin")

        assert [LONG, "secret?" + LONG, "begin"] == feed(server, client.data_to_send())


async def each(items: list[str]) -> AsyncIterator[str]:
    for item in items:
        await asyncio.sleep(0)
        yield item


class TestReceiving:
    """What comes in compressed, said by a raw peer."""

    @both_roles
    @pytest.mark.parametrize("message", ["", "a", "İstanbul 東京 🎈", b"", b"\x00\xff", LONG, b"x" * MEBIBYTE])
    @behaviour
    async def test_gives_what_was_meant(self, net: Net, role: str, message: str | bytes) -> None:
        """A compressed message is the message, up to the limit, which holds for what it becomes."""
        async with facing(net, role) as (ws, peer):
            await peer.send(compressed_frame(peer, message))

            assert message == await ws.recv()

    @both_roles
    @behaviour
    async def test_puts_fragments_together(self, net: Net, role: str) -> None:
        """Control frames between the fragments are answered, and the message behind them is whole."""
        one, two, three = deflated(b"Hel", "lo ü".encode()[:-1], "ü".encode()[1:])
        async with facing(net, role) as (ws, peer):
            await peer.say(TEXT, one, rsv=4, fin=False)
            await peer.say(PING, b"1")
            await peer.say(CONTINUATION, two, fin=False)
            await peer.say(PING, b"2")
            await peer.send(peer.frame(CONTINUATION, three), peer.frame(TEXT, "plain"))

            assert ["Hello ü", "plain"] == [await ws.recv(), await ws.recv()]
            assert [(FIN | PONG, b"1"), (FIN | PONG, b"2")] == [await peer.hear(), await peer.hear()]

    @both_roles
    @behaviour
    async def test_in_pieces_begins_with_the_first_fragment(self, net: Net, role: str) -> None:
        """`recv_streaming` gives what a fragment had to say before the next one has come."""
        one, two = deflated(b"first ", b"second")
        async with facing(net, role) as (ws, peer):
            pieces = ws.recv_streaming()
            begin = asyncio.ensure_future(anext(pieces))
            await peer.say(TEXT, one, rsv=4, fin=False)
            assert "first " == await begin
            await peer.say(CONTINUATION, two)

            assert "second" == "".join([piece async for piece in pieces])

    @both_roles
    @behaviour
    async def test_in_pieces_begins_inside_a_frame(self, net: Net, role: str) -> None:
        """Of one frame that becomes a MiB no piece is much over 64 KiB, and the first comes with its first half."""
        async with facing(net, role) as (ws, peer):
            wire = compressed_frame(peer, b"x" * MEBIBYTE)
            pieces = ws.recv_streaming()
            begin = asyncio.ensure_future(anext(pieces))
            await peer.send(wire[: len(wire) // 2])
            sizes = [len(await begin)]
            assert 0 < sizes[0] < 80_000
            await peer.send(wire[len(wire) // 2 :])
            sizes += [len(piece) async for piece in pieces]

            assert (MEBIBYTE, True) == (sum(sizes), max(sizes) < 80_000)

    @both_roles
    @pytest.mark.parametrize("then", ["recv", "recv_streaming"])
    @behaviour
    async def test_in_pieces_may_be_left_early(self, net: Net, role: str, then: str) -> None:
        """The rest of a message that is left is still seen by the window, which the next message looks back into."""
        terms = Agreement(compression=DeflateTerms())
        sender = Connection(Role.CLIENT if role == "server" else Role.SERVER, terms)
        noise = random.Random(1).randbytes(3000).hex()
        sender.send_text("x" * 300_000 + noise)
        sender.send_text(noise)
        wire = sender.data_to_send()
        async with facing(net, role) as (ws, peer):
            await peer.send(wire)
            async with aclosing(ws.recv_streaming()) as pieces:
                await anext(pieces)

            if then == "recv":
                assert noise == await ws.recv()
            else:
                assert noise == "".join([piece async for piece in ws.recv_streaming()])

    @behaviour
    async def test_come_back_by_the_thousand(self, net: Net) -> None:
        """A thousand messages of all lengths, compressed and plain, come back as they were, in order."""
        sizes = random.Random(2)
        messages = [f"{number} {LONG}"[: sizes.randrange(len(LONG))] for number in range(1000)]
        async with net.serve() as server, await net.connect(server.uri, compression=Deflate()) as ws:
            sending = asyncio.ensure_future(send_all(ws, messages))
            assert messages == [await ws.recv() for _ in messages]
            await sending


async def send_all(ws: Any, messages: list[Any]) -> None:
    for message in messages:
        await ws.send(message)


class TestEnding:
    """What stands behind compressed messages takes effect behind them."""

    @both_roles
    @behaviour
    async def test_comes_in_order(self, net: Net, role: str) -> None:
        """Messages in front of a Close are received first, and may be answered with compressed ones."""
        async with facing(net, role) as (ws, peer):
            await peer.send(
                *(compressed_frame(peer, f"{n}{LONG}") for n in range(5)), peer.frame(CLOSE, close_body(3000, "bye"))
            )
            inflated = Inflated()
            for n in range(5):
                assert f"{n}{LONG}" == await ws.recv()
                await ws.send(f"answer {n}{LONG}")
            receiving = asyncio.ensure_future(code_of(ws.recv()))

            answers = [await peer.hear() for n in range(5)]
            assert [FIN | RSV1 | TEXT] * 5 == [first for first, _ in answers]
            assert [f"answer {n}{LONG}" for n in range(5)] == [inflated(payload).decode() for _, payload in answers]
            assert 3000 == (await closed_by(peer))[0]
            peer.finish()
            assert 3000 == await receiving

    @behaviour
    async def test_waits_for_the_answers(self, net: Net) -> None:
        """A hundred compressed messages and a Close in one go get a hundred answers and a Close."""
        inflated = Inflated()
        async with net.serve() as server, await called(server.port) as peer:
            await peer.ask(server.port, OFFER)
            await peer.send(
                *(compressed_frame(peer, f"{n}{LONG}") for n in range(100)), peer.frame(CLOSE, close_body(1000))
            )

            for n in range(100):
                assert f"{n}{LONG}" == inflated((await peer.hear())[1]).decode()
            assert 1000 == (await closed_by(peer))[0]
            assert b"" == await peer.end()

    @pytest.mark.parametrize(
        "opcode, payload, fields, code, rule",
        [
            (TEXT, "07", {"rsv": 4}, 1007, rules.COMPRESSED_DATA),  # a reserved type of block
            (BINARY, "f248cdc9", {"rsv": 4}, 1007, rules.COMPRESSED_DATA),  # cut off
            (BINARY, "f248cdc9c90700 ff", {"rsv": 4}, 1007, rules.COMPRESSED_DATA),  # with something behind it
            (BINARY, "03f2ff", {"rsv": 4}, 1007, rules.COMPRESSED_DATA),
            (TEXT, deflated(b"\xff")[0].hex(), {"rsv": 4}, 1007, rules.TEXT_NOT_UTF8),
            (TEXT, deflated(b"\xc3")[0].hex(), {"rsv": 4}, 1007, rules.TEXT_NOT_UTF8),
            (BINARY, deflated(bytes(2000))[0].hex(), {"rsv": 4}, 1009, rules.MESSAGE_TOO_BIG),
            (BINARY, deflated(bytes(1), bytes(2000))[1].hex(), {"rsv": 4}, 1009, rules.MESSAGE_TOO_BIG),
            (BINARY, "", {"rsv": 2}, 1002, rules.RESERVED_BITS),
            (BINARY, "", {"rsv": 6}, 1002, rules.RESERVED_BITS),
            (PING, "", {"rsv": 4}, 1002, rules.COMPRESSED_BIT),
            (CLOSE, "", {"rsv": 4}, 1002, rules.COMPRESSED_BIT),
            (CONTINUATION, "", {"rsv": 4}, 1002, rules.COMPRESSED_BIT),
        ],
    )
    @both_roles
    @behaviour
    async def test_by_a_violation_comes_in_order(
        self, net: Net, role: str, opcode: int, payload: str, fields: Any, code: int, rule: rules.Rule
    ) -> None:
        """Good messages in front of bad data are received, and then the peer is told which rule it broke."""
        async with facing(net, role, max_size=1500) as (ws, peer):
            await peer.send(
                compressed_frame(peer, "good"),
                compressed_frame(peer, LONG),
                peer.frame(opcode, bytes.fromhex(payload), **fields),
                compressed_frame(peer, "too late"),
            )

            assert ["good", LONG] == [await ws.recv(), await ws.recv()]
            receiving = asyncio.ensure_future(ended(ws.recv()))
            assert (code, rule.text) == await closed_by(peer)
            peer.finish()
            error = await receiving
            assert isinstance(error, ConnectionClosed)
            assert (code, "error", rule) == (
                error.code,
                error.closed.by,
                error.closed.error and error.closed.error.rule,
            )

    @both_roles
    @behaviour
    async def test_by_a_bit_on_a_later_fragment(self, net: Net, role: str) -> None:
        """RSV1 on a fragment but the first is 1002, also in a compressed message."""
        one, two = deflated(b"a", b"b")
        async with facing(net, role) as (ws, peer):
            receiving = asyncio.ensure_future(code_of(ws.recv()))
            await peer.send(peer.frame(TEXT, one, rsv=4, fin=False), peer.frame(CONTINUATION, two, rsv=4))

            assert (1002, rules.COMPRESSED_BIT.text) == await closed_by(peer)
            peer.finish()
            assert 1002 == await receiving

    @both_roles
    @behaviour
    async def test_by_an_iterable_that_raises(self, net: Net, role: str) -> None:
        """Half a compressed message is on the wire: the peer is told 1011, and that is not compressed."""

        def fragments() -> Iterator[str]:
            yield from (LONG, "b")
            raise LookupError

        async with facing(net, role) as (ws, peer):
            with pytest.raises(LookupError):
                await ws.send(fragments())

            first, payload = await peer.hear()
            assert (TEXT | RSV1, LONG.encode()) == (first, Inflated().part(payload))
            assert (1011, "a message could not be finished") == await closed_by(peer)
            peer.finish()
            assert [1011, 1011] == [await code_of(ws.recv()), await code_of(ws.send(LONG))]


class TestTogether:
    """The window is one for all who send: what is compressed first must be on the wire first."""

    @pytest.mark.parametrize("role", ["client", "server"])
    @behaviour
    async def test_threads_and_tasks_share_a_window(self, net: Net, role: str) -> None:
        """Four that send at once, whole messages and fragments, while one receives: a raw peer can read it all."""
        parts = [f"{number} {LONG}" for number in range(60)]

        async def send(ws: Any, name: int) -> None:
            rest = iter(parts)
            for part in rest:
                if name % 2:
                    await ws.send([f"{name}: ", part[:50], part[50:]])
                else:
                    await ws.send(f"{name}: {part}", compress=None if name else True)

        async def talk(ws: Any, peer: Peer) -> list[str]:
            receiving = asyncio.ensure_future(ws.recv())
            sending = asyncio.gather(*(send(ws, name) for name in range(4)))
            inflated = Inflated()
            heard = []
            for n in range(4 * len(parts)):
                if n % 10 == 0:
                    await peer.say(PING)
                heard.append(await hear_compressed(peer, inflated))
            await sending
            await peer.say(TEXT, "done")
            assert "done" == await receiving
            return heard

        async with facing(net, role) as (ws, peer):
            interval = sys.getswitchinterval()
            sys.setswitchinterval(1e-5)
            try:
                heard = await talk(ws, peer)
            finally:
                sys.setswitchinterval(interval)

        for name in range(4):
            assert [f"{name}: {part}" for part in parts] == [text for text in heard if text.startswith(f"{name}: ")]

    @behaviour
    async def test_two_sides_pass_each_other(self, net: Net) -> None:
        """Both sides send much that can hardly be compressed, from two threads or tasks each, while they receive."""
        source = random.Random(3)
        messages = [source.randbytes(size) * 2 for size in (10, 3000, 100_000) * 4]

        async def talk(ws: Any) -> list[bytes]:
            sending = asyncio.gather(*(send_all(ws, messages) for _ in range(2)))
            received = [await ws.recv() for _ in range(2 * len(messages))]
            await sending
            return received

        async def handler(ws: Any) -> None:
            assert sorted(messages * 2) == sorted(await talk(ws))
            await ws.recv()

        async with net.serve(handler) as server, await net.connect(server.uri, compression=Deflate()) as ws:
            assert sorted(messages * 2) == sorted(await talk(ws))

    @pytest.mark.parametrize("turns", range(6))
    @both_roles
    @behaviour
    async def test_a_cancelled_message_fails_the_connection(self, role: str, turns: int) -> None:
        """Cancelled before its first fragment went out, a message was never there; after it, the peer is told 1011."""
        net = Asyncio()

        async def endless() -> AsyncIterator[str]:
            for number in itertools.count():
                yield f"{number}{LONG}"
                await asyncio.sleep(0)

        inflated = Inflated()
        async with facing(net, role) as (ws, peer):
            sending = asyncio.ensure_future(ws.send(endless()))
            for _ in range(turns):
                await asyncio.sleep(0)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            error = await ended(ws.send(LONG))
            heard = await peer.hear()
            if error is None:
                assert (FIN | RSV1 | TEXT, LONG.encode()) == (heard[0], inflated(heard[1]))
                return
            for number in itertools.count():
                assert (RSV1 | TEXT if number == 0 else CONTINUATION) == heard[0]
                assert f"{number}{LONG}".encode() == inflated.part(heard[1])
                heard = await peer.hear()
                if heard[0] == FIN | CLOSE:
                    break
            assert 1011 == int.from_bytes(heard[1][:2])
            assert 1011 == getattr(error, "code", None)

    @behaviour
    async def test_a_cancelled_turn_leaves_no_trace(self) -> None:
        """A `send` that is cancelled while it waits has compressed nothing: the next message can be read."""
        net = Asyncio()
        inflated = Inflated()
        noise = [random.Random(n).randbytes(400_000) for n in range(20)]
        async with facing(net, "client", write_limit=1000) as (ws, peer):
            sent = []
            for data in noise:
                sending = asyncio.ensure_future(ws.send(data))
                await asyncio.wait([sending], timeout=0)
                if sending.cancel():
                    await asyncio.wait([sending])
                else:
                    sent.append(data)
            assert 0 < len(sent) < len(noise)
            for data in sent:
                assert data == inflated((await peer.hear())[1])
            await ws.send(LONG)
            assert LONG.encode() == inflated((await peer.hear())[1])


async def hear_compressed(peer: Peer, inflated: Inflated) -> str:
    """The next message, with the Pongs in front of it and in it passed over."""
    payloads: list[bytes] = []
    while True:
        first, payload = await peer.hear()
        if first == FIN | PONG:
            continue
        assert first & 0x0F == (CONTINUATION if payloads else TEXT)
        assert bool(first & RSV1) == (not payloads)
        payloads.append(payload)
        if first & FIN:
            return inflated(*payloads).decode()


class TestHelp:
    """What `help` says."""

    @pytest.mark.parametrize("name", ["connect", "serve"])
    def test_tells_of_compression(self, net: Net, name: str) -> None:
        """The argument is there with what to give, and its default."""
        transport = aio if net.name == "aio" else blocking
        text = pydoc.getdoc(getattr(transport, name))
        said = text.partition("\n    compression: ")[2].partition(";")

        assert "rawws.Deflate(" in said[0]
        assert "(RFC 7692)" in said[0]
        assert said[2].startswith(" None ")
