"""The tap: a listener on the wire that decodes what passes by, legal or not."""

import tracemalloc
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.agreement import Agreement, Terms
from rawws.core.connection import Connection
from rawws.core.deflate import DeflateTerms
from rawws.core.events import Closed
from rawws.core.settings import Limits, Role
from rawws.tap import LONGEST_LINE, Frame, Line, Record, Tap, agreed, printable
from tests.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    TEXT,
    Wire,
    chopped,
    close_body,
    frame,
    frame_from,
    octets,
)

REQUEST = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\r\n"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def heard(
    sender: Role,
    pieces: Iterable[Wire],
    *,
    preview: int | None = 125,
    handshake: bool = False,
    compression: Terms | None = None,
) -> list[Record]:
    """What a tap reports of these pieces, sent by `sender`."""
    records: list[Record] = []
    tap = Tap(sender, records.append, preview=preview, handshake=handshake, compression=compression)
    for piece in pieces:
        tap.sent(octets(piece))
    return records


def frames(sender: Role, *parts: Wire, preview: int | None = 125, compression: Terms | None = None) -> list[Frame]:
    """The frames that a tap reports, which are the same in whatever pieces they come."""
    whole = heard(sender, [octets(*parts)], preview=preview, compression=compression)
    for pieces in chopped(*parts):
        assert whole == heard(sender, pieces, preview=preview, compression=compression)
    return [record for record in whole if isinstance(record, Frame)]


def broken(sender: Role, *parts: Wire, compression: Terms | None = None) -> list[tuple[str, int]]:
    """The rules that the tap sees broken, and the offsets of the bytes that break them."""
    found = frames(sender, *parts, compression=compression)
    return [(remark.rule.name, remark.offset) for frame in found for remark in frame.remarks]


def rendered(sender: Role, *parts: Wire, preview: int | None = 125, compression: Terms | None = None) -> str:
    """What a person sees."""
    return "\n".join(str(record) for record in frames(sender, *parts, preview=preview, compression=compression))


# --- The heads ----------------------------------------------------------------------------------------------------


def test_a_handshake_is_told_line_by_line_and_the_frames_behind_it_follow() -> None:
    """Both heads are told without their line ends up to the empty line, then frames; offsets go on counting."""
    for pieces in chopped(REQUEST, "81 82 00000000 4869"):
        *head, last = heard(Role.CLIENT, pieces, handshake=True)

        assert [
            Line(Role.CLIENT, 0, b"GET /chat HTTP/1.1"),
            Line(Role.CLIENT, 20, b"Host: example.com"),
            Line(Role.CLIENT, 39, b"Upgrade: websocket"),
            Line(Role.CLIENT, 59, b""),
        ] == head
        assert "C>     61  81 82 00 00 00 00        TEXT         FIN        2  'Hi'" == str(last)


@pytest.mark.parametrize("role", Role)
def test_both_ends_hear_the_same(role: Role) -> None:
    """A tap at the server and one at the client report the same of the same bytes: only sent and received differ."""
    records: list[Record] = []
    tap = Tap(role, records.append)
    client, server = (tap.sent, tap.received) if role is Role.CLIENT else (tap.received, tap.sent)

    client(REQUEST)
    server(ANSWER + octets("89 00"))
    client(octets("8a 80 00000000"))

    assert [
        "C>      0  GET /chat HTTP/1.1",
        "C>     20  Host: example.com",
        "C>     39  Upgrade: websocket",
        "C>     59",
        "S>      0  HTTP/1.1 101 Switching Protocols",
        "S>     34  Upgrade: websocket",
        "S>     54",
        "S>     56  89 00                    PING         FIN        0  ''",
        "C>     61  8a 80 00 00 00 00        PONG         FIN        0  ''",
    ] == [str(record) for record in records]


def test_the_body_of_a_refusal_is_not_taken_for_frames() -> None:
    """An answer that is not 101 ends the conversation: its body is passed over."""
    for pieces in chopped(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\n", "81 02 48"):
        told = heard(Role.SERVER, pieces, handshake=True)

        assert [b"HTTP/1.1 403 Forbidden", b"Content-Length: 3", b""] == [record.text for record in told]


def test_an_interim_answer_is_followed_by_another_head() -> None:
    """103 Early Hints and the like stand before the 101, and only after the 101 there are frames."""
    for pieces in chopped(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 OK\r\n\r\n", "81 00"):
        assert [Line, Line, Line, Line, Frame] == [
            type(record) for record in heard(Role.SERVER, pieces, handshake=True)
        ]


def test_a_request_that_asks_for_no_upgrade_is_followed_by_another_head() -> None:
    """A browser that fetches a page and then opens a WebSocket over the same connection is followed."""
    for pieces in chopped(b"GET / HTTP/1.1\r\n\r\n\r\nGET / HTTP/1.1\r\nupgrade:websocket\r\n\r\n", "81 80 00000000"):
        told = [type(record) for record in heard(Role.CLIENT, pieces, handshake=True)]

        assert [*[Line] * 6, Frame] == told


def test_an_endless_line_is_told_in_pieces() -> None:
    """A peer that sends no line end cannot make the tap hold more than one line's worth."""
    told = heard(Role.CLIENT, [b"x" * 1000] * 20, handshake=True)

    assert [LONGEST_LINE, LONGEST_LINE] == [len(record.text) for record in told if isinstance(record, Line)]


# --- Frames -------------------------------------------------------------------------------------------------------


def test_hello_looks_as_in_the_design() -> None:
    """Direction, offset, header, opcode, FIN, length, and the payload unmasked; a Close as code and reason."""
    assert (
        "C>      0  81 85 37 fa 21 3d        TEXT         FIN        5  'Hello'\n"
        "C>     11  88 85 37 fa 21 3d        CLOSE        FIN        5  (1000, 'bye')"
    ) == rendered(Role.CLIENT, "8185 37fa213d 7f9f4d5158", frame(CLOSE, close_body(1000, "bye"), key=KEY))


def test_a_fragment_of_a_text_message_is_shown_as_text_and_one_of_a_binary_message_in_hex() -> None:
    """The tap knows what a continuation continues, also with a ping in between."""
    assert (
        "S>      0  01 03                    TEXT         -          3  'Hel'\n"
        "S>      5  89 01                    PING         FIN        1  '?'\n"
        "S>      8  80 02                    CONTINUATION FIN        2  'lo'\n"
        "S>     12  02 01                    BINARY       -          1  00\n"
        "S>     15  80 01                    CONTINUATION FIN        1  ff"
    ) == rendered(Role.SERVER, "0103 48656c", "8901 3f", "8002 6c6f", "0201 00", "8001 ff")


def test_a_character_split_between_fragments_is_no_breach() -> None:
    """Text is UTF-8 over the borders of its fragments; each half is shown as the bytes it is."""
    found = frames(Role.SERVER, "0102 48c3", "8001 a9")

    assert [(), ()] == [frame.remarks for frame in found]
    assert r"'H\xc3'" in str(found[0])


@pytest.mark.parametrize("size", [126, 65535, 65536, 200_000])
def test_a_long_frame_is_told_as_soon_as_its_preview_is_there(size: int) -> None:
    """Header and preview are enough; the rest is passed over, and what follows is found again."""
    wire = frame(BINARY, bytes(size), key=KEY)
    head = len(wire) - size
    records: list[Record] = []
    tap = Tap(Role.CLIENT, records.append, preview=4, handshake=False)

    tap.sent(wire[: head + 3])
    early = len(records)
    tap.sent(wire[head + 3 : head + 4])
    in_time = len(records)
    tap.sent(wire[head + 4 :] + frame(PING, key=KEY))

    assert (0, 1, 2) == (early, in_time, len(records))
    assert str(records[0]).endswith(f"BINARY       FIN {size:8}  00 00 00 00…")
    assert len(wire) == records[1].offset


def test_a_tap_holds_no_more_than_the_preview() -> None:
    """A frame that announces 2**62 bytes and sends them slowly costs the tap nothing."""
    records: list[Record] = []
    tap = Tap(Role.SERVER, records.append, preview=64, handshake=False)

    tap.sent(frame(BINARY, b"", length=2**62))
    for _ in range(100):
        tap.sent(bytes(10_000))

    assert 1 == len(records)
    assert 0 == tap.held


def test_without_a_preview_the_whole_payload_is_shown() -> None:
    """`preview=None` is for whoever wants every byte."""
    (found,) = frames(Role.SERVER, frame(BINARY, bytes(1000)), preview=None)

    assert (bytes(1000), True) == (found.payload, found.whole)


def test_any_buffer_may_be_given() -> None:
    """Transports hand over what they have; a buffer that is used again does not change what was heard."""
    records: list[Record] = []
    tap = Tap(Role.SERVER, records.append, handshake=False)
    buffer = bytearray.fromhex("81 02 48")

    tap.sent(memoryview(buffer))
    buffer[:] = b"xxx"
    tap.sent(b"i")

    assert ["S>      0  81 02                    TEXT         FIN        2  'Hi'"] == [
        str(record) for record in records
    ]


# --- Illegal frames -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sender, wire, expected",
    [
        (Role.CLIENT, ["81 00"], [("mask-missing", 1)]),
        (Role.SERVER, ["81 80 00000000"], [("mask-unexpected", 1)]),
        (Role.SERVER, ["81 00", "c1 00"], [("reserved-bits", 2)]),
        (Role.SERVER, ["83 00"], [("opcode-reserved", 0)]),
        (Role.SERVER, ["8f 00"], [("opcode-reserved", 0)]),
        (Role.SERVER, ["09 00"], [("control-fragmented", 0)]),
        (Role.SERVER, ["89 7e 007e", bytes(126)], [("control-too-long", 1)]),
        (Role.SERVER, ["82 7e 0001 00"], [("length-not-shortest", 1)]),
        (Role.SERVER, ["82 7f 8000000000000000", bytes(125)], [("length-top-bit", 2)]),
        (Role.SERVER, ["80 00"], [("nothing-to-continue", 0)]),
        (Role.SERVER, ["01 00", "81 00", "80 00"], [("message-unfinished", 2)]),
        (Role.SERVER, ["88 00", "81 00"], [("frame-after-close", 2)]),
        (Role.SERVER, ["81 02 48ff"], [("text-not-utf8", 3)]),
        (Role.SERVER, ["01 02 48c3", "80 01 28"], [("text-not-utf8", 3)]),
        (Role.SERVER, ["81 01 c3"], [("text-not-utf8", 2)]),
        (Role.SERVER, ["01 01 ff", "80 01 ff", "81 01 ff"], [("text-not-utf8", 2), ("text-not-utf8", 8)]),
        (Role.SERVER, ["88 01 03"], [("close-too-short", 2)]),
        (Role.SERVER, ["88 02 03ed"], [("close-code", 2)]),
        (Role.SERVER, ["88 03 03e8 ff"], [("close-reason-not-utf8", 4)]),
        (Role.CLIENT, ["b3 01 00"], [("reserved-bits", 0), ("opcode-reserved", 0), ("mask-missing", 1)]),
    ],
)
def test_each_breach_is_named_at_its_byte(sender: Role, wire: list[Wire], expected: list[tuple[str, int]]) -> None:
    """An illegal frame is decoded like any other, and every rule that it breaks is named where it breaks it."""
    assert expected == broken(sender, *wire)


def test_a_remark_says_what_is_asked_and_where() -> None:
    """For people: the rule's name and text, the particular, the section and the offset, below the frame."""
    assert (
        "S>      0  c1 00                    TEXT         FIN        0  ''\n"
        "           ! reserved-bits: a reserved bit is 0 unless an extension gives it a meaning: RSV is 100 "
        "(section 5.2, byte 0)"
    ) == rendered(Role.SERVER, "c1 00")


def test_legal_traffic_gets_no_remark() -> None:
    """What section 5.7 shows is legal from the side that it comes from."""
    from_server = ["8105 48656c6c6f", "0103 48656c", "8002 6c6f", "8905 48656c6c6f", "827e0100", bytes(256), "88 00"]

    assert [] == broken(Role.SERVER, *from_server)
    assert [] == broken(Role.CLIENT, "8185 37fa213d 7f9f4d5158", "8a85 37fa213d 7f9f4d5158")


def test_text_beyond_the_preview_is_not_judged() -> None:
    """The tap says nothing about bytes that it did not look at, nor about a message of which it missed a part."""
    cut = frame(TEXT, "é" * 100, fin=False)

    assert [(), ()] == [found.remarks for found in frames(Role.SERVER, cut, frame(CONTINUATION, b"\xa9"), preview=5)]
    assert [rules.TEXT_NOT_UTF8] == [
        remark.rule for found in frames(Role.SERVER, frame(TEXT, b"\xff" * 100), preview=5) for remark in found.remarks
    ]


def test_a_line_shows_as_much_as_fits() -> None:
    """The record has the whole preview, the line for people the beginning."""
    text, data = frames(Role.SERVER, frame(TEXT, "x" * 100), frame(BINARY, bytes(100)))

    assert (f"'{'x' * 48}'…", f"00{' 00' * 15}…") == (str(text)[-51:], str(data)[-48:])
    assert (100, 100) == (len(text.payload), len(data.payload))


def test_a_close_longer_than_the_preview_is_shown_as_far_as_it_is_known() -> None:
    """A short preview shows the code and the beginning of the reason."""
    assert rendered(Role.SERVER, frame(CLOSE, close_body(4000, "goodbye")), preview=4).endswith("(4000, 'go')…")


@pytest.mark.parametrize(
    "data, shown",
    [
        (b"plain", "plain"),
        ("çığ 👩‍🚀".encode(), "çığ 👩‍🚀"),
        (b"\x1b[31m\x07\x00\x7f\r\n", r"\x1b[31m\x07\x00\x7f\r\n"),
        ("\x9b31m\u202e\u2028".encode(), r"\x9b31m\u202e\u2028"),
        (b"\xff\xfe", r"\xff\xfe"),
    ],
)
def test_nothing_that_a_terminal_acts_on_is_printed(data: bytes, shown: str) -> None:
    """A peer's bytes cannot move the cursor, change colours or turn the direction of writing: C0, C1 and their kin are
    spelled out."""
    assert shown == printable(data)


@given(st.binary(max_size=60), st.sampled_from(list(Role)), st.booleans(), st.integers(0, 60))
def test_any_bytes_in_any_pieces_give_the_same_records(data: bytes, sender: Role, handshake: bool, at: int) -> None:
    """Whatever passes by, the tap does not raise, and what it reports does not depend on how it was cut."""
    whole = heard(sender, [data], handshake=handshake)

    assert whole == heard(sender, [data[:at], data[at:]], handshake=handshake)
    assert whole == heard(sender, [data[i : i + 1] for i in range(len(data))], handshake=handshake)
    assert all(printable(str(record).replace("\n", "").encode()) for record in whole)


@given(
    st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING]), st.binary(max_size=80)), max_size=5),
    st.sampled_from(list(Role)),
)
def test_every_frame_is_found(sent: list[tuple[int, bytes]], sender: Role) -> None:
    """However long the frames and whatever the preview, each is told once, with its opcode, length and beginning."""
    wire = b"".join(frame_from(sender, opcode, payload) for opcode, payload in sent)

    for preview in (0, 10, None):
        told = [
            (found.header.opcode, found.header.length, found.payload) for found in frames(sender, wire, preview=preview)
        ]

        assert [(opcode, len(payload), payload[:preview]) for opcode, payload in sent] == told


# --- Compressed frames ----------------------------------------------------------------------------------------------

COMPRESSED, HELLO = DeflateTerms(), "f248cdc9c90700"
RSV1 = 4


def deflated(*messages: str | bytes, bits: int = 15) -> list[bytes]:
    """The payloads of messages that one sender compresses one after the other, by zlib alone."""
    stream = zlib.compressobj(wbits=-bits)
    payloads = []
    for message in messages:
        data = stream.compress(message.encode() if isinstance(message, str) else message)
        payloads.append((data + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(bytes.fromhex("0000ffff")) or b"\0")
    return payloads


@pytest.mark.parametrize(
    "wire, contents",
    [
        ([f"c107 {HELLO}"], [b"Hello"]),
        (["4103 f248cd", "8004 c9c90700"], [b"He", b"llo"]),
        ([f"c107 {HELLO}", f"c107 {HELLO}"], [b"Hello", b"Hello"]),
        ([f"c107 {HELLO}", "c105 f200110000"], [b"Hello", b"Hello"]),
        ([f"c107 {HELLO}", "8103 486921", "c105 f200110000"], [b"Hello", b"Hi!", b"Hello"]),
        (["c10b 000500faff48656c6c6f00"], [b"Hello"]),
        (["c108 f348cdc9c9070000"], [b"Hello"]),
        (["c10d f248050000 00ffffca c9c90700"], [b"Hello"]),
        ([f"410b {HELLO}0000ffff", "8001 00"], [b"Hello", b""]),
    ],
)
def test_the_examples_of_the_rfc_are_told_in_both_forms(wire: list[str], contents: list[bytes]) -> None:
    """RFC 7692 section 7.2.3: what travelled and what it says, with the window going on from message to message."""
    found = frames(Role.SERVER, *wire, compression=COMPRESSED)

    assert contents == [frame.content for frame in found]
    assert [octets(part)[2:] for part in wire] == [frame.payload for frame in found]
    assert not any(frame.remarks for frame in found)


def test_a_compressed_frame_is_seen_at_a_glance() -> None:
    """RSV1, from how many bytes to how many, what it says, and below it how it travelled."""
    assert (
        "S>      0  81 05                    TEXT         FIN        5  'Hello'\n"
        "S>      7  c1 07                    TEXT         FIN RSV1   7 → 5  'Hello'\n"
        "           f2 48 cd c9 c9 07 00     compressed\n"
        "S>     16  41 03                    TEXT         -   RSV1   3 → 5  'Hello'\n"
        "           f2 00 11                 compressed\n"
        "S>     21  89 00                    PING         FIN        0  ''\n"
        "S>     23  80 02                    CONTINUATION FIN        2 → 0  ''\n"
        "           00 00                    compressed"
    ) == rendered(
        Role.SERVER, "8105 48656c6c6f", f"c107 {HELLO}", "4103 f20011", "8900", "8002 0000", compression=COMPRESSED
    )


def test_the_answer_in_the_handshake_tells_both_directions() -> None:
    """Nobody has to tell a tap what was agreed on: it passes by."""
    answer = ANSWER.replace(b"\r\n\r\n", b"\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n")
    records: list[Record] = []
    tap = Tap(Role.CLIENT, records.append)

    tap.sent(REQUEST)
    for byte in answer + octets(f"c107 {HELLO}"):
        tap.received(bytes([byte]))
    tap.sent(frame(TEXT, octets(HELLO), key=KEY, rsv=RSV1))

    told = [record for record in records if isinstance(record, Frame)]
    assert [(Role.SERVER, b"Hello", ()), (Role.CLIENT, b"Hello", ())] == [
        (record.sender, record.decompressed, record.remarks) for record in told
    ]


@pytest.mark.parametrize(
    "extensions",
    [
        b"",
        b"Sec-WebSocket-Extensions: x-webkit-deflate-frame\r\n",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=16\r\n",
        b"Sec-WebSocket-Extensions: permessage-deflate;;\r\n",
        b"X-Sec-WebSocket-Extensions: permessage-deflate\r\n",
    ],
)
def test_what_was_not_agreed_on_is_not_undone(extensions: bytes) -> None:
    """Without a valid answer RSV1 is a reserved bit; and what it may mean is not held to be text."""
    answer = ANSWER[:-2] + extensions + b"\r\n"
    *_, last = heard(Role.SERVER, [answer + octets(f"c107 {HELLO}")], handshake=True)

    assert isinstance(last, Frame)
    assert (["reserved-bits"], False, None) == (
        [remark.rule.name for remark in last.remarks],
        last.compressed,
        last.decompressed,
    )


def test_the_terms_hold_for_their_side() -> None:
    """The window of each sender is as long as agreed, and forgotten where that was agreed."""
    answer = b"permessage-deflate; client_max_window_bits=8; server_no_context_takeover"
    near = bytes(range(256)) + bytes(range(255, -1, -1))
    far = [frame(BINARY, payload, key=KEY, rsv=RSV1) for payload in deflated(near, near[:100])]
    from_server = [f"c107 {HELLO}", "c105 f200110000"]

    assert [("compressed-data", len(far[0]) + 6)] == broken(Role.CLIENT, *far, compression=agreed(answer))
    assert [("compressed-data", 11)] == broken(Role.SERVER, *from_server, compression=agreed(answer))
    assert [] == broken(Role.CLIENT, *far, compression=COMPRESSED)


@pytest.mark.parametrize(
    "wire, expected",
    [
        (["c105 f248cdc9c9"], [("compressed-data", 2)]),
        (["c103 f248ff"], [("compressed-data", 2)]),
        (["c101 06"], [("compressed-data", 2)]),
        (["c105 f200110000"], [("compressed-data", 2)]),
        (["4103 f248cd", "8900", "8001 c9"], [("compressed-data", 9)]),
        ([f"4107 {HELLO}", "8001 00"], [("compressed-data", 11)]),
        ([f"0105 {HELLO[:10]}", f"c107 {HELLO}"], [("text-not-utf8", 2), ("message-unfinished", 7)]),
        (["c100"], []),
        ([f"c10b {HELLO}0000ffff"], []),
        ([f"4103 {HELLO[:6]}", f"c004 {HELLO[6:]}"], [("compressed-bit", 5)]),
        (["c900"], [("compressed-bit", 0)]),
        (["e100"], [("reserved-bits", 0)]),
        (["c000"], [("compressed-bit", 0), ("nothing-to-continue", 0)]),
        (["8800", f"c107 {HELLO}"], [("frame-after-close", 2)]),
    ],
)
def test_each_breach_in_a_compressed_message_is_named(wire: list[str], expected: list[tuple[str, int]]) -> None:
    """RSV1 where it does not belong, data that is corrupt, reaches back too far or is cut off."""
    assert expected == broken(Role.SERVER, *wire, compression=COMPRESSED)


def test_text_that_is_not_utf8_is_found_when_it_is_decompressed() -> None:
    """In the frame where it shows, at the byte of the message; a character may be split between frames."""
    (wrong,) = deflated(b"caf\xc3\xa9 \xff")
    (right,) = deflated("é" * 50)

    found = frames(Role.SERVER, frame(TEXT, wrong, rsv=RSV1), compression=COMPRESSED)

    assert ["invalid start byte, at byte 6 of the message"] == [remark.detail for remark in found[0].remarks]
    for at in range(len(right)):
        halves = frame(TEXT, right[:at], rsv=RSV1, fin=False), frame(CONTINUATION, right[at:])
        assert [] == broken(Role.SERVER, *halves, compression=COMPRESSED)
    assert [] == broken(Role.SERVER, frame(BINARY, wrong, rsv=RSV1), compression=COMPRESSED)


def test_corrupt_data_is_shown_up_to_the_byte_where_it_breaks() -> None:
    """What came before it is what a reader looks for; what comes behind it cannot be known, and is not blamed."""
    first, *behind = frames(
        Role.SERVER,
        "410b 000500faff 48656c6c6f 06",
        "8003 cacbcc",
        f"c107 {HELLO}",
        "8102 48ff",
        compression=COMPRESSED,
    )

    assert ["invalid block type, at byte 10 of the payload"] == [remark.detail for remark in first.remarks]
    assert (b"Hello", 5) == (first.decompressed, first.decompressed_size)
    assert [(True, None), (True, None), (False, None)] == [(found.compressed, found.decompressed) for found in behind]
    assert [[], [], ["text-not-utf8"]] == [[remark.rule.name for remark in found.remarks] for found in behind]
    assert str(behind[0]).startswith("S>     13  80 03                    CONTINUATION FIN        3 → ?\n")


def test_where_long_data_breaks_does_not_depend_on_how_it_comes() -> None:
    """However much is decompressed at once, all that comes before the fault is shown, and the byte of it."""
    (payload,) = deflated(bytes(range(256)) * 200 + zlib.compress(bytes(range(256)) * 9))
    at = len(payload) - 40
    wire = frame(BINARY, payload[:at] + b"\xff" * 40, rsv=RSV1)
    whole = heard(Role.SERVER, [wire], preview=None, compression=COMPRESSED)

    assert whole == heard(
        Role.SERVER, [wire[i : i + 1] for i in range(len(wire))], preview=None, compression=COMPRESSED
    )
    assert isinstance(whole[0], Frame)
    assert (1, True) == (len(whole[0].remarks), len(whole[0].content) > 40_000)


@pytest.mark.parametrize("size", [1, 10, 125, 126, 5000])
def test_the_preview_holds_for_both_forms(size: int) -> None:
    """No more of either is kept, and the sizes are those of all of it."""
    message = b"".join(zlib.crc32(bytes([n % 256])).to_bytes(4) for n in range(size))
    (payload,) = deflated(message)

    (found,) = frames(Role.CLIENT, frame(BINARY, payload, key=KEY, rsv=RSV1), preview=20, compression=COMPRESSED)

    assert (payload[:20], message[:20], len(message)) == (found.payload, found.decompressed, found.decompressed_size)
    assert (len(payload) <= 20, len(message) <= 20) == (found.whole, found.content_whole)


def test_a_bomb_costs_no_memory() -> None:
    """64 MiB of zeros, in one frame and in a hundred, and the message behind them still refers to what was there."""
    payload, after = deflated(bytes(2**26), bytes(1000))
    step = len(payload) // 100 + 1
    parts = [payload[at : at + step] for at in range(0, len(payload), step)]
    fragments = [
        frame(CONTINUATION if number else BINARY, part, rsv=0 if number else RSV1, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    ]
    for wire in ([frame(BINARY, payload, rsv=RSV1)], fragments):
        records: list[Record] = []
        tap = Tap(Role.SERVER, records.append, handshake=False, compression=COMPRESSED)
        tracemalloc.start()
        for piece in wire:
            tap.sent(piece)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        tap.sent(frame(BINARY, after, rsv=RSV1))

        told = [record for record in records if isinstance(record, Frame)]
        assert (2**26, 1000) == (sum(found.decompressed_size for found in told[:-1]), told[-1].decompressed_size)
        assert not any(found.remarks for found in told)
        assert peak < 2**20


def test_a_compressed_frame_that_never_ends_is_not_kept() -> None:
    """Whatever it announces: the preview of both forms, and nothing else."""
    tap = Tap(Role.SERVER, print, preview=64, handshake=False, compression=COMPRESSED)

    tap.sent(frame(BINARY, b"", length=2**62, rsv=RSV1))
    stream = zlib.compressobj(wbits=-15)
    for _ in range(100):
        tap.sent(stream.compress(bytes(10_000)) + stream.flush(zlib.Z_SYNC_FLUSH))

    assert 128 == tap.held


def test_too_many_final_blocks_are_named() -> None:
    """A message that begins its data anew without end is failed by a receiver, so the tap says so."""
    final = zlib.compressobj(wbits=-15)
    block = final.compress(b"x") + final.flush()

    (found,) = frames(Role.SERVER, frame(BINARY, block * 1100, rsv=RSV1), compression=COMPRESSED)

    assert (["too-many-final-blocks"], 1025) == (
        [remark.rule.name for remark in found.remarks],
        found.decompressed_size,
    )


PAYLOADS = st.one_of(
    st.binary(max_size=12),
    st.text("aé€", max_size=30).map(lambda text: deflated(text)[0]),
    st.sampled_from([octets(HELLO), octets("f200110000"), octets("f348cdc9c90700"), octets(HELLO)[:4], b"\0"]),
)
SENT = st.lists(
    st.tuples(
        st.sampled_from([TEXT, TEXT, BINARY, CONTINUATION, CONTINUATION, PING]),
        st.sampled_from([0, RSV1, RSV1]),
        st.booleans(),
        PAYLOADS,
    ),
    max_size=6,
)


@given(SENT, st.sampled_from(list(Role)), st.data())
def test_the_tap_finds_what_a_connection_finds(
    sent: list[tuple[int, int, bool, bytes]], sender: Role, data: st.DataObject
) -> None:
    """The same rule at the same byte, the same messages before it, and the same records however they are cut."""
    wire = b"".join(frame_from(sender, opcode, payload, rsv=rsv, fin=fin) for opcode, rsv, fin, payload in sent)
    at = data.draw(st.integers(0, len(wire)))
    whole = heard(sender, [wire], preview=None, compression=COMPRESSED)
    connection = Connection(sender.peer, Agreement(compression=COMPRESSED), limits=Limits(message=None))
    connection.receive_data(wire)
    events = list(connection.events())

    for pieces in ([wire[:at], wire[at:]], [wire[i : i + 1] for i in range(len(wire))]):
        assert whole == heard(sender, pieces, preview=None, compression=COMPRESSED)
    remarks = [(remark.rule, remark.offset) for found in whole if isinstance(found, Frame) for remark in found.remarks]
    errors = [event.error for event in events if isinstance(event, Closed) and event.error]
    assert [(error.rule, error.offset) for error in errors] == remarks[:1]
    assert messages(whole)[: len(events)] == [event for event in events if isinstance(event, str | bytes)]


def messages(records: list[Record]) -> list[str | bytes]:
    """The whole messages in what a tap told, to the first remark."""
    told: list[str | bytes] = []
    message = b""
    for record in records:
        assert isinstance(record, Frame)
        if record.remarks:
            break
        if record.header.opcode < CLOSE:
            message += record.content
            if record.header.fin:
                told.append(message.decode() if record.text else message)
                message = b""
    return told
