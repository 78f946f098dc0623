"""The same conversation with every peer, in both roles and with both of our transports."""

import asyncio
import json

import pytest

from tests.interop.links import Link, pairs_where
from tests.interop.talk import FORBIDDEN, LIMIT, REFUSAL, SUBPROTOCOL, Ended, Refused, Talker, brief

MESSAGES = (
    "Hello",
    b"\x00\x01\xfe\xff",
    "",
    b"",
    "Grüße, мир, 世界, 🌍🏴‍☠️",
    *(kind * size for size in (125, 126, 65_535, 65_536) for kind in ("a", b"\xa5")),
    "🌍" * (LIMIT // 4),
    bytes(range(256)) * (LIMIT // 256),
)
"""Both kinds, empty, at every border of the length field, of four-byte characters, and as long as a message may be."""

TOO_LONG = LIMIT + 2
"""One more would do for most; aiohttp, told the same limit, takes one byte more when they are compressed."""

CLOSES = ((1000, ""), (3000, "bye, чао ✓"), (4999, "é" * 61))
"""Codes and reasons, up to the longest: 123 bytes; here 122, for a character is not cut."""


async def assert_echo(talker: Talker) -> None:
    """Every message comes back as it was."""
    for message in MESSAGES:
        await talker.send(message)
        assert brief(message) == brief(await talker.recv())


async def ending_of(talker: Talker) -> Ended:
    """How the connection ends when it is read on."""
    while True:
        try:
            await talker.recv()
        except Ended as end:
            return end


def assert_same(expected: tuple[int, str], ended: Ended) -> None:
    """The connection ended so, as far as the library tells."""
    assert expected[0] == ended.code
    assert ended.reason in (None, expected[1])


async def test_every_message_comes_back(link: Link) -> None:
    """Text and binary of any length arrive whole, of the same kind, and in order."""
    async with link.talk() as client:
        await assert_echo(client)


async def test_the_same_over_tls(link: Link) -> None:
    """Nothing is different over TLS, the close included."""
    async with link.talk(secure=True) as client:
        await assert_echo(client)
        await client.close(3000, "bye")

        assert_same((3000, "bye"), await link.ending(client))


@pairs_where(lambda pair: pair.client.can_fragment)
async def test_a_client_may_send_in_fragments(link: Link) -> None:
    """A message in several frames arrives as one, empty frames among them or not."""
    async with link.talk() as client:
        await client.send_fragments(["one, ", "", "two, ", "три"])
        await client.send_fragments([b"four", b", five", b""])

        assert "one, two, три" == await client.recv()
        assert b"four, five" == await client.recv()


@pairs_where(lambda pair: pair.server.can_fragment)
async def test_a_server_may_send_in_fragments(link: Link) -> None:
    """The same the other way."""
    async with link.talk() as client:
        await client.send('!fragments ["one, ", "", "two, ", "три"]')

        assert "one, two, три" == await client.recv()


async def test_both_sides_answer_pings(link: Link) -> None:
    """A Ping from either side gets its Pong, with the payload, and messages go on."""
    async with link.talk() as client:
        await client.ping(b"are you there?")
        await client.send("!ping and you?")

        assert "ponged" == await client.recv()


async def test_many_messages_at_once_are_answered_in_order(link: Link) -> None:
    """A client need not wait for an answer before it sends more."""
    messages = [f"message {number}" for number in range(20)]
    async with link.talk() as client:
        for message in messages:
            await client.send(message)

        assert messages == [await client.recv() for _ in messages]


async def test_messages_before_a_close_are_answered(link: Link) -> None:
    """What a client sent before the server was asked to close is answered before that."""
    async with link.talk() as client:
        for number in range(20):
            await client.send(str(number))
        await client.send("!close 1000")

        assert [str(number) for number in range(20)] == [await client.recv() for _ in range(20)]
        assert 1000 == (await ending_of(client)).code


async def test_the_subprotocol_is_agreed_on(link: Link) -> None:
    """Of those that the client offers, both sides know the one that the server speaks."""
    async with link.talk(subprotocols=("unknown", SUBPROTOCOL)) as client:
        await client.send("!describe")

        assert SUBPROTOCOL == client.subprotocol == json.loads(await client.recv())["subprotocol"]


async def test_there_may_be_no_subprotocol(link: Link) -> None:
    """Where none is offered, none is chosen."""
    async with link.talk() as client:
        await client.send("!describe")

        assert (None, None) == (client.subprotocol, json.loads(await client.recv())["subprotocol"])


@pairs_where(lambda pair: not pair.client.insists_on_subprotocol)
async def test_there_may_be_no_subprotocol_in_common(link: Link) -> None:
    """Where none that is offered is spoken, the connection has none; some clients do not want it then."""
    async with link.talk(subprotocols=("unknown",)) as client:
        await client.send("!describe")

        assert (None, None) == (client.subprotocol, json.loads(await client.recv())["subprotocol"])


async def test_headers_of_ones_own_arrive(link: Link) -> None:
    """Either side sees the fields that the other added to the opening handshake; the server also path and query."""
    async with link.talk(query="?a=1&b=%20", headers={"X-Token": "open, sesame"}) as client:
        await client.send("!describe")
        described = json.loads(await client.recv())

        assert (client.path, "open, sesame") == (described["path"], described["headers"]["x-token"])
        assert "welcome" == client.headers["x-greeting"]


@pairs_where(lambda pair: pair.client.compresses and pair.server.is_ours and not pair.compressed)
async def test_compression_is_declined(link: Link) -> None:
    """A client that offers permessage-deflate to a server which does not want it goes on without it."""
    async with link.talk() as client:
        await client.send("!describe")

        assert "permessage-deflate" in json.loads(await client.recv())["headers"]["sec-websocket-extensions"]
        assert "sec-websocket-extensions" not in client.headers


@pytest.mark.parametrize("code, reason", CLOSES, ids=["usual", "with a reason", "longest"])
async def test_the_client_closes(link: Link, code: int, reason: str) -> None:
    """The server sees the client's code and reason, and the client its own code in the answer."""
    async with link.talk() as client:
        answered = await client.close(code, reason)

        assert_same((code, reason), await link.ending(client))
        assert (code if link.server.echoes_code else 1000) == answered.code


@pytest.mark.parametrize("code, reason", CLOSES, ids=["usual", "with a reason", "longest"])
async def test_the_server_closes(link: Link, code: int, reason: str) -> None:
    """The same the other way."""
    async with link.talk() as client:
        await client.send(f"!close {code} {reason}".rstrip())

        assert_same((code, reason), await ending_of(client))
    assert (code if link.client.echoes_code else 1000) == (await link.ending(client)).code


async def test_a_client_is_refused(link: Link) -> None:
    """A server may answer with another status, and the client sees it and the text beside it."""
    with pytest.raises(Refused) as caught:
        async with link.talk(path=FORBIDDEN):
            pass

    assert 403 == caught.value.status
    assert caught.value.body in (None, REFUSAL.encode())


@pairs_where(lambda pair: pair.server.has_limit)
async def test_a_client_sends_too_much(link: Link) -> None:
    """A message over the server's limit ends the connection with 1009, and the client hears so."""
    async with link.talk() as client:
        await client.send(bytes(TOO_LONG))

        assert 1009 == (await ending_of(client)).code
    # Not every peer takes the code that it failed the connection with for the end of it.
    if link.server.is_ours:
        assert 1009 == (await link.ending(client)).code


@pairs_where(lambda pair: pair.client.has_limit)
async def test_a_server_sends_too_much(link: Link) -> None:
    """The same the other way."""
    async with link.talk() as client:
        await client.send(f"!bytes {TOO_LONG}")

        ended = await ending_of(client)
    if link.client.is_ours:
        assert 1009 == ended.code
    assert 1009 == (await link.ending(client)).code


@pairs_where(lambda pair: pair.client.can_drop)
async def test_a_client_drops_the_connection(link: Link) -> None:
    """The end of TCP with no Close is 1006 to the server."""
    async with link.talk() as client:
        await client.send("still here")
        await client.recv()
        await client.drop()

        assert_same((1006, ""), await link.ending(client))


@pairs_where(lambda pair: pair.server.can_drop)
async def test_a_server_drops_the_connection(link: Link) -> None:
    """The same the other way."""
    async with link.talk() as client:
        await client.send("!drop")

        assert_same((1006, ""), await ending_of(client))


async def test_many_clients_at_once(link: Link) -> None:
    """Connections do not mix up what is said on them."""

    async def converse(number: int) -> None:
        async with link.talk() as client:
            await client.send(f"number {number}")
            assert f"number {number}" == await client.recv()

    await asyncio.gather(*(converse(number) for number in range(5)))
