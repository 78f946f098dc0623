"""A client in Python that plays by itself: `python -m examples.game.bot [URL]`."""

import argparse
import asyncio
import math
import secrets
import sys
from collections.abc import Callable
from typing import TypeAlias

from examples.game.protocol import HOPELESS, Join, ask
from examples.game.view import View
from examples.game.world import RATE, Wish
from rawws import Backoff, ConnectionClosed, HandshakeRejected
from rawws.aio import WebSocket, reconnect
from rawws.backoff import may_pass

THINKS = 5
"""It thinks about each fifth state, as people do not think all the time."""
BACKOFF = Backoff(first=0.25, most=2.0, steady=5.0)
"""The longest delay is well below the time that the ship waits."""

Say: TypeAlias = Callable[[str], object]


def choose(view: View) -> Wish:
    """To the nearest spark; at a richer ship that is close, in a dash."""
    me = view.me
    if me is None:
        return Wish()

    def to(x: float, y: float) -> float:
        return math.hypot(x - me.x, y - me.y)

    preys = [ship for ship in view.ships.values() if ship.points > me.points + 3 and to(ship.x, ship.y) < 160]
    if preys and me.points:
        prey = min(preys, key=lambda ship: to(ship.x, ship.y))
        return Wish(math.atan2(prey.y - me.y, prey.x - me.x), True, True)
    if not view.sparks:
        return Wish()
    x, y = min(view.sparks.values(), key=lambda place: to(*place))
    return Wish(math.atan2(y - me.y, x - me.x), True)


async def play(url: str, name: str, view: View, say: Say = lambda text: None) -> None:
    """Play until the server will have us no more; whenever the connection is lost, come back into the same ship."""

    def failed(error: Exception) -> None:
        if may_pass(error):
            say(f"cannot connect: {error}; trying again")

    async for ws in reconnect(url, backoff=BACKOFF, retry=failed):
        try:
            await ws.send(ask(Join(name, view.token)))
            say(f"connected to {url}")
            await _play_one(ws, view)
        except ConnectionClosed as end:
            say(f"lost the connection: {end}")
            if end.code in HOPELESS:
                return
        else:
            say("the server has closed the connection")
        finally:
            await ws.close()


async def _play_one(ws: WebSocket, view: View) -> None:
    clock = asyncio.get_running_loop().time
    # Not all bots at once.
    shift = secrets.randbelow(RATE)
    async for message in ws:
        if view.take(message, clock()):
            turn = view.tick + shift
            if turn % THINKS == 0:
                await ws.send(ask(view.steer(choose(view), clock())))
            if turn % RATE == 0:
                await ws.send(ask(view.ping(clock())))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m examples.game.bot", description="A player that plays by itself.")
    parser.add_argument("url", nargs="?", default="ws://localhost:8765/", help="of the game (ws://localhost:8765/)")
    parser.add_argument("--name", default="Bot", help="what it is called")
    arguments = parser.parse_args()
    try:
        asyncio.run(_watch(arguments.url, arguments.name))
    except KeyboardInterrupt:
        pass
    except (HandshakeRejected, OSError, ValueError) as error:
        sys.exit(f"Cannot connect: {error}")


async def _watch(url: str, name: str) -> None:
    view = View()
    playing = asyncio.create_task(play(url, name, view, lambda text: print(text, flush=True)))
    while not playing.done():
        await asyncio.wait([playing], timeout=5)
        if view.me is not None and view.trips:
            print(
                f"{view.me.points} points, {len(view.ships)} ships, {1000 * view.trips[-1]:.1f} ms there and back",
                flush=True,
            )
    playing.result()


if __name__ == "__main__":
    main()
