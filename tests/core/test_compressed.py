"""What holds for any compressed messages, good and bad: Hypothesis thinks them up (RFC 7692)."""

import copy
import pickle
import zlib
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection
from rawws.core.deflate import Deflate, DeflateTerms
from rawws.core.events import Chunk, Closed, Event
from rawws.core.frames import decode_header, is_control
from rawws.core.masking import apply_mask
from rawws.core.settings import Limits, Role
from tests.traffic import (
    AGREED,
    LOADS,
    PLACES,
    SPEECHES,
    TAIL,
    WISHES,
    Speech,
    Traffic,
    agreed,
    compressed_traffic,
    cut,
    hostile_traffic,
    joined,
    noise,
    say,
    speeches,
)
from tests.wire import BINARY, Events, Keys, Pair, Wire, broken, chopped, feed, frame, octets, receive

LIMITS = st.sampled_from(
    [Limits(), Limits(message=10), Limits(message=126), Limits(message=3000), Limits(message=None)]
)

halved = settings(max_examples=max(1, settings().max_examples // 2))
"""For what takes each byte by itself."""

Agreements = tuple[Agreement, Agreement]


def in_full(events: list[Event]) -> list[str]:
    """Events in words, the text of their errors included."""
    return [f"{event!r} {event.error if isinstance(event, Closed) else ''}" for event in events]


def by_byte(data: bytes) -> list[bytes]:
    """The bytes one by one."""
    return [data[at : at + 1] for at in range(len(data))]


# --- rawws against rawws ----------------------------------------------------------------------------------------------


@given(AGREED, SPEECHES, SPEECHES, PLACES)
def test_what_is_said_arrives(
    agreements: Agreements, there: list[Speech], back: list[Speech], places: list[int]
) -> None:
    """Both ways, on any terms, in any fragments with any control frames between, cut anywhere: all of it, in order."""
    client, server = agreements
    pair = Pair(
        Connection(Role.CLIENT, client, random=Keys(), auto_pong=False),
        Connection(Role.SERVER, server, auto_pong=False),
    )
    for role, said in ((Role.CLIENT, there), (Role.SERVER, back)):
        expected = [event for speech in said for event in say(pair.of(role), speech)]
        assert expected == pair.carry(role, lambda data: cut(data, places))


@given(AGREED, SPEECHES, st.sampled_from(Role), st.lists(st.booleans(), max_size=4))
def test_a_copy_that_sends_is_understood(
    agreements: Agreements, speeches: list[Speech], role: Role, pickled: list[bool]
) -> None:
    """Both sides may be replaced by copies between messages; who was pickled begins with an empty window."""
    pair = Pair(Connection(Role.CLIENT, agreements[0], random=Keys()), Connection(Role.SERVER, agreements[1]))
    for number, speech in enumerate(speeches):
        assert say(pair.of(role), speech) == pair.carry(role)
        pair = pickle.loads(pickle.dumps(pair)) if number < len(pickled) and pickled[number] else copy.deepcopy(pair)


@given(WISHES, WISHES)
def test_both_sides_agree_on_the_same(client: Deflate, server: Deflate) -> None:
    """On no wider window than either asked for, as far as it could be asked for, and on no context that one forbids."""
    at_client, at_server = (agreement.compression for agreement in agreed(client, server))

    assert isinstance(at_client, DeflateTerms)
    assert isinstance(at_server, DeflateTerms)
    assert at_client.extension == at_server.extension
    for name in ("server_max_window_bits", "client_max_window_bits"):
        assert (getattr(at_client, name) or 15) == min(getattr(client, name), getattr(server, name))
    assert at_client.server_no_context_takeover is (
        client.server_no_context_takeover or server.server_no_context_takeover
    )
    assert at_client.client_no_context_takeover is (
        client.client_no_context_takeover or server.client_no_context_takeover
    )


@halved
@given(AGREED, SPEECHES, st.sampled_from(Role))
def test_what_is_sent_keeps_to_the_window(agreements: Agreements, speeches: list[Speech], role: Role) -> None:
    """A receiver that remembers not one byte more than was agreed on can read it."""
    connection = Connection(role, agreements[0 if role is Role.CLIENT else 1], random=Keys())
    expected = [say(connection, speech)[-1] for speech in speeches]
    terms = connection.compression
    assert isinstance(terms, DeflateTerms)

    bits, takeover = terms._window_of(role)
    assert [octets_of(message) for message in expected] == list(
        read_narrowly(connection.data_to_send(), bits, takeover)
    )


def octets_of(message: object) -> bytes:
    """Its payload."""
    assert isinstance(message, str | bytes)
    return message.encode() if isinstance(message, str) else message


def read_narrowly(data: bytes, bits: int, takeover: bool) -> Iterator[bytes]:
    """The payloads of the messages in `data`; zlib gets one byte at a time, so that it looks back no further."""
    stream, payload, marked, at = zlib.decompressobj(-bits), b"", False, 0
    while (header := decode_header(data, at)) is not None:
        begin = at + header.size
        at = begin + header.length
        if is_control(header.opcode):
            continue
        piece = apply_mask(data[begin:at], header.key or bytes(4))
        marked = bool(header.rsv) if header.opcode else marked
        if marked:
            piece = b"".join(map(stream.decompress, by_byte(piece + TAIL if header.fin else piece)))
        payload += piece
        if header.fin:
            yield payload
            payload = b""
            stream = stream if takeover else zlib.decompressobj(-bits)


# --- What any peer may send -------------------------------------------------------------------------------------------


@given(compressed_traffic(), PLACES)
def test_good_traffic_arrives(sent: Traffic, places: list[int]) -> None:
    """Blocks of all kinds, with and without BFINAL, the four bytes cut off or not, in any fragments."""
    assert sent.events == receive(sent.sender.peer, cut(sent.data, places), agreement=sent.agreement)


@halved
@given(compressed_traffic())
def test_good_traffic_arrives_byte_by_byte(sent: Traffic) -> None:
    """The same, as slowly as it can come."""
    assert sent.events == receive(sent.sender.peer, by_byte(sent.data), agreement=sent.agreement)


@given(compressed_traffic(), PLACES)
def test_chunks_make_the_same_messages(sent: Traffic, places: list[int]) -> None:
    """First and last chunk are marked, and control frames stand between the chunks where they stood on the wire."""
    chunks: list[Chunk] = []
    events = Events()
    for event in receive(sent.sender.peer, cut(sent.data, places), agreement=sent.agreement, stream=True):
        if not isinstance(event, Chunk):
            events.append(event)
            continue
        assert event.first == (not chunks)
        chunks.append(event)
        if event.last:
            events.append(joined([chunk.data for chunk in chunks]))
            chunks = []

    assert sent.events == events


@given(compressed_traffic(), PLACES)
def test_reading_late_changes_nothing(sent: Traffic, places: list[int]) -> None:
    """All may be handed over before the first event is taken."""
    connection = Connection(sent.sender.peer, sent.agreement)
    for piece in cut(sent.data, places):
        connection.receive_data(piece)

    assert sent.events == Events(connection.events())


@given(compressed_traffic(), PLACES)
def test_a_copy_at_any_byte_goes_on(sent: Traffic, places: list[int]) -> None:
    """Also in the middle of a compressed message; and the original goes on as if there was no copy."""
    original = Connection(sent.sender.peer, sent.agreement)
    events = Events()
    for number, piece in enumerate(cut(sent.data, places)):
        copied = copy.deepcopy(original)
        found, same = feed(original, piece), feed(copied, piece)
        assert found == same
        events += found
        original = copied if number % 2 else original

    assert sent.events == events


@given(AGREED, st.lists(speeches(), max_size=3), LOADS)
def test_a_pickle_between_messages_goes_on(agreements: Agreements, speeches: list[Speech], again: str | bytes) -> None:
    """The receiver remembers the window, to which a message refers that says the same again."""
    pair = Pair(Connection(Role.CLIENT, agreements[0], random=Keys()), Connection(Role.SERVER, agreements[1]))
    same = Speech([again], True, [])
    for speech in (same, *speeches, same):
        assert say(pair.server, speech) == pair.carry(Role.SERVER)
        pair.client = pickle.loads(pickle.dumps(pair.client))


# --- What nobody may send ---------------------------------------------------------------------------------------------


@given(hostile_traffic() | compressed_traffic(), PLACES, LIMITS, st.booleans())
def test_anything_is_told_the_same_however_it_is_cut(
    sent: Traffic, places: list[int], limits: Limits, eof: bool
) -> None:
    """The same events, the same rule at the same offset with the same words, and the same answer."""
    whole, cut_up = (Connection(sent.sender.peer, sent.agreement, limits=limits, random=Keys()) for _ in range(2))

    assert in_full(feed(whole, sent.data, eof=eof)) == in_full(feed(cut_up, cut(sent.data, places), eof=eof))
    assert whole.data_to_send() == cut_up.data_to_send()
    assert (whole.state, whole.wants) == (cut_up.state, cut_up.wants)


@halved
@given(hostile_traffic() | compressed_traffic(), LIMITS)
def test_anything_is_told_the_same_byte_by_byte(sent: Traffic, limits: Limits) -> None:
    """The smallest pieces there are."""
    options = {"agreement": sent.agreement, "limits": limits}

    whole = receive(sent.sender.peer, sent.data, **options)

    assert in_full(whole) == in_full(receive(sent.sender.peer, by_byte(sent.data), **options))


@given(hostile_traffic(), PLACES, LIMITS)
def test_streaming_tells_the_same_violation(sent: Traffic, places: list[int], limits: Limits) -> None:
    """Chunks are another way to tell the same stream."""
    options = {"agreement": sent.agreement, "limits": limits}

    whole = receive(sent.sender.peer, sent.data, **options)
    stream = receive(sent.sender.peer, cut(sent.data, places), stream=True, **options)

    others = [event for event in stream if not isinstance(event, Chunk)]
    assert in_full([event for event in whole if not isinstance(event, str | bytes)]) == in_full(others)


@given(hostile_traffic(), PLACES, LIMITS)
def test_a_violation_is_answered_with_its_code(sent: Traffic, places: list[int], limits: Limits) -> None:
    """At most one `Closed`, and it comes last; its byte is one that came."""
    connection = Connection(sent.sender.peer, sent.agreement, limits=limits, random=Keys())

    events = feed(connection, cut(sent.data, places))

    assert not any(isinstance(event, Closed) for event in events[:-1])
    closed = connection.closed
    if closed is not None and closed.error is not None:
        assert closed.error.offset is not None
        assert 0 <= closed.error.offset <= len(sent.data)
        assert (closed.code, closed.reason) == connection.close_sent
        assert [] == feed(connection, sent.data, eof=True)


@given(hostile_traffic(), LIMITS)
def test_no_message_is_over_the_limit(sent: Traffic, limits: Limits) -> None:
    """Whatever was written to say so."""
    events = receive(sent.sender.peer, sent.data, agreement=sent.agreement, limits=limits)

    sizes = [len(octets_of(event)) for event in events if isinstance(event, str | bytes)]
    assert limits.message is None or all(size <= limits.message for size in sizes)


# --- Found so ---------------------------------------------------------------------------------------------------------


def told(*payloads: Wire, bits: int | None = None, **options: object) -> list[Events]:
    """What a client tells of compressed binary messages, for every way in which they may be chopped."""
    agreement = Agreement(compression=DeflateTerms(server_max_window_bits=bits))
    data = b"".join(frame(BINARY, octets(payload), rsv=4) for payload in payloads)
    return [receive(Role.CLIENT, pieces, agreement=agreement, **options) for pieces in chopped(data)]


def test_a_distance_over_the_window_is_the_same_for_all() -> None:
    """zlib forgets what is behind its window only when it is called again; so it gets a window that is wide enough.

    7.2.2: the receiver "MAY reduce the size of its LZ77 sliding window", and need not.
    """
    data = noise(1000) * 2
    stream = zlib.compressobj(wbits=-15)
    payload = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)

    for events in told(payload, bits=9):
        assert [data] == events


def test_what_is_asked_of_zlib_at_the_end_is_no_data() -> None:
    """A last block of 9 bytes without them is cut off, and must not take for its own what follows only here."""
    for events in told("01 0900 f6ff"):
        assert [broken(rules.COMPRESSED_DATA, 2)] == events


def test_the_block_that_is_cut_off_may_be_a_final_one() -> None:
    """7.2.1 asks for "an empty DEFLATE block with no compression" at the end, and BFINAL may be set in any block."""
    for events in told("01", "ca 48 cd c9 c9 07 04", "01"):
        assert [b"", b"hello", b""] == events


def test_over_the_limit_goes_before_what_is_corrupt_behind_it() -> None:
    """ "aaa", and then a distance code that does not exist, which ends in the byte after the next."""
    for limit, rule in ((2, rules.MESSAGE_TOO_BIG), (3, rules.COMPRESSED_DATA)):
        for events in told("4a 4c 4c 04 3e 00", limits=Limits(message=limit)):
            assert [broken(rule, 2)] == events


def test_what_is_good_before_broken_text_is_given_in_chunks() -> None:
    """The frame may have corrupt data to come, which is told first; so it is not the end yet, but the text is there."""
    data = "41 09 00 0500 faff 6161 ff 62"
    agreement = Agreement(compression=DeflateTerms())
    for pieces in chopped(data[:-3]):
        chunks = receive(Role.CLIENT, pieces, agreement=agreement, stream=True)
        assert "aa" == joined([chunk.data for chunk in chunks if isinstance(chunk, Chunk)])
    for pieces in chopped(data):
        events = receive(Role.CLIENT, pieces, agreement=agreement, stream=True)
        assert [broken(rules.TEXT_NOT_UTF8, 2)] == Events(events[-1:])
