"""The chat: nothing that was accepted is lost, nothing comes twice, and all see the same order."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.chat.__main__ import MAX_SIZE, arguments_of
from examples.chat.history import KEEP, NEWCOMER, History, Message
from examples.chat.member import Member
from examples.chat.protocol import NAME, TEXT, Join, Mistake, Say, Typing, read
from examples.chat.server import BEHIND, Chat
from examples.chat.server import page as web_page
from examples.chat.store import Local
from rawws import ConnectionClosed
from rawws.aio import Server, WebSocket, connect, serve
from tests.examples.chatting import SHOWN, say, served, shown, visit
from tests.examples.chatting import browser as browser
from tests.examples.processes import PATIENCE, ROOT, awaited, free_port, python, stop

# --- What is said -----------------------------------------------------------------------------------------------------


def test_three_things_can_be_said():
    """What is right is read as what it is; blanks around and within a name are made one."""
    assert Join("lobby", "Ann Lee") == read('{"kind": "join", "room": "lobby", "name": " Ann\\t Lee "}')
    assert Join("lobby", "Ann", 17, "a log") == read(
        '{"kind": "join", "room": "lobby", "name": "Ann", "seen": 17, "log": "a log"}'
    )
    assert Say("a-1", "👩‍🚀 Grüß dich\n") == read('{"kind": "say", "id": "a-1", "text": "👩‍🚀 Grüß dich\\n"}')
    assert Typing() == read('{"kind": "typing"}')


MISTAKES = {
    "binary": (b"{}", None),
    "no JSON": ("hello", None),
    "a deep nest": ("[" * 15000, None),
    "a list": ("[]", None),
    "no kind": ("{}", None),
    "an unknown kind": ('{"kind": "shout"}', None),
    "a kind that is a list": ('{"kind": []}', None),
    "no room": ('{"kind": "join", "name": "Ann"}', None),
    "no name": ('{"kind": "join", "room": "lobby", "name": " "}', None),
    "a name that is a number": ('{"kind": "join", "room": "lobby", "name": 1}', None),
    "a long name": (json.dumps({"kind": "join", "room": "lobby", "name": "n" * (NAME + 1)}), None),
    "a name that steers a terminal": ('{"kind": "join", "room": "lobby", "name": "\\u001b[2J"}', None),
    "seen a fraction": ('{"kind": "join", "room": "lobby", "name": "Ann", "seen": 1.5}', None),
    "seen true": ('{"kind": "join", "room": "lobby", "name": "Ann", "seen": true}', None),
    "seen less than nothing": ('{"kind": "join", "room": "lobby", "name": "Ann", "seen": -1}', None),
    "seen more than there can be": ('{"kind": "join", "room": "lobby", "name": "Ann", "seen": 1e999}', None),
    "a log that is none": ('{"kind": "join", "room": "lobby", "name": "Ann", "log": {}}', None),
    "no id": ('{"kind": "say", "text": "hello"}', None),
    "a long id": (json.dumps({"kind": "say", "id": "i" * 65, "text": "hello"}), None),
    "no text": ('{"kind": "say", "id": "a-1"}', "a-1"),
    "nothing in it": ('{"kind": "say", "id": "a-1", "text": " \\n"}', "a-1"),
    "a long text": (json.dumps({"kind": "say", "id": "a-1", "text": "t" * (TEXT + 1)}), "a-1"),
    "half of a pair": ('{"kind": "say", "id": "a-1", "text": "\\ud800"}', "a-1"),
    "a zero": ('{"kind": "say", "id": "a-1", "text": "\\u0000"}', "a-1"),
}


@pytest.mark.parametrize("said, id", MISTAKES.values(), ids=MISTAKES.keys())
def test_what_is_wrong_is_a_mistake(said, id):
    """It is told in a line, and if it is a message that could be named, then which one."""
    with pytest.raises(Mistake) as raised:
        read(said)

    assert id == raised.value.id
    assert str(raised.value).isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "room", "name", "seen", "log", "id", "text"]), inner, max_size=4)
    ),
    max_leaves=4,
)
LIKELY = st.fixed_dictionaries(
    {"kind": st.sampled_from(["join", "say", "typing", "shout"])},
    optional=dict.fromkeys(("room", "name", "seen", "log", "id", "text"), JSON),
)


@given(st.text() | st.binary() | (JSON | LIKELY).map(json.dumps))
def test_whatever_comes_is_right_or_a_mistake(said):
    """Nothing else is ever raised, and all that is right can be written in UTF-8 and is not too long."""
    try:
        is_said = read(said)
    except Mistake:
        return
    texts = [
        value for value in (getattr(is_said, name, None) for name in ("room", "name", "text")) if value is not None
    ]
    assert all(0 < len(text.encode()) <= 4 * TEXT for text in texts)


# --- What is remembered -----------------------------------------------------------------------------------------------


def message(seq: int) -> Message:
    """The message with this number."""
    return Message(seq, f"id-{seq}", "Ann", f"text {seq}", 0.0)


@given(count=st.integers(0, 30), keep=st.integers(1, 10), seen=st.none() | st.integers(0, 40), most=st.integers(1, 7))
def test_what_was_missed_comes_in_batches_and_whole(count, keep, seen, most):
    """Who comes back gets all after what was seen, in order, or is told how many are gone for good."""
    history = History(keep=keep)
    for seq in range(1, count + 1):
        assert history.take(message(seq))
    at, missed = history.begin(seen)
    got = []
    while batch := history.since(at, most):
        assert len(batch) <= most
        got += batch
        at = batch[-1].seq

    kept = range(max(count - keep, 0) + 1, count + 1)
    if seen is None:  # A newcomer gets the end.
        assert (0, list(kept)[-NEWCOMER:]) == (missed, [one.seq for one in got])
    elif seen > count:  # Another process was faster: nothing is new, and what is not new does not come again.
        assert (seen, 0, []) == (*history.begin(seen), got)
    else:
        assert list(range(seen + 1, count + 1)) == [*range(seen + 1, seen + 1 + missed), *(one.seq for one in got)]


def test_a_message_is_taken_once_and_no_gap_is_taken():
    """A message that was taken before is no news; one that is too early would be a hole."""
    history = History([message(7)])

    assert [False, True, False] == [history.take(message(seq)) for seq in (6, 8, 8)]
    with pytest.raises(ValueError, match="10 came after 8"):
        history.take(message(10))


class Line:
    """A connection between a `Member` and a store, of which any part may be lost: what is under way is gone then."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.up: deque[str] = deque()
        self.down: deque[str] = deque()
        self.at: int | None = None
        self.shown: list[str] = []

    def connect(self) -> None:
        """The old connection, if there was one, is lost, and a new one begins."""
        self.up, self.down, self.at = deque(self.member.greeting()), deque(), None

    async def serve(self, store: Local, history: History) -> None:
        """The server reads one thing."""
        match read(self.up.popleft()) if self.up else None:
            case Join(seen=seen, log=log):
                self.at, missed = history.begin(seen if log == store.log else None)
                self._tell("welcome", log=store.log, seen=self.at, missed=missed)
            case Say(id, text):
                seq = await store.add("room", id, self.member.name, text)
                self._tell("accepted", id=id, seq=seq)

    def push(self, history: History) -> None:
        """The server sends what is new."""
        if self.at is not None:
            for new in history.since(self.at, 1000):
                self._tell("messages", messages=[{"seq": new.seq, "id": new.id, "text": new.text}])
                self.at = new.seq

    def read(self) -> None:
        """The member hears one thing."""
        if self.down:
            told = self.member.hear(self.down.popleft())
            self.shown += [one["text"] for one in told.get("messages", [])]

    def _tell(self, kind: str, **facts: Any) -> None:
        self.down.append(json.dumps({"kind": kind, **facts}))


STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["say", "connect", "serve", "serve", "read", "read"])))


@given(STEPS)
def test_lost_connections_lose_nothing_and_double_nothing(steps):
    """Three members talk over lines that break anywhere, and in the end all have seen all, once, in the same order."""
    asyncio.run(over_bad_lines(steps))


async def over_bad_lines(steps: list[tuple[int, str]]) -> None:
    store, history = Local(), History()
    await store.open("room", history.take)
    lines = [Line(Member("room", f"member {number}")) for number in range(3)]
    said: list[str] = []

    async def step(line: Line, what: str) -> None:
        match what:
            case "say":
                said.append(f"text {len(said)} of {line.member.name}")
                line.up.append(line.member.say(said[-1]))
            case "connect":
                line.connect()
            case "serve":
                await line.serve(store, history)
            case "read":
                line.read()
        for each in lines:
            each.push(history)

    for line in lines:
        await step(line, "connect")
    for number, what in steps:
        await step(lines[number], what)
    for line in lines:
        await step(line, "connect")
        while line.up:
            await step(line, "serve")
    for line in lines:
        while line.down:
            line.read()

    assert sorted(said) == sorted(one.text for one in history.since(0, KEEP))
    assert [[one.text for one in history.since(0, KEEP)]] * 3 == [line.shown for line in lines]
    assert [{}] * 3 == [line.member.outbox for line in lines]
    await store.stop()


# --- The server with sockets ------------------------------------------------------------------------------------------


class Guest:
    """A client in a test: it shows all that it is told."""

    def __init__(self, ws: WebSocket, member: Member) -> None:
        self.ws = ws
        self.member = member
        self.texts: list[str] = []

    async def say(self, text: str) -> None:
        await self.ws.send(self.member.say(text))

    async def send(self, **said: Any) -> None:
        await self.ws.send(json.dumps(said))

    async def until(self, kind: str, **facts: Any) -> dict[str, Any]:
        """The next thing of this kind that it is told, with these facts."""
        while True:
            told = self.member.hear(await self.ws.recv())
            self.texts += [one["text"] for one in told.get("messages", [])]
            if told["kind"] == kind and facts.items() <= told.items():
                return told

    async def until_said(self, text: str) -> None:
        while text not in self.texts:
            await self.until("messages")


@asynccontextmanager
async def chatting(store: Local | None = None, **options: Any) -> AsyncIterator[Server]:
    """A server in this process."""
    async with Chat(store or Local()) as chat:
        where = options if "sock" in options else {"host": "127.0.0.1", "port": 0, **options}
        async with serve(chat, process_request=web_page, max_size=MAX_SIZE, **where) as server:
            yield server


@asynccontextmanager
async def guest(server: Server, member: Member | str, **options: Any) -> AsyncIterator[Guest]:
    """A client that has joined; a name is a new member of the lobby."""
    member = Member("lobby", member) if isinstance(member, str) else member
    async with connect(f"ws://127.0.0.1:{server.port}", **options) as ws:
        for said in member.greeting():
            await ws.send(said)
        yield Guest(ws, member)


@awaited
async def test_members_of_a_room_hear_each_other_and_nobody_else():
    """A message goes to all of its room, its sender too, and is accepted; another room does not hear it."""
    cem_elsewhere = Member("games", "Cem")
    async with (
        chatting() as server,
        guest(server, "Ann") as ann,
        guest(server, "Bob") as bob,
        guest(server, cem_elsewhere) as cem,
    ):
        await cem.until("here")
        await bob.until("here", names=["Ann", "Bob"])
        await ann.say("hello")
        assert 1 == (await ann.until("accepted"))["seq"]
        await bob.until_said("hello")
        await cem.say("chess?")
        await cem.until("accepted")

    assert (["hello"], ["hello"], ["chess?"]) == (ann.texts, bob.texts, cem.texts)


@awaited
async def test_who_is_here_and_who_is_typing_is_shown():
    """Who comes, goes and types is told to the others; a name that is there twice is shown once."""
    async with chatting() as server, guest(server, "Ann") as ann:
        async with guest(server, "bob") as bob, guest(server, "Ann"):
            assert {"kind": "here", "names": ["Ann", "bob"]} == await ann.until("here", names=["Ann", "bob"])
            await bob.send(kind="typing")
            assert "bob" == (await ann.until("typing"))["name"]
        await ann.until("here", names=["Ann"])


@awaited
async def test_a_member_may_go_to_another_room():
    """A second join leaves the first room."""
    async with chatting() as server, guest(server, "Ann") as ann, guest(server, "Bob") as bob:
        await ann.until("here", names=["Ann", "Bob"])
        await bob.send(kind="join", room="games", name="Bob")
        await ann.until("here", names=["Ann"])
        await bob.until("here", names=["Bob"])


@awaited
async def test_what_is_sent_twice_is_stored_once():
    """A message that is said again under its id is accepted again, with the same number, and shown to nobody."""
    async with chatting() as server, guest(server, "Ann") as ann:
        for _ in range(2):
            await ann.send(kind="say", id="a-1", text="hello")
            assert 1 == (await ann.until("accepted"))["seq"]
        await ann.say("bye")
        assert 2 == (await ann.until("accepted"))["seq"]

    assert ["hello", "bye"] == ann.texts


@awaited
async def test_who_comes_back_gets_what_was_missed():
    """All that was said meanwhile, from the first message that was not seen."""
    member = Member("lobby", "Ann")
    async with chatting() as server, guest(server, "Bob") as bob:
        async with guest(server, member) as ann:
            await bob.say("one")
            await ann.until_said("one")
        for number in range(55):
            await bob.say(f"while away {number}")
        async with guest(server, member) as again:
            await again.until_said("while away 54")

    assert [f"while away {number}" for number in range(55)] == again.texts


@awaited
async def test_a_newcomer_gets_the_end_of_the_history_and_history_has_an_end():
    """Newcomers see the last messages; who was away for too long is told how many are gone."""
    store = Local()
    for number in range(1, KEEP + 11):
        await store.add("lobby", f"id-{number}", "Bob", f"text {number}")
    away = Member("lobby", "Ann")
    away.seen, away.log = 3, store.log
    async with chatting(store) as server, guest(server, "Cem") as cem, guest(server, away) as ann:
        await cem.until("here")
        assert 7 == (await ann.until("welcome"))["missed"]
        await ann.until("here")

    assert [f"text {number}" for number in range(KEEP + 11 - NEWCOMER, KEEP + 11)] == cem.texts
    assert [f"text {number}" for number in range(11, KEEP + 11)] == ann.texts


@awaited
async def test_another_log_begins_anew():
    """Who has seen 17 messages of a server that is gone is shown the history of the new one, and not from its 18th."""
    member = Member("lobby", "Ann")
    member.seen, member.log = 17, "gone"
    async with chatting() as server, guest(server, "Bob") as bob:
        await bob.say("hello")
        await bob.until("accepted")
        async with guest(server, member) as ann:
            await ann.until_said("hello")


@awaited
async def test_a_mistake_gets_an_answer_and_harms_nobody():
    """Whoever says something wrong is told what, may go on, and the others do not notice."""
    async with chatting() as server, guest(server, "Ann") as ann, guest(server, "Bob") as bob:
        await bob.until("here", names=["Ann", "Bob"])
        for number, (said, id) in enumerate(MISTAKES.values()):
            await ann.ws.send(said)
            assert id == (await ann.until("error"))["id"]
            await ann.say(f"sorry {number}")
            assert "messages" == json.loads(await bob.ws.recv())["kind"]


@awaited
async def test_who_has_not_joined_cannot_talk():
    """It is told so, with the id of what it said."""
    async with chatting() as server, connect(f"ws://127.0.0.1:{server.port}") as ws:
        await ws.send('{"kind": "say", "id": "a-1", "text": "hello"}')
        assert {"kind": "error", "error": "join a room first", "id": "a-1"} == json.loads(await ws.recv())


@awaited
async def test_a_flood_of_bytes_is_closed_with_1009():
    """What is longer than any message can be is not even read."""
    async with chatting() as server, guest(server, "Ann") as ann, guest(server, "Bob") as bob:
        await ann.ws.send("x" * (MAX_SIZE + 1))
        with pytest.raises(ConnectionClosed) as raised:
            await ann.until("error")
        await bob.until("here", names=["Bob"])

    assert 1009 == raised.value.code


@awaited
async def test_who_is_too_slow_comes_back_for_the_rest():
    """Whoever does not read is closed with 1008 behind what waits, others are not kept waiting, and none is lost."""
    store, member = Local(), Member("lobby", "Slow")
    listening, slow = socket.create_server(("127.0.0.1", 0)), socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    async with chatting(store, sock=listening) as server, guest(server, "Bob") as bob:
        await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", server.port))
        async with guest(server, member, sock=slow, receive_limit=1024) as ann:
            await bob.until("here", names=["Bob", "Slow"])
            texts = [f"{number} {'é' * 1900}" for number in range(2 * BEHIND // 3800)]
            for number, text in enumerate(texts):
                await store.add("lobby", f"id-{number}", "Cem", text)
                await bob.until_said(text)
            with pytest.raises(ConnectionClosed) as raised:
                await ann.until_said("never")
        assert (1008, "too slow") == (raised.value.code, raised.value.reason)
        assert 0 < len(ann.texts) < len(texts)
        async with guest(server, member) as again:
            await again.until_said(texts[-1])

    assert texts == ann.texts + again.texts
    assert texts == bob.texts


@awaited
async def test_the_page_is_on_the_same_port():
    """`/` is the page, `/health` is for who watches over it, and all else is a 404."""
    async with chatting() as server:
        answers = {}
        for path in ("/", "/health", "/other"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answers[path] = (await reader.read()).decode()
            writer.close()

    assert answers["/"].startswith("HTTP/1.1 200 ")
    assert "<title>rawws chat</title>" in answers["/"]
    assert answers["/health"].endswith("\r\nok\n")
    assert answers["/other"].startswith("HTTP/1.1 404 ")


# --- As one starts it -------------------------------------------------------------------------------------------------


@contextmanager
def typing_at(where: str, name: str) -> Iterator["subprocess.Popen[str]"]:
    """The client for a terminal."""
    command = python("examples.chat.client", f"ws://{where}", "--name", name)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, cwd=ROOT, **pipes)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        stop(process)


def test_terminals_talk_and_outlive_a_restart(tmp_path):
    """What is typed while the server is gone is said when it is back, once, and the history is the old one."""
    options = ("--port", str(free_port()), "--keep", tmp_path / "chat.db")
    with ExitStack() as stack:
        with served(*options) as chat:
            ann, bob = (stack.enter_context(typing_at(chat.where, name)) for name in ("Ann", "Bob"))
            for process in (ann, bob):
                assert "* You are in lobby\n" == line_of(process.stderr)
            type_in(ann, "one")
            assert "Ann: one" == line_of(bob.stdout)[6:-1]
        assert "* The connection is lost; trying again\n" == line_of(bob.stderr)
        type_in(bob, "two")
        with served(*options):
            assert ["Ann: one", "Bob: two"] == [line_of(ann.stdout)[6:-1] for _ in range(2)]
            assert "Bob: two" == line_of(bob.stdout)[6:-1]
            for process in (ann, bob):
                rest, _ = process.communicate(timeout=PATIENCE)
                assert ("", 0) == (rest, process.returncode)


def type_in(process: "subprocess.Popen[str]", text: str) -> None:
    """Type a line."""
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()


def line_of(pipe: Any) -> str:
    """The next line that it prints."""
    return str(pipe.readline())


def test_the_load_run_finds_nothing_lost():
    """A small one, as it is started: it says how much arrived, and how late."""
    options = ("--members", "12", "--rooms", "3", "--messages", "2", "--interval", "0.1")
    done = subprocess.run(python("examples.chat.load", *options), cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert "" == done.stderr
    assert re.fullmatch(
        r"said 24, delivered 96; lost 0, doubled 0, orders in a room 1; connections lost 0\n"
        r"p50 \d+\.\d ms, p99 \d+\.\d ms; memory \d+ MiB\n",
        done.stdout,
    )


def test_several_processes_need_redis(capsys):
    """What is said in one has to reach the others, so the command asks for it."""
    with pytest.raises(SystemExit):
        arguments_of(["--processes", "3"])

    assert "--processes needs --redis" in capsys.readouterr().err


# --- In browsers ------------------------------------------------------------------------------------------------------


def test_pages_talk(browser):
    """What is said in a page is shown in all pages of the room, and who is there and who types."""
    with served("--port", "0") as (_, where, _):
        ann, bob, cem = (visit(browser, where, name) for name in ("Ann", "Bob", "Cem"))
        other = visit(browser, where, "Didem", room="games")
        ann.until("document.querySelectorAll('#here li').length === 3")
        say(ann, "<b>Hello</b>\u0301 & welcome")
        bob.until("document.querySelectorAll('.message').length === 1")
        say(bob, "Grüß dich 👩‍🚀")
        expected = [["Ann", "<b>Hello</b>\u0301 & welcome", False], ["Bob", "Grüß dich 👩‍🚀", False]]
        assert [expected] * 3 == [shown(page, 2) for page in (ann, bob, cem)]
        cem("(at('text').value = 'H', at('text').oninput())")
        ann.until("at('typing').textContent === 'Cem is typing …'")
        assert [] == other(SHOWN)
        for page in (ann, bob, cem, other):
            page.tell("Page.close")


def test_pages_outlive_a_restart(browser, tmp_path):
    """They say that the connection is lost, and that it is back; nothing is lost and nothing is there twice."""
    port, options = str(free_port()), ("--keep", tmp_path / "chat.db")
    with served("--port", port, *options) as (_, where, _):
        ann, bob = (visit(browser, where, name) for name in ("Ann", "Bob"))
        say(ann, "one")
        shown(bob, 1)
    for page in (ann, bob):
        page.until("at('state').textContent === 'lost' && !at('bar').hidden")
    say(ann, "two")
    say(bob, "three")
    assert [True] == [is_waiting for _, text, is_waiting in ann(SHOWN) if text == "two"]
    with served("--port", port, *options):
        for page in (ann, bob):
            page("at('now').click()")
        everything = shown(ann, 3)
        assert everything == shown(bob, 3)
        for page in (ann, bob):
            page.until("at('state').textContent === 'open' && at('bar').className === 'back'")
            assert page("at('news').textContent").startswith("The connection is back after ")
    assert ["one", "two", "three"] == sorted((text for _, text, _ in everything), key=["one", "two", "three"].index)
    assert "one" == everything[0][1]
    for page in (ann, bob):
        page.tell("Page.close")


def test_a_mute_server_is_found_out(browser):
    """When nothing comes for long the page takes the connection for lost though TCP has not noticed."""
    with served("--port", "0") as (process, where, _):
        ann = visit(browser, where, "Ann")
        process.send_signal(signal.SIGSTOP)
        ann("(silence = 300, watch())")
        ann.until("at('state').textContent === 'lost'")
        say(ann, "hello?")
        process.send_signal(signal.SIGCONT)
        ann("silence = 20000")
        assert [["Ann", "hello?", False]] == shown(ann, 1)
        ann.until("at('state').textContent === 'open'")
        ann.tell("Page.close")


def test_a_picture_of_it(browser):
    """A conversation as it looks; RAWWS_SCREENSHOT=1 keeps the pictures for the README."""
    talk = [
        ("Ann", "Good morning! Does anybody know when the release is?"),
        ("Bob", "Today at noon, if the load run is quiet."),
        ("Bob", "It was, last night: 0 lost."),
        ("Çağla", "Merhaba! I was on the train, and the tunnel took my connection. It all came back."),
        ("Ann", "Noon, then."),
    ]
    with served("--port", "0") as (_, where, _):
        pages = {name: visit(browser, where, name, width=900, height=560) for name in ("Ann", "Bob", "Çağla")}
        for count, (name, text) in enumerate(talk, 1):
            say(pages[name], text)
            for page in pages.values():
                shown(page, count)
        pages["Bob"]("(at('text').value = 'See', at('text').oninput())")
        pages["Ann"].until("at('typing').textContent !== ''")
        picture = pages["Ann"].screenshot()
        pages["Çağla"].resize(390, 700, dark=True, phone=True)
        on_a_phone = pages["Çağla"].screenshot()
        for page in pages.values():
            page.tell("Page.close")

    assert picture.startswith(b"\x89PNG")
    if os.environ.get("RAWWS_SCREENSHOT"):
        (ROOT / "docs/images/chat.png").write_bytes(picture)
        (ROOT / "docs/images/chat-phone.png").write_bytes(on_a_phone)
