"""What a client knows of the game, and how long things take.  No network; whoever calls knows the time, in seconds."""

from dataclasses import dataclass, field

from examples.game.protocol import Ping, Pong, Seen, State, Steer, Welcome, hear
from examples.game.world import Wish


@dataclass
class View:
    """The game as the messages tell it.

    Attributes:
        ship: the number of our own; None before the welcome.
        token: with this one comes back into the same ship.
        tick: the newest state; -1 before the first.
        states: how many there were, and `lost` how many are missing between them.
        trips: seconds from each ping to its pong.
        answers: seconds from each steering to the state that shows it.
    """

    ship: int | None = None
    token: bytes = bytes(16)
    tick: int = -1
    ships: dict[int, Seen] = field(default_factory=dict)
    sparks: dict[int, tuple[float, float]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    states: int = 0
    lost: int = 0
    trips: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    _pinged: dict[int, float] = field(default_factory=dict)
    _steered: dict[int, float] = field(default_factory=dict)
    _pings: int = 0

    def take(self, message: str | bytes, now: float) -> bool:
        """Take a message in; whether it was a state."""
        match hear(message):
            case Welcome() as welcome:
                self.ship, self.token, self.tick = welcome.ship, welcome.token, -1
                self._steered.clear()
                self._pinged.clear()
            case Pong(number):
                self.trips.append(now - self._pinged.pop(number))
            case State() as state:
                self._see(state, now)
                return True
        return False

    def _see(self, state: State, now: float) -> None:
        self.states += 1
        if self.tick >= 0:
            self.lost += state.tick - self.tick - 1
        self.tick = state.tick
        self.ships = {ship.number: ship for ship in state.ships}
        if state.names is not None:
            self.names = state.names
            self.sparks.clear()
        for number, place in state.sparks.items():
            if place is None:
                self.sparks.pop(number, None)
            else:
                self.sparks[number] = place
        if (me := self.me) is not None and (begun := self._steered.pop(me.tick, None)) is not None:
            self.answers.append(now - begun)

    @property
    def me(self) -> Seen | None:
        """Our own ship."""
        return None if self.ship is None else self.ships.get(self.ship)

    def steer(self, wish: Wish, now: float) -> Steer:
        """What to send so that the ship does this.  Once for each state: the server ignores what is more."""
        self._steered[self.tick] = now
        return Steer(self.tick, wish)

    def ping(self, now: float) -> Ping:
        """What to send to know how long it takes there and back."""
        self._pings += 1
        self._pinged[self._pings] = now
        return Ping(self._pings)
