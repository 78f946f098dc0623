"""The chat in Chromium, with several pages open."""

import os
import signal
from urllib.parse import quote

from tests.examples.chatting import SHOWN, say, served, shown, visit
from tests.examples.processes import ROOT, free_port


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
        assert page("at('people').className") == "lost"
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


def test_a_name_that_is_refused_is_asked_for_again(browser):
    """Emoji count as the server counts them; what it does not take is said where the name is asked for."""
    with served("--port", "0") as (_, where, _):
        ann = browser.open(f"http://{where}/?name={quote(chr(0x202E))}Ann")
        ann.until("!at('hello').hidden && !at('refused').hidden && at('chat').hidden")
        assert "'name' is up to 32 characters, all of which can be seen" == ann("at('refused').textContent")
        ann(f"(at('name').value = '{chr(0x1F680) * 33}', at('hello').requestSubmit())")
        ann.until("at('state').className === 'open' && at('hello').hidden")
        assert chr(0x1F680) * 32 == ann("name")
        ann.tell("Page.close")


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
