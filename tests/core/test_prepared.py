"""A message for many: encoded and compressed once, and read by each as if it had been sent to it alone."""

import copy
import pickle
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import rules
from rawws.core.agreement import Agreement
from rawws.core.connection import Connection
from rawws.core.deflate import MOST_CONTEXTS, Deflate, Deflater, DeflateTerms
from rawws.core.errors import LocalProtocolError, NotOpen
from rawws.core.events import Ping
from rawws.core.http1 import ServerConnection
from rawws.core.prepared import Prepared
from rawws.core.settings import OVERHEAD, Role
from tests.core.test_compressed import octets_of, read_narrowly
from tests.core.test_compression_peers import PEER, ROLE, meet, within_reach
from tests.traffic import AGREED, LOADS, PLACES, WISHES, Speech, cut, say, speeches
from tests.wire import BINARY, TEXT, Keys, Wire, chopped, feed, frame, receive

COMPRESS = st.sampled_from([None, None, True, True, False])
FEED = [
    f'{{"symbol": "EURTRY", "bid": 34.{number:03}, "ask": 34.{number + 7:03}, "at": {number}}}' for number in range(99)
]
LONG = [" ".join(FEED[number : number + 5]) for number in range(0, 90, 3)]
"""Messages that look alike, of some 300 bytes."""


def server(**wish: Any) -> Connection:
    """One that has agreed to compress; by default on windows of 15 bits."""
    terms = DeflateTerms(wish=Deflate(**{"server_max_window_bits": 15, "threshold": 0} | wish))
    return Connection(Role.SERVER, Agreement(compression=terms))


def sent(connection: Connection, message: Prepared) -> bytes:
    """What it queues."""
    connection.send_prepared(message)
    return connection.data_to_send()


# --- What it says -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message, expected",
    [
        ("Hello", "81 05 48656c6c6f"),
        ("", "81 00"),
        (b"\x00\xff", "82 02 00ff"),
        (bytearray(b"\x00\xff"), "82 02 00ff"),
        (memoryview(b"\x00\xff"), "82 02 00ff"),
    ],
)
def test_it_is_a_frame(message: Any, expected: str) -> None:
    """Text or binary, as it would be sent alone; and the same bytes for every server's connection."""
    prepared = Prepared(message)
    frames = [sent(Connection(Role.SERVER), prepared) for _ in range(3)]

    assert [bytes.fromhex(expected)] * 3 == frames
    assert frames[0] is frames[1] is frames[2]


def test_a_client_masks_it_anew_for_each() -> None:
    """5.3: "the masking key [...] MUST be derived from a strong source of entropy", for each frame."""
    prepared = Prepared("Hello")
    keys = Keys()

    for number in (1, 2):
        data = sent(Connection(Role.CLIENT, random=keys), prepared)
        assert frame(TEXT, "Hello", key=number.to_bytes(4)) == data


def test_what_is_no_message_is_refused_before_anybody_gets_it() -> None:
    """Neither a list nor text that UTF-8 cannot say."""
    with pytest.raises(TypeError):
        Prepared(["Hello"])  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError) as caught:
        Prepared("\ud800")

    assert rules.TEXT_NOT_UTF8 is caught.value.rule


def test_it_cannot_be_sent_too_early_or_too_late() -> None:
    """Before the connection is open it is misuse, and afterwards a lost race; nothing is queued."""
    early, late = ServerConnection(), Connection(Role.SERVER)
    late.close()
    late.data_to_send()

    with pytest.raises(LocalProtocolError, match=rules.NOT_YET_OPEN.name):
        early.send_prepared(Prepared("Hello"))
    with pytest.raises(NotOpen):
        late.send_prepared(Prepared("Hello"))
    assert b"" == early.data_to_send() + late.data_to_send()


# --- Behind a message in fragments ------------------------------------------------------------------------------------


def test_it_waits_for_the_end_of_a_message_in_fragments() -> None:
    """5.4: nothing but control frames may stand between fragments; so it comes behind them, and before what follows."""
    connection = Connection(Role.SERVER)
    connection.send_text("a", more=True)
    connection.send_prepared(Prepared("for all"))
    connection.ping(b"p")
    connection.send_prepared(Prepared(b"for all too"))
    waiting = connection.held_back
    connection.send_text("b")
    connection.send_text("c")

    expected = [Ping(b"p"), "ab", "for all", b"for all too", "c"]
    assert 2 * OVERHEAD + len("for allfor all too") == waiting
    assert 0 == connection.held_back
    for pieces in chopped(connection.data_to_send()):
        assert expected == receive(Role.CLIENT, pieces)


def test_behind_a_message_that_never_ends_it_is_dropped() -> None:
    """A Close may come in the midst of a message; what waited is not sent behind it."""
    connection = Connection(Role.SERVER)
    connection.send_text("a", more=True)
    connection.send_prepared(Prepared("for all"))
    connection.close()

    assert 0 == connection.held_back
    assert bytes.fromhex("01 01 61 88 02 03e8") == connection.data_to_send()
    with pytest.raises(NotOpen):
        connection.send_prepared(Prepared("for all"))


def test_what_waits_can_be_copied_with_its_connection() -> None:
    """A connection that was copied or pickled in between sends the same."""
    connection = Connection(Role.SERVER)
    connection.send_text("a", more=True)
    connection.send_prepared(Prepared("for all"))
    copies = [connection, copy.deepcopy(connection), pickle.loads(pickle.dumps(connection))]
    for each in copies:
        each.send_text("b")

    assert 1 == len({each.data_to_send() for each in copies})


# --- Compressed -------------------------------------------------------------------------------------------------------


@dataclass
class ForAll:
    """A message for those of the connections that are marked; it may be sent in the midst of another one."""

    message: str | bytes
    compress: bool | None
    to: list[bool]


@st.composite
def scripts(draw: st.DrawFn) -> list[ForAll | tuple[int, Speech]]:
    """What is said to three connections: to one in fragments, or to several at once."""
    for_all = st.builds(ForAll, LOADS, COMPRESS, st.lists(st.booleans(), min_size=3, max_size=3))
    return draw(st.lists(for_all | for_all | st.tuples(st.integers(0, 2), speeches()), max_size=8))


def perform(script: list[ForAll | tuple[int, Speech]], connections: list[Connection]) -> list[list[Any]]:
    """Say it all; what each peer must tell."""
    expected: list[list[Any]] = [[] for _ in connections]
    for line in script:
        if isinstance(line, ForAll):
            prepared = Prepared(line.message, line.compress)
            for number, connection in enumerate(connections):
                if line.to[number]:
                    connection.send_prepared(prepared)
                    expected[number].append(line.message)
        elif line[0] < len(connections):
            expected[line[0]] += say(connections[line[0]], line[1])
    return expected


@given(st.lists(AGREED, min_size=3, max_size=3), scripts(), st.sampled_from(Role), PLACES)
def test_each_gets_what_was_said_to_it_and_to_all(
    agreements: list[tuple[Agreement, Agreement]], script: list[Any], role: Role, places: list[int]
) -> None:
    """In order, on any terms, whatever was sent to one alone in between, and cut anywhere."""
    mine = [agreement[0 if role is Role.CLIENT else 1] for agreement in agreements]
    theirs = [agreement[1 if role is Role.CLIENT else 0] for agreement in agreements]
    connections = [Connection(role, agreement, random=Keys()) for agreement in mine]
    expected = perform(script, connections)

    for events, connection, agreement in zip(expected, connections, theirs):
        receiver = Connection(role.peer, agreement, random=Keys(), auto_pong=False)
        assert events == feed(receiver, list[Wire](cut(connection.data_to_send(), places)))


@given(st.lists(AGREED, min_size=3, max_size=3), scripts(), st.sampled_from(Role))
def test_no_message_for_all_looks_back_over_the_window(
    agreements: list[tuple[Agreement, Agreement]], script: list[Any], role: Role
) -> None:
    """A receiver that remembers not one byte more than was agreed on can read it."""
    mine = [agreement[0 if role is Role.CLIENT else 1] for agreement in agreements]
    connections = [Connection(role, agreement, random=Keys()) for agreement in mine]
    expected = perform(script, connections)

    for events, connection in zip(expected, connections):
        terms = connection.compression
        assert isinstance(terms, DeflateTerms)
        payloads = list(read_narrowly(connection.data_to_send(), *terms._window_of(role)))
        assert [octets_of(event) for event in events if isinstance(event, str | bytes)] == payloads


@PEER
@ROLE
def test_other_libraries_read_it(peer: str, role: Role) -> None:
    """Three connections on terms of their own, with what is for one between what is for all."""

    @given(st.lists(WISHES, min_size=3, max_size=3), WISHES, scripts(), PLACES)
    def reads(theirs: list[Deflate], ours: Deflate, script: list[Any], places: list[int]) -> None:
        pairs = [meet(peer, role, wish, within_reach(peer, role, ours)) for wish in theirs]
        if not pairs[0][1].between:
            script = [line if isinstance(line, ForAll) else (line[0], line[1]._replace(between=[])) for line in script]
        expected = perform(script, [connection for connection, _ in pairs])

        for events, (connection, other) in zip(expected, pairs):
            for piece in cut(connection.data_to_send(), places):
                other.receive(piece)
            assert events == other.told

    reads()


def test_those_on_the_same_terms_are_sent_the_same() -> None:
    """It is compressed once for them all, and not for those who did not agree or would not gain."""
    connections = [server(), server(), server(server_no_context_takeover=True)]
    prepared = Prepared(LONG[0])
    first, second, third = (sent(connection, prepared) for connection in connections)
    plain = sent(Connection(Role.SERVER), prepared)

    assert first is second is third
    assert 0xC1 == first[0]
    assert len(first) < len(plain) / 2
    assert frame(TEXT, LONG[0]) == plain == sent(server(threshold=1000), prepared)


@pytest.mark.parametrize("compress, first", [(None, 0x81), (True, 0xC1), (False, 0x81)])
def test_whether_to_compress_can_be_said(compress: bool | None, first: int) -> None:
    """Otherwise the length decides for each connection."""
    assert first == sent(server(threshold=1000), Prepared(LONG[0], compress))[0]


def test_those_who_heard_the_same_share_what_they_remember() -> None:
    """With context takeover a message for all looks back into those before it, as one connection's own would."""
    shared, own = [server(), server(), server()], server()
    sizes = []
    for message in LONG:
        prepared = Prepared(message)
        frames = [sent(connection, prepared) for connection in shared]
        own.send_text(message)
        sizes.append((len(frames[0]), len(own.data_to_send())))

        assert frames[0] is frames[1] is frames[2]
    assert sum(size for size, _ in sizes) < 1.1 * sum(size for _, size in sizes)
    assert all(size < sizes[0][0] / 2 for size, _ in sizes[1:])


def test_who_was_written_to_alone_joins_the_others_again() -> None:
    """Its next message for all is compressed without looking back; when windows are full, they are the same again."""
    one, other = server(server_max_window_bits=10), server(server_max_window_bits=10)
    alike = []
    for number, message in enumerate(LONG[:7]):
        if number == 2:
            one.send_text("for one alone")
            one.data_to_send()
        prepared = Prepared(message)
        alike.append(sent(one, prepared) is sent(other, prepared))

    assert ([True, True, False], True) == (alike[:3], alike[-1])


def test_what_is_for_one_looks_back_into_what_was_for_all() -> None:
    """A connection goes on from the window that it shares."""
    connection = server()
    first = sent(connection, Prepared(LONG[0]))
    connection.send_text(LONG[0])

    assert len(connection.data_to_send()) < len(first) / 4


def test_a_message_is_compressed_a_bounded_number_of_times() -> None:
    """However many different things its receivers have heard: the others get it so that all of them can read it."""
    connections = [server() for _ in range(3 * MOST_CONTEXTS)]
    for number, connection in enumerate(connections):
        connection.send_prepared(Prepared(f"{number} " + LONG[0]))
    prepared = Prepared(LONG[1])
    for connection in connections:
        connection.send_prepared(prepared)
    streams = [connection.data_to_send() for connection in connections]

    expected = [[f"{number} " + LONG[0], LONG[1]] for number in range(len(connections))]
    assert expected == [receive(Role.CLIENT, data, agreement=server().agreement) for data in streams]
    assert MOST_CONTEXTS + 1 == len(prepared._memo)
    again = Prepared(LONG[2])
    assert 1 == len({sent(connection, again) for connection in connections[MOST_CONTEXTS:]})


def test_who_is_only_sent_what_is_for_all_keeps_no_window_of_its_own() -> None:
    """The memory of a thousand compressors is that of one window."""
    deflaters = [Deflater(15, True, 0, 6, 8) for _ in range(3)]
    memo: dict[Any, Any] = {}
    for deflater in deflaters:
        deflater.compress(b"Hello", last=True)
        deflater.share(b"Hello", memo)

    assert all(deflater._stream is None for deflater in deflaters)
    assert 1 == len({id(deflater._context) for deflater in deflaters})


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda deflater: pickle.loads(pickle.dumps(deflater))])
def test_a_copy_remembers_what_is_right(copied: Any) -> None:
    """Behind a message for all, a copy goes on with the window; behind one of its own, a pickle begins afresh."""
    for own in ([], [LONG[1]]):
        connection, receiver = server(), Connection(Role.CLIENT, server().agreement)
        connection.send_prepared(Prepared(LONG[0]))
        for message in own:
            connection.send_text(message)
        connection = copied(connection)
        connection.send_text(LONG[2])

        assert [LONG[0], *own, LONG[2]] == feed(receiver, connection.data_to_send())


def test_who_is_interrupted_begins_afresh() -> None:
    """If a frame could not be written (Ctrl-C), the peer does not know what it said: nothing looks back into it."""

    def no_keys(_: int) -> bytes:
        raise KeyboardInterrupt

    connection = Connection(Role.CLIENT, server().agreement, random=no_keys)
    with pytest.raises(KeyboardInterrupt):
        connection.send_prepared(Prepared(LONG[0], compress=True))
    connection._random = Keys()
    connection.send_text(LONG[0], compress=True)

    assert [LONG[0]] == feed(server(), connection.data_to_send())


def test_an_empty_message_is_compressed_to_one_byte() -> None:
    """RFC 7692 7.2.3.6."""
    data = sent(server(), Prepared(b""))

    assert frame(BINARY, b"\0", rsv=4) == data
    assert [b""] == receive(Role.CLIENT, data, agreement=server().agreement)
