"""Compression with every peer, in both roles and with both of our transports: what is agreed on and what is sent."""

import json
import random
from dataclasses import replace

import pytest

from rawws import Deflate, Role
from rawws.core.deflate import DeflateTerms
from rawws.core.frames import RSV1, Opcode
from tests.interop.links import PAIRS, PARAMETERS, Link, Pair, pairs_where
from tests.interop.talk import LIMIT, Talker, Wire, brief

EAGER = Deflate(threshold=0)

SIZES = (0, 1, 5, 100, 125, 126, 255, 256, 1000, 4096, 65_535, 65_536, 100_000, LIMIT)


def prose(size: int) -> str:
    """So many ASCII characters that say much the same again and again, from near and from far."""
    words = ["the", "window", "slides", "over", "what", "was", "said", "before", "and", "again", "{", '":', "1", "22"]
    dice = random.Random(size)
    return " ".join(dice.choices(words, k=size // 3 + 1)).ljust(size)[:size]


def noise(size: int) -> bytes:
    """So many bytes that cannot be compressed."""
    return random.Random(size).randbytes(size)


TALK = (
    *(message for size in SIZES for message in (prose(size), prose(size).encode())),
    *(noise(size) for size in (1, 1000, 70_000)),
    # For each window that there is, the same from about as far back as it reaches.
    *(noise(2**bits - 100) * 3 for bits in range(8, 16)),
    "Grüße, мир, 世界, 🌍" * 1000,
    bytes(LIMIT),
)
"""Both kinds, of any length, with much to gain and nothing."""


def in_parts(message: str, count: int) -> list[str]:
    """The message, cut into so many parts, and an empty one in the middle."""
    size = len(message) // count
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return [*parts[: count // 2], "", *parts[count // 2 :]]


async def assert_echo(client: Talker, messages: tuple[str | bytes, ...] = TALK) -> None:
    """Every message comes back as it was."""
    for message in messages:
        await client.send(message)
        assert brief(message) == brief(await client.recv())


def compressed_both_ways(wire: Wire) -> tuple[bool, bool]:
    """Whether the client has sent compressed messages, and whether the server has."""
    return bool(wire.compressed(Role.CLIENT)), bool(wire.compressed(Role.SERVER))


def terms(link: Link) -> DeflateTerms:
    """What was agreed on: what the server's answer says on the wire."""
    agreed = link.wire.agreed
    assert isinstance(agreed, DeflateTerms), "compression was not agreed on"
    return agreed


def assert_granted(wish: Deflate, agreed: DeflateTerms) -> None:
    """What was wished for was agreed on, or more of it."""
    for name in PARAMETERS:
        value = getattr(agreed, name)
        if isinstance(value, bool):
            assert value >= getattr(wish, name), name
        else:
            assert (value or 15) <= getattr(wish, name), name


compressed = pairs_where(lambda pair: pair.compressed)


# --- Whatever is sent -----------------------------------------------------------------------------------------------


@compressed
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_every_message_comes_back(link: Link, secure: bool) -> None:
    """Both sides compress, and text and binary of any length arrive as they were, as often as they are sent."""
    link.ours = EAGER
    async with link.talk(secure=secure) as client:
        await assert_echo(client)
        await assert_echo(client, TALK[:10])

    assert "permessage-deflate" == terms(link).extension.name
    assert (True, True) == compressed_both_ways(link.wire)
    ours = Role.CLIENT if link.client.is_ours else Role.SERVER
    assert len(TALK) + 10 == len(link.wire.compressed(ours))


@pairs_where(lambda pair: pair.compressed and pair.client.can_fragment)
async def test_a_client_may_send_in_fragments(link: Link) -> None:
    """Only the first fragment says that a message is compressed; each of them may be empty."""
    async with link.talk() as client:
        for count in (2, 3, 100):
            await client.send_fragments(in_parts(prose(100_000), count))
            assert brief(prose(100_000)) == brief(await client.recv())
        await client.send_fragments([noise(100), b"", noise(5000), b""])
        assert brief(noise(100) + noise(5000)) == brief(await client.recv())
        await client.send_fragments(["", "", ""])
        assert "" == await client.recv()

    assert 5 == len(link.wire.compressed(Role.CLIENT))


@pairs_where(lambda pair: pair.compressed and pair.server.can_fragment)
async def test_a_server_may_send_in_fragments(link: Link) -> None:
    """The same the other way."""
    async with link.talk() as client:
        for parts in [*(in_parts(prose(100_000), count) for count in (2, 3, 100)), ["", "", ""]]:
            await client.send(f"!fragments {json.dumps(parts)}")
            assert brief("".join(parts)) == brief(await client.recv())

    assert 4 == len(link.wire.compressed(Role.SERVER))


@pairs_where(lambda pair: pair.compressed and pair.client.can_fragment and pair.server.can_fragment)
async def test_a_message_may_end_with_nothing(link: Link) -> None:
    """An empty last fragment has a payload nevertheless, and is not marked."""
    async with link.talk() as client:
        await client.send_fragments(["abc", ""])
        assert "abc" == await client.recv()
        await client.send('!fragments ["abc", ""]')
        assert "abc" == await client.recv()

    for sender in Role:
        frames = [frame for frame in link.wire.data(sender) if not frame.header.fin or frame.header.opcode == 0]
        assert [RSV1, *[0] * (len(frames) - 1)] == [frame.header.rsv for frame in frames]
        assert [False] * (len(frames) - 1) + [True] == [frame.header.fin for frame in frames]
        assert frames[-1].header.length > 0


def interrupted(wire: Wire, sender: Role) -> int:
    """How many Pings this side has sent between the fragments of a message."""
    count, inside = 0, False
    for frame in (frame for frame in wire.frames if frame.sender is sender):
        count += inside and frame.header.opcode == Opcode.PING
        if frame.header.opcode <= Opcode.BINARY:
            inside = not frame.header.fin
    return count


@pairs_where(lambda pair: pair.compressed and pair.client.can_fragment and pair.server.bears_interruption)
async def test_a_client_may_interrupt_its_message(link: Link) -> None:
    """Control frames between the fragments of a compressed message are not compressed, and do it no harm."""
    async with link.talk() as client:
        for count in (3, 10):
            await client.send_fragments(in_parts(prose(20_000), count), pings=True)
            assert brief(prose(20_000)) == brief(await client.recv())
        await client.ping(b"the last")

    assert (True, True) == compressed_both_ways(link.wire)
    assert interrupted(link.wire, Role.CLIENT) >= 10


@pairs_where(lambda pair: pair.compressed and pair.server.can_fragment and pair.client.bears_interruption)
async def test_a_server_may_interrupt_its_message(link: Link) -> None:
    """The same the other way."""
    async with link.talk() as client:
        for count in (3, 10):
            await client.send(f"!pinged {json.dumps(in_parts(prose(20_000), count))}")
            assert brief(prose(20_000)) == brief(await client.recv())
        await client.send("!ping the last")
        assert "ponged" == await client.recv()

    assert (True, True) == compressed_both_ways(link.wire)
    assert interrupted(link.wire, Role.SERVER) >= 10


@compressed
async def test_some_messages_are_not_compressed(link: Link) -> None:
    """Who sends may choose for each message, and the window remembers only what was compressed."""
    async with link.talk() as client:
        for compress in (True, False, None, False, True):
            await client.send(prose(2000), compress)
            assert brief(prose(2000)) == brief(await client.recv())
            await client.send("!plain " + prose(3000))
            assert brief(prose(3000)) == brief(await client.recv())
            await client.send("short")
            assert "short" == await client.recv()

    # Of ours: those that are to be plain, and, if nothing is said, those that are short.
    if link.client.is_ours:
        assert 3 + 5 == len(link.wire.compressed(Role.CLIENT))
    else:
        assert 5 == len(link.wire.compressed(Role.SERVER))
    assert (True, True) == compressed_both_ways(link.wire)


# --- Whatever is agreed on ------------------------------------------------------------------------------------------

WISHES = {
    "nothing": Deflate(server_max_window_bits=15, client_max_window_bits=15),
    "9 and 10": Deflate(server_max_window_bits=9, client_max_window_bits=10),
    "10 and 9": Deflate(server_max_window_bits=10, client_max_window_bits=9),
    "12 and 15": Deflate(server_max_window_bits=12, client_max_window_bits=15),
    "server forgets": Deflate(15, 15, server_no_context_takeover=True),
    "client forgets": Deflate(15, 15, client_no_context_takeover=True),
    "9, and both forget": Deflate(9, 9, server_no_context_takeover=True, client_no_context_takeover=True),
}
WISHES = {name: replace(wish, threshold=0) for name, wish in WISHES.items()}

SHORT_TALK = tuple(message for message in TALK if len(message) < 100_000)


@compressed
@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
async def test_we_have_wishes(link: Link, wish: Deflate) -> None:
    """Our server gets what it wants, whoever offers; our client what the server can do; and both abide by it."""
    link.ours = wish
    async with link.talk() as client:
        await assert_echo(client, SHORT_TALK)

    assert (True, True) == compressed_both_ways(link.wire)
    if link.server.is_ours:
        assert_granted(wish, terms(link))


def can_be_told(pair: Pair, wish: Deflate) -> bool:
    """Whether a peer has words for these parameters."""
    told = pair.peer.can_ask if pair.client is pair.peer else pair.peer.can_answer
    nothing = WISHES["nothing"]
    return bool(told) and told >= {name for name in PARAMETERS if getattr(wish, name) != getattr(nothing, name)}


@pytest.mark.parametrize(
    "link, wish",
    [(pair, wish) for pair in PAIRS for wish in WISHES.values() if pair.compressed and can_be_told(pair, wish)],
    ids=[
        f"{pair}, {name}"
        for pair in PAIRS
        for name, wish in WISHES.items()
        if pair.compressed and can_be_told(pair, wish)
    ],
    indirect=["link"],
)
async def test_the_peer_has_wishes(link: Link, wish: Deflate) -> None:
    """What a peer insists on is granted, and both abide by it."""
    link.ours, link.theirs = replace(EAGER, server_max_window_bits=15, client_max_window_bits=15), wish
    async with link.talk() as client:
        await assert_echo(client, SHORT_TALK)

    assert (True, True) == compressed_both_ways(link.wire)
    assert_granted(wish, terms(link))


@pairs_where(lambda pair: pair.compressed and pair.peer.smallest_window == 8)
async def test_we_have_the_smallest_window(link: Link) -> None:
    """With 8 bits for what we send, it is compressed nevertheless, and everybody can read it."""
    name = "client_max_window_bits" if link.client.is_ours else "server_max_window_bits"
    link.ours = replace(EAGER, **{name: 8})
    async with link.talk() as client:
        await assert_echo(client, SHORT_TALK)

    assert (True, True) == compressed_both_ways(link.wire)


@pairs_where(lambda pair: pair.compressed and pair.client.is_ours and pair.peer.smallest_window == 8)
async def test_we_want_the_smallest_window_of_a_server(link: Link) -> None:
    """With 8 bits for what they send, they send it so, or decline the wish."""
    link.ours = replace(EAGER, server_max_window_bits=8)
    async with link.talk() as client:
        await assert_echo(client, SHORT_TALK)

    assert (True, True) == compressed_both_ways(link.wire)


@compressed
@pytest.mark.parametrize("forgets", [False, True], ids=["keeps", "forgets"])
async def test_the_window_is_kept_from_message_to_message(link: Link, forgets: bool) -> None:
    """What was said before costs next to nothing; unless it was agreed, or we have chosen, to forget it."""
    link.ours = replace(EAGER, server_no_context_takeover=forgets, client_no_context_takeover=forgets)
    message = noise(600).hex()
    async with link.talk() as client:
        await assert_echo(client, (message,) * 3)

    for sender in Role:
        sizes = [frame.header.length for frame in link.wire.data(sender)]
        ours = (sender is Role.CLIENT) == link.client.is_ours
        if (forgets and ours) or getattr(terms(link), f"{sender.value}_no_context_takeover"):
            assert [sizes[0]] * 3 == sizes
        else:
            assert max(sizes[1:]) < sizes[0] / 20
