"""The feed: books that are told in changes, readers that are slow, pages in a browser."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from copy import deepcopy
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.feed.book import TRAIL, Book, Delta, Gap, Position, difference, merge
from examples.feed.hub import KEPT, Hub, Line
from examples.feed.market import SYMBOLS, Market
from examples.feed.server import WAITING, listen, serving
from examples.feed.view import View
from rawws import ConnectionClosed
from rawws.aio import WebSocket, connect
from tests.examples.feeding import EURO, SECONDS, in_time, port_of, running
from tests.examples.processes import ROOT, python

NAMES = [symbol.symbol for symbol in SYMBOLS]

levels = st.dictionaries(st.integers(1, 12), st.integers(1, 5), max_size=8)
sides = st.tuples(levels, levels)


# --- The book ---------------------------------------------------------------------------------------------------------


class History(NamedTuple):
    """All states of a book, and what leads from each to the next."""

    states: list[Book]
    deltas: list[Delta]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A book that changes a few times, in any way."""
    states = [Book("A/B", "run", 0, 1, *draw(sides), [1])]
    deltas = []
    for price, (bids, asks) in enumerate(draw(st.lists(sides, max_size=12)), 2):
        before = states[-1]
        changes = difference(before.bids, bids), difference(before.asks, asks)
        deltas.append(Delta("A/B", "run", before.sequence, before.sequence + 1, *changes, (price,), 0.0))
        states.append(Book("A/B", "run", before.sequence + 1, 1, bids, asks, [*before.prices, price]))
    return History(states, deltas)


def over_the_wire(told: Any) -> Any:
    """A book or a delta as the other side has it."""
    return type(told).from_json(json.loads(told.to_json()))


@given(histories(), st.data())
def test_a_snapshot_and_what_follows_it_make_the_state(history, data):
    """From any snapshot on, deltas lead to the same state, merged or not."""
    begin = data.draw(st.integers(0, len(history.deltas)))
    book = over_the_wire(history.states[begin])
    rest = history.deltas[begin:]
    while rest:
        many = data.draw(st.integers(1, len(rest)))
        assert book.take(over_the_wire(merge(rest[:many])))
        rest = rest[many:]

    assert history.states[-1] == book


@given(histories(), st.data())
def test_what_is_old_does_no_harm(history, data):
    """A delta that begins before the state that a reader has leads to the same as one that begins there."""
    end = data.draw(st.integers(0, len(history.deltas)))
    begin = data.draw(st.integers(0, end))
    here = data.draw(st.integers(begin, len(history.deltas)))
    book = deepcopy(history.states[here])
    news = bool(history.deltas[begin:end]) and book.take(merge(history.deltas[begin:end]))

    assert (end > here) == news
    assert history.states[max(here, end)] == book


@given(histories(), st.data())
def test_a_hole_is_seen_and_changes_nothing(history, data):
    """A delta that begins behind the state that is here is a gap, and so is one of another run."""
    for here, delta in ((h, d) for h in range(len(history.states)) for d in history.deltas if d.after > h):
        book = deepcopy(history.states[here])
        with pytest.raises(Gap):
            book.take(delta)
        assert history.states[here] == book


def test_another_run_is_a_gap():
    """Numbers mean nothing in another life of the producer."""
    market, other = Market("a", 1), Market("b", 1)

    with pytest.raises(Gap):
        market.books[EURO].take(other.step(EURO, 0.0))


def test_the_same_seed_makes_the_same_prices():
    """And no book is ever crossed or empty."""
    one, two = Market("a", 7), Market("a", 7)
    for _ in range(500):
        assert one.step(EURO, 0.0) == two.step(EURO, 0.0)
        assert max(one.books[EURO].bids) < min(one.books[EURO].asks)

    assert one.books == two.books
    assert TRAIL == len(one.books[EURO].prices)


@pytest.mark.parametrize("away", [0, 1, 2, KEPT - 1, KEPT, KEPT + 1, 400])
def test_who_was_away_is_brought_up_to_date(away):
    """With one delta if what was missed is still kept, else with a snapshot; with nothing if there was nothing."""
    market = Market("run", 3)
    line = Line(deepcopy(market.books[EURO]), set())
    for _ in range(500 - away):
        line.take(market.step(EURO, 0.0))
    reader = over_the_wire(line.book)
    for _ in range(away):
        line.take(market.step(EURO, 0.0))

    news = line.since(reader.position)

    assert (type(None) if away == 0 else Delta if away <= KEPT else Book) is type(news)
    if isinstance(news, Delta):
        reader.take(over_the_wire(news))
        assert market.books[EURO] == reader


@pytest.mark.parametrize("position", [None, Position("old", 0), Position("run", TRAIL - 1), Position("run", 10**9)])
def test_who_comes_from_nowhere_gets_a_snapshot(position):
    """From no state, one of another run, one that is not kept, one that there never was."""
    line = Line(Market("run", 3).books[EURO], set())

    assert line.book is line.since(position)


# --- The server -------------------------------------------------------------------------------------------------------


class Exchange:
    """A server in this process, whose prices move when it is told to."""

    def __init__(self, url: str, hub: Hub, market: Market) -> None:
        self.url = url
        self.hub = hub
        self.market = market
        self.readers: list[Reader] = []

    async def move(self, *symbols: str, until_read: bool = True) -> None:
        """Let prices move, and wait until all quick readers have them."""
        for symbol in symbols:
            self.hub.publish(self.market.step(symbol, 0.0))
        await asyncio.sleep(0)
        while not all(reader.has_all_of(self.market) for reader in self.readers if until_read):
            await asyncio.sleep(0.001)

    @asynccontextmanager
    async def reading(self, *symbols: str, view: View | None = None) -> AsyncIterator["Reader"]:
        """A reader who is quick, and has read what there is."""
        async with connect(self.url) as ws:
            reader = Reader(ws, view or View(symbols))
            task = asyncio.create_task(reader.run())
            self.readers.append(reader)
            await self.move()
            yield reader
            self.readers.remove(reader)
        await task


class Reader:
    """Somebody who reads what comes as it comes."""

    def __init__(self, ws: WebSocket, view: View) -> None:
        self.ws = ws
        self.view = view
        self.told: list[str] = []

    async def run(self) -> None:
        """Read, until the connection ends."""
        for request in self.view.requests():
            await self.ws.send(request)
        async for message in self.ws:
            self.told.append(json.loads(message)["type"])
            if (request := self.view.take(message)) is not None:
                await self.ws.send(request)

    def has_all_of(self, market: Market) -> bool:
        """Whether it has the present state of all that it wants."""
        return all(self.view.books.get(symbol) == market.books[symbol] for symbol in self.view.wanted)


@asynccontextmanager
async def exchange(port: int = 0, market: Market | None = None, tick: float = SECONDS) -> AsyncIterator[Exchange]:
    """A server that is told when prices move."""
    hub, market = Hub(), market or Market("run", 5)
    for book in market.books.values():
        hub.replace(deepcopy(book))
    sock = listen("127.0.0.1", port)
    url = f"ws://127.0.0.1:{sock.getsockname()[1]}/"
    async with serving(hub, sock, tick):
        yield Exchange(url, hub, market)


@in_time
async def test_a_reader_gets_a_snapshot_and_then_every_change():
    """Of the symbols that it follows, and of no other."""
    async with exchange() as feed, feed.reading(EURO, "USD/TRY") as reader:
        for _ in range(50):
            await feed.move(EURO, "USD/TRY", "XAU/USD")

    assert {EURO, "USD/TRY"} == reader.view.books.keys()
    assert ["welcome", "snapshot", "snapshot", *["delta"] * 100] == reader.told
    assert 0 == reader.view.gaps


@in_time
async def test_a_reader_unsubscribes():
    """Then it hears nothing more of that symbol, and goes on from where it was when it subscribes again."""
    async with exchange() as feed, feed.reading(EURO, "USD/TRY") as reader:
        reader.view.wanted.remove(EURO)
        await reader.ws.send(json.dumps({"type": "unsubscribe", "symbol": EURO}))
        while feed.hub.lines[EURO].followers:
            await asyncio.sleep(0.001)
        await feed.move(EURO, EURO, "USD/TRY")
        reader.view.wanted.append(EURO)
        await reader.ws.send(reader.view.requests()[-1])
        await feed.move()

    assert ["welcome", "snapshot", "snapshot", "delta", "delta"] == reader.told


@pytest.mark.parametrize(("missed", "told"), [(10, "delta"), (KEPT + 10, "snapshot")])
@in_time
async def test_a_reader_comes_back(missed, told):
    """After a reconnect it is told what it missed in one message: the changes if they are kept, else a snapshot."""
    async with exchange() as feed:
        async with feed.reading(EURO) as reader:
            await feed.move(EURO)
        for _ in range(missed):
            await feed.move(EURO)
        async with feed.reading(view=reader.view) as again:
            await feed.move(EURO)

    assert ["welcome", told, "delta"] == again.told


@in_time
async def test_a_reader_who_sees_a_gap_asks_again():
    """And is told the difference; what comes meanwhile makes it ask no second time."""
    async with exchange() as feed, feed.reading(EURO) as reader:
        before = deepcopy(reader.view.books[EURO])
        await feed.move(EURO)
        reader.view.books[EURO] = before
        await feed.move(EURO)

    assert 1 == reader.view.gaps
    assert ["welcome", "snapshot", "delta", "delta", "delta"] == reader.told


@in_time
async def test_slow_readers_are_conflated_and_nobody_waits_for_them():
    """Who does not read is sent no more than fits its buffers; when it reads again, it has the newest state at once.

    Meanwhile the quick ones get every change as it happens, and the memory of the server does not grow.
    """
    few = NAMES[:3]
    async with exchange() as feed, feed.reading(*few) as quick, not_reading(feed.url) as slow:
        for request in (view := View(few)).requests():
            await slow.send(request)
        tracemalloc.start()
        try:
            for _ in range(2 * KEPT):
                await feed.move(*few)
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(2 * KEPT):
                await feed.move(*few)
                quick.told.clear()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert 0 < feed.hub.conflated
        size = sum(len(feed.market.books[name].to_json()) for name in few)
        read = 0
        while any(view.books.get(name) != feed.market.books[name] for name in few):
            message = await slow.recv()
            read += len(message)
            assert view.take(message) is None

    assert 0 == view.gaps == quick.view.gaps == quick.view.conflated
    assert 1 <= view.conflated <= 20
    # Its own buffers, ours, those of the kernel, and then the newest state.
    assert read < 16 * WAITING + 2 * size
    assert grown < 64 * 1024


@in_time
async def test_a_market_that_stands_still_is_no_silence():
    """Who was told no news for a while hears that the server is there, and whoever was told some hears only these."""
    async with exchange(tick=0.05) as feed, feed.reading(EURO) as reader:
        await feed.move(EURO)
        while reader.told.count("still here") < 3:
            await asyncio.sleep(0.001)
    async with exchange() as feed, feed.reading(EURO) as told, feed.reading("USD/TRY") as other:
        feed.hub.reassure([])
        await feed.move(EURO)
        feed.hub.reassure(feed.hub.lines[EURO].followers | feed.hub.lines["USD/TRY"].followers)
        await feed.move(EURO, "USD/TRY")

    assert [] == reader.view.errors
    assert ["welcome", "snapshot", "delta", "delta"] == told.told
    assert ["welcome", "snapshot", "still here", "delta"] == other.told


@asynccontextmanager
async def not_reading(url: str) -> AsyncIterator[WebSocket]:
    """A connection with small buffers, from which nobody reads for now."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port_of(url)))
    async with connect(url, sock=sock, receive_limit=1024) as ws:
        yield ws


BAD = {
    "": "this is no JSON: Expecting value: line 1 column 1 (char 0)",
    "[" * 1000: "this is no JSON: ",
    "[]": 'the "type" of a message is "subscribe" or "unsubscribe"',
    '{"type": "buy"}': 'the "type" of a message is "subscribe" or "unsubscribe"',
    '{"type": "subscribe"}': 'it takes a "symbol", and to go on from a state the "run" and the "sequence" of that',
    '{"type": "subscribe", "symbol": "EUR/USD", "sequence": "5", "run": "x"}': 'it takes a "symbol"',
    '{"type": "unsubscribe", "symbol": 5}': 'it takes a "symbol"',
    '{"type": "subscribe", "symbol": "ABC\\ud800"}': "there is no symbol 'ABC\\ud800'; there are EUR/TRY, ",
    b"\xff": "messages are text here, not binary",
}


@in_time
async def test_bad_input_gets_an_answer_and_harms_nobody():
    """Each mistake is answered in plain words, and the connection goes on, as do all others."""
    async with exchange() as feed, feed.reading(EURO) as other, feed.reading(EURO) as reader:
        for message in BAD:
            await reader.ws.send(message)
        while len(reader.view.errors) < len(BAD):
            await feed.move(EURO)

    assert [] == [(said, want) for said, want in zip(reader.view.errors, BAD.values()) if not said.startswith(want)]
    assert [] == other.view.errors
    assert 0 == reader.view.gaps == other.view.gaps


@in_time
async def test_who_goes_on_and_on_is_told_to_go():
    """Somebody who says nothing but nonsense is closed with 1008."""
    async with exchange() as feed, connect(feed.url) as ws:
        with suppress(ConnectionClosed):
            for _ in range(100):
                await ws.send("nonsense")
                await ws.recv()

    assert (1008, "too much that cannot be understood") == (ws.close_code, ws.close_reason)


# --- As it is started -------------------------------------------------------------------------------------------------


def test_pages_move_and_come_back(browser, tmp_path):
    """Three pages: prices move on each; when the server goes each says so, and when it is back each has a right book.

    A right book is one that never had a gap, is not crossed, and has ten prices on each side.
    """
    with running("--rate", "10") as url:
        pages = [browser.open(url), browser.open(url + "#USD%2FTRY", 390, 844), browser.open(url + "#XAU%2FTRY")]
        for page in pages:
            page.until("counts.changes > 80 && document.querySelector('#asks li')")
            before = page("document.title")
            page.until(f"document.title !== {json.dumps(before)}")
            assert RIGHT == page(LOOK)
        assert ["EUR/USD", "USD/TRY", "XAU/TRY"] == [page("at('pair').textContent") for page in pages]
    for page in pages:
        page.until("at('bar').className === 'lost' && !at('bar').hidden && at('main').className === 'stale'")
        assert page("at('told').textContent").startswith("Connection lost at ")
        assert page("at('state').textContent") in ("connection lost", "connecting")
        page("const before = books.get('EUR/USD').run;")
    with running("--rate", "10", port=port_of(url)):
        for page in pages:
            page.until("at('bar').className === 'back' && at('main').className === ''")
            page.until("[...books.values()].every(book => book.run !== before && book.sequence > 245)")
            assert RIGHT == page(LOOK)
        if os.environ.get("RAWWS_SCREENSHOT"):
            take_picture(pages[0])


RIGHT = {"gaps": 0, "sizes": [[10, 10]], "crossed": False, "state": "live", "rows": 8}
LOOK = """({
  gaps: counts.gaps, state: at('state').textContent, rows: document.querySelectorAll('#rows tr').length,
  sizes: [...new Set([...books.values()].map(({ bids, asks }) => `[${bids.size}, ${asks.size}]`))].map(JSON.parse),
  crossed: [...books.values()].some(book => best(book)[0] >= best(book)[1]),
})"""


def test_a_mute_server_is_found_out(browser):
    """When nothing comes for long a page takes the connection for lost, though TCP has not noticed, and comes back."""
    with running() as url:
        page = browser.open(url + "#%")
        page.until("at('state').textContent === 'live' && document.querySelector('#asks li')")
        server = page("counts.process")
        os.kill(server, signal.SIGSTOP)
        try:
            page("(silence = 300, watch(silence))")
            page.until("at('state').textContent === 'connection lost'")
        finally:
            os.kill(server, signal.SIGCONT)
        page("silence = 15000")
        page.until("at('state').textContent === 'live' && at('bar').className === 'back'")
        assert "EUR/USD" == page("at('pair').textContent")
        page.tell("Page.close")


def test_a_change_of_nothing_has_no_sign(browser):
    """What rounds to nothing is neither up nor down."""
    with running() as url:
        page = browser.open(url)
        page.until("document.querySelector('#asks li')")
        changes = [page(f"change({{opening: 10000, prices: [{price}]}})") for price in (9999.9, 10000.1, 9999, 10001)]
        page.tell("Page.close")

    assert [("0.00 %", "")] * 2 == [(one["text"], one["kind"]) for one in changes[:2]]
    assert [("\N{MINUS SIGN}0.01 %", "down"), ("+0.01 %", "up")] == [(one["text"], one["kind"]) for one in changes[2:]]


def take_picture(page):
    """For the README: RAWWS_SCREENSHOT=1 pytest tests/examples/test_feed.py."""
    page.resize(1100, 705)
    page.until("at('bar').hidden")
    page.until("at('chart').getBoundingClientRect().width * devicePixelRatio - at('chart').width < 1")
    (ROOT / "docs/images/feed.png").write_bytes(page.screenshot())


def test_the_client_in_a_terminal_comes_back():
    """It says that the connection is lost, and goes on when the server is there again."""
    with running("--rate", "10") as url:
        command = python("examples.feed.client", url.replace("http", "ws"), "USD/TRY")
        client = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert client.stdout is not None
        begun = [next(client.stdout) for _ in range(5)]
    while not (line := next(client.stdout)).startswith(("the server has closed", "connection lost")):
        assert line.startswith("USD/TRY")
    with running("--rate", "10", port=port_of(url)):
        while not next(client.stdout).startswith("connected to process"):
            pass
        again = [next(client.stdout) for _ in range(5)]
        client.terminate()
        client.communicate(timeout=SECONDS)

    assert begun[0].startswith("connected to process ")
    assert ["USD/TRY"] * 9 == [line.split()[0] for line in begun[1:] + again]


def test_a_port_that_is_in_use():
    """One line says so: two feeds on one port would be two markets."""
    with running() as url:
        command = python("examples.feed", "--port", str(port_of(url)))
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)

    assert (1, "") == (done.returncode, done.stdout)
    assert f"Port {port_of(url)} is in use; --port 0 takes any that is free.\n" == done.stderr


def test_a_part_is_one_process():
    """Who wants several of a part is told so, and not given one."""
    options = "--redis", "redis://localhost", "--part", "server", "--processes", "3"
    done = subprocess.run(python("examples.feed", *options), cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)

    assert 2 == done.returncode
    assert done.stderr.endswith("error: a part is one process: --processes goes with --part all\n")


def test_the_load_runs():
    """With few readers and for a moment, so that it is there when it is wanted."""
    command = python("examples.feed.load", "--readers", "12", "--slow", "2", "--seconds", "1")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert ("", 0) == (done.stderr, done.returncode), done.stdout
    assert "right at the end        12 of 12\n" in done.stdout
