"""The game: a world that is a pure piece, its messages, a server that bad input does not harm, and the page."""

import asyncio
import json
import math
import os
import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.game import protocol
from examples.game.pace import Allowance, Beat
from examples.game.protocol import (
    DASHES,
    IS_AWAY,
    THRUSTS,
    Join,
    Mistake,
    Ping,
    Player,
    Steer,
    ask,
    delta,
    read,
    snapshot,
)
from examples.game.server import AT_ONCE, BEHIND, KERNEL, Game, listen
from examples.game.view import View
from examples.game.world import (
    DASH_REST,
    HEIGHT,
    LEAK,
    MOST_SHIPS,
    RADIUS,
    SHIELD,
    SPARKS,
    WIDTH,
    Ship,
    Spark,
    Wish,
    World,
)
from rawws import ConnectionClosed
from rawws.aio import WebSocket, connect
from tests.devtools import Browser, Page
from tests.examples.processes import PATIENCE, ROOT, awaited, python, running

RIGHT, LEFT = Wish(0.0, True), Wish(math.pi, True)


# --- The world --------------------------------------------------------------------------------------------------------

Act = tuple[str, int, Wish]

headings = st.integers(-128, 127).map(protocol.angle)
wishes = st.builds(Wish, headings, st.booleans(), st.booleans())
acts = st.lists(
    st.tuples(st.sampled_from(["join", "leave", "steer", "step", "step", "steps"]), st.integers(0, 5), wishes)
)


def do(world: World, act: Act) -> None:
    """One thing that happens in a world."""
    what, which, wish = act
    numbers = sorted(world.ships)
    match what:
        case "join":
            world.join()
        case "leave" if numbers:
            world.leave(numbers[which % len(numbers)])
        case "steer" if numbers:
            world.steer(numbers[which % len(numbers)], wish)
        case "step":
            world.step()
        case "steps":
            for _ in range(10 * which):
                world.step()


def empty(*ships: Ship, sparks: int = 0) -> World:
    """A world with these ships, and so many sparks, all far from them; the first ship holds all others."""
    world = World()
    world.ships = dict(enumerate(ships))
    world.sparks = [Spark(RADIUS, HEIGHT - RADIUS) if number < sparks else None for number in range(SPARKS)]
    ships[0].points = SPARKS - sparks - sum(ship.points for ship in ships[1:])
    return world


def points(world: World) -> int:
    """All sparks, held or not."""
    return sum(ship.points for ship in world.ships.values()) + len(list(world.lying()))


@given(st.integers(0, 9), acts)
def test_the_same_inputs_make_the_same_world(seed, happens):
    """There is no chance in a world but that of its seed."""
    one, other = World(seed), World(seed)
    for act in happens:
        do(one, act)
        do(other, act)

        assert one == other


@given(st.integers(0, 9), acts)
def test_sparks_are_never_made_and_never_lost_and_nobody_leaves_the_arena(seed, happens):
    """Whatever players do, all points and all sparks that lie about are as many as in the beginning."""
    world = World(seed)
    for _ in range(3):
        world.join()
    for act in happens:
        do(world, act)

        assert SPARKS == points(world)
        for ship in world.ships.values():
            assert 0 <= ship.points
            assert RADIUS <= ship.x <= WIDTH - RADIUS
            assert RADIUS <= ship.y <= HEIGHT - RADIUS
        for _, spark in world.lying():
            assert RADIUS <= spark.x <= WIDTH - RADIUS
            assert RADIUS <= spark.y <= HEIGHT - RADIUS


def test_a_ship_gathers_what_it_flies_over():
    """Held down, the key carries it to the spark, and the spark is a point."""
    world = World()
    ship = world.ships[0] = Ship(200, 500, 0.0)
    world.sparks = [Spark(400, 500)] + [Spark(1500, 900)] * (SPARKS - 1)
    world.steer(0, RIGHT)
    while not ship.points:
        world.step()

    assert (1, None, {0}) == (ship.points, world.sparks[0], world.changed)
    assert 340 < ship.x < 400


def test_who_is_faster_knocks_sparks_loose():
    """The slower one of two that meet hard loses some, and then is safe for a while; the faster one loses none."""
    world = empty(Ship(800, 500, 0.0), Ship(740, 500, 0.0, vx=600, points=20))
    held = world.ships[0].points
    while world.ships[0].points == held:
        world.step()

    assert 3 == held - world.ships[0].points
    assert 20 == world.ships[1].points
    assert world.tick + SHIELD == world.ships[0].safe
    world.ships[1].x, world.ships[1].vx, world.ships[0].vx = world.ships[0].x - 30, 600, 0
    world.step()
    assert 3 == held - world.ships[0].points
    assert world.ships[0].vx > 400, "it is pushed nevertheless"


def test_a_dash_costs_a_spark_and_needs_a_rest():
    """It jumps ahead, and one spark stays behind; at once again it does not."""
    world = empty(Ship(800, 500, 0.0))
    ship = world.ships[0]
    world.steer(0, Wish(0.0, False, True))
    world.steer(0, Wish(0.0, False, False))  # The next input does not undo it.
    world.step()
    assert (SPARKS - 1, True) == (ship.points, ship.vx > 300)
    for _ in range(DASH_REST):
        world.steer(0, Wish(0.0, False, True))
        world.step()
        assert world.tick == 1 + DASH_REST or ship.points == SPARKS - 1

    assert SPARKS - 2 == ship.points


def test_it_is_hard_to_stay_rich():
    """Now and then a tenth of what a ship holds is lost."""
    world = empty(Ship(800, 500, 0.0), sparks=50)
    for _ in range(LEAK):
        world.step()

    assert 90 == world.ships[0].points


def test_an_arena_can_be_full():
    """There are so many numbers, and one that is free again is given again."""
    world = World()
    assert list(range(MOST_SHIPS)) == [world.join() for _ in range(MOST_SHIPS)]
    assert None is world.join()
    world.leave(7)

    assert 7 == world.join()


# --- The messages -----------------------------------------------------------------------------------------------------

names = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=12)


@given(
    st.one_of(
        st.builds(Join, names, st.binary(min_size=16, max_size=16)),
        st.builds(Steer, st.integers(0, 2**32 - 1), wishes),
        st.builds(Ping, st.integers(0, 2**32 - 1)),
    )
)
def test_what_a_client_says_is_what_the_server_reads(said):
    """Round trip."""
    assert said == read(ask(said))


@given(
    st.one_of(
        st.binary(max_size=80), st.builds(lambda kind, rest: bytes([kind]) + rest, st.integers(1, 3), st.binary())
    )
)
def test_any_bytes_are_a_message_or_a_mistake(data):
    """The server raises nothing else, and a message says the same when it is written again."""
    said: protocol.Asked | Mistake
    try:
        said = read(data)
    except Mistake as mistake:
        said = mistake
    match said:
        case Mistake():
            assert protocol.MALFORMED == said.code
        case Steer() | Ping():
            assert data == ask(said)


@pytest.mark.parametrize(
    "sent, shown",
    [
        ("Ada", "Ada"),
        ("  Ada \n Lovelace\t ", "Ada Lovelace"),
        ("\u202eevil\x1b[31m", "evil[31m"),
        ("x" * 40, "x" * 16),
    ],
)
def test_a_name_can_be_shown(sent, shown):
    """No control characters, none that turn the line around, and not too long."""
    assert Join(shown) == read(ask(Join(sent)))


@given(acts, st.integers(0, 9))
def test_a_client_knows_the_world_from_a_snapshot_and_deltas(happens, seed):
    """Whoever has seen one snapshot and every delta since knows the same as who sees a snapshot now."""
    world = World(seed)
    world.join()
    view = View(ship=0)
    view.take(snapshot(world, players_of(world)), 0.0)
    for act in happens:
        do(world, act if act[0] != "steps" else ("step", *act[1:]))
        players = players_of(world)
        # As in the server: who comes and goes is told in a snapshot.
        tell = delta if act[0] in ("step", "steps") else snapshot
        if act[0] != "steer":
            view.take(tell(world, players), 0.0)
    world.step()
    view.take(delta(world, players_of(world)), 0.0)
    anew = View(ship=0)
    anew.take(snapshot(world, players_of(world)), 0.0)

    assert (anew.ships, anew.sparks, anew.tick) == (view.ships, view.sparks, view.tick)
    assert dict(world.lying()).keys() == view.sparks.keys()
    for number, ship in world.ships.items():
        assert (ship.points, True) == (view.ships[number].points, abs(view.ships[number].x - ship.x) < 1 / 16)


def players_of(world: World) -> dict[int, Player]:
    """A name for each ship."""
    return {number: Player(f"Ship {number}") for number in world.ships}


# --- Pace -------------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 0.9), min_size=1, max_size=50))
def test_a_beat_does_not_drift(delays):
    """However late ticks begin, each is due at a time that was clear before, and each says how late it was."""
    beat, now = Beat(20, 100.0), 100.0
    for number, delay in enumerate(delays, 1):
        assert 100 + number / 20 == pytest.approx(beat.due)
        now = max(now, beat.due + delay)
        if now - beat.due > 1:
            break
        assert max(0, now - (100 + number / 20)) == pytest.approx(beat.begin(now))


def test_after_a_long_sleep_the_beat_begins_anew():
    """Nobody wants to see an hour's ticks at once."""
    beat = Beat(20, 0.0)

    assert 3600 - 0.05 == pytest.approx(beat.begin(3600.0))
    assert 3600.05 == pytest.approx(beat.due)


def test_an_allowance_is_for_so_many_at_once_and_for_a_rate():
    """What was not used is saved up, but not more than there was in the beginning."""
    allowance = Allowance(10, 3, 0.0)

    assert [True] * 3 + [False] == [allowance.spend(0.0) for _ in range(4)]
    assert [True] * 3 + [False] == [allowance.spend(60.0) for _ in range(4)]
    assert not allowance.spend(60.05)
    assert allowance.spend(60.4)


# --- The server, over real sockets ------------------------------------------------------------------------------------


class Guest:
    """A player whose every step is ours."""

    def __init__(self, ws: WebSocket) -> None:
        self.ws = ws
        self.view = View()

    async def join(self, name: str = "Ada", token: bytes = bytes(16)) -> "Guest":
        """Say who one is, and hear the welcome."""
        await self.ws.send(ask(Join(name, token)))
        self.view.take(await self.ws.recv(), 0.0)
        return self

    async def see(self, arena: "Arena", ticks: int = 1) -> View:
        """Have the world move, and look at it."""
        for _ in range(ticks):
            arena.game.advance()
            while not self.view.take(await self.ws.recv(), 0.0):
                pass
        return self.view

    async def steer(self, wish: Wish) -> None:
        """Say what the ship is to do, and wait until the server knows: it has answered what was said after it."""
        await self.ws.send(ask(self.view.steer(wish, 0.0)))
        await self.settle()

    async def settle(self) -> None:
        """Wait until the server has read all that was said."""
        trips = len(self.view.trips)
        await self.ws.send(ask(self.view.ping(0.0)))
        while len(self.view.trips) == trips:
            self.view.take(await self.ws.recv(), 0.0)

    async def flood(self) -> None:
        """Say something for ever."""
        with suppress(ConnectionClosed):
            while True:
                await self.ws.send(ask(Ping(0)))

    async def end(self) -> ConnectionClosed:
        """Wait for the end of the connection; how it was."""
        while True:
            try:
                await self.ws.recv()
            except ConnectionClosed as end:
                return end


class Arena:
    """A server with no clock: a tick is when a test says so."""

    def __init__(self, game: Game, url: str, stack: AsyncExitStack) -> None:
        self.game = game
        self.url = url
        self._stack = stack

    async def connect(self, **options: Any) -> Guest:
        """A connection that has not joined."""
        return Guest(await self._stack.enter_async_context(connect(self.url, **options)))

    async def join(self, name: str = "Ada", token: bytes = bytes(16)) -> Guest:
        """A player."""
        return await (await self.connect()).join(name, token)

    async def gone(self, ship: int) -> None:
        """Wait until the server knows that a player's connection has ended."""
        while self.game._players[ship].ws is not None:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def arena(**options: Any) -> AsyncIterator[Arena]:
    """A game that listens."""
    game = Game(seed=1, **options)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(listen(game, "127.0.0.1", 0))
        yield Arena(game, f"ws://127.0.0.1:{server.port}/", stack)


@awaited
async def test_players_see_each_other_move():
    """What one steers all see, with the names, and with the tick that the one had seen."""
    async with arena() as here:
        ada, grace = await here.join("Ada"), await here.join("Grace")
        await ada.see(here)
        seen = await grace.see(here)
        assert {0: "Ada", 1: "Grace"} == seen.names
        before = seen.ships[0].x
        to = LEFT if before > WIDTH / 2 else RIGHT
        await ada.see(here, 0)
        ada.view.take(await ada.ws.recv(), 0.0)
        await ada.steer(to)
        seen = await grace.see(here, 25)

    assert 20 < abs(seen.ships[0].x - before)
    assert 2 == seen.ships[0].tick
    assert 0 == seen.lost == ada.view.lost


BAD = {
    "a text": ("hello", 1003, "messages are binary here"),
    "nothing": (b"", 4000, "no message of version 1: kind 0, 0 bytes"),
    "unknown kind": (b"\x09\x00\x00", 4000, "no message of version 1: kind 9, 3 bytes"),
    "what a server says": (b"\x84\x00\x00\x00\x01", 4000, "no message of version 1: kind 132, 5 bytes"),
    "too short": (bytes([2, 0, 0, 0, 1, 0]), 4000, "no message of version 1: kind 2, 6 bytes"),
    "too long": (bytes([2, 0, 0, 0, 1, 0, 0, 0]), 4000, "no message of version 1: kind 2, 8 bytes"),
    "unknown flags": (bytes([2, 0, 0, 0, 1, 0, 8]), 4000, "no message of version 1: kind 2, 7 bytes"),
    "from the future": (bytes([2, 0, 0, 0, 99, 0, 1]), 4001, "there was no tick 99 yet, but 1"),
    "a second join": (ask(Join("Eve")), 4000, "joined already"),
    "much too long": (bytes(1000), 1009, ""),
}


@pytest.mark.parametrize("case", BAD)
@awaited
async def test_bad_input_is_answered_with_a_code_and_harms_nobody(case):
    """The connection is closed and told why, and the game goes on for the others."""
    message, code, reason = BAD[case]
    async with arena() as here:
        ada, eve = await here.join(), await here.join("Eve")
        here.game.advance()
        await eve.ws.send(message)
        ending = await eve.end()
        await here.gone(1)
        assert (code, True) == (ending.code, ending.reason.startswith(reason))

        seen = await ada.see(here, 3)
        assert (0, {0: "Ada", 1: "Eve"}) == (seen.lost, seen.names)


@awaited
async def test_who_joins_with_anything_else_is_closed():
    """The first message is a join, of the version that is spoken."""
    async with arena() as here:
        for message in (ask(Ping(1)), b"\x01\x02" + bytes(16)):
            guest = await here.connect()
            await guest.ws.send(message)
            assert protocol.MALFORMED == (await guest.end()).code


@awaited
async def test_who_talks_too_much_is_closed():
    """A flood ends with 4002; a player who sends what a page sends is far from it."""
    async with arena() as here:
        ada = await here.join()
        await ada.see(here)
        for _ in range(AT_ONCE):
            await ada.settle()
        flood = asyncio.create_task(ada.flood())
        ending = await ada.end()
        flood.cancel()

    assert (4002, "too many messages") == (ending.code, ending.reason)


@awaited
async def test_what_was_wanted_about_an_older_state_is_ignored():
    """Also a second time about the same: a player has one word for each state."""
    async with arena() as here:
        ada = await here.join()
        await ada.see(here, 5)
        await ada.steer(RIGHT)
        await ada.ws.send(bytes([protocol.STEER, 0, 0, 0, 5, 128, THRUSTS]))
        await ada.ws.send(bytes([protocol.STEER, 0, 0, 0, 3, 128, THRUSTS | DASHES]))
        await ada.settle()

        assert RIGHT == here.game.world.ships[0].wish


@awaited
async def test_who_loses_the_connection_comes_back_into_the_own_ship():
    """The ship is shown as away and stops flying, and the token opens it again, with its points."""
    async with arena() as here:
        ada, grace = await here.join("Ada"), await here.join("Grace")
        here.game.world.ships[0].points = 7
        await ada.see(here)
        await ada.steer(RIGHT)
        ada.ws.abort()
        await here.gone(0)
        seen = await grace.see(here, 2)
        assert (True, 7) == (bool(seen.ships[0].flags & IS_AWAY), seen.ships[0].points)
        assert not here.game.world.ships[0].wish.thrust

        again = await here.join("whatever", ada.view.token)
        seen = await again.see(here)

        assert (0, ada.view.token, 7) == (again.view.ship, again.view.token, seen.ships[0].points)
        assert (False, "Ada") == (bool(seen.ships[0].flags & IS_AWAY), seen.names[0])


@awaited
async def test_who_does_not_come_back_is_gone():
    """After some seconds there is a ship less, its sparks lie about, and the token opens nothing."""
    async with arena(grace=0.0) as here:
        ada, grace = await here.join("Ada"), await here.join("Grace")
        await grace.see(here)
        world = here.game.world
        all_of_them = points(world)
        ada.ws.abort()
        await here.gone(0)
        await asyncio.sleep(0.01)
        seen = await grace.see(here, 2)
        assert ({1: "Grace"}, {1}, all_of_them) == (seen.names, seen.ships.keys(), points(world))

        again = await here.join("Ada", ada.view.token)
        assert ada.view.token != again.view.token


@awaited
async def test_the_newer_of_two_connections_of_a_player_counts():
    """The other one is told, and its inputs count no more."""
    async with arena() as here:
        ada = await here.join()
        again = await here.join("Ada", ada.view.token)
        ending = await ada.end()
        seen = await again.see(here)

    assert (4004, "you play elsewhere") == (ending.code, ending.reason)
    assert ({0}, 0) == (seen.ships.keys(), seen.ships[0].flags & IS_AWAY)


@awaited
async def test_a_full_arena_says_so():
    """With 4003, which is worth another try later."""
    async with arena() as here:
        for _ in range(MOST_SHIPS):
            await here.join()
        late = await here.connect()
        await late.ws.send(ask(Join("Late")))
        ending = await late.end()

    assert (4003, "the arena is full") == (ending.code, ending.reason)
    assert ending.code not in protocol.HOPELESS


@awaited
async def test_a_slow_reader_is_left_out_and_then_told_everything():
    """What waits for it is bounded, others miss nothing, and when it reads again it knows all after one state."""
    async with arena() as here:
        ada = await here.join("Ada")
        slow = await here.connect(sock=small_socket(here.url), receive_limit=1024)
        await slow.join("Slow")
        for number in range(20):
            await here.join(f"Extra {number}")
        while here.game.counts.skipped < 1000:
            await ada.see(here)
        read = 0
        while slow.view.tick < here.game.world.tick:
            message = await slow.ws.recv()
            slow.view.take(message, 0.0)
            read += len(message)
            if here.game.counts.sent and slow.view.states % 10 == 0:
                await ada.see(here)
        await ada.see(here, 0)

        assert (ada.view.ships, ada.view.sparks, ada.view.names) == (slow.view.ships, slow.view.sparks, slow.view.names)
        assert (0, True) == (ada.view.lost, slow.view.lost >= 1)
        assert read < BEHIND + 6 * KERNEL


def small_socket(url: str) -> socket.socket:
    """A connection whose kernel takes little."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port_of(url)))
    return sock


# --- As it is started -------------------------------------------------------------------------------------------------


@contextmanager
def served(*options: str, port: int = 0, named: str = "localhost") -> Iterator[str]:
    """`python -m examples.game`, until the block ends; where it serves."""
    with running(*python("examples.game", "--port", str(port), *options)) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.fullmatch(rf"Open http://{re.escape(named)}:\d+/ in a browser, .* Ctrl-C ends it\.\n", line)
        yield line.split()[1]
    assert 0 == process.returncode


def port_of(url: str) -> int:
    """The port in the address of a page."""
    return int(url.rpartition(":")[2].strip("/"))


def press(page: Page, code: str, is_down: bool = True) -> None:
    """Press a key in a page, or let it go."""
    page.tell("Input.dispatchKeyEvent", type="keyDown" if is_down else "keyUp", code=code, key=code)


def join_in(browser: Browser, url: str, name: str, *size: int) -> Page:
    """A page that plays: its name is typed in, as a person does it."""
    page = browser.open(url, *size)
    page.until("document.activeElement === at('name')")
    page("at('name').select()")
    page.tell("Input.insertText", text=name)
    for kind in ("keyDown", "keyUp"):
        page.tell("Input.dispatchKeyEvent", type=kind, code="Enter", key="Enter", text="\r", windowsVirtualKeyCode=13)
    page.until(f"document.body.className === 'open' && names.get(ship) === {json.dumps(name)}")
    return page


Done = Callable[[], None]


def by_key(page: Page, to_the_right: bool) -> tuple[Done, Done]:
    """How to fly with a key, and how to stop."""
    key = "KeyD" if to_the_right else "ArrowLeft"
    return partial(press, page, key), partial(press, page, key, False)


def by_finger(page: Page, to_the_right: bool) -> tuple[Done, Done]:
    """How to fly with a finger that is moved, and how to stop."""

    def touch(kind: str, *xs: int) -> None:
        page.tell("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": 600} for x in xs])

    def fly() -> None:
        touch("touchStart", 200)
        touch("touchMove", 260 if to_the_right else 140)

    return fly, partial(touch, "touchEnd")


SEEN = "states.at(-1).ships.get({})"


def test_pages_see_each_other_and_come_back(browser):
    """Three pages: a key moves a ship on each of them; when the server goes each says so, and each comes back."""
    with served("--bots", "0", "--seed", "1", "--grace", "2") as url:
        pages = [join_in(browser, url, name, 640, 480) for name in ("Hedy", "Katherine")]
        pages.append(join_in(browser, url, "Radia", 390, 844))
        pages[2].resize(390, 844, phone=True)
        for page in pages:
            page.until("names.size === 3 && at('board').children.length === 3 && trip !== null")
        ways = [by_key, by_key, by_finger]
        for number, page in enumerate(pages):
            me = page("ship")
            before = [one(SEEN.format(me) + ".x") for one in pages]
            fly, stop = ways[number](page, before[0] < WIDTH / 2)
            fly()
            for one, x in zip(pages, before):
                one.until(f"Math.abs({SEEN.format(me)}.x - {x}) > 60 && {SEEN.format(me)}.flags & IS_THRUSTING")
            stop()
            pages[number - 1].until(f"!({SEEN.format(me)}.flags & IS_THRUSTING)")
            page.until("answer !== null && /^[0-9.]+ ms$/.test(at('trip').textContent)")
        comes_back_into_the_own_ship(*pages[:2])
        leaves(*pages[1:])
    for page in pages[:2]:
        page.until("document.body.className === 'lost' && !at('bar').hidden && at('bar').className === ''")
        assert page("at('told').textContent").startswith("Connection lost. Trying again")
        assert "true" == page("String(!at('now').hidden)")
    with served("--bots", "3", port=port_of(url)):
        for page in pages[:2]:
            page.until("document.body.className === 'open' && at('bar').className === 'back'")
            assert "Connected again, in a new ship." == page("at('told').textContent")
            page.until("names.size === 5 && states.length && at('bar').hidden")
        pages[1]("socket.send(new Uint8Array([9]))")
        pages[1].until(
            "!at('ask').hidden && at('why').textContent === 'no message of version 1: kind 9, 1 bytes (4000).'"
        )
        if os.environ.get("RAWWS_SCREENSHOT"):
            take_picture(pages[0])


def test_a_page_that_is_hidden_keeps_few_states(browser):
    """Nothing is drawn there, so nothing is kept for it: not the states, and not the sparks that were gathered."""
    with served("--bots", "3") as url:
        page = join_in(browser, url, "Mary", 640, 480)
        page("requestAnimationFrame = () => 0, Object.defineProperty(document, 'hidden', {value: true}), pops = [], 0")
        page("before = tick, 0")
        page.until("tick > before + 90")

        assert page("states.length") <= 60
        page("place = [...sparks.keys()][0], reach({ sparks: new Map([[place, null]]) }), 0")
        assert [False, 0] == page("[sparks.has(place), pops.length]")


def test_a_page_makes_a_long_name_short_enough(browser):
    """It sends 48 bytes of it at most, in whole characters, so that it may play."""
    with served("--bots", "0") as url:
        page = browser.open(f"{url}?name={'A' * 60}", 640, 480)
        page.until("names.get(ship) === 'A'.repeat(16)")

        assert [48, 0] == page("[written('A'.repeat(60)).length, written('').length]")
        assert "Aééééééééééééééééééééééé" == page("new TextDecoder().decode(written('A' + 'é'.repeat(60)))")


def test_a_page_says_what_it_waits_for(browser):
    """A full arena is no lost connection; and the cards are below what is said, also on a phone."""
    with served("--bots", "0") as url:
        page = join_in(browser, url, "Annie", 640, 480)
        told = page("(socket.onclose({ code: 4003, reason: 'the arena is full' }), at('told').textContent)")
        assert "The arena is full. Trying again …" == told
        page.until("document.body.className === 'open' && at('bar').hidden")

        page.resize(320, 640, phone=True)
        page("bar('The arena is full. Trying again in 3 s …')")
        page.until("at('facts').getBoundingClientRect().top > at('bar').getBoundingClientRect().bottom")
        page.until("at('board').getBoundingClientRect().top > at('bar').getBoundingClientRect().bottom")
        assert 1 == page(
            "at('now').firstChild && (r => (r.selectNodeContents(at('now')), r.getClientRects().length))"
            "(document.createRange())"
        )


def comes_back_into_the_own_ship(page: Page, other: Page) -> None:
    """The page hears nothing more, as in a tunnel: it notices by itself, and comes back."""
    me = page("ship")
    page("socket.onmessage = null")
    page.until("document.body.className === 'open' && at('told').textContent === 'Back in your ship.'")
    assert me == page("ship")
    other.until(f"!({SEEN.format(me)}.flags & IS_AWAY)")


def leaves(other: Page, page: Page) -> None:
    """A page that is closed is away at once, and gone after a while, and this is told."""
    me = page("ship")
    page.tell("Page.navigate", url="about:blank")  # It may be kept for the way back, and must not keep its ship.
    other.until(f"{SEEN.format(me)}.flags & IS_AWAY && document.querySelector('#board .away')")
    other.until("names.size === 2 && /Radia has left/.test(at('news').textContent)")


def take_picture(page: Page) -> None:
    """For the README: RAWWS_SCREENSHOT=1 pytest tests/examples/test_game.py."""
    page.resize(1100, 705)
    press(page, "ArrowRight")
    page.until("camera.me?.x > 700 || camera.me?.x > 1500")
    press(page, "ArrowUp")
    page.until("rank() || sparks.size < 130")
    (ROOT / "docs/images/game.png").write_bytes(page.screenshot())


def test_a_bot_in_a_terminal_comes_back():
    """It says that the connection is lost, and plays on when the server is there again."""
    with ExitStack() as stack:
        with served("--bots", "0") as url:
            where = url.replace("http", "ws")
            bot = stack.enter_context(running(*python("examples.game.bot", where, "--name", "Robin")))
            assert bot.stdout is not None
            assert f"connected to {where}\n" == next(bot.stdout)
        told = next(line for line in bot.stdout if "points" not in line)
        assert told.startswith(("the server has closed", "lost the connection"))
        told = next(bot.stdout)
        assert re.fullmatch(r"cannot connect: .+; trying again\n", told)
        with served("--bots", "0", port=port_of(url)):
            told = next(line for line in bot.stdout if not line.startswith("cannot connect: "))
            assert f"connected to {where}\n" == told


@pytest.mark.parametrize(("host", "named"), [("::1", "[::1]"), ("::", "[::1]"), ("0.0.0.0", "127.0.0.1")])
def test_bots_find_a_server_on_any_host(host, named):
    """What is opened is an address that one can go to, in brackets where it has colons; the bots go there too."""
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with served("--bots", "2", "--host", host, named=named) as url:
        deadline = time.monotonic() + PATIENCE
        while json.load(urlopen(url + "stats", timeout=PATIENCE))["players"] < 2:
            assert time.monotonic() < deadline, "the bots do not come"
            time.sleep(0.05)


def test_a_port_that_is_in_use():
    """One line says so."""
    with served("--bots", "0") as url:
        command = python("examples.game", "--port", str(port_of(url)))
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)

    assert (1, "") == (done.returncode, done.stdout)
    assert f"Port {port_of(url)} is in use; --port 0 takes any that is free.\n" == done.stderr


def test_the_load_run_loses_nothing():
    """A short one: every state that was sent was seen, and it says how long things took."""
    with running(*python("examples.game.load", "--players", "5", "--seconds", "1.5")) as load:
        told, _ = load.communicate(timeout=PATIENCE)

    assert 0 == load.returncode
    assert re.search(r"^states lost +0$", told, re.M)
    assert re.search(r"^ping to pong +p50 [\d.]+ ms, p99 [\d.]+ ms", told, re.M)
