"""The server of the chat with sockets, and the programs as one starts them."""

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import pytest

from examples.chat.__main__ import MAX_SIZE, arguments_of, url_of
from examples.chat.history import KEEP, NEWCOMER
from examples.chat.member import Member
from examples.chat.server import BEHIND, Chat
from examples.chat.server import page as web_page
from examples.chat.store import Local
from rawws import ConnectionClosed
from rawws.aio import Server, WebSocket, connect, serve
from tests.examples.chatting import served
from tests.examples.processes import PATIENCE, ROOT, awaited, free_port, python, stop
from tests.examples.test_chat_protocol import MISTAKES

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


@asynccontextmanager
async def slow_line(store: Local) -> AsyncIterator[tuple[Server, dict[str, Any]]]:
    """A server, and the options of a client, with little room between them for what is not read."""
    listening, slow = socket.create_server(("127.0.0.1", 0)), socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    async with chatting(store, sock=listening) as server:
        await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", server.port))
        yield server, {"sock": slow, "receive_limit": 1024}


@awaited
async def test_who_is_too_slow_comes_back_for_the_rest():
    """Whoever does not read is closed with 1008 behind what waits, others are not kept waiting, and none is lost."""
    store, member = Local(), Member("lobby", "Slow")
    async with slow_line(store) as (server, slowly), guest(server, "Bob") as bob:
        async with guest(server, member, **slowly) as ann:
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
async def test_who_catches_up_too_slowly_is_told_what_is_gone():
    """When the next message is forgotten before it is sent, the client has to come back, and hears of the hole."""
    store, member = Local(), Member("lobby", "Slow")
    texts = [f"{number} {'é' * 1900}" for number in range(2 * KEEP + 100)]

    async def add(some: list[str]) -> None:
        for text in some:
            await store.add("lobby", text.split()[0], "Cem", text)

    await add(texts[:KEEP])
    member.seen, member.log = 0, store.log
    async with slow_line(store) as (server, slowly), guest(server, "Bob") as bob:
        async with guest(server, member, **slowly) as ann:
            await ann.until("messages")
            await add(texts[KEEP:])
            with pytest.raises(ConnectionClosed) as raised:
                await ann.until_said("never")
        async with guest(server, member) as again:
            missed = (await again.until("welcome"))["missed"]
            await again.until_said(texts[-1])
        await bob.until("here", names=["Bob"])

    assert 1013 == raised.value.code
    assert texts[: len(ann.texts)] == ann.texts
    assert texts[len(ann.texts) + missed :] == again.texts
    assert len(again.texts) == KEEP


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


def test_the_terminal_says_what_it_cannot_do():
    """Without a server it says so, once; a line that is too long is refused; input that is not UTF-8 is put up with."""
    port = free_port()
    command = python("examples.chat.client", f"ws://127.0.0.1:{port}", "--name", "Ann")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stderr.readline().startswith(b"* Cannot connect: ")
            process.stdin.write(b"t" * 40_000 + b"\nhello\xff\n")
            process.stdin.flush()
            assert b"* this is not said: it has 40000 characters, and may have 2000\n" == process.stderr.readline()
            with served("--port", str(port)):
                said, told = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()

    assert "Ann: hello\ufffd\n" == said.decode()[6:]
    assert b"* You are in lobby\n" == told


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


def test_redis_needs_its_package_and_no_file(capsys, monkeypatch):
    """Without the package the command says what to install; messages are kept in one place, and not in two."""
    monkeypatch.setitem(sys.modules, "redis", None)
    for options in (["--redis", "redis://localhost"], ["--redis", "redis://localhost", "--keep", "chat.db"]):
        with pytest.raises(SystemExit):
            arguments_of(options)

    told = capsys.readouterr().err
    assert "pip install -r examples/chat/requirements.txt" in told
    assert "--keep: not allowed with argument --redis" in told


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80"), ("0.0.0.0", "http://localhost:80")],
)
def test_the_address_can_be_opened(host, url):
    """What the command prints is an address for a browser, whatever it listens on."""
    assert url == url_of(host, 80)
