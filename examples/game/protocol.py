"""The messages, byte by byte: all are binary, big-endian, and the first byte is the kind.

    client                                      server
    JOIN     version, token, name        ->
                                         <-     WELCOME   your ship, ticks a second, size of the arena, token
                                         <-     SNAPSHOT  everything: ships, sparks, names
                                         <-     DELTA     each tick: all ships, and the sparks that changed
    STEER    tick seen, heading, flags   ->
    PING     number                      ->
                                         <-     PONG      number

A SNAPSHOT needs nothing that came before it, and a DELTA needs the message before.  Positions are in sixteenths of a
unit, headings in 256ths of a turn.  A ship says which tick its player had seen when it was steered: whoever steers
knows from this how long it took.
"""

import math
import struct
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from examples.game.world import Wish, World
from rawws import CloseCode

VERSION = 1
JOIN, STEER, PING = 1, 2, 3
WELCOME, SNAPSHOT, DELTA, PONG = 0x81, 0x82, 0x83, 0x84

THRUSTS, DASHES = 1, 2
"""The flags of STEER."""
IS_THRUSTING, IS_SHIELDED, IS_AWAY = 1, 2, 4
"""The flags of a ship."""

MALFORMED, FUTURE, TOO_MANY, FULL, REPLACED = 4000, 4001, 4002, 4003, 4004
"""Close codes of our own (RFC 6455 section 7.4.2): a message that is none, a tick that was not yet, too many messages,
no ship left, and the same player came in elsewhere.  Only who was refused with FULL should come back."""
HOPELESS = frozenset({MALFORMED, FUTURE, TOO_MANY, REPLACED, CloseCode.UNSUPPORTED_DATA, CloseCode.MESSAGE_TOO_BIG})

NAME_BYTES = 48
LONGEST: Final = 18 + NAME_BYTES
"""Bytes of the longest message that a client has to say."""

_JOIN = struct.Struct("!BB16s")
_STEER = struct.Struct("!BIBB")
_NUMBER = struct.Struct("!BI")
_WELCOME = struct.Struct("!BBBHH16s")
_STATE = struct.Struct("!BIBB")
_SHIP = struct.Struct("!BHHBBBI")
_SPARK = struct.Struct("!BHH")
HELD = 0xFFFF
"""In place of where a spark lies."""


class Mistake(Exception):
    """A client said what it must not; `code` is what its connection is closed with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Join(NamedTuple):
    """A player comes, or comes back into the ship that the token is of.  The token is all zero for a new one."""

    name: str
    token: bytes = bytes(16)


class Steer(NamedTuple):
    """What a player wants, who has seen the state of this tick."""

    tick: int
    wish: Wish


class Ping(NamedTuple):
    """Say this number again: how long does it take?"""

    number: int


class Pong(NamedTuple):
    """The number of a ping."""

    number: int


class Welcome(NamedTuple):
    """A player has a ship."""

    ship: int
    rate: int
    width: int
    height: int
    token: bytes


class Seen(NamedTuple):
    """A ship as clients see it."""

    number: int
    x: float
    y: float
    heading: float
    points: int
    flags: int
    tick: int
    """The newest state that its player had seen when it was last steered."""


class State(NamedTuple):
    """What the server says each tick."""

    tick: int
    ships: list[Seen]
    sparks: dict[int, tuple[float, float] | None]
    """Where each lies, or None if it is held; in a delta only those that changed."""
    names: dict[int, str] | None
    """By ship; None in a delta."""


Asked: TypeAlias = Join | Steer | Ping
Told: TypeAlias = Welcome | State | Pong


# --- What clients say -------------------------------------------------------------------------------------------------


def ask(asked: Asked) -> bytes:
    """The bytes that a client sends."""
    match asked:
        case Join(name, token):
            return _JOIN.pack(JOIN, VERSION, token) + name.encode()[:NAME_BYTES]
        case Steer(tick, wish):
            flags = THRUSTS * wish.thrust | DASHES * wish.dash
            return _STEER.pack(STEER, tick, turn(wish.heading), flags)
        case Ping(number):
            return _NUMBER.pack(PING, number)


def read(data: str | bytes) -> Asked:
    """What a client sent.

    Raises:
        Mistake: it is none of the three.
    """
    if isinstance(data, str):
        raise Mistake(CloseCode.UNSUPPORTED_DATA, "messages are binary here")
    kind, length = data[0] if data else 0, len(data)
    if kind == STEER and length == _STEER.size:
        _, tick, heading, flags = _STEER.unpack(data)
        if flags <= THRUSTS | DASHES:
            return Steer(tick, Wish(angle(heading), bool(flags & THRUSTS), bool(flags & DASHES)))
    elif kind == PING and length == _NUMBER.size:
        return Ping(_NUMBER.unpack(data)[1])
    elif kind == JOIN and _JOIN.size <= length <= LONGEST:
        _, version, token = _JOIN.unpack_from(data)
        if version == VERSION:
            return Join(_name(data[_JOIN.size :]), token)
    raise Mistake(MALFORMED, f"no message of version {VERSION}: kind {kind}, {length} bytes")


def _name(data: bytes) -> str:
    """A name that can be shown: whatever cannot is left out."""
    shown = "".join(letter for letter in data.decode(errors="ignore") if letter.isprintable())
    return " ".join(shown.split())[:16]


# --- What the server says ---------------------------------------------------------------------------------------------


def welcome(told: Welcome) -> bytes:
    """The answer to a join."""
    return _WELCOME.pack(WELCOME, *told)


def pong(number: int) -> bytes:
    """The answer to a ping."""
    return _NUMBER.pack(PONG, number)


class Player(NamedTuple):
    """What is to be said about a player besides the ship."""

    name: str
    is_away: bool = False
    tick: int = 0


def snapshot(world: World, players: Mapping[int, Player]) -> bytes:
    """Everything."""
    names = b"".join(bytes((number, len(name))) + name for number, name in _names(players))
    return _state(SNAPSHOT, world, players, range(len(world.sparks))) + names


def delta(world: World, players: Mapping[int, Player]) -> bytes:
    """What is new since the tick before."""
    return _state(DELTA, world, players, sorted(world.changed))


def _names(players: Mapping[int, Player]) -> Iterable[tuple[int, bytes]]:
    return ((number, player.name.encode()) for number, player in players.items())


def _state(kind: int, world: World, players: Mapping[int, Player], sparks: Iterable[int]) -> bytes:
    numbers = list(sparks)
    pieces = [_STATE.pack(kind, world.tick, len(world.ships), len(numbers))]
    for number, ship in world.ships.items():
        player = players[number]
        shielded, thrusts = world.tick < ship.safe, ship.wish.thrust
        flags = IS_THRUSTING * thrusts | IS_SHIELDED * shielded | IS_AWAY * player.is_away
        x, y, heading = int(ship.x * 16), int(ship.y * 16), turn(ship.heading)
        pieces.append(_SHIP.pack(number, x, y, heading, flags, ship.points, player.tick))
    for number in numbers:
        spark = world.sparks[number]
        x, y = (HELD, HELD) if spark is None else (int(spark.x * 16), int(spark.y * 16))
        pieces.append(_SPARK.pack(number, x, y))
    return b"".join(pieces)


def hear(data: str | bytes) -> Told:
    """What the server sent.  It is trusted: other bytes than ours raise whatever they raise."""
    assert isinstance(data, bytes)
    match data[0]:
        case 0x81:
            return Welcome(*_WELCOME.unpack(data)[1:])
        case 0x84:
            return Pong(_NUMBER.unpack(data)[1])
    kind, tick, ships, sparks = _STATE.unpack_from(data)
    middle = _STATE.size + ships * _SHIP.size
    end = middle + sparks * _SPARK.size
    return State(
        tick,
        [
            Seen(number, x / 16, y / 16, angle(heading), points, flags, seen)
            for number, x, y, heading, flags, points, seen in _SHIP.iter_unpack(data[_STATE.size : middle])
        ],
        {number: None if x == HELD else (x / 16, y / 16) for number, x, y in _SPARK.iter_unpack(data[middle:end])},
        _hear_names(data[end:]) if kind == SNAPSHOT else None,
    )


def _hear_names(data: bytes) -> dict[int, str]:
    names, at = {}, 0
    while at < len(data):
        number, length = data[at], data[at + 1]
        names[number] = data[at + 2 : at + 2 + length].decode()
        at += 2 + length
    return names


def turn(angle: float) -> int:
    """An angle in radians as 256ths of a turn."""
    return round(angle / math.tau * 256) % 256


def angle(turn: int) -> float:
    """And back, from -pi up to pi."""
    return (turn - 256 if turn > 127 else turn) * math.tau / 256
