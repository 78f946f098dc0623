"""The server: it takes what players want, moves the world at a fixed pace, and tells all of them what is.

Nothing waits for anybody.  A connection that has not taken what it was sent is left out, and is sent everything when it
can take it again: a state that is old is worth nothing.
"""

import asyncio
import json
import logging
import secrets
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path

from examples.game import protocol
from examples.game.pace import Allowance, ticks
from examples.game.protocol import Join, Mistake, Ping, Steer, Welcome
from examples.game.world import HEIGHT, RATE, WIDTH, World
from rawws import Request, Response
from rawws.aio import Server, WebSocket, broadcast, serve

GRACE = 6.0
"""Seconds that a ship waits for a player whose connection was lost."""
JOIN_TIME = 5.0
"""Seconds to say who one is."""
MESSAGES, AT_ONCE = 2 * RATE, 10 * RATE
"""Messages in a second that a player may send in the long run, and after a while of silence.  A page sends fewer."""
BEHIND = 2048
"""Bytes that may wait for a player.  Who is further behind is left out."""
KERNEL = 16 * 1024
"""Bytes that the kernel may hold for a player: what is in there cannot be taken back, and gets old."""
LATE = 0.5 / RATE
"""A tick that begins so many seconds after its time is late, and this is told."""

PAGE = Path(__file__).with_name("page.html")
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
        "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}

_logger = logging.getLogger("game")


@dataclass(eq=False)
class Player:
    """Who steers a ship, here or away."""

    ship: int
    name: str
    ws: WebSocket | None = None
    token: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    tick: int = 0
    """The newest state that this player had seen when the ship was last steered."""
    gone_at: float = 0.0


@dataclass
class Counts:
    """What is told at /stats."""

    ticks: int = 0
    late: int = 0
    latest: float = 0.0
    """How late the latest one was, in seconds."""
    sent: int = 0
    skipped: int = 0
    """States that were not sent, to players who were behind."""


class Game:
    """One arena.  An instance is the handler of a `Server`."""

    def __init__(self, seed: int | None = None, grace: float = GRACE) -> None:
        self.world = World(secrets.randbits(32) if seed is None else seed)
        self.counts = Counts()
        self._grace = grace
        self._players: dict[int, Player] = {}
        self._behind: set[WebSocket] = set()
        """Who does not know what was before, and needs everything."""
        self._told_at = float("-inf")

    # --- One connection -------------------------------------------------------------------------------------------

    async def __call__(self, ws: WebSocket) -> None:
        """One connection, from its join to its end."""
        ws.extra("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL)
        try:
            player = await self._join(ws)
            try:
                await self._listen(player, ws)
            finally:
                self._lose(player, ws)
        except Mistake as mistake:
            await ws.close(mistake.code, str(mistake))

    async def _join(self, ws: WebSocket) -> Player:
        try:
            async with asyncio.timeout(JOIN_TIME):
                join = protocol.read(await ws.recv())
        except TimeoutError:
            join = None
        if not isinstance(join, Join):
            raise Mistake(protocol.MALFORMED, "join first")
        player = self._find(join.token) or self._new(join.name)
        if player.ws is not None:
            player.ws.start_close(protocol.REPLACED, "you play elsewhere")
        player.ws = ws
        self._tell_everything()
        await ws.send(protocol.welcome(Welcome(player.ship, RATE, WIDTH, HEIGHT, player.token)))
        return player

    def _find(self, token: bytes) -> Player | None:
        known = self._players.values()
        return next((player for player in known if secrets.compare_digest(player.token, token)), None)

    def _new(self, name: str) -> Player:
        ship = self.world.join()
        if ship is None:
            raise Mistake(protocol.FULL, "the arena is full")
        player = self._players[ship] = Player(ship, name or f"Ship {ship + 1}")
        return player

    async def _listen(self, player: Player, ws: WebSocket) -> None:
        clock = asyncio.get_running_loop().time
        allowance = Allowance(MESSAGES, AT_ONCE, clock())
        async for message in ws:
            if not allowance.spend(clock()):
                raise Mistake(protocol.TOO_MANY, "too many messages")
            match protocol.read(message):
                case Ping(number):
                    await ws.send(protocol.pong(number))
                case Steer() as steer if player.ws is ws:
                    self._steer(player, steer)
                case Join():
                    raise Mistake(protocol.MALFORMED, "joined already")

    def _steer(self, player: Player, steer: Steer) -> None:
        """Once for each state: what was wanted about an older one, or again about the same, is ignored."""
        if steer.tick > self.world.tick:
            raise Mistake(protocol.FUTURE, f"there was no tick {steer.tick} yet, but {self.world.tick}")
        if steer.tick > player.tick:
            player.tick = steer.tick
            self.world.steer(player.ship, steer.wish)

    def _lose(self, player: Player, ws: WebSocket) -> None:
        """The connection has ended; the ship drifts, and waits for a while."""
        if player.ws is ws:
            player.ws, player.gone_at = None, asyncio.get_running_loop().time()
            ship = self.world.ships[player.ship]
            ship.wish = ship.wish._replace(thrust=False)
            self._tell_everything()

    # --- All of them ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Move the world, for ever."""
        async for late in ticks(RATE):
            self._note(late)
            self.advance()

    def advance(self) -> None:
        """One tick."""
        self._let_go()
        self.world.step()
        self._tell()

    def _note(self, late: float) -> None:
        self.counts.ticks += 1
        if late < LATE:
            return
        self.counts.late += 1
        self.counts.latest = max(late, self.counts.latest)
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= 1:
            self._told_at = now
            _logger.warning("tick %d was %.0f ms late (%d so far)", self.counts.ticks, 1000 * late, self.counts.late)

    def _let_go(self) -> None:
        """Who does not come back is gone."""
        long_ago = asyncio.get_running_loop().time() - self._grace
        for player in [player for player in self._players.values() if player.ws is None]:
            if player.gone_at < long_ago:
                del self._players[player.ship]
                self.world.leave(player.ship)
                self._tell_everything()

    def _tell_everything(self) -> None:
        """Somebody came or left: all need the names."""
        self._behind = self._connected()

    def _connected(self) -> set[WebSocket]:
        return {player.ws for player in self._players.values() if player.ws is not None}

    def _tell(self) -> None:
        players = {
            ship: protocol.Player(player.name, player.ws is None, player.tick) for ship, player in self._players.items()
        }
        connected = self._connected()
        behind, missed = connected & self._behind, set()
        if current := connected - behind:
            missed |= broadcast(current, protocol.delta(self.world, players), limit=BEHIND, slow="skip")
        if behind:
            missed |= broadcast(behind, protocol.snapshot(self.world, players), limit=BEHIND, slow="skip")
        self._behind = missed
        self.counts.sent += len(connected) - len(missed)
        self.counts.skipped += len(missed)


def listen(game: Game, host: str, port: int) -> Server:
    """The game on a port, with its page.  The world stands still until `run` moves it."""

    def show(request: Request) -> Response | None:
        if request.upgrade is not None:
            return None
        match request.target.partition("?")[0]:
            case "/":
                return Response(200, HEADERS, PAGE.read_bytes())
            case "/stats":
                facts = asdict(game.counts) | {"players": len(game.world.ships), "tick": game.world.tick}
                return Response(200, {"Content-Type": "application/json"}, json.dumps(facts))
        return Response(404, {"Content-Type": "text/plain"}, "The game is at /\n")

    # States are short, and hardly any shorter when compressed.  The pings find who has lost the network.
    return serve(
        game,
        host,
        port,
        process_request=show,
        compression=None,
        max_size=4 * protocol.LONGEST,
        ping_interval=5,
        ping_timeout=5,
    )
