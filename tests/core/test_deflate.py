"""permessage-deflate: what is offered, accepted and believed, and what the two transformations write and read."""

import copy
import pickle
import random
import zlib
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.conformance.deflating import (
    DYNAMIC,
    FIXED,
    STORED,
    TAIL,
    Block,
    Decoded,
    match,
    read_deflate,
    read_message,
    stored,
)
from rawws.core import rules
from rawws.core.agreement import Extension
from rawws.core.deflate import MOST_FINAL_BLOCKS, NAME, Deflate, Deflater, DeflateTerms, Inflater
from rawws.core.errors import ProtocolError
from rawws.core.headers import read_extensions, write_extensions
from rawws.core.settings import Role
from tests.wire import chopped

FREE = Deflate(server_max_window_bits=15, client_max_window_bits=15)
"""Whoever wants this asks nothing of the other side."""

BITS = range(8, 16)

each_number = pytest.mark.parametrize("name", ["server_max_window_bits", "client_max_window_bits"])
each_flag = pytest.mark.parametrize("name", ["server_no_context_takeover", "client_no_context_takeover"])


def read(text: str) -> Extension:
    """What stands in a field, the name left out."""
    (extension,) = read_extensions(f"{NAME}; {text}".encode() if text else NAME.encode())
    return extension


def answer_to(offer: str, wish: Deflate = FREE) -> str | None:
    """What a server answers, the name left out; None if it declines."""
    terms = wish.accept(read(offer))
    return None if terms is None else str(terms.extension).removeprefix(NAME).removeprefix("; ")


def offered(wish: Deflate) -> list[str]:
    """What a client offers, the names left out."""
    return [str(offer).removeprefix(NAME).removeprefix("; ") for offer in wish.offers()]


# --- What a server accepts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offer, expected",
    [
        ("", ""),
        ("server_no_context_takeover", "server_no_context_takeover"),
        ("client_no_context_takeover", "client_no_context_takeover"),
        ("server_max_window_bits=10", "server_max_window_bits=10"),
        ("server_max_window_bits=15", "server_max_window_bits=15"),
        ('server_max_window_bits="8"', "server_max_window_bits=8"),
        ("client_max_window_bits", ""),
        ("client_max_window_bits=15", ""),
        ("client_max_window_bits=9", "client_max_window_bits=9"),
        ('client_max_window_bits = "1\\0"', "client_max_window_bits=10"),
        ("client_max_window_bits; server_max_window_bits=10", "server_max_window_bits=10"),
        (
            "client_max_window_bits=11; server_max_window_bits=12; client_no_context_takeover; "
            "server_no_context_takeover",
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; "
            "client_max_window_bits=11",
        ),
    ],
)
def test_a_server_that_wants_nothing_grants_what_is_asked(offer: str, expected: str) -> None:
    """RFC 7692 7.1: each request is confirmed, each hint is taken up, and nothing else is said."""
    assert expected == answer_to(offer)


@pytest.mark.parametrize(
    "offer, expected",
    [
        ("", "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10"),
        (
            "client_max_window_bits",
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; "
            "client_max_window_bits=9",
        ),
        (
            "client_max_window_bits=8; server_max_window_bits=15",
            "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; "
            "client_max_window_bits=8",
        ),
    ],
)
def test_a_server_says_what_it_wants_besides(offer: str, expected: str) -> None:
    """7.1: it may ask for all four, but for a window of the client only if the client said that it understands that."""
    wish = Deflate(10, 9, server_no_context_takeover=True, client_no_context_takeover=True)

    assert expected == answer_to(offer, wish)


@pytest.mark.parametrize(
    "offer",
    [
        "x",
        "x=1",
        "client_max_window_bits; x",
        "Server_no_context_takeover",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits; client_max_window_bits=10",
        "server_max_window_bits=10; server_max_window_bits=10",
        "server_max_window_bits=10; server_max_window_bits=11",
        "server_max_window_bits",
    ],
)
def test_an_offer_that_is_not_right_is_declined(offer: str) -> None:
    """7: a parameter that is unknown, there twice, or has no value where it needs one."""
    assert None is answer_to(offer)


@each_flag
@pytest.mark.parametrize("value", ["", "1", "true", "0", "10", '"1"', '""'])
def test_a_flag_with_a_value_is_declined(name: str, value: str) -> None:
    """7.1.1: "This extension parameter has no value"."""
    assert None is answer_to(f"{name}={value}")


WRONG_BITS = [
    "",
    '""',
    "0",
    "7",
    "16",
    "99",
    "08",
    "010",
    "8.0",
    "1e1",
    "-8",
    "+8",
    "x",
    "0x8",
    "1_0",
    "1000000000000000",
]


@each_number
@pytest.mark.parametrize("value", WRONG_BITS)
def test_a_window_that_is_not_from_8_to_15_is_declined(name: str, value: str) -> None:
    """7.1.2: "a decimal integer value without leading zeroes between 8 to 15"."""
    assert None is answer_to(f"{name}={value}")


@each_number
@pytest.mark.parametrize("bits", ["8 ", "²", "٩", "१२", "\t9", "9\n", "12 "])
def test_a_number_has_ascii_digits_and_nothing_else(name: str, bits: str) -> None:
    """What Python takes for a number may be none: such a value cannot come over the wire, but from another HTTP."""
    assert None is FREE.accept(Extension(NAME, ((name, bits),)))


def offers_and_wishes() -> list[tuple[str, Deflate]]:
    """Every valid offer, with wishes at and between the bounds."""
    numbers = [f"server_max_window_bits={bits}" for bits in BITS]
    hints = ["client_max_window_bits", *[f"client_max_window_bits={bits}" for bits in BITS]]
    flags = ["server_no_context_takeover", "client_no_context_takeover"]
    choices = product(["", *numbers], ["", *hints], *[["", flag] for flag in flags])
    offers = ["; ".join(filter(None, parts)) for parts in choices]
    bounds, either = (8, 11, 15), (False, True)
    wishes = [Deflate(*chosen) for chosen in product(bounds, bounds, either, either)]
    return list(product(offers, wishes))


def test_an_answer_keeps_to_the_rules_whatever_is_offered_and_wanted() -> None:
    """7.1: no parameter that may not be there, none that is missing, and no number over what was asked for."""
    for text, wish in offers_and_wishes():
        offer, terms = dict(read(text).parameters), wish.accept(read(text))
        assert terms is not None
        answer = dict(terms.extension.parameters)

        for flag in ("server_no_context_takeover", "client_no_context_takeover"):
            assert (flag in answer) == (flag in offer or getattr(wish, flag))
        server_bits = min(int(offer.get("server_max_window_bits") or 15), wish.server_max_window_bits)
        # 7.1.2.1: it accepts a limit by naming "the same or smaller value", and may name one that was not asked for.
        named = "server_max_window_bits" in offer or server_bits < 15
        assert (str(server_bits) if named else None) == answer.get("server_max_window_bits")
        client_bits = min(int(offer.get("client_max_window_bits") or 15), wish.client_max_window_bits)
        # 7.1.2.2: if the offer has no such parameter, the answer "MUST NOT include" it.
        named = "client_max_window_bits" in offer and client_bits < 15
        assert (str(client_bits) if named else None) == answer.get("client_max_window_bits")


def test_both_sides_read_the_same_in_an_answer() -> None:
    """What the server settled on is what the client settles on, but for the wishes that are nobody else's."""
    for text, wish in offers_and_wishes():
        terms = wish.accept(read(text))
        assert terms is not None
        (answer,) = read_extensions(write_extensions([terms.extension]))

        assert replace(terms, wish=FREE) == FREE.check(answer)
        assert wish is terms.wish


# --- What a client offers and believes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wish, expected",
    [
        (FREE, ["client_max_window_bits=15"]),
        (Deflate(client_max_window_bits=8, server_max_window_bits=15), ["client_max_window_bits=8"]),
        (
            replace(FREE, client_no_context_takeover=True),
            ["client_no_context_takeover; client_max_window_bits=15"],
        ),
        (
            Deflate(),
            ["server_max_window_bits=12; client_max_window_bits=12", "client_max_window_bits=12"],
        ),
        (
            replace(FREE, server_no_context_takeover=True),
            ["server_no_context_takeover; client_max_window_bits=15", "client_max_window_bits=15"],
        ),
        (
            Deflate(9, 10, server_no_context_takeover=True, client_no_context_takeover=True),
            [
                "server_no_context_takeover; server_max_window_bits=9; client_no_context_takeover; "
                "client_max_window_bits=10",
                "client_no_context_takeover; client_max_window_bits=10",
            ],
        ),
    ],
)
def test_a_client_offers_its_wishes_and_then_less(wish: Deflate, expected: list[str]) -> None:
    """7.1.3: a condition that a server cannot meet would end in no compression; hints bind nobody and stay."""
    assert expected == offered(wish)


@pytest.mark.parametrize("server, client", [*product((8, 12, 15), (8, 12, 15))])
def test_every_offer_is_one_that_a_server_may_accept(server: int, client: int) -> None:
    """They are valid, so that a server which meets every condition takes the first."""
    for flags in product((False, True), repeat=2):
        for offer in Deflate(server, client, *flags).offers():
            terms = FREE.accept(offer)
            assert terms is not None
            assert terms == replace(FREE.check(terms.extension), wish=FREE)


@pytest.mark.parametrize(
    "answer, expected",
    [
        ("", DeflateTerms()),
        ("server_no_context_takeover", DeflateTerms(server_no_context_takeover=True)),
        ("client_no_context_takeover", DeflateTerms(client_no_context_takeover=True)),
        *[(f"server_max_window_bits={bits}", DeflateTerms(server_max_window_bits=bits)) for bits in BITS],
        *[(f"client_max_window_bits={bits}", DeflateTerms(client_max_window_bits=bits)) for bits in BITS],
        ('client_max_window_bits="9"; server_no_context_takeover', DeflateTerms(True, False, None, 9)),
    ],
)
def test_a_client_accepts_every_valid_answer(answer: str, expected: DeflateTerms) -> None:
    """7.1: also what it did not ask for: it can work with any window, and forget its own."""
    assert replace(expected, wish=Deflate(level=9)) == Deflate(level=9).check(read(answer))


@pytest.mark.parametrize(
    "answer, about",
    [
        ("x", "x is not known"),
        ("x=1", "x is not known"),
        ("client_max_window_bits", "client_max_window_bits is from 8 to 15, not None"),
        ("server_max_window_bits", "server_max_window_bits is from 8 to 15, not None"),
        ("server_no_context_takeover=1", "server_no_context_takeover has no value, and here it is '1'"),
        ("client_no_context_takeover=", "client_no_context_takeover has no value, and here it is ''"),
        ("client_no_context_takeover; client_no_context_takeover", "client_no_context_takeover is there twice"),
        ("server_max_window_bits=9; server_max_window_bits=9", "server_max_window_bits is there twice"),
        *[
            (f"{name}={value}", f"{name} is from 8 to 15, not {value.strip(chr(34))!r}")
            for name in ("server_max_window_bits", "client_max_window_bits")
            for value in WRONG_BITS
        ],
    ],
)
def test_a_client_does_not_accept_an_answer_that_is_not_right(answer: str, about: str) -> None:
    """7: whatever is unknown, not valid or there twice; and it is said what."""
    with pytest.raises(ValueError) as caught:
        Deflate().check(read(answer))

    assert about == str(caught.value)


def test_what_is_wrong_is_told_in_ascii() -> None:
    """It may be shown on a terminal, or sent in a header."""
    with pytest.raises(ValueError) as caught:
        Deflate().check(Extension(NAME, (("server_max_window_bits", "\x1b[31m²"),)))

    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


# --- What an endpoint wants -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, allowed",
    [
        ("server_max_window_bits", range(8, 16)),
        ("client_max_window_bits", range(8, 16)),
        ("level", range(1, 10)),
        ("memory_level", range(1, 10)),
    ],
)
def test_numbers_have_a_range(name: str, allowed: range) -> None:
    """All of it can be used, and what is outside is told at once, not when the first message is sent."""
    for number in allowed:
        wish: dict[str, Any] = {name: number}
        deflater = DeflateTerms(wish=Deflate(**wish)).compressor(Role.SERVER)
        assert b"Hello" == read_message(deflater.compress(b"Hello", True)).output

    for number in (allowed[0] - 1, allowed[-1] + 1, -1, float(allowed[1])):
        wish = {name: number}
        with pytest.raises(ValueError, match=f"{name} is from {allowed[0]} to {allowed[-1]}, not {number}"):
            Deflate(**wish)


def test_wishes_and_terms_are_values() -> None:
    """They are compared, hashed, copied and pickled."""
    for one, other in ((Deflate(), Deflate(level=2)), (DeflateTerms(), DeflateTerms(client_max_window_bits=9))):
        for same in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
            assert one == same
            assert hash(one) == hash(same)
        assert one != other


# --- Compressing ------------------------------------------------------------------------------------------------------


def repeats(bits: int) -> bytes:
    """What a compressor can find far back: random pieces that come again, from near and from beyond the window."""
    chance = random.Random(bits)
    pieces = [chance.randbytes(24) for _ in range(8)]
    size = (3 << bits) // 2
    filled = b"".join(chance.choice(pieces) + b"-" * chance.randrange(60) for _ in range(size // 40))
    return b"first" + filled[:size] + b"".join(pieces) + b"first"


def compressed(deflater: Deflater, *messages: bytes, parts: int = 1) -> list[bytes]:
    """The payloads of messages, each compressed in so many parts."""
    payloads = []
    for data in messages:
        size = -(-len(data) // parts)
        pieces = [data[at * size : (at + 1) * size] for at in range(parts)]
        payloads.append(b"".join(deflater.compress(piece, at == parts - 1) for at, piece in enumerate(pieces)))
    return payloads


def read_all(payloads: list[bytes], bits: int, takeover: bool) -> list[Decoded]:
    """What a receiver makes of them that keeps just the window which was agreed on."""
    found: list[Decoded] = []
    for payload in payloads:
        before = b"".join(decoded.output for decoded in found) if takeover else b""
        found.append(read_message(payload, before[-(1 << bits) :]))
    return found


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("takeover", [False, True])
@pytest.mark.parametrize(
    "level, memory_level", [(1, 1), (1, 5), (1, 9), (2, 8), (3, 9), (4, 1), (6, 8), (9, 1), (9, 9)]
)
def test_the_window_is_not_larger_than_agreed(bits: int, takeover: bool, level: int, memory_level: int) -> None:
    """7.2.1: no match reaches further back, and with no takeover none reaches behind the beginning of its message."""
    data = repeats(bits)
    messages = [data[:-600], data[-600:], data[-600:]]
    deflater = Deflater(bits, takeover, 0, level, memory_level)

    decoded = read_all(compressed(deflater, *messages), bits, takeover)

    assert messages == [one.output for one in decoded]
    assert max(one.reach for one in decoded) <= 1 << bits
    if bits > 9 and level == 9:
        assert max(one.reach for one in decoded) > 1 << bits - 1


@pytest.mark.parametrize("level, memory_level", [*product(range(1, 10), range(1, 10))])
@pytest.mark.parametrize("bits", [8, 9, 10])
def test_no_level_makes_a_small_window_larger(bits: int, level: int, memory_level: int) -> None:
    """Each has its own way of searching; at 8 bits only what zlib can be held to is used, the byte before."""
    messages = [repeats(bits)] * 2

    decoded = read_all(compressed(Deflater(bits, True, 0, level, memory_level), *messages), bits, True)

    assert messages == [one.output for one in decoded]
    assert max(one.reach for one in decoded) <= (1 if bits == 8 else 1 << bits)


def test_a_window_of_8_bits_still_compresses() -> None:
    """Runs of a byte, and rare bytes in more bits than common ones: less than could be, but not nothing."""
    data = b'{"name": "aaaaaaaaaaaaaaaa", "count": 1000000}' * 20
    (payload,) = compressed(Deflater(8, True, 0, 9, 9), data)

    assert len(payload) < 0.7 * len(data)


@pytest.mark.parametrize("bits", BITS)
def test_what_was_compressed_can_be_read_with_a_window_of_just_that_size(bits: int) -> None:
    """By zlib itself, too, as other libraries use it."""
    messages = [repeats(bits)[:2000], repeats(bits)[1000:], b"", b"x"]
    inflater = zlib.decompressobj(-bits)
    payloads = compressed(Deflater(bits, True, 0, 6, 8), *messages, parts=3)

    assert messages == [inflater.decompress(payload + TAIL) for payload in payloads]


def test_with_takeover_a_message_may_lean_on_the_one_before() -> None:
    """7.2.3.2: "Hello" once more takes a match instead of five letters, across an empty message too."""
    payloads = compressed(Deflater(15, True, 0, 9, 8), b"Hello", b"Hello", b"", b"Hello")

    assert [True, True] == [len(payload) < 7 for payload in payloads[1::2]]
    assert bytes.fromhex("f2 48 cd c9 c9 07 00") == payloads[0]
    assert bytes.fromhex("f2 00 11 00 00") == payloads[1]


def test_without_takeover_each_message_stands_alone() -> None:
    """7.2.1: it "MUST start compressing each new message with an empty LZ77 sliding window"."""
    payloads = compressed(Deflater(15, False, 0, 9, 8), *[b"Hello"] * 3)

    assert [bytes.fromhex("f2 48 cd c9 c9 07 00")] * 3 == payloads


@pytest.mark.parametrize("takeover", [False, True])
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_a_message_ends_with_the_first_bits_of_an_empty_block(parts: int, takeover: bool) -> None:
    """7.2.1: with the four bytes appended it consists of whole blocks, the last empty and stored, and none final."""
    for payload in compressed(Deflater(12, takeover, 0, 6, 8), b"", b"Hello", b"", b"Hello" * 50, parts=parts):
        blocks = read_message(payload).blocks if not takeover else read_message(payload, b"Hello" * 50).blocks

        assert Block(STORED, False) == blocks[-1]
        assert not any(block.final for block in blocks)


def test_every_part_can_be_sent_and_read_at_once() -> None:
    """7.2.1: "a fragment can be built by compressing the available data"; in it the four bytes stay."""
    deflater, inflater = Deflater(15, True, 0, 6, 8), Inflater(15, True)
    for part in (b"Hel", b"lo", b"", b", Hello"):
        sent = deflater.compress(part, False)
        assert sent.endswith(TAIL) or not part
        assert (part, len(sent)) == inflater.decompress(sent, 100)

    assert b"\x00" == deflater.compress(b"", True)
    assert b"\x00" == deflater.compress(b"", True)


def test_the_threshold_decides_where_nobody_else_does() -> None:
    """From so many bytes on; and when nobody knows how many will come."""
    deflater = Deflater(15, True, 10, 6, 8)

    assert [False, False, True, True, True] == [deflater.wants(size) for size in (0, 9, 10, 11, None)]
    assert Deflater(15, True, 0, 6, 8).wants(0)


@pytest.mark.parametrize("role", Role)
def test_a_sender_may_hold_itself_to_less_than_was_agreed(role: Role) -> None:
    """7.1.2.2: a client that hinted at a small window has it, though the server did not answer; so does a server."""
    for bits in BITS:
        wish = Deflate(bits, bits, level=9, memory_level=9)
        (decoded,) = read_all(compressed(DeflateTerms(wish=wish).compressor(role), repeats(bits)), bits, False)

        assert decoded.reach <= 1 << bits


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("agreed", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_takeover_needs_both_the_agreement_and_the_wish(role: Role, agreed: bool, wanted: bool) -> None:
    """7.1.1: what is forbidden is not done, and what nobody wants need not be done."""
    ours = f"{role.value}_no_context_takeover"
    flags: dict[str, Any] = {ours: agreed}
    wish: dict[str, Any] = {ours: wanted}
    deflater = DeflateTerms(**flags, wish=Deflate(**wish)).compressor(role)

    assert (agreed or wanted) == (len({*compressed(deflater, b"Hello", b"Hello")}) == 1)


@pytest.mark.parametrize("role", Role)
def test_a_sender_keeps_to_its_own_parameters_and_not_to_the_others(role: Role) -> None:
    """7.1: those that begin with "server_" bind the server, and the others the client."""
    ours, others = f"{role.value}_max_window_bits", f"{role.peer.value}_max_window_bits"
    wish = Deflate(15, 15, level=9, memory_level=9)
    mine: dict[str, Any] = {ours: 10, others: 15}
    theirs: dict[str, Any] = {ours: 15, others: 10}

    small = read_all(compressed(DeflateTerms(**mine, wish=wish).compressor(role), repeats(11)), 10, False)
    large = read_all(compressed(DeflateTerms(**theirs, wish=wish).compressor(role), repeats(11)), 15, False)

    assert small[0].reach <= 1024 < large[0].reach


def test_a_deflater_takes_memory_only_once_it_is_used() -> None:
    """An idle connection costs no window, and with no takeover it costs none between messages."""
    kept, dropped = Deflater(15, True, 0, 6, 8), Deflater(15, False, 0, 6, 8)
    assert kept._stream is None

    for deflater, keeps in ((kept, True), (dropped, False)):
        deflater.compress(b"Hello", False)
        assert deflater._stream is not None
        deflater.compress(b"", True)
        assert keeps == (deflater._stream is not None)


def test_a_deflater_that_rests_keeps_no_memory() -> None:
    """It lets go of its window when it was not used from one call to the next, and begins with an empty one."""
    deflater = Deflater(15, True, 0, 6, 8)
    hello = deflater.compress(b"Hello", True)
    deflater.rest()
    again = deflater.compress(b"Hello", True)
    deflater.rest()
    assert deflater._stream is not None

    deflater.rest()
    assert deflater._stream is None
    assert (hello, again) == (deflater.compress(b"Hello", True), deflater.compress(b"Hello", True))
    assert b"Hello" * 2 == read_message(hello + TAIL + again).output


@pytest.mark.parametrize("takeover", [False, True])
def test_a_pickle_goes_on_with_an_empty_window(takeover: bool) -> None:
    """Which is legal at any time: what it writes needs nothing that came before, in the midst of a message either."""
    deflater = Deflater(9, takeover, 7, 6, 8)
    begun = deflater.compress(b"Hello", False)
    twin = pickle.loads(pickle.dumps(deflater))

    assert b"HelloHello" == read_message(begun + twin.compress(b"Hello", True)).output
    assert b"Hello" == read_message(twin.compress(b"Hello", True), b"Hello" if takeover else b"").output
    assert [False, True] == [twin.wants(size) for size in (6, 7)]


@pytest.mark.parametrize("duplicate", [lambda one: one, copy.deepcopy], ids=["itself", "copy"])
def test_a_copy_of_a_deflater_keeps_the_window(duplicate: Any) -> None:
    """It goes on exactly as the original would; and what happens to it does not happen to the original."""
    for begun in ([], [(b"Hello", True)], [(b"Hello", True), (b"Hel", False)]):
        deflater, untouched = Deflater(15, True, 0, 9, 8), Deflater(15, True, 0, 9, 8)
        for part, last in begun:
            assert deflater.compress(part, last) == untouched.compress(part, last)
        twin = duplicate(deflater)

        rest = [twin.compress(b"other", False), twin.compress(b"Hello", True)]
        if twin is not deflater:
            assert rest == [deflater.compress(b"other", False), deflater.compress(b"Hello", True)]
        assert rest == [untouched.compress(b"other", False), untouched.compress(b"Hello", True)]


# --- Decompressing ----------------------------------------------------------------------------------------------------


def inflated(inflater: Inflater, pieces: list[bytes], most: int = 100_000) -> bytes:
    """A whole message, as a connection reads it."""
    found = b""
    for piece in pieces:
        came = most
        while piece or came == most:
            data, used = inflater.decompress(piece, most)
            found, piece, came = found + data, piece[used:], len(data)
            assert came <= most
    return found + inflater.finish()


def refused(payload: bytes, **options: Any) -> str | None:
    """Why a message cannot be decompressed, the same however it is cut; None if it can."""
    found: set[tuple[rules.Rule | None, str | None]] = set()
    for pieces in chopped(payload):
        try:
            inflated(Inflater(**{"bits": 15, "takeover": True} | options), pieces)
            found.add((None, None))
        except ProtocolError as error:
            found.add((error.rule, error.detail))
    ((rule, why),) = found
    assert rule in (None, rules.COMPRESSED_DATA)
    return why


HELLO = bytes.fromhex("f2 48 cd c9 c9 07 00")
FINAL_HELLO = bytes.fromhex("f3 48 cd c9 c9 07 00")

EXAMPLES = {
    "one block": HELLO,
    "stored": bytes.fromhex("00 05 00 fa ff 48 65 6c 6c 6f 00"),
    "final": FINAL_HELLO + b"\x00",
    "two blocks": bytes.fromhex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00"),
    "empty last fragment": HELLO + TAIL + b"\x00",
}
"""7.2.3, as payloads: all of them say Hello."""


@pytest.mark.parametrize("payload", EXAMPLES.values(), ids=EXAMPLES)
@pytest.mark.parametrize("takeover", [False, True])
@pytest.mark.parametrize("bits", [8, 15])
def test_the_examples_of_the_rfc_say_hello(payload: bytes, takeover: bool, bits: int) -> None:
    """7.2.3: in whatever pieces they come, one behind the other."""
    for pieces in chopped(payload):
        inflater = Inflater(bits, takeover)
        assert [b"Hello"] * 3 == [inflated(inflater, pieces) for _ in range(3)]


def test_the_blocks_of_the_examples_are_those_that_the_rfc_describes() -> None:
    """7.2.3 tells the type of each block; the second reader of the tests agrees."""
    empty = Block(STORED, False)
    expected = {
        "one block": [Block(FIXED, False), empty],
        "stored": [Block(STORED, False), empty],
        "final": [Block(FIXED, True), empty],
        "two blocks": [Block(FIXED, False), empty, Block(FIXED, False), empty],
        "empty last fragment": [Block(FIXED, False), empty, empty],
    }

    assert expected == {name: read_message(payload).blocks for name, payload in EXAMPLES.items()}


FINAL_BLOCKS = [
    pytest.param(b"\x03\x00" + HELLO, id="at the beginning"),
    pytest.param(stored(b"Hel") + b"\x03\x00" + stored(b"lo") + b"\x00", id="in the middle"),
    pytest.param(FINAL_HELLO + b"\x00", id="at the end"),
    pytest.param(FINAL_HELLO, id="as the very end"),
    pytest.param(HELLO + TAIL + b"\x03\x00" + b"\x00", id="behind everything"),
    pytest.param(b"\x03\x00" * 3 + FINAL_HELLO + b"\x03\x00" * 3 + b"\x00", id="everywhere"),
    pytest.param(stored(b"Hel", final=True) + stored(b"lo", final=True), id="stored"),
]


@pytest.mark.parametrize("payload", FINAL_BLOCKS)
@pytest.mark.parametrize("takeover", [False, True])
@pytest.mark.parametrize("most", [1, 2, 100])
def test_bfinal_ends_neither_the_message_nor_the_window(payload: bytes, takeover: bool, most: int) -> None:
    """7.2.1: blocks with BFINAL may be used anywhere; what follows, in this message or the next, is read as ever."""
    for pieces in chopped(payload):
        inflater = Inflater(15, takeover)
        assert b"Hello" == inflated(inflater, pieces, most)
        if takeover:
            assert b"Hello" == inflated(inflater, [bytes.fromhex("f2 00 11 00 00")], most)
        assert b"Hello" == inflated(inflater, pieces, most)


@pytest.mark.parametrize("takeover", [False, True])
def test_a_block_behind_a_final_one_looks_behind_it(takeover: bool) -> None:
    """Within a message the window is kept, whatever was agreed on for the next one."""
    for pieces in chopped(FINAL_HELLO, match(5, final=True)[:-1], match(8)):
        assert b"HelloHelHel" == inflated(Inflater(9, takeover), pieces)


def test_final_blocks_have_an_end() -> None:
    """Behind each the data begins anew, which costs far more than its two bytes: 1,024 are put up with."""
    most = b"\x03\x00" * MOST_FINAL_BLOCKS
    inflater = Inflater(15, True)
    for _ in range(3):
        assert b"Hello" == inflated(inflater, [most + HELLO])

    for pieces in ([most + b"\x03\x00" + HELLO], [most, b"\x03\x00", HELLO], [b"\x03\x00"] * 1025 + [HELLO]):
        with pytest.raises(ProtocolError) as caught:
            inflated(Inflater(15, True), pieces)
        assert rules.TOO_MANY_FINAL_BLOCKS is caught.value.rule
        assert 1009 == caught.value.code


@pytest.mark.parametrize(
    "payload, why",
    [
        (b"\x06", "invalid block type"),
        (b"\x07\x00", "invalid block type"),
        (HELLO + TAIL + b"\x07", "invalid block type"),
        (FINAL_HELLO + b"\xff", "invalid block type"),
        (bytes.fromhex("00 05 00 fb ff 48 65 6c 6c 6f 00"), "invalid stored block lengths"),
        (bytes.fromhex("00 05 00 fa ff 48 65 6c 6c 6f"), "invalid stored block lengths"),
        (match(1), "invalid distance too far back"),
        (stored(b"Hello") + match(6), "invalid distance too far back"),
        (stored(b"Hello", final=True) + match(6), "invalid distance too far back"),
        (stored(bytes(300)) + match(32768), "invalid distance too far back"),
        (bytes.fromhex("1a 07 00"), "invalid literal/length code"),
        (bytes.fromhex("04 c0 ff ff ff"), "invalid code lengths set"),
        (bytes.fromhex("fc ff ff"), "too many length or distance symbols"),
        (b"\x00\x06\x00\xf9\xff\x48", "it is cut off"),
        (stored(b"Hello", final=True)[:-1], "it is cut off"),
        (stored(bytes(9), final=True)[:-9], "it is cut off"),
    ],
)
def test_what_is_no_deflate_data_is_refused(payload: bytes, why: str) -> None:
    """However it is cut, with the same words."""
    with pytest.raises(ValueError):
        read_message(payload)

    assert why == refused(payload)


def test_a_refusal_names_no_internals_of_zlib() -> None:
    """Not "Error -3 while decompressing data": it goes to people, and in a Close frame to the peer."""
    with pytest.raises(ProtocolError) as caught:
        Inflater(15, True).decompress(b"\x06", 1)

    assert (rules.COMPRESSED_DATA, "invalid block type", 1007) == (*caught.value.args[:2], caught.value.code)
    assert None is caught.value.__cause__


def meant(payload: bytes) -> bytes | None:
    """What a payload says to the second reader; None if it is not whole, not even as senders are put up with."""
    with suppress(ValueError):
        return read_message(payload).output
    with suppress(ValueError):
        decoded = read_deflate(payload)
        if payload.endswith(TAIL) or decoded.blocks[-1].final:
            return decoded.output
    return None


DYNAMIC_PAYLOAD = compressed(Deflater(15, True, 0, 9, 9), bytes(random.Random(1).choices(b"abcdefgh", k=150)))[0]


@pytest.mark.parametrize(
    "payload",
    [*EXAMPLES.values(), DYNAMIC_PAYLOAD, stored(b"Hello") + match(5), b"".join(map(stored, [b"a", b"b" * 9]))],
)
def test_data_that_is_cut_off_is_refused_at_every_byte(payload: bytes) -> None:
    """But where, with the four bytes appended, it consists of whole blocks all the same (7.2.2)."""
    for size in range(1, len(payload)):
        expected = meant(payload[:size])

        assert (None is expected) == (None is not refused(payload[:size]))
        if expected is not None:
            assert expected == inflated(Inflater(15, True), [payload[:size]])


def test_the_dynamic_example_is_dynamic() -> None:
    """So that codes are cut off in the test above, too."""
    assert DYNAMIC == read_message(DYNAMIC_PAYLOAD).blocks[0].kind


@pytest.mark.parametrize(
    "pieces, expected",
    [
        ([b""], b""),
        ([], b""),
        ([b"\x00"], b""),
        ([b"\x00" + TAIL], b""),
        ([HELLO + TAIL], b"Hello"),
        ([HELLO, TAIL], b"Hello"),
        ([HELLO + TAIL[:1], TAIL[1:3], TAIL[3:]], b"Hello"),
        ([HELLO + TAIL, b""], b"Hello"),
        ([HELLO + TAIL + b"\x00" + TAIL], b"Hello"),
        ([FINAL_HELLO], b"Hello"),
        ([FINAL_HELLO, b""], b"Hello"),
        ([FINAL_HELLO + b"\x00" + TAIL], b"Hello"),
    ],
)
def test_what_is_put_up_with(pieces: list[bytes], expected: bytes) -> None:
    """Senders that say nothing at all, leave the four bytes where they are, or end with a final block."""
    inflater = Inflater(15, True)

    assert [expected] * 2 == [inflated(inflater, pieces) for _ in range(2)]
    assert b"Hello" == inflated(inflater, [HELLO])


@pytest.mark.parametrize("rest", [TAIL[1:], TAIL + b"\x00\x00", TAIL[:3], TAIL + TAIL, TAIL[:2]])
def test_part_of_the_tail_is_not_put_up_with(rest: bytes) -> None:
    """Three of its bytes, or five: then something else is wrong."""
    assert None is not refused(HELLO + rest)


def test_nothing_of_a_message_is_left_for_the_next() -> None:
    """Neither the tail that was not cut off, nor the number of final blocks: an empty message is empty again."""
    inflater = Inflater(15, True)
    for _ in range(2):
        assert b"Hello" == inflated(inflater, [FINAL_HELLO + b"\x03\x00" * 1000 + b"\x00" + TAIL])
        assert b"" == inflated(inflater, [b""])
    with pytest.raises(ProtocolError):
        inflated(inflater, [HELLO[:-1]])


@pytest.mark.parametrize("most", [1, 2, 100, 257, 258, 259, 65536])
def test_no_more_comes_out_than_was_asked_for(most: int) -> None:
    """Whatever the ratio: the rest of the data is left for the next call."""
    payload = compressed(Deflater(15, True, 0, 9, 9), bytes(50_000))[0]
    inflater = Inflater(15, True)
    data, used = inflater.decompress(payload, most)

    assert (bytes(min(most, 50_000)), True) == (data, used < len(payload) or most > 50_000)
    assert len(payload) < 80
    assert bytes(50_000) == inflated(Inflater(15, True), [payload], most)


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_a_little_data_at_a_time_is_enough(most: int) -> None:
    """The pieces of the data and the pieces that come out have nothing to do with each other."""
    data = repeats(9)
    payload = compressed(Deflater(9, True, 0, 6, 8), data)[0]

    for size in (1, 7, 1000):
        pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
        assert data == inflated(Inflater(9, True), pieces, most)


@pytest.mark.parametrize("bits", BITS)
def test_the_window_is_the_one_that_was_agreed_on(bits: int) -> None:
    """7.2.2: over any number of messages a match may reach back so far, and not a byte further."""
    chance = random.Random(bits)
    size = 1 << bits
    for before in ([size], [size + 1], [size // 2, size // 2], [size - 3, 1, 1, 1], [size * 2 - 1], [7, size]):
        messages = [chance.randbytes(count) for count in before]
        inflater = Inflater(bits, True)
        for message in messages:
            halves = [
                stored(message[: size // 2]),
                stored(message[size // 2 :][:60000]),
                stored(message[60000 + size // 2 :]),
            ]
            assert message == inflated(inflater, [*halves, b"\x00"])
        twin = copy.deepcopy(inflater)

        assert b"".join(messages)[-size:][:3] == inflated(inflater, [match(size)])
        if size < 32768:
            with pytest.raises(ProtocolError) as caught:
                inflated(twin, [match(size + 1)])
            assert rules.COMPRESSED_DATA is caught.value.rule


def test_a_window_larger_than_agreed_is_put_up_with_within_a_message() -> None:
    """It is there anyway; and to notice it or not would depend on how the data is cut."""
    payload = stored(bytes(range(200))) * 10 + match(2000)
    for pieces in chopped(payload):
        assert bytes([*range(200)] * 10 + [0, 1, 2]) == inflated(Inflater(8, True), pieces)


def test_with_no_takeover_nothing_is_kept_between_messages() -> None:
    """7.2.2: "MAY decompress each new message with an empty LZ77 sliding window"; so a match into it is too far."""
    inflater = Inflater(15, False)
    assert b"Hello" == inflated(inflater, [HELLO])
    twin = copy.deepcopy(inflater)

    assert b"Hello" == inflated(inflater, [HELLO])
    with pytest.raises(ProtocolError) as caught:
        inflated(twin, [match(5)])
    assert "invalid distance too far back" == caught.value.detail


@pytest.mark.parametrize("role", Role)
def test_a_receiver_has_the_window_of_its_sender(role: Role) -> None:
    """7.1: what `sender` may write, the decompressor for it reads; without a word 32 KiB, whatever we wish."""
    flags: dict[str, Any] = {f"{role.value}_max_window_bits": 9, f"{role.peer.value}_no_context_takeover": True}
    for terms, reach in ((DeflateTerms(**flags), 512), (DeflateTerms(wish=Deflate(8, 8)), 32768)):
        ours = terms.decompressor(role)
        assert bytes(32768) == inflated(ours, [stored(bytes(32768)) + b"\x00"])
        assert bytes(3) == inflated(ours, [match(reach)])

    other = DeflateTerms(**flags).decompressor(role.peer)
    assert b"Hello" == inflated(other, [HELLO])
    with pytest.raises(ProtocolError):
        inflated(other, [match(5)])


def test_an_inflater_between_messages_is_copied_and_pickled_with_its_window() -> None:
    """Time travel, and a connection that is handed to another process."""
    inflater = Inflater(15, True)
    assert b"Hello" == inflated(inflater, [HELLO])

    for twin in (copy.copy(inflater), copy.deepcopy(inflater), pickle.loads(pickle.dumps(inflater)), inflater):
        assert b"Hello" == inflated(twin, [bytes.fromhex("f2 00 11 00 00")])


def test_an_inflater_in_the_midst_of_a_message_can_be_copied() -> None:
    """At every byte; the copy and the original go on apart."""
    payload = EXAMPLES["two blocks"]
    for at in range(len(payload)):
        inflater = Inflater(15, True)
        begun = inflater.decompress(payload[:at], 100)[0]
        twin = copy.deepcopy(inflater)

        for one in (twin, inflater):
            assert b"Hello" == begun + inflated(one, [payload[at:]])


# --- A whole message at once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [EXAMPLES["one block"], EXAMPLES["stored"], EXAMPLES["two blocks"]])
@pytest.mark.parametrize("takeover", [False, True])
def test_a_whole_message_is_read_at_once(payload: bytes, takeover: bool) -> None:
    """And is in the window for the next, if there is one."""
    inflater = Inflater(15, takeover)

    assert [b"Hello"] * 3 == [inflater.decompress_whole(payload, 5) for _ in range(3)]
    assert (b"Hello" if takeover else None) == inflater.decompress_whole(bytes.fromhex("f2 00 11 00 00"), 9)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(EXAMPLES["final"], id="a final block in it"),
        pytest.param(FINAL_HELLO, id="a final block at its end"),
        pytest.param(HELLO + b"\x03\x00", id="a final block behind it"),
        pytest.param(HELLO + TAIL, id="with its tail"),
        pytest.param(HELLO[:-1], id="cut off"),
        pytest.param(bytes.fromhex("14 8d cb 0d 00 51 08 02 6b"), id="a table of codes that is cut off"),
        pytest.param(b"\x06", id="no DEFLATE data"),
        pytest.param(match(6), id="too far back"),
        pytest.param(bytes.fromhex("00 09 00 f6 ff"), id="what is appended taken for data"),
        pytest.param(bytes.fromhex("01 09 00 f6 ff"), id="what is appended taken for the last data"),
        pytest.param(bytes.fromhex("00 08 00 f7 ff") + TAIL, id="data like a tail"),
        pytest.param(bytes.fromhex("01 05 00 fa ff"), id="some of what is appended taken for the last data"),
    ],
)
def test_what_is_not_simple_is_left_for_the_long_way(payload: bytes) -> None:
    """Right or wrong: it says what is the matter, and nothing has changed for it."""
    inflater = Inflater(15, True)
    assert b"Hello" == inflater.decompress_whole(HELLO, 5)

    assert None is inflater.decompress_whole(payload, 10)
    assert b"Hello" == inflated(inflater, [bytes.fromhex("f2 00 11 00 00")])


@pytest.mark.parametrize("most", [4, 5])
def test_a_message_that_is_too_large_is_left_for_the_long_way(most: int) -> None:
    """No more than `most` bytes come out."""
    assert (None if most < 5 else b"Hello") == Inflater(15, True).decompress_whole(HELLO, most)
    assert None is Inflater(15, True).decompress_whole(compressed(Deflater(15, True, 0, 9, 9), bytes(50_000))[0], most)


@given(
    st.lists(
        st.sampled_from([*EXAMPLES.values(), FINAL_HELLO, HELLO + TAIL, match(3), match(400)])
        | st.binary(max_size=12)
        | st.binary(max_size=12).map(stored)
        | st.builds(bytes.__add__, st.sampled_from([*EXAMPLES.values()]), st.binary(max_size=3)),
        max_size=8,
    ),
    st.sampled_from([9, 15]),
    st.booleans(),
    st.sampled_from([1, 5, 100]),
)
def test_at_once_comes_what_comes_in_pieces(payloads: list[bytes], bits: int, takeover: bool, most: int) -> None:
    """Whatever the payloads: what is read at once, the long way reads too, and both remember the same."""
    quick, slow = Inflater(bits, takeover), Inflater(bits, takeover)
    for payload in payloads:
        before = copy.copy(quick)
        message = quick.decompress_whole(payload, most)
        if message is None:
            quick, slow = before, copy.copy(slow)
            with suppress(ProtocolError):
                message = inflated(quick, [payload])
        try:
            assert message == inflated(slow, [payload])
        except ProtocolError:
            assert None is message
            return


# --- Both -------------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.binary(max_size=60) | st.integers(0, 3000).map(bytes), min_size=1, max_size=4), max_size=6),
    st.sampled_from(BITS),
    st.booleans(),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 500),
)
def test_what_was_compressed_comes_out_again(
    messages: list[list[bytes]], bits: int, takeover: bool, level: int, memory_level: int, most: int
) -> None:
    """Any messages, in any parts, with any parameters; the second reader reads the same."""
    deflater, inflater = Deflater(bits, takeover, 0, level, memory_level), Inflater(bits, takeover)
    window = b""
    for parts in messages:
        sent = [deflater.compress(part, False) for part in parts[:-1]] + [deflater.compress(parts[-1], True)]
        decoded = read_message(b"".join(sent), window)
        window = (window + decoded.output)[-(1 << bits) :] if takeover else b""

        assert b"".join(parts) == decoded.output == inflated(inflater, sent, most)


@given(st.binary(max_size=40), st.binary(max_size=300))
def test_whatever_the_bytes_both_readers_say_the_same(payload: bytes, window: bytes) -> None:
    """They read the same message, or find that it is none; final blocks, which may not end at the end, left out."""
    try:
        expected: Decoded | None = read_message(payload, window)
    except ValueError:
        expected = None
    inflater = Inflater(15, True)
    inflated(inflater, [stored(window), b"\x00"])
    try:
        found: bytes | None = inflated(inflater, [payload])
    except ProtocolError:
        found = None

    if expected is not None and not any(block.final for block in expected.blocks):
        assert expected.output == found
    elif expected is None and found is not None:
        assert not payload or payload.endswith(TAIL) or any(one & 1 for one in payload)
