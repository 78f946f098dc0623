"""The world: ships, sparks, and what one tick does to them.  No clock, no network, and no chance but that of its seed.

There is a fixed number of sparks.  Each lies in the arena or is held by a ship, and those a ship holds are its points.
So points are never made and never lost: who is rammed, who dashes and who leaves scatters sparks for others to gather.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from typing import NamedTuple

RATE = 30
"""Ticks in a second.  All that is said per second here is divided by it."""
WIDTH, HEIGHT = 1600, 1000
SPARKS = 150
MOST_SHIPS = 64

RADIUS = 17.0
"""Of a ship; nobody's middle comes nearer to a wall."""
REACH = 34.0
"""How near a spark has to be to be gathered."""
THRUST = 620.0
DRAG = 1.7
TURN = 7.0
DASH = 380.0
DASH_REST = RATE
"""Ticks between two dashes of a ship."""
HARD = 140.0
"""How fast two ships have to meet for sparks to fly, and how much faster for each spark more."""
SHIELD = RATE
"""Ticks that a ship is safe after it was rammed, or was born."""
LEAK = 2 * RATE
"""Every so many ticks a ship loses one of ten sparks that it holds: it is hard to stay rich."""


class Wish(NamedTuple):
    """What a player wants of a ship, until the next one."""

    heading: float = 0.0
    """In radians, clockwise from the right, as y goes down."""
    thrust: bool = False
    dash: bool = False


IDLE = Wish()


@dataclass(slots=True)
class Ship:
    """A ship.  Positions are in units of the arena, speeds in units per second."""

    x: float
    y: float
    heading: float
    vx: float = 0.0
    vy: float = 0.0
    points: int = 0
    wish: Wish = IDLE
    rested: int = 0
    """The tick from which on it may dash again."""
    safe: int = 0
    """The tick until which it cannot be rammed."""


class Spark(NamedTuple):
    """Where a spark lies."""

    x: float
    y: float


@dataclass
class World:
    """All there is.

    Attributes:
        sparks: where each lies, by number; None for one that is held.
        changed: the numbers of those that were gathered or dropped since `step` began.
    """

    seed: int = 1
    tick: int = 0
    ships: dict[int, Ship] = field(default_factory=dict)
    sparks: list[Spark | None] = field(default_factory=list)
    changed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._chance = Random(self.seed)
        self.sparks = [self._anywhere() for _ in range(SPARKS)]

    # --- What players do ------------------------------------------------------------------------------------------

    def join(self) -> int | None:
        """A new ship, with no points; its number, or None if the arena is full."""
        number = next((number for number in range(MOST_SHIPS) if number not in self.ships), None)
        if number is not None:
            x, y = self._anywhere()
            self.ships[number] = Ship(x, y, self._chance.uniform(-math.pi, math.pi), safe=self.tick + 2 * SHIELD)
        return number

    def leave(self, number: int) -> None:
        """A ship goes, and what it held stays."""
        ship = self.ships.pop(number)
        self._scatter(ship, ship.points, 90.0)

    def steer(self, number: int, wish: Wish) -> None:
        """What a player wants from now on.  A dash is for one tick, and is not forgotten before that."""
        ship = self.ships[number]
        ship.wish = wish._replace(dash=wish.dash or ship.wish.dash)

    # --- What the world does --------------------------------------------------------------------------------------

    def step(self) -> None:
        """One tick."""
        self.tick += 1
        self.changed.clear()
        for ship in self.ships.values():
            self._move(ship)
        for one, other in combinations(self.ships.values(), 2):
            self._meet(one, other)
        for ship in self.ships.values():
            _stay_inside(ship)
            self._gather(ship)
            if self.tick % LEAK == 0:
                self._scatter(ship, ship.points // 10, 60.0)

    def _move(self, ship: Ship) -> None:
        wish = ship.wish
        if wish.thrust or wish.dash:
            off = math.remainder(wish.heading - ship.heading, math.tau)
            ship.heading = math.remainder(ship.heading + _within(off, TURN / RATE), math.tau)
        if wish.thrust:
            _push(ship, ship.heading, THRUST / RATE)
        if wish.dash:
            ship.wish = wish._replace(dash=False)
            self._dash(ship)
        slower = 1 - DRAG / RATE
        ship.vx, ship.vy = ship.vx * slower, ship.vy * slower
        ship.x, ship.y = ship.x + ship.vx / RATE, ship.y + ship.vy / RATE

    def _dash(self, ship: Ship) -> None:
        """A jump ahead.  It costs a spark, which stays behind."""
        if self.tick >= ship.rested and ship.points:
            ship.rested = self.tick + DASH_REST
            self._drop(ship, ship.x - 55 * math.cos(ship.heading), ship.y - 55 * math.sin(ship.heading))
            _push(ship, ship.heading, DASH)

    def _meet(self, one: Ship, other: Ship) -> None:
        """Two ships that touch bounce off each other, and the slower one loses sparks if they met hard."""
        dx, dy = other.x - one.x, other.y - one.y
        if abs(dx) >= 2 * RADIUS or abs(dy) >= 2 * RADIUS or (apart := math.hypot(dx, dy)) >= 2 * RADIUS:
            return
        nx, ny = (dx / apart, dy / apart) if apart else (1.0, 0.0)
        overlap = (2 * RADIUS - apart) / 2
        one.x, one.y = one.x - nx * overlap, one.y - ny * overlap
        other.x, other.y = other.x + nx * overlap, other.y + ny * overlap
        towards, against = one.vx * nx + one.vy * ny, other.vx * nx + other.vy * ny
        hit = towards - against
        if hit <= 0:
            return  # They part already.
        one.vx, one.vy = one.vx - hit * nx, one.vy - hit * ny
        other.vx, other.vy = other.vx + hit * nx, other.vy + hit * ny
        self._lose(other if towards > -against else one, hit)

    def _lose(self, ship: Ship, hit: float) -> None:
        if hit >= HARD and self.tick >= ship.safe:
            ship.safe = self.tick + SHIELD
            self._scatter(ship, min(ship.points, int(hit / HARD)), 120.0)

    def _gather(self, ship: Ship) -> None:
        x, y = ship.x, ship.y
        for number, spark in enumerate(self.sparks):
            if spark is not None and abs(spark.x - x) < REACH and abs(spark.y - y) < REACH:
                self.sparks[number] = None
                self.changed.add(number)
                ship.points += 1

    def _scatter(self, ship: Ship, many: int, far: float) -> None:
        for _ in range(many):
            angle, distance = self._chance.uniform(0, math.tau), self._chance.uniform(far / 2, far)
            self._drop(ship, ship.x + distance * math.cos(angle), ship.y + distance * math.sin(angle))

    def _drop(self, ship: Ship, x: float, y: float) -> None:
        """A ship loses a spark.  Which of those that are held it is does not matter: they are all alike."""
        number = self.sparks.index(None)
        self.sparks[number] = Spark(_between(x, RADIUS, WIDTH - RADIUS), _between(y, RADIUS, HEIGHT - RADIUS))
        self.changed.add(number)
        ship.points -= 1

    def _anywhere(self) -> Spark:
        return Spark(self._chance.uniform(60, WIDTH - 60), self._chance.uniform(60, HEIGHT - 60))

    def lying(self) -> Iterator[tuple[int, Spark]]:
        """The sparks that nobody holds."""
        return ((number, spark) for number, spark in enumerate(self.sparks) if spark is not None)


def _push(ship: Ship, heading: float, much: float) -> None:
    ship.vx += much * math.cos(heading)
    ship.vy += much * math.sin(heading)


def _stay_inside(ship: Ship) -> None:
    """Walls throw back."""
    x, y = _between(ship.x, RADIUS, WIDTH - RADIUS), _between(ship.y, RADIUS, HEIGHT - RADIUS)
    if x != ship.x:
        ship.x, ship.vx = x, -ship.vx / 2
    if y != ship.y:
        ship.y, ship.vy = y, -ship.vy / 2


def _within(value: float, bound: float) -> float:
    return _between(value, -bound, bound)


def _between(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
