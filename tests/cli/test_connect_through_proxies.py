"""`rawws --proxy URL URL`."""

import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.cli.run import Run
from tests.cli.test_connect import answering, serving
from tests.proxy import Proxy
from tests.proxy import no_proxy_of_this_machine as no_proxy_of_this_machine
from tests.test_opening import serving as context_of

pytestmark = pytest.mark.usefixtures("no_proxy_of_this_machine")


@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_a_proxy_leads_to_the_server(run: Run, kind: str) -> None:
    """--proxy names it, with user and password."""
    with serving() as url, Proxy(kind, wants_user=True).in_background() as proxy:
        outcome = run(url, "-x", "hi", "--proxy", proxy.url_with_user)

    assert (0, "hi\n", 1) == (outcome.code, outcome.out, len(proxy.asked))


def test_the_environment_names_one_and_none_goes_without(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the option it is as for other programs; `--proxy none` goes straight."""
    with serving() as url, Proxy(to=("127.0.0.1", int(url.rpartition(":")[2]))).in_background() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        through = run("ws://inside.invalid", "-x", "hi")
        straight = run("ws://inside.invalid", "-x", "hi", "--proxy", "none")

    assert (0, "hi\n") == (through.code, through.out)
    assert (3, True) == (straight.code, "the name in inside.invalid is not known" in straight.err)
    assert ["inside.invalid:80"] == proxy.asked


def test_its_certificate_is_verified_as_the_server_s(run: Run, tmp_path: Path) -> None:
    """--ca and -k are for a proxy at https: too."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with (
        serving() as url,
        Proxy("https", context=context_of(authority), host="localhost").in_background() as proxy,
    ):
        words = [url, "-x", "hi", "--proxy", proxy.url]
        trusted, careless, strict = run(*words, "--ca", str(tmp_path / "ca.pem")), run(*words, "-k"), run(*words)

    assert [0, 0, 3] == [trusted.code, careless.code, strict.code]
    assert f"the proxy {proxy.url} cannot be reached: " in strict.err
    assert "--ca FILE trusts its certificate" in strict.err


@pytest.mark.parametrize(
    "argv, code, words",
    [
        (["--proxy", "http://u:secret@127.0.0.1:1"], 3, "the proxy http://127.0.0.1:1 cannot be reached: "),
        (["--proxy", "socks5://u:secret@127.0.0.1:1"], 3, "the proxy socks5://127.0.0.1:1 cannot be reached: "),
        (["--proxy", "ftp://u:secret@p"], 64, "not the address of a proxy: 'ftp://…@p'"),
        (["--proxy", "http://p", "--unix", "/s"], 64, "needs no proxy"),
    ],
)
def test_a_proxy_that_is_none_is_one_line(run: Run, argv: list[str], code: int, words: str) -> None:
    """One line, with no password in it, and whose fault it is."""
    outcome = run("ws://192.0.2.1", *argv)

    assert (code, "", 1) == (outcome.code, outcome.out, outcome.err.count("\n"))
    assert words in outcome.err
    assert "secret" not in outcome.err


def test_a_proxy_that_wants_a_password_says_how_to_give_it(run: Run) -> None:
    """407 is told with what to type."""
    with Proxy(wants_user=True).in_background() as proxy:
        outcome = run("ws://192.0.2.1", "--proxy", proxy.url)

    assert 3 == outcome.code
    assert f"--proxy http://NAME:PASSWORD@127.0.0.1:{proxy.port}" in outcome.err


def test_a_proxy_may_say_nonsense(run: Run) -> None:
    """It is not taken for the server's words; nothing of it reaches the terminal as it is."""
    with answering(b"SSH\x1b[31m\r\n", accept=False) as url:
        nonsense = run("ws://192.0.2.1", "--proxy", url.replace("ws:", "http:"))
    with answering(b"HTTP/1.1 403 \xc2\x9b31m\r\n\r\n", accept=False) as url:
        colourful = run("ws://192.0.2.1", "--proxy", url.replace("ws:", "http:"))

    assert "speaks no HTTP" in nonsense.err
    assert "answered 403" in colourful.err
    assert not any(sign in nonsense.err + colourful.err for sign in "\x1b\x9b")


def test_a_proxy_that_says_nothing_is_named(run: Run) -> None:
    """--timeout is over while it was to answer."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        outcome = run("ws://192.0.2.1", "--proxy", url, "--timeout", "0.2")

    assert (3, f"rawws: the proxy {url} did not answer in time; --timeout waits longer\n") == (
        outcome.code,
        outcome.err,
    )


def test_socks_needs_an_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is said, and how to go without where the environment names the proxy."""
    monkeypatch.setitem(sys.modules, "python_socks", None)
    given: Any = run("ws://192.0.2.1", "--proxy", "socks5://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    named: Any = run("ws://192.0.2.1")

    assert [64, 64] == [given.code, named.code]
    assert "pip install 'rawws[proxy]'" in given.err
    assert "--proxy none goes without" in named.err
