"""Compressed messages that are small on the wire and large in memory (section 10.4): how much, in figures.

`tracemalloc` counts what Python takes, zlib's state included.  `python -m pytest -s` prints the figures.
"""

import gc
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection
from rawws.core.deflate import MOST_FINAL_BLOCKS, DeflateTerms
from rawws.core.events import Chunk, Closed, Event, Ping
from rawws.core.settings import Limits, Role
from tests.traffic import PLACES, RSV1, TAIL, cut, noise
from tests.wire import BINARY, CONTINUATION, PING, TEXT, Events, broken, frame

KIB, MIB = 1024, 1024**2

LIMIT = Limits().message or 0
"""1 MiB."""

AGREEMENT = Agreement(compression=DeflateTerms())

READ = 64 * KIB
"""What a transport hands over at once; kept up to three times: as it came, what is left of it, and what came behind."""

SLACK = 512 * KIB
"""What decompressing takes besides the message: 7 and 32 KiB for zlib's state and its window, and as much for the copy
that it may go back to; 64 KiB that come out at once, twice while zlib's blocks are joined; three times `READ`."""

WIDE = 5 * 64 * KIB
"""Besides, for text: Python's `str` takes four bytes for each character if one of them is beyond U+FFFF, and one more
while it is made."""


@dataclass
class Peak:
    """How many bytes more than before there were at most."""

    bytes: int = 0
    left: int = 0
    """How many more there still are."""


@contextmanager
def peak_of(what: str) -> Iterator[Peak]:
    """Measure, and print it with a name."""
    peak = Peak()
    gc.disable()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield peak
        now, most = tracemalloc.get_traced_memory()
        peak.bytes, peak.left = most - before, now - before
    finally:
        tracemalloc.stop()
        gc.enable()
    print(f"\n{what}: {peak.bytes / MIB:.2f} MiB", end="")


def pressed(data: bytes, times: int = 1) -> bytes:
    """`data`, that many times, as the payload of one message."""
    stream = zlib.compressobj(9, wbits=-15)
    written = b"".join(stream.compress(data) for _ in range(times)) + stream.flush(zlib.Z_SYNC_FLUSH)
    return written.removesuffix(TAIL)


def fragmented(payload: bytes, count: int, opcode: int = BINARY, between: bytes = b"") -> bytes:
    """A compressed message of a server in so many frames."""
    size = -(-len(payload) // count)
    pieces = [payload[at * size : (at + 1) * size] for at in range(count)]
    frames = [
        frame(CONTINUATION if at else opcode, piece, fin=at == count - 1, rsv=0 if at else RSV1)
        for at, piece in enumerate(pieces)
    ]
    return between.join(frames)


def reader(limit: int | None = LIMIT, stream: bool = False) -> Connection:
    """Who reads it."""
    return Connection(Role.CLIENT, AGREEMENT, limits=Limits(message=limit), stream=stream, random=bytes)


def reads(data: bytes) -> Iterator[bytes]:
    """As a transport hands it over."""
    return (data[at : at + READ] for at in range(0, len(data), READ))


def take(connection: Connection, pieces: Iterable[bytes]) -> Events:
    """Read it, and keep nothing of the messages but their size."""
    events = Events()
    for piece in pieces:
        connection.receive_data(piece)
        for event in connection.events():
            events.append(b"%d" % len(event) if isinstance(event, str | bytes) else event)
    return events


ZEROS = pressed(bytes(MIB), 64)
"""64 MiB of them."""


@pytest.mark.parametrize("count", [1, 2, 100])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_bomb_is_refused_at_the_limit(count: int, opcode: int) -> None:
    """64 MiB in 64 KiB, whole and in fragments: no more than the limit is decompressed, and it is not taken twice."""
    data = fragmented(ZEROS, count, opcode)
    connection = reader()

    with peak_of(f"64 MiB of zeros in {count} frames, opcode {opcode}") as peak:
        events = take(connection, reads(data))

    assert [rules.MESSAGE_TOO_BIG] == [
        event.error and event.error.rule for event in events if isinstance(event, Closed)
    ]
    assert (1009, 1) == (connection.closed and connection.closed.code, len(events))
    assert peak.bytes < 2 * LIMIT
    assert connection.held == 0


def test_pings_between_do_not_start_it_anew() -> None:
    """The limit is for the message, whatever comes between its fragments."""
    data = fragmented(ZEROS, 100, between=frame(PING, b"x"))

    with peak_of("with Pings between") as peak:
        *pings, last = take(reader(), reads(data))

    assert [Ping(b"x")] * len(pings) == pings
    assert isinstance(last, Closed)
    assert 1009 == last.code
    assert peak.bytes < 2 * LIMIT


def test_an_ended_connection_keeps_no_window() -> None:
    """It is not going to read any more; somebody may hold on to it for a while yet."""
    data = frame(BINARY, pressed(noise(40 * KIB)), rsv=RSV1) + frame(BINARY, ZEROS, rsv=RSV1)
    connection = reader()

    with peak_of("ended by a bomb behind a message") as peak:
        take(connection, reads(data))

    assert connection.closed is not None
    assert peak.left < 8 * KIB


def test_many_bombs_that_just_fit() -> None:
    """What each message took is given back before the next."""
    data = frame(BINARY, pressed(bytes(LIMIT // 2)), rsv=RSV1) * 20

    with peak_of("20 messages of half the limit") as peak:
        events = take(reader(), reads(data))

    assert [b"%d" % (LIMIT // 2)] * 20 == events
    assert peak.bytes < 2 * LIMIT + SLACK


@pytest.mark.parametrize("how", ["zeros", "noise"])
@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_is_exact(how: str, more: int) -> None:
    """A message of just so many bytes arrives, also one that compressing makes larger; one byte more is refused."""
    message = bytes(LIMIT + more) if how == "zeros" else noise(LIMIT + more)
    data = frame(BINARY, pressed(message), rsv=RSV1)

    with peak_of(f"{how}, {more} over the limit") as peak:
        events = take(reader(), reads(data))

    assert [broken(rules.MESSAGE_TOO_BIG, 10 if how == "noise" else 4) if more else b"%d" % LIMIT] == events
    # A bytearray keeps an eighth in reserve as it grows.
    assert peak.bytes < 2 * LIMIT + LIMIT // 8 + SLACK


def test_wide_text_takes_what_its_characters_take() -> None:
    """Four bytes of a `str` for each, one more until the wide one is met, and the bytes that they came in."""
    data = frame(TEXT, pressed(b"a" * (LIMIT - 4) + "😀".encode()), rsv=RSV1)

    with peak_of("text of the limit with one wide character") as peak:
        events = take(reader(), reads(data))

    assert [b"%d" % (LIMIT - 3)] == events
    assert peak.bytes < (4 + 1 + 1) * LIMIT + LIMIT // 8 + SLACK + WIDE


def test_empty_blocks_come_to_nothing() -> None:
    """10,000 blocks with no data are an empty message."""
    data = frame(BINARY, b"\0" + (TAIL + b"\0") * 10_000, rsv=RSV1)

    with peak_of("10,000 empty blocks") as peak:
        events = take(reader(), reads(data))

    assert [b"0"] == events
    assert peak.bytes < SLACK


@pytest.mark.parametrize("block", [b"\x03\x00", b"\x01\x00\x00\xff\xff", b"\x4b\x04\x00"])
def test_final_blocks_are_counted(block: bytes) -> None:
    """Behind each the data begins anew, which takes time, not memory: so there may be many, and not any number."""
    for count, wrong in ((MOST_FINAL_BLOCKS, False), (10_000, True)):
        with peak_of(f"{count} final blocks of {block.hex()}") as peak:
            events = take(reader(), [frame(BINARY, block * count, rsv=RSV1)])

        assert wrong == (events == [broken(rules.TOO_MANY_FINAL_BLOCKS, 4)])
        assert peak.bytes < SLACK


# --- Laziness ---------------------------------------------------------------------------------------------------------


def test_nothing_is_decompressed_before_somebody_asks() -> None:
    """What came lies there as it came."""
    data = frame(BINARY, ZEROS, rsv=RSV1)
    connection = reader(limit=None)

    with peak_of("64 MiB of zeros, not asked for") as peak:
        connection.receive_data(data)

    assert peak.bytes < len(data) + KIB


def test_a_message_is_decompressed_when_it_is_asked_for() -> None:
    """Of 60 that came in one read, the first."""
    data = frame(BINARY, pressed(bytes(LIMIT)), rsv=RSV1) * 60
    connection = reader()
    connection.receive_data(data)

    with peak_of("the first of 60 MiB") as peak:
        assert LIMIT == len(bytes_of(connection.next_event()))

    assert peak.bytes < 2 * LIMIT + LIMIT // 8 + SLACK


def bytes_of(event: Event | None) -> bytes:
    """The data of a message or of a chunk of it."""
    data = event.data if isinstance(event, Chunk) else event
    assert isinstance(data, bytes)
    return data


@pytest.mark.parametrize("limit", [None, 64 * MIB])
@pytest.mark.parametrize("count", [1, 100])
def test_chunks_come_lazily(limit: int | None, count: int) -> None:
    """However large the message, a few times 64 KiB are there at once; without a limit it is for the caller to stop."""
    connection = reader(limit, stream=True)
    sizes = []

    with peak_of(f"64 MiB in chunks, {count} frames, limit {limit}") as peak:
        for piece in reads(fragmented(ZEROS, count)):
            connection.receive_data(piece)
            while (event := connection.next_event()) is not None:
                sizes.append(len(bytes_of(event)))
                last = event

    assert 64 * MIB == sum(sizes)
    assert max(sizes) <= 64 * KIB + 8 * KIB
    assert isinstance(last, Chunk)
    assert last.last
    assert peak.bytes < 8 * 64 * KIB


def test_a_chunk_at_a_time() -> None:
    """Behind the first chunk, the rest is still as it came."""
    connection = reader(None, stream=True)
    connection.receive_data(frame(BINARY, ZEROS, rsv=RSV1))

    with peak_of("the first chunk of 64 MiB") as peak:
        first = connection.next_event()

    assert 0 < len(bytes_of(first)) <= 72 * KIB
    assert peak.bytes < 6 * 64 * KIB


def test_no_limit_is_no_limit() -> None:
    """Who asks for whole messages without a limit gets them."""
    assert [b"%d" % (64 * MIB)] == take(reader(limit=None), reads(frame(BINARY, ZEROS, rsv=RSV1)))


# --- Whatever it is ---------------------------------------------------------------------------------------------------

SMALL = 64 * KIB
"""The limit here: large against nothing but itself, so that the constant is what counts too."""

UNITS = st.sampled_from([b"\0", b"ab", "é€😀".encode(), b"\xff", noise(100)])
SIZES = st.sampled_from([0, 1, 1000, SMALL - 1, SMALL, SMALL + 1, 8 * SMALL, 32 * SMALL])


@st.composite
def bombs(draw: st.DrawFn) -> bytes:
    """The payload of one message: large when it is decompressed, or of very many blocks, or nothing of the kind."""
    match draw(st.sampled_from(["large"] * 3 + ["blocks", "finals", "cut", "stored", "random"])):
        case "large":
            unit, size = draw(UNITS), draw(SIZES)
            return pressed((unit * (size // len(unit) + 1))[:size])
        case "blocks":
            return draw(st.sampled_from([b"\0" + TAIL, b"\2\0" * 3, b"\4\0"])) * draw(st.integers(1, 3000))
        case "finals":
            return draw(st.sampled_from([b"\3\0", b"\1" + b"\0" + TAIL, b"\x4b\4\0"])) * draw(st.integers(1, 3000))
        case "cut":
            whole = pressed(bytes(draw(SIZES)))
            return whole[: draw(st.integers(0, len(whole)))]
        case "stored":
            return pressed(noise(draw(SIZES) // 8))
        case _:
            return draw(st.binary(max_size=300))


@st.composite
def floods(draw: st.DrawFn, opcode: int) -> list[bytes]:
    """Such messages behind one another, in fragments, and in pieces that a transport may hand over."""
    counts = st.sampled_from([1, 2, 7, 100])
    messages = [fragmented(draw(bombs()), draw(counts), opcode) for _ in range(draw(st.integers(1, 4)))]
    return [piece for part in cut(b"".join(messages), draw(PLACES)) for piece in reads(part)]


@given(floods(BINARY), st.booleans())
def test_no_input_takes_more_than_twice_the_limit(pieces: list[bytes], stream: bool) -> None:
    """Besides what is always needed."""
    with peak_of(f"{sum(map(len, pieces))} bytes") as peak:
        take(reader(SMALL, stream), pieces)

    assert peak.bytes < 2 * SMALL + SMALL // 8 + SLACK


@given(floods(TEXT), st.booleans())
def test_no_text_takes_more_than_its_characters(pieces: list[bytes], stream: bool) -> None:
    """Four bytes each, and one more while they are made, besides the bytes that they came in."""
    with peak_of(f"{sum(map(len, pieces))} bytes of text") as peak:
        take(reader(SMALL, stream), pieces)

    assert peak.bytes < (4 + 1 + 1) * SMALL + SMALL // 8 + SLACK + WIDE
