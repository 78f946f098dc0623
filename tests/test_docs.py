"""What the pages show is what happens: code is run, bytes are received, and what is named is there."""

import contextlib
import doctest
import io
import os
import random
import re
import runpy
import shlex
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rawws import blocking
from rawws.cli import main
from rawws.conformance import CASES, expect
from rawws.core.agreement import Agreement
from rawws.core.deflate import Deflate
from rawws.core.errors import RemoteProtocolError
from rawws.core.events import Closed, Event
from rawws.core.headers import accept_for, read_extensions
from rawws.core.rules import RULES
from rawws.core.settings import Role
from rawws.core.upgrade import ClientUpgrade, UpgradeRequest
from tests import consoles
from tests.proxy import Proxy
from tests.wire import Wire, chopped, receive

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/**/*.md"))


def blocks(*kinds: str) -> list[Any]:
    """What stands in the blocks of a kind on the pages under docs; of several kinds, if they follow one another."""
    pattern = "\n".join(rf"^```{kind}\n((?:(?!```).*\n)*)```\n" for kind in kinds)
    found = []
    for page in sorted(ROOT.glob("docs/**/*.md")):
        text = page.read_text()
        for block in re.finditer(pattern, text, re.MULTILINE):
            line = text.count("\n", 0, block.start(1)) + 1
            found.append(pytest.param(*block.groups(), id=f"{page.name}:{line}"))
    return found


@pytest.mark.parametrize("name", ["client", "server", "embedded"])
def test_the_readme_shows_the_examples(name):
    """A block of code in the README is the file that it names, word for word."""
    block = re.search(rf"<!-- examples/{name}\.py -->\n```python\n(.*?)```", README, re.DOTALL)

    assert block is not None
    assert (ROOT / "examples" / f"{name}.py").read_text() == block[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """A relative link on a page leads to a file or folder, and one within the page to a heading of it."""
    text = page.read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    headings = {re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in re.findall(r"^#+ (.*)$", text, re.M)}

    assert [] == [link for link in links if not (page.parent / link).exists()]
    assert set() == set(re.findall(r"\]\(#([^)]+)", text)) - headings


def test_the_readme_names_every_module_of_the_core():
    """The reading order leaves nothing out."""
    modules = {path.name for path in (ROOT / "rawws" / "core").glob("*.py")} - {"__init__.py"}

    assert set() == {name for name in modules if f"](rawws/core/{name})" not in README}


def test_the_two_commands_are_one_line_each():
    """The promise of the README: two commands, each on a line of its own, that begin with a fresh environment."""
    commands = re.findall(r"^python3 -m venv \.venv && \.venv/bin/pip install .*$", README, re.MULTILINE)

    assert ["rawws demo", "pytest"] == [command.rpartition(".venv/bin/")[2] for command in commands]


@pytest.mark.parametrize("name", ["rules.md", "states.md"])
def test_the_reference_is_what_the_code_says(name):
    """The generated pages are up to date; `python docs/generate.py` writes them anew."""
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))

    assert generate["PAGES"][name]() == (ROOT / "docs" / "reference" / name).read_text()


# --- Blocks of frames -----------------------------------------------------------------------------------------------
# The first line is the server's Sec-WebSocket-Extensions.  Then come bytes that the server sends, in hex, and whatever
# stands two blanks behind them is for people; and behind an arrow each event that the bytes above it give a client.


def told(event: Event) -> str:
    """An event as the pages write it."""
    if isinstance(event, Closed) and event.error is not None:
        return f"closed {event.code} {event.error.rule.name}"
    return repr(event)


def read_frames(block: str) -> tuple[Agreement, list[str], list[str]]:
    """What was agreed on, the bytes in front of each event, and the events."""
    field, *lines = block.splitlines()
    agreement = Agreement(compression=Deflate().check(*read_extensions(field.partition(": ")[2].encode())))
    wire, events = [""], []
    for line in lines:
        if line.startswith("-> "):
            events.append(line.removeprefix("-> "))
            wire.append("")
        else:
            octets = re.match(r"\s*((?:[0-9a-f]{2}\s+)*)", line + "  ")
            assert octets is not None
            wire[-1] += octets[1]
    assert not wire[-1], "behind the last bytes stands what they give"
    return agreement, wire[:-1], events


def received(agreement: Agreement, pieces: list[Wire]) -> list[str]:
    """The events that a client gets of these pieces."""
    return [told(event) for event in receive(Role.CLIENT, pieces, agreement=agreement)]


@pytest.mark.parametrize("block", blocks("frames"))
def test_frames_give_the_events_below_them(block):
    """The bytes on a page give the events on the page, each when its last byte came, and however they are cut."""
    agreement, wire, events = read_frames(block)

    assert events == [event for at in range(len(events)) for event in received(agreement, list(wire[: at + 1]))[at:]]
    for pieces in chopped(*wire):
        assert events == received(agreement, list(pieces))


# --- Blocks of handshakes -------------------------------------------------------------------------------------------
# The Sec-WebSocket-Extensions of one side, a line for a field, and then what rawws says to it: as a server with its
# defaults what it answers, and as a client which rule makes it give up.

NOTHING = "(no such header)"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def answer_of_a_server(offers: list[str]) -> str:
    """What a server says to these offers, each in a field of its own."""
    request = [
        (b"host", b"localhost"),
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", KEY),
        *((b"sec-websocket-extensions", offer.encode()) for offer in offers),
    ]
    accepted = UpgradeRequest.parse(request).accept(compression=Deflate())
    return dict(accepted.headers).get(b"sec-websocket-extensions", NOTHING.encode()).decode()


def objection_of_a_client(answers: list[str]) -> str:
    """Which rule these answers break."""
    client = ClientUpgrade(compression=Deflate())
    assert client.key is not None
    response = [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", accept_for(client.key)),
        *((b"sec-websocket-extensions", answer.encode()) for answer in answers),
    ]
    with pytest.raises(RemoteProtocolError) as caught:
        client.check(101, response)
    return caught.value.rule.name


@pytest.mark.parametrize("block", blocks("handshake"))
def test_handshakes_are_answered_as_the_page_says(block):
    """Whoever speaks first, rawws is the other one and says the last line."""
    for exchange in block.strip().split("\n\n"):
        *first, (who, answer) = (line.split(": ", 1) for line in exchange.splitlines())
        ours = answer_of_a_server if who == "server" else objection_of_a_client

        assert {"client", "server"} - {who} == {speaker for speaker, _ in first}
        assert answer == ours([said for _, said in first])


# --- Blocks of Python -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.name)
def test_sessions_go_as_the_page_shows(page):
    """What stands behind >>> on a page can be typed in this order and gives what stands below it."""
    typed = "\n".join(re.findall(r"^```pycon\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE))
    session = doctest.DocTestParser().get_doctest(typed, {}, page.name, str(page), 0)
    said: list[str] = []

    assert 0 == doctest.DocTestRunner().run(session, out=said.append).failed, "".join(said)


def free_port() -> int:
    """A port of "localhost" that nobody listens on, and that the kernel gives to no client meanwhile."""
    while True:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@pytest.mark.parametrize("program, text", blocks("python", "text"))
def test_programs_print_the_text_below_them(program, text):
    """A program on a page runs as it stands, but for its port, and prints the block that follows.

    At port 3128 there is a proxy.
    """
    port = free_port()
    printed = io.StringIO()
    with Proxy().in_background() as proxy, contextlib.redirect_stdout(printed):
        exec(program.replace("8765", str(port)).replace("3128", str(proxy.port)), {"__name__": "__main__"})

    assert text == printed.getvalue()


def test_the_table_of_windows_can_be_measured_again():
    """The page on compression has the rows that `python docs/windows.py` prints, the default among them.

    The figures depend on the machine, so nobody asserts them.
    """
    windows = runpy.run_path(str(ROOT / "docs" / "windows.py"))
    table = (ROOT / "docs" / "compression.md").read_text().replace("**", "")
    row = r"^\| (\d+)(, no takeover)? \| (\d+) \| [\d.]+ \| [\d.]+ \| \d+% \| [\d.]+ \| [\d.]+ \|$"
    rows = re.findall(row, table, re.MULTILINE)
    wish = Deflate()

    assert list(windows["CHOICES"]) == [(int(bits), int(level), int(not without)) for bits, without, level in rows]
    assert (wish.server_max_window_bits, wish.memory_level, 1) in windows["CHOICES"]
    assert re.fullmatch(r"\d+%", windows["measure"]("size", wish.server_max_window_bits, wish.memory_level, True))


# --- Files and commands ---------------------------------------------------------------------------------------------
# A block of Python with a name is a file.  Each line of a shell is run beside the files of its page: `rawws`, for which
# a server listens at ws://localhost:8765, and a proxy at localhost:3128, and `pytest`.  Of the conformance suite a few
# cases are enough.

FEW = "6455/5.4/4"


def send_back(ws: blocking.WebSocket) -> None:
    """An echo."""
    for message in ws:
        ws.send(message)


def run_rawws(words: list[str], port: int) -> int:
    """Run a command of ours; its exit code."""
    words = [word.replace("8765", str(port)).replace("python ", f"{shlex.quote(sys.executable)} ") for word in words]
    few = ["--include", FEW] if words[:2] in (["conform", "server"], ["conform", "client"]) else []
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()  # Messages are written as bytes.
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        return main([*words, *few])


def run_pytest(words: list[str], has_plugin: bool) -> int:
    """Run pytest as it is run there; its exit code."""
    plugins = ["-p", "no:cacheprovider", *([] if has_plugin else ["-p", "_rawws_pytest"])]
    command = [sys.executable, "-m", "pytest", *plugins, *(words or ["-k", FEW])]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL).returncode


@pytest.mark.parametrize(
    "page", [page for page in PAGES[3:] if "```sh\n" in page.read_text()], ids=lambda page: page.name
)
def test_commands_go_well(page, tmp_path, monkeypatch, request):
    """Each line of a shell on a page can be typed, in this order, and is no failure."""
    text = page.read_text()
    for name, content in re.findall(r"^```python (\S+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    codes = {}
    with blocking.serve(send_back, "localhost", 0) as server, Proxy().in_background() as proxy:
        threading.Thread(target=server.serve_forever).start()
        for line in "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)).splitlines():
            program, *words = shlex.split(line.replace("3128", str(proxy.port)), comments=True)
            if program == "pytest":
                codes[line] = run_pytest(words, request.config.pluginmanager.hasplugin("rawws"))
            else:
                assert "rawws" == program
                codes[line] = run_rawws(words, server.port)

    assert dict.fromkeys(codes, 0) == codes


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "```console\n" in page.read_text()],
    ids=lambda page: f"{page.parent.name}-{page.name}",
)
def test_what_is_typed_at_a_terminal_says_what_stands_below(page, tmp_path):
    """A session on a page, with all its servers, can be typed beside the files of the page and goes as it is shown."""
    text = page.read_text()

    for shown, really in consoles.run_session(text, tmp_path):
        assert shown == really


@pytest.mark.parametrize("text", blocks("toml"))
def test_expectations_can_be_read(text):
    """A file of expected failures on a page is one."""
    expected = expect.read(text)

    assert expected.entries
    assert [] == expect.strangers(expected, CASES)


# --- What the pages name --------------------------------------------------------------------------------------------


def test_every_block_of_a_page_is_of_a_kind_that_is_run():
    """No bytes and no code stand on the pages under docs that nobody holds against the library."""
    run = {"pycon": blocks("pycon"), "frames": blocks("frames"), "handshake": blocks("handshake")}
    found = "".join(page.read_text() for page in ROOT.glob("docs/**/*.md"))

    assert {} == {kind: 0 for kind, all_ in run.items() if len(all_) != found.count(f"```{kind}\n")}
    assert len(blocks("python", "text")) == found.count("```python\n")
    others = {"python", "text", "sh", "console", "toml"}
    assert set() == set(re.findall(r"^```(\w+)$", found, re.MULTILINE)) - run.keys() - others


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_close_code_beside_a_rule_is_the_rule_s(page):
    """Where a page says "1002 `mask-missing`", there is such a rule, with that code."""
    named = re.findall(r"\b(\d{4}) `([a-z-]+)`", page.read_text())

    assert named == [(str(RULES[name].code) if name in RULES else "no rule", name) for _, name in named]
