"""From payloads to messages: the long way, which every message can take, and the short one for plain messages."""

import tracemalloc
import zlib
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.conformance.deflating import stored
from rawws.core import rules
from rawws.core.connection import Connection
from rawws.core.deflate import Inflater
from rawws.core.errors import ProtocolError
from rawws.core.events import Chunk, Event
from rawws.core.frames import FrameHeader, Opcode
from rawws.core.messages import AT_ONCE, WHOLE_AT_ONCE, Reassembly, compressed_at, take_plain
from rawws.core.settings import Limits, Role
from tests.wire import BINARY, KEY, PING, TEXT, feed, frame, octets

NO_LIMIT = 2**63

MESSAGES = st.text(max_size=40) | st.binary(max_size=40) | st.integers(120, 135).map(bytes)


def header(opcode: int, length: int = 0, fin: bool = False, rsv: int = 0) -> FrameHeader:
    """A data frame as its sender announces it."""
    return FrameHeader(fin, rsv, opcode, length, None, 2)


def compressed_message(opcode: int, limits: Limits = Limits()) -> Reassembly:
    """A compressed message of which the first frame was announced."""
    message = Reassembly(limits, Inflater(15, True))
    message.admit(header(opcode, rsv=4))
    return message


def deflated(data: bytes) -> bytes:
    """As the payload of a message."""
    return zlib.compress(data, wbits=-15) + b"\x00"


def deflated_in_sync(data: bytes) -> bytes:
    """The same without a final block."""
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


def plain(message: str | bytes, key: bytes | None) -> bytes:
    """The one frame that holds the message."""
    return frame(TEXT if isinstance(message, str) else BINARY, message, key=key)


def taken(data: bytes, start: int = 0, masked: bool = False, limit: int = NO_LIMIT) -> tuple[int, list[str | bytes]]:
    """Where `take_plain` stops, and what it took."""
    out: list[Event] = []
    position = take_plain(data, start, masked, limit, out)
    return position, [message for message in out if isinstance(message, str | bytes)]


# --- The long way -----------------------------------------------------------------------------------------------------


def test_kept_pieces_are_put_together() -> None:
    """What comes out is a `str` or `bytes`, and then nothing is held any more."""
    for text, opcode, whole in ((True, Opcode.TEXT, "a€b"), (False, Opcode.BINARY, b"a\xe2\x82\xacb")):
        message = Reassembly(Limits())
        message.admit(header(opcode))
        for piece in (b"a\xe2", b"\x82", b"", b"\xacb"):
            message.keep(message.add(piece, 0, last=False), len(piece))

        assert (text, 5) == (message.text, message.held)
        assert (whole, type(whole), 0) == ((found := message.take()), type(found), message.held)


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
@pytest.mark.parametrize("sizes", [[1] * 9000, [9000], [4096] * 3, [1, 5000, 1, 1, 4095, 5000, 1], [70_000, 70_000]])
def test_long_and_short_pieces_are_put_together_in_order(opcode: int, sizes: list[int]) -> None:
    """However they alternate, and with characters cut by them; a piece of a byte takes hardly more than that byte."""
    payload = ("€" * (sum(sizes) // 3 + 1)).encode()[: sum(sizes) // 3 * 3]
    message = Reassembly(Limits())
    message.admit(header(opcode))
    tracemalloc.start()
    at = 0
    for size in sizes:
        piece = payload[at : at + size]
        message.keep(message.add(piece, at, last=False), len(piece))
        at += size
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 2 * len(payload) + 2000
    assert len(payload) == message.held
    assert (payload if opcode == Opcode.BINARY else payload.decode()) == message.take()


def test_what_was_kept_may_be_taken_in_the_middle_of_a_character() -> None:
    """The whole characters come out; the one that has begun stays, and the next piece completes it."""
    message = Reassembly(Limits())
    message.admit(header(Opcode.TEXT))
    for piece in (b"a\xf0", b"\x9f", b"\x98"):
        message.keep(message.add(piece, 0, last=False), len(piece))

    assert "a" == message.take()
    assert "😀b" == message.add(b"\x80b", 4, last=True)


def test_a_new_message_begins_afresh() -> None:
    """Nothing of a message before it is left: neither bytes, nor half a character, nor the counts."""
    message = Reassembly(Limits(message=3, fragments=2))
    message.admit(header(Opcode.TEXT, 3))
    message.keep(message.add(b"ab\xe2", 0, last=False), 3)
    message.begin(text=True)

    message.admit(header(Opcode.TEXT, 3))
    message.admit(header(Opcode.CONTINUATION, 0))
    assert ("abc", 0) == (message.add(b"abc", 0, last=True), message.held)


def test_a_piece_of_a_binary_message_is_given_back_as_it_is() -> None:
    """There is nothing to check in it, so it is not even copied."""
    message = Reassembly(Limits())
    message.admit(header(Opcode.BINARY, 4))
    piece = b"\xff\xfe\x00\xc3"

    assert piece is message.add(piece, 0, last=True)


def test_fragments_are_counted_and_not_kept() -> None:
    """A thousand empty fragments take no more memory than none."""
    message = Reassembly(Limits(fragments=1000))
    message.admit(header(Opcode.BINARY))
    for _ in range(999):
        message.admit(header(Opcode.CONTINUATION))
        message.keep(b"", 0)

    assert 0 == message.held
    with pytest.raises(ProtocolError) as caught:
        message.admit(header(Opcode.CONTINUATION))
    assert (rules.TOO_MANY_FRAGMENTS, 0) == (caught.value.rule, caught.value.offset)


@pytest.mark.parametrize(
    "limits, lengths, rule",
    [
        (Limits(message=10), [4, 6, 1], rules.MESSAGE_TOO_BIG),
        (Limits(message=10), [2**62], rules.MESSAGE_TOO_BIG),
        (Limits(frame=10), [10, 10, 11], rules.FRAME_TOO_BIG),
        (Limits(message=None, frame=10), [10, 2**62], rules.FRAME_TOO_BIG),
        (Limits(message=0), [0, 1], rules.MESSAGE_TOO_BIG),
    ],
)
def test_a_length_is_judged_when_it_is_announced(limits: Limits, lengths: list[int], rule: rules.Rule) -> None:
    """All but the last of these are let pass; the last is refused before any of its payload is there."""
    message = Reassembly(limits)
    opcodes = [Opcode.BINARY, *[Opcode.CONTINUATION] * len(lengths)]
    for opcode, length in islice(zip(opcodes, lengths), len(lengths) - 1):
        message.admit(header(opcode, length))

    with pytest.raises(ProtocolError) as caught:
        message.admit(header(opcodes[len(lengths) - 1], lengths[-1]))
    assert (rule, 1) == (caught.value.rule, caught.value.offset)


def test_without_limits_everything_is_admitted() -> None:
    """None lifts a bound; then the memory is the caller's to watch."""
    message = Reassembly(Limits(message=None))

    message.admit(header(Opcode.BINARY, 2**62))
    for _ in range(2000):
        message.admit(header(Opcode.CONTINUATION, 2**62))

    assert 0 == message.held


# --- Decompressing ----------------------------------------------------------------------------------------------------


def test_rsv1_says_whether_a_message_is_compressed() -> None:
    """In its first frame; the others do not change it, and the next message begins afresh."""
    message = compressed_message(Opcode.TEXT)
    assert message.compressed
    message.admit(header(Opcode.CONTINUATION))
    assert message.compressed
    message.admit(header(Opcode.TEXT))
    assert not message.compressed


def test_decompressing_stops_now_and_then() -> None:
    """However little a great deal of data takes, somebody has to ask for more, and nothing is used up twice."""
    payload, size = deflated(bytes(10 * AT_ONCE)), 0
    message = compressed_message(Opcode.BINARY)
    turns, ended = 0, False
    while not ended:
        data, used, ended = message.decompress(payload, last=True)
        payload, size, turns = payload[used:], size + len(data), turns + 1
        assert len(data) <= AT_ONCE + 1024
        assert size == message.size

    assert (10 * AT_ONCE, b"") == (size, payload)
    assert turns >= 10


@pytest.mark.parametrize("size", [AT_ONCE - 300, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, AT_ONCE + 300])
@pytest.mark.parametrize("limit", [None, AT_ONCE, 2 * AT_ONCE])
def test_what_is_held_back_belongs_to_its_piece(size: int, limit: int | None) -> None:
    """Also where a piece gives just as much as is taken at once; and a limit holds to the byte."""
    for ending in (b"", b"a"):
        message = compressed_message(Opcode.BINARY, Limits(message=limit))
        squeezed = zlib.compressobj(wbits=-15)
        pieces = [squeezed.compress(bytes(size)) + squeezed.flush(zlib.Z_SYNC_FLUSH)]
        pieces += [squeezed.compress(ending) + squeezed.flush(zlib.Z_SYNC_FLUSH)]
        found = 0
        try:
            for piece, last in zip(pieces, (False, True)):
                while True:
                    data, used, _ = message.decompress(piece, last)
                    found, piece = found + len(data), piece[used:]
                    if not piece:
                        break
            rule = None
        except ProtocolError as error:
            rule = error.rule

        too_big = limit is not None and size + len(ending) > limit
        assert rule is (rules.MESSAGE_TOO_BIG if too_big else None)
        assert too_big or size + len(ending) == found == message.size


@pytest.mark.parametrize(
    "limit, allowed", [(0, 1024), (7, 1031), (8, 1033), (1000, 2149), (2**20, 2**20 + 2**17 + 1024)]
)
def test_a_compressed_message_may_be_a_little_longer_on_the_wire(limit: int, allowed: int) -> None:
    """Compressing what cannot be compressed adds to it: an eighth, 1 KiB, and 16 bytes a fragment are allowed for."""
    message = Reassembly(Limits(message=limit), Inflater(15, True))
    message.admit(header(Opcode.BINARY, allowed, rsv=4))
    message.admit(header(Opcode.CONTINUATION, 32))
    with pytest.raises(ProtocolError) as caught:
        message.admit(header(Opcode.CONTINUATION, 17))

    assert (rules.MESSAGE_TOO_BIG, 1) == (caught.value.rule, caught.value.offset)
    Reassembly(Limits(message=None), Inflater(15, True)).admit(header(Opcode.BINARY, 2**62, rsv=4))


@pytest.mark.parametrize("pieces", [[b"a\xffb"], [b"a", b"\xff", b"b"], [b"a\xed", b"\xa0", b"\x80"], [b"a\xe2", b"b"]])
def test_bad_text_in_a_compressed_message_is_told_when_its_frame_ends(pieces: list[bytes]) -> None:
    """Corrupt data in the same frame goes first; so it does not matter which of both a piece ends in."""
    message = compressed_message(Opcode.TEXT)
    at = 0
    for piece in pieces:
        message.add(piece, at, last=False)
        at += len(piece)
    assert "" == message.add(b"more", at, last=False)

    with pytest.raises(ProtocolError) as caught:
        message.end_frame()
    assert (rules.TEXT_NOT_UTF8, 1) == (caught.value.rule, caught.value.offset)


@pytest.mark.parametrize("pieces", [[b"a\xff"], [b"a\xff", b"b"], [b"a\xff", b""], [b"a\xe2\x82"]])
def test_bad_text_in_a_compressed_message_is_told_at_its_end(pieces: list[bytes]) -> None:
    """With the byte of the message that is to blame."""
    message = compressed_message(Opcode.TEXT)
    for piece in pieces[:-1]:
        message.add(piece, 0, last=False)

    with pytest.raises(ProtocolError) as caught:
        message.add(pieces[-1], 0 if len(pieces) == 1 else 2, last=True)
    assert (rules.TEXT_NOT_UTF8, 1) == (caught.value.rule, caught.value.offset)


def test_good_text_is_not_told_on() -> None:
    """The end of a frame in the middle of a character is no fault."""
    message = compressed_message(Opcode.TEXT)
    for piece, expected in ((b"a\xe2", "a"), (b"\x82", ""), (b"\xac", "€")):
        data = message.decompress(stored(piece), last=False)[0]
        assert (piece, expected) == (data, message.add(data, message.size - len(data), last=False))
        message.end_frame()


# --- The short way ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 65537])
def test_a_plain_message_is_taken_from_where_it_stands(size: int, key: bytes | None) -> None:
    """Of every form that a length has."""
    data = b"\xff" + plain(bytes(size), key) + b"\xff"

    assert (len(data) - 1, [bytes(size)]) == taken(data, 1, masked=key is not None)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "81",
        "01 01 61",
        "80 01 61",
        "c1 01 61",
        "89 00",
        "88 00",
        "83 00",
        "81 02 61",
        "81 7e",
        "81 7e 00",
        "81 7e 007d" + 125 * "61",
        "81 7e 007e" + 125 * "61",
        "81 7f 0000000000000001 61",
        "81 81 61 000000",
        "81 fe 0080 00000000" + 128 * "61",
        "81 7f 000000000001 00",
        "82 7f 000000000000ffff" + 65535 * "00",
        "82 7f 0000000000010000" + 65535 * "00",
        "82 7f 8000000000010000" + 65536 * "00",
        "81 ff 000000000001 0000 00000000 61",
        "81 01 ff",
        "81 02 e282",
    ],
)
def test_what_is_not_plain_is_left_alone(data: str) -> None:
    """Anything unfinished, fragmented, illegal or not UTF-8: the long way knows what to say about it."""
    assert (4, ["Hi"]) == taken(octets("81 02 4869", data))


@pytest.mark.parametrize(
    "data", ["81 80 000000", "81 01 61", "81 7e 007e" + 130 * "61", "81 fe 007d" + 129 * "00", "81 81 00000000"]
)
def test_what_is_not_plain_to_a_server_is_left_alone(data: str) -> None:
    """A frame without a mask, or one that is not all there."""
    assert (8, ["Hi"]) == taken(octets("81 82 00000000 4869", data), masked=True)


@pytest.mark.parametrize("size", [3, 4, 200])
def test_a_message_over_the_limit_is_left_alone(size: int) -> None:
    """And one of just the limit is not."""
    data = plain(bytes(size), None)

    assert (len(data), [bytes(size)]) == taken(data, limit=size)
    assert (0, []) == taken(data, limit=size - 1)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("size", [1, 125, 126, 127, 65535])
def test_a_compressed_message_that_is_a_whole_frame_is_found(size: int, key: bytes | None, opcode: Opcode) -> None:
    """Its payload, unmasked, and where it ends; not before it is all there, nor if it is over the limit."""
    data = b"\xff" + frame(opcode, b"a" * size, key=key, rsv=4)
    masked = key is not None

    assert (opcode == TEXT, b"a" * size, len(data)) == compressed_at(data + b"\xff", 1, masked, size)
    assert None is compressed_at(data, 1, masked, size - 1)
    for end in {*range(1, min(11, len(data))), len(data) - 1}:
        assert None is compressed_at(data[:end], 1, masked, size)


@pytest.mark.parametrize(
    "data",
    [
        *("c1 00", "c1 80 00000000", "c1 81 00000000 61", "c1 7e 007d" + 125 * "61", "c1 7f 0000000000000001 61"),
        *("81 01 61", "41 01 61", "c0 01 61", "c3 01 61", "d1 01 61", "c9 01 61"),
    ],
)
def test_no_other_frame_is_taken_for_one(data: str) -> None:
    """Empty, masked by the wrong side, with a length that is not in its shortest form or takes eight bytes; or with
    other bits."""
    assert None is compressed_at(octets(data), 0, False, NO_LIMIT)


def taken_compressed(message: Reassembly, data: bytes) -> tuple[int, list[Event]]:
    """What the short way takes of frames from a server whose payloads are these."""
    out: list[Event] = []
    return message.take_compressed(data, 0, False, NO_LIMIT, 100, 65_536, out), out


def compressed_frame(data: bytes, opcode: Opcode = BINARY) -> bytes:
    """A message that needs nothing of those before it."""
    return frame(opcode, deflated_in_sync(data), rsv=4)


def test_a_compressed_message_that_is_one_frame_is_decompressed_at_once() -> None:
    """Up to a bound and to the limit of messages; all else goes the long way."""
    for limit, size, opcode in ((None, WHOLE_AT_ONCE, BINARY), (9, 9, TEXT)):
        message = Reassembly(Limits(message=limit), Inflater(15, True))
        data = compressed_frame(b"a" * size, opcode)

        assert (len(data), ["a" * size if opcode == TEXT else b"a" * size]) == taken_compressed(message, data)
        assert (0, []) == taken_compressed(message, compressed_frame(b"a" * (size + 1), opcode))


@pytest.mark.parametrize("size, most", [(1, 509), (4096, 16), (200_000, 1)])
def test_compressed_messages_that_came_together_are_read_together(size: int, most: int) -> None:
    """As long as little comes of them: nobody has asked for all that lies behind."""
    message = Reassembly(Limits(), Inflater(15, True))
    data = compressed_frame(b"a" * size)

    assert (most * len(data), [b"a" * size] * most) == taken_compressed(message, (most + 9) * data)


def test_bad_text_that_is_decompressed_at_once_is_told_as_ever() -> None:
    """The first byte of the payload in the stream, and in words that of the message."""
    with pytest.raises(ProtocolError) as caught:
        taken_compressed(Reassembly(Limits(), Inflater(15, True)), compressed_frame(b"a\xffb", TEXT))

    assert (rules.TEXT_NOT_UTF8, 102) == (caught.value.rule, caught.value.offset)
    assert "invalid start byte, at byte 1 of the message" == caught.value.detail


def test_bad_text_behind_other_messages_is_told_when_they_were_taken() -> None:
    """And is not decompressed a second time."""
    message = Reassembly(Limits(), Inflater(15, True))
    good = compressed_frame(b"good", TEXT)

    assert (len(good), ["good"]) == taken_compressed(message, good + compressed_frame(b"a\xffb", TEXT))
    with pytest.raises(ProtocolError) as caught:
        taken_compressed(message, b"")
    assert (rules.TEXT_NOT_UTF8, 100 + len(good) + 2) == (caught.value.rule, caught.value.offset)


@given(st.lists(MESSAGES), st.sampled_from([None, KEY]), st.binary(max_size=12))
def test_every_plain_message_in_a_row_is_taken(messages: list[str | bytes], key: bytes | None, rest: bytes) -> None:
    """None is skipped or changed, and what is behind the last of them stays."""
    whole = b"".join(plain(message, key) for message in messages)

    position, found = taken(whole + rest, masked=key is not None)

    assert messages == found[: len(messages)]
    assert position >= len(whole)
    assert (position == len(whole)) == (len(found) == len(messages))


FRAMES = st.builds(
    frame,
    st.sampled_from([*[TEXT, BINARY] * 4, PING, 0, 3]),
    st.binary(max_size=8) | st.text(max_size=4) | st.integers(120, 130).map(bytes),
    key=st.sampled_from([KEY, KEY, KEY, None]),
    fin=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 0, 4]),
    form=st.sampled_from([None, None, None, 2, 8]),
)


@given(st.lists(FRAMES | st.binary(max_size=4)), st.sampled_from(Role), st.sampled_from([None, 0, 5, 126]))
def test_the_short_way_takes_what_the_long_way_would_tell(pieces: list[bytes], role: Role, limit: int | None) -> None:
    """Whatever the bytes, legal or not: what is taken is what a connection tells of these bytes that cannot take the
    short way, since it streams."""
    data = b"".join(pieces)
    position, found = taken(data, 0, role is Role.SERVER, NO_LIMIT if limit is None else limit)
    connection = Connection(role, stream=True, limits=Limits(message=limit))

    told = feed(connection, data[:position])

    assert [Chunk(message, True, True) for message in found] == told
    assert connection.closed is None
