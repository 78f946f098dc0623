"""What one peer may cost (section 10.4): memory is bounded at every step, and work grows with the bytes."""

import gc
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import fields
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import pytest

from rawws.core import rules
from rawws.core.connection import Connection
from rawws.core.events import Closed, Event
from rawws.core.settings import Limits, Role
from tests.wire import BINARY, CONTINUATION, PING, PONG, TEXT, Keys, broken, feed, frame, frame_from, receive

MIB = 2**20

SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType)
"""What all connections have in common, and no peer can make grow."""


def retained(connection: Connection) -> int:
    """How many bytes this connection keeps alive, all that it refers to included."""
    seen: dict[int, object] = {}
    waiting: list[object] = [connection]
    while waiting:
        thing = waiting.pop()
        if id(thing) not in seen and not isinstance(thing, SHARED):
            seen[id(thing)] = thing
            waiting += gc.get_referents(thing)
    return sum(sys.getsizeof(thing) for thing in seen.values())


# --- Limits -----------------------------------------------------------------------------------------------------------


def test_65536_fragments_of_64_bytes_are_a_message() -> None:
    """An honest sender of many small fragments passes, if a message may be as large as it is."""
    data = frame(BINARY, bytes(64), fin=False) + frame(CONTINUATION, bytes(64), fin=False) * 65534
    data += frame(CONTINUATION, bytes(64))

    assert [bytes(4 * MIB)] == receive(Role.CLIENT, data, limits=Limits(message=4 * MIB))


def test_a_flood_of_empty_fragments_ends() -> None:
    """66,560 at the default limit; the next one is refused, and by then nothing was kept."""
    connection = Connection(Role.CLIENT)
    most, flood = 66_560, frame(CONTINUATION, fin=False) * 1024
    events = feed(connection, [frame(BINARY, fin=False), *[flood] * 66])

    assert [broken(rules.TOO_MANY_FRAGMENTS, 2 * most)] == events
    assert 0 == connection.held


@pytest.mark.parametrize("bound", [1e6, float("inf"), "1000"])
@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_a_limit_is_a_whole_number(name: str, bound: Any) -> None:
    """Who gives another is told where he gives it, and not by the first message that comes."""
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        Limits(**{name: bound})


@pytest.mark.parametrize("sender", Role)
@pytest.mark.parametrize("limits", [Limits(), Limits(message=None)])
def test_an_announced_length_costs_nothing(sender: Role, limits: Limits) -> None:
    """2^62 bytes are refused at the header, or waited for if nobody set a limit; nothing is set aside for them."""
    data = frame_from(sender, BINARY, length=2**62)
    peaks = []
    for _ in range(3):  # Other threads allocate, too, but not each time.
        connection = Connection(sender.peer, limits=limits)
        feed(connection, frame_from(sender, TEXT, "warm"))
        tracemalloc.start()
        try:
            events = feed(connection, data)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()

    came_before = len(frame_from(sender, TEXT, "warm"))
    assert ([] if limits.message is None else [broken(rules.MESSAGE_TOO_BIG, came_before + 1)]) == events
    assert min(peaks) < 16 * 1024


def test_a_message_over_the_limit_is_not_kept_while_it_ends() -> None:
    """What came of it is let go with the refusal."""
    connection = Connection(Role.CLIENT, limits=Limits(message=1000))
    feed(connection, frame(BINARY, bytes(1000), fin=False))
    assert 1000 == connection.held

    assert [broken(rules.MESSAGE_TOO_BIG, 1005)] == feed(connection, frame(CONTINUATION, bytes(1)))
    assert 0 == connection.held


# --- Pongs that nobody takes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_a_flood_of_pings_that_nobody_drains_stays_small(role: Role) -> None:
    """Sixteen Pongs wait at most; the last of them answers the last Ping (5.5.3)."""
    connection = Connection(role)
    for number in range(1000):
        feed(connection, frame_from(role.peer, PING, str(number)))

    expected = [(PONG, str(number).encode()) for number in [*range(15), 999]]
    assert expected == [*frames_in(connection.data_to_send(), role.peer)]


@pytest.mark.parametrize("role", Role)
def test_pongs_stay_in_the_order_of_what_was_sent(role: Role) -> None:
    """A newer Pong takes the place of an older one, and never that of a message."""
    connection = Connection(role, limits=Limits(pongs=2))
    connection.ping(b"first")
    for number in range(5):
        feed(connection, frame_from(role.peer, PING, str(number)))
        connection.pong(b"mine")

    expected = [b"first", b"0", b"mine", b"4", b"mine", b"mine", b"mine", b"mine"]
    assert expected == [payload for _, payload in frames_in(connection.data_to_send(), role.peer)]


@pytest.mark.parametrize("role", Role)
def test_draining_makes_room_for_pongs(role: Role) -> None:
    """The bound is on what waits, and not on what was ever sent."""
    connection = Connection(role, limits=Limits(pongs=1))
    for number in range(5):
        connection.ping(b"mine")
        feed(connection, frame_from(role.peer, PING, str(number)) * 2)

        expected = [(PING, b"mine"), (PONG, str(number).encode())]
        assert expected == [*frames_in(connection.data_to_send(), role.peer)]


@pytest.mark.parametrize("role", Role)
def test_one_pong_may_always_wait(role: Role) -> None:
    """A limit of none would leave a Ping without an answer, or put the answer where something else stands."""
    connection = Connection(role, limits=Limits(pongs=0))
    connection.ping(b"mine")
    feed(connection, frame_from(role.peer, PING, b"1") + frame_from(role.peer, PING, b"2"))

    assert [(PING, b"mine"), (PONG, b"2")] == [*frames_in(connection.data_to_send(), role.peer)]


def frames_in(data: bytes, reader: Role) -> Iterator[tuple[int, bytes]]:
    """Opcode and payload of the control frames in what was sent."""
    for event in receive(reader, data, auto_pong=False):
        assert not isinstance(event, str | bytes | Closed)
        yield PING if type(event).__name__ == "Ping" else PONG, event[0]  # type: ignore[index, misc]


# --- Memory -----------------------------------------------------------------------------------------------------------

READ = 4096
"""How much a transport hands over at once, in the tests below."""

SMALL = Limits(message=64 * 1024)


def endless(role: Role, *frames: bytes) -> bytes:
    """As much of these as makes 200 KiB."""
    data = b"".join(frames)
    return data * (200 * 1024 // len(data) + 1)


def from_peer(opcode: int, payload: str | bytes = b"", **fields: int) -> Callable[[Role], bytes]:
    """A frame that the peer of `role` sends."""
    return lambda role: frame_from(role.peer, opcode, payload, **fields)


ATTACKS: dict[str, tuple[Callable[[Role], bytes], Callable[[Role], bytes]]] = {
    "a message that never ends": (from_peer(BINARY, b"x", fin=False), from_peer(CONTINUATION, bytes(100), fin=False)),
    "fragments of one byte": (from_peer(TEXT, b"x", fin=False), from_peer(CONTINUATION, "x", fin=False)),
    "empty fragments": (from_peer(BINARY, b"", fin=False), from_peer(CONTINUATION, b"", fin=False)),
    "characters in pieces": (from_peer(TEXT, b"\xe2", fin=False), from_peer(CONTINUATION, b"\x82\xac\xe2", fin=False)),
    "pings": (from_peer(PING, bytes(125)), from_peer(PING, bytes(125))),
    "pongs": (from_peer(PONG, bytes(125)), from_peer(PONG, b"")),
    "pings in a message": (from_peer(TEXT, b"x", fin=False), from_peer(PING, bytes(125))),
    "one large frame": (from_peer(BINARY, length=64 * 1024), lambda role: bytes(1000)),
    "messages of the largest size": (from_peer(BINARY, bytes(64 * 1024)), from_peer(BINARY, bytes(64 * 1024))),
    "many small messages": (from_peer(TEXT, "ab"), from_peer(BINARY, b"xyz")),
    "many empty messages": (from_peer(TEXT, ""), from_peer(BINARY, b"")),
}
"""A frame to begin with, and one to go on with for ever."""


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("attack", ATTACKS)
def test_memory_is_bounded_at_every_step(attack: str, stream: bool, role: Role) -> None:
    """One message with its slack, the pongs that may wait, and the events of one read; whatever the peer sends."""
    begin, go_on = (make(role) for make in ATTACKS[attack])
    data = begin + endless(role, go_on)
    connection = Connection(role, limits=SMALL, stream=stream)
    idle = retained(connection)
    worst = 0
    for at in range(0, len(data), READ):
        connection.receive_data(data[at : at + READ])
        unread_yet = retained(connection)
        connection.next_event()
        worst = max(worst, unread_yet, retained(connection))
        deque(connection.events(), maxlen=0)
        worst = max(worst, retained(connection))

    assert idle < 12 * 1024
    message_with_slack = 64 * 1024 * 9 // 8
    assert worst < idle + message_with_slack + 20 * READ + 16 * 250


# --- Work -------------------------------------------------------------------------------------------------------------


def pieces_of(data: bytes, size: int) -> list[bytes]:
    """The data in pieces of this size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def unread(pieces: list[bytes]) -> Connection:
    """A connection that was handed all of it before anybody reads."""
    connection = Connection(Role.CLIENT, limits=Limits(message=None))
    for piece in pieces:
        connection.receive_data(piece)
    return connection


def run(pieces: list[bytes], stream: bool = False) -> None:
    """Receive it all, piece by piece, with no limit."""
    connection = Connection(Role.CLIENT, limits=Limits(message=None), stream=stream)
    for piece in pieces:
        connection.receive_data(piece)
        while connection.next_event() is not None:
            pass


JOBS: dict[str, Callable[[int], Callable[[], object]]] = {
    "a frame, byte by byte": lambda n: lambda: run(pieces_of(frame(BINARY, bytes(n)), 1)),
    "a text, byte by byte": lambda n: lambda: run(pieces_of(frame(TEXT, "€" * (n // 3)), 1)),
    "a text in one frame": lambda n: lambda: run(pieces_of(frame(TEXT, "€" * (n * 100)), 4096)),
    "a masked message": lambda n: (
        lambda: receive(Role.SERVER, frame_from(Role.CLIENT, BINARY, bytes(n)) * 20, limits=Limits(message=None))
    ),
    "fragments of one byte": lambda n: (
        lambda: run([frame(BINARY, b"x", fin=False) + frame(CONTINUATION, b"x", fin=False) * n])
    ),
    "fragments of half a character": lambda n: (
        lambda: run(
            [frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION, b"\x82\xac\xe2", fin=False) * n], stream=True
        )
    ),
    "small messages": lambda n: lambda: run([frame(TEXT, "Hi") * 8 * n]),
    "pings, byte by byte": lambda n: lambda: run(pieces_of(frame(PING, bytes(20)) * (n // 20), 1)),
    "reads that wait": lambda n: lambda: list(unread(pieces_of(frame(BINARY, bytes(100)) * n, 10)).events()),
    "one event between two reads": lambda n: lambda: in_turns(pieces_of(frame(PING) * n, 7)),
    "messages to send": lambda n: lambda: send_many(n),
}
"""Work of a size, so that four times the size is four times the work."""


def in_turns(pieces: list[bytes]) -> list[Event | None]:
    """Read one event after each piece, and so stay behind."""
    connection = Connection(Role.CLIENT)
    found = []
    for piece in pieces:
        connection.receive_data(piece)
        found.append(connection.next_event())
    return found


def send_many(count: int) -> bytes:
    """Queue fragments and messages, and take them all at once."""
    connection = Connection(Role.CLIENT, random=Keys())
    for _ in range(count):
        connection.send_text("a", more=True)
    return connection.data_to_send()


def seconds(job: Callable[[], object]) -> float:
    """How long it takes, at best, in CPU time of this process."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        job()
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("name", JOBS)
def test_four_times_the_bytes_are_four_times_the_work(name: str) -> None:
    """Eight times would pass on a busy machine, and sixteen is what a quadratic step would cost; the best of some tries
    counts."""
    size = 2000
    ratios = []
    for _ in range(6):
        ratios.append(seconds(JOBS[name](4 * size)) / max(seconds(JOBS[name](size)), 1e-6))
        if ratios[-1] <= 8:
            return
    raise AssertionError(ratios)
